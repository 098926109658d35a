//! Users: an open loop, so that a slow answer does not slow down the next question.

use serde::{Deserialize, Serialize};

use super::{
    clock::{Nanos, SECOND, nanos},
    scenario::{Load, Route},
};
use crate::random::Stream;

/// What a user asks for.
pub(super) struct Question {
    pub(super) route: u8,
    /// The user's own mistake.
    pub(super) mistaken: bool,
    pub(super) trace: (u64, u64),
    pub(super) traced: bool,
    pub(super) logged: bool,
}

/// State of the arrivals. Nothing that is done to the fleet changes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Arrivals {
    noise: f64,
    /// Multiplier by disturbances.
    pub(super) surge: f64,
    times: Stream,
    noises: Stream,
    contents: Stream,
}

impl Arrivals {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            noise: 0.0,
            surge: 1.0,
            times: Stream::of(seed, "users", "arrivals"),
            noises: Stream::of(seed, "users", "noise"),
            contents: Stream::of(seed, "users", "contents"),
        }
    }

    /// A second went by: the noise takes a step.
    pub(super) fn step(&mut self, load: &Load) {
        self.noise = load.noise_memory * self.noise + load.noise * self.noises.normal();
    }

    /// Requests per second expected at an instant.
    pub(super) fn rate(&self, load: &Load, now: Nanos) -> f64 {
        let phase = now as f64 / (load.period.0.max(1) as f64);
        let wave = 1.0 + load.amplitude * libm::sin(std::f64::consts::TAU * phase);
        (load.requests_per_second * wave * (1.0 + self.noise) * self.surge).max(0.01)
    }

    /// How long until the next request.
    pub(super) fn gap(&mut self, load: &Load, now: Nanos) -> Nanos {
        let mean = SECOND as f64 / self.rate(load, now);
        nanos(self.times.exponential(mean) / 1e9).max(1)
    }

    /// What the next user asks.
    pub(super) fn question(
        &mut self,
        routes: &[Route],
        load: &Load,
        trace_share: f64,
        log_share: f64,
    ) -> Question {
        let total: f64 = routes.iter().map(|route| route.share).sum();
        let mut left = self.contents.uniform() * total;
        let mut chosen = routes.len().saturating_sub(1);
        for (index, route) in routes.iter().enumerate() {
            if left < route.share {
                chosen = index;
                break;
            }
            left -= route.share;
        }
        Question {
            route: chosen as u8,
            mistaken: self.contents.chance(load.client_errors),
            trace: (self.contents.bits(), self.contents.bits() | 1),
            traced: self.contents.chance(trace_share),
            logged: self.contents.chance(log_share),
        }
    }
}
