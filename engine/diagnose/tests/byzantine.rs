//! Vantage points that disagree: who is named, whose word does not count, and until when.

mod scripts;

use scripts::{at, closed, entity, replicas, shop, symptom};
use theriac_contract::{
    Checkpointed, DetectorScore, Direction, EdgeKind, Fact, FaultClass, Hypothesis, Incident, Snapshot,
    Symptom,
};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const STRONG: f64 = 1e-15;

/// A symptom with what was read and what was expected.
fn reading(place: &str, signal: &str, observed: f64, expected: f64) -> Symptom {
    Symptom {
        observed: Some(observed),
        expected: Some(expected),
        band: Some((0.9 * expected, 1.1 * expected)),
        direction: if observed < expected { Direction::Down } else { Direction::Up },
        ..symptom(place, signal, 60, STRONG)
    }
}

fn flat(place: &str, signal: &str) -> Symptom {
    Symptom {
        direction: Direction::None,
        detectors: vec![DetectorScore { detector: "flat".into(), p_value: STRONG }],
        ..reading(place, signal, 5.0, 5.0)
    }
}

fn silent(place: &str, signal: &str) -> Symptom {
    Symptom { direction: Direction::None, observed: None, ..symptom(place, signal, 60, STRONG) }
}

fn top(symptoms: &[Symptom], knowledge: &Snapshot) -> Hypothesis {
    let incidents = Diagnose::new(Settings::default()).step(at(70), symptoms, knowledge);
    assert_eq!(incidents.len(), 1);
    incidents[0].hypotheses[0].clone()
}

fn texts(hypothesis: &Hypothesis) -> Vec<&str> {
    let all = hypothesis.evidence_for.iter().chain(&hypothesis.evidence_against);
    all.map(|evidence| evidence.text.as_str()).collect()
}

#[test]
fn readings_that_cannot_be_are_a_wrong_sensor_while_nobody_feels_anything() {
    for wrong in [
        reading("cart/cart-2", "process.memory.usage", 1e16, 5e8),
        reading("cart/cart-2", "process.memory.usage", -1.0, 5e8),
        reading("cart/cart-2", "process.memory.usage", 0.0, 5e8),
        reading("cart/cart-2", "process.cpu.utilization", -0.3, 0.2),
        reading("cart/cart-2", "process.cpu.utilization", 1e6, 0.2),
        reading("cart/cart-2", "disk.utilization.ratio", 7.0, 0.4),
        silent("cart/cart-2", "process.memory.usage"),
        flat("cart/cart-2", "process.cpu.utilization"),
        reading("host:node-2", "system.memory.usage", 1e18, 5e9),
    ] {
        let top = top(std::slice::from_ref(&wrong), &shop());
        let found = (top.entity.as_ref(), top.fault.as_str(), top.class);
        assert_eq!(
            found,
            (Some(&wrong.entity), "lying_sensor", FaultClass::Byzantine),
            "{} {:?}",
            wrong.signal,
            wrong.observed
        );
        assert!(top.probability > 0.5, "{} {:?}: {}", wrong.signal, wrong.observed, top.probability);
        assert!(texts(&top).iter().any(|text| text.starts_with("nobody who uses")), "{:?}", texts(&top));
    }
}

#[test]
fn what_users_feel_is_no_wrong_sensor() {
    for place in ["shop->cart", "shop", "gateway"] {
        let mut all = vec![reading("cart/cart-2", "process.memory.usage", 1e16, 5e8)];
        all.push(symptom(place, "edge.error_ratio", 60, STRONG));
        let incidents = Diagnose::new(Settings::default()).step(at(70), &all, &shop());
        for incident in incidents {
            assert_ne!(incident.hypotheses[0].fault, "lying_sensor", "{place}");
        }
    }
    // A duration is no share, though its name has `ratio` in it.
    let slow = reading("cart/cart-2", "http.client.request.duration.p95", 3.7, 0.2);
    assert_eq!(top(&[slow], &shop()).fault, "slow_dependency");
    // And what can be is a leak.
    let leak = reading("cart/cart-2", "process.memory.usage", 2e9, 5e8);
    assert_eq!(top(&[leak], &shop()).fault, "memory_leak");
}

#[test]
fn who_counts_less_than_its_callers_send_counts_wrong() {
    let own = reading("cart/cart-2", "http.server.request.duration.rate", 1.0, 80.0);
    let alone = top(std::slice::from_ref(&own), &shop());
    assert_eq!((alone.fault.as_str(), alone.entity), ("lying_sensor", Some(entity("cart/cart-2"))));
    let sent = reading("shop", "edge.count", 1.0, 80.0);
    let sent = Symptom { peer: Some(entity("cart")), ..sent };
    for incident in Diagnose::new(Settings::default()).step(at(70), &[own, sent], &shop()) {
        assert_ne!(incident.hypotheses[0].fault, "lying_sensor");
    }
}

