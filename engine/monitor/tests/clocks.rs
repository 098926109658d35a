//! A host whose clock runs ahead makes nobody else late, and is told.

use theriac_contract::{
    Checkpointed, Interval, Telemetry, Tick, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_monitor::{Monitor, Settings, Step};

fn settings() -> Settings {
    Settings { step: Step::Fixed(Interval::from_seconds(10)), ..Settings::default() }
}

/// What a host tells, in seconds of its own clock, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    host: usize,
    second: i64,
    now: i64,
}

fn batch(told: &[Told]) -> Telemetry {
    let mut builder = PointBuilder::default();
    for one in told {
        builder.push(&PointRow {
            time: Timestamp::from_seconds(1_000_000 + one.second),
            start_time: None,
            resource: &format!(r#"{{"host.name":"node-{}"}}"#, one.host),
            scope: "{}",
            name: "system.memory.usage",
            unit: "By",
            attributes: "{}",
            kind: PointKind::Gauge,
            temporality: Temporality::Unspecified,
            monotonic: false,
            value: Some(one.second as f64),
            histogram: None,
        });
    }
    Telemetry::Points(builder.finish())
}

/// Each host tells every ten seconds for five minutes; the clock of host 1 is `ahead` seconds ahead from
/// 100 s to 200 s.
fn day(hosts: usize, ahead: i64) -> Vec<Told> {
    let at = |second: i64, host| {
        let wrong = host == 1 && (100..200).contains(&second);
        Told { host, second: second + if wrong { ahead } else { 0 }, now: second }
    };
    (0..300).step_by(10).flat_map(|second| (1..=hosts).map(move |host| at(second, host))).collect()
}

/// Rows as they come, `together` at a time; taken down and made again before row `stop`.
fn run(told: &[Told], together: usize, stop: usize) -> (Monitor, Vec<Tick>) {
    let (mut monitor, mut ticks) = (Monitor::new(settings()), Vec::new());
    for (number, rows) in told.chunks(together).enumerate() {
        if number * together == stop {
            let saved = monitor.snapshot().expect("a snapshot");
            monitor = Monitor::new(settings());
            monitor.restore(&saved).expect("its own tables");
        }
        for row in rows {
            monitor.advance(Timestamp::from_seconds(1_000_000 + row.now));
            monitor.push(&[batch(std::slice::from_ref(row))]).expect("points");
        }
        ticks.extend(std::iter::from_fn(|| monitor.seal()));
    }
    monitor.finish();
    ticks.extend(std::iter::from_fn(|| monitor.seal()));
    (monitor, ticks)
}

/// What a host says in the tick that began at a second; none if it says nothing.
fn value(monitor: &Monitor, ticks: &[Tick], host: usize, signal: &str, second: i64) -> Option<f64> {
    let key = format!("default|host:node-{host}|{signal}|{{}}");
    let id = monitor.series().iter().position(|series| series.key == key)?;
    let tick = ticks.iter().find(|tick| tick.start == Timestamp::from_seconds(1_000_000 + second))?;
    tick.values.get(id).copied().filter(|value| value.is_finite())
}

#[test]
fn one_clock_that_runs_ahead_makes_nobody_late_and_is_told_at_once() {
    let (monitor, ticks) = run(&day(3, 30), 1, 0);
    assert_eq!(monitor.counts().late, 0);
    for second in (0..300).step_by(10) {
        assert_eq!(value(&monitor, &ticks, 2, "system.memory.usage", second), Some(second as f64));
    }
    assert_eq!(value(&monitor, &ticks, 1, "clock.offset.ahead", 100), Some(30.0));
    assert_eq!(value(&monitor, &ticks, 1, "clock.offset.ahead", 150), Some(30.0));
    assert_eq!(value(&monitor, &ticks, 1, "clock.offset.ahead", 250), Some(0.0));
    assert!(
        monitor.series().iter().all(|series| {
            series.signal != "clock.offset.ahead" || series.entity.as_str() == "host:node-1"
        })
    );
}

#[test]
fn clocks_that_differ_by_less_than_rows_may_run_back_are_right() {
    let (monitor, ticks) = run(&day(3, 5), 1, 0);
    assert_eq!(monitor.counts().late, 0);
    assert!(monitor.series().iter().all(|series| series.signal != "clock.offset.ahead"));
    assert_eq!(value(&monitor, &ticks, 1, "system.memory.usage", 100), Some(105.0));
}

/// With nobody to compare with, time is what it says.
#[test]
fn the_only_host_is_believed() {
    let (monitor, _) = run(&day(1, 30), 1, 0);
    // Set right again, it is late with what belongs to ticks that are over.
    assert_eq!(monitor.counts().late, 1);
    assert!(monitor.series().iter().all(|series| series.signal != "clock.offset.ahead"));
}

#[test]
fn how_the_input_is_cut_and_a_restart_do_not_show() {
    let told = day(3, 30);
    let (straight, ticks) = run(&told, 1, 0);
    let said = |monitor: &Monitor, ticks: &[Tick]| {
        let values: Vec<Vec<u64>> =
            ticks.iter().map(|tick| tick.values.iter().map(|value| value.to_bits()).collect()).collect();
        (monitor.series().to_vec(), values)
    };
    for (together, stop) in [(1, 31), (1, 35), (1, 60), (4, 0), (7, 35), (90, 0)] {
        let (monitor, again) = run(&told, together, stop);
        assert_eq!(
            said(&monitor, &again),
            said(&straight, &ticks),
            "{together} at a time, restored at {stop}"
        );
    }
}
