//! Evidence from earlier incidents whose cause was confirmed: what looked the same had that cause.
//!
//! Earlier incidents count by how much alike they look: the squared Jaccard index of what they showed,
//! as seen from the suspect (`place:family:direction`), and half where it was another service. Kinds of
//! fault are then taken to be distributed as among these, with a uniform distribution worth
//! [`PRIOR`] incidents before anything was confirmed (Dirichlet), and the ratio is against uniform.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Direction, Entity, Evidence, Precedent, Snapshot};

use super::Fault;
use crate::{family::Family, graph::is_host, view::View};

/// So many incidents that look exactly like it would have to be known to outweigh what is believed of
/// all kinds without any.
const PRIOR: f64 = 2.0;
/// What a precedent of another service is worth.
const ELSEWHERE: f64 = 0.5;
/// Less alike than this is not worth a word.
const ALIKE_MIN: f64 = 0.25;

/// What an incident shows as seen from a suspect.
pub(crate) fn shown(view: &View<'_>, suspect: &Entity) -> BTreeSet<String> {
    // Many symptoms show the same of the same.
    let told: BTreeSet<(&Entity, Family, Direction)> =
        view.current.iter().map(|kept| (kept.about(), kept.family, kept.direction)).collect();
    let text = |(about, family, direction): (&Entity, Family, Direction)| {
        let direction = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
            Direction::None => "none",
        };
        format!("{}:{}:{direction}", place(view, suspect, about), family.name())
    };
    told.into_iter().map(text).collect()
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

/// Earlier incidents whose cause was confirmed, by what they showed.
pub(crate) struct Precedents<'k> {
    all: &'k [Precedent],
    /// Places in `all`.
    showing: BTreeMap<&'k str, Vec<usize>>,
}

impl<'k> Precedents<'k> {
    pub(crate) fn new(knowledge: &'k Snapshot) -> Self {
        let mut showing: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, precedent) in knowledge.precedents.iter().enumerate() {
            for shown in &precedent.shown {
                showing.entry(shown).or_default().push(place);
            }
        }
        Self { all: &knowledge.precedents, showing }
    }

    /// Those that look like an incident as it is seen from a suspect.
    pub(crate) fn alike(&self, view: &View<'_>, suspect: &Entity) -> Alike<'k> {
        if self.all.is_empty() { Alike(Vec::new()) } else { self.like(suspect, &shown(view, suspect)) }
    }

    fn like(&self, suspect: &Entity, shown: &BTreeSet<String>) -> Alike<'k> {
        let mut both = vec![0; self.all.len()];
        for place in shown.iter().filter_map(|one| self.showing.get(one.as_str())).flatten() {
            both[*place] += 1;
        }
        let worth = |(precedent, both): (&'k Precedent, usize)| {
            // The share of what both show in what either shows: what a precedent shows, it shows once.
            let either = shown.len() + precedent.shown.len() - both;
            let alike = if either == 0 { 0.0 } else { both as f64 / either as f64 };
            let near = if precedent.cause.service() == suspect.service() { 1.0 } else { ELSEWHERE };
            (alike >= ALIKE_MIN).then_some((precedent, alike * alike * near))
        };
        Alike(self.all.iter().zip(both).filter_map(worth).collect())
    }
}

/// Earlier incidents that look like one, and what each is worth.
pub(crate) struct Alike<'k>(Vec<(&'k Precedent, f64)>);

impl Alike<'_> {
    /// What they say of a fault; none if there are none.
    pub(crate) fn weigh(&self, fault: Fault) -> Option<Evidence> {
        if self.0.is_empty() {
            return None;
        }
        let sum = |of: &dyn Fn(&Precedent) -> bool| {
            self.0.iter().filter(|(one, _)| of(one)).map(|(_, worth)| worth).sum::<f64>()
        };
        let kinds = Fault::ALL.len() as f64;
        let same = |one: &Precedent| one.fault == fault.slug();
        let probability = (sum(&same) + PRIOR / kinds) / (sum(&|_| true) + PRIOR);
        let count = self.0.iter().filter(|(one, _)| same(one)).count();
        let last = self.0.iter().rev().find(|(one, _)| same(one));
        let example =
            last.map_or_else(String::new, |(one, _)| format!(", {} the last", one.incident.short()));
        let text = format!(
            "of {} earlier incidents that looked like it, {count} were {}{example}",
            self.0.len(),
            fault.slug().replace('_', " ")
        );
        Some(Evidence {
            channel: "precedents".to_owned(),
            log_likelihood_ratio: libm::log(probability * kinds),
            text,
            symptoms: Vec::new(),
        })
    }
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
        let shown = ["self:errors:up", "caller:errors:up"].map(str::to_owned).into();
        let alike = Precedents::new(&knowledge).like(&Entity("cart/cart-1".to_owned()), &shown);
        alike.weigh(fault).map(|evidence| evidence.log_likelihood_ratio)
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
