//! Agreement with numpy, scipy and mpmath; `reference/reference.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use arrow::array::{Float32Array, Float64Array};
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use theriac_contract::{Checkpointed, Timestamp};
use theriac_detectors::{Bank, DetectorSettings, Enabled, Scores, Settings, arithmetic, exhaustion::Line};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/reference.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn pairs(value: &Value) -> Vec<(f64, f64)> {
    value.as_array().unwrap().iter().map(numbers).map(|pair| (pair[0], pair[1])).collect()
}

fn settings(memory_ticks: u32) -> DetectorSettings {
    DetectorSettings { memory_ticks, warmup_ticks: Some(1), ..DetectorSettings::default() }
}

fn build(name: &str, detectors: DetectorSettings, series: usize) -> Bank {
    let mut bank = Bank::new(&Settings { detectors, enabled: Enabled::only(&[name]).unwrap(), onnx: None });
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
    let mut bank = build("level", settings(8), 1);
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

fn shifts() -> Value {
    serde_json::from_str(include_str!("reference/shifts.json")).unwrap()
}

fn trend() -> Value {
    serde_json::from_str(include_str!("reference/trend.json")).unwrap()
}

fn follows(
    (reference, values): (&Value, &str),
    name: &str,
    memory_ticks: u32,
    columns: &[&str],
    own_units: bool,
    tolerance: f64,
) {
    let mut bank = build(name, settings(memory_ticks), 1);
    for (tick, value) in numbers(&reference[values]).into_iter().enumerate() {
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
    follows((&statistics(), "values"), "cusum", 128, &["high", "low"], true, 2e-3);
}

#[test]
fn fast_variance_agrees_with_numpy() {
    follows((&statistics(), "values"), "variance", 128, &["energy"], true, 2e-4);
}

#[test]
fn extremes_agree_with_numpy() {
    // So long a memory forgets nothing.
    follows((&statistics(), "values"), "extreme", u32::MAX, &["lowest", "highest"], false, 1e-5);
}

#[test]
fn sums_against_the_mean_of_all_agree_with_the_sum_above_its_minimum() {
    follows((&shifts(), "values"), "page_hinkley", 128, &["mean"], false, 1e-5);
    follows((&shifts(), "values"), "page_hinkley", 128, &["high", "low"], true, 5e-3);
}

#[test]
fn shares_of_events_agree_with_numpy() {
    follows((&shifts(), "states"), "event_density", 128, &["recent", "usual"], true, 1e-5);
}

/// Values of a column of lengths, in the unit of the values.
fn lengths(bank: &Bank, table: &str, name: &str) -> Vec<f64> {
    let (own, scales) = (column(bank, table, name), column(bank, "anchors", "scale"));
    own.iter().zip(scales).map(|(x, scale)| x / scale.max(1e-30)).collect()
}

#[test]
fn level_and_slope_agree_with_polyfit_and_then_with_holt() {
    let reference = trend();
    let mut bank = build("trend", settings(64), 1);
    let (levels, slopes) = (numbers(&reference["level"]), numbers(&reference["slope"]));
    for (tick, value) in numbers(&reference["values"]).into_iter().enumerate() {
        update(&mut bank, &[value]);
        let (level, slope) = (places(&bank, "trend", "level")[0], lengths(&bank, "trend", "slope")[0]);
        assert!((level - levels[tick]).abs() < 2e-5, "level at {tick}: {level}, {}", levels[tick]);
        assert!((slope - slopes[tick]).abs() < 2e-6, "slope at {tick}: {slope}, {}", slopes[tick]);
    }
}

/// On white noise, over many series and times.
#[test]
fn errors_and_slopes_scatter_as_the_lyapunov_equation_says() {
    const SERIES: usize = 256;
    let reference = trend();
    let mut bank = build("trend", settings(64), SERIES);
    let mut random = Xoshiro256PlusPlus::seed_from_u64(29);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let mut uniform = || ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    let (mut error, mut slope, mut times) = (0.0, 0.0, 0.0);
    for tick in 0..2_000 {
        let mut normal =
            || (-2.0 * libm::log(uniform())).sqrt() * libm::cos(std::f64::consts::TAU * uniform());
        let values: Vec<f64> = (0..SERIES).map(|_| 7.0 + normal()).collect();
        update(&mut bank, &values);
        if tick >= 100 && tick % 20 == 0 {
            error += lengths(&bank, "trend", "error").iter().map(|error| error * error).sum::<f64>() / 256.0;
            slope += lengths(&bank, "trend", "slope").iter().map(|slope| slope * slope).sum::<f64>() / 256.0;
            times += 1.0;
        }
    }
    let (error, slope) = (error / times, slope / times);
    for (found, name) in [(error, "error"), (slope, "slope")] {
        let truth = reference["stationary"][name].as_f64().unwrap();
        assert!((found / truth - 1.0).abs() < 0.05, "{name}: {found}, scipy {truth}");
    }
}

#[test]
fn the_line_of_a_settled_filter_has_the_variances_of_the_lyapunov_equation() {
    let stationary = &trend()["stationary"];
    let number = |name: &str| stationary[name].as_f64().unwrap();
    let gains = numbers(&stationary["gains"]).try_into().unwrap();
    let line = Line::smoothed(5.0, 0.25, number("error"), gains);
    let found = [line.level_variance, line.slope_variance, line.covariance];
    for (found, name) in found.into_iter().zip(["level", "slope", "covariance"]) {
        assert!((found / number(name) - 1.0).abs() < 1e-9, "{name}: {found}, scipy {}", number(name));
    }
}

#[test]
fn times_to_a_limit_agree_with_brentq() {
    for case in trend()["exhaustion"].as_array().unwrap() {
        let number = |name: &str| case[name].as_f64().unwrap_or(f64::INFINITY);
        let [level, slope, level_variance, slope_variance, covariance] =
            numbers(&case["line"]).try_into().unwrap();
        let line = Line { level, slope, level_variance, slope_variance, covariance };
        let found = line.reaches(number("limit"), number("z")).unwrap();
        let close = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a - b).abs() <= 1e-8 * b.abs();
        assert!(close(found.expected, number("expected")), "{case}: {found:?}");
        assert!(close(found.earliest, number("earliest")), "{case}: {found:?}");
        assert!(close(found.latest, number("latest")), "{case}: {found:?}");
        let away = Line { slope: -slope, ..line };
        assert_eq!(away.reaches(number("limit"), number("z")), None);
    }
    let exact = Line { level: 10.0, slope: 2.0, level_variance: 0.0, slope_variance: 0.0, covariance: 0.0 };
    let reached = exact.reaches(100.0, 3.0).unwrap();
    for time in [reached.expected, reached.earliest, reached.latest] {
        assert!((time - 45.0).abs() < 1e-12, "{reached:?}");
    }
    assert_eq!(Line { slope: 0.0, ..exact }.reaches(100.0, 3.0), None);
}

proptest::proptest! {
    #[test]
    fn an_interval_holds_what_is_expected_and_grows_with_its_confidence(
        level in -1e6_f64..1e6, slope in -1e3_f64..1e3, level_error in 0.0_f64..1e3, slope_error in 0.0_f64..1e2,
        correlation in -1.0_f64..1.0, limit in -1e6_f64..1e6,
    ) {
        let line = Line {
            level,
            slope,
            level_variance: level_error * level_error,
            slope_variance: slope_error * slope_error,
            covariance: correlation * level_error * slope_error,
        };
        let found = [0.5, 2.0, 5.0].map(|z| line.reaches(limit, z));
        proptest::prop_assert!(found.iter().all(|one| one.is_some() == ((limit - level) / slope >= 0.0)));
        for pair in found.windows(2) {
            if let [Some(near), Some(far)] = pair {
                proptest::prop_assert!(near.earliest <= near.expected && near.expected <= near.latest);
                proptest::prop_assert!(far.earliest <= near.earliest * (1.0 + 1e-9));
                proptest::prop_assert!(far.latest >= near.latest * (1.0 - 1e-9));
            }
        }
    }
}
