//! The forest as a detector of chosen series.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use super::{ForestSettings, ForestSettingsError, Forests};
use crate::{past::Past, slots::Numbers};

const TABLE: &str = "detectors.forest.series";
const VERSION: u16 = 1;

/// P-value below which the expected value is looked for: it costs about as much as the score.
const WORTH_EXPLAINING: f64 = 0.05;

/// What the forest says of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForestReading {
    /// Mean over trees of how early a cut isolates the last ticks.
    pub score: f64,
    /// How often the series' own past scored as much; 1 while warming up.
    pub p_value: f64,
    /// What the trees would have put in the value's place, if it is unusual; else NaN.
    pub expected: f64,
}

/// Which model a series has, and what its scores were.
#[derive(Serialize, Deserialize)]
struct Saved {
    models: BTreeMap<usize, usize>,
    pasts: Vec<Vec<f64>>,
}

/// A random cut forest for each series that was chosen with [`ForestDetector::select`]; the others
/// cost nothing.
#[derive(Debug)]
pub struct ForestDetector {
    forests: Forests,
    warmup_ticks: u32,
    /// Model of each chosen series.
    models: BTreeMap<usize, usize>,
    /// By model.
    pasts: Vec<Past>,
}

impl ForestDetector {
    /// Scores before anything is said, unless set otherwise.
    pub const WARMUP_TICKS: u32 = 256;

    /// A detector that has no series yet, each with forests as `settings` say; one channel.
    ///
    /// # Errors
    /// If a setting is out of its bounds, or there is more than one channel.
    pub fn new(settings: ForestSettings, warmup_ticks: Option<u32>) -> Result<Self, ForestSettingsError> {
        if settings.channels != 1 {
            return Err(ForestSettingsError(format!("channels is {}; a series has one", settings.channels)));
        }
        let warmup_ticks = warmup_ticks.unwrap_or(Self::WARMUP_TICKS);
        let forests = Forests::new(settings)?;
        Ok(Self { forests, warmup_ticks, models: BTreeMap::new(), pasts: Vec::new() })
    }

    /// Gives a series a model, if it has none.
    pub fn select(&mut self, series: SeriesId) {
        let next = self.models.len();
        self.models.entry(series.index()).or_insert(next);
        self.forests.grow(self.models.len());
        self.pasts.resize(self.models.len(), Past::default());
    }

    /// Starts a series anew, as if it had never been seen.
    pub fn forget(&mut self, series: SeriesId) {
        if let Some(&model) = self.models.get(&series.index()) {
            self.forests.forget(model);
            self.pasts[model] = Past::default();
        }
    }

    /// The forests, to ask for attributions. Models are numbered as they were selected.
    pub fn forests(&mut self) -> &mut Forests {
        &mut self.forests
    }

    /// Takes the next value of a series; NaN is absent. None if the series was not chosen, or the
    /// value is absent or comes before the first whole shingle. Not learnt from unless `learn`.
    pub fn update(&mut self, series: SeriesId, value: f64, learn: bool) -> Option<ForestReading> {
        let model = *self.models.get(&series.index())?;
        if !self.forests.advance(model, &[value]) {
            return None;
        }
        let score = self.forests.score(model);
        let past = &mut self.pasts[model];
        let p_value = if score.is_nan() { 1.0 } else { past.p_value(score, f64::from(self.warmup_ticks)) };
        if learn && !score.is_nan() {
            past.learn(score);
        }
        let unusual = p_value < WORTH_EXPLAINING;
        let expected = if unusual { self.forests.expected(model, 0) } else { f64::NAN };
        if learn {
            self.forests.learn(model);
        }
        (!score.is_nan()).then_some(ForestReading { score, p_value, expected })
    }
}

impl Checkpointed for ForestDetector {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let save = |past: &Past| {
            let mut numbers = Vec::new();
            past.save(&mut numbers);
            numbers
        };
        let saved = Saved { models: self.models.clone(), pasts: self.pasts.iter().map(save).collect() };
        let mut tables = vec![StateTable::from_json(TABLE, VERSION, &saved)?];
        tables.extend(self.forests.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let malformed =
            |reason: &str| StateError::Malformed { table: TABLE.to_owned(), reason: reason.to_owned() };
        let saved: Saved = StateTable::to_json(tables, TABLE, VERSION)?;
        let load = |numbers: &Vec<f64>| Past::load(&mut Numbers::new(numbers));
        let pasts: Option<Vec<Past>> = saved.pasts.iter().map(load).collect();
        let pasts = pasts.ok_or_else(|| malformed("a past has too few numbers"))?;
        self.forests.restore(tables)?;
        let numbered = saved.models.values().all(|model| *model < pasts.len());
        if !numbered || saved.models.len() != pasts.len() || self.forests.models() != pasts.len() {
            return Err(malformed("a model for each series was expected"));
        }
        self.models = saved.models;
        self.pasts = pasts;
        Ok(())
    }
}
