//! Who depends on whom.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    series::Entity,
    time::{Interval, Timestamp},
};

/// What an edge of the topology means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// `from` calls `to`: trouble goes from callee to caller.
    Calls,
    /// `from` runs on `to`: trouble goes from host to what runs on it.
    RunsOn,
    /// `from` is a replica or part of `to`.
    PartOf,
    /// `from` asks the database `to`.
    Queries,
    /// `from` puts messages into the queue `to`.
    Publishes,
    /// `from` takes messages from the queue `to`.
    Consumes,
    /// Evidence, and no edge of the graph: what was called by the name `from` was served by `to`.
    StandsFor,
}

impl EdgeKind {
    /// Whether `from` needs `to` to do its work, so that trouble goes from `to` to `from`.
    #[must_use]
    pub const fn depends(self) -> bool {
        matches!(self, Self::Calls | Self::Queries | Self::Publishes | Self::Consumes)
    }

    /// The verb of a sentence.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::RunsOn => "runs on",
            Self::PartOf => "is part of",
            Self::Queries => "queries",
            Self::Publishes => "publishes to",
            Self::Consumes => "consumes from",
            Self::StandsFor => "stands for",
        }
    }
}

/// What a node of the topology is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Something that serves.
    Service,
    /// One process of a service.
    Instance,
    /// A machine.
    Host,
    /// A place with many hosts: an availability zone.
    Zone,
    /// A store that is queried.
    Database,
    /// A topic or queue of messages.
    Queue,
    /// A name in front of several services: a load balancer, a gateway that is not traced.
    Balancer,
}

impl NodeKind {
    /// Word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Instance => "instance",
            Self::Host => "host",
            Self::Zone => "zone",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::Balancer => "balancer",
        }
    }
}

/// Calls seen between two entities in one tick.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct EdgeObservation {
    /// Caller, replica, or guest.
    pub from: Entity,
    /// Callee, service, or host.
    pub to: Entity,
    /// Meaning.
    pub kind: EdgeKind,
    /// How many times it was seen: calls as the caller counts them. For [`EdgeKind::RunsOn`] 0
    /// says that `from` is no longer there.
    pub count: u64,
    /// How many times the callee's own spans show it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub served: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// An edge: from, to, meaning.
pub type EdgeKey = (Entity, Entity, EdgeKind);

/// What is known of an edge beside its ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeLife {
    /// When it was seen first; [`Timestamp::MIN`] if it always was there.
    pub since: Timestamp,
    /// A file says so: that nobody sees it does not end it.
    #[serde(default)]
    pub given: bool,
    /// Calls a second, as they were when that was told last; none if nobody counted them.
    #[serde(default)]
    pub per_second: Option<f64>,
}

/// A name that callers have for something that calls itself otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alias {
    /// Whom it stands for, sorted. One: it is the same thing. Several: something in front of them.
    pub of: BTreeSet<Entity>,
    /// Sentence for people: how that is known.
    pub reason: String,
    /// A file says so.
    #[serde(default)]
    pub given: bool,
}

/// An edge that a file gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GivenEdge {
    /// From.
    pub from: Entity,
    /// To.
    pub to: Entity,
    /// Meaning.
    pub kind: EdgeKind,
    /// Calls a second, if the file says that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_second: Option<f64>,
}

/// A topology that a file gives; it takes the place of the one that was given before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct GivenTopology {
    /// Entities, and what they are where their name does not tell.
    pub nodes: BTreeMap<Entity, NodeKind>,
    /// Who depends on whom, runs where, is part of what.
    pub edges: Vec<GivenEdge>,
    /// Other names of services.
    pub aliases: BTreeMap<Entity, Entity>,
    /// Services that those who call them can do without, if worse.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub optional: BTreeSet<Entity>,
}

/// An edge that is no longer there: from when until when it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastEdge {
    /// Which.
    pub edge: EdgeKey,
    /// First seen.
    pub since: Timestamp,
    /// Last seen.
    pub until: Timestamp,
}

