//! What spans tell of traces: where time goes, how calls follow each other, what is incomplete.

use proptest::prelude::*;
use theriac_contract::{
    Checkpointed, Interval, Telemetry, Tick, Timestamp,
    frame::Example,
    telemetry::{LogBuilder, LogRow, SpanBuilder, SpanKind, SpanRow, SpanStatus},
};
use theriac_monitor::{Monitor, Settings, Step};

fn settings() -> Settings {
    Settings {
        step: Step::Fixed(Interval::from_seconds(10)),
        structure_learnt_for: Interval::from_seconds(30),
        ..Settings::default()
    }
}

/// One span; times in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Span {
    trace: u64,
    id: u64,
    parent: u64,
    service: &'static str,
    name: &'static str,
    kind: SpanKind,
    start: i64,
    end: i64,
    peer: &'static str,
    error: bool,
    state: &'static str,
}

const fn span(id: u64, parent: u64, service: &'static str, name: &'static str, start: i64, end: i64) -> Span {
    let kind = SpanKind::Server;
    Span { trace: 1, id, parent, service, name, kind, start, end, peer: "", error: false, state: "" }
}

/// A client's side, and the server's half as long in the middle of it.
fn call(id: u64, parent: u64, from: &'static str, to: &'static str, start: i64, end: i64) -> [Span; 2] {
    let (kind, quarter) = (SpanKind::Client, (end - start) / 4);
    [
        Span { kind, peer: to, ..span(id, parent, from, to, start, end) },
        span(id + 1, id, to, "serve", start + quarter, end - quarter),
    ]
}

/// The next tick, with the traces of all series that have some.
fn sealed(monitor: &mut Monitor) -> Option<Tick> {
    let mut tick = monitor.seal()?;
    let ids = (0..monitor.series().len()).map(|id| theriac_contract::SeriesId(id as u32));
    tick.examples.extend(ids.flat_map(|id| monitor.traces_of(tick.number, id)));
    tick.examples.sort_by(|a, b| (&a.series, a.at, &a.text).cmp(&(&b.series, b.at, &b.text)));
    Some(tick)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000).plus(Interval::from_millis(ms))
}

