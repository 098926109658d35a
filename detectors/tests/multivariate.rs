//! What holds for the models over many channels: agreement with numpy, finite state,
//! restoring, contributions, and that each sees what it is for.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::Value;
use theriac_contract::Checkpointed;
use theriac_detectors::{
    multivariate::{
        Reading,
        correlation::{Correlation, CorrelationSettings},
        eigen,
        mahalanobis::{Mahalanobis, MahalanobisSettings},
        subspace::{Subspace, SubspaceSettings},
    },
    slots::{Model, Slots},
};

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/multivariate.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

#[test]
fn eigenvalues_agree_with_numpy_and_vectors_make_the_matrix() {
    for case in reference()["eigen"].as_array().unwrap() {
        let expected = numbers(&case["values"]);
        let n = expected.len();
        let matrix: Vec<f64> = rows(&case["matrix"]).concat();
        let size = matrix.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
        let eigen = eigen::symmetric(&matrix, n);
        for (value, expected) in eigen.values.iter().zip(&expected) {
            assert!((value - expected).abs() <= 1e-13 * n as f64 * size, "{value} against {expected}");
        }
        for i in 0..n {
            for j in 0..n {
                let sum = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>();
                let made =
                    sum(&|k| eigen.values[k] / size * eigen.vectors[k * n + i] * eigen.vectors[k * n + j]);
                assert!((made - matrix[i * n + j] / size).abs() <= 1e-13 * n as f64);
                let product = sum(&|k| eigen.vectors[i * n + k] * eigen.vectors[j * n + k]);
                assert!((product - f64::from(u8::from(i == j))).abs() <= 1e-13 * n as f64);
            }
        }
    }
}

#[test]
fn subspace_agrees_with_numpy() {
    let reference = reference();
    let reference = &reference["subspace"];
    let settings: SubspaceSettings = serde_json::from_value(reference["settings"].clone()).unwrap();
    let mut model = Subspace::empty(&settings, 6);
    for (i, (row, expected)) in rows(&reference["rows"]).iter().zip(numbers(&reference["scores"])).enumerate()
    {
        let reading = model.update(row, true);
        let expected = if expected.is_nan() { 0.0 } else { expected };
        assert!(
            (reading.score - expected).abs() <= 1e-9 * (1.0 + expected),
            "{i}: {} against {expected}",
            reading.score
        );
        let sum: f64 = model.contributions().iter().sum();
        assert!((sum - reading.score).abs() <= 1e-9 * (1.0 + expected), "{i}: {sum}");
        assert_eq!(reading.p_value < 1.0, i >= 128 && reading.score > 0.0, "{i}: {reading:?}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn uniform(random: &mut Xoshiro256PlusPlus) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    (-2.0 * libm::log(uniform(random))).sqrt() * libm::cos(std::f64::consts::TAU * uniform(random))
}

/// Load that moves three channels together, a channel of its own, a constant, and one with gaps.
fn ordinary(random: &mut Xoshiro256PlusPlus, load: &mut f64) -> Vec<f64> {
    *load = 0.9 * *load + normal(random);
    vec![
        50.0 + 10.0 * *load + normal(random),
        3.0 + *load + 0.1 * normal(random),
        1e6 * (20.0 - *load + 0.1 * normal(random)),
        normal(random),
        4.0,
        if uniform(random) < 0.2 { f64::NAN } else { normal(random) },
    ]
}

/// Readings of rows of which those from 3,000 to 3,039 are changed by `fault`.
fn observe<M: Model>(
    settings: &M::Settings,
    update: impl Fn(&mut M, &[f64], bool) -> Reading,
    fault: impl Fn(&mut Vec<f64>, &mut Xoshiro256PlusPlus),
) -> Vec<Reading> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
    let (mut load, mut model) = (0.0, M::empty(settings, 6));
    (0..3_200)
        .map(|t| {
            let mut row = ordinary(&mut random, &mut load);
            if (3_000..3_040).contains(&t) {
                fault(&mut row, &mut random);
            }
            update(&mut model, &row, true)
        })
        .collect()
}

fn check(name: &str, readings: &[Reading], delay: usize) {
    let ordinary = &readings[1_000..3_000];
    let rare = ordinary.iter().filter(|reading| reading.p_value <= 1e-2).count();
    let first = readings[3_000..].iter().position(|reading| reading.p_value < 1e-3);
    let mean = ordinary.iter().map(|reading| reading.score).sum::<f64>() / 2_000.0;
    println!("{name}: {rare} of 2000 at or below 0.01, seen after {first:?}, mean score {mean:.3}");
    // Neighbouring windows share rows: unusual ones come in bunches.
    assert!(rare <= 60, "{name}: {rare}");
    assert!(first.is_some_and(|rows| rows <= delay), "{name}: {first:?}");
    let usual = ordinary.iter().map(|reading| reading.lasting).sum::<f64>() / 2_000.0;
    assert!(readings[3_030..3_040].iter().all(|reading| reading.lasting > usual), "{name}");
    let edges = readings[3_000..3_060].iter().filter(|reading| reading.edge).count();
    assert!(edges <= 1, "{name}: {edges} edges");
}

#[test]
fn each_sees_what_it_is_for_and_little_else() {
    // Far from the others' load, though within its own range.
    let unlike = |row: &mut Vec<f64>, _: &mut Xoshiro256PlusPlus| row[1] = 6.0 - row[1];
    let alone = |row: &mut Vec<f64>, random: &mut Xoshiro256PlusPlus| row[1] = 3.0 + 2.3 * normal(random);
    let subspace = SubspaceSettings::default();
    check("subspace", &observe(&subspace, Subspace::update, unlike), 20);
    let mahalanobis = MahalanobisSettings::default();
    check("mahalanobis", &observe(&mahalanobis, Mahalanobis::update, unlike), 10);
    let correlation = CorrelationSettings { recent_rows: 16.0, ..Default::default() };
    check("correlation", &observe(&correlation, Correlation::update, alone), 38);
}

#[test]
fn a_broken_pair_is_named() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(8);
    let (mut load, mut model) = (0.0, Correlation::empty(&CorrelationSettings::default(), 6));
    for t in 0..1_560 {
        let mut row = ordinary(&mut random, &mut load);
        if t >= 1_500 {
            row[2] = 2e7 + 2e6 * normal(&mut random);
        }
        model.update(&row, true);
    }
    let (one, other, usual, recent) = model.broken().unwrap();
    assert!(one == 2 && other < 2 && usual < -0.8 && recent > -0.6, "{one} {other} {usual} {recent}");
    let contributions = model.contributions();
    assert!(contributions.iter().all(|x| *x <= contributions[2]), "{contributions:?}");
}

