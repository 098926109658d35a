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
    window::{Observed, Target, entities},
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

/// Something that took time; services and what was done by their places among all of a window's.
struct Sample {
    pair: u32,
    kind: u32,
    trace: u32,
    milliseconds: f64,
}

/// Who did it; for messages, client and server.
type Pair<'a> = [&'a str; 2];

/// All that took time in a window.
struct Samples<'a> {
    /// In order.
    pairs: Vec<Pair<'a>>,
    /// By whom, and what among those.
    kinds: Vec<(Pair<'a>, String)>,
    /// In the order of the calls.
    samples: Vec<Sample>,
}

/// What nine of ten took at most, by kind.
fn usual<'s>(samples: &'s Samples<'_>) -> BTreeMap<(Pair<'s>, &'s str), f64> {
    let mut of_kind: Vec<Vec<f64>> = vec![Vec::new(); samples.kinds.len()];
    for sample in &samples.samples {
        of_kind[sample.kind as usize].push(sample.milliseconds);
    }
    let ninth = |mut values: Vec<f64>| {
        values.sort_unstable_by(f64::total_cmp);
        values[(values.len() * 9).div_ceil(10) - 1].max(0.0)
    };
    let kinds = samples.kinds.iter().zip(of_kind).filter(|(_, values)| !values.is_empty());
    kinds.map(|((pair, what), values)| ((*pair, what.as_str()), ninth(values))).collect()
}

/// What was done in a request, and what is usual for that, milliseconds.
#[derive(Clone, Copy, Default)]
struct Took {
    took: f64,
    usual: f64,
}

impl Took {
    fn add(&mut self, other: Self) {
        self.took += other.took;
        self.usual += other.usual;
    }
}

/// By request, in order.
type Requests = Vec<(u32, Took)>;

