//! One fault from before to after, as everybody who is compared plays it.

use std::sync::Arc;

use super::{
    action::{Handle, Outcome, Request},
    clock::{Nanos, SECOND},
    fault::{Fault, Record},
    levels::Loss,
    topology::Topology,
    world::{Setup, World},
};

/// When the fault begins, unless somebody needs longer to learn what is usual.
pub const FAULT_AT: Nanos = 60 * SECOND;
/// How long it is judged.
pub const JUDGED: Nanos = 480 * SECOND;
/// What is waited for after that, so that all answers are in.
pub(crate) const SETTLE: Nanos = 15 * SECOND;
/// How long a step of a remedy may take before the next begins anyway.
pub(crate) const STEP_MAX: Nanos = 180 * SECOND;

/// The setup of an episode.
#[must_use]
pub fn setup(record: &'static Record, seed: u64, topology: &Arc<Topology>) -> Arc<Setup> {
    Arc::new(setup_at(record, seed, topology, FAULT_AT))
}

/// The setup of an episode whose fault begins at an instant.
#[must_use]
pub fn setup_at(record: &'static Record, seed: u64, topology: &Arc<Topology>, at: Nanos) -> Setup {
    let mut setup = Setup::new(seed, topology.clone());
    setup.load = record.load;
    setup.faults = vec![Fault::draw(record, seed, at)];
    setup
}

impl World {
    /// When the first fault of the scenario begins.
    #[must_use]
    pub fn onset(&self) -> Nanos {
        self.setup.faults.first().map_or(FAULT_AT, |fault| fault.at)
    }
}

/// A world at an instant after the fault.
#[must_use]
pub fn at_onset(record: &'static Record, seed: u64, topology: &Arc<Topology>, after: Nanos) -> World {
    let mut world = World::new(&setup(record, seed, topology));
    world.advance(FAULT_AT + after);
    world
}

/// Lets a fork run to the end of the episode and judges it.
#[must_use]
pub fn judge(mut world: World) -> Loss {
    world.mute();
    let onset = world.onset();
    world.advance(onset + JUDGED + SETTLE);
    world.loss(onset, onset + JUDGED)
}

/// Does steps one after the other, each when the one before it is over. Steps whose target does
/// not exist are passed over.
pub fn perform(world: &mut World, steps: &[Request]) {
    for request in steps {
        let handle = world.apply(request);
        wait_for(world, handle, STEP_MAX);
    }
}

/// Lets time pass until an action is over, or for `at_most`.
pub fn wait_for(world: &mut World, handle: Handle, at_most: Nanos) {
    let until = world.now() + at_most;
    while world.poll(handle) == Outcome::Pending && world.now() < until {
        world.advance(world.now() + SECOND);
    }
}

/// What the rest of the episode costs if these steps are done now.
#[must_use]
pub fn try_steps(world: &World, steps: &[Request]) -> Loss {
    let mut fork = world.clone();
    fork.mute();
    perform(&mut fork, steps);
    judge(fork)
}

/// Whether the episode ended well: the last two minutes are as good as they should be.
#[must_use]
pub fn healed(world: &World) -> bool {
    let end = world.onset() + JUDGED;
    let bad = world.bad_seconds(end - 120 * SECOND, end).len();
    bad <= HEALED_BAD
}

/// Bad seconds in the last two minutes that are left to chance: what a fleet without faults has.
pub const HEALED_BAD: usize = 6;
