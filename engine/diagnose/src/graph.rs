//! The topology in a form for questions: who is how far below whom, what runs where.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use theriac_contract::{EdgeKey, EdgeKind, Entity, Id, Interval, Timestamp, Topology};

/// What is reached along calls within a number of hops, and hosts. Derived from a topology, so it is
/// no state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    of: BTreeSet<EdgeKey>,
    hops: usize,
    /// Whom services depend on directly.
    calls: BTreeMap<String, BTreeSet<String>>,
    /// What is below services, of those of whom that was asked: of most of a large system nobody asks.
    below: BTreeMap<String, OnceLock<BTreeSet<String>>>,
    hosts: BTreeMap<Entity, BTreeSet<Entity>>,
    guests: BTreeMap<Entity, BTreeSet<Entity>>,
    mapped: BTreeSet<String>,
    callers: BTreeMap<String, BTreeSet<String>>,
    /// Told by [`Graphs`]: no two graphs of one incident have the same number.
    number: u64,
}

impl Graph {
    /// Brings it up to date; cheap when nothing changed. Returns whether it is another one now.
    pub(crate) fn follow(&mut self, edges: &BTreeSet<EdgeKey>, hops: usize) -> bool {
        if self.of == *edges && self.hops == hops {
            return false;
        }
        *self = Self { of: edges.clone(), hops, ..Self::default() };
        let mut producers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (from, to, _) in edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::Publishes) {
            producers.entry(to.as_str()).or_default().push(from.as_str());
        }
        for (from, to, kind) in edges {
            match kind {
                EdgeKind::Calls | EdgeKind::Queries | EdgeKind::Publishes | EdgeKind::Consumes => {
                    self.mapped.extend([from.as_str().to_owned(), to.as_str().to_owned()]);
                    let callees = self.calls.entry(from.as_str().to_owned()).or_default();
                    callees.insert(to.as_str().to_owned());
                    // Who takes messages depends on those who send them, not the other way round.
                    let senders = (*kind == EdgeKind::Consumes).then(|| producers.get(to.as_str())).flatten();
                    callees.extend(senders.into_iter().flatten().map(|sender| (*sender).to_owned()));
                }
                EdgeKind::RunsOn => {
                    self.hosts.entry(from.clone()).or_default().insert(to.clone());
                    self.guests.entry(to.clone()).or_default().insert(from.clone());
                }
                EdgeKind::PartOf | EdgeKind::StandsFor => {}
            }
        }
        for (caller, callees) in &self.calls {
            self.below.insert(caller.clone(), OnceLock::new());
            for callee in callees.iter().filter(|callee| *callee != caller && hops > 0) {
                self.callers.entry(callee.clone()).or_default().insert(caller.clone());
            }
        }
        true
    }

    /// What tells this graph from others that an incident had.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// What is called by a service, directly or through others.
    fn reached(&self, start: &str) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut ring = vec![start];
        for _ in 0..self.hops {
            let callees = ring.iter().filter_map(|service| self.calls.get(*service)).flatten();
            ring = callees
                .map(String::as_str)
                .filter(|next| *next != start && reached.insert((*next).to_owned()))
                .collect();
        }
        reached
    }

    /// Whether `to` is called by `from`, directly or through others.
    pub(crate) fn is_below(&self, to: &str, from: &str) -> bool {
        self.below.get(from).is_some_and(|below| below.get_or_init(|| self.reached(from)).contains(to))
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

    /// Zones that an entity is in by its hosts; a service is where its instances are.
    pub(crate) fn zones(&self, entity: &Entity) -> BTreeSet<&Entity> {
        let of_hosts = |hosts: &BTreeSet<Entity>| -> Vec<&Entity> {
            let places = hosts.iter().filter_map(|host| self.hosts.get(host)).flatten();
            places.filter(|place| is_zone(place)).collect()
        };
        let itself = BTreeSet::from([entity.clone()]);
        let own = if is_host(entity) { Some(&itself) } else { self.hosts.get(entity) };
        let instances = Entity(format!("{entity}/"));
        let instances = self
            .hosts
            .range(&instances..)
            .take_while(|(name, _)| !entity.is_instance() && name.service() == entity.as_str());
        instances.flat_map(|(_, hosts)| of_hosts(hosts)).chain(own.into_iter().flat_map(of_hosts)).collect()
    }

    /// How many instances run in a zone.
    pub(crate) fn population(&self, zone: &Entity) -> usize {
        self.guests(zone).map(|host| self.guests(host).filter(|guest| guest.is_instance()).count()).sum()
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

/// The graph of now, and for each incident that of its onset where that was another. Derived from a
/// topology, so it is no state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graphs {
    now: Graph,
    now_is_of: Option<MadeOf>,
    /// By service of the topology of now: who depends on it.
    dependents: BTreeMap<String, Vec<String>>,
    /// Graphs that were made so far.
    made: u64,
    of_case: BTreeMap<Id, Moment>,
}

/// What tells whether a topology is the one that a graph was made of, without a look at its edges:
/// when they were changed last, how many there are, and how many ended.
type MadeOf = (Timestamp, usize, usize);

/// The graph of an incident.
#[derive(Clone, Debug)]
struct Moment {
    onset: Timestamp,
    made_of: MadeOf,
    /// None if it is the graph of now.
    earlier: Option<Graph>,
}

impl Graphs {
    /// Brings them up to date for the incidents that are open, each with its onset. What was first
    /// seen within `slack` after an onset counts as having been there. Costs time when edges came
    /// or went since the onset, and for a new incident; else hardly any.
    pub(crate) fn follow<'a>(
        &mut self,
        topology: &Topology,
        open: impl Iterator<Item = (&'a Id, Timestamp)>,
        slack: Interval,
        hops: usize,
    ) {
        let made_of = (topology.changed(), topology.edges.len(), topology.past().len());
        if self.now_is_of != Some(made_of) {
            if self.now.follow(&topology.edges, hops) {
                self.made += 1;
                self.now.number = self.made;
            }
            self.now_is_of = Some(made_of);
            self.dependents.clear();
            for (from, to, _) in topology.edges.iter().filter(|(_, _, kind)| kind.depends()) {
                let dependents = self.dependents.entry(to.as_str().to_owned()).or_default();
                if dependents.last().is_none_or(|last| last != from.as_str()) {
                    dependents.push(from.as_str().to_owned());
                }
            }
        }
        let mut before = std::mem::take(&mut self.of_case);
        for (id, onset) in open.filter(|(_, onset)| topology.changed() >= *onset) {
            let known = before.remove(id);
            let moment = match known {
                Some(known) if known.onset == onset && known.made_of == made_of => known,
                known => {
                    let edges = topology.at(onset, slack);
                    let earlier = (edges != topology.edges).then(|| {
                        let mut graph = known.and_then(|known| known.earlier).unwrap_or_default();
                        if graph.follow(&edges, hops) {
                            self.made += 1;
                            graph.number = self.made;
                        }
                        graph
                    });
                    Moment { onset, made_of, earlier }
                }
            };
            self.of_case.insert(id.clone(), moment);
        }
    }

    /// Services that depend on `service` now, sorted.
    pub(crate) fn dependents(&self, service: &str) -> &[String] {
        self.dependents.get(service).map_or(&[], Vec::as_slice)
    }

    /// The graph that counts for an incident.
    pub(crate) fn of(&self, incident: &Id) -> &Graph {
        self.of_case.get(incident).and_then(|moment| moment.earlier.as_ref()).unwrap_or(&self.now)
    }
}

/// Whether an entity is a zone: a place with many hosts.
pub(crate) fn is_zone(entity: &Entity) -> bool {
    entity.as_str().starts_with("zone:")
}

/// Whether an entity is a place where things run, and nothing that serves.
pub(crate) fn is_location(entity: &Entity) -> bool {
    is_host(entity) || is_zone(entity)
}

/// Whether an entity is a host.
pub(crate) fn is_host(entity: &Entity) -> bool {
    entity.as_str().starts_with("host:")
}
