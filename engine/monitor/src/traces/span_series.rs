//! The series that spans give, and their values.

use std::collections::BTreeMap;

use serde_json::Value;
use theriac_contract::{
    Entity, SignalKind, Timestamp,
    telemetry::{Attributes, canonical},
};

use crate::{
    bucket::{ShownTrace, SpanRow},
    counts::Counts,
    index::{Index, Silence, Slot},
    settings::Settings,
    traces::{
        Traces,
        exemplar::{Draw, Seen, Shown},
        ids::NONE,
        novelty::Times,
        sketch::WHOLE,
        tally::{EdgeTick, OperationTick, Volume},
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

/// Slots that were given values, those of `failures` apart.
fn slots<const N: usize>(
    known: &[[Slot; N]],
    number: u32,
    failures: &[usize],
    values: &BTreeMap<Slot, f64>,
) -> [Vec<Slot>; 2] {
    let all = known.get(number as usize).into_iter().flatten().enumerate();
    let (failures, others): (Vec<_>, Vec<_>) =
        all.filter(|(_, slot)| values.contains_key(*slot)).partition(|(place, _)| failures.contains(place));
    [failures, others].map(|slots| slots.into_iter().map(|(_, slot)| *slot).collect())
}

/// Adds the traces that show a subject: the failed one for its failures, the slowest for the rest,
/// and what was usual for both.
fn show(
    out: &mut Vec<ShownTrace>,
    [failures, others]: [Vec<Slot>; 2],
    shown: &Shown,
    usual: Option<&(i64, String)>,
    draw: &Draw<'_>,
) {
    if let Some((at, text)) = usual {
        let slots = failures.iter().chain(&others).copied().collect();
        out.push(ShownTrace { slots, at: Timestamp(*at), text: text.clone(), usual: true });
    }
    for (slots, seen, word) in
        [(failures, shown.failed, "failed trace"), (others, shown.slowest, "slowest trace")]
    {
        if let Some(seen) = seen.filter(|_| !slots.is_empty()) {
            let (at, text) = (Timestamp(seen.end), draw.tree(word, &seen));
            out.push(ShownTrace { slots, at, text, usual: false });
        }
    }
}

impl Traces {
    /// Traces that show the series of a tick, and ordinary ones for ticks to come.
    #[expect(clippy::too_many_arguments, reason = "what a tick knows of traces")]
    pub(crate) fn examples(
        &mut self,
        rows: &[SpanRow],
        told_in: &BTreeMap<u128, Vec<(i64, String)>>,
        now: i64,
        values: &BTreeMap<Slot, f64>,
        index: &Index,
        counts: &mut Counts,
        settings: &Settings,
    ) -> Vec<ShownTrace> {
        let mut out = Vec::new();
        let (catalog, tally) = (&self.catalog, &mut self.work.tally);
        let draw = Draw { rows, told_in, catalog, index };
        let usual_tree = |seen: &Seen| draw.tree("before, trace", seen);
        let (renew, max) = (settings.link_for.0, settings.usual_traces_max);
        let mut found = Vec::new();
        for operation in tally.operations.touched() {
            let at_service = catalog.at_service(operation);
            let told = tally.operations.at(operation);
            let slots = slots(&self.series.operations, operation, &OPERATION_FAILURES, values);
            show(&mut out, slots, &told.shown, self.usual_operations.of(at_service), &draw);
            if operation == at_service && !told.durations.is_empty() {
                found.extend(told.shown.usual.map(|usual| (operation, usual)));
                self.usual_operations.took(operation, told.durations.mean());
            }
        }
        counts.shed_examples += self.usual_operations.keep(&found, now, renew, max, usual_tree);
        found.clear();
        for edge in tally.edges.touched() {
            let told = tally.edges.at(edge);
            let slots = slots(&self.series.edges, edge, &EDGE_FAILURES, values);
            show(&mut out, slots, &told.shown, self.usual_edges.of(edge), &draw);
            if !told.durations.is_empty() {
                found.extend(told.shown.usual.map(|usual| (edge, usual)));
                self.usual_edges.took(edge, told.durations.mean());
            }
        }
        counts.shed_examples += self.usual_edges.keep(&found, now, renew, max, usual_tree);
        for service in tally.services.touched() {
            for (kind, volume) in (0..).zip(&tally.services.at(service).kinds) {
                let number = volume_number(service, kind);
                let slots = slots(&self.series.volumes, number, &VOLUME_FAILURES, values);
                show(&mut out, slots, &volume.shown, None, &draw);
            }
        }
        out
    }
}
