//! From the minute of a fault and a fault-free one to ranked causes.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::Entity;
use theriac_datasets::nezha::{
    Minute,
    minute::Log,
    names::{metric, service_of},
};
use theriac_diagnose::{
    channel::Claim,
    channel::requests::{
        CPU, MEMORY, callers, delays, errors, levels, transitions,
        window::{Call, Level, Line, Observed, Window},
    },
    weighing::{Weighed, weigh},
};
use theriac_templates::{Miner, Settings, TemplateId};

/// Names of the channels, in the order in which they are left out.
pub(super) const CHANNELS: [&str; 6] = [
    transitions::CHANNEL,
    errors::CHANNEL,
    delays::GAPS,
    delays::SELF_TIME,
    levels::CHANNEL,
    callers::CHANNEL,
];

/// Columns that tell how full a resource is, per cent of its limit.
const LEVELS: [(&str, &str); 2] = [("CpuUsageRate(%)", CPU), ("MemoryUsageRate(%)", MEMORY)];

fn entity(pod: &str) -> Entity {
    Entity::instance(service_of(pod), pod)
}

/// The pod of an entity.
pub(super) fn pod(entity: &Entity) -> &str {
    entity.0.split_once('/').map_or(entity.0.as_str(), |(_, pod)| pod)
}

/// All pods that are known in a minute.
pub(super) fn pods(minute: &Minute) -> BTreeSet<&str> {
    let spans = minute.spans.iter().map(|span| span.pod.as_str());
    let logs = minute.logs.iter().map(|log| log.pod.as_str());
    spans.chain(logs).chain(minute.metrics.keys().map(String::as_str)).collect()
}

/// The statements of log records: their place in the code where lines tell it, else their template.
struct Statements {
    miner: Miner,
    programs: BTreeMap<String, u64>,
}

impl Statements {
    fn mine(&mut self, logs: &[Log]) -> Vec<TemplateId> {
        let mine = |log: &Log| {
            let next = self.programs.len() as u64;
            let program = *self.programs.entry(service_of(&log.pod).to_owned()).or_insert(next);
            self.miner.add_of(program, &log.message).template
        };
        logs.iter().map(mine).collect()
    }
}

fn window(minute: &Minute, templates: &[TemplateId], miner: &Miner) -> Window {
    let calls = minute.spans.iter().map(|span| Call {
        trace: span.trace,
        span: span.id,
        parent: span.parent,
        entity: entity(&span.pod),
        operation: span.operation.clone(),
        start: span.start,
        end: span.end,
    });
    let texts: BTreeMap<TemplateId, String> =
        miner.templates().into_iter().map(|known| (known.id, known.text)).collect();
    let lines = minute.logs.iter().zip(templates).map(|(log, template)| Line {
        trace: log.trace,
        span: log.span,
        entity: entity(&log.pod),
        time: log.time,
        severity: log.severity,
        statement: if log.place.is_empty() {
            texts.get(&miner.current(*template)).cloned().unwrap_or_default()
        } else {
            log.place.clone()
        },
    });
    let mut levels = Vec::new();
    for (pod, metrics) in &minute.metrics {
        for (column, resource) in LEVELS {
            if let Some(percent) = metrics.get(&metric(column).name) {
                levels.push(Level { entity: entity(pod), resource, share: percent / 100.0 });
            }
        }
    }
    Window { calls: calls.collect(), lines: lines.collect(), levels }
}

/// The two minutes as channels take them.
pub(super) fn windows(normal: &Minute, fault: &Minute) -> [Window; 2] {
    let mut statements = Statements { miner: Miner::new(Settings::default()), programs: BTreeMap::new() };
    let mined = [normal, fault].map(|minute| statements.mine(&minute.logs));
    let [before, after] = mined;
    [window(normal, &before, &statements.miner), window(fault, &after, &statements.miner)]
}

/// Ranked causes; one channel may be left out.
pub(super) fn diagnose([normal, fault]: &[Observed<'_>; 2], left_out: Option<&str>) -> Vec<Weighed> {
    let heard = |claim: &Claim| left_out != Some(claim.1.channel.as_str());
    let mut claims: Vec<Claim> = [
        transitions::transitions(normal, fault),
        errors::errors(normal, fault),
        delays::gaps(normal, fault),
        delays::self_time(normal, fault),
        levels::levels(normal, fault, CPU),
        levels::levels(normal, fault, MEMORY),
    ]
    .into_iter()
    .flatten()
    .filter(heard)
    .collect();
    let explained = callers::callers(normal, fault, &claims);
    claims.extend(explained.into_iter().filter(heard));
    let entities: BTreeSet<&Entity> = claims.iter().map(|(suspect, _)| &suspect.entity).collect();
    // A priori "something else" is as likely as all that was heard of together.
    let unknown = libm::log(entities.len().max(1) as f64);
    weigh(&claims, unknown)
}
