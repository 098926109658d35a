//! The series that spans give, and their values.

use std::collections::BTreeMap;

use serde_json::Value;
use theriac_contract::{
    Entity, SignalKind,
    telemetry::{Attributes, canonical},
};

use crate::{
    counts::Counts,
    index::{Index, Silence, Slot},
    settings::Settings,
    traces::{
        Traces,
        asking::{Owner, Standing},
        exemplar::{Draw, Seen, Shown},
        ids::NONE,
        novelty::Times,
        sketch::WHOLE,
        tally::{EdgeTick, OperationTick, Volume},
        zones::Ways,
    },
};

/// Signal, unit, and what silence says.
type Kind = (&'static str, &'static str, Silence);

const OPERATION: [Kind; 9] = [
    ("span.count", "1", Silence::Zero),
    ("span.error_ratio", "1", Silence::Absent),
    ("span.duration.mean", "s", Silence::Absent),
    ("span.duration.p95", "s", Silence::Absent),
    ("span.self_time.mean", "s", Silence::Absent),
    ("span.critical_path.share", "1", Silence::Absent),
    ("span.new_order", "1", Silence::Zero),
    ("span.duration.p50", "s", Silence::Absent),
    ("span.duration.p99", "s", Silence::Absent),
];

const EDGE: [Kind; 11] = [
    ("edge.count", "1", Silence::Zero),
    ("edge.error_ratio", "1", Silence::Absent),
    ("edge.duration.mean", "s", Silence::Absent),
    ("edge.duration.p95", "s", Silence::Absent),
    ("edge.gap.mean", "s", Silence::Absent),
    ("edge.gap.p95", "s", Silence::Absent),
    ("edge.calls_per_request", "1", Silence::Absent),
    ("edge.retries", "1", Silence::Zero),
    ("edge.new_calls", "1", Silence::Zero),
    ("edge.duration.p50", "s", Silence::Absent),
    ("edge.duration.p99", "s", Silence::Absent),
];

/// Those that tell of failures, by place.
const OPERATION_FAILURES: [usize; 1] = [1];
const EDGE_FAILURES: [usize; 2] = [1, 7];

const VOLUME_FAILURES: [usize; 1] = [1];

const VOLUME: [Kind; 2] = [("span.count", "1", Silence::Zero), ("span.error_ratio", "1", Silence::Absent)];

/// Requests of one asker or key beyond what it had before, and the requests that usually take as much
/// time as its do beyond that.
const ASKERS: [Kind; 2] =
    [("span.asker.excess", "1", Silence::Zero), ("span.asker.time_excess", "1", Silence::Zero)];
const KEYS: [Kind; 2] =
    [("span.key.excess", "1", Silence::Zero), ("span.key.time_excess", "1", Silence::Zero)];
const EDGE_KEYS: [Kind; 2] =
    [("edge.key.excess", "1", Silence::Zero), ("edge.key.time_excess", "1", Silence::Zero)];

/// What the way from one zone to another takes beyond ways within them, calls that took longer than any
/// within, and calls that are missed.
const WAYS: [Kind; 3] = [
    ("zone.gap.excess", "s", Silence::Absent),
    ("zone.calls.held_up", "{call}", Silence::Absent),
    ("zone.calls.missed", "{call}", Silence::Absent),
];

const ORPHANS: [Kind; 1] = [("span.orphans", "1", Silence::Zero)];

/// Names of the kinds of spans, by number.
const KINDS: [&str; 6] = ["unspecified", "internal", "server", "client", "producer", "consumer"];

/// Slots that were found before, by operation, edge, and service and kind. Nothing is lost with
/// them: they are looked up again.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpanSeries {
    operations: Vec<[Slot; OPERATION.len()]>,
    edges: Vec<[Slot; EDGE.len()]>,
    volumes: Vec<[Slot; VOLUME.len()]>,
    orphans: Vec<[Slot; ORPHANS.len()]>,
    asked: Vec<[Slot; ASKERS.len()]>,
}

/// Where values go.
struct Out<'a> {
    index: &'a mut Index,
    counts: &'a mut Counts,
    settings: &'a Settings,
    values: &'a mut BTreeMap<Slot, f64>,
}

