//! The least traffic that a value needs: what few requests say is no symptom, what many say is.

use theriac_contract::{
    Checkpointed, Entity, Interval, Series, SignalKind, Snapshot, Symptom, SymptomPhase, Tick, Timestamp,
};
use theriac_detect::{
    Detect, Settings,
    rules::{Matters, Rule},
};

const STEP: Interval = Interval::from_seconds(5);
const LEAST: f64 = 20.0;

fn series(signal: &str, kind: SignalKind) -> Series {
    let (entity, attributes) = (Entity("cart/cart-1".to_owned()), "{\"operation\":\"checkout\"}");
    Series {
        key: Series::key_of("test", &entity, None, signal, attributes),
        entity,
        peer: None,
        signal: signal.to_owned(),
        kind,
        unit: String::new(),
        attributes: attributes.to_owned(),
        domain: "test".to_owned(),
    }
}

fn tick(number: u64, values: Vec<f64>) -> Tick {
    let signals = [("span.count", SignalKind::Trace), ("span.duration.p95", SignalKind::Trace)];
    let opened = signals.map(|(signal, kind)| series(signal, kind)).to_vec();
    Tick {
        number,
        start: Timestamp(STEP.0 * number.cast_signed()),
        step: STEP,
        values,
        opened: if number == 0 { opened } else { Vec::new() },
        ..Tick::default()
    }
}

/// Noise without structure, the same every time: the golden ratio's multiples, centred.
fn noise(number: u64) -> f64 {
    (number as f64 * 0.618_033_988_749_895).fract() - 0.5
}

fn with_rule(traffic_min: f64) -> Detect {
    let latency = Rule { signal: "duration.p95".to_owned(), silence: false, traffic_min, ..Rule::default() };
    // How many requests there are is not what is judged here.
    let load = Rule { signal: "span.count".to_owned(), matters: Matters::Nothing, ..Rule::default() };
    Detect::new(Settings { rules: vec![latency, load], ..Settings::default() })
}

/// Requests and their latency at a tick.
type Load = fn(u64) -> [f64; 2];

fn run(detect: &mut Detect, ticks: std::ops::Range<u64>, load: Load) -> Vec<Symptom> {
    ticks.flat_map(|number| detect.step(&tick(number, load(number).to_vec()), &Snapshot::default())).collect()
}

fn usual(number: u64) -> [f64; 2] {
    [60.0 + 4.0 * noise(number), 0.1 + 0.01 * noise(number)]
}

/// A quiet minute: few requests, and slow ones among them.
fn thin_and_slow(number: u64) -> [f64; 2] {
    if (400..412).contains(&number) { [2.0, 3.0] } else { usual(number) }
}

/// The same latencies with all the requests.
fn slow(number: u64) -> [f64; 2] {
    if (400..412).contains(&number) { [usual(number)[0], 3.0] } else { usual(number) }
}

#[test]
fn few_slow_requests_are_a_symptom_only_where_no_rule_asks_for_more() {
    let opened = |traffic_min| run(&mut with_rule(traffic_min), 0..440, thin_and_slow);
    assert!(opened(0.0).iter().any(|symptom| symptom.signal == "span.duration.p95"));
    assert_eq!(opened(LEAST), Vec::new());
}

#[test]
fn many_slow_requests_are_told_as_without_the_rule() {
    let without = run(&mut with_rule(0.0), 0..440, slow);
    assert!(without.iter().any(|symptom| symptom.phase == SymptomPhase::Close), "{without:?}");
    assert_eq!(run(&mut with_rule(LEAST), 0..440, slow), without);
}

/// One request in two ticks, all of them slow, and then a fault: had they been learnt it would be no news.
#[test]
fn what_few_requests_say_is_not_learnt() {
    let night: Load = |number| match number {
        200..700 if number % 2 == 0 => [1.0, 3.0],
        800..812 => [60.0, 3.0],
        _ => usual(number),
    };
    let told = run(&mut with_rule(LEAST), 0..820, night);
    let onset = told.first().map(|symptom| symptom.onset);
    assert_eq!(onset, Some(Timestamp(800 * STEP.0)), "{told:?}");
}

