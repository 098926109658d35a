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

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    Claim, claim,
    errors::ERROR,
    ratio,
    window::{Call, Line, Observed, Target, entities},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "transitions";
/// Between the two events of a transition, in the name of a part.
pub const ARROW: &str = " → ";

type Trace = [u8; 16];

/// What happens within a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event<'a> {
    /// It begins, by its operation.
    Start(&'a str),
    /// A statement logs.
    Said(&'a str),
    /// Another piece is called: service, empty if it is the same, and operation.
    Called(&'a str, &'a str),
    /// That piece is not called.
    NotCalled,
    /// It ends.
    End(&'a str),
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(operation) | Self::Called("", operation) => write!(f, "{operation} start"),
            Self::Said(statement) => f.write_str(statement),
            Self::Called(service, operation) => write!(f, "{service} {operation} start"),
            Self::NotCalled => f.write_str("no call"),
            Self::End(operation) => write!(f, "{operation} end"),
        }
    }
}

/// Where a transition begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source<'a> {
    service: &'a str,
    /// Operations that lead there.
    path: &'a str,
    event: Event<'a>,
}

/// Requests by what followed, in the window before and in the one with the fault.
type Followed<'a> = BTreeMap<Event<'a>, (f64, f64)>;

/// Transitions whose shares differ between two windows, one claim for each source and one for each
/// call that it makes: named after the target that lost the most, for that is where the work used to
/// go on.
#[must_use]
pub fn transitions(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    // What is not logged in one of the windows was not collected, rather than not done.
    let logged = [normal, fault].iter().all(|observed| !observed.window.lines.is_empty());
    let norms = [Norm { wrong: failures(normal), logged }, Norm { wrong: BTreeSet::new(), logged }];
    let tables = compared([normal, fault], &norms);
    let mut places: BTreeMap<&str, f64> = BTreeMap::new();
    for (source, _, _) in &tables {
        *places.entry(source.service).or_default() += 1.0;
    }
    let entities = entities(normal, fault);
    let mut claims = Vec::new();
    for (source, target, followed) in tables {
        let Some(entity) = entities.get(source.service) else { continue };
        // One of all that the service does would be the cause: each the less likely the more there are.
        let ratio = ratio::changed(&followed.values().copied().collect::<Vec<_>>())
            - libm::log(places[source.service]);
        if ratio <= 0.0 {
            continue;
        }
        let Some((lost, gained)) = most_changed(&followed) else { continue };
        let part = format!("{}{ARROW}{}", source.event, target.unwrap_or(lost));
        let suspect = Suspect { entity: (*entity).clone(), part };
        claims.push(claim(suspect, CHANNEL, ratio, told(&source, target, &followed, lost, gained)));
    }
    claims
}

fn told(
    source: &Source<'_>,
    target: Option<Event<'_>>,
    followed: &Followed<'_>,
    lost: Event<'_>,
    gained: Event<'_>,
) -> String {
    let Source { path, event, .. } = source;
    let share = |target| shares(followed, target);
    match target {
        Some(target) => format!("{path}: calls {target} in {}", share(target)),
        None => format!(
            "{path}: after `{event}` comes `{lost}` in {}, `{gained}` in {}",
            share(lost),
            share(gained)
        ),
    }
}

/// Tables of all that was seen in both windows; with a target if it is of a call.
fn compared<'a>(
    windows: [&'a Observed<'_>; 2],
    norms: &[Norm<'_>; 2],
) -> Vec<(Source<'a>, Option<Event<'a>>, Followed<'a>)> {
    let mut sources: BTreeMap<Source<'a>, Followed<'a>> = BTreeMap::new();
    let mut made: BTreeMap<(Source<'a>, Event<'a>), (f64, f64)> = BTreeMap::new();
    let mut passed: BTreeMap<Source<'a>, (f64, f64)> = BTreeMap::new();
    for (is_fault, (observed, norm)) in [false, true].into_iter().zip(windows.into_iter().zip(norms)) {
        for (source, target, share) in split(successions(observed, norm)) {
            add(sources.entry(source).or_default().entry(target).or_default(), share, is_fault);
        }
        for ((source, _), pieces) in pieces(observed, norm) {
            add(passed.entry(source).or_default(), 1.0, is_fault);
            let share = 1.0 / pieces.len() as f64;
            for (service, operation) in pieces.into_iter().flatten() {
                let target = Event::Called(service, operation);
                add(made.entry((source, target)).or_default(), share, is_fault);
            }
        }
    }
    let calls = made.into_iter().map(|((source, target), made)| {
        let all = passed.get(&source).copied().unwrap_or_default();
        let not = ((all.0 - made.0).max(0.0), (all.1 - made.1).max(0.0));
        (source, Some(target), Followed::from([(target, made), (Event::NotCalled, not)]))
    });
    let followed = sources.into_iter().map(|(source, followed)| (source, None, followed));
    followed
        .chain(calls)
        .filter(|(_, _, followed)| totals(followed).0 > 0.0 && totals(followed).1 > 0.0)
        .collect()
}

