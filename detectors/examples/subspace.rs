//! Reads rows of comma-separated numbers and prints what the subspace model says of each:
//! score, p-value, lasting score, edge.
//!
//! `cargo run --release -p theriac-detectors --example subspace -- 512 < rows.csv`, where 512 is the
//! number of rows before it speaks.

use std::io::{BufRead, Write};

use theriac_detectors::{
    multivariate::subspace::{Subspace, SubspaceSettings},
    slots::Model,
};

fn main() -> std::io::Result<()> {
    let warmup_rows = std::env::args().nth(1).and_then(|rows| rows.parse().ok());
    let defaults = SubspaceSettings::default();
    let settings = SubspaceSettings { warmup_rows: warmup_rows.unwrap_or(defaults.warmup_rows), ..defaults };
    let mut model: Option<Subspace> = None;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let row: Vec<f64> = line?.split(',').map(|x| x.trim().parse().unwrap_or(f64::NAN)).collect();
        let model = model.get_or_insert_with(|| Subspace::empty(&settings, row.len()));
        let reading = model.update(&row, true);
        let edge = u8::from(reading.edge);
        writeln!(out, "{},{},{},{edge}", reading.score, reading.p_value, reading.lasting)?;
    }
    Ok(())
}
