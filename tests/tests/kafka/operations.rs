//! Looking after a service that runs: health, metrics, logs, another configuration, an end.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use theriac_connectors::kafka::{KafkaReader, Settings};
use theriac_contract::{Topic, Topics as _};
use theriac_tests::{
    broker::{Broker, Message},
    http::{http, post},
    program::command,
    service::{PATIENCE, Running, until},
};

use crate::{
    fleet,
    noticed::{assert_same, configuration, on_kafka},
};

fn get(address: &str, path: &str) -> (u16, Value) {
    let (status, body) = http(address, &format!("GET {path}"), "");
    (status, serde_json::from_str(&body).unwrap())
}

/// Prometheus's own parsers, of its Python client.
fn python_client() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prometheus-client");
        if !folder.join("prometheus_client").is_dir() {
            let status = Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
                .args([folder.as_os_str(), "prometheus-client==0.26.0".as_ref()])
                .status()
                .expect("python3 with pip");
            assert!(status.success(), "prometheus-client cannot be had from PyPI");
        }
        folder
    })
}

/// Samples by name and labels, as `name{label=value,…}` with the labels sorted.
type Samples = BTreeMap<String, f64>;

fn parsed(text: &str, parser: &str) -> Samples {
    let program = format!(
        "import sys, json\nfrom {parser} import text_string_to_metric_families as parse\nfor family in parse(sys.stdin.read()):\n  for s in family.samples:\n    print(json.dumps([s.name + '{{' + ','.join(k + '=' + v for k, v in sorted(s.labels.items())) + '}}', s.value, family.documentation]))"
    );
    let mut python = Command::new("python3")
        .args(["-c", &program])
        .env("PYTHONPATH", python_client())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{text}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let sample = |line: &str| {
        let (name, value, help): (String, f64, String) = serde_json::from_str(line).unwrap();
        assert!(!help.is_empty(), "{name} has no help");
        (name, value)
    };
    lines.lines().map(sample).collect()
}

fn scrape(address: &str) -> Samples {
    let (status, text) = http(address, "GET /metrics", "");
    assert_eq!(status, 200);
    let accept = "Accept: application/openmetrics-text; version=1.0.0\r\n";
    let (_, openmetrics) = http(address, "GET /metrics", accept);
    assert!(openmetrics.ends_with("# EOF\n"), "{openmetrics}");
    parsed(&openmetrics, "prometheus_client.openmetrics.parser");
    parsed(&text, "prometheus_client.parser")
}

fn sum(samples: &Samples, name: &str) -> f64 {
    samples.iter().filter(|(sample, _)| sample.split('{').next() == Some(name)).map(|(_, value)| value).sum()
}

/// Rows of a fleet's messages: data points, log records and spans.
fn rows(messages: &[Message]) -> BTreeMap<&'static str, f64> {
    fn count(value: &Value, names: &[&str]) -> f64 {
        match value {
            Value::Object(object) => object
                .iter()
                .map(|(name, value)| match value {
                    Value::Array(items) if names.contains(&name.as_str()) => items.len() as f64,
                    value => count(value, names),
                })
                .sum(),
            Value::Array(items) => items.iter().map(|item| count(item, names)).sum(),
            _ => 0.0,
        }
    }
    let mut rows = BTreeMap::new();
    for message in messages {
        let value: Value = serde_json::from_slice(&message.payload).unwrap();
        for (signal, names) in [("points", ["dataPoints"]), ("logs", ["logRecords"]), ("spans", ["spans"])] {
            *rows.entry(signal).or_insert(0.0) += count(&value, &names);
        }
    }
    rows
}

