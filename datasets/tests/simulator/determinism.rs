use proptest::prelude::*;
use theriac_contract::Interval;
use theriac_datasets::simulator::{Emitted, FaultKind, Scenario, World};

use super::{action, at, command, with_fault};

fn join(into: &mut Emitted, more: Emitted) {
    into.otlp.extend(more.otlp);
    into.completions.extend(more.completions);
}

/// A scenario in which something goes on all the time.
fn lively(seed: u64) -> Scenario {
    let mut scenario = with_fault(FaultKind::CrashLoop, "cart/cart-2");
    scenario.seed = seed;
    scenario.faults[0].at = Interval::from_seconds(5);
    scenario
}

/// Runs to 60 s with a command at 20 s, stopping at the given milliseconds; `between` may
/// replace the world at each stop.
fn run(scenario: &Scenario, stops: &[i64], between: impl Fn(World) -> World) -> (Emitted, World) {
    let mut world = World::new(scenario);
    let mut emitted = Emitted::default();
    let mut stops: Vec<i64> = stops.iter().copied().chain([20_000, 60_000]).collect();
    stops.sort_unstable();
    let mut commanded = false;
    for stop in stops {
        join(&mut emitted, world.advance(scenario.start.plus(Interval::from_millis(stop))));
        if stop == 20_000 && !commanded {
            commanded = true;
            world.apply(&command(&world, action("restart", "cart/cart-1", &[]), "key"));
        }
        world = between(world);
    }
    (emitted, world)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn how_time_is_cut_does_not_show(seed in 0_u64..1000, stops in prop::collection::vec(0_i64..60_000, 0..12)) {
        let scenario = lively(seed);
        let (whole, world) = run(&scenario, &[], |world| world);
        let (cut, other) = run(&scenario, &stops, |world| world);
        prop_assert_eq!(whole, cut);
        prop_assert_eq!(world.digest(), other.digest());
    }

    #[test]
    fn a_saved_world_goes_on_as_if_nothing_happened(seed in 0_u64..1000, stops in prop::collection::vec(0_i64..60_000, 1..4)) {
        let scenario = lively(seed);
        let (whole, world) = run(&scenario, &[], |world| world);
        let (saved, other) = run(&scenario, &stops, |world| {
            let json = serde_json::to_string(&world).unwrap();
            serde_json::from_str(&json).unwrap()
        });
        prop_assert_eq!(&whole, &saved);
        prop_assert_eq!(world.digest(), other.digest());
        // Equal to the bit, not only in what was said so far.
        prop_assert_eq!(serde_json::to_string(&world).unwrap(), serde_json::to_string(&other).unwrap());
        let (cloned, _) = run(&scenario, &stops, |mut world| {
            let fork = world.clone();
            world.advance(world.now().plus(Interval::from_seconds(1)));
            fork
        });
        prop_assert_eq!(whole, cloned);
    }
}

#[test]
fn another_seed_is_another_run() {
    let (one, _) = run(&lively(1), &[], |world| world);
    let (other, _) = run(&lively(2), &[], |world| world);
    assert_ne!(one.otlp, other.otlp);
}

#[test]
fn actions_do_not_shift_the_users() {
    let scenario = with_fault(FaultKind::BadDeploy, "cart");
    let mut left_alone = World::new(&scenario);
    let mut treated = left_alone.clone();
    treated.apply(&command(&treated, action("restart", "cart", &[]), "key"));
    let end = at(&treated, 240);
    left_alone.advance(end);
    treated.advance(end);
    assert_eq!(left_alone.statistics().users, treated.statistics().users);
    assert_ne!(left_alone.digest(), treated.digest());
}

#[test]
fn the_demo_can_be_played() {
    for seed in 0..200 {
        let scenario = Scenario::demo(seed);
        scenario.check().unwrap();
        assert_eq!(scenario.faults.len(), 6);
        let services: std::collections::BTreeSet<_> =
            scenario.faults.iter().map(|f| f.target.service()).collect();
        assert_eq!(services.len(), 6, "each fault has a service of its own");
        let text = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&text).unwrap(), scenario);
    }
}

/// A checkpoint holds the whole world, so it must stay small under the worst of it.
#[test]
fn the_saved_world_is_small() {
    let mut world = World::new(&with_fault(FaultKind::SlowDependency, "database"));
    let mut largest = 0;
    for second in (30..600).step_by(30) {
        world.advance(at(&world, second));
        largest = largest.max(serde_json::to_string(&world).unwrap().len());
    }
    assert!(largest < 400_000, "{largest} bytes");
}
