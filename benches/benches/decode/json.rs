//! OTLP/JSON, JSON lines and log lines to Arrow. Beside them serde_json alone, which makes values
//! of the same bytes and nothing else, and which only sees whether they are JSON; and the slow
//! way, which takes JSON apart by serde_json object by object. All take the same payloads in turns
//! on one thread; of the turns the median counts. Printed as one `name value` a line.

use std::{fmt::Write, hint::black_box, time::Instant};

use serde::de::IgnoredAny;
use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows};
use theriac_contract::telemetry::Attributes;

use crate::ratio::{RECORDS, START, spread};

/// Turns of each side.
const TURNS: usize = 9;
/// Times that the payloads are gone through in a turn at least.
const TURN_PAYLOADS: usize = 32;
/// Payloads whose series repeat; and of series that are all different, as in `ratio`.
const REPEATING: usize = 8;
const NEW: usize = 64;

/// Six attributes that only this series has together.
fn attributes(series: usize) -> [(&'static str, String); 6] {
    [
        ("http.route", format!("/api/v1/items/{series}")),
        ("http.request.method", ["GET", "POST"][series % 2].to_owned()),
        ("http.response.status_code", ["200", "404", "500"][series % 3].to_owned()),
        ("region", format!("eu-west-{}", series % 4)),
        ("server.address", format!("10.0.3.{}", series % 250)),
        ("tier", format!("backend-{}", series % 5)),
    ]
}

fn listed(pairs: &[(&str, String)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#))
        .collect();
    format!("[{}]", pairs.join(","))
}

/// The series of a record, and a number that no other record has.
type Record = (usize, usize);

fn request([outer, middle, inner]: [&str; 3], records: &[String]) -> String {
    let resource = [("service.name", "cart"), ("service.instance.id", "cart-1"), ("host.name", "node-7")];
    format!(
        r#"{{"{outer}":[{{"resource":{{"attributes":{}}},"{middle}":[{{"scope":{{"name":"shop","version":"1.0"}},"{inner}":[{}]}}]}}]}}"#,
        listed(&resource.map(|(key, value)| (key, value.to_owned()))),
        records.join(",")
    )
}

/// Metrics of fifty points, gauges and cumulative sums by turns.
fn metrics(records: &[Record]) -> String {
    let metrics = records.chunks(50).enumerate().map(|(number, records)| {
        let points: Vec<String> = records
            .iter()
            .map(|(series, unique)| {
                format!(
                    r#"{{"attributes":{},"startTimeUnixNano":"{START}","timeUnixNano":"{}","asDouble":{}}}"#,
                    listed(&attributes(*series)),
                    START + *unique as u64,
                    *unique as f64 / 8.0
                )
            })
            .collect();
        let points = points.join(",");
        let data = match number % 2 {
            0 => format!(r#""gauge":{{"dataPoints":[{points}]}}"#),
            _ => {
                format!(r#""sum":{{"dataPoints":[{points}],"aggregationTemporality":2,"isMonotonic":true}}"#)
            }
        };
        format!(r#"{{"name":"http.server.metric_{}","unit":"ms",{data}}}"#, number % 20)
    });
    request(["resourceMetrics", "scopeMetrics", "metrics"], &metrics.collect::<Vec<_>>())
}

fn body((series, unique): Record) -> String {
    format!("request {unique} of user {} took {} ms and ended well", series * 7, series % 90)
}

fn logs(records: &[Record]) -> String {
    let records = records.iter().map(|record| {
        let time = START + record.1 as u64;
        format!(
            r#"{{"timeUnixNano":"{time}","observedTimeUnixNano":"{}","severityNumber":9,"severityText":"INFO","body":{{"stringValue":"{}"}},"attributes":{}}}"#,
            time + 1000,
            body(*record),
            listed(&attributes(record.0))
        )
    });
    request(["resourceLogs", "scopeLogs", "logRecords"], &records.collect::<Vec<_>>())
}

fn spans(records: &[Record]) -> String {
    let records = records.iter().map(|&(series, unique)| {
        let start = START + unique as u64;
        let parent = if unique % 8 == 0 { String::new() } else { format!("{unique:016x}") };
        format!(
            r#"{{"traceId":"{:032x}","spanId":"{:016x}","parentSpanId":"{parent}","name":"GET /api/{}","kind":2,"startTimeUnixNano":"{start}","endTimeUnixNano":"{}","attributes":{},"status":{{}}}}"#,
            0x1234_5678_9abc_u128 << 64 | (unique / 8 + 1) as u128,
            unique + 1,
            series % 10,
            start + 1_000_000,
            listed(&attributes(series))
        )
    });
    request(["resourceSpans", "scopeSpans", "spans"], &records.collect::<Vec<_>>())
}

fn json_lines(records: &[Record]) -> String {
    let mut lines = String::new();
    for record in records {
        let _ = write!(
            lines,
            r#"{{"timestamp":"{}","level":"info","message":"{}","service":"cart","host":"node-7""#,
            written(record.1),
            body(*record)
        );
        for (key, value) in attributes(record.0) {
            let _ = write!(lines, r#","{key}":"{value}""#);
        }
        lines.push_str("}\n");
    }
    lines
}

/// An instant of its own for each record.
fn written(unique: usize) -> String {
    let (seconds, millis) = (unique / 1000 % 3600, unique % 1000);
    format!("2026-11-24T10:{:02}:{:02}.{millis:03}Z", seconds / 60, seconds % 60)
}

fn log_lines(records: &[Record]) -> String {
    let mut lines = String::new();
    for record in records {
        let _ =
            writeln!(lines, "{} INFO [worker-{}] cart: {}", written(record.1), record.0 % 16, body(*record));
    }
    lines
}

fn payloads(text: fn(&[Record]) -> String, repeating: bool) -> Vec<String> {
    let payload = |number: usize| {
        let first = number * RECORDS;
        let records: Vec<Record> = (0..RECORDS)
            .map(|record| (if repeating { record } else { first + record }, first + record))
            .collect();
        text(&records)
    };
    (0..if repeating { REPEATING } else { NEW }).map(payload).collect()
}

/// Records a second of one turn.
fn turn(payloads: &[String], decode: &mut dyn FnMut(&str)) -> f64 {
    let times = TURN_PAYLOADS.div_ceil(payloads.len());
    let begun = Instant::now();
    for _ in 0..times {
        payloads.iter().for_each(|payload| decode(payload));
    }
    (times * payloads.len() * RECORDS) as f64 / begun.elapsed().as_secs_f64()
}

fn decoder(encoding: Encoding, mut rows: Rows) -> impl FnMut(&str) {
    let mut decoder = PayloadDecoder::new(encoding, Attributes::new());
    move |payload| {
        decoder.decode(payload.as_bytes(), &[], &mut rows).expect("it can be decoded");
        let batches = rows.take();
        assert!(rows.bad.is_empty());
        assert_eq!(batches[0].rows(), RECORDS);
        black_box(batches);
    }
}

/// Calls `each` with every value of a payload: one a line, or one.
fn values(payload: &str, lines: bool, each: fn(&str)) {
    if lines { payload.lines().for_each(each) } else { each(payload) }
}

/// What is done with the text of a payload.
type Side = Box<dyn FnMut(&str)>;

fn compare(name: &str, text: fn(&[Record]) -> String, encoding: Encoding) {
    for (repeating, suffix) in [(true, ""), (false, ".new_series")] {
        let payloads = payloads(text, repeating);
        let lines = encoding == Encoding::Json;
        let mut sides: Vec<(&str, Side)> =
            vec![("records_per_s", Box::new(decoder(encoding, Rows::default())))];
        if encoding != Encoding::Text {
            sides.push(("by_objects", Box::new(decoder(encoding, Rows::by_objects()))));
            sides.push((
                "serde_json_values",
                Box::new(move |payload| {
                    values(payload, lines, |text| {
                        drop(black_box(serde_json::from_str::<serde_json::Value>(text).expect("it is JSON")));
                    });
                }),
            ));
            sides.push((
                "serde_json_check",
                Box::new(move |payload| {
                    values(payload, lines, |text| {
                        black_box(serde_json::from_str::<IgnoredAny>(text).expect("it is JSON"));
                    });
                }),
            ));
        } else if !repeating {
            continue;
        }
        // The first turns warm all up.
        for (_, side) in &mut sides {
            black_box(turn(&payloads, side));
        }
        let turns: Vec<Vec<f64>> =
            (0..TURNS).map(|_| sides.iter_mut().map(|(_, side)| turn(&payloads, side)).collect()).collect();
        let put = |metric: &str, values: [f64; 3]| {
            for (part, value) in ["", ".min", ".max"].iter().zip(values) {
                println!("bench.{name}.{metric}{suffix}{part} {value:.2}");
            }
        };
        put("records_per_s", spread(turns.iter().map(|turn| turn[0])));
        for (at, (side, _)) in sides.iter().enumerate().skip(1) {
            put(&format!("ratio_to_{side}"), spread(turns.iter().map(|turn| turn[0] / turn[at])));
        }
    }
}

pub(crate) fn run() {
    compare("otlp_json.metrics", metrics, Encoding::OtlpJson);
    compare("otlp_json.logs", logs, Encoding::OtlpJson);
    compare("otlp_json.spans", spans, Encoding::OtlpJson);
    compare("json_lines", json_lines, Encoding::Json);
    compare("text", log_lines, Encoding::Text);
}
