use std::collections::BTreeSet;

use theriac_contract::{Action, Interval};
use theriac_datasets::simulator::{
    Benign, BenignKind, Ending, FaultKind, Load, RemedyEffect, Scenario, World,
};

use super::{action, at, command, with_fault};

/// Every kind at every place that the demo may choose, with the remedies that the truth names.
const PLACES: [(FaultKind, &[&str]); 7] = [
    (FaultKind::MemoryLeak, &["shop", "cart", "catalog", "payment"]),
    (FaultKind::BadDeploy, &["shop", "cart", "catalog", "payment"]),
    (FaultKind::CrashLoop, &["shop/shop-1", "cart/cart-2", "payment/payment-3"]),
    (FaultKind::SlowDependency, &["bank", "database"]),
    (FaultKind::ErrorBurst, &["gateway", "shop", "cart", "payment"]),
    (FaultKind::ByzantineReplica, &["cart/cart-1", "catalog/catalog-3"]),
    (FaultKind::CpuSaturation, &["host:node-1", "host:node-3"]),
];

fn places() -> impl Iterator<Item = (FaultKind, &'static str)> {
    PLACES.into_iter().flat_map(|(kind, places)| places.iter().map(move |place| (kind, *place)))
}

/// Harm to users since a second: bad seconds, or wrong answers for a fault that shows in nothing else.
fn harm(world: &World, since: i64) -> u64 {
    world.statistics().bad_seconds.iter().filter(|second| i64::from(**second) >= since).count() as u64
}

#[test]
fn a_day_without_faults_has_no_bad_second() {
    let scenario = Scenario {
        load: Load { period: Interval::from_seconds(3600), ..Load::default() },
        ..Scenario::default()
    };
    let mut world = World::new(&scenario);
    world.advance(at(&world, 3600));
    assert_eq!(world.statistics().bad_seconds, [0; 0]);
    assert!(world.statistics().users > 200_000);
}

#[test]
fn harmless_changes_hurt_nobody() {
    for (place, service) in
        ["gateway", "shop", "cart", "catalog", "payment", "database"].into_iter().enumerate()
    {
        let benign = |kind, at| Benign {
            kind,
            target: theriac_contract::Entity(service.to_owned()),
            at: Interval::from_seconds(at),
            duration: Interval::from_seconds(120),
        };
        let changes =
            [(BenignKind::Deploy, 60), (BenignKind::Configuration, 90), (BenignKind::TrafficBump, 200)];
        let benign = changes.map(|(kind, at)| benign(kind, at)).to_vec();
        let mut world = World::new(&Scenario { seed: place as u64, benign, ..Scenario::default() });
        world.advance(at(&world, 400));
        assert!(world.statistics().bad_seconds.len() <= 2, "{service}: {:?}", world.statistics().bad_seconds);
    }
}

#[test]
fn every_fault_hurts_users_and_can_be_seen() {
    for (kind, place) in places() {
        let mut world = World::new(&with_fault(kind, place));
        world.advance(at(&world, 720));
        let truth = &world.truth()[0];
        let injected = truth.injected_at.unwrap();
        assert_eq!(injected, at(&world, 120));
        let seen = truth.observable_at.unwrap().since(injected).as_seconds();
        assert!((0.0..=30.0).contains(&seen), "{kind:?} at {place} is first seen after {seen} s");
        assert_eq!(harm(&world, 0), harm(&world, 119), "{kind:?} at {place} hurts before it begins");
        if kind == FaultKind::ByzantineReplica {
            assert!(truth.wrong_answers > 1000, "{place}: {}", truth.wrong_answers);
            assert_eq!(truth.bad_seconds, 0, "a liar must not show in latency and errors");
        } else {
            assert!(truth.bad_seconds >= 45, "{kind:?} at {place}: {} bad seconds", truth.bad_seconds);
        }
        let transient = kind == FaultKind::ErrorBurst;
        assert_eq!(truth.ending, transient.then_some(Ending::Itself), "{kind:?} at {place}");
    }
}

/// Lets a fault work until it clearly hurts, acts, and goes on for five minutes after the
/// answer. Gives the world and the second of the answer.
fn treat(kind: FaultKind, place: &str, action: Action) -> (World, i64) {
    let mut world = World::new(&with_fault(kind, place));
    world.advance(at(&world, if kind == FaultKind::MemoryLeak { 330 } else { 180 }));
    world.apply(&command(&world, action, "key"));
    let mut answered = None;
    while answered.is_none() {
        let emitted = world.advance(world.now().plus(Interval::from_seconds(1)));
        answered = emitted.completions.first().cloned();
        assert!(world.now() < at(&world, 1000), "{kind:?} at {place} got no answer");
    }
    let completion = answered.unwrap();
    assert_eq!(completion.verdict, theriac_contract::Verdict::Succeeded, "{}", completion.detail);
    let second = completion.at.since(world.scenario().start).as_seconds() as i64;
    world.advance(at(&world, second + 300));
    (world, second)
}

