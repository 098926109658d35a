//! Arrow IPC streams of telemetry.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, DictionaryArray, Float64Array, RecordBatch, StringArray, UInt8Array},
    datatypes::{Field, Float64Type, Schema, UInt32Type},
    ipc::writer::{FileWriter, StreamWriter},
};
use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows};
use theriac_contract::{
    Telemetry, codec,
    telemetry::{Attributes, Points},
};

use crate::{
    fixture, points, taken,
    wire::{gauge, log, request, span},
};

/// A batch of each signal, from requests.
fn batches() -> Vec<Telemetry> {
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::OtlpProto, Attributes::new());
    for records in [
        [gauge("cpu", 1, 0.5), gauge("memory", 2, 7.0)],
        [log(1, "a"), log(2, "b")],
        [span("a", 1, 2), span("b", 2, 3)],
    ] {
        decoder.decode(&request(&records), &[], &mut rows).unwrap();
    }
    rows.take()
}

fn decode(payload: &[u8]) -> Result<Vec<Telemetry>, String> {
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Auto, Attributes::new());
    decoder.decode(payload, &[], &mut rows).map_err(|error| error.reason)?;
    let (batches, bad) = taken(rows);
    assert!(bad.is_empty(), "{bad:?}");
    Ok(batches)
}

/// `batch` with another column `name`.
fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> Vec<u8> {
    let at = batch.schema().index_of(name).unwrap();
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields[at] = Field::new(name, column.data_type().clone(), true);
    columns[at] = column;
    codec::encode(&RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()).unwrap()
}

fn texts(keys: &[u32], values: &[&str]) -> ArrayRef {
    let values = Arc::new(StringArray::from(values.to_vec()));
    Arc::new(DictionaryArray::<UInt32Type>::new(keys.to_vec().into(), values))
}

#[test]
fn a_stream_of_each_signal_gives_its_batches() {
    for batch in batches() {
        let bytes = codec::encode(batch.batch()).unwrap();
        assert_eq!(decode(&bytes).unwrap(), std::slice::from_ref(&batch));
        // As others write them: everything nullable, no metadata, no mark at the end.
        let fields = batch
            .batch()
            .schema()
            .fields()
            .iter()
            .map(|field| field.as_ref().clone().with_nullable(true))
            .collect::<Vec<_>>();
        let plain =
            RecordBatch::try_new(Arc::new(Schema::new(fields)), batch.batch().columns().to_vec()).unwrap();
        let bytes = codec::encode(&plain).unwrap();
        assert_eq!(decode(&bytes[..bytes.len() - 8]).unwrap(), std::slice::from_ref(&batch));
    }
}

#[test]
fn pyarrow_writes_such_streams() {
    let batches = decode(&fixture("points.arrows")).unwrap();
    assert_eq!(batches.iter().map(Telemetry::rows).collect::<Vec<_>>(), [2, 1]);
    let resource = r#"{"host.name":"h","service.name":"cart"}"#;
    assert_eq!(
        points(&batches),
        [
            format!("1790000000000000000 {resource} load {{}} Some(0.25)"),
            format!(r#"1790000000000000001 {resource} requests {{"code":200}} None"#),
            format!("1790000000000000002 {resource} duration {{}} None"),
        ]
    );
    let histogram = Points::new(batches[1].batch()).unwrap();
    assert_eq!((histogram.count.value(0), histogram.sum.value(0)), (3, 1.5));
    let buckets = histogram.buckets.value(0);
    assert_eq!(buckets.as_primitive::<Float64Type>().values()[..], [1.0, 2.0]);
    let reason = decode(&fixture("points_lz4.arrows")).unwrap_err();
    assert!(reason.contains("its buffers are compressed: write it without compression"), "{reason}");
}

#[test]
fn several_batches_come_behind_other_rows_in_their_order() {
    let points = batches().remove(0);
    let mut writer = StreamWriter::try_new(Vec::new(), &points.batch().schema()).unwrap();
    for length in [1, 2] {
        writer.write(&points.batch().slice(0, length)).unwrap();
    }
    writer.finish().unwrap();
    let stream = writer.into_inner().unwrap();
    let headers = [("content-type".to_owned(), b"application/vnd.apache.arrow.stream".to_vec())];
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Text, Attributes::new());
    decoder.decode(&stream, &headers, &mut rows).unwrap();
    decoder.decode(b"2026-11-24T10:00:00Z hi", &[], &mut rows).unwrap();
    assert_eq!((rows.len(), rows.is_empty()), (4, false));
    let sizes: Vec<_> = rows.take().iter().map(|batch| (batch.signal(), batch.rows())).collect();
    assert_eq!(sizes, [("logs", 1), ("points", 1), ("points", 2)]);
    assert!(rows.is_empty());
}

