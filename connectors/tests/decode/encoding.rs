//! Which decoder takes a payload.

use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows, Signal};
use theriac_contract::{Telemetry, telemetry::Attributes};

use crate::{
    bodies, points, span_names, taken,
    wire::{bytes, gauge, log, message, request, span},
};

type Decoded = Result<(Vec<Telemetry>, Vec<String>), String>;

fn decode_as(encoding: Encoding, payload: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Decoded {
    let headers: Vec<_> =
        headers.iter().map(|(key, value)| (key.to_string(), value.as_bytes().to_vec())).collect();
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(encoding, Attributes::new());
    decoder.decode(payload.as_ref(), &headers, &mut rows).map_err(|error| error.reason)?;
    Ok(taken(rows))
}

fn decode(payload: impl AsRef<[u8]>) -> Decoded {
    decode_as(Encoding::Auto, payload, &[])
}

const OTLP_JSON: &str =
    r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"stringValue":"hi"}}]}]}]}"#;
const FLAT: &str = r#"{"time":1,"body":"flat"}"#;

#[test]
fn settings_name_encodings_in_snake_case() {
    for (encoding, name) in [
        (Encoding::Auto, "auto"),
        (Encoding::OtlpProto, "otlp_proto"),
        (Encoding::OtlpJson, "otlp_json"),
        (Encoding::PrometheusRemoteWrite, "prometheus_remote_write"),
        (Encoding::Json, "json"),
        (Encoding::ArrowIpc, "arrow_ipc"),
        (Encoding::Text, "text"),
    ] {
        assert_eq!(serde_json::to_value(encoding).unwrap(), name);
        assert_eq!(serde_json::from_value::<Encoding>(name.into()).unwrap(), encoding);
    }
}

#[test]
fn otlp_protobuf_is_told_from_its_frame_and_its_records() {
    let (batches, bad) = decode(request(&[gauge("cpu", 1, 0.5), gauge("memory", 2, 7.0)])).unwrap();
    let resource = r#"{"service.name":"cart"}"#;
    assert_eq!(
        points(&batches),
        [format!("1 {resource} cpu {{}} Some(0.5)"), format!("2 {resource} memory {{}} Some(7.0)")]
    );
    assert!(bad.is_empty());
    assert_eq!(bodies(&decode(request(&[log(1, "hi")])).unwrap().0), ["hi"]);
    assert_eq!(span_names(&decode(request(&[span("GET", 1, 2)])).unwrap().0), ["GET"]);
    // Nothing in it, and nothing at all.
    assert_eq!(decode(request(&[])).unwrap().0, []);
    assert_eq!(decode([]).unwrap().0, []);
}

#[test]
fn json_is_otlp_or_flat() {
    assert_eq!(bodies(&decode(OTLP_JSON).unwrap().0), ["hi"]);
    assert_eq!(bodies(&decode(FLAT).unwrap().0), ["flat"]);
    assert_eq!(bodies(&decode(format!("\u{feff}[{FLAT},\n{FLAT}]")).unwrap().0), ["flat", "flat"]);
    assert_eq!(bodies(&decode(format!("{FLAT}\n\n{FLAT}\n")).unwrap().0), ["flat", "flat"]);
    assert_eq!(bodies(&decode(format!("{OTLP_JSON}\n{OTLP_JSON}")).unwrap().0), ["hi", "hi"]);
    let pretty = OTLP_JSON.replace(",", ",\n ").replace("{", "{\n ");
    assert_eq!(bodies(&decode(pretty).unwrap().0), ["hi"]);
}

#[test]
fn a_bad_object_or_line_is_noted_where_it_stands() {
    let (batches, bad) = decode(format!("{FLAT}\n{{\"time\":1}}\n{FLAT}")).unwrap();
    assert_eq!(bodies(&batches).len(), 2);
    assert!(bad[0].starts_with("line 2: fits nothing that is known"), "{bad:?}");
    let (batches, bad) = decode(format!("[{FLAT},{{\"time\":1}}]")).unwrap();
    assert_eq!(bodies(&batches).len(), 1);
    assert!(bad[0].starts_with("[1]: fits nothing that is known"), "{bad:?}");
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Json, Attributes::new());
    decoder.decode(format!("\u{feff}{FLAT}\n[{{}}]").as_bytes(), &[], &mut rows).unwrap();
    assert_eq!((rows.bad[0].offset, &*rows.bad[0].path), (3 + FLAT.len() + 2, "line 2: [0]"));
    // Nothing of it can be read.
    assert!(decode("{\"a\": 1,\n\"b\"\n").unwrap_err().starts_with("neither one JSON value ("));
    assert!(decode("{\"a\": 1").unwrap_err().contains("not a JSON object"));
}

