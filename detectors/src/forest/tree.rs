//! One tree: nodes, leaves and bounding boxes in flat arrays.

use std::hint::select_unpredictable;

use super::{
    cover::{Cover, Point},
    descent::Way,
    random::SplitMix,
    ring::{Ring, Shape},
    sampling::FREE,
};

/// Set in a reference to a leaf; the rest is the slot of its point in the sample.
pub(super) const LEAF: u16 = 0x8000;
/// Reference to nothing.
pub(super) const NOTHING: u16 = u16::MAX;

/// An inner node: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Nodes or leaves: where points go whose level in `dimension` is at most `cut`, and where the
    /// others go. Of a free node, the first is the next free one.
    pub(super) children: [u16; 2],
    pub(super) cut: u16,
    /// The dimension plus `L` times something else: the points that the leaf of the slot with the number
    /// of this node stands for; 0 if another leaf stands for it.
    mixed: u16,
}

impl Node {
    pub(super) const EMPTY: Self = Self { children: [NOTHING; 2], cut: 0, mixed: 0 };

    /// Dimension of the cut.
    #[inline(always)]
    pub(super) fn dimension<const L: usize>(&self) -> usize {
        usize::from(self.mixed) % L
    }

    #[inline(always)]
    pub(super) fn copies<const L: usize>(&self) -> u16 {
        self.mixed / L as u16
    }

    #[inline(always)]
    fn set_copies<const L: usize>(&mut self, copies: u16) {
        self.mixed = self.mixed % L as u16 + L as u16 * copies;
    }

    /// Another node in the place of this one; the copies are not its own.
    #[inline(always)]
    fn replace<const L: usize>(&mut self, children: [u16; 2], dimension: u16, cut: u16) {
        *self = Self { children, cut, mixed: self.mixed - self.mixed % L as u16 + dimension };
    }

    /// Where a point goes; without a branch, which nothing could foresee.
    #[inline(always)]
    pub(super) fn next<const L: usize>(&self, point: &Point<L>) -> u16 {
        self.children[usize::from(point[self.dimension::<L>()] > self.cut)]
    }

    /// The other child.
    #[inline(always)]
    fn sibling(&self, child: u16) -> u16 {
        self.children[usize::from(self.children[0] == child)]
    }
}

/// What a tree has beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) random: SplitMix,
    /// Number of the point that is taken next, and the weight it is given.
    pub(super) due: u64,
    pub(super) weight: u16,
    /// Slot of the largest weight, once the sample is full.
    pub(super) heaviest: u16,
    /// Points in the sample.
    pub(super) size: u16,
    pub(super) root: u16,
    free: u16,
}

impl Head {
    pub(super) fn new(random: SplitMix) -> Self {
        Self { random, due: 0, weight: FREE, heaviest: 0, size: 0, root: NOTHING, free: NOTHING }
    }
}

/// A tree to look at.
#[derive(Clone, Copy)]
pub(super) struct View<'a, const L: usize> {
    pub(super) nodes: &'a [Node],
    /// Bounding boxes by node.
    pub(super) covers: &'a [Cover<L>],
    pub(super) places: &'a [u16],
    pub(super) ring: &'a Ring,
    pub(super) shape: Shape,
}

impl<const L: usize> View<'_, L> {
    #[inline(always)]
    pub(super) fn node(&self, reference: u16) -> &Node {
        &self.nodes[usize::from(reference)]
    }

    /// Point of a leaf, given its reference or its slot.
    #[inline(always)]
    pub(super) fn point(&self, leaf: u16) -> Point<L> {
        self.ring.point(self.shape, self.places[usize::from(leaf & !LEAF)])
    }

    /// Bounding box of what is below a node or a leaf.
    #[inline(always)]
    pub(super) fn cover(&self, reference: u16) -> Cover<L> {
        if reference & LEAF == 0 {
            self.covers[usize::from(reference)]
        } else {
            Cover::of(&self.point(reference))
        }
    }

    /// [`View::cover`] of a node, from those of its children.
    #[inline(always)]
    fn merged(&self, node: u16) -> Cover<L> {
        let [left, right] = self.node(node).children;
        let mut cover = self.cover(left);
        cover.merge(&self.cover(right));
        cover
    }
}

