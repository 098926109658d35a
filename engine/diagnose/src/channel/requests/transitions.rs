//! What follows what within a piece of work, and which calls it makes: by shares, so that more
//! traffic changes nothing.
//!
//! Events of a span are its start, the log statements that it wrote in the order of time, and its
//! end. (When a child began is left out of the order: clocks of logs and spans differ by more than
//! that. Whether it was called is compared by itself.) A request counts once for a source, however
//! often it passed there, for its passages are not independent. What a service did in requests that
//! it logged errors in is no norm, so it is left out of the fault-free window.
//!
//! After G. Yu et al., "Nezha", ESEC/FSE 2023, which compares the support of event pairs; shares
//! given the source, with their likelihood ratio, need no threshold.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Claim, claim,
    errors::ERROR,
    ratio,
    window::{Call, Line, Observed, entities},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "transitions";
/// Between the two events of a transition, in the name of a part.
pub const ARROW: &str = " → ";

/// Where a transition begins: service, operations that lead there, event.
type Source<'a> = (&'a str, String, String);
/// Requests by what followed, in the window before and in the one with the fault.
type Followed = BTreeMap<String, (f64, f64)>;

/// Transitions whose shares differ between two windows, one claim for each source: named after the
/// target that lost the most, for that is where the work used to go on.
#[must_use]
pub fn transitions(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let mut sources: BTreeMap<Source<'_>, Followed> = BTreeMap::new();
    let mut called: BTreeMap<(Source<'_>, String), Followed> = BTreeMap::new();
    // What is not logged in one of the windows was not collected, rather than not done.
    let logged = [normal, fault].iter().all(|observed| !observed.window.lines.is_empty());
    let healthy = Norm { wrong: failures(normal), logged };
    let any = Norm { wrong: BTreeSet::new(), logged };
    for (observed, norm, is_fault) in [(normal, &healthy, false), (fault, &any, true)] {
        for ((source, target), share) in successions(observed, norm) {
            add(sources.entry(source).or_default().entry(target).or_default(), share, is_fault);
        }
        for ((source, target), share) in callings(observed, norm) {
            let outcomes = called.entry((source, target)).or_default();
            add(outcomes.entry("called".to_owned()).or_default(), share, is_fault);
            add(outcomes.entry("not called".to_owned()).or_default(), 0.0, is_fault);
        }
    }
    complete(&mut called, [passages(normal, &healthy), passages(fault, &any)]);
    let entities = entities(normal, fault);
    let called = called.into_iter().map(|((source, target), followed)| (source, Some(target), followed));
    let followed = sources.into_iter().map(|(source, followed)| (source, None, followed));
    let told: Vec<_> = followed.chain(called).collect();
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    for ((service, ..), ..) in told.iter().filter(|(_, _, followed)| is_compared(followed)) {
        *compared.entry(service).or_default() += 1;
    }
    let mut claims = Vec::new();
    for ((service, path, event), target, followed) in told {
        let Some(entity) = entities.get(service) else { continue };
        // One of all that the service does would be the cause: each the less likely the more there are.
        let places = compared.get(service).copied().unwrap_or(1) as f64;
        let ratio = ratio::changed(&followed.values().copied().collect::<Vec<_>>()) - libm::log(places);
        if ratio <= 0.0 {
            continue;
        }
        let Some((lost, gained)) = most_changed(&followed) else { continue };
        let part = format!("{event}{ARROW}{}", target.as_deref().unwrap_or(lost));
        let text = match &target {
            Some(target) => format!("{path}: calls {target} in {}", shares(&followed, "called")),
            None => format!(
                "{path}: after `{event}` comes `{lost}` in {}, `{gained}` in {}",
                shares(&followed, lost),
                shares(&followed, gained)
            ),
        };
        claims.push(claim(Suspect { entity: (*entity).clone(), part }, CHANNEL, ratio, text));
    }
    claims
}

fn add(counts: &mut (f64, f64), share: f64, is_fault: bool) {
    *(if is_fault { &mut counts.1 } else { &mut counts.0 }) += share;
}

fn is_compared(followed: &Followed) -> bool {
    followed.values().any(|count| count.0 > 0.0) && followed.values().any(|count| count.1 > 0.0)
}

/// Requests that passed a source before and after.
fn totals(followed: &Followed) -> (f64, f64) {
    followed.values().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}

fn shares(followed: &Followed, target: &str) -> String {
    let (total, count) = (totals(followed), followed.get(target).copied().unwrap_or_default());
    format!("{:.0} of {:.0}, before in {:.0} of {:.0}", count.1, total.1, count.0, total.0)
}

/// Targets that lost and that gained the largest share; among equals the first by name.
fn most_changed(followed: &Followed) -> Option<(&str, &str)> {
    let total = totals(followed);
    let gain = |count: &(f64, f64)| count.1 / total.1 - count.0 / total.0;
    let (mut lost, mut gained) = (followed.first_key_value()?, followed.first_key_value()?);
    for one in followed {
        if gain(one.1) < gain(lost.1) {
            lost = one;
        }
        if gain(one.1) > gain(gained.1) {
            gained = one;
        }
    }
    Some((lost.0, gained.0))
}

/// Counts of a window: each request gives one, split among what followed in it.
fn split<'a, T: Ord + Clone>(
    seen: BTreeMap<(Source<'a>, [u8; 16]), Vec<T>>,
) -> BTreeMap<(Source<'a>, T), f64> {
    let mut counts = BTreeMap::new();
    for ((source, _), targets) in seen {
        let share = 1.0 / targets.len() as f64;
        for target in targets {
            *counts.entry((source.clone(), target)).or_default() += share;
        }
    }
    counts
}

/// What of a window is compared.
struct Norm<'a> {
    /// Services with the requests that they logged errors in.
    wrong: BTreeSet<(&'a str, [u8; 16])>,
    /// Log lines are.
    logged: bool,
}

impl Norm<'_> {
    fn holds(&self, call: &Call) -> bool {
        self.wrong.is_empty() || !self.wrong.contains(&(call.entity.service(), call.trace))
    }
}

