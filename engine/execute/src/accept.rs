//! Which plans may begin.

use std::collections::BTreeSet;

use theriac_contract::{
    Autonomy, Control, Plan, Timestamp,
    seeded::{self, Bug},
};

use crate::{
    incidents::Known,
    saga::{Saga, overlap, targets},
};

/// Why a plan may not begin: a word for programs and a sentence for people.
pub(crate) type Refusal = (&'static str, String);

/// Whether the plan makes sense by itself.
pub(crate) fn sound(plan: &Plan) -> Result<(), Refusal> {
    let malformed = |detail: String| Err(("malformed", detail));
    if plan.stages.iter().any(|stage| stage.steps.is_empty()) || plan.stages.is_empty() {
        return malformed("a plan needs stages, and each stage steps".to_owned());
    }
    let mut keys = BTreeSet::new();
    let mut indices = BTreeSet::new();
    for step in plan.steps() {
        if !indices.insert(step.index) {
            return malformed(format!("two steps have the index {}", step.index));
        }
        if !keys.insert(&step.idempotency_key) {
            return malformed(format!("step {} has the idempotency key of another", step.index));
        }
        if !matches!(step.precondition.as_str(), "incident_open" | "always") {
            return malformed(format!(
                "step {} has the precondition `{}`; `incident_open` and `always` are known",
                step.index, step.precondition
            ));
        }
    }
    Ok(())
}

/// Whether the plan may begin now.
pub(crate) fn timely(plan: &Plan, at: Timestamp, incident: Option<&Known>) -> Result<(), Refusal> {
    if at > plan.expires && !seeded::on(Bug::ExpiredPlanBegins) {
        return Err(("expired", format!("the plan was good until {}, it is {at}", plan.expires)));
    }
    match incident {
        Some(known) if known.is_over() => {
            Err(("incident_over", format!("the incident was over at {}", known.at)))
        }
        _ => Ok(()),
    }
}

/// Whether it is allowed to: it is no suggestion, a person has approved it where one has to, and
/// acting is not stopped.
pub(crate) fn allowed(plan: &Plan, control: &Control) -> Result<(), Refusal> {
    if let Some(hold) = control.hold.as_ref().filter(|_| !seeded::on(Bug::PauseIgnored)) {
        return Err(("held", hold.text()));
    }
    if plan.may_begin(control.approves(&plan.id)) || seeded::on(Bug::ApprovalNotNeeded) {
        return Ok(());
    }
    Err(match plan.autonomy {
        Autonomy::Observe | Autonomy::Suggest => {
            ("suggestion", format!("the policy lets it be {} only", plan.autonomy.name()))
        }
        Autonomy::Approve | Autonomy::Act => {
            ("not_approved", "nobody has approved the plan of this id".to_owned())
        }
    })
}

/// Whether nobody else acts on what the plan would act on.
pub(crate) fn free(plan: &Plan, sagas: &[Saga]) -> Result<(), Refusal> {
    if seeded::on(Bug::LeaseIgnored) {
        return Ok(());
    }
    for target in targets(plan) {
        if let Some(holder) = sagas.iter().find(|saga| saga.holds(target)) {
            let held = targets(&holder.plan).find(|held| overlap(held, target)).unwrap_or(target);
            return Err((
                "lease_held",
                format!(
                    "{} holds the lease on {held}, which {target} is part of or the same as",
                    holder.plan.id.short()
                ),
            ));
        }
    }
    Ok(())
}
