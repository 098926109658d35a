//! Calls between services as metrics tell them: how long the median call took, for who makes it and for
//! who serves it, and which share of the requests from outside succeeded.

use std::{collections::BTreeMap, path::Path};

use theriac_contract::{SourceError, Timestamp};

use crate::{packed, read_error::ReadError};

/// One minute of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Calls {
    /// Caller and callee, with milliseconds of the median call for each of the two; none where there was
    /// no value, which is so where there was no call.
    pub edges: BTreeMap<(String, String), [Option<f64>; 2]>,
    /// By name of the service, in small letters: the share of requests that succeeded, 0 to 1.
    pub success: BTreeMap<String, f64>,
}

/// By the minute in which they were measured.
pub type ByMinute = BTreeMap<Timestamp, Calls>;

/// Reads what there is of a day; empty if there is nothing.
///
/// # Errors
/// If a file is there and cannot be read, or lacks a column or a number.
pub fn read(folder: &Path, day: &str) -> Result<ByMinute, SourceError> {
    let mut minutes = ByMinute::new();
    for (side, file) in ["source_50", "destination_50"].into_iter().enumerate() {
        each(folder, &format!("{day}_{file}.csv"), "time", |minute, column, value| {
            let Some((caller, callee)) = column.split_once('_') else { return };
            let name = (caller.to_owned(), callee.to_owned());
            let edge = minutes.entry(minute).or_default().edges.entry(name).or_default();
            edge[side] = value.map(|seconds| seconds * 1e3);
        })?;
    }
    let mut of = String::new();
    each(folder, &format!("{day}_front_service.csv"), "Time", |minute, column, value| match column {
        "SuccessRate(%)" => {
            if let Some(percent) = value {
                minutes.entry(minute).or_default().success.insert(of.clone(), percent / 100.0);
            }
        }
        _ => {
            if let Some(service) = column.strip_prefix("ServiceName=") {
                of = service.to_lowercase();
            }
        }
    })?;
    Ok(minutes)
}

/// Columns that say when; not values.
const TIMES: [&str; 4] = ["time", "timestamp", "Time", "TimeStamp"];

/// Hands on the minute, the column and the value of each cell; a cell of the column `ServiceName` is handed
/// on as `ServiceName=…`.
fn each(
    folder: &Path,
    name: &str,
    time: &str,
    mut take: impl FnMut(Timestamp, &str, Option<f64>),
) -> Result<(), SourceError> {
    let path = folder.join("metric").join(name);
    let Some(there) = packed::find(&path) else { return Ok(()) };
    let wrong = |line: Option<u64>, reason: String| {
        let error = ReadError::malformed(&there, line, reason);
        SourceError::Unreadable { origin: folder.display().to_string(), reason: error.to_string() }
    };
    let (_, text) = packed::text(&path).map_err(|error| wrong(None, error.to_string()))?;
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let head = rows.headers().map_err(|error| wrong(Some(1), error.to_string()))?.clone();
    let at = head.iter().position(|column| column == time);
    let at =
        at.ok_or_else(|| wrong(Some(1), format!("no column `{time}`; it holds when a row was measured")))?;
    for row in rows.records() {
        let row = row.map_err(|error| wrong(error.position().map(csv::Position::line), error.to_string()))?;
        let line = row.position().map(csv::Position::line);
        let minute = row.get(at).and_then(|text| format!("{}:00", text.get(..16)?).parse().ok());
        let minute = minute.ok_or_else(|| {
            let reason =
                format!("`{}` in `{time}` should be YYYY-MM-DD HH:MM…", row.get(at).unwrap_or_default());
            wrong(line, reason)
        })?;
        for (column, cell) in head.iter().zip(&row).filter(|(column, _)| !TIMES.contains(column)) {
            if column == "ServiceName" {
                take(minute, &format!("ServiceName={cell}"), None);
                continue;
            }
            let value = match cell {
                "" | "NaN" => None,
                cell => Some(cell.parse().map_err(|_| {
                    wrong(
                        line,
                        format!("`{cell}` in `{column}` is no number; it should be one, NaN or empty"),
                    )
                })?),
            };
            take(minute, column, value);
        }
    }
    Ok(())
}
