//! All models with points of up to `L` dimensions in one set of arrays.

use super::{
    cover::{Cover, Point},
    descent::Ways,
    random::SplitMix,
    ring::{Ring, Shape},
    sampling::{Decay, FREE},
    scale::Scale,
    scoring::{Tables, Trees},
    settings::ForestSettings,
    tree::{Head, Node, Tree},
};

/// Largest magnitude that is taken.
const MAGNITUDE_MAX: f64 = 1e150;

/// What a model has beside its trees.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model<const L: usize> {
    pub(super) ring: Ring,
    /// The present point.
    pub(super) point: Point<L>,
    /// Ticks in it so far.
    pub(super) filled: usize,
    /// Ticks at its end that are not in the ring.
    pub(super) unwritten: usize,
    /// Points learnt.
    pub(super) learnt: u64,
    /// Number of the point from which on weights are counted.
    pub(super) epoch: u64,
    /// Ticks that can be written before one of a sampled point is overwritten; a lower bound.
    pub(super) until_expiry: usize,
    /// By channel.
    pub(super) scales: Vec<Scale>,
}

/// The arrays. Those of a model lie side by side, and within them those of a tree.
#[derive(Debug)]
pub(super) struct Pool<const L: usize> {
    pub(super) settings: ForestSettings,
    pub(super) shape: Shape,
    pub(super) decay: Decay,
    tables: Tables,
    pub(super) models: Vec<Model<L>>,
    pub(super) heads: Vec<Head>,
    pub(super) nodes: Vec<Node>,
    pub(super) covers: Vec<Cover<L>>,
    /// First tick of the point in each slot of the sample.
    pub(super) places: Vec<u16>,
    /// In steps of [`Decay`].
    pub(super) weights: Vec<u16>,
    pub(super) ways: Ways,
    path: Vec<u16>,
}

impl<const L: usize> Pool<L> {
    pub(super) fn new(settings: ForestSettings) -> Self {
        let ForestSettings { channels, shingle, sample_size, .. } = settings;
        Self {
            settings,
            shape: Shape { channels, shingle, window: settings.window() },
            decay: Decay::new(settings.time_decay, sample_size),
            tables: Tables::new(sample_size),
            models: Vec::new(),
            heads: Vec::new(),
            nodes: Vec::new(),
            covers: Vec::new(),
            places: Vec::new(),
            weights: Vec::new(),
            ways: Ways::default(),
            path: Vec::with_capacity(sample_size),
        }
    }

    pub(super) fn grow(&mut self, models: usize) {
        let before = self.models.len();
        if models <= before {
            return;
        }
        let trees = models * self.settings.trees;
        let slots = trees * self.settings.sample_size;
        if before == 0 {
            // One pool of a known size: not a byte more.
            self.models.reserve_exact(models);
            self.heads.reserve_exact(trees);
            self.nodes.reserve_exact(slots);
            self.covers.reserve_exact(slots);
            self.places.reserve_exact(slots);
            self.weights.reserve_exact(slots);
        }
        self.models.resize_with(models, || Model::new(self.settings.channels));
        self.heads.resize(trees, Head::new(SplitMix(0)));
        self.nodes.resize(slots, Node::EMPTY);
        self.covers.resize(slots, Cover::of(&[0; L]));
        self.places.resize(slots, 0);
        self.weights.resize(slots, FREE);
        for model in before..models {
            self.forget(model);
        }
    }

    /// Starts a model anew.
    pub(super) fn forget(&mut self, model: usize) {
        let Some(state) = self.models.get_mut(model) else { return };
        *state = Model::new(self.settings.channels);
        self.forget_points(model);
    }

