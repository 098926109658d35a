//! What was weighed before and is not weighed again is as it would be now: a stage that remembers tells, over
//! random streams, what one tells that begins at each step with the state alone.

mod scripts;

use proptest::prelude::*;
use scripts::{at, closed, deploy, entity, replicas, restart, shop, symptom};
use theriac_contract::{
    Change, Checkpointed, Direction, Distrust, EdgeKey, EdgeKind, Entity, Id, Incident, Interval, Precedent,
    Snapshot, Symptom, SymptomPhase,
};
use theriac_diagnose::{Diagnose, Settings};

const PLACES: [&str; 21] = [
    "cart/cart-1",
    "cart/cart-2",
    "cart",
    "shop/shop-1",
    "shop",
    "gateway/gateway-1",
    "payment/payment-2",
    "ledger",
    "shop->cart",
    "shop->cart/cart-1",
    "gateway->shop",
    "cart->ledger",
    "probe->cart/cart-2",
    "host:node-1",
    "host:node-2",
    "catalog/catalog-3",
    "ledger/ledger-1",
    "ledger/ledger-2",
    "catalog/catalog-1",
    "zone:a->zone:b",
    "zone:b->zone:a",
];

const SIGNALS: [&str; 29] = [
    "http.server.request.duration.p95",
    "span.error_ratio",
    "edge.error_ratio",
    "edge.duration.p95",
    "edge.gap.mean",
    "edge.gap.p95",
    "edge.calls_per_request",
    "span.self_time.mean",
    "span.count",
    "process.cpu.utilization",
    "process.memory.usage",
    "process.uptime",
    "queue.length",
    "http.server.active_requests",
    "db.locks.waiting",
    "db.client.connection.pending_requests",
    "db.replication.lag",
    "messaging.consumer.lag",
    "business.mismatch",
    "health.status",
    "system.network.retransmit.share",
    "system.filesystem.utilization",
    "system.clock.offset",
    "cache.misses.rate",
    "log.severity.error",
    "log.template.new",
    "span.asker.excess",
    "zone.calls.missed",
    "zone.calls.held_up",
];

/// Signals that are read together, since what rests on two of them meets rarely among all.
const THEMES: [&[&str]; 6] = [
    &SIGNALS,
    &["messaging.consumer.lag", "span.error_ratio", "edge.error_ratio"],
    &["edge.gap.mean", "edge.gap.p95", "system.network.retransmit.share", "span.self_time.mean"],
    &["http.server.request.duration.p95", "edge.duration.p95"],
    &["zone.calls.missed", "zone.calls.held_up", "edge.gap.mean", "span.error_ratio"],
    &["process.uptime", "http.server.request.duration.p95", "edge.calls_per_request", "span.count"],
];

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// A symptom of a place and a signal: digits of surprise, direction, whether it is silence.
    Begins(usize, usize, u8, bool, bool),
    /// The symptom of a number so far becomes worse.
    Worsens(usize, u8),
    Ends(usize, bool),
    Changed(usize, usize),
    /// A change of a number so far is taken back.
    TakenBack(usize),
    Called(usize, usize),
    CallsEnd(usize, usize),
    Counted(usize, u8),
    Found(usize),
    Distrusted(usize),
    TrustedAgain,
    Confirmed(usize, usize),
    Nothing,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let number = || 0..1_000_usize;
    let one = prop_oneof![
        10 => (number(), number(), 2..30_u8, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(place, signal, digits, up, silent)| Event::Begins(place, signal, digits, up, silent)),
        2 => (number(), 2..40_u8).prop_map(|(which, digits)| Event::Worsens(which, digits)),
        2 => (number(), any::<bool>()).prop_map(|(which, lost)| Event::Ends(which, lost)),
        2 => (number(), number()).prop_map(|(kind, place)| Event::Changed(kind, place)),
        2 => number().prop_map(Event::TakenBack),
        1 => (number(), number()).prop_map(|(from, to)| Event::Called(from, to)),
        1 => (number(), number()).prop_map(|(from, to)| Event::CallsEnd(from, to)),
        4 => (number(), prop::sample::select(vec![1_u8, 20]))
            .prop_map(|(which, calls)| Event::Counted(which, calls)),
        1 => number().prop_map(Event::Found),
        1 => number().prop_map(Event::Distrusted),
        1 => Just(Event::TrustedAgain),
        1 => (number(), number()).prop_map(|(place, fault)| Event::Confirmed(place, fault)),
        6 => Just(Event::Nothing),
    ];
    prop::collection::vec(one, 1..120)
}

