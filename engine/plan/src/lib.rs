//! Plan: incidents with hypotheses in, sagas out.
//!
//! Every strategy of the playbooks that fits a hypothesis is a candidate, beside waiting, asking
//! a person and doing nothing; each has its expected utility written out. Guardrails say which of
//! them are allowed. What did not help is not tried again: the next best one is.
//!
//! | module | holds |
//! |---|---|
//! | [`playbook`] | [`Playbooks`]: strategies for faults, from YAML, checked |
//! | [`settings`] | [`Settings`]: evidence that is needed, guardrails |
//! | [`policy`] | [`Policy`]: how far plans may go by themselves; maintenance |
//! | [`calendar`], [`pattern`] | times of the week; names and beginnings of names |
//! | `utility` | what a strategy is worth, and what waiting and asking are |
//! | `target` | `cause.service`, `change.entity`, placeholders |
//! | `known_good` | checkpoints and compensators that services registered |
//! | `candidates` | every strategy that could be tried now |
//! | `build` | a strategy as a plan |
//! | `overview` | what is known, with sums over all of it |
//! | `reach` | whom a plan touches, and how much of the traffic that is |
//! | `ledger` | the budget of harm: reserve, settle, refill |
//! | `guard` | what was done and is being done, limits |
//! | `graver` | what is felt outside, for which what is not waits |
//! | `storm`, `quorum` | when too much is wrong at once; evidence that risky actions need |
//! | `approval` | plans that wait for a person |
//! | `explore` | one of several good strategies, drawn |
//! | `adverse` | whether strategies work less often since something became known |
//! | [`check`] | tests of playbooks and policies |
//! | `case` | an incident that is not over |
//! | `decide` | the best of what the guardrails allow |
//! | `planner` | [`Planner`]: which incident gets which plan, when |

mod adverse;
mod approval;
mod build;
pub mod calendar;
mod candidates;
mod case;
pub mod check;
mod decide;
mod explore;
mod graver;
mod guard;
mod known_good;
mod ledger;
mod overview;
pub mod pattern;
mod planner;
pub mod playbook;
pub mod policy;
mod quorum;
mod reach;
pub mod settings;
mod storm;
mod target;
mod utility;

pub use planner::{Planned, Planner};
pub use playbook::{PlaybookError, Playbooks};
pub use policy::Policy;
pub use settings::Settings;