fn configure(folder: &Path, settings: &Settings, topics: fleet::Topics, shards: u32, more: &str) {
    let mut text = configuration(settings, topics, &format!("  shards: {shards}\n"));
    if shards == 1 {
        // What lies on one partition comes in order.
        text = text.replace("lateness: 300s", "lateness: 30s");
    }
    fs::write(folder.join("service.yaml"), format!("{text}\n{more}")).unwrap();
}

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// What is counted is what was produced; what was produced is read, and then there is no lag.
#[test]
fn metrics_say_what_was_done() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["om_metrics", "om_logs", "om_spans"];
    broker.create(&topics, 3);
    let messages = fleet::messages(topics, 3, 7, 400);
    let settings = broker.settings("om");
    configure(folder.path(), &settings, topics, 2, "");
    let garbage = Message { topic: topics[1], payload: vec![0x0a, 0xff, 0x00], ..Message::default() };
    broker.produce(&messages);
    broker.produce(&[garbage.clone(), garbage]);
    let mut running = Running::start(folder.path(), "log", &LISTEN);
    let address = running.address();
    let expected = rows(&messages);
    let samples = until("all rows, and no lag", || {
        let samples = scrape(&address);
        let lanes = samples.keys().filter(|name| name.starts_with("theriac_kafka_lag_records")).count();
        let done = sum(&samples, "theriac_rows_total") >= expected.values().sum::<f64>()
            && sum(&samples, "theriac_dead_letters_total") >= 2.0;
        (done && lanes == 9 && sum(&samples, "theriac_kafka_lag_records") == 0.0).then_some(samples)
    });
    for (signal, expected) in &expected {
        let of = |shard: u32| samples.get(&format!("theriac_rows_total{{shard={shard},signal={signal}}}"));
        let found: f64 = (0..2).filter_map(of).sum();
        assert_eq!(found, *expected, "{signal}");
    }
    assert_eq!(sum(&samples, "theriac_dead_letters_total"), 2.0);
    assert_eq!(samples["theriac_dead_letters_total{class=record,shard=0}"], 2.0);
    let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
    assert_eq!(sum(&samples, "theriac_input_bytes_total"), (bytes + 6) as f64);
    assert_eq!((samples["theriac_shards{}"], samples["theriac_ready{}"]), (2.0, 1.0));
    assert_eq!(samples["theriac_rebalances_total{change=gained}"], 1.0);
    for part in ["fetch", "decode", "frame", "learn", "detect", "diagnose", "plan", "execute", "commit"] {
        let took = samples.get(&format!("theriac_part_duration_seconds_count{{part={part}}}"));
        assert!(took.is_some_and(|count| *count > 0.0), "{part}: {took:?}");
    }
    // The fleet's time is long ago: what is read now is that far behind the clock.
    assert!(samples["theriac_watermark_delay_seconds{shard=0}"] > 86_400.0);
    assert!(sum(&samples, "theriac_checkpoints_total") > 0.0);
    assert!(samples["theriac_checkpoint_size_bytes{shard=0}"] > 1000.0);
    assert!(sum(&samples, "theriac_series") > 10.0);
    assert!(samples["theriac_state_bytes{shard=0,table=detect}"] > 100.0);
    assert!(samples["process_resident_memory_bytes{}"] > 1e6);
    // A round that was read may still be written while its rows are counted: both are looked at until it is through.
    let compared = [Topic::Symptoms, Topic::Knowledge];
    until("as many records written as are counted", || {
        let samples = scrape(&address);
        let reader = KafkaReader::open(&settings, &compared).unwrap();
        let agrees = |topic: Topic| {
            let counted: f64 = (0..2)
                .filter_map(|shard| {
                    samples.get(&format!("theriac_records_total{{shard={shard},topic={topic}}}"))
                })
                .sum();
            let written: u64 = (0..2).map(|shard| reader.end(topic, shard)).sum();
            // Two facts say that a shard began with a configuration, before its first tick.
            let other = if topic == Topic::Knowledge { 2 } else { 0 };
            written > other && counted as u64 + other == written
        };
        compared.into_iter().all(agrees).then_some(())
    });
    running.stop();
    assert!(running.said().contains("stopped; nothing is lost"), "{}", running.said());
}

