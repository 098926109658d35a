//! Half-space trees.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch, UInt16Array},
    datatypes::{DataType, Field, Schema, UInt16Type},
};
use serde::{Deserialize, Serialize};
use theriac_contract::{Checkpointed, StateError, StateTable};

use super::{random::SplitMix, settings::ForestSettingsError};

const NUMBERS: &str = "detectors.half_space.models";
const MASSES: &str = "detectors.half_space.masses";
const VERSION: u16 = 1;

/// Settings of half-space trees, the same for all models of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HalfSpaceSettings {
    /// Dimensions of a point, 1 to 128.
    pub dimensions: usize,
    /// Trees, at most 1024.
    pub trees: usize,
    /// Halvings from the root to a leaf, 1 to 15.
    pub height: usize,
    /// Points of a window, 1 to 60,000: a point is scored by the window before the present one.
    pub window: usize,
    /// Points in a node below which its halves are not looked at.
    pub size_limit: usize,
    /// Seed of the halvings.
    pub seed: u64,
}

impl Default for HalfSpaceSettings {
    fn default() -> Self {
        Self { dimensions: 1, trees: 25, height: 8, window: 250, size_limit: 25, seed: 0 }
    }
}

/// One halving.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Half {
    at: f64,
    dimension: u16,
}

/// What a model has beside its masses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Model {
    /// Points of the present window.
    points: usize,
    /// Whether a window has ended.
    speaks: bool,
    /// Smallest and largest value by dimension; none before the first point.
    range: Vec<(f64, f64)>,
}

/// Streaming half-space trees (Tan, Ting and Liu, "Fast Anomaly Detection for Streaming Data",
/// IJCAI 2011) over many models.
///
/// The trees do not depend on data, so all models share them; a model is the masses of its nodes. A leaf
/// counts the points of the present window; when that ends, its counts and their sums become the
/// reference by which points are scored. Values are scaled by the smallest and largest seen so far.
#[derive(Debug)]
pub struct HalfSpaceTrees {
    settings: HalfSpaceSettings,
    /// Inner nodes tree by tree, each in the order of a heap: children of i are 2 i + 1 and 2 i + 2.
    halves: Vec<Half>,
    models: Vec<Model>,
    /// Points of the reference window by model, tree and node.
    reference: Vec<u16>,
    /// Points of the present window by model, tree and leaf.
    latest: Vec<u16>,
}

impl HalfSpaceTrees {
    /// A pool without models.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn new(settings: HalfSpaceSettings) -> Result<Self, ForestSettingsError> {
        let bounds = [
            ("dimensions", settings.dimensions, 1, 128),
            ("trees", settings.trees, 1, 1024),
            ("height", settings.height, 1, 15),
            ("window", settings.window, 1, 60_000),
        ];
        for (name, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(ForestSettingsError(format!("{name} is {value}, not {least} to {most}")));
            }
        }
        let halves = (0..settings.trees).flat_map(|tree| halves(&settings, tree)).collect();
        Ok(Self { settings, halves, models: Vec::new(), reference: Vec::new(), latest: Vec::new() })
    }

    fn leaves(&self) -> usize {
        1 << self.settings.height
    }

    fn nodes(&self) -> usize {
        2 * self.leaves() - 1
    }

    /// Number of models.
    #[must_use]
    pub fn models(&self) -> usize {
        self.models.len()
    }

    /// Makes room for `models` models; never shrinks.
    pub fn grow(&mut self, models: usize) {
        let models = models.max(self.models.len());
        self.reference.resize(models * self.settings.trees * self.nodes(), 0);
        self.latest.resize(models * self.settings.trees * self.leaves(), 0);
        self.models.resize(models, Model { points: 0, speaks: false, range: Vec::new() });
    }

    /// Starts a model anew.
    pub fn forget(&mut self, model: usize) {
        let (nodes, leaves) = (self.settings.trees * self.nodes(), self.settings.trees * self.leaves());
        if let Some(state) = self.models.get_mut(model) {
            *state = Model { points: 0, speaks: false, range: Vec::new() };
            self.reference[model * nodes..(model + 1) * nodes].fill(0);
            self.latest[model * leaves..(model + 1) * leaves].fill(0);
        }
    }

    /// Scores a point, then learns it if `learn` says so. The score is 1 / (1 + m / window), m the
    /// mean over trees of mass * 2^depth of the node where the point stops: 1 where the reference
    /// window has no points, 1/2 where it is as dense as on average, towards 0 where it is
    /// denser. NaN before the first window has ended, and for a point that is not finite in all
    /// dimensions.
    ///
    /// # Panics
    /// If there is no such model or the point has fewer values than dimensions.
    pub fn process(&mut self, model: usize, point: &[f64], learn: bool) -> f64 {
        let point = &point[..self.settings.dimensions];
        if point.iter().any(|value| !value.is_finite()) {
            return f64::NAN;
        }
        let state = &mut self.models[model];
        if learn {
            state.range.resize(point.len(), (f64::INFINITY, f64::NEG_INFINITY));
            for (range, &value) in state.range.iter_mut().zip(point) {
                *range = (range.0.min(value), range.1.max(value));
            }
        }
        let scale = |(&value, &(low, high)): (&f64, &(f64, f64))| {
            let scaled = (value - low) / (high - low);
            if high > low { scaled.clamp(-1.0, 2.0) } else { 0.0 }
        };
        let scaled: Vec<f64> = point.iter().zip(&state.range).map(scale).collect();
        let speaks = state.speaks;
        if scaled.len() < point.len() {
            return f64::NAN;
        }
        let mass = self.pass(model, &scaled, learn);
        if learn {
            self.models[model].points += 1;
            if self.models[model].points == self.settings.window {
                self.turn(model);
            }
        }
        let even = (self.settings.window * self.settings.trees) as f64;
        if speaks { even / (even + mass) } else { f64::NAN }
    }

    /// Sum of mass * 2^depth over trees, of the node where the point stops; counts it if `learn`.
    fn pass(&mut self, model: usize, point: &[f64], learn: bool) -> f64 {
        let (nodes, leaves) = (self.nodes(), self.leaves());
        let mut sum = 0;
        for tree in 0..self.settings.trees {
            let halves = &self.halves[tree * (leaves - 1)..(tree + 1) * (leaves - 1)];
            let number = model * self.settings.trees + tree;
            let reference = &self.reference[number * nodes..(number + 1) * nodes];
            let (mut node, mut scored) = (0, None);
            for depth in 0..self.settings.height {
                let mass = usize::from(reference[node]);
                if mass <= self.settings.size_limit && scored.is_none() {
                    scored = Some(mass << depth);
                    if !learn {
                        break;
                    }
                }
                let half = &halves[node];
                node = 2 * node + 1 + usize::from(point[usize::from(half.dimension)] >= half.at);
            }
            sum += scored.unwrap_or_else(|| usize::from(reference[node]) << self.settings.height);
            if learn {
                self.latest[number * leaves + node + 1 - leaves] += 1;
            }
        }
        sum as f64
    }

    /// Ends a window: what was counted is what the next one is scored by.
    fn turn(&mut self, model: usize) {
        let (nodes, leaves) = (self.nodes(), self.leaves());
        for number in model * self.settings.trees..(model + 1) * self.settings.trees {
            let latest = &mut self.latest[number * leaves..(number + 1) * leaves];
            let reference = &mut self.reference[number * nodes..(number + 1) * nodes];
            reference[leaves - 1..].copy_from_slice(latest);
            latest.fill(0);
            for node in (0..leaves - 1).rev() {
                reference[node] = reference[2 * node + 1] + reference[2 * node + 2];
            }
        }
        self.models[model].points = 0;
        self.models[model].speaks = true;
    }

    /// Bytes of memory that the models take, and the trees that they share.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let ranges = self.models.len() * self.settings.dimensions * size_of::<(f64, f64)>();
        2 * (self.reference.capacity() + self.latest.capacity())
            + self.models.capacity() * size_of::<Model>()
            + ranges
            + self.halves.capacity() * size_of::<Half>()
    }
}

