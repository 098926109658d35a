//! JSON that is walked over its bytes gives what serde_json gives, object by object: the same
//! rows, the same bad records at the same places, the same errors.

use proptest::prelude::*;
use theriac_connectors::decode::{BadRecord, Encoding, PayloadDecoder, Rows};
use theriac_contract::{Telemetry, telemetry::Attributes};

use crate::{generate, json};

type Decoded = (Result<(), String>, Vec<Telemetry>, Vec<BadRecord>);

fn decode(payload: &[u8], encoding: Encoding, mut rows: Rows) -> [Decoded; 2] {
    let defaults: Attributes = [("host.name".to_owned(), "h".into())].into();
    let mut decoder = PayloadDecoder::new(encoding, defaults);
    // Twice: the second time all attributes are known.
    [(); 2].map(|()| {
        let decoded = decoder.decode(payload, &[], &mut rows).map_err(|error| error.reason);
        (decoded, rows.take(), std::mem::take(&mut rows.bad))
    })
}

fn same(payload: &[u8], encoding: Encoding) -> Result<(), TestCaseError> {
    let walked = decode(payload, encoding, Rows::default());
    let parsed = decode(payload, encoding, Rows::by_objects());
    prop_assert_eq!(walked, parsed, "{}", String::from_utf8_lossy(payload));
    Ok(())
}

/// What OTLP/JSON and flat JSON are made of, right and wrong.
const PIECES: [&str; 46] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    " ",
    "\n",
    "null",
    "true",
    "0",
    "-0",
    "1e3",
    "1.5",
    "-1",
    "9999999999999999999",
    "\"\"",
    "\"x\"",
    "\"\\u0061\"",
    "\"\\ud800\"",
    "\"7\"",
    "\"NaN\"",
    "{}",
    "[]",
    "[{}]",
    "{\"stringValue\":\"a\\\"b\"}",
    "{\"intValue\":\"5\"}",
    "{\"intValue\":-0}",
    "{\"doubleValue\":1e400}",
    "{\"arrayValue\":{\"values\":[{\"boolValue\":true}]}}",
    "{\"kvlistValue\":{\"values\":[{\"key\":\"k\"}]}}",
    "\"key\":\"b\",",
    "\"attributes\":[],",
    "\"timeUnixNano\":\"1\",",
    "\"name\":\"n\",",
    "\"flags\":1,",
    "\"kind\":\"SPAN_KIND_SERVER\",",
    "\"body\":{\"stringValue\":\"b\"},",
    "\"unit\":null,",
    "\"time\":2,",
    "\"value\":3,",
    "\"labels\":{\"a\":[1.50,{\"b\":-0}]},",
    "\"resource\":{\"z\":1E2},",
    "\"service\":\"s\",",
];

/// A text with pieces put in, taken out, or in place of others.
fn damaged(text: String) -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), 0..12_usize, prop::sample::select(PIECES.to_vec()));
    prop::collection::vec(change, 0..4).prop_map(move |changes| {
        let mut text = text.clone();
        for (place, length, piece) in changes {
            let start = text.floor_char_boundary(place.index(text.len() + 1));
            let end = text.floor_char_boundary((start + length).min(text.len())).max(start);
            text.replace_range(start..end, if length % 3 == 2 { "" } else { piece });
        }
        text
    })
}

fn requests() -> impl Strategy<Value = String> {
    prop_oneof![
        generate::metrics().prop_map(|data| json::metrics(&data)),
        generate::logs().prop_map(|data| json::logs(&data)),
        generate::traces().prop_map(|data| json::traces(&data)),
    ]
}

const FLAT: &str = r#"{"time":"2026-01-01T00:00:00Z","name":"cpu","value":0.5,"labels":{"core":"0","big":1e3},"service":"cart","x":[1,{"b":2,"a":-0.0}]}
{"ts":1790000000,"level":"error","message":"no \"room\" left","trace_id":"7c1a","span_id":"a1","user":"é","ok":true,"n":-5,"resource":{"host.name":"g"}}
{"trace_id":"7c1a","span_id":"a1","parent_id":null,"name":"GET","start":3,"duration_ms":1.5,"status":"ERROR","service":"cart","labels":null}"#;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn otlp_is_walked_as_it_is_parsed(text in requests()) {
        same(text.as_bytes(), Encoding::OtlpJson)?;
    }

    #[test]
    fn damaged_otlp_is_walked_as_it_is_parsed(text in requests().prop_flat_map(damaged)) {
        same(text.as_bytes(), Encoding::OtlpJson)?;
    }

    #[test]
    fn flat_lines_are_walked_as_they_are_parsed(text in damaged(FLAT.to_owned())) {
        same(text.as_bytes(), Encoding::Json)?;
        for line in text.lines() {
            same(line.as_bytes(), Encoding::Json)?;
        }
    }
}

#[test]
fn names_of_another_kind_of_metric_are_passed_over() {
    let number = r#"{"timeUnixNano":"7","asDouble":1.5}"#;
    let summary = r#"{"timeUnixNano":"7","count":"1","sum":1.5,"quantileValues":[]}"#;
    let histogram =
        r#"{"timeUnixNano":"7","count":"1","sum":1.5,"bucketCounts":["1","0"],"explicitBounds":[2]}"#;
    let request = |kind: &str, point: &str, said: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","{kind}":{{{said}"dataPoints":[{point}]}}}}]}}]}}]}}"#
        )
    };
    for (kind, point, said) in [
        ("gauge", number, r#""isMonotonic":true,"#),
        ("gauge", number, r#""aggregationTemporality":2,"#),
        ("gauge", number, r#""aggregationTemporality":9,"#),
        ("summary", summary, r#""aggregationTemporality":1,"isMonotonic":true,"#),
        ("histogram", histogram, r#""isMonotonic":true,"#),
    ] {
        let (with, without) = (request(kind, point, said), request(kind, point, ""));
        same(with.as_bytes(), Encoding::OtlpJson).expect(kind);
        let [found, expected] = [with, without]
            .map(|text| decode(text.as_bytes(), Encoding::OtlpJson, Rows::default())[0].1.clone());
        assert_eq!(found, expected, "{kind} {said}");
        assert_eq!(found[0].rows(), 1);
    }
}

#[test]
fn whole_fixtures_are_walked_as_they_are_parsed() {
    for name in ["otlp.jsonl", "otlp_pretty.json", "otlp_named_enums.jsonl", "otlp_proto.json"] {
        same(&crate::fixture(name), Encoding::OtlpJson).expect(name);
    }
    same(FLAT.as_bytes(), Encoding::Json).expect("flat lines");
}
