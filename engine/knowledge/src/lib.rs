//! What is known, event-sourced: facts go into a log that only grows, and a fold of them
//! gives the [`Snapshot`](theriac_contract::Snapshot) that the stages read.
//!
//! | module | holds |
//! |---|---|
//! | [`fold`](mod@fold) | one fact into a snapshot |
//! | `control` | what people said about acting |
//! | `watershed` | how strategies fared before and after what may change decisions |
//! | [`store`] | [`Knowledge`]: numbering, folding, what a tick brings, rollback, checkpoint |
//! | [`history`] | [`as_of`], [`as_of_time`]: any version again, from the log alone |
//! | `flow` | how often calls are made, and when that is news; what names stand for |
//! | `naming` | the service that a name of the network is made of |
//! | [`diff`](mod@diff) | what differs between two snapshots |
//! | [`line()`] | a fact as one line for people |
//!
//! Nothing is ever taken out of the log. A rollback is a fact like any other: from it on,
//! the readings are those of the version it names, and what is learnt later is added to them.

mod control;
pub mod diff;
mod flow;
pub mod fold;
pub mod history;
pub mod line;
mod naming;
pub mod store;
mod watershed;

pub use diff::{Difference, diff};
pub use history::{as_of, as_of_time};
pub use line::line;
pub use store::{Knowledge, KnowledgeError, Settings};
