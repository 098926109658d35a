//! Pages that open from disk. Here: what became of each fault, the demo's closing table, its
//! figures and its page; [`evaluation`] has the page of `theriac eval`, [`cards`] that of
//! `theriac detectors`, [`incident`] that of `theriac explain`; [`bars`] and [`steps`] are drawn by
//! `theriac campaign`.

pub(crate) mod bars;
pub(crate) mod cards;
pub(crate) mod evaluation;
pub(crate) mod incident;
mod page;
mod plot;
pub(crate) mod steps;
mod stretch;
mod strip;
mod style;

use theriac_contract::{Entity, Incident, Plan, Timestamp, VerificationVerdict};
use theriac_datasets::simulator::{Ending, Truth};

pub(crate) use page::{History, page};
pub(crate) use style::{STYLE, escape};

use crate::{account, output::Report, story::Story};

/// One fault against what the loop made of it.
#[derive(Clone, Debug)]
pub(crate) struct FaultRow {
    /// Kind of the fault, as truth has it.
    pub(crate) fault: String,
    /// Where it was.
    pub(crate) entity: Entity,
    /// When it was put in.
    pub(crate) injected: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended: Option<Timestamp>,
    /// Incidents that answer it, in the order of opening.
    pub(crate) incidents: Vec<Incident>,
    /// Their plans, in order.
    pub(crate) plans: Vec<Plan>,
    /// From the fault to the first symptom of those incidents.
    pub(crate) detect_seconds: Option<f64>,
    /// From the fault to the first plan.
    pub(crate) plan_seconds: Option<f64>,
    /// The most probable cause when the first plan was made (or at the end).
    pub(crate) cause: Option<(Option<Entity>, String, f64)>,
    /// Whether place and kind of it are the true ones.
    pub(crate) cause_right: bool,
    /// From the fault to its end.
    pub(crate) recover_seconds: Option<f64>,
    /// How it ended.
    pub(crate) ending: Option<Ending>,
    /// It ended, and the loop saw that it did.
    pub(crate) healed: bool,
    /// Seconds in which users suffered.
    pub(crate) bad_seconds: u32,
}

impl FaultRow {
    pub(crate) fn cause_told(&self) -> String {
        match &self.cause {
            Some((entity, fault, probability)) => {
                let entity = entity.as_ref().map_or("", Entity::as_str);
                let mark = if self.cause_right { "+" } else { "-" };
                format!("{mark} {entity} {fault} {probability:.2}")
            }
            None => "- none".to_owned(),
        }
    }

    pub(crate) fn action_told(&self) -> String {
        let told: Vec<String> = self
            .plans
            .iter()
            .filter_map(|plan| plan.steps().next())
            .map(|step| format!("{} {}", step.action.verb, step.action.target))
            .collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", then ") }
    }

    pub(crate) fn verdict(&self) -> &'static str {
        match (self.healed, self.ending) {
            (true, Some(Ending::Action)) => "healed by action",
            (true, _) => "passed, verified",
            (false, Some(_)) => "ended, not verified",
            (false, None) => "not healed",
        }
    }
}

/// A tick of the simulated telemetry: an onset may be told this much early.
const ONSET_SLACK_SECONDS: i64 = 5;

/// After a fault ended, incidents about it may still open for this long.
const AFTERMATH_SECONDS: i64 = 60;

/// Holds truth against the story.
pub(crate) fn rows(truths: &[Truth], story: &Story) -> Vec<FaultRow> {
    let latest = story.latest();
    truths
        .iter()
        .filter(|truth| truth.injected_at.is_some())
        .map(|truth| row(truth, truths, story, &latest))
        .collect()
}

