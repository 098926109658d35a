//! Metric points.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        BooleanArray, BooleanBuilder, Float64Array, Float64Builder, ListArray, ListBuilder, RecordBatch,
        StringDictionaryBuilder, TimestampNanosecondArray, TimestampNanosecondBuilder, UInt8Array,
        UInt8Builder, UInt64Array, UInt64Builder,
    },
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, UInt32Type},
};

use super::{
    BatchError, DictionaryColumn,
    column::{dictionary, typed},
};
use crate::time::Timestamp;

/// Which of OpenTelemetry's metric kinds a point has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PointKind {
    /// A level at an instant.
    Gauge = 0,
    /// A sum; see temporality and monotonic.
    Sum = 1,
    /// Counts in buckets with explicit bounds. Exponential histograms are turned into these.
    Histogram = 2,
    /// Quantiles made by the source: bounds are the quantiles, counts unused, values in `quantile_values`.
    Summary = 3,
}

/// What a sum or histogram covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Temporality {
    /// Not said, or not applicable (gauge).
    Unspecified = 0,
    /// Since the last point.
    Delta = 1,
    /// Since `start_time`.
    Cumulative = 2,
}

/// Count, sum and buckets of a histogram or summary point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Number of measurements.
    pub count: u64,
    /// Their sum, if kept.
    pub sum: Option<f64>,
    /// Smallest, if kept.
    pub min: Option<f64>,
    /// Largest, if kept.
    pub max: Option<f64>,
    /// Histogram: upper bounds of all buckets but the last, `[buckets - 1]`. Summary: the
    /// quantiles, 0..1.
    pub bounds: Vec<f64>,
    /// Histogram: counts, `[buckets]`. Summary: the value at each quantile.
    pub buckets: Vec<f64>,
}

/// One point as given to [`PointBuilder::push`].
#[derive(Clone, Debug)]
pub struct PointRow<'a> {
    /// When it was measured.
    pub time: Timestamp,
    /// Start of what a sum or histogram covers.
    pub start_time: Option<Timestamp>,
    /// Canonical resource attributes.
    pub resource: &'a str,
    /// Canonical scope: name, version and attributes.
    pub scope: &'a str,
    /// Name of the metric.
    pub name: &'a str,
    /// Unit (UCUM), empty if none.
    pub unit: &'a str,
    /// Canonical attributes of the point.
    pub attributes: &'a str,
    /// Kind.
    pub kind: PointKind,
    /// Temporality.
    pub temporality: Temporality,
    /// Whether a sum only grows.
    pub monotonic: bool,
    /// Value of a gauge or sum; none for "no recorded value" and for histograms.
    pub value: Option<f64>,
    /// Of a histogram or summary.
    pub histogram: Option<&'a Histogram>,
}

fn text() -> DataType {
    DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
}

fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let list = |name| Field::new_list(name, Field::new_list_field(DataType::Float64, true), true);
    let fields = vec![
        Field::new("time", time(), false),
        Field::new("start_time", time(), true),
        Field::new("resource", text(), false),
        Field::new("scope", text(), false),
        Field::new("name", text(), false),
        Field::new("unit", text(), false),
        Field::new("attributes", text(), false),
        Field::new("kind", DataType::UInt8, false),
        Field::new("temporality", DataType::UInt8, false),
        Field::new("monotonic", DataType::Boolean, false),
        Field::new("value", DataType::Float64, true),
        Field::new("count", DataType::UInt64, true),
        Field::new("sum", DataType::Float64, true),
        Field::new("min", DataType::Float64, true),
        Field::new("max", DataType::Float64, true),
        list("bounds"),
        list("buckets"),
    ];
    let metadata = [("schema", "points"), ("version", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    Arc::new(Schema::new(fields).with_metadata(metadata.into()))
});

/// The schema of metric points, version 1.
#[must_use]
pub fn point_schema() -> SchemaRef {
    SCHEMA.clone()
}

/// Builds batches of points.
#[derive(Default)]
pub struct PointBuilder {
    time: TimestampNanosecondBuilder,
    start_time: TimestampNanosecondBuilder,
    resource: StringDictionaryBuilder<UInt32Type>,
    scope: StringDictionaryBuilder<UInt32Type>,
    name: StringDictionaryBuilder<UInt32Type>,
    unit: StringDictionaryBuilder<UInt32Type>,
    attributes: StringDictionaryBuilder<UInt32Type>,
    kind: UInt8Builder,
    temporality: UInt8Builder,
    monotonic: BooleanBuilder,
    value: Float64Builder,
    count: UInt64Builder,
    sum: Float64Builder,
    min: Float64Builder,
    max: Float64Builder,
    bounds: ListBuilder<Float64Builder>,
    buckets: ListBuilder<Float64Builder>,
    rows: usize,
}

