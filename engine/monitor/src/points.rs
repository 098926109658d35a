//! Metric points: levels as they are, sums as rates, histograms as rate, mean, 95th
//! percentile and share of errors.

use std::collections::BTreeMap;

use arrow::array::{Array, Float64Array, ListArray};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use theriac_contract::{
    Change, SignalKind,
    seeded::{self, Bug},
    telemetry::{Attributes, PointKind, Points, Temporality, canonical, parse_attributes},
};

use crate::{
    bits::Bits,
    bucket::{Accumulated, Bucket},
    distribution::Distribution,
    index::{Index, METRICS, Silence, Slot},
    restarts::Restarts,
    settings::Settings,
};

/// Attributes that say how a request ended. They are summed over, and give the share of errors.
const OUTCOMES: [&str; 7] = [
    "http.response.status_code",
    "http.status_code",
    "rpc.grpc.status_code",
    "error.type",
    "status_code",
    "status",
    "outcome",
];

/// Attributes of a request that are worth series of their own.
const DETAILS: [&str; 6] = [
    "http.route",
    "url.template",
    "rpc.method",
    "rpc.service",
    "db.operation.name",
    "messaging.destination.name",
];

/// Sums and histograms whose parts are added: one entity, one metric, one set of attributes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Group {
    rate: Slot,
    mean: Option<Slot>,
    p95: Option<Slot>,
    error_ratio: Option<Slot>,
    /// When any of its streams reported, before the tick that is being sealed.
    last: Option<i64>,
}

/// One sum or histogram as its source sends it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stream {
    entity: usize,
    groups: Vec<u32>,
    error: bool,
    cumulative: bool,
    /// Time, start and totals of the last point.
    last: Option<(i64, Option<i64>, Distribution)>,
}

/// Where a row goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    Level(Slot),
    /// Quantile names of a summary are looked up for each row.
    Summary(u32),
    Stream(u32),
    Shed,
}

/// Keys of the columns that identify a stream within one batch.
type Combination = (u32, u32, u32, u32, u8, u8, bool);

/// State of all sums and histograms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Metrics {
    streams: Vec<Stream>,
    stream_of: BTreeMap<String, u32>,
    groups: Vec<Group>,
    group_of: BTreeMap<String, u32>,
    /// Detailed groups of one entity and metric.
    details: BTreeMap<String, usize>,
    /// Levels that say for how many seconds the process of an entity has been up.
    uptimes: BTreeMap<Slot, usize>,
    restarts: Restarts,
}

/// Reads a batch: each distinct combination of resource, name and attributes is resolved
/// once, whatever the number of its rows.
pub(crate) struct PointReader<'a> {
    columns: Points<'a>,
    memo: BTreeMap<Combination, (Option<u32>, Target)>,
}

/// What became of a row.
pub(crate) enum Taken {
    Yes,
    WithoutValue,
    Shed,
}

impl<'a> PointReader<'a> {
    pub(crate) const fn new(columns: Points<'a>) -> Self {
        Self { columns, memo: BTreeMap::new() }
    }

    pub(crate) fn time(&self, row: usize) -> i64 {
        self.columns.time.value(row)
    }

    /// The resource of a row: its key in the column, and its text.
    pub(crate) fn resource(&self, row: usize) -> (usize, &str) {
        (self.columns.resource.keys()[row] as usize, self.columns.resource.text(row))
    }

    /// Text that tells one series from another within the input.
    pub(crate) fn identity(&self, row: usize) -> String {
        let c = &self.columns;
        format!("{}|{}|{}", c.resource.text(row), c.name.text(row), c.attributes.text(row))
    }

