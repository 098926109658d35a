//! The service on Kafka: the same symptoms and incidents as from files, also after kills.

use std::{collections::BTreeMap, fs, path::Path};

use theriac_connectors::{
    kafka::{KafkaTopics, Settings},
    topics::Embedded,
};
use theriac_contract::{StoredRecord, Topic, Topics};
use theriac_tests::{
    broker::Broker,
    program::{run, run_well},
};

use crate::fleet;

/// What is compared: what was noticed and concluded, whatever answers came when.
const COMPARED: [Topic; 2] = [Topic::Symptoms, Topic::Incidents];

fn records(topics: &dyn Topics, topic: Topic) -> Vec<StoredRecord> {
    let mut records = Vec::new();
    let mut next = topics.start(topic, 0);
    while next < topics.end(topic, 0) {
        let some = topics.read(topic, 0, next, 1 << 20).unwrap();
        next = some.last().unwrap().offset + 1;
        records.extend(some);
    }
    records
}

fn noticed(topics: &dyn Topics) -> BTreeMap<&'static str, Vec<StoredRecord>> {
    COMPARED.into_iter().map(|topic| (topic.name(), records(topics, topic))).collect()
}

fn on_kafka(settings: &Settings) -> BTreeMap<&'static str, Vec<StoredRecord>> {
    noticed(&KafkaTopics::open(settings, 0, None).unwrap())
}

/// A configuration whose time is that of the telemetry alone.
fn configuration(settings: &Settings, topics: fleet::Topics) -> String {
    let inputs: String = topics.map(|topic| format!("{topic}: {{}}, ")).concat();
    format!(
        "clock: event\nkafka:\n  brokers: [\"{}\"]\n  group: {}\n  prefix: {}\n  start: earliest\n  session_timeout: 6s\n  inputs: {{ {inputs} }}\n",
        settings.brokers[0], settings.group, settings.prefix
    )
}

/// What the loop makes of the same telemetry in a file.
fn from_file(folder: &Path, lines: &str) -> BTreeMap<&'static str, Vec<StoredRecord>> {
    fs::write(folder.join("fleet.jsonl"), lines).unwrap();
    let text = "clock: event\nsources:\n  - file: { path: fleet.jsonl }\n";
    fs::write(folder.join("file.yaml"), text).unwrap();
    run_well(folder, &["run", "--until-end", "-c", "file.yaml", "--data-dir", "file"]);
    noticed(&Embedded::open_to_read(&folder.join("file/topics")).unwrap())
}

#[test]
fn the_same_comes_out_as_from_a_file() {
    let broker = Broker::shared();
    let folder = tempfile::tempdir().unwrap();
    let topics = ["same_metrics", "same_logs", "same_spans"];
    broker.create(&topics, 3);
    let messages = fleet::messages(topics, 3, 7, 1000);
    broker.produce(&messages);
    let expected = from_file(folder.path(), &fleet::lines(&messages));
    assert!(expected["symptoms"].len() > 10, "{}", expected["symptoms"].len());
    let settings = broker.settings("same");
    fs::write(folder.path().join("kafka.yaml"), configuration(&settings, topics)).unwrap();
    let ended = run(folder.path(), &["run", "--until-end", "-c", "kafka.yaml", "--data-dir", "kafka"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    println!("{}", ended.err);
    let found = on_kafka(&settings);
    for (topic, records) in &expected {
        assert_eq!(records.len(), found[topic].len(), "{topic}");
        assert!(*records == found[topic], "{topic} differs");
    }
}