/// A process is not ready before every shard is through its recovery, and stands by without one.
#[test]
fn readiness_waits_for_recovery() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["or_metrics", "or_logs", "or_spans"];
    broker.create(&topics, 1);
    broker.produce(&fleet::messages(topics, 1, 7, 1100));
    let settings = broker.settings("or");
    // Without a checkpoint a restart does every round again.
    configure(folder.path(), &settings, topics, 1, "");
    let config = fs::read_to_string(folder.path().join("service.yaml")).unwrap();
    let config = config.replace("checkpoint: { every: 60s }", "checkpoint: { every: 1000d }");
    fs::write(folder.path().join("service.yaml"), config).unwrap();
    let mut running = Running::start(folder.path(), "log", &LISTEN);
    let address = running.address();
    until("readiness", || (get(&address, "/readyz").0 == 200).then_some(()));
    let done_before = until("all of it", || {
        let samples = scrape(&address);
        let done = samples.contains_key("theriac_records_total{shard=0,topic=symptoms}");
        let read = done && sum(&samples, "theriac_kafka_lag_records") == 0.0;
        read.then(|| samples["theriac_rounds_total{shard=0}"])
    });
    running.process.kill().unwrap();
    running.process.wait().unwrap();
    fs::remove_dir_all(folder.path().join("data/or.checkpoints")).unwrap();

    let mut running = Running::start(folder.path(), "again", &LISTEN);
    let address = running.address();
    let mut phases = Vec::new();
    let begin = Instant::now();
    // Asked without a pause; on a busy machine a phase may still be over between two questions.
    while phases.last() != Some(&"reading".to_owned()) {
        assert!(begin.elapsed() < PATIENCE, "waited in vain for readiness: {phases:?}");
        let (status, body) = get(&address, "/readyz");
        assert_eq!(status == 200, body["ready"] == true);
        assert_eq!(status == 503, !body["reasons"].as_array().unwrap().is_empty(), "{body}");
        let (live, said) = get(&address, "/livez");
        assert_eq!((live, &said["live"]), (200, &Value::Bool(true)), "{said}");
        let phase = body["shards"]["0"]["phase"].as_str().unwrap_or("none").to_owned();
        // Until the group has missed the one that was killed, this process stands by.
        assert!(status == 503 || phase == "reading" || phase == "none", "{body}");
        phases.push(phase);
    }
    phases.dedup();
    // Ready means that every round of the one that was killed has been done again.
    let repeated = scrape(&address)["theriac_rounds_repeated_total{shard=0}"];
    assert!(done_before > 0.0 && repeated >= done_before, "{repeated} of {done_before}: {phases:?}");
    let second = Running::start(folder.path(), "second", &LISTEN);
    let address = second.address();
    let standing_by =
        until("readiness", || Some(get(&address, "/readyz")).filter(|(status, _)| *status == 200));
    assert_eq!(standing_by.1["shards"], serde_json::json!({}));
    running.stop();
    until("the shard", || (scrape(&address)["theriac_shards{}"] == 1.0).then_some(()));
}

