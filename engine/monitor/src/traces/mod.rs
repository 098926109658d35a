//! Spans: how many, how many of them failed, how long they took, by operation, edge and kind; where
//! traces spend their time; how the calls of a request follow each other.
//!
//! | module | holds |
//! |---|---|
//! | `reader`, `asked` | rows of spans, and what is asked of them |
//! | `catalog`, `ids` | operations, callees and edges as numbers |
//! | `carried` | spans that are joined over the ends of ticks |
//! | `family`, `scene` | one trace: self time, critical path, gaps, retries, the order of calls |
//! | `sketch`, `sampling`, `tally` | durations, and how many a span stands for; what a tick adds up to |
//! | `asking` | who asks, and what for |
//! | `zones` | ways between zones, against ways within them |
//! | `exemplar` | traces as trees, for people |
//! | `novelty`, `span_series` | what was not called before; series and their values |

mod asked;
pub(crate) mod asking;
mod carried;
pub(crate) mod catalog;
pub(crate) mod exemplar;
mod family;
pub(crate) mod ids;
mod novelty;
pub(crate) mod reader;
mod sampling;
mod scene;
pub(crate) mod sketch;
mod span_series;
mod tally;
mod zones;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use serde::{Deserialize, Serialize};
use theriac_contract::{EdgeKind, EdgeObservation, Entity};

use crate::{
    bucket::{Bucket, SpanRow},
    counts::Counts,
    index::{Index, Slot, TRACES},
    settings::Settings,
    traces::{
        asking::Asking,
        carried::Carried,
        catalog::Catalog,
        exemplar::Usual,
        family::Family,
        novelty::Novelty,
        reader::SpanReader,
        scene::Scene,
        sketch::WHOLE,
        span_series::SpanSeries,
        tally::{CallTick, Tally},
    },
};

/// What is known of operations, calls and recent spans.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Traces {
    pub(crate) catalog: Catalog,
    carried: Carried,
    /// How children follow each other, by operation of the service.
    orders: Novelty,
    /// Edges, by service.
    pub(crate) new_edges: Novelty,
    /// Operations of services, by number, that were seen to have children.
    pub(crate) callers: BTreeSet<u32>,
    /// Services and kinds of which there was more than one operation.
    pub(crate) several: BTreeSet<(u32, u8)>,
    /// By operation of the service.
    pub(crate) usual_operations: Usual,
    pub(crate) usual_edges: Usual,
    /// How many of the calls from a zone go to another.
    #[serde(default)]
    pub(crate) usual_ways: zones::Usual,
    #[serde(default)]
    pub(crate) asking: Asking,
    #[serde(skip)]
    pub(crate) series: SpanSeries,
    #[serde(skip)]
    pub(crate) work: Work,
}

/// Room that is used again in each tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Work {
    pub(crate) tally: Tally,
    family: Family,
    /// One trace with what was carried of it.
    group: Vec<SpanRow>,
    /// As in the [`Bucket`] of the tick.
    pub(crate) placed: BTreeMap<u32, u64>,
    /// Calls of one request that failed: edge and end.
    failed: Vec<(u32, i64)>,
    roots: u64,
    /// What the tick that was sealed last can be shown by, until the next one is.
    pub(crate) sealed: Sealed,
}

/// What a tick can be shown by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sealed {
    /// Its start.
    pub(crate) start: i64,
    /// All its spans, sorted.
    pub(crate) rows: Vec<SpanRow>,
    /// As in its [`Bucket`].
    pub(crate) told_in: BTreeMap<u128, Vec<(i64, String)>>,
    pub(crate) told_of: BTreeMap<Slot, (i64, u128)>,
    /// The series that it gave values.
    pub(crate) valued: BTreeMap<Slot, f64>,
}

