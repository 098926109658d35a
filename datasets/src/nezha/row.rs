//! A row of each signal: read from its columns, and pushed into telemetry.

use std::{str, sync::Arc};

use csv::ByteRecord;
use theriac_contract::{
    Telemetry, Timestamp,
    telemetry::{
        LogBuilder, LogRow, PointBuilder, PointKind, PointRow, SpanBuilder, SpanKind, SpanRow, SpanStatus,
        Temporality,
    },
};

use super::{
    file::Signal,
    log_line::{self, LogLine},
    names::{Metric, metric, resource},
};

/// What Go gives as Unix nanoseconds of a time that was never set. Some log rows have it.
const NEVER_SET: i64 = -6_795_364_578_871_345_152;

/// A row that was read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Event time: of a span its end, when it is known whole.
    pub(super) time: Timestamp,
    /// Bytes of the row as text.
    pub(super) size: usize,
    pub(super) body: Body,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Points {
        resource: String,
        metrics: Arc<[Metric]>,
        values: Vec<(usize, f64)>,
    },
    Log {
        resource: String,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        line: LogLine,
    },
    Span {
        resource: String,
        trace_id: [u8; 16],
        span_id: [u8; 8],
        parent: Option<[u8; 8]>,
        name: String,
        start: Timestamp,
    },
}

/// Where a file has its columns.
pub(super) enum Columns {
    Points { time: usize, seconds: usize, pod: usize, metrics: Arc<[Metric]>, first: usize },
    Logs { nanoseconds: usize, time: usize, node: usize, pod: usize, trace: usize, span: usize, log: usize },
    Spans { trace: usize, span: usize, parent: usize, pod: usize, name: usize, start: usize, end: usize },
}

impl Columns {
    /// Finds the columns of a signal in the first line of a file.
    ///
    /// # Errors
    /// If one is missing, with what to do.
    pub(super) fn find(signal: Signal, header: &ByteRecord) -> Result<Self, String> {
        let find = |name: &str| {
            header
                .iter()
                .position(|column| column == name.as_bytes())
                .ok_or_else(|| format!("column `{name}` is missing; the first line must name the columns"))
        };
        Ok(match signal {
            Signal::Points => {
                let (time, seconds, pod) = (find("Time")?, find("TimeStamp")?, find("PodName")?);
                let first = time.max(seconds).max(pod) + 1;
                let names = header.iter().skip(first);
                let metrics = names.map(|name| metric(&String::from_utf8_lossy(name))).collect();
                Self::Points { time, seconds, pod, metrics, first }
            }
            Signal::Logs => Self::Logs {
                nanoseconds: find("TimeUnixNano")?,
                time: find("Timestamp")?,
                node: find("Node")?,
                pod: find("PodName")?,
                trace: find("TraceID")?,
                span: find("SpanID")?,
                log: find("Log")?,
            },
            Signal::Spans => Self::Spans {
                trace: find("TraceID")?,
                span: find("SpanID")?,
                parent: find("ParentID")?,
                pod: find("PodName")?,
                name: find("OperationName")?,
                start: find("StartTimeUnixNano")?,
                end: find("EndTimeUnixNano")?,
            },
        })
    }

    /// Reads a row.
    ///
    /// # Errors
    /// What is wrong, naming the column.
    pub(super) fn read(&self, record: &ByteRecord) -> Result<Row, String> {
        let size = record.as_slice().len();
        let (time, body) = match self {
            Self::Points { time, seconds, pod, metrics, first } => {
                // `TimeStamp` is six years ahead for one pod; `Time` is right for all.
                let at = match go_time(text(record, *time, "Time")?) {
                    Some(at) => at,
                    None => Timestamp::from_seconds(number(record, *seconds, "TimeStamp")?),
                };
                let mut values = Vec::with_capacity(metrics.len());
                for (index, metric) in metrics.iter().enumerate() {
                    let text = text(record, first + index, &metric.name)?;
                    let value: f64 = text
                        .parse()
                        .map_err(|_| format!("column of {}: `{text}` is no number", metric.name))?;
                    // NaN is what a quantile over no requests gives: nothing was measured.
                    if value.is_finite() {
                        values.push((index, value * metric.factor));
                    }
                }
                let resource = resource(name(record, *pod, "PodName")?, None);
                let metrics = metrics.clone();
                (at, Body::Points { resource, metrics, values })
            }
            Self::Logs { nanoseconds, time, node, pod, trace, span, log } => {
                let at = match number(record, *nanoseconds, "TimeUnixNano")? {
                    NEVER_SET => text(record, *time, "Timestamp")?
                        .parse()
                        .map_err(|error| format!("column `Timestamp`: {error}"))?,
                    nanoseconds => Timestamp(nanoseconds),
                };
                let line = log_line::parse(text(record, *log, "Log")?).map_err(|error| {
                    format!("column `Log` is not the JSON of a container runtime: {error}")
                })?;
                let node = text(record, *node, "Node")?;
                let body = Body::Log {
                    resource: resource(name(record, *pod, "PodName")?, Some(node)),
                    trace_id: id(record, *trace, "TraceID")?,
                    span_id: id(record, *span, "SpanID")?,
                    line,
                };
                (at, body)
            }
            Self::Spans { trace, span, parent, pod, name: operation, start, end } => {
                let start = Timestamp(number(record, *start, "StartTimeUnixNano")?);
                let end = Timestamp(number(record, *end, "EndTimeUnixNano")?);
                if end < start {
                    return Err("column `EndTimeUnixNano` lies before `StartTimeUnixNano`".to_owned());
                }
                let body = Body::Span {
                    resource: resource(name(record, *pod, "PodName")?, None),
                    trace_id: id(record, *trace, "TraceID")?,
                    span_id: id(record, *span, "SpanID")?,
                    parent: match text(record, *parent, "ParentID")? {
                        "root" => None,
                        _ => Some(id(record, *parent, "ParentID")?),
                    },
                    name: text(record, *operation, "OperationName")?.to_owned(),
                    start,
                };
                (end, body)
            }
        };
        Ok(Row { time, size, body })
    }
}

