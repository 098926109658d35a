//! An executor in a process of its own: it subscribes to theriac's commands on Kafka, acts at most
//! once for each idempotency key, and answers. The README beside this crate tells the protocol.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | [`Settings`] |
//! | [`handler`] | [`Handler`]: what an executor's author writes; [`Lease`] |
//! | `book` | what is known of keys and tokens, and what a command gets (pure) |
//! | `writer` | transactions that fence the holder before this one |
//! | `hand` | one partition: taken over, served, given up |
//! | [`member`] | [`run`]: the group that shares out the partitions |
//!
//! ```text
//! commands/p ─► decide ─┬─► answer again, or refuse ─────────────────────────► executions/p
//!                       ├─► claim ═► act, lease extended ═► answer + offset ─►
//!                       └─► claimed by one that is gone: wait, reconcile ───►
//! ```

mod book;
mod error;
mod hand;
pub mod handler;
pub mod member;
pub mod settings;
mod writer;

pub use error::ExecutorError;
pub use handler::{Handler, Lease, Reconciled};
pub use member::run;
pub use settings::Settings;
pub use theriac_contract::{Command, Verdict};
