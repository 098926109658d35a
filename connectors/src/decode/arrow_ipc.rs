//! Telemetry as an Arrow IPC stream
//! (<https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format>) with the columns
//! of points, logs or spans, in their order; see [`theriac_contract::telemetry`].
//!
//! Whether a column may be null, and metadata, are not compared. Resources, scopes and
//! attributes are made canonical; numbers that are none count as null. A payload is taken as a
//! whole or not at all.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, Float64Array, ListArray, RecordBatch, StringArray},
    datatypes::{DataType, Float64Type, Schema, SchemaRef, UInt32Type},
    error::ArrowError,
};
use theriac_contract::{
    Telemetry, codec,
    telemetry::{
        Attributes, Logs, PointKind, Points, Spans, canonical, lacks_trace_state, log_schema, no_trace_state,
        point_schema, span_schema,
    },
};

use super::{DecodeError, Rows, Signal, otlp::points::check_buckets, time::excerpt};

/// What an Arrow IPC file begins with.
pub(crate) const FILE_MARK: &[u8] = b"ARROW1";

/// What a message of a stream begins with.
pub(crate) const CONTINUATION: [u8; 4] = [0xff; 4];

/// Texts in the dictionaries of all batches together, bytes. A dictionary stands once in a
/// stream, and is gone through once for each batch that has it.
const DICTIONARY_BYTES_MAX: usize = 256 << 20;

impl From<ArrowError> for DecodeError {
    fn from(error: ArrowError) -> Self {
        Self::new(format!("no Arrow IPC stream: {error}"))
    }
}

/// Decodes one stream and appends its batches.
///
/// # Errors
/// If the payload is no Arrow IPC stream, or does not have the columns of points, logs or
/// spans, or holds what they do not.
pub fn decode(payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
    decode_with(payload, &Attributes::new(), rows)
}

/// As [`decode`]; `defaults` are resource attributes for resources that lack them.
pub(crate) fn decode_with(payload: &[u8], defaults: &Attributes, rows: &mut Rows) -> Result<(), DecodeError> {
    if payload.starts_with(FILE_MARK) {
        return Err(DecodeError::new(
            "an Arrow IPC file, not a stream: write it as a stream (in PyArrow with `ipc.new_stream`)",
        ));
    }
    let mut signal = Signal::Points;
    let batches = codec::decode_stream(payload, |schema| {
        signal = closest(schema);
        compare(schema, signal).map_err(DecodeError::new)
    })?;
    let repeated: usize = batches.iter().flat_map(RecordBatch::columns).map(dictionary_bytes).sum();
    if repeated > DICTIONARY_BYTES_MAX {
        return Err(DecodeError::new(format!(
            "the dictionaries of its batches have {repeated} bytes together; the limit is {DICTIONARY_BYTES_MAX}: write fewer and larger batches"
        )));
    }
    let checked = batches.into_iter().filter(|batch| batch.num_rows() > 0).enumerate().map(|(at, batch)| {
        check(&batch, signal, defaults)
            .map_err(|reason| DecodeError::new(format!("{} in batch {at}: {reason}", name(signal))))
    });
    rows.batches.extend(checked.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}

fn schema_of(signal: Signal) -> SchemaRef {
    match signal {
        Signal::Points => point_schema(),
        Signal::Logs => log_schema(),
        Signal::Spans => span_schema(),
    }
}

const fn name(signal: Signal) -> &'static str {
    match signal {
        Signal::Points => "points",
        Signal::Logs => "logs",
        Signal::Spans => "spans",
    }
}

/// The signal that most columns have the names of.
fn closest(schema: &Schema) -> Signal {
    let alike = |signal: Signal| {
        let known = schema_of(signal);
        known.fields().iter().filter(|field| schema.column_with_name(field.name()).is_some()).count()
    };
    let mut best = Signal::Points;
    for signal in [Signal::Logs, Signal::Spans] {
        if alike(signal) > alike(best) {
            best = signal;
        }
    }
    best
}

