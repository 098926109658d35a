use std::sync::Arc;

use theriac_datasets::fleet::{
    HELD_OUT, Mishap, Mode, Outcome, Record, Request, SECOND, Setup, Topology, Verb, World,
    baseline::Nothing,
    catalogue, record,
    score::judge,
    setup_in, suits,
    trial::{Yardstick, onset, play_noted, play_scored, played},
};

const AT: u64 = 60 * SECOND;

fn setup(mode: Mode, code: &str, seed: u64) -> Setup {
    setup_in(mode, record(code).unwrap(), seed, &Topology::boutique().unwrap(), AT)
}

fn end(mode: Mode, code: &str, seed: u64) -> World {
    let mut world = World::new(&Arc::new(setup(mode, code, seed)));
    world.advance(AT + 300 * SECOND);
    world
}

#[test]
fn every_kind_comes_in_every_mode_that_suits_it() {
    let held_out = |record: &Record| HELD_OUT.contains(&record.code.as_str());
    for record in catalogue() {
        for mode in Mode::ALL.into_iter().filter(|mode| suits(*mode, record)) {
            for seed in 1..6 {
                let setup = setup(mode, &record.code, seed);
                let faults = &setup.faults;
                assert_eq!((&faults[0].record.code, faults[0].at), (&record.code, AT));
                let several = match mode {
                    Mode::Single | Mode::Intermittent => false,
                    Mode::DuringHealing => setup.mishap.is_none(),
                    _ => true,
                };
                assert_eq!(faults.len(), 1 + usize::from(several), "{mode} {} {seed}", record.code);
                let Some(second) = faults.get(1) else { continue };
                assert!(second.at >= AT && second.place != faults[0].place);
                if matches!(mode, Mode::Concurrent | Mode::DuringHealing) {
                    assert_ne!(second.record.code, record.code);
                    assert_eq!(held_out(second.record), held_out(record), "{mode} {}", record.code);
                }
            }
        }
    }
}

#[test]
fn every_mode_is_the_same_each_time_and_another_than_the_others() {
    let digests = |code: &str| -> Vec<u64> {
        let fits = |mode: &Mode| suits(*mode, record(code).unwrap());
        Mode::ALL.into_iter().filter(fits).map(|mode| end(mode, code, 3).digest()).collect()
    };
    let first = digests("F27");
    assert_eq!(first.len(), 6);
    assert_eq!(digests("F27"), first);
    let mut different = first.clone();
    different.sort_unstable();
    different.dedup();
    // An action that fails changes nothing while nobody acts.
    assert!(different.len() >= 5, "{first:?}");
}

#[test]
fn the_second_of_two_faults_has_a_truth_and_a_remedy_of_its_own() {
    let world = end(Mode::Correlated, "F30", 2);
    let truth = world.truth();
    assert_eq!(truth.len(), 2);
    assert!(truth[0].code == "F30" && truth[1].code == "F30" && truth[0].component != truth[1].component);
    let keys: Vec<String> =
        (0..2).flat_map(|fault| world.remedies_of(fault)).flatten().map(|r| r.key).collect();
    let mut distinct = keys.clone();
    distinct.dedup();
    assert_eq!(distinct, keys, "a key acts once, so each must have its own");
}

#[test]
fn two_faults_are_healed_by_who_knows_both_and_not_by_who_knows_one() {
    let setup = Arc::new(setup(Mode::Correlated, "F30", 2));
    let onset = onset(&setup);
    let yardstick = Yardstick::of(&onset).unwrap();
    assert!(yardstick.oracle < 0.3 * yardstick.nothing && !yardstick.waits, "{yardstick:?}");
    let after = |faults: std::ops::Range<usize>| {
        let mut world = onset.clone();
        world.advance(AT + 20 * SECOND);
        for fault in faults {
            for step in world.remedies_of(fault).into_iter().next().unwrap() {
                world.apply(&step);
            }
        }
        world.advance(AT + 480 * SECOND);
        judge(&played(world, &yardstick, Vec::new()))
    };
    let (one, both) = (after(0..1), after(0..2));
    assert!(one.recovered.is_none() && both.recovered.is_some(), "{one:?} {both:?}");
}

