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

/// Calls from one service to another, as metrics tell them: a mesh, a client library.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Service that calls.
    pub caller: String,
    /// Service that is called.
    pub callee: String,
    /// How often; none if it is not known, zero if it is known that there was none.
    pub calls: Option<f64>,
    /// Milliseconds that the median call takes where it is made, and where it is served; none if
    /// there was no call or nobody measured it.
    pub milliseconds: Option<[f64; 2]>,
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
    /// Calls between services by metrics, in any order, each pair once.
    pub edges: Vec<Edge>,
    /// How many requests services served, by metrics, each once.
    pub served: BTreeMap<String, f64>,
    /// How many of them failed, of services of which it is known.
    pub failed: BTreeMap<String, f64>,
}

/// A name by its place among all of its kind in order, so that places compare as names do.
type Place = u32;

/// A call or a line, its names by their places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) entity: Place,
    pub(super) service: Place,
    /// Operation of a call, statement of a line.
    pub(super) what: Place,
    pub(super) trace: Place,
}

/// A window with its calls put in order, once for all channels.
#[derive(Debug)]
pub struct Observed<'a> {
    pub(super) window: &'a Window,
    /// By span id, each once.
    calls: Vec<&'a Call>,
    places: Vec<Places>,
    /// Of all lines of the window.
    pub(super) lines: Vec<Places>,
    /// Span of each call.
    spans: Vec<u64>,
    /// Place of the parent of each call, if it was observed.
    parents: Vec<Option<u32>>,
    /// For each call, which of `paths` leads to it.
    path_of: Vec<Place>,
    /// In order, as all of these.
    paths: Vec<String>,
    entities: Vec<&'a str>,
    /// The first is empty: one's own.
    services: Vec<&'a str>,
    operations: Vec<&'a str>,
    statements: Vec<&'a str>,
    traces: usize,
    /// What calls call, and for each call where its own end there.
    made: Vec<Target>,
    made_until: Vec<u32>,
}

/// Gathers names, then gives them places in order. What is met most often is met again, so a name is looked
/// up by a hash of its bytes; nothing goes through the table in its order.
#[derive(Default)]
struct Names<'a> {
    met: Vec<&'a str>,
    /// Numbers of names from 1, by their hash; 0 where there is none. A power of two, half of it free.
    table: Vec<u32>,
}

/// FNV-1a, eight bytes at a time.
fn hash(name: &str) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ name.len() as u64;
    for chunk in name.as_bytes().chunks(8) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(bytes)).wrapping_mul(0x0100_0000_01b3);
        hash ^= hash >> 29;
    }
    hash as usize
}