#[test]
fn who_waits_for_another_counts_later_and_not_wrong() {
    let own = reading("shop", "http.server.request.duration.rate", 1.0, 80.0);
    let slow = Symptom { peer: Some(entity("cart")), ..reading("shop", "edge.duration.p95", 2.0, 0.1) };
    for incident in Diagnose::new(Settings::default()).step(at(70), &[own, slow], &shop()) {
        assert_ne!(incident.hypotheses[0].fault, "lying_sensor", "{}", incident.summary);
    }
}

#[test]
fn a_probe_that_nobody_agrees_with_is_wrong_and_one_that_callers_agree_with_is_not() {
    let mut knowledge = shop();
    knowledge.topology.note(&entity("prober"));
    let mut probe = symptom("prober", "probe_success", 60, STRONG);
    probe.attributes = r#"{"target":"cart-2"}"#.into();
    let alone = top(std::slice::from_ref(&probe), &knowledge);
    assert_eq!(
        (alone.fault.as_str(), alone.entity.clone()),
        ("lying_sensor", Some(entity("prober"))),
        "{:?}",
        texts(&alone)
    );
    let failing =
        Symptom { peer: Some(entity("cart/cart-2")), ..reading("shop", "edge.error_ratio", 0.38, 0.001) };
    let both = top(&[probe, failing], &knowledge);
    assert_eq!(
        (both.fault.as_str(), both.entity.clone()),
        ("byzantine_replica", Some(entity("cart/cart-2")))
    );
    assert!(
        texts(&both).contains(&"cart/cart-2 says that it is well, the probe prober finds it ill"),
        "{:?}",
        texts(&both)
    );
}

/// Callers of a replica see errors of which it says nothing.
fn contradicted() -> (Snapshot, Vec<Symptom>) {
    let mut knowledge = shop();
    knowledge.topology.connect(&entity("gateway"), &entity("cart"), EdgeKind::Calls);
    let seen = [("shop", 0.38), ("gateway", 0.2)];
    let all = seen.map(|(caller, share)| Symptom {
        peer: Some(entity("cart/cart-3")),
        ..reading(caller, "edge.error_ratio", share, 0.001)
    });
    (knowledge, all.to_vec())
}

#[test]
fn who_says_that_it_is_well_is_held_against_its_callers() {
    let (knowledge, all) = contradicted();
    let top = top(&all, &knowledge);
    assert_eq!((top.fault.as_str(), top.class), ("byzantine_replica", FaultClass::Byzantine));
    assert_eq!(top.entity, Some(entity("cart/cart-3")));
    let said = "cart/cart-3 says that it is well, its 2 callers see 38 % errors";
    assert!(texts(&top).contains(&said), "{:?}", texts(&top));
}

#[test]
fn a_caller_that_is_alone_with_its_errors_may_be_what_is_wrong() {
    let (mut knowledge, all) = contradicted();
    knowledge.topology.connect(&entity("payment"), &entity("cart"), EdgeKind::Calls);
    let top = top(&all[..1], &knowledge);
    let said = "its caller shop sees 38 % errors, 2 other callers do not: it may be the caller that is wrong";
    assert!(texts(&top).contains(&said), "{:?}", texts(&top));
}

#[test]
fn a_log_that_speaks_of_errors_which_nobody_counts_is_told() {
    let logged = symptom("cart/cart-2", "log.severity.error", 60, STRONG);
    let logged = Symptom { kind: theriac_contract::SignalKind::Log, ..logged };
    let top = top(&[logged], &shop());
    let said = "the log of cart/cart-2 speaks of errors (log.severity.error), its metrics count none";
    assert!(texts(&top).contains(&said), "{} {:?}", top.fault, texts(&top));
}

/// The stage with what it makes known, as the engine holds both.
struct Loop {
    stage: Diagnose,
    knowledge: Snapshot,
    told: Vec<String>,
}

impl Loop {
    fn new(knowledge: Snapshot) -> Self {
        Self { stage: Diagnose::new(Settings::default()), knowledge, told: Vec::new() }
    }

    fn step(&mut self, seconds: i64, symptoms: &[Symptom]) -> Vec<Incident> {
        let incidents = self.stage.step(at(seconds), symptoms, &self.knowledge);
        for fact in self.stage.facts() {
            match fact {
                Fact::Distrusted { entity, signals, incident, reason } => {
                    self.told.push(format!("{seconds} {entity} is not believed"));
                    let since = at(seconds);
                    let distrust = theriac_contract::Distrust { since, signals, incident, reason };
                    self.knowledge.distrusted.insert(entity, distrust);
                }
                Fact::TrustedAgain { entity, reason } => {
                    self.told.push(format!("{seconds} {entity}: {reason}"));
                    self.knowledge.distrusted.remove(&entity);
                }
                other => panic!("{other:?}"),
            }
        }
        incidents
    }
}