/// By who does it and request, of what was seen in the fault-free window, too.
fn by_request<'a>(
    samples: &Samples<'a>,
    usual: &BTreeMap<(Pair<'_>, &str), f64>,
) -> Vec<(Pair<'a>, Requests)> {
    let known: Vec<Option<f64>> =
        samples.kinds.iter().map(|(pair, what)| usual.get(&(*pair, what.as_str())).copied()).collect();
    let mut found: Vec<(Pair<'a>, Requests)> = samples.pairs.iter().map(|pair| (*pair, Vec::new())).collect();
    for sample in &samples.samples {
        if let Some(usual) = known[sample.kind as usize] {
            let took = Took { took: sample.milliseconds, usual };
            found[sample.pair as usize].1.push((sample.trace, took));
        }
    }
    for (_, requests) in &mut found {
        // Within a request in the order of the calls: sums of floating-point numbers depend on it.
        requests.sort_by_key(|(trace, _)| *trace);
        requests.dedup_by(|next, first| {
            let same = next.0 == first.0;
            if same {
                first.1.add(next.1);
            }
            same
        });
    }
    found
}

/// All that a service has to do with; `sums` has a place for each request.
fn concerning(service: &str, found: &[(Pair<'_>, Requests)], sums: &mut [Took]) -> Requests {
    let mut met = Vec::new();
    for (_, requests) in found.iter().filter(|(services, _)| services.contains(&service)) {
        for (trace, took) in requests {
            met.push(*trace);
            sums[*trace as usize].add(*took);
        }
    }
    met.sort_unstable();
    met.dedup();
    met.into_iter().map(|trace| (trace, std::mem::take(&mut sums[trace as usize]))).collect()
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
    fn of(requests: &Requests, lasted: &[f64]) -> Self {
        let mut late = Self::default();
        for (trace, Took { took, usual }) in requests {
            let whole = lasted[*trace as usize];
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
fn lasted(observed: &Observed<'_>) -> Vec<f64> {
    let mut lasted = vec![0.0_f64; observed.traces()];
    for (at, call, _) in observed.calls() {
        let longest = &mut lasted[call.trace as usize];
        *longest = longest.max(observed.milliseconds(at));
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
fn accuse<'a>(windows: [&Observed<'a>; 2], samples: &[Samples<'a>; 2], what: &str) -> Vec<Accused<'a>> {
    let usual = usual(&samples[0]);
    let lasted = windows.map(lasted);
    let found = [0, 1].map(|at| by_request(&samples[at], &usual));
    let mut sums = windows.map(|observed| vec![Took::default(); observed.traces()]);
    let now: Vec<(Pair<'_>, Late)> =
        found[1].iter().map(|(services, requests)| (*services, Late::of(requests, &lasted[1]))).collect();
    let mut accused = Vec::new();
    for (service, entity) in entities(windows[0], windows[1]) {
        let mut of = |at: usize| Late::of(&concerning(service, &found[at], &mut sums[at]), &lasted[at]);
        let [then, own] = [of(0), of(1)];
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

fn messages<'a>(observed: &Observed<'a>) -> Samples<'a> {
    let mut met = Vec::new();
    for (at, server, _) in observed.calls() {
        if let Some((client, caller)) =
            observed.parent(at).filter(|(_, caller)| caller.service != server.service)
        {
            let milliseconds = observed.milliseconds(client) - observed.milliseconds(at);
            met.push(((caller.service, server.service), server.trace, milliseconds));
        }
    }
    let mut pairs: Vec<(u32, u32)> = met.iter().map(|(pair, ..)| *pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let samples = met.into_iter().map(|(pair, trace, milliseconds)| {
        let pair = pairs.partition_point(|known| *known < pair) as u32;
        Sample { pair, kind: pair, trace, milliseconds }
    });
    let samples = samples.collect();
    let pairs: Vec<Pair<'_>> = pairs
        .into_iter()
        .map(|(client, server)| [observed.service(client), observed.service(server)])
        .collect();
    let kinds = pairs.iter().map(|pair| (*pair, String::new())).collect();
    Samples { pairs, kinds, samples }
}

/// Messages that take longer: a claim for the network of each entity that sends or receives some,
/// and for the entity as a whole, at half the odds: a process that starves hands on its messages
/// late, too.
///
/// A late message concerns both ends but has one cause: beyond what a channel may say, all are
/// lowered by as much as the surest.
#[must_use]
pub fn gaps(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let samples = [messages(normal), messages(fault)];
    let accused = accuse([normal, fault], &samples, "messages to and from it take");
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

fn work<'a>(observed: &Observed<'a>) -> Samples<'a> {
    let mut within: Vec<f64> = Vec::new();
    let mut waits: Vec<bool> = Vec::new();
    observed.calls().for_each(|_| {
        within.push(0.0);
        waits.push(false);
    });
    for (at, call, _) in observed.calls() {
        if let Some((parent, caller)) = observed.parent(at) {
            within[parent] += observed.milliseconds(at);
            waits[parent] |= caller.service != call.service;
        }
    }
    // What waits for another entity waits for messages too; those are not its own work.
    let own = || observed.calls().filter(|(at, ..)| !waits[*at]);
    let pairs = (0..observed.services()).map(|place| [observed.service(place as u32); 2]).collect();
    let mut kinds: BTreeMap<(u32, u32, &[Target]), u32> = BTreeMap::new();
    let mut samples = Vec::new();
    for (at, call, _) in own() {
        let next = kinds.len() as u32;
        // Where a call that is usual is not seen, its time would look like the caller's own.
        let kind = *kinds.entry((call.service, observed.path_of(at), observed.made(at))).or_insert(next);
        let milliseconds = (observed.milliseconds(at) - within[at]).max(0.0);
        samples.push(Sample { pair: call.service, kind, trace: call.trace, milliseconds });
    }
    let mut named = vec![([""; 2], String::new()); kinds.len()];
    for ((service, path, targets), kind) in kinds {
        let targets: Vec<(&str, &str)> =
            targets.iter().map(|(of, what)| (observed.service(*of), observed.operation(*what))).collect();
        let what = format!("{} {targets:?}", observed.path(path));
        named[kind as usize] = ([observed.service(service); 2], what);
    }
    Samples { pairs, kinds: named, samples }
}

/// Work that takes longer by itself: a claim for the processor of each entity that does some.
#[must_use]
pub fn self_time(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let samples = [work(normal), work(fault)];
    let accused = accuse([normal, fault], &samples, "its own work takes");
    let claim = |one: Accused<'_>| {
        let suspect = Suspect { entity: one.entity.clone(), part: CPU.to_owned() };
        claim(suspect, SELF_TIME, one.ratio, one.text)
    };
    accused.into_iter().map(claim).collect()
}
