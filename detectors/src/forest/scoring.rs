//! What the trees of a model say of a point.

use std::ops::Range;

use multiversion::multiversion;

use super::{
    cover::{Cover, Point, growths},
    descent::{ABREAST, STRIDE, Way, Ways},
    ring::{Ring, Shape},
    tree::{Head, LEAF, NOTHING, Node, View},
};
use crate::arithmetic::ln;

/// Scores by depth and mass, those of AWS's forest.
#[derive(Clone, Debug)]
pub(super) struct Tables {
    /// 1 / (depth + 1), where a cut parts the point from all others.
    unseen: Vec<f32>,
    /// log2(mass + 1); brings trees of different mass to one scale.
    log_mass: Vec<f32>,
}

impl Tables {
    pub(super) fn new(sample_size: usize) -> Self {
        let log2 = |mass: usize| (ln(mass as f64 + 1.0) / std::f64::consts::LN_2) as f32;
        Self {
            unseen: (0..=sample_size + STRIDE).map(|depth| 1.0 / (depth as f32 + 1.0)).collect(),
            log_mass: (0..=sample_size).map(log2).collect(),
        }
    }

    /// The leaf at `depth` is the point itself, `copies` times among `mass` points.
    fn seen(&self, depth: usize, copies: u16, mass: u16) -> f32 {
        let damping = 1.0 - f32::from(copies) / (2.0 * f32::from(mass));
        damping / (depth as f32 + self.log_mass[usize::from(copies)])
    }
}

/// Share of the score by dimension: `high` because the value is too large, `low` because it is
/// too small.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shares<const L: usize> {
    pub(super) high: [f32; L],
    pub(super) low: [f32; L],
}

/// Of the lowest boxes of several ways, by lane, highest first. Up to which box there is something to add
/// up, nothing could foresee; so as many are measured in any case: one that holds the point leaves the score
/// as it is.
#[derive(Default)]
struct Lowest {
    /// Their places in the pool.
    nodes: [[u32; STRIDE]; ABREAST],
    /// What they would have to grow to take in the point; zero below the leaf.
    extensions: [[i32; STRIDE]; ABREAST],
    ranges: [[i32; STRIDE]; ABREAST],
    /// Chance that a cut parts the point from the box, times the score it then has; and that it does not.
    parted: [[f32; STRIDE]; ABREAST],
    stays: [[f32; STRIDE]; ABREAST],
}

/// The trees of one model.
#[derive(Clone, Copy)]
pub(super) struct Trees<'a, const L: usize> {
    pub(super) heads: &'a [Head],
    pub(super) nodes: &'a [Node],
    pub(super) covers: &'a [Cover<L>],
    pub(super) places: &'a [u16],
    pub(super) ring: &'a Ring,
    pub(super) shape: Shape,
    pub(super) tables: &'a Tables,
    pub(super) sample_size: usize,
}

