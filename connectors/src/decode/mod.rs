//! Bytes of a record into Arrow rows.
//!
//! A decoder appends what it understands to [`Rows`] and notes what it does not as a
//! [`BadRecord`]; one bad record never costs its neighbours.

pub mod arrow_ipc;
mod base64;
pub(crate) mod columns;
mod encoding;
pub(crate) mod entity;
pub(crate) mod flat_json;
pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod memo;
mod noted;
pub(crate) mod otlp;
pub mod otlp_json;
pub mod otlp_proto;
pub mod remote_write;
pub(crate) mod text;
pub(crate) mod time;
mod wire;

use theriac_contract::{
    Telemetry,
    telemetry::{LogBuilder, PointBuilder, SpanBuilder},
};

use memo::Memo;
pub use {
    encoding::{Encoding, PayloadDecoder},
    otlp::Signal,
};

/// A record that could not be decoded, while the rest of its payload was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// Where in the payload it begins, bytes.
    pub offset: usize,
    /// Path inside the payload, or column; empty for the payload as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub reason: String,
    /// The record's bytes.
    pub bytes: Vec<u8>,
}

/// A payload of which nothing could be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// What is wrong and how to mend it.
    pub reason: String,
}

impl DecodeError {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// Rows that were decoded and not yet taken, `[rows]` of each signal.
#[derive(Default)]
pub struct Rows {
    /// Metric points.
    pub points: PointBuilder,
    /// Log records.
    pub logs: LogBuilder,
    /// Spans.
    pub spans: SpanBuilder,
    /// Batches that came as such.
    pub batches: Vec<Telemetry>,
    /// Records that could not be decoded.
    pub bad: Vec<BadRecord>,
    /// Attribute sets met before, so that a set that repeats is parsed once.
    pub(crate) memo: Memo,
    /// Takes JSON apart by serde_json alone.
    pub(crate) by_objects: bool,
}

impl Rows {
    /// Rows of JSON that is taken apart by serde_json alone, object by object. It is slow, and
    /// gives what the walk over the bytes gives: tests and fuzzing hold one against the other.
    #[must_use]
    pub fn by_objects() -> Self {
        Self { by_objects: true, ..Self::default() }
    }

    /// The rows as one batch for each signal that has any: points, logs, spans; then the
    /// batches that came as such. The builders are empty afterwards; bad records stay until
    /// they are taken from `bad`.
    #[must_use]
    pub fn take(&mut self) -> Vec<Telemetry> {
        let mut batches = Vec::new();
        if !self.points.is_empty() {
            batches.push(Telemetry::Points(self.points.finish()));
        }
        if !self.logs.is_empty() {
            batches.push(Telemetry::Logs(self.logs.finish()));
        }
        if !self.spans.is_empty() {
            batches.push(Telemetry::Spans(self.spans.finish()));
        }
        batches.append(&mut self.batches);
        batches
    }

    /// Rows waiting, over all signals.
    #[must_use]
    pub fn len(&self) -> usize {
        let whole: usize = self.batches.iter().map(Telemetry::rows).sum();
        self.points.len() + self.logs.len() + self.spans.len() + whole
    }

    /// Whether none wait.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
