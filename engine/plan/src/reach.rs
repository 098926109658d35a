//! Whom an action touches, and how much of the traffic that is.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{EdgeKind, Entity, NodeKind, Plan, Topology};

use crate::overview::Overview;

/// Millionths of all traffic: whole numbers add up the same in every order.
pub(crate) type Share = u64;

/// All traffic.
pub(crate) const WHOLE: Share = 1_000_000;

/// What acting on a target touches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The target, and all instances that are acted on at once.
    pub(crate) acted: BTreeSet<Entity>,
    /// The same, and their services.
    pub(crate) touched: BTreeSet<Entity>,
    /// Their services.
    pub(crate) services: BTreeSet<String>,
    /// Share of the traffic that goes through them.
    pub(crate) share: Share,
}

/// Traffic of services, as far as somebody counted it.
pub(crate) struct Traffic<'a> {
    into: BTreeMap<&'a str, f64>,
    sum: f64,
}

impl<'a> Traffic<'a> {
    pub(crate) fn of(topology: &'a Topology) -> Self {
        let mut into = BTreeMap::new();
        let mut sum = 0.0;
        for edge in topology.edges.iter().filter(|(_, _, kind)| kind.depends()) {
            if let Some(rate) = topology.life(edge).and_then(|life| life.per_second) {
                *into.entry(edge.1.as_str()).or_insert(0.0) += rate;
                sum += rate;
            }
        }
        Self { into, sum }
    }

    /// Share of a service in all calls; 1 if nobody counted its calls, for then it may be all.
    fn share(&self, service: &str) -> f64 {
        match self.into.get(service) {
            Some(rate) if self.sum > 0.0 => rate / self.sum,
            _ => 1.0,
        }
    }
}

/// Instances that run on a host, or on the hosts of a zone.
pub(crate) fn running_on(place: &Entity, topology: &Topology) -> BTreeSet<Entity> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([place.clone()]);
    let mut open = vec![place.clone()];
    while let Some(place) = open.pop() {
        let inside = topology
            .edges
            .iter()
            .filter(|(_, to, kind)| *to == place && matches!(kind, EdgeKind::RunsOn | EdgeKind::PartOf));
        for (from, _, _) in inside {
            if matches!(topology.kind_of(from), NodeKind::Host | NodeKind::Zone) {
                if seen.insert(from.clone()) {
                    open.push(from.clone());
                }
            } else {
                found.insert(from.clone());
            }
        }
    }
    found
}

fn instances<'a>(service: &str, topology: &'a Topology) -> impl Iterator<Item = &'a Entity> {
    topology.instances.get(service).into_iter().flatten().filter(|entity| entity.is_instance())
}

fn one(target: &Entity, topology: &Topology, traffic: &Traffic<'_>) -> Reach {
    let kind = topology.kind_of(target);
    let acted: BTreeSet<Entity> = match kind {
        NodeKind::Host | NodeKind::Zone => running_on(target, topology),
        NodeKind::Instance => BTreeSet::from([target.clone()]),
        _ => instances(target.service(), topology).cloned().chain([target.clone()]).collect(),
    };
    let services: BTreeSet<String> = acted.iter().map(|entity| entity.service().to_owned()).collect();
    let mut share = 0.0;
    for service in &services {
        let known = instances(service, topology).count();
        let whole = known == 0 || acted.iter().any(|entity| entity.as_str() == service);
        let at_once = acted.iter().filter(|entity| entity.service() == service).count();
        let part = if whole { 1.0 } else { (at_once as f64 / known as f64).min(1.0) };
        share += part * traffic.share(service);
    }
    let of_services = services.iter().map(|service| Entity(service.clone()));
    let acted: BTreeSet<Entity> = acted.iter().cloned().chain([target.clone()]).collect();
    let touched = acted.iter().cloned().chain(of_services).collect();
    Reach { acted, touched, services, share: ((share * WHOLE as f64).ceil() as Share).max(1) }
}