fn failures<'a>(observed: &Observed<'a>) -> BTreeSet<(&'a str, [u8; 16])> {
    let wrong = observed.window.lines.iter().filter(|line| line.severity >= ERROR);
    wrong.map(|line| (line.entity.service(), line.trace)).collect()
}

/// Each event of each span with the one after it.
fn successions<'a>(observed: &Observed<'a>, norm: &Norm<'_>) -> BTreeMap<(Source<'a>, String), f64> {
    let mut lines: BTreeMap<[u8; 8], Vec<&Line>> = BTreeMap::new();
    for line in observed.window.lines.iter().filter(|_| norm.logged) {
        lines.entry(line.span).or_default().push(line);
    }
    let mut seen: BTreeMap<(Source<'a>, [u8; 16]), Vec<String>> = BTreeMap::new();
    for (at, call) in observed.calls().filter(|(_, call)| norm.holds(call)) {
        let mut written = lines.remove(&call.span).unwrap_or_default();
        written.retain(|line| line.entity == call.entity);
        written.sort_by(|a, b| (a.time, &a.statement).cmp(&(b.time, &b.statement)));
        let mut events = vec![format!("{} start", call.operation)];
        events.extend(written.iter().map(|line| line.statement.clone()));
        events.push(format!("{} end", call.operation));
        for pair in events.windows(2) {
            let source = (call.entity.service(), observed.path(at).to_owned(), pair[0].clone());
            seen.entry((source, call.trace)).or_default().push(pair[1].clone());
        }
    }
    split(seen)
}

fn start_of<'a>(observed: &Observed<'a>, at: usize, call: &'a Call) -> Source<'a> {
    (call.entity.service(), observed.path(at).to_owned(), format!("{} start", call.operation))
}

/// Share of the requests that pass a piece of work in which it calls another: by pieces.
fn callings<'a>(observed: &Observed<'a>, norm: &Norm<'_>) -> BTreeMap<(Source<'a>, String), f64> {
    let mut targets = observed.targets();
    let mut pieces: BTreeMap<(Source<'a>, [u8; 16]), Vec<Vec<String>>> = BTreeMap::new();
    for (at, call) in observed.calls().filter(|(_, call)| norm.holds(call)) {
        let of_request = pieces.entry((start_of(observed, at, call), call.trace)).or_default();
        of_request.push(std::mem::take(&mut targets[at]));
    }
    let mut counts: BTreeMap<(Source<'a>, String), f64> = BTreeMap::new();
    for ((source, _), pieces) in pieces {
        let share = 1.0 / pieces.len() as f64;
        for target in pieces.into_iter().flatten() {
            *counts.entry((source.clone(), target)).or_default() += share;
        }
    }
    counts
}

/// Requests that passed each piece of work.
fn passages<'a>(observed: &Observed<'a>, norm: &Norm<'_>) -> BTreeMap<Source<'a>, f64> {
    let mut seen: BTreeMap<(Source<'a>, [u8; 16]), Vec<()>> = BTreeMap::new();
    for (at, call) in observed.calls().filter(|(_, call)| norm.holds(call)) {
        seen.entry((start_of(observed, at, call), call.trace)).or_default().push(());
    }
    split(seen).into_iter().map(|((source, ()), count)| (source, count)).collect()
}

/// Fills in how many requests did not make a call.
fn complete<'a>(
    called: &mut BTreeMap<(Source<'a>, String), Followed>,
    [before, after]: [BTreeMap<Source<'a>, f64>; 2],
) {
    for ((source, _), followed) in called {
        let made = followed.get("called").copied().unwrap_or_default();
        let passed = |passages: &BTreeMap<Source<'a>, f64>| passages.get(source).copied().unwrap_or(0.0);
        let not = ((passed(&before) - made.0).max(0.0), (passed(&after) - made.1).max(0.0));
        followed.insert("not called".to_owned(), not);
    }
}
