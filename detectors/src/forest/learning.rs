//! How the trees of a model learn a point.

use multiversion::multiversion;

use super::{
    descent::ABREAST,
    pool::{Model, Pool},
    ring::Shape,
    sampling::{FREE, REBASE, heaviest},
    tree::LEAF,
};

/// Trees that take a point side by side: each goes down twice.
const HALF: usize = ABREAST / 2;
/// Trees that draw side by side: a power of two, for the sake of vectors.
const LANES: usize = HALF.next_power_of_two();
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
            let mut of_tree = self.tree(model, tree);
            let expires = of_tree.soonest(place) == 0;
            if expires {
                of_tree.drop_place(place);
            }
            soonest = soonest.min(of_tree.soonest(place));
            if expires {
                self.plan(model, &[tree]);
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
        let mut slots = [0; HALF];
        for (lane, &tree) in due.iter().enumerate() {
            let of_tree = self.tree(model, tree);
            let free = || of_tree.weights.iter().position(|&weight| weight == FREE).unwrap_or(0) as u16;
            slots[lane] = if of_tree.is_full() { of_tree.head.heaviest } else { free() };
            // Long before the largest weight is looked for: a vector waits for what was just written.
            of_tree.weights[usize::from(slots[lane])] = of_tree.head.weight;
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
            let slot = slots[lane];
            if of_tree.is_full() {
                of_tree.exchange(slot, (&points[lane], ways.way(lane)), (&point, ways.way(HALF + lane)));
            } else {
                of_tree.insert(slot, &point);
                of_tree.head.size += 1;
            }
            of_tree.places[usize::from(slot)] = place;
        }
        self.ways = ways;
        self.plan(model, due);
    }

    /// Draws which points some trees take next.
    #[inline(always)]
    pub(super) fn plan(&mut self, model: usize, trees: &[usize]) {
        let Model { learnt, epoch, .. } = self.models[model];
        let (decay, now) = (self.decay, learnt - epoch);
        let (mut weights, mut units) = ([FREE; LANES], [0.5; LANES]);
        for (lane, &tree) in trees.iter().enumerate() {
            let of_tree = self.tree(model, tree);
            if of_tree.is_full() {
                let place = heaviest(of_tree.weights);
                of_tree.head.heaviest = place as u16;
                weights[lane] = of_tree.weights[place];
                units[lane] = of_tree.head.random.unit();
            }
        }
        let jumps = decay.jump(weights, units, now);
        for (&tree, jump) in trees.iter().zip(jumps) {
            let of_tree = self.tree(model, tree);
            let full = of_tree.is_full();
            let head = of_tree.head;
            let draw = if full { jump } else { decay.fill(now, &mut head.random) };
            head.due = learnt + draw.after;
            head.weight = draw.weight;
        }
    }

    /// Counts weights from now on, before they need more digits than they have.
    fn rebase(&mut self, model: usize) {
        let state = &mut self.models[model];
        let (decay, age) = (self.decay, state.learnt - state.epoch);
        state.epoch = state.learnt;
        debug_assert!(decay.sunk(age) >= REBASE, "weights have sunk by {}", decay.sunk(age));
        for tree in 0..self.settings.trees {
            let of_tree = self.tree(model, tree);
            let weights = of_tree.weights.iter_mut().chain([&mut of_tree.head.weight]);
            weights.for_each(|weight| *weight = decay.rebased(*weight, age));
        }
    }
}

/// [`Pool::take`] with the instructions that the machine has.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn take<const L: usize>(pool: &mut Pool<L>, model: usize, due: &[usize]) {
    pool.take(model, due);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forest::{ForestSettings, scoring::Trees};

    /// A wave, with equal points now and then.
    fn value(t: u32) -> f64 {
        let noise = f64::from(t.wrapping_mul(2_654_435_761) >> 8) / 1e7;
        if t % 100 < 20 { 1.0 } else { f64::from(t % 17) + noise }
    }

    /// A pool after `ticks` ticks, the last of them written and not yet taken.
    fn pool(ticks: u32) -> Pool<8> {
        let mut pool = Pool::new(ForestSettings { trees: 13, sample_size: 40, ..ForestSettings::default() });
        pool.grow(1);
        for t in 0..ticks {
            pool.advance(0, &[value(t)]);
            pool.learn(0);
        }
        pool.advance(0, &[value(ticks)]);
        pool
    }

    #[test]
    fn the_instructions_of_the_machine_give_the_bits_of_all_machines() {
        for ticks in [30, 200, 500, 515, 1_700] {
            let (mut plain, mut wide) = (pool(ticks), pool(ticks));
            let mut ways = std::mem::take(&mut plain.ways);
            let (trees, point, _) = plain.trees(0);
            let sum = Trees::sum(&trees, point, &mut ways);
            plain.ways = ways;
            assert_eq!((sum / 13.0).to_bits(), wide.score(0).to_bits(), "after {ticks} ticks");
            plain.write(0);
            wide.write(0);
            for due in [&[0, 1, 2, 3, 4][..], &[7, 9, 12]] {
                plain.take(0, due);
                take(&mut wide, 0, due);
            }
            assert_eq!(plain.heads, wide.heads);
            assert_eq!(plain.nodes, wide.nodes);
            assert_eq!(plain.covers, wide.covers);
            assert_eq!(plain.places, wide.places);
            assert_eq!(plain.weights, wide.weights);
        }
    }
}
