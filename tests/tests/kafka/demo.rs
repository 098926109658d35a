//! The demo over topics on Kafka: what is in a folder otherwise.

use std::path::Path;

use theriac_connectors::{
    kafka::{KafkaReader, KafkaTopics, Settings, ensure},
    topics::Embedded,
};
use theriac_contract::{Record, StoredRecord, Topic, Topics};
use theriac_tests::{broker::Broker, program::run_well};

fn records(topics: &dyn Topics) -> Vec<(Topic, Vec<StoredRecord>)> {
    let read = |topic| topics.read(topic, 0, topics.start(topic, 0), usize::MAX).unwrap();
    Topic::ALL.into_iter().map(|topic| (topic, read(topic))).collect()
}

/// The account and the table, without the lines that say where to look.
fn told(folder: &Path, arguments: &[&str]) -> Vec<String> {
    let out = run_well(folder, &[&["demo", "--seed", "7"], arguments].concat());
    let where_to_look = |line: &&str| line.starts_with("report:") || line.starts_with("ask about it:");
    out.lines().filter(|line| !where_to_look(line)).map(str::to_owned).collect()
}

#[test]
fn the_same_story_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let brokers = &Broker::shared().addresses;
    let expected = told(folder.path(), &["--data-dir", "embedded"]);
    assert!(expected.iter().any(|line| line.contains("faults healed")), "{expected:?}");
    // What an earlier demo left is removed.
    let settings = Settings { prefix: "theriac-demo.".to_owned(), ..Settings::at(brokers) };
    ensure(&settings).unwrap();
    let mut left = KafkaTopics::open(&settings, 0, None).unwrap();
    left.append(Topic::Plans, 0, &[Record::default()]).unwrap();
    left.commit().unwrap();
    drop(left);
    assert_eq!(told(folder.path(), &["--data-dir", "kafka", "--kafka", brokers]), expected);
    let embedded = Embedded::open_to_read(&folder.path().join("embedded/topics")).unwrap();
    let on_kafka = KafkaReader::open(&settings, &Topic::ALL).unwrap();
    for ((topic, expected), (_, found)) in records(&embedded).iter().zip(records(&on_kafka)) {
        assert_eq!(expected.len(), found.len(), "{topic}");
        assert!(*expected == found, "{topic} differs");
    }
    let report = |name: &str| std::fs::read(folder.path().join(name).join("report.html")).unwrap();
    assert!(report("embedded") == report("kafka"), "the reports differ");
}

/// Without a broker's name one is started, and ended after it.
#[test]
fn a_broker_is_started_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let report = run_well(folder.path(), &["demo", "--kafka", "--seed", "7", "--output", "json"]);
    let embedded = run_well(folder.path(), &["demo", "--seed", "7", "--output", "json"]);
    assert_eq!(report, embedded);
}