#[test]
fn right_remedies_cure() {
    for (kind, place) in places() {
        let remedies = World::new(&with_fault(kind, place)).truth()[0].remedies.clone();
        let cures: Vec<_> = remedies.iter().filter(|remedy| remedy.effect == RemedyEffect::Cures).collect();
        assert!(!cures.is_empty(), "{kind:?}");
        for remedy in cures {
            let (world, answered) = treat(kind, place, remedy.action.clone());
            let truth = &world.truth()[0];
            let expected = if remedy.action.verb == "wait" { Ending::Itself } else { Ending::Action };
            assert_eq!(truth.ending, Some(expected), "{kind:?} at {place}: {:?}", remedy.action);
            let late = harm(&world, answered + 45);
            assert!(late <= 1, "{kind:?} at {place}, {:?}: {late} bad seconds after the cure", remedy.action);
        }
    }
}

#[test]
fn wrong_remedies_do_not() {
    for (kind, place) in places() {
        let remedies = World::new(&with_fault(kind, place)).truth()[0].remedies.clone();
        for remedy in remedies.iter().filter(|remedy| remedy.effect == RemedyEffect::Useless) {
            if kind == FaultKind::ErrorBurst {
                continue; // It is over before a restart is; see below.
            }
            let (world, answered) = treat(kind, place, remedy.action.clone());
            let truth = &world.truth()[0];
            assert_eq!(truth.ended_at, None, "{kind:?} at {place}: {:?}", remedy.action);
            if kind == FaultKind::ByzantineReplica {
                assert!(truth.wrong_answers > 1500);
            } else {
                let late = harm(&world, answered + 45);
                assert!(late >= 20, "{kind:?} at {place}, {:?}: only {late} bad seconds", remedy.action);
            }
        }
    }
}

#[test]
fn a_restart_does_not_shorten_an_error_burst() {
    let scenario = with_fault(FaultKind::ErrorBurst, "cart");
    let mut waited = World::new(&scenario);
    waited.advance(at(&waited, 130));
    let mut restarted = waited.clone();
    restarted.apply(&command(&restarted, action("restart", "cart", &[]), "key"));
    waited.advance(at(&waited, 400));
    restarted.advance(at(&restarted, 400));
    assert!(harm(&restarted, 0) + 2 >= harm(&waited, 0));
}

#[test]
fn a_restart_relieves_a_leak_for_a_while() {
    for service in ["cart", "catalog"] {
        let (mut world, answered) = treat(FaultKind::MemoryLeak, service, action("restart", service, &[]));
        assert_eq!(world.truth()[0].ended_at, None);
        world.advance(at(&world, answered + 500));
        let bad: BTreeSet<i64> =
            world.statistics().bad_seconds.iter().map(|second| i64::from(*second)).collect();
        let calm = bad.range(answered + 5..answered + 90).count();
        let again = bad.range(answered + 150..).count();
        assert!(calm <= 1, "{service}: {calm} bad seconds just after the restart");
        assert!(again >= 10, "{service}: only {again} bad seconds later on");
    }
}

#[test]
fn a_remedy_for_a_slow_dependency_undoes_itself() {
    let mut scenario = with_fault(FaultKind::SlowDependency, "bank");
    scenario.faults[0].duration = Interval::from_seconds(300);
    let mut world = World::new(&scenario);
    world.advance(at(&world, 180));
    world.apply(&command(&world, action("open_circuit", "bank", &[]), "key"));
    let lines = world.advance(at(&world, 410)).otlp;
    assert!(lines.iter().any(|line| line.contains("circuit to bank is open")));
    assert!(!lines.iter().any(|line| line.contains("circuit to bank is closed")));
    let lines = world.advance(at(&world, 470)).otlp;
    assert!(lines.iter().any(|line| line.contains("circuit to bank is closed")));
}

#[test]
fn more_users_than_planned_are_served_by_more_replicas() {
    let mut scenario = with_fault(FaultKind::TrafficSurge, "cart");
    scenario.faults[0].duration = Interval::from_seconds(900);
    let mut alone = World::new(&scenario);
    let mut helped = alone.clone();
    helped.advance(at(&helped, 150));
    for service in ["gateway", "shop", "cart", "catalog", "payment", "database"] {
        helped.apply(&command(&helped, action("scale_out", service, &[("replicas", "4")]), service));
    }
    alone.advance(at(&alone, 900));
    helped.advance(at(&helped, 900));
    let (alone, helped) = (harm(&alone, 400), harm(&helped, 400));
    assert!(alone > 100, "{alone} bad seconds without help");
    assert!(helped * 5 < alone, "{helped} bad seconds with help, {alone} without");
}