impl<'a> Names<'a> {
    fn meet(&mut self, name: &'a str) -> u32 {
        if 2 * self.met.len() >= self.table.len() {
            self.grow();
        }
        let mask = self.table.len() - 1;
        let mut at = hash(name) & mask;
        loop {
            match self.table[at].checked_sub(1) {
                None => {
                    self.met.push(name);
                    self.table[at] = self.met.len() as u32;
                    return self.met.len() as u32 - 1;
                }
                Some(known) if self.met[known as usize] == name => return known,
                Some(_) => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let size = (2 * self.table.len()).max(64);
        self.table = vec![0; size];
        for (number, name) in (1..).zip(&self.met) {
            let mut at = hash(name) & (size - 1);
            while self.table[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.table[at] = number;
        }
    }

    /// The names in order, and the place of each by the number that it got when it was met.
    fn in_order(self) -> (Vec<&'a str>, Vec<Place>) {
        let mut names: Vec<(&str, u32)> = self.met.into_iter().zip(0..).collect();
        names.sort_unstable();
        let mut places = vec![0; names.len()];
        for (place, (_, met)) in (0..).zip(&names) {
            places[*met as usize] = place;
        }
        (names.into_iter().map(|(name, _)| name).collect(), places)
    }
}

fn service(entity: &str) -> &str {
    entity.split_once('/').map_or(entity, |(service, _)| service)
}

impl<'a> Observed<'a> {
    /// Puts a window in order.
    #[must_use]
    pub fn new(window: &'a Window) -> Self {
        let calls = in_order(&window.calls);
        let spans: Vec<u64> = calls.iter().map(|call| u64::from_be_bytes(call.span)).collect();
        let parents: Vec<Option<u32>> = (0..)
            .zip(&calls)
            .map(|(at, call)| {
                let place = spans.binary_search(&u64::from_be_bytes(call.parent?)).ok()?;
                Some(place as u32).filter(|parent| *parent != at)
            })
            .collect();
        let (mut entities, mut operations, mut statements) =
            (Names::default(), Names::default(), Names::default());
        let mut places = Vec::with_capacity(calls.len());
        for call in &calls {
            let (entity, what) = (entities.meet(&call.entity.0), operations.meet(&call.operation));
            places.push(Places { entity, service: 0, what, trace: 0 });
        }
        let mut lines = Vec::with_capacity(window.lines.len());
        for line in &window.lines {
            let (entity, what) = (entities.meet(&line.entity.0), statements.meet(&line.statement));
            lines.push(Places { entity, service: 0, what, trace: 0 });
        }
        let (entities, entity_at) = entities.in_order();
        let (operations, operation_at) = operations.in_order();
        let (statements, statement_at) = statements.in_order();
        let mut services: Vec<&str> = entities.iter().map(|entity| service(entity)).chain([""]).collect();
        services.sort_unstable();
        services.dedup();
        let service_at = |entity: &&str| services.partition_point(|known| *known < service(entity)) as u32;
        let service_of: Vec<Place> = entities.iter().map(service_at).collect();
        let id = |trace: [u8; 16]| u128::from_be_bytes(trace);
        let mut traces: Vec<u128> = calls
            .iter()
            .map(|call| id(call.trace))
            .chain(window.lines.iter().map(|line| id(line.trace)))
            .collect();
        traces.sort_unstable();
        traces.dedup();
        let trace_at = |trace| traces.partition_point(|known| *known < id(trace)) as u32;
        let put = |one: &mut Places, what: &[Place], trace: [u8; 16]| {
            one.entity = entity_at[one.entity as usize];
            one.service = service_of[one.entity as usize];
            one.what = what[one.what as usize];
            one.trace = trace_at(trace);
        };
        places.iter_mut().zip(&calls).for_each(|(one, call)| put(one, &operation_at, call.trace));
        lines.iter_mut().zip(&window.lines).for_each(|(one, line)| put(one, &statement_at, line.trace));
        let (paths, path_of) = paths(&places, &parents, &operations);
        let (made, made_until) = made(&places, &parents);
        let traces = traces.len();
        Self {
            window,
            calls,
            places,
            lines,
            spans,
            parents,
            path_of,
            paths,
            entities,
            services,
            operations,
            statements,
            traces,
            made,
            made_until,
        }
    }

    /// All calls with their places, in the order of their ids.
    pub(super) fn calls(&self) -> impl Iterator<Item = (usize, Places, &'a Call)> {
        self.places.iter().zip(&self.calls).enumerate().map(|(at, (places, call))| (at, *places, *call))
    }

    /// The call that waits for one.
    pub(super) fn parent(&self, call: usize) -> Option<(usize, Places)> {
        self.parents[call].map(|parent| (parent as usize, self.places[parent as usize]))
    }

    /// Milliseconds that a call took.
    pub(super) fn milliseconds(&self, call: usize) -> f64 {
        self.calls[call].milliseconds()
    }

    /// Its span.
    pub(super) fn span(&self, call: usize) -> u64 {
        self.spans[call]
    }

    /// The place of the operations within the entity that lead to a call: what follows `GET` depends on
    /// who asked for it.
    pub(super) fn path_of(&self, call: usize) -> Place {
        self.path_of[call]
    }

    /// The operations of a path, outermost first.
    pub(super) fn path(&self, place: Place) -> &str {
        &self.paths[place as usize]
    }

    pub(super) fn service(&self, place: Place) -> &'a str {
        self.services[place as usize]
    }

    pub(super) fn operation(&self, place: Place) -> &'a str {
        self.operations[place as usize]
    }

    pub(super) fn statement(&self, place: Place) -> &'a str {
        self.statements[place as usize]
    }

    /// How many services there are places for.
    pub(super) fn services(&self) -> usize {
        self.services.len()
    }

    /// How many requests there are places for.
    pub(super) fn traces(&self) -> usize {
        self.traces
    }

    /// What a call calls, sorted, each once.
    pub(super) fn made(&self, call: usize) -> &[Target] {
        let start = call.checked_sub(1).map_or(0, |before| self.made_until[before] as usize);
        &self.made[start..self.made_until[call] as usize]
    }
}

/// Service, the empty one if it is the caller's, and operation.
pub(super) type Target = (Place, Place);

/// Calls by span id, each once.
fn in_order(calls: &[Call]) -> Vec<&Call> {
    let mut keys: Vec<(u64, u32)> =
        (0..).zip(calls).map(|(at, call)| (u64::from_be_bytes(call.span), at)).collect();
    keys.sort_unstable();
    let rest = |call: &Call| (call.start, call.end);
    let same = keys.chunk_by(|a, b| a.0 == b.0).filter_map(|same| {
        same.iter().map(|(_, at)| &calls[*at as usize]).min_by(|a, b| {
            let names = || (&a.entity, &a.operation).cmp(&(&b.entity, &b.operation));
            rest(a).cmp(&rest(b)).then_with(names)
        })
    });
    same.collect()
}

/// Operations of one entity within another that are told apart at most.
const PATH_MAX: usize = 16;

