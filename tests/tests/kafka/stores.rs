//! A fleet that shares nothing but Kafka and a store of objects: its checkpoints lie in S3.

use std::{
    fs,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use rand_core::Rng as _;
use theriac_connectors::{objects::Place, secret::Secret};
use theriac_contract::Objects;
use theriac_tests::{
    broker::Broker,
    object_server::{BUCKET, ObjectServer},
    program::run,
};

use crate::{
    crash::{Trial, from_environment, random},
    noticed::{assert_same, on_kafka},
};

/// In every log and every error this must not be found.
const SECRET: &str = "hush-hush";

fn server() -> &'static ObjectServer {
    static SERVER: OnceLock<ObjectServer> = OnceLock::new();
    SERVER.get_or_init(ObjectServer::start)
}

fn options(server: &ObjectServer) -> [(&'static str, String); 5] {
    [
        ("aws_endpoint", server.endpoint()),
        ("aws_allow_http", "true".to_owned()),
        ("timeout", "2s".to_owned()),
        ("aws_region", "us-east-1".to_owned()),
        ("aws_access_key_id", "theriac".to_owned()),
    ]
}

/// Puts the checkpoints of a configuration into the bucket, and the secret into a file beside it.
fn with_store(trial: &Trial<'_>, server: &ObjectServer, file: &str) {
    trial.configure(file, &trial.settings, "");
    let options = options(server).map(|(name, value)| format!("{name}: \"{value}\"")).join(", ");
    let section = format!(
        "checkpoint: {{ every: 60s, store: \"s3://{BUCKET}/tests\", options: {{ {options} }}, secrets: {{ aws_secret_access_key: {{ file: secret }} }} }}"
    );
    let path = trial.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("checkpoint: { every: 60s }"), "{text}");
    fs::write(path, text.replace("checkpoint: { every: 60s }", &section)).unwrap();
    fs::write(trial.path().join("secret"), format!("{SECRET}\n")).unwrap();
}

/// The checkpoints of a shard.
fn stored(trial: &Trial<'_>, server: &ObjectServer, shard: u32) -> Arc<dyn Objects> {
    let secret = Secret::File(trial.path().join("secret"));
    let place = Place {
        url: format!("s3://{BUCKET}/tests"),
        options: options(server).map(|(name, value)| (name.to_owned(), value)).into(),
        secrets: [("aws_secret_access_key".to_owned(), secret)].into(),
    };
    place.open(&format!("{}checkpoints/{shard}", trial.settings.prefix)).unwrap()
}

/// Killed at any instant, and begun anew each time in a folder of its own, as on a new machine.
#[test]
fn killed_at_any_instant_with_nothing_on_disk() {
    let trial = Trial::new(Broker::shared(), "stored", ["o_metrics", "o_logs", "o_spans"], 2, 1100);
    trial.broker.produce(&trial.messages);
    let expected = trial.expected();
    with_store(&trial, server(), "stored.yaml");
    let (mut random, kills) = (random(), from_environment("THERIAC_TEST_STORE_KILLS", 8));
    for kill in 0..kills {
        let mut member = trial.member_in("stored.yaml", &format!("data-{kill}"), "stored.log");
        thread::sleep(Duration::from_millis(300 + random.next_u64() % 3000));
        member.kill();
    }
    let ended = run(trial.path(), &["run", "--until-end", "-c", "stored.yaml", "--data-dir", "last"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let log = format!("{}{}", trial.said("stored.log"), ended.err);
    assert!(log.contains("rounds done again from round "), "no checkpoint was found: {log}");
    assert!(!log.contains("passed over"), "a kill damaged a checkpoint: {log}");
    assert!(!log.contains(SECRET), "a secret is shown: {log}");
    assert_same(&expected, &on_kafka(&trial.settings));
    assert!(!trial.path().join("last").exists(), "something is kept on disk after all");

    // The newest is damaged: the one before is used, and what comes out is what is there.
    for shard in 0..2 {
        let objects = stored(&trial, server(), shard);
        let names = objects.list().unwrap();
        let manifests: Vec<&String> = names.iter().filter(|name| name.ends_with(".manifest.json")).collect();
        assert!((2..=3).contains(&manifests.len()), "{names:?}");
        let newest = manifests.last().unwrap().split_once('.').unwrap().0;
        let table = names.iter().find(|name| name.starts_with(newest) && name.ends_with(".arrow")).unwrap();
        let mut bytes = objects.get(table).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        objects.put(table, bytes).unwrap();
    }
    let ended = run(trial.path(), &["run", "--until-end", "-c", "stored.yaml", "--data-dir", "last"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.err.matches("passed over: checkpoint ").count(), 2, "{}", ended.err);
    assert_eq!(ended.err.matches("rounds done again from round ").count(), 2, "{}", ended.err);
    assert_same(&expected, &on_kafka(&trial.settings));
}

/// The store stops answering: the service says so and goes on, and saves again when it is back.
#[test]
fn a_store_that_is_away_for_a_while() {
    let server = ObjectServer::start();
    let trial = Trial::new(Broker::shared(), "away", ["a_metrics", "a_logs", "a_spans"], 1, 1100);
    with_store(&trial, &server, "stored.yaml");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 2);
    let (second, third) = rest.split_at(rest.len() / 2);
    trial.broker.produce(first);
    let mut member = trial.member_in("stored.yaml", "data", "member.log");
    trial.heard("member.log", "gained shards");
    let objects = stored(&trial, &server, 0);
    let manifests = || {
        let names = objects.list().unwrap();
        names.into_iter().filter(|name| name.ends_with(".manifest.json")).max()
    };
    while manifests().is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    server.pause();
    trial.broker.produce(second);
    trial.heard("member.log", "could not be saved: s3://");
    let before = trial.said("member.log").matches("could not be saved").count();
    server.go_on();
    let newest = manifests();
    trial.broker.produce(third);
    while manifests() == newest {
        thread::sleep(Duration::from_millis(50));
    }
    member.stop();
    println!("{before} checkpoints could not be saved");
    assert!(!trial.said("member.log").contains("trying again in"), "{}", trial.said("member.log"));
    let ended = run(trial.path(), &["run", "--until-end", "-c", "stored.yaml", "--data-dir", "last"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}
