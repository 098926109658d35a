//! Whether the process is alive, and whether it does its work.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

/// How far a shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Its topics and executors are being opened.
    Opening,
    /// What a crash or another owner left is being taken up.
    Recovering {
        /// Rounds that were done again so far.
        rounds: u64,
    },
    /// The state is there, the first of the input is not.
    Begun,
    /// It reads.
    Reading,
    /// It failed, and is tried again.
    Waiting {
        /// Why.
        reason: String,
    },
}

#[derive(Clone, Debug)]
struct Loop {
    phase: Phase,
    beat: Instant,
}

#[derive(Debug, Default)]
struct State {
    /// Last sign of life of the thread that takes part in the group; none before it has joined.
    member: Option<Instant>,
    shards: BTreeMap<u32, Loop>,
}

/// What the loops say of themselves.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

/// An answer of `/readyz`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Readiness {
    pub(crate) ready: bool,
    /// Why not.
    reasons: Vec<String>,
    shards: BTreeMap<u32, Phase>,
}

/// An answer of `/livez`.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Liveness {
    pub(crate) live: bool,
    /// Why not.
    reasons: Vec<String>,
    /// Seconds since each loop came round.
    silent_seconds: BTreeMap<String, f64>,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The process has become a member of its group, or runs alone.
    pub(crate) fn join(&self) {
        self.state().member = Some(Instant::now());
    }

    /// The thread that takes part in the group has come round.
    pub(crate) fn attend(&self) {
        if let Some(beat) = &mut self.state().member {
            *beat = Instant::now();
        }
    }

    /// A shard has come to a phase, and lives.
    pub(crate) fn reach(&self, shard: u32, phase: Phase) {
        self.state().shards.insert(shard, Loop { phase, beat: Instant::now() });
    }

    /// A shard has come round.
    pub(crate) fn beat(&self, shard: u32) {
        if let Some(found) = self.state().shards.get_mut(&shard) {
            found.beat = Instant::now();
        }
    }

    /// A shard was given away.
    pub(crate) fn forget(&self, shard: u32) {
        self.state().shards.remove(&shard);
    }

    /// Shards of this process.
    pub(crate) fn shards(&self) -> usize {
        self.state().shards.len()
    }

    /// Whether every shard of this process is through its recovery and reads.
    pub(crate) fn readiness(&self) -> Readiness {
        let state = self.state();
        let mut reasons = Vec::new();
        if state.member.is_none() {
            reasons.push("the group has not given this process its shards yet".to_owned());
        }
        for (shard, found) in &state.shards {
            reasons.extend(match &found.phase {
                Phase::Opening => Some(format!("shard {shard}: its topics are being opened")),
                Phase::Recovering { rounds } => {
                    Some(format!("shard {shard}: recovering, {rounds} rounds done again"))
                }
                Phase::Begun => Some(format!("shard {shard}: its input has not answered yet")),
                Phase::Waiting { reason } => Some(format!("shard {shard}: {reason}")),
                Phase::Reading => None,
            });
        }
        let shards = state.shards.iter().map(|(shard, found)| (*shard, found.phase.clone())).collect();
        Readiness { ready: reasons.is_empty(), reasons, shards }
    }

    /// Whether every loop has come round within `stuck_after`.
    pub(crate) fn liveness(&self, stuck_after: Duration) -> Liveness {
        let state = self.state();
        let member = state.member.map(|beat| ("group".to_owned(), beat));
        let shards = state.shards.iter().map(|(shard, found)| (format!("shard {shard}"), found.beat));
        let silent: BTreeMap<String, Duration> =
            member.into_iter().chain(shards).map(|(name, beat)| (name, beat.elapsed())).collect();
        let stuck = silent.iter().filter(|(_, silent)| **silent > stuck_after);
        let reasons: Vec<String> = stuck
            .map(|(name, silent)| {
                format!(
                    "{name}: has not come round for {:.0} s; `operations.stuck_after` allows {:.0} s",
                    silent.as_secs_f64(),
                    stuck_after.as_secs_f64()
                )
            })
            .collect();
        let silent_seconds = silent.into_iter().map(|(name, silent)| (name, silent.as_secs_f64())).collect();
        Liveness { live: reasons.is_empty(), reasons, silent_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_shard_reads() {
        let health = Health::default();
        assert!(!health.readiness().ready, "it has not joined");
        health.attend();
        assert!(!health.readiness().ready, "it has not joined");
        health.join();
        assert!(health.readiness().ready, "it stands by");
        health.reach(3, Phase::Reading);
        health.reach(4, Phase::Recovering { rounds: 7 });
        let readiness = health.readiness();
        assert_eq!(readiness.reasons, ["shard 4: recovering, 7 rounds done again"]);
        assert!(!readiness.ready);
        health.forget(4);
        assert!(health.readiness().ready);
    }

    #[test]
    fn a_loop_that_does_not_come_round_is_stuck() {
        let health = Health::default();
        health.reach(1, Phase::Reading);
        assert!(health.liveness(Duration::from_secs(60)).live);
        std::thread::sleep(Duration::from_millis(20));
        let liveness = health.liveness(Duration::from_millis(5));
        assert!(!liveness.live);
        assert!(liveness.reasons[0].starts_with("shard 1: has not come round"), "{:?}", liveness.reasons);
        health.beat(1);
        assert!(health.liveness(Duration::from_millis(15)).live);
    }
}
