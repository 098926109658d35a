//! What is known of an incident that is not over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Entity, Fact, Hypothesis, Id, Incident, IncidentPhase, Interval, NodeKind, Plan, Timestamp, Topology,
    Verification, VerificationVerdict,
};

use crate::{approval::Pending, candidates::Past, settings::Settings};

/// A place is suspected from this probability on, of all that may be wrong there.
const SUSPECTED: f64 = 0.3;

/// One symptom of so many that still stands is little.
const NEARLY: usize = 8;
/// How long what nearly ended is waited for.
const ENDING: Interval = Interval::from_seconds(60);

/// After a verdict, the time before the next decision: what was undone must show.
pub(crate) const PAUSE: Interval = Interval::from_seconds(10);

/// Probability from which another cause than the one that is acted on is a fault of its own.
const ELSEWHERE: f64 = 0.6;

/// A plan whose verdict is awaited beside the one under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Awaited {
    /// Number of its last stage.
    last_stage: u32,
    /// What it tries.
    tried: String,
    /// When it is given up for lost.
    lost_at: Timestamp,
}

/// An incident that is not over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) incident: Incident,
    /// When it was first heard of.
    pub(crate) since: Timestamp,
    /// The plan under way, and when it is given up for lost if nothing is heard of it.
    pub(crate) running: Option<(Id, Timestamp)>,
    /// Number of the last stage of the plan under way.
    pub(crate) last_stage: u32,
    /// What is being tried.
    pub(crate) trying: String,
    /// Strategies on causes that did not help.
    pub(crate) failed: Vec<String>,
    /// Plans so far.
    pub(crate) plans: u32,
    /// No decision before this.
    pub(crate) not_before: Timestamp,
    /// When recovery was verified: nothing more is done unless trouble stands on after it.
    pub(crate) recovered: Option<Timestamp>,
    /// Refusals that were told.
    pub(crate) told: BTreeSet<String>,
    /// The plan that waits for a person.
    #[serde(default)]
    pub(crate) pending: Option<Pending>,
    /// Strategies on causes that a person rejected.
    #[serde(default)]
    pub(crate) rejected: BTreeSet<String>,
    /// Strategies on causes that were suggested.
    #[serde(default)]
    pub(crate) suggested: BTreeSet<String>,
    /// Times that waiting was chosen.
    #[serde(default)]
    pub(crate) waits: u32,
    /// Whether a person was asked.
    #[serde(default)]
    pub(crate) asked: bool,
    /// Whether the plan under way only tells somebody or waits: it is no reason not to act.
    #[serde(default)]
    pub(crate) only_waits: bool,
    /// What the plan under way takes for the cause.
    #[serde(default)]
    pub(crate) acted_on: Option<Entity>,
    /// And for the fault there.
    #[serde(default)]
    pub(crate) acted_against: String,
    /// Whether the plan under way may come back to what it acts on, to undo it or with another stage.
    #[serde(default)]
    pub(crate) holds_on: bool,
    /// Plans whose verdict is still awaited beside the one under way.
    #[serde(default)]
    pub(crate) awaited: BTreeMap<Id, Awaited>,
    /// Places that are suspected, and since when.
    #[serde(default)]
    pub(crate) suspected: BTreeMap<Entity, Timestamp>,
    /// Symptoms that stood by the last revision, and when they were fewer than before last.
    #[serde(default)]
    pub(crate) standing: usize,
    #[serde(default)]
    pub(crate) better: Option<Timestamp>,
    /// Whether it is known what comes of leaving it alone, or can no longer be.
    #[serde(default)]
    pub(crate) alone_judged: bool,
}

impl Case {
    pub(crate) fn new(incident: &Incident, at: Timestamp, settings: &Settings) -> Self {
        let mut case = Self {
            incident: incident.clone(),
            since: at,
            running: None,
            last_stage: 0,
            trying: String::new(),
            failed: Vec::new(),
            plans: 0,
            not_before: at.plus(settings.decide_after),
            recovered: None,
            told: BTreeSet::new(),
            pending: None,
            rejected: BTreeSet::new(),
            suggested: BTreeSet::new(),
            waits: 0,
            asked: false,
            only_waits: false,
            acted_on: None,
            acted_against: String::new(),
            holds_on: false,
            awaited: BTreeMap::new(),
            suspected: BTreeMap::new(),
            standing: incident.open_symptoms().count(),
            better: None,
            alone_judged: false,
        };
        case.suspect(at);
        case
    }

