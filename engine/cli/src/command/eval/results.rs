//! Result files in NAB's layout, so that its official scorer can be run on them.
//!
//! `DIR/<detector>/<category>/<detector>_<file>.csv` with the columns `timestamp`, `value`,
//! `anomaly_score` and `label`, a row for each row of the data file and in its order. To have
//! them scored: copy `DIR/<detector>` into NAB's `results/` and run it with
//! `-d <detector> --optimize --score --normalize`.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use theriac_contract::Timestamp;

use crate::output::Wrong;

/// The figures of the evaluation, beside the detector's folder.
pub(super) const FIGURES: &str = "figures.json";

/// The scorer finds the profile of a file by these words in its path.
const PROFILE_WORDS: [&str; 3] = ["standard", "reward_low_FP_rate", "reward_low_FN_rate"];

/// The rows of one file.
pub(super) struct ResultFile<'a> {
    /// `category/file`, with or without `.csv`.
    pub(super) name: &'a str,
    pub(super) times: &'a [Timestamp],
    /// Value of each row; of several channels the first.
    pub(super) values: &'a [f64],
    /// Between 0 and 1.
    pub(super) scores: &'a [f64],
    pub(super) labels: &'a [bool],
}

/// Whether the official scorer could read what would be written there.
pub(super) fn check(folder: &Path, detector: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    if detector.is_empty() || !detector.bytes().all(plain) || detector.starts_with('.') {
        let text = format!(
            "the detector's name `{detector}` does not do: letters, digits, `-` and `.`; NAB cuts names at the first `_`"
        );
        return Err(Wrong(text).into());
    }
    let path = std::path::absolute(folder).with_context(|| folder.display().to_string())?;
    let path = path.join(detector);
    if let Some(word) = PROFILE_WORDS.iter().find(|word| path.display().to_string().contains(**word)) {
        let text = format!(
            "{}: NAB takes `{word}` in a path for the name of a profile; choose another folder",
            path.display()
        );
        return Err(Wrong(text).into());
    }
    Ok(())
}

/// Writes one file.
pub(super) fn write(folder: &Path, detector: &str, file: &ResultFile<'_>) -> Result<()> {
    let (category, name) = file.name.rsplit_once('/').unwrap_or(("all", file.name));
    let name = name.strip_suffix(".csv").unwrap_or(name);
    let folder = folder.join(detector).join(category);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut text = String::from("timestamp,value,anomaly_score,label\n");
    for (row, time) in file.times.iter().enumerate() {
        // A missing value is an empty cell.
        let value = Some(file.values[row]).filter(|value| !value.is_nan());
        let value = value.map_or_else(String::new, |value| value.to_string());
        let label = u8::from(file.labels[row]);
        let _ = writeln!(text, "{},{value},{},{label}", plain_time(*time), file.scores[row]);
    }
    let path = folder.join(format!("{detector}_{name}.csv"));
    fs::write(&path, text).with_context(|| path.display().to_string())
}

/// `2014-04-01 00:00:00`, as the data files have it; a fraction of a second only if there is one.
fn plain_time(time: Timestamp) -> String {
    let text = time.to_string().replacen('T', " ", 1);
    let text = text.trim_end_matches('Z');
    text.split_once('.').map_or_else(
        || text.to_owned(),
        |(whole, fraction)| match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_official_scorer_would_trip_over_is_refused() {
        assert!(check(Path::new("out"), "theriac").is_ok());
        for detector in ["", "a_b", "a/b", ".."] {
            assert!(check(Path::new("out"), detector).is_err(), "{detector}");
        }
        let text = check(Path::new("my-standard-run"), "theriac").unwrap_err().to_string();
        assert!(text.contains("`standard`"), "{text}");
    }

    #[test]
    fn a_file_is_written_row_for_row() {
        let dir = tempfile::tempdir().unwrap();
        let times: Vec<Timestamp> =
            ["2014-04-01 00:00:00", "2014-04-01 00:05:00.25"].map(|time| time.parse().unwrap()).to_vec();
        let file = ResultFile {
            name: "realTweets/a_b.csv",
            times: &times,
            values: &[1.5, f64::NAN],
            scores: &[0.0, 0.25],
            labels: &[false, true],
        };
        write(dir.path(), "theriac", &file).unwrap();
        let path = dir.path().join("theriac/realTweets/theriac_a_b.csv");
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "timestamp,value,anomaly_score,label\n2014-04-01 00:00:00,1.5,0,0\n2014-04-01 00:05:00.25,,0.25,1\n"
        );
    }
}
