//! How fast the simulated fleet is: events a second, and simulated seconds in one.
#![allow(clippy::print_stdout)]

use std::{sync::Arc, time::Instant};

use theriac_datasets::fleet::{SECOND, Setup, Topology, World};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let topology = Topology::boutique()?;
    for telemetry in [false, true] {
        let setup = Setup { telemetry, ..Setup::new(1, topology.clone()) };
        let mut world = World::new(&Arc::new(setup));
        let (began, simulated) = (Instant::now(), 1_800);
        let mut bytes = 0;
        for minute in 1..=simulated / 60 {
            bytes +=
                world.advance(minute * 60 * SECOND).iter().map(|export| export.line.len()).sum::<usize>();
        }
        let took = began.elapsed().as_secs_f64();
        let events = world.totals().events as f64;
        println!(
            "telemetry {telemetry}: {:.2} M events/s, {:.0} times real time, {:.1} events/user, {bytes} bytes",
            events / took / 1e6,
            simulated as f64 / took,
            events / world.totals().users as f64
        );
        println!("bad seconds: {:?}", world.bad_seconds(0, 1_800 * SECOND));
    }
    Ok(())
}
