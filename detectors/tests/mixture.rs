//! Mixtures are about as likely as scikit-learn's; `reference/mixture.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    mixture::{Mixture, MixtureSettings},
    slots::{Model, Slots},
};

/// How much less likely, in nats a row, than by a mixture that is fitted to all rows at once, and
/// from several starts. What is rare in
/// the first 256 rows has no component of its own.
const TOLERANCE: f64 = 0.25;
/// Least share of what that mixture gains over one normal distribution.
const GAIN: f64 = 0.9;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn rows_to_come_are_about_as_likely_as_by_scikit_learn() {
    let reference: Value = serde_json::from_str(include_str!("reference/mixture.json")).unwrap();
    let setting = |name: &str| usize::try_from(reference["settings"][name].as_u64().unwrap()).unwrap();
    let settings = MixtureSettings {
        components: setting("components"),
        row: setting("row"),
        memory: 1e4,
        ..Default::default()
    };
    for case in reference["cases"].as_array().unwrap() {
        let mut model = Mixture::empty(&settings, 1);
        for value in numbers(&case["learnt"]) {
            model.update(value, true);
        }
        let held = numbers(&case["held"]);
        let rows = held.windows(settings.row);
        let count = rows.len() as f64;
        let mean = rows.map(|row| model.log_likelihood(row).unwrap()).sum::<f64>() / count;
        let [one, mixture] = ["one", "mixture"].map(|name| case[name].as_f64().unwrap());
        println!("{}: {mean}, scikit-learn {mixture}, one normal distribution {one}", case["name"]);
        assert!(mean > mixture - TOLERANCE, "{}: {mean} against {mixture}", case["name"]);
        assert!(mean - one > GAIN * (mixture - one), "{}: {mean}", case["name"]);
        // By chance it may be likelier on rows that neither has seen, not by much.
        assert!(mean < mixture + 0.05, "{}: {mean} against {mixture}", case["name"]);
    }
}

#[test]
fn a_value_between_two_levels_is_unlikely() {
    let mut model = Mixture::empty(&MixtureSettings::default(), 1);
    let noise = |t: u32| f64::from(t.wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
    let mut most: f64 = 0.0;
    for t in 0..3_000 {
        let level = if (t / 50) % 2 == 0 { 100.0 } else { 130.0 };
        let score = model.update(level + noise(t), true);
        // A change of the level is itself a rare row.
        if t > 1_000 && t % 50 > 3 {
            most = most.max(score.unwrap());
        }
    }
    let between = model.update(115.0, false).unwrap();
    assert!(between > 3.0 * most, "{between} against {most}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_values_give_a_score_or_none(values in proptest::collection::vec(proptest::num::f64::ANY, 200)) {
        let mut model = Mixture::empty(&MixtureSettings { first_rows: 32, ..Default::default() }, 1);
        for i in 0..500 {
            if let Some(score) = model.update(values[(i * i + i / 7) % values.len()], true) {
                prop_assert!(score >= 0.0 && score.is_finite(), "{score}");
            }
        }
    }

    #[test]
    fn the_unit_does_not_matter(values in proptest::collection::vec(1.0_f64..1e3, 200), power in -30_i32..30) {
        let settings = MixtureSettings { first_rows: 64, ..Default::default() };
        let (mut one, mut other) = (Mixture::empty(&settings, 1), Mixture::empty(&settings, 1));
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
    for stop in [5, 340, 400] {
        let mut one: Slots<Mixture> = Slots::new(MixtureSettings::default());
        let mut other: Slots<Mixture> = Slots::new(MixtureSettings::default());
        for t in 0..600 {
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
