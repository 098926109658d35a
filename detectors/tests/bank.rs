//! What holds for all detectors: restoring, forgetting, freezing, hostile values, and what their
//! specs tell.

use proptest::prelude::*;
use theriac_contract::{Checkpointed, SeriesId, Timestamp};
use theriac_detectors::{Bank, Enabled, SHARED_BYTES_PER_SERIES, Scores, Settings, registry};

const SERIES: usize = 70;

fn bank() -> Bank {
    let mut bank = Bank::new(&Settings::default());
    bank.grow(SERIES);
    bank
}

/// Those that are off by default too, as far as they take little.
fn everything() -> Bank {
    let mut bank = of_at_most(4_096);
    bank.grow(SERIES);
    bank
}

fn of_at_most(bytes: usize) -> Bank {
    let specs = registry().iter().map(|entry| entry.spec);
    let names: Vec<&str> =
        specs.filter(|spec| spec.bytes_per_series <= bytes).map(|spec| spec.name).collect();
    let enabled = Enabled::only(&names).expect("names of the registry");
    Bank::new(&Settings { enabled, ..Settings::default() })
}

fn tick(bank: &mut Bank, values: &[f64], learn: bool) -> Vec<Vec<f64>> {
    let mut columns = vec![vec![0.0; bank.series()]; 4];
    let [p_value, expected, low, high] = &mut columns[..] else { unreachable!() };
    bank.update(
        Timestamp(0),
        values,
        &vec![learn; bank.series()],
        &mut Scores { p_value, expected, low, high },
    );
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
    let mut one = everything();
    (0..400).for_each(|t| drop(tick(&mut one, &values(t), true)));
    let tables = one.snapshot().unwrap();
    let mut other = everything();
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
    let (mut one, mut other) = (everything(), everything());
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

/// Forests and profiles too; with little to do for each tick of the others.
#[test]
fn a_restored_bank_of_models_goes_on_as_if_never_stopped() {
    let build = || {
        let mut bank = of_at_most(usize::MAX);
        bank.grow(3);
        bank
    };
    let (mut one, mut other) = (build(), build());
    let step = |bank: &mut Bank, t: usize| tick(bank, &values(t)[..3], !(800..850).contains(&t));
    (0..900).for_each(|t| drop(step(&mut one, t)));
    let tables = one.snapshot().unwrap();
    other.restore(&tables).unwrap();
    assert_eq!(other.snapshot().unwrap(), tables);
    for t in 900..1_200 {
        assert_eq!(bits(&step(&mut one, t)), bits(&step(&mut other, t)), "tick {t}");
    }
    assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
    one.forget(SeriesId(1));
    for t in 1_200..1_230 {
        let (a, b) = (step(&mut one, t), step(&mut other, t));
        assert!(a[0][1] >= 1.0, "{}", a[0][1]);
        assert_eq!([a[0][0], a[0][2]].map(f64::to_bits), [b[0][0], b[0][2]].map(f64::to_bits), "tick {t}");
    }
}

#[test]
fn series_without_values_are_absent() {
    let mut bank = bank();
    bank.grow(1_000);
    (0..100).for_each(|t| drop(tick(&mut bank, &values(t), true)));
    assert_eq!(bank.warmup(SeriesId(5)), (64, 64));
    assert!((70..1_000).all(|id| bank.warmup(SeriesId(id)) == (0, 64)));
}

/// Columns that say where a series is, not what is usual for it.
const CONTEXT: [&str; 4] = ["last", "run", "silent", "fast"];

/// State by detector and column, without context.
fn learnt(bank: &Bank) -> Vec<(String, String, arrow::array::ArrayData)> {
    let mut columns = Vec::new();
    let tables = bank.snapshot().expect("state can be saved");
    for table in tables.into_iter().filter(|table| table.name != "detectors.bank") {
        for (field, values) in table.rows.schema().fields().iter().zip(table.rows.columns()) {
            columns.push((table.name.clone(), field.name().clone(), values.to_data()));
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
    let mut bank = everything();
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
    (0..250).for_each(|t| drop(tick(&mut bank, &[sawtooth(t); SERIES], true)));
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let seen = (0..20).position(|n| {
        let value = sawtooth(250 + n) + 7.0 * n as f64;
        tick(&mut bank, &[value; SERIES], true)[0][0] < 1e-4
    });
    assert!(seen.is_some_and(|ticks| ticks <= 16), "{seen:?}");
}

#[test]
fn what_breaks_habits_is_seen_by_the_detector_for_it() {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let noise = |t: usize| ((t * 7919) % 1_009) as f64 / 1_009.0;
    type Fault = fn(usize, f64) -> f64;
    let faults: [(&str, Fault); 12] = [
        ("level", |_, x| x + 50.0),
        ("quantiles", |_, x| x - 50.0),
        ("rate", |_, x| x + 50.0),
        ("flat", |_, _| 0.5),
        ("missing", |_, _| f64::NAN),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        ("drift", |t, x| x + t as f64 / 20.0),
        ("cusum", |_, x| x + 0.6),
        ("variance", |_, x| 0.5 + 4.0 * (x - 0.5)),
        ("extreme", |_, x| x + 50.0),
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        ("trend", |t, x| x + t as f64 / 20.0),
        ("page_hinkley", |_, x| x + 0.4),
        ("event_density", |_, _| 0.5),
    ];
    for (name, fault) in faults {
        let mut bank = everything();
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

/// A triangle of 24 ticks that is broken in ways that do not show in the range of single values, or do.
#[test]
fn what_breaks_habits_is_seen_by_the_model_for_it() {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let value = |t: usize| {
        let noise = ((t * 7_919) % 1_009) as f64 / 1_009.0;
        (t % 24).abs_diff(12) as f64 + 0.5 * noise
    };
    type Fault = fn(usize, f64) -> f64;
    let faults: [(&str, Fault); 3] = [
        ("forest", |t, x| if t.is_multiple_of(3) { 12.0 } else { x }),
        ("half_space", |_, x| x + 15.0),
        ("profile", |t, x| if t % 48 < 24 { 6.0 } else { x }),
    ];
    for (name, fault) in faults {
        let enabled = Enabled::only(&[name]).unwrap();
        let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
        bank.grow(2);
        let (mut least, mut usual) = (1.0_f64, 1.0_f64);
        for t in 0..2_000 {
            let p_value = tick(&mut bank, &[value(t); 2], true)[0][0];
            usual = if t > 1_500 { usual.min(p_value) } else { 1.0 };
        }
        for t in 2_000..2_060 {
            least = least.min(tick(&mut bank, &[fault(t, value(t)); 2], false)[0][0]);
        }
        println!("{name}: {least:e}, before {usual:e}");
        assert!(least < 1e-4 && least < 0.1 * usual, "{name}: {least}, before {usual}");
    }
}

#[test]
fn constant_series_are_ordinary() {
    let mut bank = everything();
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
        let mut bank = everything();
        for t in 0..200 {
            let values: Vec<f64> = (0..SERIES).map(|s| seeds[(t * 31 + s * 17) % seeds.len()]).collect();
            let columns = tick(&mut bank, &values, true);
            prop_assert!(columns[0].iter().all(|p| (1e-36..=1.0).contains(p)), "{:?}", columns[0]);
        }
    }
}

#[test]
fn a_series_in_other_units_has_the_same_p_values_to_the_bit() {
    let scales = [1.0, 1_024.0, 1_048_576.0, 1_125_899_906_842_624.0];
    let mut banks = scales.map(|_| everything());
    for t in 0..700 {
        let excursion = if t > 600 && t % 50 < 3 { 40.0 } else { 0.0 };
        let values: Vec<f64> = values(t).iter().map(|x| x + 50.0 + excursion).collect();
        let p_values: Vec<Vec<u64>> = banks
            .iter_mut()
            .zip(scales)
            .map(|(bank, scale)| {
                let scaled: Vec<f64> = values.iter().map(|x| x * scale).collect();
                bits(&tick(bank, &scaled, true)[..1])
            })
            .collect();
        assert!(p_values.iter().all(|one| *one == p_values[0]), "tick {t}");
    }
}

/// A byte counter and a total of nanoseconds: far more digits than single precision has.
#[test]
fn an_odd_step_of_a_large_total_is_seen() {
    for (start, rate) in [(8e15, 1e6), (1.7e18, 5e9), (0.0, 3.0)] {
        let mut bank = bank();
        let mut total = start;
        let mut last = 1.0;
        for t in 0..3_000 {
            let noise = values(t)[0];
            total += if t == 2_999 { 40.0 } else { 1.0 } * rate * (0.5 + noise.max(0.0));
            last = tick(&mut bank, &[total; SERIES], true)[0][0];
            assert!(t == 2_999 || t < 1_000 || last > 1e-5, "{start} at {t}: {last}");
        }
        assert!(last < 1e-4, "{start}: {last}");
    }
}

/// Numbers of state stay in range where units change again and again.
#[test]
fn state_is_finite_through_changes_of_scale() {
    let mut bank = everything();
    for t in 0..4_000_u32 {
        let size = 10.0_f64.powi(i32::try_from(t / 100 % 40).unwrap() * 7 - 140);
        let values: Vec<f64> = values(t as usize).iter().map(|x| (x - 30.0) * size).collect();
        let columns = tick(&mut bank, &values, true);
        assert!(columns[0].iter().all(|p| (1e-36..=1.0).contains(p)));
        assert!(columns[1..].iter().flatten().all(|x| x.is_nan() || x.is_finite()), "tick {t}");
    }
    for (table, name, data) in learnt(&bank) {
        let array = arrow::array::make_array(data);
        if let Some(numbers) = array.as_any().downcast_ref::<arrow::array::Float32Array>() {
            assert!(numbers.values().iter().all(|x| x.is_finite()), "{table} {name}");
        }
    }
}

#[test]
fn names_choose_detectors_and_unknown_ones_are_refused() {
    let settings: Settings = serde_json::from_str(r#"{"enabled": ["drift", "level"]}"#).unwrap();
    let bank = Bank::new(&settings);
    assert_eq!(bank.specs().map(|spec| spec.name).collect::<Vec<_>>(), ["level", "drift"]);
    let refused = serde_json::from_str::<Settings>(r#"{"enabled": ["levle"]}"#).unwrap_err().to_string();
    assert!(refused.contains("there is no detector `levle`; there are level, quantiles"), "{refused}");
}

#[test]
fn the_default_bank_keeps_its_budget() {
    assert!(bank().bytes_per_series() <= 256, "{}", bank().bytes_per_series());
}

#[test]
fn specs_tell_the_bytes_and_the_documentation_names_all() {
    let mut bank = of_at_most(usize::MAX);
    bank.grow(8);
    (0..400).for_each(|t| drop(tick(&mut bank, &values(t)[..8], true)));
    let tables = bank.snapshot().unwrap();
    let bytes = |name: &str| -> usize {
        let state = tables.iter().find(|table| table.name == format!("detectors.{name}")).unwrap();
        state.rows.columns().iter().filter_map(|column| column.data_type().primitive_width()).sum()
    };
    assert_eq!(bytes("anchors"), SHARED_BYTES_PER_SERIES);
    for entry in registry() {
        let spec = &entry.spec;
        let documented = include_str!("../src/lib.rs").contains(&format!("`{}`", spec.name));
        assert!(documented, "the documentation of the crate does not name {}", spec.name);
        // The tests of the models say how much they take.
        if !tables.iter().any(|table| table.name == format!("detectors.{}.scores", spec.name)) {
            assert_eq!(bytes(spec.name), spec.bytes_per_series, "{}", spec.name);
        }
    }
}

#[test]
fn one_spike_is_one_step_and_its_way_back_is_none() {
    let enabled = Enabled::only(&["rate"]).expect("a name of the registry");
    let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
    bank.grow(1);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let noise = |t: usize| ((t * 7919) % 1_009) as f64 / 1_009.0;
    (0..300).for_each(|t| drop(tick(&mut bank, &[noise(t)], true)));
    let up = tick(&mut bank, &[30.0], true)[0][0];
    let back = tick(&mut bank, &[noise(302)], true)[0][0];
    let away = tick(&mut bank, &[-30.0], true)[0][0];
    assert!(up < 1e-4 && away < 1e-2, "{up} {away}");
    assert!(back > 0.5, "{back}");
}

#[test]
fn a_value_says_no_more_than_that_none_of_so_many_was_like_it() {
    let enabled =
        Enabled::only(&["level", "quantiles", "rate", "drift", "extreme"]).expect("names of the registry");
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let noise = |t: usize| ((t * 7919) % 1_009) as f64 / 1_009.0;
    for seen in [300_u16, 1_000] {
        let mut bank = Bank::new(&Settings { enabled: enabled.clone(), ..Settings::default() });
        bank.grow(1);
        (0..usize::from(seen)).for_each(|t| drop(tick(&mut bank, &[noise(t)], true)));
        tick(&mut bank, &[1e12], false);
        let least = bank.p_values(theriac_contract::SeriesId(0)).fold(1.0, f64::min);
        let bound = (f64::from(seen) + 1.0).powi(-4);
        assert!((0.999 * bound..100.0 * bound).contains(&least), "{least} {bound}");
    }
}

#[test]
fn an_event_is_as_rare_as_the_rest_before_it_was_long() {
    for early in [7, 30] {
        let mut bank = Bank::new(&Settings::default());
        bank.grow(1);
        let mut p_value = 1.0;
        for t in 0..=1_050 {
            p_value = tick(&mut bank, &[if t == early || t == 1_050 { 1.0 } else { 0.0 }], true)[0][0];
        }
        assert!((1e-4..1e-2).contains(&p_value), "{early}: {p_value}");
    }
}

#[test]
fn a_burst_minutes_after_two_others_is_news() {
    let mut bank = Bank::new(&Settings::default());
    bank.grow(1);
    for _ in 0..1_200 {
        tick(&mut bank, &[0.0], true);
    }
    for burst in 0..3 {
        // What is unusual is not learnt, but for the tick in which it shows.
        let p_values = (0..20).map(|t| tick(&mut bank, &[10.0], t == 0)[0][0]);
        let least = p_values.fold(1.0, f64::min);
        assert!(least < 1e-4, "{burst}: {least}");
        for _ in 0..30 {
            tick(&mut bank, &[0.0], true);
        }
    }
}
