//! The hands: what does the commands that plans give rise to.
//!
//! | module | holds |
//! |---|---|
//! | [`log`] | [`Log`]: says what would be done |
//! | [`webhook`] | [`Webhook`]: a signed HTTP request |
//! | [`command`] | [`CommandExecutor`]: a program from a list, without a shell |
//! | [`process`] | [`ProcessExecutor`]: services of this machine, started, stopped and rolled back |
//! | [`sql`] | [`SqlExecutor`]: statements against a PostgreSQL database, noted in it |
//! | `kubernetes` | `KubernetesExecutor`: workloads and nodes of a cluster (with the feature `kubernetes`) |
//! | `kafka::TopicExecutor` | processes of their own, by way of a topic (with the feature `kafka`) |
//! | [`breaker`], [`guarded`] | [`Breaker`], [`Guarded`]: nothing to what fails, and not too much at once |
//! | [`ledger`] | [`Ledger`]: at most once for each key, never under a stale token, across restarts |
//! | [`member`] | [`Member`]: one of several that hand stages to each other |
//! | [`routes`] | [`Routes`]: which executor does what |
//! | [`pool`] | [`Pool`]: worker threads, so that nothing here can hold up the engine |
//! | [`settings`] | [`Settings`] and [`build`] |
//!
//! ```text
//! commands ─► Pool ─► Ledger ─► Routes ─► Guarded ─► Webhook | CommandExecutor | ProcessExecutor | SqlExecutor | …
//!               │                    └─► TopicExecutor | Log
//!               └─► completions
//! ```

pub mod breaker;
pub mod clock;
pub mod command;
mod failure;
pub mod guarded;
pub mod kubernetes;
pub mod ledger;
pub mod log;
pub mod member;
pub mod pool;
pub mod process;
pub mod routes;
pub mod settings;
pub mod signature;
pub mod sql;
pub mod webhook;

pub use breaker::{Breaker, BreakerSettings, Circuit, Permit, Refusal};
pub use clock::Clock;
pub use command::{CommandExecutor, CommandSettings, Program};
pub use guarded::{Circuits, Guarded, circuits};
#[cfg(feature = "kubernetes")]
pub use kubernetes::KubernetesExecutor;
pub use kubernetes::KubernetesSettings;
pub use ledger::{Ledger, LedgerError, LedgerLimits};
pub use log::Log;
pub use member::{Member, MemberError, Turn, hand_out};
pub use pool::{Pool, PoolSettings};
pub use process::{ProcessExecutor, ProcessSettings};
pub use routes::{Route, Routes};
pub use settings::{ExecutorError, ExecutorSettings, Settings, TopicSettings, build, check};
pub use sql::{SqlExecutor, SqlSettings};

#[cfg(feature = "kafka")]
pub(crate) use log::words;
pub use webhook::{Webhook, WebhookSettings};

/// The first `most` bytes of a text, cut at a character, with a mark where it was cut.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}
