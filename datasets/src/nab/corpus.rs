//! Reader of the corpus.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

use theriac_contract::Timestamp;

use super::scorer::{Layout, Window};
use crate::ReadError;

/// One series of the corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct NabFile {
    /// Name, rows and labelled windows: what a score is computed from.
    pub layout: Layout,
    /// Time of each row as written, taken as UTC, `[rows]`. Not always ascending, and some
    /// repeat: rows are told apart by their index.
    pub times: Vec<Timestamp>,
    /// Value of each row, `[rows]`.
    pub values: Vec<f64>,
    /// First row of each labelled instant that a window was built around.
    pub labelled_rows: Vec<usize>,
}

/// All series, in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
    /// Series.
    pub files: Vec<NabFile>,
}

impl Corpus {
    /// Reads the folder that holds `data/<category>/<file>.csv`, `labels/combined_windows.json`
    /// and, if the labelled instants are known, `labels/combined_labels.json`.
    ///
    /// # Errors
    /// If a file is missing or is not what the corpus has there.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let windows: BTreeMap<String, Vec<[String; 2]>> = labels(dir, "combined_windows.json")?;
        let instants: BTreeMap<String, Vec<String>> = if dir.join("labels/combined_labels.json").is_file() {
            labels(dir, "combined_labels.json")?
        } else {
            BTreeMap::new()
        };
        let mut files = Vec::with_capacity(windows.len());
        for (name, bounds) in windows {
            let labelled = instants.get(&name).map_or(&[][..], Vec::as_slice);
            files.push(read(dir, name, &bounds, labelled)?);
        }
        Ok(Self { files })
    }

    /// What the scorer needs, `[files]`.
    #[must_use]
    pub fn layouts(&self) -> Vec<Layout> {
        self.files.iter().map(|file| file.layout.clone()).collect()
    }

    /// Fingerprint of what was read: BLAKE3 over names, times, values and labels, the first
    /// 16 hexadecimal digits. Two corpora that differ in any of these differ in it.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut number = |bits: u64| {
            hasher.update(&bits.to_le_bytes());
        };
        for file in &self.files {
            // Each part is led by its length, so that no two corpora give the same bytes.
            number(file.layout.name.len() as u64);
            file.layout.name.bytes().for_each(|byte| number(u64::from(byte)));
            number(file.times.len() as u64);
            file.times.iter().for_each(|time| number(time.0.cast_unsigned()));
            number(file.values.len() as u64);
            file.values.iter().for_each(|value| number(value.to_bits()));
            number(file.labelled_rows.len() as u64);
            file.labelled_rows.iter().for_each(|row| number(*row as u64));
            number(file.layout.windows.len() as u64);
            for window in &file.layout.windows {
                number(window.first as u64);
                number(window.last as u64);
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Rows of all files.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.files.iter().map(|file| file.values.len()).sum()
    }
}

fn labels<T: serde::de::DeserializeOwned>(dir: &Path, name: &str) -> Result<T, ReadError> {
    let path = dir.join("labels").join(name);
    let text = fs::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|error| ReadError::Malformed {
        path,
        line: Some(error.line() as u64),
        reason: error.to_string(),
    })
}

fn read(dir: &Path, name: String, bounds: &[[String; 2]], labelled: &[String]) -> Result<NabFile, ReadError> {
    let path = dir.join("data").join(&name);
    let malformed = |line, reason| ReadError::Malformed { path: path.clone(), line, reason };
    let file = File::open(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
    let mut reader = csv::Reader::from_reader(file);
    let mut times = Vec::new();
    let mut values = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|error| {
            malformed(error.position().map(csv::Position::line), format!("not CSV: {error}"))
        })?;
        let line = record.position().map(csv::Position::line);
        let record = csv::StringRecord::from_byte_record(record)
            .map_err(|_| malformed(line, "not UTF-8".to_owned()))?;
        let time: Timestamp =
            record[0].parse().map_err(|error| malformed(line, format!("column `timestamp`: {error}")))?;
        let value: f64 = record.get(1).and_then(|text| text.trim().parse().ok()).ok_or_else(|| {
            malformed(line, format!("column `value`: `{}` is no number", record.get(1).unwrap_or_default()))
        })?;
        times.push(time);
        values.push(value);
    }
    let row_of = |text: &String| {
        let time: Timestamp = text
            .parse()
            .map_err(|error| malformed(None, format!("the labels of {name} are wrong: {error}")))?;
        times
            .iter()
            .position(|at| *at == time)
            .ok_or_else(|| malformed(None, format!("a label names {text}, which no row has")))
    };
    let mut windows = Vec::with_capacity(bounds.len());
    for [start, end] in bounds {
        windows.push(Window { first: row_of(start)?, last: row_of(end)? });
    }
    let labelled_rows = labelled.iter().map(row_of).collect::<Result<_, _>>()?;
    let category = name.split('/').next().unwrap_or_default().to_owned();
    let layout = Layout { category, rows: values.len(), windows, name };
    Ok(NabFile { layout, times, values, labelled_rows })
}
