//! Users: an open loop with the shape of a day, AR(1) noise and bursts. Nothing that is done to
//! the fleet shifts it.

use super::{
    clock::{Nanos, SECOND, nanos},
    topology::Topology,
};
use crate::random::Stream;

/// What a user asks for.
pub(crate) struct Question {
    pub(crate) route: u8,
    pub(crate) mistaken: bool,
    /// May be turned away first.
    pub(crate) low: bool,
    pub(crate) tenant: u16,
    /// What it is about.
    pub(crate) key: u16,
    pub(crate) hot: bool,
    pub(crate) trace: (u64, u64),
    pub(crate) traced: bool,
    pub(crate) logged: bool,
    /// For whatever else is decided by chance about it.
    pub(crate) lot: f64,
}

/// Tenants of the fleet, a few of them large.
pub(crate) const TENANTS: usize = 200;
/// Things that can be asked for.
pub(crate) const KEYS: usize = 9_000;
/// Share of users that may be turned away first (prefetching, previews).
pub(crate) const LOW_PRIORITY: f64 = 0.4;
/// Share of questions about the one thing that most ask for.
const HOT: f64 = 0.02;
const MISTAKES: f64 = 0.01;
const TRACED: f64 = 0.03;
const LOGGED: f64 = 0.05;
/// Memory and step of the noise, each second.
const NOISE_MEMORY: f64 = 0.95;
const NOISE_STEP: f64 = 0.012;
/// Bursts: how often one begins and ends in a second, and how high it is.
const BURST_BEGINS: f64 = 1.0 / 300.0;
const BURST_ENDS: f64 = 1.0 / 20.0;
const BURST_HEIGHT: f64 = 1.12;

/// State of the arrivals.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    noise: f64,
    burst: bool,
    /// Second of the week at the start.
    pub(crate) week_second: u64,
    /// Multiplier of this run, and those by faults and disturbances.
    pub(crate) level: f64,
    pub(crate) surge: f64,
    /// Share of the questions that are about the hot key, on top.
    pub(crate) hot: f64,
    /// Requests of a tenant that asks for too much, relative to all others, and which.
    pub(crate) abuse: f64,
    pub(crate) abuser: u16,
    /// The one thing that most ask for.
    pub(crate) popular: u16,
    /// Share of questions that are the user's own mistake.
    pub(crate) mistakes: f64,
    /// Multiplies the share of the second route.
    pub(crate) mix: f64,
    times: Stream,
    noises: Stream,
    contents: Stream,
}

impl Arrivals {
    pub(crate) fn new(seed: u64) -> Self {
        let mut draw = Stream::of(seed, "users", "day");
        Self {
            noise: 0.0,
            burst: false,
            week_second: draw.below(7 * 86_400) as u64,
            level: 0.92 + 0.16 * draw.uniform(),
            surge: 1.0,
            hot: 0.0,
            abuse: 0.0,
            abuser: draw.below(TENANTS) as u16,
            popular: draw.below(KEYS) as u16,
            mistakes: MISTAKES,
            mix: 1.0,
            times: Stream::of(seed, "users", "arrivals"),
            noises: Stream::of(seed, "users", "noise"),
            contents: Stream::of(seed, "users", "contents"),
        }
    }

    /// A second went by.
    pub(crate) fn step(&mut self) {
        self.noise = NOISE_MEMORY * self.noise + NOISE_STEP * self.noises.normal();
        let flips = self.noises.uniform();
        self.burst = if self.burst { flips >= BURST_ENDS } else { flips < BURST_BEGINS };
    }

    /// Multiplier by hour and day of the week.
    pub(crate) fn season(&self, now: Nanos) -> f64 {
        season(self.week_second + now / SECOND)
    }

    /// Requests a second expected now.
    pub(crate) fn rate(&self, topology: &Topology, now: Nanos) -> f64 {
        let burst = if self.burst { BURST_HEIGHT } else { 1.0 };
        let people = self.season(now) * (1.0 + self.noise) * burst * self.surge;
        (topology.requests_per_second * self.level * (people + self.abuse)).max(0.01)
    }

    /// How long until the next request.
    pub(crate) fn gap(&mut self, topology: &Topology, now: Nanos) -> Nanos {
        let mean = 1.0 / self.rate(topology, now);
        nanos(self.times.exponential(mean)).max(1)
    }

    /// Share of each route among the requests.
    pub(crate) fn shares(&self, topology: &Topology) -> Vec<f64> {
        let share = |index: usize| topology.routes[index].share * if index == 1 { self.mix } else { 1.0 };
        let total: f64 = (0..topology.routes.len()).map(share).sum();
        (0..topology.routes.len()).map(|index| share(index) / total).collect()
    }

    /// What the next user asks.
    pub(crate) fn question(&mut self, topology: &Topology) -> Question {
        let share = |index: usize| topology.routes[index].share * if index == 1 { self.mix } else { 1.0 };
        let total: f64 = (0..topology.routes.len()).map(share).sum();
        let lot = self.contents.uniform();
        let mut left = lot * total;
        let mut route = topology.routes.len().saturating_sub(1);
        for index in 0..topology.routes.len() {
            let share = topology.routes[index].share * if index == 1 { self.mix } else { 1.0 };
            if left < share {
                route = index;
                break;
            }
            left -= share;
        }
        let mistaken = self.contents.chance(self.mistakes);
        let low = self.contents.chance(LOW_PRIORITY);
        // The first ask most: a share is drawn evenly, and squared.
        let lot_of_tenant = self.contents.below(TENANTS);
        let hot = self.contents.chance(HOT + self.hot);
        let trace = (self.contents.bits(), self.contents.bits() | 1);
        Question {
            route: route as u8,
            mistaken,
            low,
            tenant: (lot_of_tenant * lot_of_tenant / TENANTS) as u16,
            key: if hot { self.popular } else { (trace.0 % KEYS as u64) as u16 },
            hot,
            trace,
            traced: self.contents.chance(TRACED),
            logged: self.contents.chance(LOGGED),
            lot: self.contents.uniform(),
        }
    }
}

/// The shape of a week: a day with its peak at 14:00, 15 % down at the weekend.
pub(crate) fn season(second_of_week: u64) -> f64 {
    let second = second_of_week % (7 * 86_400);
    let hours = (second % 86_400) as f64 / 3600.0;
    let weekend = if second / 86_400 >= 5 { 0.85 } else { 1.0 };
    weekend * (1.0 + 0.15 * libm::cos(std::f64::consts::TAU * (hours - 14.0) / 24.0))
}
