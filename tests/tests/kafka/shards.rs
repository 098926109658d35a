//! Series are watched on many shards, and an incident is judged on one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use theriac_connectors::kafka::{KafkaShards, KafkaTopics, Settings, ensure};
use theriac_contract::{
    Entity, Gather, Incident, Mark, MarkProgress, SCHEMA_VERSION, Sightings, Symptom, Timestamp, Topic,
    Topics,
};
use theriac_engine::records;
use theriac_tests::{
    broker::{Broker, Message},
    program::run_well,
};

use crate::{
    fleet,
    noticed::{Noticed, configuration, noticed, on_kafka, without_version},
};

/// Runs a service of so many shards in one process to the end of the input.
fn run(settings: &Settings, topics: fleet::Topics, shards: u32) -> Noticed {
    let folder = tempfile::tempdir().unwrap();
    let more = format!("  shards: {shards}\n  quiet_after: 1s\ndetect: {{ false_share_series: 1000 }}\n");
    fs::write(folder.path().join("kafka.yaml"), configuration(settings, topics, &more)).unwrap();
    run_well(folder.path(), &["run", "--until-end", "-c", "kafka.yaml"]);
    on_kafka(settings)
}

/// Two fleets that share nothing, with the same faults, a domain each.
fn two_fleets(topics: fleet::Topics, partitions: u32) -> Vec<Message> {
    let one = fleet::messages(topics, partitions, 7, 1100);
    let other = one.iter().enumerate().map(|(index, message)| {
        let text = String::from_utf8(message.payload.clone()).unwrap();
        let text = text.replace("{\"stringValue\":\"demo\"}", "{\"stringValue\":\"prod\"}");
        assert_ne!(text.as_bytes(), message.payload, "message {index} names no environment");
        Message { payload: text.into_bytes(), ..message.clone() }
    });
    one.iter().cloned().zip(other).flat_map(|(one, other)| [one, other]).collect()
}

fn ids<'a>(noticed: &'a Noticed, topic: &str) -> BTreeSet<(&'a [u8], Vec<u8>)> {
    let id =
        |headers: &[(String, Vec<u8>)]| headers.iter().find(|(name, _)| name == "ce_id").unwrap().1.clone();
    noticed[topic].iter().map(|stored| (stored.record.key.as_slice(), id(&stored.record.headers))).collect()
}

#[test]
fn an_incident_is_the_same_however_many_shards_watch() {
    let broker = Broker::shared();
    let topics = ["apart_metrics", "apart_logs", "apart_spans"];
    broker.create(&topics, 4);
    broker.produce(&two_fleets(topics, 4));
    let one = run(&broker.settings("whole"), topics, 1);
    assert!(one["symptoms"].len() > 20 && one["incidents"].len() > 4, "{:?}", ids(&one, "incidents"));

    // A shard more than there are partitions: it has nothing to read, and is not waited for.
    let settings = broker.settings("apart");
    let apart = run(&settings, topics, 5);
    assert_eq!(ids(&one, "symptoms"), ids(&apart, "symptoms"));
    let contents = |noticed: &Noticed| -> BTreeMap<String, serde_json::Value> {
        let of = |stored| without_version(stored).1;
        noticed["incidents"].iter().map(of).map(|v| (format!("{}/{}", v["id"], v["revision"]), v)).collect()
    };
    let (expected, found) = (contents(&one), contents(&apart));
    assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>());
    for (id, incident) in &expected {
        assert_eq!(incident, &found[id], "incident {id}");
    }

    // Symptoms of one domain come from several shards, its incidents from one.
    let mut symptoms: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let mut incidents = symptoms.clone();
    for shard in 0..ensure(&settings).unwrap() {
        let noticed = noticed(&KafkaTopics::open(&settings, shard, None).unwrap());
        for stored in &noticed["symptoms"] {
            let symptom: Symptom = serde_json::from_slice(&stored.record.value).unwrap();
            symptoms.entry(symptom.domain).or_default().insert(shard);
        }
        for stored in &noticed["incidents"] {
            let incident: Incident = serde_json::from_slice(&stored.record.value).unwrap();
            incidents.entry(incident.domain).or_default().insert(shard);
        }
    }
    assert_eq!(incidents.keys().collect::<Vec<_>>(), ["demo", "prod"]);
    assert!(symptoms.values().all(|shards| shards.len() > 1), "{symptoms:?}");
    assert!(incidents.values().all(|shards| shards.len() == 1), "{incidents:?}");
    assert_ne!(incidents["demo"], incidents["prod"], "both domains fell to one shard");
}

/// Two shards, and what one of them hears of both.
struct Pair {
    shards: [KafkaTopics; 2],
    gather: KafkaShards,
}

impl Pair {
    fn new(name: &str) -> Self {
        let settings = Settings { shards: 2, ..Broker::shared().settings(name) };
        assert_eq!(ensure(&settings).unwrap(), 2);
        let shards = [0, 1].map(|shard| KafkaTopics::open(&settings, shard, None).unwrap());
        Self { shards, gather: KafkaShards::open(&settings, 0, 2) }
    }

    /// A shard has come to the end of a tick, and met somebody in it.
    fn says(&mut self, shard: usize, at: i64, progress: MarkProgress, met: &str) {
        let sightings = Sightings { entities: vec![Entity(met.to_owned())], ..Sightings::default() };
        let mark = Mark { schema_version: SCHEMA_VERSION, at: Timestamp(at), progress, sightings };
        let topics = &mut self.shards[shard];
        topics.append(Topic::Symptoms, 0, &[records::mark(&mark, 0, 0).record]).unwrap();
        topics.commit().unwrap();
    }

    /// The next ticks that are handed out, and who was met in them; none if there are none for long.
    fn hears(&mut self) -> Vec<(i64, Vec<String>)> {
        let begin = Instant::now();
        loop {
            let noticed = self.gather.fetch().unwrap();
            if !noticed.is_empty() || begin.elapsed() > Duration::from_secs(5) {
                let met = |entities: &[Entity]| entities.iter().map(Entity::to_string).collect();
                return noticed.iter().map(|n| (n.at.0, met(&n.sightings.entities))).collect();
            }
        }
    }
}

fn tick(at: i64, met: &[&str]) -> (i64, Vec<String>) {
    (at, met.iter().map(ToString::to_string).collect())
}

#[test]
fn a_tick_is_judged_once_every_shard_has_marked_it() {
    let mut pair = Pair::new("slow");
    pair.says(1, 10, MarkProgress::On, "b");
    pair.says(1, 20, MarkProgress::On, "d");
    pair.says(0, 10, MarkProgress::On, "a");
    assert_eq!(pair.hears(), [tick(10, &["a", "b"])]);
    pair.says(0, 20, MarkProgress::On, "c");
    assert_eq!(pair.hears(), [tick(20, &["c", "d"])]);
}

/// A shard that had nothing to read was not waited for, and then has something of an earlier tick.
#[test]
fn what_comes_late_is_judged_late() {
    let mut pair = Pair::new("late");
    pair.says(0, 5, MarkProgress::Quiet, "a");
    pair.says(1, 20, MarkProgress::On, "b");
    let mut heard = pair.hears();
    if heard.len() < 2 {
        heard.extend(pair.hears());
    }
    assert_eq!(heard, [tick(5, &["a"]), tick(20, &["b"])]);
    pair.says(0, 10, MarkProgress::On, "c");
    assert_eq!(pair.hears(), [tick(10, &["c"])]);
}
