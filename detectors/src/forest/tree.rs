//! One tree: nodes, leaves and bounding boxes in flat arrays.

use super::{
    cover::{Cover, Point},
    random::SplitMix,
    ring::{Ring, Shape},
};

/// Set in a reference to a leaf; the rest is the slot of its point in the sample.
pub(super) const LEAF: u16 = 0x8000;
/// Reference to nothing.
pub(super) const NOTHING: u16 = u16::MAX;
/// Of a node without a stored box.
const NO_COVER: u8 = u8::MAX;
/// Weight of a slot of the sample that is free.
pub(super) const FREE: f32 = f32::NEG_INFINITY;

/// An inner node: 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Nodes or leaves: where points go whose level in `dimension` is at most `cut`, and where the
    /// others go. Of a free node, the first is the next free one.
    pub(super) children: [u16; 2],
    pub(super) cut: u16,
    pub(super) dimension: u8,
    /// Place of its box.
    cover: u8,
}

impl Node {
    pub(super) const EMPTY: Self = Self { children: [NOTHING; 2], cut: 0, dimension: 0, cover: NO_COVER };

    /// Where a point goes; without a branch, which nothing could foresee.
    #[inline(always)]
    pub(super) fn next<const L: usize>(&self, point: &Point<L>) -> u16 {
        self.children[usize::from(point[usize::from(self.dimension) % L] > self.cut)]
    }

    /// The other child.
    #[inline(always)]
    pub(super) fn sibling(&self, child: u16) -> u16 {
        self.children[usize::from(self.children[0] == child)]
    }
}

/// What a tree has beside its arrays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Head {
    pub(super) random: SplitMix,
    /// Number of the point that is taken next, and the weight it is given.
    pub(super) due: u64,
    pub(super) weight: f32,
    /// Slot of the largest weight, once the sample is full.
    pub(super) heaviest: u16,
    /// Points in the sample.
    pub(super) size: u16,
    pub(super) root: u16,
    free_node: u16,
    free_cover: u8,
}

impl Head {
    pub(super) fn new(random: SplitMix) -> Self {
        let none = NOTHING;
        Self {
            random,
            due: 0,
            weight: 0.0,
            heaviest: 0,
            size: 0,
            root: none,
            free_node: none,
            free_cover: NO_COVER,
        }
    }
}

/// Which nodes keep their bounding box. Boxes are most of a forest's memory, and half of the
/// nodes have so few points below them that their box is found sooner than fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boxes {
    /// Leaves below a node from which on it keeps its box.
    pub(super) from: u32,
    /// Boxes of a tree. A tree of random cuts has 2 n / `from` such nodes; when a lopsided one
    /// needs more, further nodes do without.
    pub(super) places: usize,
}

impl Boxes {
    pub(super) fn new(sample_size: usize) -> Self {
        let from = (sample_size / 64).max(4);
        Self { from: from as u32, places: (3 * sample_size / from).clamp(4, 254) }
    }
}

/// A tree to look at.
#[derive(Clone, Copy)]
pub(super) struct View<'a, const L: usize> {
    pub(super) nodes: &'a [Node],
    covers: &'a [Cover<L>],
    places: &'a [u16],
    pub(super) copies: &'a [u16],
    ring: &'a Ring,
    shape: Shape,
}

impl<'a, const L: usize> View<'a, L> {
    pub(super) fn new(
        nodes: &'a [Node],
        covers: &'a [Cover<L>],
        places: &'a [u16],
        copies: &'a [u16],
        ring: &'a Ring,
        shape: Shape,
    ) -> Self {
        Self { nodes, covers, places, copies, ring, shape }
    }

    #[inline(always)]
    pub(super) fn node(&self, reference: u16) -> &Node {
        &self.nodes[usize::from(reference)]
    }

    /// Point of a leaf, given its reference or its slot.
    #[inline(always)]
    pub(super) fn point(&self, leaf: u16) -> Point<L> {
        self.ring.point(self.shape, self.places[usize::from(leaf & !LEAF)])
    }

