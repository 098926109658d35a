//! The whole way: telemetry in, a plan, a command, an effect by another process, and its outcome.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use theriac_connectors::{
    executor::clock::wall,
    kafka::{KafkaReader, TopicExecutor},
};
use theriac_contract::{
    Command, Execution, ExecutionEvent, Executor, Interval, Outcome, OutcomeKind, Topic, Topics, Verdict,
};
use theriac_tests::program;

use super::{Hesitation, Language, Running, Scene, Wanted, command};
use crate::fleet;

/// Telemetry of the simulated shop up to a bad deploy that is noticed, on topics of its own, and
/// a configuration that has it mended by the executor `shop`. The ledger in front, for executors
/// that do not remember, must not get in the way.
fn trouble(name: &str) -> Scene {
    let mut scene = Scene::new(name, 2);
    let topics: fleet::Topics = ["metrics", "logs", "spans"]
        .map(|signal| -> &'static str { Box::leak(format!("{name}-{signal}").into_boxed_str()) });
    scene.broker.create(&topics, 1);
    scene.broker.produce(&fleet::messages(topics, 1, 7, 1000));
    scene.settings.session_timeout = Interval::from_seconds(2);
    let inputs = topics.map(|topic| format!("{topic}: {{}}")).join(", ");
    let configuration = format!(
        "clock: event\ncheckpoint: {{ every: 60s }}\nplan: {{ dry_run: false }}\nact:\n  executors: {{ shop: {{ kind: topic, partitions: 2 }} }}\n  routes: [{{ executor: shop }}]\n  ledger: ledger\nkafka:\n  brokers: [\"{}\"]\n  group: {}\n  prefix: {}\n  start: earliest\n  session_timeout: 2s\n  inputs: {{ {inputs} }}\n",
        scene.broker.addresses, scene.settings.group, scene.settings.prefix
    );
    fs::write(scene.file("theriac.yaml"), configuration).unwrap();
    scene
}

fn engine(scene: &Scene, log: &str) -> Running {
    Running::start(&mut program::command(scene.folder.path(), &["run"]), &scene.file(log))
}

fn outcomes(scene: &Scene) -> Vec<Outcome> {
    let topics = KafkaReader::open(&scene.settings, &[Topic::Outcomes]).unwrap();
    let records = topics.read(Topic::Outcomes, 0, topics.start(Topic::Outcomes, 0), usize::MAX).unwrap();
    records.iter().filter_map(|stored| serde_json::from_slice(&stored.record.value).ok()).collect()
}

/// Waits until theriac has written down that its executor did something.
fn healed(scene: &Scene, running: &[&Running]) {
    scene.until("an outcome", running, |_| {
        let all = outcomes(scene);
        let by_shop = |o: &&Outcome| o.kind == OutcomeKind::Succeeded && o.detail.starts_with("shop: ");
        all.iter().find(by_shop).map(|_| ())
    });
}

/// Waits until the topics are there, which theriac makes.
fn topics_made(scene: &Scene, engine: &Running) {
    let begin = std::time::Instant::now();
    while !scene.broker.topics().contains(&scene.executions.to_owned()) {
        assert!(begin.elapsed() < Duration::from_secs(60), "no topics: {}", engine.said());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// No key was done twice, and everything that was answered with success was done.
fn once_for_each_key(scene: &Scene) {
    let effects = scene.effects();
    let keys: Vec<&str> = effects.iter().filter_map(|line| line.split(' ').next()).collect();
    let distinct: BTreeSet<&str> = keys.iter().copied().collect();
    assert!(!keys.is_empty() && keys.len() == distinct.len(), "{effects:?}");
    let executions = scene.executions();
    let succeeded: BTreeSet<&str> = executions.iter().filter_map(success).collect();
    assert_eq!(succeeded, distinct);
}

fn success(execution: &Execution) -> Option<&str> {
    match &execution.event {
        ExecutionEvent::Ended { attempt, verdict: Verdict::Succeeded, .. } => {
            Some(attempt.idempotency_key.as_str())
        }
        _ => None,
    }
}

fn closes_the_loop(language: Language) {
    let scene = trouble(&format!("closed-{language:?}"));
    // The order does not matter: it waits for the topics.
    let executor = scene.executor(language, None, "executor");
    let engine = engine(&scene, "engine");
    topics_made(&scene, &engine);
    healed(&scene, &[&engine, &executor]);
    once_for_each_key(&scene);
}

#[test]
fn rust_closes_the_loop() {
    closes_the_loop(Language::Rust);
}

#[test]
fn python_closes_the_loop() {
    closes_the_loop(Language::Python);
}

/// theriac is killed when its command is claimed and not answered. It sends it again, and finds
/// the answer that was given in the meantime.
#[test]
fn theriac_is_killed_before_the_answer() {
    let scene = trouble("orphaned");
    let hesitation = Hesitation { before: 2.0, after: 0.0, lease: 5.0 };
    let executor = scene.executor(Language::Rust, Some(hesitation), "executor");
    let mut killed = engine(&scene, "killed");
    topics_made(&scene, &killed);
    scene.until("claimed", &[&killed, &executor], |all| {
        all.iter().any(|e| matches!(e.event, ExecutionEvent::Claimed { .. })).then_some(())
    });
    killed.kill();
    assert_eq!(scene.effects(), [""; 0]);
    scene.effect(&executor);
    let next = engine(&scene, "next");
    healed(&scene, &[&next, &executor]);
    assert!(next.said().contains("commands sent again"), "{}", next.said());
    once_for_each_key(&scene);
}

/// Without an executor nobody knows whether it was done; an answer that is there is found without
/// one, and an attempt has one answer for ever.
#[test]
fn nobody_answers() {
    let scene = Scene::new("nobody", 2);
    let open = || TopicExecutor::open("shop", 2, &scene.settings, wall()).unwrap();
    let asked = Command {
        timeout: Interval::from_seconds(4),
        ..command(Wanted { key: "step-1", attempt: 1, target: "cart", token: 1 })
    };
    let topic = open();
    let (verdict, detail) = topic.execute(&asked);
    assert_eq!((verdict, detail.as_str()), (Verdict::TimedOut, "no answer within 4s"));
    let would = topic.execute(&Command { dry_run: true, ..asked.clone() });
    assert_eq!(would, (Verdict::Succeeded, "would restart cart by way of nobody.commands".to_owned()));
    // What comes too late is not begun.
    let mut executor = scene.executor(Language::Rust, None, "executor");
    let refused = scene.answers(&asked, 1, &[&executor]).remove(0);
    assert!(refused.1.starts_with("expired"), "{refused:?}");
    let topic = Arc::new(topic);
    let waiting: Vec<_> = (2..6)
        .map(|number: u32| {
            let (topic, key) = (Arc::clone(&topic), format!("step-{number}"));
            let target = format!("service-{number}");
            let asked = command(Wanted { key: &key, attempt: 1, target: &target, token: 1 });
            std::thread::spawn(move || topic.execute(&asked))
        })
        .collect();
    for thread in waiting {
        assert_eq!(thread.join().unwrap(), (Verdict::Succeeded, "noted".to_owned()));
    }
    executor.kill();
    let sent =
        || (0..2).map(|partition| scene.broker.consume(scene.commands, partition, 0).len()).sum::<usize>();
    let before = sent();
    assert_eq!(open().execute(&asked), refused);
    assert_eq!(sent(), before);
    assert_eq!(scene.effects().len(), 4);
}
