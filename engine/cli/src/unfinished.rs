//! Plans that ended neither at their goal nor where they began, and what a person has to do.

use std::collections::BTreeMap;

use serde::Serialize;
use theriac_contract::{Action, Id, Outcome, OutcomeKind, Step, Timestamp, VerificationVerdict};

use crate::story::Story;

/// A plan that somebody has to look after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// The plan.
    pub(crate) plan: Id,
    /// Its incident.
    pub(crate) incident: Id,
    /// Whether the incident still stands.
    pub(crate) stands: bool,
    /// Strategy.
    pub(crate) strategy: String,
    /// When it ended, in event time.
    pub(crate) ended: Timestamp,
    /// Why it ended, in the words of the saga.
    pub(crate) reason: String,
    /// What was left, in the order of the steps.
    pub(crate) left: Vec<Left>,
}

/// What a step left behind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Left {
    /// The step.
    pub(crate) step: u32,
    /// What was done, or was to be.
    pub(crate) action: Action,
    /// How it stands.
    pub(crate) state: State,
    /// Last words of the executor.
    pub(crate) said: String,
    /// What a person has to do.
    pub(crate) todo: String,
}

/// How a step stands that the plan could not bring to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// It was done and could not be undone.
    NotUndone,
    /// Nobody knows whether it was done.
    MayBeDone,
    /// It was done, did not help, and nothing undoes it.
    Irreversible,
    /// The executor refused it for good, and nothing else helped.
    Refused,
}

/// Verbs that leave nothing behind.
const HARMLESS: [&str; 2] = ["wait", "notify"];

/// `restart cart/cart-2 (grace=5s)`.
pub(crate) fn words(action: &Action) -> String {
    let parameters: Vec<String> =
        action.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let parameters =
        if parameters.is_empty() { String::new() } else { format!(" ({})", parameters.join(", ")) };
    format!("{} {}{parameters}", action.verb, action.target)
}

/// All of them, in the order in which they ended. Dry runs did nothing, and plans under way have not
/// ended.
pub(crate) fn unfinished(story: &Story) -> Vec<Unfinished> {
    let mut outcomes: BTreeMap<&Id, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &story.outcomes {
        outcomes.entry(&outcome.plan).or_default().push(outcome);
    }
    let stands: BTreeMap<&Id, bool> =
        story.latest().into_iter().map(|incident| (&incident.id, !incident.is_over())).collect();
    let mut found: Vec<Unfinished> = Vec::new();
    for plan in story.plans.iter().filter(|plan| !plan.dry_run) {
        let said = outcomes.get(&plan.id).map(Vec::as_slice).unwrap_or_default();
        let Some(end) = said.iter().find(|outcome| is_end(outcome)) else { continue };
        let verdict = story.verifications.iter().rfind(|one| one.plan == plan.id).map(|one| one.verdict);
        let recovered = verdict == Some(VerificationVerdict::Recovered);
        let stands = stands.get(&plan.incident).copied().unwrap_or(false);
        let left: Vec<Left> = plan.steps().filter_map(|step| left(step, said, stands)).collect();
        if !left.is_empty() && !recovered {
            found.push(Unfinished {
                plan: plan.id.clone(),
                incident: plan.incident.clone(),
                stands,
                strategy: plan.strategy.clone(),
                ended: end.at,
                reason: end.detail.clone(),
                left,
            });
        }
    }
    found.sort_by(|a, b| (a.ended, &a.plan).cmp(&(b.ended, &b.plan)));
    found
}

fn is_end(outcome: &Outcome) -> bool {
    outcome.step.is_none() && matches!(outcome.kind, OutcomeKind::Completed | OutcomeKind::Abandoned)
}

/// What a step left behind; none if it reached its end, was undone, or was never begun.
fn left(step: &Step, said: &[&Outcome], stands: bool) -> Option<Left> {
    use OutcomeKind::{Compensated, CompensationFailed, Failed, Succeeded, TimedOut, Unknown};
    let of_step = || said.iter().filter(|outcome| outcome.step == Some(step.index));
    let last = |kinds: &[OutcomeKind]| of_step().rfind(|outcome| kinds.contains(&outcome.kind));
    let action = words(&step.action);
    let undo = step.compensation.as_ref().map(words);
    let (state, outcome, todo) = if let Some(failed) = last(&[CompensationFailed]) {
        let undo = undo.unwrap_or_else(|| "what undoes it".to_owned());
        (
            State::NotUndone,
            failed,
            format!("`{action}` was done and could not be undone: do `{undo}` by hand"),
        )
    } else if HARMLESS.contains(&step.action.verb.as_str()) || last(&[Compensated]).is_some() {
        return None;
    } else if let Some(open) = last(&[Unknown, TimedOut]) {
        let undo = undo.map_or_else(|| "nothing undoes it".to_owned(), |undo| format!("`{undo}` undoes it"));
        (State::MayBeDone, open, format!("find out whether `{action}` was done; {undo}"))
    } else if let Some(done) = last(&[Succeeded]).filter(|_| stands) {
        let todo = format!("`{action}` did not help, and nothing undoes it: look for another cause");
        (State::Irreversible, done, todo)
    } else if let Some(failed) = last(&[Failed]).filter(|_| stands) {
        let todo = format!("mend what the executor says, or do `{action}` by hand");
        (State::Refused, failed, todo)
    } else {
        return None;
    };
    let action = step.action.clone();
    Some(Left { step: step.index, action, state, said: outcome.detail.clone(), todo })
}

#[cfg(test)]
mod tests {
    use theriac_contract::{
        Entity, FaultClass, Interval, Plan, PlanStage, Retry, SCHEMA_VERSION, Verification,
    };

    use super::*;

