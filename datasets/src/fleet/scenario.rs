//! What goes wrong in an episode of each mode: which faults, where, and when.

use std::sync::Arc;

use super::{
    action::Mishap,
    clock::{Nanos, SECOND},
    episode::setup_at,
    fault::{Fault, HELD_OUT, Record, catalogue, record},
    mode::Mode,
    topology::{Kind, Topology},
    world::Setup,
};
use crate::random::Stream;

/// Within so many seconds of a fault another one comes that has nothing to do with it.
const CONCURRENT_WITHIN: f64 = 90.0;
/// While whoever is quick acts on a fault: from when to when another one comes, in seconds.
const HEALING: (f64, f64) = (15.0, 45.0);
/// When at the earliest whoever bears a fault dies of it.
const BORNE: Nanos = 60 * SECOND;
/// How long a fault that comes and goes is there, and how long it is not.
const HALF: Nanos = 30 * SECOND;
/// Who dies of what it bears, as a fault of the catalogue.
const DIES: &str = "F01";
/// Kinds whose trouble has a level that can come and go: a slow node, a bad setting, a burst of requests.
/// A crash, a leak or a lost record cannot.
const COME_AND_GO: [&str; 16] = [
    "F04", "F05", "F06", "F08", "F12", "F17", "F18", "F19", "F23", "F27", "F28", "F30", "F36", "F37", "F41",
    "F43",
];

/// Whether a kind of fault can come in a mode.
#[must_use]
pub fn suits(mode: Mode, record: &Record) -> bool {
    match mode {
        Mode::Single | Mode::Concurrent | Mode::DuringHealing => true,
        // Twice the load is another fault, not the same at two places.
        Mode::Correlated => record.places.len() > 1 && !matches!(record.cause.as_str(), "load" | "feedback"),
        Mode::Cascade => record.impact && !passes(record),
        Mode::Intermittent => COME_AND_GO.contains(&record.code.as_str()),
    }
}

/// Whether the best that can be done is to wait.
fn passes(record: &Record) -> bool {
    let first = record.remedies.first().and_then(|steps| steps.first());
    first.is_none_or(|step| step.starts_with("wait "))
}

/// The setup of an episode whose first fault begins at an instant and is of a kind that suits the mode; of
/// another kind it is a single fault.
#[must_use]
pub fn setup_in(
    mode: Mode,
    record: &'static Record,
    seed: u64,
    topology: &Arc<Topology>,
    at: Nanos,
) -> Setup {
    let mut setup = setup_at(record, seed, topology, at);
    let Some(first) = setup.faults.first().cloned() else { return setup };
    let mut draw = Stream::of(seed, &record.code, mode.slug());
    let after = |draw: &mut Stream, (from, to): (f64, f64)| {
        at + super::clock::nanos(from + (to - from) * draw.uniform())
    };
    match mode {
        Mode::Single => {}
        Mode::Concurrent => {
            let at = after(&mut draw, (0.0, CONCURRENT_WITHIN));
            add_apart(&mut setup, &first, at, &mut draw);
        }
        Mode::Correlated => {
            let others = record.places.iter().filter(|place| **place != first.place);
            let others: Vec<&String> = others.collect();
            if let Some(place) = others.get(draw.below(others.len())) {
                setup.faults.push(Fault { place: (*place).clone(), ..first });
            }
        }
        Mode::Cascade => setup.faults.extend(bearer(&first, topology, &mut draw)),
        Mode::Intermittent => {
            if let Some(fault) = setup.faults.first_mut() {
                fault.half = suits(mode, record).then_some(HALF);
            }
        }
        Mode::DuringHealing => match draw.below(4) {
            0 => setup.mishap = Some(Mishap::Fails),
            1 => setup.mishap = Some(Mishap::Pretends),
            _ => {
                let at = after(&mut draw, HEALING);
                add_apart(&mut setup, &first, at, &mut draw);
            }
        },
    }
    setup
}

/// Adds a fault that has nothing to do with the first: of another kind, at another service, and such that
/// users feel it. It is held out if the first is, so that an episode is as a whole.
fn add_apart(setup: &mut Setup, first: &Fault, at: Nanos, draw: &mut Stream) {
    let held_out = |record: &Record| HELD_OUT.contains(&record.code.as_str());
    let fits = |other: &&'static Record| {
        other.impact
            && !passes(other)
            && other.code != first.record.code
            && held_out(other) == held_out(first.record)
    };
    let mut kinds: Vec<&'static Record> = catalogue().iter().filter(fits).collect();
    draw.shuffle(&mut kinds);
    for record in kinds {
        let mut places = record.places.clone();
        draw.shuffle(&mut places);
        if let Some(place) = places.into_iter().find(|place| are_apart(place, &first.place)) {
            setup.load = setup.load.max(record.load);
            setup.faults.push(Fault { record, place, at, half: None, follows: None });
            return;
        }
    }
}

/// Whether two places have no service in common.
fn are_apart(a: &str, b: &str) -> bool {
    let services = |place: &str| -> Vec<String> {
        let ends = place.split("->").map(|end| end.split('/').next().unwrap_or(end).to_owned());
        ends.collect()
    };
    let (a, b) = (services(a), services(b));
    a.iter().all(|service| !b.contains(service))
}

/// A replica of the service that the users ask and that bears the fault: it dies of it, if users feel it.
fn bearer(first: &Fault, topology: &Topology, draw: &mut Stream) -> Option<Fault> {
    let is_ours = |name: &str| {
        let place = topology.place(name)?;
        let spec = &topology.services[place];
        matches!(spec.kind, Kind::App | Kind::Consumer).then_some(spec)
    };
    let on_path = first.record.path.iter().rev().find_map(|place| is_ours(place));
    let spec = on_path.or_else(|| topology.services.first())?;
    let names = (1..=spec.replicas).map(|number| format!("{0}/{0}-{number}", spec.name));
    let names: Vec<String> = names.filter(|name| *name != first.place).collect();
    let place = names.get(draw.below(names.len()))?.clone();
    Some(Fault { record: record(DIES)?, place, at: first.at + BORNE, half: None, follows: Some(0) })
}
