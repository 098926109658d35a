//! Readers against files that other tools wrote, damaged files and growing files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod damaged;
mod formats;
mod growing;
mod mutated;
mod resuming;

use std::path::PathBuf;

use theriac_connectors::read::FileSettings;
use theriac_contract::{
    Fetch, Reject, Source, Telemetry,
    telemetry::{Logs, Points, Spans},
};

/// A file of `tests/fixtures`.
fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    path.display().to_string()
}

/// Everything that a source gives until it ends or rests: rows as text, and rejects.
fn drain(source: &mut dyn Source, bytes_max: usize) -> (Vec<String>, Vec<Reject>) {
    let (mut rows, mut rejects) = (Vec::new(), Vec::new());
    while let Fetch::Batch(fetched) = source.fetch(bytes_max).unwrap() {
        rows.extend(fetched.telemetry.iter().flat_map(lines));
        rejects.extend(fetched.rejects);
    }
    (rows, rejects)
}

fn read(settings: &FileSettings) -> (Vec<String>, Vec<Reject>) {
    drain(theriac_connectors::read::open(settings).unwrap().as_mut(), 1 << 20)
}

fn read_bytes(name: &str, bytes: &[u8], settings: &FileSettings) -> (Vec<String>, Vec<Reject>) {
    drain(theriac_connectors::read::from_bytes(name, bytes.to_vec(), settings).as_mut(), 1 << 20)
}

/// Each row as one line of text.
fn lines(batch: &Telemetry) -> Vec<String> {
    match batch {
        Telemetry::Points(batch) => {
            let points = Points::new(batch).unwrap();
            let row = |row: usize| {
                let value = points.value.iter().nth(row).flatten();
                let list = |list: &arrow::array::ListArray| {
                    use arrow::array::{Array, AsArray};
                    list.is_valid(row).then(|| {
                        let values = list.value(row);
                        values.as_primitive::<arrow::datatypes::Float64Type>().values().to_vec()
                    })
                };
                let mut line = format!(
                    "{} {} {} {} {:?}",
                    points.time.value(row) / 1_000_000_000,
                    points.resource.text(row),
                    points.name.text(row),
                    points.attributes.text(row),
                    value
                );
                if let (Some(bounds), Some(buckets)) = (list(points.bounds), list(points.buckets)) {
                    line += &format!(" {bounds:?} {buckets:?}");
                }
                line
            };
            (0..batch.num_rows()).map(row).collect()
        }
        Telemetry::Logs(batch) => {
            let logs = Logs::new(batch).unwrap();
            let row = |row: usize| {
                format!(
                    "{} {} {} {} {:?} {}",
                    logs.time.value(row) / 1_000_000_000,
                    logs.resource.text(row),
                    logs.severity_number.value(row),
                    logs.event_name.text(row),
                    logs.body.value(row),
                    logs.attributes.text(row)
                )
            };
            (0..batch.num_rows()).map(row).collect()
        }
        Telemetry::Spans(batch) => {
            let spans = Spans::new(batch).unwrap();
            let row = |row: usize| {
                format!(
                    "{:?} {} {} {} {} {} {} {}",
                    spans.trace_id.value(row),
                    spans.resource.text(row),
                    spans.name.text(row),
                    spans.kind.value(row),
                    spans.status.value(row),
                    spans.end.value(row) - spans.start.value(row),
                    spans.events.value(row),
                    spans.links.value(row)
                )
            };
            (0..batch.num_rows()).map(row).collect()
        }
    }
}
