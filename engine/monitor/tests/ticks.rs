//! What ticks hold, and that they are a function of the rows alone.

use std::collections::BTreeMap;

use arrow::{array::RecordBatch, compute::concat_batches};
use proptest::prelude::*;
use theriac_contract::{
    Checkpointed, Interval, Telemetry, Tick, Timestamp,
    telemetry::{
        Histogram, LogBuilder, LogRow, PointBuilder, PointKind, PointRow, SpanBuilder, SpanKind, SpanRow,
        SpanStatus, Temporality,
    },
};
use theriac_monitor::{Monitor, Settings, Step};

const CART: &str = r#"{"host.name":"node-1","service.instance.id":"cart-1","service.name":"cart"}"#;
const SHOP: &str = r#"{"service.name":"shop"}"#;

fn settings() -> Settings {
    Settings { step: Step::Fixed(Interval::from_seconds(10)), novelty_after_ticks: 2, ..Settings::default() }
}

/// One row of any signal.
#[derive(Clone, Debug)]
enum Row {
    Gauge {
        ms: i64,
        value: f64,
    },
    Sum {
        ms: i64,
        start_ms: i64,
        name: &'static str,
        value: f64,
    },
    Requests {
        ms: i64,
        status: u16,
        count: u64,
        sum: f64,
        buckets: Vec<f64>,
    },
    Log {
        ms: i64,
        severity: u8,
        body: String,
    },
    Span {
        ms: i64,
        duration_ms: i64,
        id: u64,
        parent: Option<u64>,
        resource: &'static str,
        peer: bool,
        error: bool,
    },
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000).plus(Interval::from_millis(ms))
}

/// Rows as a source gives them: one batch for each signal.
fn by_signal(rows: &[Row]) -> Vec<Telemetry> {
    let mut batches: BTreeMap<&str, Vec<RecordBatch>> = BTreeMap::new();
    for row in rows.iter().map(batch) {
        batches.entry(row.signal()).or_default().push(row.batch().clone());
    }
    let joined = batches.into_iter().map(|(signal, batches)| {
        let joined = concat_batches(&batches[0].schema(), &batches).expect("one schema");
        match signal {
            "points" => Telemetry::Points(joined),
            "logs" => Telemetry::Logs(joined),
            _ => Telemetry::Spans(joined),
        }
    });
    joined.collect()
}

