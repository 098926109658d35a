//! Who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    series::Entity,
    time::{Interval, Timestamp},
};

mod alias;
mod edge;
mod given;
mod kind;

use edge::lives;
pub use {
    alias::Alias,
    edge::{EdgeKey, EdgeLife, EdgeObservation, PastEdge},
    given::{GivenEdge, GivenTopology},
    kind::{EdgeKind, NodeKind},
};

/// Entities, and edges, of a graph at most: what comes on top of that is not taken in.
const NODES_MAX: usize = 100_000;
const EDGES_MAX: usize = 100_000;
/// Edges that ended and are remembered, so that a graph of the past can be had.
const PAST_MAX: usize = 1_024;

/// The graph of the moment, and how it came to be. Services are connected by calls; instances
/// belong to services by their name (`cart/cart-2` is part of `cart`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// `from -> to` with kind, service level for what depends.
    pub edges: BTreeSet<EdgeKey>,
    /// Instances seen for each service.
    pub instances: BTreeMap<String, BTreeSet<Entity>>,
    /// Other names.
    #[serde(default)]
    pub aliases: BTreeMap<Entity, Alias>,
    /// What things are, as far as a file says so.
    #[serde(default)]
    pub nodes: BTreeMap<Entity, NodeKind>,
    /// Services that those who call them can do without, as far as a file says so.
    #[serde(default)]
    pub optional: BTreeSet<Entity>,
    /// Since when the edges are there, and how much they are used.
    #[serde(default, with = "lives")]
    lives: BTreeMap<EdgeKey, EdgeLife>,
    /// Edges that ended, in the order of their ends.
    #[serde(default)]
    past: Vec<PastEdge>,
    /// When the edges were changed last.
    #[serde(default)]
    changed: Timestamp,
    /// Entities known.
    #[serde(default)]
    count: usize,
}

impl Topology {
    /// Notes an entity, so that its service knows its instances. Returns whether it was new.
    pub fn note(&mut self, entity: &Entity) -> bool {
        let entity = self.resolve(entity);
        if self.count >= NODES_MAX || self.knows(&entity) {
            return false;
        }
        self.count += 1;
        self.instances.entry(entity.service().to_owned()).or_default().insert(entity)
    }

    /// How many more entities, and edges, there is room for.
    #[must_use]
    pub fn room(&self) -> (usize, usize) {
        (NODES_MAX.saturating_sub(self.count), EDGES_MAX.saturating_sub(self.edges.len()))
    }

    /// Whether an entity is known, by this name or another.
    #[must_use]
    pub fn knows(&self, entity: &Entity) -> bool {
        let known = |entity: &Entity| {
            self.instances.get(entity.service()).is_some_and(|instances| instances.contains(entity))
        };
        known(entity) || known(&self.resolve(entity))
    }

    /// Adds an edge that always was there; see [`Topology::connect_at`].
    pub fn connect(&mut self, from: &Entity, to: &Entity, kind: EdgeKind) -> bool {
        self.connect_at(Timestamp::MIN, from, to, kind)
    }

    /// Adds an edge that was first seen at an instant; who depends on whom is kept between services.
    /// Returns whether it was new.
    pub fn connect_at(&mut self, at: Timestamp, from: &Entity, to: &Entity, kind: EdgeKind) -> bool {
        let Some(key) = self.key(from, to, kind) else { return false };
        if self.edges.len() >= EDGES_MAX || !self.edges.insert(key.clone()) {
            return false;
        }
        self.lives.insert(key, EdgeLife { since: at, given: false, per_second: None });
        self.changed = self.changed.max(at);
        true
    }

    /// The edge that an observation belongs to; none if it is none, since both ends are one.
    #[must_use]
    pub fn key(&self, from: &Entity, to: &Entity, kind: EdgeKind) -> Option<EdgeKey> {
        if kind == EdgeKind::StandsFor {
            return None;
        }
        let (mut from, mut to) = (self.resolve(from), self.resolve(to));
        if kind.depends() {
            (from, to) = (Entity(from.service().to_owned()), Entity(to.service().to_owned()));
        }
        (from != to).then_some((from, to, kind))
    }

    /// What is known of an edge that is there.
    #[must_use]
    pub fn life(&self, edge: &EdgeKey) -> Option<EdgeLife> {
        let always = EdgeLife { since: Timestamp::MIN, given: false, per_second: None };
        self.edges.contains(edge).then(|| self.lives.get(edge).copied().unwrap_or(always))
    }

    /// Calls a second between two services, of all kinds, as far as somebody counted them.
    #[must_use]
    pub fn volume(&self, from: &str, to: &str) -> Option<f64> {
        let kinds = [EdgeKind::Calls, EdgeKind::Queries, EdgeKind::Publishes, EdgeKind::Consumes];
        let of = |kind| {
            let edge = (Entity(from.to_owned()), Entity(to.to_owned()), kind);
            self.lives.get(&edge).and_then(|life| life.per_second)
        };
        kinds.into_iter().filter_map(of).reduce(|a, b| a + b)
    }

