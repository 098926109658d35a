//! Who contributes to the violation of an objective, in its own units.
//!
//! What an entity adds is its excess over the ordinary times its share of the work: a call that became
//! a second slower but happens once in a hundred requests costs ten milliseconds each. An entity owns
//! what those that it calls do not explain. What is not called on behalf of the objective, owns nothing.
//! Entities that only pass on the same work to one other, which nobody else calls (a function and the
//! trigger in front of it), are one thing that is seen several times: the member that owns most stands
//! for it, and the others own nothing.
//!
//! The share `s` of all that is owned is taken to have density `2s` at a cause and `2(1−s)` at another,
//! so its ratio is the odds `s/(1−s)`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Channel, Claim, Incident, Objective, Series, Settings, claim, deviation::Baseline};

/// What an entity owns of a violation.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// Which entity.
    pub entity: String,
    /// What it adds, with those that it calls, in the units of the objective.
    pub added: f64,
    /// What of it those that it calls do not explain.
    pub own: f64,
    /// The share of what all own, 0 to 1.
    pub share: f64,
}

/// What each entity owns, by name. Empty if nothing moved or no work was done.
#[must_use]
pub fn owned(incident: &Incident, objective: &Objective, settings: &Settings) -> Vec<Owned> {
    let added = added(incident, objective, settings);
    let reached = reached(&objective.entity, &incident.calls);
    let mut own: BTreeMap<&str, f64> = BTreeMap::new();
    for (entity, sum) in &added {
        let callees = incident.calls.iter().filter(|(caller, callee)| caller == entity && callee != entity);
        let explained = callees.filter_map(|(_, callee)| added.get(callee.as_str())).copied();
        let rest = (sum - explained.fold(0.0, f64::max)).max(0.0);
        own.insert(entity, if reached.contains(entity) { rest } else { 0.0 });
    }
    for group in groups(&incident.calls, objective, settings) {
        let of = |entity: &&str| own.get(*entity).copied().unwrap_or(0.0);
        let most = group.iter().copied().max_by(|a, b| of(a).total_cmp(&of(b)).then_with(|| b.cmp(a)));
        for entity in group.into_iter().filter(|entity| Some(*entity) != most) {
            own.entry(entity).and_modify(|own| *own = 0.0);
        }
    }
    let all: f64 = own.values().sum();
    let share = |own: f64| if all > 0.0 { own / all } else { 0.0 };
    let one = |(entity, own): (&str, f64)| Owned {
        entity: entity.to_owned(),
        added: added[entity],
        own,
        share: share(own),
    };
    if all > 0.0 { own.into_iter().map(one).collect() } else { Vec::new() }
}

/// The excess of each entity in the direction in which the objective moved, weighted by work.
fn added<'a>(incident: &'a Incident, objective: &Objective, settings: &Settings) -> BTreeMap<&'a str, f64> {
    let volumes: BTreeMap<&str, &[f64]> =
        objective.volumes.iter().map(|(entity, rows)| (entity.as_str(), rows.as_slice())).collect();
    let Some(work) = volumes.get(objective.entity.as_str()).map(|rows| sum(rows)) else {
        return BTreeMap::new();
    };
    let weighted = |series: &Series| {
        let baseline = Baseline::of(&series.ordinary, settings)?;
        // Whose work is not known has done none that is known to matter.
        let work_done = volumes.get(series.entity.as_str()).copied().unwrap_or_default();
        let rows = series.during.iter().zip(work_done);
        let excess: Vec<f64> = rows.map(|(value, volume)| (value - baseline.centre) * volume).collect();
        Some(sum(&excess) / work)
    };
    let of_part = incident.series.iter().filter(|series| series.part == objective.part);
    let mut added: BTreeMap<&str, f64> =
        of_part.filter_map(|series| Some((series.entity.as_str(), weighted(series)?))).collect();
    let direction = added.get(objective.entity.as_str()).copied().unwrap_or(0.0);
    if work <= 0.0 || direction == 0.0 {
        return BTreeMap::new();
    }
    added.values_mut().for_each(|one| *one *= direction.signum());
    added
}

fn sum(values: &[f64]) -> f64 {
    values.iter().filter(|value| !value.is_nan()).sum()
}

/// Who is called on behalf of an entity, and itself.
fn reached<'a>(start: &'a str, calls: &'a [(String, String)]) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::from([start]);
    let mut open = vec![start];
    while let Some(caller) = open.pop() {
        let callees = calls.iter().filter(|call| call.0 == caller).map(|call| call.1.as_str());
        for callee in callees {
            if reached.insert(callee) {
                open.push(callee);
            }
        }
    }
    reached
}

