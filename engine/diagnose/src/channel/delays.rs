//! What takes longer than all of its kind did without the fault: messages between client and
//! server, and work by itself.
//!
//! A call between two entities takes the client longer than the server; the difference is what the
//! messages took, whatever the clocks say. A call is late if that is more than any of its kind took
//! in the fault-free window. How often that is to be expected is told by all that does not concern
//! the suspect, in the same window: if everything became slower, nobody is accused.

use std::collections::BTreeMap;

use theriac_contract::Entity;

use super::{
    CPU, Claim, NETWORK, claim, ratio,
    window::{Call, Calls, Window},
};
use crate::weighing::Suspect;

/// Name of the channel of messages.
pub const GAPS: &str = "gaps";
/// Name of the channel of work.
pub const SELF_TIME: &str = "self_time";

/// Milliseconds by kind and request: means over what of the kind is in the request.
type Samples = BTreeMap<Vec<String>, BTreeMap<[u8; 16], (f64, f64)>>;

fn add(samples: &mut Samples, kind: Vec<String>, trace: [u8; 16], milliseconds: f64) {
    let (sum, count) = samples.entry(kind).or_default().entry(trace).or_default();
    *sum += milliseconds;
    *count += 1.0;
}

/// How many requests were late, of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Late {
    late: f64,
    all: f64,
    /// Milliseconds beyond what was usual, summed over requests.
    excess: f64,
}

impl Late {
    fn plus(self, other: Self) -> Self {
        Self { late: self.late + other.late, all: self.all + other.all, excess: self.excess + other.excess }
    }
}

/// Late requests of each kind that was seen in both windows.
fn late(normal: &Samples, fault: &Samples) -> BTreeMap<Vec<String>, Late> {
    let mean = |(sum, count): &(f64, f64)| sum / count;
    let mut found = BTreeMap::new();
    for (kind, requests) in fault {
        let Some(before) = normal.get(kind) else { continue };
        let most = before.values().map(mean).fold(0.0, f64::max);
        let mut of_kind = Late::default();
        for request in requests.values() {
            of_kind.all += 1.0;
            if mean(request) > most {
                of_kind.late += 1.0;
                of_kind.excess += mean(request) - most;
            }
        }
        found.insert(kind.clone(), of_kind);
    }
    found
}

/// Whoever the late requests concern, weighed against all that does not concern them.
fn accuse(
    found: &BTreeMap<Vec<String>, Late>,
    entities: &BTreeMap<&str, &Entity>,
    concerns: impl Fn(&[String], &str) -> bool,
    part: &str,
    channel: &str,
    what: &str,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (service, entity) in entities {
        let sum = |own: bool| {
            let of = found.iter().filter(|(kind, _)| concerns(kind, service) == own);
            of.fold(Late::default(), |sum, (_, late)| sum.plus(*late))
        };
        let (own, rest) = (sum(true), sum(false));
        if own.all == 0.0 {
            continue;
        }
        let expected = (rest.late + 0.5) / (rest.all + 1.0);
        let ratio = if own.late / own.all > expected {
            ratio::beyond(own.late, own.all, expected) - libm::log(entities.len() as f64)
        } else {
            f64::NEG_INFINITY
        };
        let text = format!(
            "{what} {:.0} of {:.0} times longer than ever before, by {:.1} ms on average; elsewhere {:.0} of {:.0}",
            own.late,
            own.all,
            own.excess / own.late.max(1.0),
            rest.late,
            rest.all
        );
        let suspect = Suspect { entity: (*entity).clone(), part: part.to_owned() };
        claims.push(claim(suspect, channel, ratio, text));
    }
    claims
}

/// Calls between entities, with the one that waits.
fn between<'a>(calls: &Calls<'a>) -> Vec<(&'a Call, &'a Call)> {
    let pair = |call: &'a Call| {
        let parent = calls.parent(call)?;
        (parent.entity.service() != call.entity.service()).then_some((parent, call))
    };
    calls.all().filter_map(pair).collect()
}

fn gap_samples(window: &Window) -> Samples {
    let calls = Calls::of(window);
    let mut samples = Samples::new();
    for (client, server) in between(&calls) {
        let kind = vec![client.entity.service().to_owned(), server.entity.service().to_owned()];
        add(&mut samples, kind, server.trace, client.milliseconds() - server.milliseconds());
    }
    samples
}

/// Messages that take longer: a claim for each entity that sends or receives some.
#[must_use]
pub fn gaps(normal: &Window, fault: &Window) -> Vec<Claim> {
    let found = late(&gap_samples(normal), &gap_samples(fault));
    let entities = super::window::entities(normal, fault);
    let concerns = |kind: &[String], service: &str| kind.iter().any(|end| end == service);
    accuse(&found, &entities, concerns, NETWORK, GAPS, "messages to and from it take")
}

fn self_samples(window: &Window) -> Samples {
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
        add(&mut samples, vec![call.entity.service().to_owned(), calls.path(call)], call.trace, own);
    }
    samples
}

/// Work that takes longer by itself: a claim for each entity that does some.
#[must_use]
pub fn self_time(normal: &Window, fault: &Window) -> Vec<Claim> {
    let found = late(&self_samples(normal), &self_samples(fault));
    let entities = super::window::entities(normal, fault);
    let concerns = |kind: &[String], service: &str| kind[0] == service;
    accuse(&found, &entities, concerns, CPU, SELF_TIME, "its own work takes")
}
