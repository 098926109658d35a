//! The simulated fleet, looked at from outside.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing should fail there")]

mod actions;
mod determinism;
mod faults;
mod telemetry;

use theriac_contract::{Action, Command, Entity, Id, Interval, Timestamp};
use theriac_datasets::simulator::{Fault, FaultKind, Load, Scenario, World};

/// A scenario with one fault after two minutes, under steady load, in which actions never fail.
fn with_fault(kind: FaultKind, target: &str) -> Scenario {
    let fault = Fault {
        kind,
        target: Entity(target.to_owned()),
        at: Interval::from_seconds(120),
        duration: Interval::from_seconds(if kind == FaultKind::ErrorBurst { 90 } else { 1200 }),
        strength: 1.0,
    };
    let load = Load { amplitude: 0.0, ..Load::default() };
    Scenario { faults: vec![fault], actions_fail: false, load, ..Scenario::default() }
}

/// The instant `seconds` after the start.
fn at(world: &World, seconds: i64) -> Timestamp {
    world.scenario().start.plus(Interval::from_seconds(seconds))
}

fn action(verb: &str, target: &str, parameters: &[(&str, &str)]) -> Action {
    Action {
        verb: verb.to_owned(),
        target: Entity(target.to_owned()),
        parameters: parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

/// A command with a key of its own.
fn command(world: &World, action: Action, key: &str) -> Command {
    Command {
        plan: Id("plan".to_owned()),
        incident: Id("incident".to_owned()),
        step: 0,
        attempt: 1,
        compensation: false,
        action,
        idempotency_key: Id(key.to_owned()),
        domain: "demo".to_owned(),
        fencing_token: 1,
        dry_run: false,
        timeout: Interval::from_seconds(600),
        issued: world.now(),
    }
}
