//! Files of labelled logs: `NAME_2k.log_structured.csv` and its kin, packed with gzip or not.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use crate::ReadError;

/// Which labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelSet {
    /// As first published, `…_structured.csv`.
    Original,
    /// Corrected by Khan et al. (ICSE 2022), `…_structured_corrected.csv`.
    Corrected,
    /// Labelled again by the rules of Loghub-2.0 (ISSTA 2024), `…_structured_v2.csv`.
    V2,
}

impl LabelSet {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Original, Self::Corrected, Self::V2];

    /// Its name in figures.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Corrected => "corrected",
            Self::V2 => "v2",
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Original => "",
            Self::Corrected => "_corrected",
            Self::V2 => "_v2",
        }
    }
}

/// Lines with one set of labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// What the lines say, without the head that their system puts before it.
    pub contents: Vec<String>,
    /// The template of each line, `<*>` for what varies.
    pub templates: Vec<String>,
}

/// The lines of one system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name: `HDFS`.
    pub name: String,
    /// Its lines by label set, as far as there are labels.
    pub labels: BTreeMap<LabelSet, Labelled>,
}

const STEM: &str = ".log_structured";

/// Reads every system in a folder or in the folders in it, by name.
///
/// # Errors
/// If the folder cannot be read, holds no `NAME_2k.log_structured.csv`, or a file of it is malformed.
pub fn open(folder: &Path) -> Result<Vec<System>, ReadError> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    for entry in entries(folder)? {
        if entry.is_dir() {
            folders.push(entry);
        }
    }
    for folder in &folders {
        for path in entries(folder)? {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let plain = name.strip_suffix(".gz").unwrap_or(name);
            if let Some((system, ending)) = plain.strip_suffix(".csv").and_then(|name| name.split_once(STEM))
                && let Some(set) = LabelSet::ALL.into_iter().find(|set| set.ending() == ending)
            {
                let system = system.rsplit_once('_').map_or(system, |(system, _)| system).to_owned();
                files.entry((system, set)).or_insert(path);
            }
        }
    }
    if files.is_empty() {
        let reason = "no NAME_2k.log_structured.csv (or .csv.gz) in this folder or in a folder in it";
        return Err(ReadError::malformed(folder, None, reason));
    }
    let mut systems: BTreeMap<String, System> = BTreeMap::new();
    for ((name, set), path) in files {
        let labelled = read(&path)?;
        let system = systems.entry(name.clone()).or_insert_with(|| System { name, labels: BTreeMap::new() });
        system.labels.insert(set, labelled);
    }
    Ok(systems.into_values().collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let io = |source| ReadError::Io { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        entries.push(entry.map_err(io)?.path());
    }
    entries.sort();
    Ok(entries)
}

fn read(path: &Path) -> Result<Labelled, ReadError> {
    let file = File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let file = BufReader::new(file);
    let bytes: Box<dyn Read> = match path.extension().is_some_and(|ending| ending == "gz") {
        true => Box::new(flate2::read::MultiGzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let wrong = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        ReadError::malformed(path, line, error.to_string())
    };
    let headers = reader.headers().map_err(wrong)?;
    let column = |name: &str| {
        let reason = || format!("no column `{name}`");
        headers
            .iter()
            .position(|header| header.trim() == name)
            .ok_or_else(|| ReadError::malformed(path, 1, reason()))
    };
    let (content, template) = (column("Content")?, column("EventTemplate")?);
    let mut labelled = Labelled { contents: Vec::new(), templates: Vec::new() };
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        labelled.contents.push(record[content].to_owned());
        labelled.templates.push(record[template].to_owned());
    }
    Ok(labelled)
}
