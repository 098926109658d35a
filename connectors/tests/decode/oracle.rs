//! OTLP in protobuf, as prost writes it, gives the rows and the bad records that OTLP/JSON
//! gives for the same content.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{TestCaseError, TestCaseResult},
};
use prost::Message;
use theriac_connectors::decode::{Rows, Signal, otlp_json, otlp_proto};
use theriac_contract::{Telemetry, codec};

use crate::{generate, json, taken, wire};

fn same(payload: &[u8], json: &str, signal: Signal) -> TestCaseResult {
    let fail = |error: theriac_connectors::decode::DecodeError| TestCaseError::fail(error.to_string());
    let (mut expected, mut found, mut told) = (Rows::default(), Rows::default(), Rows::default());
    otlp_json::decode(json.as_bytes(), &mut expected).map_err(fail)?;
    otlp_proto::decode_as(signal, payload, &mut found).map_err(fail)?;
    let any = !expected.is_empty();
    match otlp_proto::decode(payload, &mut told) {
        // Where there is a good record, the signal is known without being said.
        Err(error) if any => return Err(fail(error)),
        Err(_) => {}
        Ok(()) if any => prop_assert_eq!(taken(told).0, taken(clone_of(payload, signal)?).0),
        Ok(()) => prop_assert!(told.is_empty()),
    }
    for bad in &found.bad {
        let end = bad.offset + bad.bytes.len();
        prop_assert_eq!(&payload[bad.offset..end], &bad.bytes[..], "the bytes lie at their offset");
    }
    let ((expected, expected_bad), (found, found_bad)) = (taken(expected), taken(found));
    prop_assert_eq!(found_bad, expected_bad);
    prop_assert_eq!(found, expected);
    Ok(())
}

fn clone_of(payload: &[u8], signal: Signal) -> Result<Rows, TestCaseError> {
    let mut rows = Rows::default();
    otlp_proto::decode_as(signal, payload, &mut rows)
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    Ok(rows)
}

proptest! {
    #[test]
    fn metrics_are_read_alike(data in generate::metrics()) {
        same(&data.encode_to_vec(), &json::metrics(&data), Signal::Points)?;
    }

    #[test]
    fn logs_are_read_alike(data in generate::logs()) {
        same(&data.encode_to_vec(), &json::logs(&data), Signal::Logs)?;
    }

    #[test]
    fn spans_are_read_alike(data in generate::traces()) {
        same(&data.encode_to_vec(), &json::traces(&data), Signal::Spans)?;
    }

    /// A request may be cut in two anywhere between its parts: protobuf merges messages by
    /// putting their bytes behind each other.
    #[test]
    fn requests_behind_each_other_are_one(first in generate::logs(), second in generate::logs()) {
        let both = [first.encode_to_vec(), second.encode_to_vec()].concat();
        let mut merged = first;
        merged.resource_logs.extend(second.resource_logs);
        same(&both, &json::logs(&merged), Signal::Logs)?;
    }

    /// A payload gives the same bytes of Arrow, and the same bad records, whatever the decoder
    /// has seen before: other payloads, the same in another order, or nothing.
    #[test]
    fn what_came_before_changes_nothing(
        metrics in vec(generate::metrics(), 1..3),
        logs in vec(generate::logs(), 1..3),
        traces in vec(generate::traces(), 1..3),
        order in vec(any::<prop::sample::Index>(), 1..12),
    ) {
        let payloads: Vec<(Signal, Vec<u8>)> = metrics
            .iter()
            .map(|data| (Signal::Points, data.encode_to_vec()))
            .chain(logs.iter().map(|data| (Signal::Logs, data.encode_to_vec())))
            .chain(traces.iter().map(|data| (Signal::Spans, data.encode_to_vec())))
            .collect();
        let mut seasoned = Rows::default();
        for index in order {
            let (signal, payload) = index.get(&payloads);
            otlp_proto::decode_as(*signal, payload, &mut seasoned).unwrap();
            let fresh = clone_of(payload, *signal)?;
            prop_assert_eq!(&seasoned.bad, &fresh.bad);
            seasoned.bad.clear();
            let encoded = |batches: Vec<Telemetry>| -> Vec<Vec<u8>> {
                batches.iter().map(|batch| codec::encode(batch.batch()).unwrap()).collect()
            };
            prop_assert_eq!(encoded(seasoned.take()), encoded(taken(fresh).0));
        }
    }
}

/// A value inside so many arrays, as JSON and in protobuf.
fn nested(depth: usize) -> (String, Vec<u8>) {
    let mut json = r#"{"intValue":"1"}"#.to_owned();
    let mut proto = vec![3 << 3, 1];
    for _ in 0..depth {
        json = format!(r#"{{"arrayValue":{{"values":[{json}]}}}}"#);
        proto = wire::message(5, &[wire::bytes(1, &proto)]);
    }
    (json, proto)
}

#[test]
fn values_are_refused_at_the_same_depth() {
    for (depth, good) in [(0, true), (31, true), (32, true), (33, false), (40, false)] {
        let (json, proto) = nested(depth);
        let payload = wire::request(&[wire::message(2, &[wire::fixed(1, 7), wire::bytes(5, proto)])]);
        let json = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":"cart"}}}}]}},"scopeLogs":[{{"scope":{{"name":"shop"}},"logRecords":[{{"timeUnixNano":7,"body":{json}}}]}}]}}]}}"#
        );
        same(&payload, &json, Signal::Logs).unwrap();
        assert_eq!(taken(clone_of(&payload, Signal::Logs).unwrap()).1.is_empty(), good, "{depth}");
    }
}