fn batch(row: &Row) -> Telemetry {
    let point = |ms, name, kind| PointRow {
        time: at(ms),
        start_time: None,
        resource: CART,
        scope: "{}",
        name,
        unit: "",
        attributes: "{}",
        kind,
        temporality: Temporality::Unspecified,
        monotonic: false,
        value: None,
        histogram: None,
    };
    let mut points = PointBuilder::default();
    match row {
        Row::Gauge { ms, value } => {
            points.push(&PointRow { value: Some(*value), ..point(*ms, "memory", PointKind::Gauge) });
        }
        Row::Sum { ms, start_ms, name, value } => points.push(&PointRow {
            start_time: Some(at(*start_ms)),
            temporality: Temporality::Cumulative,
            monotonic: true,
            value: Some(*value),
            ..point(*ms, name, PointKind::Sum)
        }),
        Row::Requests { ms, status, count, sum, buckets } => {
            let attributes = format!(r#"{{"http.response.status_code":{status},"http.route":"/cart"}}"#);
            let bounds = vec![0.1, 1.0];
            let histogram = Histogram {
                count: *count,
                sum: Some(*sum),
                bounds,
                buckets: buckets.clone(),
                ..Histogram::default()
            };
            points.push(&PointRow {
                temporality: Temporality::Cumulative,
                attributes: &attributes,
                unit: "s",
                histogram: Some(&histogram),
                ..point(*ms, "http.server.request.duration", PointKind::Histogram)
            });
        }
        Row::Log { ms, severity, body } => {
            let mut logs = LogBuilder::default();
            logs.push(&LogRow {
                time: at(*ms),
                observed_time: None,
                resource: CART,
                scope: "{}",
                severity_number: *severity,
                severity_text: "",
                event_name: ["deploy", "checkpoint", "compensator"]
                    .into_iter()
                    .find(|name| body.starts_with(name))
                    .unwrap_or_default(),
                body,
                attributes: r#"{"change.from":"1","change.to":"2"}"#,
                trace_id: None,
                span_id: None,
            });
            return Telemetry::Logs(logs.finish());
        }
        Row::Span { ms, duration_ms, id, parent, resource, peer, error } => {
            let mut spans = SpanBuilder::default();
            spans.push(&SpanRow {
                trace_id: [7; 16],
                span_id: id.to_be_bytes(),
                parent_span_id: parent.map(u64::to_be_bytes),
                name: "GET /",
                kind: if *resource == SHOP { SpanKind::Client } else { SpanKind::Server },
                start: at(ms - duration_ms),
                end: at(*ms),
                resource,
                scope: "{}",
                attributes: if *peer { r#"{"peer.service":"cart"}"# } else { "{}" },
                status: if *error { SpanStatus::Error } else { SpanStatus::Unset },
                status_message: "",
                events: "[]",
                links: "[]",
                trace_state: "",
            });
            return Telemetry::Spans(spans.finish());
        }
    }
    Telemetry::Points(points.finish())
}

/// The next tick, with the traces of all series that have some.
fn sealed(monitor: &mut Monitor) -> Option<Tick> {
    let mut tick = monitor.seal()?;
    let ids = (0..monitor.series().len()).map(|id| theriac_contract::SeriesId(id as u32));
    tick.examples.extend(ids.flat_map(|id| monitor.traces_of(tick.number, id)));
    tick.examples.sort_by(|a, b| (&a.series, a.at, &a.text).cmp(&(&b.series, b.at, &b.text)));
    Some(tick)
}

/// Readable and exact: bits of the values by key, and the rest.
fn render(monitor: &Monitor, ticks: &[Tick]) -> Vec<String> {
    let text = |tick: &Tick| {
        let series = monitor.series();
        let values: Vec<_> =
            tick.values.iter().enumerate().map(|(i, v)| (&series[i].key, v.to_bits())).collect();
        format!(
            "{} {:?} {:?} {:?} {:?} {:?} {:?}",
            tick.number, tick.start, values, tick.opened, tick.edges, tick.changes, tick.examples
        )
    };
    ticks.iter().map(text).collect()
}

fn drain(monitor: &mut Monitor) -> Vec<Tick> {
    std::iter::from_fn(|| sealed(monitor)).collect()
}

fn run(rows: &[Row], settings: Settings) -> (Monitor, Vec<Tick>) {
    let mut monitor = Monitor::new(settings);
    let mut ticks = Vec::new();
    for row in rows {
        monitor.push(&[batch(row)]).expect("rows are built to the schema");
        ticks.extend(drain(&mut monitor));
    }
    monitor.finish();
    ticks.extend(drain(&mut monitor));
    (monitor, ticks)
}

fn value(monitor: &Monitor, tick: &Tick, key: &str) -> f64 {
    let found = monitor.series().iter().position(|series| series.key == key);
    let known = || monitor.series().iter().map(|series| series.key.as_str()).collect::<Vec<_>>().join("\n");
    tick.values
        .get(found.unwrap_or_else(|| panic!("no series {key} among\n{}", known())))
        .copied()
        .unwrap_or(f64::NAN)
}

#[test]
fn a_sum_becomes_a_rate_and_survives_a_restart() {
    let sum = |ms, start_ms, value| Row::Sum { ms, start_ms, name: "jobs", value };
    // 20 in 10 s; then a restart: 5 since the last point; then 30 in 10 s.
    let rows = [sum(0, 0, 100.0), sum(10_000, 0, 120.0), sum(20_000, 15_000, 5.0), sum(30_000, 15_000, 35.0)];
    let (monitor, ticks) = run(&rows, settings());
    let rates: Vec<f64> =
        ticks.iter().map(|tick| value(&monitor, tick, "default|cart/cart-1|jobs.rate|{}")).collect();
    assert!(rates[0].is_nan());
    assert_eq!(rates[1..], [2.0, 0.5, 3.0]);
}

#[test]
fn a_point_of_a_sum_that_comes_twice_counts_once() {
    let sum = |ms, value| Row::Sum { ms, start_ms: 0, name: "jobs", value };
    let rows = [sum(0, 100.0), sum(10_000, 120.0), sum(10_000, 120.0), sum(20_000, 150.0)];
    let (monitor, ticks) = run(&rows, settings());
    let rates: Vec<f64> =
        ticks.iter().map(|tick| value(&monitor, tick, "default|cart/cart-1|jobs.rate|{}")).collect();
    assert_eq!(rates[1..], [2.0, 3.0]);
}

#[test]
fn a_process_that_begins_anew_is_a_change_once() {
    let sum = |ms, start_ms, name, value| Row::Sum { ms, start_ms, name, value };
    let rows = [
        sum(0, 0, "jobs", 100.0),
        sum(0, 0, "mails", 3.0),
        sum(20_000, 15_000, "jobs", 5.0),
        sum(20_000, 15_100, "mails", 1.0),
        sum(30_000, 15_000, "jobs", 35.0),
    ];
    let (_, ticks) = run(&rows, settings());
    let changes: Vec<_> = ticks.iter().flat_map(|tick| &tick.changes).collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((changes[0].entity.as_str(), changes[0].kind.as_str()), ("cart/cart-1", "restart"));
    assert_eq!(changes[0].at, at(15_000));
}

#[test]
fn requests_are_added_over_how_they_ended() {
    let requests = |ms, status, count, sum, buckets: [f64; 3]| Row::Requests {
        ms,
        status,
        count,
        sum,
        buckets: buckets.to_vec(),
    };
    let rows = [
        requests(0, 200, 100, 5.0, [100.0, 0.0, 0.0]),
        requests(10_000, 200, 130, 8.0, [130.0, 0.0, 0.0]),
        // The first failures ever: all of them happened since the last report.
        requests(10_001, 500, 10, 5.0, [0.0, 10.0, 0.0]),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let of = |suffix: &str, attributes: &str| {
        let key = format!("default|cart/cart-1|http.server.request.duration.{suffix}|{attributes}");
        value(&monitor, &ticks[1], &key)
    };
    for attributes in ["{}", r#"{"http.route":"/cart"}"#] {
        assert_eq!(of("error_ratio", attributes), 0.25);
        assert_eq!(of("rate", attributes), 40.0 / 10.001);
        assert_eq!(of("mean", attributes), 8.0 / 40.0);
        // Rank 38 of 40 is 8 of 10 into the bucket from 0.1 to 1.
        assert!((of("p95", attributes) - 0.82).abs() < 1e-12);
    }
}

#[test]
fn what_counts_is_zero_while_its_entity_is_heard_and_absent_otherwise() {
    let rows = [
        Row::Gauge { ms: 0, value: 1.0 },
        Row::Log { ms: 1_000, severity: 17, body: "order 7 failed".into() },
        Row::Log { ms: 2_000, severity: 17, body: "order 8 failed".into() },
        Row::Gauge { ms: 10_000, value: 1.0 },
        Row::Gauge { ms: 30_000, value: 1.0 },
    ];
    let (monitor, ticks) = run(&rows, settings());
    let template = r#"default|cart/cart-1|log.template|{"severity":"error","template":"order <*> failed"}"#;
    for key in ["default|cart/cart-1|log.severity.error|{}", template] {
        let counts: Vec<f64> = ticks.iter().map(|tick| value(&monitor, tick, key)).collect();
        assert_eq!(counts[..2], [2.0, 0.0]);
        assert!(counts[2].is_nan());
        assert_eq!(counts[3], 0.0);
    }
    assert_eq!(ticks[0].examples.len(), 4);
    assert_eq!(ticks[0].examples[0].text, "order 7 failed");
}

#[test]
fn templates_that_become_one_are_one_series_from_then_on() {
    let log = |ms, user: &str| Row::Log {
        ms,
        severity: 17,
        body: format!("session opened for user {user} by (uid={ms})"),
    };
    let rows = [
        log(1_000, "ann"),
        log(2_000, "bob"),
        log(11_000, "cid"),
        log(12_000, "dan"),
        log(13_000, "bob"),
        log(21_000, "ann"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let count = |tick: usize, user: &str| {
        let text = format!(
            r#"default|cart/cart-1|log.template|{{"severity":"error","template":"session opened for user {user} by (uid=<*>)"}}"#
        );
        value(&monitor, &ticks[tick], &text)
    };
    // Two names may be two messages; with the third they are one, which keeps the older series.
    assert_eq!((count(0, "ann"), count(0, "bob")), (1.0, 1.0));
    assert_eq!((count(1, "ann"), count(2, "ann")), (3.0, 1.0));
    // Nobody is missed of whom nothing can be heard any more.
    assert!(count(1, "bob").is_nan() && count(2, "bob").is_nan());
    assert!(!monitor.series().iter().any(|series| series.attributes.contains("cid")));
}

fn log(ms: i64, body: &str) -> Row {
    Row::Log { ms, severity: 9, body: body.to_owned() }
}

/// What a series of the cart says in each tick, and its examples.
fn told(monitor: &Monitor, ticks: &[Tick], signal: &str) -> Vec<(u64, f64, Vec<String>)> {
    let key = format!("default|cart/cart-1|{signal}|{{}}");
    let Some(id) = monitor.series().iter().position(|series| series.key == key) else { return Vec::new() };
    let examples = |tick: &Tick| {
        let of_series =
            tick.examples.iter().filter(|example| example.series.iter().any(|one| one.index() == id));
        of_series.map(|example| example.text.clone()).collect()
    };
    let spoke = ticks.iter().filter(|tick| tick.values.get(id).is_some_and(|value| *value > 0.0));
    spoke.map(|tick| (tick.number - ticks[0].number, tick.values[id], examples(tick))).collect()
}

#[test]
fn a_template_that_was_never_seen_is_told_once_and_not_of_a_service_that_is_new_itself() {
    let rows = [
        log(1_000, "cart loaded in 3 ms"),
        log(11_000, "cart saved"),
        log(31_000, "cart loaded in 5 ms"),
        log(32_000, "coupon 17 was refused"),
        log(33_000, "coupon 18 was refused"),
        log(41_000, "coupon 19 was refused"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let shown = vec!["coupon 17 was refused".to_owned()];
    assert_eq!(told(&monitor, &ticks, "log.template.new"), [(3, 1.0, shown)]);
}

#[test]
fn lines_that_come_out_of_order_are_told_with_what_they_followed() {
    let steps = ["order 1 received", "stock reserved", "card charged", "parcel sent"];
    let mut rows: Vec<Row> = (0..5_000_i64).map(|i| log(100 * i, steps[i as usize % 4])).collect();
    // The card is not charged.
    rows.extend((0..2).map(|i| log(500_000 + i * 1_000, steps[i as usize])));
    rows.push(log(502_000, steps[3]));
    let (monitor, ticks) = run(&rows, settings());
    let shown = vec!["parcel sent, after: stock reserved".to_owned()];
    assert_eq!(told(&monitor, &ticks, "log.sequence.unlikely"), [(50, 1.0, shown)]);
}

#[test]
fn a_value_that_never_stood_there_is_told() {
    let opened = |user: &str| format!("session opened for user {user} by (uid=0)");
    let users = ["ann", "bob", "cid"];
    let mut rows: Vec<Row> = (0..3_000_i64).map(|i| log(500 * i, &opened(users[i as usize % 3]))).collect();
    rows.push(log(1_500_500, &opened("mallory")));
    let (monitor, ticks) = run(&rows, settings());
    let told = told(&monitor, &ticks, "log.parameter.unlikely");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, 1.0);
    assert!(told[0].2[0].starts_with("mallory among 3 values in "), "{told:?}");
}

#[test]
fn errors_that_were_thrown_in_one_place_are_one_series_and_severities_have_a_share() {
    let thrown = |ms: i64, message: &str| Row::Log {
        ms,
        severity: 17,
        body: format!(
            "{message}\njava.io.IOException: {message}\n\tat shop.Disk.write(Disk.java:{ms})\n\tat shop.Cart.save(Cart.java:1)"
        ),
    };
    let rows = [
        thrown(1_000, "disk full"),
        thrown(2_000, "no route to host"),
        log(3_000, "cart saved"),
        log(4_000, "cart saved"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let key = r#"default|cart/cart-1|log.exception|{"exception":"java.io.IOException < shop.Disk.write < shop.Cart.save"}"#;
    assert_eq!(value(&monitor, &ticks[0], key), 2.0);
    assert_eq!(value(&monitor, &ticks[0], "default|cart/cart-1|log.count|{}"), 4.0);
    assert_eq!(value(&monitor, &ticks[0], "default|cart/cart-1|log.error_ratio|{}"), 0.5);
}

#[test]
fn a_call_is_an_edge_whether_the_caller_names_it_or_the_child_shows_it() {
    for peer in [true, false] {
        let span = |ms, duration_ms, id, parent, resource, error| Row::Span {
            ms,
            duration_ms,
            id,
            parent,
            resource,
            peer: peer && resource == SHOP,
            error,
        };
        // The child ends, and comes, before its parent.
        let rows = [span(900, 400, 2, Some(1), CART, true), span(1_000, 600, 1, None, SHOP, true)];
        let (monitor, ticks) = run(&rows, settings());
        let of = |key: &str| value(&monitor, &ticks[0], key);
        assert_eq!(of("default|shop->cart|edge.count|{}"), 1.0);
        assert_eq!(of("default|shop->cart|edge.duration.mean|{}"), if peer { 0.6 } else { 0.4 });
        assert_eq!(of("default|shop->cart/cart-1|edge.error_ratio|{}"), 1.0);
        assert_eq!(of(r#"default|cart|span.count|{"operation":"GET /"}"#), 1.0);
        assert_eq!(of(r#"default|cart/cart-1|span.duration.p95|{"operation":"GET /"}"#), 0.4);
        let calls = ticks[0].edges.iter().filter(|edge| edge.from.as_str() == "shop");
        assert!(calls.clone().any(|edge| edge.to.as_str() == "cart/cart-1"));
        assert!(ticks[0].edges.iter().any(|edge| edge.to.as_str() == "host:node-1"));
    }
}

#[test]
fn what_is_registered_against_trouble_is_kept_with_the_changes() {
    for kind in [theriac_contract::Change::CHECKPOINT, theriac_contract::Change::COMPENSATOR] {
        let (_, ticks) =
            run(&[Row::Log { ms: 5, severity: 9, body: format!("{kind} of the orders") }], settings());
        let [change] = ticks[0].changes.as_slice() else { panic!("{:?}", ticks[0].changes) };
        assert_eq!(
            (change.entity.as_str(), change.kind.as_str(), change.to.as_str()),
            ("cart/cart-1", kind, "2")
        );
        assert!(change.is_harmless());
    }
}

#[test]
fn a_deploy_is_a_change() {
    let (_, ticks) = run(&[Row::Log { ms: 5, severity: 9, body: "deploy of cart".into() }], settings());
    let change = &ticks[0].changes[0];
    assert_eq!(
        (change.entity.as_str(), change.kind.as_str(), change.to.as_str()),
        ("cart/cart-1", "deploy", "2")
    );
}

#[test]
fn late_rows_are_counted_and_dropped() {
    let rows = [0, 30_000, 24_999, 9_000].map(|ms| Row::Gauge { ms, value: ms as f64 });
    let (monitor, ticks) = run(&rows, settings());
    assert_eq!(monitor.counts().late, 1);
    assert_eq!(ticks.len(), 4);
    assert_eq!(value(&monitor, &ticks[2], "default|cart/cart-1|memory|{}"), 24_999.0);
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