    /// Puts a row into its bucket.
    pub(crate) fn take(
        &mut self,
        row: usize,
        metrics: &mut Metrics,
        index: &mut Index,
        bucket: &mut Bucket,
        settings: &Settings,
    ) -> Taken {
        let c = &self.columns;
        let combination = (
            c.resource.keys()[row],
            c.scope.keys()[row],
            c.name.keys()[row],
            c.attributes.keys()[row],
            c.kind.value(row),
            c.temporality.value(row),
            c.monotonic.value(row),
        );
        let (resource, target) = self
            .memo
            .entry(combination)
            .or_insert_with(|| metrics.resolve(&self.columns, row, index, settings));
        let Some(resource) = *resource else { return Taken::Shed };
        let time = c.time.value(row);
        match *target {
            Target::Shed => return Taken::Shed,
            Target::Level(slot) => {
                let value = if c.value.is_valid(row) { c.value.value(row) } else { f64::NAN };
                if !value.is_finite() {
                    return Taken::WithoutValue;
                }
                bucket.gauges.push((slot, time, Bits(value)));
            }
            Target::Summary(resource) => {
                let (quantiles, values) = (numbers(c.bounds, row), numbers(c.buckets, row));
                let entity = index.at(resource).entity;
                for (quantile, value) in quantiles.iter().zip(&values).filter(|(_, value)| value.is_finite())
                {
                    let name = format!("{}.p{}", c.name.text(row), quantile * 100.0);
                    let (unit, attributes) = (c.unit.text(row), c.attributes.text(row));
                    let slot = index.slot(
                        entity,
                        None,
                        &name,
                        SignalKind::Metric,
                        unit,
                        attributes,
                        Silence::Absent,
                        settings,
                    );
                    let Some(slot) = slot else { return Taken::Shed };
                    bucket.gauges.push((slot, time, Bits(*value)));
                }
            }
            Target::Stream(stream) => {
                let body = if c.kind.value(row) == PointKind::Histogram as u8 {
                    if c.count.is_null(row) {
                        return Taken::WithoutValue;
                    }
                    let sum = if c.sum.is_valid(row) { c.sum.value(row) } else { f64::NAN };
                    let (bounds, buckets) = (numbers(c.bounds, row), numbers(c.buckets, row));
                    Distribution::new(c.count.value(row) as f64, sum, &bounds, &buckets)
                } else {
                    let value = if c.value.is_valid(row) { c.value.value(row) } else { f64::NAN };
                    if !value.is_finite() {
                        return Taken::WithoutValue;
                    }
                    Distribution::new(value, 0.0, &[], &[])
                };
                let start = c.start_time.is_valid(row).then(|| c.start_time.value(row));
                bucket.accumulated.push(Accumulated { stream, time, start, body });
            }
        }
        bucket.hear(resource, METRICS);
        Taken::Yes
    }
}

fn numbers(lists: &ListArray, row: usize) -> Vec<f64> {
    if lists.is_null(row) {
        return Vec::new();
    }
    let list = lists.value(row);
    list.as_any().downcast_ref::<Float64Array>().map(|list| list.values().to_vec()).unwrap_or_default()
}

impl Metrics {
    fn resolve(
        &mut self,
        columns: &Points<'_>,
        row: usize,
        index: &mut Index,
        settings: &Settings,
    ) -> (Option<u32>, Target) {
        let resource_text = columns.resource.text(row);
        let Some(resource) = index.resource(resource_text, settings) else { return (None, Target::Shed) };
        let (name, unit, attributes) =
            (columns.name.text(row), columns.unit.text(row), columns.attributes.text(row));
        let kind = columns.kind.value(row);
        let monotonic = columns.monotonic.value(row);
        let delta = columns.temporality.value(row) == Temporality::Delta as u8;
        let entity = index.at(resource).entity;
        let histogram = kind == PointKind::Histogram as u8;
        if kind == PointKind::Summary as u8 {
            return (Some(resource), Target::Summary(resource));
        }
        if kind == PointKind::Gauge as u8 || !histogram && !monotonic && !delta {
            let entity = index.partition(resource, attributes).unwrap_or(entity);
            let slot = index.slot(
                entity,
                None,
                name,
                SignalKind::Metric,
                unit,
                attributes,
                Silence::Absent,
                settings,
            );
            if let Some(slot) = slot.filter(|_| is_uptime(name, unit)) {
                self.uptimes.insert(slot, entity);
            }
            return (Some(resource), slot.map_or(Target::Shed, Target::Level));
        }
        let key = format!("{resource_text}|{}|{name}|{attributes}|{kind}|{delta}", columns.scope.text(row));
        if let Some(stream) = self.stream_of.get(&key) {
            return (Some(resource), Target::Stream(*stream));
        }
        if self.streams.len() >= settings.series_max || attributes.len() > settings.attributes_length_max {
            return (Some(resource), Target::Shed);
        }
        let mut rest = parse_attributes(attributes);
        let error = is_error(&rest);
        let before = rest.len();
        rest.retain(|key, _| !OUTCOMES.contains(&key.as_str()));
        let outcome = rest.len() < before;
        let shape = Shape { entity, name, unit, histogram, outcome };
        let mut groups = Vec::new();
        if histogram {
            groups.extend(self.group(&shape, "{}", index, settings));
            let request =
                outcome || rest.keys().any(|key| key.starts_with("http.") || key.starts_with("rpc."));
            if request {
                rest.retain(|key, _| DETAILS.contains(&key.as_str()));
            }
            if !rest.is_empty() && self.detail(&shape, &canonical(&rest), settings) {
                groups.extend(self.group(&shape, &canonical(&rest), index, settings));
            }
        } else {
            groups.extend(self.group(&shape, &canonical(&rest), index, settings));
        }
        if groups.is_empty() {
            return (Some(resource), Target::Shed);
        }
        let stream = self.streams.len() as u32;
        self.streams.push(Stream { entity, groups, error, cumulative: !delta, last: None });
        self.stream_of.insert(key, stream);
        (Some(resource), Target::Stream(stream))
    }

