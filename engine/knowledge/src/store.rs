//! The fold that runs beside the engine.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Change, Checkpointed, EdgeKind, EdgeObservation, Entity, Fact, RecordedFact, SCHEMA_VERSION, Sightings,
    Snapshot, StateError, StateTable, Timestamp,
    seeded::{self, Bug},
};

use crate::{
    chain::chained,
    flow::{Flows, is_open},
    fold::fold,
    history::from_base,
    naming::service_in,
};

/// Limits of what is kept in memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Most recent changes of a kind in the readings.
    pub changes_max: usize,
    /// Facts that a rollback can be folded again from. Beyond this the oldest are merged into
    /// one base snapshot, and a rollback cannot go behind it without the log.
    pub facts_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { changes_max: 256, facts_max: 65_536 }
    }
}

/// A fact does not follow on what is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnowledgeError {
    /// A version is missing or comes twice.
    #[error("fact {found} follows on fact {last}: versions grow by one")]
    Gap {
        /// Last version.
        last: u64,
        /// Version that came.
        found: u64,
    },
    /// A rollback or a revert names a version that is not before it.
    #[error("fact {version} goes back to version {to}, which is not before it")]
    Future {
        /// Version of the rollback.
        version: u64,
        /// Version it names.
        to: u64,
    },
    /// A rollback or a revert names a version whose facts are no longer in memory.
    #[error(
        "version {to} is older than the {oldest} that memory reaches back to; rebuild from the whole log, \
         or raise `facts_max`"
    )]
    Forgotten {
        /// Version it names.
        to: u64,
        /// Oldest version that can be gone back to.
        oldest: u64,
    },
    /// Written by a newer program.
    #[error("fact {version} has schema version {found}, this program reads up to {SCHEMA_VERSION}")]
    Schema {
        /// Version of the fact.
        version: u64,
        /// Its schema version.
        found: u32,
    },
}

/// What is known now, and enough of the past to go back.
#[derive(Clone, Debug, PartialEq)]
pub struct Knowledge {
    settings: Settings,
    snapshot: Snapshot,
    /// Readings before the first of `facts`.
    base: Snapshot,
    /// Facts after the base: what a rollback is folded again from.
    facts: Vec<RecordedFact>,
    /// What is counted of edges, to tell when it is a fact.
    flows: Flows,
    /// Chain of the last fact that had one.
    head: String,
}

const TABLE: &str = "knowledge";
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    snapshot: Snapshot,
    base: Snapshot,
    facts: Vec<RecordedFact>,
    #[serde(default)]
    flows: Flows,
    #[serde(default)]
    head: String,
}

impl Default for Knowledge {
    fn default() -> Self {
        Self::new()
    }
}