fn add(counts: &mut (f64, f64), share: f64, is_fault: bool) {
    *(if is_fault { &mut counts.1 } else { &mut counts.0 }) += share;
}

/// Requests that passed a source before and after.
fn totals(followed: &Followed<'_>) -> (f64, f64) {
    followed.values().fold((0.0, 0.0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}

fn shares(followed: &Followed<'_>, target: Event<'_>) -> String {
    let (total, count) = (totals(followed), followed.get(&target).copied().unwrap_or_default());
    format!("{:.0} of {:.0}, before in {:.0} of {:.0}", count.1, total.1, count.0, total.0)
}

/// Targets that lost and that gained the largest share; among equals the first.
fn most_changed<'a>(followed: &Followed<'a>) -> Option<(Event<'a>, Event<'a>)> {
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
    Some((*lost.0, *gained.0))
}

/// Each request gives one to a source, split among what followed in it.
fn split<'a>(mut seen: Vec<(Source<'a>, Trace, Event<'a>)>) -> Vec<(Source<'a>, Event<'a>, f64)> {
    seen.sort_unstable();
    let mut shares = Vec::with_capacity(seen.len());
    for of_request in seen.chunk_by(|a, b| (&a.0, a.1) == (&b.0, b.1)) {
        let share = 1.0 / of_request.len() as f64;
        shares.extend(of_request.iter().map(|(source, _, target)| (*source, *target, share)));
    }
    shares
}

/// What of a window is compared.
struct Norm<'a> {
    /// Services with the requests that they logged errors in.
    wrong: BTreeSet<(&'a str, Trace)>,
    /// Log lines are.
    logged: bool,
}

impl Norm<'_> {
    fn holds(&self, call: &Call) -> bool {
        self.wrong.is_empty() || !self.wrong.contains(&(call.entity.service(), call.trace))
    }
}

fn failures<'a>(observed: &Observed<'a>) -> BTreeSet<(&'a str, Trace)> {
    let wrong = observed.window.lines.iter().filter(|line| line.severity >= ERROR);
    wrong.map(|line| (line.entity.service(), line.trace)).collect()
}

/// Each event of each span with the one after it.
fn successions<'a>(observed: &'a Observed<'_>, norm: &Norm<'_>) -> Vec<(Source<'a>, Trace, Event<'a>)> {
    let mut lines: BTreeMap<[u8; 8], Vec<&Line>> = BTreeMap::new();
    for line in observed.window.lines.iter().filter(|_| norm.logged) {
        lines.entry(line.span).or_default().push(line);
    }
    let mut seen = Vec::new();
    for (at, call) in observed.calls().filter(|(_, call)| norm.holds(call)) {
        let mut written = lines.remove(&call.span).unwrap_or_default();
        written.retain(|line| line.entity == call.entity);
        written.sort_by(|a, b| (a.time, &a.statement).cmp(&(b.time, &b.statement)));
        let said = written.into_iter().map(|line| Event::Said(&line.statement));
        let mut event = Event::Start(&call.operation);
        for next in said.chain([Event::End(&call.operation)]) {
            let source = Source { service: call.entity.service(), path: observed.path(at), event };
            seen.push((source, call.trace, next));
            event = next;
        }
    }
    seen
}

/// What pieces of work call, by where they start and by request.
type Pieces<'a> = BTreeMap<(Source<'a>, Trace), Vec<Vec<Target<'a>>>>;

/// What each piece of work calls.
fn pieces<'a>(observed: &'a Observed<'_>, norm: &Norm<'_>) -> Pieces<'a> {
    let mut targets = observed.targets();
    let mut pieces = Pieces::new();
    for (at, call) in observed.calls().filter(|(_, call)| norm.holds(call)) {
        let event = Event::Start(&call.operation);
        let source = Source { service: call.entity.service(), path: observed.path(at), event };
        pieces.entry((source, call.trace)).or_default().push(std::mem::take(&mut targets[at]));
    }
    pieces
}
