//! When ticks are sealed, and that they are a function of the rows alone.

mod rows;

use proptest::prelude::*;
use rows::{CART, Row, SHOP, at, batch, by_signal, drain, render, run, settings, value};
use theriac_contract::{Checkpointed, Interval};
use theriac_monitor::{Monitor, Settings};

#[test]
fn late_rows_are_counted_and_dropped() {
    let rows = [0, 30_000, 24_999, 9_000].map(|ms| Row::Gauge { ms, value: ms as f64 });
    let (monitor, ticks) = run(&rows, settings());
    assert_eq!(monitor.counts().late, 1);
    assert_eq!(ticks.len(), 4);
    assert_eq!(value(&monitor, &ticks[2], "default|cart/cart-1|memory|{}"), 24_999.0);
}

#[test]
fn a_change_that_is_told_late_is_known_all_the_same() {
    let said = |ms, body: &str| Row::Log { ms, severity: 9, body: body.to_owned() };
    let gauge = |ms| Row::Gauge { ms, value: 1.0 };
    let rows = [gauge(0), gauge(30_000), said(9_000, "deploy 1.1.0"), said(9_500, "not so"), gauge(60_000)];
    let (monitor, ticks) = run(&rows, settings());
    let changes: Vec<_> = ticks.iter().flat_map(|tick| &tick.changes).collect();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].kind.as_str(), changes[0].at), ("deploy", at(9_000)));
    assert_eq!(monitor.counts().late, 1, "the other line is dropped and counted");
}

#[test]
fn one_row_from_the_far_future_is_rejected_and_a_real_gap_is_believed() {
    let year = 366 * 86_400_000_i64;
    let gauge = |ms| Row::Gauge { ms, value: 1.0 };
    let mistaken = [gauge(0), gauge(236 * year), gauge(10_000), gauge(20_000)];
    let (monitor, ticks) = run(&mistaken, settings());
    assert_eq!((monitor.counts().jumps_rejected, ticks.len()), (1, 3));

    let gap: Vec<Row> =
        (0..4).flat_map(|i| [gauge(i * 10_000)]).chain((0..4).map(|i| gauge(year + i * 10_000))).collect();
    let few = Settings { gap_ticks_max: 100, ..settings() };
    let (monitor, ticks) = run(&gap, few);
    assert_eq!((monitor.counts().jumps_rejected, monitor.counts().late), (0, 0));
    assert_eq!(ticks.len(), 4 + 100 + 4);
    let from_start = ticks[ticks.len() - 1].number - ticks[0].number + 1;
    assert_eq!(monitor.counts().ticks_skipped + ticks.len() as u64, from_start);
}

#[test]
fn the_step_is_found_from_the_spacing() {
    let auto = || Settings { step_spacings: 8, ..Settings::default() };
    let rows: Vec<Row> = (0..30).map(|i| Row::Gauge { ms: i * 60_000 + i % 3, value: i as f64 }).collect();
    let (monitor, ticks) = run(&rows, auto());
    assert_eq!(monitor.step(), Some(Interval::from_seconds(60)));
    assert_eq!(ticks.iter().filter(|tick| tick.values.iter().all(|v| v.is_finite())).count(), 30);
    // An input that is too short for a decision is decided at its end.
    let (monitor, ticks) = run(&rows[..3], auto());
    assert_eq!((monitor.step(), ticks.len()), (Some(Interval::from_seconds(60)), 3));
}

#[test]
fn limits_hold_and_are_counted() {
    let rows: Vec<Row> = (0..9_u8)
        .map(|i| Row::Log { ms: i64::from(i), severity: 9, body: format!("event {}", char::from(b'a' + i)) })
        .collect();
    let (monitor, ticks) = run(&rows, Settings { templates_max: 3, series_max: 4, ..settings() });
    assert_eq!(monitor.series().len(), 4);
    assert_eq!((monitor.counts().other_templates, monitor.counts().shed_series), (6, 8));
    assert_eq!(value(&monitor, &ticks[0], "default|cart/cart-1|log.severity.info|{}"), 9.0);
}

#[test]
fn idle_input_does_not_hold_the_clock() {
    let mut monitor = Monitor::new(settings());
    monitor.push(&[batch(&Row::Gauge { ms: 0, value: 1.0 })]).unwrap();
    assert!(monitor.seal().is_none());
    monitor.advance(at(35_000));
    assert_eq!(drain(&mut monitor).len(), 3);
}