/// Paths in order, and for each call which one leads to it.
fn paths(places: &[Places], parents: &[Option<u32>], operations: &[&str]) -> (Vec<String>, Vec<Place>) {
    let mut known: BTreeMap<Vec<Place>, u32> = BTreeMap::new();
    let mut met: Vec<u32> = Vec::with_capacity(places.len());
    let mut inward = Vec::new();
    for (call, place) in places.iter().enumerate() {
        inward.clear();
        inward.push(place.what);
        let mut at = call;
        // A cycle of parents must end somewhere, too.
        while let Some(parent) = parents[at].map(|parent| parent as usize)
            && places[parent].entity == place.entity
            && inward.len() < PATH_MAX
        {
            inward.push(places[parent].what);
            at = parent;
        }
        let next = known.len() as u32;
        met.push(match known.get(inward.as_slice()) {
            Some(path) => *path,
            None => *known.entry(inward.clone()).or_insert(next),
        });
    }
    let text = |inward: &[Place]| {
        let outward: Vec<&str> = inward.iter().rev().map(|place| operations[*place as usize]).collect();
        outward.join(" / ")
    };
    let mut named: Vec<(String, u32)> = known.iter().map(|(inward, met)| (text(inward), *met)).collect();
    named.sort_unstable();
    let mut paths: Vec<String> = Vec::new();
    let mut place = vec![0; named.len()];
    for (name, met) in named {
        if paths.last() != Some(&name) {
            paths.push(name);
        }
        place[met as usize] = paths.len() as u32 - 1;
    }
    (paths, met.into_iter().map(|path| place[path as usize]).collect())
}

/// What calls call, by call.
fn made(places: &[Places], parents: &[Option<u32>]) -> (Vec<Target>, Vec<u32>) {
    let mut of_parent: Vec<(u32, Target)> = Vec::new();
    for (place, parent) in places.iter().zip(parents) {
        if let Some(parent) = parent {
            let own = places[*parent as usize].service == place.service;
            of_parent.push((*parent, (if own { 0 } else { place.service }, place.what)));
        }
    }
    of_parent.sort_unstable();
    of_parent.dedup();
    let mut until = vec![0; places.len()];
    for (parent, _) in &of_parent {
        until[*parent as usize] += 1;
    }
    let mut sum = 0;
    for one in &mut until {
        sum += *one;
        *one = sum;
    }
    (of_parent.into_iter().map(|(_, target)| target).collect(), until)
}

/// Which service calls which, in any of some windows.
pub(super) fn callees<'a>(windows: [&Observed<'a>; 2]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut callees: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for observed in windows {
        let called = observed.calls().filter_map(|(at, own, _)| {
            let (_, parent) = observed.parent(at)?;
            (parent.service != own.service).then_some((parent.service, own.service))
        });
        let mut pairs: Vec<(Place, Place)> = called.collect();
        pairs.sort_unstable();
        pairs.dedup();
        for (caller, callee) in pairs {
            callees.entry(observed.service(caller)).or_default().insert(observed.service(callee));
        }
        for edge in observed.window.edges.iter().filter(|edge| edge.caller != edge.callee) {
            callees.entry(&edge.caller).or_default().insert(&edge.callee);
        }
    }
    callees
}

/// The entity that stands for each service: the one that did the most in the window with the fault,
/// else in the other; among equals the first by name. Where nothing was observed but levels, the first
/// by name that had some with the fault.
pub(super) fn entities<'a>(normal: &Observed<'a>, fault: &Observed<'a>) -> BTreeMap<&'a str, &'a Entity> {
    let mut entities = BTreeMap::new();
    for observed in [normal, fault] {
        let mut most: BTreeMap<&str, (usize, &Entity)> = BTreeMap::new();
        for (entity, count) in active(observed) {
            let best = most.entry(entity.service()).or_insert((count, entity));
            if count > best.0 {
                *best = (count, entity);
            }
        }
        let mut there: BTreeMap<&str, BTreeSet<&Entity>> = BTreeMap::new();
        for level in &observed.window.levels {
            there.entry(level.entity.service()).or_default().insert(&level.entity);
        }
        for (service, of_service) in there {
            let gone = entities.get(service).is_none_or(|known| !of_service.contains(known));
            if let Some(first) = of_service.first().filter(|_| gone) {
                entities.insert(service, *first);
            }
        }
        entities.extend(most.into_iter().map(|(service, (_, entity))| (service, entity)));
    }
    entities
}

/// Entities of a window by name, with how many calls and lines there are of each.
fn active<'a>(observed: &Observed<'a>) -> Vec<(&'a Entity, usize)> {
    let mut found: Vec<Option<(&Entity, usize)>> = vec![None; observed.entities.len()];
    let calls = observed.places.iter().zip(observed.calls.iter().map(|call| &call.entity));
    let lines = observed.lines.iter().zip(observed.window.lines.iter().map(|line| &line.entity));
    for (place, entity) in calls.chain(lines) {
        found[place.entity as usize].get_or_insert((entity, 0)).1 += 1;
    }
    found.into_iter().flatten().collect()
}
