//! The records detector against `reference/records.py`, and what it promises.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::{Checkpointed, SeriesId, Timestamp};
use theriac_detectors::records::{Families, Family, Records, Verdict};

const SERIES: SeriesId = SeriesId(3);

fn at(row: usize) -> Timestamp {
    Timestamp::from_seconds(row as i64 * 300)
}

fn run(records: &mut Records, first: usize, values: &[f64]) -> Vec<Verdict> {
    (first..).zip(values).map(|(row, value)| records.update(SERIES, *value, at(row)).unwrap()).collect()
}

fn watched() -> Records {
    let mut records = Records::new();
    records.watch(SERIES);
    records
}

/// As in `reference/records.py`.
fn uniform(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24)
    })
}

fn series(name: &str) -> Vec<f64> {
    const ROWS: usize = 3_000;
    let noise = |seed: u64| uniform(seed).take(ROWS);
    let day = (0..ROWS).map(|row| if row % 288 < 144 { 10.0 } else { 20.0 });
    let daily =
        |seed: u64| day.clone().zip(noise(seed)).map(|(day, noise)| day + noise).collect::<Vec<f64>>();
    let above = |base: f64, seed: u64| noise(seed).map(|noise| base + noise).collect::<Vec<f64>>();
    match name {
        "daily" => daily(1),
        "spike" => {
            let mut values = daily(2);
            values[2000..2010].iter_mut().for_each(|value| *value += 15.0);
            values
        }
        "level" => {
            let mut values = above(5.0, 3);
            values[1800..].iter_mut().for_each(|value| *value += 3.0);
            values
        }
        "flat" => {
            let mut values = above(5.0, 4);
            let still = values[2199];
            values[2200..2400].fill(still);
            values
        }
        "constant" => {
            let mut values = vec![7.0; ROWS];
            values[2500] = 7.5;
            values
        }
        "heavy" => {
            let mut values: Vec<f64> = noise(6).map(|noise| noise.powi(8) * 100.0).collect();
            values[1500..1504].fill(f64::NAN);
            values
        }
        "offset" => {
            let mut values = above(1e9, 7);
            values[2300..].iter_mut().for_each(|value| *value -= 2.0);
            values
        }
        other => panic!("no series {other}"),
    }
}

#[test]
fn it_agrees_with_an_independent_form() {
    let reference: Value = serde_json::from_str(include_str!("reference/records.json")).unwrap();
    for (name, expected) in reference.as_object().unwrap() {
        let verdicts = run(&mut watched(), 0, &series(name));
        let alerts: Vec<u64> = (0..).zip(&verdicts).filter(|(_, v)| v.alert).map(|(row, _)| row).collect();
        let expected_alerts: Vec<u64> =
            expected["alerts"].as_array().unwrap().iter().map(|row| row.as_u64().unwrap()).collect();
        assert_eq!(alerts, expected_alerts, "{name}");
        // Single precision of the program against double precision.
        let near = |what: &str, got: f64, expected: &Value| {
            let expected = expected.as_f64().unwrap();
            assert!(
                (got - expected).abs() <= 2e-3 * expected.abs().max(0.1),
                "{name} {what}: {got} {expected}"
            );
        };
        near("evidence", verdicts.iter().map(|v| v.evidence).sum(), &expected["evidence_sum"]);
        near("lasting", verdicts.iter().map(|v| v.lasting).sum(), &expected["lasting_sum"]);
        for row in expected["at"].as_array().unwrap() {
            let verdict = &verdicts[row[0].as_u64().unwrap() as usize];
            near("evidence at a row", verdict.evidence, &row[1]);
            near("lasting at a row", verdict.lasting, &row[2]);
        }
    }
}

#[test]
fn restoring_in_the_middle_changes_nothing() {
    let values = series("spike");
    let mut whole = watched();
    let expected = run(&mut whole, 0, &values);
    for middle in [0, 1, 127, 1_000, 2_005] {
        let mut first = watched();
        run(&mut first, 0, &values[..middle]);
        let mut second = Records::new();
        second.restore(&first.snapshot().unwrap()).unwrap();
        assert_eq!(run(&mut second, middle, &values[middle..]), expected[middle..], "after {middle}");
        assert_eq!(second.snapshot().unwrap(), whole.snapshot().unwrap());
    }
}