#[test]
fn what_is_nothing_else_is_log_lines() {
    let text = "2026-11-24T10:00:00Z ERROR no\n  at main\n[2026-11-24 10:00:01] WARN slow\n";
    let (batches, bad) = decode(text).unwrap();
    assert_eq!(
        bodies(&batches),
        ["2026-11-24T10:00:00Z ERROR no", "  at main", "[2026-11-24 10:00:01] WARN slow"]
    );
    assert!(bad.is_empty());
    // The time of the payload before it is none of the next one's.
    let mut decoder = PayloadDecoder::new(Encoding::Text, Attributes::new());
    let mut rows = Rows::default();
    decoder.decode(text.as_bytes(), &[], &mut rows).unwrap();
    decoder.decode(b"no time", &[], &mut rows).unwrap();
    let (batches, bad) = taken(rows);
    assert_eq!(bodies(&batches).len(), 3);
    assert!(bad[0].starts_with("line 1: no time: the line does not begin with a timestamp"), "{bad:?}");
}

#[test]
fn what_cannot_be_told_says_what_was_tried() {
    let reason = decode([0xff, 0x00, 0x13]).unwrap_err();
    for part in ["no JSON, no Arrow IPC, ", "not an OTLP protobuf request: ", "set `encoding`", "otlp_proto"]
    {
        assert!(reason.contains(part), "{reason}");
    }
}

#[test]
fn a_stream_may_say_what_it_holds() {
    // Neither has its times, so that nothing tells them apart.
    let payload = request(&[message(2, &[bytes(5, "x")])]);
    for (signal, path) in [
        (Signal::Logs, "resourceLogs[0].scopeLogs[0].logRecords[0]"),
        (Signal::Spans, "resourceSpans[0].scopeSpans[0].spans[0]"),
    ] {
        for encoding in [Encoding::Auto, Encoding::OtlpProto] {
            let mut rows = Rows::default();
            let mut decoder = PayloadDecoder::new(encoding, Attributes::new()).holding(signal);
            decoder.decode(&payload, &[], &mut rows).unwrap();
            assert_eq!(rows.bad[0].path, path);
        }
    }
}

#[test]
fn a_flood_of_bad_lines_is_counted() {
    let flood = format!("{FLAT}\n{}", "{}\n".repeat(5_000));
    let (batches, bad) = decode(flood).unwrap();
    assert_eq!(bodies(&batches), ["flat"]);
    assert_eq!(bad.len(), 4097);
    assert!(bad[4096].starts_with(": 904 more records"), "{}", bad[4096]);
}

#[test]
fn a_header_comes_before_the_settings() {
    let json = |content: &str| decode_as(Encoding::OtlpProto, OTLP_JSON, &[("Content-Type", content)]);
    assert_eq!(bodies(&json("application/json; charset=utf-8").unwrap().0), ["hi"]);
    assert_eq!(bodies(&json("Application/JSON").unwrap().0), ["hi"]);
    let flat = decode_as(Encoding::OtlpProto, FLAT, &[("content-type", "application/json")]);
    assert_eq!(bodies(&flat.unwrap().0), ["flat"]);
    let proto = request(&[log(1, "hi")]);
    for header in [("content-type", "application/x-protobuf"), ("MessageFormat", "otlp")] {
        assert_eq!(bodies(&decode_as(Encoding::Text, &proto, &[header]).unwrap().0), ["hi"]);
    }
    let text = decode_as(Encoding::OtlpProto, "2026-11-24T10:00:00Z x", &[("content-type", "text/plain")]);
    assert_eq!(bodies(&text.unwrap().0).len(), 1);
    // Names that say nothing about the payload leave the settings in force.
    let other = decode_as(Encoding::OtlpJson, OTLP_JSON, &[("content-type", "application/octet-stream")]);
    assert_eq!(bodies(&other.unwrap().0), ["hi"]);
    let otap = decode_as(Encoding::Auto, &proto, &[("MessageFormat", "otap")]).unwrap_err();
    assert!(otap.contains("OTAP") && otap.contains("OTLP"), "{otap}");
    let wrong = decode_as(Encoding::Auto, "text", &[("content-type", "application/x-protobuf")]).unwrap_err();
    assert!(wrong.starts_with("its header says protobuf, but it is not an OTLP protobuf request"), "{wrong}");
}

#[test]
fn streams_that_share_rows_keep_their_own_resources() {
    let named = |name: &str| Attributes::from([("host.name".to_owned(), name.into())]);
    let mut rows = Rows::default();
    for payload in [request(&[gauge("cpu", 1, 0.5)]), br#"{"time":1,"name":"cpu","value":0.5}"#.to_vec()] {
        for host in ["a", "b"] {
            let mut decoder = PayloadDecoder::new(Encoding::Auto, named(host));
            for _ in 0..2 {
                decoder.decode(&payload, &[], &mut rows).unwrap();
            }
        }
    }
    let found: Vec<String> =
        points(&taken(rows).0).iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()).collect();
    let (a, b) = (r#"{"host.name":"a","service.name":"cart"}"#, r#"{"host.name":"b","service.name":"cart"}"#);
    assert_eq!(
        found,
        [
            a,
            a,
            b,
            b,
            r#"{"host.name":"a"}"#,
            r#"{"host.name":"a"}"#,
            r#"{"host.name":"b"}"#,
            r#"{"host.name":"b"}"#
        ]
    );
}
