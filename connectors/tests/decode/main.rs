//! Decoders of payloads against other encoders, real producers, and damage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod arrow_ipc;
mod damaged;
mod encoding;
mod generate;
mod json;
mod oracle;
mod producer;
mod prometheus;
mod remote_write;
mod walked;
mod wire;

use std::path::PathBuf;

use theriac_connectors::decode::Rows;
use theriac_contract::{
    Telemetry,
    telemetry::{Logs, Points, Spans},
};

/// A file of `tests/fixtures`.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// The rows of points as `time resource name attributes value`.
fn points(batches: &[Telemetry]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let Telemetry::Points(batch) = batch else { continue };
        let points = Points::new(batch).unwrap();
        for row in 0..batch.num_rows() {
            rows.push(format!(
                "{} {} {} {} {:?}",
                points.time.value(row),
                points.resource.text(row),
                points.name.text(row),
                points.attributes.text(row),
                points.value.iter().nth(row).flatten(),
            ));
        }
    }
    rows
}

/// The bodies of log records.
fn bodies(batches: &[Telemetry]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let Telemetry::Logs(batch) = batch else { continue };
        let logs = Logs::new(batch).unwrap();
        rows.extend((0..batch.num_rows()).map(|row| logs.body.value(row).to_owned()));
    }
    rows
}

/// The names of spans.
fn span_names(batches: &[Telemetry]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let Telemetry::Spans(batch) = batch else { continue };
        let spans = Spans::new(batch).unwrap();
        rows.extend((0..batch.num_rows()).map(|row| spans.name.text(row).to_owned()));
    }
    rows
}

/// Everything that stands in `rows`, bad records as `path: reason`.
fn taken(mut rows: Rows) -> (Vec<Telemetry>, Vec<String>) {
    let bad = rows.bad.drain(..).map(|bad| format!("{}: {}", bad.path, bad.reason)).collect();
    (rows.take(), bad)
}
