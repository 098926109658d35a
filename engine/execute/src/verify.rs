//! The verdict on a stage, from the symptoms that stood when the plan was accepted.

use std::collections::BTreeSet;

use theriac_contract::{
    Fact, Id, Interval, SCHEMA_VERSION, SymptomState, Timestamp, Verification, VerificationVerdict,
};

use crate::{
    incidents::{Known, Seen},
    saga::Saga,
};

/// How the symptoms stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) before: u32,
    pub(crate) open: u32,
    pub(crate) lost: u32,
    /// Symptoms of the same signals that began once the effect should have shown.
    pub(crate) back: u32,
    /// Whether one of those that were not known when the plan was made stands.
    pub(crate) again: bool,
    /// When the last symptom of the same signals began or ended.
    pub(crate) last: Option<Timestamp>,
    /// Symptoms of the incident that stand and were not known when the plan was made, but for those that
    /// tell that what is acted on has less to do.
    pub(crate) others: u32,
    /// Digits of surprise of those that stood, and of the others.
    pub(crate) digits: (u32, u32),
}

impl Tally {
    /// Whether nearly all that stood is over, and nothing came in its place: to undo what was done would
    /// bring it back.
    pub(crate) const fn is_nearly_over(&self) -> bool {
        self.before >= NEARLY
            && NEARLY * (self.open + self.lost + self.back) <= self.before
            && NEARLY * self.digits.1 <= self.digits.0
    }

    /// Whether all that stood ended, and so much else of the incident stands that it has rather moved.
    const fn has_moved(&self) -> bool {
        self.open == 0 && self.lost == 0 && 2 * self.digits.1 > self.digits.0
    }
}

/// One symptom of so many that still stands is little.
const NEARLY: u32 = 8;

/// Counts the saga's symptoms by their state now, and those that came back from `settled` on.
pub(crate) fn tally(saga: &Saga, incident: Option<&Known>, settled: Option<Timestamp>) -> Tally {
    let mut tally = Tally { before: saga.symptoms.len() as u32, ..Tally::default() };
    for id in &saga.symptoms {
        match incident.and_then(|known| known.symptoms.get(id)).map(|seen| seen.state) {
            Some(SymptomState::Open) => tally.open += 1,
            Some(SymptomState::Closed) => {}
            Some(SymptomState::Lost) | None => tally.lost += 1,
        }
    }
    let Some(known) = incident else { return tally };
    let others = known
        .symptoms
        .iter()
        .filter(|(id, seen)| seen.state == SymptomState::Open && !saga.symptoms.contains(*id))
        .filter(|(_, seen)| !(seen.less && is_own(saga, seen)));
    let others: Vec<u32> = others.map(|(_, seen)| seen.digits).collect();
    tally.others = others.len() as u32;
    let before = saga.symptoms.iter().filter_map(|id| Some(known.symptoms.get(id)?.digits));
    tally.digits = (before.sum(), others.iter().sum());
    let signals: BTreeSet<_> =
        saga.symptoms.iter().filter_map(|id| known.symptoms.get(id)).map(|seen| &seen.of).collect();
    for (id, seen) in known.symptoms.iter().filter(|(_, seen)| signals.contains(&seen.of)) {
        tally.last = tally.last.max(seen.end.or(Some(seen.onset)));
        let later = settled.is_some_and(|settled| seen.onset >= settled) && !saga.symptoms.contains(id);
        tally.back += u32::from(later);
        tally.again |= seen.state == SymptomState::Open && !saga.symptoms.contains(id);
    }
    tally
}

/// Whether a symptom is of what a plan takes for the cause.
fn is_own(saga: &Saga, seen: &Seen) -> bool {
    saga.plan.cause.covers(&seen.about)
}

/// Whether what is acted on still shows what it showed when the plan was made, or never showed anything
/// itself: then nothing is known of a cure. Where it was the cause and shows nothing any more, what stands
/// is of something else. That there is less of something may come of the action: what is kept away from
/// work has less of it.
pub(crate) fn shows(saga: &Saga, known: &Known) -> bool {
    let seen = saga.symptoms.iter().filter_map(|id| known.symptoms.get(id));
    let mut own = seen.filter(|seen| is_own(saga, seen) && !seen.less).peekable();
    own.peek().is_none() || own.any(|seen| seen.state != SymptomState::Closed)
}

/// How long users must feel nothing at least.
const QUIET: Interval = Interval::from_seconds(30);

/// A verdict and why.
pub(crate) type Judgement = (VerificationVerdict, String);

