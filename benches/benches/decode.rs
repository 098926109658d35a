//! Rows a second from OTLP to Arrow, one thread: JSON as the simulator writes it, and requests
//! of a thousand records in both forms, beside a generated decoder that makes messages of them.
//! Then, as figures by name, how many times as fast as that decoder ours is (see `ratio`), and the same of JSON and text (see `json`).

#[path = "decode/json.rs"]
mod json;
#[path = "decode/ratio.rs"]
mod ratio;

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, measurement::WallTime};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData},
};
use prost::Message;
use theriac_connectors::decode::{Rows, otlp_json, otlp_proto};
use theriac_contract::{Interval, Telemetry};
use theriac_datasets::simulator::{Scenario, World};

fn decoded(lines: &[String]) -> Vec<Telemetry> {
    let mut rows = Rows::default();
    for line in lines {
        otlp_json::decode(line.as_bytes(), &mut rows).expect("the simulator writes OTLP/JSON");
    }
    rows.take()
}

fn decode(criterion: &mut Criterion) {
    let mut world = World::new(&Scenario::default());
    let lines = world.advance(world.now().plus(Interval::from_seconds(300))).otlp;
    let rows: usize = decoded(&lines).iter().map(Telemetry::rows).sum();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    group.bench_function("otlp_json", |bencher| bencher.iter(|| black_box(decoded(&lines))));
    group.finish();
}

/// Records of a request.
const RECORDS: u64 = 1000;
const START: u64 = 1_790_000_000_000_000_000;

/// Attributes as pairs: some that repeat, and one of two hundred values.
fn pairs(names: &[&str], record: u64) -> Vec<(String, String)> {
    let value = |at: usize| match at {
        0 => format!("/api/v1/items/{}", record % 200),
        at => format!("value-{}", record % (at as u64 + 1)),
    };
    names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), value(at))).collect()
}

fn proto_attributes(pairs: &[(String, String)]) -> Vec<KeyValue> {
    let text = |value: &String| Some(AnyValue { value: Some(Value::StringValue(value.clone())) });
    let pair = |(key, value): &(String, String)| KeyValue {
        key: key.clone(),
        value: text(value),
        ..Default::default()
    };
    pairs.iter().map(pair).collect()
}

fn json_attributes(pairs: &[(String, String)]) -> String {
    let pair =
        |(key, value): &(String, String)| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    format!("[{}]", pairs.iter().map(pair).collect::<Vec<_>>().join(","))
}

fn resource() -> Vec<(String, String)> {
    [("service.name", "cart"), ("service.instance.id", "cart-1"), ("host.name", "node-7")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn proto_resource() -> Option<Resource> {
    Some(Resource { attributes: proto_attributes(&resource()), ..Default::default() })
}

fn proto_scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "shop".to_owned(), version: "1.0".to_owned(), ..Default::default() })
}

fn json_request(outer: &str, middle: &str, inner: &str, records: &[String]) -> String {
    format!(
        r#"{{"{outer}":[{{"resource":{{"attributes":{}}},"{middle}":[{{"scope":{{"name":"shop","version":"1.0"}},"{inner}":[{}]}}]}}]}}"#,
        json_attributes(&resource()),
        records.join(",")
    )
}

const POINT: [&str; 4] = ["http.route", "http.request.method", "http.response.status_code", "region"];

fn points() -> (MetricsData, String) {
    let (mut metrics, mut json) = (Vec::new(), Vec::new());
    for record in 0..RECORDS {
        let (pairs, value) = (pairs(&POINT, record), record as f64 / 8.0);
        let (name, time) = (format!("http.server.{}", record % 20), START + record);
        let point = NumberDataPoint {
            attributes: proto_attributes(&pairs),
            time_unix_nano: time,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..Default::default()
        };
        json.push(format!(
            r#"{{"name":"{name}","gauge":{{"dataPoints":[{{"attributes":{},"timeUnixNano":"{time}","asDouble":{value}}}]}}}}"#,
            json_attributes(&pairs)
        ));
        metrics.push(Metric {
            name,
            data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
            ..Default::default()
        });
    }
    let scope_metrics = vec![ScopeMetrics { scope: proto_scope(), metrics, ..Default::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: proto_resource(), scope_metrics, ..Default::default() }];
    (MetricsData { resource_metrics }, json_request("resourceMetrics", "scopeMetrics", "metrics", &json))
}

