//! Log records.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt8Array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampNanosecondType},
};

use super::{
    BatchError, DictionaryColumn, Label,
    build::{IdBuilder, NumberBuilder, ProseBuilder, TextBuilder, take},
    column::{dictionary, typed},
};
use crate::time::Timestamp;

/// One record as given to [`LogBuilder::push`].
#[derive(Clone, Debug)]
pub struct LogRow<'a> {
    /// When it happened.
    pub time: Timestamp,
    /// When it was collected.
    pub observed_time: Option<Timestamp>,
    /// Canonical resource attributes.
    pub resource: &'a str,
    /// Canonical scope.
    pub scope: &'a str,
    /// OpenTelemetry severity number, 0 (unspecified) to 24 (fatal 4).
    pub severity_number: u8,
    /// Severity as the source writes it.
    pub severity_text: &'a str,
    /// Name of the event, empty for an ordinary log line.
    pub event_name: &'a str,
    /// Body as text; a structured body as JSON.
    pub body: &'a str,
    /// Canonical attributes.
    pub attributes: &'a str,
    /// Trace that it belongs to.
    pub trace_id: Option<[u8; 16]>,
    /// Span that it belongs to.
    pub span_id: Option<[u8; 8]>,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = || DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let time = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let fields = vec![
        Field::new("time", time(), false),
        Field::new("observed_time", time(), true),
        Field::new("resource", text(), false),
        Field::new("scope", text(), false),
        Field::new("severity_number", DataType::UInt8, false),
        Field::new("severity_text", text(), false),
        Field::new("event_name", text(), false),
        Field::new("body", DataType::Utf8, false),
        Field::new("attributes", text(), false),
        Field::new("trace_id", DataType::FixedSizeBinary(16), true),
        Field::new("span_id", DataType::FixedSizeBinary(8), true),
    ];
    let metadata = [("schema", "logs"), ("version", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Arc::new(Schema::new(fields).with_metadata(metadata.into()))
});

/// The schema of log records, version 1.
#[must_use]
pub fn log_schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Builds batches of log records.
#[derive(Default)]
pub struct LogBuilder {
    time: Vec<i64>,
    observed_time: NumberBuilder<TimestampNanosecondType>,
    resource: TextBuilder,
    scope: TextBuilder,
    severity_number: Vec<u8>,
    severity_text: TextBuilder,
    event_name: TextBuilder,
    body: ProseBuilder,
    attributes: TextBuilder,
    trace_id: IdBuilder<16>,
    span_id: IdBuilder<8>,
}

impl LogBuilder {
    /// Adds a row.
    pub fn push(&mut self, row: &LogRow<'_>) {
        self.attributes.append(row.attributes);
        self.push_others(row);
    }

    /// As [`Self::push`], of a row whose attributes have been hashed before.
    #[inline]
    pub fn push_labelled(&mut self, row: &LogRow<'_>, attributes: Label<'_>) {
        self.attributes.append_label(attributes);
        self.push_others(row);
    }

    /// Adds all columns but the attributes.
    #[inline]
    fn push_others(&mut self, row: &LogRow<'_>) {
        self.time.push(row.time.0);
        self.observed_time.append(row.observed_time.map(|time| time.0));
        self.resource.append(row.resource);
        self.scope.append(row.scope);
        self.severity_number.push(row.severity_number);
        self.severity_text.append(row.severity_text);
        self.event_name.append(row.event_name);
        self.body.append(row.body);
        self.trace_id.append(row.trace_id);
        self.span_id.append(row.span_id);
    }

    /// Rows since the last batch.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.time.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.time.is_empty()
    }

    /// The rows as a batch; the builder is empty afterwards.
    ///
    /// # Panics
    /// Never: the columns are built to the schema.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        let time = TimestampNanosecondArray::from(take(&mut self.time));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(time.with_timezone("UTC")),
            Arc::new(self.observed_time.finish().with_timezone("UTC")),
            self.resource.finish(),
            self.scope.finish(),
            Arc::new(UInt8Array::from(take(&mut self.severity_number))),
            self.severity_text.finish(),
            self.event_name.finish(),
            self.body.finish(),
            self.attributes.finish(),
            self.trace_id.finish(),
            self.span_id.finish(),
        ];
        RecordBatch::try_new(log_schema(), columns).expect("columns are built to the schema")
    }
}

/// Typed reading of a batch of log records. Columns are `[rows]`.
#[derive(Clone, Debug)]
pub struct Logs<'a> {
    /// When it happened, nanoseconds.
    pub time: &'a TimestampNanosecondArray,
    /// When collected.
    pub observed_time: &'a TimestampNanosecondArray,
    /// Canonical resource attributes.
    pub resource: DictionaryColumn,
    /// Canonical scope.
    pub scope: DictionaryColumn,
    /// Severity, 0 to 24.
    pub severity_number: &'a UInt8Array,
    /// Severity as written.
    pub severity_text: DictionaryColumn,
    /// Event name.
    pub event_name: DictionaryColumn,
    /// Body.
    pub body: &'a StringArray,
    /// Canonical attributes.
    pub attributes: DictionaryColumn,
    /// Trace.
    pub trace_id: &'a FixedSizeBinaryArray,
    /// Span.
    pub span_id: &'a FixedSizeBinaryArray,
}

impl<'a> Logs<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    /// If it does not have [`log_schema`].
    pub fn new(batch: &'a RecordBatch) -> Result<Self, BatchError> {
        const S: &str = "logs";
        Ok(Self {
            time: typed(batch, S, "time", "a timestamp in nanoseconds")?,
            observed_time: typed(batch, S, "observed_time", "a timestamp in nanoseconds")?,
            resource: dictionary(batch, S, "resource")?,
            scope: dictionary(batch, S, "scope")?,
            severity_number: typed(batch, S, "severity_number", "u8")?,
            severity_text: dictionary(batch, S, "severity_text")?,
            event_name: dictionary(batch, S, "event_name")?,
            body: typed(batch, S, "body", "text")?,
            attributes: dictionary(batch, S, "attributes")?,
            trace_id: typed(batch, S, "trace_id", "16 bytes")?,
            span_id: typed(batch, S, "span_id", "8 bytes")?,
        })
    }
}
