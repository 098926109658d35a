use theriac_contract::{Command, Completion, Id, Interval, Verdict};
use theriac_datasets::simulator::{FaultKind, Scenario, World};

use super::{action, at, command, with_fault};

fn seconds(world: &mut World, seconds: i64) -> Vec<Completion> {
    world.advance(world.now().plus(Interval::from_seconds(seconds))).completions
}

fn quiet() -> World {
    World::new(&Scenario { actions_fail: false, ..Scenario::default() })
}

#[test]
fn a_key_has_one_effect_however_often_it_comes() {
    let mut world = quiet();
    let first = command(&world, action("isolate", "cart/cart-1", &[]), "key");
    let second = Command { attempt: 2, ..first.clone() };
    world.apply(&first);
    world.apply(&first);
    world.apply(&second);
    let answers = seconds(&mut world, 60);
    let mut keys: Vec<Id> = answers.iter().map(|answer| answer.attempt_key.clone()).collect();
    keys.sort();
    let mut expected = vec![first.attempt_key(), second.attempt_key()];
    expected.sort();
    assert_eq!(keys, expected, "each attempt is answered once");
    world.apply(&Command { attempt: 3, ..first.clone() });
    let late = seconds(&mut world, 60);
    assert_eq!(late.len(), 1);
    assert_eq!((&late[0].verdict, &late[0].detail), (&Verdict::Succeeded, &answers[0].detail));
    assert_eq!(late[0].executor, "simulator");
    assert_eq!(world.effects().len(), 1);
    assert_eq!(world.effects()[0].idempotency_key, first.idempotency_key);
}

#[test]
fn an_old_token_is_refused() {
    let mut world = quiet();
    let newer =
        Command { fencing_token: 7, ..command(&world, action("isolate", "cart/cart-1", &[]), "newer") };
    let older =
        Command { fencing_token: 6, ..command(&world, action("restore", "cart/cart-1", &[]), "older") };
    let elsewhere =
        Command { fencing_token: 1, ..command(&world, action("isolate", "cart/cart-2", &[]), "else") };
    for command in [&newer, &older, &elsewhere] {
        world.apply(command);
    }
    let answers = seconds(&mut world, 60);
    let verdict = |of: &Command| {
        answers
            .iter()
            .find(|a| a.attempt_key == of.attempt_key())
            .map(|a| (a.verdict.clone(), a.detail.clone()))
    };
    assert_eq!(verdict(&newer).unwrap().0, Verdict::Succeeded);
    let (refusal, words) = verdict(&older).unwrap();
    assert_eq!(refusal, Verdict::Failed { retryable: false });
    assert_eq!(words, "token 6 is older than 7");
    assert_eq!(verdict(&elsewhere).unwrap().0, Verdict::Succeeded);
    assert_eq!(world.effects().len(), 2);
}

#[test]
fn a_dry_run_does_nothing() {
    let mut world = quiet();
    let mut other = world.clone();
    let dry = Command { dry_run: true, ..command(&world, action("restart", "cart", &[]), "key") };
    world.apply(&dry);
    let emitted = world.advance(at(&world, 120));
    assert_eq!(emitted.completions.len(), 1);
    assert_eq!(emitted.completions[0].verdict, Verdict::Succeeded);
    assert_eq!(emitted.completions[0].detail, "would restart cart");
    assert_eq!(emitted.otlp, other.advance(at(&other, 120)).otlp);
    assert!(world.effects().is_empty());
    // A real command with the same key is not taken for done.
    world.apply(&Command { dry_run: false, ..dry });
    seconds(&mut world, 300);
    assert_eq!(world.effects().len(), 1);
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut world = quiet();
    let cases = [
        ("explode", "cart", "the simulator knows no verb `explode`"),
        ("restart", "kart", "there is no `kart`"),
        ("restart", "cart/cart-9", "there is no `cart/cart-9`"),
        ("restart", "bank", "`bank` belongs to somebody else"),
        ("rollback_deploy", "cart", "`cart` has no earlier version"),
        ("isolate", "cart", "`isolate` needs an instance or a host, not `cart`"),
        ("open_circuit", "gateway", "nobody calls `gateway`"),
    ];
    for (verb, target, words) in cases {
        world.apply(&command(&world, action(verb, target, &[]), words));
        let answers = seconds(&mut world, 5);
        assert_eq!(answers.len(), 1, "{verb} {target}");
        assert_eq!(answers[0].verdict, Verdict::Failed { retryable: false });
        assert_eq!(answers[0].detail, words);
    }
    assert!(world.effects().is_empty());
}

