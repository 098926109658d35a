//! Points a second from a real broker, `otlp_proto`, with 1, 4 and 16 partitions: reading and
//! decoding alone, and the whole path of `theriac run`; then what happens at twice the load that
//! it can bear. Needs what `tests/kafka/broker` needs, and Linux's /proc.
//!
//! ```text
//! cargo bench -p theriac-benches --bench kafka -- --points 2000000 --seconds 20
//! ```
//! The program that is measured is the one that `THERIAC_PROGRAM` names, or one built for it. The
//! broker runs on the same machine; a core's share is told by the processor time of the process
//! that is measured, librdkafka's threads and all.

use std::{
    env, fs,
    path::Path,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    metrics::v1::{
        Gauge, Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
};
use prost::Message as _;
use theriac_connectors::kafka::{KafkaSource, Settings, Start, membership::InputPositions};
use theriac_contract::{Fetch, Source, Telemetry};
use theriac_tests::{
    broker::{Broker, Message},
    program,
};

/// Services; each sends all of its series at once, as the Collector does.
const SERVICES: u64 = 20;
const METRICS: u64 = 20;
/// Attribute sets of one metric of one service.
const ROUTES: u64 = 50;
const POINTS_OF_STEP: u64 = SERVICES * METRICS * ROUTES;
/// Seconds between two points of a series.
const STEP: u64 = 10;
const START: u64 = 1_790_000_000;

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..Default::default() }
}

/// What one service sends at one step.
fn request(service: u64, step: u64) -> Vec<u8> {
    let point = |metric: u64, route: u64| NumberDataPoint {
        attributes: vec![attribute("http.route", format!("/api/v1/items/{route}"))],
        time_unix_nano: (START + step * STEP) * 1_000_000_000,
        value: Some(number_data_point::Value::AsDouble(
            ((step * 7_919 + metric * 104_729 + route * 31 + service) % 1_009) as f64,
        )),
        ..Default::default()
    };
    let metric = |metric: u64| Metric {
        name: format!("http.server.{metric}"),
        data: Some(Data::Gauge(Gauge {
            data_points: (0..ROUTES).map(|route| point(metric, route)).collect(),
        })),
        ..Default::default()
    };
    let scope_metrics =
        vec![ScopeMetrics { metrics: (0..METRICS).map(metric).collect(), ..Default::default() }];
    let attributes = vec![attribute("service.name", format!("service-{service}"))];
    let resource = Some(Resource { attributes, ..Default::default() });
    MetricsData { resource_metrics: vec![ResourceMetrics { resource, scope_metrics, ..Default::default() }] }
        .encode_to_vec()
}

fn messages(topic: &'static str, partitions: u64, steps: std::ops::Range<u64>) -> Vec<Message> {
    let message = |step: u64, service: u64| Message {
        topic,
        partition: (service % partitions) as i32,
        time: ((START + step * STEP) * 1000) as i64,
        payload: request(service, step),
        ..Message::default()
    };
    steps.flat_map(|step| (0..SERVICES).map(move |service| message(step, service))).collect()
}

/// Processor time of a process and all of its threads so far, seconds; none once it has ended.
fn processor(process: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold blanks; user and system time are the 12th and 13th behind it.
    let fields: Vec<f64> =
        text.rsplit_once(')')?.1.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // The state is no number.
    let ticks = fields.get(10)? + fields.get(11)?;
    Some(ticks / 100.0).filter(|seconds| *seconds > 0.0)
}

/// Memory that a process holds, MB.
fn resident(process: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}

struct Figure {
    wall: f64,
    processor: f64,
}

impl Figure {
    fn print(&self, what: &str, partitions: u64, points: u64) {
        let points = points as f64;
        println!(
            "{what:<24} {partitions:>10} {:>14.0} {:>14.0} {:>12.2} {:>12.2}",
            points / self.wall,
            points / self.processor,
            self.wall,
            self.processor
        );
    }
}

fn settings(broker: &Broker, name: &str, topic: &str) -> Settings {
    let inputs = [(topic.to_owned(), Default::default())].into();
    Settings { start: Start::Earliest, inputs, ..broker.settings(name) }
}

/// Reads a topic to its present end, and decodes it.
fn reader(settings: &Settings, points: u64) -> Figure {
    let mut source =
        KafkaSource::open(settings, 0, 1, InputPositions::default()).expect("the broker answers");
    source.end_at_present().expect("the broker answers");
    let (begin, before) = (Instant::now(), processor("self").unwrap_or(0.0));
    let mut rows = 0;
    loop {
        match source.fetch(1 << 20).expect("it can be read") {
            Fetch::Batch(fetched) => {
                rows += fetched.telemetry.iter().map(Telemetry::rows).sum::<usize>() as u64;
            }
            Fetch::Idle => {}
            Fetch::End => break,
        }
    }
    assert_eq!(rows, points, "not all of it was read");
    let after = processor("self").unwrap_or(0.0);
    Figure { wall: begin.elapsed().as_secs_f64(), processor: (after - before).max(0.01) }
}

