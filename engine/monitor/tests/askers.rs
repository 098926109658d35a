//! Who asks, and what for: one of many that stands out, as series and in words.

use proptest::prelude::*;
use theriac_contract::{
    Checkpointed, Interval, Telemetry, Tick, Timestamp,
    frame::Example,
    telemetry::{SpanBuilder, SpanKind, SpanRow, SpanStatus},
};
use theriac_monitor::{Monitor, Settings, Step};

fn settings() -> Settings {
    Settings { step: Step::Fixed(Interval::from_seconds(10)), askers_max: 16, ..Settings::default() }
}

/// One request, or a call to a cache on behalf of one; milliseconds.
#[derive(Clone, Debug)]
struct Asked {
    id: u64,
    parent: u64,
    kind: SpanKind,
    end: i64,
    attributes: String,
    error: bool,
}

fn request(id: u64, tenant: u64, end: i64) -> Asked {
    let attributes = format!(r#"{{"http.route":"/cart","tenant.id":"{tenant}"}}"#);
    Asked { id, parent: 0, kind: SpanKind::Server, end, attributes, error: false }
}

fn lookup(id: u64, key: u64, end: i64) -> Asked {
    let attributes = format!(r#"{{"cache.key":"{key}","peer.service":"cache"}}"#);
    Asked { id, parent: 1, kind: SpanKind::Client, end, attributes, error: false }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000).plus(Interval::from_millis(ms))
}

fn batch(spans: &[Asked]) -> Telemetry {
    let mut builder = SpanBuilder::default();
    for span in spans {
        builder.push(&SpanRow {
            trace_id: u128::from(span.id).to_be_bytes(),
            span_id: span.id.to_be_bytes(),
            parent_span_id: (span.parent != 0).then(|| span.parent.to_be_bytes()),
            name: "ask",
            kind: span.kind,
            start: at(span.end - 10),
            end: at(span.end),
            resource: r#"{"service.name":"shop"}"#,
            scope: "{}",
            attributes: &span.attributes,
            status: if span.error { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: "",
            events: "[]",
            links: "[]",
            trace_state: "",
        });
    }
    Telemetry::Spans(builder.finish())
}

/// The next tick, with the traces of all series that have some.
fn sealed(monitor: &mut Monitor) -> Option<Tick> {
    let mut tick = monitor.seal()?;
    let ids = (0..monitor.series().len()).map(|id| theriac_contract::SeriesId(id as u32));
    tick.examples.extend(ids.flat_map(|id| monitor.traces_of(tick.number, id)));
    Some(tick)
}

fn run(spans: &[Asked]) -> (Monitor, Vec<Tick>) {
    let mut monitor = Monitor::new(settings());
    let mut spans = spans.to_vec();
    spans.sort_by_key(|span| span.end);
    monitor.push(&[batch(&spans)]).expect("spans are built to the schema");
    monitor.finish();
    let ticks = std::iter::from_fn(|| sealed(&mut monitor)).collect();
    (monitor, ticks)
}

/// Values of a series by tick; none where there is none.
fn values(monitor: &Monitor, ticks: &[Tick], key: &str) -> Vec<Option<f64>> {
    let key = format!("default|{key}");
    let id = monitor.series().iter().position(|series| series.key == key);
    let of = |tick: &Tick| tick.values.get(id?).copied().filter(|value| value.is_finite());
    ticks.iter().map(of).collect()
}

fn is_about(example: &Example, name: &str) -> bool {
    example.who.as_ref().is_some_and(|standing| standing.who.as_str() == name && standing.chance < 1e-8)
}

/// Ten ticks of twenty requests by twenty askers, and after `quiet` of them twenty more of the seventh.
fn rush(make: impl Fn(u64, u64, i64) -> Asked, quiet: u64) -> Vec<Asked> {
    let mut spans = Vec::new();
    for tick in 0..10 {
        let more = if tick >= quiet { 20 } else { 0 };
        let askers = (0..20).chain(std::iter::repeat_n(7, more));
        for (place, asker) in (0..).zip(askers) {
            spans.push(make(1 + tick * 100 + place, asker, tick as i64 * 10_000 + 100 + place as i64 * 200));
        }
    }
    spans
}

#[test]
fn one_tenant_that_asks_for_much_more_is_named_with_its_parts_and_a_trace() {
    let (monitor, ticks) = run(&rush(request, 8));
    let more = values(&monitor, &ticks, r#"shop|span.asker.excess|{"attribute":"tenant.id"}"#);
    assert!(more[..8].iter().all(Option::is_none), "{more:?}");
    // It has 42 of 80 in two ticks; before, one of twenty, or of those who are not remembered one of sixteen.
    let last = more[9].expect("it stands out");
    assert!((37.0..=38.0).contains(&last), "{last}");
    let told = ticks[9].examples.iter().find(|example| is_about(example, "tenant:7")).expect("it is named");
    assert!(told.text.starts_with("tenant 7 has 52 % of the requests (42 of 80 seen)"), "{}", told.text);
    assert!(ticks[9].examples.iter().any(|example| example.text.starts_with("tenant:7, trace 0")));
}

#[test]
fn a_key_is_counted_where_it_is_asked_for() {
    let (monitor, ticks) = run(&rush(lookup, 8));
    let more = values(&monitor, &ticks, r#"shop->cache|edge.key.excess|{"attribute":"cache.key"}"#);
    assert!(more[9].is_some_and(|more| more > 36.0), "{more:?}");
    assert!(ticks[9].examples.iter().any(|example| is_about(example, "key:7")));
}

#[test]
fn failures_that_are_kept_alone_are_no_sample_of_what_is_asked() {
    let failed = |id, key, end| Asked { parent: 0, error: true, ..lookup(id, key, end) };
    let mut spans = rush(lookup, 10);
    spans.extend((0..30).map(|number| failed(5_000 + number, 7, 95_000 + number as i64)));
    let (monitor, _) = run(&spans);
    assert!(monitor.series().iter().all(|series| !series.signal.contains(".key.")));
}

#[test]
fn more_by_all_is_nobodys_and_nothing_is_told_where_nobody_is_named() {
    let mut spans = rush(request, 10);
    spans.extend((0..60).map(|number| request(9_000 + number, number % 20, 91_000 + number as i64)));
    let nameless = |id, _, end| Asked { attributes: "{}".to_owned(), ..request(id, 0, end) };
    for spans in [spans, rush(nameless, 8)] {
        let (monitor, _) = run(&spans);
        assert!(monitor.series().iter().all(|series| !series.signal.contains(".asker.")));
    }
}

/// What ticks say, by key of the series.
fn render(monitor: &Monitor, ticks: &[Tick]) -> Vec<String> {
    let text = |tick: &Tick| {
        let keys = monitor.series().iter().map(|series| &series.key);
        let values: Vec<_> = keys.zip(tick.values.iter().map(|value| value.to_bits())).collect();
        format!("{} {values:?} {:?} {:?}", tick.number, tick.opened, tick.examples)
    };
    ticks.iter().map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn neither_the_order_of_arrival_nor_a_checkpoint_shows(
        delays in prop::collection::vec(0_i64..4_999, 260),
        cut in 0_usize..260,
        quiet in 2_u64..9,
    ) {
        let spans = rush(request, quiet);
        let (straight, ticks) = run(&spans);
        let mut arrivals: Vec<(i64, &Asked)> =
            spans.iter().zip(delays.iter().cycle()).map(|(span, delay)| (span.end + delay, span)).collect();
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let (mut monitor, mut seen) = (Monitor::new(settings()), Vec::new());
        for (number, (_, span)) in arrivals.iter().enumerate() {
            if number == cut {
                let tables = monitor.snapshot().expect("a snapshot");
                monitor = Monitor::new(settings());
                monitor.restore(&tables).expect("its own tables");
            }
            monitor.push(&[batch(std::slice::from_ref(*span))]).expect("spans are built to the schema");
            seen.extend(std::iter::from_fn(|| sealed(&mut monitor)));
        }
        monitor.finish();
        seen.extend(std::iter::from_fn(|| sealed(&mut monitor)));
        let differs = render(&straight, &ticks).into_iter().zip(render(&monitor, &seen)).find(|(a, b)| a != b);
        prop_assert_eq!(differs, None);
        prop_assert_eq!(ticks.len(), seen.len());
    }
}
