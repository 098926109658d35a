//! Random cut forests over many series, in flat arrays.
//!
//! A random cut tree parts a sample of points by random cuts until each is alone; a point that is
//! parted from the others early is unusual (Guha, Mishra, Roy and Schrijvers, "Robust Random Cut
//! Forest Based Anomaly Detection On Streams", ICML 2016). [`Forests`] scores as AWS's
//! implementation does, within its scatter from seed to seed, but keeps many models in one
//! pool: points are 16-bit levels that all trees of a model share, nodes are 8 bytes with the counts of
//! copies and their boxes 4 a dimension, weights are 16-bit steps. Trees are walked side by side down to
//! the leaves, then the lowest boxes on the way are measured side by side, and a tree draws a random
//! number when it takes a point, not for every point that it passes over. `benches/peers` says what that
//! comes to.
//!
//! ```
//! use theriac_detectors::forest::{ForestSettings, Forests};
//! let mut forests = Forests::new(ForestSettings::default())?;
//! forests.grow(1);
//! for tick in 0..1000 {
//!     forests.process(0, &[f64::from(tick % 10)], true);
//! }
//! let ordinary = forests.process(0, &[0.0], true);
//! let unusual = forests.process(0, &[25.0], false);
//! assert!(unusual > 2.0 * ordinary);
//! assert!((forests.expected(0, 0) - 1.0).abs() < 0.01);
//! # Ok::<(), theriac_detectors::forest::ForestSettingsError>(())
//! ```

mod cover;
mod descent;
mod detector;
mod half_space;
mod learning;
mod pool;
mod random;
mod ring;
mod sampling;
mod scale;
mod scoring;
mod series;
mod settings;
mod state;
mod tree;

pub use detector::{ForestDetector, ForestReading};
pub use half_space::{HalfSpaceSettings, HalfSpaceTrees};
use pool::Pool;
pub(crate) use series::HalfSpaceSeries;
use theriac_contract::{Checkpointed, StateError, StateTable};

pub use settings::{ForestSettings, ForestSettingsError};

/// Random cut forests, one for each model. All take the same steps in the same order whatever
/// the machine: same input, same bits.
///
/// Each tick of a model is [`Forests::advance`], then [`Forests::score`], then
/// [`Forests::learn`] if it is to be learnt; [`Forests::process`] is all three.
///
/// Values become levels on a scale of their channel that takes in what was seen so far. When a
/// value lies outside, the scale grows and the trees of the model are made anew from their
/// samples. A single value far out stops growing it before the bulk of the others becomes hard to
/// tell apart. If the present values are too close together for the scale, it is made finer
/// and the model starts anew. Each channel has a scale of its own, so its unit does not matter.
#[derive(Debug)]
pub struct Forests {
    pools: Pools,
}

/// A pool for each width of a point, so that the compiler knows it.
#[derive(Debug)]
enum Pools {
    Of8(Pool<8>),
    Of16(Pool<16>),
    Of32(Pool<32>),
    Of64(Pool<64>),
    Of128(Pool<128>),
}

macro_rules! each {
    ($pools:expr, $pool:ident => $result:expr) => {
        match $pools {
            Pools::Of8($pool) => $result,
            Pools::Of16($pool) => $result,
            Pools::Of32($pool) => $result,
            Pools::Of64($pool) => $result,
            Pools::Of128($pool) => $result,
        }
    };
}

impl Forests {
    /// A pool without models.
    ///
    /// # Errors
    /// If a setting is out of its bounds.
    pub fn new(settings: ForestSettings) -> Result<Self, ForestSettingsError> {
        settings.check()?;
        let pools = match settings.dimensions() {
            0..=8 => Pools::Of8(Pool::new(settings)),
            9..=16 => Pools::Of16(Pool::new(settings)),
            17..=32 => Pools::Of32(Pool::new(settings)),
            33..=64 => Pools::Of64(Pool::new(settings)),
            _ => Pools::Of128(Pool::new(settings)),
        };
        Ok(Self { pools })
    }

    /// What it is made of.
    #[must_use]
    pub fn settings(&self) -> &ForestSettings {
        each!(&self.pools, pool => &pool.settings)
    }

    /// Number of models.
    #[must_use]
    pub fn models(&self) -> usize {
        each!(&self.pools, pool => pool.models.len())
    }

    /// Makes room for `models` models; never shrinks.
    pub fn grow(&mut self, models: usize) {
        each!(&mut self.pools, pool => pool.grow(models));
    }

    /// Starts a model anew, as if it had never been seen.
    pub fn forget(&mut self, model: usize) {
        each!(&mut self.pools, pool => pool.forget(model));
    }

    /// Points that a model has learnt, and those that it needs before there is a score.
    ///
    /// # Panics
    /// If there is no such model; so do all methods below.
    #[must_use]
    pub fn warmup(&self, model: usize) -> (u64, u64) {
        each!(&self.pools, pool => (pool.models[model].learnt, pool.settings.warmup()))
    }

    /// The next tick of a model, one value a channel. A value is absent if it is missing, NaN,
    /// infinite or beyond 1e150; an absent channel keeps its last value. Returns false, and nothing
    /// happens, if all are absent.
    pub fn advance(&mut self, model: usize, values: &[f64]) -> bool {
        each!(&mut self.pools, pool => pool.advance(model, values))
    }

    /// Score of the present point by what was learnt so far: about 0.5 for what is always the same, 1 for
    /// the ordinary, log2(sample size + 1) / 2 for a point far from all. NaN until there is one.
    #[must_use]
    pub fn score(&mut self, model: usize) -> f64 {
        each!(&mut self.pools, pool => pool.score(model))
    }

    /// Learns the present point.
    pub fn learn(&mut self, model: usize) {
        each!(&mut self.pools, pool => pool.learn(model));
    }

    /// [`Forests::advance`], [`Forests::score`], and [`Forests::learn`] if `learn` says so. NaN if there
    /// is no score.
    pub fn process(&mut self, model: usize, values: &[f64], learn: bool) -> f64 {
        if !self.advance(model, values) {
            return f64::NAN;
        }
        let score = self.score(model);
        if learn {
            self.learn(model);
        }
        score
    }

    /// Shares the score of the present point out over dimensions, oldest tick first, the channels
    /// of a tick side by side: `high` where the value is too large, `low` where it is too small. All
    /// shares together are the score. Returns false, and nothing is written, if there is no score.
    pub fn attribution(&mut self, model: usize, high: &mut [f64], low: &mut [f64]) -> bool {
        each!(&mut self.pools, pool => pool.attribution(model, high, low))
    }

    /// What the newest value of a channel would be, were it as usual given the rest of the present
    /// point: by tree that of the nearest sampled point, then the median. NaN until there is a score.
    #[must_use]
    pub fn expected(&mut self, model: usize, channel: usize) -> f64 {
        each!(&mut self.pools, pool => pool.expected(model, channel))
    }

    /// Bytes of memory that the models take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        each!(&self.pools, pool => pool.bytes())
    }
}

impl Checkpointed for Forests {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        each!(&self.pools, pool => pool.snapshot())
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        each!(&mut self.pools, pool => pool.restore(tables))
    }
}