/// The halvings of a tree. Each dimension has a working range of its own about [0, 1]: twice the
/// larger part on either side of a random point. A node halves what is left of the range of a
/// random dimension.
fn halves(settings: &HalfSpaceSettings, tree: usize) -> Vec<Half> {
    let mut random = SplitMix::seeded(settings.seed, 0, tree as u64);
    let range = |random: &mut SplitMix| {
        let middle = random.unit();
        let reach = 2.0 * middle.max(1.0 - middle);
        (middle - reach, middle + reach)
    };
    let root: Vec<(f64, f64)> = (0..settings.dimensions).map(|_| range(&mut random)).collect();
    let mut ranges = vec![root];
    let mut halves = Vec::new();
    for node in 0..(1_usize << settings.height) - 1 {
        let dimension = random.below(settings.dimensions as u32) as usize;
        let within = std::mem::take(&mut ranges[node]);
        let (low, high) = within[dimension];
        let at = 0.5 * (low + high);
        halves.push(Half { at, dimension: dimension as u16 });
        for half in [(low, at), (at, high)] {
            let mut child = within.clone();
            child[dimension] = half;
            ranges.push(child);
        }
    }
    halves
}

fn malformed(table: &str, reason: impl ToString) -> StateError {
    StateError::Malformed { table: table.to_owned(), reason: reason.to_string() }
}

impl Checkpointed for HalfSpaceTrees {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let fields = vec![Field::new("mass", DataType::UInt16, false)];
        let masses = UInt16Array::from_iter_values(self.reference.iter().chain(&self.latest).copied());
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), vec![Arc::new(masses)])
            .map_err(|e| malformed(MASSES, e))?;
        Ok(vec![
            StateTable::from_json(NUMBERS, VERSION, &self.models)?,
            StateTable { name: MASSES.to_owned(), version: VERSION, rows },
        ])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let models: Vec<Model> = StateTable::to_json(tables, NUMBERS, VERSION)?;
        let masses = StateTable::find(tables, MASSES, VERSION)?.rows.column_by_name("mass");
        let masses = masses.and_then(|masses| masses.as_primitive_opt::<UInt16Type>());
        let reference = models.len() * self.settings.trees * self.nodes();
        let latest = models.len() * self.settings.trees * self.leaves();
        let masses = masses.filter(|masses| masses.null_count() == 0 && masses.len() == reference + latest);
        let masses = masses.ok_or_else(|| malformed(MASSES, "masses of other trees"))?.values();
        self.reference = masses[..reference].to_vec();
        self.latest = masses[reference..].to_vec();
        self.models = models;
        Ok(())
    }
}
