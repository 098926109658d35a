//! Spans: counts, errors and durations by operation and by edge.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::Array;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use theriac_contract::{
    EdgeKind, EdgeObservation, Entity, SignalKind, Timestamp,
    telemetry::{Attributes, SpanKind, SpanStatus, Spans, canonical, parse_attributes},
};

use crate::{
    bucket::{Bucket, SpanRow},
    counts::Counts,
    durations::Durations,
    index::{Index, Silence, Slot, TRACES},
    links::{End, Link, Links},
    settings::Settings,
};

/// Operations and recent spans.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Traces {
    operations: Vec<String>,
    operation_of: BTreeMap<String, u32>,
    of_entity: BTreeMap<usize, BTreeSet<u32>>,
    links: Links,
}

/// Whom a span says it calls: `peer.service`, else the destination of a message, else the
/// database, else the address of the server.
fn peer(attributes: &Attributes) -> Option<String> {
    let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text("peer.service")
        .map(str::to_owned)
        .or_else(|| text("messaging.destination.name").map(|name| format!("topic:{name}")))
        .or_else(|| text("server.address").or_else(|| text("net.peer.name")).map(str::to_owned))
        .or_else(|| text("db.system.name").or_else(|| text("db.system")).map(str::to_owned))
}

fn bytes<const N: usize>(slice: &[u8]) -> [u8; N] {
    slice.try_into().unwrap_or([0; N])
}

impl Traces {
    /// Puts a row into its bucket. Gives whether there was room.
    pub(crate) fn take(
        &mut self,
        spans: &Spans<'_>,
        row: usize,
        index: &mut Index,
        bucket: &mut Bucket,
        counts: &mut Counts,
        settings: &Settings,
    ) -> bool {
        let Some(resource) = index.resource(spans.resource.text(row), settings) else { return false };
        bucket.hear(resource, TRACES);
        let attributes = parse_attributes(spans.attributes.text(row));
        let kind = spans.kind.value(row);
        let outgoing = kind == SpanKind::Client as u8 || kind == SpanKind::Producer as u8;
        let (start, end) = (spans.start.value(row), spans.end.value(row));
        let parent = (!spans.parent_span_id.is_null(row)).then(|| bytes(spans.parent_span_id.value(row)));
        let parent = parent.map(u64::from_be_bytes).filter(|parent| *parent != 0);
        let operation = self.operation(index.at(resource).entity, spans.name.text(row), counts, settings);
        bucket.spans.push(SpanRow {
            end,
            trace: u128::from_be_bytes(bytes(spans.trace_id.value(row))),
            span: u64::from_be_bytes(bytes(spans.span_id.value(row))),
            parent,
            resource,
            operation,
            peer: if outgoing { peer(&attributes) } else { None },
            outgoing,
            nanoseconds: end.saturating_sub(start),
            error: spans.status.value(row) == SpanStatus::Error as u8,
        });
        true
    }

    fn operation(&mut self, entity: usize, name: &str, counts: &mut Counts, settings: &Settings) -> u32 {
        let mut known = self.intern(name);
        let of_entity = self.of_entity.entry(entity).or_default();
        if !of_entity.contains(&known) {
            if of_entity.len() < settings.operations_max {
                of_entity.insert(known);
            } else {
                counts.other_operations += 1;
                known = self.intern("<other>");
            }
        }
        known
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(known) = self.operation_of.get(name) {
            return *known;
        }
        let id = self.operations.len() as u32;
        self.operations.push(name.to_owned());
        self.operation_of.insert(name.to_owned(), id);
        id
    }

