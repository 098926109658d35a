//! Series are watched on many shards, and an incident is judged on one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use theriac_connectors::kafka::{KafkaTopics, Settings, ensure};
use theriac_contract::{Incident, Symptom};
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
    let more = format!("  shards: {shards}\n  quiet_after: 1s\n");
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