impl Out<'_> {
    /// Gives the series of a subject their values, as far as there are any.
    fn put<const N: usize>(
        &mut self,
        known: &mut Vec<[Slot; N]>,
        number: u32,
        kinds: &[Kind; N],
        of: impl Fn() -> (usize, Option<Entity>, String),
        values: [Option<f64>; N],
    ) {
        let place = number as usize;
        if known.len() <= place {
            known.resize(place + 1, [NONE; N]);
        }
        let mut subject = None;
        for ((slot, (signal, unit, silence)), value) in known[place].iter_mut().zip(kinds).zip(values) {
            let Some(value) = value else { continue };
            if *slot == NONE {
                let (entity, peer, attributes) = subject.get_or_insert_with(&of);
                let (peer, kind) = (peer.as_ref(), SignalKind::Trace);
                let found =
                    self.index.slot(*entity, peer, signal, kind, unit, attributes, *silence, self.settings);
                *slot = found.unwrap_or(NONE);
            }
            if *slot == NONE {
                self.counts.shed_series += 1;
            } else {
                self.values.insert(*slot, value);
            }
        }
    }
}

fn attribute(key: &str, text: &str) -> String {
    canonical(&Attributes::from([(key.to_owned(), Value::String(text.to_owned()))]))
}

/// Number of the spans of a service that are of one kind.
const fn volume_number(service: u32, kind: u8) -> u32 {
    service * KINDS.len() as u32 + kind as u32
}

fn spans(weight: u64) -> f64 {
    weight as f64 / WHOLE as f64
}

/// A count that says something only once there was any.
fn seldom(weight: u64) -> Option<f64> {
    (weight > 0).then(|| spans(weight))
}

impl OperationTick {
    /// In the order of [`OPERATION`]. Where an operation calls nobody, its own time is its duration.
    fn values(&mut self, has_children: bool, more: bool) -> [Option<f64>; OPERATION.len()] {
        let durations = &mut self.durations;
        let said = !durations.is_empty();
        [
            said.then(|| durations.total()),
            said.then(|| durations.error_ratio()),
            said.then(|| durations.mean()),
            said.then(|| durations.quantile(0.95)),
            (said && has_children).then(|| self.own.mean()),
            Some(self.on_path.share_of(self.paths)).filter(|share| share.is_finite()),
            seldom(self.new_order),
            (said && more).then(|| durations.quantile(0.5)),
            (said && more).then(|| durations.quantile(0.99)),
        ]
    }
}

impl EdgeTick {
    /// In the order of [`EDGE`].
    fn values(&mut self, requests: u64, is_new: bool, more: bool) -> [Option<f64>; EDGE.len()] {
        let (durations, gap) = (&mut self.durations, &mut self.gap);
        let (said, measured) = (!durations.is_empty(), !gap.is_empty());
        [
            said.then(|| durations.total()),
            said.then(|| durations.error_ratio()),
            said.then(|| durations.mean()),
            said.then(|| durations.quantile(0.95)),
            measured.then(|| gap.mean()),
            measured.then(|| gap.quantile(0.95)),
            (said && requests > 0).then(|| durations.total() / spans(requests)),
            seldom(self.retries),
            (said && is_new).then(|| durations.total()),
            (said && more).then(|| durations.quantile(0.5)),
            (said && more).then(|| durations.quantile(0.99)),
        ]
    }
}

impl Volume {
    fn values(self) -> [Option<f64>; VOLUME.len()] {
        [Some(spans(self.weight)), Some(self.errors as f64 / self.weight as f64)]
    }
}

impl Traces {
    /// Writes the values of a tick from its tally.
    pub(crate) fn values(
        &mut self,
        now: i64,
        index: &mut Index,
        counts: &mut Counts,
        settings: &Settings,
        values: &mut BTreeMap<Slot, f64>,
    ) {
        let mut out = Out { index, counts, settings, values };
        self.operations(&mut out);
        self.edges(now, &mut out);
        self.services(&mut out);
        self.asked(&mut out);
        self.zones(&mut out);
    }

    fn zones(&mut self, out: &mut Out<'_>) {
        let mut ways = Ways::default();
        for (call, gap, weight) in &self.work.tally.gaps {
            let (caller, callee) = self.catalog.call_between(*call);
            ways.add_gap((caller, &callee), (*gap, *weight), out.index);
        }
        for (call, placed) in &self.work.placed {
            let (caller, callee) = self.catalog.call_between(*call);
            ways.add_placed((caller, &callee), *placed, out.index);
        }
        for ((domain, from, to), told) in ways.told(&mut self.usual_ways) {
            let zone = out.index.entity(&domain, &from);
            let of = || (zone, Some(to.clone()), "{}".to_owned());
            out.put(&mut Vec::new(), 0, &WAYS, of, told);
        }
    }

