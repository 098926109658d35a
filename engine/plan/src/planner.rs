//! Which incident gets which plan, and when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, Entity, Fact, Id, Incident, Outcome, OutcomeKind, Plan, Snapshot, StateError, StateTable,
    Timestamp, Topology, Verification, VerificationVerdict,
};

use crate::{
    adverse,
    case::{Case, PAUSE, relapsed},
    decide::{Desk, Guests},
    graver::Gravers,
    guard::Guard,
    overview::Overview,
    playbook::{Playbooks, Strategy},
    reach,
    settings::Settings,
    storm,
};

/// What one step decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Planned {
    /// New plans: those that go ahead, those that wait for a person, and mere suggestions.
    pub plans: Vec<Plan>,
    /// Plans that waited for a person and go ahead now.
    pub approved: Vec<Plan>,
    /// [`Fact::Planned`], [`Fact::Refused`], and what is learnt from leaving incidents alone.
    pub facts: Vec<Fact>,
}

impl Planned {
    /// Plans that are to be begun now.
    pub fn to_begin(&self) -> impl Iterator<Item = &Plan> {
        self.plans.iter().filter(|plan| plan.may_begin(false)).chain(&self.approved)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    cases: BTreeMap<Id, Case>,
    guard: Guard,
    /// When incidents were opened, by domain, within the window of the storm guard.
    #[serde(default)]
    opened: BTreeMap<String, Vec<Timestamp>>,
    /// Number of the last ruling that was heard.
    #[serde(default)]
    heard: u64,
    /// Plans that waited for a person and no longer do, with what became of them; the newest last.
    #[serde(default)]
    closed: Vec<(Id, Id, String)>,
}

const TABLE: &str = "plan";
const TABLE_VERSION: u16 = 1;

/// Plans that no longer wait, of which it is remembered why.
const CLOSED_MAX: usize = 256;

/// The plan stage.
pub struct Planner {
    settings: Settings,
    playbooks: Playbooks,
    /// Asking a person.
    ask: Strategy,
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
        Self { settings, playbooks, ask: Strategy::ask(), policy_version, state: State::default() }
    }

