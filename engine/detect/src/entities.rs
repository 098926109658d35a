//! Entities judged as a whole: do all metrics of one still move together as they did?
//!
//! A queue that grows with the load is ordinary; one that grows without it is not, and neither
//! series shows that by itself. The metrics of an entity are the channels of several models
//! ([`theriac_detectors::multivariate`]). What they say counts for the channels that it is due to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Checkpointed, DetectorScore, Entity, SeriesId, StateError, StateTable, Tick};
use theriac_detectors::{
    P_VALUE_MIN,
    multivariate::{
        Multivariate, Reading,
        correlation::{Correlation, CorrelationSettings},
        mahalanobis::{Mahalanobis, MahalanobisSettings},
        subspace::{Subspace, SubspaceSettings},
    },
    slots::Slots,
};

const TABLE: &str = "detect.entities";
const TABLE_VERSION: u16 = 2;
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
/// P-value below which an anomaly begins.
const EDGE_BELOW: f64 = 1e-3;
/// Ticks without such a p-value after which another anomaly may begin.
const REFRACTORY_TICKS: u32 = 32;

/// How the metrics of an entity are judged together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EntitySettings {
    /// Entities (hosts, instances) judged as a whole at most, the first that come; 0 for none. One
    /// with 40 metrics costs 0.4 MB and about 0.1 ms a tick.
    pub at_most: usize,
    /// Rows whose recent course leaves the directions in which the entity usually moves; null if
    /// this is not looked at.
    pub subspace: Option<SubspaceSettings>,
    /// Rows that are far from the mean, in units of the usual joint spread; `{}` switches it on.
    pub mahalanobis: Option<MahalanobisSettings>,
    /// Channels that no longer move together as they did; `{}` switches it on.
    pub correlation: Option<CorrelationSettings>,
}

impl Default for EntitySettings {
    fn default() -> Self {
        Self {
            at_most: 64,
            subspace: Some(SubspaceSettings::default()),
            mahalanobis: None,
            correlation: None,
        }
    }
}

/// What the last tick said of one entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntityReading {
    /// How often its past looked at least this unusual, over all models; 1 while warming up.
    pub p_value: f64,
    /// A score that lasts as long as the anomaly and fades after it: ln(1 + s), where s is
    /// about 1 while all is ordinary, of the first model that is enabled; 0 while warming up.
    pub lasting: f64,
    /// Whether an anomaly begins.
    pub edge: bool,
}

/// The channels of one entity.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    entity: Entity,
    channels: Vec<SeriesId>,
    /// How many of them the models were made for.
    joined: usize,
    /// Ticks since the p-value was last that of an anomaly.
    quiet: u32,
}

/// What a model says of a channel that is to blame.
#[derive(Clone, Copy, Debug)]
struct Blame {
    detector: &'static str,
    p_value: f64,
}

/// One kind of model, for all entities.
struct Family<M: Multivariate> {
    models: Slots<M>,
    enabled: bool,
}

impl<M: Multivariate> Family<M> {
    fn new(settings: Option<M::Settings>) -> Self
    where
        M::Settings: Default,
    {
        let enabled = settings.is_some();
        Self { models: Slots::new(settings.unwrap_or_default()), enabled }
    }

    /// One row of an entity; adds to `blamed` what it says of the channels that it is due to.
    fn judge(
        &mut self,
        slot: usize,
        row: &[f64],
        channels: &[SeriesId],
        blamed: &mut BTreeMap<SeriesId, Vec<Blame>>,
    ) -> Option<Reading> {
        if !self.enabled {
            return None;
        }
        let model = self.models.model(slot, row.len());
        let reading = model.update(row, true);
        if reading.p_value < ASKED {
            let contributions = model.contributions();
            let most = contributions.iter().copied().fold(0.0, f64::max);
            let blame = Blame { detector: M::SPEC.name, p_value: libm::pow(reading.p_value, TRUSTED) };
            for (id, share) in channels.iter().zip(contributions.iter()) {
                if *share > 0.0 && *share >= BLAMED * most {
                    blamed.entry(*id).or_default().push(blame);
                }
            }
        }
        Some(reading)
    }
}

