//! From an incident as it lies in its files to an answer.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::Timestamp;
use theriac_datasets::rootcausebench::{Answer, Incident, NONE};
use theriac_diagnose::{
    channel::change::{
        changes::{self, Change, Rollout, Unusual},
        outside,
    },
    weighing::{Weighed, weigh},
};

/// Names of the channels, in the order in which they are left out.
pub(super) const CHANNELS: [&str; 5] = {
    let [lag, place, effect, mechanism] = changes::CHANNELS;
    [lag, place, effect, mechanism, outside::CHANNEL]
};

/// Values in a row that make a departure.
const LASTING: usize = 3;

/// Where a series leaves what it was in its first third by as much as it varied there, for three
/// values in a row; with its peak as a factor of the median before. One that only rises or only
/// falls from the beginning (a counter, a countdown) leaves it without being unusual.
fn departure(points: &[(Timestamp, f64)]) -> Option<(Timestamp, f64)> {
    let mut calm: Vec<f64> = points[..points.len() / 3].iter().map(|(_, value)| *value).collect();
    let one_way = calm.is_sorted() || calm.iter().rev().is_sorted();
    calm.sort_by(f64::total_cmp);
    let (low, high) = (*calm.first()?, *calm.last()?);
    let width = high - low;
    if one_way && width > 0.0 {
        return None;
    }
    let out = |value: f64| value > high + width || value < low - width;
    let start = points.windows(LASTING).find(|row| row.iter().all(|(_, value)| out(*value)))?;
    let peak = points.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    Some((start[0].0, peak / calm[calm.len() / 2]))
}

/// Series that departed: service, metric, when, peak as a factor of before.
struct Departed<'a> {
    service: &'a str,
    metric: &'a str,
    at: Timestamp,
    factor: f64,
}

fn departed(incident: &Incident) -> Vec<Departed<'_>> {
    let mut found = Vec::new();
    for ((service, metric), points) in &incident.metrics {
        if let Some((at, factor)) = departure(points) {
            found.push(Departed { service, metric, at, factor });
        }
    }
    found
}

/// Whether a metric tells what callers feel.
fn is_felt(metric: &str) -> bool {
    ["error", "duration", "latency", "timeout", "fail", "wait", "age"]
        .iter()
        .any(|word| metric.contains(word))
}

fn is_bad(severity: &str) -> bool {
    matches!(severity, "WARN" | "WARNING" | "ERROR" | "FATAL" | "CRITICAL")
}

