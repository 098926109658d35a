//! What holds for all detectors: restoring, forgetting, freezing, hostile values, and the table in
//! the README.

use proptest::prelude::*;
use theriac_contract::{Checkpointed, SeriesId};
use theriac_detectors::{Bank, Scores, Settings, registry};

const SERIES: usize = 70;

fn bank() -> Bank {
    let mut bank = Bank::new(&Settings::default());
    bank.grow(SERIES);
    bank
}

fn tick(bank: &mut Bank, values: &[f64], learn: bool) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; bank.series()]; 4];
    let [p_value, expected, low, high] = &mut columns[..] else { unreachable!() };
    bank.update(values, &vec![learn; bank.series()], &mut Scores { p_value, expected, low, high });
    columns
}

/// Hand-made: every series moves differently, some pause.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn values(t: usize) -> Vec<f64> {
    let value = |s: usize| {
        let noise = ((t * 7919 + s * 104_729) % 1_009) as f64 / 1_009.0;
        if (t + s).is_multiple_of(11) && s.is_multiple_of(3) { f64::NAN } else { s as f64 + noise }
    };
    (0..SERIES).map(value).collect()
}

fn bits(columns: &[Vec<f64>]) -> Vec<u64> {
    columns.iter().flatten().map(|x| x.to_bits()).collect()
}

#[test]
fn a_restored_bank_goes_on_as_if_never_stopped() {
    let mut one = bank();
    (0..400).for_each(|t| drop(tick(&mut one, &values(t), true)));
    let tables = one.snapshot().unwrap();
    let mut other = Bank::new(&Settings::default());
    other.restore(&tables).unwrap();
    assert_eq!(other.snapshot().unwrap(), tables);
    for t in 400..600 {
        assert_eq!(
            bits(&tick(&mut one, &values(t), true)),
            bits(&tick(&mut other, &values(t), true)),
            "tick {t}"
        );
    }
    assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
}

#[test]
fn growing_and_forgetting_touch_no_other_series() {
    let (mut one, mut other) = (bank(), bank());
    (0..300).for_each(|t| drop((tick(&mut one, &values(t), true), tick(&mut other, &values(t), true))));
    other.grow(200);
    other.forget(SeriesId(5));
    assert_eq!(other.warmup(SeriesId(5)), (0, 64));
    assert_eq!(other.warmup(SeriesId(6)), (64, 64));
    assert_eq!(other.warmup(SeriesId(150)), (0, 64));
    for t in 300..400 {
        let (a, b) = (tick(&mut one, &values(t), true), tick(&mut other, &values(t), true));
        for s in (0..SERIES).filter(|&s| s != 5) {
            assert_eq!(a[0][s].to_bits(), b[0][s].to_bits());
        }
        if t < 360 {
            assert_eq!(b[0][5].to_bits(), 1.0_f64.to_bits());
        }
    }
}

/// Columns that say where a series is, not what is usual for it.
const CONTEXT: [&str; 4] = ["last", "run", "silent", "fast"];

/// State by detector and column, without context.
fn learnt(bank: &Bank) -> Vec<(String, String, Vec<u64>)> {
    let mut columns = Vec::new();
    for table in bank
        .snapshot()
        .expect("state can be saved")
        .into_iter()
        .filter(|table| table.name != "detectors.bank")
    {
        for (field, values) in table.rows.schema().fields().iter().zip(table.rows.columns()) {
            let values =
                values.as_any().downcast_ref::<arrow::array::Float64Array>().expect("columns of doubles");
            let bits = values.values().iter().map(|value| value.to_bits()).collect();
            columns.push((table.name.clone(), field.name().clone(), bits));
        }
    }
    columns.retain(|(_, name, _)| !CONTEXT.contains(&name.as_str()));
    columns
}

#[test]
fn a_frozen_bank_learns_nothing() {
    let mut bank = bank();
    (0..300).for_each(|t| drop(tick(&mut bank, &values(t), true)));
    let before = learnt(&bank);
    (0..50).for_each(|_| drop(tick(&mut bank, &[1e6; SERIES], false)));
    assert_eq!(learnt(&bank), before);
}

