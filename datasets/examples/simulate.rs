//! Plays the demo scenario without anybody acting:
//! `simulate [seed] [seconds; 0 for all] [file for the telemetry]`.

use std::{io::Write as _, time::Instant};

use theriac_contract::Interval;
use theriac_datasets::simulator::{Scenario, World};

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(7);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut file = arguments.next().map(std::fs::File::create).transpose()?;
    let scenario = Scenario::demo(seed);
    let horizon = if seconds > 0 { Interval::from_seconds(seconds) } else { scenario.horizon };
    let mut world = World::new(&scenario);
    let begun = Instant::now();
    let emitted = world.advance(scenario.start.plus(horizon));
    let took = begun.elapsed().as_secs_f64();
    let bytes: usize = emitted.otlp.iter().map(String::len).sum();
    for line in &emitted.otlp {
        if let Some(file) = &mut file {
            writeln!(file, "{line}")?;
        }
    }
    let statistics = world.statistics();
    println!(
        "{} events, {} users, {:.1} MB of telemetry in {took:.2} s: {:.2} M events/s, {:.0} simulated seconds/s; digest {:016x}",
        statistics.events,
        statistics.users,
        bytes as f64 / 1e6,
        statistics.events as f64 / took / 1e6,
        horizon.as_seconds() / took,
        world.digest(),
    );
    println!(
        "{} bad seconds, {} spans and logs shed",
        statistics.bad_seconds.len(),
        statistics.telemetry_shed
    );
    for truth in world.truth() {
        println!(
            "{:<18} {:<18} {:?}..{:?} seen {:?} bad {} wrong {} {:?}",
            truth.kind.slug(),
            truth.entity.to_string(),
            truth.injected_at.map(|at| at.since(scenario.start).as_seconds()),
            truth.ended_at.map(|at| at.since(scenario.start).as_seconds()),
            truth.observable_at.map(|at| at.since(scenario.start).as_seconds()),
            truth.bad_seconds,
            truth.wrong_answers,
            truth.ending,
        );
    }
    Ok(())
}