    /// Whether there is room for a group of its own.
    fn detail(&mut self, shape: &Shape<'_>, attributes: &str, settings: &Settings) -> bool {
        if self.group_of.contains_key(&shape.key(attributes)) {
            return true;
        }
        let details = self.details.entry(shape.key("")).or_default();
        let room = *details < settings.histogram_details_max;
        *details += usize::from(room);
        room
    }

    fn group(
        &mut self,
        shape: &Shape<'_>,
        attributes: &str,
        index: &mut Index,
        settings: &Settings,
    ) -> Option<u32> {
        let mut slot = |suffix: &str, unit: &str| {
            let signal = format!("{}.{suffix}", shape.name);
            index.slot(
                shape.entity,
                None,
                &signal,
                SignalKind::Metric,
                unit,
                attributes,
                Silence::Absent,
                settings,
            )
        };
        let key = shape.key(attributes);
        if let Some(group) = self.group_of.get(&key) {
            let known = &mut self.groups[*group as usize];
            if shape.outcome && known.error_ratio.is_none() {
                known.error_ratio = slot("error_ratio", "1");
            }
            return Some(*group);
        }
        let rate_unit = if shape.histogram || shape.unit.is_empty() {
            "1/s".to_owned()
        } else {
            format!("{}/s", shape.unit)
        };
        let rate = slot("rate", &rate_unit)?;
        let (mean, p95) =
            if shape.histogram { (slot("mean", shape.unit), slot("p95", shape.unit)) } else { (None, None) };
        let error_ratio = if shape.outcome { slot("error_ratio", "1") } else { None };
        let group = self.groups.len() as u32;
        self.groups.push(Group { rate, mean, p95, error_ratio, last: None });
        self.group_of.insert(key, group);
        Some(group)
    }

    /// Processes that began anew in the tick that was sealed last.
    pub(crate) fn restarts(&mut self, index: &Index) -> Vec<Change> {
        self.restarts.take(|entity| index.known(entity).entity.clone())
    }

    /// The values of a tick, from all rows of it.
    pub(crate) fn seal(&mut self, bucket: &mut Bucket, step_seconds: f64, values: &mut BTreeMap<Slot, f64>) {
        let mut latest: BTreeMap<Slot, i64> = BTreeMap::new();
        for (slot, time, Bits(value)) in bucket.gauges.drain(..) {
            let before = latest.entry(slot).or_insert(time);
            if time >= *before {
                *before = time;
                values.insert(slot, value);
            }
        }
        for (slot, entity) in &self.uptimes {
            if let (Some(time), Some(seconds)) = (latest.get(slot), values.get(slot)) {
                self.restarts.up_since(*entity, time.saturating_sub((seconds * 1e9) as i64));
            }
        }
        let mut rows = std::mem::take(&mut bucket.accumulated);
        rows.sort_by_key(|row| (row.stream, row.time));
        let mut sums: BTreeMap<u32, GroupSum> = BTreeMap::new();
        for rows in rows.chunk_by(|a, b| a.stream == b.stream) {
            let stream = &mut self.streams[rows[0].stream as usize];
            let baseline = stream.groups.first().and_then(|group| self.groups[*group as usize].last);
            let (mut seconds, mut total) = (0.0, Distribution::default());
            for row in rows {
                if let Some(start) = stream.began_anew(row) {
                    self.restarts.counts_anew(stream.entity, start);
                }
                if let Some((delta, covered)) = stream.advance(row, baseline, step_seconds) {
                    total.add(&delta);
                    seconds += covered;
                }
            }
            for group in &stream.groups {
                let sum = sums.entry(*group).or_default();
                sum.latest = sum.latest.max(rows[rows.len() - 1].time);
                if seconds > 0.0 {
                    sum.total.add(&total);
                    sum.errors += if stream.error { total.count.0 } else { 0.0 };
                    sum.seconds = if sum.seconds > seconds { sum.seconds } else { seconds };
                }
            }
        }
        for (group, sum) in sums {
            let group = &mut self.groups[group as usize];
            group.last = Some(group.last.map_or(sum.latest, |last| last.max(sum.latest)));
            if sum.seconds <= 0.0 {
                continue;
            }
            values.insert(group.rate, sum.total.count.0 / sum.seconds);
            if sum.total.count.0 > 0.0 {
                let derived = [
                    (group.error_ratio, sum.errors / sum.total.count.0),
                    (group.mean, sum.total.mean()),
                    (group.p95, sum.total.quantile(0.95)),
                ];
                for (slot, value) in derived {
                    if let (Some(slot), true) = (slot, value.is_finite()) {
                        values.insert(slot, value);
                    }
                }
            }
        }
    }
}

