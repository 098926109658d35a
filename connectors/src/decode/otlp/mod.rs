//! What both ways of writing OTLP, JSON and protobuf, have in common: what makes a record a
//! row, and what is said of one that is none.

pub(crate) mod exponential;
pub(crate) mod points;

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use memchr::memmem::Finder;
use serde_json::Value;
use theriac_contract::{
    Timestamp,
    telemetry::{SpanKind, SpanStatus, parse_attributes},
};

/// Deeper values are refused.
pub(crate) const DEPTH_MAX: usize = 32;

/// What is said of a value that is nested deeper than [`DEPTH_MAX`].
pub(crate) fn too_deep() -> String {
    format!("a value is nested deeper than {DEPTH_MAX}")
}

/// What a request holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// Metrics.
    Points,
    /// Log records.
    Logs,
    /// Spans.
    Spans,
}

impl Signal {
    /// Names of the lists of resources, scopes and records, as in OTLP/JSON.
    pub(crate) const fn lists(self) -> [&'static str; 3] {
        match self {
            Self::Points => ["resourceMetrics", "scopeMetrics", "metrics"],
            Self::Logs => ["resourceLogs", "scopeLogs", "logRecords"],
            Self::Spans => ["resourceSpans", "scopeSpans", "spans"],
        }
    }
}

/// Resource and scope of the records that follow, canonical.
pub(crate) struct Origin {
    pub(crate) resource: Arc<str>,
    pub(crate) scope: Arc<str>,
}

/// Nanoseconds since the epoch; `None` for 0, which means "not known".
pub(crate) fn instant(nanos: u64, name: &str) -> Result<Option<Timestamp>, String> {
    match i64::try_from(nanos) {
        Ok(0) => Ok(None),
        Ok(nanos) => Ok(Some(Timestamp(nanos))),
        Err(_) => Err(format!("`{name}` {nanos} lies beyond the year 2262")),
    }
}

/// When a log record happened: its time, or when it was observed.
pub(crate) fn log_time(time: u64, observed: u64) -> Result<(Timestamp, Option<Timestamp>), String> {
    let observed = instant(observed, "observedTimeUnixNano")?;
    let time = instant(time, "timeUnixNano")?
        .or(observed)
        .ok_or("neither `timeUnixNano` nor `observedTimeUnixNano` is set: give one of them")?;
    Ok((time, observed))
}

/// Whether attributes may hold the name of an event, as they did before there was a field.
pub(crate) fn names_event(attributes: &str) -> bool {
    static KEY: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"event.name\""));
    KEY.find(attributes.as_bytes()).is_some()
}

/// The name of an event: its own field, or the attribute that [`names_event`].
#[inline]
pub(crate) fn event_name<'a>(field: Cow<'a, str>, attributes: &str, named: bool) -> Cow<'a, str> {
    if !field.is_empty() || !named {
        return field;
    }
    old_event_name(attributes)
}

#[cold]
fn old_event_name(attributes: &str) -> Cow<'static, str> {
    let attributes = parse_attributes(attributes);
    let named = attributes.get("event.name").and_then(Value::as_str);
    named.map_or(Cow::Borrowed(""), |name| Cow::Owned(name.to_owned()))
}

/// Start and end of a span.
pub(crate) fn span_times(start: u64, end: u64) -> Result<(Timestamp, Timestamp), String> {
    let start = instant(start, "startTimeUnixNano")?;
    let end = instant(end, "endTimeUnixNano")?;
    let (Some(start), Some(end)) = (start, end) else {
        return Err("`startTimeUnixNano` and `endTimeUnixNano` must both be set".to_owned());
    };
    if end < start {
        return Err(format!("the span ends ({end}) before it starts ({start}): check the clock of its host"));
    }
    Ok((start, end))
}

pub(crate) const fn span_kind(number: i64) -> Option<SpanKind> {
    Some(match number {
        0 => SpanKind::Unspecified,
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => return None,
    })
}

pub(crate) const fn span_status(number: i64) -> Option<SpanStatus> {
    Some(match number {
        0 => SpanStatus::Unset,
        1 => SpanStatus::Ok,
        2 => SpanStatus::Error,
        _ => return None,
    })
}