fn logs() -> (LogsData, String) {
    let (mut log_records, mut json) = (Vec::new(), Vec::new());
    for record in 0..RECORDS {
        let (pairs, time) = (pairs(&POINT[..3], record), START + record);
        let body =
            format!("request {record} of user {} took {} ms and ended well", record * 7 % 991, record % 90);
        json.push(format!(
            r#"{{"timeUnixNano":"{time}","severityNumber":9,"severityText":"INFO","body":{{"stringValue":"{body}"}},"attributes":{}}}"#,
            json_attributes(&pairs)
        ));
        log_records.push(LogRecord {
            time_unix_nano: time,
            severity_number: 9,
            severity_text: "INFO".to_owned(),
            body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
            attributes: proto_attributes(&pairs),
            ..Default::default()
        });
    }
    let scope_logs = vec![ScopeLogs { scope: proto_scope(), log_records, ..Default::default() }];
    let resource_logs = vec![ResourceLogs { resource: proto_resource(), scope_logs, ..Default::default() }];
    (LogsData { resource_logs }, json_request("resourceLogs", "scopeLogs", "logRecords", &json))
}

const SPAN: [&str; 6] =
    ["http.route", "http.request.method", "http.response.status_code", "region", "server.address", "tier"];

fn spans() -> (TracesData, String) {
    let (mut spans, mut json) = (Vec::new(), Vec::new());
    for record in 0..RECORDS {
        let pairs = pairs(&SPAN, record);
        let (trace, span) = (0x1234_5678_9abc_u128 << 64 | u128::from(record / 8 + 1), record + 1);
        let (start, end) = (START + record, START + record + 1_000_000);
        json.push(format!(
            r#"{{"traceId":"{trace:032x}","spanId":"{span:016x}","name":"GET /api","kind":2,"startTimeUnixNano":"{start}","endTimeUnixNano":"{end}","attributes":{}}}"#,
            json_attributes(&pairs)
        ));
        spans.push(Span {
            trace_id: trace.to_be_bytes().into(),
            span_id: span.to_be_bytes().into(),
            name: "GET /api".to_owned(),
            kind: 2,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes: proto_attributes(&pairs),
            ..Default::default()
        });
    }
    let scope_spans = vec![ScopeSpans { scope: proto_scope(), spans, ..Default::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: proto_resource(), scope_spans, ..Default::default() }];
    (TracesData { resource_spans }, json_request("resourceSpans", "scopeSpans", "spans", &json))
}

/// One request in both forms. The rows go on into the same builders, as in a stream.
fn compare<M: Message + Default>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    signal: &str,
    (message, json): (M, String),
) {
    let proto = message.encode_to_vec();
    let mut rows = [Rows::default(), Rows::default()];
    otlp_proto::decode(&proto, &mut rows[0]).expect("it is a request");
    otlp_json::decode(json.as_bytes(), &mut rows[1]).expect("it is a request");
    let [found, expected] = [rows[0].take(), rows[1].take()];
    assert!(found == expected && found[0].rows() as u64 == RECORDS, "both forms hold the same");
    let throughput = |bytes: usize| Throughput::ElementsAndBytes { elements: RECORDS, bytes: bytes as u64 };
    group.throughput(throughput(proto.len()));
    let mut rows = Rows::default();
    group.bench_function(format!("{signal}/otlp_proto"), |bencher| {
        bencher.iter(|| {
            otlp_proto::decode(&proto, &mut rows).expect("it is a request");
            black_box(rows.take())
        });
    });
    group.bench_function(format!("{signal}/prost_messages_only"), |bencher| {
        bencher.iter(|| black_box(M::decode(&proto[..]).expect("it is a request")));
    });
    group.throughput(throughput(json.len()));
    let mut rows = Rows::default();
    group.bench_function(format!("{signal}/otlp_json"), |bencher| {
        bencher.iter(|| {
            otlp_json::decode(json.as_bytes(), &mut rows).expect("it is a request");
            black_box(rows.take())
        });
    });
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    compare(&mut group, "points", points());
    compare(&mut group, "logs", logs());
    compare(&mut group, "spans", spans());
    group.finish();
}

criterion_group!(benches, decode, requests);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo bench … -- json` leaves the protobuf out.
    if !std::env::args().any(|argument| argument == "json") {
        ratio::run();
    }
    json::run();
}
