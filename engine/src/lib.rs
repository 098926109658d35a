//! The loop: monitor, detect, diagnose, plan, execute over shared knowledge, driven in
//! rounds that are durable.
//!
//! ```text
//! Environment ──Round──► Engine (stages, one tick after the other) ──Outputs──► Topics
//!      ▲                                                               │ one transaction
//!      └───────────────────────── commands, once durable ◄─────────────┘
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`engine`] | the stages in their order; one call for each tick |
//! | [`environment`] | [`Environment`]: where rounds come from and commands go |
//! | [`driver`] | [`Driver`]: round → stages → transaction → commands → checkpoint; recovery |
//! | [`journal`] | what a round was, in the journal topic |
//! | [`checkpoint`] | state of all stages as objects, checksummed, the last few kept |
//! | [`records`] | payloads as topic records (CloudEvents headers) |
//! | [`codec`] | Arrow batches as bytes |
//! | [`settings`] | settings of the loop itself |
//!
//! Nothing here reads a clock, opens a socket or knows a file format of the outside world.

pub mod checkpoint;
pub mod driver;
pub mod engine;
pub mod environment;
pub mod journal;
pub mod records;
pub mod settings;
mod timed;

pub use checkpoint::{Checkpoints, Manifest};
pub use driver::{Driver, DriverError, Observer, Progress, Recovery, Saving, Setup};
pub use engine::{Engine, Outputs};
pub use environment::{Environment, EnvironmentError, Next, Repeatable, Round};
pub use settings::{CheckpointSettings, Settings};
pub use theriac_contract::codec;
pub use timed::PART;
