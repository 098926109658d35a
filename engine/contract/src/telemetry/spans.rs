//! Spans.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, FixedSizeBinaryArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt8Array},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};

use super::{
    BatchError, DictionaryColumn, Label,
    build::{IdBuilder, ProseBuilder, TextBuilder, take},
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
    /// W3C trace state, empty if none: it tells how the span was sampled.
    pub trace_state: &'a str,
}

/// The column that version 1 of the schema did not have; the last.
const TRACE_STATE: &str = "trace_state";

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
        Field::new(TRACE_STATE, text(), false),
    ];
    let metadata = [("schema", "spans"), ("version", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Arc::new(Schema::new(fields).with_metadata(metadata.into()))
});

/// The schema of spans, version 2.
#[must_use]
pub fn span_schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Whether a batch has the columns of version 1, all but the last.
#[must_use]
pub fn lacks_trace_state(schema: &Schema) -> bool {
    let columns = SCHEMA.fields().len() - 1;
    schema.fields().len() == columns
        && schema.fields().iter().zip(SCHEMA.fields()).all(|(a, b)| a.name() == b.name())
}

/// The column of trace states where none was written, `[rows]`.
#[must_use]
pub fn no_trace_state(rows: usize) -> ArrayRef {
    let mut states = TextBuilder::default();
    (0..rows).for_each(|_| states.append(""));
    states.finish()
}

/// Builds batches of spans.
#[derive(Default)]
pub struct SpanBuilder {
    trace_id: IdBuilder<16>,
    span_id: IdBuilder<8>,
    parent_span_id: IdBuilder<8>,
    name: TextBuilder,
    kind: Vec<u8>,
    start: Vec<i64>,
    end: Vec<i64>,
    resource: TextBuilder,
    scope: TextBuilder,
    attributes: TextBuilder,
    status: Vec<u8>,
    status_message: TextBuilder,
    events: ProseBuilder,
    links: ProseBuilder,
    trace_state: TextBuilder,
}

impl SpanBuilder {
    /// Adds a row.
    pub fn push(&mut self, row: &SpanRow<'_>) {
        self.attributes.append(row.attributes);
        self.push_others(row);
    }

    /// As [`Self::push`], of a row whose attributes have been hashed before.
    #[inline]
    pub fn push_labelled(&mut self, row: &SpanRow<'_>, attributes: Label<'_>) {
        self.attributes.append_label(attributes);
        self.push_others(row);
    }

    /// Adds all columns but the attributes.
    #[inline]
    fn push_others(&mut self, row: &SpanRow<'_>) {
        self.trace_id.append(Some(row.trace_id));
        self.span_id.append(Some(row.span_id));
        self.parent_span_id.append(row.parent_span_id);
        self.name.append(row.name);
        self.kind.push(row.kind as u8);
        self.start.push(row.start.0);
        self.end.push(row.end.0);
        self.resource.append(row.resource);
        self.scope.append(row.scope);
        self.status.push(row.status as u8);
        self.status_message.append(row.status_message);
        self.events.append(row.events);
        self.links.append(row.links);
        self.trace_state.append(row.trace_state);
    }

    /// Rows since the last batch.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.start.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.start.is_empty()
    }

    /// The rows as a batch; the builder is empty afterwards.
    ///
    /// # Panics
    /// Never: the columns are built to the schema.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        let [start, end] =
            [&mut self.start, &mut self.end].map(|times| TimestampNanosecondArray::from(take(times)));
        let columns: Vec<ArrayRef> = vec![
            self.trace_id.finish(),
            self.span_id.finish(),
            self.parent_span_id.finish(),
            self.name.finish(),
            Arc::new(UInt8Array::from(take(&mut self.kind))),
            Arc::new(start.with_timezone("UTC")),
            Arc::new(end.with_timezone("UTC")),
            self.resource.finish(),
            self.scope.finish(),
            self.attributes.finish(),
            Arc::new(UInt8Array::from(take(&mut self.status))),
            self.status_message.finish(),
            self.events.finish(),
            self.links.finish(),
            self.trace_state.finish(),
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
    /// W3C trace state.
    pub trace_state: DictionaryColumn,
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
            trace_state: dictionary(batch, S, TRACE_STATE)?,
        })
    }
}
