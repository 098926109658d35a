//! A labelled recording.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use theriac_contract::{Interval, Timestamp};

use crate::ReadError;

/// Rows of one entity with labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Name, unique within its data set.
    pub name: String,
    /// What it is counted under in tables.
    pub category: String,
    /// Time of each row, `[rows]`.
    pub times: Vec<Timestamp>,
    /// Values, `[channels][rows]`; NaN where there is none.
    pub channels: Vec<Vec<f64>>,
    /// Whether each row is anomalous, `[rows]`.
    pub labels: Vec<bool>,
    /// Rows at the start that a detector may take for ordinary (TSB-AD's `tr`); 0 if nothing
    /// is said.
    pub warmup: usize,
    /// Unlabelled values from directly before the first row, `[channels][earlier rows]`; none
    /// if there are none.
    pub history: Vec<Vec<f64>>,
}

impl Recording {
    /// The times of [`Recording::history`], spaced as the first two rows are.
    #[must_use]
    pub fn history_times(&self) -> Vec<Timestamp> {
        let rows = self.history.first().map_or(0, Vec::len);
        let Some(first) = self.times.first() else { return Vec::new() };
        let step = self.times.get(1).map_or(MINUTE, |second| second.since(*first)).0.max(1);
        (1..=rows as i64).rev().map(|before| Timestamp(first.0 - before * step)).collect()
    }
}

const MINUTE: Interval = Interval::from_seconds(60);

/// Times for rows that have none: evenly spaced from 2020-01-01T00:00Z.
pub(super) fn even_times(rows: usize, step: Interval) -> Vec<Timestamp> {
    const START: i64 = 1_577_836_800_000_000_000;
    (0..rows as i64).map(|row| Timestamp(START + row * step.0)).collect()
}

/// Fingerprint of recordings: BLAKE3 over names, times, values and labels, the first 16
/// hexadecimal digits.
#[must_use]
pub fn digest(recordings: &[Recording]) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut number = |bits: u64| {
        hasher.update(&bits.to_le_bytes());
    };
    for recording in recordings {
        // Each part is led by its length, so that no two data sets give the same bytes.
        number(recording.name.len() as u64);
        recording.name.bytes().for_each(|byte| number(u64::from(byte)));
        number(recording.times.len() as u64);
        recording.times.iter().for_each(|time| number(time.0.cast_unsigned()));
        for channels in [&recording.channels, &recording.history] {
            number(channels.len() as u64);
            for channel in channels {
                number(channel.len() as u64);
                channel.iter().for_each(|value| number(value.to_bits()));
            }
        }
        recording.labels.iter().for_each(|label| number(u64::from(*label)));
        number(recording.warmup as u64);
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// The text of a file, plain, `.gz` or `.zst`.
pub(super) fn read_text(path: &Path) -> Result<String, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(failed)?;
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => {
            let mut unpacked = Vec::new();
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).map_err(failed)?;
            unpacked
        }
        Some("zst") => zstd::decode_all(&bytes[..]).map_err(failed)?,
        _ => bytes,
    };
    String::from_utf8(bytes).map_err(|_| ReadError::malformed(path, None, "not UTF-8"))
}

/// Regular files of a folder whose name, without `.gz` or `.zst`, ends as one of `endings`:
/// that name without the ending, and the path; by name.
pub(super) fn files(dir: &Path, endings: &[&str]) -> Result<Vec<(String, PathBuf)>, ReadError> {
    let failed = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        let stem = endings.iter().find_map(|ending| plain.strip_suffix(ending));
        if let Some(stem) = stem.filter(|_| path.is_file()) {
            files.push((stem.to_owned(), path));
        }
    }
    files.sort();
    // Beside a packed file there may be the same one unpacked.
    files.dedup_by(|a, b| a.0 == b.0);
    Ok(files)
}
