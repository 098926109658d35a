//! How often calls are made, which names callers have for whom, and when either is news.
//!
//! Counts are added up for a minute of event time and then told, so that shards need not tell each
//! other of every call. A rate is a sum over the past that halves its weight every five minutes,
//! divided by the weight that there was time for: exact for a constant rate from the first minute
//! on. What was counted in one tick is summed before it is weighted, so who counted it, and in which
//! order it came, does not show.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{EdgeKey, EdgeKind, EdgeObservation, Entity, Fact, Interval, Timestamp, Topology};

/// Counts are told once in this time.
const EVERY: Interval = Interval::from_seconds(60);
/// Time in which what was counted loses half of its weight.
const HALF_LIFE: Interval = Interval::from_seconds(300);
/// An edge that nobody saw for this long is no part of the graph: what happens once a day is.
const FORGOTTEN_AFTER: Interval = Interval::from_seconds(25 * 3_600);
/// A rate is news if it is this many times what was known, or less by as much: weights of edges
/// matter by their order of magnitude.
const NEWS: f64 = 2.0;
/// And if chance does not explain it: this many standard deviations of a Poisson count.
const SIGMAS: f64 = 3.0;
/// Calls behind a name that must all lead to one service before both are the same: a balancer
/// between two of them would do so once in 128 times.
const SAME_SERVICE: u64 = 8;
/// Calls that lead to a further service before the name stands in front of several: one may be a
/// mistake of the tracer.
const OTHER_SERVICE: u64 = 2;
/// Edges that are counted, and names of which it is not known what they stand for, at most.
const FLOWS_MAX: usize = 100_000;
const NAMES_MAX: usize = 10_000;

/// What was counted of an edge: as its caller names it, and as the callee's own spans show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Count {
    named: u64,
    served: u64,
}

/// Both weighted by time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Flow {
    /// Begin of the time in which it was counted.
    since: Timestamp,
    /// Up to when.
    at: Timestamp,
    named: f64,
    served: f64,
}

impl Flow {
    /// Weight that is left after a time.
    fn left(time: Interval) -> f64 {
        libm::exp2(-(time.as_seconds().max(0.0) / HALF_LIFE.as_seconds()))
    }

    fn add(&mut self, at: Timestamp, count: Count) {
        let left = Self::left(at.since(self.at));
        self.named = self.named * left + count.named as f64;
        self.served = self.served * left + count.served as f64;
        self.at = at;
    }

    /// Calls a second, named and served.
    fn rates(&self, now: Timestamp) -> (f64, f64) {
        let left = Self::left(now.since(self.at));
        // What one call a second would have come to in the time there was: counts are told once in
        // [`EVERY`], and fresh when they are.
        let scale = EVERY.as_seconds() / (1.0 - Self::left(EVERY));
        let room = scale * (1.0 - Self::left(now.since(self.since)));
        (self.named * left / room, self.served * left / room)
    }
}

/// Rates of edges, and evidence on names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Flows {
    /// Counted here since it was told last.
    #[serde(with = "entries")]
    pending: BTreeMap<EdgeKey, Count>,
    /// Number of the minute that is being counted.
    minute: Option<i64>,
    /// Of all shards.
    #[serde(with = "entries")]
    rates: BTreeMap<EdgeKey, Flow>,
    /// Number of the minute that was judged last.
    judged: Option<i64>,
    /// By name, how many calls led to whom; only names of which it is not known yet.
    names: BTreeMap<Entity, BTreeMap<Entity, u64>>,
}

fn minute(at: Timestamp) -> i64 {
    at.0.div_euclid(EVERY.0)
}

impl Flows {
    /// Counts what a tick that ends at `end` shows, and gives the counts that are due.
    pub(crate) fn gather(&mut self, end: Timestamp, edges: &[EdgeObservation]) -> Vec<EdgeObservation> {
        for edge in edges.iter().filter(|edge| edge.kind.depends()) {
            let service = |entity: &Entity| Entity(entity.service().to_owned());
            let key = (service(&edge.from), service(&edge.to), edge.kind);
            if self.pending.len() < FLOWS_MAX || self.pending.contains_key(&key) {
                let count = self.pending.entry(key).or_default();
                count.named = count.named.saturating_add(edge.count);
                count.served = count.served.saturating_add(edge.served);
            }
        }
        let now = minute(end);
        if self.minute.replace(now).is_none_or(|before| before >= now) {
            return Vec::new();
        }
        let told = std::mem::take(&mut self.pending).into_iter().map(|((from, to, kind), count)| {
            EdgeObservation { from, to, kind, count: count.named, served: count.served }
        });
        told.collect()
    }

    /// Whether [`Self::judge`] at `at` will look at all edges: once a minute.
    pub(crate) fn is_due(&self, at: Timestamp) -> bool {
        self.judged.is_some_and(|before| before < minute(at))
    }

