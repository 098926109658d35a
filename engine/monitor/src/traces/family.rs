//! Who called whom within one trace, and what of its time was spent where.

use crate::{bucket::SpanRow, traces::ids::NONE};

/// Parents and children of the rows of one trace. Kept from trace to trace for its room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Row of the parent, by row; [`NONE`] where it is not there.
    parents: Vec<u32>,
    /// Rows by parent, and then by when they start.
    children: Vec<u32>,
    /// First of the children in `children`, by row, and an end.
    first: Vec<u32>,
    steps: Vec<Step>,
    ends: Vec<(i64, u32)>,
}

/// A span whose time up to `until` is looked at, not before `from`.
#[derive(Clone, Copy, Debug)]
struct Step {
    row: u32,
    from: i64,
    until: i64,
}

/// The row that is the span of this id, other than `but`; of several the first.
#[inline]
fn find(rows: &[SpanRow], span: u64, but: usize) -> u32 {
    let at = rows.partition_point(|row| row.span < span);
    let found = (at..rows.len()).take_while(|at| rows[*at].span == span).find(|at| *at != but);
    found.map_or(NONE, |at| at as u32)
}

impl Family {
    /// Joins the rows of one trace, sorted.
    pub(crate) fn join(&mut self, rows: &[SpanRow]) {
        self.parents.clear();
        self.first.clear();
        self.first.resize(rows.len() + 1, 0);
        for (at, row) in rows.iter().enumerate() {
            let parent = if row.parent == 0 { NONE } else { find(rows, row.parent, at) };
            self.parents.push(parent);
            if parent != NONE {
                self.first[parent as usize] += 1;
            }
        }
        let mut sum = 0;
        for first in &mut self.first {
            sum += *first;
            *first = sum;
        }
        self.children.clear();
        self.children.resize(sum as usize, 0);
        for at in (0..rows.len()).rev() {
            let parent = self.parents[at];
            if parent != NONE {
                let place = &mut self.first[parent as usize];
                *place -= 1;
                self.children[*place as usize] = at as u32;
            }
        }
        for parent in 0..rows.len() {
            let range = self.first[parent] as usize..self.first[parent + 1] as usize;
            if range.len() > 1 {
                self.children[range].sort_unstable_by_key(|child| (rows[*child as usize].start(), *child));
            }
        }
    }

    /// Row of the parent.
    #[inline]
    pub(crate) fn parent(&self, row: usize) -> Option<usize> {
        Some(self.parents[row]).filter(|parent| *parent != NONE).map(|parent| parent as usize)
    }

    /// Rows of the children in the order in which they start.
    #[inline]
    pub(crate) fn children(&self, row: usize) -> &[u32] {
        &self.children[self.first[row] as usize..self.first[row + 1] as usize]
    }

    /// Nanoseconds of a span in which none of its children was under way.
    pub(crate) fn own_time(&self, rows: &[SpanRow], row: usize) -> i64 {
        let span = &rows[row];
        let (mut covered, mut reached) = (0, span.start());
        for child in self.children(row).iter().map(|child| &rows[*child as usize]) {
            let (from, until) = (child.start().max(reached), child.end.min(span.end));
            if until > from {
                covered += until - from;
                reached = until;
            }
        }
        span.nanoseconds - covered
    }

