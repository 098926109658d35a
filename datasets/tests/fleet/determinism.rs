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

/// Spans of the first two minutes: kind, attributes, and whether they have a parent.
fn spans(fault: Option<&str>) -> Vec<(u64, serde_json::Value, bool)> {
    let mut setup = Setup::new(9, Topology::boutique().unwrap());
    setup.telemetry = true;
    setup.faults = fault.map(|code| Fault::draw(record(code).unwrap(), 9, 20 * SECOND)).into_iter().collect();
    let mut all = Vec::new();
    for export in World::new(&Arc::new(setup)).advance(120 * SECOND) {
        let json: serde_json::Value = serde_json::from_str(&export.line).unwrap();
        for resource in json["resourceSpans"].as_array().into_iter().flatten() {
            for span in resource["scopeSpans"][0]["spans"].as_array().into_iter().flatten() {
                let parent = span["parentSpanId"].as_str().is_some_and(|parent| !parent.is_empty());
                all.push((span["kind"].as_u64().unwrap(), span["attributes"].clone(), parent));
            }
        }
    }
    all
}

fn value<'a>(attributes: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    let all = attributes.as_array().into_iter().flatten();
    all.filter(|one| one["key"] == key).find_map(|one| one["value"]["stringValue"].as_str())
}

#[test]
fn every_request_says_who_asks_and_what_for_whatever_is_wrong() {
    for fault in [None, Some("F19"), Some("F43")] {
        let all = spans(fault);
        let entering = all.iter().filter(|(kind, _, parent)| *kind == 2 && !parent);
        assert!(entering.clone().count() > 100);
        for (_, attributes, _) in entering {
            assert!(value(attributes, "tenant.id").is_some(), "{fault:?}: {attributes}");
        }
        let data = ["cache", "catalog-db", "orders-db"];
        for (kind, attributes, _) in &all {
            let asks =
                *kind == 3 && value(attributes, "peer.service").is_some_and(|peer| data.contains(&peer));
            assert_eq!(
                value(attributes, "db.query.parameter.item").is_some(),
                asks,
                "{fault:?}: {attributes}"
            );
        }
    }
}

#[test]
fn a_key_that_is_quarantined_is_turned_away_and_no_other() {
    let with = |target: &str| {
        let mut setup = Setup::new(9, Topology::boutique().unwrap());
        setup.faults = vec![Fault::draw(record("F19").unwrap(), 9, 20 * SECOND)];
        let mut world = World::new(&Arc::new(setup));
        world.advance(30 * SECOND);
        let remedy = world.remedies_of(0).remove(1).remove(0);
        let target = if target.is_empty() { remedy.target.as_str().to_owned() } else { target.to_owned() };
        world.apply(&Request::new("k", Verb::Quarantine, &target));
        world.advance(150 * SECOND);
        world.loss(30 * SECOND, 150 * SECOND).of_users()
    };
    let (right, other) = (with(""), with("key:1"));
    assert!(right < 0.8 * other, "{right} {other}");
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
