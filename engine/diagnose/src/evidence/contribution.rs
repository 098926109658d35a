//! Evidence on how much: which part of a service's trouble its callees account for.
//!
//! What a service takes longer is what it takes longer itself, and what its callees make it wait longer,
//! times how often it calls each for one request; failures go the same way. A part that no callee
//! accounts for is its own. Both are read off the symptoms themselves, against what was expected when
//! they began: a baseline from before the trouble. It says nothing where callees tell nothing.

use std::collections::BTreeMap;

use theriac_contract::Direction;

use super::Reasons;
use crate::{family::Family, incident::Kept, view::View};

/// A service's trouble, and the part that its callees may account for.
pub(crate) struct Account {
    /// 0..1.
    pub(super) share: f64,
    text: String,
    symptoms: Vec<theriac_contract::Id>,
}

/// The least own share that can be told from none: quantiles do not add up, and calls overlap.
const OWN_MIN: f64 = 0.05;

/// What callees account for may be so many times more than what is seen of it: each symptom tells of its
/// own worst tick, and calls that were given up, sent again or never traced are not in what is counted.
const UNSEEN: f64 = 3.0;

/// What the callees of a service account for; none if they, or it, tell nothing of the same kind.
pub(crate) fn account(view: &View<'_>, service: &str) -> Option<Account> {
    // Calls that fail have no honest duration: who waited in vain for a callee waited all the same.
    let fails = |kept: &Kept| {
        kept.family == Family::Errors && kept.peer.is_some() && kept.entity.service() == service
    };
    let families: &[Family] =
        if view.told(service).any(fails) { &[Family::Errors] } else { &[Family::Latency, Family::Errors] };
    families.iter().find_map(|family| of_family(view, service, *family))
}

fn of_family(view: &View<'_>, service: &str, family: Family) -> Option<Account> {
    let up = view.told(service).filter(|kept| kept.family == family && kept.direction == Direction::Up);
    // Of one instance or one route the worst is worse than anything that is said of all calls together:
    // only what is said of the service as a whole can be compared with its calls.
    let (edges, own): (Vec<&Kept>, Vec<&Kept>) =
        up.filter(|kept| kept.entity.as_str() == service).partition(|kept| kept.peer.is_some());
    let mut best: Option<Account> = None;
    for statistic in own.iter().filter_map(|kept| statistic(&kept.signal)) {
        let same = |kept: &&&Kept| self::statistic(&kept.signal) == Some(statistic);
        // The operation that suffers least: the others may be those that do not call.
        let least = own.iter().filter(same).filter_map(|kept| excess(kept)).reduce(f64::min);
        let Some(whole) = least else { continue };
        // The worst of what is said of each callee: instances say the same thing.
        let mut callees: BTreeMap<&str, (f64, &Kept)> = BTreeMap::new();
        for edge in edges.iter().filter(same) {
            let Some(more) = excess(edge) else { continue };
            let known = callees.entry(edge.about().service()).or_insert((more, edge));
            if more > known.0 {
                *known = (more, edge);
            }
        }
        let part =
            |(callee, (more, _)): (&&str, &(f64, &Kept))| more * calls_per_request(view, service, callee);
        let seen = callees.iter().map(part).sum::<f64>() / whole;
        let share = (UNSEEN * seen).min(1.0);
        let Some((callee, (_, edge))) =
            callees.iter().max_by(|a, b| part(*a).total_cmp(&part(*b)).then(b.0.cmp(a.0)))
        else {
            continue;
        };
        if best.as_ref().is_none_or(|best| share > best.share) {
            let what = if family == Family::Latency { "waits" } else { "fails" };
            let text = format!(
                "only {:.0} % of what {service} {what} more is seen at whom it calls, {callee} first",
                100.0 * seen.min(1.0)
            );
            best = Some(Account { share, text, symptoms: vec![edge.id.clone()] });
        }
    }
    best
}

/// Says of a suspect what is its own; what is not, the call graph holds against it.
pub(super) fn weigh(account: &Account, reasons: &mut Reasons) {
    // A cause has any own share; a bystander in the path of trouble has none but what cannot be told
    // from none: a uniform density against an exponential one of that size.
    let own = 1.0 - account.share;
    let ratio = own / OWN_MIN + libm::log(OWN_MIN);
    if ratio > 0.0 {
        reasons.add("contribution", ratio.min(1.0), account.text.clone(), account.symptoms.clone());
    }
}

/// The last part of a signal's name: `p95` of `edge.duration.p95`; only equal ones can be compared.
fn statistic(signal: &str) -> Option<&str> {
    let (rest, last) = signal.rsplit_once('.')?;
    let known = matches!(last, "mean" | "p50" | "p90" | "p95" | "p99" | "max" | "error_ratio");
    (known && !rest.is_empty()).then_some(last)
}

/// By how much a value is above what was expected.
fn excess(kept: &Kept) -> Option<f64> {
    Some(kept.observed? - kept.expected?).filter(|more| more.is_finite() && *more > 0.0)
}

/// How often a service calls another for one request of its own; once if nobody counted.
fn calls_per_request(view: &View<'_>, service: &str, callee: &str) -> f64 {
    // What is counted of calls is known with the symptoms of the service.
    let topology = &view.known().knowledge.topology;
    let served: f64 = view.graph.callers(service).filter_map(|from| topology.volume(from, service)).sum();
    match topology.volume(service, callee) {
        Some(calls) if served > 0.0 => calls / served,
        _ => 1.0,
    }
}
