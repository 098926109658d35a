//! What people say about acting, as facts behind the others: approvals, rejections, pauses.

use std::collections::BTreeMap;

use anyhow::Result;
use theriac_contract::{
    Control, Fact, HoldKind, Id, Incident, Outcome, Plan, RecordedFact, Timestamp, Topic, Topics,
};
use theriac_knowledge::as_of;

use crate::{
    facts::facts,
    feedback::append,
    output::Wrong,
    story::{all, payload},
};

/// What somebody says about acting.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// What is said.
    pub(crate) order: Verb,
    /// How the id of the plan begins that it is about; empty if it is about all acting.
    #[serde(default)]
    pub(crate) plan: String,
    /// Who says so.
    #[serde(default)]
    pub(crate) by: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What can be said about acting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// A plan may be done.
    Approve,
    /// A plan may not be done.
    Reject,
    /// Nothing new is begun; what was begun may be undone.
    Pause,
    /// No effect begins at all.
    Kill,
    /// Acting goes on.
    Resume,
}

impl Verb {
    /// Whether it is about one plan.
    pub(crate) const fn is_of_a_plan(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }
}

impl Order {
    /// Notes it; none if it is about a plan that is not here.
    pub(crate) fn note(&self, topics: &mut dyn Topics) -> Result<Option<RecordedFact>> {
        let (by, reason) = (self.by.clone(), self.reason.clone());
        let control = known(topics)?;
        let fact = match self.order {
            Verb::Approve | Verb::Reject => {
                let Some(plan) = self.plan(topics, &control)? else { return Ok(None) };
                if self.order == Verb::Approve {
                    Fact::PlanApproved { plan, by, reason }
                } else {
                    Fact::PlanRejected { plan, by, reason }
                }
            }
            Verb::Pause => Fact::ActingHeld { kind: HoldKind::Pause, by, reason },
            Verb::Kill => Fact::ActingHeld { kind: HoldKind::Kill, by, reason },
            Verb::Resume if control.hold.is_none() => {
                return Err(Wrong("acting is neither paused nor stopped".to_owned()).into());
            }
            Verb::Resume => Fact::ActingResumed { by, reason },
        };
        append(topics, |_| Ok(fact))
    }

    /// There is no such plan.
    pub(crate) fn of_nothing(&self) -> Wrong {
        Wrong(format!("no plan begins with `{}`; `theriac tap plans` lists them", self.plan))
    }

    /// The plan that is meant, if it still waits for a person as far as the topics tell. The engine
    /// looks once more, at the evidence too.
    fn plan(&self, topics: &dyn Topics, control: &Control) -> Result<Option<Id>> {
        let (mut found, mut newest) = (BTreeMap::new(), BTreeMap::new());
        all(topics, Topic::Plans, |bytes, _| {
            let plan: Plan = payload(bytes)?;
            newest.insert(plan.incident.clone(), plan.id.clone());
            if !self.plan.is_empty() && plan.id.0.starts_with(&self.plan) {
                found.insert(plan.id.clone(), plan);
            }
            Ok(())
        })?;
        let plan = match (found.pop_first(), found.pop_first()) {
            (None, _) => return Ok(None),
            (Some((_, plan)), None) => plan,
            (Some((one, _)), Some((other, _))) => {
                let text = format!("several plans begin with `{}`, such as {one} and {other}", self.plan);
                return Err(Wrong(text).into());
            }
        };
        let refuse = |why: String| Err(Wrong(format!("{} {why}", plan.id.short())).into());
        if plan.awaiting.is_none() {
            return refuse(format!("does not await approval: its level is {}", plan.autonomy.name()));
        }
        if has_begun(topics, &plan.id)? {
            return refuse("was taken up already; `theriac pause` holds back what is left of it".to_owned());
        }
        if let Some(ruling) = control.ruling(&plan.id) {
            let word = if ruling.approved { "approved" } else { "rejected" };
            // An approval can be taken back, a rejection cannot.
            if !ruling.approved || self.order == Verb::Approve {
                return refuse(format!("was {word} by {} already", ruling.by));
            }
        }
        if let Some(later) = newest.get(&plan.incident).filter(|later| **later != plan.id) {
            return refuse(format!("is superseded by {}", later.short()));
        }
        let (now, over) = standing(topics, &plan.incident)?;
        if over {
            return refuse("has nothing to do any more: the incident is over".to_owned());
        }
        if now > plan.expires {
            return refuse(format!("expired at {}", plan.expires));
        }
        Ok(Some(plan.id))
    }
}

/// What was said about acting so far.
fn known(topics: &dyn Topics) -> Result<Control> {
    Ok(as_of(&facts(topics, 0)?, u64::MAX).control)
}

/// Whether anything was said of what was done of a plan.
fn has_begun(topics: &dyn Topics, plan: &Id) -> Result<bool> {
    let mut begun = false;
    all(topics, Topic::Outcomes, |bytes, kind| {
        if !kind.contains("verification") {
            let outcome: Outcome = payload(bytes)?;
            begun |= outcome.plan == *plan;
        }
        Ok(())
    })?;
    Ok(begun)
}

/// The latest event time among incidents, and whether one of them is over.
fn standing(topics: &dyn Topics, incident: &Id) -> Result<(Timestamp, bool)> {
    let (mut now, mut over) = (Timestamp::MIN, false);
    all(topics, Topic::Incidents, |bytes, _| {
        let revision: Incident = payload(bytes)?;
        now = now.max(revision.at);
        if revision.id == *incident {
            over = revision.is_over();
        }
        Ok(())
    })?;
    Ok((now, over))
}
