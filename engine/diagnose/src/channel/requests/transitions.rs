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

use std::{collections::BTreeMap, fmt};

use super::{
    Claim, claim,
    errors::ERROR,
    ratio,
    window::{Observed, Places, entities},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "transitions";
/// Between the two events of a transition, in the name of a part.
pub const ARROW: &str = " → ";

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
    let norm = Norm { wrong: failures(normal), logged };
    let tables = compared(&[seen(normal, &norm), seen(fault, &Norm { wrong: Vec::new(), logged })]);
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
fn compared<'a>(windows: &[Seen<'a>; 2]) -> Vec<(Source<'a>, Option<Event<'a>>, Followed<'a>)> {
    let mut sources: BTreeMap<Source<'a>, Followed<'a>> = BTreeMap::new();
    let mut made: BTreeMap<(Source<'a>, Event<'a>), (f64, f64)> = BTreeMap::new();
    let mut passed: BTreeMap<Source<'a>, (f64, f64)> = BTreeMap::new();
    for (is_fault, seen) in [false, true].into_iter().zip(windows) {
        for (source, targets) in &seen.followed {
            let followed = sources.entry(*source).or_default();
            targets
                .iter()
                .for_each(|(target, count)| add(followed.entry(*target).or_default(), *count, is_fault));
        }
        for (source, requests, targets) in &seen.made {
            add(passed.entry(*source).or_default(), *requests, is_fault);
            for (target, count) in targets {
                add(made.entry((*source, *target)).or_default(), *count, is_fault);
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

fn add(counts: &mut (f64, f64), count: f64, is_fault: bool) {
    *(if is_fault { &mut counts.1 } else { &mut counts.0 }) += count;
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

/// What of a window is compared.
struct Norm {
    /// Services with the requests that they logged errors in, sorted.
    wrong: Vec<(u32, u32)>,
    /// Log lines are.
    logged: bool,
}

impl Norm {
    fn holds(&self, call: Places) -> bool {
        self.wrong.binary_search(&(call.service, call.trace)).is_err()
    }
}

fn failures(observed: &Observed<'_>) -> Vec<(u32, u32)> {
    let lines = observed.lines.iter().zip(&observed.window.lines);
    let wrong = lines.filter(|(_, line)| line.severity >= ERROR);
    let mut wrong: Vec<(u32, u32)> = wrong.map(|(at, _)| (at.service, at.trace)).collect();
    wrong.sort_unstable();
    wrong.dedup();
    wrong
}

/// Requests by what followed, in one window.
type Counts<'a> = Vec<(Event<'a>, f64)>;

/// What was seen in one window, by source in order.
struct Seen<'a> {
    followed: Vec<(Source<'a>, Counts<'a>)>,
    /// Sources of calls, requests that passed there, and what they called.
    made: Vec<(Source<'a>, f64, Counts<'a>)>,
}

/// An event as a number that compares as the event does.
type Code = u64;

const SAID: Code = 1 << 60;
const CALLED: Code = 2 << 60;
const END: Code = 4 << 60;
/// Places of services and of operations lie below this.
const PLACES: u32 = 30;

/// A source as numbers that compare as it does: service, path, event.
type Key = (u32, u32, Code);

fn event<'a>(observed: &Observed<'a>, code: Code) -> Event<'a> {
    let place = (code & ((1 << PLACES) - 1)) as u32;
    match code >> 60 {
        0 => Event::Start(observed.operation(place)),
        1 => Event::Said(observed.statement(place)),
        2 => {
            let service = (code >> PLACES & ((1 << PLACES) - 1)) as u32;
            Event::Called(observed.service(service), observed.operation(place))
        }
        _ => Event::End(observed.operation(place)),
    }
}

fn seen<'a>(observed: &'a Observed<'_>, norm: &Norm) -> Seen<'a> {
    let source = |(service, path, code): Key| Source {
        service: observed.service(service),
        path: observed.path(path),
        event: event(observed, code),
    };
    let named = |counts: BTreeMap<Code, f64>| -> Counts<'a> {
        counts.into_iter().map(|(code, count)| (event(observed, code), count)).collect()
    };
    // Each request gives one to a source, split among what followed in it.
    let successions = successions(observed, norm);
    let mut followed = Vec::new();
    for of_source in successions.chunk_by(|a, b| a.0 == b.0) {
        let mut counts: BTreeMap<Code, f64> = BTreeMap::new();
        for of_request in of_source.chunk_by(|a, b| a.1 == b.1) {
            let share = 1.0 / of_request.len() as f64;
            of_request.iter().for_each(|(.., target)| *counts.entry(*target).or_default() += share);
        }
        followed.push((source(of_source[0].0), named(counts)));
    }
    let mut pieces: Vec<(Key, u32, usize)> = observed
        .calls()
        .filter(|(_, call, _)| norm.holds(*call))
        .map(|(at, call, _)| ((call.service, observed.path_of(at), Code::from(call.what)), call.trace, at))
        .collect();
    pieces.sort_unstable();
    let mut made = Vec::new();
    for of_source in pieces.chunk_by(|a, b| a.0 == b.0) {
        let (mut requests, mut counts) = (0.0, BTreeMap::new());
        for of_request in of_source.chunk_by(|a, b| a.1 == b.1) {
            requests += 1.0;
            let share = 1.0 / of_request.len() as f64;
            for (service, operation) in of_request.iter().flat_map(|(.., at)| observed.made(*at)) {
                let code = CALLED | Code::from(*service) << PLACES | Code::from(*operation);
                *counts.entry(code).or_default() += share;
            }
        }
        made.push((source(of_source[0].0), requests, named(counts)));
    }
    Seen { followed, made }
}

/// Each event of each span with the one after it, sorted: source, request, target.
fn successions(observed: &Observed<'_>, norm: &Norm) -> Vec<(Key, u32, Code)> {
    let lines = observed.window.lines.iter().zip(&observed.lines).filter(|_| norm.logged);
    let mut written: Vec<(u64, u32, i64, u32)> =
        lines.map(|(line, at)| (u64::from_be_bytes(line.span), at.entity, line.time.0, at.what)).collect();
    written.sort_unstable();
    let mut seen = Vec::with_capacity(written.len() + observed.traces());
    let mut rest = &written[..];
    for (at, call, _) in observed.calls().filter(|(_, call, _)| norm.holds(*call)) {
        let own = (observed.span(at), call.entity);
        // Calls come in the order of their spans, too.
        rest = &rest[rest.partition_point(|line| (line.0, line.1) < own)..];
        let said =
            rest.iter().take_while(|line| (line.0, line.1) == own).map(|line| SAID | Code::from(line.3));
        let mut event = Code::from(call.what);
        for next in said.chain([END | Code::from(call.what)]) {
            seen.push(((call.service, observed.path_of(at), event), call.trace, next));
            event = next;
        }
    }
    seen.sort_unstable();
    seen
}
