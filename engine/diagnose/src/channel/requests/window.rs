//! What was observed in a stretch of time, as channels take it.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Entity, Timestamp};

/// One span: a piece of work of an entity within a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Request.
    pub trace: [u8; 16],
    /// This piece of it.
    pub span: [u8; 8],
    /// The piece that waits for this one.
    pub parent: Option<[u8; 8]>,
    /// Who did it.
    pub entity: Entity,
    /// What.
    pub operation: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

impl Call {
    /// Milliseconds that it took.
    #[must_use]
    pub fn milliseconds(&self) -> f64 {
        self.end.since(self.start).as_seconds() * 1e3
    }
}

/// One log record within a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Request.
    pub trace: [u8; 16],
    /// The piece of work that wrote it.
    pub span: [u8; 8],
    /// Who wrote it.
    pub entity: Entity,
    /// When.
    pub time: Timestamp,
    /// OpenTelemetry's number; 17 and above are errors, 0 is not known.
    pub severity: u8,
    /// The statement that wrote it: its place in the code and its template, as far as they are
    /// known. The same text in both windows if it is the same statement.
    pub statement: String,
}

/// How full a resource of an entity is.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Whose.
    pub entity: Entity,
    /// [`super::CPU`] or [`super::MEMORY`].
    pub resource: &'static str,
    /// Share of its limit that is used; 1 is all of it.
    pub share: f64,
}

/// All that was observed in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Window {
    /// Spans, in any order.
    pub calls: Vec<Call>,
    /// Log records, in any order.
    pub lines: Vec<Line>,
    /// Levels, in any order.
    pub levels: Vec<Level>,
}

/// A window with its calls put in order, once for all channels.
#[derive(Debug)]
pub struct Observed<'a> {
    pub(super) window: &'a Window,
    /// By span id, each once.
    calls: Vec<&'a Call>,
    /// Place of the parent of each call, if it was observed.
    parents: Vec<Option<usize>>,
    /// For each call, which of `paths` leads to it.
    path_of: Vec<usize>,
    paths: Vec<String>,
}

impl<'a> Observed<'a> {
    /// Puts a window in order.
    #[must_use]
    pub fn new(window: &'a Window) -> Self {
        let mut calls: Vec<&Call> = window.calls.iter().collect();
        let rest = |call: &'a Call| (call.start, call.end, &call.entity, &call.operation);
        calls.sort_by(|a, b| a.span.cmp(&b.span).then_with(|| rest(a).cmp(&rest(b))));
        calls.dedup_by_key(|call| call.span);
        let place = |span: [u8; 8]| calls.binary_search_by_key(&span, |call| call.span).ok();
        let parents: Vec<Option<usize>> = (0..)
            .zip(&calls)
            .map(|(at, call)| call.parent.and_then(place).filter(|parent| *parent != at))
            .collect();
        let mut observed = Self { window, calls, parents, path_of: Vec::new(), paths: Vec::new() };
        let mut known: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
        for at in 0..observed.calls.len() {
            let operations = observed.operations(at);
            let next = known.len();
            let path = *known.entry(operations).or_insert_with_key(|operations| {
                observed.paths.push(operations.join(" / "));
                next
            });
            observed.path_of.push(path);
        }
        observed
    }

    /// The operations within the entity that lead to a call, outermost first.
    fn operations(&self, call: usize) -> Vec<&'a str> {
        let mut operations = vec![self.calls[call].operation.as_str()];
        let mut at = call;
        // A cycle of parents must end somewhere, too.
        while let Some(parent) = self.parents[at]
            && self.calls[parent].entity == self.calls[call].entity
            && operations.len() < PATH_MAX
        {
            operations.push(&self.calls[parent].operation);
            at = parent;
        }
        operations.reverse();
        operations
    }

    /// All calls with their places, in the order of their ids.
    pub(super) fn calls(&self) -> impl Iterator<Item = (usize, &'a Call)> {
        self.calls.iter().copied().enumerate()
    }

    /// The call that waits for one.
    pub(super) fn parent(&self, call: usize) -> Option<(usize, &'a Call)> {
        self.parents[call].map(|parent| (parent, self.calls[parent]))
    }

    /// The operations within the entity that lead to a call: what follows `GET` depends on who asked
    /// for it.
    pub(super) fn path(&self, call: usize) -> &str {
        &self.paths[self.path_of[call]]
    }

    /// What each call calls, sorted, each once: service (empty if it is its own) and operation.
    pub(super) fn targets(&self) -> Vec<Vec<Target<'a>>> {
        let mut targets = vec![Vec::new(); self.calls.len()];
        for (at, call) in self.calls() {
            if let Some((parent, caller)) = self.parent(at) {
                let service = call.entity.service();
                let own = caller.entity.service() == service;
                targets[parent].push((if own { "" } else { service }, call.operation.as_str()));
            }
        }
        for targets in &mut targets {
            targets.sort_unstable();
            targets.dedup();
        }
        targets
    }
}

/// Service, empty if it is the caller's, and operation.
pub(super) type Target<'a> = (&'a str, &'a str);

/// Operations of one entity within another that are told apart at most.
const PATH_MAX: usize = 16;

/// Which service calls which, in any of some windows.
pub(super) fn callees<'a>(windows: [&Observed<'a>; 2]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for observed in windows {
        for (at, call) in observed.calls() {
            if let Some((_, parent)) = observed.parent(at) {
                let (caller, callee) = (parent.entity.service(), call.entity.service());
                if caller != callee {
                    callees.entry(caller).or_default().insert(callee);
                }
            }
        }
    }
    callees
}

/// The entity that stands for each service: the one that did the most in the window with the fault,
/// else in the other; among equals the first by name.
pub(super) fn entities<'a>(normal: &Observed<'a>, fault: &Observed<'a>) -> BTreeMap<&'a str, &'a Entity> {
    let mut entities = BTreeMap::new();
    for window in [normal.window, fault.window] {
        let mut seen: BTreeMap<&Entity, usize> = BTreeMap::new();
        let lines = window.lines.iter().map(|line| &line.entity);
        for entity in window.calls.iter().map(|call| &call.entity).chain(lines) {
            *seen.entry(entity).or_default() += 1;
        }
        let mut most: BTreeMap<&str, (usize, &Entity)> = BTreeMap::new();
        for (entity, count) in seen {
            let best = most.entry(entity.service()).or_insert((count, entity));
            if count > best.0 {
                *best = (count, entity);
            }
        }
        entities.extend(most.into_iter().map(|(service, (_, entity))| (service, entity)));
    }
    entities
}