/// The configuration changes under load; what is noticed is neither lost nor doubled.
#[test]
fn another_configuration_under_load() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["ol_metrics", "ol_logs", "ol_spans"];
    broker.create(&topics, 2);
    let messages = fleet::messages(topics, 2, 7, 1500);
    let settings = broker.settings("ol");
    let allow = "operations: { allow_reload: true }\n";
    configure(folder.path(), &settings, topics, 2, allow);
    let mut running = Running::start(folder.path(), "log", &LISTEN);
    let address = running.address();
    until("readiness", || (get(&address, "/readyz").0 == 200).then_some(()));
    let configurations = |address: &str| -> Vec<String> {
        let names = scrape(address).into_keys();
        names.filter(|name| name.starts_with("theriac_configuration_info")).collect()
    };
    let first = configurations(&address);
    assert_eq!(first.len(), 2, "{first:?}");
    let mut reloads = 0;
    for part in messages.chunks(messages.len() / 8 + 1) {
        broker.produce(part);
        reloads += 1;
        // What decides what is done changes, what is noticed does not.
        let plan = format!("{allow}plan: {{ plans_per_incident_max: {reloads} }}\n");
        configure(folder.path(), &settings, topics, 2, &plan);
        if reloads % 2 == 0 {
            let (status, body) = http(&address, "POST /-/reload", "Content-Length: 0\r\n");
            assert_eq!(status, 200, "{body}");
            assert!(body.starts_with("going over to configuration"), "{body}");
        } else {
            running.signal("-HUP");
        }
        until("a reload", || {
            (sum(&scrape(&address), "theriac_reloads_total") == f64::from(reloads)).then_some(())
        });
    }
    // One that is wrong changes nothing, and neither does one that takes a restart.
    fs::write(folder.path().join("service.yaml"), "kafka:\n  brokers: [here]\n  shard: 3\n").unwrap();
    let (status, body) = http(&address, "POST /-/reload", "Content-Length: 0\r\n");
    assert_eq!(status, 400);
    assert!(body.contains("service.yaml:3:3") && body.contains("shard"), "{body}");
    let other = Settings { group: "another".to_owned(), ..settings.clone() };
    configure(folder.path(), &other, topics, 3, allow);
    running.signal("-HUP");
    running.hear("`kafka.group`, `kafka.shards` cannot change while the service runs");
    until("a refusal", || {
        let samples = scrape(&address);
        (samples.get("theriac_reloads_total{result=refused}") == Some(&2.0)).then_some(())
    });
    let last = until("both shards", || Some(configurations(&address)).filter(|all| all.len() == 2));
    assert!(last.iter().all(|configuration| !first.contains(configuration)), "{first:?} {last:?}");
    let samples = until("no lag", || {
        let samples = scrape(&address);
        (sum(&samples, "theriac_kafka_lag_records") == 0.0
            && sum(&samples, "theriac_rows_total") >= rows(&messages).values().sum())
        .then_some(samples)
    });
    let live = samples.iter().filter(|(name, _)| name.ends_with("topic=symptoms}"));
    assert!(live.map(|(_, count)| count).sum::<f64>() > 10.0, "nothing was noticed meanwhile");
    assert_eq!(samples["theriac_rebalances_total{change=gained}"], 1.0, "it left its group");
    assert_eq!(samples["theriac_reloads_total{result=taken}"], f64::from(reloads));
    assert_eq!(sum(&samples, "theriac_rounds_repeated_total"), 0.0, "something was done twice");
    running.stop();

    let through = |settings: &Settings, data: &str| {
        configure(folder.path(), settings, topics, 2, "");
        let arguments = ["run", "--until-end", "-c", "service.yaml", "--data-dir", data];
        assert!(command(folder.path(), &arguments).output().unwrap().status.success());
    };
    through(&settings, "data");
    let undisturbed = broker.settings("ol-undisturbed");
    through(&undisturbed, "undisturbed");
    assert_same(&on_kafka(&undisturbed), &on_kafka(&settings));
}

/// What people say of symptoms is noted by whichever shard has them, while all run.
#[test]
fn opinions_are_noted_by_the_shard_that_has_the_symptom() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["oo_metrics", "oo_logs", "oo_spans"];
    broker.create(&topics, 2);
    let messages = fleet::messages(topics, 2, 7, 1500);
    broker.produce(&messages);
    let settings = broker.settings("oo");
    configure(folder.path(), &settings, topics, 2, "operations: { allow_judge: true }\n");
    let mut running = Running::start(folder.path(), "log", &LISTEN);
    let address = running.address();
    let all_read = |address: &str| {
        let samples = scrape(address);
        (sum(&samples, "theriac_rows_total") >= rows(&messages).values().sum()
            && sum(&samples, "theriac_kafka_lag_records") == 0.0)
            .then_some(())
    };
    until("readiness", || (get(&address, "/readyz").0 == 200).then_some(()));
    until("all of it", || all_read(&address));
    let all = |topic: Topic, shard: u32| {
        let reader = KafkaReader::open(&settings, &[topic]).unwrap();
        let (mut next, mut all) = (0, Vec::<Value>::new());
        while next < reader.end(topic, shard) {
            for stored in reader.read(topic, shard, next, 1 << 20).unwrap() {
                next = stored.offset + 1;
                all.push(serde_json::from_slice(&stored.record.value).unwrap());
            }
        }
        all.into_iter()
    };
    let symptom = |shard: u32| -> Option<String> {
        all(Topic::Symptoms, shard).find_map(|symptom| symptom["id"].as_str().map(str::to_owned))
    };
    let judged = |shard: u32| -> Vec<Value> {
        let judged = all(Topic::Knowledge, shard).filter(|fact| fact["fact"] == "symptom_judged");
        judged.map(|fact| fact["symptom"].clone()).collect()
    };
    let mut told = 0;
    for shard in 0..2 {
        let Some(id) = symptom(shard) else { continue };
        let opinion = format!(r#"{{"symptom": "{id}", "judgement": "noise"}}"#);
        let (status, body) = post(&address, "/-/judge", &opinion);
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("judged noise"), "{body}");
        assert_eq!(judged(shard), [Value::from(id)]);
        told += 1;
    }
    assert!(told > 0, "no shard has a symptom");
    let (status, body) = post(&address, "/-/judge", r#"{"symptom": "symptom-none", "judgement": "noise"}"#);
    assert_eq!((status, body.contains("no symptom begins with")), (400, true), "{body}");
    // A kill -9 loses no opinion and repeats none.
    running.process.kill().unwrap();
    running.process.wait().unwrap();
    let before = [judged(0), judged(1)];
    let mut running = Running::start(folder.path(), "again", &LISTEN);
    let address = running.address();
    until("both shards", || {
        let (status, body) = get(&address, "/readyz");
        (status == 200 && body["shards"].as_object().is_some_and(|shards| shards.len() == 2)).then_some(())
    });
    running.stop();
    assert_eq!([judged(0), judged(1)], before);
}

