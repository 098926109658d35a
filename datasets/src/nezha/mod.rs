//! The Nezha data sets: metrics, logs and traces of a day, one fault injected at a time.
//!
//! | module | holds |
//! |---|---|
//! | [`calls`] | calls between services by metrics, for the same |
//! | [`case`] | [`Case`]: what was injected when and where; never fed to the engine |
//! | [`names`] | services of pods, OpenTelemetry names and units of metric columns |
//! | `day` | the [`Source`] of one day: files merged in the order of event time |
//! | `file` | one file: unpacked, read row by row, rows of its neighbours left out |
//! | [`minute`] | one minute as it is, for a diagnosis that is given the minute |
//! | [`published`] | what others reached on these cases |
//! | `row` | a row of each signal, and how it becomes telemetry |
//! | `log_line` | severity, logger and message out of a nested log line |
//!
//! A folder holds `metric/<day>_pods.csv.zst`, `{fault,normal}/<day>/HH_MM_{log,trace}.csv.zst`
//! and `cases.json`. What metrics tell of calls (`metric/<day>_{source_50,destination_50,front_service}.csv`)
//! is read for single minutes only. Not read: `traceid` files (which traces the authors used) and
//! `dependency.csv`, which the others tell too.
//!
//! Source: G. Yu et al., "Nezha: Interpretable Fine-Grained Root Causes Analysis for
//! Microservices on Multi-modal Observability Data", ESEC/FSE 2023.

pub mod calls;
pub mod case;
mod day;
mod file;
mod log_line;
pub mod minute;
pub mod names;
pub mod published;
mod row;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use theriac_contract::{Source, SourceError, Timestamp};

pub use case::Case;
pub use minute::Minute;

use self::{
    day::Day,
    file::{InputFile, Signal},
};

/// Days that a folder holds, in order.
///
/// # Errors
/// If the folder cannot be read.
pub fn days(folder: &Path) -> Result<Vec<String>, SourceError> {
    let mut days = BTreeSet::new();
    for below in ["fault", "normal", "metric"] {
        for name in names_in(&folder.join(below))? {
            days.extend(name.get(..10).filter(|day| midnight(day).is_some()).map(ToOwned::to_owned));
        }
    }
    Ok(days.into_iter().collect())
}

/// Opens a day; without one, the first there is. Nothing is read yet.
///
/// # Errors
/// If there is no such day, or the folder cannot be read.
pub fn open(folder: &Path, day: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
    let days = days(folder)?;
    let unreadable = |reason| SourceError::Unreadable { origin: folder.display().to_string(), reason };
    let day = match day {
        None => days.first().ok_or_else(|| {
            unreadable("no day lies here; it should hold metric/<day>_pods.csv.zst and fault/<day>/".into())
        })?,
        Some(day) => days.iter().find(|there| *there == day).ok_or_else(|| {
            unreadable(format!("there is no day `{day}`; the days are: {}", days.join(", ")))
        })?,
    };
    let start = midnight(day).ok_or_else(|| unreadable(format!("`{day}` is no day")))?;
    Ok(Box::new(Day::new(day, start, files(folder, day, start)?)))
}

/// Files of a day, in the order in which they are opened.
fn files(folder: &Path, day: &str, start: Timestamp) -> Result<Vec<InputFile>, SourceError> {
    let mut files = Vec::new();
    let metrics = folder.join("metric").join(format!("{day}_pods.csv.zst"));
    if metrics.is_file() {
        files.push(input(metrics, Signal::Points, start)?);
    }
    for below in ["normal", "fault"] {
        let folder = folder.join(below).join(day);
        for name in names_in(&folder)? {
            let signal = if name.ends_with("_log.csv.zst") {
                Signal::Logs
            } else if name.ends_with("_trace.csv.zst") {
                Signal::Spans
            } else {
                continue;
            };
            if let Some(minute) = name.get(..5).and_then(|text| minute(start, text)) {
                files.push(input(folder.join(&name), signal, minute)?);
            }
        }
    }
    files.sort_by(|a, b| (a.at, a.signal, &a.path).cmp(&(b.at, b.signal, &b.path)));
    Ok(files)
}

fn input(path: PathBuf, signal: Signal, at: Timestamp) -> Result<InputFile, SourceError> {
    let io = |source| SourceError::Io { origin: path.display().to_string(), source };
    let bytes = fs::metadata(&path).map_err(io)?.len();
    Ok(InputFile { path, signal, at, bytes })
}

/// Names in a folder, sorted; none if there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, SourceError> {
    let io = |source| SourceError::Io { origin: folder.display().to_string(), source };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(io)?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

/// Start of a day that is written `YYYY-MM-DD`.
fn midnight(day: &str) -> Option<Timestamp> {
    if day.len() == 10 { format!("{day} 00:00:00").parse().ok() } else { None }
}

/// Instant of a minute that is written `HH_MM`.
fn minute(midnight: Timestamp, text: &str) -> Option<Timestamp> {
    let (hour, minute) = text.split_once('_')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let seconds =
        (0..24).contains(&hour).then_some(hour * 3600)? + (0..60).contains(&minute).then_some(minute * 60)?;
    Some(Timestamp(midnight.0 + Timestamp::from_seconds(seconds).0))
}