    fn action(verb: &str) -> Action {
        Action { verb: verb.to_owned(), target: Entity("cart".to_owned()), parameters: BTreeMap::new() }
    }

    fn step(index: u32, verb: &str, undo: Option<&str>) -> Step {
        Step {
            index,
            action: action(verb),
            precondition: "always".to_owned(),
            expected_effect: String::new(),
            timeout: Interval::from_seconds(1),
            settle: Interval::from_seconds(1),
            retry: Retry::default(),
            idempotency_key: Id::derive("step", &[verb]),
            compensation: undo.map(action),
            verify_within: Interval::from_seconds(1),
        }
    }

    /// A plan of three steps, whose outcomes are these.
    fn story(outcomes: &[(Option<u32>, OutcomeKind, &str)], verdict: VerificationVerdict) -> Story {
        let steps = vec![step(0, "stop", Some("start")), step(1, "notify", None), step(2, "restart", None)];
        let plan = Plan {
            schema_version: SCHEMA_VERSION,
            id: Id(String::new()),
            at: Timestamp(0),
            expires: Timestamp(9),
            domain: String::new(),
            incident: Id::derive("incident", &["i"]),
            incident_revision: 1,
            cause: Entity("cart".to_owned()),
            fault: "hang".to_owned(),
            class: FaultClass::Permanent,
            playbook: "hang".to_owned(),
            strategy: "restart_service".to_owned(),
            escalation: 0,
            candidates: Vec::new(),
            stages: vec![PlanStage { name: "only".to_owned(), steps }],
            dry_run: false,
            autonomy: theriac_contract::Autonomy::Act,
            awaiting: None,
            propensity: 1.0,
            knowledge_version: 0,
            policy_version: String::new(),
        };
        let plan = plan.sealed();
        let outcome = |(step, kind, detail): &(Option<u32>, OutcomeKind, &str)| Outcome {
            schema_version: SCHEMA_VERSION,
            id: Id::derive("outcome", &[detail]),
            at: Timestamp(5),
            domain: String::new(),
            plan: plan.id.clone(),
            incident: plan.incident.clone(),
            step: *step,
            attempt: 1,
            kind: *kind,
            action: None,
            fencing_token: 1,
            executor: "local".to_owned(),
            dry_run: false,
            detail: (*detail).to_owned(),
        };
        let verification = Verification {
            schema_version: SCHEMA_VERSION,
            id: Id::derive("verification", &["v"]),
            at: Timestamp(5),
            domain: String::new(),
            plan: plan.id.clone(),
            incident: plan.incident.clone(),
            stage: 0,
            cause: plan.cause.clone(),
            fault: plan.fault.clone(),
            strategy: plan.strategy.clone(),
            verdict,
            acted: Timestamp(3),
            symptoms_before: 1,
            symptoms_open: 1,
            symptoms_lost: 0,
            dry_run: false,
            explanation: String::new(),
        };
        Story {
            outcomes: outcomes.iter().map(outcome).collect(),
            verifications: vec![verification],
            plans: vec![plan],
            ..Story::default()
        }
    }

    use OutcomeKind::{
        Abandoned, Compensated, CompensationFailed, Completed, Failed, Intended, Succeeded, TimedOut,
    };
    use VerificationVerdict::{NotRecovered, Recovered};

    #[test]
    fn what_could_not_be_undone_is_told_with_what_undoes_it() {
        let outcomes = [
            (Some(0), Intended, "i"),
            (Some(0), Succeeded, "stopped"),
            (Some(2), Failed, "refused"),
            (Some(0), CompensationFailed, "no such program"),
            (None, Abandoned, "step 2 failed: refused"),
        ];
        let found = unfinished(&story(&outcomes, VerificationVerdict::Unknown));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.reason, "step 2 failed: refused");
        let [left] = one.left.as_slice() else { panic!("{:?}", one.left) };
        assert_eq!((left.step, left.state, left.said.as_str()), (0, State::NotUndone, "no such program"));
        assert_eq!(left.todo, "`stop cart` was done and could not be undone: do `start cart` by hand");
    }

    #[test]
    fn what_may_have_been_done_is_to_be_found_out() {
        let outcomes =
            [(Some(2), TimedOut, "no answer in time"), (None, Abandoned, "step 2 did not answer in time")];
        let found = unfinished(&story(&outcomes, VerificationVerdict::Unknown));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].left[0].state, State::MayBeDone);
        assert_eq!(found[0].left[0].todo, "find out whether `restart cart` was done; nothing undoes it");
    }

    #[test]
    fn goals_reached_and_states_restored_are_nobodys_work() {
        let nothing: [Unfinished; 0] = [];
        let undone = [
            (Some(0), Succeeded, "stopped"),
            (Some(1), Succeeded, "told"),
            (Some(0), Compensated, "started"),
            (None, Abandoned, "it did not help and was undone"),
        ];
        assert_eq!(unfinished(&story(&undone, NotRecovered)), nothing);
        let healed = [(Some(2), TimedOut, "slow"), (None, Completed, "all symptoms ended")];
        assert_eq!(unfinished(&story(&healed, Recovered)), nothing);
        let running = [(Some(2), TimedOut, "slow")];
        assert_eq!(unfinished(&story(&running, NotRecovered)), nothing, "it has not ended");
        let ended_with_incident = [(Some(2), Failed, "refused"), (None, Abandoned, "step 2 failed: refused")];
        assert_eq!(unfinished(&story(&ended_with_incident, NotRecovered)), nothing, "no incident stands");
        let mut dry = story(&[(Some(2), TimedOut, "slow"), (None, Abandoned, "slow")], NotRecovered);
        dry.plans[0].dry_run = true;
        assert_eq!(unfinished(&dry), nothing);
    }
}
