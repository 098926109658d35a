//! The protocol alone: commands as the engine sends them, and what executors make of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use theriac_contract::{Command, ExecutionEvent, Verdict};
use theriac_tests::broker::Message;

use super::{Hesitation, Language, Scene, Wanted, answers, command};

const REFUSED: Verdict = Verdict::Failed { retryable: false };
const SOON: i64 = 60_000;

fn first() -> Command {
    command(Wanted { key: "step-1", attempt: 1, target: "cart", token: 7 })
}

/// Hesitates so long before its effect or after it that a test can kill it there.
const BEFORE: Hesitation = Hesitation { before: 30.0, after: 0.0, lease: 2.0 };
const AFTER: Hesitation = Hesitation { before: 0.0, after: 30.0, lease: 2.0 };
const AT_ONCE: Hesitation = Hesitation { before: 0.0, after: 0.0, lease: 2.0 };

/// What may not be done is refused with a reason; what was done is answered again.
fn refuses(language: Language) {
    let scene = Scene::with_topics(&format!("refuses-{language:?}"), 1);
    let mut executor = scene.executor(language, Some(AT_ONCE), "log");
    let done = first();
    scene.broker.produce(&[Message {
        topic: scene.commands,
        headers: vec![("executor".to_owned(), b"shop".to_vec())],
        payload: b"{ no command".to_vec(),
        ..Message::default()
    }]);
    scene.send(std::slice::from_ref(&done), SOON);
    let answer = scene.answers(&done, 1, &[&executor]).remove(0);
    assert_eq!(answer, (Verdict::Succeeded, "noted".to_owned()));
    let second_attempt = Command { attempt: 2, ..done.clone() };
    let stale = command(Wanted { key: "step-2", attempt: 1, target: "cart", token: 6 });
    let elsewhere = command(Wanted { key: "step-3", attempt: 1, target: "shop", token: 6 });
    let dry =
        Command { dry_run: true, ..command(Wanted { key: "step-4", attempt: 1, target: "cart", token: 7 }) };
    scene.send(&[done.clone(), second_attempt.clone(), stale.clone(), elsewhere.clone(), dry.clone()], SOON);
    let late = command(Wanted { key: "step-5", attempt: 1, target: "cart", token: 7 });
    scene.send(std::slice::from_ref(&late), -1000);
    let (verdict, detail) = scene.answers(&late, 1, &[&executor]).remove(0);
    assert_eq!(verdict, REFUSED);
    assert!(detail.starts_with("expired"), "{detail}");
    let all = scene.executions();
    assert_eq!(answers(&all, &done), [answer.clone(), answer.clone()]);
    assert_eq!(answers(&all, &second_attempt), [answer]);
    let (verdict, detail) = answers(&all, &stale).remove(0);
    assert_eq!(verdict, REFUSED);
    assert_eq!(detail, "fenced: token 6 is older than 7 for cart");
    assert_eq!(answers(&all, &elsewhere)[0].0, Verdict::Succeeded);
    assert_eq!(answers(&all, &dry)[0].0, REFUSED);
    assert_eq!(scene.effects(), ["step-1 restart cart", "step-3 restart shop"]);
    // What was answered is behind the group's offset: the next process does not come upon it.
    executor.kill();
    let next = scene.executor(language, Some(AT_ONCE), "next");
    let last = command(Wanted { key: "step-6", attempt: 1, target: "cart", token: 8 });
    scene.send(std::slice::from_ref(&last), SOON);
    scene.answers(&last, 1, &[&executor, &next]);
    assert_eq!(answers(&scene.executions(), &done).len(), 2);
}

/// Killed when the effect is there and the answer is not: the next one finds it done.
fn killed_after_the_effect(language: Language) {
    let scene = Scene::with_topics(&format!("after-{language:?}"), 1);
    let mut killed = scene.executor(language, Some(AFTER), "killed");
    scene.send(&[first()], SOON);
    scene.effect(&killed);
    killed.kill();
    let next = scene.executor(language, Some(AT_ONCE), "next");
    let (verdict, detail) = scene.answers(&first(), 1, &[&killed, &next]).remove(0);
    assert_eq!(verdict, Verdict::Succeeded);
    assert!(detail.starts_with("found to be done"), "{detail}");
    assert_eq!(scene.effects(), ["step-1 restart cart"]);
}

/// Killed when it was claimed and nothing was done: the next one does it, if there is time left.
fn killed_before_the_effect(language: Language) {
    let scene = Scene::with_topics(&format!("before-{language:?}"), 2);
    let late = command(Wanted { key: "step-2", attempt: 1, target: "shop", token: 7 });
    let lease = 6.0;
    let mut killed = scene.executor(language, Some(Hesitation { lease, ..BEFORE }), "killed");
    scene.send(&[first()], SOON);
    scene.claimed(&first(), &killed);
    scene.send(std::slice::from_ref(&late), 2000);
    scene.claimed(&late, &killed);
    killed.kill();
    let begin = Instant::now();
    let next = scene.executor(language, Some(AT_ONCE), "next");
    let done = scene.answers(&first(), 1, &[&killed, &next]).remove(0);
    assert_eq!(done, (Verdict::Succeeded, "noted".to_owned()));
    let (verdict, detail) = scene.answers(&late, 1, &[&killed, &next]).remove(0);
    assert_eq!(verdict, REFUSED);
    assert!(detail.starts_with("expired"), "{detail}");
    // The one that was killed might have been paused: its lease was waited for.
    assert!(begin.elapsed().as_secs_f64() > lease, "{:?}", begin.elapsed());
    assert_eq!(scene.effects(), ["step-1 restart cart"]);
}

