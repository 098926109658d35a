//! What may be expected of a plan that nobody carried out: an estimate, and never said as a fact.

use serde::Serialize;
use theriac_contract::{Belief, Plan, RecordedFact, Timestamp};
use theriac_knowledge::{as_of, interval, version_at};

/// How much of the distribution lies between the bounds.
const MASS: f64 = 0.9;

/// How often a plan like this one helps, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Estimate {
    /// Plans with this strategy against this fault that were carried out and helped, at the service.
    pub(crate) helped: f64,
    /// And that did not help.
    pub(crate) did_not_help: f64,
    /// What is believed, the playbook's prior and some of what other services showed included.
    pub(crate) belief: (f64, f64),
    /// Mean of that.
    pub(crate) share: f64,
    /// Bounds of the share, 90 %.
    pub(crate) low: f64,
    /// See [`Self::low`].
    pub(crate) high: f64,
}

impl Estimate {
    /// From a belief in which the evidence `seen` is contained.
    fn of(belief: (f64, f64), seen: Belief) -> Self {
        let (low, high) = interval(belief.0, belief.1, MASS);
        let share = belief.0 / (belief.0 + belief.1);
        Self { helped: seen.successes, did_not_help: seen.failures, belief, share, low, high }
    }

    /// Of a plan that was made with the evidence that `facts` held at an instant. None for one that was
    /// not chosen among candidates.
    pub(crate) fn of_plan(plan: &Plan, facts: &[RecordedFact], at: Timestamp) -> Option<Self> {
        Some(Self::of(belief(plan)?, evidence(plan, facts, at).0))
    }

    /// Of a plan that was made without the evidence of `facts`: what was known in them when it was made
    /// is added, that of other services by `of_others`.
    pub(crate) fn with_evidence(plan: &Plan, facts: &[RecordedFact], of_others: f64) -> Option<Self> {
        let (successes, failures) = belief(plan)?;
        let (own, all) = evidence(plan, facts, plan.at);
        let others = |all: f64, own: f64| (all - own).max(0.0) * of_others;
        let belief = (
            successes + own.successes + others(all.successes, own.successes),
            failures + own.failures + others(all.failures, own.failures),
        );
        Some(Self::of(belief, own))
    }

    /// One line: it says that it is an estimate.
    pub(crate) fn text(&self) -> String {
        let Self { helped, did_not_help, share, low, high, .. } = self;
        let tried = helped + did_not_help;
        let seen = if tried > 0.0 {
            format!("{helped} of {tried} such plans helped there")
        } else {
            "no such plan was carried out there so far".to_owned()
        };
        format!(
            "estimate: helps with {share:.2} ({low:.2} to {high:.2}, 90 %), if the cause is right; {seen}"
        )
    }
}

/// The belief that the plan was chosen with.
fn belief(plan: &Plan) -> Option<(f64, f64)> {
    let of = |candidate: &&theriac_contract::Candidate| {
        candidate.strategy == plan.strategy && candidate.refused.is_none()
    };
    let chosen = plan.candidates.iter().find(of)?.utility.belief;
    (chosen.0 > 0.0 && chosen.1 > 0.0).then_some(chosen)
}

/// What was known at an instant of the plan's strategy against its fault: at the service, and at all.
fn evidence(plan: &Plan, facts: &[RecordedFact], at: Timestamp) -> (Belief, Belief) {
    let none = Belief { successes: 0.0, failures: 0.0 };
    let Ok(version) = version_at(facts, at) else { return (none, none) };
    let known = as_of(facts, version);
    let of = |service| known.belief(&plan.fault, &plan.strategy, service);
    (of(Some(plan.cause.service())), of(None))
}
