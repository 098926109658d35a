//! Which incident gets which plan, and when.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, Entity, Fact, Id, Incident, Interval, Plan, Snapshot, StateError, StateTable, Timestamp,
    Verification, VerificationVerdict,
};

use crate::{
    build::{self, Order},
    candidates::{self, attempt},
    guard::Guard,
    known_good::known_good,
    playbook::Playbooks,
    settings::Settings,
};

/// What one step decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// New plans.
    pub plans: Vec<Plan>,
    /// [`Fact::Planned`] and [`Fact::Refused`].
    pub facts: Vec<Fact>,
}

/// An incident that is not over.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Case {
    incident: Incident,
    /// When it was first heard of.
    since: Timestamp,
    /// The plan under way, and when it is given up for lost if nothing is heard of it.
    running: Option<(Id, Timestamp)>,
    /// Number of the last stage of the plan under way.
    last_stage: u32,
    /// What is being tried.
    trying: String,
    /// Strategies on causes that did not help.
    failed: Vec<String>,
    /// Plans so far.
    plans: u32,
    /// No decision before this.
    not_before: Timestamp,
    /// When recovery was verified: nothing more is done unless trouble stands on after it.
    recovered: Option<Timestamp>,
    /// Refusals that were told.
    told: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    cases: BTreeMap<Id, Case>,
    guard: Guard,
}

const TABLE: &str = "plan";
const TABLE_VERSION: u16 = 1;

/// After a verdict, the time before the next decision: what was undone must show.
const PAUSE: Interval = Interval::from_seconds(10);

/// The plan stage.
pub struct Planner {
    settings: Settings,
    playbooks: Playbooks,
    policy_version: String,
    state: State,
}

