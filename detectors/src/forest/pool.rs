//! All models with points of up to `L` dimensions in one set of arrays.

use super::{
    cover::{Cover, Point},
    random::SplitMix,
    ring::{Ring, Shape},
    sampling::{Decay, REBASE, heaviest},
    scale::Scale,
    scoring::{ABREAST, Paths, Tables, Trees},
    settings::ForestSettings,
    tree::{Boxes, FREE, Head, NOTHING, Node, Tree},
};

/// Largest magnitude that is taken.
const MAGNITUDE_MAX: f64 = 1e150;
/// Points between looks at the resolution of the scale, once a model is no longer young.
const LOOK: u64 = 1024;

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
    pub(super) boxes: Boxes,
    decay: Decay,
    tables: Tables,
    pub(super) models: Vec<Model<L>>,
    pub(super) heads: Vec<Head>,
    pub(super) nodes: Vec<Node>,
    pub(super) covers: Vec<Cover<L>>,
    /// First tick of the point in each slot of the sample.
    pub(super) places: Vec<u16>,
    /// Points that the leaf of a slot stands for; 0 if another leaf stands for it.
    pub(super) copies: Vec<u16>,
    pub(super) weights: Vec<f32>,
    paths: Paths,
    path: Vec<u16>,
}

impl<const L: usize> Pool<L> {
    pub(super) fn new(settings: ForestSettings) -> Self {
        let ForestSettings { channels, shingle, sample_size, .. } = settings;
        Self {
            settings,
            shape: Shape { channels, shingle, window: settings.window() },
            boxes: Boxes::new(sample_size),
            decay: Decay::new(settings.time_decay),
            tables: Tables::new(sample_size),
            models: Vec::new(),
            heads: Vec::new(),
            nodes: Vec::new(),
            covers: Vec::new(),
            places: Vec::new(),
            copies: Vec::new(),
            weights: Vec::new(),
            paths: vec![[NOTHING; ABREAST]; sample_size + 1],
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
        let covers = trees * self.boxes.places;
        if before == 0 {
            // One pool of a known size: not a byte more.
            self.models.reserve_exact(models);
            self.heads.reserve_exact(trees);
            self.nodes.reserve_exact(slots);
            self.covers.reserve_exact(covers);
            self.places.reserve_exact(slots);
            self.copies.reserve_exact(slots);
            self.weights.reserve_exact(slots);
        }
        self.models.resize_with(models, || Model::new(self.settings.channels));
        self.heads.resize(trees, Head::new(SplitMix(0)));
        self.nodes.resize(slots, Node::EMPTY);
        self.covers.resize(covers, Cover::NOTHING);
        self.places.resize(slots, 0);
        self.copies.resize(slots, 0);
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
            self.plan(model, tree);
        }
    }

    fn slots(&self, model: usize, tree: usize) -> std::ops::Range<usize> {
        let first = (model * self.settings.trees + tree) * self.settings.sample_size;
        first..first + self.settings.sample_size
    }

