//! The service on Kafka: the same symptoms and incidents as from files.

use std::{fs, path::Path};

use theriac_connectors::topics::Embedded;
use theriac_tests::{
    broker::Broker,
    program::{run, run_well},
};

use crate::{
    fleet,
    noticed::{Noticed, configuration, noticed, on_kafka},
};

/// What the loop makes of the same telemetry in a file.
fn from_file(folder: &Path, lines: &str) -> Noticed {
    fs::write(folder.join("fleet.jsonl"), lines).unwrap();
    let text = "clock: event\nmonitor: { lateness: 300s }\nsources:\n  - file: { path: fleet.jsonl }\n";
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
    fs::write(folder.path().join("kafka.yaml"), configuration(&settings, topics, "")).unwrap();
    let ended = run(folder.path(), &["run", "--until-end", "-c", "kafka.yaml", "--data-dir", "kafka"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let found = on_kafka(&settings);
    for (topic, records) in &expected {
        assert_eq!(records.len(), found[topic].len(), "{topic}");
        assert!(*records == found[topic], "{topic} differs");
    }
}
