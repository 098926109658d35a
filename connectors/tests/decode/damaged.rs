//! OTLP in protobuf that is damaged, strange or hostile.

use opentelemetry_proto::tonic::{logs::v1::LogsData, metrics::v1::MetricsData, trace::v1::TracesData};
use proptest::prelude::*;
use prost::Message;
use theriac_connectors::decode::{Rows, Signal, otlp_proto};

use crate::{
    bodies, generate, points, span_names, taken,
    wire::{attribute, bytes, double, fixed, gauge, log, message, request, span, varint},
};

fn decode(payload: &[u8]) -> (Vec<theriac_contract::Telemetry>, Vec<String>) {
    let mut rows = Rows::default();
    otlp_proto::decode(payload, &mut rows).unwrap();
    taken(rows)
}

/// Decodes as everything. Nothing panics, and bad records lie inside the payload.
fn survive(payload: &[u8]) {
    let mut rows = Rows::default();
    let _ = otlp_proto::decode(payload, &mut rows);
    for signal in [Signal::Points, Signal::Logs, Signal::Spans] {
        let _ = otlp_proto::decode_as(signal, payload, &mut rows);
    }
    for bad in &rows.bad {
        assert!(bad.offset <= payload.len() && !bad.reason.is_empty(), "{bad:?}");
    }
    assert!(rows.take().len() <= 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_survived(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        survive(&payload);
    }

    #[test]
    fn changed_and_cut_bytes_are_survived(
        metrics in generate::metrics(),
        logs in generate::logs(),
        traces in generate::traces(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for mut payload in [metrics.encode_to_vec(), logs.encode_to_vec(), traces.encode_to_vec()] {
            if payload.is_empty() {
                continue;
            }
            for (at, byte) in &changes {
                let at = at.index(payload.len());
                payload[at] = *byte;
                survive(&payload);
                survive(&payload[..at]);
            }
        }
    }
}

#[test]
fn a_payload_that_is_cut_off_is_refused_as_a_whole() {
    let records = [gauge("cpu", 1, 0.5), gauge("memory", 2, 7.0)];
    let payload = request(&records);
    for length in 1..payload.len() {
        let mut rows = Rows::default();
        let error = otlp_proto::decode(&payload[..length], &mut rows).unwrap_err();
        assert!(error.reason.starts_with("not an OTLP protobuf request: "), "{length}: {error}");
        assert!(rows.is_empty() && rows.bad.is_empty());
    }
}

#[test]
fn a_bad_record_does_not_cost_its_neighbours() {
    // The second metric's field ends in the middle, in the third one point has no time.
    let broken = bytes(2, [bytes(1, "a"), vec![0x2a, 9, 0]].concat());
    let point = |time: u64| message(1, &[fixed(3, time), double(4, 1.0)]);
    let half =
        message(2, &[bytes(1, "half"), message(5, &[point(1), message(1, &[double(4, 1.0)]), point(2)])]);
    let payload = request(&[gauge("cpu", 1, 0.5), broken, half, gauge("memory", 2, 7.0)]);
    let mut rows = Rows::default();
    otlp_proto::decode(&payload, &mut rows).unwrap();
    let bad = rows.bad.clone();
    let (batches, _) = taken(rows);
    let names: Vec<&str> = Vec::from(["cpu", "half", "half", "memory"]);
    let found = points(&batches);
    assert!(found.iter().zip(&names).all(|(row, name)| row.contains(name)) && found.len() == 4, "{found:?}");
    assert_eq!(bad[0].path, "resourceMetrics[0].scopeMetrics[0].metrics[1]");
    assert!(bad[0].reason.starts_with("the bytes end in the middle of a field"), "{}", bad[0].reason);
    assert_eq!(bad[1].path, "resourceMetrics[0].scopeMetrics[0].metrics[2].gauge.dataPoints[1]");
    assert_eq!(bad[1].reason, "metric `half`: `timeUnixNano` is missing");
    for bad in &bad {
        assert_eq!(payload[bad.offset..bad.offset + bad.bytes.len()], bad.bytes);
    }
}

#[test]
fn a_bad_resource_or_scope_costs_attributes_only() {
    let not_text = |number: u32| message(number, &[bytes(1, "k"), message(2, &[bytes(1, [0xff])])]);
    let scope = message(2, &[message(1, &[bytes(1, "shop"), not_text(3)]), log(1, "kept")]);
    let payload = message(1, &[message(1, &[not_text(1)]), scope]);
    let (batches, bad) = decode(&payload);
    assert_eq!(bodies(&batches), ["kept"]);
    let expected = "`stringValue` is not UTF-8 at its byte 0; its records are kept without";
    assert_eq!(
        bad,
        [
            format!("resourceLogs[0].resource: {expected} its attributes"),
            format!("resourceLogs[0].scopeLogs[0].scope: {expected} it"),
        ]
    );
}

#[test]
fn numbers_are_packed_or_not() {
    let time = fixed(3, 1);
    let packed =
        [bytes(6, [1_u64.to_le_bytes(), 2_u64.to_le_bytes()].concat()), bytes(7, 0.5_f64.to_le_bytes())];
    let single = [fixed(6, 1), fixed(6, 2), double(7, 0.5)];
    let metric = |lists: &[Vec<u8>]| {
        request(&[message(2, &[bytes(1, "h"), message(9, &[message(1, &[time.clone(), lists.concat()])])])])
    };
    let (expected, bad) = decode(&metric(&packed));
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(decode(&metric(&single)).0, expected);
    let side = |counts: &[Vec<u8>]| message(8, counts);
    let exponential = |counts: &[Vec<u8>]| {
        request(&[message(2, &[bytes(1, "e"), message(10, &[message(1, &[time.clone(), side(counts)])])])])
    };
    let (expected, bad) = decode(&exponential(&[bytes(2, [varint(1), varint(300)].concat())]));
    assert!(bad.is_empty() && expected[0].rows() == 1, "{bad:?}");
    assert_eq!(decode(&exponential(&[vec![2 << 3, 1], [vec![2 << 3], varint(300)].concat()])).0, expected);
}

/// Every message with a field of each wire type that it does not know.
#[test]
fn unknown_fields_are_passed_over() {
    let unknown = [
        [varint(100 << 3), varint(7)].concat(),
        fixed(101, 7),
        bytes(102, "future"),
        [varint(103 << 3 | 5), vec![1, 2, 3, 4]].concat(),
    ]
    .concat();
    let with = |fields: &[Vec<u8>]| [fields.concat(), unknown.clone()].concat();
    let any = bytes(2, with(&[bytes(1, "cart")]));
    let pair = |number| bytes(number, with(&[bytes(1, "service.name"), any.clone()]));
    let scope = bytes(1, with(&[bytes(1, "shop")]));
    let group = |records: Vec<u8>| {
        let scoped = bytes(2, with(&[scope.clone(), records]));
        with(&[bytes(1, with(&[bytes(1, with(&[pair(1)])), scoped]))])
    };
    let point = bytes(1, with(&[fixed(3, 1), double(4, 0.5), pair(7)]));
    let metric = bytes(2, with(&[bytes(1, "cpu"), bytes(5, with(&[point]))]));
    let plain_point = message(1, &[fixed(3, 1), double(4, 0.5), attribute(7, "service.name", "cart")]);
    let plain = message(2, &[bytes(1, "cpu"), message(5, &[plain_point])]);
    assert_eq!(decode(&group(metric)), decode(&request(&[plain])));
    let record = bytes(2, with(&[fixed(1, 1), bytes(5, with(&[bytes(1, "hi")]))]));
    assert_eq!(decode(&group(record)), decode(&request(&[log(1, "hi")])));
    let fields = [bytes(1, [1; 16]), bytes(2, [2; 8]), bytes(5, "GET"), fixed(7, 1), fixed(8, 2)];
    assert_eq!(decode(&group(bytes(2, with(&fields)))), decode(&request(&[span("GET", 1, 2)])));
}

/// Attributes that are told apart from each other, and fields out of order.
#[test]
fn fields_may_stand_in_any_order() {
    let pieces = [attribute(6, "b", "2"), fixed(1, 1), attribute(6, "a", "1"), message(5, &[bytes(1, "hi")])];
    let mut reversed = pieces.to_vec();
    reversed.reverse();
    let first = decode(&request(&[message(2, &pieces)]));
    assert_eq!(decode(&request(&[message(2, &reversed)])), first);
    assert!(first.1.is_empty());
    // A scope behind its records counts for them.
    let scope = message(1, &[bytes(1, "shop")]);
    let resource = message(1, &[attribute(1, "service.name", "cart")]);
    let late = message(1, &[message(2, &[log(1, "hi"), scope]), resource]);
    assert_eq!(decode(&late), decode(&request(&[log(1, "hi")])));
}

#[test]
fn a_message_in_pieces_is_one_message() {
    let whole = message(
        2,
        &[
            bytes(1, "cpu"),
            message(
                5,
                &[message(1, &[fixed(3, 1), double(4, 0.5)]), message(1, &[fixed(3, 2), double(4, 1.5)])],
            ),
        ],
    );
    let pieces = message(
        2,
        &[
            bytes(1, "cpu"),
            message(5, &[message(1, &[fixed(3, 1), double(4, 0.5)])]),
            message(5, &[message(1, &[fixed(3, 2), double(4, 1.5)])]),
        ],
    );
    assert_eq!(decode(&request(&[pieces])), decode(&request(&[whole])));
    // Of several kinds of data the last counts, as generated decoders have it.
    let two = message(
        2,
        &[bytes(1, "x"), message(7, &[]), message(5, &[message(1, &[fixed(3, 1), double(4, 0.5)])])],
    );
    let payload = request(&[two, gauge("y", 1, 1.0)]);
    assert_eq!(points(&decode(&payload).0).len(), 2);
    assert!(MetricsData::decode(&payload[..]).is_ok());
}

#[test]
fn what_protobuf_does_not_have_is_refused() {
    for (record, reason) in [
        (vec![0x0b], "field 1 is a group"),
        (vec![0x0e], "field 1 has a wire type that protobuf does not have"),
        (vec![0x00, 0x00], "a field has the number 0"),
        ([vec![0x10], vec![0xff; 11]].concat(), "a number does not fit 64 bits"),
        (bytes(1, "time"), "`timeUnixNano` is length-delimited on the wire, not eight fixed bytes"),
        (bytes(3, [0xc0]), "`severityText` is not UTF-8 at its byte 0"),
        (fixed(1, u64::MAX), "`timeUnixNano` 18446744073709551615 lies beyond the year 2262"),
        ([fixed(1, 1), bytes(9, [1; 17])].concat(), "`traceId`: an id of 17 bytes"),
        (vec![], "neither `timeUnixNano` nor `observedTimeUnixNano` is set"),
    ] {
        let (batches, bad) = decode(&request(&[log(1, "good"), bytes(2, &record)]));
        assert_eq!(bodies(&batches), ["good"]);
        assert!(
            bad[0].starts_with(&format!("resourceLogs[0].scopeLogs[0].logRecords[1]: {reason}")),
            "{bad:?}"
        );
    }
}

#[test]
fn a_flood_of_bad_records_is_counted() {
    let flood = bytes(2, []).repeat(10_000);
    let (batches, bad) = decode(&request(&[log(1, "good"), flood]));
    assert_eq!(bodies(&batches), ["good"]);
    assert_eq!(bad.len(), 4097);
    assert!(
        bad[4096].starts_with(": 5904 more records of this payload could not be decoded"),
        "{}",
        bad[4096]
    );
}

#[test]
fn records_that_do_not_tell_what_they_are_are_refused() {
    let payload = request(&[bytes(2, [])]);
    let error = otlp_proto::decode(&payload, &mut Rows::default()).unwrap_err();
    assert!(error.reason.contains("none of its 1 records has a field"), "{error}");
    // Unless it is said.
    let mut rows = Rows::default();
    otlp_proto::decode_as(Signal::Spans, &payload, &mut rows).unwrap();
    assert_eq!(rows.bad.len(), 1);
    // A record without its times does not decide over those that have them.
    let timeless = message(2, &[message(5, &[bytes(1, "body")])]);
    let (batches, bad) = decode(&request(&[timeless, log(1, "good")]));
    assert_eq!((bodies(&batches), bad.len()), (vec!["good".to_owned()], 1));
}

/// The three requests share their frame: what one holds may be valid as another.
#[test]
fn signals_are_told_apart() {
    for payload in [request(&[gauge("cpu", 1, 0.5)]), request(&[log(1, "hi")]), request(&[span("GET", 1, 2)])]
    {
        let kinds = [
            MetricsData::decode(&payload[..]).is_ok(),
            LogsData::decode(&payload[..]).is_ok(),
            TracesData::decode(&payload[..]).is_ok(),
        ];
        assert!(kinds.contains(&true));
        assert_eq!(decode(&payload).0.len(), 1);
    }
    assert_eq!(span_names(&decode(&request(&[span("GET", 1, 2)])).0), ["GET"]);
}