fn batch(spans: &[Span]) -> Telemetry {
    let mut builder = SpanBuilder::default();
    for span in spans {
        builder.push(&SpanRow {
            trace_id: u128::from(span.trace).to_be_bytes(),
            span_id: span.id.to_be_bytes(),
            parent_span_id: (span.parent != 0).then(|| span.parent.to_be_bytes()),
            name: span.name,
            kind: span.kind,
            start: at(span.start),
            end: at(span.end),
            resource: &format!(r#"{{"service.name":"{}"}}"#, span.service),
            scope: "{}",
            attributes: &match span.peer.split_once(':') {
                _ if span.peer.is_empty() => "{}".to_owned(),
                Some(("topic", name)) => format!(r#"{{"messaging.destination.name":"{name}"}}"#),
                Some(("db", name)) => format!(r#"{{"db.system":"{name}"}}"#),
                _ => format!(r#"{{"peer.service":"{}"}}"#, span.peer),
            },
            status: if span.error { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: "",
            events: "[]",
            links: "[]",
            trace_state: span.state,
        });
    }
    Telemetry::Spans(builder.finish())
}

fn run(spans: &[Span], settings: Settings) -> (Monitor, Vec<Tick>) {
    let mut monitor = Monitor::new(settings);
    let mut spans = spans.to_vec();
    spans.sort_by_key(|span| span.end);
    monitor.push(&[batch(&spans)]).expect("spans are built to the schema");
    monitor.finish();
    let ticks = std::iter::from_fn(|| sealed(&mut monitor)).collect();
    (monitor, ticks)
}

/// The value of a series in a tick; none if it said nothing or is not known.
fn value(monitor: &Monitor, tick: &Tick, key: &str) -> Option<f64> {
    let key = format!("default|{key}");
    let found = monitor.series().iter().position(|series| series.key == key)?;
    tick.values.get(found).copied().filter(|value| value.is_finite())
}

#[test]
fn time_is_told_by_where_it_was_spent() {
    // 100 ms of which 80 are two calls of 40, each half of it on its way.
    let mut spans = vec![span(1, 0, "shop", "buy", 0, 100)];
    spans.extend(call(2, 1, "shop", "cart", 10, 50));
    spans.extend(call(4, 1, "shop", "bank", 50, 90));
    let (monitor, ticks) = run(&spans, settings());
    let of = |key: &str| value(&monitor, &ticks[0], key);
    assert_eq!(of(r#"shop|span.duration.mean|{"operation":"buy"}"#), Some(0.1));
    assert_eq!(of(r#"shop|span.self_time.mean|{"operation":"buy"}"#), Some(0.02));
    assert_eq!(of(r#"shop|span.critical_path.share|{"operation":"buy"}"#), Some(0.2));
    assert_eq!(of(r#"cart|span.critical_path.share|{"operation":"serve"}"#), Some(0.2));
    // Its own time is its duration: not said twice.
    assert_eq!(of(r#"cart|span.self_time.mean|{"operation":"serve"}"#), None);
    assert_eq!(of("shop->cart|edge.gap.mean|{}"), Some(0.02));
    assert_eq!(of("shop->bank|edge.gap.p95|{}"), Some(0.02));
    assert_eq!(of("shop->bank|edge.calls_per_request|{}"), Some(1.0));
    assert_eq!(of("shop->bank|edge.duration.mean|{}"), Some(0.04));
    // Two operations of one kind are also counted together.
    assert_eq!(of(r#"shop|span.count|{"kind":"client"}"#), Some(2.0));
    assert_eq!(of(r#"shop|span.count|{"kind":"server"}"#), None);
}

#[test]
fn a_call_after_a_failed_one_is_a_retry() {
    let mut spans = vec![span(1, 0, "shop", "buy", 0, 100)];
    for (number, error) in [(0, true), (1, true), (2, false)] {
        let mut calls = call(10 + 2 * number, 1, "shop", "bank", 30 * number as i64, 30 * number as i64 + 20);
        calls[0].error = error;
        spans.extend(calls);
    }
    spans.extend(call(20, 1, "shop", "cart", 90, 95));
    let (monitor, ticks) = run(&spans, settings());
    let of = |key: &str| value(&monitor, &ticks[0], key);
    assert_eq!(of("shop->bank|edge.retries|{}"), Some(2.0));
    assert_eq!(of("shop->cart|edge.retries|{}"), None);
    assert_eq!(of("shop->bank|edge.calls_per_request|{}"), Some(3.0));
    assert_eq!(of("shop->bank|edge.error_ratio|{}"), Some(2.0 / 3.0));
}

/// One trace each ten seconds, of calls to these.
fn traces(callees: &[&[&'static str]]) -> Vec<Span> {
    let mut spans = Vec::new();
    for (trace, callees) in (0_u64..).zip(callees) {
        let start = trace as i64 * 10_000;
        let mut own = vec![span(1, 0, "shop", "buy", start, start + 100)];
        for (number, callee) in (0_u64..).zip(*callees) {
            let begin = start + 10 * number as i64 + 1;
            own.extend(call(2 + 2 * number, 1, "shop", callee, begin, begin + 8));
        }
        spans.extend(own.into_iter().map(|span| Span { trace: trace + 1, ..span }));
    }
    spans
}

#[test]
fn calls_in_another_order_and_along_new_edges_are_new() {
    let usual: &[&str] = &["cart", "bank"];
    let order = r#"shop|span.new_order|{"operation":"buy"}"#;
    for (changed, new_order, new_calls) in [
        (usual, None, None),
        (&["bank", "cart"][..], Some(1.0), None),
        (&["cart"], Some(1.0), None),
        (&[], Some(1.0), None),
        (&["cart", "bank", "mail"], Some(1.0), Some(1.0)),
    ] {
        let (monitor, ticks) = run(&traces(&[usual, usual, usual, usual, changed]), settings());
        assert_eq!(value(&monitor, &ticks[3], order), None);
        assert_eq!(value(&monitor, &ticks[4], order), new_order, "{changed:?}");
        assert_eq!(value(&monitor, &ticks[4], "shop->mail|edge.new_calls|{}"), new_calls, "{changed:?}");
    }
}

#[test]
fn a_sampled_span_counts_for_those_that_were_not_kept() {
    let sampled = Span { state: "vendor=x,ot=th:c", ..span(1, 0, "shop", "buy", 0, 10) };
    let failed = Span { trace: 2, error: true, ..span(1, 0, "shop", "buy", 0, 100) };
    let asked = Settings { more_quantiles: true, ..settings() };
    let (monitor, ticks) = run(&[sampled, failed], asked);
    let of =
        |signal: &str| value(&monitor, &ticks[0], &format!(r#"shop|span.{signal}|{{"operation":"buy"}}"#));
    assert_eq!(of("count"), Some(5.0));
    assert_eq!(of("error_ratio"), Some(0.2));
    assert_eq!(of("duration.mean"), Some(0.028));
    assert_eq!((of("duration.p50"), of("duration.p99")), (Some(0.01), Some(0.1)));
    let (monitor, _) = run(&[sampled, failed], settings());
    assert!(!monitor.series().iter().any(|series| series.signal.ends_with(".p50")), "nobody asked");
}

#[test]
fn traces_that_lie_over_the_end_of_a_tick_are_joined_and_incomplete_ones_counted() {
    let mut spans = vec![span(1, 0, "shop", "buy", 0, 10_100)];
    spans.extend(call(2, 1, "shop", "cart", 1_000, 2_000));
    // Begins before its parent ends, and is over after that.
    spans.push(span(9, 1, "mail", "send", 10_050, 21_000));
    spans.push(span(11, 10, "bank", "pay", 0, 100));
    spans.push(Span { trace: 2, ..span(1, 0, "shop", "buy", 99_000, 99_001) });
    let (monitor, ticks) = run(&spans, settings());
    let own = r#"shop|span.self_time.mean|{"operation":"buy"}"#;
    assert_eq!(value(&monitor, &ticks[1], own), Some(9.1));
    assert_eq!(value(&monitor, &ticks[2], "shop->mail|edge.count|{}"), Some(1.0));
    let counts = monitor.counts();
    assert_eq!((counts.orphan_spans, counts.late_children), (1, 1));
    // Sealed when the time to wait for its parent was over.
    assert_eq!(value(&monitor, &ticks[7], "bank|span.orphans|{}"), Some(1.0));
}

#[test]
fn what_is_remembered_is_bounded_and_what_is_not_is_counted() {
    let spans: Vec<Span> = (0..40)
        .map(|number| Span {
            trace: number,
            ..span(2, number % 2, "shop", "buy", number as i64, number as i64 + 1)
        })
        .collect();
    let few = Settings { links_max: 15, ..settings() };
    let (monitor, _) = run(&spans, few.clone());
    // Twenty wait for a parent and go before those that do not.
    assert_eq!((monitor.counts().shed_links, monitor.counts().forgotten_spans), (5, 20));
    let mut again = Monitor::new(few);
    let tables = monitor.snapshot().expect("a snapshot");
    again.restore(&tables).expect("its own tables");
    assert_eq!(again.snapshot().expect("a snapshot"), tables);
}

#[test]
fn a_series_is_shown_by_traces_of_now_and_of_before() {
    let mut spans = traces(&[&["cart", "bank"], &["cart"], &["cart", "bank"]]);
    let (failed, slow) = (2, 3);
    for span in spans.iter_mut().filter(|span| span.trace == failed && span.service == "shop") {
        span.error = true;
    }
    for span in spans.iter_mut().filter(|span| span.trace == slow && span.peer.is_empty() && span.id == 1) {
        span.end += 1_500;
    }
    let (monitor, ticks) = run(&spans, settings());
    let examples = |tick: usize, key: &str| {
        let key = format!("default|{key}");
        let id = monitor.series().iter().position(|series| series.key == key).expect("a series");
        let shows = |example: &&Example| example.series.iter().any(|series| series.index() == id);
        let shown = ticks[tick].examples.iter().filter(shows);
        let mut shown: Vec<_> = shown.map(|example| (example.usual, example.text.clone())).collect();
        shown.sort_by_key(|(usual, _)| !usual);
        shown
    };
    let usual = "before, trace 00000000000000000000000000000001
  shop buy 100 ms
    cart serve 4.00 ms
    bank serve 4.00 ms";
    let failures = examples(1, r#"shop|span.error_ratio|{"operation":"buy"}"#);
    let trace = "failed trace 00000000000000000000000000000002
  shop buy 100 ms, failed
    cart serve 4.00 ms";
    assert_eq!(failures, [(true, usual.to_owned()), (false, trace.to_owned())]);
    let slow = examples(2, r#"shop|span.duration.p95|{"operation":"buy"}"#);
    let trace = "slowest trace 00000000000000000000000000000003
  shop buy 1.60 s
    cart serve 4.00 ms
    bank serve 4.00 ms";
    assert_eq!(slow, [(true, usual.to_owned()), (false, trace.to_owned())]);
    assert_eq!(examples(2, "shop->bank|edge.count|{}").len(), 2);
    assert_eq!(examples(2, "shop->bank|edge.error_ratio|{}").len(), 1);
}

#[test]
fn a_line_is_shown_with_its_trace_and_a_trace_with_its_lines() {
    let failed = Span { error: true, ..span(1, 0, "shop", "buy", 0, 100) };
    let mut logs = LogBuilder::default();
    for (ms, trace, severity, body) in [
        (50, 1_u128, 17, "payment 7 was refused\njava.lang.Error: no"),
        (60, 1, 9, "buy took 100 ms"),
        (70, 2, 17, "payment 8 was refused"),
    ] {
        logs.push(&LogRow {
            time: at(ms),
            observed_time: None,
            resource: r#"{"service.name":"shop"}"#,
            scope: "{}",
            severity_number: severity,
            severity_text: "",
            event_name: "",
            body,
            attributes: "{}",
            trace_id: Some(trace.to_be_bytes()),
            span_id: None,
        });
    }
    let mut monitor = Monitor::new(settings());
    monitor.push(&[batch(&[failed]), Telemetry::Logs(logs.finish())]).unwrap();
    monitor.finish();
    let tick = sealed(&mut monitor).expect("a tick");
    let shown = |key: &str| {
        let id = monitor.series().iter().position(|series| series.key.contains(key)).expect("a series");
        let shows = |example: &&Example| example.series.iter().any(|series| series.index() == id);
        tick.examples.iter().filter(shows).map(|example| example.text.clone()).collect::<Vec<_>>()
    };
    let tree = "00000000000000000000000000000001\n  shop buy 100 ms, failed\n  said: payment 7 was refused";
    assert_eq!(shown("shop|span.error_ratio"), [format!("failed trace {tree}")]);
    let lines = shown(r#"{"severity":"error","template":"payment"#);
    let expected = ["payment 7 was refused\njava.lang.Error: no".to_owned(), format!("said in trace {tree}")];
    assert_eq!(lines[..2], expected, "the earliest first; what was not traced has no tree");
    assert_eq!(lines.len(), 3);
    assert_eq!(shown(r#"{"severity":"info""#), ["buy took 100 ms"]);
}

#[test]
fn a_large_trace_is_shown_from_the_span_on_and_cut() {
    let mut spans = vec![span(1, 0, "shop", "buy", 0, 900), span(2, 1, "shop", "pack", 0, 800)];
    spans.extend((3..23).map(|id| span(id, 2, "cart", "serve", id as i64, id as i64 + 1)));
    let (_, ticks) = run(&spans, settings());
    let longest = ticks[0].examples.iter().map(|example| example.text.lines().count()).max();
    assert_eq!(longest, Some(1 + 12 + 1));
    let text = &ticks[0].examples.iter().find(|example| example.text.contains("more")).expect("one").text;
    assert!(text.ends_with("\n  … and 10 more") || text.ends_with("\n  … and 9 more"), "{text}");
}

/// Spans of a few traces whose parents may come, or not, in any tick.
fn any_spans() -> impl Strategy<Value = Vec<Span>> {
    let kinds =
        [SpanKind::Unspecified, SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Consumer];
    let names = (prop::sample::select(vec!["shop", "cart", "bank"]), prop::sample::select(vec!["a", "b"]));
    let ids = (1_u64..4, 1_u64..12, 0_u64..12);
    let times = (0_i64..90_000, prop_oneof![0_i64..2_000, 0_i64..20_000]);
    let state = prop::sample::select(vec!["", "ot=th:8", "ot=th:fd70a4"]);
    let one = (ids, names, prop::sample::select(kinds.to_vec()), times, any::<bool>(), any::<bool>(), state)
        .prop_map(|((trace, id, parent), (service, name), kind, (end, length), named, error, state)| Span {
            trace,
            kind,
            peer: if named { "bank" } else { "" },
            error,
            state,
            ..span(id, parent, service, name, end - length, end)
        });
    prop::collection::vec(one, 1..120)
}

/// What ticks say, by key of the series.
fn render(monitor: &Monitor, ticks: &[Tick]) -> Vec<String> {
    let text = |tick: &Tick| {
        let keys = monitor.series().iter().map(|series| &series.key);
        let values: Vec<_> = keys.zip(tick.values.iter().map(|value| value.to_bits())).collect();
        format!("{} {values:?} {:?} {:?} {:?}", tick.number, tick.opened, tick.edges, tick.examples)
    };
    ticks.iter().map(text).collect()
}

fn drain(monitor: &mut Monitor) -> Vec<Tick> {
    std::iter::from_fn(|| sealed(monitor)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn neither_the_order_of_arrival_nor_a_checkpoint_shows(
        spans in any_spans(),
        delays in prop::collection::vec(0_i64..4_999, 120),
        cut in 0_usize..120,
        links_max in prop_oneof![Just(5_usize), Just(100_000)],
    ) {
        let few = || Settings { links_max, ..settings() };
        let (straight, ticks) = run(&spans, few());
        let mut arrivals: Vec<(i64, Span)> =
            spans.iter().zip(delays).map(|(span, delay)| (span.end + delay, *span)).collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let (mut monitor, mut seen) = (Monitor::new(few()), Vec::new());
        for (number, (_, span)) in arrivals.iter().enumerate() {
            if number == cut {
                let tables = monitor.snapshot().expect("a snapshot");
                monitor = Monitor::new(few());
                monitor.restore(&tables).expect("its own tables");
            }
            monitor.push(&[batch(&[*span])]).expect("spans are built to the schema");
            seen.extend(drain(&mut monitor));
        }
        monitor.finish();
        seen.extend(drain(&mut monitor));
        prop_assert_eq!(monitor.counts().late, 0);
        prop_assert_eq!(straight.counts(), monitor.counts());
        let differs = render(&straight, &ticks).into_iter().zip(render(&monitor, &seen)).find(|(a, b)| a != b);
        prop_assert_eq!(differs, None);
        prop_assert_eq!(ticks.len(), seen.len());
    }
}

/// What a tick shows of who depends on whom: `from kind to count/served`.
fn edges(tick: &Tick) -> Vec<String> {
    let all = tick.edges.iter();
    all.map(|edge| format!("{} {} {} {}/{}", edge.from, edge.kind.verb(), edge.to, edge.count, edge.served))
        .collect()
}

#[test]
fn calls_are_told_with_who_served_them_and_by_which_name_they_were_called() {
    let mut spans = vec![span(1, 0, "shop", "buy", 0, 100)];
    spans.extend(call(2, 1, "shop", "cart", 10, 50));
    let mut other = call(4, 1, "shop", "bank", 50, 90);
    other[0].peer = "bank.svc:8080";
    spans.extend(other);
    let (_, ticks) = run(&spans, settings());
    assert_eq!(
        edges(&ticks[0]),
        [
            "bank.svc:8080 stands for bank 1/0",
            "shop calls bank 0/1",
            "shop calls bank.svc:8080 1/0",
            "shop calls cart 1/1",
        ]
    );
}

#[test]
fn messages_go_from_a_producer_through_a_queue_to_a_consumer() {
    let (producer, consumer) = (SpanKind::Producer, SpanKind::Consumer);
    let spans = [
        span(1, 0, "shop", "buy", 0, 100),
        Span { kind: SpanKind::Client, peer: "db:redis", ..span(7, 1, "shop", "get", 10, 20) },
        // The queue is known from the producer alone.
        Span { kind: producer, peer: "topic:a/b", ..span(2, 1, "shop", "publish", 10, 20) },
        Span { kind: consumer, ..span(3, 2, "mail", "process", 30, 40) },
        // Here from the consumer alone, and then from nobody.
        Span { kind: consumer, peer: "topic:c", ..span(6, 4, "stats", "process", 30, 40) },
        Span { kind: producer, ..span(4, 1, "shop", "publish", 10, 20) },
        Span { kind: consumer, ..span(5, 4, "audit", "process", 30, 40) },
    ];
    let (_, ticks) = run(&spans, settings());
    let told = edges(&ticks[0]);
    assert_eq!(
        told,
        [
            "audit consumes from shop 0/1",
            "mail consumes from topic:a.b 0/1",
            "shop queries redis 1/0",
            "shop publishes to topic:a.b 1/0",
            "stats consumes from topic:c 1/0",
        ]
    );
}

#[test]
fn an_instance_that_moves_is_told_to_be_gone_from_where_it_was() {
    let on = |host: &str, trace: u64, start: i64| {
        let mut builder = SpanBuilder::default();
        builder.push(&SpanRow {
            trace_id: u128::from(trace).to_be_bytes(),
            span_id: trace.to_be_bytes(),
            parent_span_id: None,
            name: "serve",
            kind: SpanKind::Server,
            start: at(start),
            end: at(start + 10),
            resource: &format!(
                r#"{{"cloud.availability_zone":"z","host.name":"{host}","service.instance.id":"1","service.name":"cart"}}"#
            ),
            scope: "{}",
            attributes: "{}",
            status: SpanStatus::Unset,
            status_message: "",
            events: "[]",
            links: "[]",
            trace_state: "",
        });
        Telemetry::Spans(builder.finish())
    };
    let mut monitor = Monitor::new(settings());
    let mut told = Vec::new();
    for (number, host) in (0_u64..).zip(["a", "a", "b", "b", "b", "b", "b", "b", "b", "b"]) {
        monitor.push(&[on(host, number + 1, number as i64 * 10_000)]).expect("the schema");
        if number == 4 {
            let saved = monitor.snapshot().expect("it can be saved");
            monitor = Monitor::new(settings());
            monitor.restore(&saved).expect("it can be restored");
        }
        while let Some(tick) = monitor.seal() {
            told.extend(
                edges(&tick)
                    .into_iter()
                    .map(|edge| format!("{} {edge}", tick.start.since(at(0)).as_seconds())),
            );
        }
    }
    assert_eq!(
        told,
        [
            "0 cart/1 is part of cart 1/0",
            "0 cart/1 runs on host:a 1/0",
            "0 host:a runs on zone:z 1/0",
            "20 cart/1 runs on host:b 1/0",
            "70 cart/1 runs on host:a 0/0",
        ]
    );
}
