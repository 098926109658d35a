//! Metric points.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{
        ArrayBuilder, ArrayRef, BooleanArray, Float64Array, Float64Builder, ListArray, ListBuilder,
        RecordBatch, TimestampNanosecondArray, UInt8Array, UInt64Array,
    },
    datatypes::{
        DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit, TimestampNanosecondType, UInt64Type,
    },
};

use super::{
    BatchError, DictionaryColumn, Label,
    build::{Dictionary, NumberBuilder, TextBuilder, take},
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

/// What points that follow each other have in common, as the points of a metric do.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// Canonical resource attributes.
    pub resource: &'a str,
    /// Canonical scope.
    pub scope: &'a str,
    /// Name of the metric.
    pub name: &'a str,
    /// Unit (UCUM), empty if none.
    pub unit: &'a str,
    /// Kind.
    pub kind: PointKind,
    /// Temporality.
    pub temporality: Temporality,
    /// Whether a sum only grows.
    pub monotonic: bool,
}

/// What each of them has of its own.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// When it was measured.
    pub time: Timestamp,
    /// Start of what a sum or histogram covers.
    pub start_time: Option<Timestamp>,
    /// Value of a gauge or sum.
    pub value: Option<f64>,
    /// Of a histogram or summary.
    pub histogram: Option<&'a Histogram>,
}

/// The shared columns of rows that follow each other.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keys {
    resource: u32,
    scope: u32,
    name: u32,
    unit: u32,
    kind: u8,
    temporality: u8,
    monotonic: bool,
}

/// Builds batches of points.
#[derive(Default)]
pub struct PointBuilder {
    time: Vec<i64>,
    start_time: NumberBuilder<TimestampNanosecondType>,
    attributes: TextBuilder,
    value: NumberBuilder<Float64Type>,
    histograms: Histograms,
    resource: Dictionary,
    scope: Dictionary,
    name: Dictionary,
    unit: Dictionary,
    /// The columns that rows share, and the row after the last that shares them.
    runs: Vec<(Keys, usize)>,
}

/// Points of a builder that have much in common.
pub struct PointRun<'b, 'a> {
    builder: &'b mut PointBuilder,
    shared: Shared<'a>,
    begun: bool,
}

impl PointRun<'_, '_> {
    /// Adds a row.
    #[inline(always)]
    pub fn push(&mut self, attributes: Label<'_>, measured: &Measured<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            // Not before there is a row: a batch holds no text that none of its rows has.
            self.builder.begin(&self.shared);
        }
        self.builder.attributes.append_label(attributes);
        self.builder.measured(measured);
    }
}

impl PointBuilder {
    /// Adds a row.
    pub fn push(&mut self, row: &PointRow<'_>) {
        self.begin(&Shared {
            resource: row.resource,
            scope: row.scope,
            name: row.name,
            unit: row.unit,
            kind: row.kind,
            temporality: row.temporality,
            monotonic: row.monotonic,
        });
        self.attributes.append(row.attributes);
        self.measured(&Measured {
            time: row.time,
            start_time: row.start_time,
            value: row.value,
            histogram: row.histogram,
        });
    }

    /// Begins rows that have so much in common.
    pub const fn run<'b, 'a>(&'b mut self, shared: Shared<'a>) -> PointRun<'b, 'a> {
        PointRun { builder: self, shared, begun: false }
    }

    fn begin(&mut self, shared: &Shared<'_>) {
        let keys = Keys {
            resource: self.resource.key(shared.resource),
            scope: self.scope.key(shared.scope),
            name: self.name.key(shared.name),
            unit: self.unit.key(shared.unit),
            kind: shared.kind as u8,
            temporality: shared.temporality as u8,
            monotonic: shared.monotonic,
        };
        let rows = self.time.len();
        if self.runs.last().is_none_or(|(last, _)| *last != keys) {
            self.runs.push((keys, rows));
        }
    }

    /// Adds to the run that began last what a row has of its own but for the attributes.
    #[inline(always)]
    fn measured(&mut self, measured: &Measured<'_>) {
        if let Some(histogram) = measured.histogram {
            self.histograms.append(histogram, self.time.len());
        }
        self.time.push(measured.time.0);
        self.start_time.append(measured.start_time.map(|time| time.0));
        self.value.append(measured.value);
        if let Some((_, end)) = self.runs.last_mut() {
            *end = self.time.len();
        }
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

    /// One value of each run for all of its rows.
    fn spread<T: Clone>(&self, value: impl Fn(&Keys) -> T) -> Vec<T> {
        let mut values = Vec::with_capacity(self.len());
        for (keys, end) in &self.runs {
            values.resize(*end, value(keys));
        }
        values
    }

    /// The rows as a batch; the builder is empty afterwards.
    ///
    /// # Panics
    /// Never: the columns are built to the schema.
    #[must_use]
    pub fn finish(&mut self) -> RecordBatch {
        let rows = self.len();
        let [resource, scope, name, unit]: [Vec<u32>; 4] = [
            self.spread(|keys| keys.resource),
            self.spread(|keys| keys.scope),
            self.spread(|keys| keys.name),
            self.spread(|keys| keys.unit),
        ];
        let kind = UInt8Array::from(self.spread(|keys| keys.kind));
        let temporality = UInt8Array::from(self.spread(|keys| keys.temporality));
        let monotonic = BooleanArray::from(self.spread(|keys| keys.monotonic));
        self.runs.clear();
        let time = TimestampNanosecondArray::from(take(&mut self.time));
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(time.with_timezone("UTC")),
            Arc::new(self.start_time.finish().with_timezone("UTC")),
            self.resource.column(resource),
            self.scope.column(scope),
            self.name.column(name),
            self.unit.column(unit),
            self.attributes.finish(),
            Arc::new(kind),
            Arc::new(temporality),
            Arc::new(monotonic),
            Arc::new(self.value.finish()),
        ];
        columns.extend(self.histograms.finish(rows));
        RecordBatch::try_new(point_schema(), columns).expect("columns are built to the schema")
    }
}