impl Planner {
    /// A stage that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings, playbooks: Playbooks) -> Self {
        let guardrails = serde_json::to_vec(&settings).unwrap_or_default();
        let policy = Id::derive("policy", &[playbooks.digest().as_bytes(), &guardrails]);
        let policy_version = policy.as_str()["policy-".len()..][..16].to_owned();
        Self { settings, playbooks, policy_version, state: State::default() }
    }

    /// Digest of playbooks and guardrails.
    #[must_use]
    pub fn policy_version(&self) -> &str {
        &self.policy_version
    }

    /// Takes in what is new and decides for every open incident without a plan under way.
    pub fn step(
        &mut self,
        at: Timestamp,
        incidents: &[Incident],
        verifications: &[Verification],
        knowledge: &Snapshot,
    ) -> Planned {
        for incident in incidents {
            self.hear(incident, at);
        }
        for verification in verifications {
            self.judge(verification, at);
        }
        let mut planned = Planned::default();
        let ids: Vec<Id> = self.state.cases.keys().cloned().collect();
        for id in ids {
            self.decide(&id, at, knowledge, &mut planned);
        }
        planned
    }

    fn hear(&mut self, incident: &Incident, at: Timestamp) {
        if incident.is_over() {
            self.state.cases.remove(&incident.id);
            return;
        }
        if let Some(case) = self.state.cases.get_mut(&incident.id) {
            case.incident = incident.clone();
            return;
        }
        if self.state.cases.len() >= self.settings.incidents_max {
            let oldest = self.state.cases.iter().min_by_key(|(id, case)| (case.since, (*id).clone()));
            if let Some(id) = oldest.map(|(id, _)| id.clone()) {
                self.state.cases.remove(&id);
            }
        }
        let case = Case {
            incident: incident.clone(),
            since: at,
            running: None,
            last_stage: 0,
            trying: String::new(),
            failed: Vec::new(),
            plans: 0,
            not_before: at.plus(self.settings.decide_after),
            recovered: None,
            told: BTreeSet::new(),
        };
        self.state.cases.insert(incident.id.clone(), case);
    }

    fn judge(&mut self, verification: &Verification, at: Timestamp) {
        let Some(case) = self.state.cases.get_mut(&verification.incident) else { return };
        if case.running.as_ref().is_none_or(|(plan, _)| *plan != verification.plan) {
            return;
        }
        // A stage that did not help is followed by the next one; anything else ends the plan.
        if verification.verdict == VerificationVerdict::NotRecovered && verification.stage < case.last_stage {
            return;
        }
        case.running = None;
        if verification.verdict == VerificationVerdict::Recovered {
            case.recovered = Some(at);
        } else {
            // Unknown is not success: what was tried is not tried again, something else is.
            case.failed.push(std::mem::take(&mut case.trying));
            case.not_before = at.plus(PAUSE);
        }
    }

    fn decide(&mut self, id: &Id, at: Timestamp, knowledge: &Snapshot, planned: &mut Planned) {
        let Self { settings, playbooks, policy_version, state } = self;
        let Some(case) = state.cases.get_mut(id) else { return };
        if case.running.as_ref().is_some_and(|(_, lost_at)| at >= *lost_at) {
            case.running = None;
            case.failed.push(std::mem::take(&mut case.trying));
        }
        if case.running.is_some() || at < case.not_before {
            return;
        }
        if let Some(recovered) = case.recovered {
            if !relapsed(&case.incident, recovered, at) {
                return;
            }
            // What it was verified by had ended, yet the fault is still there: on to the next.
            case.recovered = None;
            case.failed.push(std::mem::take(&mut case.trying));
        }
        let told = &mut case.told;
        let mut tell = |strategy: &str, target: &Entity, reason: &str, detail: String| {
            if told.insert(format!("{strategy}|{target}|{reason}")) {
                planned.facts.push(Fact::Refused {
                    incident: id.clone(),
                    strategy: strategy.to_owned(),
                    target: target.clone(),
                    reason: reason.to_owned(),
                    detail,
                });
            }
        };
        let nobody = Entity("unknown".to_owned());
        if case.plans >= settings.plans_per_incident_max {
            let text = format!("{} plans did not help; a person has to look", case.plans);
            tell("any", &nobody, "plans_used_up", text);
            return;
        }
        let mut choices =
            candidates::candidates(&case.incident, at, playbooks, &case.failed, knowledge, settings);
        // Guardrails look at the plan itself, so each allowed choice is built in turn.
        for position in 0..choices.len() {
            if choices[position].candidate.refused.is_some() {
                continue;
            }
            let Some((strategy, hypothesis)) = choices[position].behind else {
                let best = choices.iter().find(|choice| choice.behind.is_some());
                let text = best.map_or_else(
                    || "no strategy fits".to_owned(),
                    |choice| {
                        let why =
                            choice.candidate.refused.as_deref().unwrap_or("it is worth less than nothing");
                        format!(
                            "{} would be {}, but: {why}",
                            choice.candidate.strategy, choice.candidate.utility.formula
                        )
                    },
                );
                tell("do_nothing", &nobody, "nothing_worth_doing", text);
                return;
            };
            let order = Order {
                incident: &case.incident,
                strategy,
                hypothesis,
                known: known_good(&case.incident, hypothesis, knowledge),
                escalation: case.plans,
                at,
                knowledge_version: knowledge.version,
                policy_version,
            };
            let listed = choices.iter().map(|choice| choice.candidate.clone()).collect();
            let Some(plan) = build::plan(&order, listed, settings) else { continue };
            let target = plan.steps().next().map(|step| step.action.target.clone()).unwrap_or_default();
            if let Some((reason, detail)) = state.guard.refusal(&plan, at, settings) {
                tell(&strategy.name, &target, reason, detail.clone());
                choices[position].candidate.refused = Some(detail);
                continue;
            }
            case.trying = attempt(&strategy.name, hypothesis);
            case.plans += 1;
            case.last_stage = u32::try_from(plan.stages.len().saturating_sub(1)).unwrap_or(u32::MAX);
            case.running = Some((plan.id.clone(), given_up_at(&plan)));
            state.guard.note(&plan, at, settings);
            planned.facts.push(Fact::Planned {
                plan: plan.id.clone(),
                incident: id.clone(),
                strategy: plan.strategy.clone(),
                target,
            });
            planned.plans.push(plan);
            return;
        }
    }
}

/// After a verified recovery, the time in which what the fault left behind may end.
const AFTERMATH: Interval = Interval::from_seconds(90);
/// Symptoms this surprising are no remnants.
const RELAPSE_P: f64 = 1e-9;

/// Whether strong symptoms still stand, or came again, after the aftermath of a recovery.
fn relapsed(incident: &Incident, recovered: Timestamp, at: Timestamp) -> bool {
    let late = recovered.plus(AFTERMATH);
    at >= late && incident.at >= late && incident.open_symptoms().any(|symptom| symptom.p_value <= RELAPSE_P)
}

/// When a plan of which nothing was heard must have ended: all attempts of all steps, as
/// much again for undoing them, and all verdicts.
fn given_up_at(plan: &Plan) -> Timestamp {
    let longest = plan.steps().fold(0_i64, |sum, step| {
        let attempt = step.timeout.0.saturating_add(step.retry.backoff_max.0);
        let attempts = attempt.saturating_mul(2 * i64::from(step.retry.attempts));
        sum.saturating_add(attempts).saturating_add(step.settle.0).saturating_add(step.verify_within.0)
    });
    plan.expires.plus(Interval(longest))
}

impl Checkpointed for Planner {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        Ok(vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.state)?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.state = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        Ok(())
    }
}