    /// Drops what was learnt, not the scale.
    fn forget_points(&mut self, model: usize) {
        let state = &mut self.models[model];
        *state = Model { scales: std::mem::take(&mut state.scales), ..Model::new(0) };
        for tree in 0..self.settings.trees {
            let random = SplitMix::seeded(self.settings.seed, model as u64, tree as u64);
            self.heads[model * self.settings.trees + tree] = Head::new(random);
            let slots = self.slots(model, tree);
            self.weights[slots.clone()].fill(FREE);
            self.places[slots].fill(0);
            self.tree(model, tree).clear();
            self.plan(model, &[tree]);
        }
    }

    #[inline(always)]
    pub(super) fn slots(&self, model: usize, tree: usize) -> std::ops::Range<usize> {
        let first = (model * self.settings.trees + tree) * self.settings.sample_size;
        first..first + self.settings.sample_size
    }

    #[inline(always)]
    pub(super) fn tree(&mut self, model: usize, tree: usize) -> Tree<'_, L> {
        let slots = self.slots(model, tree);
        let number = model * self.settings.trees + tree;
        Tree {
            head: &mut self.heads[number],
            nodes: &mut self.nodes[slots.clone()],
            covers: &mut self.covers[slots.clone()],
            weights: &mut self.weights[slots.clone()],
            places: &mut self.places[slots],
            ring: &self.models[model].ring,
            shape: self.shape,
            path: &mut self.path,
        }
    }

    /// The trees of a model, the present point, and scratch.
    pub(super) fn trees(&mut self, model: usize) -> (Trees<'_, L>, &Point<L>, &mut Ways) {
        let trees = self.settings.trees;
        let slots =
            model * trees * self.settings.sample_size..(model + 1) * trees * self.settings.sample_size;
        let trees = Trees {
            heads: &self.heads[model * trees..(model + 1) * trees],
            nodes: &self.nodes[slots.clone()],
            covers: &self.covers[slots.clone()],
            places: &self.places[slots],
            ring: &self.models[model].ring,
            shape: self.shape,
            tables: &self.tables,
            sample_size: self.settings.sample_size,
        };
        (trees, &self.models[model].point, &mut self.ways)
    }

    /// Whether the present point is whole and enough was learnt to score it.
    pub(super) fn speaks(&self, model: usize) -> bool {
        let state = &self.models[model];
        state.filled == self.shape.shingle && state.learnt >= self.settings.warmup()
    }

    pub(super) fn score(&mut self, model: usize) -> f64 {
        if !self.speaks(model) {
            return f64::NAN;
        }
        let (trees, point, ways) = self.trees(model);
        trees.score(point, ways)
    }

    pub(super) fn attribution(&mut self, model: usize, high: &mut [f64], low: &mut [f64]) -> bool {
        let speaks = self.speaks(model);
        if speaks {
            let (trees, point, ways) = self.trees(model);
            let shares = trees.shares(point, ways);
            high.iter_mut().zip(shares.high).for_each(|(to, share)| *to = f64::from(share));
            low.iter_mut().zip(shares.low).for_each(|(to, share)| *to = f64::from(share));
        }
        speaks
    }

    pub(super) fn expected(&mut self, model: usize, channel: usize) -> f64 {
        if !self.speaks(model) || channel >= self.shape.channels {
            return f64::NAN;
        }
        let dimension = self.shape.dimensions() - self.shape.channels + channel;
        let (trees, point, _) = self.trees(model);
        let level = trees.expected(point, dimension);
        level.map_or(f64::NAN, |level| self.models[model].scales[channel].value(level))
    }

    /// The next tick: the present point moves on. A channel that is absent keeps its last value; a
    /// tick without any value is none.
    pub(super) fn advance(&mut self, model: usize, values: &[f64]) -> bool {
        let usable = |value: f64| value.abs() <= MAGNITUDE_MAX;
        if !values.iter().take(self.shape.channels).any(|&value| usable(value)) {
            return false;
        }
        for channel in 0..self.shape.channels {
            let value = values.get(channel).copied().filter(|&value| usable(value));
            let scale = &mut self.models[model].scales[channel];
            let Some(value) = value else { continue };
            scale.last = value;
            scale.low = scale.low.min(value);
            scale.high = scale.high.max(value);
            if scale.per_value == 0.0 {
                scale.first(value);
            } else if !scale.fits(value) {
                self.stretch(model, channel, value);
            }
        }
        let Shape { channels, shingle, .. } = self.shape;
        let dimensions = self.shape.dimensions();
        let state = &mut self.models[model];
        state.point.copy_within(channels..dimensions, 0);
        for (channel, scale) in state.scales.iter().enumerate() {
            state.point[dimensions - channels + channel] = scale.level(scale.last);
        }
        state.filled = (state.filled + 1).min(shingle);
        state.unwritten = (state.unwritten + 1).min(shingle);
        true
    }

    /// Levels of a channel in use, in ascending order.
    fn levels(&self, model: usize, channel: usize) -> Vec<u16> {
        let state = &self.models[model];
        let dimensions = self.shape.dimensions();
        let point = &state.point[dimensions - state.filled * self.shape.channels..dimensions];
        let of_channel = |levels: &[u16]| -> Vec<u16> {
            levels.iter().skip(channel).step_by(self.shape.channels).copied().collect()
        };
        let mut levels = of_channel(&state.ring.levels);
        levels.extend(of_channel(point));
        levels.sort_unstable();
        levels
    }

    /// Makes room for `value` on the scale of a channel, unless that was tried in vain just now.
    fn stretch(&mut self, model: usize, channel: usize, value: f64) {
        let ticks = self.models[model].ring.ticks(self.shape) as u64;
        let scale = &mut self.models[model].scales[channel];
        scale.clamped += 1;
        if scale.clamped > 1 && scale.clamped <= ticks / 16 {
            return;
        }
        let levels = self.levels(model, channel);
        let scale = &mut self.models[model].scales[channel];
        let change = scale.stretch(value, &levels);
        scale.clamped = u64::from(!scale.fits(value));
        let Some(change) = change else { return };
        let state = &mut self.models[model];
        let levels = state.ring.levels.iter_mut().skip(channel).step_by(self.shape.channels);
        let point = state.point.iter_mut().take(self.shape.dimensions());
        for level in levels.chain(point.skip(channel).step_by(self.shape.channels)) {
            *level = change.apply(*level);
        }
        for tree in 0..self.settings.trees {
            self.tree(model, tree).rebuild();
        }
    }

    /// Drops what was learnt on a scale that is too coarse for what there is now.
    pub(super) fn sharpen(&mut self, model: usize) {
        let mut sharpened = false;
        for channel in 0..self.shape.channels {
            if self.models[model].scales[channel].may_be_too_coarse() {
                let levels = self.levels(model, channel);
                let scale = &mut self.models[model].scales[channel];
                if scale.too_coarse(&levels) {
                    scale.around(scale.low, scale.high);
                    sharpened = true;
                }
            }
        }
        if sharpened {
            self.forget_points(model);
        }
        for scale in &mut self.models[model].scales {
            scale.low = f64::INFINITY;
            scale.high = f64::NEG_INFINITY;
        }
    }

    /// Bytes on the heap.
    pub(super) fn bytes(&self) -> usize {
        let rings: usize = self.models.iter().map(|model| 2 * model.ring.levels.capacity()).sum();
        let scales = self.models.len() * self.settings.channels * size_of::<Scale>();
        rings
            + scales
            + self.models.capacity() * size_of::<Model<L>>()
            + self.heads.capacity() * size_of::<Head>()
            + self.nodes.capacity() * size_of::<Node>()
            + self.covers.capacity() * size_of::<Cover<L>>()
            + 2 * (self.places.capacity() + self.weights.capacity())
    }
}

impl<const L: usize> Model<L> {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            ring: Ring::default(),
            point: [0; L],
            filled: 0,
            unwritten: 0,
            learnt: 0,
            epoch: 0,
            until_expiry: 0,
            scales: vec![Scale::UNKNOWN; channels],
        }
    }
}
