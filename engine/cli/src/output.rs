//! What a command prints: text for people, or one JSON object for programs.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind, Write, stdout},
    path::Path,
    sync::{Mutex, PoisonError},
};

use clap::ValueEnum;
use serde::Serialize;
use theriac_contract::{SourceError, Topic};
use theriac_datasets::catalogue::NotFound;
use theriac_engine::{DriverError, EnvironmentError};
use theriac_plan::PlaybookError;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Why nothing more can be written to standard output.
static BROKEN: Mutex<Option<io::Error>> = Mutex::new(None);

/// A line about the program itself on standard error, as [`crate::log`] writes it.
macro_rules! note {
    ($($text:tt)*) => { tracing::info!("{}", format_args!($($text)*)) };
}
pub(crate) use note;

/// As `println!`, but without a panic if nobody reads any more (`| head`) or the disk is full.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::write(format_args!($($text)*)) };
}
pub(crate) use say;

/// A line on standard output; nothing once that has failed.
pub(crate) fn write(line: fmt::Arguments<'_>) {
    let mut broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if broken.is_none() {
        *broken = writeln!(stdout().lock(), "{line}").err();
    }
}

/// How to ask about what a topic of a folder holds, with what this build can do.
pub(crate) fn ask_about(data_dir: &Path, topic: Topic, table: &str) -> String {
    let folder = data_dir.display();
    if cfg!(feature = "sql") {
        format!("theriac sql --data-dir {folder} 'select * from {table}'")
    } else {
        format!("theriac tap {topic} --data-dir {folder}")
    }
}

/// Whether standard output leads nowhere: what is done for whoever reads it may stop.
pub(crate) fn is_broken() -> bool {
    BROKEN.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

/// Writes what is held back, and tells whether all was written. A reader that has seen
/// enough is no failure.
pub(crate) fn finish() -> io::Result<()> {
    let broken = BROKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    match broken.map_or_else(|| stdout().flush(), Err) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// The machine-readable result of `demo`, `eval`, `bench` and `campaign`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Which command made it.
    pub(crate) command: &'static str,
    /// Version of the program.
    pub(crate) version: &'static str,
    /// Digest of the configuration.
    pub(crate) configuration: String,
    /// Digest of the data that were read.
    pub(crate) data: String,
    /// Seed; none where nothing is drawn.
    pub(crate) seed: Option<u64>,
    /// Dotted names to numbers.
    pub(crate) metrics: BTreeMap<String, f64>,
}

impl Report {
    /// An empty report.
    pub(crate) fn new(command: &'static str, configuration: String, data: String, seed: Option<u64>) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self { command, version, configuration, data, seed, metrics: BTreeMap::new() }
    }

    /// Sets one metric. What cannot be measured is left out, so a number is always finite.
    pub(crate) fn set(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.metrics.insert(name.to_owned(), value);
        }
    }

    /// Sets `name.p50`, `name.p90`, `name.p99` and `name.max` of some values (nearest rank).
    pub(crate) fn set_quantiles(&mut self, name: &str, values: &[f64]) {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        for (suffix, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
            if let Some(value) = quantile(&sorted, share) {
                self.set(&format!("{name}.{suffix}"), value);
            }
        }
    }

    /// Prints it.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        say!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }
}

/// Nearest-rank quantile of sorted values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied()
}

/// An error with its causes. One whose text the one before ends with already is left out.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.ends_with(&cause) { text } else { format!("{text}: {cause}") }
    })
}

/// Exit code of an error: 2 for what the user wrote, 3 for missing data, 1 otherwise.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<NotFound>()) {
        return 3;
    }
    let wrong = |cause: &(dyn std::error::Error + 'static)| {
        let source = match cause.downcast_ref::<DriverError>() {
            Some(DriverError::Environment(EnvironmentError::Source(source))) => Some(source),
            _ => cause.downcast_ref::<SourceError>(),
        };
        cause.is::<Wrong>()
            || cause.is::<PlaybookError>()
            || matches!(source, Some(SourceError::Unreadable { .. }))
    };
    if error.chain().any(wrong) { 2 } else { 1 }
}

/// Something that the user wrote is wrong; the message says what and how to mend it.
#[derive(Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_rank() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), Some(2.0));
        assert_eq!(quantile(&values, 0.99), Some(4.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
