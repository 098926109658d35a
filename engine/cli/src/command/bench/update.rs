//! How long an incident that stands takes to be revised when one more symptom comes, and how long a storm
//! takes: by the stage of the loop, of a system that is made up.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use theriac_contract::{Symptom, Timestamp};
use theriac_diagnose::{Diagnose, Settings, made_up};

/// Services, symptoms of the incident, and known changes.
const USUAL: [usize; 3] = [50, 64, 256];
/// More of each, the others as usual: by the name of the figure.
const MORE: [(&str, [usize; 3]); 6] = [
    ("services_500", [500, USUAL[1], USUAL[2]]),
    ("services_5000", [5_000, USUAL[1], USUAL[2]]),
    ("symptoms_16", [USUAL[0], 16, USUAL[2]]),
    ("symptoms_256", [USUAL[0], 256, USUAL[2]]),
    ("changes_0", [USUAL[0], USUAL[1], 0]),
    ("changes_1280", [USUAL[0], USUAL[1], 1_280]),
];
/// Seconds after which all symptoms of an incident have begun, and those at which one more is told.
const BEGUN: i64 = 70;
const LATER: i64 = 80;
/// Symptoms of a storm, and services of its system.
const STORM: usize = 10_000;
const STORM_SERVICES: usize = 500;

/// Name of a figure, what it is of, and milliseconds.
pub(super) type Row = (String, String, Vec<f64>);

/// An update in a system of each size, `updates` times, and a storm.
pub(super) fn rows(updates: u64) -> Vec<Row> {
    let mut rows = vec![update("diagnosis.update.ms", USUAL, updates)];
    rows.extend(MORE.map(|(name, size)| update(&format!("diagnosis.update.{name}.ms"), size, updates)));
    let times = (0..updates.div_ceil(20)).map(|_| storm()).collect();
    let what = format!("a storm of {STORM} symptoms, {STORM_SERVICES} services");
    rows.push(("diagnosis.storm.ms".to_owned(), what, times));
    rows
}

fn update(name: &str, [services, symptoms, changes]: [usize; 3], updates: u64) -> Row {
    let known = made_up::system(services, changes);
    let mut stage = Diagnose::new(Settings::default());
    for (at, told) in ticks(symptoms) {
        stage.step(at, &told, &known);
    }
    stage.step(made_up::after(BEGUN), &[], &known);
    let one = |number| {
        let mut stage = stage.clone();
        let onset = made_up::after(BEGUN);
        let more =
            Symptom { onset, at: made_up::after(LATER), ..made_up::symptom(symptoms + number as usize) };
        let start = Instant::now();
        black_box(stage.step(made_up::after(LATER), black_box(&[more]), &known));
        start.elapsed().as_secs_f64() * 1e3
    };
    let what = format!("{services} services, {symptoms} symptoms, {changes} changes known");
    (name.to_owned(), what, (0..updates).map(one).collect())
}

/// Milliseconds for all ticks of a storm.
fn storm() -> f64 {
    let known = made_up::system(STORM_SERVICES, USUAL[2]);
    let ticks = ticks(STORM);
    let mut stage = Diagnose::new(Settings::default());
    let start = Instant::now();
    for (at, told) in &ticks {
        black_box(stage.step(*at, told, &known));
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// So many symptoms, by the tick in which they are told.
fn ticks(symptoms: usize) -> BTreeMap<Timestamp, Vec<Symptom>> {
    let mut ticks: BTreeMap<Timestamp, Vec<Symptom>> = BTreeMap::new();
    for symptom in (0..symptoms).map(made_up::symptom) {
        ticks.entry(symptom.at).or_default().push(symptom);
    }
    ticks
}
