//! The hand that acts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::Id,
    plan::Action,
    time::{Interval, Timestamp},
};

/// One attempt that an executor is asked to make. Its intent is durable before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Command {
    /// The plan.
    pub plan: Id,
    /// Its incident.
    pub incident: Id,
    /// The step.
    pub step: u32,
    /// From 1.
    pub attempt: u32,
    /// Whether this undoes the step.
    pub compensation: bool,
    /// Correlation domain of the incident. A target is one thing in each domain, with fencing tokens
    /// of its own: domains may be judged in different processes.
    #[serde(default)]
    pub domain: String,
    /// What to do.
    pub action: Action,
    /// Same for all attempts of a step (or of its compensation); acting twice for one key is
    /// forbidden, answering twice is not.
    pub idempotency_key: Id,
    /// An executor refuses a token below the newest that it saw for the target in the domain.
    pub fencing_token: u64,
    /// Say what would be done; do nothing.
    pub dry_run: bool,
    /// How long it may take.
    pub timeout: Interval,
    /// Event time at which it was issued.
    pub issued: Timestamp,
}

impl Command {
    /// Identifies this attempt: what a completion answers to.
    #[must_use]
    pub fn attempt_key(&self) -> Id {
        let attempt = self.attempt.to_string();
        Id::derive("attempt", &[self.idempotency_key.as_str(), attempt.as_str()])
    }
}

/// What an executor answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Done (or, for a dry run, it would be).
    Succeeded,
    /// Not done.
    Failed {
        /// Whether another attempt may work.
        retryable: bool,
    },
    /// No answer in time; it may or may not have been done.
    TimedOut,
    /// It was begun before a crash and nobody knows how it ended.
    Unknown,
}

/// The answer to a command; an input of the engine like telemetry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completion {
    /// [`Command::attempt_key`].
    pub attempt_key: Id,
    /// Time of the answer (event time in a simulation, wall time with real executors).
    pub at: Timestamp,
    /// Which executor answered.
    pub executor: String,
    /// Answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Words.
    pub detail: String,
}

/// Does what commands say. Called on a thread of its own, so it may block, but not for
/// longer than `command.timeout`. It may be called twice with one idempotency key (after
/// a crash, or on a retry) and must act at most once.
pub trait Executor: Send + Sync {
    /// Name in the configuration and in outcomes.
    fn name(&self) -> &str;

    /// Makes the attempt and gives verdict and words.
    fn execute(&self, command: &Command) -> (Verdict, String);

    /// Whether it keeps by itself, across crashes of the engine, what was done for this command:
    /// asked once more it gives the answer or goes on waiting for it. Others have a ledger put
    /// before them, which knows only that they were asked.
    fn remembers(&self, _: &Command) -> bool {
        false
    }
}