/// Names the first column that differs.
fn compare(schema: &Schema, signal: Signal) -> Result<(), String> {
    let mut wanted = schema_of(signal);
    if lacks_trace_state(schema) {
        // Spans as they were before it had a column.
        let columns: Vec<usize> = (0..schema.fields().len()).collect();
        wanted = Arc::new(wanted.project(&columns).map_err(|error| error.to_string())?);
    }
    let place = |at: usize| format!("the columns are not those of {}: column {at}", name(signal));
    for (at, field) in wanted.fields().iter().enumerate() {
        let Some(given) = schema.fields().get(at) else {
            return Err(format!(
                "{} is missing; it should be `{}`, {}",
                place(at),
                field.name(),
                field.data_type()
            ));
        };
        // Lists hold their items under a name that differs from writer to writer.
        let same = given.name() == field.name() && given.data_type().equals_datatype(field.data_type());
        if !same {
            return Err(format!(
                "{} is `{}`, {}; it should be `{}`, {}",
                place(at),
                excerpt(given.name()),
                given.data_type(),
                field.name(),
                field.data_type()
            ));
        }
    }
    match schema.fields().get(wanted.fields().len()) {
        Some(more) => Err(format!(
            "{} is `{}`; there should be no more",
            place(wanted.fields().len()),
            excerpt(more.name())
        )),
        None => Ok(()),
    }
}

/// A batch as it is written here, if every row of it is one.
fn check(batch: &RecordBatch, signal: Signal, defaults: &Attributes) -> Result<Telemetry, String> {
    let schema = schema_of(signal);
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in schema.fields().iter().zip(batch.columns()) {
        let column = match field.name().as_str() {
            "resource" => objects(column, defaults),
            "scope" | "attributes" => objects(column, &Attributes::new()),
            "value" | "sum" | "min" | "max" => Ok(finite(column)),
            "bounds" | "buckets" => list(column, field.data_type()),
            _ => Ok(Arc::clone(column)),
        };
        columns.push(column.map_err(|reason| format!("column `{}`: {reason}", field.name()))?);
    }
    if lacks_trace_state(&batch.schema()) {
        columns.push(no_trace_state(batch.num_rows()));
    }
    let batch = RecordBatch::try_new(schema, columns).map_err(|error| error.to_string())?;
    match signal {
        Signal::Points => points(&batch)?,
        Signal::Logs => {
            let logs = Logs::new(&batch).map_err(|error| error.to_string())?;
            at_most("severity_number", logs.severity_number.values(), 24)?;
        }
        Signal::Spans => {
            let spans = Spans::new(&batch).map_err(|error| error.to_string())?;
            at_most("kind", spans.kind.values(), 5)?;
            at_most("status", spans.status.values(), 2)?;
            let mut times = spans.start.values().iter().zip(spans.end.values());
            if let Some(row) = times.position(|(start, end)| end < start) {
                return Err(format!("row {row}: the span ends before it starts"));
            }
        }
    }
    Ok(match signal {
        Signal::Points => Telemetry::Points(batch),
        Signal::Logs => Telemetry::Logs(batch),
        Signal::Spans => Telemetry::Spans(batch),
    })
}

fn at_most(column: &str, values: &[u8], most: u8) -> Result<(), String> {
    match values.iter().position(|value| *value > most) {
        Some(row) => Err(format!("row {row}: `{column}` {} is not one of 0 to {most}", values[row])),
        None => Ok(()),
    }
}

fn points(batch: &RecordBatch) -> Result<(), String> {
    let points = Points::new(batch).map_err(|error| error.to_string())?;
    at_most("kind", points.kind.values(), PointKind::Summary as u8)?;
    at_most("temporality", points.temporality.values(), 2)?;
    let kinds = points.kind.values().iter().enumerate();
    for (row, kind) in kinds.filter(|(_, kind)| **kind >= PointKind::Histogram as u8) {
        let numbers = |list: &ListArray| list.value(row).as_primitive::<Float64Type>().values().to_vec();
        if points.bounds.is_null(row) != points.buckets.is_null(row) {
            return Err(format!("row {row}: one of `bounds` and `buckets` is null, the other is not"));
        }
        if points.bounds.is_null(row) {
            continue;
        }
        let (bounds, buckets) = (numbers(points.bounds), numbers(points.buckets));
        let checked = if *kind == PointKind::Histogram as u8 {
            check_buckets(&bounds, &buckets)
        } else if bounds.len() == buckets.len() {
            Ok(())
        } else {
            Err(format!("{} quantiles have {} values", bounds.len(), buckets.len()))
        };
        checked.map_err(|reason| format!("row {row}: {reason}"))?;
    }
    Ok(())
}