fn configure(folder: &Path, settings: &Settings, topic: &str) {
    let text = format!(
        "clock: event\nkafka:\n  brokers: [\"{}\"]\n  group: {}\n  prefix: {}\n  start: earliest\n  inputs: {{ {topic}: {{ encoding: otlp_proto }} }}\n",
        settings.brokers[0], settings.group, settings.prefix
    );
    fs::write(folder.join("theriac.yaml"), text).expect("a folder of its own");
}

fn start(folder: &Path, arguments: &[&str]) -> Child {
    let told = fs::File::create(folder.join("log")).expect("a folder of its own");
    let mut command = program::command(folder, arguments);
    command.stdout(Stdio::null()).stderr(told).spawn().expect("the program starts")
}

/// The whole path: reads, decodes, detects and commits to the end of the topic.
fn whole(settings: &Settings, topic: &str) -> Figure {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), settings, topic);
    let begin = Instant::now();
    let mut child = start(folder.path(), &["run", "--until-end"]);
    let (process, mut used) = (child.id().to_string(), 0.01);
    let status = loop {
        used = processor(&process).unwrap_or(used);
        if let Some(status) = child.try_wait().expect("a child can be asked") {
            break status;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let told = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    assert!(status.success(), "{told}");
    Figure { wall: begin.elapsed().as_secs_f64(), processor: used }
}

/// Twice as much as it can bear for some seconds, then nothing, until all of it is done.
fn overload(broker: &Broker, rate: f64, seconds: u64) {
    let topic = "bench_overload";
    broker.create(&[topic], 4);
    let settings = settings(broker, "overload", topic);
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &settings, topic);
    let mut child = start(folder.path(), &["run"]);
    let process = child.id().to_string();
    let steps = ((2.0 * rate / POINTS_OF_STEP as f64).ceil() as u64).max(1);
    println!(
        "\ntwice the load that it can bear: {} points/s for {seconds} s, then nothing",
        steps * POINTS_OF_STEP
    );
    println!("{:>6} {:>14} {:>18} {:>10}", "s", "produced", "behind, points", "RSS, MB");
    let begin = Instant::now();
    let mut highest: f64 = 0.0;
    for second in 0.. {
        let produced = (second + 1).min(seconds) * steps * POINTS_OF_STEP;
        if second < seconds {
            broker.produce(&messages(topic, 4, second * steps..(second + 1) * steps));
        }
        let end = Duration::from_secs(second + 1);
        thread::sleep(end.saturating_sub(begin.elapsed()));
        let behind = broker.behind(&settings.group, topic) as u64 * METRICS * ROUTES;
        let memory = resident(&process).unwrap_or(0.0);
        highest = highest.max(memory);
        let at = begin.elapsed().as_secs_f64();
        println!("{at:>6.1} {produced:>14} {behind:>18} {memory:>10.0}");
        if second >= seconds && behind == 0 {
            println!("caught up {:.1} s after the load ended; at most {highest:.0} MB", at - seconds as f64);
            break;
        }
        if second > 20 * seconds + 60 {
            println!("NOT caught up after {at:.0} s");
            break;
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The number behind an argument.
fn argument(name: &str, otherwise: u64) -> u64 {
    let mut arguments = env::args().skip_while(|argument| argument != name);
    arguments.nth(1).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let steps = argument("--points", 1_000_000).div_ceil(POINTS_OF_STEP);
    let (points, seconds) = (steps * POINTS_OF_STEP, argument("--seconds", 20));
    let machine = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = machine.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let bytes = request(0, 0).len() as u64 * SERVICES * steps;
    // The first call builds the program; that is no part of a run.
    program::run_well(Path::new("."), &["--version"]);
    let broker = Broker::start(1);
    println!(
        "{model}, {cores} cores, the broker on the same; {points} points of {POINTS_OF_STEP} series, {bytes} bytes of otlp_proto"
    );
    println!(
        "{:<24} {:>10} {:>14} {:>14} {:>12} {:>12}",
        "", "partitions", "points/s", "and per core", "wall, s", "processor, s"
    );
    let mut rate = f64::INFINITY;
    for partitions in [1, 4, 16] {
        let topic: &'static str = Box::leak(format!("bench_{partitions}").into_boxed_str());
        broker.create(&[topic], partitions as i32);
        broker.produce(&messages(topic, partitions, 0..steps));
        let settings = settings(&broker, topic, topic);
        reader(&settings, points).print("read and decode", partitions, points);
        let figure = whole(&settings, topic);
        figure.print("whole path", partitions, points);
        rate = rate.min(points as f64 / figure.wall);
    }
    overload(&broker, rate, seconds);
}
