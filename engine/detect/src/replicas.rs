//! Replicas judged beside each other: does one of those that should be alike differ?
//!
//! All replicas of a service meet the same load, so what is common to them is no news; a replica
//! that leaves the others is, however ordinary its value would be for itself.

use std::collections::BTreeMap;

use theriac_contract::{Checkpointed, DetectorScore, Series, SeriesId, StateError, StateTable, Tick};
use theriac_detectors::{
    peers::{PeerSettings, Peers},
    slots::Slots,
};

use crate::siblings::kind;

/// Name of the detector in symptoms.
const NAME: &str = "peers";
/// Share of the digits of a p-value that one tick is believed: a replica that differs does so for
/// many ticks, so two of them are not more than one.
const TRUSTED: f64 = 0.5;

/// The replicas that measure the same, service by service.
pub(crate) struct Replicas {
    models: Slots<Peers>,
    enabled: bool,
    groups: Vec<Vec<SeriesId>>,
    by_kind: BTreeMap<String, usize>,
    /// What the last tick says of series that leave the others.
    p_values: BTreeMap<SeriesId, f64>,
    row: Vec<f64>,
}

impl Replicas {
    /// None: replicas are not compared.
    pub(crate) fn new(settings: Option<PeerSettings>) -> Self {
        Self {
            models: Slots::new(settings.unwrap_or_default()),
            enabled: settings.is_some(),
            groups: Vec::new(),
            by_kind: BTreeMap::new(),
            p_values: BTreeMap::new(),
            row: Vec::new(),
        }
    }

    /// Takes in a series; only those of instances have others that are like them.
    pub(crate) fn admit(&mut self, id: SeriesId, series: &Series) {
        let Some(kind) = kind(series).filter(|_| self.enabled) else { return };
        let slot = *self.by_kind.entry(kind).or_insert(self.groups.len());
        if slot == self.groups.len() {
            self.groups.push(Vec::new());
        }
        self.groups[slot].push(id);
    }

    /// One tick of all. A service of which one series does not `learn` teaches nothing.
    pub(crate) fn update(&mut self, tick: &Tick, learn: &[bool]) {
        self.p_values.clear();
        for (slot, replicas) in self.groups.iter().enumerate().filter(|(_, replicas)| replicas.len() > 2) {
            self.row.clear();
            let value = |id: &SeriesId| tick.values.get(id.index()).copied().unwrap_or(f64::NAN);
            self.row.extend(replicas.iter().map(value));
            // With room to grow: a model of another size begins anew.
            let model = self.models.model(slot, replicas.len().next_power_of_two());
            model.update(&self.row, replicas.iter().all(|id| learn[id.index()]));
            let leaving = replicas.iter().zip(model.readings()).filter(|(_, reading)| reading.disagrees);
            let leaving = leaving.filter(|(_, reading)| reading.p_value < 1.0);
            self.p_values.extend(leaving.map(|(id, reading)| (*id, libm::pow(reading.p_value, TRUSTED))));
        }
    }

    /// What its fellows say of a series; none if it agrees with them, or has none.
    pub(crate) fn p_value(&self, id: SeriesId) -> Option<f64> {
        self.p_values.get(&id).copied()
    }

    /// Its score, as the bank's detectors have theirs.
    pub(crate) fn score(&self, id: SeriesId) -> Option<DetectorScore> {
        self.p_value(id).map(|p_value| DetectorScore { detector: NAME.to_owned(), p_value })
    }

    pub(crate) fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        self.models.snapshot()
    }

    /// Goes on from what was kept, with the series of before in their order.
    pub(crate) fn restore<'a>(
        &mut self,
        tables: &[StateTable],
        series: impl Iterator<Item = (SeriesId, &'a Series)>,
    ) -> Result<(), StateError> {
        self.groups.clear();
        self.by_kind.clear();
        self.p_values.clear();
        series.for_each(|(id, series)| self.admit(id, series));
        self.models.restore(tables)
    }
}