impl Traces {
    /// Puts a row into its bucket. Gives whether there was room.
    pub(crate) fn take(
        &mut self,
        reader: &mut SpanReader<'_>,
        row: usize,
        index: &mut Index,
        bucket: &mut Bucket,
        counts: &mut Counts,
        settings: &Settings,
    ) -> bool {
        let Some(resource) = reader.resource(row, index, settings) else { return false };
        bucket.hear(resource, TRACES);
        let kept = reader.row(row, resource, &mut self.catalog, index, counts, settings);
        if index.at(resource).zone.is_some()
            && let Some(call) = reader.placed(row, resource, &mut self.catalog, index, settings)
        {
            let weight = bucket.placed.entry(call).or_default();
            *weight = weight.saturating_add(kept.weight);
        }
        let asked = (reader.names(row, settings), index.at(resource).service);
        self.asking.note(&kept, asked, &self.catalog, bucket, counts, settings);
        bucket.spans.push(kept);
        true
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
        self.work.tally.reset();
        let mut rows = std::mem::take(&mut bucket.spans);
        rows.sort_unstable();
        let mut place = 0;
        for trace in rows.chunk_by_mut(|a, b| a.trace == b.trace) {
            let earlier = self.carried.of(trace[0].trace, place);
            place = earlier.start;
            if earlier.is_empty() {
                self.trace(trace, tick_start, index, counts, settings);
            } else {
                self.joined(trace, earlier, tick_start, index, counts, settings);
            }
        }
        let before = tick_start.saturating_sub(settings.link_for.0);
        let dropped = self.carried.carry(&rows, before, settings.links_max);
        counts.orphan_spans += dropped.orphans.len() as u64;
        counts.shed_links += dropped.shed;
        counts.forgotten_spans += dropped.forgotten;
        for orphan in &dropped.orphans {
            let service = self.catalog.service(orphan.operation) as u32;
            let orphans = &mut self.work.tally.services.at(service).orphans;
            *orphans = orphans.saturating_add(orphan.weight);
        }
        self.asking.seal(bucket, tick_start, settings);
        let observed = self.observed(index);
        self.work.placed = std::mem::take(&mut bucket.placed);
        self.values(tick_start, index, counts, settings, values);
        let (told_in, told_of) = (std::mem::take(&mut bucket.told_in), std::mem::take(&mut bucket.told_of));
        self.work.sealed = Sealed { start: tick_start, rows, told_in, told_of, valued: BTreeMap::new() };
        self.keep_usual(index, counts, settings);
        observed
    }

    /// The spans of a trace, some of which were there before.
    fn joined(
        &mut self,
        trace: &mut [SpanRow],
        earlier: Range<usize>,
        now: i64,
        index: &Index,
        counts: &mut Counts,
        settings: &Settings,
    ) {
        let mut group = std::mem::take(&mut self.work.group);
        group.clear();
        group.extend_from_slice(self.carried.rows(earlier.clone()));
        group.extend_from_slice(trace);
        group.sort();
        self.trace(&mut group, now, index, counts, settings);
        // Both were sorted before, so they are in the same order now.
        let carried = self.carried.rows_mut(earlier).iter_mut();
        carried.zip(group.iter().filter(|row| row.counted)).for_each(|(row, known)| *row = *known);
        trace.iter_mut().zip(group.iter().filter(|row| !row.counted)).for_each(|(row, known)| *row = *known);
        self.work.group = group;
    }

    /// Counts the spans of a trace that are new with this tick.
    fn trace(
        &mut self,
        rows: &mut [SpanRow],
        now: i64,
        index: &Index,
        counts: &mut Counts,
        settings: &Settings,
    ) {
        let mut scene = Scene {
            catalog: &mut self.catalog,
            orders: &mut self.orders,
            tally: &mut self.work.tally,
            usual_operations: &self.usual_operations,
            usual_edges: &self.usual_edges,
            failed: &mut self.work.failed,
            index,
            settings,
            now,
        };
        let family = &mut self.work.family;
        family.join(rows);
        for at in 0..rows.len() {
            if !rows[at].counted {
                scene.count(&rows[at]);
            }
            if let Some(parent) = family.parent(at).filter(|_| !rows[at].met) {
                rows[at].met = true;
                counts.late_children += u64::from(rows[parent].counted && !rows[at].counted);
                scene.link(&rows[parent], &rows[at]);
            }
        }
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.counted) {
            scene.inside(rows, at, family.children(at), family.own_time(rows, at));
            if row.parent == 0 {
                self.work.roots += 1;
                scene.critical_path(rows, at, family, self.work.roots);
            }
        }
    }

    /// How often each call was made, and who served what was called by another name.
    fn observed(&mut self, index: &Index) -> Vec<EdgeObservation> {
        // What was seen is more than nothing, however little of it was sampled.
        let times = |weight: u64| (weight.saturating_add(WHOLE / 2) / WHOLE).max(u64::from(weight > 0));
        let Tally { calls, stands_for, .. } = &mut self.work.tally;
        let mut observed = Vec::new();
        for call in calls.touched() {
            let (from, to) = self.catalog.call_between(call);
            let (from, kind) = (index.known(from).entity.clone(), self.catalog.kind_of_call(call));
            let CallTick { named, served } = *calls.at(call);
            if named > 0 || served > 0 {
                observed.push(EdgeObservation { from, to, kind, count: times(named), served: times(served) });
            }
        }
        for ((name, service), count) in stands_for.iter() {
            let from = Entity(self.catalog.callee_name(*name).to_owned());
            let to = index.known(*service).entity.clone();
            let kind = EdgeKind::StandsFor;
            observed.push(EdgeObservation { from, to, kind, count: *count, served: 0 });
        }
        observed
    }
}