/// Every line is an object with a level, and a secret is in none of them.
#[test]
fn logs_for_programs() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["oj_metrics", "oj_logs", "oj_spans"];
    broker.create(&topics, 1);
    broker.produce(&fleet::messages(topics, 1, 7, 1100));
    let settings = broker.settings("oj");
    let more = "  secrets: { sasl.password: { file: secret } }\n";
    let config = configuration(&settings, topics, more).replace("lateness: 300s", "lateness: 30s");
    // Most of the brokers are not there, of which librdkafka complains when it asks one of them: each
    // client begins with any.
    let nobody: String = (1..8).map(|port| format!("\"127.0.0.1:{port}\", ")).collect();
    let config = config.replace("brokers: [", &format!("brokers: [{nobody}"));
    fs::write(folder.path().join("service.yaml"), config).unwrap();
    fs::write(folder.path().join("secret"), "xyzzy-plugh").unwrap();
    let tell = ["--log-format", "json", "--log-level", "trace", LISTEN[0], LISTEN[1]];
    let mut running = Running::start(folder.path(), "log", &tell);
    let address = running.address();
    until("incidents", || (running.said().contains("\"incident\":")).then_some(()));
    until("readiness", || (get(&address, "/readyz").0 == 200).then_some(()));
    running.stop();
    let said = running.said();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field}: {line}");
        }
    }
    let incident = lines.iter().find(|line| line["incident"].is_string()).unwrap();
    assert_eq!(incident["span"]["shard"], 0, "{incident}");
    assert!(lines.iter().any(|line| line["target"] == "librdkafka"), "{said}");
    assert!(!said.contains("xyzzy"), "{said}");
}

/// Both signals end the service well while it works; the second one ends it at once.
#[test]
fn signals_end_it() {
    let (broker, folder) = (Broker::shared(), tempfile::tempdir().unwrap());
    let topics = ["os_metrics", "os_logs", "os_spans"];
    broker.create(&topics, 1);
    broker.produce(&fleet::messages(topics, 1, 7, 1100));
    configure(folder.path(), &broker.settings("os"), topics, 1, "");
    for signal in ["-TERM", "-INT"] {
        let mut running = Running::start(folder.path(), signal, &[]);
        running.hear("gained shards [0]");
        thread::sleep(Duration::from_millis(300));
        running.signal(signal);
        let (code, took) = running.ended();
        assert_eq!(code, Some(0), "{}", running.said());
        assert!(took < Duration::from_secs(10), "{took:?}");
        assert!(running.said().ends_with("theriac: stopped; nothing is lost\n"), "{}", running.said());
    }
    let mut running = Running::start(folder.path(), "twice", &[]);
    running.hear("gained shards [0]");
    running.signal("-STOP");
    running.signal("-TERM");
    running.signal("-INT");
    running.signal("-CONT");
    let (code, _) = running.ended();
    assert!(matches!(code, Some(0 | 130)), "{code:?}");
}
