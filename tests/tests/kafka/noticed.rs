//! What a run noticed and concluded: what must be the same, whatever is killed when.

use std::collections::BTreeMap;

use serde_json::Value;
use theriac_connectors::kafka::{KafkaTopics, Settings, ensure};
use theriac_contract::{StoredRecord, Topic, Topics};

use crate::fleet;

/// Answers of executors come when they come; these topics do not depend on them.
const COMPARED: [Topic; 2] = [Topic::Symptoms, Topic::Incidents];
/// What follows from the telemetry alone where nobody answers.
const CONCLUDED: [Topic; 5] =
    [Topic::Symptoms, Topic::Incidents, Topic::Plans, Topic::Outcomes, Topic::Knowledge];

/// Sections of a configuration with which commands go out and nobody answers: time-outs alone,
/// which are of event time, decide.
pub(crate) const NOBODY_ANSWERS: &str = "plan: { dry_run: false }\nact:\n  executors: { nobody: { kind: topic } }\n  routes: [{ executor: nobody }]\n";

/// Records by topic, those of the first shard first.
pub(crate) type Noticed = BTreeMap<&'static str, Vec<StoredRecord>>;

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

pub(crate) fn noticed(topics: &dyn Topics) -> Noticed {
    of(topics, &COMPARED)
}

fn of(topics: &dyn Topics, compared: &[Topic]) -> Noticed {
    compared.iter().copied().map(|topic| (topic.name(), payloads(records(topics, topic)))).collect()
}

/// Without the marks that shards set for each other: a shard that was quiet for a while says so.
fn payloads(records: Vec<StoredRecord>) -> Vec<StoredRecord> {
    let kept = records.into_iter().filter(|stored| kind(stored) != "theriac.mark.v1");
    (0..).zip(kept).map(|(offset, stored)| StoredRecord { offset, ..stored }).collect()
}

fn kind(stored: &StoredRecord) -> String {
    let header = stored.record.headers.iter().find(|(name, _)| name == "ce_type").expect("a kind");
    String::from_utf8_lossy(&header.1).into_owned()
}

/// Of all shards of a service that has ended.
pub(crate) fn on_kafka(settings: &Settings) -> Noticed {
    of_shards(settings, &COMPARED)
}

/// The same, with plans, outcomes and facts.
pub(crate) fn concluded_on_kafka(settings: &Settings) -> Noticed {
    of_shards(settings, &CONCLUDED)
}

fn of_shards(settings: &Settings, compared: &[Topic]) -> Noticed {
    let mut all = Noticed::new();
    for shard in 0..ensure(settings).unwrap() {
        for (topic, records) in of(&KafkaTopics::open(settings, shard, None).unwrap(), compared) {
            all.entry(topic).or_default().extend(records);
        }
    }
    all
}

/// A record but for the version of what was known: executors answer a moment sooner or later,
/// and what is known of their answers has been counted into it or not.
pub(crate) fn without_version(stored: &StoredRecord) -> (StoredRecord, Value) {
    let mut stored = stored.clone();
    let mut payload: Value = serde_json::from_slice(&stored.record.value).unwrap();
    payload.as_object_mut().unwrap().remove("knowledge_version");
    stored.record.value.clear();
    (stored, payload)
}

/// Where two payloads differ, and how.
fn differing(path: &str, a: &Value, b: &Value, into: &mut Vec<String>) {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().for_each(|(key, value)| differing(&format!("{path}/{key}"), value, &b[key], into));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| differing(&format!("{path}/{i}"), a, b, into));
        }
        _ if a == b => {}
        _ => into.push(format!("{path}: expected {a}, found {b}")),
    }
}

/// Fails unless both noticed the same, with the same ids, in the same order.
pub(crate) fn assert_same(expected: &Noticed, found: &Noticed) {
    for (topic, records) in expected {
        assert_eq!(records.len(), found[topic].len(), "{topic}");
        for (a, b) in records.iter().zip(&found[topic]) {
            let ((a, expected), (b, found)) = (without_version(a), without_version(b));
            assert_eq!(a, b, "{topic}");
            let mut differences = Vec::new();
            differing("", &expected, &found, &mut differences);
            assert!(differences.is_empty(), "{topic}/{}:\n{}", a.offset, differences.join("\n"));
        }
    }
}

/// A configuration whose time is that of the telemetry alone. Members that keep up read what the
/// test produces at many times the speed at which it came about; partitions that are minutes
/// apart then are no more than that. `more` are further keys under
/// `kafka`, each on a line of its own that begins with two blanks.
pub(crate) fn configuration(settings: &Settings, topics: fleet::Topics, more: &str) -> String {
    let inputs: String = topics.map(|topic| format!("{topic}: {{}}, ")).concat();
    format!(
        "clock: event\nmonitor: {{ lateness: 300s }}\ncheckpoint: {{ every: 60s }}\nkafka:\n  brokers: [{}]\n  group: {}\n  prefix: {}\n  start: earliest\n  session_timeout: 2s\n  inputs: {{ {inputs} }}\n{more}",
        settings.brokers[0].split(',').map(|broker| format!("\"{broker}\"")).collect::<Vec<_>>().join(", "),
        settings.group,
        settings.prefix
    )
}
