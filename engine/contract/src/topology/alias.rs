//! Other names: what callers call something that calls itself otherwise.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EdgeKey, EdgeKind, EdgeLife, PastEdge, Topology};
use crate::{series::Entity, time::Timestamp};

/// Other names at most.
const ALIASES_MAX: usize = 10_000;

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

impl Topology {
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
}
