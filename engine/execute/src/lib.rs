//! Carries plans out as sagas and judges from telemetry alone whether they helped.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | [`Settings`] |
//! | `execute` | [`Execute`]: what happens in one step of event time |
//! | `accept` | which plans may begin |
//! | `saga` | one plan under way, as data |
//! | `advance` | what a saga does next |
//! | `answer` | what the answer of an executor means |
//! | `verify` | the verdict on a stage |
//! | `doubt` | whether what a plan acts on is still taken for the cause |
//! | `incidents` | what is known of incidents |
//! | `record` | outcomes, verifications and facts |
//!
//! A pure state machine: commands go out as data, answers come in as data. A plan ends in
//! one of three ways: done, undone in reverse order, or abandoned with a reason.
//!
//! ```text
//!  plan ─► accepted ─► step due ─► running ─► … ─► settle, watch ─► recovered: Completed
//!     └─► Refused        ▲  │ failed for good,        │  └─ unknown: the plan ends, nothing more is done
//!                  retry └──┤ timed out               └─ not recovered
//!                           ▼                              ▼
//!                  undo in reverse ─► Abandoned     undo the stage ─► next stage, or the end
//! ```

mod accept;
mod advance;
mod answer;
mod doubt;
mod execute;
mod incidents;
mod record;
mod saga;
pub mod settings;
mod verify;

pub use execute::{Counts, Execute, Executed};
pub use settings::Settings;