    pub(super) fn tree(&mut self, model: usize, tree: usize) -> Tree<'_, L> {
        let slots = self.slots(model, tree);
        let number = model * self.settings.trees + tree;
        let covers = number * self.boxes.places..(number + 1) * self.boxes.places;
        Tree {
            head: &mut self.heads[number],
            nodes: &mut self.nodes[slots.clone()],
            covers: &mut self.covers[covers],
            copies: &mut self.copies[slots.clone()],
            weights: &mut self.weights[slots.clone()],
            places: &mut self.places[slots],
            ring: &self.models[model].ring,
            shape: self.shape,
            boxes: self.boxes,
            path: &mut self.path,
        }
    }

    /// The trees of a model, the present point, and scratch.
    fn trees(&mut self, model: usize) -> (Trees<'_, L>, &Point<L>, &mut Paths) {
        let trees = self.settings.trees;
        let slots =
            model * trees * self.settings.sample_size..(model + 1) * trees * self.settings.sample_size;
        let covers = model * trees * self.boxes.places..(model + 1) * trees * self.boxes.places;
        let trees = Trees {
            heads: &self.heads[model * trees..(model + 1) * trees],
            nodes: &self.nodes[slots.clone()],
            covers: &self.covers[covers],
            places: &self.places[slots.clone()],
            copies: &self.copies[slots],
            ring: &self.models[model].ring,
            shape: self.shape,
            tables: &self.tables,
            sample_size: self.settings.sample_size,
            covers_each: self.boxes.places,
        };
        (trees, &self.models[model].point, &mut self.paths)
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
        let (trees, point, paths) = self.trees(model);
        trees.score(point, paths)
    }

    pub(super) fn attribution(&mut self, model: usize, high: &mut [f64], low: &mut [f64]) -> bool {
        let speaks = self.speaks(model);
        if speaks {
            let (trees, point, paths) = self.trees(model);
            let shares = trees.shares(point, paths);
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
    fn sharpen(&mut self, model: usize) {
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

    /// Learns the present point: each tree may take it into its sample.
    pub(super) fn learn(&mut self, model: usize) {
        if self.models[model].filled < self.shape.shingle {
            return;
        }
        self.write(model);
        let state = &mut self.models[model];
        state.learnt += 1;
        let learnt = state.learnt;
        if learnt - state.epoch > self.decay.rebase_after() {
            self.rebase(model);
        }
        let first = model * self.settings.trees;
        for tree in 0..self.settings.trees {
            if self.heads[first + tree].due == learnt {
                self.take(model, tree);
            }
        }
        let young = (64..LOOK).contains(&learnt) && learnt.is_power_of_two();
        if young || learnt.is_multiple_of(LOOK) {
            self.sharpen(model);
        }
    }

    /// Writes the ticks of the present point that are not in the ring.
    fn write(&mut self, model: usize) {
        let Shape { channels, .. } = self.shape;
        let dimensions = self.shape.dimensions();
        while self.models[model].unwritten > 0 {
            if let Some(place) = self.models[model].ring.overwrites(self.shape) {
                if self.models[model].until_expiry == 0 {
                    self.expire(model, place as u16);
                } else {
                    self.models[model].until_expiry -= 1;
                }
            }
            let state = &mut self.models[model];
            let first = dimensions - state.unwritten * channels;
            state.ring.write(self.shape, &state.point[first..first + channels]);
            state.unwritten -= 1;
        }
    }

    /// Takes the points out of all samples whose first tick is about to be overwritten.
    fn expire(&mut self, model: usize, place: u16) {
        let window = self.shape.window;
        let mut soonest = window - self.shape.shingle;
        for tree in 0..self.settings.trees {
            let mut expired = false;
            for slot in 0..self.settings.sample_size {
                let mut tree = self.tree(model, tree);
                if tree.weights[slot] == FREE {
                    continue;
                }
                let left = (usize::from(tree.places[slot]) + window - usize::from(place)) % window;
                if left > 0 {
                    soonest = soonest.min(left);
                    continue;
                }
                tree.remove(slot as u16);
                tree.weights[slot] = FREE;
                tree.head.size -= 1;
                expired = true;
            }
            if expired {
                self.plan(model, tree);
            }
        }
        self.models[model].until_expiry = soonest - 1;
    }

    /// Takes the point that was written last into the sample of a tree.
    fn take(&mut self, model: usize, tree: usize) {
        let place = self.models[model].ring.newest(self.shape);
        let point = self.models[model].point;
        let mut of_tree = self.tree(model, tree);
        let full = usize::from(of_tree.head.size) == of_tree.weights.len();
        let slot = if full {
            let heaviest = of_tree.head.heaviest;
            of_tree.remove(heaviest);
            heaviest
        } else {
            of_tree.head.size += 1;
            of_tree.weights.iter().position(|&weight| weight == FREE).unwrap_or(0) as u16
        };
        of_tree.weights[usize::from(slot)] = of_tree.head.weight;
        of_tree.places[usize::from(slot)] = place;
        of_tree.insert(slot, &point);
        if usize::from(of_tree.head.size) == of_tree.weights.len() {
            of_tree.head.heaviest = heaviest(of_tree.weights) as u16;
        }
        self.plan(model, tree);
    }

    /// Draws which point a tree takes next.
    fn plan(&mut self, model: usize, tree: usize) {
        let Model { learnt, epoch, .. } = self.models[model];
        let decay = self.decay;
        let of_tree = self.tree(model, tree);
        let head = of_tree.head;
        let draw = if usize::from(head.size) < of_tree.weights.len() {
            decay.fill(learnt - epoch, &mut head.random)
        } else {
            let heaviest = of_tree.weights[usize::from(head.heaviest)];
            decay.jump(heaviest, learnt - epoch, &mut head.random)
        };
        head.due = learnt + draw.after;
        head.weight = draw.weight;
    }

    /// Counts weights from now on, before they need more digits than they have.
    fn rebase(&mut self, model: usize) {
        let state = &mut self.models[model];
        let by = self.decay.sunk(state.learnt - state.epoch) as f32;
        state.epoch = state.learnt;
        debug_assert!(f64::from(by) >= REBASE, "weights have sunk by {by}");
        for tree in 0..self.settings.trees {
            let of_tree = self.tree(model, tree);
            of_tree.head.weight += by;
            of_tree.weights.iter_mut().for_each(|weight| *weight += by);
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
            + 2 * (self.places.capacity() + self.copies.capacity())
            + 4 * self.weights.capacity()
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
