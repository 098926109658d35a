//! The measures against TSB-AD's own program (`reference/measures.py` made the numbers), and
//! what must hold for any input.

use proptest::prelude::*;
use serde::Deserialize;
use theriac_datasets::scoring::{
    Measures, ScoringError, Segment,
    paired::Paired,
    period, segments,
    sweep::{Sweep, SweepFile},
};

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
    periods: Vec<Period>,
    signs: Vec<(usize, usize, f64)>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    segments: Vec<(usize, usize)>,
    window: usize,
    scores: Vec<f64>,
    measures: Measures,
}

#[derive(Deserialize)]
struct Period {
    name: String,
    values: Vec<f64>,
    window: usize,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference/measures.json")).expect("the reference reads")
}

fn labels(rows: usize, segments: &[(usize, usize)]) -> Vec<bool> {
    (0..rows).map(|row| segments.iter().any(|(first, last)| (*first..=*last).contains(&row))).collect()
}

#[test]
fn every_measure_agrees_with_the_reference() {
    for case in reference().cases {
        let labels = labels(case.scores.len(), &case.segments);
        let found = Measures::of(&labels, &case.scores, case.window).unwrap();
        for ((name, found), expected) in
            Measures::NAMES.iter().zip(found.values()).zip(case.measures.values())
        {
            assert!((found - expected).abs() < 1e-9, "{}, {name}: {found} is not {expected}", case.name);
        }
    }
}

#[test]
fn the_window_agrees_with_the_reference() {
    for case in reference().periods {
        assert_eq!(period::window(&case.values), case.window, "{}", case.name);
    }
}

#[test]
fn the_sign_test_agrees_with_the_reference() {
    for (better, worse, expected) in reference().signs {
        let mut differences = vec![1.0; better];
        differences.extend(vec![-0.5; worse]);
        differences.push(0.0);
        let found = Paired::of(&differences, 1).unwrap();
        assert_eq!((found.better, found.worse, found.equal), (better, worse, 1));
        assert!((found.sign_p - expected).abs() < 1e-9, "{better}:{worse} {} {expected}", found.sign_p);
    }
}

#[test]
fn the_interval_is_that_of_a_normal_mean_and_the_same_for_the_same_seed() {
    // 200 differences of mean 1 and standard deviation 2: 1.96 * 2 / sqrt(200) = 0.277.
    let differences: Vec<f64> = (0..200).map(|file| if file % 2 == 0 { 3.0 } else { -1.0 }).collect();
    let found = Paired::of(&differences, 7).unwrap();
    assert_eq!(found.mean, 1.0);
    assert!((found.interval.0 - 0.723).abs() < 0.03 && (found.interval.1 - 1.277).abs() < 0.03, "{found:?}");
    assert_eq!(Paired::of(&differences, 7), Some(found));
    assert_eq!(Paired::of(&[], 7), None);
}

#[test]
fn runs_are_found_with_both_ends() {
    assert_eq!(segments(&[]), []);
    let found = segments(&[true, false, true, true, false, true]);
    let expected = [(0, 0), (2, 3), (5, 5)].map(|(first, last)| Segment { first, last });
    assert_eq!(found, expected);
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let refused = |labels: &[bool], scores: &[f64]| Measures::of(labels, scores, 5).expect_err("refused");
    assert_eq!(refused(&[true, false], &[0.0]), ScoringError::Rows { found: 1, expected: 2 });
    assert!(matches!(refused(&[true, false], &[0.0, f64::NAN]), ScoringError::NotFinite { row: 1, .. }));
    assert_eq!(refused(&[false; 3], &[0.0; 3]), ScoringError::OneKind { labelled: 0, rows: 3 });
    assert_eq!(refused(&[true; 3], &[0.0; 3]), ScoringError::OneKind { labelled: 3, rows: 3 });
}

#[test]
fn a_threshold_is_chosen_on_other_groups() {
    // The first group is told best at 0.8, the second at 0.4; each is scored at the other's.
    let labels = [false, false, true, true];
    let (first, second) = ([0.1, 0.5, 0.8, 0.9], [0.1, 0.2, 0.4, 0.5]);
    let file = |group, scores| SweepFile { group, labels: &labels, scores };
    let sweep = Sweep::new(&[file("a", &first), file("b", &second)]).unwrap();
    assert_eq!(sweep.at(0.8), Some(0.5));
    assert_eq!(sweep.best(), Some((0.4, 0.9)));
    assert_eq!(sweep.leave_one_group_out(), Some(0.4));
    // With one group, files take that place.
    let sweep = Sweep::new(&[file("a", &first), file("a", &second)]).unwrap();
    assert_eq!(sweep.leave_one_group_out(), Some(0.4));
    assert_eq!(Sweep::new(&[]).unwrap().leave_one_group_out(), None);
    let none = SweepFile { group: "c", labels: &[false; 4], scores: &first };
    assert_eq!(Sweep::new(&[none]).unwrap().at(0.5), None, "nothing to tell apart");
}

prop_compose! {
    fn scored()(rows in 20_usize..200)(
        labels in proptest::collection::vec(proptest::bool::weighted(0.2), rows),
        scores in proptest::collection::vec(0_u8..30, rows),
        window in 0_usize..40,
    ) -> (Vec<bool>, Vec<f64>, usize) {
        (labels, scores.into_iter().map(f64::from).collect(), window)
    }
}

proptest! {
    #[test]
    fn measures_lie_between_nothing_and_one_and_ignore_scale((labels, scores, window) in scored()) {
        prop_assume!(labels.contains(&true) && labels.contains(&false));
        let found = Measures::of(&labels, &scores, window).unwrap();
        for (name, value) in Measures::NAMES.iter().zip(found.values()) {
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&value), "{} = {}", name, value);
        }
        let scaled: Vec<f64> = scores.iter().map(|score| 4.0 * score - 8.0).collect();
        let same = Measures::of(&labels, &scaled, window).unwrap();
        for (a, b) in found.values().into_iter().zip(same.values()) {
            prop_assert!((a - b).abs() < 1e-12);
        }
        // Without a buffer and with as many thresholds as scores, the volume is the area.
        if window == 0 {
            let perfect: Vec<f64> = labels.iter().map(|label| f64::from(u8::from(*label))).collect();
            let found = Measures::of(&labels, &perfect, 0).unwrap();
            prop_assert!(found.values().iter().all(|value| (value - 1.0).abs() < 1e-4));
        }
    }

    #[test]
    fn no_threshold_beats_the_best((labels, scores, _) in scored()) {
        // In longer files the candidates are ranks, and no longer all scores.
        prop_assume!(labels.len() <= 100);
        let sweep = Sweep::new(&[SweepFile { group: "a", labels: &labels, scores: &scores }]).unwrap();
        if let Some((_, best)) = sweep.best() {
            for level in 0..31_u8 {
                prop_assert!(sweep.at(f64::from(level)).unwrap() <= best + 1e-12);
            }
        }
    }
}
