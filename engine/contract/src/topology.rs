//! Who depends on whom, and what was changed.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{series::Entity, time::Timestamp};

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
    /// How many times it was seen.
    pub count: u64,
}

/// Something that somebody changed: a deploy, a configuration, a flag, a scaling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What was changed: a service or an instance.
    pub entity: Entity,
    /// `deploy`, `configuration`, `flag`, `scaling`, `restart`, …
    pub kind: String,
    /// What it was before, where known: a version or revision.
    pub from: String,
    /// What it is now.
    pub to: String,
    /// Text for people.
    pub description: String,
}

impl Change {
    /// Kind of a change that a process made by itself: it began anew.
    pub const RESTART: &str = "restart";
}

/// The graph of the moment. Services are connected by calls; instances belong to
/// services by their name (`cart/cart-2` is part of `cart`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// `from -> to` with kind, service level for calls.
    pub edges: BTreeSet<(Entity, Entity, EdgeKind)>,
    /// Instances seen for each service.
    pub instances: BTreeMap<String, BTreeSet<Entity>>,
}

impl Topology {
    /// Notes an entity, so that its service knows its instances. Returns whether it was new.
    pub fn note(&mut self, entity: &Entity) -> bool {
        let known = self.instances.entry(entity.service().to_owned()).or_default();
        known.insert(entity.clone())
    }

    /// Adds an edge; calls are kept between services. Returns whether it was new.
    pub fn connect(&mut self, from: &Entity, to: &Entity, kind: EdgeKind) -> bool {
        let (from, to) = match kind {
            EdgeKind::Calls => (Entity(from.service().to_owned()), Entity(to.service().to_owned())),
            EdgeKind::RunsOn | EdgeKind::PartOf => (from.clone(), to.clone()),
        };
        from != to && self.edges.insert((from, to, kind))
    }

    /// Services that `service` calls, sorted.
    #[must_use]
    pub fn callees(&self, service: &str) -> Vec<&str> {
        let calls = self.edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::Calls);
        calls.filter(|(from, _, _)| from.as_str() == service).map(|(_, to, _)| to.as_str()).collect()
    }

    /// Services that call `service`, sorted.
    #[must_use]
    pub fn callers(&self, service: &str) -> Vec<&str> {
        let calls = self.edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::Calls);
        calls.filter(|(_, to, _)| to.as_str() == service).map(|(from, _, _)| from.as_str()).collect()
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
