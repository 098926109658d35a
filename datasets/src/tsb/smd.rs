//! The layout of the Server Machine Dataset.
//!
//! ```text
//! test/NAME.txt          a row a line, the same number of comma-separated values in each; no header
//! test_label/NAME.txt    0 or 1 a line, as many as test/NAME has rows
//! train/NAME.txt         as test, directly before it; may be left out
//! ```
//!
//! Each file may be packed (`.gz`, `.zst`). Rows have no times; they count as one a minute.
//!
//! Source: Y. Su et al., "Robust Anomaly Detection for Multivariate Time Series through
//! Stochastic Recurrent Neural Network", KDD 2019.

use std::path::Path;

use theriac_contract::Interval;

use super::recording::{Recording, even_times, files, read_text};
use crate::ReadError;

const ENDINGS: [&str; 2] = [".txt", ".csv"];

/// All machines of a folder, by name.
///
/// # Errors
/// If a folder or a file is missing, or a file holds something else.
pub fn open(dir: &Path) -> Result<Vec<Recording>, ReadError> {
    let tests = files(&dir.join("test"), &ENDINGS)?;
    if tests.is_empty() {
        return Err(ReadError::malformed(&dir.join("test"), None, "no file *.txt or *.csv (.gz, .zst)"));
    }
    let labels = files(&dir.join("test_label"), &ENDINGS)?;
    let train = dir.join("train");
    let trains = if train.is_dir() { files(&train, &ENDINGS)? } else { Vec::new() };
    let mut machines = Vec::with_capacity(tests.len());
    for (name, path) in tests {
        let channels = read_matrix(&path)?;
        let rows = channels[0].len();
        let Some((_, label_path)) = labels.iter().find(|(other, _)| *other == name) else {
            let wanted = dir.join("test_label").join(format!("{name}.txt"));
            let reason = format!("it is missing: the labels of {}", path.display());
            return Err(ReadError::malformed(&wanted, None, reason));
        };
        let labels = read_labels(label_path, rows)?;
        let history = match trains.iter().find(|(other, _)| *other == name) {
            Some((_, path)) => {
                let history = read_matrix(path)?;
                if history.len() != channels.len() {
                    let reason = format!("{} columns; its test file has {}", history.len(), channels.len());
                    return Err(ReadError::malformed(path, None, reason));
                }
                history
            }
            None => Vec::new(),
        };
        machines.push(Recording {
            category: group(&name).to_owned(),
            times: even_times(rows, Interval::from_seconds(60)),
            channels,
            labels,
            warmup: 0,
            history,
            name,
        });
    }
    Ok(machines)
}

/// `machine-1` of `machine-1-5`, else all of the name.
fn group(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((group, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => group,
        _ => name,
    }
}

/// Columns of a file of comma-separated numbers, `[columns][rows]`, at least one of each.
fn read_matrix(path: &Path) -> Result<Vec<Vec<f64>>, ReadError> {
    let text = read_text(path)?;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let cells = line.split(',');
        if number == 1 {
            columns = cells.clone().map(|_| Vec::new()).collect();
        }
        let mut found = 0;
        for cell in cells {
            let value: f64 = cell
                .trim()
                .parse()
                .map_err(|_| ReadError::malformed(path, number, format!("`{}` is no number", cell.trim())))?;
            if let Some(column) = columns.get_mut(found) {
                column.push(value);
            }
            found += 1;
        }
        if found != columns.len() {
            let reason = format!("{found} values; the first line has {}", columns.len());
            return Err(ReadError::malformed(path, number, reason));
        }
    }
    if columns.is_empty() {
        return Err(ReadError::malformed(path, None, "no rows"));
    }
    Ok(columns)
}

fn read_labels(path: &Path, rows: usize) -> Result<Vec<bool>, ReadError> {
    let text = read_text(path)?;
    let mut labels = Vec::with_capacity(rows);
    for (number, line) in (1..).zip(text.lines()) {
        labels.push(parse_label(line).ok_or_else(|| {
            ReadError::malformed(path, number, format!("`{}` is no label; labels are 0 or 1", line.trim()))
        })?);
    }
    if labels.len() != rows {
        let reason = format!("{} labels; its test file has {rows} rows", labels.len());
        return Err(ReadError::malformed(path, None, reason));
    }
    Ok(labels)
}

/// 0 and 1, also written as `0.0`, `1.0`.
pub(super) fn parse_label(text: &str) -> Option<bool> {
    match text.trim().parse::<f64>() {
        Ok(0.0) => Some(false),
        Ok(1.0) => Some(true),
        _ => None,
    }
}