/// Saving in the middle, restoring and going on equals never having stopped.
fn restores<M: Model + Clone>(
    settings: &M::Settings,
    update: impl Fn(&mut M, &[f64], bool) -> Reading,
    stop: usize,
) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut load = 0.0;
    let mut one: Slots<M> = Slots::new(settings.clone());
    let mut other: Slots<M> = Slots::new(settings.clone());
    one.grow(4);
    for t in 0..900 {
        let row = ordinary(&mut random, &mut load);
        let learn = t % 40 != 0;
        let a = update(one.model(2, 6), &row, learn);
        if t == stop {
            other.restore(&one.snapshot().unwrap()).unwrap();
            assert_eq!(other.snapshot().unwrap(), one.snapshot().unwrap());
            assert!(other.len() == 4 && other.get(1).is_none());
        } else if t > stop {
            let b = update(other.model(2, 6), &row, learn);
            let bits = |r: Reading| (r.score.to_bits(), r.p_value.to_bits(), r.lasting.to_bits(), r.edge);
            assert_eq!(bits(a), bits(b), "{} at {t}", M::TABLE);
        }
    }
    assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
    let mut wrong: Slots<M> = Slots::new(settings.clone());
    let mut tables = one.snapshot().unwrap();
    tables[0].version += 1;
    assert!(wrong.restore(&tables).is_err());
}

#[test]
fn a_restored_model_goes_on_as_if_never_stopped() {
    for stop in [10, 150, 700] {
        restores(&SubspaceSettings { warmup_rows: 200, ..Default::default() }, Subspace::update, stop);
        restores(&MahalanobisSettings { warmup_rows: 200, ..Default::default() }, Mahalanobis::update, stop);
        restores(&CorrelationSettings { warmup_rows: 200, ..Default::default() }, Correlation::update, stop);
    }
}

fn stays_finite<M: Model>(
    settings: &M::Settings,
    update: impl Fn(&mut M, &[f64], bool) -> Reading,
    seeds: &[f64],
) {
    let mut model = M::empty(settings, 5);
    let mut lengths = Vec::new();
    for t in 0..300 {
        let row: Vec<f64> = (0..5).map(|c| seeds[(t * 31 + c * 17 + t * t / 5) % seeds.len()]).collect();
        let reading = update(&mut model, &row, t % 9 != 0);
        assert!(reading.score.is_finite() && reading.lasting.is_finite(), "{reading:?}");
        assert!((1e-300..=1.0).contains(&reading.p_value), "{reading:?}");
        let mut state = Vec::new();
        model.save(&mut state);
        assert!(state.iter().all(|x| x.is_finite()), "{} at {t}", M::TABLE);
        lengths.push(state.len());
    }
    assert!(lengths.iter().all(|length| *length < 2_000), "{}: {:?}", M::TABLE, lengths.iter().max());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_rows_leave_a_finite_bounded_state(seeds in proptest::collection::vec(proptest::num::f64::ANY, 1..60)) {
        stays_finite(&SubspaceSettings { warmup_rows: 64, refresh_rows: 20, ..Default::default() }, Subspace::update, &seeds);
        stays_finite(&MahalanobisSettings { warmup_rows: 64, ..Default::default() }, Mahalanobis::update, &seeds);
        stays_finite(&CorrelationSettings { warmup_rows: 64, ..Default::default() }, Correlation::update, &seeds);
    }
}