    /// The values and edges of a tick, from all spans of it.
    pub(crate) fn seal(
        &mut self,
        bucket: &mut Bucket,
        tick_start: i64,
        index: &mut Index,
        counts: &mut Counts,
        settings: &Settings,
        values: &mut BTreeMap<Slot, f64>,
    ) -> Vec<EdgeObservation> {
        let mut rows = std::mem::take(&mut bucket.spans);
        rows.sort_unstable();
        let mut operations: BTreeMap<(usize, u32), Durations> = BTreeMap::new();
        let mut edges: BTreeMap<(usize, Entity), Durations> = BTreeMap::new();
        let mut calls: BTreeMap<(Entity, Entity), u64> = BTreeMap::new();
        let exact = settings.durations_exact_max;
        for row in &rows {
            let (entity, service) = (index.at(row.resource).entity, index.at(row.resource).service);
            if !row.outgoing {
                operations.entry((entity, row.operation)).or_default().add(row.nanoseconds, row.error, exact);
                if service != entity {
                    operations.entry((service, row.operation)).or_default().add(
                        row.nanoseconds,
                        row.error,
                        exact,
                    );
                }
            }
            if let Some(peer) = row.peer.clone().map(Entity) {
                *calls.entry((index.known(entity).entity.clone(), peer.clone())).or_default() += 1;
                edges.entry((service, peer)).or_default().add(row.nanoseconds, row.error, exact);
            }
            let end = End {
                resource: row.resource,
                nanoseconds: row.nanoseconds,
                error: row.error,
                names_peer: row.peer.is_some(),
            };
            for Link { parent, child } in self.links.add(row.end, row.trace, row.span, row.parent, end) {
                let (caller, callee) = (index.at(parent.resource), index.at(child.resource));
                if caller.service == callee.service {
                    continue;
                }
                let called = index.known(callee.entity).entity.clone();
                *calls.entry((index.known(caller.entity).entity.clone(), called.clone())).or_default() += 1;
                // The service as callee is counted from the caller's own span where it
                // names it; the instance is known from the child alone.
                if !parent.names_peer {
                    let service = index.known(callee.service).entity.clone();
                    edges.entry((caller.service, service)).or_default().add(
                        child.nanoseconds,
                        child.error,
                        exact,
                    );
                }
                if callee.entity != callee.service {
                    edges.entry((caller.service, called)).or_default().add(
                        child.nanoseconds,
                        child.error,
                        exact,
                    );
                }
            }
        }
        counts.shed_links +=
            self.links.expire(tick_start.saturating_sub(settings.link_for.0), settings.links_max);
        for ((entity, operation), durations) in &operations {
            let name = Value::String(self.operations[*operation as usize].clone());
            let attributes = canonical(&Attributes::from([("operation".to_owned(), name)]));
            let subject = Subject { entity: *entity, peer: None, prefix: "span", attributes: &attributes };
            subject.put(durations, index, counts, settings, values);
        }
        for ((entity, peer), durations) in &edges {
            let subject = Subject { entity: *entity, peer: Some(peer), prefix: "edge", attributes: "{}" };
            subject.put(durations, index, counts, settings, values);
        }
        self.examples(&rows, bucket, index, settings);
        let observed = calls.into_iter().map(|((from, to), count)| EdgeObservation {
            from,
            to,
            kind: EdgeKind::Calls,
            count,
        });
        observed.collect()
    }

    /// The first failed spans of each operation illustrate its share of errors.
    fn examples(&self, rows: &[SpanRow], bucket: &mut Bucket, index: &mut Index, settings: &Settings) {
        for row in rows.iter().filter(|row| row.error && !row.outgoing) {
            let operation = &self.operations[row.operation as usize];
            let name = Value::String(operation.clone());
            let attributes = canonical(&Attributes::from([("operation".to_owned(), name)]));
            let entity = index.at(row.resource).entity;
            let slot = index.slot(
                entity,
                None,
                "span.error_ratio",
                SignalKind::Trace,
                "1",
                &attributes,
                Silence::Absent,
                settings,
            );
            if let Some(slot) = slot {
                let seconds = row.nanoseconds as f64 / 1e9;
                let text = format!("trace {:032x} {operation} failed after {seconds} s", row.trace);
                let (examples, length) = (settings.examples_max, settings.example_length_max);
                bucket.example(slot, Timestamp(row.end), &text, examples, length);
            }
        }
    }
}

/// What four series are about.
struct Subject<'a> {
    entity: usize,
    peer: Option<&'a Entity>,
    prefix: &'a str,
    attributes: &'a str,
}

impl Subject<'_> {
    fn put(
        &self,
        durations: &Durations,
        index: &mut Index,
        counts: &mut Counts,
        settings: &Settings,
        values: &mut BTreeMap<Slot, f64>,
    ) {
        let derived = [
            ("count", "1", Silence::Zero, durations.count() as f64),
            ("error_ratio", "1", Silence::Absent, durations.error_ratio()),
            ("duration.mean", "s", Silence::Absent, durations.mean()),
            ("duration.p95", "s", Silence::Absent, durations.quantile(0.95)),
        ];
        for (suffix, unit, silence, value) in derived {
            let signal = format!("{}.{suffix}", self.prefix);
            let slot = index.slot(
                self.entity,
                self.peer,
                &signal,
                SignalKind::Trace,
                unit,
                self.attributes,
                silence,
                settings,
            );
            match slot {
                Some(slot) => drop(values.insert(slot, value)),
                None => counts.shed_series += 1,
            }
        }
    }
}
