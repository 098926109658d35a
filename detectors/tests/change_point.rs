//! Change points agree with `bayesian_changepoint_detection` and with the model written out in
//! scipy; `reference/change_point.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    change_point::{ChangePoint, ChangePointSettings, Prior, RunLengths},
    slots::{Model, Slots},
};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/change_point.json")).unwrap()
}

fn optional(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(Value::as_f64).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    optional(value).into_iter().map(Option::unwrap).collect()
}

/// Largest difference from the exact probability that a run has lasted.
fn error(runs: usize) -> f64 {
    let case = &reference()["package"];
    let prior = Prior { mean: 0.0, deviation: 1.0 };
    let mut lengths = RunLengths::new(&ChangePointSettings { runs, ..Default::default() });
    let mut error: f64 = 0.0;
    for (value, exact) in numbers(&case["values"]).into_iter().zip(numbers(&case["unbroken"])) {
        error = error.max((lengths.update(value, prior, true) - exact).abs());
    }
    error
}

#[test]
fn agrees_with_the_package_where_nothing_is_merged() {
    assert!(error(401) < 1e-10, "{}", error(401));
}

#[test]
fn merging_changes_probabilities_little() {
    println!("error with 24, 32, 64 run lengths: {}, {}, {}", error(24), error(32), error(64));
    assert!(error(32) < 1e-3, "{}", error(32));
    assert!(error(64) < error(24));
}

#[test]
fn standardised_values_agree_with_the_model_in_scipy() {
    let case = &reference()["standardised"];
    let scores = optional(&case["scores"]);
    for (runs, tolerance) in [(401, 1e-7), (32, 0.1)] {
        let mut model = ChangePoint::empty(&ChangePointSettings { runs, ..Default::default() }, 1);
        let mut compared = 0;
        for (i, value) in numbers(&case["values"]).into_iter().enumerate() {
            let found = model.update(value, true);
            assert_eq!(found.is_some(), scores[i].is_some(), "{i}");
            if let (Some(found), Some(score)) = (found, scores[i]) {
                let error = (found - score).abs() / score.max(1.0);
                assert!(error < tolerance, "{runs} run lengths, {i}: {found} against {score}");
                compared += 1;
            }
        }
        assert_eq!(compared, 272);
    }
}

#[test]
fn a_change_is_told_while_it_is_recent() {
    let mut model = ChangePoint::empty(&ChangePointSettings::default(), 1);
    let noise = |t: u32| f64::from(t.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let mut scores = Vec::new();
    for t in 0..1_000 {
        let level = if t < 600 { 1e6 } else { 1e6 + 2.0 };
        scores.push(model.update(level + noise(t), true).unwrap_or(0.0));
    }
    assert!(scores[300..600].iter().all(|score| *score < 5.0), "{:?}", &scores[300..600]);
    assert!(scores[600..608].iter().any(|score| *score > 9.0), "{:?}", &scores[600..608]);
    assert!(scores[620..].iter().all(|score| *score < 5.0), "{:?}", &scores[620..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn probabilities_sum_to_one(
        values in proptest::collection::vec(-1e9_f64..1e9, 150),
        runs in 0_usize..40,
    ) {
        let mut lengths = RunLengths::new(&ChangePointSettings { runs, ..Default::default() });
        let prior = Prior { mean: 0.0, deviation: 1.0 };
        for value in values {
            lengths.update(value, prior, true);
            let sum: f64 = lengths.probabilities().map(|(_, probability)| probability).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            prop_assert!(lengths.probabilities().count() <= runs.max(19));
        }
    }

    #[test]
    fn any_values_give_a_score_or_none(values in proptest::collection::vec(proptest::num::f64::ANY, 200)) {
        let mut model = ChangePoint::empty(&ChangePointSettings::default(), 1);
        for i in 0..500 {
            if let Some(score) = model.update(values[(i * i + i / 7) % values.len()], true) {
                prop_assert!((0.0..700.0).contains(&score), "{score}");
            }
        }
    }

    #[test]
    fn the_unit_does_not_matter(values in proptest::collection::vec(-1e3_f64..1e3, 200), power in -30_i32..30) {
        let settings = ChangePointSettings { warmup: 40, ..Default::default() };
        let (mut one, mut other) = (ChangePoint::empty(&settings, 1), ChangePoint::empty(&settings, 1));
        for value in values {
            let a = one.update(value, true);
            let b = other.update(value * 2_f64.powi(power), true);
            prop_assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits));
        }
    }
}

#[test]
fn a_restored_model_goes_on_as_if_never_stopped() {
    let value =
        |t: u32| if t.is_multiple_of(97) { f64::NAN } else { f64::from(t.wrapping_mul(2_654_435_761) >> 16) };
    for stop in [5, 31, 32, 100, 250] {
        let mut one: Slots<ChangePoint> = Slots::new(ChangePointSettings::default());
        let mut other: Slots<ChangePoint> = Slots::new(ChangePointSettings::default());
        for t in 0..400 {
            let a = one.model(3, 1).update(value(t), t % 5 != 0);
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                let b = other.model(3, 1).update(value(t), t % 5 != 0);
                assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits), "{t}");
            }
        }
    }
}

#[test]
fn what_is_not_learnt_moves_no_probability_but_a_change_grows_older() {
    let settings = ChangePointSettings::default();
    let prior = Prior { mean: 0.0, deviation: 1.0 };
    let mut lengths = RunLengths::new(&settings);
    for t in 0..60_u32 {
        let level = if t < 58 { 0.0 } else { 9.0 };
        lengths.update(level + f64::from(t % 3), prior, true);
    }
    let before: Vec<_> = lengths.probabilities().collect();
    assert!(lengths.update(9.0, prior, false) < 0.01);
    for _ in 0..8 {
        lengths.update(1e6, prior, false);
    }
    assert!(lengths.update(9.0, prior, false) > 0.99);
    assert_eq!(lengths.probabilities().collect::<Vec<_>>(), before);
}
