//! Fits are as likely as scipy's, and streams agree with SPOT and DSPOT in numpy;
//! `reference/peaks.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    P_VALUE_MIN,
    pareto::Pareto,
    peaks::{Peaks, PeaksSettings},
    slots::{Model, Slots},
};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/peaks.json")).unwrap()
}

fn optional(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(Value::as_f64).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    optional(value).into_iter().map(Option::unwrap).collect()
}

#[test]
fn no_fit_of_scipy_is_likelier() {
    for (name, case) in reference()["fits"].as_object().unwrap() {
        let excesses = numbers(&case["excesses"]);
        for (shape_min, likelihood) in case["bounded"].as_object().unwrap() {
            let fit = Pareto::fit(&excesses, shape_min.parse().unwrap());
            let (found, known) = (fit.mean_log_likelihood(&excesses), likelihood.as_f64().unwrap());
            assert!(found > known - 1e-6, "{name}, shape from {shape_min}: {found} against {known}");
            // Nor is ours outside of the bound.
            assert!(found < known + 1e-6, "{name}, shape from {shape_min}: {found} against {known}");
        }
        let free = |key: &str| case["free"][key].as_f64().unwrap();
        if free("shape") >= -0.5 {
            let found = Pareto::fit(&excesses, -0.5).mean_log_likelihood(&excesses);
            assert!(found > free("mean_log_likelihood") - 1e-6, "{name}: {found}");
        }
    }
}

fn settings(reference: &Value, stream: &Value) -> PeaksSettings {
    let count = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    let setting = |name: &str| &reference["settings"][name];
    PeaksSettings {
        first_values: count(setting("first")),
        tail: setting("tail").as_f64().unwrap(),
        peaks: count(setting("kept")),
        alarm: setting("alarm").as_f64().unwrap(),
        shape_min: stream["shape_min"].as_f64().unwrap(),
        ..Default::default()
    }
}

fn agrees<const DRIFT: usize>(name: &str) {
    let reference = reference();
    let stream = &reference["streams"][name];
    assert_eq!(stream["depth"].as_u64(), Some(DRIFT as u64));
    let mut model = Peaks::<DRIFT>::empty(&settings(&reference, stream), 1);
    let (mut tails, mut alarms) = (0, 0);
    for (i, (value, p_value)) in
        numbers(&stream["values"]).into_iter().zip(optional(&stream["p_values"])).enumerate()
    {
        let found = model.update(value, true).map(|found| found.p_value);
        assert_eq!(found.is_some(), p_value.is_some(), "{name} {i}");
        if let (Some(found), Some(p_value)) = (found, p_value) {
            let error = libm::log(found) / libm::log(p_value.max(P_VALUE_MIN));
            assert!(found == p_value || (error - 1.0).abs() < 1e-4, "{name} {i}: {found}, {p_value}");
            tails += usize::from(p_value < 0.9);
            alarms += usize::from(p_value < 1e-4);
        }
    }
    assert!(tails > 30 && alarms >= 2, "{name}: {tails} in the tails, {alarms} alarms");
}

#[test]
fn streams_agree_with_numpy() {
    agrees::<0>("spot");
    agrees::<0>("light");
    agrees::<20>("dspot");
}

/// Nearly normal: the sum of twelve uniform numbers.
fn normal(t: u32) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(t));
    (0..12).map(|_| (random.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0).sum::<f64>() - 6.0
}

