//! Plan: incidents with hypotheses in, sagas out.
//!
//! Every strategy of the playbooks that fits a hypothesis is a candidate, beside waiting
//! and doing nothing; each has its expected utility written out. Guardrails say which of
//! them are allowed. What did not help is not tried again: the next best one is.
//!
//! | module | holds |
//! |---|---|
//! | [`playbook`] | [`Playbooks`]: strategies for faults, from YAML, checked |
//! | [`settings`] | [`Settings`]: evidence that is needed, guardrails |
//! | `utility` | what a strategy is worth |
//! | `target` | `cause.service`, `change.entity`, placeholders |
//! | `known_good` | checkpoints and compensators that services registered |
//! | `candidates` | every strategy that could be tried now |
//! | `build` | a strategy as a plan |
//! | `guard` | actions so far, limits |
//! | `planner` | [`Planner`]: which incident gets which plan, when |

mod build;
mod candidates;
mod guard;
mod known_good;
mod planner;
pub mod playbook;
pub mod settings;
mod target;
mod utility;

pub use planner::{Planned, Planner};
pub use playbook::{PlaybookError, Playbooks};
pub use settings::Settings;
