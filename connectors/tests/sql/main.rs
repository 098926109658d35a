//! The SQL executor against a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod actions;
mod cut_off;
mod proxy;
mod refusals;
mod server;
mod undoing;

use theriac_contract::{Action, Command, Entity, Id, Interval, Timestamp, Verdict};

/// A command with a key of its own for each `step`.
fn command(verb: &str, target: &str, step: u32) -> Command {
    Command {
        plan: Id::derive("plan", &["p"]),
        incident: Id::derive("incident", &["i"]),
        step,
        attempt: 1,
        compensation: false,
        action: Action { verb: verb.to_owned(), target: Entity(target.to_owned()), parameters: [].into() },
        idempotency_key: Id::derive("step", &[verb, target, &step.to_string()]),
        domain: "shop".to_owned(),
        fencing_token: 7,
        dry_run: false,
        timeout: Interval::from_seconds(20),
        issued: Timestamp::from_seconds(1_700_000_000),
    }
}

fn with(mut command: Command, parameter: &str, value: &str) -> Command {
    command.action.parameters.insert(parameter.to_owned(), value.to_owned());
    command
}

/// The command by which a saga undoes another.
fn undo(command: &Command) -> Command {
    let idempotency_key = Id::derive("compensation", &[command.idempotency_key.as_str()]);
    Command { compensation: true, idempotency_key, ..command.clone() }
}

/// The same key, tried once more.
fn again(command: &Command) -> Command {
    Command { attempt: command.attempt + 1, ..command.clone() }
}

const PASSING: Verdict = Verdict::Failed { retryable: true };
const LASTING: Verdict = Verdict::Failed { retryable: false };
