//! The forest as a detector of chosen series.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Field, Float64Type, Schema},
};
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use super::{ForestSettings, ForestSettingsError, Forests};
use crate::{
    arithmetic::most,
    block::{BLOCK, Block, BlockScores},
    calibration::{self, Calibration},
    detector::{Detector, Spec},
};

const SERIES: &str = "detectors.forest";

/// P-value below which the expected value is looked for: it costs about as much as the score.
const WORTH_EXPLAINING: f64 = 0.05;

/// A random cut forest for each series that was chosen with [`ForestDetector::select`]. The others
/// cost nothing and are ordinary.
#[derive(Debug)]
pub struct ForestDetector {
    forests: Forests,
    series: usize,
    warmup_ticks: u32,
    /// Model of each chosen series.
    models: BTreeMap<usize, usize>,
    /// By model.
    calibrations: Vec<[f64; 8]>,
}

impl ForestDetector {
    /// What this detector is.
    pub const SPEC: Spec = Spec {
        name: "forest",
        sees: "a shape of the last ticks that is unlike those before",
        formula: "mean over random cut trees of 1 / (depth + 1) where a cut isolates the last ticks (Guha et al. 2016)",
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: 575_000,
    };

    /// A detector that has no series yet, each with forests as `settings` say; one channel.
    ///
    /// # Errors
    /// If a setting is out of its bounds, or there is more than one channel.
    pub fn new(settings: ForestSettings, warmup_ticks: Option<u32>) -> Result<Self, ForestSettingsError> {
        if settings.channels != 1 {
            return Err(ForestSettingsError(format!("channels is {}; a series has one", settings.channels)));
        }
        let warmup_ticks = warmup_ticks.unwrap_or(Self::SPEC.warmup_ticks);
        let forests = Forests::new(settings)?;
        Ok(Self { forests, series: 0, warmup_ticks, models: BTreeMap::new(), calibrations: Vec::new() })
    }

    /// Gives a series a model, if it has none.
    pub fn select(&mut self, series: SeriesId) {
        let next = self.models.len();
        self.models.entry(series.index()).or_insert(next);
        self.forests.grow(self.models.len());
        self.calibrations.resize(self.models.len(), [0.0; 8]);
    }

    /// The forests, to ask for attributions. Models are numbered as they were selected.
    pub fn forests(&mut self) -> &mut Forests {
        &mut self.forests
    }

    fn update_lane(&mut self, model: usize, input: &Block, lane: usize, out: &mut BlockScores) {
        let value = input.values[lane];
        if !self.forests.advance(model, &[value]) {
            return;
        }
        let score = self.forests.score(model);
        let learn = input.learn[lane] > 0.0;
        if !score.is_nan() {
            let calibration = Calibration::load(self.calibrations[model]);
            let warmup = f64::from(self.warmup_ticks);
            let mut p_value = calibration.p_value(score, 0.0, warmup);
            if p_value < WORTH_EXPLAINING {
                let expected = self.forests.expected(model, 0);
                let relative = (value - expected).abs() / most(expected.abs(), 1.0);
                p_value = calibration.p_value(score, relative, warmup);
                out.expected[lane] = expected;
            }
            out.p_value[lane] = p_value;
            if learn {
                self.calibrations[model] = calibration.learn(score).store();
            }
        }
        if learn {
            self.forests.learn(model);
        }
    }
}

impl Detector for ForestDetector {
    fn spec(&self) -> &Spec {
        &Self::SPEC
    }

    fn series(&self) -> usize {
        self.series
    }

    fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
    }

    fn forget(&mut self, series: SeriesId) {
        if let Some(&model) = self.models.get(&series.index()) {
            self.forests.forget(model);
            self.calibrations[model] = [0.0; 8];
        }
    }

    fn warmup(&self, series: SeriesId) -> (u32, u32) {
        let model = self.models.get(&series.index());
        let seen = model.map_or(0.0, |&model| self.calibrations[model][0]);
        (seen.min(f64::from(self.warmup_ticks)) as u32, self.warmup_ticks)
    }

    fn update_block(&mut self, block: usize, input: &Block, out: &mut BlockScores) {
        *out = BlockScores::ORDINARY;
        let first = block * BLOCK;
        let of_block: Vec<(usize, usize)> = self
            .models
            .range(first..first + BLOCK)
            .map(|(&series, &model)| (series - first, model))
            .collect();
        for (lane, model) in of_block {
            self.update_lane(model, input, lane, out);
        }
    }
}

impl Checkpointed for ForestDetector {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let malformed = |reason: String| StateError::Malformed { table: SERIES.to_owned(), reason };
        let mut by_model = vec![0; self.models.len()];
        self.models.iter().for_each(|(&series, &model)| by_model[model] = series as u64);
        let mut fields = vec![Field::new("series", DataType::UInt64, false)];
        let mut columns: Vec<arrow::array::ArrayRef> =
            vec![Arc::new(arrow::array::UInt64Array::from(by_model))];
        for (column, name) in calibration::COLUMNS.iter().enumerate() {
            let values = self.calibrations.iter().map(|calibration| calibration[column]);
            fields.push(Field::new(*name, DataType::Float64, false));
            columns.push(Arc::new(arrow::array::Float64Array::from_iter_values(values)));
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|e| malformed(e.to_string()))?;
        let mut tables = vec![
            StateTable::from_json("detectors.forest.series", 1, &self.series)?,
            StateTable { name: SERIES.to_owned(), version: Self::SPEC.state_version, rows },
        ];
        tables.extend(self.forests.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let malformed =
            |reason: &str| StateError::Malformed { table: SERIES.to_owned(), reason: reason.to_owned() };
        let rows = &StateTable::find(tables, SERIES, Self::SPEC.state_version)?.rows;
        let series =
            rows.column_by_name("series").and_then(|c| c.as_primitive_opt::<arrow::datatypes::UInt64Type>());
        let series = series.ok_or_else(|| malformed("a column `series` was expected"))?;
        let mut calibrations = vec![[0.0; 8]; rows.num_rows()];
        for (column, name) in calibration::COLUMNS.iter().enumerate() {
            let values = rows.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
            let values = values.filter(|values| values.null_count() == 0);
            let values = values.ok_or_else(|| malformed("columns of a calibration were expected"))?;
            for (calibration, &value) in calibrations.iter_mut().zip(values.values()) {
                calibration[column] = value;
            }
        }
        let models: BTreeMap<usize, usize> =
            series.values().iter().enumerate().map(|(model, &series)| (series as usize, model)).collect();
        self.forests.restore(tables)?;
        if models.len() != calibrations.len() || self.forests.models() != models.len() {
            return Err(malformed("a model for each series was expected"));
        }
        self.series = StateTable::to_json(tables, "detectors.forest.series", 1)?;
        self.models = models;
        self.calibrations = calibrations;
        Ok(())
    }
}