#[test]
fn objects_become_canonical_and_take_defaults() {
    let points = batches().remove(0);
    let written = texts(&[0, 1], &[r#"{ "b": 1, "a": "x" }"#, r#"{"host.name":"own"}"#]);
    let bytes = with(points.batch(), "resource", written);
    let mut rows = Rows::default();
    let defaults = Attributes::from([("host.name".to_owned(), "default".into())]);
    PayloadDecoder::new(Encoding::ArrowIpc, defaults).decode(&bytes, &[], &mut rows).unwrap();
    let batches = rows.take();
    let points = Points::new(batches[0].batch()).unwrap();
    assert_eq!(points.resource.text(0), r#"{"a":"x","b":1,"host.name":"default"}"#);
    assert_eq!(points.resource.text(1), r#"{"host.name":"own"}"#);
}

#[test]
fn numbers_that_are_none_are_null() {
    let points = batches().remove(0);
    let bytes = with(points.batch(), "value", Arc::new(Float64Array::from(vec![f64::NAN, 7.0])));
    let decoded = decode(&bytes).unwrap();
    let values = decoded[0].batch().column_by_name("value").unwrap().as_primitive::<Float64Type>().clone();
    assert_eq!(values.iter().collect::<Vec<_>>(), [None, Some(7.0)]);
}

#[test]
fn what_is_no_telemetry_says_which_column_differs() {
    let batches = batches();
    let [points, logs, spans] = &batches[..] else { panic!("three signals") };
    let strings = || Arc::new(StringArray::from(vec!["a", "b"]));
    for (bytes, expected) in [
        (
            with(points.batch(), "name", strings()),
            "the columns are not those of points: column 4 is `name`, Utf8; it should be `name`, Dictionary(UInt32, Utf8)",
        ),
        (
            with(points.batch(), "resource", texts(&[0, 1], &["{}", "[]"])),
            "points in batch 0: column `resource`: `[]` is no JSON object",
        ),
        (
            with(points.batch(), "kind", Arc::new(UInt8Array::from(vec![0, 4]))),
            "points in batch 0: row 1: `kind` 4 is not one of 0 to 3",
        ),
        (
            with(points.batch(), "kind", Arc::new(UInt8Array::from(vec![Some(0), None]))),
            "points in batch 0: Invalid argument error: Column 'kind' is declared as non-nullable but contains null values",
        ),
        (
            with(logs.batch(), "severity_number", Arc::new(UInt8Array::from(vec![0, 25]))),
            "logs in batch 0: row 1: `severity_number` 25 is not one of 0 to 24",
        ),
        (with(spans.batch(), "end", Arc::clone(points.batch().column(0))), ""),
        (
            with(
                spans.batch(),
                "end",
                Arc::new(arrow::array::TimestampNanosecondArray::from(vec![0, 5]).with_timezone("UTC")),
            ),
            "spans in batch 0: row 0: the span ends before it starts",
        ),
        (
            {
                let schema =
                    Arc::new(Schema::new(vec![Field::new("x", arrow::datatypes::DataType::Utf8, false)]));
                codec::encode(&RecordBatch::try_new(schema, vec![strings()]).unwrap()).unwrap()
            },
            "the columns are not those of points: column 0 is `x`, Utf8; it should be `time`, Timestamp(ns, \"UTC\")",
        ),
    ] {
        match decode(&bytes) {
            Ok(_) => assert_eq!(expected, ""),
            Err(reason) => assert!(reason.starts_with(expected) && !expected.is_empty(), "{reason}"),
        }
    }
}

#[test]
fn a_file_is_told_to_be_one() {
    let points = batches().remove(0);
    let mut writer = FileWriter::try_new(Vec::new(), &points.batch().schema()).unwrap();
    writer.write(points.batch()).unwrap();
    writer.finish().unwrap();
    let reason = decode(&writer.into_inner().unwrap()).unwrap_err();
    assert!(reason.starts_with("an Arrow IPC file, not a stream: "), "{reason}");
}

/// Arrow's reader alone panics on some of these, and takes all memory on others.
#[test]
fn damage_is_refused_or_harmless() {
    for batch in batches() {
        let bytes = codec::encode(batch.batch()).unwrap();
        for at in 0..bytes.len() {
            assert!(
                at == 0
                    || at + 8 == bytes.len()
                    || decode(&bytes[..at]).map_or(true, |batches| batches.is_empty()),
                "{at}"
            );
            for (value, width) in [(0, 1), (0xff, 1), (0x7f, 8)] {
                let mut changed = bytes.clone();
                changed[at..].iter_mut().take(width).for_each(|byte| *byte = value);
                let mut rows = Rows::default();
                let mut decoder = PayloadDecoder::new(Encoding::ArrowIpc, Attributes::new());
                let _ = decoder.decode(&changed, &[], &mut rows);
                assert!(rows.take().iter().all(|batch| batch.rows() > 0));
            }
        }
    }
}
