//! The stage: rows into buckets, buckets into ticks.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap},
};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, EdgeKind, EdgeObservation, Entity, Interval, Series, SeriesId, StateError, StateTable,
    Telemetry, TemplateReplacement, Tick, Timestamp,
    frame::{Example, Standing},
    telemetry::BatchError,
};

use crate::{
    batch::{Batch, Columns},
    bucket::Bucket,
    clock::{Clock, StepChoice, Verdict},
    counts::Counts,
    index::{Index, Slot},
    logs::{Journal, take_change, tells_of_a_change},
    points::{Metrics, Taken},
    settings::Settings,
    traces::Traces,
};

const TABLE: &str = "monitor";
const VERSION: u16 = 3;

/// An instance that is heard on another host, and on this one for so long no more, has moved.
const MOVED_AFTER: Interval = Interval::from_seconds(60);

/// Ticks in which rows must agree before a clock that jumped ahead is believed.
const TICKS_TO_BELIEVE: usize = 3;

/// Everything but the batches that wait for the step to be found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    clock: Clock,
    index: Index,
    metrics: Metrics,
    journal: Journal,
    traces: Traces,
    counts: Counts,
    /// Rows by tick.
    buckets: BTreeMap<u64, Bucket>,
    /// Rows of a clock that jumped ahead, by tick, until they are believed or rejected.
    ahead: BTreeMap<u64, Bucket>,
    ahead_rows: u64,
    /// Earliest and latest time among them.
    ahead_range: Option<(i64, i64)>,
    /// Rows in `buckets` and `ahead` that take memory.
    pending: usize,
    /// Next tick to seal, once there was one.
    next: Option<u64>,
    /// Empty ticks sealed in a row.
    empty: u64,
    /// Entities and what they were seen to belong to.
    placed: BTreeSet<(usize, String)>,
    /// Hosts and the zones that they were seen in.
    #[serde(default)]
    zoned: BTreeSet<(String, String)>,
    /// Where entities are, and when they were heard there last.
    #[serde(default)]
    hosts: BTreeMap<usize, BTreeMap<String, i64>>,
}

/// Turns telemetry into ticks. See the crate's documentation for the rules.
#[derive(Debug)]
pub struct Monitor {
    settings: Settings,
    state: State,
    /// Batches that wait for the step to be found.
    held: Vec<Telemetry>,
    held_rows: usize,
    choice: StepChoice,
}

