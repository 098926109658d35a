//! Rows of any signal, and the ticks that they become.

#![allow(dead_code, reason = "each suite uses its part")]

use std::collections::BTreeMap;

use arrow::{array::RecordBatch, compute::concat_batches};
use theriac_contract::{
    Interval, Telemetry, Tick, Timestamp,
    telemetry::{
        Histogram, LogBuilder, LogRow, PointBuilder, PointKind, PointRow, SpanBuilder, SpanKind, SpanRow,
        SpanStatus, Temporality,
    },
};
use theriac_monitor::{Monitor, Settings, Step};

pub(crate) const CART: &str =
    r#"{"host.name":"node-1","service.instance.id":"cart-1","service.name":"cart"}"#;
pub(crate) const SHOP: &str = r#"{"service.name":"shop"}"#;

pub(crate) fn settings() -> Settings {
    Settings { step: Step::Fixed(Interval::from_seconds(10)), novelty_after_ticks: 2, ..Settings::default() }
}

/// One row of any signal.
#[derive(Clone, Debug)]
pub(crate) enum Row {
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

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000).plus(Interval::from_millis(ms))
}

/// Rows as a source gives them: one batch for each signal.
pub(crate) fn by_signal(rows: &[Row]) -> Vec<Telemetry> {
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

pub(crate) fn batch(row: &Row) -> Telemetry {
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
pub(crate) fn render(monitor: &Monitor, ticks: &[Tick]) -> Vec<String> {
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

pub(crate) fn drain(monitor: &mut Monitor) -> Vec<Tick> {
    std::iter::from_fn(|| sealed(monitor)).collect()
}

pub(crate) fn run(rows: &[Row], settings: Settings) -> (Monitor, Vec<Tick>) {
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

pub(crate) fn value(monitor: &Monitor, tick: &Tick, key: &str) -> f64 {
    let found = monitor.series().iter().position(|series| series.key == key);
    let known = || monitor.series().iter().map(|series| series.key.as_str()).collect::<Vec<_>>().join("\n");
    tick.values
        .get(found.unwrap_or_else(|| panic!("no series {key} among\n{}", known())))
        .copied()
        .unwrap_or(f64::NAN)
}
