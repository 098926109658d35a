//! The left matrix profile agrees with stumpy; `reference/matrix_profile.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_detectors::profile::{LeftProfile, ProfileSettings};

fn optional(value: &Value) -> Vec<Option<f64>> {
    value.as_array().unwrap().iter().map(Value::as_f64).collect()
}

#[test]
fn agrees_with_stumpi() {
    let reference: Value = serde_json::from_str(include_str!("reference/matrix_profile.json")).unwrap();
    let window = usize::try_from(reference["window"].as_u64().unwrap()).unwrap();
    for (name, case) in reference["cases"].as_object().unwrap() {
        let values = optional(&case["values"]);
        let expected = optional(&case["left_profile"]);
        let indices: Vec<i64> =
            case["left_index"].as_array().unwrap().iter().map(|i| i.as_i64().unwrap()).collect();
        let mut profile = LeftProfile::new(ProfileSettings { window, history: 1_000 }).unwrap();
        let (mut compared, mut same) = (0, 0);
        for (i, value) in values.iter().enumerate() {
            let found = profile.update(value.unwrap_or(f64::NAN));
            let Some(i) = (i + 1).checked_sub(window) else { continue };
            match (found, expected[i]) {
                (Some(found), Some(distance)) => {
                    let error = (found.distance - distance).abs();
                    // The squared distance is a difference of numbers near 2 * window; far from zero
                    // the reference itself loses digits.
                    let tolerance = if name == "far" { 1e-3 } else { 1e-6 };
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
        assert!(name == "steps" || same * 100 >= compared * 99, "{name}: {same} of {compared}");
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
        let mut profile = LeftProfile::new(ProfileSettings { window, history }).unwrap();
        for i in 0..values.len() {
            let found = profile.update(values[i]).map(|found| found.distance);
            let expected = if i + 1 < window { None } else { slowly(&values[..=i], window, history) };
            match (found, expected) {
                (Some(a), Some(b)) => prop_assert!((a - b).abs() < 1e-5, "{i}: {a}, {b}"),
                (a, b) => prop_assert_eq!(a, b, "{}", i),
            }
        }
    }

    #[test]
    fn any_values_give_a_distance_or_none(values in proptest::collection::vec(proptest::num::f64::ANY, 200)) {
        let mut profile = LeftProfile::new(ProfileSettings { window: 8, history: 64 }).unwrap();
        let bytes = profile.bytes();
        for i in 0..600 {
            if let Some(found) = profile.update(values[(i * i + i / 7) % values.len()]) {
                prop_assert!((0.0..=4.0 * 8.0_f64.sqrt()).contains(&found.distance), "{found:?}");
            }
        }
        prop_assert_eq!(profile.bytes(), bytes);
    }
}

#[test]
fn a_broken_period_is_the_largest_discord() {
    let mut profile = LeftProfile::new(ProfileSettings { window: 40, history: 800 }).unwrap();
    let mut distances = Vec::new();
    for t in 0..2_000_u32 {
        let noise = f64::from((t * 7_919) % 1_009) / 10_090.0;
        let wave = if (1_500..1_520).contains(&t) { 0.0 } else { libm::sin(f64::from(t) / 8.0) };
        distances.push(profile.update(wave + noise).map_or(0.0, |found| found.distance));
    }
    let (at, _) =
        distances.iter().enumerate().skip(300).max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
    assert!((1_500..1_560).contains(&at), "{at}");
}