    /// Takes in counts of all shards, and says what is news of edges at `at`.
    pub(crate) fn judge(
        &mut self,
        at: Timestamp,
        flows: &[EdgeObservation],
        topology: &Topology,
    ) -> Vec<Fact> {
        let mut sums: BTreeMap<EdgeKey, Count> = BTreeMap::new();
        for flow in flows {
            // Sums are by the names that were used: a name that turns out to stand for another later
            // keeps what was counted under it.
            let key = (flow.from.clone(), flow.to.clone(), flow.kind);
            let sum = sums.entry(key).or_default();
            sum.named = sum.named.saturating_add(flow.count);
            sum.served = sum.served.saturating_add(flow.served);
        }
        for (key, count) in sums {
            if self.rates.len() >= FLOWS_MAX && !self.rates.contains_key(&key) {
                continue;
            }
            let since = Timestamp(at.0.saturating_sub(EVERY.0));
            let flow = self.rates.entry(key).or_insert(Flow { since, at, named: 0.0, served: 0.0 });
            flow.add(at, count);
        }
        let due = self.is_due(at);
        self.judged = Some(self.judged.map_or(minute(at), |before| before.max(minute(at))));
        if !due {
            return Vec::new();
        }
        self.rates.retain(|_, flow| at.since(flow.at) <= Interval(2 * FORGOTTEN_AFTER.0));
        self.news(at, topology)
    }

    fn news(&self, at: Timestamp, topology: &Topology) -> Vec<Fact> {
        let mut used: BTreeMap<EdgeKey, (f64, f64, Timestamp)> = BTreeMap::new();
        for ((from, to, kind), flow) in &self.rates {
            let Some(edge) = topology.key(from, to, *kind) else { continue };
            let (named, served) = flow.rates(at);
            let sum = used.entry(edge).or_insert((0.0, 0.0, flow.at));
            *sum = (sum.0 + named, sum.1 + served, sum.2.max(flow.at));
        }
        let mut facts = Vec::new();
        for (edge, (named, served, last)) in used {
            let Some(life) = topology.life(&edge) else { continue };
            let (from, to, kind) = edge;
            if at.since(last) > FORGOTTEN_AFTER && !life.given {
                facts.push(Fact::EdgeEnded { from, to, kind });
                continue;
            }
            // Both sides tell of the same calls; who tells of more misses fewer.
            let rate = round(named.max(served));
            if life.per_second.is_none_or(|known| is_news(known, rate)) {
                facts.push(Fact::EdgeUsed { from, to, kind, per_second: rate });
            }
        }
        facts
    }

    /// Takes in which services served what was called by a name, and says of which names it is known
    /// now what they stand for.
    pub(crate) fn hear(&mut self, edges: &[EdgeObservation], topology: &Topology) -> Vec<Fact> {
        let mut touched = BTreeSet::new();
        for EdgeObservation { from: name, to, kind, count, .. } in edges {
            if *kind != EdgeKind::StandsFor || !is_open(topology, name, to) {
                continue;
            }
            if self.names.len() >= NAMES_MAX && !self.names.contains_key(name) {
                continue;
            }
            let of = topology.resolve(&Entity(to.service().to_owned()));
            let calls = self.names.entry(name.clone()).or_default().entry(of).or_default();
            *calls = calls.saturating_add(*count);
            touched.insert(name.clone());
        }
        let mut facts = Vec::new();
        for name in touched {
            let Some(served) = self.names.get(&name) else { continue };
            let known = topology.aliases.get(&name);
            let mut of: BTreeSet<Entity> = known.map(|alias| alias.of.clone()).unwrap_or_default();
            let enough = served.iter().filter(|(_, calls)| **calls >= OTHER_SERVICE);
            of.extend(enough.map(|(service, _)| service.clone()));
            let calls: u64 = served.values().sum();
            let alone = served.len() == 1 && calls >= SAME_SERVICE;
            let told = match of.len() {
                // What tells of itself under its name is something of its own that stands between.
                1 => known.is_none() && alone && !topology.speaks(name.as_str()),
                0 => false,
                _ => true,
            };
            if told && topology.stands_for(&name, &of).is_some() {
                let reason = reason(&of, calls);
                facts.push(Fact::AliasSeen { name: name.clone(), of, reason });
                self.names.remove(&name);
            }
        }
        facts
    }
}

/// Whether it is still asked whom a name stands for, given one who served what was called by it.
pub(crate) fn is_open(topology: &Topology, name: &Entity, by: &Entity) -> bool {
    let by = topology.resolve(&Entity(by.service().to_owned()));
    let same = name.is_instance() || topology.resolve(name) == by;
    !same && topology.aliases.get(name).is_none_or(|alias| !alias.given && !alias.of.contains(&by))
}

fn reason(of: &BTreeSet<Entity>, calls: u64) -> String {
    let names: Vec<&str> = of.iter().map(Entity::as_str).collect();
    match names.as_slice() {
        [only] => {
            format!("all {calls} calls by this name of which both sides are known were served by {only}")
        }
        several => format!("calls by this name were served by {}", several.join(", ")),
    }
}

/// Two digits: more are not known.
fn round(rate: f64) -> f64 {
    // Less than one call in a day and a half.
    if rate < 1e-5 {
        return 0.0;
    }
    let unit = libm::pow(10.0, 1.0 - libm::floor(libm::log10(rate)));
    libm::round(rate * unit) / unit
}

fn is_news(known: f64, rate: f64) -> bool {
    let (low, high) = (known.min(rate), known.max(rate));
    // Variance of a rate that is weighted in this way, of calls that come by chance.
    let deviation = libm::sqrt(high * core::f64::consts::LN_2 / (2.0 * HALF_LIFE.as_seconds()));
    high >= NEWS * low && high - low > SIGMAS * deviation
}

/// Maps whose keys are no texts, as lists.
mod entries {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub(super) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