/// Services that are hit: they say bad things that they did not say before, or what callers feel of
/// them departed. What is no service of the system (nodes, schedulers) is none.
fn hit(incident: &Incident, departed: &[Departed<'_>], onset: Timestamp) -> BTreeSet<String> {
    let mut said: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for log in incident.logs.iter().filter(|log| is_bad(&log.severity_text)) {
        let counts = said.entry(&log.service).or_default();
        *(if log.timestamp < onset { &mut counts.0 } else { &mut counts.1 }) += 1;
    }
    let worse = said.into_iter().filter(|(_, (before, after))| after >= &LASTING && after > before);
    let negative = incident.patterns.iter().filter(|pattern| pattern.sentiment == "negative");
    let felt = departed.iter().filter(|one| is_felt(one.metric)).map(|one| one.service);
    let known = |service: &&str| {
        incident.traced.contains(*service) || incident.deploys.iter().any(|deploy| deploy.service == *service)
    };
    worse
        .map(|(service, _)| service)
        .chain(negative.map(|pattern| pattern.service.as_str()))
        .chain(felt)
        .filter(known)
        .map(ToOwned::to_owned)
        .collect()
}

fn texts(incident: &Incident, departed: &[Departed<'_>], onset: Timestamp) -> Vec<String> {
    let alert = &incident.alert;
    let mut texts = BTreeSet::from([alert.summary.clone(), alert.detail.clone(), alert.metric.clone()]);
    let negative = incident.patterns.iter().filter(|pattern| pattern.sentiment == "negative");
    texts.extend(negative.map(|pattern| pattern.signature.clone()));
    let bad = incident.logs.iter().filter(|log| log.timestamp >= onset && is_bad(&log.severity_text));
    texts.extend(bad.map(|log| log.msg.clone()));
    texts.extend(incident.errors.iter().cloned());
    texts.extend(departed.iter().map(|one| one.metric.to_owned()));
    texts.retain(|text| !text.is_empty());
    texts.into_iter().collect()
}

/// By how much requests grew: of the service that the alert names, and of no service less.
fn surge(incident: &Incident, departed: &[Departed<'_>]) -> f64 {
    let is_rate = |metric: &str| {
        metric.contains("request")
            && (metric.contains("per_sec") || metric.contains("rate"))
            && !is_felt(metric)
    };
    let rates = incident.metrics.keys().filter(|(_, metric)| is_rate(metric));
    let factor = |(service, metric): &(String, String)| {
        let found = departed.iter().find(|one| one.service == service && one.metric == metric);
        found.map_or(1.0, |one| one.factor)
    };
    let own = rates.clone().any(|(service, _)| *service == incident.alert.service);
    if own { rates.map(factor).fold(f64::INFINITY, f64::min) } else { 1.0 }
}

/// Ranked causes and the answer that follows from them; one channel may be left out.
pub(super) fn diagnose(incident: &Incident, left_out: Option<&str>) -> (Answer, Vec<Weighed>) {
    let departed = departed(incident);
    let fired = incident.alert.fired_at;
    let onset = departed.iter().map(|one| one.at).min().map_or(fired, |first| first.min(fired));
    let service = incident.alert.service.clone();
    let services = hit(incident, &departed, onset);
    let texts = texts(incident, &departed, onset);
    let changes: Vec<Change> = incident
        .commits
        .iter()
        .map(|commit| Change {
            id: commit.sha.clone(),
            made: commit.timestamp,
            message: commit.message.clone(),
            paths: commit.files_changed.clone(),
            diff: commit.diff.clone(),
        })
        .collect();
    let rollouts: Vec<Rollout> = incident
        .deploys
        .iter()
        .map(|deploy| Rollout {
            at: deploy.timestamp,
            service: deploy.service.clone(),
            change: deploy.commit_sha.clone(),
        })
        .collect();
    let mut claims = outside::outside(&texts, &incident.status_feed, surge(incident, &departed));
    let unusual = Unusual { service: service.clone(), services: services.clone(), onset, texts };
    claims.extend(changes::changes(&changes, &rollouts, &unusual));
    claims.retain(|(_, evidence)| left_out != Some(evidence.channel.as_str()));
    // A priori "no change" is as likely as each of them.
    let weighed = weigh(&claims, 0.0);
    let first = weighed.first().and_then(|one| one.suspect.as_ref());
    let change = first.filter(|suspect| suspect.entity.0 != outside::ENTITY);
    let mut blast_radius = services;
    blast_radius.remove(&service);
    let answer = Answer {
        root_cause_commit: change.map_or(NONE.to_owned(), |suspect| suspect.part.clone()),
        first_failing_service: service,
        blast_radius,
        remediation: match (change, first) {
            (Some(suspect), _) => undo(changes.iter().find(|change| change.id == suspect.part)),
            (None, Some(suspect)) => relief(&suspect.part),
            (None, None) => "escalate-upstream",
        }
        .to_owned(),
    };
    (answer, weighed)
}

/// What takes a change back: configuration alone is set to what it was.
fn undo(change: Option<&Change>) -> &'static str {
    const SETTINGS: [&str; 8] = [".yaml", ".yml", ".toml", ".json", ".env", ".conf", "go.mod", "go.sum"];
    let is_setting = |path: &String| SETTINGS.iter().any(|end| path.ends_with(end));
    if change.is_some_and(|change| change.paths.iter().all(is_setting)) {
        "config-revert"
    } else {
        "rollback"
    }
}

/// What helps against a cause that is no change.
fn relief(cause: &str) -> &'static str {
    match cause {
        "certificate" => "rotate-cert",
        "node" => "reschedule",
        "data" => "purge-bad-data",
        "zone" | outside::PROVIDER => "failover",
        outside::TRAFFIC => "scale",
        _ => "escalate-upstream",
    }
}
