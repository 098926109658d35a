//! Ways from the root to a leaf, several side by side: while one waits for memory the others go on.

use std::hint::select_unpredictable;

use super::{
    cover::Point,
    tree::{LEAF, Node},
};

/// Ways side by side.
pub(super) const ABREAST: usize = 10;

/// What the last descent passed. Kept to be written again.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// References by level and lane. A lane that is at its leaf stays there.
    rows: Vec<[u16; ABREAST]>,
    /// Nodes above the leaf by lane.
    depths: [usize; ABREAST],
}

/// One of [`Ways`].
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    rows: &'a [[u16; ABREAST]],
    lane: usize,
    pub(super) depth: usize,
}

impl Ways {
    /// Room for any way down a tree of `sample_size` leaves.
    pub(super) fn new(sample_size: usize) -> Self {
        Self { rows: vec![[LEAF; ABREAST]; sample_size], depths: [0; ABREAST] }
    }

    /// Leads a point down a tree in each lane. A lane begins at a reference among the nodes of its
    /// tree, which begin at a place in `nodes`; one that has no tree begins at slot 0 as a leaf.
    #[inline(always)]
    pub(super) fn descend<'p, const L: usize>(
        &mut self,
        nodes: &[Node],
        start: [(usize, u16); ABREAST],
        point: impl Fn(usize) -> &'p Point<L>,
    ) {
        let mut at = start.map(|(_, root)| root);
        let mut depths = [0_u16; ABREAST];
        for row in &mut self.rows {
            *row = at;
            let mut leaves = LEAF;
            for lane in 0..ABREAST {
                let reference = at[lane];
                // There are as many nodes as slots: a leaf that waits for the others reads some node.
                let next = nodes[start[lane].0 + usize::from(reference & !LEAF)].next(point(lane));
                at[lane] = select_unpredictable(reference & LEAF == 0, next, reference);
                depths[lane] += 1 - (reference >> 15);
                leaves &= reference;
            }
            if leaves != 0 {
                break;
            }
        }
        self.depths = depths.map(usize::from);
    }

    #[inline(always)]
    pub(super) fn way(&self, lane: usize) -> Way<'_> {
        Way { rows: &self.rows, lane, depth: self.depths[lane] }
    }
}

impl Way<'_> {
    /// Reference at a level: the root at 0, the leaf at `depth`.
    #[inline(always)]
    pub(super) fn at(&self, level: usize) -> u16 {
        self.rows[level][self.lane]
    }

    #[inline(always)]
    pub(super) fn leaf(&self) -> u16 {
        self.at(self.depth)
    }
}
