//! The life of symptoms: a shift, a spike, silence, and going on after a restart.

use theriac_contract::{
    Checkpointed, Direction, Entity, Interval, Series, SignalKind, Symptom, SymptomPhase, Tick, Timestamp,
};
use theriac_detect::{Detect, Settings};

const STEP: Interval = Interval::from_seconds(5);

fn series(signal: &str) -> Series {
    let entity = Entity("cart/cart-1".to_owned());
    Series {
        key: Series::key_of("test", &entity, None, signal, "{}"),
        entity,
        peer: None,
        signal: signal.to_owned(),
        kind: SignalKind::Metric,
        unit: String::new(),
        attributes: "{}".to_owned(),
        domain: "test".to_owned(),
    }
}

fn start(number: u64) -> Timestamp {
    Timestamp(0).plus(Interval(STEP.0 * number.cast_signed()))
}

fn tick(number: u64, signals: &[&str], values: Vec<f64>) -> Tick {
    let opened = if number == 0 { signals.iter().map(|signal| series(signal)).collect() } else { Vec::new() };
    Tick {
        number,
        start: start(number),
        step: STEP,
        values,
        opened,
        edges: Vec::new(),
        changes: Vec::new(),
        examples: Vec::new(),
    }
}

/// Noise without structure, the same every time: the golden ratio's multiples, centred.
fn noise(number: u64) -> f64 {
    (number as f64 * 0.618_033_988_749_895).fract() - 0.5
}

fn run(
    detect: &mut Detect,
    signals: &[&str],
    ticks: std::ops::Range<u64>,
    value: impl Fn(u64, usize) -> f64,
) -> Vec<Symptom> {
    ticks
        .flat_map(|number| {
            let values = (0..signals.len()).map(|index| value(number, index)).collect();
            detect.step(&tick(number, signals, values), 0)
        })
        .collect()
}

const MEMORY: &[&str] = &["process.memory.usage"];

#[test]
fn a_shift_is_a_symptom_from_its_first_tick_on_until_it_is_back() {
    let mut detect = Detect::new(Settings::default());
    let level = |number, _| if (400..440).contains(&number) { 200.0 } else { 100.0 } + noise(number);
    let told = run(&mut detect, MEMORY, 0..480, level);
    let first = &told[0];
    assert_eq!((first.phase, first.direction), (SymptomPhase::Open, Direction::Up));
    assert_eq!(first.onset, start(400));
    assert!(first.at <= start(403));
    let last = told.last().unwrap();
    assert_eq!((last.phase, last.end), (SymptomPhase::Close, Some(start(440))));
    assert!(told.iter().all(|symptom| symptom.id == first.id));
}

#[test]
fn a_level_that_stays_is_ordinary_and_so_is_a_small_shift() {
    let mut detect = Detect::new(Settings::default());
    let level = |number, _| if number < 400 { 100.0 } else { 103.0 } + noise(number);
    assert_eq!(run(&mut detect, MEMORY, 0..600, level), Vec::new());
}

#[test]
fn silence_of_a_gauge_is_a_symptom_and_of_what_requests_make_is_none() {
    let signals: &[&str] = &["process.memory.usage", "http.server.request.duration.mean"];
    for (silent, expected) in [(0, true), (1, false)] {
        let mut detect = Detect::new(Settings::default());
        let value = |number, index| match index {
            _ if index == silent && number >= 400 => f64::NAN,
            _ => 100.0 + noise(number),
        };
        let told = run(&mut detect, signals, 0..440, value);
        assert_eq!(told.iter().any(|symptom| symptom.observed.is_none()), expected, "{told:?}");
    }
}

#[test]
fn slow_calls_are_over_when_none_are_made_and_the_service_still_speaks() {
    let signals: &[&str] = &["process.memory.usage", "http.client.request.duration.mean"];
    let mut detect = Detect::new(Settings::default());
    let value = |number, index| match (index, number) {
        (1, 400..410) => 900.0,
        (1, 410..) => f64::NAN,
        _ => 100.0 + noise(number),
    };
    let told = run(&mut detect, signals, 0..440, value);
    assert_eq!(told.last().map(|symptom| symptom.phase), Some(SymptomPhase::Close));
}

#[test]
fn saved_and_restored_is_never_stopped() {
    let signals: &[&str] = &["process.memory.usage", "container.restarts.rate", "log.severity.error"];
    let value = |number, index| match (index, number) {
        (0, 300..340) => 180.0 + noise(number),
        (0, _) => 100.0 + noise(number),
        (1, 310 | 313 | 318) => 0.2,
        (2, 305..320) => 12.0,
        _ => 0.0,
    };
    let mut whole = Detect::new(Settings::default());
    let expected = run(&mut whole, signals, 0..400, value);
    assert!(expected.len() >= 6, "{expected:?}");
    for cut in [1, 150, 302, 315, 339] {
        let mut first = Detect::new(Settings::default());
        let mut told = run(&mut first, signals, 0..cut, value);
        let saved = first.snapshot().unwrap();
        let mut second = Detect::new(Settings::default());
        second.restore(&saved).unwrap();
        assert_eq!(second.snapshot().unwrap(), saved);
        told.extend(run(&mut second, signals, cut..400, value));
        assert_eq!(serde_json::to_string(&told).unwrap(), serde_json::to_string(&expected).unwrap(), "{cut}");
    }
}
