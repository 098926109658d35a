//! What takes far longer than without the fault: messages between client and server, and work by
//! itself.
//!
//! A call between two entities takes the client longer than the server; the difference is what the
//! messages took, whatever the clocks say. A request is late with an entity if what the entity did
//! in it took twice as long as nine of ten such things did in the fault-free window, and a tenth of
//! the whole request longer: what nobody can feel needs no cause. How often requests are late anyway
//! is told by those before and by the other entities now: if everything is slower, nobody is accused.

use std::{collections::BTreeMap, f64::consts::LN_2};

use theriac_contract::Entity;

use super::{
    CPU, Claim, NETWORK, RATIO_MAX, claim, ratio,
    window::{Observed, entities},
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

type Trace = [u8; 16];

/// Something that took time.
struct Sample<'a> {
    /// Who did it; for messages, client and server.
    services: [&'a str; 2],
    /// What, among those.
    what: String,
    trace: Trace,
    milliseconds: f64,
}

type Kind<'s> = ([&'s str; 2], &'s str);

/// What nine of ten took at most, by kind.
fn usual<'s>(samples: &'s [Sample<'_>]) -> BTreeMap<Kind<'s>, f64> {
    let mut of_kind: BTreeMap<Kind<'s>, Vec<f64>> = BTreeMap::new();
    for sample in samples {
        of_kind.entry((sample.services, &sample.what)).or_default().push(sample.milliseconds);
    }
    let ninth = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[(values.len() * 9).div_ceil(10) - 1].max(0.0)
    };
    of_kind.into_iter().map(|(kind, values)| (kind, ninth(values))).collect()
}

/// What was done in a request, and what is usual for that, milliseconds.
#[derive(Clone, Copy, Default)]
struct Took {
    took: f64,
    usual: f64,
}

/// By request.
type Requests = BTreeMap<Trace, Took>;

/// By who does it and request, of what was seen in the fault-free window, too.
fn by_request<'a>(
    samples: &[Sample<'a>],
    usual: &BTreeMap<Kind<'_>, f64>,
) -> BTreeMap<[&'a str; 2], Requests> {
    let mut found: BTreeMap<[&str; 2], Requests> = BTreeMap::new();
    for sample in samples {
        let Some(usual) = usual.get(&(sample.services, sample.what.as_str())) else { continue };
        let took = found.entry(sample.services).or_default().entry(sample.trace).or_default();
        took.took += sample.milliseconds;
        took.usual += usual;
    }
    found
}

/// All that a service has to do with.
fn concerning(service: &str, found: &BTreeMap<[&str; 2], Requests>) -> Requests {
    let mut own = Requests::new();
    for requests in found.iter().filter(|(services, _)| services.contains(&service)).map(|(_, own)| own) {
        for (trace, Took { took, usual }) in requests {
            let sum = own.entry(*trace).or_default();
            sum.took += took;
            sum.usual += usual;
        }
    }
    own
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
    fn of(requests: &Requests, lasted: &BTreeMap<Trace, f64>) -> Self {
        let mut late = Self::default();
        for (trace, Took { took, usual }) in requests {
            let whole = lasted.get(trace).copied().unwrap_or(0.0);
            late.all += 1.0;
            if *took > FACTOR * usual && took - usual >= FELT * whole {
                late.late += 1.0;
                late.excess += took - usual;
            }
        }
        late
    }

    fn plus(self, other: Self) -> Self {
        Self { late: self.late + other.late, all: self.all + other.all, excess: self.excess + other.excess }
    }

    /// The share that is late, as if half of one more were.
    fn share(self) -> f64 {
        (self.late + 0.5) / (self.all + 1.0)
    }
}

/// Milliseconds that each request lasted: its longest span.
fn lasted(observed: &Observed<'_>) -> BTreeMap<Trace, f64> {
    let mut lasted: BTreeMap<Trace, f64> = BTreeMap::new();
    for (_, call) in observed.calls() {
        let longest = lasted.entry(call.trace).or_default();
        *longest = longest.max(call.milliseconds());
    }
    lasted
}

