//! Agreement with numpy, scipy and mpmath; `reference/reference.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use arrow::array::{Float32Array, Float64Array};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use theriac_contract::{Checkpointed, Timestamp};
use theriac_detectors::{Bank, DetectorSettings, Enabled, Scores, Settings, arithmetic};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<(f64, f64)> {
    value.as_array().unwrap().iter().map(numbers).map(|pair| (pair[0], pair[1])).collect()
}

fn build(name: &str, detectors: DetectorSettings, series: usize) -> Bank {
    let mut bank = Bank::new(&Settings { detectors, enabled: Enabled::only(&[name]).unwrap() });
    bank.grow(series);
    bank
}

fn update(bank: &mut Bank, values: &[f64]) {
    let mut columns = vec![vec![0.0; values.len()]; 4];
    let [p_value, expected, low, high] = &mut columns[..] else { unreachable!() };
    bank.update(
        Timestamp(0),
        values,
        &vec![true; values.len()],
        &mut Scores { p_value, expected, low, high },
    );
}

/// A column of state, in own units.
fn column(bank: &Bank, table: &str, column: &str) -> Vec<f64> {
    let tables = bank.snapshot().unwrap();
    let table = tables.iter().find(|one| one.name == format!("detectors.{table}")).unwrap();
    let column = table.rows.column_by_name(column).unwrap();
    if let Some(doubles) = column.as_any().downcast_ref::<Float64Array>() {
        return doubles.values().to_vec();
    }
    let singles = column.as_any().downcast_ref::<Float32Array>().unwrap();
    singles.values().iter().copied().map(f64::from).collect()
}

/// A column of places, in the unit of the values.
fn places(bank: &Bank, table: &str, name: &str) -> Vec<f64> {
    let (anchors, scales) = (column(bank, "anchors", "anchor"), column(bank, "anchors", "scale"));
    let own = column(bank, table, name);
    own.iter().zip(anchors).zip(scales).map(|((x, anchor), scale)| anchor + x / scale.max(1e-30)).collect()
}

#[test]
fn logarithm_and_exponential_agree_with_mpmath() {
    for (x, expected) in pairs(&reference()["ln"]) {
        let error = (arithmetic::ln(x) - expected).abs();
        assert!(error <= 1e-15 * expected.abs() + 1e-16, "ln {x}: off by {error}");
    }
    for (x, expected) in pairs(&reference()["exp"]) {
        let error = (arithmetic::exp(x) - expected).abs();
        assert!(error <= 1e-14 * expected, "exp {x}: off by {error}");
    }
}

#[test]
fn single_precision_logarithm_and_exponential_agree_with_mpmath() {
    for (x, expected) in pairs(&reference()["ln"]).into_iter().filter(|(x, _)| (1e-30..1e30).contains(x)) {
        // The argument is rounded to single precision first, which moves its logarithm by 6e-8.
        let error = (f64::from(arithmetic::single::ln(x as f32)) - expected).abs();
        assert!(error <= 2e-7 * expected.abs() + 1.2e-7, "ln {x}: off by {error}");
    }
    for (x, expected) in pairs(&reference()["exp"]).into_iter().filter(|(x, _)| x.abs() < 80.0) {
        let error = (f64::from(arithmetic::single::exp(x as f32)) - expected).abs();
        assert!(error <= 1e-6 * expected, "exp {x}: off by {error}");
    }
}

#[test]
fn mean_and_variance_agree_with_numpy() {
    let reference = reference();
    let settings = DetectorSettings { memory_ticks: 8, warmup_ticks: Some(1) };
    let mut bank = build("level", settings, 1);
    let (means, variances) = (numbers(&reference["mean"]), numbers(&reference["variance"]));
    for (tick, value) in numbers(&reference["values"]).into_iter().enumerate() {
        update(&mut bank, &[value]);
        let scale = column(&bank, "anchors", "scale")[0].max(1e-30);
        let variance = column(&bank, "anchors", "variance")[0] / (scale * scale);
        assert!((places(&bank, "anchors", "mean")[0] - means[tick]).abs() < 2e-6, "tick {tick}");
        // Before the second value there is no scale, and what stands for zero would not be near it.
        assert!(tick == 0 || (variance - variances[tick]).abs() < 1e-5 * variances[tick], "tick {tick}");
    }
}

/// Streaming quantiles scatter around the true ones; their mean over many series does not.
#[test]
fn quantiles_agree_with_scipy() {
    const SERIES: usize = 256;
    let reference = reference();
    for (name, log) in [("normal_quantiles", false), ("lognormal_quantiles", true)] {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let mut uniform = || ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let mut bank = build("quantiles", DetectorSettings::default(), SERIES);
        for _ in 0..3_000 {
            let values: Vec<f64> = (0..SERIES)
                .map(|_| {
                    let radius = (-2.0 * libm::log(uniform())).sqrt();
                    let z = radius * libm::cos(std::f64::consts::TAU * uniform());
                    if log { libm::exp(z) } else { z }
                })
                .collect();
            update(&mut bank, &values);
        }
        let truth = numbers(&reference[name]);
        for (column, truth) in ["q02", "q50", "q98"].iter().zip(truth) {
            let mean = places(&bank, "quantiles", column).iter().sum::<f64>() / 256.0;
            println!("{name} {column}: {mean} against {truth}");
            assert!(
                (mean - truth).abs() <= 0.1 + 0.1 * truth.abs(),
                "{name} {column}: {mean}, scipy {truth}"
            );
        }
    }
}

fn statistics() -> Value {
    serde_json::from_str(include_str!("reference/statistics.json")).unwrap()
}

fn follows(name: &str, memory_ticks: u32, columns: &[&str], own_units: bool, tolerance: f64) {
    let reference = statistics();
    let settings = DetectorSettings { memory_ticks, warmup_ticks: Some(1) };
    let mut bank = build(name, settings, 1);
    for (tick, value) in numbers(&reference["values"]).into_iter().enumerate() {
        update(&mut bank, &[value]);
        for column_name in columns {
            let read = if own_units { column } else { places };
            let found = read(&bank, name, column_name)[0];
            let expected = reference[name][*column_name][tick].as_f64().unwrap();
            assert!(
                (found - expected).abs() < tolerance,
                "{column_name} at {tick}: {found}, numpy {expected}"
            );
        }
    }
}

#[test]
fn sums_agree_with_the_reflection_formula() {
    follows("cusum", 128, &["high", "low"], true, 2e-3);
}

#[test]
fn fast_variance_agrees_with_numpy() {
    follows("variance", 128, &["energy"], true, 2e-4);
}

#[test]
fn extremes_agree_with_numpy() {
    // So long a memory forgets nothing.
    follows("extreme", u32::MAX, &["lowest", "highest"], false, 1e-5);
}
