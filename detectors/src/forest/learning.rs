//! How the trees of a model learn a point.

use multiversion::multiversion;

use super::{
    descent::ABREAST,
    pool::{Model, Pool},
    ring::Shape,
    sampling::{REBASE, heaviest},
    tree::{FREE, LEAF},
};

/// Trees that take a point side by side: each goes down twice.
const HALF: usize = ABREAST / 2;
/// Points between looks at the resolution of the scale, once a model is no longer young.
const LOOK: u64 = 1024;

impl<const L: usize> Pool<L> {
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
        let (mut due, mut count) = ([0; HALF], 0);
        for tree in 0..self.settings.trees {
            if self.heads[first + tree].due == learnt {
                due[count] = tree;
                count += 1;
                if count == HALF {
                    take(self, model, &due);
                    count = 0;
                }
            }
        }
        if count > 0 {
            take(self, model, &due[..count]);
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

    /// Takes the point that was written last into the samples of some trees, at most half as many
    /// as go down side by side.
    #[inline(always)]
    fn take(&mut self, model: usize, due: &[usize]) {
        let place = self.models[model].ring.newest(self.shape);
        let point = self.models[model].point;
        let mut points = [point; ABREAST];
        let mut start = [(0, LEAF); ABREAST];
        for (lane, &tree) in due.iter().enumerate() {
            let of_tree = self.tree(model, tree);
            if of_tree.is_full() {
                points[lane] = of_tree.view().point(of_tree.head.heaviest);
                let root = of_tree.head.root;
                let from = (self.slots(model, tree).start, root);
                start[lane] = from;
                start[HALF + lane] = from;
            }
        }
        let mut ways = std::mem::take(&mut self.ways);
        ways.descend(&self.nodes, start, |lane| &points[lane]);
        for (lane, &tree) in due.iter().enumerate() {
            let mut of_tree = self.tree(model, tree);
            let slot = if of_tree.is_full() {
                let slot = of_tree.head.heaviest;
                of_tree.exchange(slot, (&points[lane], ways.way(lane)), (&point, ways.way(HALF + lane)));
                slot
            } else {
                let slot = of_tree.weights.iter().position(|&weight| weight == FREE).unwrap_or(0) as u16;
                of_tree.insert(slot, &point);
                of_tree.head.size += 1;
                slot
            };
            of_tree.weights[usize::from(slot)] = of_tree.head.weight;
            of_tree.places[usize::from(slot)] = place;
        }
        self.ways = ways;
        for &tree in due {
            let of_tree = self.tree(model, tree);
            if of_tree.is_full() {
                of_tree.head.heaviest = heaviest(of_tree.weights) as u16;
            }
            self.plan(model, tree);
        }
    }

    /// Draws which point a tree takes next.
    #[inline(always)]
    pub(super) fn plan(&mut self, model: usize, tree: usize) {
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
}

/// [`Pool::take`] with the instructions that the machine has.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn take<const L: usize>(pool: &mut Pool<L>, model: usize, due: &[usize]) {
    pool.take(model, due);
}
