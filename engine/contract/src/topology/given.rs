//! A topology that a file gives, and how it is taken in.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, EdgeKind, NodeKind, Topology};
use crate::{series::Entity, time::Timestamp};

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

impl Topology {
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
}