fn row() -> impl Strategy<Value = Row> {
    let ms = 0_i64..120_000;
    prop_oneof![
        (ms.clone(), 0.0..10.0_f64).prop_map(|(ms, value)| Row::Gauge { ms, value }),
        (ms.clone(), 0.0..10.0_f64).prop_map(|(ms, value)| Row::Sum { ms, start_ms: 0, name: "jobs", value }),
        (ms.clone(), 0_u64..50, prop::sample::select(vec![200_u16, 500])).prop_map(|(ms, count, status)| {
            Row::Requests {
                ms,
                status,
                count,
                sum: count as f64 / 7.0,
                buckets: vec![count as f64, 0.0, 0.0],
            }
        }),
        (ms.clone(), 1_u8..25, 0..5).prop_map(|(ms, severity, n)| Row::Log {
            ms,
            severity,
            body: ["a 1", "b 2", "a 3", "c", "deploy 1"][n as usize].to_owned(),
        }),
        (ms, 1_u64..60, prop::option::of(1_u64..60), any::<bool>(), any::<bool>()).prop_map(
            |(ms, id, parent, shop, error)| Row::Span {
                ms,
                duration_ms: id as i64,
                id,
                parent,
                resource: if shop { SHOP } else { CART },
                peer: id % 2 == 0,
                error,
            }
        ),
    ]
}

fn time_of(row: &Row) -> i64 {
    match row {
        Row::Gauge { ms, .. }
        | Row::Sum { ms, .. }
        | Row::Requests { ms, .. }
        | Row::Log { ms, .. }
        | Row::Span { ms, .. } => *ms,
    }
}

/// Rows in the order of time with distinct times.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 1..80).prop_map(|mut rows| {
        rows.sort_by_key(time_of);
        rows.dedup_by_key(|row| time_of(row));
        rows
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn how_often_one_asks_does_not_show(rows in rows()) {
        let (often, ticks) = run(&rows, settings());
        let mut once = Monitor::new(settings());
        rows.iter().for_each(|row| once.push(&[batch(row)]).unwrap());
        once.finish();
        let late_ticks = drain(&mut once);
        prop_assert_eq!(render(&often, &ticks), render(&once, &late_ticks));
        prop_assert_eq!(often.counts(), once.counts());
    }

    #[test]
    fn the_order_of_arrival_within_lateness_does_not_show(rows in rows(), keys in prop::collection::vec(0_i64..4_999, 80)) {
        let (sorted, ticks) = run(&rows, settings());
        let mut shuffled: Vec<(i64, Row)> = rows.iter().zip(keys).map(|(row, delay)| (time_of(row) + delay, row.clone())).collect();
        shuffled.sort_by_key(|(arrival, _)| *arrival);
        let shuffled: Vec<Row> = shuffled.into_iter().map(|(_, row)| row).collect();
        let (other, other_ticks) = run(&shuffled, settings());
        prop_assert_eq!(render(&sorted, &ticks), render(&other, &other_ticks));
        prop_assert_eq!(other.counts().late, 0);
    }

    #[test]
    fn what_comes_in_together_does_not_show(rows in rows(), sizes in prop::collection::vec(1_usize..40, 80)) {
        let (apart, ticks) = run(&rows, settings());
        let mut together = Monitor::new(settings());
        let (mut rest, mut other_ticks) = (&rows[..], Vec::new());
        for size in sizes {
            let (round, later) = rest.split_at(size.min(rest.len()));
            rest = later;
            together.push(&by_signal(round)).unwrap();
            other_ticks.extend(drain(&mut together));
        }
        together.finish();
        other_ticks.extend(drain(&mut together));
        prop_assert_eq!(together.counts().late, 0);
        prop_assert_eq!(render(&apart, &ticks), render(&together, &other_ticks));
    }

    #[test]
    fn every_tick_is_sealed_once(rows in rows()) {
        let (_, ticks) = run(&rows, settings());
        let first = ticks[0].number;
        prop_assert!(ticks.iter().enumerate().all(|(i, tick)| tick.number == first + i as u64));
    }

    #[test]
    fn a_checkpoint_does_not_show(rows in rows(), cut in 0_usize..80, auto in any::<bool>()) {
        let settings = || if auto { Settings { step_spacings: 12, ..Settings::default() } } else { settings() };
        let (whole, ticks) = run(&rows, settings());
        let cut = cut.min(rows.len());
        let mut before = Monitor::new(settings());
        let mut seen = Vec::new();
        for row in &rows[..cut] {
            before.push(&[batch(row)]).unwrap();
            seen.extend(drain(&mut before));
        }
        let tables = before.snapshot().unwrap();
        let mut after = Monitor::new(settings());
        after.restore(&tables).unwrap();
        prop_assert_eq!(after.snapshot().unwrap(), tables);
        for row in &rows[cut..] {
            after.push(&[batch(row)]).unwrap();
            seen.extend(drain(&mut after));
        }
        after.finish();
        seen.extend(drain(&mut after));
        prop_assert_eq!(render(&whole, &ticks), render(&after, &seen));
        prop_assert_eq!(whole.counts(), after.counts());
        prop_assert_eq!(whole.snapshot().unwrap(), after.snapshot().unwrap());
    }
}
