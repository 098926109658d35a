//! What a shop of synthetic services sends: for each tick and signal one request for each service,
//! which holds the records of all its instances.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
        number_data_point::Value as Number,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, TracesData},
};
use prost::Message;
use theriac_connectors::decode::Signal;
use theriac_contract::Interval;

/// Length of a tick.
pub(crate) const STEP: Interval = Interval::from_seconds(10);
/// Ticks in all, and those of them before it is measured.
pub(crate) const TICKS: usize = 150;
pub(crate) const WARM: usize = 90;
/// The tick from which on a service is slow and says errors.
const FAULT: usize = 120;
const ILL: usize = 5;

const SERVICES: usize = 10;
const INSTANCES: usize = 4;
/// Metrics of an instance, each with so many sets of attributes: 2,000 series.
const METRICS: usize = 10;
const SETS: usize = 5;
/// Lines of an instance and tick: 2,000 in all.
const LINES: usize = 50;
/// Traces of a tick, seven spans each: 1,750 in all.
const TRACES: usize = 250;
/// Services that a request goes through: a client's and a server's span each, but for the first.
const DEEP: usize = 4;

const START: u64 = 1_790_000_000_000_000_000;

/// A record as it lies on a topic.
pub(crate) struct Request {
    pub(crate) signal: Signal,
    pub(crate) bytes: Vec<u8>,
}

/// Requests of these signals in a tick, in the order of the services.
pub(crate) fn requests(tick: usize, signals: &[Signal]) -> Vec<Request> {
    let spans = if signals.contains(&Signal::Spans) { spans(tick) } else { vec![Vec::new(); SERVICES] };
    let mut requests = Vec::new();
    for (service, mut of_service) in spans.into_iter().enumerate() {
        for signal in signals {
            let bytes = match signal {
                Signal::Points => metrics(tick, service).encode_to_vec(),
                Signal::Logs => logs(tick, service).encode_to_vec(),
                Signal::Spans => {
                    let resource_spans = std::mem::take(&mut of_service);
                    TracesData { resource_spans }.encode_to_vec()
                }
            };
            requests.push(Request { signal: *signal, bytes });
        }
    }
    requests
}

/// A number that looks drawn, from what it is of (the finalizer of splitmix64, Steele, Lea and Flood 2014).
fn drawn(of: [usize; 3]) -> u64 {
    let mixed = of.iter().fold(0, |mixed: u64, part| {
        let mut z = mixed.wrapping_add(*part as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    });
    mixed >> 11
}

/// From 0 to 1.
fn share(of: [usize; 3]) -> f64 {
    drawn(of) as f64 / (1_u64 << 53) as f64
}

const fn ill(tick: usize, service: usize) -> bool {
    tick >= FAULT && service == ILL
}

fn at(tick: usize, of: usize, all: usize) -> u64 {
    let step = STEP.0.unsigned_abs();
    START + tick as u64 * step + (step / all as u64) * of as u64
}

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Value::StringValue(text.to_owned())) })
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: text(value), ..KeyValue::default() }
}

fn resource(service: usize, instance: usize) -> Option<Resource> {
    let attributes = vec![
        attribute("service.name", &format!("service-{service}")),
        attribute("service.instance.id", &format!("service-{service}-{instance}")),
        attribute("host.name", &format!("node-{}", (service * INSTANCES + instance) % 8)),
    ];
    Some(Resource { attributes, ..Resource::default() })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "shop".into(), version: "1.0".into(), ..Default::default() })
}

/// Six attributes.
fn attributes(set: usize) -> Vec<KeyValue> {
    vec![
        attribute("http.route", &format!("/api/v1/items/{set}")),
        attribute("http.request.method", ["GET", "POST"][set % 2]),
        attribute("http.response.status_code", "200"),
        attribute("region", "eu-west-1"),
        attribute("server.address", &format!("10.0.3.{set}")),
        attribute("tier", "backend"),
    ]
}

/// Gauges that stay about where they are and counters that grow evenly, by turns.
fn metrics(tick: usize, service: usize) -> MetricsData {
    let group = |instance: usize| {
        let metric = |number: usize| {
            let point = |set: usize| {
                let noise = share([tick, service * INSTANCES + instance, number * SETS + set]);
                let level = if ill(tick, service) { 40.0 } else { 4.0 };
                let value = match number % 2 {
                    0 => level + noise,
                    _ => tick as f64 * 100.0 + noise * 10.0,
                };
                NumberDataPoint {
                    attributes: attributes(set),
                    start_time_unix_nano: START - 1,
                    time_unix_nano: at(tick, instance, INSTANCES),
                    value: Some(Number::AsDouble(value)),
                    ..NumberDataPoint::default()
                }
            };
            let data_points = (0..SETS).map(point).collect();
            let data = match number % 2 {
                0 => Data::Gauge(Gauge { data_points }),
                _ => Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: true }),
            };
            let name = format!("shop.metric_{number}");
            Metric { name, unit: "ms".to_owned(), data: Some(data), ..Metric::default() }
        };
        let metrics = (0..METRICS).map(metric).collect();
        let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics, ..Default::default() }];
        ResourceMetrics { resource: resource(service, instance), scope_metrics, ..Default::default() }
    };
    MetricsData { resource_metrics: (0..INSTANCES).map(group).collect() }
}