/// Paused for longer than session and lease between claim and effect, and then let go on.
fn a_zombie(language: Language) {
    let scene = Scene::with_topics(&format!("zombie-{language:?}"), 1);
    // Paused before its first heartbeat: a transaction that is open would be fenced by its age.
    let hesitation = Hesitation { before: 4.0, after: 0.0, lease: 9.0 };
    let zombie = scene.executor(language, Some(hesitation), "zombie");
    scene.send(&[first()], SOON);
    scene.claimed(&first(), &zombie);
    zombie.signal("-STOP");
    let heir = scene.executor(language, Some(AT_ONCE), "heir");
    let done = scene.answers(&first(), 1, &[&zombie, &heir]).remove(0);
    assert_eq!(done, (Verdict::Succeeded, "noted".to_owned()));
    zombie.signal("-CONT");
    zombie.heard("another process has taken over");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(scene.effects(), ["step-1 restart cart"]);
    assert_eq!(answers(&scene.executions(), &first()).len(), 1);
    // One of the two is there for what comes.
    let second = command(Wanted { key: "step-2", attempt: 1, target: "cart", token: 8 });
    scene.send(std::slice::from_ref(&second), SOON);
    assert_eq!(scene.answers(&second, 1, &[&zombie, &heir])[0].0, Verdict::Succeeded);
    assert_eq!(scene.effects(), ["step-1 restart cart", "step-2 restart cart"]);
}

/// Two processes of one executor have targets each, and each command is done once.
fn share(one: Language, other: Language) {
    let scene = Scene::with_topics(&format!("share-{one:?}-{other:?}"), 6);
    let one = scene.executor(one, Some(AT_ONCE), "one");
    let other = scene.executor(other, Some(AT_ONCE), "other");
    let names = [&one, &other].map(|running| format!("process-{}/", running.id()));
    let opened = |name: &str, all: &[theriac_contract::Execution]| {
        let is = |e: &&theriac_contract::Execution| e.event == ExecutionEvent::Opened;
        all.iter().filter(is).any(|execution| execution.holder.starts_with(name))
    };
    scene.until("shared", &[&one, &other], |all| names.iter().all(|n| opened(n, all)).then_some(()));
    let targets: Vec<String> = (0..24).map(|number| format!("service-{number}")).collect();
    let keys: Vec<String> = (0..24).map(|number| format!("step-{number:02}")).collect();
    let commands: Vec<Command> = targets
        .iter()
        .zip(&keys)
        .map(|(target, key)| command(Wanted { key, attempt: 1, target, token: 1 }))
        .collect();
    scene.send(&commands, SOON);
    let by = scene.until("all answered", &[&one, &other], |all| {
        let done = commands.iter().all(|command| !answers(all, command).is_empty());
        let ends = all.iter().filter(|execution| matches!(execution.event, ExecutionEvent::Ended { .. }));
        done.then(|| ends.map(|execution| execution.holder.clone()).collect::<Vec<_>>())
    });
    for name in &names {
        assert!(by.iter().any(|holder| holder.starts_with(name)), "{name} did nothing: {by:?}");
    }
    let mut effects = scene.effects();
    effects.sort_unstable();
    let expected: Vec<String> =
        keys.iter().zip(&targets).map(|(key, target)| format!("{key} restart {target}")).collect();
    assert_eq!(effects, expected);
}

#[test]
fn rust_refuses_what_may_not_be_done() {
    refuses(Language::Rust);
}

#[test]
fn python_refuses_what_may_not_be_done() {
    refuses(Language::Python);
}

#[test]
fn rust_is_killed_after_the_effect() {
    killed_after_the_effect(Language::Rust);
}

#[test]
fn python_is_killed_after_the_effect() {
    killed_after_the_effect(Language::Python);
}

#[test]
fn rust_is_killed_before_the_effect() {
    killed_before_the_effect(Language::Rust);
}

#[test]
fn python_is_killed_before_the_effect() {
    killed_before_the_effect(Language::Python);
}

#[test]
fn a_zombie_of_rust_does_nothing() {
    a_zombie(Language::Rust);
}

#[test]
fn a_zombie_of_python_does_nothing() {
    a_zombie(Language::Python);
}

/// Also across languages: the protocol is one.
#[test]
fn two_processes_share_the_targets() {
    share(Language::Rust, Language::Python);
}
