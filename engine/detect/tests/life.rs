//! The life of symptoms: a shift, a spike, silence, and going on after a restart.

use theriac_contract::{
    Checkpointed, Direction, Entity, Interval, Judgement, Series, SeriesId, SignalKind, Snapshot, Symptom,
    SymptomPhase, Tick, Timestamp, frame::Example,
};
use theriac_detect::{Detect, EntitySettings, Settings};
use theriac_detectors::{
    multivariate::{correlation::CorrelationSettings, mahalanobis::MahalanobisSettings},
    peers::PeerSettings,
};

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

fn of_replica(signal: &str, replica: u64) -> Series {
    let entity = Entity(format!("cart/cart-{replica}"));
    let key = Series::key_of("test", &entity, None, signal, "{}");
    Series { key, entity, ..series(signal) }
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
        replaced: Vec::new(),
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
            detect.step(&tick(number, signals, values), &Snapshot::default())
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
fn what_an_incident_shows_is_not_learnt() {
    let mut detect = Detect::new(Settings::default());
    // Fifty minutes, less than makes a level the new normal.
    let level = |number, _| if (400..1_000).contains(&number) { 200.0 } else { 100.0 } + noise(number);
    let told = run(&mut detect, MEMORY, 0..1_040, level);
    let last = told.last().unwrap();
    assert_eq!((last.phase, last.end), (SymptomPhase::Close, Some(start(1_000))));
    assert!(told.iter().all(|symptom| symptom.id == last.id && symptom.onset == start(400)));
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

/// Series of a replica that comes at tick 300, and jumps at tick 320.
fn told_of_a_new_replica(level: f64, settings: Settings) -> (Vec<Symptom>, u64) {
    let mut detect = Detect::new(settings);
    let mut told = Vec::new();
    for number in 0..340 {
        let mut tick = tick(number, MEMORY, vec![100.0 + noise(number)]);
        if number >= 300 {
            tick.values.push(level + noise(7 * number) + if number < 320 { 0.0 } else { 60.0 });
        }
        if number == 300 {
            let entity = Entity("cart/cart-2".to_owned());
            let key = Series::key_of("test", &entity, None, MEMORY[0], "{}");
            tick.opened = vec![Series { key, entity, ..series(MEMORY[0]) }];
        }
        told.extend(detect.step(&tick, &Snapshot::default()));
    }
    (told, detect.counts().begun_like_siblings)
}

#[test]
fn a_new_replica_is_known_by_its_siblings_if_it_is_like_them() {
    let (told, begun) = told_of_a_new_replica(100.0, Settings::default());
    assert_eq!(begun, 1);
    assert_eq!(told.first().map(|symptom| symptom.entity.0.as_str()), Some("cart/cart-2"));
    assert!(told[0].onset == start(320) && told[0].at <= start(324), "{:?}", told[0]);
    let (told, begun) = told_of_a_new_replica(140.0, Settings::default());
    assert_eq!((told, begun), (Vec::new(), 0), "another level is learnt from nothing");
    let sharded = Settings { false_share_series: 1_000, ..Settings::default() };
    assert_eq!(told_of_a_new_replica(100.0, sharded), (Vec::new(), 0));
}

/// Metrics of one host: each moves with the load, and says nothing by itself.
fn load(number: u64, index: usize) -> f64 {
    let load = 50.0 + 20.0 * libm::sin(number as f64 / 9.0) + 12.0 * libm::sin(number as f64 / 23.0);
    load * (1.0 + index as f64) + noise(number * (3 + index as u64))
}

#[test]
fn metrics_that_no_longer_move_together_are_seen_though_each_is_where_it_often_was() {
    let signals: &[&str] = &["a.value", "b.value", "c.value", "d.value", "e.value"];
    // Two of five mirror the load; none leaves its range.
    let value = |number: u64, index: usize| match (index, number) {
        (3 | 4, 900..) => 100.0 * (1.0 + index as f64) - load(number, index),
        _ => load(number, index),
    };
    let mut detect = Detect::new(Settings::default());
    let (mut worst, mut edges) = ([(1.0_f64, 0.0_f64); 2], Vec::new());
    for number in 0..1_000 {
        run(&mut detect, signals, number..number + 1, value);
        let readings: Vec<_> = detect.entity_readings().collect();
        let [(entity, reading)] = readings[..] else { panic!("one entity is judged as a whole") };
        assert_eq!(entity.0, "cart/cart-1");
        edges.extend(reading.edge.then_some(number));
        let worst = &mut worst[usize::from(number >= 900)];
        *worst = (worst.0.min(reading.p_value), worst.1.max(reading.lasting));
    }
    assert!(matches!(edges[..], [900..=910]), "one anomaly has one edge: {edges:?}");
    let [before, after] = worst;
    assert!(before.0 > 1e-3 && after.0 < 1e-4, "{worst:?}");
    assert!(after.1 > 2.0 * before.1, "{worst:?}");

    // Saved and restored in the middle is never stopped, whatever models there are.
    let all = EntitySettings {
        mahalanobis: Some(MahalanobisSettings::default()),
        correlation: Some(CorrelationSettings::default()),
        ..EntitySettings::default()
    };
    let all = Settings { entities: all, ..Settings::default() };
    let readings = |stop: u64| {
        let mut detect = Detect::new(all.clone());
        run(&mut detect, signals, 0..stop, value);
        let saved = detect.snapshot().unwrap();
        let mut restored = Detect::new(all.clone());
        restored.restore(&saved).unwrap();
        assert_eq!(restored.snapshot().unwrap(), saved);
        run(&mut restored, signals, stop..920, value);
        restored.entity_readings().map(|(_, reading)| reading.p_value.to_bits()).collect::<Vec<u64>>()
    };
    let whole = readings(919);
    assert_eq!(whole.len(), 1);
    assert!([3, 300, 600, 905].into_iter().all(|stop| readings(stop) == whole));

    let entities = EntitySettings { at_most: 0, ..EntitySettings::default() };
    let settings = Settings { entities, ..Settings::default() };
    let mut alone = Detect::new(settings);
    run(&mut alone, signals, 0..1, value);
    assert_eq!((alone.entity_readings().count(), alone.counts().alone), (0, 5));
}

#[test]
fn what_people_called_noise_must_be_rarer_and_what_was_right_need_not() {
    let level = |number: u64| if number >= 400 { 112.0 } else { 100.0 } + 10.0 * noise(number);
    let opened = |noise: u32, right: u32| {
        let mut known = Snapshot { version: 7, ..Snapshot::default() };
        let Series { domain, entity, .. } = series(MEMORY[0]);
        let key = Snapshot::judgement_key(&domain, &entity, None, MEMORY[0], "{}");
        known.judgements.insert(key, Judgement { right, noise });
        let mut detect = Detect::new(Settings::default());
        let ticks = (0..460).map(|number| tick(number, MEMORY, vec![level(number)]));
        let told: Vec<Symptom> = ticks.flat_map(|tick| detect.step(&tick, &known)).collect();
        assert!(told.iter().all(|symptom| symptom.knowledge_version == 7));
        told.first().map(|symptom| symptom.at)
    };
    let at = opened(0, 0).expect("a shift of more than the range is a symptom");
    assert!(opened(3, 0).is_none_or(|later| later > at), "{at:?} {:?}", opened(3, 0));
    assert_eq!(opened(3, 6), Some(at));
    assert_eq!(opened(0, 9), Some(at), "praise makes nothing laxer");

    // What is said of one domain, or of calls to one peer, holds for no other.
    let cart = series(MEMORY[0]);
    let key = Snapshot::judgement_key(&cart.domain, &cart.entity, None, MEMORY[0], "{}");
    let noise = Judgement { right: 0, noise: 1 };
    let known = Snapshot { judgements: [(key, noise)].into(), ..Snapshot::default() };
    let another = of_replica(MEMORY[0], 7);
    let elsewhere = Series { domain: "elsewhere".to_owned(), ..cart.clone() };
    let call = Series { peer: Some(Entity("bank".to_owned())), ..cart.clone() };
    let said = [cart, another, elsewhere, call].map(|series| known.judgement(&series));
    assert_eq!(said, [noise, noise, Judgement::default(), Judgement::default()]);
}

#[test]
fn a_replica_that_leaves_the_others_is_seen_though_its_values_are_ordinary() {
    // All go up and down with a load that nobody can foresee; one of five stays where it is, which
    // is where it often was.
    let load = |number: u64| 100.0 * (1.0 + noise(number / 7 + 13));
    let value = |number: u64, replica: u64| {
        let stays = replica == 3 && (700..760).contains(&number);
        load(if stays { 700 } else { number }) + noise(number * 5 + replica)
    };
    let fleet = |number: u64| {
        let values = (0..5).map(|replica| value(number, replica)).collect();
        let mut tick = tick(number, &[], values);
        if number == 0 {
            tick.opened = (0..5).map(|replica| of_replica(MEMORY[0], replica)).collect();
        }
        tick
    };
    let run = |peers: Option<PeerSettings>, stop: u64| {
        let settings = Settings { peers, ..Settings::default() };
        let mut detect = Detect::new(settings.clone());
        let mut told = Vec::new();
        for number in 0..780 {
            if number == stop {
                let saved = detect.snapshot().unwrap();
                detect = Detect::new(settings.clone());
                detect.restore(&saved).unwrap();
            }
            told.extend(detect.step(&fleet(number), &Snapshot::default()));
        }
        told
    };
    let told = run(Some(PeerSettings::default()), 0);
    let first = told.first().expect("a symptom");
    assert_eq!(first.entity.0, "cart/cart-3");
    assert!(first.onset >= start(700) && first.at < start(740), "{first:?}");
    assert!(first.detectors.iter().any(|score| score.detector == "peers"), "{first:?}");
    assert!(first.explanation.contains("unlike the other replicas"), "{}", first.explanation);
    assert!(run(None, 0).is_empty(), "nobody else sees it");
    for stop in [3, 400, 705, 720] {
        assert_eq!(run(Some(PeerSettings::default()), stop), told, "restored at {stop}");
    }
}

/// The log of one entity: its lines in each tick, of which the first series counts all, and the
/// others those of one template each.
fn log_lines(ticks: std::ops::Range<u64>, lines: impl Fn(u64) -> [f64; 2]) -> Vec<Symptom> {
    let template = |text: &str| {
        let attributes = format!(r#"{{"severity":"info","template":"{text}"}}"#);
        let plain = series("log.template");
        let key = Series::key_of("test", &plain.entity, None, "log.template", &attributes);
        Series { key, attributes, kind: SignalKind::Log, ..plain }
    };
    let all = Series { kind: SignalKind::Log, ..series("log.count") };
    let elsewhere = Series { kind: SignalKind::Log, ..of_replica("log.count", 2) };
    let mut detect = Detect::new(Settings::default());
    let mut told = Vec::new();
    for number in ticks {
        let of_templates = lines(number);
        let values = vec![of_templates.iter().sum(), of_templates[0], of_templates[1], requests(number + 7)];
        let example = |id: u32, text: &str| Example {
            series: vec![SeriesId(id)],
            at: start(number),
            text: text.to_owned(),
            usual: false,
            who: None,
        };
        let shown = [(1, "cleaned 3 carts"), (2, "served 7")];
        let shown = shown.iter().filter(|(id, _)| values[*id as usize] > 0.0);
        let tick = Tick {
            opened: if number == 0 {
                vec![all.clone(), template("cleaned <*> carts"), template("served <*>"), elsewhere.clone()]
            } else {
                Vec::new()
            },
            examples: shown.map(|(id, text)| example(*id, text)).collect(),
            ..tick(number, &[], values)
        };
        told.extend(detect.step(&tick, &Snapshot::default()));
    }
    told
}

/// Lines of requests: some 20 in a tick.
fn requests(number: u64) -> f64 {
    (20.0 + 8.0 * noise(number)).round()
}

#[test]
fn a_line_that_came_every_half_minute_is_missed_and_shown() {
    let told = log_lines(0..900, |number| {
        [if number < 600 && number % 6 == 0 { 1.0 } else { 0.0 }, requests(number)]
    });
    let first = &told[0];
    assert_eq!((first.phase, first.direction), (SymptomPhase::Open, Direction::Down));
    assert!(first.attributes.contains("cleaned"), "{first:?}");
    assert_eq!(first.detectors[0].detector, "absence");
    assert_eq!(first.examples, ["before: cleaned 3 carts"]);
    let minutes = first.at.since(start(600)).as_seconds() / 60.0;
    assert!((4.0..20.0).contains(&minutes), "missed after {minutes} minutes");
    assert!(told.iter().all(|symptom| symptom.id == first.id), "it is one symptom");
}

#[test]
fn lines_that_crowd_out_the_others_are_told_and_more_load_is_not() {
    let busy = |number| if (500..520).contains(&number) { 4.0 } else { 1.0 };
    let told = log_lines(0..900, |number| [busy(number) * 2.0, busy(number) * requests(number)]);
    assert!(told.is_empty(), "{told:?}");
    let told =
        log_lines(0..900, |number| [if (500..520).contains(&number) { 60.0 } else { 2.0 }, requests(number)]);
    let first = &told[0];
    assert_eq!((first.phase, first.direction, first.onset), (SymptomPhase::Open, Direction::Up, start(500)));
    assert!(first.attributes.contains("cleaned"), "{first:?}");
}

#[test]
fn an_entity_that_says_nothing_any_more_is_one_symptom_not_one_for_each_template() {
    let told = log_lines(0..900, |number| if number < 600 { [2.0, requests(number)] } else { [0.0, 0.0] });
    assert_eq!((told[0].phase, told[0].signal.as_str()), (SymptomPhase::Open, "log.count"));
    assert!(told.iter().all(|symptom| symptom.id == told[0].id), "it is one symptom");
}