fn logs(tick: usize, service: usize) -> LogsData {
    let group = |instance: usize| {
        let record = |line: usize| {
            let number = drawn([tick, service * INSTANCES + instance, line]);
            let (user, took) = (number % 991, number % 90);
            let (severity, body) = match line % 5 {
                0 if ill(tick, service) => {
                    (17, format!("payment of user {user} failed: timeout after {took} s"))
                }
                0 | 1 => (9, format!("request {number} of user {user} took {took} ms and ended well")),
                2 => (9, format!("cache hit for key user:{user} in shard {}", number % 16)),
                3 => {
                    (9, format!("connection from 10.0.3.{}:{} accepted", number % 250, 1024 + number % 9999))
                }
                _ => (5, format!("wrote {} bytes to /var/lib/shop/{user}.log", number % 65_536)),
            };
            LogRecord {
                time_unix_nano: at(tick, line, LINES),
                observed_time_unix_nano: at(tick, line, LINES) + 1_000,
                severity_number: severity,
                severity_text: if severity == 17 { "ERROR" } else { "INFO" }.to_owned(),
                body: text(&body),
                attributes: attributes(line % SETS),
                ..LogRecord::default()
            }
        };
        let log_records = (0..LINES).map(record).collect();
        let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..Default::default() }];
        ResourceLogs { resource: resource(service, instance), scope_logs, ..Default::default() }
    };
    LogsData { resource_logs: (0..INSTANCES).map(group).collect() }
}

/// The spans of a tick, by service: requests that go through four of them, one behind the other.
fn spans(tick: usize) -> Vec<Vec<ResourceSpans>> {
    let mut by_instance: Vec<Vec<Span>> = vec![Vec::new(); SERVICES * INSTANCES];
    for number in 0..TRACES {
        let trace = tick * TRACES + number;
        let route = [0, 1 + trace % 3, 4 + trace % 3, 7 + trace % 3];
        let begin = at(tick, number, TRACES);
        let (mut took, mut parent) = (0, Vec::new());
        // From the innermost out: a caller takes longer than who it calls.
        let mut inside = Vec::new();
        for depth in (0..DEEP).rev() {
            let own = 500_000 + drawn([trace, depth, 1]) % 200_000;
            took += if ill(tick, route[depth]) { own * 20 } else { own };
            inside.push((took, took + 100_000));
            took += 100_000;
        }
        inside.reverse();
        for (depth, (served, called)) in inside.into_iter().enumerate() {
            let (service, instance) = (route[depth], drawn([trace, depth, 2]) as usize % INSTANCES);
            let ids = [1, 2].map(|side| (trace as u64 * 16 + depth as u64 * 2 + side).to_be_bytes().to_vec());
            let failed = route[depth..].iter().any(|service| ill(tick, *service)) && trace.is_multiple_of(4);
            let span = |client: bool, id: &Vec<u8>, parent: Vec<u8>, took: u64| Span {
                trace_id: (0x1234_5678_9abc_u128 << 64 | (trace as u128 + 1)).to_be_bytes().to_vec(),
                span_id: id.clone(),
                parent_span_id: parent,
                name: format!("{} /api/v1/items/{}", if client { "GET" } else { "POST" }, trace % SETS),
                kind: if client { 3 } else { 2 },
                start_time_unix_nano: begin + depth as u64 * 1_000,
                end_time_unix_nano: begin + depth as u64 * 1_000 + took,
                attributes: attributes(trace % SETS),
                status: failed.then(|| Status { code: 2, ..Status::default() }),
                ..Span::default()
            };
            if depth > 0 {
                let caller = route[depth - 1] * INSTANCES + drawn([trace, depth - 1, 2]) as usize % INSTANCES;
                by_instance[caller].push(span(true, &ids[0], parent, called));
                parent = ids[0].clone();
            }
            by_instance[service * INSTANCES + instance].push(span(false, &ids[1], parent, served));
            parent = ids[1].clone();
        }
    }
    let mut by_service = vec![Vec::new(); SERVICES];
    for (at, spans) in by_instance.into_iter().enumerate() {
        let (service, instance) = (at / INSTANCES, at % INSTANCES);
        let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..Default::default() }];
        let resource = resource(service, instance);
        by_service[service].push(ResourceSpans { resource, scope_spans, ..Default::default() });
    }
    by_service
}
