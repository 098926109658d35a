//! Entities judged as a whole: do all metrics of one still move together as they did?
//!
//! A queue that grows with the load is ordinary; one that grows without it is not, and neither
//! series shows that by itself. The metrics of an entity are the channels of one subspace model
//! ([`theriac_detectors::multivariate::subspace`]). What it says counts for the channels that
//! it is due to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Checkpointed, DetectorScore, Entity, SeriesId, StateError, StateTable, Tick};
use theriac_detectors::{
    multivariate::{
        Reading as Verdict,
        subspace::{Subspace, SubspaceSettings},
    },
    slots::Slots,
};

/// Name of the detector in symptoms.
const NAME: &str = "subspace";
const TABLE: &str = "detect.entities";
const TABLE_VERSION: u16 = 1;
/// Channels from which on there is something to move together.
const CHANNELS_MIN: usize = 3;
/// A model starts anew when the entity has this many times the channels that it was made for: what
/// is told of an entity in its first minutes is not all at once.
const GROWN: f64 = 1.25;
/// Share of the digits of a p-value that one tick is believed. Windows overlap, so what is unusual
/// once is so in the neighbouring ticks too: two of them are not more than one.
const TRUSTED: f64 = 0.5;
/// A channel is to blame if it adds at least this share of what the one that adds most does.
const BLAMED: f64 = 0.25;
/// P-value below which it is asked which channels are to blame.
const ASKED: f64 = 1e-2;

/// What the last tick said of one entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityReading {
    /// How often its past looked at least this unusual; 1 while warming up.
    pub p_value: f64,
    /// A score that lasts as long as the anomaly and fades after it: ln(1 + s), where s is
    /// about 1 while all is ordinary; 0 while warming up.
    pub lasting: f64,
    /// Whether an anomaly begins.
    pub edge: bool,
}

/// The channels of one entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    entity: Entity,
    channels: Vec<SeriesId>,
    /// How many of them the model was made for.
    joined: usize,
}

/// The entities that there is room for, each with a model of all its metrics.
pub(crate) struct Entities {
    models: Slots<Subspace>,
    room: usize,
    groups: Vec<Group>,
    by_entity: BTreeMap<Entity, usize>,
    /// By slot; none of what was not heard in the last tick, or has too few channels.
    readings: Vec<Option<EntityReading>>,
    /// What the last tick says of a series that is to blame.
    blamed: BTreeMap<SeriesId, f64>,
    row: Vec<f64>,
}

impl Entities {
    pub(crate) fn new(settings: SubspaceSettings, room: usize) -> Self {
        Self {
            models: Slots::new(settings),
            room,
            groups: Vec::new(),
            by_entity: BTreeMap::new(),
            readings: Vec::new(),
            blamed: BTreeMap::new(),
            row: Vec::new(),
        }
    }

    /// Takes in a series of an entity, if there is room for the entity; says whether there was.
    pub(crate) fn admit(&mut self, id: SeriesId, entity: &Entity) -> bool {
        let slot = match self.by_entity.get(entity) {
            Some(slot) => *slot,
            None if self.groups.len() >= self.room => return false,
            None => {
                self.groups.push(Group { entity: entity.clone(), channels: Vec::new(), joined: 0 });
                self.by_entity.insert(entity.clone(), self.groups.len() - 1);
                self.groups.len() - 1
            }
        };
        self.groups[slot].channels.push(id);
        true
    }

    /// One tick of all entities.
    pub(crate) fn update(&mut self, tick: &Tick) {
        self.readings.clear();
        self.readings.resize(self.groups.len(), None);
        self.blamed.clear();
        for (slot, group) in self.groups.iter_mut().enumerate() {
            if group.channels.len() < CHANNELS_MIN {
                continue;
            }
            if group.channels.len() as f64 >= GROWN * group.joined as f64 {
                group.joined = group.channels.len();
            }
            let value = |id: &SeriesId| tick.values.get(id.index()).copied().unwrap_or(f64::NAN);
            self.row.clear();
            self.row.extend(group.channels.iter().take(group.joined).map(value));
            if self.row.iter().all(|value| value.is_nan()) {
                continue;
            }
            let model = self.models.model(slot, group.joined);
            let reading = model.update(&self.row, true);
            if reading.p_value < ASKED {
                let contributions = model.contributions();
                let most = contributions.iter().copied().fold(0.0, f64::max);
                let p_value = libm::pow(reading.p_value, TRUSTED);
                let blamed = group.channels.iter().zip(&contributions);
                let blamed = blamed.filter(|(_, share)| **share > 0.0 && **share >= BLAMED * most);
                self.blamed.extend(blamed.map(|(id, _)| (*id, p_value)));
            }
            let Verdict { p_value, lasting, edge, .. } = reading;
            self.readings[slot] = Some(EntityReading { p_value, lasting, edge });
        }
    }

    /// What the last tick said of each entity that was heard, in the order of their coming.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (&Entity, &EntityReading)> {
        let entities = self.groups.iter().map(|group| &group.entity);
        entities.zip(&self.readings).filter_map(|(entity, reading)| Some((entity, reading.as_ref()?)))
    }

    /// The p-value that its entity gives a series; none if it is not to blame for anything.
    pub(crate) fn p_value(&self, id: SeriesId) -> Option<f64> {
        self.blamed.get(&id).copied()
    }

    /// Its score, as the bank's detectors have theirs.
    pub(crate) fn score(&self, id: SeriesId) -> Option<DetectorScore> {
        self.p_value(id).map(|p_value| DetectorScore { detector: NAME.to_owned(), p_value })
    }
}

impl Checkpointed for Entities {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.groups)?];
        tables.extend(self.models.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.groups = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        let slots = (0..).zip(&self.groups);
        self.by_entity = slots.map(|(slot, group)| (group.entity.clone(), slot)).collect();
        self.readings.clear();
        self.blamed.clear();
        self.models.restore(tables)
    }
}