    fn asked(&mut self, out: &mut Out<'_>) {
        for (place, standing) in &self.asking.standing {
            let (owner, attribute_name, is_key) = self.asking.of(*place);
            let kinds = match (owner, is_key) {
                (Owner::Edge(_), _) => &EDGE_KEYS,
                (Owner::Service(_), true) => &KEYS,
                (Owner::Service(_), false) => &ASKERS,
            };
            let of = || {
                let attributes = attribute("attribute", attribute_name);
                match owner {
                    Owner::Service(service) => (service as usize, None, attributes),
                    Owner::Edge(edge) => {
                        let (service, callee) = self.catalog.edge(edge);
                        (service, Some(callee), attributes)
                    }
                }
            };
            // Only once there was any.
            let told = standing.each_ref().map(|one| one.as_ref().map(|standing| standing.excess));
            out.put(&mut self.series.asked, *place, kinds, of, told);
        }
    }

    /// Who stood out in the tick that was sealed last, with the series that tells it.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (Slot, &Standing)> {
        self.asking.standing.iter().flat_map(|(place, standing)| {
            let slots = self.series.asked.get(*place as usize).copied().unwrap_or([NONE; ASKERS.len()]);
            let told = slots.into_iter().zip(standing).filter(|(slot, _)| *slot != NONE);
            told.filter_map(|(slot, one)| Some((slot, one.as_ref()?)))
        })
    }

    fn operations(&mut self, out: &mut Out<'_>) {
        let (catalog, tally) = (&self.catalog, &mut self.work.tally);
        for operation in tally.operations.touched() {
            let at_service = catalog.at_service(operation);
            let typical = self.usual_operations.typical(at_service);
            tally.merge(operation, at_service, typical, out.settings.durations_exact_max);
        }
        for operation in tally.operations.touched() {
            let told = tally.operations.at(operation);
            // A few spans of one instance have a mean that wanders; all of the service are told.
            if told.calls && operation == catalog.at_service(operation) {
                self.callers.insert(operation);
            }
            let told = told.values(self.callers.contains(&operation), out.settings.more_quantiles);
            let of = || {
                let attributes = attribute("operation", catalog.operation_name(operation));
                (catalog.entity(operation), None, attributes)
            };
            out.put(&mut self.series.operations, operation, &OPERATION, of, told);
        }
    }

    fn edges(&mut self, now: i64, out: &mut Out<'_>) {
        let (catalog, tally) = (&self.catalog, &mut self.work.tally);
        let times = Times::of(out.settings);
        for edge in tally.edges.touched() {
            let (service, callee) = catalog.edge(edge);
            let requests = tally.services.at(service as u32).requests;
            let to_service = !callee.is_instance();
            let is_new = to_service
                && self.new_edges.is_new(service as u32, [edge, 0, 0], now, &times, out.settings.series_max);
            let (requests, more) = (if to_service { requests } else { 0 }, out.settings.more_quantiles);
            let told = tally.edges.at(edge).values(requests, is_new, more);
            let of = || (service, Some(callee.clone()), "{}".to_owned());
            out.put(&mut self.series.edges, edge, &EDGE, of, told);
        }
    }

    fn services(&mut self, out: &mut Out<'_>) {
        let services = &mut self.work.tally.services;
        for service in services.touched() {
            let told = services.at(service);
            for (kind, volume) in (0..).zip(told.kinds) {
                if volume.several {
                    self.several.insert((service, kind));
                }
                // What all operations of a kind say together is what its only one says.
                if volume.weight > 0 && self.several.contains(&(service, kind)) {
                    let of = || (service as usize, None, attribute("kind", KINDS[usize::from(kind)]));
                    let number = volume_number(service, kind);
                    out.put(&mut self.series.volumes, number, &VOLUME, of, volume.values());
                }
            }
            let of = || (service as usize, None, "{}".to_owned());
            out.put(&mut self.series.orphans, service, &ORPHANS, of, [seldom(told.orphans)]);
        }
    }
}