    /// Goes back from the end of a root along what it waited for last: each span on that path, with
    /// the nanoseconds that passed in it and in none of its children on it
    /// (Anand et al. 2020, "Critical path analysis of distributed traces").
    pub(crate) fn critical_path(&mut self, rows: &[SpanRow], root: usize, mut spent: impl FnMut(usize, i64)) {
        let whole = Step { row: root as u32, from: rows[root].start(), until: rows[root].end };
        let mut steps = std::mem::take(&mut self.steps);
        let mut ends = std::mem::take(&mut self.ends);
        steps.push(whole);
        while let Some(Step { row, from, until }) = steps.pop() {
            let (mut now, mut own) = (until, 0);
            ends.clear();
            ends.extend(self.children(row as usize).iter().map(|child| (rows[*child as usize].end, *child)));
            ends.sort_unstable();
            for (end, child) in ends.iter().rev() {
                let (start, end) = (rows[*child as usize].start().max(from), (*end).min(now));
                if end > start {
                    own += now - end;
                    steps.push(Step { row: *child, from: start, until: end });
                    now = start;
                }
            }
            spent(row as usize, own + now - from);
        }
        (self.steps, self.ends) = (steps, ends);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::traces::sketch::WHOLE;

    /// Spans as id, parent, start, end.
    fn trace(spans: &[(u64, u64, i64, i64)]) -> Vec<SpanRow> {
        let row = |&(span, parent, start, end): &(u64, u64, i64, i64)| SpanRow {
            trace: 1,
            span,
            kind: 0,
            end,
            parent,
            nanoseconds: end - start,
            weight: WHOLE,
            operation: 0,
            call: NONE,
            error: false,
            resend: false,
            met: false,
            counted: false,
        };
        let mut rows: Vec<SpanRow> = spans.iter().map(row).collect();
        rows.sort_unstable();
        rows
    }

    fn path(rows: &[SpanRow]) -> Vec<(u64, i64)> {
        let mut family = Family::default();
        family.join(rows);
        let mut path = Vec::new();
        family.critical_path(rows, 0, |row, spent| path.push((rows[row].span, spent)));
        path.sort_unstable();
        path
    }

    #[test]
    fn own_time_is_what_children_leave() {
        // Two that overlap, one that goes on after its parent, one by itself.
        let rows = trace(&[(1, 0, 0, 100), (2, 1, 10, 30), (3, 1, 20, 40), (4, 1, 90, 120), (5, 1, 50, 60)]);
        let mut family = Family::default();
        family.join(&rows);
        assert_eq!(family.own_time(&rows, 0), 100 - 30 - 10 - 10);
        assert_eq!(family.own_time(&rows, 1), 20);
        assert_eq!(family.children(0), [1, 2, 4, 3]);
        assert_eq!((family.parent(0), family.parent(3)), (None, Some(0)));
    }

    #[test]
    fn of_calls_side_by_side_the_last_to_end_is_critical() {
        let rows = trace(&[(1, 0, 0, 100), (2, 1, 10, 50), (3, 1, 10, 90), (4, 3, 20, 60)]);
        assert_eq!(path(&rows), [(1, 20), (3, 40), (4, 40)]);
        let rows = trace(&[(1, 0, 0, 100), (2, 1, 10, 50), (3, 1, 50, 90)]);
        assert_eq!(path(&rows), [(1, 20), (2, 40), (3, 40)]);
    }

    #[test]
    fn spans_that_are_each_other_s_parents_are_no_path() {
        let rows = trace(&[(1, 1, 0, 10), (2, 3, 0, 10), (3, 2, 0, 10)]);
        let mut family = Family::default();
        family.join(&rows);
        assert_eq!(family.parent(0), None);
        assert_eq!((family.parent(1), family.parent(2)), (Some(2), Some(1)));
    }

    proptest! {
        /// The path of a root is as long as the root, whatever clocks its children have.
        #[test]
        fn the_critical_path_adds_up(spans in prop::collection::vec((1_u64..20, -20_i64..100, 0_i64..80), 0..20)) {
            let spans = spans.iter().enumerate().map(|(at, (parent, start, length))| {
                (at as u64 + 2, *parent.min(&(at as u64 + 1)), *start, start + length)
            });
            let rows = trace(&[(1, 0, 0, 70)].into_iter().chain(spans).collect::<Vec<_>>());
            prop_assert_eq!(path(&rows).iter().map(|(_, spent)| spent).sum::<i64>(), 70);
        }
    }
}
