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

/// The calls of a window by their ids.
pub(super) struct Calls<'a> {
    by_span: BTreeMap<[u8; 8], &'a Call>,
}

impl<'a> Calls<'a> {
    pub(super) fn of(window: &'a Window) -> Self {
        Self { by_span: window.calls.iter().map(|call| (call.span, call)).collect() }
    }

    /// In the order of their ids, each once.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Call> {
        self.by_span.values().copied()
    }

    pub(super) fn get(&self, span: [u8; 8]) -> Option<&'a Call> {
        self.by_span.get(&span).copied()
    }

    pub(super) fn parent(&self, call: &Call) -> Option<&'a Call> {
        self.get(call.parent?).filter(|parent| parent.span != call.span)
    }

    /// The operations within the entity that lead to a call, outermost first: what follows `GET`
    /// depends on who asked for it.
    pub(super) fn path(&self, call: &Call) -> String {
        let mut operations = vec![call.operation.as_str()];
        let mut at = call;
        // As deep as traces are read; a cycle of parents must end somewhere, too.
        while let Some(parent) =
            self.parent(at).filter(|parent| parent.entity == call.entity && operations.len() < PATH_MAX)
        {
            operations.push(&parent.operation);
            at = parent;
        }
        operations.reverse();
        operations.join(" / ")
    }
}

/// Operations of one entity within another that are told apart at most.
const PATH_MAX: usize = 16;

/// Which service calls which, in any of some windows.
pub(super) fn callees<'a>(windows: &[&'a Window]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for window in windows {
        let calls = Calls::of(window);
        for call in calls.all() {
            if let Some(parent) = calls.parent(call) {
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
pub(super) fn entities<'a>(normal: &'a Window, fault: &'a Window) -> BTreeMap<&'a str, &'a Entity> {
    let mut entities = BTreeMap::new();
    for window in [normal, fault] {
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
