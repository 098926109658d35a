//! One CSV for each recording, the form in which TSB-AD keeps its series.
//!
//! ```text
//! FOLDER/[CATEGORY/]NAME.csv      may be packed (.gz, .zst)
//! FOLDER/manifest.json            may be left out
//! ```
//!
//! The first line names the columns. The last one is `label` (case does not matter): 0 or 1.
//! A first one named `timestamp`, `time` or `date` holds the time of the row; without it, rows
//! count as one a minute. All others are values; an empty cell, or `nan`, is no value.
//!
//! How many rows at the start may be taken for ordinary is told by the name, as in
//! `001_NAB_id_1_Facility_tr_500_1st_1000.csv` (500; the category is then `Facility`), or by
//! the manifest, which counts more:
//!
//! ```json
//! {"step_seconds": 300, "files": {"a.csv": {"tr": 500, "category": "databases"}}}
//! ```

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;
use theriac_contract::{Interval, Timestamp};

use super::{
    cut_outs::name_parts,
    recording::{Recording, even_times, files, read_text},
    smd::parse_label,
};
use crate::ReadError;

const ENDINGS: [&str; 1] = [".csv"];
const TIME_COLUMNS: [&str; 3] = ["timestamp", "time", "date"];
const STEP_MAX_SECONDS: f64 = 366.0 * 86_400.0;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Manifest {
    step_seconds: Option<f64>,
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    tr: Option<usize>,
    category: Option<String>,
}

/// Whether a folder, or one in it, holds a CSV.
pub(super) fn is_there(dir: &Path) -> bool {
    let any = |dir: &Path| files(dir, &ENDINGS).is_ok_and(|files| !files.is_empty());
    any(dir) || folders(dir).is_ok_and(|folders| folders.iter().any(|(_, folder)| any(folder)))
}

fn folders(dir: &Path) -> Result<Vec<(String, std::path::PathBuf)>, ReadError> {
    let failed = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut folders = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.is_dir()) {
            folders.push((name, path));
        }
    }
    folders.sort();
    Ok(folders)
}

/// All recordings of a folder and of those in it, by name.
///
/// # Errors
/// If a file is not as the layout has it, or the manifest names one that is not there.
pub fn open(dir: &Path) -> Result<Vec<Recording>, ReadError> {
    let manifest_path = dir.join("manifest.json");
    let mut manifest = if manifest_path.is_file() {
        serde_json::from_str(&read_text(&manifest_path)?)
            .map_err(|error| ReadError::malformed(&manifest_path, error.line() as u64, error.to_string()))?
    } else {
        Manifest::default()
    };
    let step = manifest.step_seconds.unwrap_or(60.0);
    if !(step > 0.0 && step <= STEP_MAX_SECONDS) {
        let reason = format!("step_seconds is {step}; it is more than 0 and at most a year");
        return Err(ReadError::malformed(&manifest_path, None, reason));
    }
    let step = Interval((step * 1e9).round().max(1.0) as i64);
    let mut found = Vec::new();
    for (stem, path) in files(dir, &ENDINGS)? {
        found.push((String::new(), stem, path));
    }
    for (category, folder) in folders(dir)? {
        for (stem, path) in files(&folder, &ENDINGS)? {
            found.push((category.clone(), stem, path));
        }
    }
    let mut recordings = Vec::with_capacity(found.len());
    for (folder, stem, path) in found {
        let name = if folder.is_empty() { stem.clone() } else { format!("{folder}/{stem}") };
        let entry = manifest.files.remove(&format!("{name}.csv")).unwrap_or_default();
        let parts = name_parts(&stem);
        let fallback = if folder.is_empty() { "all" } else { &folder };
        let category = entry.category.unwrap_or_else(|| parts.domain.unwrap_or(fallback).to_owned());
        let mut recording = read(&path, step)?;
        recording.warmup = entry.tr.or(parts.warmup).unwrap_or(0);
        if recording.warmup > recording.labels.len() {
            let reason = format!("tr is {}, but it has {} rows", recording.warmup, recording.labels.len());
            return Err(ReadError::malformed(&path, None, reason));
        }
        (recording.name, recording.category) = (name, category);
        recordings.push(recording);
    }
    if let Some(name) = manifest.files.keys().next() {
        let reason = format!("it names {name}, which is not there");
        return Err(ReadError::malformed(&manifest_path, None, reason));
    }
    Ok(recordings)
}

/// A file, still without name, category and warm-up.
fn read(path: &Path, step: Interval) -> Result<Recording, ReadError> {
    let text = read_text(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let not_csv = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        ReadError::malformed(path, line, format!("not CSV: {error}"))
    };
    let names = reader.headers().map_err(not_csv)?.clone();
    let label = names.len().saturating_sub(1);
    if !names.get(label).is_some_and(|name| name.eq_ignore_ascii_case("label")) {
        let reason = format!("the last column is `{}`; it should be `label`", names.get(label).unwrap_or(""));
        return Err(ReadError::malformed(path, 1, reason));
    }
    let timed = TIME_COLUMNS.iter().any(|name| names.get(0).is_some_and(|it| it.eq_ignore_ascii_case(name)));
    let first = usize::from(timed);
    if first >= label {
        return Err(ReadError::malformed(path, 1, "no column of values before `label`"));
    }
    let mut times: Vec<Timestamp> = Vec::new();
    let mut channels: Vec<Vec<f64>> = vec![Vec::new(); label - first];
    let mut labels = Vec::new();
    for record in reader.records() {
        let record = record.map_err(not_csv)?;
        let line = record.position().map(csv::Position::line);
        if timed {
            let time = record[0].parse().map_err(|error| {
                ReadError::malformed(path, line, format!("column `{}`: {error}", &names[0]))
            })?;
            times.push(time);
        }
        for (column, channel) in (first..label).zip(&mut channels) {
            let cell = &record[column];
            let value = if cell.is_empty() { Ok(f64::NAN) } else { cell.parse() };
            channel.push(value.map_err(|_| {
                let name = &names[column];
                ReadError::malformed(path, line, format!("column `{name}`: `{cell}` is no number"))
            })?);
        }
        labels.push(parse_label(&record[label]).ok_or_else(|| {
            let cell = &record[label];
            ReadError::malformed(path, line, format!("column `label`: `{cell}` is neither 0 nor 1"))
        })?);
    }
    if labels.is_empty() {
        return Err(ReadError::malformed(path, None, "no rows"));
    }
    if !timed {
        times = even_times(labels.len(), step);
    }
    let (name, category) = (String::new(), String::new());
    Ok(Recording { name, category, times, channels, labels, warmup: 0, history: Vec::new() })
}
