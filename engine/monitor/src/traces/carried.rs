//! Spans of earlier ticks whose parent or children may still come. A child usually ends, and is
//! reported, before its parent; what is passed on in messages ends after it.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::bucket::SpanRow;

/// Recent spans, sorted by trace and span.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Carried {
    rows: Vec<SpanRow>,
}

/// What became of those that are not carried any longer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped {
    /// Their time was over, and no parent came.
    pub(crate) orphans: Vec<SpanRow>,
    /// There was no room for them, and their parent had not come.
    pub(crate) shed: u64,
    /// There was no room for them: children that come later do not find them.
    pub(crate) forgotten: u64,
}

impl Carried {
    /// Where those of a trace lie, looked for from place `from` on.
    pub(crate) fn of(&self, trace: u128, from: usize) -> Range<usize> {
        // Traces of a tick are asked for in order, so the next one is near.
        let mut width = 1;
        while self.rows.get(from + width).is_some_and(|row| row.trace < trace) {
            width *= 2;
        }
        let near = &self.rows[from..self.rows.len().min(from + width + 1)];
        let first = from + near.partition_point(|row| row.trace < trace);
        first..first + self.rows[first..].iter().take_while(|row| row.trace == trace).count()
    }

    pub(crate) fn rows(&self, range: Range<usize>) -> &[SpanRow] {
        &self.rows[range]
    }

    pub(crate) fn rows_mut(&mut self, range: Range<usize>) -> &mut [SpanRow] {
        &mut self.rows[range]
    }

    /// Takes in the rows of a tick, sorted, and lets go what ended before `before`, and what is
    /// more than `max`: those without a parent stay longer, and of them and of the others the
    /// youngest.
    pub(crate) fn carry(&mut self, rows: &[SpanRow], before: i64, max: usize) -> Dropped {
        let mut dropped = Dropped::default();
        let waits = |row: &SpanRow| row.parent != 0 && !row.met;
        let is_young = |row: &&SpanRow| row.end >= before;
        let old = self.rows.iter().filter(|row| row.end < before && waits(row));
        dropped.orphans.extend(old.copied());
        // A tick may be longer than the time that is waited for.
        dropped.orphans.extend(rows.iter().filter(|row| row.end < before && waits(row)).copied());
        let mut ages: Vec<(bool, i64)> =
            self.rows.iter().chain(rows).filter(is_young).map(|row| (waits(row), row.end)).collect();
        let first = ages.len().saturating_sub(max);
        let (mut least, mut spare) = ((false, i64::MIN), usize::MAX);
        if first > 0 && max > 0 {
            least = *ages.select_nth_unstable(first).1;
            spare = max - ages[first..].iter().filter(|age| **age > least).count();
        } else if max == 0 {
            (least, spare) = ((true, i64::MAX), 0);
        }
        let mut kept = Vec::with_capacity(ages.len().min(max));
        let mut take = |row: &SpanRow| {
            let age = (waits(row), row.end);
            let room = age > least || age == least && spare > 0;
            if age == least {
                spare = spare.saturating_sub(1);
            }
            if room {
                kept.push(SpanRow { counted: true, ..*row });
            } else {
                *if age.0 { &mut dropped.shed } else { &mut dropped.forgotten } += 1;
            }
        };
        let (mut old, mut new) =
            (self.rows.iter().filter(is_young).peekable(), rows.iter().filter(is_young).peekable());
        while let Some(row) = match (old.peek(), new.peek()) {
            (Some(a), Some(b)) if a <= b => old.next(),
            (_, Some(_)) => new.next(),
            _ => old.next(),
        } {
            take(row);
        }
        self.rows = kept;
        dropped
    }
}
