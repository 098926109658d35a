//! The topology in a form for questions: who is how far below whom, what runs where.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{EdgeKind, Entity, Topology};

/// Distances along calls up to a number of hops, and hosts. Derived from a topology, so it is
/// no state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    of: BTreeSet<(Entity, Entity, EdgeKind)>,
    hops: usize,
    below: BTreeMap<String, BTreeMap<String, usize>>,
    hosts: BTreeMap<Entity, BTreeSet<Entity>>,
    guests: BTreeMap<Entity, BTreeSet<Entity>>,
    mapped: BTreeSet<String>,
    callers: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Brings it up to date; cheap when nothing changed.
    pub(crate) fn follow(&mut self, topology: &Topology, hops: usize) {
        if self.of == topology.edges && self.hops == hops {
            return;
        }
        *self = Self { of: topology.edges.clone(), hops, ..Self::default() };
        let mut calls: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to, kind) in &topology.edges {
            match kind {
                EdgeKind::Calls => {
                    calls.entry(from.as_str()).or_default().push(to.as_str());
                    self.callers.entry(to.as_str().to_owned()).or_default().insert(from.as_str().to_owned());
                    self.mapped.extend([from.as_str().to_owned(), to.as_str().to_owned()]);
                }
                EdgeKind::RunsOn => {
                    self.hosts.entry(from.clone()).or_default().insert(to.clone());
                    self.guests.entry(to.clone()).or_default().insert(from.clone());
                }
                EdgeKind::PartOf => {}
            }
        }
        for start in calls.keys() {
            let mut distances = BTreeMap::new();
            let mut ring = vec![*start];
            for depth in 1..=hops {
                let callees = ring.iter().filter_map(|service| calls.get(service)).flatten().copied();
                let fresh: BTreeSet<&str> =
                    callees.filter(|next| next != start && !distances.contains_key(*next)).collect();
                distances.extend(fresh.iter().map(|next| ((*next).to_owned(), depth)));
                ring = fresh.into_iter().collect();
            }
            self.below.insert((*start).to_owned(), distances);
        }
    }

    /// Whether `to` is called by `from`, directly or through others.
    pub(crate) fn is_below(&self, to: &str, from: &str) -> bool {
        self.below.get(from).is_some_and(|distances| distances.contains_key(to))
    }

    /// Whether one calls the other, or both are the same.
    pub(crate) fn on_path(&self, a: &str, b: &str) -> bool {
        a == b || self.is_below(a, b) || self.is_below(b, a)
    }

    /// Whether calls of this service are known.
    pub(crate) fn is_mapped(&self, service: &str) -> bool {
        self.mapped.contains(service)
    }

    /// Hosts that an entity runs on; a host is its own.
    pub(crate) fn hosts(&self, entity: &Entity) -> BTreeSet<Entity> {
        if is_host(entity) {
            return BTreeSet::from([entity.clone()]);
        }
        self.hosts.get(entity).cloned().unwrap_or_default()
    }

    /// Services that call this one directly.
    pub(crate) fn callers(&self, service: &str) -> impl Iterator<Item = &str> {
        self.callers.get(service).into_iter().flatten().map(String::as_str)
    }

    /// What runs on a host.
    pub(crate) fn guests(&self, host: &Entity) -> impl Iterator<Item = &Entity> {
        self.guests.get(host).into_iter().flatten()
    }
}

/// Whether an entity is a host.
pub(crate) fn is_host(entity: &Entity) -> bool {
    entity.as_str().starts_with("host:")
}