    /// Notes how much an edge is used.
    pub fn measure(&mut self, from: &Entity, to: &Entity, kind: EdgeKind, per_second: f64) {
        let life = self.key(from, to, kind).and_then(|key| self.lives.get_mut(&key));
        if let Some(life) = life {
            life.per_second = Some(per_second);
        }
    }

    /// Ends an edge, unless a file gives it. Returns whether it was there.
    pub fn disconnect(&mut self, at: Timestamp, from: &Entity, to: &Entity, kind: EdgeKind) -> bool {
        let Some(key) = self.key(from, to, kind) else { return false };
        let given = self.lives.get(&key).is_some_and(|life| life.given);
        !given && self.end(at, &key)
    }

    fn end(&mut self, at: Timestamp, key: &EdgeKey) -> bool {
        if !self.edges.remove(key) {
            return false;
        }
        let since = self.lives.remove(key).map_or(Timestamp::MIN, |life| life.since);
        self.past.push(PastEdge { edge: key.clone(), since, until: at });
        if self.past.len() > PAST_MAX {
            self.past.remove(0);
        }
        self.changed = self.changed.max(at);
        true
    }

    /// What an entity is.
    #[must_use]
    pub fn kind_of(&self, entity: &Entity) -> NodeKind {
        let is_target =
            |kinds: &[EdgeKind]| self.edges.iter().any(|(_, to, kind)| to == entity && kinds.contains(kind));
        let name = entity.as_str();
        match self.nodes.get(entity) {
            Some(given) => *given,
            None if name.starts_with("host:") => NodeKind::Host,
            None if name.starts_with("zone:") => NodeKind::Zone,
            None if name.starts_with("topic:") => NodeKind::Queue,
            None if entity.is_instance() => NodeKind::Instance,
            None if self.aliases.get(entity).is_some_and(|alias| alias.of.len() > 1) => NodeKind::Balancer,
            None if is_target(&[EdgeKind::Publishes, EdgeKind::Consumes]) => NodeKind::Queue,
            None if is_target(&[EdgeKind::Queries]) => NodeKind::Database,
            None => NodeKind::Service,
        }
    }

    /// Whether a service tells something of itself: it has instances or a place, or makes calls.
    #[must_use]
    pub fn speaks(&self, service: &str) -> bool {
        let instances = self.instances.get(service);
        instances.is_some_and(|all| all.iter().any(Entity::is_instance))
            || self.from(service).next().is_some()
    }

    /// Edges of all kinds that lead from a service, sorted.
    fn from(&self, service: &str) -> impl Iterator<Item = &EdgeKey> {
        // Nothing sorts before these two ends.
        let first = (Entity(service.to_owned()), Entity::default(), EdgeKind::Calls);
        self.edges.range(first..).take_while(move |(from, ..)| from.as_str() == service)
    }

    /// When edges came or went last.
    #[must_use]
    pub const fn changed(&self) -> Timestamp {
        self.changed
    }

    /// The edges as they were at an instant. What came within `slack` after it counts as well: what
    /// is first seen then was there before, as a rule, and not seen.
    #[must_use]
    pub fn at(&self, moment: Timestamp, slack: Interval) -> BTreeSet<EdgeKey> {
        let known_by = moment.plus(slack);
        let since = |edge: &EdgeKey| self.lives.get(edge).map_or(Timestamp::MIN, |life| life.since);
        let present = self.edges.iter().filter(|edge| since(edge) <= known_by);
        let past = self.past.iter().filter(|past| past.since <= known_by && past.until >= moment);
        present.chain(past.map(|past| &past.edge)).cloned().collect()
    }

    /// Edges that ended, in the order of their ends; the last of them.
    #[must_use]
    pub fn past(&self) -> &[PastEdge] {
        &self.past
    }

    /// Services that `service` depends on, sorted.
    #[must_use]
    pub fn callees(&self, service: &str) -> Vec<&str> {
        let calls = self.from(service).filter(|(_, _, kind)| kind.depends());
        let mut callees: Vec<&str> = calls.map(|(_, to, _)| to.as_str()).collect();
        callees.dedup();
        callees
    }

    /// Services that depend on `service`, sorted.
    #[must_use]
    pub fn callers(&self, service: &str) -> Vec<&str> {
        let calls = self.edges.iter().filter(|(_, _, kind)| kind.depends());
        let mut callers: Vec<&str> =
            calls.filter(|(_, to, _)| to.as_str() == service).map(|(from, _, _)| from.as_str()).collect();
        callers.dedup();
        callers
    }

    /// Number of calls on the shortest path from `from` down to `to` (0 for the same
    /// service), following callees; `None` if `to` is not below `from`.
    #[must_use]
    pub fn distance(&self, from: &str, to: &str) -> Option<usize> {
        let mut seen = BTreeSet::from([from]);
        let mut ring = vec![from];
        for depth in 0.. {
            if ring.contains(&to) {
                return Some(depth);
            }
            ring = ring
                .into_iter()
                .flat_map(|service| self.callees(service))
                .filter(|next| seen.insert(next))
                .collect();
            if ring.is_empty() {
                break;
            }
        }
        None
    }
}