/// The columns that only histograms and summaries have. They are behind the others' until a
/// row needs them.
#[derive(Default)]
struct Histograms {
    count: NumberBuilder<UInt64Type>,
    sum: NumberBuilder<Float64Type>,
    min: NumberBuilder<Float64Type>,
    max: NumberBuilder<Float64Type>,
    bounds: ListBuilder<Float64Builder>,
    buckets: ListBuilder<Float64Builder>,
}

impl Histograms {
    fn pad(&mut self, rows: usize) {
        self.count.pad(rows);
        for numbers in [&mut self.sum, &mut self.min, &mut self.max] {
            numbers.pad(rows);
        }
        for lists in [&mut self.bounds, &mut self.buckets] {
            lists.append_nulls(rows - lists.len());
        }
    }

    /// Adds row number `row`.
    fn append(&mut self, histogram: &Histogram, row: usize) {
        self.pad(row);
        self.count.append(Some(histogram.count));
        self.sum.append(histogram.sum);
        self.min.append(histogram.min);
        self.max.append(histogram.max);
        for (lists, values) in
            [(&mut self.bounds, &histogram.bounds), (&mut self.buckets, &histogram.buckets)]
        {
            lists.values().append_slice(values);
            lists.append(true);
        }
    }

    fn finish(&mut self, rows: usize) -> [ArrayRef; 6] {
        self.pad(rows);
        [
            Arc::new(self.count.finish()),
            Arc::new(self.sum.finish()),
            Arc::new(self.min.finish()),
            Arc::new(self.max.finish()),
            Arc::new(self.bounds.finish()),
            Arc::new(self.buckets.finish()),
        ]
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

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    fn row<'a>(time: i64, name: &'a str, histogram: Option<&'a Histogram>) -> PointRow<'a> {
        PointRow {
            time: Timestamp(time),
            start_time: (time % 2 == 0).then_some(Timestamp(1)),
            resource: "{\"service.name\":\"cart\"}",
            scope: "{}",
            name,
            unit: "",
            attributes: if time % 3 == 0 { "{}" } else { "{\"a\":1}" },
            kind: PointKind::Gauge,
            temporality: Temporality::Unspecified,
            monotonic: false,
            value: histogram.is_none().then_some(time as f64),
            histogram,
        }
    }

    #[test]
    fn points_of_a_run_are_rows_like_any() {
        let histogram = Histogram {
            count: 3,
            sum: Some(2.0),
            bounds: vec![1.0],
            buckets: vec![1.0, 2.0],
            ..Histogram::default()
        };
        let (mut single, mut run) = (PointBuilder::default(), PointBuilder::default());
        for _ in 0..2 {
            let names = [("a", 0..3), ("empty", 3..3), ("b", 3..5), ("b", 5..6), ("a", 6..7)];
            for (name, times) in names {
                let PointRow { resource, scope, unit, kind, temporality, monotonic, .. } = row(0, name, None);
                let mut points =
                    run.run(Shared { resource, scope, name, unit, kind, temporality, monotonic });
                for time in times {
                    let row = row(time, name, (time == 4).then_some(&histogram));
                    single.push(&row);
                    let PointRow { time, start_time, value, histogram, .. } = row;
                    let measured = Measured { time, start_time, value, histogram };
                    points.push(Label::new(row.attributes), &measured);
                }
            }
            assert_eq!((single.len(), run.len()), (7, 7));
            let (single, run) = (single.finish(), run.finish());
            assert_eq!(single, run);
            let points = Points::new(&run).expect("it has the schema");
            assert_eq!(points.name.keys(), [0, 0, 0, 1, 1, 1, 0]);
            assert_eq!(points.name.values().len(), 2, "no text that no row has");
            assert_eq!(
                points.count.iter().collect::<Vec<_>>(),
                [None, None, None, None, Some(3), None, None]
            );
            assert_eq!(points.buckets.value(4).len(), 2);
        }
        assert!(single.is_empty() && run.is_empty());
    }
}
