//! Spans.

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

/// Role of a span, OpenTelemetry's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SpanKind {
    /// Not said.
    Unspecified = 0,
    /// Work inside a service.
    Internal = 1,
    /// A request that is served.
    Server = 2,
    /// A request that is made.
    Client = 3,
    /// A message that is sent.
    Producer = 4,
    /// A message that is taken.
    Consumer = 5,
}

/// Status of a span, OpenTelemetry's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SpanStatus {
    /// Not said.
    Unset = 0,
    /// Well.
    Ok = 1,
    /// Failed.
    Error = 2,
}

/// One span as given to [`SpanBuilder::push`].
#[derive(Clone, Debug)]
pub struct SpanRow<'a> {
    /// Trace.
    pub trace_id: [u8; 16],
    /// Span.
    pub span_id: [u8; 8],
    /// Parent; none for a root.
    pub parent_span_id: Option<[u8; 8]>,
    /// Operation.
    pub name: &'a str,
    /// Role.
    pub kind: SpanKind,
    /// Start.
    pub start: Timestamp,
    /// End, not before the start.
    pub end: Timestamp,
    /// Canonical resource attributes.
    pub resource: &'a str,
    /// Canonical scope.
    pub scope: &'a str,
    /// Canonical attributes.
    pub attributes: &'a str,
    /// Status.
    pub status: SpanStatus,
    /// Message of the status.
    pub status_message: &'a str,
    /// Events as a JSON array, `[]` if none.
    pub events: &'a str,
    /// Links as a JSON array, `[]` if none.
    pub links: &'a str,
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = || DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8));
    let time = || DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()));
    let fields = vec![
        Field::new("trace_id", DataType::FixedSizeBinary(16), false),
        Field::new("span_id", DataType::FixedSizeBinary(8), false),
        Field::new("parent_span_id", DataType::FixedSizeBinary(8), true),
        Field::new("name", text(), false),
        Field::new("kind", DataType::UInt8, false),
        Field::new("start", time(), false),
        Field::new("end", time(), false),
        Field::new("resource", text(), false),
        Field::new("scope", text(), false),
        Field::new("attributes", text(), false),
        Field::new("status", DataType::UInt8, false),
        Field::new("status_message", text(), false),
        Field::new("events", DataType::Utf8, false),
        Field::new("links", DataType::Utf8, false),
    ];
    let metadata = [("schema", "spans"), ("version", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Arc::new(Schema::new(fields).with_metadata(metadata.into()))
});

/// The schema of spans, version 1.
#[must_use]
pub fn span_schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Builds batches of spans.
pub struct SpanBuilder {
    trace_id: FixedSizeBinaryBuilder,
    span_id: FixedSizeBinaryBuilder,
    parent_span_id: FixedSizeBinaryBuilder,
    name: StringDictionaryBuilder<UInt32Type>,
    kind: UInt8Builder,
    start: TimestampNanosecondBuilder,
    end: TimestampNanosecondBuilder,
    resource: StringDictionaryBuilder<UInt32Type>,
    scope: StringDictionaryBuilder<UInt32Type>,
    attributes: StringDictionaryBuilder<UInt32Type>,
    status: UInt8Builder,
    status_message: StringDictionaryBuilder<UInt32Type>,
    events: StringBuilder,
    links: StringBuilder,
    rows: usize,
}

impl Default for SpanBuilder {
    fn default() -> Self {
        Self {
            trace_id: FixedSizeBinaryBuilder::new(16),
            span_id: FixedSizeBinaryBuilder::new(8),
            parent_span_id: FixedSizeBinaryBuilder::new(8),
            name: Default::default(),
            kind: Default::default(),
            start: Default::default(),
            end: Default::default(),
            resource: Default::default(),
            scope: Default::default(),
            attributes: Default::default(),
            status: Default::default(),
            status_message: Default::default(),
            events: Default::default(),
            links: Default::default(),
            rows: 0,
        }
    }
}

