//! Spectral residuals agree with numpy's transform; `reference/spectral.py` wrote the numbers.

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    slots::{Model, Slots},
    spectral::{SpectralResidual, SpectralSettings},
};

#[test]
fn agrees_with_numpy() {
    let reference: Value = serde_json::from_str(include_str!("reference/spectral.json")).unwrap();
    for case in reference.as_array().unwrap() {
        let window = usize::try_from(case["window"].as_u64().unwrap()).unwrap();
        let mut model = SpectralResidual::empty(&SpectralSettings { window, ..Default::default() }, 1);
        let values = case["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
        let mut compared = 0;
        for (i, (value, score)) in values.zip(case["scores"].as_array().unwrap()).enumerate() {
            let found = model.update(value);
            assert_eq!(found.is_some(), score.is_f64() || score.is_i64(), "{window} {i}");
            if let (Some(found), Some(score)) = (found, score.as_f64()) {
                assert!(
                    (found - score).abs() < 1e-9 * (1.0 + score),
                    "{window} {i}: {found} against {score}"
                );
                compared += 1;
            }
        }
        assert_eq!(compared, 400 + 6 - window);
    }
}

fn model() -> SpectralResidual {
    SpectralResidual::empty(&SpectralSettings::default(), 1)
}

#[test]
fn a_spike_on_a_wave_has_the_highest_score_so_far() {
    let mut model = model();
    let mut scores = Vec::new();
    for t in 0..432_u32 {
        let noise = f64::from(t.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        let spike = if t == 431 { 8.0 } else { 0.0 };
        scores.push(model.update(3.0 * libm::sin(f64::from(t) / 5.0) + noise + spike).unwrap_or(0.0));
    }
    let spike = scores.pop().unwrap();
    let most = scores.into_iter().fold(0.0, f64::max);
    assert!(spike > most, "{spike} after {most}");
}

#[test]
fn what_is_constant_has_no_score() {
    let mut model = model();
    for _ in 0..200 {
        assert!(model.update(1e9).is_none_or(|score| score == 0.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn neither_level_nor_unit_matters(
        values in proptest::collection::vec(-100_i32..100, 80),
        level in -10_000_i32..10_000,
        unit in 1e-3_f64..1e3,
    ) {
        let (mut one, mut other) = (model(), model());
        for (i, value) in values.into_iter().enumerate() {
            let value = f64::from(value) + if i % 2 == 0 { 0.5 } else { 0.0 };
            let a = one.update(value).unwrap_or(0.0);
            let b = other.update((value + f64::from(level)) * unit).unwrap_or(0.0);
            prop_assert!((a - b).abs() < 1e-6 * (1.0 + a), "{a} against {b}");
        }
    }

    #[test]
    fn any_values_give_a_score_or_none(values in proptest::collection::vec(proptest::num::f64::ANY, 200)) {
        let mut model = model();
        for i in 0..500 {
            if let Some(score) = model.update(values[(i * i + i / 7) % values.len()]) {
                prop_assert!(score >= 0.0 && score.is_finite(), "{score}");
            }
        }
    }
}

#[test]
fn a_restored_model_goes_on_as_if_never_stopped() {
    let value =
        |t: u32| if t.is_multiple_of(97) { f64::NAN } else { f64::from(t.wrapping_mul(2_654_435_761) >> 16) };
    for stop in [5, 57, 58, 100] {
        let mut one: Slots<SpectralResidual> = Slots::new(SpectralSettings::default());
        let mut other: Slots<SpectralResidual> = Slots::new(SpectralSettings::default());
        for t in 0..300 {
            let a = one.model(3, 1).update(value(t));
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                let b = other.model(3, 1).update(value(t));
                assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits), "{t}");
            }
        }
    }
}
