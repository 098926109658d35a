//! Whether what a plan acts on is still taken for the cause.
//!
//! The first minute of an incident shows little, and a plan made in it may be about the wrong thing. Then it
//! is not waited for until its verdict is due, nor gone on with: every second of it is lost to the remedy
//! that helps.

use theriac_contract::{Interval, Plan, Timestamp};

use crate::{
    incidents::{Known, Suspect},
    saga::{Saga, overlap},
    verify,
};

/// Probability from which another cause is believed.
const ELSEWHERE: f64 = 0.6;
/// Probability below which the cause that is acted on is none any more.
const NO_MORE: f64 = 0.1;
/// How long that must be so.
const STANDS: Interval = Interval::from_seconds(30);

/// What is taken for the cause instead of what the plan acts on, while that is so and somebody outside feels
/// the trouble.
///
/// Of a service and its instance, or of two faults of one place, one may be the name of the other; another
/// instance is another cause. Those whom the trouble reached from the cause still bear it when that is cured,
/// and what is cured is no suspect any more.
pub(crate) fn elsewhere<'a>(saga: &Saga, known: &'a Known) -> Option<&'a Suspect> {
    let plan = &saga.plan;
    let same = |suspect: &Suspect| is_of(plan, suspect);
    let first = known.suspects.first()?;
    let own: f64 = known.suspects.iter().filter(|one| same(one)).map(|one| one.probability).sum();
    let felt = known.unfelt_since.is_none() && !known.is_over();
    let service = first.entity.service();
    let bears_it = service != plan.cause.service() && saga.reached.contains(service);
    let is_elsewhere = first.probability >= ELSEWHERE && own < NO_MORE && !same(first) && !bears_it;
    (felt && is_elsewhere && (saga.acted.is_none() || verify::shows(saga, known))).then_some(first)
}

fn is_of(plan: &Plan, suspect: &Suspect) -> bool {
    suspect.entity == plan.cause || overlap(&suspect.entity, &plan.cause) && suspect.fault == plan.fault
}

/// Takes in what is known of the incident now.
pub(crate) fn heed(saga: &mut Saga, known: &Known, at: Timestamp) {
    if known.suspects.first().is_some_and(|first| is_of(&saga.plan, first)) {
        saga.reached.extend(known.reached.iter().cloned());
    }
    let elsewhere = elsewhere(saga, known).is_some();
    saga.doubted = elsewhere.then(|| saga.doubted.unwrap_or(at));
}

/// Whether the doubt that arose at `since` has stood for long enough, of which only what came from `from`
/// on counts.
pub(crate) fn stands(since: Option<Timestamp>, from: Timestamp, at: Timestamp) -> bool {
    since.is_some_and(|since| at.since(since.max(from)) >= STANDS)
}

/// The sentence about it.
pub(crate) fn text(plan: &Plan, suspect: &Suspect) -> String {
    let Suspect { entity, fault, probability } = suspect;
    format!(
        "the cause is taken to be {fault} of {entity} now ({probability:.2}), not {} of {}",
        plan.fault, plan.cause
    )
}