/// The entities that there is room for, each with models of all its metrics.
pub(crate) struct Entities {
    subspace: Family<Subspace>,
    mahalanobis: Family<Mahalanobis>,
    correlation: Family<Correlation>,
    at_most: usize,
    groups: Vec<Group>,
    by_entity: BTreeMap<Entity, usize>,
    /// By slot; none of what was not heard in the last tick, or has too few channels.
    readings: Vec<Option<EntityReading>>,
    /// What the last tick says of series that are to blame.
    blamed: BTreeMap<SeriesId, Vec<Blame>>,
    row: Vec<f64>,
}

impl Entities {
    pub(crate) fn new(settings: &EntitySettings) -> Self {
        Self {
            subspace: Family::new(settings.subspace),
            mahalanobis: Family::new(settings.mahalanobis),
            correlation: Family::new(settings.correlation),
            at_most: settings.at_most,
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
            None if self.groups.len() >= self.at_most => return false,
            None => {
                let (entity, quiet) = (entity.clone(), REFRACTORY_TICKS);
                self.by_entity.insert(entity.clone(), self.groups.len());
                self.groups.push(Group { entity, channels: Vec::new(), joined: 0, quiet });
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
            let channels = &group.channels[..group.joined];
            let value = |id: &SeriesId| tick.values.get(id.index()).copied().unwrap_or(f64::NAN);
            self.row.clear();
            self.row.extend(channels.iter().map(value));
            if self.row.iter().all(|value| value.is_nan()) {
                continue;
            }
            let (row, blamed) = (&self.row, &mut self.blamed);
            let said = [
                self.subspace.judge(slot, row, channels, blamed),
                self.mahalanobis.judge(slot, row, channels, blamed),
                self.correlation.judge(slot, row, channels, blamed),
            ];
            self.readings[slot] = group.reading(said.iter().flatten());
        }
    }

    /// What the last tick said of each entity that was heard, in the order of their coming.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (&Entity, &EntityReading)> {
        let entities = self.groups.iter().map(|group| &group.entity);
        entities.zip(&self.readings).filter_map(|(entity, reading)| Some((entity, reading.as_ref()?)))
    }

    /// The p-values that its entity gives a series; none if it is not to blame for anything.
    pub(crate) fn p_values(&self, id: SeriesId) -> impl Iterator<Item = f64> {
        self.blamed.get(&id).into_iter().flatten().map(|blame| blame.p_value)
    }

    /// Their scores, as the bank's detectors have theirs.
    pub(crate) fn scores(&self, id: SeriesId) -> impl Iterator<Item = DetectorScore> {
        let blamed = self.blamed.get(&id).into_iter().flatten();
        blamed.map(|blame| DetectorScore { detector: blame.detector.to_owned(), p_value: blame.p_value })
    }
}

impl Group {
    /// What all models say together; none if none is enabled.
    fn reading<'a>(&mut self, said: impl Iterator<Item = &'a Reading>) -> Option<EntityReading> {
        let (mut count, mut odds, mut lasting) = (0.0, 0.0, None);
        for reading in said {
            count += 1.0;
            odds += 1.0 / reading.p_value;
            lasting.get_or_insert(reading.lasting);
        }
        let lasting = lasting?;
        let p_value = (count / odds).clamp(P_VALUE_MIN, 1.0);
        let below = p_value < EDGE_BELOW;
        let edge = below && self.quiet >= REFRACTORY_TICKS;
        self.quiet = if below { 0 } else { self.quiet.saturating_add(1).min(REFRACTORY_TICKS) };
        Some(EntityReading { p_value, lasting, edge })
    }
}

impl Checkpointed for Entities {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.groups)?];
        tables.extend(self.subspace.models.snapshot()?);
        tables.extend(self.mahalanobis.models.snapshot()?);
        tables.extend(self.correlation.models.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.groups = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        let slots = (0..).zip(&self.groups);
        self.by_entity = slots.map(|(slot, group)| (group.entity.clone(), slot)).collect();
        self.readings.clear();
        self.blamed.clear();
        self.subspace.models.restore(tables)?;
        self.mahalanobis.models.restore(tables)?;
        self.correlation.models.restore(tables)
    }
}