    /// Digest of playbooks, policy and guardrails.
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
        let mut planned = Planned::default();
        for incident in incidents {
            self.hear(incident, at, &mut planned.facts);
        }
        for verification in verifications {
            self.judge(verification, at);
        }
        self.state.guard.give_up(at, &self.settings);
        planned.facts.extend(adverse::facts(&knowledge.watersheds, &self.settings));
        self.hear_rulings(knowledge, &mut planned.facts);
        let storms = self.storms(at, knowledge);
        let overview = Overview::new(knowledge);
        let sick = self.guests_of_sick_hosts(&knowledge.topology);
        let gravers = Gravers::of(self.state.cases.values(), &self.state.guard, at);
        let ids: Vec<Id> = self.state.cases.keys().cloned().collect();
        for id in ids {
            self.decide(&id, at, &overview, (&storms, &sick, &gravers), &mut planned);
        }
        let over = self.state.closed.len().saturating_sub(CLOSED_MAX);
        self.state.closed.drain(..over);
        planned
    }

    /// Takes in what was done of plans: what they had reserved and did not use is free again.
    pub fn settle(&mut self, outcomes: &[Outcome], topology: &Topology) {
        self.state.guard.hear(outcomes, topology, &self.settings);
        let refused = outcomes.iter().filter(|one| one.step.is_none() && one.kind == OutcomeKind::Refused);
        for outcome in refused {
            if let Some(case) = self.state.cases.get_mut(&outcome.incident) {
                case.not_taken(&outcome.plan, outcome.at);
            }
        }
    }

    fn hear(&mut self, incident: &Incident, at: Timestamp, facts: &mut Vec<Fact>) {
        if incident.is_over() {
            let Some(mut case) = self.state.cases.remove(&incident.id) else { return };
            facts.extend(case.left_alone(at, Some(incident), &self.settings));
            if let Some(pending) = case.pending.take() {
                let text = format!("{} is not done: the incident is over", pending.plan.id.short());
                facts.push(refused(&pending.plan, "incident_over", &text));
                self.close(&pending.plan, "the incident is over", at);
            }
            return;
        }
        if let Some(case) = self.state.cases.get_mut(&incident.id) {
            case.hear(incident, at);
            return;
        }
        if self.state.cases.len() >= self.settings.incidents_max {
            let oldest = self.state.cases.iter().min_by_key(|(id, case)| (case.since, (*id).clone()));
            if let Some(id) = oldest.map(|(id, _)| id.clone())
                && let Some(case) = self.state.cases.remove(&id)
                && let Some(pending) = case.pending
            {
                facts.push(refused(&pending.plan, "shed", "there are too many open incidents"));
                self.close(&pending.plan, "there are too many open incidents", at);
            }
        }
        let opened = self.state.opened.entry(incident.domain.clone()).or_default();
        opened.retain(|time| at.since(*time) < self.settings.storm.window);
        opened.push(at);
        self.state.cases.insert(incident.id.clone(), Case::new(incident, at, &self.settings));
    }

    /// A plan waits no longer and is not done.
    fn close(&mut self, plan: &Plan, why: &str, at: Timestamp) {
        self.state.guard.drop(&plan.id, at, &self.settings);
        self.state.closed.push((plan.id.clone(), plan.incident.clone(), why.to_owned()));
    }

    /// Tells of approvals of what does not wait.
    fn hear_rulings(&mut self, knowledge: &Snapshot, facts: &mut Vec<Fact>) {
        let State { cases, heard, closed, .. } = &mut self.state;
        for ruling in knowledge.control.rulings.iter().filter(|ruling| ruling.number > *heard) {
            let waits = cases
                .values()
                .any(|case| case.pending.as_ref().is_some_and(|pending| pending.plan.id == ruling.plan));
            if waits || !ruling.approved {
                continue;
            }
            let known = closed.iter().rfind(|(plan, ..)| *plan == ruling.plan);
            let (incident, why) = known.map_or_else(
                || (Id("unknown".to_owned()), "no plan of that id waits for a person"),
                |(_, incident, why)| (incident.clone(), why.as_str()),
            );
            facts.push(Fact::Refused {
                incident,
                strategy: "any".to_owned(),
                target: Entity("unknown".to_owned()),
                reason: "approval_void".to_owned(),
                detail: format!("{} approved {}, but: {why}", ruling.by, ruling.plan.short()),
            });
        }
        *heard = (*heard).max(knowledge.control.ruled);
    }

    /// What runs on hosts that incidents take for their cause: the host, and the incident.
    fn guests_of_sick_hosts(&self, topology: &Topology) -> Guests {
        let hosts =
            self.state.cases.iter().filter_map(|(id, case)| Some((case.sick_host(topology)?.clone(), id)));
        let guests = |(host, id): (Entity, &Id)| {
            let guests = reach::running_on(&host, topology);
            guests.into_iter().map(move |guest| (guest, (host.clone(), id.clone()))).collect::<Vec<_>>()
        };
        hosts.flat_map(guests).collect()
    }

    /// Domains in which there is a storm, and why; empty where nothing is to be decided.
    fn storms(&self, at: Timestamp, knowledge: &Snapshot) -> BTreeMap<String, String> {
        let mut open: BTreeMap<&str, Vec<&Incident>> = BTreeMap::new();
        for case in self.state.cases.values() {
            open.entry(&case.incident.domain).or_default().push(&case.incident);
        }
        let rages = |(domain, incidents): (&str, Vec<&Incident>)| {
            let opened = self.state.opened.get(domain).map_or(&[][..], Vec::as_slice);
            let topology = &knowledge.topology;
            let why = storm::rages(incidents.into_iter(), opened, topology, at, &self.settings.storm)?;
            Some((domain.to_owned(), why))
        };
        open.into_iter().filter_map(rages).collect()
    }

    fn judge(&mut self, verification: &Verification, at: Timestamp) {
        let Some(case) = self.state.cases.get_mut(&verification.incident) else { return };
        if case.judged_beside(verification) {
            return;
        }
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

    fn decide(
        &mut self,
        id: &Id,
        at: Timestamp,
        overview: &Overview<'_>,
        (storms, sick, gravers): (&BTreeMap<String, String>, &Guests, &Gravers),
        planned: &mut Planned,
    ) {
        let Self { settings, playbooks, ask, policy_version, state } = self;
        let State { cases, guard, .. } = state;
        let Some(case) = cases.get_mut(id) else { return };
        planned.facts.extend(case.left_alone(at, None, settings));
        let storm = storms.get(&case.incident.domain).map(String::as_str);
        let mut desk =
            Desk { at, settings, playbooks, ask, overview, storm, sick, gravers, guard, policy_version };
        if case.running.as_ref().is_some_and(|(_, lost_at)| at >= *lost_at) {
            case.running = None;
            case.failed.push(std::mem::take(&mut case.trying));
        }
        let closed = desk.review(case, planned);
        if let Some(recovered) = case.recovered
            && case.running.is_none()
            && relapsed(&case.incident, recovered, at)
        {
            // What it was verified by had ended, yet the fault is still there: on to the next.
            case.recovered = None;
            case.failed.push(std::mem::take(&mut case.trying));
        }
        let waits = case.running.is_some() || case.pending.is_some() || case.recovered.is_some();
        if let Some((plan, why)) = &closed {
            desk.guard.drop(&plan.id, at, settings);
            state.closed.push((plan.id.clone(), plan.incident.clone(), why.clone()));
        }
        if !waits && at >= case.not_before {
            desk.decide(case, planned);
        } else if let Some((plan, _)) = &case.running
            && case.pending.is_none()
        {
            let elsewhere = case.only_waits || case.is_about_something_else(&overview.known.topology);
            if elsewhere || case.is_about_another_fault() && !desk.guard.acts(plan, at) {
                desk.act_beside(case, !elsewhere, planned);
            }
        }
    }
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

pub(crate) fn refused(plan: &Plan, reason: &str, detail: &str) -> Fact {
    let target = plan.steps().next().map_or_else(|| plan.cause.clone(), |step| step.action.target.clone());
    Fact::Refused {
        incident: plan.incident.clone(),
        strategy: plan.strategy.clone(),
        target,
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    }
}