/// A tree to change.
pub(super) struct Tree<'a, const L: usize> {
    pub(super) head: &'a mut Head,
    pub(super) nodes: &'a mut [Node],
    pub(super) covers: &'a mut [Cover<L>],
    pub(super) weights: &'a mut [u16],
    pub(super) places: &'a mut [u16],
    pub(super) ring: &'a Ring,
    pub(super) shape: Shape,
    /// Way from the root to a leaf; scratch.
    pub(super) path: &'a mut Vec<u16>,
}

impl<const L: usize> Tree<'_, L> {
    #[inline(always)]
    pub(super) fn view(&self) -> View<'_, L> {
        View {
            nodes: self.nodes,
            covers: self.covers,
            places: self.places,
            ring: self.ring,
            shape: self.shape,
        }
    }

    /// Whether the sample has no room left.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        usize::from(self.head.size) == self.weights.len()
    }

    /// Points that the leaf of a slot stands for; 0 if another leaf stands for it.
    #[inline(always)]
    fn copies(&self, slot: u16) -> u16 {
        self.nodes[usize::from(slot)].copies::<L>()
    }

    #[inline(always)]
    pub(super) fn set_copies(&mut self, slot: u16, copies: u16) {
        self.nodes[usize::from(slot)].set_copies::<L>(copies);
    }

    /// Ticks from `place` on to the first of a point of the sample; those of the ring if it is empty.
    pub(super) fn soonest(&self, place: u16) -> usize {
        let (window, place) = (self.shape.window as u32, u32::from(place));
        let left = |(&first, &weight): (&u16, &u16)| {
            let first = u32::from(first);
            let left = if first < place { first + window - place } else { first - place };
            if weight == FREE { window } else { left }
        };
        self.places.iter().zip(&*self.weights).map(left).fold(window, u32::min) as usize
    }

    /// Takes the points that begin with tick `place` out of the sample and the tree.
    pub(super) fn drop_place(&mut self, place: u16) {
        for slot in 0..self.weights.len() {
            if self.weights[slot] != FREE && self.places[slot] == place {
                self.remove(slot as u16);
                self.weights[slot] = FREE;
                self.head.size -= 1;
            }
        }
    }

    /// Takes all points out of the tree, not out of the sample.
    pub(super) fn clear(&mut self) {
        for (node, next) in self.nodes.iter_mut().zip(1..) {
            *node = Node { children: [next, NOTHING], ..Node::EMPTY };
        }
        self.head.root = NOTHING;
        self.head.free = 0;
    }

    /// Makes the tree anew from its sample.
    pub(super) fn rebuild(&mut self) {
        self.clear();
        for slot in 0..self.weights.len() {
            if self.weights[slot] != FREE {
                let point = self.view().point(slot as u16);
                self.insert(slot as u16, &point);
            }
        }
    }

    /// A node of its own, without children yet; none if there is no room.
    pub(super) fn open(&mut self, dimension: u16, cut: u16) -> Option<u16> {
        let fresh = self.head.free;
        let node = self.nodes.get_mut(usize::from(fresh))?;
        self.head.free = node.children[0];
        node.replace::<L>([NOTHING; 2], dimension, cut);
        Some(fresh)
    }

    /// Gives `parent` its left child, or its right one.
    pub(super) fn adopt(&mut self, parent: u16, child: u16) {
        let children = &mut self.nodes[usize::from(parent)].children;
        children[usize::from(children[0] != NOTHING)] = child;
    }

    pub(super) fn is_whole(&self, node: u16) -> bool {
        self.nodes[usize::from(node)].children[1] != NOTHING
    }

    /// Gives a node whose subtree is whole its box.
    pub(super) fn close(&mut self, node: u16) {
        self.covers[usize::from(node)] = self.view().merged(node);
    }

    /// Follows `point` to a leaf, with the nodes on the way in `self.path`.
    fn descend(&mut self, point: &Point<L>) -> u16 {
        self.path.clear();
        self.follow(self.head.root, point)
    }

    #[inline(always)]
    fn follow(&mut self, from: u16, point: &Point<L>) -> u16 {
        let mut reference = from;
        while reference & LEAF == 0 {
            self.path.push(reference);
            reference = self.nodes[usize::from(reference)].next(point);
        }
        reference
    }

    /// Adds the point of `slot`, which is `point`.
    pub(super) fn insert(&mut self, slot: u16, point: &Point<L>) {
        let leaf = self.descend(point);
        self.insert_at(leaf, slot, point);
    }

    /// Adds `point` where a tree of random cuts over all points would have it (Guha, Mishra, Roy and
    /// Schrijvers 2016, algorithm 2): below the lowest node above which no random cut of the grown
    /// box parts it from the box. The way to `leaf` is in `self.path`.
    #[inline(always)]
    fn insert_at(&mut self, leaf: u16, slot: u16, point: &Point<L>) {
        self.set_copies(slot, 1);
        if leaf == NOTHING {
            self.head.root = LEAF | slot;
            return;
        }
        let twin = self.view().point(leaf);
        if twin == *point {
            self.set_copies(slot, 0);
            self.set_copies(leaf & !LEAF, self.copies(leaf & !LEAF) + 1);
            return;
        }
        let mut random = self.head.random;
        let mut growth = Cover::of(&twin).growth(point);
        let mut cut = (self.path.len(), 0);
        let mut level = self.path.len();
        loop {
            let drawn = random.below((growth.extension + growth.range) as u32) as i32;
            cut = select_unpredictable(drawn < growth.extension, (level, drawn), cut);
            if level == 0 {
                break;
            }
            growth = self.covers[usize::from(self.path[level - 1])].growth(point);
            if growth.extension == 0 {
                break;
            }
            level -= 1;
        }
        self.head.random = random;
        self.attach(slot, point, leaf, cut);
        for &grown in &self.path[level..cut.0] {
            self.covers[usize::from(grown)].include(point);
        }
    }

    /// Puts `point` beside what is at `level` of the path, which ends with `leaf`, by the cut number
    /// `drawn` of those that part the two.
    #[inline(always)]
    fn attach(&mut self, slot: u16, point: &Point<L>, leaf: u16, (level, drawn): (usize, i32)) {
        let child = self.path.get(level).copied().unwrap_or(leaf);
        let mut cover = self.view().cover(child);
        let (dimension, cut) = parting(&cover, point, drawn);
        let fresh = self.head.free;
        self.head.free = self.nodes[usize::from(fresh)].children[0];
        let left = point[usize::from(dimension) % L] <= cut;
        let children = if left { [LEAF | slot, child] } else { [child, LEAF | slot] };
        self.nodes[usize::from(fresh)].replace::<L>(children, dimension, cut);
        cover.include(point);
        self.covers[usize::from(fresh)] = cover;
        self.relink(level, child, fresh);
    }

    /// Makes `new` the child that was `old`, of the node above `level` of the path.
    #[inline(always)]
    fn relink(&mut self, level: usize, old: u16, new: u16) {
        let Some(&parent) = level.checked_sub(1).and_then(|above| self.path.get(above)) else {
            self.head.root = new;
            return;
        };
        let parent = &mut self.nodes[usize::from(parent)];
        parent.children[usize::from(parent.children[0] != old)] = new;
    }

    /// Takes the point of `slot` out of the tree.
    pub(super) fn remove(&mut self, slot: u16) {
        let point = self.view().point(slot);
        let leaf = self.descend(&point);
        self.remove_at(leaf, slot, &point);
    }

    /// Takes out the point of `slot`, which is `point`. The way to its leaf is in `self.path`.
    #[inline(always)]
    fn remove_at(&mut self, leaf: u16, slot: u16, point: &Point<L>) -> Removed {
        let kept = leaf & !LEAF;
        let level = self.path.len();
        let copies = self.copies(kept);
        if copies > 1 {
            self.set_copies(kept, copies - 1);
            let heir = if kept == slot { self.promote(slot, point, level) } else { leaf };
            return Removed { node: NOTHING, leaf, heir };
        }
        self.set_copies(slot, 0);
        let Some(above) = level.checked_sub(1) else {
            self.head.root = NOTHING;
            return Removed { node: NOTHING, leaf, heir: NOTHING };
        };
        let parent = self.path[above];
        let sibling = self.nodes[usize::from(parent)].sibling(leaf);
        self.relink(above, parent, sibling);
        self.nodes[usize::from(parent)].replace::<L>([self.head.free, NOTHING], 0, 0);
        self.head.free = parent;
        for level in (0..above).rev() {
            let node = self.path[level];
            // A point that is on no face of the box did not hold it open, nor any box above.
            if !self.covers[usize::from(node)].touches(point) {
                break;
            }
            let merged = self.view().merged(node);
            if self.covers[usize::from(node)] == merged {
                break;
            }
            self.covers[usize::from(node)] = merged;
        }
        Removed { node: parent, leaf, heir: sibling }
    }

    /// Takes the point of `slot`, which is `old`, out, and `new` in. The ways are those before.
    #[inline(always)]
    pub(super) fn exchange(&mut self, slot: u16, old: (&Point<L>, Way<'_>), new: (&Point<L>, Way<'_>)) {
        let ((old, out), (new, into)) = (old, new);
        self.path.clear();
        self.path.extend((0..out.depth).map(|level| out.at(level)));
        let removed = self.remove_at(out.leaf(), slot, old);
        self.path.clear();
        self.path.extend((0..into.depth).map(|level| into.at(level)).filter(|&node| node != removed.node));
        let leaf = into.leaf();
        let leaf = self.follow(if leaf == removed.leaf { removed.heir } else { leaf }, new);
        self.insert_at(leaf, slot, new);
    }

    /// Lets another of several equal points stand for them in the tree. Gives its leaf.
    fn promote(&mut self, slot: u16, point: &Point<L>, level: usize) -> u16 {
        let heir = (0..self.weights.len() as u16).find(|&other| {
            let copy = self.copies(other) == 0 && self.weights[usize::from(other)] != FREE;
            other != slot && copy && self.view().point(other) == *point
        });
        let heir = heir.unwrap_or(slot);
        let (of_heir, of_slot) = (self.copies(heir), self.copies(slot));
        self.set_copies(heir, of_slot);
        self.set_copies(slot, if heir == slot { of_slot } else { of_heir });
        self.relink(level, LEAF | slot, LEAF | heir);
        LEAF | heir
    }
}

/// What became of the way to a point that was taken out.
struct Removed {
    /// Node that is no longer there.
    node: u16,
    leaf: u16,
    /// Where what leads to the leaf leads now.
    heir: u16,
}

/// The cut number `drawn` of those between a box and a point outside of it.
#[inline(always)]
fn parting<const L: usize>(cover: &Cover<L>, point: &Point<L>, drawn: i32) -> (u16, u16) {
    let mut left = drawn;
    for i in 0..L {
        let gap = i32::from(cover.outside(point, i));
        if left < gap {
            let lowest = if point[i] > cover.high[i] { cover.high[i] } else { point[i] };
            return (i as u16, lowest + left as u16);
        }
        left -= gap;
    }
    (0, 0)
}
