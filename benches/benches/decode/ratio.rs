//! OTLP protobuf to Arrow beside prost, which makes its generated messages of the same bytes and
//! nothing else. Both take the same requests in turns on one thread; of the turns the median
//! counts. Printed as one `name value` a line.

use std::{hint::black_box, time::Instant};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
        number_data_point::Value as Number,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData},
};
use prost::Message;
use theriac_connectors::decode::{Rows, otlp_proto};

/// Records of a request.
pub(crate) const RECORDS: usize = 1000;
/// Turns of each side.
const TURNS: usize = 15;
/// Times that the requests are gone through in a turn at least.
const TURN_REQUESTS: usize = 64;
/// Requests whose series repeat. Times, values and ids are their own.
const REPEATING: usize = 8;
/// Requests of series that are all different: several times more of them than the decoder
/// remembers, so that each is new when it comes again.
const NEW: usize = 64;
pub(crate) const START: u64 = 1_790_000_000_000_000_000;

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// Six attributes that only this series has together.
fn attributes(series: usize) -> Vec<KeyValue> {
    vec![
        attribute("http.route", format!("/api/v1/items/{series}")),
        attribute("http.request.method", ["GET", "POST"][series % 2].to_owned()),
        attribute("http.response.status_code", ["200", "404", "500"][series % 3].to_owned()),
        attribute("region", format!("eu-west-{}", series % 4)),
        attribute("server.address", format!("10.0.3.{}", series % 250)),
        attribute("tier", format!("backend-{}", series % 5)),
    ]
}

fn resource() -> Option<Resource> {
    let attributes = [("service.name", "cart"), ("service.instance.id", "cart-1"), ("host.name", "node-7")];
    let attributes = attributes.map(|(key, value)| attribute(key, value.to_owned())).into();
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "shop".into(), version: "1.0".into(), ..Default::default() })
}

/// The series of a record, and a number that no other record has.
type Record = (usize, usize);

/// Metrics of so many points each, gauges and cumulative sums by turns.
fn metrics<const POINTS: usize>(records: &[Record]) -> MetricsData {
    let point = |&(series, unique): &Record| NumberDataPoint {
        attributes: attributes(series),
        start_time_unix_nano: START,
        time_unix_nano: START + unique as u64,
        value: Some(Number::AsDouble(unique as f64 / 8.0)),
        ..NumberDataPoint::default()
    };
    let metrics = records.chunks(POINTS).enumerate().map(|(number, records)| {
        let data_points = records.iter().map(point).collect();
        let data = match number % 2 {
            0 => Data::Gauge(Gauge { data_points }),
            _ => Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true }),
        };
        let name = format!("http.server.metric_{}", number % 20);
        Metric { name, unit: "ms".to_owned(), data: Some(data), ..Metric::default() }
    });
    let scope_metrics =
        vec![ScopeMetrics { scope: scope(), metrics: metrics.collect(), ..Default::default() }];
    let group = ResourceMetrics { resource: resource(), scope_metrics, ..Default::default() };
    MetricsData { resource_metrics: vec![group] }
}

fn logs(records: &[Record]) -> LogsData {
    let record = |&(series, unique): &Record| {
        let body = format!("request {unique} of user {} took {} ms and ended well", series * 7, series % 90);
        LogRecord {
            time_unix_nano: START + unique as u64,
            observed_time_unix_nano: START + unique as u64 + 1000,
            severity_number: 9,
            severity_text: "INFO".to_owned(),
            body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
            attributes: attributes(series),
            ..LogRecord::default()
        }
    };
    let log_records = records.iter().map(record).collect();
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..Default::default() }];
    let group = ResourceLogs { resource: resource(), scope_logs, ..Default::default() };
    LogsData { resource_logs: vec![group] }
}

fn spans(records: &[Record]) -> TracesData {
    let span = |&(series, unique): &Record| Span {
        trace_id: (0x1234_5678_9abc_u128 << 64 | (unique / 8 + 1) as u128).to_be_bytes().into(),
        span_id: (unique as u64 + 1).to_be_bytes().into(),
        parent_span_id: if unique % 8 == 0 { Vec::new() } else { (unique as u64).to_be_bytes().into() },
        name: format!("GET /api/{}", series % 10),
        kind: 2,
        start_time_unix_nano: START + unique as u64,
        end_time_unix_nano: START + unique as u64 + 1_000_000,
        attributes: attributes(series),
        ..Span::default()
    };
    let spans = records.iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..Default::default() }];
    let group = ResourceSpans { resource: resource(), scope_spans, ..Default::default() };
    TracesData { resource_spans: vec![group] }
}

/// Encoded requests, of the same series in each or of others.
fn requests<M: Message>(message: fn(&[Record]) -> M, repeating: bool) -> Vec<Vec<u8>> {
    let request = |number: usize| {
        let first = number * RECORDS;
        let records: Vec<Record> = (0..RECORDS)
            .map(|record| (if repeating { record } else { first + record }, first + record))
            .collect();
        message(&records).encode_to_vec()
    };
    (0..if repeating { REPEATING } else { NEW }).map(request).collect()
}

/// Records a second of one turn.
fn turn(requests: &[Vec<u8>], mut decode: impl FnMut(&[u8])) -> f64 {
    let times = TURN_REQUESTS.div_ceil(requests.len());
    let begun = Instant::now();
    for _ in 0..times {
        requests.iter().for_each(|request| decode(request));
    }
    (times * requests.len() * RECORDS) as f64 / begun.elapsed().as_secs_f64()
}

/// Median, smallest and largest.
pub(crate) fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    [sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1]]
}

fn compare<M: Message + Default>(name: &str, message: fn(&[Record]) -> M) {
    for (repeating, suffix) in [(true, ""), (false, ".new_series")] {
        let requests = requests(message, repeating);
        let mut rows = Rows::default();
        let mut ours = |request: &[u8]| {
            otlp_proto::decode(request, &mut rows).expect("it is a request");
            let batches = rows.take();
            assert_eq!(batches[0].rows(), RECORDS);
            black_box(batches);
        };
        let theirs = |request: &[u8]| drop(black_box(M::decode(request).expect("it is a request")));
        // The first turns warm both up.
        turn(&requests, &mut ours);
        turn(&requests, theirs);
        let turns: Vec<[f64; 2]> =
            (0..TURNS).map(|_| [turn(&requests, &mut ours), turn(&requests, theirs)]).collect();
        let put = |metric: &str, values: [f64; 3]| {
            for (part, value) in ["", ".min", ".max"].iter().zip(values) {
                println!("bench.otlp.{name}.{metric}{suffix}{part} {value:.2}");
            }
        };
        put("ratio_to_prost", spread(turns.iter().map(|[ours, theirs]| ours / theirs)));
        put("records_per_s", spread(turns.iter().map(|[ours, _]| *ours)));
        put("prost_records_per_s", spread(turns.iter().map(|[_, theirs]| *theirs)));
    }
}

/// Compares all signals. A metric of fifty points is what a scrape gives; one of a single point
/// is the worst case.
pub(crate) fn run() {
    compare("metrics", metrics::<50>);
    compare("metrics_of_one_point", metrics::<1>);
    compare("logs", logs);
    compare("spans", spans);
}