#[test]
fn only_what_is_watched_is_judged() {
    let mut records = watched();
    assert!(records.watches(SERIES));
    assert_eq!(records.update(SeriesId(2), 1.0, at(0)), None);
    assert_eq!(records.update(SeriesId(9), 1.0, at(0)), None);
    records.update(SERIES, 1.0, at(0));
    assert_eq!(records.warmup(SERIES), (1, 128));
    records.watch(SERIES);
    assert_eq!(records.warmup(SERIES), (0, 128));
}

#[test]
fn a_level_that_moved_for_good_is_learnt_and_an_incident_is_forgiven() {
    let verdicts = run(&mut watched(), 0, &series("level"));
    assert!(verdicts[1_800..1_805].iter().any(|v| v.alert), "the move is told at once");
    assert!(verdicts[2_400..].iter().all(|v| v.evidence < 2.0), "and is normal after a tenth of the history");
    let mut twice = series("spike");
    let again = twice[2_000..2_010].to_vec();
    twice[2_576..2_586].copy_from_slice(&again);
    let verdicts = run(&mut watched(), 0, &twice);
    assert!(verdicts[2_576..2_586].iter().any(|v| v.alert), "the second of its kind is told too");
}

#[test]
fn without_a_family_its_decades_are_missing_and_nothing_else() {
    let values = series("spike");
    let all = run(&mut watched(), 0, &values);
    for family in Family::ALL {
        let mut records = Records::of(Families::ALL.without(family));
        records.watch(SERIES);
        let mut verdicts = run(&mut records, 0, &values[..1_990]);
        let saved = records.snapshot().unwrap();
        let mut records = Records::of(Families::ALL.without(family));
        records.restore(&saved).unwrap();
        verdicts.extend(run(&mut records, 1_990, &values[1_990..]));
        for (row, (all, without)) in all.iter().zip(&verdicts).enumerate() {
            let mut expected = all.families;
            let missing = std::mem::take(&mut expected[family as usize]);
            assert_eq!(without.families, expected, "{family:?} at {row}");
            assert!(
                (all.evidence - without.evidence - f64::from(missing)).abs() < 1e-5,
                "{family:?} at {row}"
            );
        }
    }
    assert!(all.iter().any(|verdict| verdict.families[Family::High as usize] > 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// What a stream says at a row depends on nothing after it, on no unit and no offset.
    #[test]
    fn units_do_not_matter(seed in 1_u64.., power in -12_i32..12, zeros in 0_usize..3) {
        let values: Vec<f64> = uniform(seed).take(700).map(|x| (x * 8.0).powi(zeros as i32 + 1)).collect();
        let scale = 4.0_f64.powi(power);
        let scaled: Vec<f64> = values.iter().map(|value| value * scale).collect();
        let (one, other) = (run(&mut watched(), 0, &values), run(&mut watched(), 0, &scaled));
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.alert, other.alert);
            prop_assert!((one.evidence - other.evidence).abs() <= 1e-3);
        }
    }

    #[test]
    fn any_value_is_borne(values in proptest::collection::vec(proptest::num::f64::ANY, 200..400)) {
        let mut records = watched();
        for verdict in run(&mut records, 0, &values) {
            prop_assert!((0.0..=32.0).contains(&verdict.evidence));
            prop_assert!(verdict.lasting >= verdict.evidence && verdict.lasting <= 32.0);
            prop_assert!(verdict.p_value > 0.0 && verdict.p_value <= 1.0);
        }
        let mut restored = Records::new();
        restored.restore(&records.snapshot().unwrap()).unwrap();
        prop_assert_eq!(restored.update(SERIES, 1.0, at(999)), records.update(SERIES, 1.0, at(999)));
    }
}