/// Both tails are exponential.
fn laplace(t: u32) -> f64 {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(t));
    let size = -libm::log(((random.next_u64() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0);
    if random.next_u64() % 2 == 0 { size } else { -size }
}

#[test]
fn p_values_are_as_frequent_as_they_say() {
    let mut model = Peaks::<0>::empty(&PeaksSettings::default(), 1);
    let p_values: Vec<f64> =
        (0..60_000).filter_map(|t| model.update(laplace(t), true)).map(|t| t.p_value).collect();
    for p in [0.02, 0.005, 0.001] {
        let share = p_values.iter().filter(|found| **found <= p).count() as f64 / p_values.len() as f64;
        assert!(share < 1.5 * p && share > p / 1.5, "{share} at or below {p}");
    }
}

#[test]
fn the_band_holds_what_its_p_value_says() {
    let mut model = Peaks::<0>::empty(&PeaksSettings::default(), 1);
    for t in 0..5_000 {
        model.update(normal(t), true);
    }
    let band = model.update(0.0, false).unwrap();
    for (edge, away) in [(band.low, -1e-9), (band.high, 1e-9)] {
        let p_value = model.update(edge + away, false).unwrap().p_value;
        assert!((p_value - 0.01).abs() < 1e-6, "{p_value}");
    }
    assert!((band.low..band.high).contains(&band.expected));
}

fn learns_a_level_that_stays<const DRIFT: usize>() {
    let mut model = Peaks::<DRIFT>::empty(&PeaksSettings::default(), 1);
    let mut p_value = |t: u32| {
        let level = if t < 2_000 { 0.0 } else { 1e3 };
        model.update(level + normal(t), true).map(|tails| tails.p_value)
    };
    for t in 0..2_000 {
        p_value(t);
    }
    assert!((2_000..2_060).all(|t| p_value(t).unwrap() < 1e-9));
    for t in 2_060..2_700 {
        p_value(t);
    }
    assert!((2_700..2_800).all(|t| p_value(t).unwrap() > 1e-4));
}

#[test]
fn a_level_that_stays_is_learnt_at_last() {
    learns_a_level_that_stays::<0>();
    learns_a_level_that_stays::<20>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn p_values_fall_with_the_excess(
        excesses in proptest::collection::vec(1e-3_f64..1e3, 1..80),
        shape_min in -0.5_f64..=0.0,
    ) {
        let fit = Pareto::fit(&excesses, shape_min);
        prop_assert!(fit.shape >= shape_min && fit.scale > 0.0, "{fit:?}");
        let mut last = 0.0;
        for step in 0..50 {
            let surprise = fit.surprise(f64::from(step) * 40.0);
            prop_assert!(surprise >= last, "{surprise} after {last}");
            last = surprise;
        }
        for surprise in [0.1, 1.0, 5.0] {
            prop_assert!((fit.surprise(fit.excess(surprise)) - surprise).abs() < 1e-6);
        }
    }

    #[test]
    fn any_values_give_a_p_value_or_none(
        values in proptest::collection::vec(proptest::num::f64::ANY, 200),
    ) {
        let settings = PeaksSettings { first_values: 32, ..Default::default() };
        let mut model = Peaks::<3>::empty(&settings, 1);
        for i in 0..600 {
            if let Some(found) = model.update(values[(i * i + i / 7) % values.len()], true) {
                prop_assert!((P_VALUE_MIN..=1.0).contains(&found.p_value), "{found:?}");
            }
        }
    }
}

#[test]
fn a_restored_model_goes_on_as_if_never_stopped_and_what_is_not_learnt_changes_nothing() {
    let settings = PeaksSettings { first_values: 64, ..Default::default() };
    let value = |t: u32| if t.is_multiple_of(97) { f64::NAN } else { normal(t) };
    for stop in [5, 40, 71, 72, 250] {
        let mut one: Slots<Peaks<8>> = Slots::new(settings);
        let mut other: Slots<Peaks<8>> = Slots::new(settings);
        for t in 0..500 {
            one.model(3, 1).update(1e12, false);
            let a = one.model(3, 1).update(value(t), t % 5 != 0);
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                let b = other.model(3, 1).update(value(t), t % 5 != 0);
                assert_eq!(a.map(|a| a.p_value.to_bits()), b.map(|b| b.p_value.to_bits()), "{t}");
            }
        }
    }
}