/// Nothing that is told of a series at any tick depends on what few requests said.
#[test]
fn what_few_requests_say_changes_nothing() {
    let load = |number: u64, few: f64| match number {
        200..700 if number.is_multiple_of(2) => vec![1.0, few],
        720..724 => vec![60.0, 0.13],
        _ => usual(number).to_vec(),
    };
    let (mut one, mut other) = (with_rule(LEAST), with_rule(LEAST));
    for number in 0..760 {
        let told = one.step(&tick(number, load(number, 3.0)), &Snapshot::default());
        assert_eq!(told, other.step(&tick(number, load(number, 0.1)), &Snapshot::default()));
        let readings = |detect: &Detect| format!("{:?}", detect.readings());
        assert_eq!(readings(&one), readings(&other), "{number}");
    }
}

/// A gauge that few requests keep from being judged is no gauge that pauses.
#[test]
fn what_is_not_judged_is_no_silence_to_get_used_to() {
    let told = [0.0, LEAST].map(|traffic_min| {
        let latency = Rule {
            signal: "duration.p95".to_owned(),
            matters: Matters::Both,
            effect_min: 1e300,
            traffic_min,
            ..Rule::default()
        };
        let load = Rule { signal: "span.count".to_owned(), matters: Matters::Nothing, ..Rule::default() };
        let mut detect = Detect::new(Settings { rules: vec![latency, load], ..Settings::default() });
        let few_then_silent: Load = |number| match number {
            700.. => [60.0, f64::NAN],
            _ if number % 8 == 0 => usual(number),
            _ => [1.0, usual(number)[1]],
        };
        run(&mut detect, 0..860, few_then_silent)
    });
    assert!(told.iter().flatten().all(|symptom| symptom.observed.is_none()), "{told:?}");
    let [all, thick] = told.map(|told| told.first().expect("it is silent").onset);
    // It has seen an eighth of what the other has, and is less sure.
    assert!(thick.since(all) <= Interval::from_seconds(120), "{thick} {all}");
}

#[test]
fn thin_traffic_neither_holds_a_symptom_open_nor_says_that_it_is_over() {
    let slow_and_left: Load = |number| match number {
        400..410 => [60.0, 3.0],
        // Whoever is left is served well, or nobody is: both says nothing.
        410.. if number % 2 == 0 => [1.0, 0.1],
        410.. => [0.0, f64::NAN],
        _ => usual(number),
    };
    let told = run(&mut with_rule(LEAST), 0..480, slow_and_left);
    let phases: Vec<SymptomPhase> = told.iter().map(|symptom| symptom.phase).collect();
    assert_eq!((phases.first(), phases.last()), (Some(&SymptomPhase::Open), Some(&SymptomPhase::Lost)));
    let lost = told.last().map(|symptom| symptom.at);
    assert_eq!(lost, Some(Timestamp(410 * STEP.0).plus(Settings::default().lost_after)));
}

#[test]
fn saved_and_restored_is_never_stopped() {
    let night: Load = |number| match number {
        290..330 if number % 3 != 0 => [2.0, 3.0],
        350..360 => [60.0, 2.0],
        _ => usual(number),
    };
    let mut whole = with_rule(LEAST);
    let expected = run(&mut whole, 0..400, night);
    assert!(!expected.is_empty());
    let mut first = with_rule(LEAST);
    let mut found = run(&mut first, 0..311, night);
    let mut second = with_rule(LEAST);
    second.restore(&first.snapshot().unwrap()).unwrap();
    found.extend(run(&mut second, 311..400, night));
    assert_eq!(found, expected);
}

#[test]
fn a_rule_that_makes_no_sense_is_told_with_the_mend() {
    let problems = |rule| Settings { rules: vec![Rule::default(), rule], ..Settings::default() }.problems();
    for nonsense in [-1.0, f64::NAN, f64::INFINITY] {
        let found = problems(Rule { signal: "p95".to_owned(), traffic_min: nonsense, ..Rule::default() });
        let expected = format!("`detect.rules[1]` (p95): `traffic_min` is {nonsense}; write 0 or more");
        assert_eq!(found, [expected]);
        assert_eq!(problems(Rule { effect_min: nonsense, ..Rule::default() }).len(), 1);
        assert_eq!(problems(Rule { effect_share_min: nonsense, ..Rule::default() }).len(), 1);
    }
    let found = problems(Rule { traffic: "requests.rate".to_owned(), ..Rule::default() });
    assert!(found.len() == 1 && found[0].contains("`traffic_min` is 0"), "{found:?}");
    let found = problems(Rule { rare: true, traffic_min: 1.0, ..Rule::default() });
    assert!(found.len() == 1 && found[0].contains("`rare`"), "{found:?}");
    assert_eq!(problems(Rule { traffic_min: 20.0, ..Rule::default() }), Vec::<String>::new());
}
