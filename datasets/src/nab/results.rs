//! Reader of a detector's result files, as NAB keeps them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{Layout, Window};
use crate::{ReadError, scoring::segments};

/// The result files of one detector.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// Files, with windows as their labels tell them.
    pub layouts: Vec<Layout>,
    /// Scores, `[files][rows]`.
    pub scores: Vec<Vec<f64>>,
}

/// Columns that are read; there may be more.
#[derive(Deserialize)]
struct Row {
    anomaly_score: f64,
    label: f64,
}

impl Results {
    /// Reads `<category>/<detector>_<file>.csv` below the folder of a detector.
    ///
    /// # Errors
    /// If a file cannot be read or lacks the columns `anomaly_score` and `label`.
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let mut results = Self { layouts: Vec::new(), scores: Vec::new() };
        for folder in sorted(dir)?.iter().filter(|path| path.is_dir()) {
            let category = name_of(folder);
            for path in sorted(folder)? {
                let name = name_of(&path);
                let Some((_, file)) = name.split_once('_').filter(|(_, file)| file.ends_with(".csv")) else {
                    continue;
                };
                let wrong = |error: csv::Error| ReadError::Malformed {
                    path: path.clone(),
                    line: error.position().map(csv::Position::line),
                    reason: error.to_string(),
                };
                let reader = csv::Reader::from_path(&path).map_err(wrong)?;
                let rows: Vec<Row> = reader.into_deserialize().collect::<Result<_, _>>().map_err(wrong)?;
                let labels: Vec<bool> = rows.iter().map(|row| row.label > 0.5).collect();
                let windows = segments(&labels).into_iter();
                results.layouts.push(Layout {
                    name: format!("{category}/{file}"),
                    category: category.to_owned(),
                    rows: rows.len(),
                    windows: windows.map(|run| Window { first: run.first, last: run.last }).collect(),
                });
                results.scores.push(rows.iter().map(|row| row.anomaly_score).collect());
            }
        }
        Ok(results)
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// What is in a folder, by name.
fn sorted(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let failed = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}
