//! What was decided about incidents, and where two runs over the same past part.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use theriac_contract::{Candidate, Fact, Id, Plan, Tick, Timestamp};
use theriac_engine::{Engine, Observer, Outputs};

/// Strategies of refusals that are a decision of their own: nothing is done.
const NOTHING: [&str; 2] = ["do_nothing", "any"];

/// What was decided about an incident at one time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Decision {
    pub(super) at: Timestamp,
    pub(super) incident: Id,
    /// `do_nothing` if there was no plan.
    pub(super) strategy: String,
    /// What the first step acts on; empty if there is none.
    pub(super) target: String,
    /// `restart cart/1`, in order.
    pub(super) steps: Vec<String>,
    /// Whether it would be carried out where the plan settings are not overruled by the replay.
    pub(super) would_act: bool,
    /// What it is worth, or why nothing is done.
    pub(super) why: String,
    /// Everything that was considered, the best first.
    pub(super) candidates: Vec<Candidate>,
    #[serde(skip)]
    pub(super) plan: Option<Plan>,
}

impl Decision {
    /// What tells it from another one.
    fn differs_in(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            ("strategy", self.strategy != other.strategy),
            ("target", self.target != other.target),
            ("steps", self.steps != other.steps),
            ("time", self.at != other.at),
            ("acting", self.would_act != other.would_act),
        ];
        parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
    }

    /// `restart on cart/1`.
    pub(super) fn text(&self) -> String {
        let target = if self.target.is_empty() { String::new() } else { format!(" on {}", self.target) };
        let shadow = if self.would_act || self.plan.is_none() { "" } else { " (dry run)" };
        format!("{}{target}{shadow}", self.strategy)
    }
}

/// Collects the decisions of a run.
pub(super) struct Collector<'a> {
    /// Whether a plan on a target would be a dry run.
    dry_run_on: &'a dyn Fn(&Plan) -> bool,
    pub(super) by_incident: BTreeMap<Id, Vec<Decision>>,
    /// Up to when the past was seen.
    pub(super) last: Option<Timestamp>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(dry_run_on: &'a dyn Fn(&Plan) -> bool) -> Self {
        Self { dry_run_on, by_incident: BTreeMap::new(), last: None }
    }

    fn outputs(&mut self, outputs: &Outputs) {
        for recorded in &outputs.facts {
            let Fact::Refused { incident, strategy, detail, .. } = &recorded.fact else { continue };
            if NOTHING.contains(&strategy.as_str()) {
                self.note(Decision {
                    at: recorded.at,
                    incident: incident.clone(),
                    strategy: NOTHING[0].to_owned(),
                    target: String::new(),
                    steps: Vec::new(),
                    would_act: false,
                    why: detail.clone(),
                    candidates: Vec::new(),
                    plan: None,
                });
            }
        }
        for plan in &outputs.plans {
            let steps: Vec<String> =
                plan.steps().map(|step| format!("{} {}", step.action.verb, step.action.target)).collect();
            let target = plan.steps().next().map(|step| step.action.target.to_string());
            let is_chosen = |one: &&Candidate| one.strategy == plan.strategy && one.refused.is_none();
            self.note(Decision {
                at: plan.at,
                incident: plan.incident.clone(),
                strategy: plan.strategy.clone(),
                target: target.unwrap_or_default(),
                steps,
                would_act: !(self.dry_run_on)(plan),
                why: plan
                    .candidates
                    .iter()
                    .find(is_chosen)
                    .map_or_else(String::new, |one| one.utility.formula.clone()),
                candidates: plan.candidates.clone(),
                plan: Some(plan.clone()),
            });
        }
    }

    fn note(&mut self, decision: Decision) {
        self.by_incident.entry(decision.incident.clone()).or_default().push(decision);
    }
}