    /// The box of a node, if it is stored.
    #[inline(always)]
    pub(super) fn stored(&self, node: &Node) -> Option<&'a Cover<L>> {
        (node.cover != NO_COVER).then(|| &self.covers[usize::from(node.cover)])
    }

    /// The box of `node`, whose child on the way has `cover`. Returns whether it was stored.
    #[inline(always)]
    pub(super) fn rise(&self, node: &Node, sibling: u16, cover: &mut Cover<L>) -> bool {
        if node.cover == NO_COVER {
            self.absorb(sibling, cover);
            false
        } else {
            *cover = self.covers[usize::from(node.cover)];
            true
        }
    }

    /// Grows `cover` by the box of a subtree.
    #[inline(always)]
    pub(super) fn absorb(&self, reference: u16, cover: &mut Cover<L>) {
        if reference & LEAF != 0 {
            cover.include(&self.point(reference));
        } else {
            self.absorb_node(reference, cover);
        }
    }

    fn absorb_node(&self, reference: u16, cover: &mut Cover<L>) {
        let node = *self.node(reference);
        if node.cover == NO_COVER {
            self.absorb(node.children[0], cover);
            self.absorb(node.children[1], cover);
        } else {
            cover.merge(&self.covers[usize::from(node.cover)]);
        }
    }

    /// Leaves of a subtree, counted up to about `enough`.
    fn leaves(&self, reference: u16, enough: u32) -> u32 {
        if reference & LEAF != 0 {
            return 1;
        }
        let node = *self.node(reference);
        if node.cover != NO_COVER {
            return enough;
        }
        let left = self.leaves(node.children[0], enough);
        if left >= enough { left } else { left + self.leaves(node.children[1], enough) }
    }
}

/// A tree to change.
pub(super) struct Tree<'a, const L: usize> {
    pub(super) head: &'a mut Head,
    pub(super) nodes: &'a mut [Node],
    pub(super) covers: &'a mut [Cover<L>],
    pub(super) copies: &'a mut [u16],
    pub(super) weights: &'a mut [f32],
    pub(super) places: &'a mut [u16],
    pub(super) ring: &'a Ring,
    pub(super) shape: Shape,
    pub(super) boxes: Boxes,
    /// Way from the root to a leaf; scratch.
    pub(super) path: &'a mut Vec<u16>,
}