impl Monitor {
    /// A monitor that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let state = State { clock: Clock::new(&settings), ..State::default() };
        Self { settings, state, held: Vec::new(), held_rows: 0, choice: StepChoice::default() }
    }

    /// Puts the rows of batches that came in together into the buckets of their ticks, in the
    /// order of event time: a batch for each signal may cover minutes, and one signal must not
    /// make the others late.
    ///
    /// # Errors
    /// If a batch does not have the schema of its signal; nothing is taken then.
    pub fn push(&mut self, together: &[Telemetry]) -> Result<(), BatchError> {
        if self.state.clock.step().is_some() {
            return self.place(together);
        }
        if self.hold(together)? {
            self.settle()?;
        }
        Ok(())
    }

    /// Event time has reached `to`, although nothing was said: idle input does not hold
    /// the clock.
    pub fn advance(&mut self, to: Timestamp) {
        if !self.state.clock.begun() {
            return;
        }
        self.state.clock.advance(to.0, &self.settings);
        if let Some((_, latest)) = self.state.ahead_range
            && self.state.clock.judge(latest, &self.settings) != Verdict::Ahead
        {
            self.state.believe(&self.settings);
        }
    }

    /// The input has ended: whatever is there may be sealed.
    pub fn finish(&mut self) {
        if self.state.clock.step().is_none() && !self.held.is_empty() {
            // Held batches had the right schema when they were taken.
            let settled = self.settle();
            debug_assert!(settled.is_ok(), "{settled:?}");
        }
        if self.state.ahead.len() >= 2 {
            self.state.believe(&self.settings);
        } else {
            self.state.reject();
        }
        if let Some((last, _)) = self.state.buckets.last_key_value() {
            self.state.clock.close(*last);
        }
    }

    /// The next tick in order, if the watermark has passed its end. Call until `None`.
    pub fn seal(&mut self) -> Option<Tick> {
        let step = self.state.clock.step()?;
        let earliest = self.state.buckets.first_key_value().map(|(tick, _)| *tick);
        let mut number = self.state.next.or(earliest)?;
        if self.state.empty >= self.settings.gap_ticks_max {
            let resumed = earliest?;
            self.state.counts.ticks_skipped += resumed.saturating_sub(number);
            number = resumed;
        }
        if number >= self.state.clock.open_from() {
            return None;
        }
        self.state.next = Some(number + 1);
        let bucket = self.state.buckets.remove(&number);
        self.state.empty = if bucket.is_some() { 0 } else { self.state.empty + 1 };
        let bucket = bucket.unwrap_or_default();
        self.state.pending -= bucket.rows();
        self.state.counts.ticks += 1;
        Some(self.state.tick(number, step, bucket, &self.settings))
    }

    /// Draws traces that show what a series told in the tick of this number, if it is the one that
    /// was sealed last: of most series nobody asks, and to draw a trace takes longer than to count
    /// it. What was usual before comes first, then by when it happened.
    #[must_use]
    pub fn traces_of(&self, tick: u64, id: SeriesId) -> Vec<Example> {
        let State { index, traces, next, .. } = &self.state;
        let slot = index.slot_with(id).filter(|_| *next == tick.checked_add(1));
        let shown = slot.map(|slot| traces.shown(slot, index)).unwrap_or_default();
        let example =
            |(at, text, usual)| Example { series: vec![id], at: Timestamp(at), text, usual, who: None };
        let mut examples: Vec<Example> = shown.into_iter().map(example).collect();
        examples.sort_by(|a, b| (!a.usual, a.at, &a.text).cmp(&(!b.usual, b.at, &b.text)));
        examples
    }

    /// All series, by id.
    #[must_use]
    pub fn series(&self) -> &[Series] {
        &self.state.index.series
    }

    /// What was taken and what was not.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Length of a tick, once it is known.
    #[must_use]
    pub const fn step(&self) -> Option<Interval> {
        self.state.clock.step()
    }

    /// Keeps batches until the step is found. Gives whether it is.
    fn hold(&mut self, together: &[Telemetry]) -> Result<bool, BatchError> {
        let columns = together.iter().map(Columns::new).collect::<Result<Vec<_>, _>>()?;
        self.held.extend_from_slice(together);
        for (columns, telemetry) in columns.iter().zip(together) {
            self.held_rows += telemetry.rows();
            for row in 0..telemetry.rows() {
                let stream = match columns {
                    Columns::Points(points) => Some(points.identity(row)),
                    Columns::Logs(_) | Columns::Spans(_) => None,
                };
                self.choice.note(columns.time(row), stream);
                if let Some(step) = self.choice.decide(&self.settings) {
                    self.state.clock.fix(step);
                    return Ok(true);
                }
            }
        }
        Ok(self.held_rows >= self.settings.pending_rows_max)
    }

    /// Fixes the step and takes what was held.
    fn settle(&mut self) -> Result<(), BatchError> {
        if self.state.clock.step().is_none() {
            self.state.clock.fix(self.choice.now(&self.settings));
        }
        self.choice = StepChoice::default();
        self.held_rows = 0;
        let held = std::mem::take(&mut self.held);
        self.place(&held)
    }

    fn place(&mut self, together: &[Telemetry]) -> Result<(), BatchError> {
        let mut batches = together.iter().map(Batch::new).collect::<Result<Vec<_>, _>>()?;
        for telemetry in together {
            let counts = &mut self.state.counts;
            let offered = match telemetry {
                Telemetry::Points(_) => &mut counts.points,
                Telemetry::Logs(_) => &mut counts.logs,
                Telemetry::Spans(_) => &mut counts.spans,
            };
            *offered += telemetry.rows() as u64;
        }
        // Next row of each batch, the earliest first; of rows at one time, that of the first batch.
        let mut next: BinaryHeap<Reverse<(i64, usize, usize)>> = (0..batches.len())
            .filter(|batch| together[*batch].rows() > 0)
            .map(|batch| Reverse((batches[batch].columns.time(0), batch, 0)))
            .collect();
        while let Some(Reverse((_, batch, mut row))) = next.pop() {
            let until = next.peek().map(|Reverse((time, other, _))| (*time, *other));
            loop {
                self.state.row(&mut batches[batch], row, &self.settings);
                row += 1;
                if row == together[batch].rows() {
                    break;
                }
                let time = batches[batch].columns.time(row);
                if until.is_some_and(|until| (time, batch) > until) {
                    next.push(Reverse((time, batch, row)));
                    break;
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// Takes in what comes too late for its tick and is no less true for that: a change. Gives whether
    /// the row was one.
    fn take_late_change(&mut self, columns: &Columns<'_>, row: usize, settings: &Settings) -> bool {
        let Columns::Logs(logs) = columns else { return false };
        if !tells_of_a_change(logs, row) || self.pending >= settings.pending_rows_max {
            return false;
        }
        let bucket = self.buckets.entry(self.clock.open_from()).or_default();
        let taken = take_change(logs, row, &mut self.index, bucket, settings);
        self.pending += usize::from(taken);
        taken
    }

    fn row(&mut self, batch: &mut Batch<'_>, row: usize, settings: &Settings) {
        let time = batch.columns.time(row);
        let (tick, ahead) = match self.clock.judge(time, settings) {
            Verdict::Tick(tick) => (tick, false),
            Verdict::Ahead => (self.clock.tick(time), true),
            Verdict::Late => {
                self.reject();
                let taken = self.take_late_change(&batch.columns, row, settings);
                self.counts.late += u64::from(!taken);
                return;
            }
        };
        if self.pending >= settings.pending_rows_max {
            self.counts.shed_pending += 1;
            return;
        }
        if ahead {
            let (first, latest) = self.ahead_range.unwrap_or((time, time));
            let (first, latest) = (first.min(time), latest.max(time));
            if latest.saturating_sub(first) > settings.jump_max.0 {
                self.reject();
                self.ahead_range = Some((time, time));
            } else {
                self.ahead_range = Some((first, latest));
            }
            self.ahead_rows += 1;
        } else {
            self.reject();
            let source = batch.source(row, &mut self.index, settings);
            self.clock.hear(source, time, settings);
            if let Some((now, ahead)) = self.clock.ahead(time, settings) {
                let most = self.buckets.entry(now).or_default().ahead.entry(source).or_default();
                *most = ahead.max(*most);
            }
        }
        let columns = &mut batch.columns;
        let buckets = if ahead { &mut self.ahead } else { &mut self.buckets };
        let bucket = buckets.entry(tick).or_default();
        let before = bucket.rows();
        let (index, counts) = (&mut self.index, &mut self.counts);
        match columns {
            Columns::Points(points) => match points.take(row, &mut self.metrics, index, bucket, settings) {
                Taken::Yes => {}
                Taken::WithoutValue => counts.without_value += 1,
                Taken::Shed => counts.shed_series += 1,
            },
            Columns::Logs(logs) => {
                let taken = self.journal.take(logs, row, index, bucket, counts, settings);
                counts.shed_series += u64::from(!taken);
            }
            Columns::Spans(reader) => {
                let taken = self.traces.take(reader, row, index, bucket, counts, settings);
                counts.shed_series += u64::from(!taken);
            }
        }
        self.pending += bucket.rows() - before;
        if ahead && (self.ahead.len() >= TICKS_TO_BELIEVE || self.ahead_rows >= settings.held_rows_max as u64)
        {
            self.believe(settings);
        }
    }

    /// The clock did jump: what was held back is taken. Some of it may be late by now.
    fn believe(&mut self, settings: &Settings) {
        for (tick, bucket) in std::mem::take(&mut self.ahead) {
            if tick >= self.clock.open_from() && !self.buckets.contains_key(&tick) {
                self.buckets.insert(tick, bucket);
            } else {
                self.pending -= bucket.rows();
                self.counts.late += bucket.rows() as u64;
            }
        }
        if let Some((_, latest)) = self.ahead_range.take() {
            self.clock.reach(latest, settings);
        }
        self.ahead_rows = 0;
    }

    /// Rows went on where the clock was before: what was held back is wrong.
    fn reject(&mut self) {
        if self.ahead_rows > 0 {
            self.counts.jumps_rejected += self.ahead_rows;
            self.ahead_rows = 0;
            self.pending -= self.ahead.values().map(Bucket::rows).sum::<usize>();
            self.ahead.clear();
        }
        self.ahead_range = None;
    }

    fn tick(&mut self, number: u64, step: Interval, mut bucket: Bucket, settings: &Settings) -> Tick {
        let start = self.clock.start(number);
        let mut values: BTreeMap<Slot, f64> = BTreeMap::new();
        self.metrics.seal(&mut bucket, step.as_seconds(), &mut values);
        for (source, ahead) in &bucket.ahead {
            let slot = self.index.ahead(*source, settings);
            values.extend(slot.map(|slot| (slot, *ahead as f64 / 1e9)));
        }
        bucket.changes.extend(self.metrics.restarts(&self.index));
        self.index.hear_from(bucket.heard.keys().copied());
        let mut edges =
            self.traces.seal(&mut bucket, start, &mut self.index, &mut self.counts, settings, &mut values);
        let (index, counts) = (&mut self.index, &mut self.counts);
        self.journal.seal(&mut bucket, (number, start), index, counts, settings, &mut values);
        values.extend(bucket.counts.iter().map(|(slot, count)| (*slot, *count as f64)));
        let mut heard: BTreeMap<usize, u8> = BTreeMap::new();
        for (resource, signals) in &bucket.heard {
            let resource = self.index.at(*resource);
            *heard.entry(resource.entity).or_default() |= signals;
            *heard.entry(resource.service).or_default() |= signals;
        }
        edges.extend(self.places(&bucket, start));
        edges.sort();
        let (column, opened) = self.index.column(number, &heard, &values, settings.quiet_ticks_max);
        self.traces.work.sealed.valued = values;
        bucket.changes.sort();
        let service = |entity| Entity(self.index.known(entity).entity.service().to_owned());
        let replaced = std::mem::take(&mut bucket.replaced)
            .into_iter()
            .map(|(entity, text, by)| TemplateReplacement { service: service(entity), text, by });
        let replaced: BTreeSet<TemplateReplacement> = replaced.collect();
        let replaced = replaced.into_iter().collect();
        let mut examples: Vec<Example> = Vec::new();
        for (slot, kept) in bucket.examples {
            let Some(series) = self.index.id(slot) else { continue };
            let example = |(at, text)| Example { series: vec![series], at, text, usual: false, who: None };
            examples.extend(kept.into_iter().map(example));
        }
        for (slot, standing) in self.traces.standing() {
            let Some(series) = self.index.id(slot) else { continue };
            let who = Some(Standing { who: standing.who.clone(), chance: standing.chance });
            let (at, text) = (Timestamp(start), standing.text.clone());
            examples.push(Example { series: vec![series], at, text, usual: false, who });
        }
        examples.sort_by(|a, b| (&a.series, a.at, &a.text).cmp(&(&b.series, b.at, &b.text)));
        Tick {
            number,
            start: Timestamp(start),
            step,
            values: column,
            opened,
            edges,
            changes: bucket.changes,
            replaced,
            examples,
        }
    }

    /// Which entities run where and belong to what, when it is seen for the first time; and where an
    /// instance is no longer, since it was heard elsewhere and not there for a while.
    fn places(&mut self, bucket: &Bucket, start: i64) -> Vec<EdgeObservation> {
        let mut edges = Vec::new();
        let edge = |from: &Entity, to, kind, count| EdgeObservation {
            from: from.clone(),
            to,
            kind,
            count,
            served: 0,
        };
        let mut heard = BTreeSet::new();
        for resource in bucket.heard.keys() {
            let resource = self.index.at(*resource);
            let from = &self.index.known(resource.entity).entity;
            if resource.service != resource.entity && self.placed.insert((resource.entity, String::new())) {
                let service = self.index.known(resource.service).entity.clone();
                edges.push(edge(from, service, EdgeKind::PartOf, 1));
            }
            if let Some(host) = &resource.host {
                heard.insert((resource.entity, host.clone()));
                if let Some(zone) = &resource.zone
                    && self.placed.insert((resource.entity, zone.0.clone()))
                    && self.zoned.insert((host.0.clone(), zone.0.clone()))
                {
                    edges.push(edge(host, zone.clone(), EdgeKind::RunsOn, 1));
                }
            }
        }
        for (entity, host) in heard {
            let from = &self.index.known(entity).entity;
            let hosts = self.hosts.entry(entity).or_default();
            if hosts.insert(host.0.clone(), start).is_none() {
                edges.push(edge(from, host.clone(), EdgeKind::RunsOn, 1));
            }
            // A service without instances may be on several hosts at once.
            if hosts.len() > 1 && from.is_instance() {
                let gone = |last: &i64| start.saturating_sub(*last) >= MOVED_AFTER.0;
                for left in hosts.extract_if(.., |_, last| gone(last)).map(|(host, _)| host) {
                    edges.push(edge(from, Entity(left), EdgeKind::RunsOn, 0));
                }
            }
        }
        edges
    }
}

impl Checkpointed for Monitor {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, VERSION, &(&self.state, self.held.len()))?];
        for (i, telemetry) in self.held.iter().enumerate() {
            let name = format!("{TABLE}.held.{i}.{}", telemetry.signal());
            tables.push(StateTable { name, version: VERSION, rows: telemetry.batch().clone() });
        }
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let (state, held): (State, usize) = StateTable::to_json(tables, TABLE, VERSION)?;
        let mut restored = Self::new(self.settings.clone());
        for i in 0..held {
            let prefix = format!("{TABLE}.held.{i}.");
            let missing = || StateError::Missing(prefix.clone());
            let table = tables.iter().find(|table| table.name.starts_with(&prefix)).ok_or_else(missing)?;
            let table = StateTable::find(tables, &table.name, VERSION)?;
            let telemetry = match table.name.strip_prefix(&prefix) {
                Some("points") => Telemetry::Points(table.rows.clone()),
                Some("logs") => Telemetry::Logs(table.rows.clone()),
                Some("spans") => Telemetry::Spans(table.rows.clone()),
                _ => return Err(missing()),
            };
            restored.hold(std::slice::from_ref(&telemetry)).map_err(|error| StateError::Malformed {
                table: table.name.clone(),
                reason: error.to_string(),
            })?;
        }
        restored.state = state;
        *self = restored;
        Ok(())
    }
}
