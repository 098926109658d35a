//! Peers agree with scipy and scikit-learn; `reference/peers.py` wrote the numbers.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    peers::{PeerSettings, Peers, clusters, consensus},
    slots::{Model, Slots},
};

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn consensus_and_clusters_agree_with_scipy_and_scikit_learn() {
    let reference: Value = serde_json::from_str(include_str!("reference/peers.json")).unwrap();
    for case in reference.as_array().unwrap() {
        let values = numbers(&case["values"]);
        let number = |name: &str| case[name].as_f64().unwrap();
        let found = consensus(&values).unwrap();
        let spread = if number("mad") > 0.0 { number("mad") } else { number("mean_deviation") };
        assert!((found.median - number("median")).abs() < 1e-12, "{case}");
        assert!((found.spread - spread).abs() < 1e-12, "{case}");
        let core = usize::try_from(case["core"].as_u64().unwrap()).unwrap();
        let labels: Vec<i64> = clusters(&values, number("reach"), core)
            .iter()
            .map(|label| label.map_or(-1, |label| i64::try_from(label).unwrap()))
            .collect();
        let expected: Vec<i64> =
            case["labels"].as_array().unwrap().iter().map(|x| x.as_i64().unwrap()).collect();
        assert_eq!(labels, expected, "{case}");
    }
}

fn noise(t: usize, replica: usize) -> f64 {
    f64::from(u32::try_from((t * 7_919 + replica * 104_729 + t * t) % 1_009).unwrap()) / 1_009.0
}

#[test]
fn the_one_that_disagrees_is_named_and_a_habit_is_not() {
    let mut peers = Peers::empty(&PeerSettings::default(), 6);
    for t in 0..600 {
        let mut values: Vec<f64> = (0..6).map(|replica| 40.0 + noise(t, replica)).collect();
        // The last one is always higher: that is its way.
        values[5] += 20.0;
        if t == 599 {
            values[2] = 45.0;
        }
        peers.update(&values, true).unwrap();
    }
    let readings = peers.readings();
    assert!(readings[2].p_value < 1e-3 && readings[2].disagrees, "{readings:?}");
    assert!(readings[5].p_value > 0.01 && readings[5].disagrees, "{readings:?}");
    for replica in [0, 1, 3, 4] {
        assert!(readings[replica].p_value > 1e-3 && !readings[replica].disagrees, "{readings:?}");
    }
}

#[test]
fn too_few_say_nothing_and_halves_blame_nobody() {
    let mut peers = Peers::empty(&PeerSettings::default(), 6);
    assert!(peers.update(&[1.0, 1.0, 900.0, f64::NAN, f64::INFINITY, f64::NAN], true).is_none());
    assert!(peers.readings().iter().all(|reading| !reading.disagrees && reading.score == 0.0));
    peers.update(&[1.0, 1.1, 1.2, 900.0, 900.1, 900.2], true).unwrap();
    assert!(peers.readings().iter().all(|reading| !reading.disagrees), "{:?}", peers.readings());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_values_give_finite_readings_and_survive_a_restart(
        seeds in proptest::collection::vec(proptest::num::f64::ANY, 1..60), stop in 0_usize..100,
    ) {
        let settings = PeerSettings { warmup_ticks: 10.0, ..Default::default() };
        let (mut one, mut other): (Slots<Peers>, Slots<Peers>) = (Slots::new(settings), Slots::new(settings));
        for t in 0..100 {
            let values: Vec<f64> = (0..5).map(|c| seeds[(t * 31 + c * 17 + t * t) % seeds.len()]).collect();
            let a = one.model(0, 5);
            a.update(&values, t % 7 != 0);
            prop_assert!(a.readings().iter().all(|r| r.score.is_finite() && (1e-300..=1.0).contains(&r.p_value)));
            let a = a.readings().to_vec();
            if t == stop {
                other.restore(&one.snapshot().unwrap()).unwrap();
            } else if t > stop {
                let b = other.model(0, 5);
                b.update(&values, t % 7 != 0);
                prop_assert_eq!(a, b.readings());
            }
        }
        prop_assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
    }
}
