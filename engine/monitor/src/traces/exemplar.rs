//! Traces that show what a series tells: the slowest, one that failed, and an ordinary one from
//! before, as trees for people.

use std::{collections::BTreeMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::{
    bucket::SpanRow,
    index::Index,
    traces::{catalog::Catalog, family::Family},
};

/// Lines of a tree at most, and characters of a line.
const LINES_MAX: usize = 12;
const LINE_MAX: usize = 100;
/// What was usual is shown for an hour at most, nanoseconds.
const USUAL_FOR: i64 = 3_600_000_000_000;

/// A span that was met. One that took longer is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Seen {
    nanoseconds: i64,
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) end: i64,
}

impl Seen {
    pub(crate) const fn of(row: &SpanRow) -> Self {
        Self { nanoseconds: row.nanoseconds, trace: row.trace, span: row.span, end: row.end }
    }
}

/// The spans of a tick that show an operation or an edge best. Of equals the first, and traces are
/// met in their order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) slowest: Option<Seen>,
    /// The slowest of those that failed.
    pub(crate) failed: Option<Seen>,
    /// The one that took most nearly what is usual.
    pub(crate) usual: Option<Seen>,
}

impl Shown {
    /// Looks at a span; `typical` is what such spans took before, nanoseconds.
    #[inline]
    pub(crate) fn see(&mut self, row: &SpanRow, typical: i64) {
        let seen = || Some(Seen::of(row));
        let is_slower = |other: Option<Seen>| other.is_none_or(|other| row.nanoseconds > other.nanoseconds);
        let off = |nanoseconds: i64| nanoseconds.abs_diff(typical);
        if is_slower(self.slowest) {
            self.slowest = seen();
        }
        if row.error && is_slower(self.failed) {
            self.failed = seen();
        } else if !row.error && self.usual.is_none_or(|usual| off(row.nanoseconds) < off(usual.nanoseconds)) {
            self.usual = seen();
        }
    }

    /// As [`Self::see`], of what was seen elsewhere.
    pub(crate) fn merge(&mut self, other: &Self, typical: i64) {
        let slower = |a: Option<Seen>, b: Option<Seen>| match (a, b) {
            (Some(a), Some(b)) => {
                Some(if (b.nanoseconds, a.trace, a.span) > (a.nanoseconds, b.trace, b.span) { b } else { a })
            }
            _ => a.or(b),
        };
        self.slowest = slower(self.slowest, other.slowest);
        self.failed = slower(self.failed, other.failed);
        let off = |seen: &Seen| (seen.nanoseconds.abs_diff(typical), seen.trace, seen.span);
        self.usual = self.usual.into_iter().chain(other.usual).min_by_key(off);
    }
}

/// What is known of the ordinary, by operation or edge.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usual {
    /// What such spans took in the last tick that had any, nanoseconds; 0 where there was none.
    typical: Vec<i64>,
    /// When it was, and the tree.
    traces: BTreeMap<u32, (i64, String)>,
    /// Those that the latest tick put others in place of, or gave up.
    #[serde(skip)]
    replaced: BTreeMap<u32, (i64, String)>,
}

impl Usual {
    pub(crate) fn typical(&self, number: u32) -> i64 {
        self.typical.get(number as usize).copied().unwrap_or(0)
    }

    /// Notes what such spans took, seconds.
    pub(crate) fn took(&mut self, number: u32, seconds: f64) {
        let place = number as usize;
        if self.typical.len() <= place {
            self.typical.resize(place + 1, 0);
        }
        self.typical[place] = (seconds * 1e9) as i64;
    }

    /// An ordinary trace from before `now`, the start of the latest tick.
    pub(crate) fn before(&self, number: u32, now: i64) -> Option<&(i64, String)> {
        let kept = || self.traces.get(&number).filter(|(at, _)| *at < now);
        self.replaced.get(&number).or_else(kept)
    }

    /// Keeps ordinary traces of `now` where there is none that is younger than `renew`, if there is
    /// room for all: who gets one must not depend on who came first. Gives how many got none.
    pub(crate) fn keep(
        &mut self,
        found: &[(u32, Seen)],
        now: i64,
        renew: i64,
        max: usize,
        tree: impl Fn(&Seen) -> String,
    ) -> u64 {
        self.replaced =
            self.traces.extract_if(.., |_, (at, _)| now.saturating_sub(*at) >= USUAL_FOR).collect();
        let is_new = |(number, _): &&(u32, Seen)| !self.traces.contains_key(number);
        let new = found.iter().filter(is_new).count();
        let room = self.traces.len() + new <= max;
        for (number, seen) in found {
            let old = self.traces.get(number).map(|(at, _)| *at);
            if old.map_or(room, |at| now.saturating_sub(at) >= renew) {
                let old = self.traces.insert(*number, (now, tree(seen)));
                self.replaced.extend(old.map(|old| (*number, old)));
            }
        }
        if room { 0 } else { new as u64 }
    }
}

