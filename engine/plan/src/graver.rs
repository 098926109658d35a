//! Which incidents are felt outside: what nobody outside feels may be a trace of one of them, and waits until
//! that is treated. Both begin with the first symptoms, before it is seen what belongs to what.

use std::collections::BTreeSet;

use theriac_contract::{Felt, Id, Incident, Interval, Timestamp, Topology};

use crate::{
    case::Case,
    guard::{Guard, SURE},
};

/// For so long an incident is waited for of which it is not known yet what helps. One that began longer than
/// this before or after is another matter.
const WAITS: Interval = Interval::from_seconds(120);

/// An incident that is felt outside.
struct Graver {
    incident: Id,
    domain: String,
    since: Timestamp,
    /// Whether something is done about it whose effect need not have shown yet.
    treated: bool,
    services: BTreeSet<String>,
}

/// The incidents that are felt outside.
pub(crate) struct Gravers(Vec<Graver>);

impl Gravers {
    pub(crate) fn of<'c>(cases: impl Iterator<Item = &'c Case>, guard: &Guard, at: Timestamp) -> Self {
        let felt = cases.filter(|case| case.incident.felt == Felt::Outside && case.recovered.is_none());
        let graver = |case: &Case| Graver {
            incident: case.incident.id.clone(),
            domain: case.incident.domain.clone(),
            since: case.since,
            treated: case.running.as_ref().is_some_and(|(plan, _)| guard.acts(plan, at)) && !case.only_waits,
            services: services(&case.incident),
        };
        Self(felt.map(graver).collect())
    }

    /// The one that an incident waits for that nobody outside feels, if there is one: it began at about the
    /// same time, and a call leads from one to the other, or they share a service. What is sure of a cause
    /// of its own is nobody's trace.
    pub(crate) fn waited_for(&self, case: &Case, at: Timestamp, topology: &Topology) -> Option<&Id> {
        let sure = case.incident.hypotheses.first().is_some_and(|first| first.probability >= SURE);
        if case.incident.felt == Felt::Outside || sure {
            return None;
        }
        let own = services(&case.incident);
        let is_near = |graver: &&Graver| {
            let apart = graver.since.0.abs_diff(case.since.0);
            graver.domain == case.incident.domain
                && apart <= WAITS.0.unsigned_abs()
                && (graver.treated || at.since(graver.since) <= WAITS)
                && are_joined(&graver.services, &own, topology)
        };
        self.0.iter().find(is_near).map(|graver| &graver.incident)
    }
}

fn services(incident: &Incident) -> BTreeSet<String> {
    incident.entities.iter().map(|entity| entity.service().to_owned()).collect()
}

fn are_joined(one: &BTreeSet<String>, other: &BTreeSet<String>, topology: &Topology) -> bool {
    let calls = |from: &BTreeSet<String>, to: &BTreeSet<String>| {
        from.iter().any(|service| topology.callees(service).into_iter().any(|callee| to.contains(callee)))
    };
    !one.is_disjoint(other) || calls(one, other) || calls(other, one)
}
