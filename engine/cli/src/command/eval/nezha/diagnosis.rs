//! From the minute of a fault and a fault-free one to ranked causes.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::Entity;
use theriac_datasets::nezha::{
    Minute,
    calls::Calls,
    minute::Log,
    names::{metric, service_of},
};
use theriac_diagnose::{
    channel::Claim,
    channel::requests::{
        CPU, MEMORY, callers, delays, errors, levels, metered, transitions,
        window::{Call, Edge, Level, Line, Observed, Window},
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
    fn mine(&mut self, logs: &[Log]) -> Vec<Option<TemplateId>> {
        let mine = |log: &Log| {
            if !log.place.is_empty() {
                return None;
            }
            let next = self.programs.len() as u64;
            let program = *self.programs.entry(service_of(&log.pod).to_owned()).or_insert(next);
            Some(self.miner.add_of(program, &log.message).template)
        };
        logs.iter().map(mine).collect()
    }
}

/// Seconds that rates of requests are counts of: in the files they are whole multiples of 1/15.
const RATE_SECONDS: f64 = 15.0;

fn window(minute: &Minute, told: &Calls, templates: &[Option<TemplateId>], miner: &Miner) -> Window {
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
        statement: template.map_or_else(
            || log.place.clone(),
            |template| texts.get(&miner.current(template)).cloned().unwrap_or_default(),
        ),
    });
    let mut levels = Vec::new();
    for (pod, metrics) in &minute.metrics {
        for (column, resource) in LEVELS {
            if let Some(percent) = metrics.get(&metric(column).name) {
                levels.push(Level { entity: entity(pod), resource, share: percent / 100.0 });
            }
        }
    }
    let mut served: BTreeMap<String, f64> = BTreeMap::new();
    for (pod, metrics) in &minute.metrics {
        if let Some(rate) = metrics.get(&metric("PodWorkload(Ops)").name) {
            *served.entry(service_of(pod).to_owned()).or_default() += rate * RATE_SECONDS;
        }
    }
    let failed = told.success.iter().filter_map(|(service, share)| {
        let requests = served.get(service)?;
        Some((service.clone(), requests * (1.0 - share)))
    });
    let edges = told.edges.iter().map(|((caller, callee), times)| Edge {
        caller: caller.clone(),
        callee: callee.clone(),
        calls: (*times == [None, None]).then_some(0.0),
        milliseconds: times[0].zip(times[1]).map(|(made, served)| [made, served]),
    });
    let (edges, failed) = (edges.collect(), failed.collect());
    Window { calls: calls.collect(), lines: lines.collect(), levels, edges, served, failed }
}

/// The two minutes as channels take them, with what metrics tell of calls in each.
pub(super) fn windows([normal, fault]: [&Minute; 2], told: [&Calls; 2]) -> [Window; 2] {
    let mut statements = Statements { miner: Miner::new(Settings::default()), programs: BTreeMap::new() };
    let mined = [normal, fault].map(|minute| statements.mine(&minute.logs));
    let [before, after] = mined;
    let miner = &statements.miner;
    [window(normal, told[0], &before, miner), window(fault, told[1], &after, miner)]
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
        metered::metered(normal, fault),
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