impl SpanBuilder {
    /// Adds a row.
    ///
    /// # Panics
    /// Never: ids have their fixed sizes by type.
    pub fn push(&mut self, row: &SpanRow<'_>) {
        self.trace_id.append_value(row.trace_id).expect("16 bytes");
        self.span_id.append_value(row.span_id).expect("8 bytes");
        match row.parent_span_id {
            Some(id) => self.parent_span_id.append_value(id).expect("8 bytes"),
            None => self.parent_span_id.append_null(),
        }
        self.name.append_value(row.name);
        self.kind.append_value(row.kind as u8);
        self.start.append_value(row.start.0);
        self.end.append_value(row.end.0);
        self.resource.append_value(row.resource);
        self.scope.append_value(row.scope);
        self.attributes.append_value(row.attributes);
        self.status.append_value(row.status as u8);
        self.status_message.append_value(row.status_message);
        self.events.append_value(row.events);
        self.links.append_value(row.links);
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
            Arc::new(self.trace_id.finish()),
            Arc::new(self.span_id.finish()),
            Arc::new(self.parent_span_id.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.start.finish().with_timezone("UTC")),
            Arc::new(self.end.finish().with_timezone("UTC")),
            Arc::new(self.resource.finish()),
            Arc::new(self.scope.finish()),
            Arc::new(self.attributes.finish()),
            Arc::new(self.status.finish()),
            Arc::new(self.status_message.finish()),
            Arc::new(self.events.finish()),
            Arc::new(self.links.finish()),
        ];
        RecordBatch::try_new(span_schema(), columns).expect("columns are built to the schema")
    }
}

/// Typed reading of a batch of spans. Columns are `[rows]`.
#[derive(Clone, Debug)]
pub struct Spans<'a> {
    /// Trace.
    pub trace_id: &'a FixedSizeBinaryArray,
    /// Span.
    pub span_id: &'a FixedSizeBinaryArray,
    /// Parent.
    pub parent_span_id: &'a FixedSizeBinaryArray,
    /// Operation.
    pub name: DictionaryColumn,
    /// [`SpanKind`] as number.
    pub kind: &'a UInt8Array,
    /// Start, nanoseconds.
    pub start: &'a TimestampNanosecondArray,
    /// End, nanoseconds.
    pub end: &'a TimestampNanosecondArray,
    /// Canonical resource attributes.
    pub resource: DictionaryColumn,
    /// Canonical scope.
    pub scope: DictionaryColumn,
    /// Canonical attributes.
    pub attributes: DictionaryColumn,
    /// [`SpanStatus`] as number.
    pub status: &'a UInt8Array,
    /// Message.
    pub status_message: DictionaryColumn,
    /// Events.
    pub events: &'a StringArray,
    /// Links.
    pub links: &'a StringArray,
}

impl<'a> Spans<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    /// If it does not have [`span_schema`].
    pub fn new(batch: &'a RecordBatch) -> Result<Self, BatchError> {
        const S: &str = "spans";
        Ok(Self {
            trace_id: typed(batch, S, "trace_id", "16 bytes")?,
            span_id: typed(batch, S, "span_id", "8 bytes")?,
            parent_span_id: typed(batch, S, "parent_span_id", "8 bytes")?,
            name: dictionary(batch, S, "name")?,
            kind: typed(batch, S, "kind", "u8")?,
            start: typed(batch, S, "start", "a timestamp in nanoseconds")?,
            end: typed(batch, S, "end", "a timestamp in nanoseconds")?,
            resource: dictionary(batch, S, "resource")?,
            scope: dictionary(batch, S, "scope")?,
            attributes: dictionary(batch, S, "attributes")?,
            status: typed(batch, S, "status", "u8")?,
            status_message: dictionary(batch, S, "status_message")?,
            events: typed(batch, S, "events", "text")?,
            links: typed(batch, S, "links", "text")?,
        })
    }
}
