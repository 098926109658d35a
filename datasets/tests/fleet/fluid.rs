use std::sync::Arc;

use theriac_datasets::fleet::{SECOND, Setup, Topology, World, draw_benign};

fn run(fluid: bool, load: f64) -> World {
    let setup = Setup { fluid, load, telemetry: true, ..Setup::new(3, Topology::boutique().unwrap()) };
    let mut world = World::new(&Arc::new(setup));
    for minute in 1..=20 {
        world.advance(minute * 60 * SECOND);
    }
    world
}

/// Utilization of every service within 5 %, what users wait within 15 %.
#[test]
fn formulas_agree_with_requests() {
    let topology = Topology::boutique().unwrap();
    for load in [0.8, 1.0, 1.2] {
        let (requests, formulas) = (run(false, load), run(true, load));
        for service in &topology.services {
            let a = requests.utilization_and_quantile(&service.name, 0.99).unwrap();
            let b = formulas.utilization_and_quantile(&service.name, 0.99).unwrap();
            // Below a hundredth, what is drawn by chance is more than that.
            let near = (b.0 / a.0 - 1.0).abs() < 0.05 || a.0 < 0.01;
            assert!(near, "{} at load {load}: used {} and {}", service.name, a.0, b.0);
            if service.name == "frontend" {
                assert!((b.1 / a.1 - 1.0).abs() < 0.15, "load {load}: p99 {} and {}", a.1, b.1);
            }
        }
    }
}

/// Both tiers name the same metrics.
#[test]
fn formulas_write_the_same_schema() {
    let names = |fluid| {
        let setup = Setup { fluid, telemetry: true, ..Setup::new(3, Topology::boutique().unwrap()) };
        let mut world = World::new(&Arc::new(setup));
        let mut names = std::collections::BTreeSet::new();
        for export in world.advance(60 * SECOND) {
            let json: serde_json::Value = serde_json::from_str(&export.line).unwrap();
            for resource in json["resourceMetrics"].as_array().into_iter().flatten() {
                for metric in resource["scopeMetrics"][0]["metrics"].as_array().into_iter().flatten() {
                    names.insert(metric["name"].as_str().unwrap().to_owned());
                }
            }
        }
        names
    };
    let (mut requests, formulas) = (names(false), names(true));
    // What single calls see is known only where there are single calls.
    for name in ["http.client.request.duration", "business.orders.mismatch"] {
        requests.remove(name);
    }
    let missing: Vec<&String> = requests.difference(&formulas).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_quiet_day_is_quiet_and_the_same_twice() {
    let day = || {
        let mut setup = Setup { fluid: true, ..Setup::new(5, Topology::boutique().unwrap()) };
        setup.benign = draw_benign(5, 0, 6 * 3600 * SECOND, 30.0);
        let mut world = World::new(&Arc::new(setup));
        world.advance(6 * 3600 * SECOND);
        world
    };
    let (a, b) = (day(), day());
    let counts = a.user_counts(0, 6 * 3600 * SECOND);
    assert_eq!(counts, b.user_counts(0, 6 * 3600 * SECOND));
    assert!(counts.1 > 0.99 * counts.0, "{counts:?}");
}
