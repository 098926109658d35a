//! What is counted of one tick: by operation, by edge, by service and kind.

use std::collections::BTreeMap;

use crate::{
    bucket::SpanRow,
    traces::{exemplar::Shown, sketch::Sketch},
};

/// A weighted sum of nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    nanoseconds: u128,
    weight: u64,
}

impl Total {
    pub(crate) fn add(&mut self, nanoseconds: i64, weight: u64) {
        self.nanoseconds += u128::from(nanoseconds.max(0) as u64) * u128::from(weight);
        self.weight = self.weight.saturating_add(weight);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.nanoseconds += other.nanoseconds;
        self.weight = self.weight.saturating_add(other.weight);
    }

    /// Seconds; not a number if there were none.
    pub(crate) fn mean(self) -> f64 {
        self.nanoseconds as f64 / self.weight as f64 / 1e9
    }

    /// Share of the time of `whole`.
    pub(crate) fn share_of(self, whole: Self) -> f64 {
        self.nanoseconds as f64 / whole.nanoseconds as f64
    }
}

/// Of one operation.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationTick {
    pub(crate) durations: Sketch,
    /// Time in which no child was under way.
    pub(crate) own: Total,
    /// Time on critical paths, and of the roots whose paths it was on.
    pub(crate) on_path: Total,
    pub(crate) paths: Total,
    /// The root that was added to `paths` last.
    pub(crate) last_root: u64,
    /// Weight of those whose children came in an order that is new.
    pub(crate) new_order: u64,
    /// Some had children.
    pub(crate) calls: bool,
    pub(crate) shown: Shown,
}

/// Of one edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct EdgeTick {
    pub(crate) durations: Sketch,
    /// Time of the caller's side less that of the callee's.
    pub(crate) gap: Sketch,
    /// Weight of calls that repeat one that failed.
    pub(crate) retries: u64,
    pub(crate) shown: Shown,
}

/// Of all spans of a service of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Volume {
    pub(crate) weight: u64,
    pub(crate) errors: u64,
    operation: Option<u32>,
    /// They are of more than one operation.
    pub(crate) several: bool,
    pub(crate) shown: Shown,
}

impl Volume {
    /// Takes a span of an operation of the service in.
    pub(crate) fn add(&mut self, row: &SpanRow, operation: u32) {
        self.weight = self.weight.saturating_add(row.weight);
        self.errors = self.errors.saturating_add(if row.error { row.weight } else { 0 });
        self.shown.see(row, 0);
        self.several |= *self.operation.get_or_insert(operation) != operation;
    }
}

/// Of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceTick {
    /// By kind of span.
    pub(crate) kinds: [Volume; 6],
    /// Weight of the requests that it served.
    pub(crate) requests: u64,
    /// Weight of the spans whose parent never came.
    pub(crate) orphans: u64,
}

/// Entries by number, of which few or many are used in a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dense<T> {
    entries: Vec<T>,
    used: Vec<bool>,
    touched: Vec<u32>,
}

impl<T: Default> Dense<T> {
    #[inline]
    pub(crate) fn at(&mut self, number: u32) -> &mut T {
        let place = number as usize;
        if place >= self.entries.len() {
            self.entries.resize_with(place + 1, T::default);
            self.used.resize(place + 1, false);
        }
        if !self.used[place] {
            self.used[place] = true;
            self.touched.push(number);
        }
        &mut self.entries[place]
    }

    /// The numbers that were used, sorted.
    pub(crate) fn touched(&mut self) -> Vec<u32> {
        self.touched.sort_unstable();
        self.touched.clone()
    }

    /// What was used, by number, since [`Self::touched`] sorted it.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u32, &T)> {
        self.touched.iter().map(|number| (*number, &self.entries[*number as usize]))
    }

    /// Two entries at once.
    fn pair(&mut self, from: u32, to: u32) -> Option<(&T, &mut T)> {
        self.at(to);
        let [from, to] = self.entries.get_disjoint_mut([from as usize, to as usize]).ok()?;
        Some((from, to))
    }

    /// Forgets all that was used, with `clear` for what keeps its room.
    fn reset(&mut self, mut clear: impl FnMut(&mut T)) {
        for number in self.touched.drain(..) {
            self.used[number as usize] = false;
            clear(&mut self.entries[number as usize]);
        }
    }
}

/// All of one tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: Dense<OperationTick>,
    pub(crate) edges: Dense<EdgeTick>,
    pub(crate) services: Dense<ServiceTick>,
    /// How often each call was made.
    pub(crate) calls: Dense<CallTick>,
    /// Calls from instances of which it is known in which zone they are: the time of the caller's side less
    /// that of the callee's, in nanoseconds, and the weight.
    pub(crate) gaps: Vec<(u32, i64, u64)>,
    /// Number of a name that was called, and index of the service that served it: how often.
    pub(crate) stands_for: BTreeMap<(u32, usize), u64>,
}

/// Of one call.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallTick {
    /// Weight of the spans of the caller that name the callee.
    pub(crate) named: u64,
    /// Weight of the spans of the callee.
    pub(crate) served: u64,
}

impl Tally {
    /// Adds what is known of an operation of an instance to that of its service.
    pub(crate) fn merge(&mut self, operation: u32, at_service: u32, typical: i64, exact_max: usize) {
        let Some((from, to)) = self.operations.pair(operation, at_service) else { return };
        to.durations.merge(&from.durations, exact_max);
        to.own.merge(from.own);
        to.calls |= from.calls;
        to.shown.merge(&from.shown, typical);
    }

    pub(crate) fn reset(&mut self) {
        self.operations.reset(|operation| {
            let mut durations = std::mem::take(&mut operation.durations);
            durations.clear();
            *operation = OperationTick { durations, ..OperationTick::default() };
        });
        self.edges.reset(|edge| {
            edge.durations.clear();
            edge.gap.clear();
            (edge.retries, edge.shown) = (0, Shown::default());
        });
        self.services.reset(|service| *service = ServiceTick::default());
        self.calls.reset(|call| *call = CallTick::default());
        self.gaps.clear();
        self.stands_for.clear();
    }
}