    /// Takes in a newer revision.
    pub(crate) fn hear(&mut self, incident: &Incident, at: Timestamp) {
        let standing = incident.open_symptoms().count();
        if standing < self.standing {
            self.better = Some(at);
        }
        self.standing = standing;
        self.incident = incident.clone();
        self.suspect(at);
    }

    /// Whether nearly all of it ended, the last of it a moment ago: it is about to be over, whatever did
    /// that, and to act now would only disturb.
    pub(crate) fn is_ending(&self, at: Timestamp) -> bool {
        let all = self.incident.symptoms.len();
        let lately = self.better.is_some_and(|better| at.since(better) < ENDING);
        lately && all >= NEARLY && NEARLY * self.standing <= all
    }

    /// The host that is the most probable cause, if one is.
    pub(crate) fn sick_host(&self, topology: &Topology) -> Option<&Entity> {
        let first = self.incident.hypotheses.first().filter(|first| first.probability >= SUSPECTED)?;
        first.entity.as_ref().filter(|entity| topology.kind_of(entity) == NodeKind::Host)
    }

    /// Notes which places are suspected now.
    fn suspect(&mut self, at: Timestamp) {
        let mut sums: BTreeMap<&Entity, f64> = BTreeMap::new();
        for hypothesis in &self.incident.hypotheses {
            if let Some(entity) = &hypothesis.entity {
                *sums.entry(entity).or_default() += hypothesis.probability;
            }
        }
        let before = std::mem::take(&mut self.suspected);
        let now = sums.into_iter().filter(|(_, sum)| *sum >= SUSPECTED);
        self.suspected =
            now.map(|(entity, _)| (entity.clone(), before.get(entity).copied().unwrap_or(at))).collect();
    }