/// The world in which it happens.
struct World {
    signals: &'static [&'static str],
    known: Snapshot,
    symptoms: Vec<Symptom>,
}

const SERVICES: [&str; 6] = ["gateway", "shop", "cart", "catalog", "payment", "ledger"];

impl World {
    fn new(theme: usize) -> Self {
        let mut known = shop();
        for (host, zone) in [("host:node-1", "zone:a"), ("host:node-2", "zone:a"), ("host:node-3", "zone:b")]
        {
            known.topology.connect(&entity(host), &entity(zone), EdgeKind::RunsOn);
        }
        Self { signals: THEMES[theme], known, symptoms: Vec::new() }
    }

    /// What an event at so many seconds leads to: revisions of symptoms, and what is known then.
    fn take(&mut self, event: &Event, seconds: i64) -> Vec<Symptom> {
        let pick = |from: &[&str], number: usize| from[number % from.len()].to_owned();
        let known = &mut self.known;
        let topology = &mut known.topology;
        let now = at(seconds);
        let mut told = Vec::new();
        known.version += 1;
        match event {
            Event::Begins(place, signal, digits, up, silent) => {
                let (place, signal) = (pick(&PLACES, *place), pick(self.signals, *signal));
                let p_value = libm::pow(10.0, -f64::from(*digits));
                let mut symptom = symptom(&place, &signal, seconds - 10, p_value);
                symptom.direction = if *up { Direction::Up } else { Direction::Down };
                symptom.who = signal.contains("asker").then(|| entity("tenant-7"));
                if *silent {
                    (symptom.observed, symptom.direction) = (None, Direction::None);
                }
                if self.symptoms.iter().all(|other| other.id != symptom.id) {
                    self.symptoms.push(symptom.clone());
                    told.push(symptom);
                }
            }
            Event::Worsens(which, digits) if !self.symptoms.is_empty() => {
                let which = which % self.symptoms.len();
                let symptom = &mut self.symptoms[which];
                symptom.p_value *= libm::pow(10.0, -f64::from(*digits));
                symptom.revision += 1;
                symptom.observed = symptom.observed.map(|value| value + 1.0);
                told.push(symptom.clone());
            }
            Event::Ends(which, lost) if !self.symptoms.is_empty() => {
                let which = which % self.symptoms.len();
                let ended = closed(&self.symptoms[which], seconds);
                let phase = if *lost { SymptomPhase::Lost } else { ended.phase };
                self.symptoms[which] = Symptom { phase, ..ended };
                told.push(self.symptoms[which].clone());
            }
            Event::Changed(kind, place) => {
                let service = pick(&SERVICES, *place);
                let instance = format!("{service}/{service}-{}", 1 + place % 3);
                let of = |kind: &str, from: &str, to: &str| Change {
                    kind: kind.to_owned(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    ..deploy(&service, seconds)
                };
                let change = match kind % 6 {
                    0 => deploy(&service, seconds),
                    1 => of("configuration", "a", "b"),
                    2 => of("scaling", "3", "2"),
                    3 => of(Change::SCHEMA, "1", "2"),
                    4 => of(Change::CERTIFICATE, "old", "new"),
                    _ => restart(&instance, seconds),
                };
                note(known, change);
            }
            Event::TakenBack(which) if !known.changes.is_empty() => {
                let change = known.changes[which % known.changes.len()].clone();
                note(known, back(change, seconds));
            }
            Event::Called(from, to) => {
                let (from, to) = (entity(&pick(&SERVICES, *from)), entity(&pick(&SERVICES, *to)));
                topology.connect_at(now, &from, &to, EdgeKind::Calls);
            }
            Event::CallsEnd(from, to) => {
                let (from, to) = (entity(&pick(&SERVICES, *from)), entity(&pick(&SERVICES, *to)));
                topology.disconnect(now, &from, &to, EdgeKind::Calls);
            }
            Event::Counted(which, calls) => {
                let calls_of = |edge: &&EdgeKey| edge.2 == EdgeKind::Calls;
                let edges: Vec<EdgeKey> = topology.edges.iter().filter(calls_of).cloned().collect();
                if let Some((from, to, kind)) = edges.get(which % edges.len().max(1)) {
                    topology.measure(from, to, *kind, f64::from(*calls));
                }
            }
            Event::Found(place) => {
                let service = pick(&SERVICES, *place);
                topology.note(&Entity::instance(&service, &format!("{service}-{}", place % 7)));
            }
            Event::Distrusted(place) => {
                let place = entity(pick(&PLACES, *place).split("->").next().unwrap_or_default());
                let incident = Id("another".to_owned());
                let (signals, reason) = (std::collections::BTreeSet::new(), "why".to_owned());
                known.distrusted.insert(place, Distrust { since: now, signals, incident, reason });
            }
            Event::TrustedAgain => _ = known.distrusted.pop_first(),
            Event::Confirmed(place, fault) => {
                let mut shown: Vec<String> = ["self:errors:up", "caller:errors:up", "self:latency:up"]
                    .map(str::to_owned)
                    .into_iter()
                    .take(1 + fault % 3)
                    .collect();
                shown.sort();
                known.precedents.push(Precedent {
                    incident: Id(format!("incident-{seconds}")),
                    cause: entity(&pick(&SERVICES, *place)),
                    fault: pick(&["error_burst", "bad_deploy", "hang"], *fault),
                    shown,
                });
            }
            Event::Worsens(..) | Event::Ends(..) | Event::TakenBack(..) | Event::Nothing => {}
        }
        told
    }
}

/// What takes a change back.
fn back(change: Change, seconds: i64) -> Change {
    Change { at: at(seconds), from: change.to, to: change.from, ..change }
}

fn note(known: &mut Snapshot, change: Change) {
    if let Err(place) = known.changes.binary_search(&change) {
        known.changes.insert(place, change);
    }
}

fn text(incidents: &[Incident]) -> String {
    serde_json::to_string(incidents).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn who_remembers_tells_what_who_begins_anew_tells(events in events(), kind in 0..3_usize, theme in 0..THEMES.len()) {
        // Some settings make more of few symptoms.
        let settings = match kind {
            0 => Settings::default(),
            1 => Settings { evidence_digits: 3.0, revise_every: Interval::from_seconds(10), ..Settings::default() },
            _ => Settings { symptoms_max: 12, suspects_max: 5, evidence_digits: 3.0, ..Settings::default() },
        };
        let mut world = World::new(theme);
        let mut remembers = Diagnose::new(settings.clone());
        for (tick, events) in (6_i64..).zip(events.chunks(2)) {
            let seconds = tick * 10;
            let told: Vec<Symptom> =
                events.iter().flat_map(|event| world.take(event, seconds)).collect();
            let mut anew = Diagnose::new(settings.clone());
            anew.restore(&remembers.snapshot().unwrap()).unwrap();
            let expected = anew.step(at(seconds), &told, &world.known);
            let got = remembers.step(at(seconds), &told, &world.known);
            prop_assert_eq!(text(&got), text(&expected), "at {}", seconds);
            prop_assert_eq!(remembers.facts(), anew.facts());
            prop_assert_eq!(remembers.snapshot().unwrap(), anew.snapshot().unwrap());
        }
    }
}

/// Random streams hardly ever meet what is counted of calls: of those that come in, and of those to whom a
/// service waits for, whether or not that was known when it began.
#[test]
fn what_is_counted_of_calls_is_heard_again() {
    const LATENCY: &str = "http.server.request.duration.p95";
    let mut known = shop();
    known.topology.connect_at(at(10_000), &entity("shop"), &entity("ledger"), EdgeKind::Calls);
    let count = |known: &mut Snapshot, from: &str, to: &str, calls: f64| {
        known.version += 1;
        known.topology.measure(&entity(from), &entity(to), EdgeKind::Calls, calls);
    };
    count(&mut known, "gateway", "shop", 10.0);
    count(&mut known, "shop", "ledger", 10.0);
    let mut told = vec![symptom("shop->ledger", "edge.duration.p95", 50, 1e-12)];
    told.extend(["shop", "gateway"].map(|place| symptom(place, LATENCY, 60, 1e-15)));
    let mut first = Diagnose::new(Settings::default());
    assert_eq!(first.step(at(70), &told, &known).len(), 1);
    // From the next step on the graph is that of the onset: it is weighed by that once.
    first.step(at(100), &[], &known);
    let state = first.snapshot().unwrap();
    let more = ["span.count", "queue.length"].map(|signal| replicas("gateway", signal, 100, 1e-6)).concat();
    // A tenth of the requests lead there now.
    for (from, to, calls) in [("gateway", "shop", 100.0), ("shop", "ledger", 1.0)] {
        let later = |calls: f64| {
            let mut known = known.clone();
            count(&mut known, from, to, calls);
            known
        };
        let anew = |calls: f64| {
            let mut stage = Diagnose::new(Settings::default());
            stage.restore(&state).unwrap();
            text(&stage.step(at(140), &more, &later(calls)))
        };
        assert!(anew(calls) != anew(10.0), "{from} {to}: it does not matter");
        let got = text(&first.clone().step(at(140), &more, &later(calls)));
        assert!(got == anew(calls), "{from} {to}: {got}");
    }
}

/// What is told of the way between zones is heard by all that it may explain, though no symptom of theirs is new.
#[test]
fn a_way_between_zones_is_heard_of_by_all() {
    let known = World::new(0).known;
    let mut told = replicas("catalog", "span.error_ratio", 60, 1e-15);
    told.extend(replicas("shop", "span.error_ratio", 60, 1e-15));
    let mut first =
        Diagnose::new(Settings { revise_every: Interval::from_seconds(10), ..Settings::default() });
    // From the next step on the graph is that of the onset: it is weighed by that once.
    for seconds in [70, 80, 90] {
        first.step(at(seconds), &std::mem::take(&mut told), &known);
    }
    let mut more =
        ["zone:a->zone:b", "zone:b->zone:a"].map(|way| symptom(way, "zone.calls.missed", 90, 1e-9)).to_vec();
    for seconds in [100, 140] {
        let mut anew =
            Diagnose::new(Settings { revise_every: Interval::from_seconds(10), ..Settings::default() });
        anew.restore(&first.snapshot().unwrap()).unwrap();
        let expected = anew.step(at(seconds), &more, &known);
        assert!(text(&expected).contains("the way between zones explains it"), "at {seconds}");
        assert!(text(&first.step(at(seconds), &more, &known)) == text(&expected), "at {seconds}");
        // It gets worse.
        more.iter_mut().for_each(|symptom| (symptom.p_value, symptom.revision) = (1e-18, 1));
    }
}

/// Random streams hardly ever leave a place alone for as long as it takes: that a change which was taken back is
/// suspect no more comes with time, and with nothing that is told or becomes known.
#[test]
fn a_change_in_an_incident_is_suspected_and_acquitted_from_memory_too() {
    let settings = Settings { revise_every: Interval::from_seconds(10), ..Settings::default() };
    let mut known = shop();
    let mut remembers = Diagnose::new(settings.clone());
    let mut blamed = Vec::new();
    for seconds in (70..400).step_by(10) {
        let told = match seconds {
            70 => replicas("cart", "http.server.request.duration.p95", 60, 1e-6),
            170 => replicas("cart", "span.error_ratio", 160, 1e-15),
            _ => Vec::new(),
        };
        let change = match seconds {
            150 => Some(deploy("cart", 150)),
            210 => Some(back(deploy("cart", 150), 210)),
            _ => None,
        };
        known.version += u64::from(change.is_some());
        known.changes.extend(change);
        let mut anew = Diagnose::new(settings.clone());
        anew.restore(&remembers.snapshot().unwrap()).unwrap();
        let expected = anew.step(at(seconds), &told, &known);
        let got = remembers.step(at(seconds), &told, &known);
        assert!(text(&got) == text(&expected), "at {seconds}: {}", text(&got));
        for incident in got {
            let is_deploy = incident.hypotheses[0].fault == "bad_deploy";
            if blamed.last().is_none_or(|(_, before)| *before != is_deploy) {
                blamed.push((seconds, is_deploy));
            }
        }
    }
    assert_eq!(blamed, [(70, false), (170, true), (300, false)]);
}
