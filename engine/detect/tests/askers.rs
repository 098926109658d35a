//! One of many who asks far more than before is a symptom that names him; who does so all the time is none.

use theriac_contract::{
    Checkpointed, Direction, Entity, Interval, Series, SeriesId, SignalKind, Snapshot, Symptom, SymptomPhase,
    Tick, Timestamp,
    frame::{Example, Standing},
};
use theriac_detect::{Detect, Settings};

const STEP: Interval = Interval::from_seconds(10);

fn start(number: u64) -> Timestamp {
    Timestamp(0).plus(Interval(STEP.0 * number.cast_signed()))
}

fn of(entity: &str, signal: &str, attributes: &str) -> Series {
    let entity = Entity(entity.to_owned());
    Series {
        key: Series::key_of("test", &entity, None, signal, attributes),
        entity,
        peer: None,
        signal: signal.to_owned(),
        kind: SignalKind::Trace,
        unit: "1".to_owned(),
        attributes: attributes.to_owned(),
        domain: "test".to_owned(),
    }
}

/// A service that is known from the first tick on, and the requests of somebody beyond what he had, from the
/// first tick in which there are any, which chance alone brings about so often. Taken down and made again before tick `stop`.
fn run(ticks: u64, stop: u64, chance: f64, excess: impl Fn(u64) -> f64) -> Vec<Symptom> {
    let (requests, asker) = (
        of("frontend", "span.count", r#"{"operation":"GET /"}"#),
        of("frontend", "span.asker.excess", r#"{"attribute":"tenant.id"}"#),
    );
    let mut detect = Detect::new(Settings::default());
    let (mut told, mut known) = (Vec::new(), false);
    for number in 0..ticks {
        if number == stop {
            let saved = detect.snapshot().expect("a snapshot");
            detect = Detect::new(Settings::default());
            detect.restore(&saved).expect("its own tables");
        }
        let more = excess(number);
        let mut opened = if number == 0 { vec![requests.clone()] } else { Vec::new() };
        if more > 0.0 && !known {
            known = true;
            opened.push(asker.clone());
        }
        let who = Entity(if more > 8.0 { "tenant:7" } else { "tenant:3" }.to_owned());
        let who = Some(Standing { who, chance });
        let text = format!("more by {more}");
        let example = Example { series: vec![SeriesId(1)], at: start(number), text, usual: false, who };
        let tick = Tick {
            number,
            start: start(number),
            step: STEP,
            values: if known { vec![50.0, more] } else { vec![50.0] },
            opened,
            edges: Vec::new(),
            changes: Vec::new(),
            replaced: Vec::new(),
            examples: if more > 0.0 { vec![example] } else { Vec::new() },
        };
        told.extend(detect.step(&tick, &Snapshot::default()));
    }
    told
}

/// Nothing for an hour, then five, and twelve from the next tick on.
fn rush(number: u64) -> f64 {
    match number {
        0..360 => 0.0,
        360 => 5.0,
        361..400 => 12.0,
        _ => 0.0,
    }
}

#[test]
fn who_asks_far_more_than_before_is_named_as_of_the_worst_tick() {
    let told = run(420, 0, 1e-20, rush);
    let first = &told[0];
    assert_eq!((first.phase, first.direction), (SymptomPhase::Open, Direction::Up));
    assert_eq!(first.onset, start(360));
    assert!(first.at <= start(362), "{first:?}");
    assert_eq!(first.detectors[0].detector, "counting");
    let last = told.last().expect("it ends");
    assert_eq!((last.phase, last.id.clone()), (SymptomPhase::Close, first.id.clone()));
    assert_eq!(last.who, Some(Entity("tenant:7".to_owned())));
    assert!(
        last.explanation
            .starts_with("span.asker.excess [\"tenant.id\"] of frontend, tenant:7, was 12, expected 0.0"),
        "{}",
        last.explanation
    );
    assert_eq!(last.examples[0], "more by 5");
}

#[test]
fn somebody_who_comes_and_asks_a_lot_every_few_minutes_is_nothing_new() {
    let told = run(2_000, 0, 1e-20, |number| if number % 20 == 0 { 12.0 } else { 0.0 });
    assert!(told.iter().all(|symptom| symptom.onset < start(200)), "{told:?}");
}

#[test]
fn what_chance_brings_about_is_no_symptom() {
    assert_eq!(run(420, 0, 1e-4, rush), Vec::new());
}

#[test]
fn a_restart_in_the_middle_of_it_does_not_show() {
    let straight = run(420, 0, 1e-20, rush);
    for stop in [1, 360, 361, 362, 399, 402] {
        assert_eq!(run(420, stop, 1e-20, rush), straight, "restored at {stop}");
    }
}
