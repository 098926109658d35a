//! Symptom sequences as the telemetry of a small shop would show them, by hand.
//!
//! gateway -> shop -> {cart, catalog, payment}; three replicas of each on hosts 1 to 3.

#![allow(dead_code, reason = "each test takes what it needs")]

use theriac_contract::{
    Change, DetectorScore, Direction, EdgeKind, Entity, Id, Incident, Interval, SCHEMA_VERSION, SignalKind,
    Snapshot, Symptom, SymptomPhase, Timestamp,
};

use theriac_diagnose::{Diagnose, Settings};

pub(crate) const START: Timestamp = Timestamp(1_767_225_600_000_000_000);

pub(crate) fn at(seconds: i64) -> Timestamp {
    START.plus(Interval::from_seconds(seconds))
}

pub(crate) fn entity(name: &str) -> Entity {
    Entity(name.to_owned())
}

pub(crate) fn shop() -> Snapshot {
    let mut knowledge = Snapshot { version: 7, ..Snapshot::default() };
    let topology = &mut knowledge.topology;
    for service in ["gateway", "shop", "cart", "catalog", "payment"] {
        topology.note(&entity(service));
        for replica in 1..=3 {
            let instance = Entity::instance(service, &format!("{service}-{replica}"));
            topology.note(&instance);
            topology.connect(&instance, &Entity::host(&format!("node-{replica}")), EdgeKind::RunsOn);
        }
    }
    for (from, to) in [("gateway", "shop"), ("shop", "cart"), ("shop", "catalog"), ("shop", "payment")] {
        topology.connect(&entity(from), &entity(to), EdgeKind::Calls);
    }
    knowledge
}

pub(crate) fn deploy(service: &str, seconds: i64) -> Change {
    Change {
        at: at(seconds),
        entity: entity(service),
        kind: "deploy".into(),
        from: "1.0.0".into(),
        to: "1.1.0".into(),
        description: "a new version".into(),
    }
}

/// The process of an instance began anew.
pub(crate) fn restart(instance: &str, seconds: i64) -> Change {
    Change {
        at: at(seconds),
        entity: entity(instance),
        kind: Change::RESTART.into(),
        from: String::new(),
        to: String::new(),
        description: "its process began anew".into(),
    }
}

/// One symptom: `cart/cart-1 process.memory.usage` or, for an edge, `shop->cart edge.duration.p95`.
pub(crate) fn symptom(place: &str, signal: &str, onset: i64, p_value: f64) -> Symptom {
    let (from, peer) = match place.split_once("->") {
        Some((from, to)) => (entity(from), Some(entity(to))),
        None => (entity(place), None),
    };
    let down = signal == "process.uptime" || signal == "health.status";
    let id = Id::derive("symptom", &[place, signal, &onset.to_string()]);
    Symptom {
        schema_version: SCHEMA_VERSION,
        id,
        revision: 0,
        phase: SymptomPhase::Open,
        at: at(onset + 10),
        domain: "shop".into(),
        entity: from,
        peer,
        signal: signal.to_owned(),
        kind: SignalKind::Metric,
        attributes: "{}".into(),
        series: format!("shop|{place}|{signal}|{{}}"),
        onset: at(onset),
        peak: at(onset),
        end: None,
        p_value,
        severity: 0.5,
        direction: if down { Direction::Down } else { Direction::Up },
        observed: Some(2.0),
        expected: Some(1.0),
        band: Some((0.5, 1.5)),
        detectors: vec![DetectorScore { detector: "level".into(), p_value }],
        explanation: String::new(),
        examples: Vec::new(),
        who: None,
        exhaustion: None,
        knowledge_version: 7,
    }
}

/// The last revisions of all incidents after `seconds`, in steps of ten; that of which was told last is last.
pub(crate) fn last_revisions(symptoms: &[Symptom], knowledge: &Snapshot, seconds: i64) -> Vec<Incident> {
    let mut stage = Diagnose::new(Settings::default());
    let mut latest: Vec<Incident> = Vec::new();
    for tick in 0..seconds / 10 {
        let (from, to) = (at(tick * 10), at(tick * 10 + 10));
        let now: Vec<Symptom> =
            symptoms.iter().filter(|symptom| from <= symptom.onset && symptom.onset < to).cloned().collect();
        for incident in stage.step(to, &now, knowledge) {
            latest.retain(|known| known.id != incident.id);
            latest.push(incident);
        }
    }
    latest
}

pub(crate) fn closed(symptom: &Symptom, end: i64) -> Symptom {
    Symptom {
        revision: symptom.revision + 1,
        phase: SymptomPhase::Close,
        at: at(end),
        end: Some(at(end)),
        ..symptom.clone()
    }
}

pub(crate) fn replicas(service: &str, signal: &str, onset: i64, p_value: f64) -> Vec<Symptom> {
    (1..=3).map(|n| symptom(&format!("{service}/{service}-{n}"), signal, onset, p_value)).collect()
}
