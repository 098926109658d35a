//! What takes far longer than without the fault: messages between client and server, and work by
//! itself.
//!
//! A call between two entities takes the client longer than the server; the difference is what the
//! messages took, whatever the clocks say. A request is late with something if that took twice as
//! long as nine of ten did in the fault-free window, and if that is a tenth of the whole request:
//! what nobody can feel needs no cause. How often requests are late anyway is told by those before
//! and by all that does not concern the suspect now: if everything is slower, nobody is accused.

use std::{collections::BTreeMap, f64::consts::LN_2};

use theriac_contract::Entity;

use super::{
    CPU, Claim, NETWORK, RATIO_MAX, claim, ratio,
    window::{Call, Calls, Window},
};
use crate::weighing::Suspect;

/// Name of the channel of messages.
pub const GAPS: &str = "gaps";
/// Name of the channel of work.
pub const SELF_TIME: &str = "self_time";

/// Times what nine of ten took, from which on something is late: what load does to durations is
/// told by tenths, what faults do by factors.
const FACTOR: f64 = 2.0;
/// Share of a request, from which on a delay can be felt.
const FELT: f64 = 0.1;

/// What of one kind took in one request.
#[derive(Clone, Copy, Debug, Default)]
struct Took {
    /// Milliseconds, summed over how often it was done.
    sum: f64,
    /// How often.
    count: f64,
}

/// By kind and request.
type Samples<'a> = BTreeMap<Kind<'a>, BTreeMap<[u8; 16], Took>>;
/// Who does it (for messages: client and server), and what.
type Kind<'a> = (&'a str, &'a str, String);

fn add<'a>(samples: &mut Samples<'a>, kind: Kind<'a>, trace: [u8; 16], milliseconds: f64) {
    let took = samples.entry(kind).or_default().entry(trace).or_default();
    took.sum += milliseconds;
    took.count += 1.0;
}

/// How many requests were late, of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Late {
    late: f64,
    all: f64,
    /// Milliseconds beyond what was usual, summed over late requests.
    excess: f64,
}

impl Late {
    fn of(requests: &BTreeMap<[u8; 16], Took>, usual: f64, lasted: &BTreeMap<[u8; 16], f64>) -> Self {
        let mut of_kind = Self::default();
        for (trace, took) in requests {
            let excess = took.sum - took.count * usual;
            of_kind.all += 1.0;
            let whole = lasted.get(trace).copied().unwrap_or(0.0);
            if took.sum > FACTOR * took.count * usual && excess >= FELT * whole {
                of_kind.late += 1.0;
                of_kind.excess += excess;
            }
        }
        of_kind
    }

    fn plus(self, other: Self) -> Self {
        Self { late: self.late + other.late, all: self.all + other.all, excess: self.excess + other.excess }
    }

    /// Share that is late, of which a half of one more is.
    fn share(self) -> f64 {
        (self.late + 0.5) / (self.all + 1.0)
    }
}

/// Milliseconds that each request lasted: its longest span.
fn lasted(window: &Window) -> BTreeMap<[u8; 16], f64> {
    let mut lasted: BTreeMap<[u8; 16], f64> = BTreeMap::new();
    for call in &window.calls {
        let longest = lasted.entry(call.trace).or_default();
        *longest = longest.max(call.milliseconds());
    }
    lasted
}

/// What nine of ten took at most, once.
fn usual(requests: &BTreeMap<[u8; 16], Took>) -> f64 {
    let mut means: Vec<f64> = requests.values().map(|took| took.sum / took.count).collect();
    means.sort_by(f64::total_cmp);
    means.get((means.len() * 9).div_ceil(10).max(1) - 1).copied().unwrap_or(0.0).max(0.0)
}

/// Late requests of each kind that was seen in both windows: before, and now.
fn late<'a>([normal, fault]: [&Samples<'a>; 2], windows: [&Window; 2]) -> BTreeMap<Kind<'a>, (Late, Late)> {
    let lasted = windows.map(lasted);
    let mut found = BTreeMap::new();
    for (kind, requests) in fault {
        if let Some(before) = normal.get(kind) {
            let usual = usual(before);
            let both = (Late::of(before, usual, &lasted[0]), Late::of(requests, usual, &lasted[1]));
            found.insert(kind.clone(), both);
        }
    }
    found
}

/// An entity with how much likelier late requests are if it is the cause, and why.
struct Accused<'a> {
    entity: &'a Entity,
    ratio: f64,
    text: String,
}

