//! The best that could be done: whoever knows the truth tries everything that cures, in forks, and
//! keeps the best; `together` does so where there are several faults. O1 acts at the onset, O2 when telemetry could first show the fault.

mod together;

use super::{
    action::Request,
    clock::{Nanos, SECOND},
    episode::{JUDGED, SETTLE, judge, perform},
    levels::Loss,
    world::World,
};

/// What an oracle found.
#[derive(Clone, Debug)]
pub struct Best {
    /// What it does; empty: it waits.
    pub steps: Vec<Request>,
    /// What the episode costs then.
    pub loss: Loss,
    /// The world at the end.
    pub world: World,
}

/// Worlds that are followed further at each depth.
const BEAM: usize = 2;
/// Remedies that are done one after the other at most.
const DEPTH: usize = 2;
/// What the oracle waits between two remedies, to see what the first did.
const BETWEEN: Nanos = 45 * SECOND;
/// Less than this is not worth one remedy more, in seconds.
const WORTH: f64 = 2.0;

fn finish(mut world: World, steps: Vec<Request>) -> Best {
    world.mute();
    world.advance(world.onset() + JUDGED + SETTLE);
    let loss = judge(world.clone());
    Best { steps, loss, world }
}

/// The best sequence of remedies from here, waiting included, by beam search over forks.
#[must_use]
pub fn search(world: &World, remedies: &[Vec<Request>]) -> Best {
    let mut best = finish(world.clone(), Vec::new());
    let mut beam: Vec<(World, Vec<Request>)> = vec![(world.clone(), Vec::new())];
    for depth in 0..DEPTH {
        let mut tried: Vec<(f64, World, Vec<Request>)> = Vec::new();
        for (state, before) in &beam {
            for steps in remedies {
                let repeated = steps.iter().any(|step| before.contains(step));
                if repeated || steps.is_empty() {
                    continue;
                }
                let mut fork = state.clone();
                fork.mute();
                if depth > 0 {
                    fork.advance(fork.now() + BETWEEN);
                }
                perform(&mut fork, steps);
                let all: Vec<Request> = before.iter().chain(steps).cloned().collect();
                let after = fork.clone();
                let end = finish(fork, all.clone());
                tried.push((end.loss.total(), after, all));
                if end.loss.total() < best.loss.total() {
                    best = end;
                }
            }
        }
        tried.sort_by(|a, b| a.0.total_cmp(&b.0));
        let hopeful = tried.first().is_some_and(|first| first.0 > WORTH);
        beam = tried.into_iter().take(BEAM).map(|(_, state, steps)| (state, steps)).collect();
        if !hopeful || best.loss.of_users() < WORTH {
            break;
        }
    }
    best
}

/// O1 or O2: the best from this world on, by the remedies of its faults. The first is known now, others as
/// soon as telemetry could show them.
#[must_use]
pub fn oracle(world: &World) -> Best {
    if world.fault_count() > 1 { together::search(world) } else { search(world, &world.remedies_of(0)) }
}
