//! What the simulated fleet says of itself: no licence keeps pictures of it out of the repository.

use std::{collections::BTreeMap, ops::RangeInclusive};

use anyhow::Result;
use theriac_connectors::decode::{Rows, otlp_json};
use theriac_contract::{Interval, Telemetry, Timestamp};
use theriac_datasets::simulator::{Scenario, World};
use theriac_monitor::{Monitor, Settings};

use super::pictures::{Course, Courses};

const SEED: u64 = 7;
/// Time before the demo begins: every detector has its history then.
const CALM: Interval = Interval::from_seconds(2 * 3600);
/// Simulated time between two looks at what was sent.
const STEP: Interval = Interval::from_seconds(60);
/// Share of the ticks in which a series has a value.
const PRESENT_MIN: f64 = 0.95;
/// With so many more, peers are enough to tell who is none.
const REPLICAS_MORE: u32 = 2;
/// Series, entities and services that detectors are tried on at most, evenly from all.
const TRIED_MAX: usize = 24;
/// Metrics of an entity, or replicas of a service, that are judged together: at least and at most.
const TOGETHER: RangeInclusive<usize> = 4..=8;

/// All series of a fleet, over the same ticks.
struct Fleet {
    monitor: Monitor,
    times: Vec<Timestamp>,
    /// `[series][ticks]`.
    values: Vec<Vec<f64>>,
}

/// The metrics of the demo's fleet, whose faults come after a longer calm and which nobody heals.
pub(super) fn courses() -> Result<Courses> {
    let fleet = Fleet::run()?;
    let mut courses = Courses::default();
    let mut entities = BTreeMap::<&str, Vec<usize>>::new();
    let mut replicas = BTreeMap::<(&str, &str), Vec<usize>>::new();
    for (place, series) in fleet.monitor.series().iter().enumerate() {
        let values = &fleet.values[place];
        let present = values.iter().filter(|value| value.is_finite()).count() as f64;
        let moves = values.iter().any(|value| value.is_finite() && *value != values[values.len() - 1]);
        if !moves || present < PRESENT_MIN * fleet.times.len() as f64 {
            continue;
        }
        courses.series.push(fleet.course(format!("{} of {}", series.signal, series.entity), &[place]));
        if series.entity.is_instance() && series.attributes == "{}" {
            entities.entry(series.entity.as_str()).or_default().push(place);
            replicas.entry((series.entity.service(), &series.signal)).or_default().push(place);
        }
    }
    let fits = |places: &[usize]| places.len() >= *TOGETHER.start();
    let some = |places: &[usize]| places[..places.len().min(*TOGETHER.end())].to_vec();
    for (entity, places) in entities.into_iter().filter(|(_, places)| fits(places)) {
        courses.entities.push(fleet.course(format!("metrics of {entity}"), &some(&places)));
    }
    for ((service, signal), places) in replicas.into_iter().filter(|(_, places)| fits(places)) {
        courses.replicas.push(fleet.course(format!("{signal} of the replicas of {service}"), &some(&places)));
    }
    for kind in [&mut courses.series, &mut courses.entities, &mut courses.replicas] {
        let each = kind.len().div_ceil(TRIED_MAX).max(1);
        *kind = std::mem::take(kind).into_iter().step_by(each).collect();
    }
    Ok(courses)
}

impl Fleet {
    fn run() -> Result<Self> {
        let mut scenario = Scenario::demo(SEED);
        let replicated = scenario.services.iter_mut().filter(|service| service.replicas > 1);
        replicated.for_each(|service| service.replicas += REPLICAS_MORE);
        scenario.faults.iter_mut().for_each(|fault| fault.at.0 += CALM.0);
        scenario.benign.iter_mut().for_each(|benign| benign.at.0 += CALM.0);
        let end = scenario.start.plus(scenario.horizon).plus(CALM);
        let mut world = World::new(&scenario);
        let mut fleet =
            Self { monitor: Monitor::new(Settings::default()), times: Vec::new(), values: Vec::new() };
        let mut rows = Rows::default();
        while world.now() < end {
            for line in world.advance(world.now().plus(STEP)).otlp {
                otlp_json::decode(line.as_bytes(), &mut rows)?;
            }
            let points = rows.take().into_iter().filter(|batch| matches!(batch, Telemetry::Points(_)));
            fleet.monitor.push(&points.collect::<Vec<_>>())?;
            fleet.seal();
        }
        fleet.monitor.finish();
        fleet.seal();
        Ok(fleet)
    }

    fn seal(&mut self) {
        while let Some(tick) = self.monitor.seal() {
            self.values.resize(tick.values.len(), vec![f64::NAN; self.times.len()]);
            self.values.iter_mut().zip(&tick.values).for_each(|(values, value)| values.push(*value));
            self.times.push(tick.start);
        }
    }

    fn course(&self, name: String, places: &[usize]) -> Course {
        let channels = places.iter().map(|place| self.values[*place].clone()).collect();
        Course { name, times: self.times.clone(), channels }
    }
}
