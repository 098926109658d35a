//! `theriac tap` on Kafka: beside a service that runs, over all of its shards.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use theriac_connectors::kafka::{KafkaTopics, ensure};
use theriac_contract::{Record, Timestamp, Topic, Topics};
use theriac_tests::{
    broker::Broker,
    program::{command, run, run_well},
};

fn record(at: i64, text: &str) -> Record {
    Record { timestamp: Timestamp(at), value: format!("\"{text}\"").into_bytes(), ..Record::default() }
}

fn tapped(folder: &Path, brokers: &str, prefix: &str, more: &[&str]) -> Vec<String> {
    let arguments = [&["tap", "plans", "--kafka", brokers, "--prefix", prefix], more].concat();
    run_well(folder, &arguments).lines().map(str::to_owned).collect()
}

/// While the service still has its shards: nothing that is not committed is seen, and what the
/// service does next is not refused.
#[test]
fn shards_are_merged_and_nobody_is_fenced() {
    let broker = Broker::shared();
    let folder = tempfile::tempdir().unwrap();
    let settings = theriac_connectors::kafka::Settings { shards: 2, ..broker.settings("tapped") };
    assert_eq!(ensure(&settings).unwrap(), 2);
    let [mut one, mut two] = [0, 1].map(|shard| KafkaTopics::open(&settings, shard, None).unwrap());
    one.append(Topic::Plans, 0, &[record(10, "a"), record(30, "c"), record(5, "late")]).unwrap();
    two.append(Topic::Plans, 0, &[record(10, "b"), record(20, "d"), record(40, "e")]).unwrap();
    one.commit().unwrap();
    two.commit().unwrap();
    one.append(Topic::Plans, 0, &[record(50, "not committed")]).unwrap();
    let tap = |more: &[&str]| tapped(folder.path(), &broker.addresses, "tapped.", more);
    // Records of one shard in order, also where one is late.
    let expected = ["\"a\"", "\"b\"", "\"d\"", "\"c\"", "\"late\"", "\"e\""];
    // Readers see a commit a moment after it is durable.
    while tap(&[]).len() < expected.len() {}
    assert_eq!(tap(&[]), expected);
    assert_eq!(tap(&["--limit", "2"]), expected[..2]);
    assert_eq!(tap(&["--from", "2"]), ["\"late\"", "\"e\""]);
    let envelope: Value = serde_json::from_str(&tap(&["--envelope", "--from", "2"])[1]).unwrap();
    assert_eq!((&envelope["partition"], &envelope["offset"]), (&1.into(), &2.into()));

    let mut following = command(
        folder.path(),
        &["tap", "plans", "--kafka", &broker.addresses, "--prefix", "tapped.", "--follow", "--limit", "8"],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.by_ref().take(6).collect::<Vec<_>>(), expected);
    one.commit().unwrap();
    assert_eq!(lines.next().unwrap(), "\"not committed\"");
    two.append(Topic::Plans, 0, &[record(45, "undone")]).unwrap();
    two.abort().unwrap();
    two.append(Topic::Plans, 0, &[record(60, "f")]).unwrap();
    two.commit().unwrap();
    assert_eq!(lines.next().unwrap(), "\"f\"");
    assert!(following.wait().unwrap().success());

    // The same by a configuration.
    let text = format!("kafka: {{ brokers: [\"{}\"], prefix: tapped. }}\n", broker.addresses);
    fs::write(folder.path().join("theriac.yaml"), text).unwrap();
    let told = run_well(folder.path(), &["tap", "plans", "-c", "theriac.yaml"]);
    assert_eq!(told.lines().count(), 8);
}

#[test]
fn topics_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let brokers = &Broker::shared().addresses;
    let ended = run(folder.path(), &["tap", "plans", "--kafka", brokers, "--prefix", "nobody."]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("nobody.plans") && ended.err.contains("--prefix"), "{}", ended.err);
    let ended = run(folder.path(), &["tap", "plans", "--prefix", "nobody."]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("--kafka"), "{}", ended.err);
}