/// Entities, and edges, of a graph at most: what comes on top of that is not taken in.
const NODES_MAX: usize = 100_000;
const EDGES_MAX: usize = 100_000;
/// Edges that ended and are remembered, so that a graph of the past can be had.
const PAST_MAX: usize = 1_024;
/// Other names at most.
const ALIASES_MAX: usize = 10_000;

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

    /// Takes a given topology in the place of the one that was given before: edges that only a file
    /// gave end, unless this one gives them again.
    pub fn give(&mut self, at: Timestamp, given: &GivenTopology) {
        self.aliases.retain(|_, alias| !alias.given);
        for (name, of) in &given.aliases {
            self.alias(at, name, &BTreeSet::from([of.clone()]), "a file says so");
            if let Some(alias) = self.aliases.get_mut(name) {
                alias.given = true;
            }
        }
        self.nodes.clear();
        for (node, kind) in &given.nodes {
            let node = self.resolve(node);
            self.note(&node);
            self.nodes.insert(node, *kind);
        }
        self.optional = given.optional.iter().map(|service| self.resolve(service)).collect();
        let before: Vec<EdgeKey> =
            self.lives.iter().filter(|(_, life)| life.given).map(|(key, _)| key.clone()).collect();
        let mut now = BTreeSet::new();
        for GivenEdge { from, to, kind, per_second } in &given.edges {
            self.note(from);
            self.note(to);
            // Who says that it is so does not say since when: it counts for what is looked at now.
            self.connect(from, to, *kind);
            let Some(key) = self.key(from, to, *kind) else { continue };
            if let Some(life) = self.lives.get_mut(&key) {
                life.given = true;
                life.per_second = per_second.or(life.per_second);
                now.insert(key);
            }
        }
        for key in before.into_iter().filter(|key| !now.contains(key)) {
            self.end(at, &key);
        }
        self.changed = self.changed.max(at);
    }

    /// Whom a name may be noted to stand for, given by whatever names; none if that is no news, or
    /// cannot be: there are too many, or one of them goes by this name itself.
    #[must_use]
    pub fn stands_for(&self, name: &Entity, of: &BTreeSet<Entity>) -> Option<BTreeSet<Entity>> {
        let of: BTreeSet<Entity> = of
            .iter()
            .map(|one| self.resolve(one))
            .filter(|one| one != name && self.resolve(one) != *name)
            .collect();
        let known = self.aliases.get(name);
        let full = known.is_none() && self.aliases.len() >= ALIASES_MAX;
        // The name of an instance is that of its service, and more.
        let refused = of.is_empty() || full || name.is_instance();
        (!refused && known.is_none_or(|known| !known.given && known.of != of)).then_some(of)
    }

    /// Notes that a name stands for others: for one of them, then both are the same from now on; for
    /// several, then it stands in front of them. Returns whether that is news.
    pub fn alias(&mut self, at: Timestamp, name: &Entity, of: &BTreeSet<Entity>, reason: &str) -> bool {
        let Some(of) = self.stands_for(name, of) else { return false };
        let alias = Alias { of: of.clone(), reason: reason.to_owned(), given: false };
        self.aliases.insert(name.clone(), alias);
        self.changed = self.changed.max(at);
        match of.first() {
            Some(only) if of.len() == 1 => {
                self.merge(name, only);
                self.rename(name, only);
            }
            _ => {
                self.note(name);
                for one in &of {
                    self.connect_at(at, name, one, EdgeKind::Calls);
                }
            }
        }
        true
    }

    /// Puts `of` in the place of `name` wherever another name stands for that.
    fn rename(&mut self, name: &Entity, of: &Entity) {
        let others: Vec<Entity> = self
            .aliases
            .iter()
            .filter(|(_, alias)| alias.of.contains(name))
            .map(|(other, _)| other.clone())
            .collect();
        for other in others {
            // A name that was done before this one may have left `of` standing for something itself.
            let now = self.resolve(of);
            let Some(alias) = self.aliases.get_mut(&other) else { continue };
            let several = alias.of.len() > 1;
            if !alias.of.remove(name) {
                continue;
            }
            if other != now {
                alias.of.insert(now);
            }
            match alias.of.first().cloned() {
                None => _ = self.aliases.remove(&other),
                Some(only) if several && self.aliases[&other].of.len() == 1 => {
                    self.merge(&other, &only);
                    self.rename(&other, &only);
                }
                Some(_) => {}
            }
        }
    }

    /// Puts everything that is known of `name` down to whom it stands for.
    fn merge(&mut self, name: &Entity, of: &Entity) {
        if let Some(instances) = self.instances.remove(name.as_str()) {
            self.count = self.count.saturating_sub(instances.len());
            for instance in instances {
                self.note(&instance);
            }
        }
        self.note(of);
        self.nodes.remove(name);
        let touched: Vec<EdgeKey> = self
            .edges
            .iter()
            .filter(|(from, to, _)| [from, to].iter().any(|end| end.service() == name.as_str()))
            .cloned()
            .collect();
        for key in touched {
            self.edges.remove(&key);
            let always = EdgeLife { since: Timestamp::MIN, given: false, per_second: None };
            let old = self.lives.remove(&key).unwrap_or(always);
            let Some(new) = self.key(&key.0, &key.1, key.2) else { continue };
            let life = self.lives.entry(new.clone()).or_insert(old);
            life.since = life.since.min(old.since);
            life.given |= old.given;
            life.per_second = match (life.per_second, old.per_second) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (a, b) => a.or(b),
            };
            self.edges.insert(new);
        }
        let past = std::mem::take(&mut self.past);
        let renamed = past.into_iter().filter_map(|past| {
            let edge = self.key(&past.edge.0, &past.edge.1, past.edge.2)?;
            Some(PastEdge { edge, ..past })
        });
        self.past = renamed.collect();
    }

    /// An entity by the name that it has itself: what a name stands for, if that is one thing.
    #[must_use]
    pub fn resolve(&self, entity: &Entity) -> Entity {
        if self.aliases.is_empty() {
            return entity.clone();
        }
        let one = |name: &Entity| {
            let of = &self.aliases.get(name)?.of;
            if of.len() == 1 { of.first() } else { None }
        };
        if let Some(known) = one(entity) {
            return known.clone();
        }
        match entity.as_str().split_once('/') {
            Some((service, instance)) => one(&Entity(service.to_owned()))
                .map_or_else(|| entity.clone(), |known| Entity::instance(known.service(), instance)),
            None => entity.clone(),
        }
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
            || self.edges.iter().any(|(from, ..)| from.as_str() == service)
    }

    /// Whether those who call a service can do without it: it belongs to others, who may be away at any
    /// time, or a file says so.
    #[must_use]
    pub fn can_do_without(&self, service: &str) -> bool {
        !self.speaks(service) || self.optional.iter().any(|entity| entity.as_str() == service)
    }

    /// Whether a file gave any of it.
    #[must_use]
    pub fn has_given(&self) -> bool {
        !self.nodes.is_empty()
            || !self.optional.is_empty()
            || self.lives.values().any(|life| life.given)
            || self.aliases.values().any(|alias| alias.given)
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
        let calls = self.edges.iter().filter(|(_, _, kind)| kind.depends());
        let mut callees: Vec<&str> =
            calls.filter(|(from, _, _)| from.as_str() == service).map(|(_, to, _)| to.as_str()).collect();
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

/// A map whose keys are no texts, as a list.
mod lives {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EdgeKey, EdgeLife};

    pub(super) fn serialize<S: Serializer>(
        lives: &BTreeMap<EdgeKey, EdgeLife>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(lives)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<EdgeKey, EdgeLife>, D::Error> {
        let list: Vec<(EdgeKey, EdgeLife)> = Vec::deserialize(deserializer)?;
        Ok(list.into_iter().collect())
    }
}