#[test]
fn an_answer_that_takes_too_long_is_a_timeout_and_the_action_goes_on() {
    let mut world = quiet();
    let hasty = Command {
        timeout: Interval::from_seconds(2),
        ..command(&world, action("restart", "cart", &[]), "key")
    };
    world.apply(&hasty);
    let answers = seconds(&mut world, 10);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].verdict, Verdict::TimedOut);
    assert_eq!(answers[0].at, at(&world, 2));
    // The next attempt waits for what is already under way.
    world.apply(&Command { attempt: 2, timeout: Interval::from_seconds(600), ..hasty });
    let answers = seconds(&mut world, 600);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].verdict, Verdict::Succeeded);
    assert_eq!(world.effects().len(), 1);
}

#[test]
fn actions_fail_visibly_as_often_as_they_should() {
    let mut world = World::new(&Scenario {
        load: theriac_datasets::simulator::Load { requests_per_second: 0.1, ..Default::default() },
        ..Scenario::default()
    });
    let count = 1500;
    for number in 0..count {
        let verb = if number % 2 == 0 { "isolate" } else { "restore" };
        let key = format!("key-{number}");
        world.apply(&command(&world, action(verb, "cart/cart-1", &[]), &key));
        seconds(&mut world, 1);
    }
    let all = seconds(&mut world, 100);
    let keys: std::collections::BTreeSet<_> = world.effects().iter().map(|e| &e.idempotency_key).collect();
    assert_eq!(keys.len(), world.effects().len(), "an effect each at most");
    // 2 % fail and 1 % pretend: 45 of 1500 in the mean, standard deviation 6.6.
    let without = count - world.effects().len();
    assert!((20..=70).contains(&without), "{without} of {count} without effect");
    assert!(all.len() < count);
}

#[test]
fn a_visible_failure_may_be_tried_again() {
    // Found by going through keys until the draw fails.
    for number in 0..500 {
        let mut world = World::new(&Scenario::default());
        let first = command(&world, action("isolate", "cart/cart-1", &[]), &format!("key-{number}"));
        world.apply(&first);
        let answers = seconds(&mut world, 60);
        if answers[0].verdict == (Verdict::Failed { retryable: true }) {
            assert!(world.effects().is_empty());
            world.apply(&first);
            assert_eq!(
                seconds(&mut world, 60)[0].verdict,
                answers[0].verdict,
                "the same attempt: the same answer"
            );
            assert!(world.effects().is_empty());
            world.apply(&Command { attempt: 2, ..first });
            assert_eq!(seconds(&mut world, 60)[0].verdict, Verdict::Succeeded);
            assert_eq!(world.effects().len(), 1);
            return;
        }
    }
    panic!("none of 500 actions failed");
}

#[test]
fn undoing_a_remedy_brings_the_fault_back() {
    let mut world = World::new(&with_fault(FaultKind::ByzantineReplica, "cart/cart-1"));
    world.advance(at(&world, 180));
    world.apply(&command(&world, action("isolate", "cart/cart-1", &[]), "out"));
    world.advance(at(&world, 240));
    assert!(world.truth()[0].ended_at.is_some());
    let wrong = world.truth()[0].wrong_answers;
    world.apply(&command(&world, action("restore", "cart/cart-1", &[]), "back"));
    world.advance(at(&world, 360));
    assert_eq!(world.truth()[0].ended_at, None);
    assert!(world.truth()[0].wrong_answers > wrong + 100);
}