impl<'a, const L: usize> Trees<'a, L> {
    #[inline(always)]
    fn view(&self, tree: usize) -> View<'a, L> {
        let slots = tree * self.sample_size..(tree + 1) * self.sample_size;
        View {
            nodes: &self.nodes[slots.clone()],
            covers: &self.covers[slots.clone()],
            places: &self.places[slots],
            ring: self.ring,
            shape: self.shape,
        }
    }

    /// Leads `point` down as many trees from `first` on as go side by side. Gives them by lane.
    #[inline(always)]
    fn descend(&self, first: usize, point: &Point<L>, ways: &mut Ways) -> Range<usize> {
        let trees = first..self.heads.len().min(first + ABREAST);
        let mut start = [(0, LEAF); ABREAST];
        for (start, tree) in start.iter_mut().zip(trees.clone()) {
            let root = self.heads[tree].root;
            *start = (tree * self.sample_size, if root == NOTHING { LEAF } else { root });
        }
        ways.descend(self.nodes, start, |_| point);
        trees
    }

    /// Mean over trees of the depth at which a random cut would part the point from the sample, as
    /// a score: the expected 1 / (depth + 1), with 1 / (depth + log2(copies + 1)) where the sample
    /// holds the point itself, times log2(mass + 1).
    pub(super) fn score(&self, point: &Point<L>, ways: &mut Ways) -> f64 {
        score(self, point, ways) / self.heads.len() as f64
    }

    #[inline(always)]
    pub(super) fn sum(&self, point: &Point<L>, ways: &mut Ways) -> f64 {
        let mut sum = 0.0;
        let mut lowest = Lowest::default();
        for first in (0..self.heads.len()).step_by(ABREAST) {
            let trees = self.descend(first, point, ways);
            self.measure(trees.clone(), point, ways, &mut lowest);
            for (lane, tree) in trees.enumerate() {
                if self.heads[tree].size == 0 {
                    continue;
                }
                let score = self.climb(tree, point, ways.way(lane), &lowest, lane);
                sum += f64::from(score * self.tables.log_mass[usize::from(self.heads[tree].size)]);
            }
        }
        sum
    }

    /// Score of a tree, from the leaf up to the first node whose box holds the point.
    #[inline(always)]
    fn climb(&self, tree: usize, point: &Point<L>, way: Way<'_>, lowest: &Lowest, lane: usize) -> f32 {
        let mut score = self.tables.unseen[way.depth];
        for (parted, stays) in lowest.parted[lane].iter().zip(&lowest.stays[lane]).rev() {
            score = parted + stays * score;
        }
        let mut level = way.depth.saturating_sub(STRIDE);
        if level > 0 && lowest.extensions[lane][0] > 0 {
            let covers = self.view(tree).covers;
            while level > 0 {
                let growth = covers[usize::from(way.at(level - 1))].growth(point);
                if growth.extension == 0 {
                    break;
                }
                level -= 1;
                let chance = growth.chance();
                score = chance * self.tables.unseen[level] + (1.0 - chance) * score;
            }
        }
        // Only a point in the smallest box can be that of the leaf.
        let smallest = way.depth.min(STRIDE).checked_sub(1);
        let inside = smallest.is_none_or(|level| lowest.extensions[lane][level] == 0);
        if inside { self.seen(&self.view(tree), tree, point, way).unwrap_or(score) } else { score }
    }

    /// Measures the lowest boxes on the ways to the leaves of some trees.
    #[inline(always)]
    fn measure(&self, trees: Range<usize>, point: &Point<L>, ways: &Ways, lowest: &mut Lowest) {
        let Lowest { nodes, extensions, ranges, parted, stays } = lowest;
        let lanes = trees.len();
        for (lane, tree) in trees.enumerate() {
            let of_tree = (tree * self.sample_size) as u32;
            nodes[lane] = ways.way(lane).lowest().map(|node| of_tree + u32::from(node & !LEAF));
        }
        for lane in 0..lanes {
            (extensions[lane], ranges[lane]) = growths(self.covers, nodes[lane], point);
        }
        for lane in 0..lanes {
            let depth = ways.way(lane).depth;
            let first = depth.saturating_sub(STRIDE);
            let unseen: [f32; STRIDE] = std::array::from_fn(|i| self.tables.unseen[first..first + STRIDE][i]);
            let (mut outside, range) = (extensions[lane], ranges[lane]);
            let (mut part, mut stay) = ([0.0; STRIDE], [0.0; STRIDE]);
            for i in 0..STRIDE {
                // Without a branch. Of what is below the leaf even the range may be zero.
                outside[i] *= i32::from(((first + i) as i32) < depth as i32);
                let chance = outside[i] as f32 / (outside[i] + range[i]).max(1) as f32;
                (part[i], stay[i]) = (chance * unseen[i], 1.0 - chance);
            }
            (extensions[lane], parted[lane], stays[lane]) = (outside, part, stay);
        }
    }

    /// Score of a tree that holds the point itself.
    #[inline(always)]
    fn seen(&self, view: &View<'_, L>, tree: usize, point: &Point<L>, way: Way<'_>) -> Option<f32> {
        let leaf = way.leaf();
        let copies = view.node(leaf & !LEAF).copies::<L>();
        (view.point(leaf) == *point).then(|| self.tables.seen(way.depth, copies, self.heads[tree].size))
    }

    /// [`Trees::score`] shared out over dimensions by how much of a box's growth is theirs. A point
    /// that the sample holds is shared out evenly.
    pub(super) fn shares(&self, point: &Point<L>, ways: &mut Ways) -> Shares<L> {
        let mut shares = Shares { high: [0.0; L], low: [0.0; L] };
        for first in (0..self.heads.len()).step_by(ABREAST) {
            for (lane, tree) in self.descend(first, point, ways).enumerate() {
                if self.heads[tree].size == 0 {
                    continue;
                }
                let of_tree = self.climb_shares(tree, point, ways.way(lane));
                let mass = usize::from(self.heads[tree].size);
                let scale = self.tables.log_mass[mass] / self.heads.len() as f32;
                for i in 0..self.shape.dimensions() {
                    shares.high[i] += scale * of_tree.high[i];
                    shares.low[i] += scale * of_tree.low[i];
                }
            }
        }
        shares
    }

    fn climb_shares(&self, tree: usize, point: &Point<L>, way: Way<'_>) -> Shares<L> {
        let view = self.view(tree);
        if let Some(seen) = self.seen(&view, tree, point, way) {
            let each = seen / (2.0 * self.shape.dimensions() as f32);
            return Shares { high: [each; L], low: [each; L] };
        }
        let mut shares = Shares { high: [0.0; L], low: [0.0; L] };
        shares.blend(&view.cover(way.leaf()), point, self.tables.unseen[way.depth]);
        for level in (0..way.depth).rev() {
            let cover = &view.covers[usize::from(way.at(level))];
            if cover.growth(point).extension == 0 {
                break;
            }
            shares.blend(cover, point, self.tables.unseen[level]);
        }
        shares
    }

    /// What the sample holds for `dimension` where all else is most like `point`: by tree the
    /// value of the nearest leaf among those that `point` reaches, whatever its level in
    /// `dimension`; then the median over trees.
    pub(super) fn expected(&self, point: &Point<L>, dimension: usize) -> Option<u16> {
        let mut found: Vec<u16> = (0..self.heads.len())
            .filter(|&tree| self.heads[tree].root != NOTHING)
            .map(|tree| {
                let mut nearest = (u32::MAX, 0);
                self.nearest(&self.view(tree), self.heads[tree].root, point, dimension, &mut nearest);
                nearest.1
            })
            .collect();
        let middle = found.len() / 2;
        (!found.is_empty()).then(|| *found.select_nth_unstable(middle).1)
    }

    fn nearest(
        &self,
        view: &View<'_, L>,
        from: u16,
        point: &Point<L>,
        dimension: usize,
        nearest: &mut (u32, u16),
    ) {
        let mut reference = from;
        while reference & LEAF == 0 {
            let node = view.node(reference);
            let at = node.dimension::<L>();
            if at == dimension {
                self.nearest(view, node.children[1], point, dimension, nearest);
                reference = node.children[0];
            } else {
                reference = node.next(point);
            }
        }
        let leaf = view.point(reference);
        let apart = |i: usize| if i == dimension { 0 } else { u32::from(leaf[i].abs_diff(point[i])) };
        let distance = (0..L).map(apart).sum();
        if distance < nearest.0 {
            *nearest = (distance, leaf[dimension]);
        }
    }
}

/// [`Trees::sum`] with the instructions that the machine has.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn score<const L: usize>(trees: &Trees<'_, L>, point: &Point<L>, ways: &mut Ways) -> f64 {
    trees.sum(point, ways)
}

impl<const L: usize> Shares<L> {
    /// One step of the climb: of `unseen`, each dimension gets its share of the growth.
    fn blend(&mut self, cover: &Cover<L>, point: &Point<L>, unseen: f32) {
        let growth = cover.growth(point);
        let total = (growth.extension + growth.range) as f32;
        let stay = 1.0 - growth.chance();
        for (i, &level) in point.iter().enumerate() {
            let above = f32::from(level.saturating_sub(cover.high[i]));
            let below = f32::from(cover.low[i].saturating_sub(level));
            self.high[i] = above / total * unseen + stay * self.high[i];
            self.low[i] = below / total * unseen + stay * self.low[i];
        }
    }
}
