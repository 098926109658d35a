//! One minute as it lies in the files, for a diagnosis that is told which minute to look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;
use theriac_contract::{SourceError, Timestamp, telemetry::parse_attributes};

use super::{
    Case,
    file::{InputFile, Signal},
    input, midnight, minute, names_in,
    row::{Body, Row},
};

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// Trace.
    pub trace: [u8; 16],
    /// Id.
    pub id: [u8; 8],
    /// Parent; none for the entry.
    pub parent: Option<[u8; 8]>,
    /// Pod.
    pub pod: String,
    /// Operation.
    pub operation: String,
    /// Start.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
}

/// One log record.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Trace.
    pub trace: [u8; 16],
    /// Span.
    pub span: [u8; 8],
    /// Pod.
    pub pod: String,
    /// Time.
    pub time: Timestamp,
    /// OpenTelemetry severity number, 0 if the line has none.
    pub severity: u8,
    /// `logger#line`, empty if the line does not say it.
    pub place: String,
    /// Message.
    pub message: String,
}

/// What is known of one minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Minute {
    /// Spans, in the order of their ends.
    pub spans: Vec<Span>,
    /// Log records, in the order of time.
    pub logs: Vec<Log>,
    /// Metrics by pod and name, see [`super::names::metric`].
    pub metrics: BTreeMap<String, BTreeMap<String, f64>>,
}

/// The minutes that the published evaluation compares with, by day; in the upstream layout and
/// in ours they are the minutes below `normal/<day>`.
///
/// # Errors
/// If the folder cannot be read.
pub fn normal_minutes(folder: &Path) -> Result<BTreeMap<String, String>, SourceError> {
    let mut minutes = BTreeMap::new();
    for day in names_in(&folder.join("normal"))? {
        let names = names_in(&folder.join("normal").join(&day))?;
        if let Some(name) = names.iter().find_map(|name| name.get(..5)) {
            minutes.insert(day, name.to_owned());
        }
    }
    Ok(minutes)
}

/// Pods' metrics of a day by the minute that they were measured in.
pub type Metrics = BTreeMap<Timestamp, BTreeMap<String, BTreeMap<String, f64>>>;

/// Reads the metrics of a day; empty if there are none.
///
/// # Errors
/// If the file cannot be read.
pub fn metrics(folder: &Path, day: &str) -> Result<Metrics, SourceError> {
    let path = folder.join("metric").join(format!("{day}_pods.csv.zst"));
    let mut metrics = Metrics::new();
    if !path.is_file() {
        return Ok(metrics);
    }
    for row in rows(&input(path, Signal::Points, start_of(folder, day)?)?)? {
        if let Body::Points { resource, metrics: names, values } = &row.body {
            let of_pod =
                metrics.entry(start_of_minute(row.time)).or_default().entry(pod(resource)).or_default();
            of_pod.extend(values.iter().map(|(index, value)| (names[*index].name.clone(), *value)));
        }
    }
    Ok(metrics)
}

/// Reads a minute, `HH_MM`, below `fault` or `normal`, with the metrics that were measured in it;
/// what there is no file of stays empty.
///
/// # Errors
/// If a file cannot be read, or the day or the minute is none.
pub fn read(
    folder: &Path,
    below: &str,
    day: &str,
    name: &str,
    metrics: &Metrics,
) -> Result<Minute, SourceError> {
    let at = instant(folder, day, name)?;
    let mut read = Minute { metrics: metrics.get(&at).cloned().unwrap_or_default(), ..Minute::default() };
    for (signal, suffix) in [(Signal::Spans, "trace"), (Signal::Logs, "log")] {
        let path = folder.join(below).join(day).join(format!("{name}_{suffix}.csv.zst"));
        if path.is_file() {
            rows(&input(path, signal, at)?)?.into_iter().for_each(|row| read.add(row));
        }
    }
    Ok(read)
}

/// The instant of a minute `HH_MM` of a day.
///
/// # Errors
/// If the day or the minute is none.
pub fn instant(folder: &Path, day: &str, name: &str) -> Result<Timestamp, SourceError> {
    minute(start_of(folder, day)?, name).ok_or_else(|| SourceError::Unreadable {
        origin: folder.display().to_string(),
        reason: format!("`{name}` is no minute; it should be HH_MM"),
    })
}

fn start_of(folder: &Path, day: &str) -> Result<Timestamp, SourceError> {
    midnight(day).ok_or_else(|| SourceError::Unreadable {
        origin: folder.display().to_string(),
        reason: format!("`{day}` is no day; it should be YYYY-MM-DD"),
    })
}

fn start_of_minute(time: Timestamp) -> Timestamp {
    let minute = Timestamp::from_seconds(60).0;
    Timestamp(time.0.div_euclid(minute) * minute)
}

/// Rows of a file in the order of time, each once; rejected ones are left out, but not a file as a whole:
/// it would look like a signal that nobody collected.
fn rows(file: &InputFile) -> Result<Vec<Row>, SourceError> {
    let mut seen = BTreeSet::new();
    let mut rows: Vec<Row> = Vec::new();
    for item in file.read()? {
        match (item.row, item.fingerprint) {
            (Ok(row), fingerprint) => {
                if fingerprint.is_none_or(|fingerprint| seen.insert(fingerprint)) {
                    rows.push(row);
                }
            }
            (Err(reject), None) => {
                return Err(SourceError::Unreadable { origin: reject.origin, reason: reject.reason });
            }
            (Err(_), Some(_)) => {}
        }
    }
    rows.sort_by_key(|row| row.time);
    Ok(rows)
}

fn pod(resource: &str) -> String {
    text(resource, "service.instance.id")
}

fn text(attributes: &str, key: &str) -> String {
    let attributes = parse_attributes(attributes);
    attributes.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

impl Minute {
    fn add(&mut self, row: Row) {
        let time = row.time;
        match row.body {
            Body::Points { .. } => {}
            Body::Log { resource, trace_id, span_id, line } => {
                let number =
                    parse_attributes(&line.attributes).get("code.line.number").and_then(Value::as_u64);
                self.logs.push(Log {
                    trace: trace_id,
                    span: span_id,
                    pod: pod(&resource),
                    time,
                    severity: line.severity_number,
                    place: number
                        .map_or(String::new(), |number| format!("{}#{number}", text(&line.scope, "name"))),
                    message: line.body,
                });
            }
            Body::Span { resource, trace_id, span_id, parent, name, start } => self.spans.push(Span {
                trace: trace_id,
                id: span_id,
                parent,
                pod: pod(&resource),
                operation: name,
                start,
                end: time,
            }),
        }
    }

    /// Whether nothing at all is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.logs.is_empty() && self.metrics.is_empty()
    }
}

/// The fault-free minute that a case is compared with: the one of its day; without one, the
/// nearest day's, the earlier of two.
#[must_use]
pub fn normal_of<'a>(case: &Case, minutes: &'a BTreeMap<String, String>) -> Option<(&'a str, &'a str)> {
    let distance = |day: &str| Some(midnight(day)?.since(midnight(&case.day)?).0.abs());
    let nearest =
        minutes.iter().min_by_key(|(day, _)| (distance(day).unwrap_or(i64::MAX), (*day).clone()))?;
    Some((nearest.0, nearest.1))
}