/// Whether a target is nothing that the system is made of, but one of many who ask it, or are asked for.
fn is_asker(target: &Entity, topology: &Topology) -> bool {
    matches!(topology.kind_of(target), NodeKind::Service | NodeKind::Instance)
        && target.as_str().contains(':')
        && !topology.instances.contains_key(target.service())
}

/// What each target of a plan touches that something is really done to, by target.
pub(crate) fn of(plan: &Plan, overview: &Overview<'_>) -> BTreeMap<Entity, Reach> {
    let topology = &overview.known.topology;
    let targets: BTreeSet<Entity> = plan
        .steps()
        .filter(|step| !step.action.is_harmless())
        .map(|step| topology.resolve(&step.action.target))
        .collect();
    targets
        .into_iter()
        .map(|target| {
            let mut reach = one(&target, topology, overview.traffic());
            // A tenant or a key is no part of the system: it is turned away by who is asked.
            let cause = topology.resolve(&Entity(plan.cause.service().to_owned()));
            if target != cause && is_asker(&target, topology) {
                reach.acted.insert(cause.clone());
                reach.touched.insert(cause);
            }
            (target, reach)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(name: &str) -> Entity {
        Entity(name.to_owned())
    }

    /// Two services of four and two instances, three quarters of the calls to the first.
    fn topology() -> Topology {
        let mut topology = Topology::default();
        for name in ["cart/1", "cart/2", "cart/3", "cart/4", "bank/1", "bank/2"] {
            topology.note(&entity(name));
        }
        for (to, rate) in [("cart", 75.0), ("bank", 25.0)] {
            topology.connect(&entity("shop"), &entity(to), EdgeKind::Calls);
            topology.measure(&entity("shop"), &entity(to), EdgeKind::Calls, rate);
        }
        for (guest, host) in [("cart/1", "host:a"), ("bank/1", "host:a"), ("cart/2", "host:b")] {
            topology.connect(&entity(guest), &entity(host), EdgeKind::RunsOn);
        }
        topology.connect(&entity("host:a"), &entity("zone:z"), EdgeKind::PartOf);
        topology.connect(&entity("host:b"), &entity("zone:z"), EdgeKind::PartOf);
        topology
    }

    fn share(target: &str, topology: &Topology) -> Share {
        one(&entity(target), topology, &Traffic::of(topology)).share
    }

    #[test]
    fn a_share_is_instances_touched_times_traffic() {
        let topology = topology();
        assert_eq!(share("cart/1", &topology), 187_500);
        assert_eq!(share("cart", &topology), 750_000);
        assert_eq!(share("bank/2", &topology), 125_000);
        assert_eq!(share("host:a", &topology), 187_500 + 125_000);
        assert_eq!(share("zone:z", &topology), 2 * 187_500 + 125_000);
    }

    #[test]
    fn what_nobody_counted_may_be_all() {
        assert_eq!(share("shop", &topology()), WHOLE);
        assert_eq!(share("cart/1", &Topology::default()), WHOLE);
        let mut uncounted = Topology::default();
        uncounted.note(&entity("cart/1"));
        uncounted.note(&entity("cart/2"));
        assert_eq!(share("cart/1", &uncounted), WHOLE / 2);
    }

    #[test]
    fn one_of_many_who_ask_is_no_part_of_the_system() {
        let topology = topology();
        let is = |name: &str| is_asker(&entity(name), &topology);
        assert!(is("tenant:7") && is("key:a/42") && is("client:10.0.0.1"));
        assert!(!["cart", "cart/1", "host:a", "zone:z", "topic:orders", "nobody"].into_iter().any(is));
    }

    #[test]
    fn a_host_touches_what_runs_there() {
        let topology = topology();
        let reach = one(&entity("host:a"), &topology, &Traffic::of(&topology));
        let touched: Vec<&str> = reach.touched.iter().map(Entity::as_str).collect();
        assert_eq!(touched, ["bank", "bank/1", "cart", "cart/1", "host:a"]);
    }
}
