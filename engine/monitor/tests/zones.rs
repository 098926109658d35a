//! What spans tell of the ways between zones.

use theriac_contract::{
    Interval, Telemetry, Tick, Timestamp,
    telemetry::{SpanBuilder, SpanKind, SpanRow, SpanStatus},
};
use theriac_monitor::{Monitor, Settings, Step};

const STEP: Interval = Interval::from_seconds(10);

/// A call of one instance to another; times in milliseconds.
#[derive(Clone, Copy)]
struct Call {
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    /// Of the caller's side beside the work of the callee; none if the callee was never reached.
    gap: Option<i64>,
    /// Whether the caller knows which instance it called.
    named: bool,
}

const HERE: [(&str, &str); 2] = [("shop-1", "a"), ("shop-2", "b")];
const THERE: [(&str, &str); 2] = [("cart-1", "a"), ("cart-2", "b")];

fn at(ms: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000).plus(Interval::from_millis(ms))
}

fn push(builder: &mut SpanBuilder, ids: (u64, u64), call: &Call, client: bool, start: i64) {
    let ((instance, zone), kind) =
        if client { (call.from, SpanKind::Client) } else { (call.to, SpanKind::Server) };
    let service = &instance[..4];
    let resource = format!(
        r#"{{"cloud.availability_zone":"{zone}","host.name":"host-{instance}","service.instance.id":"{instance}","service.name":"{service}"}}"#
    );
    let attributes = match (client, call.named) {
        (true, true) => format!(r#"{{"peer.instance":"{}","peer.service":"cart"}}"#, call.to.0),
        (true, false) => r#"{"peer.service":"cart"}"#.to_owned(),
        _ => "{}".to_owned(),
    };
    let end = start + if client { 100 + call.gap.unwrap_or(900) } else { 100 };
    builder.push(&SpanRow {
        trace_id: u128::from(ids.0).to_be_bytes(),
        span_id: ids.1.to_be_bytes(),
        parent_span_id: (!client).then(|| (ids.1 - 1).to_be_bytes()),
        name: "get",
        kind,
        start: at(start),
        end: at(end),
        resource: &resource,
        scope: "{}",
        attributes: &attributes,
        status: if client && call.gap.is_none() { SpanStatus::Error } else { SpanStatus::Unset },
        status_message: "",
        events: "[]",
        links: "[]",
        trace_state: "",
    });
}

/// Each tick has so many of each of its calls.
fn run(ticks: &[&[Call]], of_each: u64) -> (Monitor, Vec<Tick>) {
    let mut builder = SpanBuilder::default();
    let mut id = 1;
    for (tick, calls) in (0..).zip(ticks) {
        for call in calls.iter() {
            for _ in 0..of_each {
                push(&mut builder, (id, id), call, true, tick * 10_000 + 1_000);
                if call.gap.is_some() {
                    push(&mut builder, (id, id + 1), call, false, tick * 10_000 + 1_000);
                }
                id += 2;
            }
        }
    }
    let mut monitor = Monitor::new(Settings { step: Step::Fixed(STEP), ..Settings::default() });
    monitor.push(&[Telemetry::Spans(builder.finish())]).expect("spans are built to the schema");
    monitor.finish();
    let ticks = std::iter::from_fn(|| monitor.seal()).collect();
    (monitor, ticks)
}

fn value(monitor: &Monitor, tick: &Tick, signal: &str) -> Option<f64> {
    let key = format!("default|zone:a->zone:b|{signal}|{{}}");
    let found = monitor.series().iter().position(|series| series.key == key)?;
    tick.values.get(found).copied().filter(|value| value.is_finite())
}

/// Calls of each instance to each, with these gaps within zones and between them.
fn all(within: i64, between: i64) -> Vec<Call> {
    let pairs = HERE.iter().flat_map(|from| THERE.iter().map(move |to| (*from, *to)));
    let gap = |from: (&str, &str), to: (&str, &str)| Some(if from.1 == to.1 { within } else { between });
    pairs.map(|(from, to)| Call { from, to, gap: gap(from, to), named: true }).collect()
}

#[test]
fn what_takes_longer_only_between_zones_lies_on_the_way() {
    let (even, held_up) = (all(4, 4), all(4, 24));
    let (monitor, ticks) = run(&[&even, &held_up, &all(24, 24)], 8);
    let of = |tick: usize, signal: &str| value(&monitor, &ticks[tick], signal);
    let near = |value: Option<f64>, wanted: f64| value.is_some_and(|value| (value - wanted).abs() < 1e-9);
    assert!(near(of(0, "zone.gap.excess"), 0.0) && near(of(0, "zone.calls.held_up"), 0.0));
    assert!(near(of(1, "zone.gap.excess"), 0.020), "{:?}", of(1, "zone.gap.excess"));
    assert!(near(of(1, "zone.calls.held_up"), 8.0));
    // What is slow everywhere is slow for other reasons.
    assert!(near(of(2, "zone.gap.excess"), 0.0) && near(of(2, "zone.calls.held_up"), 0.0));
    // Of few calls nothing is said.
    let (monitor, ticks) = run(&[&all(4, 24)], 4);
    assert_eq!(value(&monitor, &ticks[0], "zone.gap.excess"), None);
}

#[test]
fn calls_are_missed_between_zones_that_go_on_by_themselves() {
    let usual = all(4, 4);
    // Who gets nowhere cannot even say whom it would have reached.
    let mut split = usual.clone();
    split.iter_mut().filter(|call| call.from.1 != call.to.1).for_each(|call| {
        (call.gap, call.named) = (None, false);
    });
    let drained: Vec<Call> = usual.iter().copied().filter(|call| call.to.1 == "a").collect();
    let (monitor, ticks) = run(&[&usual, &usual, &split, &drained], 8);
    let missed = |tick: usize| value(&monitor, &ticks[tick], "zone.calls.missed");
    assert_eq!((missed(0), missed(1)), (Some(0.0), Some(0.0)));
    // Half of the calls from one zone go to the other: as many as stay.
    assert_eq!(missed(2), Some(8.0));
    // Where nobody is left, nobody is missed.
    assert_eq!(missed(3), None);
}

#[test]
fn without_zones_nothing_is_said_of_ways_between_them() {
    let one_zone: Vec<Call> =
        all(4, 24).into_iter().filter(|call| call.from.1 == "a" && call.to.1 == "a").collect();
    let (monitor, _) = run(&[&one_zone], 8);
    assert!(monitor.series().iter().all(|series| !series.signal.starts_with("zone.")));
}
