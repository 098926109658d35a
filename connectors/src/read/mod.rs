//! Files as sources of telemetry: CSV, Parquet, JSON lines, OTLP/JSON and plain text, plain
//! or compressed (gzip, zstd, told by their first bytes), finished or growing.
//!
//! What concerns one record is a [`theriac_contract::Reject`] with file, offset, line and the
//! mend; what concerns the file as a whole is a [`SourceError`].

mod framing;
mod lines;
mod parquet;
mod records;
mod settings;
mod sniff;
mod source;
mod stream;
mod table;

use std::{collections::BTreeSet, path::PathBuf};

pub use lines::{RECORD_BYTES_MAX, Records};
pub use settings::{FileSettings, Format, Paths};
use theriac_contract::{Source, SourceError};

use self::{source::FileSource, stream::Origin};

/// Opens the files as one source: one file after another, or all in turn if followed.
///
/// # Errors
/// If a path is not there, or a pattern fits no file.
pub fn open(settings: &FileSettings) -> Result<Box<dyn Source>, SourceError> {
    let origins = files(settings)?.into_iter().map(Origin::Path).collect();
    Ok(Box::new(FileSource::new(origins, settings.clone())))
}

/// Opens each file as a source of its own, for merging by event time.
///
/// # Errors
/// If a path is not there, or a pattern fits no file.
pub fn open_each(settings: &FileSettings) -> Result<Vec<Box<dyn Source>>, SourceError> {
    let one = |path: PathBuf| -> Box<dyn Source> {
        Box::new(FileSource::new(vec![Origin::Path(path)], settings.clone()))
    };
    Ok(files(settings)?.into_iter().map(one).collect())
}

/// Bytes in memory as a file of this name.
#[must_use]
pub fn from_bytes(name: &str, bytes: Vec<u8>, settings: &FileSettings) -> Box<dyn Source> {
    let settings = FileSettings { follow: false, ..settings.clone() };
    Box::new(FileSource::new(vec![Origin::Memory(name.to_owned(), bytes.into())], settings))
}

/// The files that the settings name, sorted, each once.
fn files(settings: &FileSettings) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = BTreeSet::new();
    for path in settings.path.iter() {
        let unreadable = |reason: String| SourceError::Unreadable { origin: path.clone(), reason };
        let matches = |pattern: &str| -> Result<Vec<PathBuf>, SourceError> {
            let found = glob::glob(pattern).map_err(|e| unreadable(format!("`path` is no pattern: {e}")))?;
            let known = |found: glob::GlobResult| found.ok().filter(|path| path.is_file());
            Ok(found.filter_map(known).collect())
        };
        let literal = PathBuf::from(path);
        if literal.is_dir() {
            let inside = matches(&format!("{}/**/*", glob::Pattern::escape(path.trim_end_matches('/'))))?;
            let known = |file: &PathBuf| {
                file.file_name().is_some_and(|name| sniff::is_telemetry(&name.to_string_lossy()))
            };
            let found: Vec<PathBuf> = inside.into_iter().filter(known).collect();
            if found.is_empty() {
                return Err(unreadable(
                    "the folder holds no .csv, .parquet, .json, .jsonl, .log or .txt file, compressed or not"
                        .to_owned(),
                ));
            }
            files.extend(found);
        } else if literal.exists() {
            files.insert(literal);
        } else {
            let found = if path.contains(['*', '?', '[']) { matches(path)? } else { Vec::new() };
            if found.is_empty() {
                return Err(unreadable(
                    "there is no such file, and as a pattern it fits none: check `path`".to_owned(),
                ));
            }
            files.extend(found);
        }
    }
    if files.is_empty() {
        return Err(SourceError::Unreadable {
            origin: settings.name.clone(),
            reason: "`path` names no file".to_owned(),
        });
    }
    Ok(files.into_iter().collect())
}
