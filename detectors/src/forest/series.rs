//! Forests and half-space trees as detectors of the bank. A series has a model from its first value on: a
//! place in the pool is dear.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable, Timestamp};

use super::{ForestDetector, HalfSpaceSettings, HalfSpaceTrees};
use crate::{
    arithmetic::ln,
    detector::Spec,
    modelled::{self, Reading, SeriesModels},
};

impl SeriesModels for ForestDetector {
    const SPEC: Spec = Spec {
        name: "forest",
        sees: "a course of the last values that few cuts part from all others",
        formula: "mean over 50 trees of how early a random cut isolates the last 8 values (AWS's score)",
        source: "Guha, Mishra, Roy and Schrijvers 2016",
        parameters: &[],
        state_version: 1,
        warmup_ticks: Self::WARMUP_TICKS,
        bytes_per_series: modelled::BYTES + 625_000,
        on_by_default: false,
    };

    fn grow(&mut self, _series: usize) {}

    fn forget(&mut self, series: usize) {
        self.forget(id(series));
    }

    fn update(&mut self, series: usize, value: f64, _at: Timestamp, learn: bool) -> Option<Reading> {
        self.select(id(series));
        let reading = self.update(id(series), value, learn)?;
        Some(Reading { expected: reading.expected, ..Reading::of(reading.score) })
    }

    fn skip(&mut self, _series: usize, _at: Timestamp) {}
}

#[expect(clippy::cast_possible_truncation, reason = "series have 32 bits")]
const fn id(series: usize) -> SeriesId {
    SeriesId(series as u32)
}

/// Values in a point of the half-space trees.
const SHINGLE: usize = 4;
const TABLE: &str = "detectors.half_space.series";
const VERSION: u16 = 1;

/// Half-space trees over the last values of each series.
#[derive(Debug)]
pub(crate) struct HalfSpaceSeries {
    settings: HalfSpaceSettings,
    trees: HalfSpaceTrees,
    places: BTreeMap<usize, Place>,
}

/// Where a series is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// Its model in the pool.
    model: usize,
    /// The last values, oldest first.
    last: Vec<f64>,
}

impl HalfSpaceSeries {
    pub(crate) fn new() -> Self {
        let settings = HalfSpaceSettings { dimensions: SHINGLE, ..HalfSpaceSettings::default() };
        let trees = HalfSpaceTrees::new(settings).expect("the defaults are within bounds");
        Self { settings, trees, places: BTreeMap::new() }
    }
}

impl SeriesModels for HalfSpaceSeries {
    const SPEC: Spec = Spec {
        name: "half_space",
        sees: "a course of the last values where there were few before",
        formula: "ln(1 + even density / density at the last 4 values), by 25 trees of half-spaces over the window before",
        source: "Tan, Ting and Liu 2011",
        parameters: &[],
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: modelled::BYTES + 40_000,
        on_by_default: false,
    };

    fn grow(&mut self, _series: usize) {}

    fn forget(&mut self, series: usize) {
        if let Some(place) = self.places.get_mut(&series) {
            place.last.clear();
            self.trees.forget(place.model);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "points of a window in all trees")]
    fn update(&mut self, series: usize, value: f64, _at: Timestamp, learn: bool) -> Option<Reading> {
        let next = self.places.len();
        let place = self.places.entry(series).or_insert_with(|| {
            self.trees.grow(next + 1);
            Place { model: next, last: Vec::with_capacity(SHINGLE) }
        });
        if place.last.len() == SHINGLE {
            place.last.remove(0);
        }
        place.last.push(value);
        if place.last.len() < SHINGLE {
            return None;
        }
        let score = self.trees.process(place.model, &place.last, learn);
        // Where there was nothing, as if one tree had seen one point there.
        let even = (self.settings.window * self.settings.trees) as f64;
        (!score.is_nan()).then(|| Reading::of(-ln((1.0 - score).max(1.0 / (1.0 + even)))))
    }

    fn skip(&mut self, _series: usize, _at: Timestamp) {}
}

impl Checkpointed for HalfSpaceSeries {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, VERSION, &self.places)?];
        tables.extend(self.trees.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let places: BTreeMap<usize, Place> = StateTable::to_json(tables, TABLE, VERSION)?;
        self.trees.restore(tables)?;
        let whole = |place: &Place| place.model < self.trees.models() && place.last.len() <= SHINGLE;
        if !places.values().all(whole) {
            return Err(StateError::Malformed {
                table: TABLE.to_owned(),
                reason: "a model for each series was expected".to_owned(),
            });
        }
        self.places = places;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::ForestSettings;

    /// Noise, and a quiet spell of each kind that there is.
    fn value(t: u32) -> f64 {
        let noise = f64::from(t.wrapping_mul(2_654_435_761) >> 8) / 1e6;
        if t % 1_000 < 50 { 5.0 } else { noise }
    }

    #[test]
    fn the_specs_say_what_a_series_takes() {
        let mut forest = ForestDetector::new(ForestSettings::default(), None).unwrap();
        let mut half_space = HalfSpaceSeries::new();
        let shared = half_space.trees.bytes();
        for t in 0..50_000 {
            SeriesModels::update(&mut forest, 0, value(t), Timestamp(0), true);
            half_space.update(0, value(t), Timestamp(0), true);
        }
        let used = [forest.forests().bytes(), half_space.trees.bytes() - shared];
        let told =
            [<ForestDetector as SeriesModels>::SPEC, HalfSpaceSeries::SPEC].map(|spec| spec.bytes_per_series);
        assert!(
            used.iter().zip(told).all(|(used, told)| (told * 3 / 4..told).contains(used)),
            "{used:?} of {told:?}"
        );
    }

    #[test]
    fn series_do_not_touch_each_other_and_begin_anew_when_forgotten() {
        let (mut alone, mut among) = (HalfSpaceSeries::new(), HalfSpaceSeries::new());
        for t in 0..1_000 {
            let other = among.update(9, value(t + 7), Timestamp(0), true);
            assert!(other.is_none() || t > 3);
            let a = alone.update(4, value(t), Timestamp(0), true).map(|reading| reading.score.to_bits());
            let b = among.update(4, value(t), Timestamp(0), true).map(|reading| reading.score.to_bits());
            assert_eq!(a, b, "tick {t}");
        }
        among.forget(9);
        assert_eq!(among.update(9, 1.0, Timestamp(0), true), None);
        assert!(among.update(4, 1.0, Timestamp(0), true).is_some());
    }
}
