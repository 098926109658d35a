//! What metrics of calls say where nobody traces them: messages that take long, calls that are no longer
//! made, requests that fail. They say the same as spans and lines do, and so speak in the same channels:
//! of both, the stronger is heard.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::Entity;

use super::{
    Claim, NETWORK, claim, delays, errors, ratio, transitions,
    transitions::ARROW,
    window::{Edge, Observed, Window, entities},
};
use crate::weighing::Suspect;

/// Times what is usual, and times what the callee takes, from which on messages are late: medians out of
/// histograms are known to no more than such a factor.
const FACTOR: f64 = 2.0;
/// Share of what the caller takes, from which on a delay can be felt.
const FELT: f64 = 0.1;

/// All that metrics of calls say.
#[must_use]
pub fn metered(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let entities = entities(normal, fault);
    let windows = [normal.window, fault.window];
    let mut claims = messages(windows, &entities);
    claims.extend(no_longer_made(windows, &entities));
    claims.extend(failures(windows, &entities));
    claims
}

/// What messages took of the median call, milliseconds.
fn gap(edge: &Edge) -> Option<f64> {
    edge.milliseconds.map(|[made, served]| made - served)
}

/// The longest that a caller takes or waits, as far as it is known.
fn longest(caller: &str, window: &Window) -> f64 {
    let times = window.edges.iter().filter_map(|edge| {
        let [made, served] = edge.milliseconds?;
        if edge.caller == caller { Some(made) } else { (edge.callee == caller).then_some(served) }
    });
    times.fold(0.0, f64::max)
}

/// Whether the messages of an edge are late now; none if that cannot be told.
fn is_late(edge: &Edge, [normal, fault]: [&Window; 2]) -> Option<bool> {
    let (now, [made, served]) = (gap(edge)?, edge.milliseconds?);
    let same = |other: &&Edge| (&other.caller, &other.callee) == (&edge.caller, &edge.callee);
    let usual = gap(normal.edges.iter().find(same)?)?.max(0.0);
    let felt = now - usual >= FELT * longest(&edge.caller, fault);
    Some(felt && now > FACTOR * usual && made > FACTOR * served)
}

/// Late ones among edges.
#[derive(Clone, Copy, Default)]
struct Late {
    late: f64,
    all: f64,
}

impl Late {
    fn of<'a>(edges: impl Iterator<Item = &'a (&'a Edge, bool)>) -> Self {
        edges.fold(Self::default(), |sum, (_, late)| Self {
            late: sum.late + f64::from(u8::from(*late)),
            all: sum.all + 1.0,
        })
    }

    fn plus(self, other: Self) -> Self {
        Self { late: self.late + other.late, all: self.all + other.all }
    }

    /// How much likelier they are if any share of them is late, not counted if there are none.
    fn ratio(self, usual: f64) -> f64 {
        ratio::beyond(self.late, self.all, usual)
    }
}

/// Messages that take longer: one claim for the network of each service that has a part in it. What is
/// wrong with it concerns the messages of those that call it, of those that it calls, or all; each is as
/// likely.
fn messages(windows: [&Window; 2], entities: &BTreeMap<&str, &Entity>) -> Vec<Claim> {
    let told = |edge| Some((edge, is_late(edge, windows)?));
    let edges: Vec<(&Edge, bool)> = windows[1].edges.iter().filter_map(told).collect();
    let services: BTreeSet<&str> =
        edges.iter().flat_map(|(edge, _)| [edge.caller.as_str(), edge.callee.as_str()]).collect();
    let mut claims = Vec::new();
    for service in services {
        let Some(entity) = entities.get(service) else { continue };
        let served = Late::of(edges.iter().filter(|(edge, _)| edge.callee == service));
        let made = Late::of(edges.iter().filter(|(edge, _)| edge.caller == service));
        let others =
            Late::of(edges.iter().filter(|(edge, _)| edge.caller != service && edge.callee != service));
        // None of them was late in the fault-free window, which is how late is told.
        let before = 0.5 / (edges.len() as f64 + 1.0);
        let usual = before.max((others.late + 0.5) / (others.all + 1.0));
        let sides = [served.ratio(usual), made.ratio(usual), served.plus(made).ratio(usual)];
        let most = sides.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mean = most + libm::log(sides.iter().map(|one| libm::exp(one - most)).sum::<f64>() / 3.0);
        let text = format!(
            "by metrics, messages to it take far longer from {} of {} callers, from it to {} of {} callees, elsewhere in {} of {} pairs",
            served.late, served.all, made.late, made.all, others.late, others.all
        );
        let suspect = Suspect { entity: (*entity).clone(), part: NETWORK.to_owned() };
        claims.push(claim(suspect, delays::GAPS, mean, text));
    }
    claims
}

/// Calls of an edge in a window, of requests of the caller: at most one of each counts.
fn made(edge: &Edge, window: &Window) -> Option<(f64, f64)> {
    let requests = *window.served.get(&edge.caller)?;
    let calls = edge.calls.or_else(|| window.served.get(&edge.callee).copied())?;
    Some((calls.min(requests), requests))
}

/// Calls that are no longer made, each by its caller.
fn no_longer_made([normal, fault]: [&Window; 2], entities: &BTreeMap<&str, &Entity>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for edge in &fault.edges {
        let same = |other: &&Edge| (&other.caller, &other.callee) == (&edge.caller, &edge.callee);
        let before = normal.edges.iter().find(same).and_then(|edge| made(edge, normal));
        let (Some((before, of)), Some((now, requests))) = (before, made(edge, fault)) else { continue };
        let Some(entity) = entities.get(edge.caller.as_str()) else { continue };
        let usual = (of - before + 0.5) / (of + 1.0);
        // One of all its calls would be the one that is missing.
        let places = fault.edges.iter().filter(|other| other.caller == edge.caller).count() as f64;
        let ratio = ratio::beyond(requests - now, requests, usual) - libm::log(places);
        if requests - now > usual * requests && ratio > 0.0 {
            let text = format!(
                "by metrics, {} calls {} in {now:.0} of {requests:.0} requests, before in {before:.0} of {of:.0}",
                edge.caller, edge.callee
            );
            let part = format!("{}{ARROW}{} start", edge.caller, edge.callee);
            claims.push(claim(
                Suspect { entity: (*entity).clone(), part },
                transitions::CHANNEL,
                ratio,
                text,
            ));
        }
    }
    claims
}

/// Requests that fail and did not before, by who serves them.
fn failures([normal, fault]: [&Window; 2], entities: &BTreeMap<&str, &Entity>) -> Vec<Claim> {
    let counts = |window: &Window, service: &str| {
        let failed = *window.failed.get(service)?;
        Some((failed, *window.served.get(service)?))
    };
    let mut claims = Vec::new();
    for service in fault.failed.keys() {
        let (Some((before, of)), Some((failed, all))) = (counts(normal, service), counts(fault, service))
        else {
            continue;
        };
        let Some(entity) = entities.get(service.as_str()) else { continue };
        let usual = (before + 0.5) / (of + 1.0);
        let ratio = ratio::beyond(failed, all, usual);
        if failed > usual * all && ratio > 0.0 {
            let text = format!(
                "by metrics, fails in {failed:.0} of {all:.0} requests, before in {before:.0} of {of:.0}"
            );
            // That it goes wrong is felt by who called whoever did it.
            let ratio = ratio.min(errors::AFTER_A_CHANGE);
            claims.push(claim(
                Suspect { entity: (*entity).clone(), part: String::new() },
                errors::CHANNEL,
                ratio,
                text,
            ));
        }
    }
    claims
}