impl Knowledge {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Settings::default())
    }

    /// Nothing is known, with other limits than the default ones.
    #[must_use]
    pub fn with(settings: Settings) -> Self {
        let (snapshot, base) = (Snapshot::default(), Snapshot::default());
        Self { settings, snapshot, base, facts: Vec::new(), flows: Flows::default(), head: String::new() }
    }

    /// Version of the last fact; 0 for none.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.snapshot.version
    }

    /// The readings.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Head of the chain: [`RecordedFact::chain`] of the last fact; empty if none had one.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// All readings as one fact: what lies before it may be removed from the log.
    #[must_use]
    pub fn compacted(&self) -> Fact {
        Fact::Compacted { head: self.head.clone(), snapshot: Box::new(self.snapshot.clone()) }
    }

    /// Numbers the facts, chains them to those before, and folds them at once. A rollback or a revert that cannot
    /// be done (its version is not in the past, or forgotten) is left out.
    pub fn append(&mut self, at: Timestamp, facts: Vec<Fact>) -> Vec<RecordedFact> {
        let mut recorded = Vec::with_capacity(facts.len());
        for fact in facts {
            let (schema_version, version) = (SCHEMA_VERSION, self.version().saturating_add(1));
            let fact = RecordedFact { schema_version, version, at, fact, chain: String::new() };
            let fact = chained(&self.head, fact);
            if self.fold(&fact).is_ok() {
                recorded.push(fact);
            }
        }
        recorded
    }

    /// Adds up what a tick that ends at `end` shows of how often calls are made; gives what is to be
    /// said of it with the sightings of this tick, for [`Knowledge::observe`]: nothing in most ticks.
    pub fn gather(&mut self, end: Timestamp, edges: &[EdgeObservation]) -> Vec<EdgeObservation> {
        self.flows.gather(end, edges)
    }

    /// What sightings up to `at` make known: entities, edges, changes and log templates that are new
    /// or found to be others, each once; names that stand for others; edges that are used otherwise than before, or ended.
    pub fn observe(&mut self, at: Timestamp, sightings: &Sightings) -> Vec<RecordedFact> {
        let Sightings { entities, edges, changes, templates, replaced, flows } = self.news(sightings);
        let met = !entities.is_empty();
        let heard = self.flows.hear(&edges, &self.snapshot.topology);
        let entities = entities.into_iter().map(|entity| Fact::EntitySeen { entity });
        let edges = edges.into_iter().filter(|edge| edge.kind != EdgeKind::StandsFor);
        let edges = edges.map(|EdgeObservation { from, to, kind, count, served }| match count + served {
            0 => Fact::EdgeEnded { from, to, kind },
            _ => Fact::EdgeSeen { from, to, kind },
        });
        let changes = changes.into_iter().map(|change| Fact::Changed { change });
        let templates = templates.into_iter().map(|template| Fact::TemplateSeen { template });
        let replaced = replaced.into_iter().map(|replacement| Fact::TemplateReplaced { replacement });
        let facts = entities.chain(edges).chain(changes).chain(templates).chain(replaced).chain(heard);
        let mut recorded = self.append(at, facts.collect());
        let minute = self.flows.is_due(at);
        if met || minute {
            recorded.extend(self.names(at));
        }
        let flows = self.flows.judge(at, &flows, &self.snapshot.topology);
        recorded.extend(self.append(at, flows));
        recorded
    }

    /// Names that are addresses of services which tell of themselves.
    fn names(&mut self, at: Timestamp) -> Vec<RecordedFact> {
        let topology = &self.snapshot.topology;
        let open =
            topology.instances.keys().filter(|name| !topology.aliases.contains_key(&Entity((*name).clone())));
        let found = open.filter_map(|name| {
            let service = service_in(name).filter(|service| topology.speaks(service))?;
            let of = BTreeSet::from([Entity(service.to_owned())]);
            topology.stands_for(&Entity(name.clone()), &of)?;
            Some(Fact::AliasSeen {
                name: Entity(name.clone()),
                of,
                reason: format!("it is an address of {service}, which tells of itself"),
            })
        });
        let found = found.collect();
        self.append(at, found)
    }

    /// Of sightings, those that are not known yet, and all counts.
    #[must_use]
    pub fn news(&self, sightings: &Sightings) -> Sightings {
        let topology = &self.snapshot.topology;
        let known = |change: &Change| self.snapshot.changes.binary_search(change).is_ok();
        let (nodes_left, edges_left) = topology.room();
        let (mut met, mut joined) = (BTreeSet::new(), BTreeSet::new());
        let mut is_new = |edge: &&EdgeObservation| match edge.kind {
            EdgeKind::StandsFor => is_open(topology, &edge.from, &edge.to),
            kind => topology.key(&edge.from, &edge.to, kind).is_some_and(|key| {
                let ends = edge.count + edge.served == 0;
                topology.edges.contains(&key) == ends
                    && (ends || joined.len() < edges_left)
                    && joined.insert(key)
            }),
        };
        Sightings {
            entities: sightings
                .entities
                .iter()
                .filter(|entity| {
                    !topology.knows(entity) && met.len() < nodes_left && met.insert(topology.resolve(entity))
                })
                .cloned()
                .collect(),
            edges: sightings.edges.iter().filter(|edge| is_new(edge)).cloned().collect(),
            changes: sightings.changes.iter().filter(|change| !known(change)).cloned().collect(),
            templates: sightings
                .templates
                .iter()
                .filter(|template| !self.snapshot.templates.contains(template))
                .cloned()
                .collect(),
            replaced: sightings
                .replaced
                .iter()
                .filter(|replacement| !self.snapshot.replaced_templates.contains(replacement))
                .cloned()
                .collect(),
            flows: sightings.flows.clone(),
        }
    }

    /// Folds a fact that was recorded before.
    ///
    /// # Errors
    /// If its version does not follow, or it is a rollback or a revert to where memory does not reach.
    pub fn fold(&mut self, fact: &RecordedFact) -> Result<(), KnowledgeError> {
        let (last, version) = (self.version(), fact.version);
        if fact.schema_version > SCHEMA_VERSION {
            return Err(KnowledgeError::Schema { version, found: fact.schema_version });
        }
        // Where a log was compacted, one fact stands for all before it that are missing.
        let follows = last.checked_add(1) == Some(version);
        let begins = version > last && !follows && matches!(fact.fact, Fact::Compacted { .. });
        if !follows && !begins {
            return Err(KnowledgeError::Gap { last, found: version });
        }
        match &fact.fact {
            Fact::RolledBack { to, .. } | Fact::Reverted { version: to, .. } if *to >= version => {
                return Err(KnowledgeError::Future { version, to: *to });
            }
            Fact::Reverted { version: of, .. } => {
                let (of, oldest) = (*of, self.base.version + 1);
                if of < oldest {
                    return Err(KnowledgeError::Forgotten { to: of, oldest });
                }
                self.facts.push(fact.clone());
                self.snapshot = from_base(&self.base, &self.facts, version, self.settings.changes_max);
            }
            Fact::RolledBack { to, .. } => {
                let (to, oldest) = (*to, self.base.version);
                let control = self.snapshot.control.clone();
                self.snapshot = self.at(to).ok_or(KnowledgeError::Forgotten { to, oldest })?;
                if !seeded::on(Bug::RollbackResumesActing) {
                    self.snapshot.control = control;
                }
            }
            Fact::Compacted { snapshot, .. } if begins => self.snapshot.clone_from(snapshot),
            _ => fold(&mut self.snapshot, fact, self.settings.changes_max),
        }
        self.snapshot.version = version;
        if !fact.chain.is_empty() {
            self.head.clone_from(&fact.chain);
        }
        if matches!(fact.fact, Fact::Compacted { .. }) {
            // The same whether it was met first or behind all that it stands for.
            self.base = self.snapshot.clone();
            self.facts.clear();
        } else {
            if !matches!(fact.fact, Fact::Reverted { .. }) {
                self.facts.push(fact.clone());
            }
            self.forget();
        }
        Ok(())
    }

    /// The readings as they were at a version; none if it is in the future, or before what
    /// memory reaches back to.
    #[must_use]
    pub fn at(&self, version: u64) -> Option<Snapshot> {
        let reachable = (self.base.version..=self.version()).contains(&version);
        reachable.then(|| from_base(&self.base, &self.facts, version, self.settings.changes_max))
    }

    /// Merges the older half into the base when there are too many. A rollback or a revert that is
    /// left must not reach behind the base: the base then moves up to it.
    fn forget(&mut self) {
        if self.facts.len() <= self.settings.facts_max.max(1) {
            return;
        }
        let mut version = self.facts[self.facts.len() / 2].version;
        for recorded in &self.facts {
            let reaches_behind = match recorded.fact {
                Fact::RolledBack { to, .. } => to < version,
                Fact::Reverted { version: of, .. } => of <= version,
                _ => false,
            };
            if recorded.version > version && reaches_behind {
                version = recorded.version;
            }
        }
        if let Some(base) = self.at(version) {
            self.facts.retain(|recorded| recorded.version > version);
            self.base = base;
        }
    }
}

impl Checkpointed for Knowledge {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let Self { snapshot, base, facts, flows, head, .. } = self.clone();
        Ok(vec![StateTable::from_json(TABLE, VERSION, &State { snapshot, base, facts, flows, head })?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let State { snapshot, base, facts, flows, head } = StateTable::to_json(tables, TABLE, VERSION)?;
        (self.snapshot, self.base, self.facts, self.flows) = (snapshot, base, facts, flows);
        self.head = if seeded::on(Bug::ChainForgotten) { String::new() } else { head };
        Ok(())
    }
}
