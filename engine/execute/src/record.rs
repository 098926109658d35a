//! Outcomes, verifications and facts.

use theriac_contract::{Action, Command, Fact, Id, Outcome, OutcomeKind, Plan, SCHEMA_VERSION, Timestamp};

/// Which step, attempt and direction an outcome is of; the default is the whole plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct Of {
    pub(crate) step: Option<u32>,
    pub(crate) attempt: u32,
    pub(crate) compensation: bool,
    pub(crate) action: Option<Action>,
    pub(crate) executor: String,
}

impl Of {
    /// An attempt.
    pub(crate) fn attempt(command: &Command) -> Self {
        Self {
            step: Some(command.step),
            attempt: command.attempt,
            compensation: command.compensation,
            action: Some(command.action.clone()),
            executor: String::new(),
        }
    }
}

/// The id is a function of plan, step, attempt, direction and kind.
pub(crate) fn outcome(
    plan: &Plan,
    token: u64,
    at: Timestamp,
    of: Of,
    kind: OutcomeKind,
    detail: &str,
) -> Outcome {
    let step = of.step.map_or_else(|| "plan".to_owned(), |step| step.to_string());
    let attempt = of.attempt.to_string();
    let direction = if of.compensation { "undo" } else { "do" };
    let kind_name = name(kind);
    let id =
        Id::derive("outcome", &[plan.id.as_str(), step.as_str(), attempt.as_str(), direction, kind_name]);
    Outcome {
        schema_version: SCHEMA_VERSION,
        id,
        at,
        domain: plan.domain.clone(),
        plan: plan.id.clone(),
        incident: plan.incident.clone(),
        step: of.step,
        attempt: of.attempt,
        kind,
        action: of.action,
        fencing_token: token,
        executor: of.executor,
        dry_run: plan.dry_run,
        detail: detail.to_owned(),
    }
}

/// The kind as it is written in JSON.
const fn name(kind: OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Intended => "intended",
        OutcomeKind::Succeeded => "succeeded",
        OutcomeKind::Failed => "failed",
        OutcomeKind::TimedOut => "timed_out",
        OutcomeKind::Unknown => "unknown",
        OutcomeKind::Compensating => "compensating",
        OutcomeKind::Compensated => "compensated",
        OutcomeKind::CompensationFailed => "compensation_failed",
        OutcomeKind::Refused => "refused",
        OutcomeKind::Completed => "completed",
        OutcomeKind::Abandoned => "abandoned",
    }
}

/// A plan that may not begin.
pub(crate) fn refusal(plan: &Plan, reason: &str, detail: &str) -> Fact {
    let target = plan.steps().next().map_or_else(|| plan.cause.clone(), |step| step.action.target.clone());
    Fact::Refused {
        incident: plan.incident.clone(),
        strategy: plan.strategy.clone(),
        target,
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    }
}
