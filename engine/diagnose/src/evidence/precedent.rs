//! Evidence from earlier incidents whose cause was confirmed: what looked the same had that cause.
//!
//! Earlier incidents count by how much alike they look: the squared Jaccard index of what they showed,
//! as seen from the suspect (`place:family:direction`), and half where it was another service. Kinds of
//! fault are then taken to be distributed as among these, with a uniform distribution worth
//! [`PRIOR`] incidents before anything was confirmed (Dirichlet), and the ratio is against uniform.

use std::collections::BTreeSet;

use theriac_contract::{Direction, Entity, Precedent, Snapshot};

use super::{Fault, Reasons};
use crate::{graph::is_host, incident::Kept, view::View};

/// So many incidents that look exactly like it would have to be known to outweigh what is believed of
/// all kinds without any.
const PRIOR: f64 = 2.0;
/// What a precedent of another service is worth.
const ELSEWHERE: f64 = 0.5;
/// Less alike than this is not worth a word.
const ALIKE_MIN: f64 = 0.25;

/// What an incident shows as seen from a suspect.
pub(crate) fn shown(view: &View<'_>, suspect: &Entity) -> BTreeSet<String> {
    let told = |kept: &&Kept| {
        let direction = match kept.direction {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::None => "none",
        };
        format!("{}:{}:{direction}", place(view, suspect, kept.about()), kept.family.name())
    };
    view.current.iter().map(told).collect()
}

fn place(view: &View<'_>, suspect: &Entity, other: &Entity) -> &'static str {
    let (own, theirs) = (suspect.service(), other.service());
    if own == theirs {
        return if suspect.is_instance() && other.is_instance() && suspect != other {
            "peer"
        } else {
            "self"
        };
    }
    if view.graph.is_below(own, theirs) {
        return "caller";
    }
    if view.graph.is_below(theirs, own) {
        return "callee";
    }
    let runs_on = |guest: &Entity, host: &Entity| is_host(host) && view.graph.hosts(guest).contains(host);
    if runs_on(suspect, other) {
        "host"
    } else if runs_on(other, suspect) {
        "guest"
    } else {
        "elsewhere"
    }
}

/// Weighs a fault at a suspect by the precedents.
pub(crate) fn weigh(
    knowledge: &Snapshot,
    suspect: &Entity,
    fault: Fault,
    shown: &BTreeSet<String>,
    reasons: &mut Reasons,
) {
    let worth = |precedent: &Precedent| {
        let alike = jaccard(shown, &precedent.shown);
        let near = if precedent.cause.service() == suspect.service() { 1.0 } else { ELSEWHERE };
        if alike < ALIKE_MIN { 0.0 } else { alike * alike * near }
    };
    let alike: Vec<(&Precedent, f64)> =
        knowledge.precedents.iter().map(|one| (one, worth(one))).filter(|(_, worth)| *worth > 0.0).collect();
    if alike.is_empty() {
        return;
    }
    let sum = |of: &dyn Fn(&Precedent) -> bool| {
        alike.iter().filter(|(one, _)| of(one)).map(|(_, worth)| worth).sum::<f64>()
    };
    let kinds = Fault::ALL.len() as f64;
    let same = |one: &Precedent| one.fault == fault.slug();
    let probability = (sum(&same) + PRIOR / kinds) / (sum(&|_| true) + PRIOR);
    let count = alike.iter().filter(|(one, _)| same(one)).count();
    let last = alike.iter().rev().find(|(one, _)| same(one));
    let example = last.map_or_else(String::new, |(one, _)| format!(", {} the last", one.incident.short()));
    let text = format!(
        "of {} earlier incidents that looked like it, {count} were {}{example}",
        alike.len(),
        fault.slug().replace('_', " ")
    );
    reasons.add("precedents", libm::log(probability * kinds), text, Vec::new());
}

/// The share of what both show in what either shows. `b` is sorted, each once.
fn jaccard(a: &BTreeSet<String>, b: &[String]) -> f64 {
    let both = b.iter().filter(|one| a.contains(*one)).count();
    let either = a.len() + b.len() - both;
    if either == 0 { 0.0 } else { both as f64 / either as f64 }
}

#[cfg(test)]
mod tests {
    use theriac_contract::Id;

    use super::*;

    fn precedent(cause: &str, fault: &str, shown: &[&str]) -> Precedent {
        Precedent {
            incident: Id(format!("incident-{cause}-{fault}")),
            cause: Entity(cause.to_owned()),
            fault: fault.to_owned(),
            shown: shown.iter().map(ToString::to_string).collect(),
        }
    }

    fn ratio(precedents: Vec<Precedent>, fault: Fault) -> Option<f64> {
        let knowledge = Snapshot { precedents, ..Snapshot::default() };
        let mut reasons = Reasons::default();
        let shown = ["self:errors:up", "caller:errors:up"].map(str::to_owned).into();
        weigh(&knowledge, &Entity("cart/cart-1".to_owned()), fault, &shown, &mut reasons);
        reasons.list.first().map(|evidence| evidence.log_likelihood_ratio)
    }

    #[test]
    fn kinds_are_as_likely_as_among_what_looked_the_same() {
        let alike = ["caller:errors:up", "self:errors:up"];
        assert_eq!(ratio(Vec::new(), Fault::ErrorBurst), None);
        assert_eq!(ratio(vec![precedent("cart", "hang", &["self:traffic:down"])], Fault::Hang), None);
        let kinds = Fault::ALL.len() as f64;
        // One incident of the same service, exactly alike: (1 + 2/k) / 3 against 1/k.
        let one = vec![precedent("cart", "error_burst", &alike)];
        let expected = libm::log((1.0 + PRIOR / kinds) / (1.0 + PRIOR) * kinds);
        assert!((ratio(one.clone(), Fault::ErrorBurst).unwrap() - expected).abs() < 1e-12);
        let against = libm::log(PRIOR / (1.0 + PRIOR));
        assert!((ratio(one, Fault::Hang).unwrap() - against).abs() < 1e-12);
        // Of another service, and half alike: a quarter of a half.
        let other = vec![precedent("shop", "error_burst", &alike[..1])];
        let expected = libm::log((0.125 + PRIOR / kinds) / (0.125 + PRIOR) * kinds);
        assert!((ratio(other, Fault::ErrorBurst).unwrap() - expected).abs() < 1e-12);
    }
}