fn dictionary_bytes(column: &ArrayRef) -> usize {
    let dictionary = column.as_dictionary_opt::<UInt32Type>();
    let texts = dictionary.and_then(|dictionary| dictionary.values().as_string_opt::<i32>());
    // Empty texts have their place as well.
    texts.map_or(0, |texts| texts.value_data().len() + texts.len())
}

/// A column of objects, canonical and with `defaults`.
fn objects(column: &ArrayRef, defaults: &Attributes) -> Result<ArrayRef, String> {
    let dictionary: &DictionaryArray<UInt32Type> = column.as_dictionary();
    let texts: &StringArray = dictionary.values().as_string();
    let canonical = texts.iter().map(|text| {
        // Nulls are refused together with those of other columns.
        let Some(text) = text else { return Ok(None) };
        let own: Attributes = serde_json::from_str(text)
            .map_err(|error| format!("`{}` is no JSON object: {error}", excerpt(text)))?;
        let mut all = defaults.clone();
        all.extend(own);
        Ok(Some(canonical(&all)))
    });
    let canonical = canonical.collect::<Result<StringArray, String>>()?;
    Ok(Arc::new(dictionary.with_values(Arc::new(canonical))))
}

/// A column of numbers, null where it holds none.
fn finite(column: &ArrayRef) -> ArrayRef {
    let numbers: &Float64Array = column.as_primitive();
    if numbers.iter().flatten().all(f64::is_finite) {
        return Arc::clone(column);
    }
    Arc::new(
        numbers.iter().map(|number| number.filter(|number| number.is_finite())).collect::<Float64Array>(),
    )
}

/// A column of lists, its items named as they are here.
fn list(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, String> {
    let lists: &ListArray = column.as_list();
    if lists.values().null_count() > 0 {
        return Err("a list holds a null".to_owned());
    }
    let DataType::List(item) = wanted else { return Ok(Arc::clone(column)) };
    let (_, offsets, values, nulls) = lists.clone().into_parts();
    let named = ListArray::try_new(Arc::clone(item), offsets, values, nulls);
    Ok(Arc::new(named.map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;

    use super::*;

    #[test]
    fn the_first_column_that_differs_is_named() {
        let points = point_schema();
        assert_eq!(compare(&points, Signal::Points), Ok(()));
        let mut fields: Vec<Field> = points.fields().iter().map(|field| field.as_ref().clone()).collect();
        // Nullability and metadata are not compared.
        let nullable = fields.iter().map(|field| field.clone().with_nullable(true)).collect::<Vec<_>>();
        assert_eq!(compare(&Schema::new(nullable), Signal::Points), Ok(()));
        fields[4] = Field::new("name", DataType::Utf8, false);
        assert_eq!(
            compare(&Schema::new(fields.clone()), Signal::Points).unwrap_err(),
            "the columns are not those of points: column 4 is `name`, Utf8; it should be `name`, Dictionary(UInt32, Utf8)"
        );
        fields.truncate(4);
        let missing = compare(&Schema::new(fields.clone()), Signal::Points).unwrap_err();
        assert!(missing.contains("column 4 is missing; it should be `name`"), "{missing}");
        let more = log_schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .chain(fields)
            .collect::<Vec<_>>();
        let more = compare(&Schema::new(more), Signal::Logs).unwrap_err();
        assert!(more.ends_with("column 11 is `time`; there should be no more"), "{more}");
    }

    #[test]
    fn spans_may_lack_the_trace_state() {
        let spans = span_schema();
        let (last, before) = spans.fields().split_last().expect("columns");
        let before = Schema::new(before.to_vec());
        assert_eq!((last.name().as_str(), compare(&before, Signal::Spans)), ("trace_state", Ok(())));
        let empty = no_trace_state(2);
        assert_eq!((empty.len(), empty.data_type()), (2, last.data_type()));
    }

    #[test]
    fn a_schema_is_held_against_the_one_that_is_closest() {
        for signal in [Signal::Points, Signal::Logs, Signal::Spans] {
            assert_eq!(closest(&schema_of(signal)), signal);
        }
        assert_eq!(closest(&Schema::empty()), Signal::Points);
    }
}