impl Observer for Collector<'_> {
    fn tick(&mut self, _: &Engine, tick: &Tick, outputs: &Outputs, _: bool) {
        self.last = Some(tick.end());
        self.outputs(outputs);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, _: bool) {
        self.outputs(outputs);
    }
}

/// Where two runs part: the decision with the same number about the same incident.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Difference {
    pub(super) incident: Id,
    /// From 1.
    pub(super) number: usize,
    /// `strategy`, `target`, `steps`, `time`, `acting`; none where one of the two decided nothing more.
    pub(super) differs_in: Vec<&'static str>,
    /// As configured.
    pub(super) before: Option<Decision>,
    /// By the other policy.
    pub(super) after: Option<Decision>,
}

impl Difference {
    /// When the first of the two was decided.
    pub(super) fn at(&self) -> Timestamp {
        let of = |decision: &Option<Decision>| decision.as_ref().map(|decision| decision.at);
        of(&self.before).into_iter().chain(of(&self.after)).min().unwrap_or_default()
    }
}

/// All differences, in the order of time.
pub(super) fn differences(
    before: &BTreeMap<Id, Vec<Decision>>,
    after: &BTreeMap<Id, Vec<Decision>>,
) -> Vec<Difference> {
    let incidents: BTreeSet<&Id> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for incident in incidents {
        let of = |run: &BTreeMap<Id, Vec<Decision>>, index: usize| run.get(incident)?.get(index).cloned();
        let count = |run: &BTreeMap<Id, Vec<Decision>>| run.get(incident).map_or(0, Vec::len);
        for index in 0..count(before).max(count(after)) {
            let (before, after) = (of(before, index), of(after, index));
            let differs_in = match (&before, &after) {
                (Some(a), Some(b)) => a.differs_in(b),
                _ => Vec::new(),
            };
            if differs_in.is_empty() && before.is_some() == after.is_some() {
                continue;
            }
            let incident = incident.clone();
            found.push(Difference { incident, number: index + 1, differs_in, before, after });
        }
    }
    found.sort_by(|a, b| (a.at(), &a.incident, a.number).cmp(&(b.at(), &b.incident, b.number)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(at: i64, incident: &str, strategy: &str) -> Decision {
        Decision {
            at: Timestamp(at),
            incident: Id(incident.to_owned()),
            strategy: strategy.to_owned(),
            target: "cart".to_owned(),
            steps: vec![format!("{strategy} cart")],
            would_act: true,
            why: String::new(),
            candidates: Vec::new(),
            plan: None,
        }
    }

    fn run(decisions: &[Decision]) -> BTreeMap<Id, Vec<Decision>> {
        let mut run: BTreeMap<Id, Vec<Decision>> = BTreeMap::new();
        for decision in decisions {
            run.entry(decision.incident.clone()).or_default().push(decision.clone());
        }
        run
    }

    #[test]
    fn decisions_are_matched_by_incident_and_told_in_the_order_of_time() {
        let before =
            run(&[decision(5, "b", "restart"), decision(3, "a", "scale"), decision(9, "a", "restart")]);
        let after = run(&[decision(5, "b", "isolate"), decision(3, "a", "scale"), decision(4, "c", "wait")]);
        let found = differences(&before, &after);
        let told: Vec<_> =
            found.iter().map(|one| (one.incident.as_str(), one.number, &*one.differs_in)).collect();
        assert_eq!(told, [("c", 1, &[][..]), ("b", 1, &["strategy", "steps"]), ("a", 2, &[])]);
        assert_eq!((found[0].before.is_none(), found[2].after.is_none()), (true, true));
        assert_eq!(differences(&before, &before), []);
    }

    #[test]
    fn a_decision_that_is_only_later_differs_in_its_time() {
        let found = differences(&run(&[decision(5, "a", "restart")]), &run(&[decision(7, "a", "restart")]));
        assert_eq!((found[0].differs_in.as_slice(), found[0].at()), (&["time"][..], Timestamp(5)));
    }
}