/// Draws traces of a tick.
pub(crate) struct Draw<'a> {
    /// All spans of the tick, sorted.
    pub(crate) rows: &'a [SpanRow],
    /// What was said in traces, in the order of time.
    pub(crate) told_in: &'a BTreeMap<u128, Vec<(i64, String)>>,
    pub(crate) catalog: &'a Catalog,
    pub(crate) index: &'a Index,
}

impl Draw<'_> {
    /// The trace of a span as a tree, `word` before its id: from the root if all of it has room,
    /// else from the span that is asked for.
    pub(crate) fn tree(&self, word: &str, seen: &Seen) -> String {
        let rows = self.of(seen.trace);
        let mut family = Family::default();
        family.join(rows);
        let focus = rows.iter().position(|row| row.span == seen.span).unwrap_or(0);
        let mut top = focus;
        // A span may be its own ancestor where ids are wrong.
        for _ in 0..LINES_MAX {
            match family.parent(top) {
                Some(parent) => top = parent,
                None => break,
            }
        }
        let mut text = format!("{word} {:032x}", seen.trace);
        let from = if self.lines(rows, &family, top).len() <= LINES_MAX { top } else { focus };
        let lines = self.lines(rows, &family, from);
        for (row, depth) in lines.iter().take(LINES_MAX) {
            let _ = write!(text, "\n{}", self.line(&rows[*row], *depth));
        }
        let more = lines.len().saturating_sub(LINES_MAX);
        if more > 0 {
            let _ = write!(text, "\n  … and {more} more");
        }
        for (_, line) in self.told_in.get(&seen.trace).into_iter().flatten() {
            // Of a stack trace the first line; the record itself is told by its own series.
            let line: String = line.lines().next().unwrap_or_default().chars().take(LINE_MAX).collect();
            let _ = write!(text, "\n  said: {line}");
        }
        text
    }

    /// The rows of a trace.
    fn of(&self, trace: u128) -> &[SpanRow] {
        let first = self.rows.partition_point(|row| row.trace < trace);
        let length = self.rows[first..].partition_point(|row| row.trace == trace);
        &self.rows[first..first + length]
    }

    /// The trace in which a series of log lines was said, as far as its spans are there.
    pub(crate) fn said(&self, (at, trace): (i64, u128)) -> Option<String> {
        let span = self.of(trace).first()?.span;
        Some(self.tree("said in trace", &Seen { trace, span, end: at, nanoseconds: 0 }))
    }

    /// Rows from `top` on with their depths. A client's side is left out where the server's is there.
    fn lines(&self, rows: &[SpanRow], family: &Family, top: usize) -> Vec<(usize, usize)> {
        let (mut lines, mut open) = (Vec::new(), vec![(top, 1)]);
        while let Some((row, depth)) = open.pop().filter(|_| lines.len() <= rows.len()) {
            let children = family.children(row);
            let told_by_child = rows[row].is_outgoing() && !children.is_empty() && row != top;
            if !told_by_child {
                lines.push((row, depth));
            }
            let depth = if told_by_child { depth } else { depth + 1 };
            open.extend(children.iter().rev().map(|child| (*child as usize, depth)));
        }
        lines
    }

    fn line(&self, row: &SpanRow, depth: usize) -> String {
        let entity = &self.index.known(self.catalog.entity(row.operation)).entity;
        let name = self.catalog.operation_name(row.operation);
        let called = row.called().map(|call| self.catalog.call_between(call).1);
        let called = called.map(|callee| format!(" → {callee}")).unwrap_or_default();
        let what: String = format!("{entity} {name}{called}").chars().take(LINE_MAX).collect();
        let failed = if row.error { ", failed" } else { "" };
        format!("{}{what} {}{failed}", "  ".repeat(depth), length(row.nanoseconds))
    }
}

/// Nanoseconds for people, three digits.
fn length(nanoseconds: i64) -> String {
    let (unit, size) = if nanoseconds < 1_000_000 {
        ("µs", 1e3)
    } else if nanoseconds < 1_000_000_000 {
        ("ms", 1e6)
    } else {
        ("s", 1e9)
    };
    let number = nanoseconds as f64 / size;
    let decimals = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
    format!("{number:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_three_digits() {
        for (nanoseconds, text) in [
            (0, "0.00 µs"),
            (1_234, "1.23 µs"),
            (45_678_000, "45.7 ms"),
            (999_600_000, "1000 ms"),
            (1_500_000_000, "1.50 s"),
            (123_000_000_000, "123 s"),
        ] {
            assert_eq!(length(nanoseconds), text);
        }
    }
}