    pub(crate) fn past(&self) -> Past<'_> {
        Past {
            failed: &self.failed,
            rejected: &self.rejected,
            suspected: &self.suspected,
            waits: self.waits,
            asked: self.asked,
        }
    }

    /// A plan is under way from `at` on.
    pub(crate) fn run(&mut self, plan: &Plan, attempt: String) {
        let tried = std::mem::replace(&mut self.trying, attempt);
        if let Some((before, lost_at)) = self.running.take() {
            self.awaited.insert(before, Awaited { last_stage: self.last_stage, tried, lost_at });
        }
        self.holds_on = plan.stages.len() > 1 || plan.steps().any(|step| step.compensation.is_some());
        self.acted_on = Some(plan.cause.clone());
        self.acted_against.clone_from(&plan.fault);
        self.last_stage = u32::try_from(plan.stages.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.running = Some((plan.id.clone(), given_up_at(plan)));
        self.only_waits = plan.steps().all(|step| step.action.is_harmless());
        // Whatever is really done, the incident is no longer left alone.
        self.alone_judged |= !plan.dry_run && plan.steps().any(|step| !step.action.is_harmless());
    }

    /// Whether, while a plan is under way, what is wrong is most probably something else that the plan
    /// cannot cure, and that is no trace of it: callers feel what is done to those whom they call, but for
    /// what was changed at them there is a cause of its own.
    pub(crate) fn is_about_something_else(&self, topology: &Topology) -> bool {
        let Some(acted_on) = self.acted_on.as_ref().map(Entity::service) else { return false };
        let Some(first) = self.incident.hypotheses.first() else { return false };
        let Some(other) = first.entity.as_ref().map(Entity::service) else { return false };
        let at = |service: &str| self.believed(service, |_| true);
        at(other) >= ELSEWHERE
            && at(acted_on) < SUSPECTED
            && (first.change.is_some() || topology.distance(other, acted_on).is_none())
    }

    /// Whether what is wrong where a plan acts is most probably another fault by now than the one that it
    /// acts against: a cache that was begun anew is cold.
    pub(crate) fn is_about_another_fault(&self) -> bool {
        let Some(acted_on) = self.acted_on.as_ref().map(Entity::service) else { return false };
        let Some(first) = self.incident.hypotheses.first() else { return false };
        let there = |fault: &str| self.believed(acted_on, |one| one.fault == fault);
        !self.holds_on && there(&first.fault) >= ELSEWHERE && there(&self.acted_against) < SUSPECTED
    }

    /// Probability of some of what may be wrong at a service and its instances.
    fn believed(&self, service: &str, which: impl Fn(&Hypothesis) -> bool) -> f64 {
        let is_there = |one: &Hypothesis| one.entity.as_ref().is_some_and(|it| it.service() == service);
        let meant = self.incident.hypotheses.iter().filter(|one| is_there(one) && which(one));
        meant.map(|one| one.probability).sum()
    }

    /// A plan was not taken: what was under way before it goes on.
    pub(crate) fn not_taken(&mut self, plan: &Id, at: Timestamp) {
        if self.running.as_ref().is_none_or(|(running, _)| running != plan) {
            _ = self.awaited.remove(plan);
            return;
        }
        let last = self.awaited.iter().max_by_key(|(id, awaited)| (awaited.lost_at, (*id).clone()));
        let last = last.map(|(id, _)| id.clone()).and_then(|id| self.awaited.remove_entry(&id));
        self.running = None;
        self.trying.clear();
        if let Some((id, Awaited { last_stage, tried, lost_at })) = last {
            (self.running, self.last_stage, self.trying) = (Some((id, lost_at)), last_stage, tried);
        }
        self.not_before = at.plus(PAUSE);
    }

    /// A verdict on a plan that another was made beside. Gives whether there is such a plan.
    pub(crate) fn judged_beside(&mut self, verification: &Verification) -> bool {
        let Some(awaited) = self.awaited.get(&verification.plan) else { return false };
        let failed = verification.verdict == VerificationVerdict::NotRecovered;
        if failed && verification.stage < awaited.last_stage {
            return true;
        }
        let tried = self.awaited.remove(&verification.plan).map(|awaited| awaited.tried);
        if verification.verdict != VerificationVerdict::Recovered {
            self.failed.extend(tried);
        }
        true
    }

    /// What came of leaving the incident alone for a while, once that is known. `over` is its last
    /// revision, if it is over: that telemetry was lost does not say.
    pub(crate) fn left_alone(
        &mut self,
        at: Timestamp,
        over: Option<&Incident>,
        settings: &Settings,
    ) -> Option<Fact> {
        let within = settings.choice.wait;
        let from = self.since.plus(settings.decide_after);
        let stood = at >= from.plus(within);
        let ended =
            over.is_some_and(|incident| incident.phase == IncidentPhase::Resolved && !stood && at >= from);
        if self.alone_judged || !(stood || ended) {
            return None;
        }
        self.alone_judged = true;
        let first = self.incident.hypotheses.first()?;
        Some(Fact::LeftAlone {
            incident: self.incident.id.clone(),
            fault: first.fault.clone(),
            class: first.class,
            ended,
            within,
        })
    }
}

/// When a plan of which nothing was heard must have ended: all attempts of all steps, as
/// much again for undoing them, and all verdicts, each put off twice.
pub(crate) fn given_up_at(plan: &Plan) -> Timestamp {
    let longest = plan.steps().fold(0_i64, |sum, step| {
        let attempt = step.timeout.0.saturating_add(step.retry.backoff_max.0);
        let attempts = attempt.saturating_mul(2 * i64::from(step.retry.attempts));
        sum.saturating_add(attempts).saturating_add(step.settle.0).saturating_add(3 * step.verify_within.0)
    });
    plan.expires.plus(Interval(longest))
}

/// After a verified recovery, the time in which what the fault left behind may end.
const AFTERMATH: Interval = Interval::from_seconds(90);
/// Symptoms this surprising are no remnants.
const RELAPSE_P: f64 = 1e-9;

/// Whether strong symptoms still stand, or came again, after the aftermath of a recovery.
pub(crate) fn relapsed(incident: &Incident, recovered: Timestamp, at: Timestamp) -> bool {
    let late = recovered.plus(AFTERMATH);
    at >= late && incident.at >= late && incident.open_symptoms().any(|symptom| symptom.p_value <= RELAPSE_P)
}
