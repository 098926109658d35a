//! Telemetry in Arrow: three schemas after OpenTelemetry's data model.
//!
//! Resource, scope and attributes are canonical JSON objects (sorted keys, no blanks) in
//! dictionary columns: a set that repeats is stored once for each batch and looked up once
//! for each batch, however many rows use it.

mod attributes;
mod build;
mod column;
mod label;
mod logs;
mod points;
mod spans;

use arrow::array::RecordBatch;

pub use attributes::{Attributes, canonical, parse as parse_attributes};
pub use column::DictionaryColumn;
pub use label::{Label, fingerprint};
pub use logs::{LogBuilder, LogRow, Logs, log_schema};
pub use points::{
    Histogram, Measured, PointBuilder, PointKind, PointRow, PointRun, Points, Shared, Temporality,
    point_schema,
};
pub use spans::{
    SpanBuilder, SpanKind, SpanRow, SpanStatus, Spans, lacks_trace_state, no_trace_state, span_schema,
};

/// A batch of one of the three signals.
#[derive(Clone, Debug, PartialEq)]
pub enum Telemetry {
    /// [`point_schema`].
    Points(RecordBatch),
    /// [`log_schema`].
    Logs(RecordBatch),
    /// [`span_schema`].
    Spans(RecordBatch),
}

impl Telemetry {
    /// Rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batch().num_rows()
    }

    /// The batch, whichever signal it is.
    #[must_use]
    pub const fn batch(&self) -> &RecordBatch {
        match self {
            Self::Points(batch) | Self::Logs(batch) | Self::Spans(batch) => batch,
        }
    }

    /// `points`, `logs` or `spans`.
    #[must_use]
    pub const fn signal(&self) -> &'static str {
        match self {
            Self::Points(_) => "points",
            Self::Logs(_) => "logs",
            Self::Spans(_) => "spans",
        }
    }
}

/// A batch that does not have the schema it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("telemetry batch of {signal}: column `{column}` should be {expected}")]
pub struct BatchError {
    /// `points`, `logs` or `spans`.
    pub signal: &'static str,
    /// Column.
    pub column: &'static str,
    /// Its type.
    pub expected: &'static str,
}
