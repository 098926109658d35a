//! What was noticed and named, against the truth: of one cause, or of several at once.

use std::collections::BTreeSet;

use super::{Cause, Episode, EventKind, Judged};

/// A diagnosis of the log.
#[derive(Clone, Copy, Debug)]
struct Said<'a> {
    at: f64,
    ranked: &'a [(String, String)],
    path: &'a [String],
    probability: Option<f64>,
}

impl Said<'_> {
    fn first(&self) -> Option<&str> {
        self.ranked.first().map(|(component, _)| component.as_str())
    }
}

/// Judges what was noticed and named. Of several causes each must be noticed and named: the slowest and the
/// worst of them counts.
pub(super) fn judge(judged: &mut Judged, episode: &Episode) {
    let Some(first) = &episode.cause else { return };
    let noticed = |cause: &Cause| {
        let at = noticed(episode, cause)?;
        Some(at - cause.injected.max(cause.observable))
    };
    judged.detected = worst(episode.causes().map(noticed), f64::max);
    judged.detected_from_impact =
        super::diagnosis::noticed(episode, first).zip(judged.first_bad).map(|(at, first_bad)| at - first_bad);
    let counted = if episode.others.is_empty() { last(episode, first) } else { acted_upon(episode, first) };
    let place = |of: &dyn Fn(&Said<'_>) -> Option<usize>| counted.iter().filter_map(of).min();
    judged.rank = worst(
        episode.causes().map(|cause| place(&|said| said.ranked.iter().position(|(it, _)| is_it(cause, it)))),
        usize::max,
    );
    judged.rank_with_cause = worst(
        episode.causes().map(|cause| {
            let both = |(it, class): &(String, String)| is_it(cause, it) && *class == cause.cause;
            place(&|said| said.ranked.iter().position(both))
        }),
        usize::max,
    );
    let agreements = episode
        .causes()
        .map(|cause| counted.iter().map(|said| agreement(said.path, &cause.path)).fold(0.0, f64::max));
    judged.path_f1 = agreements.sum::<f64>() / episode.causes().count() as f64;
    if let ([said], true) = (counted.as_slice(), episode.others.is_empty()) {
        judged.believed = said.probability;
    }
}

/// The largest of values that are all there.
fn worst<T>(values: impl Iterator<Item = Option<T>>, larger: fn(T, T) -> T) -> Option<T> {
    values.reduce(|a, b| a.zip(b).map(|(a, b)| larger(a, b))).flatten()
}

/// Whether two names mean one thing or a part of it: `payment` and `payment/payment-1`.
fn touches(a: &str, b: &str) -> bool {
    let part = |whole: &str, part: &str| part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('/'));
    a == b || part(a, b) || part(b, a)
}

/// When a symptom on the way of a cause was first told.
fn noticed(episode: &Episode, cause: &Cause) -> Option<f64> {
    let on_path = |entity: &str| {
        cause.path.iter().any(|place| touches(place, entity)) || touches(&cause.component, entity)
    };
    let mut since = episode.log.iter().filter(|event| event.at >= cause.injected);
    since.find_map(|event| match &event.kind {
        EventKind::Symptom { entity } if on_path(entity) => Some(event.at),
        _ => None,
    })
}

fn is_it(cause: &Cause, component: &String) -> bool {
    *component == cause.component || cause.also.contains(component)
}

fn diagnoses(episode: &Episode) -> impl DoubleEndedIterator<Item = Said<'_>> {
    episode.log.iter().filter_map(|event| match &event.kind {
        EventKind::Diagnosis { ranked, path, probability } => {
            Some(Said { at: event.at, ranked, path, probability: *probability })
        }
        _ => None,
    })
}

/// With one cause the last diagnosis before anything was done counts.
fn last<'a>(episode: &'a Episode, cause: &Cause) -> Vec<Said<'a>> {
    let mut acts = episode.log.iter();
    let acted = acts.find(|event| matches!(event.kind, EventKind::Action { changes: true, .. }));
    let until = acted.map_or(f64::INFINITY, |event| event.at);
    let mut named = diagnoses(episode).filter(|said| said.at >= cause.injected && said.at <= until);
    named.next_back().into_iter().collect()
}

/// With several causes those diagnoses count that were acted upon, as many different ones as there are
/// causes, the earliest first: a wrong name takes the place of a right one. If too few were acted upon,
/// those that were said last stand for the others.
fn acted_upon<'a>(episode: &'a Episode, cause: &Cause) -> Vec<Said<'a>> {
    let wanted = episode.causes().count();
    let mut counted: Vec<Said<'_>> = Vec::new();
    let mut count = |said: Said<'a>| {
        if counted.len() < wanted && counted.iter().all(|other| other.first() != said.first()) {
            counted.push(said);
        }
    };
    let since: Vec<Said<'_>> = diagnoses(episode).filter(|said| said.at >= cause.injected).collect();
    for event in episode.log.iter().filter(|event| event.at >= cause.injected) {
        let EventKind::Action { changes: true, undo: false, .. } = event.kind else { continue };
        // What is acted on is said again in the round in which it is.
        let mut at_once = since.iter().filter(|said| said.at.total_cmp(&event.at).is_eq()).peekable();
        if at_once.peek().is_some() {
            at_once.copied().for_each(&mut count);
        } else {
            since.iter().rfind(|said| said.at < event.at).copied().into_iter().for_each(&mut count);
        }
    }
    since.into_iter().rev().for_each(count);
    counted
}

/// F1 of a named path.
fn agreement(named: &[String], real: &[String]) -> f64 {
    let (named, real): (BTreeSet<&String>, BTreeSet<&String>) =
        (named.iter().collect(), real.iter().collect());
    let common = named.intersection(&real).count() as f64;
    let sizes = (named.len() + real.len()) as f64;
    if sizes > 0.0 { 2.0 * common / sizes } else { 0.0 }
}