/// Whether a level says for how many seconds a process has been up.
fn is_uptime(name: &str, unit: &str) -> bool {
    name.contains("uptime") && (unit == "s" || name.ends_with("_seconds"))
}

/// What a tick brought to a group.
#[derive(Default)]
struct GroupSum {
    total: Distribution,
    errors: f64,
    /// The longest time that one of its streams covers.
    seconds: f64,
    latest: i64,
}

/// What a stream's group is made of.
struct Shape<'a> {
    entity: usize,
    name: &'a str,
    unit: &'a str,
    histogram: bool,
    outcome: bool,
}

impl Shape<'_> {
    fn key(&self, attributes: &str) -> String {
        format!("{}|{}|{}|{attributes}", self.entity, self.name, self.histogram)
    }
}

impl Stream {
    /// The start that a cumulative point names, if it is later than that of the one before.
    fn began_anew(&self, row: &Accumulated) -> Option<i64> {
        let (_, then, _) = self.last.as_ref().filter(|_| self.cumulative)?;
        row.start.filter(|now| then.is_some_and(|then| *now > then))
    }

    /// What the point adds, and the seconds that it covers. The first point of a
    /// cumulative stream only gives the level to count from, unless its group was heard
    /// before: then all of it was counted since (a status code that never occurred before).
    fn advance(
        &mut self,
        row: &Accumulated,
        baseline: Option<i64>,
        step: f64,
    ) -> Option<(Distribution, f64)> {
        let seconds = |from: i64| row.time.saturating_sub(from) as f64 / 1e9;
        let restarted = self.began_anew(row).is_some();
        let previous = self.last.take();
        if !self.cumulative {
            let from = row.start.or_else(|| previous.as_ref().map(|(time, ..)| *time));
            self.last = Some((row.time, row.start, Distribution::default()));
            let covered = from.map_or(step, seconds);
            return Some((row.body.clone(), if covered > 0.0 { covered } else { step }));
        }
        self.last = Some((row.time, row.start, row.body.clone()));
        let Some((time, _, body)) = previous else {
            let covered = seconds(baseline?);
            return (covered > 0.0).then(|| (row.body.clone(), covered));
        };
        let covered = seconds(time);
        if covered <= 0.0 {
            return seeded::on(Bug::DuplicateCountedTwice).then(|| (row.body.clone(), step));
        }
        if restarted && seeded::on(Bug::ResetCountsDown) {
            return Some((Distribution::new(row.body.count.0 - body.count.0, 0.0, &[], &[]), covered));
        }
        let delta = if restarted { None } else { row.body.since(&body) };
        Some((delta.unwrap_or_else(|| row.body.clone()), covered))
    }
}

/// Whether attributes say that a request failed through the fault of who served it.
pub(crate) fn is_error(attributes: &Attributes) -> bool {
    OUTCOMES.iter().filter_map(|key| attributes.get(*key).map(|value| (*key, value))).any(|(key, value)| {
        let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        match (key, number) {
            // Unknown, deadline exceeded, internal, unavailable, data loss.
            ("rpc.grpc.status_code", Some(code)) => matches!(code, 2 | 4 | 13 | 14 | 15),
            (_, Some(code)) => (500..600).contains(&code),
            ("error.type", None) => value.as_str().is_some_and(|text| !text.is_empty()),
            (_, None) => matches!(value, Value::String(text) if
                ["error", "failed", "failure", "5xx"].contains(&text.to_ascii_lowercase().as_str())),
        }
    })
}
