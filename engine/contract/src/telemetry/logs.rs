//! Log records.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        ArrayRef, FixedSizeBinaryArray, FixedSizeBinaryBuilder, RecordBatch, StringArray, StringBuilder,
        StringDictionaryBuilder, TimestampNanosecondArray, TimestampNanosecondBuilder, UInt8Array,
        UInt8Builder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt32Type},
};

use super::{
    BatchError, DictionaryColumn,
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
pub struct LogBuilder {
    time: TimestampNanosecondBuilder,
    observed_time: TimestampNanosecondBuilder,
    resource: StringDictionaryBuilder<UInt32Type>,
    scope: StringDictionaryBuilder<UInt32Type>,
    severity_number: UInt8Builder,
    severity_text: StringDictionaryBuilder<UInt32Type>,
    event_name: StringDictionaryBuilder<UInt32Type>,
    body: StringBuilder,
    attributes: StringDictionaryBuilder<UInt32Type>,
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    rows: usize,
}

impl Default for LogBuilder {
    fn default() -> Self {
        Self {
            time: Default::default(),
            observed_time: Default::default(),
            resource: Default::default(),
            scope: Default::default(),
            severity_number: Default::default(),
            severity_text: Default::default(),
            event_name: Default::default(),
            body: Default::default(),
            attributes: Default::default(),
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            rows: 0,
        }
    }
}

impl LogBuilder {
    /// Adds a row.
    ///
    /// # Panics
    /// Never: ids have their fixed sizes by type.
    pub fn push(&mut self, row: &LogRow<'_>) {
        self.time.append_value(row.time.0);
        self.observed_time.append_option(row.observed_time.map(|t| t.0));
        self.resource.append_value(row.resource);
        self.scope.append_value(row.scope);
        self.severity_number.append_value(row.severity_number);
        self.severity_text.append_value(row.severity_text);
        self.event_name.append_value(row.event_name);
        self.body.append_value(row.body);
        self.attributes.append_value(row.attributes);
        match row.trace_id {
            Some(id) => self.trace_id.append_value(id).expect("16 bytes"),
            None => self.trace_id.append_null(),
        }
        match row.span_id {
            Some(id) => self.span_id.append_value(id).expect("8 bytes"),
            None => self.span_id.append_null(),
        }
        self.rows += 1;
    }

    /// Rows since the last batch.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows as a batch; the builder is empty afterwards.
    ///
    /// # Panics
    /// Never: the columns are built to the schema.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        self.rows = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.observed_time.finish().with_timezone("UTC")),
            Arc::new(self.resource.finish()),
            Arc::new(self.scope.finish()),
            Arc::new(self.severity_number.finish()),
            Arc::new(self.severity_text.finish()),
            Arc::new(self.event_name.finish()),
            Arc::new(self.body.finish()),
            Arc::new(self.attributes.finish()),
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
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
