//! Ways from the root to a leaf, several side by side: while one waits for memory the others go on.

use std::hint::select_unpredictable;

use super::{
    cover::Point,
    tree::{LEAF, Node},
};

/// Ways side by side.
pub(super) const ABREAST: usize = 10;
/// Levels of a way that are looked at side by side.
pub(super) const STRIDE: usize = 8;
/// References in a row: a power of two, for the sake of vectors.
const ROW: usize = ABREAST.next_power_of_two();

/// What the last descent passed. Kept to be written again.
#[derive(Debug)]
pub(super) struct Ways {
    /// References by level and lane. A lane that is at its leaf stays there.
    rows: Vec<[u16; ROW]>,
    /// Nodes above the leaf by lane.
    depths: [u16; ROW],
}

impl Default for Ways {
    fn default() -> Self {
        Self { rows: vec![[LEAF; ROW]; 4 * STRIDE], depths: [0; ROW] }
    }
}

/// One of [`Ways`].
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    rows: &'a [[u16; ROW]],
    lane: usize,
    pub(super) depth: usize,
}

impl Ways {
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
        let mut level = 0;
        loop {
            let Some(row) = self.rows.get_mut(level) else {
                self.lengthen();
                continue;
            };
            row[..ABREAST].copy_from_slice(&at);
            let mut leaves = LEAF;
            for lane in 0..ABREAST {
                let reference = at[lane];
                // There are as many nodes as slots: a leaf that waits for the others reads some node.
                let next = nodes[start[lane].0 + usize::from(reference & !LEAF)].next(point(lane));
                at[lane] = select_unpredictable(reference & LEAF == 0, next, reference);
                leaves &= reference;
            }
            if leaves != 0 {
                break;
            }
            level += 1;
        }
        self.depths = [0; ROW];
        for row in &self.rows[..level] {
            for (depth, reference) in self.depths.iter_mut().zip(row) {
                // Saturating, so that compilers keep to one vector a row.
                *depth = depth.saturating_add(1 - (reference >> 15));
            }
        }
    }

    #[cold]
    fn lengthen(&mut self) {
        self.rows.resize(2 * self.rows.len(), [LEAF; ROW]);
    }

    #[inline(always)]
    pub(super) fn way(&self, lane: usize) -> Way<'_> {
        Way { rows: &self.rows, lane, depth: usize::from(self.depths[lane]) }
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

    /// The last [`STRIDE`] nodes; what is beyond the leaf, if the way is shorter, is of no meaning.
    #[inline(always)]
    pub(super) fn lowest(&self) -> [u16; STRIDE] {
        let first = self.depth.saturating_sub(STRIDE);
        let rows = &self.rows[first..first + STRIDE];
        std::array::from_fn(|i| rows[i][self.lane])
    }
}