#[test]
fn an_episode_of_two_faults_names_both_causes() {
    let setup = Arc::new(setup(Mode::Concurrent, "F27", 1));
    let yardstick = Yardstick::of(&onset(&setup)).unwrap();
    let episode = play_scored(&setup, &yardstick, &mut Nothing);
    let causes: Vec<&str> = episode.causes().map(|cause| cause.code.as_str()).collect();
    assert_eq!(causes, [&*setup.faults[0].record.code, &*setup.faults[1].record.code]);
    assert!(episode.others[0].injected >= 60.0 && !episode.others[0].acceptable.is_empty());
    let text = serde_json::to_string(&episode).unwrap();
    assert_eq!(serde_json::from_str::<theriac_datasets::fleet::score::Episode>(&text).unwrap(), episode);
}

#[test]
fn nobody_dies_of_what_was_healed_in_time() {
    let setup = Arc::new(setup(Mode::Cascade, "F27", 1));
    let onset = onset(&setup);
    let mut left = onset.clone();
    left.advance(AT + 200 * SECOND);
    assert_eq!(left.truth().len(), 2, "who bears it dies of it");
    assert_eq!(left.truth()[1].code, "F01");
    let mut healed = onset;
    for step in healed.remedies_of(0).into_iter().next().unwrap() {
        healed.apply(&step);
    }
    healed.advance(AT + 300 * SECOND);
    assert_eq!(healed.truth().len(), 1);
}

#[test]
fn what_comes_and_goes_is_bad_half_of_the_time_until_it_is_cured() {
    for code in ["F27", "F30", "F04", "F36"] {
        let setup = Arc::new(setup(Mode::Intermittent, code, 1));
        let mut world = World::new(&setup);
        world.advance(AT + 300 * SECOND);
        let there = world.bad_seconds(AT + 60 * SECOND, AT + 90 * SECOND).len();
        let away = world.bad_seconds(AT + 100 * SECOND, AT + 120 * SECOND).len();
        assert!(there >= 10 && away + 5 <= there, "{code}: {there} {away}");
        for step in world.remedies_of(0).into_iter().next().unwrap() {
            world.apply(&step);
        }
        world.advance(AT + 600 * SECOND);
        let bad = world.bad_seconds(AT + 450 * SECOND, AT + 570 * SECOND).len();
        assert!(bad <= 4, "{code}: {bad} bad seconds after the cure");
    }
}

#[test]
fn the_first_action_goes_wrong_once_and_only_after_the_fault() {
    let mut setup = setup(Mode::Single, "F30", 1);
    setup.mishap = Some(Mishap::Fails);
    let place = setup.faults[0].place.clone();
    let mut world = World::new(&Arc::new(setup));
    world.advance(10 * SECOND);
    let outcome = |world: &mut World, key: &str| {
        let handle = world.apply(&Request::new(key, Verb::RollbackConfig, &place));
        world.advance(world.now() + 60 * SECOND);
        world.poll(handle)
    };
    assert_eq!(outcome(&mut world, "before"), Outcome::Succeeded);
    world.advance(AT + 10 * SECOND);
    assert_eq!(outcome(&mut world, "first"), Outcome::Failed(format!("could not rollback_config {place}")));
    assert_eq!(outcome(&mut world, "second"), Outcome::Succeeded);
}

#[test]
fn who_only_pretends_heals_nothing() {
    let mut setup = setup(Mode::Single, "F30", 1);
    setup.mishap = Some(Mishap::Pretends);
    let setup = Arc::new(setup);
    let onset = onset(&setup);
    let yardstick = Yardstick::of(&onset).unwrap();
    assert!(yardstick.oracle < yardstick.nothing, "who knows the truth does it again");
    let mut world = onset;
    let effects = world.effects().len();
    let step = world.remedies_of(0)[0][0].clone();
    let handle = world.apply(&step);
    world.advance(world.now() + 60 * SECOND);
    assert_eq!((world.poll(handle), world.effects().len()), (Outcome::Succeeded, effects));
    let log = play_noted(&mut world, &mut Nothing, AT + 480 * SECOND);
    assert!(judge(&played(world, &yardstick, log)).recovered.is_none());
}
