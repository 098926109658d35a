//! A system in trouble that is made up, for benchmarks: how much there is of everything is given, the
//! trouble is the same in a small system and in a large one.

use theriac_contract::{
    Change, DetectorScore, Direction, EdgeKind, Entity, Id, Interval, SCHEMA_VERSION, SignalKind, Snapshot,
    Symptom, SymptomPhase, Timestamp,
};

/// When the trouble begins.
pub const BEGINS: Timestamp = Timestamp(1_767_225_600_000_000_000);
/// Services in trouble; a system has at least twice as many.
pub const TROUBLED: usize = 16;
/// Instances of each service.
const REPLICAS: usize = 3;
/// Hosts have room for so many instances.
const ON_A_HOST: usize = 12;
/// Changes became known so many seconds apart.
const CHANGES_APART: i64 = 20;
const SIGNALS: [&str; 6] = [
    "http.server.request.duration.p95",
    "span.error_ratio",
    "edge.duration.p95",
    "process.cpu.utilization",
    "span.count",
    "process.memory.usage",
];

/// What is known of a system: a service that the other ones in trouble call, the rest in a tree of calls,
/// three instances of each on hosts, and `changes` at services that are not in trouble.
#[must_use]
pub fn system(services: usize, changes: usize) -> Snapshot {
    let mut known = Snapshot { version: 1, ..Snapshot::default() };
    let hosts = (services * REPLICAS).div_ceil(ON_A_HOST);
    for service in 0..services {
        let name = name(service);
        known.topology.note(&Entity(name.clone()));
        for replica in 0..REPLICAS {
            let instance = Entity::instance(&name, &format!("{name}-{replica}"));
            known.topology.note(&instance);
            let host = Entity::host(&format!("node-{}", (service * REPLICAS + replica) % hosts));
            known.topology.connect(&instance, &host, EdgeKind::RunsOn);
        }
        let (from, to) = match service {
            0 => continue,
            1..TROUBLED => (service, 0),
            TROUBLED => (service, 1),
            _ => (TROUBLED + (service - TROUBLED - 1) / 2, service),
        };
        known.topology.connect(&Entity(self::name(from)), &Entity(self::name(to)), EdgeKind::Calls);
    }
    let well = services.saturating_sub(TROUBLED).max(1);
    let kinds = ["deploy", "configuration", "flag", "scaling", Change::RESTART];
    known.changes = (0..changes)
        .map(|number| {
            let service = name(TROUBLED + number % well);
            let kind = kinds[number % kinds.len()];
            let entity = match kind {
                Change::RESTART => Entity::instance(&service, &format!("{service}-0")),
                _ => Entity(service),
            };
            Change {
                at: after(-CHANGES_APART * (number as i64 + 1)),
                entity,
                kind: kind.to_owned(),
                from: number.to_string(),
                to: (number + 1).to_string(),
                description: String::new(),
            }
        })
        .collect();
    known.changes.sort();
    known
}

/// The symptom of a number: the first ones go over all services in trouble and their instances, later ones
/// over other signals. They begin within a minute.
#[must_use]
pub fn symptom(number: usize) -> Symptom {
    let (service, replica) = (number % TROUBLED, number / TROUBLED % REPLICAS);
    let signal = SIGNALS[number / (TROUBLED * REPLICAS) % SIGNALS.len()];
    let own = name(service);
    let instance = Entity::instance(&own, &format!("{own}-{replica}"));
    let (entity, peer) = if signal.starts_with("edge.") {
        (Entity(name(service.max(1))), Some(Entity(name(0))))
    } else {
        (instance, None)
    };
    let onset = after(number as i64 % 6 * 10);
    // No two are equally strong.
    let p_value = libm::pow(10.0, -12.0 - number as f64 / 64.0);
    Symptom {
        schema_version: SCHEMA_VERSION,
        id: Id::derive("symptom", &[&number.to_string()]),
        revision: 0,
        phase: SymptomPhase::Open,
        at: onset.plus(Interval::from_seconds(10)),
        domain: "made up".to_owned(),
        entity,
        peer,
        signal: signal.to_owned(),
        kind: SignalKind::Metric,
        attributes: "{}".to_owned(),
        series: number.to_string(),
        onset,
        peak: onset,
        end: None,
        p_value,
        severity: 0.5,
        direction: Direction::Up,
        observed: Some(2.0),
        expected: Some(1.0),
        band: Some((0.5, 1.5)),
        detectors: vec![DetectorScore { detector: "level".to_owned(), p_value }],
        explanation: String::new(),
        examples: Vec::new(),
        who: None,
        exhaustion: None,
        knowledge_version: 1,
    }
}

/// An instant some seconds after the trouble began.
#[must_use]
pub fn after(seconds: i64) -> Timestamp {
    BEGINS.plus(Interval::from_seconds(seconds))
}

fn name(service: usize) -> String {
    format!("service-{service}")
}