/// A time as Go prints it: `2022-08-22 03:51:19.607158889 +0000 UTC m=+0.113112869`.
fn go_time(text: &str) -> Option<Timestamp> {
    text.split_once(" UTC")?.0.parse().ok()
}

fn text<'a>(record: &'a ByteRecord, index: usize, column: &str) -> Result<&'a str, String> {
    let bytes = record.get(index).ok_or_else(|| format!("column `{column}` is missing in this row"))?;
    str::from_utf8(bytes).map_err(|_| format!("column `{column}` is not UTF-8"))
}

fn name<'a>(record: &'a ByteRecord, index: usize, column: &str) -> Result<&'a str, String> {
    let text = text(record, index, column)?;
    if text.is_empty() { Err(format!("column `{column}` is empty")) } else { Ok(text) }
}

fn number(record: &ByteRecord, index: usize, column: &str) -> Result<i64, String> {
    let text = text(record, index, column)?;
    text.parse().map_err(|_| format!("column `{column}`: `{text}` is no whole number"))
}

/// An id of `N` bytes in hexadecimal digits.
fn id<const N: usize>(record: &ByteRecord, index: usize, column: &str) -> Result<[u8; N], String> {
    let text = text(record, index, column)?;
    let mut id = [0; N];
    let right = text.len() == 2 * N && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !right {
        return Err(format!("column `{column}`: `{text}` is not {} hexadecimal digits", 2 * N));
    }
    for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| (digits[at] as char).to_digit(16).unwrap_or_default() as u8;
        *byte = digit(0) << 4 | digit(1);
    }
    Ok(id)
}

/// Rows of all signals on their way into batches.
#[derive(Default)]
pub(super) struct Batches {
    points: PointBuilder,
    logs: LogBuilder,
    spans: SpanBuilder,
    done: Vec<Telemetry>,
}

impl Batches {
    /// Adds a row; a batch that has `rows_max` rows is complete.
    pub(super) fn push(&mut self, row: &Row, rows_max: usize) {
        match &row.body {
            Body::Points { resource, metrics, values } => {
                for (index, value) in values {
                    self.points.push(&PointRow {
                        time: row.time,
                        start_time: None,
                        resource,
                        scope: "{}",
                        name: &metrics[*index].name,
                        unit: metrics[*index].unit,
                        attributes: "{}",
                        kind: PointKind::Gauge,
                        temporality: Temporality::Unspecified,
                        monotonic: false,
                        value: Some(*value),
                        histogram: None,
                    });
                }
            }
            Body::Log { resource, trace_id, span_id, line } => self.logs.push(&LogRow {
                time: row.time,
                observed_time: None,
                resource,
                scope: &line.scope,
                severity_number: line.severity_number,
                severity_text: &line.severity_text,
                event_name: "",
                body: &line.body,
                attributes: &line.attributes,
                trace_id: Some(*trace_id),
                span_id: Some(*span_id),
            }),
            Body::Span { resource, trace_id, span_id, parent, name, start } => self.spans.push(&SpanRow {
                trace_id: *trace_id,
                span_id: *span_id,
                parent_span_id: *parent,
                name,
                // The data do not say it.
                kind: SpanKind::Unspecified,
                start: *start,
                end: row.time,
                resource,
                scope: "{}",
                attributes: "{}",
                status: SpanStatus::Unset,
                status_message: "",
                events: "[]",
                links: "[]",
                trace_state: "",
            }),
        }
        if self.points.len().max(self.logs.len()).max(self.spans.len()) >= rows_max {
            self.cut();
        }
    }

    /// Completes the batches that were begun.
    pub(super) fn cut(&mut self) {
        if !self.points.is_empty() {
            self.done.push(Telemetry::Points(self.points.finish()));
        }
        if !self.logs.is_empty() {
            self.done.push(Telemetry::Logs(self.logs.finish()));
        }
        if !self.spans.is_empty() {
            self.done.push(Telemetry::Spans(self.spans.finish()));
        }
    }

    /// The complete batches, in order.
    pub(super) fn take(&mut self) -> Vec<Telemetry> {
        std::mem::take(&mut self.done)
    }
}
