//! Executors against real sockets, real processes and real files.

mod choreographed;
mod guarded;
mod http;
mod ledger;
mod pool;
mod process;
mod supervised;
mod wiring;

use std::sync::Arc;

use theriac_connectors::executor::Clock;
use theriac_contract::{Action, Command, Entity, Id, Interval, Timestamp};

/// A clock that stands still.
fn clock() -> Clock {
    Arc::new(|| Timestamp::from_seconds(1_700_000_000))
}

fn command(verb: &str, target: &str, timeout: Interval) -> Command {
    Command {
        plan: Id::derive("plan", &["p"]),
        incident: Id::derive("incident", &["i"]),
        step: 0,
        attempt: 1,
        compensation: false,
        action: Action { verb: verb.to_owned(), target: Entity(target.to_owned()), parameters: [].into() },
        idempotency_key: Id::derive("step", &[verb, target]),
        domain: "shop".to_owned(),
        fencing_token: 7,
        dry_run: false,
        timeout,
        issued: Timestamp::from_seconds(1_700_000_000),
    }
}
