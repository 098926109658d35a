use std::sync::Arc;

use theriac_datasets::fleet::{
    Benign, Fault, Harmless, Request, SECOND, Setup, Topology, Verb, World, draw_benign, record,
};

fn lively(seed: u64, telemetry: bool) -> Arc<Setup> {
    let mut setup = Setup::new(seed, Topology::boutique().unwrap());
    setup.telemetry = telemetry;
    setup.actions_fail = true;
    setup.faults = vec![Fault::draw(record("F27").unwrap(), seed, 20 * SECOND)];
    setup.benign = vec![Benign { kind: Harmless::RollingDeploy, at: 10 * SECOND, choice: seed }];
    Arc::new(setup)
}

#[test]
fn equal_runs_are_equal_however_time_is_cut() {
    for seed in 1..4 {
        let mut whole = World::new(&lively(seed, true));
        let all = whole.advance(90 * SECOND);
        let mut cut = World::new(&lively(seed, true));
        let mut parts = Vec::new();
        for step in 1..=450 {
            parts.extend(cut.advance(step * SECOND / 5));
        }
        assert_eq!(whole.digest(), cut.digest());
        assert_eq!(all, parts);
    }
}

#[test]
fn telemetry_is_only_watched() {
    let mut told = World::new(&lively(5, true));
    let mut silent = World::new(&lively(5, false));
    assert!(!told.advance(60 * SECOND).is_empty());
    assert!(silent.advance(60 * SECOND).is_empty());
    assert_eq!(told.digest(), silent.digest());
}

#[test]
fn a_fork_has_the_same_future_until_somebody_acts() {
    let mut world = World::new(&lively(6, true));
    world.advance(45 * SECOND);
    let (mut same, mut other) = (world.clone(), world.clone());
    other.apply(&Request::new("k", Verb::Restart, "search"));
    let (a, b) = (world.advance(120 * SECOND), same.advance(120 * SECOND));
    other.advance(120 * SECOND);
    assert_eq!(a, b);
    assert_eq!(world.digest(), same.digest());
    assert_ne!(world.digest(), other.digest());
    // Common random numbers: the same users come, whatever is done.
    assert_eq!(world.totals().users, other.totals().users);
}

#[test]
fn every_line_of_telemetry_is_otlp() {
    let mut world = World::new(&lively(7, true));
    let exports = world.advance(60 * SECOND);
    for export in &exports {
        let json: serde_json::Value = serde_json::from_str(&export.line).unwrap();
        let known = ["resourceMetrics", "resourceLogs", "resourceSpans"];
        assert!(known.iter().any(|key| json.get(key).is_some()), "{}", export.line);
    }
    let names =
        ["http.server.request.duration", "db.replication.lag", "cache.hits", "messaging.consumer.lag"];
    for name in names {
        assert!(exports.iter().any(|export| export.line.contains(name)), "{name}");
    }
}

#[test]
fn disturbances_are_harmless() {
    for kind in Harmless::all() {
        let mut setup = Setup::new(11, Topology::boutique().unwrap());
        setup.benign = vec![Benign { kind, at: 30 * SECOND, choice: 12_345_678_901 }];
        let mut world = World::new(&Arc::new(setup));
        world.advance(315 * SECOND);
        for minute in 0..5 {
            let (came, good, _) = world.user_counts(minute * 60 * SECOND, (minute + 1) * 60 * SECOND);
            assert!(good >= 0.97 * came, "{kind:?} in minute {minute}: {good} of {came}");
        }
    }
    let day = draw_benign(3, 0, 86_400 * SECOND, 30.0);
    assert!((15..50).contains(&day.len()), "{}", day.len());
}
