//! The worlds that the loop runs against: files of the past, a recorded run, the simulators,
//! or live sources with real executors.

mod fleet;
mod live;
mod recorded;
mod replay;
mod simulation;

pub(crate) use fleet::Fleet;
pub(crate) use live::Live;
pub(crate) use recorded::Recorded;
pub(crate) use replay::Replay;
pub(crate) use simulation::Simulation;

/// About how many bytes of input make a round.
pub(crate) const ROUND_BYTES: usize = 1 << 20;