/// Whether the series of a subject tells of failures; none if it is not of this subject.
fn tells_of_failures<const N: usize>(
    known: &[[Slot; N]],
    number: u32,
    failures: &[usize],
    slot: Slot,
) -> Option<bool> {
    let place = known.get(number as usize)?.iter().position(|known| *known == slot)?;
    Some(failures.contains(&place))
}

/// Adds the trace that shows what a series tells of: one that failed, or the slowest; and before it
/// what was usual.
fn show(
    out: &mut Vec<(i64, String, bool)>,
    failures: bool,
    shown: &Shown,
    usual: Option<&(i64, String)>,
    draw: &Draw<'_>,
) {
    out.extend(usual.map(|(at, text)| (*at, text.clone(), true)));
    let (seen, word) =
        if failures { (shown.failed, "failed trace") } else { (shown.slowest, "slowest trace") };
    out.extend(seen.map(|seen| (seen.end, draw.tree(word, &seen), false)));
}

impl Traces {
    /// Draws traces that show what a series told in the tick that was sealed last: when each was,
    /// its tree, and whether it shows what was usual before.
    pub(crate) fn shown(&self, slot: Slot, index: &Index) -> Vec<(i64, String, bool)> {
        let mut out = Vec::new();
        let (sealed, tally) = (&self.work.sealed, &self.work.tally);
        let draw = self.draw(index);
        let said = sealed.told_of.get(&slot).and_then(|told| Some((told.0, draw.said(*told)?, false)));
        out.extend(said);
        if !sealed.valued.contains_key(&slot) {
            return out;
        }
        for (_, standing) in self.standing().filter(|(told, _)| *told == slot) {
            let word = format!("{}, trace", standing.who);
            out.extend(standing.slowest.map(|seen| (seen.end, draw.tree(&word, &seen), false)));
        }
        for (operation, told) in tally.operations.used() {
            if let Some(failures) =
                tells_of_failures(&self.series.operations, operation, &OPERATION_FAILURES, slot)
            {
                let usual = self.usual_operations.before(self.catalog.at_service(operation), sealed.start);
                show(&mut out, failures, &told.shown, usual, &draw);
            }
        }
        for (edge, told) in tally.edges.used() {
            if let Some(failures) = tells_of_failures(&self.series.edges, edge, &EDGE_FAILURES, slot) {
                let usual = self.usual_edges.before(edge, sealed.start);
                show(&mut out, failures, &told.shown, usual, &draw);
            }
        }
        for (service, told) in tally.services.used() {
            for (kind, volume) in (0..).zip(&told.kinds) {
                let number = volume_number(service, kind);
                if let Some(failures) =
                    tells_of_failures(&self.series.volumes, number, &VOLUME_FAILURES, slot)
                {
                    show(&mut out, failures, &volume.shown, None, &draw);
                }
            }
        }
        out
    }

    fn draw<'a>(&'a self, index: &'a Index) -> Draw<'a> {
        let sealed = &self.work.sealed;
        Draw { rows: &sealed.rows, told_in: &sealed.told_in, catalog: &self.catalog, index }
    }

    /// Keeps ordinary traces of the tick for ticks to come.
    pub(crate) fn keep_usual(&mut self, index: &Index, counts: &mut Counts, settings: &Settings) {
        let now = self.work.sealed.start;
        let (renew, max) = (settings.link_for.0, settings.usual_traces_max);
        let mut usual = std::mem::take(&mut self.usual_operations);
        let mut found = Vec::new();
        for (operation, told) in self.work.tally.operations.used() {
            if operation == self.catalog.at_service(operation) && !told.durations.is_empty() {
                found.extend(told.shown.usual.map(|usual| (operation, usual)));
                usual.took(operation, told.durations.mean());
            }
        }
        let draw = self.draw(index);
        let tree = |seen: &Seen| draw.tree("before, trace", seen);
        counts.shed_examples += usual.keep(&found, now, renew, max, tree);
        self.usual_operations = usual;
        let mut usual = std::mem::take(&mut self.usual_edges);
        found.clear();
        for (edge, told) in self.work.tally.edges.used() {
            if !told.durations.is_empty() {
                found.extend(told.shown.usual.map(|usual| (edge, usual)));
                usual.took(edge, told.durations.mean());
            }
        }
        let draw = self.draw(index);
        let tree = |seen: &Seen| draw.tree("before, trace", seen);
        counts.shed_examples += usual.keep(&found, now, renew, max, tree);
        self.usual_edges = usual;
    }
}