impl<const L: usize> Tree<'_, L> {
    pub(super) fn view(&self) -> View<'_, L> {
        View::new(self.nodes, self.covers, self.places, self.copies, self.ring, self.shape)
    }

    /// Takes all points out of the tree, not out of the sample.
    pub(super) fn clear(&mut self) {
        for (node, next) in self.nodes.iter_mut().zip(1..) {
            *node = Node { children: [next, NOTHING], ..Node::EMPTY };
        }
        for (cover, next) in self.covers.iter_mut().zip(1..) {
            cover.low[0] = next;
        }
        self.copies.fill(0);
        self.head.root = NOTHING;
        self.head.free_node = 0;
        self.head.free_cover = 0;
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
    pub(super) fn open(&mut self, dimension: u8, cut: u16) -> Option<u16> {
        let fresh = self.head.free_node;
        let node = self.nodes.get_mut(usize::from(fresh))?;
        self.head.free_node = node.children[0];
        *node = Node { cut, dimension, ..Node::EMPTY };
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

    /// Stores the box of a node whose subtree is whole, if it is worth it.
    pub(super) fn close(&mut self, node: u16) {
        let mut cover = Cover::NOTHING;
        self.view().absorb(node, &mut cover);
        let [left, right] = self.nodes[usize::from(node)].children;
        let enough = self.boxes.from;
        let leaves = self.view().leaves(left, enough) + self.view().leaves(right, enough);
        self.keep(node, &cover, leaves);
    }

    /// Follows `point` to a leaf, with the nodes on the way in `self.path`.
    fn descend(&mut self, point: &Point<L>) -> u16 {
        self.path.clear();
        let mut reference = self.head.root;
        while reference & LEAF == 0 {
            self.path.push(reference);
            reference = self.nodes[usize::from(reference)].next(point);
        }
        reference
    }

    /// Adds the point of `slot`, which is `point`, where a tree of random cuts over all points
    /// would have it (Guha, Mishra, Roy and Schrijvers 2016, algorithm 2): below the lowest node
    /// above which no random cut of the grown box parts it from the box.
    pub(super) fn insert(&mut self, slot: u16, point: &Point<L>) {
        self.copies[usize::from(slot)] = 1;
        if self.head.root == NOTHING {
            self.head.root = LEAF | slot;
            return;
        }
        let leaf = self.descend(point);
        let twin = self.view().point(leaf);
        if twin == *point {
            self.copies[usize::from(slot)] = 0;
            self.copies[usize::from(leaf & !LEAF)] += 1;
            return;
        }
        let mut cover = Cover::of(&twin);
        let mut leaves = 1;
        let (mut child, mut level) = (leaf, self.path.len());
        let mut found = Cut { level, child, cover, leaves, dimension: 0, at: 0 };
        loop {
            let growth = cover.growth(point);
            if growth.extension == 0 {
                break;
            }
            let drawn = self.head.random.below((growth.extension + growth.range) as u32) as i32;
            if drawn < growth.extension {
                let (dimension, at) = parting(&cover, point, drawn);
                found = Cut { level, child, cover, leaves, dimension, at };
            }
            let Some(above) = level.checked_sub(1) else { break };
            level = above;
            let parent = self.path[level];
            let node = self.nodes[usize::from(parent)];
            let sibling = node.sibling(child);
            leaves = self.rise(&node, sibling, &mut cover, leaves);
            child = parent;
        }
        self.attach(slot, point, found);
    }

    /// [`View::rise`] that counts leaves.
    fn rise(&self, node: &Node, sibling: u16, cover: &mut Cover<L>, leaves: u32) -> u32 {
        if self.view().rise(node, sibling, cover) {
            self.boxes.from
        } else {
            leaves.saturating_add(self.view().leaves(sibling, self.boxes.from))
        }
    }

    fn attach(&mut self, slot: u16, point: &Point<L>, cut: Cut<L>) {
        let Cut { level, child, mut cover, leaves, dimension, at } = cut;
        let fresh = self.head.free_node;
        self.head.free_node = self.nodes[usize::from(fresh)].children[0];
        let left = point[usize::from(dimension) % L] <= at;
        let children = if left { [LEAF | slot, child] } else { [child, LEAF | slot] };
        self.nodes[usize::from(fresh)] = Node { children, cut: at, dimension, cover: NO_COVER };
        self.relink(level, child, fresh);
        cover.include(point);
        self.keep(fresh, &cover, leaves + 1);
        self.grow_above(level, fresh, point, cover, leaves + 1);
    }

    /// Makes `new` the child that was `old`, of the node above `level` of the path.
    fn relink(&mut self, level: usize, old: u16, new: u16) {
        let Some(&parent) = level.checked_sub(1).and_then(|above| self.path.get(above)) else {
            self.head.root = new;
            return;
        };
        let parent = &mut self.nodes[usize::from(parent)];
        parent.children[usize::from(parent.children[0] != old)] = new;
    }

    /// Stores the box of a node that has none, if it is worth it and there is room.
    fn keep(&mut self, reference: u16, cover: &Cover<L>, leaves: u32) {
        let place = self.head.free_cover;
        let node = &mut self.nodes[usize::from(reference)];
        if leaves >= self.boxes.from && node.cover == NO_COVER && usize::from(place) < self.covers.len() {
            node.cover = place;
            self.head.free_cover = self.covers[usize::from(place)].low[0] as u8;
            self.covers[usize::from(place)] = *cover;
        }
    }

    fn release(&mut self, reference: u16) {
        let node = &mut self.nodes[usize::from(reference)];
        if node.cover != NO_COVER {
            self.covers[usize::from(node.cover)].low[0] = u16::from(self.head.free_cover);
            self.head.free_cover = node.cover;
            node.cover = NO_COVER;
        }
    }

    /// After `point` was added below `level`: the boxes above it.
    fn grow_above(&mut self, level: usize, child: u16, point: &Point<L>, cover: Cover<L>, leaves: u32) {
        let (mut child, mut cover, mut leaves) = (child, cover, leaves);
        for above in (0..level).rev() {
            let parent = self.path[above];
            let node = self.nodes[usize::from(parent)];
            if node.cover == NO_COVER {
                let sibling = node.sibling(child);
                leaves = self.rise(&node, sibling, &mut cover, leaves);
                self.keep(parent, &cover, leaves);
            } else {
                let stored = &mut self.covers[usize::from(node.cover)];
                if stored.growth(point).extension == 0 {
                    return;
                }
                stored.include(point);
                cover = *stored;
                leaves = self.boxes.from;
            }
            child = parent;
        }
    }

    /// Takes the point of `slot` out of the tree.
    pub(super) fn remove(&mut self, slot: u16) {
        let point = self.view().point(slot);
        let leaf = self.descend(&point);
        let kept = leaf & !LEAF;
        let level = self.path.len();
        if self.copies[usize::from(kept)] > 1 {
            self.copies[usize::from(kept)] -= 1;
            if kept == slot {
                self.promote(slot, &point, level);
            }
            return;
        }
        self.copies[usize::from(slot)] = 0;
        let Some(above) = level.checked_sub(1) else {
            self.head.root = NOTHING;
            return;
        };
        let parent = self.path[above];
        let node = self.nodes[usize::from(parent)];
        let sibling = node.sibling(leaf);
        self.relink(above, parent, sibling);
        self.release(parent);
        self.nodes[usize::from(parent)] = Node { children: [self.head.free_node, NOTHING], ..Node::EMPTY };
        self.head.free_node = parent;
        self.shrink_above(above, sibling);
    }

    /// Lets another of several equal points stand for them in the tree.
    fn promote(&mut self, slot: u16, point: &Point<L>, level: usize) {
        let heir = (0..self.weights.len() as u16).find(|&other| {
            let copy = self.copies[usize::from(other)] == 0 && self.weights[usize::from(other)] != FREE;
            other != slot && copy && self.view().point(other) == *point
        });
        if let Some(heir) = heir {
            self.copies[usize::from(heir)] = self.copies[usize::from(slot)];
            self.copies[usize::from(slot)] = 0;
            self.relink(level, LEAF | slot, LEAF | heir);
        }
    }

    /// After a leaf was taken out below `level`, where `child` now is: the boxes above.
    fn shrink_above(&mut self, level: usize, child: u16) {
        let mut cover = Cover::NOTHING;
        self.view().absorb(child, &mut cover);
        let mut leaves = self.view().leaves(child, self.boxes.from);
        let mut child = child;
        for above in (0..level).rev() {
            let parent = self.path[above];
            let node = self.nodes[usize::from(parent)];
            let sibling = node.sibling(child);
            self.view().absorb(sibling, &mut cover);
            if leaves < self.boxes.from {
                leaves = leaves.saturating_add(self.view().leaves(sibling, self.boxes.from));
            }
            if node.cover == NO_COVER {
                self.keep(parent, &cover, leaves);
            } else if leaves < self.boxes.from {
                self.release(parent);
            } else if self.covers[usize::from(node.cover)] == cover {
                return;
            } else {
                self.covers[usize::from(node.cover)] = cover;
            }
            child = parent;
        }
    }
}

/// Where a new leaf goes: beside `child`, which is at `level` and has the box `cover`.
#[derive(Clone, Copy)]
struct Cut<const L: usize> {
    level: usize,
    child: u16,
    cover: Cover<L>,
    leaves: u32,
    dimension: u8,
    at: u16,
}

/// The cut number `drawn` of those between a box and a point outside of it.
fn parting<const L: usize>(cover: &Cover<L>, point: &Point<L>, drawn: i32) -> (u8, u16) {
    let mut left = drawn;
    for i in 0..L {
        let gap = i32::from(cover.outside(point, i));
        if left < gap {
            let lowest = if point[i] > cover.high[i] { cover.high[i] } else { point[i] };
            return (i as u8, lowest + left as u16);
        }
        left -= gap;
    }
    (0, 0)
}