#[test]
fn the_return_to_normal_after_a_frozen_spell_is_no_surprise() {
    let mut bank = bank();
    (0..300).for_each(|_| drop(tick(&mut bank, &[0.0; SERIES], true)));
    // The first unusual value is learnt: it is known to be one only afterwards.
    drop(tick(&mut bank, &[24.0; SERIES], true));
    (0..100).for_each(|_| drop(tick(&mut bank, &[24.0; SERIES], false)));
    // The mean of the detector of drift needs a while to come back.
    (0..50).for_each(|_| drop(tick(&mut bank, &[0.0; SERIES], false)));
    let back = tick(&mut bank, &[0.0; SERIES], false);
    assert!(back[0].iter().all(|p| *p > 0.01), "{:?}", back[0]);
}

#[test]
fn a_slow_ramp_does_not_hide_itself() {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let sawtooth = |t: usize| 180.0 + ((t * 7919) % 1_009) as f64 / 1_009.0 * 24.0;
    let mut bank = bank();
    (0..190).for_each(|t| drop(tick(&mut bank, &[sawtooth(t); SERIES], true)));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let seen = (0..20).position(|n| {
        let value = sawtooth(190 + n) + 7.0 * n as f64;
        tick(&mut bank, &[value; SERIES], true)[0][0] < 1e-4
    });
    assert!(seen.is_some_and(|ticks| ticks <= 16), "{seen:?}");
}

#[test]
fn what_breaks_habits_is_seen_by_the_detector_for_it() {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let noise = |t: usize| ((t * 7919) % 1_009) as f64 / 1_009.0;
    type Fault = fn(usize, f64) -> f64;
    let faults: [(&str, Fault); 6] = [
        ("level", |_, x| x + 50.0),
        ("quantiles", |_, x| x - 50.0),
        ("rate", |_, x| x + 50.0),
        ("flat", |_, _| 0.5),
        ("missing", |_, _| f64::NAN),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        ("drift", |t, x| x + t as f64 / 20.0),
    ];
    for (name, fault) in faults {
        let mut bank = bank();
        (0..1_000).for_each(|t| drop(tick(&mut bank, &[noise(t); SERIES], true)));
        let position = bank.specs().position(|spec| spec.name == name).unwrap();
        let mut least = 1.0_f64;
        for t in 0..60 {
            tick(&mut bank, &[fault(t, noise(1_000 + t)); SERIES], true);
            least = least.min(bank.p_values(SeriesId(3)).nth(position).unwrap());
        }
        println!("{name}: {least:e}");
        assert!(least < 1e-4, "{name}: {least}");
    }
}

#[test]
fn constant_series_are_ordinary() {
    let mut bank = bank();
    let constants = [0.0, 1.0, 0.1, 1e18, -1e-310, 1e150];
    let values: Vec<f64> = (0..SERIES).map(|s| constants[s % constants.len()]).collect();
    for _ in 0..500 {
        let columns = tick(&mut bank, &values, true);
        assert!(columns[0].iter().all(|&p| p > 0.1), "{:?}", columns[0]);
    }
    assert_eq!(bank.unusable(), 0);
    tick(&mut bank, &[f64::INFINITY; SERIES], true);
    assert_eq!(bank.unusable(), 70);
}

proptest! {
    #[test]
    fn any_values_give_p_values(seeds in proptest::collection::vec(proptest::num::f64::ANY, 1..100)) {
        let mut bank = bank();
        for t in 0..200 {
            let values: Vec<f64> = (0..SERIES).map(|s| seeds[(t * 31 + s * 17) % seeds.len()]).collect();
            let columns = tick(&mut bank, &values, true);
            prop_assert!(columns[0].iter().all(|p| (1e-300..=1.0).contains(p)), "{:?}", columns[0]);
        }
    }
}

#[test]
fn the_readme_lists_the_registry() {
    use std::fmt::Write;
    let mut table = String::from(
        "# theriac-detectors\n\nStreaming anomaly detectors over many series at once, each ending in a calibrated p-value.\n\
         The table is checked against the registry; `UPDATE_README=1 cargo test -p theriac-detectors` writes it.\n\n\
         | detector | sees | formula and source | warm-up, observations | bytes per series |\n|---|---|---|---|---|\n",
    );
    let tables = bank().snapshot().unwrap();
    for entry in registry() {
        let spec = &entry.spec;
        let state = tables.iter().find(|t| t.name == format!("detectors.{}", spec.name)).unwrap();
        assert_eq!(state.rows.num_columns() * 8, spec.bytes_per_series, "{}", spec.name);
        let formula = spec.formula.replace('|', "\\|");
        let (name, sees, warmup, bytes) = (spec.name, spec.sees, spec.warmup_ticks, spec.bytes_per_series);
        writeln!(table, "| {name} | {sees} | {formula} | {warmup} | {bytes} |").unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), table);
}
