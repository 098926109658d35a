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
//! | [`chain`] | [`Chain`]: whether a log is what was written |
//! | `flow` | how often calls are made, and when that is news; what names stand for |
//! | `naming` | the service that a name of the network is made of |
//! | [`import`] | [`news`]: what the facts of another log add |
//! | [`beta`] | [`interval`]: how sure a share is that was counted |
//! | [`diff`](mod@diff) | what differs between two snapshots |
//! | [`line()`] | a fact as one line for people |
//!
//! Nothing is ever taken out of the log. A rollback is a fact like any other: from it on,
//! the readings are those of the version it names, and what is learnt later is added to them.

pub mod beta;
pub mod chain;
mod control;
pub mod diff;
mod flow;
pub mod fold;
pub mod history;
pub mod import;
pub mod line;
mod naming;
pub mod store;
mod watershed;

pub use beta::interval;
pub use chain::{Chain, ChainError};
pub use diff::{Difference, diff};
pub use history::{HistoryError, as_of, as_of_time, at_version, version_at, versions};
pub use import::{Conflict, Import, common, news};
pub use line::line;
pub use store::{Knowledge, KnowledgeError, Settings};
