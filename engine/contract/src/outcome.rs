//! What was done, and whether it helped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{id::Id, plan::Action, series::Entity, time::Timestamp};

/// What happened to a step or a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// The decision to run an attempt is durable; the executor has not been called yet.
    Intended,
    /// The executor says it is done.
    Succeeded,
    /// The executor says it failed.
    Failed,
    /// The executor did not answer in time.
    TimedOut,
    /// Nobody knows whether it was done; it is not repeated, only verified.
    Unknown,
    /// The decision to undo an earlier step is durable.
    Compensating,
    /// An earlier step was undone.
    Compensated,
    /// An earlier step could not be undone; a person has to look.
    CompensationFailed,
    /// It was not begun, with the reason: stale, expired, incident over, lease held.
    Refused,
    /// The plan came to its end with all steps done.
    Completed,
    /// The plan came to its end without.
    Abandoned,
}

/// One thing that an executor or the saga said. The id derives from the plan, the step,
/// the attempt and the kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// From plan, step, attempt and kind.
    pub id: Id,
    /// Event time.
    pub at: Timestamp,
    /// Correlation domain.
    pub domain: String,
    /// The plan.
    pub plan: Id,
    /// Its incident.
    pub incident: Id,
    /// The step; none when the whole plan is meant.
    pub step: Option<u32>,
    /// From 1; 0 when the whole plan is meant.
    pub attempt: u32,
    /// What happened.
    pub kind: OutcomeKind,
    /// What was or would be done.
    pub action: Option<Action>,
    /// Token under which it was done; grows with every lease on the target.
    pub fencing_token: u64,
    /// Which executor; empty when the saga itself speaks.
    pub executor: String,
    /// Whether nothing was really done.
    pub dry_run: bool,
    /// Words of the executor, or the reason.
    pub detail: String,
}

/// Whether a plan helped, from telemetry alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerificationVerdict {
    /// The symptoms were observed to end after the action.
    Recovered,
    /// They were observed to stand.
    NotRecovered,
    /// Telemetry does not tell. Never counts as success.
    Unknown,
}

/// The verdict on a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// From the plan and the stage.
    pub id: Id,
    /// Event time of the verdict.
    pub at: Timestamp,
    /// Correlation domain.
    pub domain: String,
    /// The plan.
    pub plan: Id,
    /// Its incident.
    pub incident: Id,
    /// Which stage of the plan, from 0.
    pub stage: u32,
    /// Suspected cause that was acted on.
    pub cause: Entity,
    /// Suspected fault.
    pub fault: String,
    /// Strategy that was tried.
    pub strategy: String,
    /// The verdict.
    pub verdict: VerificationVerdict,
    /// When the last step was done.
    pub acted: Timestamp,
    /// Symptoms that stood when the plan was made.
    pub symptoms_before: u32,
    /// Of those, still standing.
    pub symptoms_open: u32,
    /// Of those, without telemetry.
    pub symptoms_lost: u32,
    /// Whether the plan was a dry run: then it says nothing about the strategy.
    pub dry_run: bool,
    /// Sentence for people.
    pub explanation: String,
}
