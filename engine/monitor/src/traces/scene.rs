//! What the spans of one trace add to the tally of their tick.

use theriac_contract::telemetry::SpanKind;

use crate::{
    bucket::SpanRow,
    index::Index,
    settings::Settings,
    traces::{
        catalog::{Catalog, Tie, some},
        exemplar::Usual,
        family::Family,
        ids::NONE,
        novelty::{Novelty, Times},
        tally::Tally,
    },
};

/// Failed calls of one request that are remembered, to tell retries.
const FAILED_MAX: usize = 64;

/// In the order of calls: before the first and after the last.
const START: u32 = NONE;
const END: u32 = NONE - 1;

/// One trace, and what it is counted into.
pub(crate) struct Scene<'a> {
    pub(crate) catalog: &'a mut Catalog,
    pub(crate) orders: &'a mut Novelty,
    pub(crate) tally: &'a mut Tally,
    pub(crate) usual_operations: &'a Usual,
    pub(crate) usual_edges: &'a Usual,
    /// Room for calls that failed: edge and end.
    pub(crate) failed: &'a mut Vec<(u32, i64)>,
    pub(crate) index: &'a Index,
    pub(crate) settings: &'a Settings,
    pub(crate) now: i64,
}

impl Scene<'_> {
    /// Counts a span by itself.
    pub(crate) fn count(&mut self, row: &SpanRow) {
        let exact = self.settings.durations_exact_max;
        let at_service = self.catalog.at_service(row.operation);
        let service = self.tally.services.at(self.catalog.entity(at_service) as u32);
        if let Some(volume) = service.kinds.get_mut(usize::from(row.kind)) {
            volume.add(row, at_service);
        }
        if row.is_served() || row.parent == 0 && !row.is_outgoing() {
            service.requests = service.requests.saturating_add(row.weight);
        }
        if !row.is_outgoing() {
            let operation = self.tally.operations.at(row.operation);
            operation.durations.add(row.nanoseconds, row.weight, row.error, exact);
            operation.shown.see(row, self.usual_operations.typical(at_service));
        }
        if let Some(call) = some(row.call) {
            let named = &mut self.tally.calls.at(call).named;
            *named = named.saturating_add(row.weight);
        }
        if let Some(call) = row.called() {
            let number = self.catalog.edge_of(call);
            let edge = self.tally.edges.at(number);
            edge.durations.add(row.nanoseconds, row.weight, row.error, exact);
            edge.shown.see(row, self.usual_edges.typical(number));
        }
    }

    /// Calls of the service of a child and of its instance, as far as the caller does not name them
    /// itself.
    fn calls(&mut self, parent: &SpanRow, child: &SpanRow) -> [Option<u32>; 2] {
        let at_service = self.catalog.at_service(child.operation);
        let (service, entity) = (self.catalog.entity(at_service), self.catalog.entity(child.operation));
        let mut call = |callee| self.catalog.call_of(parent.operation, callee, self.index, self.settings);
        let to_service = parent.called().or_else(|| call(service));
        [to_service, if entity == service { None } else { call(entity) }]
    }

    /// Edges that these calls belong to.
    fn edges(&mut self, parent: &SpanRow, child: &SpanRow) -> [Option<u32>; 2] {
        self.calls(parent, child).map(|call| call.map(|call| self.catalog.edge_of(call)))
    }

    /// Counts the time that a call took beside the work of the callee.
    fn on_the_way(&mut self, parent: &SpanRow, child: &SpanRow, gap: i64) {
        let calls = self.calls(parent, child);
        let exact = self.settings.durations_exact_max;
        for call in calls.into_iter().flatten() {
            let edge = self.catalog.edge_of(call);
            self.tally.edges.at(edge).gap.add(gap, parent.weight, false, exact);
        }
        let is_placed = self.index.zone(self.catalog.entity(parent.operation)).is_some();
        if let (true, Some(call)) = (is_placed, calls[1].or(calls[0])) {
            self.tally.gaps.push((call, gap, parent.weight));
        }
    }

    fn is_remote(&self, parent: &SpanRow, child: &SpanRow) -> bool {
        self.catalog.service(parent.operation) != self.catalog.service(child.operation)
    }

    /// Counts a call that its child shows.
    pub(crate) fn link(&mut self, parent: &SpanRow, child: &SpanRow) {
        if !self.is_remote(parent, child) {
            return;
        }
        if !child.is_served() && !child.is_outgoing() && child.parent != 0 {
            let service = self.tally.services.at(self.catalog.service(child.operation) as u32);
            service.requests = service.requests.saturating_add(child.weight);
        }
        let consumes = parent.kind == SpanKind::Producer as u8 || child.kind == SpanKind::Consumer as u8;
        let called = self.catalog.entity(child.operation);
        if consumes {
            self.message(parent, child);
        } else if let Some(call) = self.catalog.call_of(parent.operation, called, self.index, self.settings) {
            let served = &mut self.tally.calls.at(call).served;
            *served = served.saturating_add(child.weight);
            self.name(parent, child);
        }
        let [to_service, to_instance] = self.edges(parent, child);
        // The service as callee is counted from the caller's own span where it names it; the
        // instance is known from the child alone.
        let to_service = to_service.filter(|_| parent.called().is_none());
        for edge in to_service.into_iter().chain(to_instance) {
            let exact = self.settings.durations_exact_max;
            let told = self.tally.edges.at(edge);
            told.durations.add(child.nanoseconds, child.weight, child.error, exact);
            told.shown.see(child, self.usual_edges.typical(edge));
        }
        self.gap_of_late(parent, child);
    }

    /// Counts a message that was taken: from the queue that its consumer names, else from the one that
    /// its producer names, else from the producer.
    fn message(&mut self, parent: &SpanRow, child: &SpanRow) {
        if some(child.call).is_some() {
            return;
        }
        let queue = match parent.called() {
            Some(call) => self.catalog.callee_name(self.catalog.callee_of(call)).to_owned(),
            None => self.index.known(self.catalog.service(parent.operation)).entity.0.clone(),
        };
        let (entity, service) = (self.catalog.entity(child.operation), self.catalog.service(child.operation));
        if let Some(call) = self.catalog.call(entity, service, &queue, Tie::Consume, self.settings) {
            let served = &mut self.tally.calls.at(call).served;
            *served = served.saturating_add(child.weight);
        }
    }

    /// Notes who served what was called by a name that is not his own.
    fn name(&mut self, parent: &SpanRow, child: &SpanRow) {
        let Some(call) = parent.called() else { return };
        let (name, service) = (self.catalog.callee_of(call), self.catalog.service(child.operation));
        let own = self.index.known(service).entity.as_str();
        let called = self.catalog.callee_name(name);
        if called != own && called.split_once('/').is_none_or(|(before, _)| before != own) {
            let calls = self.tally.stands_for.entry((name, service)).or_default();
            *calls += 1;
        }
    }

    /// Counts what happened inside of a span, of which all children that end before it are known.
    pub(crate) fn inside(&mut self, rows: &[SpanRow], at: usize, children: &[u32], own_time: i64) {
        let row = &rows[at];
        self.gap(rows, row, children);
        if row.is_outgoing() {
            return;
        }
        let operation = self.tally.operations.at(row.operation);
        operation.own.add(own_time, row.weight);
        operation.calls |= !children.is_empty();
        self.retries(rows, row, children);
        self.order(rows, row, children);
    }

    /// What a call took beside the work of the callee: the network, and queues on both sides. Clocks
    /// need not agree, for durations are compared.
    fn gap(&mut self, rows: &[SpanRow], row: &SpanRow, children: &[u32]) {
        // Where kinds are not told, a span with one child in another service is its call.
        let calls = row.kind == SpanKind::Client as u8
            || row.kind == SpanKind::Unspecified as u8 && children.len() == 1;
        let remote = |child: &&SpanRow| {
            child.kind != SpanKind::Consumer as u8 && child.end <= row.end && self.is_remote(row, child)
        };
        let children = children.iter().map(|child| &rows[*child as usize]);
        let answered: Vec<&SpanRow> = if calls { children.filter(remote).collect() } else { Vec::new() };
        let Some(last) = answered.last() else { return };
        let there: i64 = answered.iter().map(|child| child.nanoseconds).fold(0, i64::saturating_add);
        self.on_the_way(row, last, row.nanoseconds.saturating_sub(there));
    }

    /// The caller gave up on a callee that answered all the same, too late: what the caller waited beyond
    /// the work of the callee went on the way, and more than that.
    fn gap_of_late(&mut self, parent: &SpanRow, child: &SpanRow) {
        let late = parent.kind == SpanKind::Client as u8 && child.is_served() && child.end > parent.end;
        let gap = parent.nanoseconds.saturating_sub(child.nanoseconds);
        if late && gap > 0 {
            self.on_the_way(parent, child, gap);
        }
    }

    /// Calls of somebody who was called before, after that had failed.
    fn retries(&mut self, rows: &[SpanRow], row: &SpanRow, children: &[u32]) {
        self.failed.clear();
        for child in children.iter().map(|child| &rows[*child as usize]) {
            let edge = if child.is_outgoing() {
                some(child.call).map(|call| self.catalog.edge_of(call))
            } else if self.is_remote(row, child) {
                self.edges(row, child)[0]
            } else {
                None
            };
            let Some(edge) = edge else { continue };
            let again = |(failed, end): &(u32, i64)| *failed == edge && *end <= child.start();
            if child.resend || self.failed.iter().any(again) {
                let retries = &mut self.tally.edges.at(edge).retries;
                *retries = retries.saturating_add(child.weight);
            }
            if child.error && self.failed.len() < FAILED_MAX {
                self.failed.push((edge, child.end));
            }
        }
    }

    /// Whether children follow each other as they did before: one that is new, missing or in another
    /// place is two that did not.
    fn order(&mut self, rows: &[SpanRow], row: &SpanRow, children: &[u32]) {
        let operation = self.catalog.at_service(row.operation);
        if children.is_empty() && !self.orders.knows(operation) {
            return;
        }
        let (times, max) = (Times::of(self.settings), self.settings.transitions_max);
        let (mut last, mut is_new) = (START, false);
        let called = children.iter().map(|child| self.catalog.at_service(rows[*child as usize].operation));
        for next in called.chain([END]) {
            is_new |= self.orders.is_new(operation, [operation, last, next], self.now, &times, max);
            last = next;
        }
        if is_new {
            let new = &mut self.tally.operations.at(operation).new_order;
            *new = new.saturating_add(row.weight);
        }
    }

    /// Counts where a root's time went. `number` tells roots apart.
    pub(crate) fn critical_path(&mut self, rows: &[SpanRow], root: usize, family: &mut Family, number: u64) {
        let (whole, weight) = (rows[root].nanoseconds, rows[root].weight);
        family.critical_path(rows, root, |at, spent| {
            if rows[at].is_outgoing() {
                return;
            }
            let operation = self.tally.operations.at(self.catalog.at_service(rows[at].operation));
            operation.on_path.add(spent, weight);
            if operation.last_root != number {
                operation.last_root = number;
                operation.paths.add(whole, weight);
            }
        });
    }
}
