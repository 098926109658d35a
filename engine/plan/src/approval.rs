//! Plans that wait for a person.

use serde::{Deserialize, Serialize};
use theriac_contract::{Control, Incident, Plan, Timestamp};

use crate::guard::Refusal;

/// A plan that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) plan: Plan,
    /// Rank of its hypothesis when it was made.
    pub(crate) rank: u32,
    /// Risk of its strategy.
    pub(crate) risk: f64,
    /// What is tried with it.
    pub(crate) attempt: String,
}

/// What becomes of a plan that waits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Review {
    /// It goes on waiting.
    Waits,
    /// It was approved.
    Approved,
    /// A person rejected it.
    Rejected(Refusal),
    /// It does not hold any more.
    Withdrawn(Refusal),
}

/// Looks at a plan that waits. Evidence comes before words: what is no longer suspected is not
/// done, whoever approved it; nor is what another policy let wait.
pub(crate) fn review(
    pending: &Pending,
    incident: &Incident,
    at: Timestamp,
    control: &Control,
    policy_version: &str,
) -> Review {
    let plan = &pending.plan;
    let ruling = control.ruling(&plan.id);
    if let Some(no) = ruling.filter(|ruling| !ruling.approved) {
        let text = format!("{} was rejected by {}: {}", plan.id.short(), no.by, no.reason);
        return Review::Rejected(("rejected", text));
    }
    if plan.policy_version != policy_version {
        let text = format!(
            "{} was made under policy {}; now {policy_version} holds",
            plan.id.short(),
            plan.policy_version
        );
        return Review::Withdrawn(("policy_changed", text));
    }
    let rank = incident
        .hypotheses
        .iter()
        .find(|one| one.fault == plan.fault && one.entity.as_ref().is_none_or(|entity| *entity == plan.cause))
        .map(|one| one.rank);
    if rank.is_none_or(|rank| rank > pending.rank) {
        let now = incident.hypotheses.first().map_or_else(
            || "nothing".to_owned(),
            |first| {
                let entity = first.entity.as_ref().map_or("", |entity| entity.as_str());
                format!("{} {entity}", first.fault).trim_end().to_owned()
            },
        );
        let text = format!(
            "{} answers {} {}; the evidence has moved on to {now}",
            plan.id.short(),
            plan.fault,
            plan.cause
        );
        return Review::Withdrawn(("evidence_moved_on", text));
    }
    if at > plan.expires {
        let text = match ruling {
            Some(yes) => format!(
                "{} was approved by {} too late: it was good until {}",
                plan.id.short(),
                yes.by,
                plan.expires
            ),
            None => format!("nobody approved {} until {}", plan.id.short(), plan.expires),
        };
        return Review::Withdrawn(("approval_expired", text));
    }
    if ruling.is_some() { Review::Approved } else { Review::Waits }
}
