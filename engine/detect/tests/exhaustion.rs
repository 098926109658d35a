//! What fills up: when it is full is said of a symptom, and may be one before it is.

use theriac_contract::{
    Checkpointed, Entity, Interval, Judgement, Series, SignalKind, Snapshot, Symptom, SymptomPhase, Tick,
    Timestamp,
};
use theriac_detect::{
    Detect, Settings,
    rules::{Matters, Rule},
};

const STEP: Interval = Interval::from_seconds(5);

fn series(signal: &str, unit: &str, attributes: &str) -> Series {
    let entity = Entity("host:node-1".to_owned());
    Series {
        key: Series::key_of("test", &entity, None, signal, attributes),
        entity,
        peer: None,
        signal: signal.to_owned(),
        kind: SignalKind::Metric,
        unit: unit.to_owned(),
        attributes: attributes.to_owned(),
        domain: "test".to_owned(),
    }
}

fn disk() -> Vec<Series> {
    vec![series("system.filesystem.utilization", "1", "{\"mountpoint\":\"/data\"}")]
}

fn start(number: u64) -> Timestamp {
    Timestamp(STEP.0 * number.cast_signed())
}

fn run(
    detect: &mut Detect,
    series: &[Series],
    ticks: std::ops::Range<u64>,
    values: impl Fn(u64) -> Vec<f64>,
) -> Vec<Symptom> {
    run_knowing(detect, series, ticks, values, &Snapshot::default())
}

fn run_knowing(
    detect: &mut Detect,
    series: &[Series],
    ticks: std::ops::Range<u64>,
    values: impl Fn(u64) -> Vec<f64>,
    known: &Snapshot,
) -> Vec<Symptom> {
    let tick = |number| Tick {
        number,
        start: start(number),
        step: STEP,
        values: values(number),
        opened: if number == 0 { series.to_vec() } else { Vec::new() },
        ..Tick::default()
    };
    ticks.flat_map(|number| detect.step(&tick(number), known)).collect()
}

