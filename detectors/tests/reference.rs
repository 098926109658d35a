//! Agreement with numpy, scipy and mpmath; `reference/reference.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use arrow::array::Float64Array;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use theriac_detectors::{Detector, DetectorSettings, Scores, arithmetic, registry};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<(f64, f64)> {
    value.as_array().unwrap().iter().map(numbers).map(|pair| (pair[0], pair[1])).collect()
}

fn build(name: &str, settings: DetectorSettings, series: usize) -> Box<dyn Detector> {
    let entry = registry().iter().find(|entry| entry.spec.name == name).unwrap();
    let mut detector = entry.build(&settings);
    detector.grow(series);
    detector
}

fn update(detector: &mut dyn Detector, values: &[f64]) {
    let mut columns = vec![vec![0.0; values.len()]; 4];
    let [p_value, expected, low, high] = &mut columns[..] else { unreachable!() };
    detector.update(values, &vec![true; values.len()], &mut Scores { p_value, expected, low, high });
}

fn state(detector: &dyn Detector, column: &str) -> Vec<f64> {
    let tables = detector.snapshot().unwrap();
    let column = tables[0].rows.column_by_name(column).unwrap();
    column.as_any().downcast_ref::<Float64Array>().unwrap().values().to_vec()
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
fn mean_and_variance_agree_with_numpy() {
    let reference = reference();
    let settings = DetectorSettings { memory_ticks: 8, warmup_ticks: Some(1) };
    let mut level = build("level", settings, 1);
    let (means, variances) = (numbers(&reference["mean"]), numbers(&reference["variance"]));
    for (tick, value) in numbers(&reference["values"]).into_iter().enumerate() {
        update(level.as_mut(), &[value]);
        assert!((state(level.as_ref(), "mean")[0] - means[tick]).abs() < 1e-11, "tick {tick}");
        assert!((state(level.as_ref(), "variance")[0] - variances[tick]).abs() < 1e-10, "tick {tick}");
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
        let mut detector = build("quantiles", DetectorSettings::default(), SERIES);
        for _ in 0..3_000 {
            let values: Vec<f64> = (0..SERIES)
                .map(|_| {
                    let radius = (-2.0 * libm::log(uniform())).sqrt();
                    let z = radius * libm::cos(std::f64::consts::TAU * uniform());
                    if log { libm::exp(z) } else { z }
                })
                .collect();
            update(detector.as_mut(), &values);
        }
        let truth = numbers(&reference[name]);
        for (column, truth) in ["q02", "q25", "q50", "q75", "q98"].iter().zip(truth) {
            let mean = state(detector.as_ref(), column).iter().sum::<f64>() / 256.0;
            println!("{name} {column}: {mean} against {truth}");
            assert!(
                (mean - truth).abs() <= 0.1 + 0.1 * truth.abs(),
                "{name} {column}: {mean}, scipy {truth}"
            );
        }
    }
}
