//! Random cut forests and half-space trees: agreement with exact values, with AWS's forest and with
//! the paper (`reference/forest.py` wrote the numbers), and what holds for any input.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::{Checkpointed, SeriesId};
use theriac_detectors::forest::{
    ForestDetector, ForestReading, ForestSettings, Forests, HalfSpaceSettings, HalfSpaceTrees,
};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/forest.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn forests(settings: ForestSettings) -> Forests {
    let mut forests = Forests::new(settings).unwrap();
    forests.grow(1);
    forests
}

/// Small samples that forget fast: expiry, rebasing and growth of the scale happen within a test.
fn small() -> ForestSettings {
    ForestSettings { trees: 7, sample_size: 32, shingle: 4, time_decay: 0.2, ..ForestSettings::default() }
}

/// Numbers without a pattern on [0, 1).
fn noise(t: usize) -> f64 {
    (((t as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 11)
        as f64
        / (1_u64 << 53) as f64
}

#[test]
fn scores_of_tiny_samples_are_the_exact_expectation() {
    for case in reference()["exact"].as_array().unwrap() {
        let points = numbers(&case["points"]);
        let (query, exact) = (case["query"].as_f64().unwrap(), case["score"].as_f64().unwrap());
        let mean: f64 = (0..4)
            .map(|seed| {
                let mut forests = forests(ForestSettings {
                    shingle: 1,
                    trees: 1000,
                    sample_size: 4,
                    output_after: Some(4),
                    seed,
                    ..ForestSettings::default()
                });
                points.iter().for_each(|&point| {
                    forests.process(0, &[point], true);
                });
                forests.process(0, &[query], false) / 4.0
            })
            .sum();
        println!("{query} among {points:?}: {mean} against {exact}");
        assert!((mean - exact).abs() < 0.02, "{query} among {points:?}: {mean}, exactly {exact}");
    }
}

/// The mean over seeds is compared with AWS's, in units of what both scatter by.
#[test]
fn scores_are_those_of_the_forest_of_aws() {
    let reference = reference();
    let [values, mean, deviation] =
        ["values", "mean", "deviation"].map(|name| numbers(&reference["aws"][name]));
    const SEEDS: usize = 12;
    let mut ours = vec![0.0; values.len()];
    for seed in 0..SEEDS as u64 {
        let mut forests = forests(ForestSettings { seed, ..ForestSettings::default() });
        for (score, &value) in ours.iter_mut().zip(&values) {
            *score += forests.process(0, &[value], true) / SEEDS as f64;
        }
    }
    let from = 256;
    let mut squares = 0.0;
    let mut worst: f64 = 0.0;
    for t in from..values.len() {
        let scatter = deviation[t].max(0.005) * (2.0 / SEEDS as f64).sqrt();
        let off = (ours[t] - mean[t]) / scatter;
        squares += off * off;
        worst = worst.max(off.abs());
    }
    let average = |scores: &[f64]| scores[from..].iter().sum::<f64>() / (scores.len() - from) as f64;
    let off = (squares / (values.len() - from) as f64).sqrt();
    println!(
        "off by {off} of the scatter, at most {worst}; mean {} against {}",
        average(&ours),
        average(&mean)
    );
    assert!(off < 1.25, "off by {off} times the scatter from seed to seed");
    assert!((average(&ours) / average(&mean) - 1.0).abs() < 0.01);
    for t in [700, 1100, 1300] {
        assert!((ours[t] / mean[t] - 1.0).abs() < 0.05, "tick {t}: {} against {}", ours[t], mean[t]);
    }
}

#[test]
fn half_space_trees_are_those_of_the_paper() {
    let reference = reference();
    let settings =
        HalfSpaceSettings { dimensions: 2, trees: 10, height: 6, window: 100, size_limit: 10, seed: 5 };
    let mut trees = HalfSpaceTrees::new(settings).unwrap();
    trees.grow(1);
    let expected = numbers(&reference["half_space"]["scores"]);
    for (t, point) in reference["half_space"]["points"].as_array().unwrap().iter().enumerate() {
        let score = trees.process(0, &numbers(point), true);
        assert!(
            (score.is_nan() && expected[t].is_nan()) || (score - expected[t]).abs() < 1e-12,
            "point {t}: {score}, the paper's {}",
            expected[t]
        );
    }
}

#[test]
fn restored_half_space_trees_go_on_as_if_never_stopped() {
    let settings = HalfSpaceSettings { dimensions: 2, window: 40, ..HalfSpaceSettings::default() };
    let mut one = HalfSpaceTrees::new(settings).unwrap();
    one.grow(2);
    let point = |t: usize| [noise(t), noise(t + 1_000_000)];
    (0..130).for_each(|t| {
        one.process(t % 2, &point(t), true);
    });
    let mut other = HalfSpaceTrees::new(settings).unwrap();
    other.restore(&one.snapshot().unwrap()).unwrap();
    for t in 130..300 {
        let (a, b) = (one.process(t % 2, &point(t), true), other.process(t % 2, &point(t), true));
        assert_eq!(a.to_bits(), b.to_bits(), "tick {t}");
    }
    assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
}

#[test]
fn a_restored_forest_goes_on_as_if_never_stopped() {
    for settings in [
        small(),
        ForestSettings { channels: 3, ..small() },
        ForestSettings { trees: 5, ..ForestSettings::default() },
    ] {
        let mut one = Forests::new(settings).unwrap();
        one.grow(2);
        // A flag, a wave with an outlier, and a level that only rises.
        let values = |t: usize| {
            let wave = libm::sin(t as f64 * 0.1) * 10.0 + noise(t) + if t == 650 { 1e6 } else { 0.0 };
            [wave, f64::from(u8::from(noise(t) < 0.1)), t as f64 * 100.0]
        };
        let step = |forests: &mut Forests, t: usize| {
            let score = forests.process(t % 2, &values(t), !t.is_multiple_of(17));
            (score.to_bits(), forests.expected(t % 2, 0).to_bits())
        };
        (0..600).for_each(|t| {
            step(&mut one, t);
        });
        let tables = one.snapshot().unwrap();
        let mut other = Forests::new(settings).unwrap();
        other.restore(&tables).unwrap();
        for t in 600..1400 {
            assert_eq!(step(&mut one, t), step(&mut other, t), "tick {t}");
        }
        assert_eq!(one.snapshot().unwrap().len(), other.snapshot().unwrap().len());
        assert!(Forests::new(ForestSettings { trees: 6, ..settings }).unwrap().restore(&tables).is_err());
    }
}

#[test]
fn the_shares_of_the_dimensions_make_up_the_score_and_name_the_one_at_fault() {
    let settings = ForestSettings { channels: 3, shingle: 1, ..ForestSettings::default() };
    let mut forests = forests(settings);
    let point = |t: usize| [noise(t), 1e6 + 1e3 * noise(t + 77_777), 1e-3 * noise(t + 999_999)];
    (0..2_000).for_each(|t| {
        forests.process(0, &point(t), true);
    });
    for (channel, direction) in [(0, 1.0), (1, -1.0), (2, 1.0)] {
        let mut values = point(5_000);
        values[channel] += direction * [3.0, 3e3, 3e-3][channel];
        let score = forests.process(0, &values, false);
        let (mut high, mut low) = ([0.0; 3], [0.0; 3]);
        assert!(forests.attribution(0, &mut high, &mut low));
        let sum: f64 = high.iter().chain(&low).sum();
        assert!((sum - score).abs() < 1e-4 * score, "{sum} against {score}");
        let share = if direction > 0.0 { high[channel] } else { low[channel] };
        assert!(share > 0.7 * score, "channel {channel}: {high:?} {low:?}");
    }
}

#[test]
fn the_expected_value_is_that_of_the_season() {
    let mut forests = forests(ForestSettings::default());
    let wave = |t: usize| 50.0 + 10.0 * libm::sin(t as f64 * std::f64::consts::TAU / 24.0);
    (0..2_000).for_each(|t| {
        forests.process(0, &[wave(t)], true);
    });
    for t in 2_000..2_024 {
        let spike = forests.process(0, &[wave(t) + 30.0], false);
        assert!(spike > 1.5, "tick {t}: {spike}");
        let expected = forests.expected(0, 0);
        assert!((expected - wave(t)).abs() < 2.0, "tick {t}: {expected} against {}", wave(t));
        // The spike stays in the shingle otherwise.
        (0..24).for_each(|back| {
            forests.process(0, &[wave(t + 1 + back)], false);
        });
    }
}

#[test]
fn what_is_always_the_same_is_ordinary_and_what_differs_is_not() {
    for constant in [0.0, 5.0, -1e12, 1e-9] {
        let mut forests = forests(ForestSettings::default());
        (0..3_000).for_each(|_| {
            forests.process(0, &[constant], true);
        });
        let same = forests.process(0, &[constant], true);
        assert!((same - 0.5).abs() < 0.01, "{constant}: {same}");
        let other = forests.process(0, &[constant + constant.abs().max(1.0)], true);
        assert!(other > 3.5, "{constant}: {other}");
        // The scale grew; equal values are equal still.
        (0..8).for_each(|_| {
            forests.process(0, &[constant], true);
        });
        let same = forests.process(0, &[constant], true);
        assert!(same < 0.6, "{constant}: {same} after an outlier");
    }
}

#[test]
fn an_outlier_beyond_all_bounds_does_not_blind_the_forest() {
    let mut forests = forests(ForestSettings::default());
    let wave = |t: usize| libm::sin(t as f64 * 0.3) + 0.05 * noise(t);
    (0..3_000).for_each(|t| {
        forests.process(0, &[wave(t)], true);
    });
    assert!(forests.process(0, &[1e15], true) > 2.5);
    assert!(forests.process(0, &[-1e15], true) > 2.5);
    (0..3_000).for_each(|t| {
        forests.process(0, &[wave(t)], true);
    });
    let ordinary = forests.process(0, &[wave(3_000)], true);
    let unusual = forests.process(0, &[3.0], true);
    assert!(ordinary < 1.2 && unusual > 1.5, "{ordinary}, {unusual}");
}

#[test]
fn a_scale_that_a_first_value_made_too_coarse_is_made_finer() {
    let mut forests = forests(ForestSettings::default());
    forests.process(0, &[0.0], true);
    let wave = |t: usize| 1e6 + libm::sin(t as f64 * 0.3) + 0.05 * noise(t);
    (0..1_500).for_each(|t| {
        forests.process(0, &[wave(t)], true);
    });
    let ordinary = forests.process(0, &[wave(1_500)], true);
    let unusual = forests.process(0, &[1e6 + 4.0], true);
    assert!(unusual > 1.5 * ordinary, "{ordinary}, {unusual}");
}

#[test]
fn absent_values_are_no_ticks_and_models_do_not_touch_each_other() {
    let mut one = forests(small());
    let mut other = Forests::new(small()).unwrap();
    other.grow(3);
    for t in 0..500 {
        let value = 10.0 * noise(t);
        assert!(other.process(0, &[f64::NAN], true).is_nan());
        assert!(other.process(0, &[f64::INFINITY], true).is_nan());
        other.process(1, &[noise(t + 31) * 1e9], true);
        let (a, b) = (one.process(0, &[value], true), other.process(0, &[value], true));
        assert_eq!(a.to_bits(), b.to_bits(), "tick {t}");
    }
    assert_eq!(other.warmup(2), (0, 8));
    other.forget(1);
    assert_eq!(other.warmup(1), (0, 8));
    assert!(other.warmup(0).0 > 400);
}

#[test]
fn the_detector_sees_a_broken_shape_in_a_chosen_series_only_and_restores() {
    let build =
        || ForestDetector::new(ForestSettings { trees: 20, ..ForestSettings::default() }, None).unwrap();
    let value = |t: usize| libm::sin(t as f64 * 0.25) * 10.0 + noise(t);
    let chosen = SeriesId(1);
    let mut one = build();
    one.select(chosen);
    for t in 0..1_200 {
        one.update(chosen, value(t), true);
    }
    let mut other = build();
    other.restore(&one.snapshot().unwrap()).unwrap();
    for t in 1_200..1_300 {
        let (a, b) = (one.update(chosen, value(t), true), other.update(chosen, value(t), true));
        let bits =
            |reading: ForestReading| [reading.score, reading.p_value, reading.expected].map(f64::to_bits);
        assert_eq!(a.map(bits), b.map(bits), "tick {t}");
    }
    let seen = one.update(chosen, -40.0, true).unwrap();
    assert!(seen.p_value < 0.01 && seen.expected > -15.0, "{seen:?}");
    assert_eq!(one.update(SeriesId(0), -40.0, true), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Hostile values: scores stay within their bounds, memory within the window, the tree in one piece,
    /// and a restore in the middle changes nothing.
    #[test]
    fn any_values_give_scores_within_bounds(
        values in prop::collection::vec((0_u8..10, -1e3_f64..1e3, any::<bool>()), 50..400),
        channels in 1_usize..3,
        middle in 0_usize..50,
    ) {
        let settings = ForestSettings { channels, output_after: Some(4), ..small() };
        let mut one = forests(settings);
        let mut other = None;
        let most = f64::from(settings.sample_size as u32 + 1).log2();
        for (t, &(kind, x, learn)) in values.iter().enumerate() {
            let x = match kind { 0 => f64::NAN, 1 => 7.0, 2 => x * 1e147, 3 => x * 1e-310, 4 => x.round(), 5 => f64::NEG_INFINITY, _ => x };
            let point = [x, -x];
            let score = one.process(0, &point[..channels], learn);
            prop_assert!(score.is_nan() || (0.0..=most).contains(&score), "score {score}");
            let expected = one.expected(0, 0);
            prop_assert!(expected.is_nan() || expected.is_finite());
            if t == middle {
                let mut restored = Forests::new(settings).unwrap();
                restored.restore(&one.snapshot().unwrap()).unwrap();
                other = Some(restored);
            } else if let Some(other) = &mut other {
                prop_assert_eq!(other.process(0, &point[..channels], learn).to_bits(), score.to_bits(), "tick {}", t);
            }
        }
        prop_assert!(one.bytes() < 40_000);
    }
}