fn row(truth: &Truth, truths: &[Truth], story: &Story, latest: &[&Incident]) -> FaultRow {
    let begin = truth.injected_at.unwrap_or_default();
    let next = truths.iter().filter_map(|other| other.injected_at).filter(|at| *at > begin).min();
    let after = truth.ended_at.map(|at| at.plus(theriac_contract::Interval::from_seconds(AFTERMATH_SECONDS)));
    let end = after.into_iter().chain(next).min().unwrap_or(Timestamp(i64::MAX));
    // An incident answers the fault if it opened during it; onsets are starts of ticks.
    let slack = theriac_contract::Interval::from_seconds(ONSET_SLACK_SECONDS);
    let incidents: Vec<Incident> = latest
        .iter()
        .filter(|i| i.opened.plus(slack) > begin && i.opened < end)
        .map(|i| (*i).clone())
        .collect();
    let answers = |id: &theriac_contract::Id| incidents.iter().any(|incident| incident.id == *id);
    let plans: Vec<Plan> = story.plans.iter().filter(|plan| answers(&plan.incident)).cloned().collect();
    let detected = incidents
        .iter()
        .flat_map(|incident| &incident.symptoms)
        .filter_map(|symptom| story.first_sight(&symptom.id))
        .map(|symptom| symptom.at)
        .min();
    let cause = cause(&incidents, &plans, story);
    let cause_right = cause.as_ref().is_some_and(|(entity, fault, _)| {
        *fault == kind(truth) && entity.as_ref().is_some_and(|entity| same_place(entity, &truth.entity))
    });
    let verification = story.verifications.iter().rfind(|v| answers(&v.incident)).map(|v| v.verdict);
    let resolved = !incidents.is_empty()
        && incidents.iter().all(|incident| incident.phase == theriac_contract::IncidentPhase::Resolved);
    let seen_over = verification == Some(VerificationVerdict::Recovered) || resolved;
    FaultRow {
        fault: kind(truth),
        entity: truth.entity.clone(),
        injected: truth.injected_at,
        ended: truth.ended_at,
        detect_seconds: detected.map(|at| at.since(begin).as_seconds()),
        plan_seconds: plans.first().map(|plan| plan.at.since(begin).as_seconds()),
        cause,
        cause_right,
        recover_seconds: truth.ended_at.map(|at| at.since(begin).as_seconds()),
        ending: truth.ending,
        healed: truth.ended_at.is_some() && seen_over,
        bad_seconds: truth.bad_seconds,
        incidents,
        plans,
    }
}

fn kind(truth: &Truth) -> String {
    serde_json::to_value(truth.kind)
        .ok()
        .and_then(|kind| kind.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// A fault of a service is named rightly by the service or one of its instances; a fault
/// of an instance only by that instance.
fn same_place(named: &Entity, truth: &Entity) -> bool {
    if truth.is_instance() { named == truth } else { named.service() == truth.service() }
}

/// What was believed when the first plan was made; without a plan, at the end.
fn cause(incidents: &[Incident], plans: &[Plan], story: &Story) -> Option<(Option<Entity>, String, f64)> {
    let at_plan = plans.first().and_then(|plan| {
        story.incidents.iter().find(|i| i.id == plan.incident && i.revision == plan.incident_revision)
    });
    let best = at_plan.or(incidents.first())?.hypotheses.first()?;
    Some((best.entity.clone(), best.fault.clone(), best.probability))
}

/// The figures of a demo.
pub(crate) fn figures(rows: &[FaultRow], story: &Story, configuration: &str, seed: u64) -> Report {
    let mut report = Report::new("demo", configuration.to_owned(), "simulated".to_owned(), Some(seed));
    let count = |held: fn(&FaultRow) -> bool| rows.iter().filter(|row| held(row)).count() as f64;
    report.set("demo.faults", rows.len() as f64);
    report.set("demo.detected", count(|row| row.detect_seconds.is_some()));
    report.set("demo.cause_right", count(|row| row.cause_right));
    report.set("demo.healed", count(|row| row.healed));
    report.set("demo.symptoms", story.symptoms.iter().filter(|symptom| symptom.revision == 0).count() as f64);
    report.set("demo.incidents", story.latest().len() as f64);
    report.set("demo.plans", story.plans.len() as f64);
    let answering: usize = rows.iter().map(|row| row.incidents.len()).sum();
    report.set("demo.incidents_without_fault", story.latest().len().saturating_sub(answering) as f64);
    let planned: usize = rows.iter().map(|row| row.plans.len()).sum();
    report.set("demo.plans_without_fault", story.plans.len().saturating_sub(planned) as f64);
    let seconds = |of: fn(&FaultRow) -> Option<f64>| rows.iter().filter_map(of).collect::<Vec<f64>>();
    report.set_quantiles("demo.detect_s", &seconds(|row| row.detect_seconds));
    report.set_quantiles("demo.plan_s", &seconds(|row| row.plan_seconds));
    report.set_quantiles("demo.recover_s", &seconds(|row| row.recover_seconds.filter(|_| row.healed)));
    report.set("demo.bad_s", rows.iter().map(|row| f64::from(row.bad_seconds)).sum());
    report
}

/// One line on the incidents of a row.
fn incident_line(incident: &Incident) -> String {
    format!("{} {}", incident.id.short(), account::hypotheses(&incident.hypotheses))
}
