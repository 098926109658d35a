//! What executors in other processes write down of the commands that they take: with it they
//! share out the work, replace each other, and answer. `connectors/executor-sdk/README.md` tells
//! the protocol.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    executor::{Command, Verdict},
    id::Id,
    series::Entity,
    time::Interval,
};

/// Topic of [`Command`]s behind the prefix of the service's topics, keyed by target.
pub const COMMANDS: &str = "commands";
/// Topic of [`Execution`]s behind the same prefix. It has as many partitions as [`COMMANDS`], and
/// what is written of a command is in the partition of that command.
pub const EXECUTIONS: &str = "executions";
/// Header of both: the name of the executor that a command is for, as the engine's configuration
/// has it. Members pass over what is for others.
pub const EXECUTOR_HEADER: &str = "executor";
/// Header of a command: milliseconds since 1970, decimal, after which it must not be begun. The
/// engine sets it when it sends; a command that lacks it must not be begun at all.
pub const EXPIRES_HEADER: &str = "expires";

/// The attempt that something was written of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// [`Command::attempt_key`].
    pub attempt_key: Id,
    /// [`Command::idempotency_key`].
    pub idempotency_key: Id,
    /// From 1.
    pub attempt: u32,
    /// Its domain.
    #[serde(default)]
    pub domain: String,
    /// What is acted upon.
    pub target: Entity,
    /// Token of the command.
    pub fencing_token: u64,
}

impl Attempt {
    /// The attempt that a command asks for.
    #[must_use]
    pub fn of(command: &Command) -> Self {
        Self {
            attempt_key: command.attempt_key(),
            idempotency_key: command.idempotency_key.clone(),
            attempt: command.attempt,
            domain: command.domain.clone(),
            target: command.action.target.clone(),
            fencing_token: command.fencing_token,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ExecutionEvent {
    /// The holder has this partition from here on. Whoever had it before is fenced, and everything
    /// that it wrote lies before this record.
    Opened,
    /// The holder is about to act. Committed before anything is done.
    Claimed {
        /// Which attempt.
        #[serde(flatten)]
        attempt: Attempt,
        /// The holder may act for so long, counted from before it wrote this. Who takes over waits
        /// for so long, counted from when it read this.
        lease: Interval,
    },
    /// The holder is still at it: the lease begins anew.
    Extended {
        /// Which attempt.
        attempt_key: Id,
        /// As in a claim.
        lease: Interval,
    },
    /// The answer. Committed together with the command's offset.
    Ended {
        /// Which attempt.
        #[serde(flatten)]
        attempt: Attempt,
        /// Answer.
        #[serde(flatten)]
        verdict: Verdict,
        /// Words.
        detail: String,
    },
}

/// A record of the topic [`EXECUTIONS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the executor, as in the header [`EXECUTOR_HEADER`].
    pub executor: String,
    /// Who wrote it; a new name each time that a process takes a partition.
    pub holder: String,
    /// What happened.
    #[serde(flatten)]
    pub event: ExecutionEvent,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_flat_object() {
        let attempt = Attempt {
            attempt_key: Id("attempt-1".to_owned()),
            idempotency_key: Id("step-1".to_owned()),
            attempt: 1,
            domain: "shop".to_owned(),
            target: Entity("cart".to_owned()),
            fencing_token: 7,
        };
        let (verdict, detail) = (Verdict::Failed { retryable: true }, "busy".to_owned());
        let execution = Execution {
            schema_version: 1,
            executor: "shop".to_owned(),
            holder: "holder-1".to_owned(),
            event: ExecutionEvent::Ended { attempt, verdict, detail },
        };
        let value = serde_json::to_value(&execution).unwrap();
        assert_eq!(value["event"], "ended");
        assert_eq!(value["verdict"], "failed");
        assert_eq!(value["retryable"], true);
        assert_eq!(value["fencing_token"], 7);
        assert_eq!(serde_json::from_value::<Execution>(value).unwrap(), execution);
    }
}