/// Noise without structure, the same for a seed every time.
fn noise(seed: u64, number: u64) -> f64 {
    let mixed = (number + 1_000_003 * seed).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((mixed ^ (mixed >> 32)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5
}

/// Fills from tick 1,000 on, and would be full after 1,600 more.
fn fills(number: u64) -> f64 {
    0.2 + 5e-4 * number.saturating_sub(1_000) as f64 + 0.004 * noise(1, number)
}

/// Only what is about to be used up is told, however many series there are.
fn within(time: Option<i64>) -> Detect {
    let rule = Rule {
        signal: "filesystem".to_owned(),
        effect_min: 1e300,
        exhausted_within: time.map(Interval::from_seconds),
        ..Rule::default()
    };
    Detect::new(Settings { rules: vec![rule], false_share: 1e-30, ..Settings::default() })
}

/// Revisions that say when it is full, with seconds until then: expected, earliest, latest.
fn said(told: &[Symptom]) -> Vec<(&Symptom, [f64; 3])> {
    let known = told.iter().filter_map(|symptom| Some((symptom, symptom.exhaustion?)));
    let seconds = known.map(|(symptom, exhaustion)| {
        let all = [exhaustion.expected, exhaustion.earliest, exhaustion.latest];
        (symptom, all.map(|when| when.since(symptom.at).as_seconds()))
    });
    seconds.collect()
}

/// A rise is unusual before anybody can say where it leads: that is told as soon as it is known.
#[test]
fn a_symptom_says_when_it_is_full() {
    let told = run(&mut Detect::new(Settings::default()), &disk(), 0..1_700, |number| vec![fills(number)]);
    assert_eq!(told.first().map(|open| (open.phase, open.exhaustion)), Some((SymptomPhase::Open, None)));
    let said = said(&told);
    assert_eq!(said.len(), 1, "{told:?}");
    for (symptom, [expected, earliest, latest]) in said {
        let left = start(2_600).since(symptom.at).as_seconds();
        assert!(earliest <= left && left <= latest && latest < 2.0 * left, "{earliest} {left} {latest}");
        assert!((expected / left - 1.0).abs() < 0.3, "{expected} {left}");
        assert_eq!((symptom.phase, symptom.revision), (SymptomPhase::Peak, 1));
        assert!(symptom.exhaustion.is_some_and(|exhaustion| (exhaustion.limit - 1.0).abs() < 1e-12));
        assert!(
            symptom.explanation.contains("; at this pace it is full in about "),
            "{}",
            symptom.explanation
        );
    }
}

/// At tick 1,400 the pace becomes six times as high; it is full at tick 1,600.
#[test]
fn that_it_is_full_far_sooner_is_told_again() {
    let hurries = |number: u64| fills(number.min(1_400)) + 3e-3 * number.saturating_sub(1_400) as f64;
    let told = run(&mut Detect::new(Settings::default()), &disk(), 0..1_590, |number| vec![hurries(number)]);
    let said = said(&told);
    assert!((2..=4).contains(&said.len()), "{told:?}");
    let ends: Vec<f64> = said.iter().map(|(_, [.., latest])| *latest).collect();
    assert!(ends.windows(2).all(|pair| 4.0 * pair[1] <= pair[0]), "{ends:?}");
    let (last, [expected, ..]) = said[said.len() - 1];
    let left = start(1_600).since(last.at).as_seconds();
    assert!((expected / left - 1.0).abs() < 0.3, "{expected} {left}");
}

#[test]
fn a_symptom_of_what_stays_where_it_is_says_nothing_of_the_kind() {
    let mut detect = Detect::new(Settings::default());
    let level = |number| if (2_000..2_010).contains(&number) { 0.8 } else { 0.2 } + 0.004 * noise(1, number);
    let told = run(&mut detect, &disk(), 0..2_020, |number| vec![level(number)]);
    assert!(!told.is_empty());
    for symptom in told {
        assert_eq!(symptom.exhaustion, None);
        assert!(!symptom.explanation.contains("at this pace"), "{}", symptom.explanation);
    }
}

#[test]
fn what_is_used_is_held_against_the_limit_that_its_entity_tells() {
    let mounted = "{\"system.filesystem.mountpoint\":\"/data\"}";
    let used = "{\"system.filesystem.mountpoint\":\"/data\",\"system.filesystem.state\":\"used\"}";
    let of =
        [series("system.filesystem.limit", "By", mounted), series("system.filesystem.usage", "By", used)];
    // The limit is told once a minute.
    let limit = |number: u64| if number.is_multiple_of(12) { 4e11 } else { f64::NAN };
    let told =
        run(&mut within(Some(3_600)), &of, 0..2_400, |number| vec![limit(number), 4e11 * fills(number)]);
    let open = told.iter().find(|symptom| symptom.signal == "system.filesystem.usage").expect("it fills");
    assert!(open.exhaustion.is_some_and(|exhaustion| (exhaustion.limit - 4e11).abs() < 1.0), "{open:?}");
    let alone = run(&mut within(Some(3_600)), &of[1..], 0..2_400, |number| vec![4e11 * fills(number)]);
    assert_eq!(alone, Vec::new());
}

#[test]
fn what_is_about_to_be_full_is_a_symptom_only_where_a_rule_asks_for_it() {
    let opened = |time| run(&mut within(time), &disk(), 0..2_500, |number| vec![fills(number)]);
    assert_eq!(opened(None), Vec::new());
    for time in [1_800, 3_600] {
        let told = opened(Some(time));
        let open = told.first().expect("it fills");
        let latest = open.exhaustion.expect("it is said when").latest.since(open.at).as_seconds();
        let left = start(2_600).since(open.at).as_seconds();
        assert!(left <= time as f64 && left > 0.6 * time as f64, "{left} of {time}");
        assert!(latest <= time as f64 && open.p_value < 1e-6, "{latest} {open:?}");
        assert_eq!(
            open.detectors.iter().map(|one| one.detector.as_str()).collect::<Vec<_>>()[0],
            "exhaustion"
        );
    }
}

#[test]
fn what_people_called_noise_is_not_told_again() {
    let Series { domain, entity, signal, attributes, .. } = disk().remove(0);
    let key = Snapshot::judgement_key(&domain, &entity, None, &signal, &attributes);
    let noise = Judgement { right: 0, noise: 1 };
    let known = Snapshot { judgements: [(key, noise)].into(), ..Snapshot::default() };
    let told = |known: &Snapshot| {
        run_knowing(&mut within(Some(3_600)), &disk(), 0..2_500, |number| vec![fills(number)], known)
    };
    assert!(!told(&Snapshot::default()).is_empty());
    assert_eq!(told(&known), Vec::new());
}

/// It is full for two hours, which makes other levels the new normal, and then somebody makes room.
#[test]
fn what_is_full_stays_a_symptom_until_there_is_room() {
    let level = |number: u64| match number {
        0..4_000 => fills(number).min(1.0),
        _ => 0.3 + 0.004 * noise(1, number),
    };
    let told = run(&mut within(Some(1_800)), &disk(), 0..4_020, |number| vec![level(number)]);
    let phases: Vec<SymptomPhase> = told.iter().map(|symptom| symptom.phase).collect();
    assert_eq!((phases.first(), phases.last()), (Some(&SymptomPhase::Open), Some(&SymptomPhase::Close)));
    assert!(told.iter().all(|symptom| symptom.id == told[0].id), "{phases:?}");
    assert_eq!(told.last().map(|symptom| symptom.end), Some(Some(start(4_000))));
}

#[test]
fn noise_is_never_about_to_be_full() {
    for seed in 0..20 {
        for level in [0.5, 0.97] {
            let value = |number| vec![level + 0.02 * noise(seed, number)];
            assert_eq!(
                run(&mut within(Some(86_400)), &disk(), 0..1_500, value),
                Vec::new(),
                "{seed} {level}"
            );
        }
    }
}

#[test]
fn saved_and_restored_is_never_stopped() {
    let values = |number| vec![fills(number)];
    let expected = run(&mut within(Some(3_600)), &disk(), 0..2_600, values);
    assert!(!expected.is_empty());
    let opened = (expected[0].at.0 / STEP.0).cast_unsigned();
    for stop in [900, opened - 3, opened + 1] {
        let mut first = within(Some(3_600));
        let mut found = run(&mut first, &disk(), 0..stop, values);
        let mut second = within(Some(3_600));
        second.restore(&first.snapshot().unwrap()).unwrap();
        found.extend(run(&mut second, &disk(), stop..2_600, values));
        assert_eq!(found, expected, "{stop}");
    }
}

#[test]
fn a_rule_that_makes_no_sense_is_told_with_the_mend() {
    let problems = |rule| Settings { rules: vec![rule], ..Settings::default() }.problems();
    for seconds in [0, -5, 8 * 86_400] {
        let exhausted_within = Some(Interval::from_seconds(seconds));
        let found = problems(Rule { exhausted_within, ..Rule::default() });
        assert!(found.len() == 1 && found[0].contains("longer than nothing, up to 7d"), "{found:?}");
    }
    let exhausted_within = Some(Interval::from_seconds(3_600));
    let found = problems(Rule { exhausted_within, matters: Matters::Nothing, ..Rule::default() });
    assert!(found.len() == 1 && found[0].contains("`matters: nothing`"), "{found:?}");
    assert_eq!(problems(Rule { exhausted_within, ..Rule::default() }), Vec::<String>::new());
}