impl PointBuilder {
    /// Adds a row.
    pub fn push(&mut self, row: &PointRow<'_>) {
        self.time.append_value(row.time.0);
        self.start_time.append_option(row.start_time.map(|t| t.0));
        self.resource.append_value(row.resource);
        self.scope.append_value(row.scope);
        self.name.append_value(row.name);
        self.unit.append_value(row.unit);
        self.attributes.append_value(row.attributes);
        self.kind.append_value(row.kind as u8);
        self.temporality.append_value(row.temporality as u8);
        self.monotonic.append_value(row.monotonic);
        self.value.append_option(row.value);
        self.count.append_option(row.histogram.map(|h| h.count));
        self.sum.append_option(row.histogram.and_then(|h| h.sum));
        self.min.append_option(row.histogram.and_then(|h| h.min));
        self.max.append_option(row.histogram.and_then(|h| h.max));
        match row.histogram {
            Some(histogram) => {
                self.bounds.append_value(histogram.bounds.iter().map(|v| Some(*v)));
                self.buckets.append_value(histogram.buckets.iter().map(|v| Some(*v)));
            }
            None => {
                self.bounds.append_null();
                self.buckets.append_null();
            }
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
        let columns: Vec<arrow::array::ArrayRef> = vec![
            Arc::new(self.time.finish().with_timezone("UTC")),
            Arc::new(self.start_time.finish().with_timezone("UTC")),
            Arc::new(self.resource.finish()),
            Arc::new(self.scope.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.unit.finish()),
            Arc::new(self.attributes.finish()),
            Arc::new(self.kind.finish()),
            Arc::new(self.temporality.finish()),
            Arc::new(self.monotonic.finish()),
            Arc::new(self.value.finish()),
            Arc::new(self.count.finish()),
            Arc::new(self.sum.finish()),
            Arc::new(self.min.finish()),
            Arc::new(self.max.finish()),
            Arc::new(self.bounds.finish()),
            Arc::new(self.buckets.finish()),
        ];
        RecordBatch::try_new(point_schema(), columns).expect("columns are built to the schema")
    }
}

/// Typed reading of a batch of points. Columns are `[rows]`.
#[derive(Clone, Debug)]
pub struct Points<'a> {
    /// When measured, nanoseconds.
    pub time: &'a TimestampNanosecondArray,
    /// Start of what is covered.
    pub start_time: &'a TimestampNanosecondArray,
    /// Canonical resource attributes.
    pub resource: DictionaryColumn,
    /// Canonical scope.
    pub scope: DictionaryColumn,
    /// Metric name.
    pub name: DictionaryColumn,
    /// Unit.
    pub unit: DictionaryColumn,
    /// Canonical attributes.
    pub attributes: DictionaryColumn,
    /// [`PointKind`] as number.
    pub kind: &'a UInt8Array,
    /// [`Temporality`] as number.
    pub temporality: &'a UInt8Array,
    /// Whether a sum only grows.
    pub monotonic: &'a BooleanArray,
    /// Value of a gauge or sum.
    pub value: &'a Float64Array,
    /// Measurements in a histogram or summary.
    pub count: &'a UInt64Array,
    /// Their sum.
    pub sum: &'a Float64Array,
    /// Smallest.
    pub min: &'a Float64Array,
    /// Largest.
    pub max: &'a Float64Array,
    /// Bounds or quantiles.
    pub bounds: &'a ListArray,
    /// Bucket counts or quantile values.
    pub buckets: &'a ListArray,
}

impl<'a> Points<'a> {
    /// Reads a batch.
    ///
    /// # Errors
    /// If it does not have [`point_schema`].
    pub fn new(batch: &'a RecordBatch) -> Result<Self, BatchError> {
        const S: &str = "points";
        Ok(Self {
            time: typed(batch, S, "time", "a timestamp in nanoseconds")?,
            start_time: typed(batch, S, "start_time", "a timestamp in nanoseconds")?,
            resource: dictionary(batch, S, "resource")?,
            scope: dictionary(batch, S, "scope")?,
            name: dictionary(batch, S, "name")?,
            unit: dictionary(batch, S, "unit")?,
            attributes: dictionary(batch, S, "attributes")?,
            kind: typed(batch, S, "kind", "u8")?,
            temporality: typed(batch, S, "temporality", "u8")?,
            monotonic: typed(batch, S, "monotonic", "a boolean")?,
            value: typed(batch, S, "value", "f64")?,
            count: typed(batch, S, "count", "u64")?,
            sum: typed(batch, S, "sum", "f64")?,
            min: typed(batch, S, "min", "f64")?,
            max: typed(batch, S, "max", "f64")?,
            bounds: typed(batch, S, "bounds", "a list of f64")?,
            buckets: typed(batch, S, "buckets", "a list of f64")?,
        })
    }
}