/// Whoever the late requests concern, weighed against those before and all that does not concern
/// them.
fn accuse<'a>(
    found: &BTreeMap<Kind<'_>, (Late, Late)>,
    entities: &BTreeMap<&str, &'a Entity>,
    concerns: impl Fn(&Kind<'_>, &str) -> bool,
    what: &str,
) -> Vec<Accused<'a>> {
    let mut accused = Vec::new();
    for (service, entity) in entities {
        let (mut before, mut own, mut rest) = (Late::default(), Late::default(), Late::default());
        for (kind, (then, now)) in found {
            if concerns(kind, service) {
                (before, own) = (before.plus(*then), own.plus(*now));
            } else {
                rest = rest.plus(*now);
            }
        }
        if own.all == 0.0 {
            continue;
        }
        let expected = rest.share().max(before.share());
        let risen = own.late > expected * own.all;
        let text = format!(
            "{what} far longer in {:.0} of {:.0} requests, by {:.1} ms on average; before in {:.0} of {:.0}, elsewhere in {:.0} of {:.0}",
            own.late,
            own.all,
            own.excess / own.late.max(1.0),
            before.late,
            before.all,
            rest.late,
            rest.all
        );
        let ratio = if risen { ratio::beyond(own.late, own.all, expected) } else { f64::NEG_INFINITY };
        accused.push(Accused { entity, ratio, text });
    }
    accused
}

/// Calls between entities, with the one that waits.
fn between<'a>(calls: &Calls<'a>) -> Vec<(&'a Call, &'a Call)> {
    let pair = |call: &'a Call| {
        let parent = calls.parent(call)?;
        (parent.entity.service() != call.entity.service()).then_some((parent, call))
    };
    calls.all().filter_map(pair).collect()
}

fn gap_samples(window: &Window) -> Samples<'_> {
    let calls = Calls::of(window);
    let mut samples = Samples::new();
    for (client, server) in between(&calls) {
        let kind = (client.entity.service(), server.entity.service(), String::new());
        add(&mut samples, kind, server.trace, client.milliseconds() - server.milliseconds());
    }
    samples
}

/// Messages that take longer: a claim for the network of each entity that sends or receives some,
/// and for the entity as a whole, at half the odds: a process that starves hands on its messages
/// late, too.
///
/// A late message concerns both ends but has one cause: beyond what a channel may say, all are
/// lowered by as much as the surest.
#[must_use]
pub fn gaps(normal: &Window, fault: &Window) -> Vec<Claim> {
    let found = late([&gap_samples(normal), &gap_samples(fault)], [normal, fault]);
    let entities = super::window::entities(normal, fault);
    let concerns = |kind: &Kind<'_>, service: &str| kind.0 == service || kind.1 == service;
    let accused = accuse(&found, &entities, concerns, "messages to and from it take");
    let surest = accused.iter().map(|one| one.ratio).fold(RATIO_MAX, f64::max);
    let mut claims = Vec::new();
    for one in accused {
        let ratio = one.ratio - (surest - RATIO_MAX);
        let suspect = |part: &str| Suspect { entity: one.entity.clone(), part: part.to_owned() };
        claims.push(claim(suspect(NETWORK), GAPS, ratio, one.text.clone()));
        if ratio > LN_2 {
            claims.push(claim(suspect(""), GAPS, ratio - LN_2, one.text));
        }
    }
    claims
}

fn self_samples(window: &Window) -> Samples<'_> {
    let calls = Calls::of(window);
    let mut within: BTreeMap<[u8; 8], f64> = BTreeMap::new();
    let mut waits: BTreeMap<[u8; 8], bool> = BTreeMap::new();
    for call in calls.all() {
        if let Some(parent) = calls.parent(call) {
            *within.entry(parent.span).or_default() += call.milliseconds();
            *waits.entry(parent.span).or_default() |= parent.entity.service() != call.entity.service();
        }
    }
    let mut samples = Samples::new();
    for call in calls.all() {
        // What waits for another entity waits for messages too; those are not its own work.
        if waits.get(&call.span).copied().unwrap_or(false) {
            continue;
        }
        let own = (call.milliseconds() - within.get(&call.span).copied().unwrap_or(0.0)).max(0.0);
        add(&mut samples, (call.entity.service(), "", calls.path(call)), call.trace, own);
    }
    samples
}

/// Work that takes longer by itself: a claim for the processor of each entity that does some.
#[must_use]
pub fn self_time(normal: &Window, fault: &Window) -> Vec<Claim> {
    let found = late([&self_samples(normal), &self_samples(fault)], [normal, fault]);
    let entities = super::window::entities(normal, fault);
    let concerns = |kind: &Kind<'_>, service: &str| kind.0 == service;
    let accused = accuse(&found, &entities, concerns, "its own work takes");
    let claim = |one: Accused<'_>| {
        let suspect = Suspect { entity: one.entity.clone(), part: CPU.to_owned() };
        claim(suspect, SELF_TIME, one.ratio, one.text)
    };
    accused.into_iter().map(claim).collect()
}
