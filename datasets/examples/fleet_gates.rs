//! The gates of the simulated fleet: `cargo run --release -p theriac-datasets --example fleet_gates [seeds] [codes…]`.
#![allow(clippy::print_stdout)]

use theriac_datasets::fleet::{
    Topology,
    gate::{Options, gates},
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let seeds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3);
    let codes = arguments.collect();
    let options = Options { codes, ..Options::full(seeds) };
    print!("{}", gates(&Topology::boutique()?, &options));
    Ok(())
}
