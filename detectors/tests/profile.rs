//! The left matrix profile agrees with stumpy; `reference/matrix_profile.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    profile::{LeftProfile, ProfileSettings},
    slots::{Model, Slots},
};

fn profile(window: usize, history: usize) -> LeftProfile {
    LeftProfile::empty(&ProfileSettings { window, history, ..Default::default() }, 1)
}

fn optional(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(Value::as_f64).collect()
}

#[test]
fn agrees_with_stumpi() {
    let reference: Value = serde_json::from_str(include_str!("reference/matrix_profile.json")).unwrap();
    let window = usize::try_from(reference["window"].as_u64().unwrap()).unwrap();
    for (name, case) in reference["cases"].as_object().unwrap() {
        let values = optional(&case["values"]);
        // Far from zero stumpy loses digits; a shift changes no z-normalised distance.
        let truth = if name == "far" { "periodic" } else { name };
        let expected = optional(&reference["cases"][truth]["left_profile"]);
        let indices: Vec<i64> =
            case["left_index"].as_array().unwrap().iter().map(|i| i.as_i64().unwrap()).collect();
        let mut model = profile(window, 1_000);
        let (mut compared, mut same) = (0, 0);
        for (i, value) in values.iter().enumerate() {
            let found = model.update(value.unwrap_or(f64::NAN), true);
            let Some(i) = (i + 1).checked_sub(window) else { continue };
            match (found, expected[i]) {
                (Some(found), Some(distance)) => {
                    let error = (found.distance - distance).abs();
                    let tolerance = if name == "far" { 1e-4 } else { 1e-6 };
                    assert!(error < tolerance, "{name} {i}: {} against {distance}", found.distance);
                    compared += 1;
                    same += usize::from(indices[i] == i64::try_from(i - found.ago).unwrap());
                }
                (None, None) => {}
                (found, distance) => panic!("{name} {i}: {found:?} against {distance:?}"),
            }
        }
        println!("{name}: {compared} compared, {same} with the same neighbour");
        assert!(compared > 500, "{name}: {compared}");
        // Where windows are constant, many are equally near.
        assert!(
            name == "steps" || name == "far" || same * 100 >= compared * 99,
            "{name}: {same} of {compared}"
        );
    }
}

/// By the definition.
fn slowly(values: &[f64], window: usize, history: usize) -> Option<f64> {
    let newest = values.len() - window;
    let normalised = |start: usize| {
        let part = &values[start..start + window];
        let mean = part.iter().sum::<f64>() / window as f64;
        let norm = part.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt() / (window as f64).sqrt();
        part.iter().map(|x| (x - mean) / norm).collect::<Vec<f64>>()
    };
    let target = normalised(newest);
    let earliest = values.len().saturating_sub(history);
    let last = newest.checked_sub(window.div_ceil(4) + 1)?;
    (earliest..=last)
        .map(|start| normalised(start).iter().zip(&target).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt())
        .min_by(f64::total_cmp)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn agrees_with_the_definition_also_after_forgetting(
        window in 4_usize..20,
        more in 0_usize..30,
        values in proptest::collection::vec(-1e3_f64..1e3, 300),
    ) {
        let lags = (3 * window + more + 1).next_multiple_of(8);
        let history = lags + window - 1;
        let mut model = profile(window, history);
        for i in 0..values.len() {
            let found = model.update(values[i], true).map(|found| found.distance);
            let expected = if i + 1 < window { None } else { slowly(&values[..=i], window, history) };
            match (found, expected) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-5, "{i}: {a}, {b}"),
                (a, b) => prop_assert_eq!(a, b, "{}", i),
            }
        }
    }

    #[test]
    fn any_values_give_a_distance_or_none(values in proptest::collection::vec(proptest::num::f64::ANY, 200)) {
        let mut model = profile(8, 64);
        for i in 0..600 {
            if let Some(found) = model.update(values[(i * i + i / 7) % values.len()], true) {
                prop_assert!((0.0..=4.0 * 8.0_f64.sqrt()).contains(&found.distance), "{found:?}");
            }
        }
        let (mut early, mut late) = (Vec::new(), Vec::new());
        profile(8, 64).save(&mut early);
        model.save(&mut late);
        prop_assert_eq!(early.len(), late.len());
    }
}

#[test]
fn a_broken_period_is_the_largest_discord() {
    let mut model = profile(40, 800);
    let mut distances = Vec::new();
    for t in 0..2_000_u32 {
        let noise = f64::from((t * 7_919) % 1_009) / 10_090.0;
        let wave = if (1_500..1_520).contains(&t) { 0.0 } else { libm::sin(f64::from(t) / 8.0) };
        distances.push(model.update(wave + noise, true).map_or(0.0, |found| found.distance));
    }
    let (at, _) = distances.iter().enumerate().skip(300).max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert!((1_500..1_560).contains(&at), "{at}");
}

#[test]
fn a_restored_profile_goes_on_as_if_never_stopped() {
    let settings = ProfileSettings { window: 12, history: 100, warmup: 50.0 };
    let value =
        |t: u32| if t.is_multiple_of(97) { f64::NAN } else { f64::from(t.wrapping_mul(2_654_435_761) >> 16) };
    for stop in [5, 99, 100, 101, 250] {
        let mut one: Slots<LeftProfile> = Slots::new(settings);
        let mut other: Slots<LeftProfile> = Slots::new(settings);
        for t in 0..500 {
            let a = one.model(3, 1).update(value(t), t % 5 != 0);
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                let b = other.model(3, 1).update(value(t), t % 5 != 0);
                let bits = |n: theriac_detectors::profile::Neighbour| {
                    (n.distance.to_bits(), n.ago, n.p_value.to_bits())
                };
                assert_eq!(a.map(bits), b.map(bits), "{t}");
            }
        }
    }
}
