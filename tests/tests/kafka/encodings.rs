//! Every encoding, end to end: bytes of real producers on the topics, entities and dead letters
//! out of the service.

use std::{collections::BTreeSet, fs, path::PathBuf};

use theriac_connectors::kafka::{KafkaTopics, Settings};
use theriac_contract::{Fact, RecordedFact, StoredRecord, Topic, Topics};
use theriac_tests::{
    broker::{Broker, Message},
    program::run,
};

fn fixture(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../connectors/tests/fixtures");
    fs::read(folder.join(name)).unwrap()
}

fn message(topic: &'static str, payload: Vec<u8>) -> Message {
    Message { topic, partition: 0, time: 1_767_225_600_000, payload, ..Message::default() }
}

fn stored(topics: &KafkaTopics, topic: Topic) -> Vec<StoredRecord> {
    topics.read(topic, 0, 0, usize::MAX).unwrap()
}

/// Entities that a service has come to know of.
fn entities(settings: &Settings) -> (BTreeSet<String>, Vec<StoredRecord>) {
    let topics = KafkaTopics::open(settings, 0, None).unwrap();
    let facts = stored(&topics, Topic::Knowledge).into_iter().filter_map(|stored| {
        let recorded: RecordedFact = serde_json::from_slice(&stored.record.value).unwrap();
        match recorded.fact {
            Fact::EntitySeen { entity } => Some(entity.to_string()),
            _ => None,
        }
    });
    (facts.collect(), stored(&topics, Topic::DeadLetters))
}

/// The topics of the OpenTelemetry Collector need nothing but a broker's address.
#[test]
fn the_collectors_topics_need_an_address_only() {
    let broker = Broker::start(1);
    let topics = ["otlp_metrics", "otlp_logs", "otlp_spans"];
    broker.create(&topics, 1);
    let folder = tempfile::tempdir().unwrap();
    let config = format!("kafka:\n  brokers: [\"{}\"]\n  start: earliest\n", broker.addresses);
    fs::write(folder.path().join("theriac.yaml"), config).unwrap();
    for (topic, name) in topics.into_iter().zip(["metrics", "logs", "spans"]) {
        broker.produce(&[message(topic, fixture(&format!("otlp_{name}.binpb")))]);
    }
    let ended = run(folder.path(), &["run", "--until-end"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let (found, dead) =
        entities(&Settings { group: "theriac".to_owned(), ..Settings::at(&broker.addresses) });
    assert_eq!(dead, []);
    assert!(found.iter().any(|entity| entity.contains("cart")), "{found:?}");
    // The address alone: what is there was read, and what comes from now on is waited for.
    let ended =
        run(folder.path(), &["run", "--until-end", "--kafka", &broker.addresses, "--data-dir", "other"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
}

#[test]
fn each_encoding_is_told_from_its_bytes_or_its_setting() {
    let broker = Broker::shared();
    for (name, encoding, payload) in [
        ("proto_auto", "auto", fixture("otlp_metrics.binpb")),
        ("proto", "otlp_proto", fixture("otlp_metrics.binpb")),
        (
            "otlp_json",
            "otlp_json",
            fixture("otlp.jsonl").split(|byte| *byte == b'\n').next().unwrap().to_vec(),
        ),
        ("remote_write_1", "prometheus_remote_write", fixture("remote_write_1.snappy")),
        ("remote_write_2", "prometheus_remote_write", fixture("remote_write_2.snappy")),
        ("arrow_ipc", "arrow_ipc", fixture("points.arrows")),
        (
            "json",
            "json",
            br#"{"timestamp":"2026-01-01T00:00:00Z","service":"shop","name":"latency","value":1.5}"#.to_vec(),
        ),
    ] {
        let topic: &'static str = Box::leak(format!("encoding_{name}").into_boxed_str());
        broker.create(&[topic], 1);
        broker.produce(&[message(topic, payload), message(topic, b"\x00\x01nonsense\xff".to_vec())]);
        let folder = tempfile::tempdir().unwrap();
        let settings = broker.settings(topic);
        let config = format!(
            "clock: event\nkafka:\n  brokers: [\"{}\"]\n  group: {topic}\n  prefix: {}\n  start: earliest\n  inputs: {{ {topic}: {{ encoding: {encoding} }} }}\n",
            broker.addresses, settings.prefix
        );
        fs::write(folder.path().join("theriac.yaml"), config).unwrap();
        let ended = run(folder.path(), &["run", "--until-end"]);
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let (found, dead) = entities(&settings);
        assert!(!found.is_empty(), "{name}: nothing was read");
        assert_eq!(dead.len(), 1, "{name}: {dead:?}");
        assert_eq!(dead[0].record.value, b"\x00\x01nonsense\xff", "{name}");
        let origin = dead[0].record.headers.iter().find(|(header, _)| header == "origin").unwrap();
        assert_eq!(origin.1, format!("{topic}/0").into_bytes());
    }
}
