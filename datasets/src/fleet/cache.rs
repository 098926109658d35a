//! A cache: how much of what is asked for it has, and who asks the database when it has not.

use super::{call::CallKey, world::World};
use crate::random::Stream;

/// What a warm cache has of what is asked for.
pub(crate) const HIT_RATIO: f64 = 0.92;
/// What one filled key adds, as a share of what is missing.
const FILL: f64 = 1.0 / 2_500.0;
/// Keys that may be filled at a time if they are filled once for all who wait.
const FLIGHTS: u32 = 2;

/// State of the cache.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    /// Share of what it has when it is warm.
    pub(crate) warm: f64,
    /// Serves old values while one asks for new ones.
    pub(crate) protected: bool,
    /// Requests to the database on behalf of the cache.
    pub(crate) fills: u32,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    stream: Stream,
}

impl Cache {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            warm: 1.0,
            protected: false,
            fills: 0,
            hits: 0,
            misses: 0,
            stream: Stream::of(seed, "cache", "keys"),
        }
    }

    /// A key was put in.
    pub(crate) fn fill(&mut self) {
        self.warm += (1.0 - self.warm) * FILL;
    }
}

impl World {
    /// The cache answers a caller: it has the key, or the caller must ask the database.
    pub(crate) fn look_up(&mut self, caller: CallKey) {
        let hit = self.cache.stream.uniform() < HIT_RATIO * self.cache.warm;
        let Some(call) = self.calls.get(caller) else { return };
        if hit || call.flags.hot {
            self.cache.hits += 1;
            return;
        }
        self.cache.misses += 1;
        if self.cache.protected && self.cache.fills >= FLIGHTS {
            // Somebody asks already; the old value will do until then.
            return;
        }
        self.cache.fills += 1;
        call.flags.missed = true;
    }
}