#[test]
fn the_word_of_a_liar_about_others_does_not_count_until_it_has_agreed_for_long_enough() {
    let (knowledge, all) = contradicted();
    let mut now = Loop::new(knowledge);
    now.step(70, &all);
    assert_eq!(now.told, ["70 cart/cart-3 is not believed"]);
    let distrust = &now.knowledge.distrusted[&entity("cart/cart-3")];
    assert!(distrust.reason.contains("its 2 callers see 38 % errors"), "{}", distrust.reason);
    // What it says of another makes no incident.
    let accusation = |seconds: i64| Symptom {
        peer: Some(entity("catalog")),
        ..symptom("cart/cart-3", "edge.error_ratio", seconds, 1e-20)
    };
    assert!(now.step(90, &[accusation(80)]).iter().all(|incident| incident.revision > 0));
    assert_eq!(now.stage.symptoms_unheard(), 1);
    // The incident says so.
    let revised = (10..20).flat_map(|tick| now.step(tick * 10, &[])).last();
    let marked = |incident: &Incident| {
        texts(&incident.hypotheses[0]).iter().any(|text| text.contains("does not count"))
    };
    let ends: Vec<Symptom> = all.iter().map(|symptom| closed(symptom, 200)).collect();
    let ended = now.step(200, &ends);
    assert!(revised.iter().chain(&ended).any(marked), "{ended:?}");
    for tick in 21..=78 {
        now.step(tick * 10, &[]);
    }
    assert_eq!(now.told.len(), 1, "{:?}", now.told);
    // The last tick in which its callers contradicted it ended at 190.
    now.step(790, &[]);
    assert_eq!(now.told[1..], ["790 cart/cart-3: it has agreed with the others for 10m"]);
    let heard = now.step(820, &[accusation(810)]);
    assert_eq!(heard.len(), 1, "now it is heard again");
}

#[test]
fn a_wrong_sensor_says_nothing_of_others_by_its_other_signals_alone() {
    let mut now = Loop::new(shop());
    now.step(70, &[reading("cart/cart-2", "process.memory.usage", 0.0, 5e8)]);
    let distrust = &now.knowledge.distrusted[&entity("cart/cart-2")];
    assert_eq!(distrust.signals.iter().map(String::as_str).collect::<Vec<_>>(), ["process.memory.usage"]);
    // What it calls is seen by it as well as before.
    let seen =
        Symptom { peer: Some(entity("catalog")), ..symptom("cart/cart-2", "edge.error_ratio", 80, 1e-20) };
    now.step(90, &[seen]);
    assert_eq!(now.stage.symptoms_unheard(), 0);
}

#[test]
fn a_verdict_that_falls_takes_the_distrust_with_it() {
    let mut now = Loop::new(shop());
    now.step(70, &[reading("cart/cart-2", "process.memory.usage", 0.0, 5e8)]);
    let mut crash = vec![
        symptom("cart/cart-2", "container.restarts.rate", 70, STRONG),
        symptom("cart/cart-2", "process.uptime", 70, STRONG),
    ];
    crash.push(symptom("shop->cart", "edge.error_ratio", 70, STRONG));
    crash.extend(replicas("shop", LATENCY, 70, 1e-9));
    now.step(80, &crash);
    assert_eq!(now.told[1..], ["80 cart/cart-2: the incident has another cause"]);
}

#[test]
fn a_restore_in_the_middle_changes_nothing() {
    for cut in [7, 9, 20, 50] {
        let run = |restored: bool| {
            let (knowledge, all) = contradicted();
            let mut now = Loop::new(knowledge);
            let mut out = Vec::new();
            for tick in 7..=85 {
                let symptoms: Vec<Symptom> = match tick {
                    7 => all.clone(),
                    20 => all.iter().map(|symptom| closed(symptom, 200)).collect(),
                    _ => Vec::new(),
                };
                out.extend(now.step(tick * 10, &symptoms));
                if restored && tick == cut {
                    let saved = now.stage.snapshot().unwrap();
                    now.stage = Diagnose::new(Settings::default());
                    now.stage.restore(&saved).unwrap();
                    assert_eq!(now.stage.snapshot().unwrap(), saved);
                }
            }
            (serde_json::to_string(&out).unwrap(), now.told)
        };
        assert_eq!(run(true), run(false));
    }
}
