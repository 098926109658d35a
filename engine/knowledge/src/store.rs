//! The fold that runs beside the engine.

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Change, Checkpointed, Fact, RecordedFact, SCHEMA_VERSION, Sightings, Snapshot, StateError, StateTable,
    Timestamp,
};

use crate::{fold::fold, history::from_base};

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
    /// A rollback names a version that is not before it.
    #[error("fact {version} goes back to version {to}, which is not before it")]
    Future {
        /// Version of the rollback.
        version: u64,
        /// Version it names.
        to: u64,
    },
    /// A rollback names a version whose facts are no longer in memory.
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
}

const TABLE: &str = "knowledge";
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    snapshot: Snapshot,
    base: Snapshot,
    facts: Vec<RecordedFact>,
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
        Self { settings, snapshot: Snapshot::default(), base: Snapshot::default(), facts: Vec::new() }
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

    /// Numbers the facts and folds them at once. A rollback that cannot be done (its version
    /// is not in the past, or forgotten) is left out.
    pub fn append(&mut self, at: Timestamp, facts: Vec<Fact>) -> Vec<RecordedFact> {
        let mut recorded = Vec::with_capacity(facts.len());
        for fact in facts {
            let fact = RecordedFact { schema_version: SCHEMA_VERSION, version: self.version() + 1, at, fact };
            if self.fold(&fact).is_ok() {
                recorded.push(fact);
            }
        }
        recorded
    }

    /// What sightings up to `at` make known: entities, edges, changes and log templates that are new,
    /// each once.
    pub fn observe(&mut self, at: Timestamp, sightings: &Sightings) -> Vec<RecordedFact> {
        let Sightings { entities, edges, changes, templates } = self.news(sightings);
        let entities = entities.into_iter().map(|entity| Fact::EntitySeen { entity });
        let edges =
            edges.into_iter().map(|edge| Fact::EdgeSeen { from: edge.from, to: edge.to, kind: edge.kind });
        let changes = changes.into_iter().map(|change| Fact::Changed { change });
        let templates = templates.into_iter().map(|template| Fact::TemplateSeen { template });
        self.append(at, entities.chain(edges).chain(changes).chain(templates).collect())
    }

    /// Of sightings, those that are not known yet.
    #[must_use]
    pub fn news(&self, sightings: &Sightings) -> Sightings {
        let mut topology = self.snapshot.topology.clone();
        let known = |change: &Change| self.snapshot.changes.binary_search(change).is_ok();
        Sightings {
            entities: sightings.entities.iter().filter(|entity| topology.note(entity)).cloned().collect(),
            edges: sightings
                .edges
                .iter()
                .filter(|edge| topology.connect(&edge.from, &edge.to, edge.kind))
                .cloned()
                .collect(),
            changes: sightings.changes.iter().filter(|change| !known(change)).cloned().collect(),
            templates: sightings
                .templates
                .iter()
                .filter(|template| !self.snapshot.templates.contains(template))
                .cloned()
                .collect(),
        }
    }

    /// Folds a fact that was recorded before.
    ///
    /// # Errors
    /// If its version does not follow, or it is a rollback to where memory does not reach.
    pub fn fold(&mut self, fact: &RecordedFact) -> Result<(), KnowledgeError> {
        let (last, version) = (self.version(), fact.version);
        if fact.schema_version > SCHEMA_VERSION {
            return Err(KnowledgeError::Schema { version, found: fact.schema_version });
        }
        if version != last + 1 {
            return Err(KnowledgeError::Gap { last, found: version });
        }
        match fact.fact {
            Fact::RolledBack { to, .. } if to >= version => {
                return Err(KnowledgeError::Future { version, to });
            }
            Fact::RolledBack { to, .. } => {
                let oldest = self.base.version;
                self.snapshot = self.at(to).ok_or(KnowledgeError::Forgotten { to, oldest })?;
            }
            _ => fold(&mut self.snapshot, &fact.fact, self.settings.changes_max),
        }
        self.snapshot.version = version;
        self.facts.push(fact.clone());
        self.forget();
        Ok(())
    }

    /// The readings as they were at a version; none if it is in the future, or before what
    /// memory reaches back to.
    #[must_use]
    pub fn at(&self, version: u64) -> Option<Snapshot> {
        let reachable = (self.base.version..=self.version()).contains(&version);
        reachable.then(|| from_base(&self.base, &self.facts, version, self.settings.changes_max))
    }

    /// Merges the older half into the base when there are too many. A rollback that is left
    /// must not reach behind the base: the base then moves up to that rollback.
    fn forget(&mut self) {
        if self.facts.len() <= self.settings.facts_max.max(1) {
            return;
        }
        let mut version = self.facts[self.facts.len() / 2].version;
        for recorded in &self.facts {
            if recorded.version > version
                && matches!(recorded.fact, Fact::RolledBack { to, .. } if to < version)
            {
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
        let Self { snapshot, base, facts, .. } = self.clone();
        Ok(vec![StateTable::from_json(TABLE, VERSION, &State { snapshot, base, facts })?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let State { snapshot, base, facts } = StateTable::to_json(tables, TABLE, VERSION)?;
        (self.snapshot, self.base, self.facts) = (snapshot, base, facts);
        Ok(())
    }
}
