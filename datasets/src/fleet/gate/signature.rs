//! Gate 5: telemetry shows what the record of a fault says. Two fleets from one seed, one with the
//! fault and one without, are compared in what they wrote.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::super::{
    clock::{Nanos, SECOND, nanos},
    episode::{FAULT_AT, setup},
    fault::{Record, Signature},
    topology::Topology,
    world::World,
};

/// How long after the lag of a signature it is looked for.
const AFTER: Nanos = 60 * SECOND;
/// A change of direction that is not chance: share of errors, factor of a rate.
const ERRORS: f64 = 0.03;

/// What a metric said of an entity.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    points: u32,
    /// Sum over instances of gauges and sums, or of durations.
    total: f64,
    count: f64,
    failed: f64,
    histogram: bool,
}

type Readings = BTreeMap<u64, Reading>;

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap_or_default()
}

fn attribute<'a>(list: &'a Value, key: &str) -> Option<&'a str> {
    let found = list.as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    found["value"]["stringValue"].as_str()
}

/// Whether a resource is an entity or a part of it.
fn is_of(resource: &Value, entity: &str) -> bool {
    let attributes = &resource["attributes"];
    let (service, instance) =
        (attribute(attributes, "service.name"), attribute(attributes, "service.instance.id"));
    match (entity.strip_prefix("host:"), entity.split_once('/')) {
        (Some(host), _) => service.is_none() && attribute(attributes, "host.name") == Some(host),
        (None, Some((_, name))) => instance == Some(name),
        (None, None) => service == Some(entity),
    }
}

/// All that a metric said of an entity, by time in ticks.
fn read(lines: &[String], metric: &str, entity: &str, start: u64) -> Readings {
    let mut readings = Readings::new();
    let quoted = format!("\"name\":\"{metric}\"");
    for line in lines.iter().filter(|line| line.contains(&quoted)) {
        let Ok(json) = serde_json::from_str::<Value>(line) else { continue };
        let resources = json["resourceMetrics"].as_array().into_iter().flatten();
        for resource in resources.filter(|resource| is_of(&resource["resource"], entity)) {
            let metrics = resource["scopeMetrics"][0]["metrics"].as_array().into_iter().flatten();
            for data in metrics.filter(|candidate| candidate["name"] == metric) {
                let kinds = [&data["gauge"], &data["sum"], &data["histogram"]];
                let points = kinds.into_iter().filter_map(|kind| kind["dataPoints"].as_array()).flatten();
                for point in points {
                    // Clocks that are wrong still tell which window it was, by their own start.
                    let at = number(&point["timeUnixNano"]) as u64;
                    let tick = (at.saturating_sub(start) + 5 * SECOND) / (10 * SECOND);
                    let reading = readings.entry(tick).or_default();
                    reading.points += 1;
                    reading.histogram = !point["bucketCounts"].is_null();
                    let value = number(&point["asInt"]) + number(&point["asDouble"]);
                    let count = number(&point["count"]);
                    reading.total += if reading.histogram { number(&point["sum"]) } else { value };
                    reading.count += count;
                    let failed = attribute(&point["attributes"], "error.type").is_some();
                    reading.failed += if failed { count } else { 0.0 };
                }
            }
        }
    }
    readings
}

/// The last reading, less what was there before the fault for what only grows.
fn since(readings: &Readings) -> (Reading, Reading) {
    let last = readings.values().next_back().copied().unwrap_or_default();
    let before = readings.range(..=FAULT_AT / (10 * SECOND)).next_back().map(|(_, reading)| *reading);
    (before.unwrap_or_default(), last)
}

fn shows(signature: &Signature, sick: &Readings, well: &Readings) -> bool {
    let ((was, is), (was_well, is_well)) = (since(sick), since(well));
    let share =
        |was: Reading, is: Reading| (is.failed - was.failed).max(0.0) / (is.count - was.count).max(1.0);
    let mean = |was: Reading, is: Reading| (is.total - was.total) / (is.count - was.count).max(1.0);
    let grown =
        |was: Reading, is: Reading| if is.histogram { is.count - was.count } else { is.total - was.total };
    match signature.direction.as_str() {
        "flat" => true,
        "absent" => {
            let ends = sick.keys().next_back().copied().unwrap_or_default();
            ends < well.keys().next_back().copied().unwrap_or_default() || is.points < is_well.points
        }
        "error" => share(was, is) > share(was_well, is_well) + ERRORS,
        "rate" => grown(was, is) > signature.effect * grown(was_well, is_well),
        "down" => is.total < is_well.total - signature.effect,
        _ if is.histogram => mean(was, is) > signature.effect.min(2.0) * mean(was_well, is_well),
        _ => is.total >= is_well.total + signature.effect * 0.5,
    }
}

/// Whether each signature of a fault is there.
pub(super) fn signatures(record: &'static Record, seed: u64, topology: &Arc<Topology>) -> Vec<bool> {
    let lag = record.signature.iter().map(|signature| signature.lag_s).fold(0.0, f64::max);
    let until = FAULT_AT + nanos(lag) + AFTER;
    let mut sick = (*setup(record, seed, topology)).clone();
    sick.telemetry = true;
    let mut well = sick.clone();
    well.faults.clear();
    let start = sick.start_unix;
    let play = |setup| {
        let mut world = World::new(&Arc::new(setup));
        let exports = world.advance(until);
        (exports.into_iter().map(|export| export.line).collect::<Vec<String>>(), world)
    };
    let ((sick, world), (well, _)) = (play(sick), play(well));
    let each = record.signature.iter().map(|signature| {
        let entity = world.fill_in(0, &signature.entity);
        let (sick, well) =
            (read(&sick, &signature.metric, &entity, start), read(&well, &signature.metric, &entity, start));
        shows(signature, &sick, &well)
    });
    each.collect()
}