/// Chains of entities in which each passes the same work on to the next and to nobody else.
fn groups<'a>(
    calls: &'a [(String, String)],
    objective: &Objective,
    settings: &Settings,
) -> Vec<Vec<&'a str>> {
    let work = |entity: &str| objective.volumes.iter().find(|one| one.0 == entity).map(|one| sum(&one.1));
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut callers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (caller, callee) in calls.iter().filter(|(caller, callee)| caller != callee) {
        callees.entry(caller).or_default().insert(callee);
        callers.entry(callee).or_default().insert(caller);
    }
    let next = |caller: &'a str| -> Option<&'a str> {
        let callee = *callees.get(caller).filter(|all| all.len() == 1)?.first()?;
        let (before, after) = (work(caller)?, work(callee)?);
        let same = (before - after).abs() <= settings.materiality * before.max(after);
        (callers[callee].len() == 1 && same && before > 0.0).then_some(callee)
    };
    let continued: BTreeSet<&str> = callees.keys().filter_map(|caller| next(caller)).collect();
    let starts = callees.keys().copied().filter(|caller| !continued.contains(caller));
    let chain =
        |start: &'a str| std::iter::successors(Some(start), |entity| next(entity)).collect::<Vec<_>>();
    starts.map(chain).filter(|chain| chain.len() > 1).collect()
}

pub(super) fn claims(incident: &Incident, settings: &Settings) -> Vec<Claim> {
    let Some(objective) = &incident.objective else { return Vec::new() };
    let claims = owned(incident, objective, settings).into_iter().map(|one| {
        let share = one.share.clamp(settings.share_min, 1.0 - settings.share_min);
        let (entity, part) = (&one.entity, &objective.part);
        let text = format!(
            "{entity} adds {:.3} to {part} of {}, {:.3} of it (share {:.2}) beyond those that it calls",
            one.added, objective.entity, one.own, one.share
        );
        claim(entity, part, Channel::Contribution, libm::log(share / (1.0 - share)), text)
    });
    claims.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    /// Entity, latency now (ordinarily 1), requests.
    fn incident(entities: &[(&str, f64, f64)], calls: &[(&str, &str)]) -> Incident {
        let series = entities.iter().map(|(entity, now, _)| Series {
            entity: (*entity).to_owned(),
            part: "latency".to_owned(),
            family: Family::Latency,
            ordinary: vec![1.0; 20],
            before: Vec::new(),
            during: vec![*now; 3],
        });
        let volumes = entities.iter().map(|(entity, _, requests)| ((*entity).to_owned(), vec![*requests; 3]));
        let objective = Objective {
            entity: entities[0].0.to_owned(),
            part: "latency".to_owned(),
            volumes: volumes.collect(),
        };
        let calls = calls.iter().map(|(caller, callee)| ((*caller).to_owned(), (*callee).to_owned()));
        Incident {
            series: series.collect(),
            step_seconds: 300.0,
            calls: calls.collect(),
            objective: Some(objective),
        }
    }

    fn own(incident: &Incident) -> Vec<(String, f64)> {
        let objective = incident.objective.as_ref().expect("there is one");
        let all = owned(incident, objective, &Settings::default());
        all.into_iter().map(|one| (one.entity, one.own)).collect()
    }

    #[test]
    fn callees_explain_their_callers_and_work_counts() {
        // The shop does 100 requests, of which 50 go to the cart, which calls the store once each; the
        // mailer is far slower, but is called for one in a hundred.
        let incident = incident(
            &[("shop", 3.0, 100.0), ("cart", 5.0, 50.0), ("store", 4.5, 50.0), ("mail", 11.0, 1.0)],
            &[("shop", "cart"), ("cart", "store"), ("shop", "mail")],
        );
        let expected = [("cart", 0.0), ("mail", 0.1), ("shop", 0.0), ("store", 1.75)];
        let found = own(&incident);
        // The cart and the store are one chain: who owns most stands for both.
        for ((entity, own), (name, value)) in found.iter().zip(expected) {
            assert_eq!(entity, name);
            assert!((own - value).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn a_drop_counts_as_a_rise_and_who_is_not_called_owns_nothing() {
        let calls = [("shop", "cart"), ("client", "cart")];
        let rows = [("shop", 0.5, 100.0), ("cart", 0.2, 100.0), ("client", 0.0, 100.0)];
        let found = own(&incident(&rows, &calls));
        assert_eq!(found, [("cart".to_owned(), 0.8), ("client".to_owned(), 0.0), ("shop".to_owned(), 0.0)]);
    }

    #[test]
    fn ratios_are_odds_of_shares() {
        let rows = [("shop", 1.2, 100.0), ("a", 1.3, 100.0), ("b", 1.1, 100.0)];
        let incident = incident(&rows, &[("shop", "a"), ("shop", "b")]);
        let ratios: Vec<f64> = claims(&incident, &Settings::default())
            .iter()
            .map(|(_, evidence)| evidence.log_likelihood_ratio)
            .collect();
        let three = libm::log(3.0);
        assert!((ratios[0] - three).abs() < 1e-9 && (ratios[1] + three).abs() < 1e-9, "{ratios:?}");
        assert!((ratios[2] + libm::log(99.0)).abs() < 1e-9);
    }
}
