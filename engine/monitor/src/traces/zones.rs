//! Ways between zones, against ways within them.
//!
//! What is slow to be reached by itself is so for who calls it from its own zone, too. What only takes
//! longer between two zones lies on the way between them. Where nothing gets through, it is often not
//! even known whom a call should have reached: then calls from one zone to another are missed, while
//! calls go on within both.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::Entity;

use crate::{index::Index, traces::sketch::WHOLE};

/// Calls of a tick below which nothing is said of a way: means of few wander.
const CALLS_MIN: u64 = 5 * WHOLE;

/// What the clocks of two sides can tell apart, in nanoseconds.
const CLOCKS: i64 = 1_000_000;

/// What is known of the calls on one way.
#[derive(Clone, Debug, Default)]
struct Way {
    /// Nanoseconds that each call took beside the work of the callee, and its weight.
    gaps: Vec<(i64, u64)>,
    /// Weight of the calls of which it is known whom they reached.
    placed: u64,
}

impl Way {
    fn is_told(&self) -> bool {
        self.gaps.iter().fold(0_u64, |sum, (_, weight)| sum.saturating_add(*weight)) >= CALLS_MIN
    }

    /// Seconds that half of the calls take at most; a few callees that are slow to be reached, or a few hosts, do
    /// not move it.
    fn gap(&self) -> Option<f64> {
        let mut gaps: Vec<i64> = self.gaps.iter().map(|(gap, _)| *gap).collect();
        let middle = gaps.len() / 2;
        self.is_told().then(|| *gaps.select_nth_unstable(middle).1 as f64 / 1e9)
    }

    /// Nanoseconds that the way took at most.
    fn longest(&self) -> Option<i64> {
        self.gaps.iter().map(|(gap, _)| *gap).max()
    }

    /// Calls that took longer than the longest of those within both zones, if these are most of them: of those
    /// that a host holds up the longest is on either way.
    fn held_up(&self, [here, there]: [&Self; 2]) -> Option<f64> {
        if self.gaps.is_empty() || !here.is_told() || !there.is_told() {
            return None;
        }
        let longest = here.longest().max(there.longest())?;
        let late = self.gaps.iter().filter(|(gap, _)| *gap > longest.saturating_add(CLOCKS));
        let (count, weight) =
            late.fold((0, 0_u64), |(count, sum), (_, weight)| (count + 1, sum.saturating_add(*weight)));
        Some(if 2 * count > self.gaps.len() { weight as f64 / WHOLE as f64 } else { 0.0 })
    }
}

/// Domain, zone of who calls, zone of who is called.
pub(crate) type Zones = (String, Entity, Entity);

/// Calls on all ways.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ways {
    by_zones: BTreeMap<Zones, Way>,
}

/// A way that lets through a smaller part than this of what is usual lets nothing through: what was under way
/// before still comes.
const LET_THROUGH: f64 = 0.1;

/// Weight of a tick in what is usual.
const NEWS: f64 = 0.1;

/// Which part of the calls on the way and within the zone where it begins the way usually has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Usual {
    #[serde(with = "crate::entries")]
    shares: BTreeMap<Zones, f64>,
}

impl Usual {
    /// Calls that would have gone a way by what is usual beyond those that did, if hardly any did while calls
    /// went on within both zones; else 0. None as long as nothing is usual.
    fn missed(&mut self, zones: &Zones, [across, there, here]: [u64; 3]) -> Option<f64> {
        if there < CALLS_MIN || here < CALLS_MIN {
            return None;
        }
        let share = across as f64 / (across + here) as f64;
        let known = self.shares.get(zones).copied();
        let usual = known.or((across > 0).then_some(share))?;
        // For each call that stayed there would have been so many that did not.
        let expected = here as f64 * usual / (1.0 - usual).max(NEWS);
        if (across as f64) < LET_THROUGH * expected {
            return Some((expected - across as f64) / WHOLE as f64);
        }
        self.shares.insert(zones.clone(), usual + NEWS * (share - usual));
        Some(0.0)
    }
}

impl Ways {
    /// The way from one entity to another; none as long as it is not known where both are.
    fn between(&mut self, caller: usize, callee: &Entity, index: &Index) -> Option<&mut Way> {
        let domain = &index.known(caller).domain;
        let callee = index.find(domain, callee.as_str())?;
        let (from, to) = (index.zone(caller)?, index.zone(callee)?);
        Some(self.by_zones.entry((domain.clone(), from.clone(), to.clone())).or_default())
    }

    /// Adds what a call of one entity to another took beside the work of the callee, and its weight.
    pub(crate) fn add_gap(&mut self, (caller, callee): (usize, &Entity), gap: (i64, u64), index: &Index) {
        if let Some(way) = self.between(caller, callee, index) {
            way.gaps.push(gap);
        }
    }

    /// Adds the weight of calls of one entity that name another.
    pub(crate) fn add_placed(&mut self, (caller, callee): (usize, &Entity), weight: u64, index: &Index) {
        if let Some(way) = self.between(caller, callee, index) {
            way.placed = way.placed.saturating_add(weight);
        }
    }

    fn of(&self, domain: &str, from: &Entity, to: &Entity) -> Way {
        self.by_zones.get(&(domain.to_owned(), from.clone(), to.clone())).cloned().unwrap_or_default()
    }

    /// For each way between two zones the seconds that it takes beyond the worse of the ways within these two, 0
    /// if it is no worse than they are and none where neither of them is known; the calls that took longer on
    /// it than any did within; and those that are missed.
    pub(crate) fn told(&self, usual: &mut Usual) -> Vec<(Zones, [Option<f64>; 3])> {
        let known = self.by_zones.keys().chain(usual.shares.keys());
        let across: BTreeSet<Zones> = known.filter(|(_, from, to)| from != to).cloned().collect();
        let tell = |zones: Zones| {
            let (domain, from, to) = (&zones.0, &zones.1, &zones.2);
            let way = self.of(domain, from, to);
            let [here, there] = &[from, to].map(|zone| self.of(domain, zone, zone));
            let worse = [here, there].into_iter().filter_map(Way::gap).reduce(f64::max);
            let excess = way.gap().zip(worse).map(|(gap, worse)| (gap - worse).max(0.0));
            let missed = usual.missed(&zones, [&way, there, here].map(|way| way.placed));
            (zones, [excess, way.held_up([here, there]), missed])
        };
        across.into_iter().map(tell).collect()
    }
}
