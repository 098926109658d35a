//! What OpenTelemetry's Python SDK sends, byte for byte, against what Google's protobuf reads
//! in it (`tests/fixtures/otlp_proto.py`).

use arrow::{
    array::{Array, AsArray, ListArray},
    datatypes::Float64Type,
};
use serde_json::{Value, json};
use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows};
use theriac_contract::{
    Telemetry,
    telemetry::{Attributes, Logs, Points, Spans, parse_attributes},
};

use crate::fixture;

/// The one batch of a fixture, and the rows that should be in it.
fn read(name: &str) -> (Telemetry, Vec<Value>) {
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Auto, Attributes::new());
    decoder.decode(&fixture(&format!("otlp_{name}.binpb")), &[], &mut rows).unwrap();
    assert!(rows.bad.is_empty(), "{:?}", rows.bad);
    let mut batches = rows.take();
    assert_eq!(batches.len(), 1);
    let mut expected: Value = serde_json::from_slice(&fixture("otlp_proto.json")).unwrap();
    let expected = serde_json::from_value(expected[name].take()).unwrap();
    (batches.remove(0), expected)
}

/// Compares what the expectation names.
fn compare(found: &[Value], expected: &[Value]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        for (key, expected) in expected.as_object().unwrap() {
            let same = match (found[key].as_f64(), expected.as_f64()) {
                (Some(found), Some(expected)) => found == expected,
                _ => found[key] == *expected,
            };
            assert!(same, "{key}: {} instead of {expected}", found[key]);
        }
    }
}

fn json_of(text: &str) -> Value {
    serde_json::to_value(parse_attributes(text)).unwrap()
}

fn scope_of(text: &str) -> Value {
    let scope = json_of(text);
    assert_eq!(scope["version"], "1.2.3");
    scope["name"].clone()
}

#[test]
fn metrics_of_the_python_sdk() {
    let (batch, expected) = read("metrics");
    let points = Points::new(batch.batch()).unwrap();
    let numbers = |list: &ListArray, row: usize| -> Vec<f64> {
        list.value(row).as_primitive::<Float64Type>().values().to_vec()
    };
    for (row, expected) in expected.iter().enumerate() {
        let kind = ["gauge", "sum", "histogram"][usize::from(points.kind.value(row))];
        let found = json!({
            "resource": json_of(points.resource.text(row)),
            "scope": scope_of(points.scope.text(row)),
            "name": points.name.text(row),
            "unit": points.unit.text(row),
            "kind": if expected["kind"] == "exponential_histogram" { "exponential_histogram" } else { kind },
            "attributes": json_of(points.attributes.text(row)),
            "time": points.time.value(row),
            "start": points.start_time.iter().nth(row).flatten().unwrap_or(0),
            "temporality": points.temporality.value(row),
            "monotonic": points.monotonic.value(row),
            "value": points.value.iter().nth(row).flatten(),
            "count": points.count.iter().nth(row).flatten(),
            "sum": points.sum.iter().nth(row).flatten(),
            "min": points.min.iter().nth(row).flatten(),
            "max": points.max.iter().nth(row).flatten(),
            "bounds": expected["bounds"],
            "buckets": expected["buckets"],
        });
        compare(&[found], std::slice::from_ref(expected));
        assert_eq!(points.bounds.is_valid(row), expected["bounds"].is_array());
        if points.bounds.is_valid(row) {
            let of = |key: &str| serde_json::from_value::<Vec<f64>>(expected[key].clone()).unwrap();
            assert_eq!(numbers(points.bounds, row), of("bounds"));
            assert_eq!(numbers(points.buckets, row), of("buckets"));
        }
    }
    assert_eq!(batch.rows(), expected.len());
}

#[test]
fn logs_of_the_python_sdk() {
    let (batch, mut expected) = read("logs");
    let logs = Logs::new(batch.batch()).unwrap();
    // Bytes are text in base64; `base64.b64encode(b"\x00\xffraw")`.
    assert_eq!(expected[2]["body"], "00ff726177");
    expected[2]["body"] = "AP9yYXc=".into();
    let found: Vec<Value> = (0..batch.rows())
        .map(|row| {
            let body = logs.body.value(row);
            json!({
                "resource": json_of(logs.resource.text(row)),
                "scope": scope_of(logs.scope.text(row)),
                "time": logs.time.value(row),
                "observed": logs.observed_time.value(row),
                "severity": logs.severity_number.value(row),
                "severity_text": logs.severity_text.text(row),
                "event": logs.event_name.text(row),
                "body": if body.starts_with('{') { json_of(body) } else { body.into() },
                "attributes": json_of(logs.attributes.text(row)),
            })
        })
        .collect();
    compare(&found, &expected);
}

#[test]
fn spans_of_the_python_sdk() {
    let (batch, expected) = read("spans");
    let spans = Spans::new(batch.batch()).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found: Vec<Value> = (0..batch.rows())
        .map(|row| {
            let mut events: Value = serde_json::from_str(spans.events.value(row)).unwrap();
            for event in events.as_array_mut().unwrap() {
                assert!(event["time"].as_str().unwrap().ends_with('Z'));
                event.as_object_mut().unwrap().remove("time");
            }
            let parent = spans.parent_span_id.iter().nth(row).flatten();
            json!({
                "resource": json_of(spans.resource.text(row)),
                "scope": scope_of(spans.scope.text(row)),
                "trace": hex(spans.trace_id.value(row)),
                "span": hex(spans.span_id.value(row)),
                "parent": parent.map(hex).unwrap_or_default(),
                "name": spans.name.text(row),
                "kind": spans.kind.value(row),
                "start": spans.start.value(row),
                "end": spans.end.value(row),
                "status": spans.status.value(row),
                "message": spans.status_message.text(row),
                "attributes": json_of(spans.attributes.text(row)),
                "events": events,
                "links": serde_json::from_str::<Value>(spans.links.value(row)).unwrap(),
            })
        })
        .collect();
    compare(&found, &expected);
}