/// An entity with how much likelier the late requests are if it is the cause, and why.
struct Accused<'a> {
    entity: &'a Entity,
    ratio: f64,
    text: String,
}

/// Each entity that did something of the sort, beside all that it has nothing to do with.
fn accuse<'a>(windows: [&Observed<'a>; 2], samples: [&[Sample<'a>]; 2], what: &str) -> Vec<Accused<'a>> {
    let usual = usual(samples[0]);
    let lasted = windows.map(lasted);
    let found = samples.map(|samples| by_request(samples, &usual));
    let now: Vec<([&str; 2], Late)> =
        found[1].iter().map(|(services, requests)| (*services, Late::of(requests, &lasted[1]))).collect();
    let mut accused = Vec::new();
    for (service, entity) in entities(windows[0], windows[1]) {
        let [then, own] = [0, 1].map(|at| Late::of(&concerning(service, &found[at]), &lasted[at]));
        let others = now.iter().filter(|(services, _)| !services.contains(&service));
        let rest = others.fold(Late::default(), |sum, (_, late)| sum.plus(*late));
        if own.all == 0.0 {
            continue;
        }
        let elsewhere = if rest.all > 0.0 { rest.share() } else { 0.0 };
        let expected = elsewhere.max(then.share());
        let risen = own.late > expected * own.all;
        let ratio = if risen { ratio::beyond(own.late, own.all, expected) } else { f64::NEG_INFINITY };
        let text = format!(
            "{what} far longer in {:.0} of {:.0} requests, by {:.1} ms on average; before in {:.0} of {:.0}, elsewhere in {:.0} of {:.0}",
            own.late,
            own.all,
            own.excess / own.late.max(1.0),
            then.late,
            then.all,
            rest.late,
            rest.all
        );
        accused.push(Accused { entity, ratio, text });
    }
    accused
}

fn messages<'a>(observed: &Observed<'a>) -> Vec<Sample<'a>> {
    let mut samples = Vec::new();
    for (at, server) in observed.calls() {
        let Some((_, client)) = observed.parent(at) else { continue };
        let services = [client.entity.service(), server.entity.service()];
        if services[0] != services[1] {
            let milliseconds = client.milliseconds() - server.milliseconds();
            samples.push(Sample { services, what: String::new(), trace: server.trace, milliseconds });
        }
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
pub fn gaps(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let samples = [&messages(normal)[..], &messages(fault)[..]];
    let accused = accuse([normal, fault], samples, "messages to and from it take");
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

fn work<'a>(observed: &Observed<'a>) -> Vec<Sample<'a>> {
    let targets = observed.targets();
    let mut within = vec![0.0; targets.len()];
    let mut waits = vec![false; targets.len()];
    for (at, call) in observed.calls() {
        if let Some((parent, caller)) = observed.parent(at) {
            within[parent] += call.milliseconds();
            waits[parent] |= caller.entity.service() != call.entity.service();
        }
    }
    // What waits for another entity waits for messages too; those are not its own work.
    let own = observed.calls().filter(|(at, _)| !waits[*at]);
    own.map(|(at, call)| Sample {
        services: [call.entity.service(); 2],
        // Where a call that is usual is not seen, its time would look like the caller's own.
        what: format!("{} {:?}", observed.path(at), targets[at]),
        trace: call.trace,
        milliseconds: (call.milliseconds() - within[at]).max(0.0),
    })
    .collect()
}

/// Work that takes longer by itself: a claim for the processor of each entity that does some.
#[must_use]
pub fn self_time(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let samples = [&work(normal)[..], &work(fault)[..]];
    let accused = accuse([normal, fault], samples, "its own work takes");
    let claim = |one: Accused<'_>| {
        let suspect = Suspect { entity: one.entity.clone(), part: CPU.to_owned() };
        claim(suspect, SELF_TIME, one.ratio, one.text)
    };
    accused.into_iter().map(claim).collect()
}