/// The verdict, if there can be one: early when the symptoms are over or can no longer be
/// judged, else at the deadline.
///
/// Standing symptoms at the deadline are "not recovered", even if telemetry of others was
/// lost. Lost telemetry is never recovery. If nothing stood any more when the first step
/// began, the action has no part in the recovery and the verdict is unknown. Trouble may
/// come in bursts: recovery is believed after a quiet as long as the effect was given to
/// settle, and what comes back after that time was not cured.
///
/// A remedy has traces of its own: caches are cold, a replica is missing, others take over. Where users
/// felt the trouble, what counts is that they no longer do, for as long a quiet; and single symptoms that
/// come back while they do are no verdict yet. Where so much else of the incident stands instead, by its
/// surprise, that it has rather moved than ended, it has not recovered.
pub(crate) fn judge(
    saga: &Saga,
    tally: Tally,
    incident: Option<&Known>,
    at: Timestamp,
    due: bool,
) -> Option<Judgement> {
    use VerificationVerdict::{NotRecovered, Recovered, Unknown};
    let Tally { before, open, lost, back, again, last, others, .. } = tally;
    let over = incident.is_none_or(Known::is_over);
    if before == 0 {
        return Some((
            Unknown,
            "no symptom stood when the plan was made, so nothing can be judged".to_owned(),
        ));
    }
    let unfelt = incident.and_then(|known| known.unfelt_since).filter(|_| saga.felt && !over);
    if let Some(since) = unfelt
        && (open > 0 || back > 0)
    {
        if at.since(since) >= saga.settle().max(QUIET) {
            let text = format!("nobody outside feels it any more; {open} of {before} symptoms still stand");
            return Some((Recovered, text));
        }
        // A verdict that falls due in the quiet is put off, once.
        let late = due && saga.was_given(at, 1);
        return late.then(|| (NotRecovered, format!("{open} of {before} symptoms still stand")));
    }
    let many = 2 * back >= before || !saga.felt;
    if back > 0 && (many || due || over) {
        return Some((NotRecovered, format!("{back} symptoms came back after the action")));
    }
    let quiet = !again && last.is_none_or(|last| at.since(last) >= saga.settle());
    if tally.has_moved() && !over {
        let text = format!("all {before} symptoms ended, and {others} others of the incident stand");
        return due.then_some((NotRecovered, text));
    }
    if open == 0 && lost == 0 && (quiet || due || over) {
        return Some(if saga.standing == Some(0) {
            (Unknown, format!("all {before} symptoms had ended before the first step began"))
        } else {
            (Recovered, format!("all {before} symptoms ended after the action"))
        });
    }
    if !due && !over {
        return None;
    }
    // What gets better is given as long again: what piled up takes its time to be worked off.
    let better = open > 0 && 2 * open <= before && back == 0 && !over;
    if better && !saga.was_given(at, 1) {
        return None;
    }
    Some(if open > 0 {
        (NotRecovered, format!("{open} of {before} symptoms still stand"))
    } else {
        (Unknown, format!("{lost} of {before} symptoms have no telemetry to judge by"))
    })
}

/// The verdict as a record. The id is a function of the plan and the stage.
pub(crate) fn verification(
    saga: &Saga,
    at: Timestamp,
    acted: Timestamp,
    tally: Tally,
    (verdict, why): &Judgement,
) -> Verification {
    let plan = &saga.plan;
    let stage = saga.stage.to_string();
    let dry = if plan.dry_run { " (dry run: nothing was really done)" } else { "" };
    Verification {
        schema_version: SCHEMA_VERSION,
        id: Id::derive("verification", &[plan.id.as_str(), stage.as_str()]),
        at,
        domain: plan.domain.clone(),
        plan: plan.id.clone(),
        incident: plan.incident.clone(),
        stage: saga.stage as u32,
        cause: plan.cause.clone(),
        fault: plan.fault.clone(),
        strategy: plan.strategy.clone(),
        verdict: *verdict,
        acted,
        symptoms_before: tally.before,
        symptoms_open: tally.open,
        symptoms_lost: tally.lost,
        dry_run: plan.dry_run,
        explanation: format!("{}: {why}{dry}", plan.strategy),
    }
}

/// What is learnt: only what was really done and judged counts for or against a strategy.
pub(crate) fn fact(saga: &Saga, verdict: VerificationVerdict, really_done: bool) -> Fact {
    let plan = &saga.plan;
    Fact::Verified {
        plan: plan.id.clone(),
        incident: plan.incident.clone(),
        fault: plan.fault.clone(),
        strategy: plan.strategy.clone(),
        service: plan.cause.service().to_owned(),
        verdict,
        learn: really_done && !plan.dry_run && verdict != VerificationVerdict::Unknown,
    }
}
