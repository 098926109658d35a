//! Streams that are made to fill the memory: everything in them is new. What the monitor keeps stays
//! within its settings, however long they go on, and what was shed is counted.
//!
//! `cargo test -p theriac-monitor --test adversarial -- --nocapture` shows the sizes.

use std::collections::BTreeMap;

use serde_json::Value;
use theriac_contract::{
    Checkpointed, Interval, Telemetry, Timestamp,
    telemetry::{
        LogBuilder, LogRow, PointBuilder, PointKind, PointRow, SpanBuilder, SpanKind, SpanRow, SpanStatus,
        Temporality,
    },
};
use theriac_monitor::{Counts, Monitor, Settings, Step};

/// Rows of a tick, and ticks of each half of a run.
const ROWS: u64 = 400;
const HALF: u64 = 40;

/// Small limits, so that all of them are met within seconds.
fn settings() -> Settings {
    Settings {
        step: Step::Fixed(Interval::from_seconds(10)),
        series_max: 3_000,
        resources_max: 200,
        templates_max: 100,
        told_templates_max: 500,
        log_pairs_max: 500,
        parameters_max: 500,
        operations_max: 20,
        links_max: 1_000,
        link_for: Interval::from_seconds(30),
        transitions_max: 10,
        usual_traces_max: 50,
        askers_max: 40,
        asked_places_max: 60,
        pending_rows_max: 4 * ROWS as usize,
        ..Settings::default()
    }
}

/// What makes rows of a tick: its number, its start, and numbers that no other row has.
type Rows = fn(at: Timestamp, row: u64) -> Row;

enum Row {
    Log {
        resource: u64,
        body: String,
        attributes: String,
        trace: u128,
        severity: u8,
    },
    /// A cumulative sum.
    Point {
        resource: u64,
        name: String,
        attributes: String,
    },
    Span {
        resource: u64,
        name: String,
        attributes: String,
        trace: u128,
        id: u64,
        parent: u64,
    },
}

/// Letters that no other number gives: numbers themselves are values, and no part of a template.
fn letters(mut number: u64) -> String {
    number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = String::new();
    while number > 0 {
        text.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    text
}

fn batches(start: Timestamp, tick: u64, rows: Rows) -> Vec<Telemetry> {
    let (mut logs, mut spans) = (LogBuilder::default(), SpanBuilder::default());
    let mut points = PointBuilder::default();
    for number in 0..ROWS {
        let time = start.plus(Interval::from_millis((number * 10_000 / ROWS) as i64));
        let resource = |number: u64| {
            format!(r#"{{"service.instance.id":"i{number}","service.name":"s{}"}}"#, number % 3)
        };
        match rows(time, tick * ROWS + number) {
            Row::Log { resource: from, body, attributes, trace, severity } => logs.push(&LogRow {
                time,
                observed_time: None,
                resource: &resource(from),
                scope: "{}",
                severity_number: severity,
                severity_text: "",
                event_name: "",
                body: &body,
                attributes: &attributes,
                trace_id: (trace != 0).then(|| trace.to_be_bytes()),
                span_id: None,
            }),
            Row::Point { resource: from, name, attributes } => points.push(&PointRow {
                time,
                start_time: Some(Timestamp(start.0 - 1)),
                resource: &resource(from),
                scope: "{}",
                name: &name,
                unit: "1",
                attributes: &attributes,
                kind: PointKind::Sum,
                temporality: Temporality::Cumulative,
                monotonic: true,
                value: Some(number as f64),
                histogram: None,
            }),
            Row::Span { resource: from, name, attributes, trace, id, parent } => spans.push(&SpanRow {
                trace_id: trace.to_be_bytes(),
                span_id: id.to_be_bytes(),
                parent_span_id: (parent != 0).then(|| parent.to_be_bytes()),
                name: &name,
                kind: SpanKind::Client,
                start: Timestamp(time.0 - 1_000_000),
                end: time,
                resource: &resource(from),
                scope: "{}",
                attributes: &attributes,
                status: SpanStatus::Unset,
                status_message: "",
                events: "[]",
                links: "[]",
                trace_state: "",
            }),
        }
    }
    let mut batches = Vec::new();
    if !points.is_empty() {
        batches.push(Telemetry::Points(points.finish()));
    }
    if !logs.is_empty() {
        batches.push(Telemetry::Logs(logs.finish()));
    }
    if !spans.is_empty() {
        batches.push(Telemetry::Spans(spans.finish()));
    }
    batches
}

/// Entries of all lists and tables of the state, by their path.
fn sizes(monitor: &Monitor) -> BTreeMap<String, usize> {
    fn walk(value: &Value, path: &str, depth: u32, into: &mut BTreeMap<String, usize>) {
        match value {
            Value::Array(entries) => {
                into.insert(path.to_owned(), entries.len());
                if entries.len() < 8 && depth > 0 {
                    entries
                        .iter()
                        .enumerate()
                        .for_each(|(at, entry)| walk(entry, &format!("{path}[{at}]"), depth - 1, into));
                }
            }
            Value::Object(members) => {
                into.insert(path.to_owned(), members.len());
                if members.len() < 40 && depth > 0 {
                    members
                        .iter()
                        .for_each(|(name, entry)| walk(entry, &format!("{path}.{name}"), depth - 1, into));
                }
            }
            _ => {}
        }
    }
    let tables = monitor.snapshot().expect("a snapshot");
    let (state, _): (Value, usize) =
        theriac_contract::StateTable::to_json(&tables, "monitor", 3).expect("the state");
    let mut sizes = BTreeMap::new();
    walk(&state, "", 5, &mut sizes);
    sizes
}

/// Bytes of the state as it is saved.
fn bytes(monitor: &Monitor) -> usize {
    let tables = monitor.snapshot().expect("a snapshot");
    tables.iter().map(|table| table.rows.get_array_memory_size()).sum()
}

/// Runs a stream, and asks that the second half of it finds everything as full as the first left it.
fn run(name: &str, rows: Rows) -> (Counts, BTreeMap<String, usize>) {
    run_for(name, rows, HALF)
}

/// As [`run`], with so many ticks in each half.
fn run_for(name: &str, rows: Rows, half: u64) -> (Counts, BTreeMap<String, usize>) {
    let mut monitor = Monitor::new(settings());
    let begin = Timestamp::from_seconds(1_000_000);
    let mut told = Vec::new();
    for tick in 0..2 * half {
        let start = begin.plus(Interval::from_seconds(10 * tick as i64));
        monitor.push(&batches(start, tick, rows)).expect("it has the columns of its signal");
        while let Some(tick) = monitor.seal() {
            assert!(tick.values.len() <= settings().series_max, "{name}: more series than may be");
        }
        if tick + 1 == half || tick + 1 == 2 * half {
            told.push((bytes(&monitor), sizes(&monitor)));
        }
    }
    let [(first, _), (second, sizes)] = &told[..] else { unreachable!("two halves") };
    println!(
        "{name}: {first} bytes after {} rows, {second} after {}; {:?}",
        half * ROWS,
        2 * half * ROWS,
        monitor.counts()
    );
    // Names of templates and of ticks have more digits, and lists are not filled evenly.
    assert!(*second <= first + first / 4, "{name}: {first} bytes became {second}");
    (*monitor.counts(), sizes.clone())
}

/// The largest table below a path.
fn largest(sizes: &BTreeMap<String, usize>, below: &str) -> usize {
    sizes.iter().filter(|(path, _)| path.starts_with(below)).map(|(_, size)| *size).max().unwrap_or(0)
}

/// What holds for every stream.
fn check(name: &str, sizes: &BTreeMap<String, usize>) {
    let settings = settings();
    let miner = theriac_templates_settings();
    for (below, most) in [
        (".metrics", settings.series_max),
        (".index.series", settings.series_max),
        (".index.resources", settings.resources_max),
        (".journal.novelty.seen", settings.told_templates_max),
        (".journal.novelty.sequence.latest", settings.links_max),
        (".journal.novelty.parameters", settings.parameters_max),
        (".journal.kinds", settings.series_max),
        (".journal.miner.templates", miner.0),
        (".journal.miner.patterns", miner.1),
        (".journal.miner.aliases", miner.0),
        (".journal.loggers", 10_000),
        (".traces.carried", settings.links_max),
        (".traces.catalog", settings.series_max),
        (".traces.orders", settings.series_max),
        (".traces.new_edges", settings.series_max),
        (".traces.callers", settings.series_max),
        (".traces.usual_operations.traces", settings.usual_traces_max),
        (".traces.usual_edges.traces", settings.usual_traces_max),
        (".traces.asking", settings.asked_places_max),
        (".buckets", settings.pending_rows_max),
    ] {
        let found = largest(sizes, below);
        println!("{name}: {below} {found} of {most}");
        assert!(found <= most, "{name}: {below} holds {found}; its limit is {most}");
    }
}

/// Limits of the miner, which are its defaults: templates and patterns.
const fn theriac_templates_settings() -> (usize, usize) {
    (20_000, 40_000)
}

fn log(row: u64, body: String) -> Row {
    Row::Log { resource: row % 5, body, attributes: "{}".to_owned(), trace: 0, severity: 17 }
}

#[test]
fn all_new_templates() {
    let (counts, sizes) = run("templates", |_, row| {
        log(row, format!("{} {} {}", letters(row), letters(row + 7), letters(row * 3 + 1)))
    });
    check("templates", &sizes);
    assert!(counts.other_templates > 0 && counts.shed_log_pairs > 0, "{counts:?}");
}

#[test]
fn all_new_values() {
    let (counts, sizes) = run("values", |_, row| {
        let words = ["read", "wrote", "sent", "got", "kept"];
        log(
            row,
            format!(
                "{} block {row} of {}.{} for user=u{row}x{}",
                words[row as usize % 5],
                letters(row),
                row % 91,
                row * 7
            ),
        )
    });
    check("values", &sizes);
    assert_eq!(counts.logs, 2 * HALF * ROWS);
}

#[test]
fn all_new_resources_and_attributes() {
    let (counts, sizes) = run("attributes", |_, row| Row::Log {
        resource: row,
        body: "the same".to_owned(),
        attributes: format!(r#"{{"k{row}":"{}"}}"#, letters(row)),
        trace: 0,
        severity: 9,
    });
    check("attributes", &sizes);
    assert!(counts.shed_series > 0, "{counts:?}");
}

#[test]
fn all_new_trace_ids_of_logs() {
    let (_, sizes) = run("trace ids of logs", |_, row| Row::Log {
        resource: row % 5,
        body: format!("step {} done", ["one", "two", "three"][row as usize % 3]),
        attributes: "{}".to_owned(),
        trace: u128::from(row + 1) << 64 | 7,
        severity: 13,
    });
    check("trace ids of logs", &sizes);
}

#[test]
fn all_new_exception_stacks() {
    let (counts, sizes) = run("stacks", |_, row| {
        let frames: Vec<String> = (0..6)
            .map(|depth| {
                format!("\tat com.{}.{}.run({}.java:{row})", letters(row), letters(row + depth), letters(row))
            })
            .collect();
        log(row, format!("{}Exception: {row}\n{}", letters(row), frames.join("\n")))
    });
    check("stacks", &sizes);
    assert!(counts.shed_series + counts.other_templates > 0, "{counts:?}");
}

#[test]
fn all_new_operations_and_callees() {
    let (counts, sizes) = run("operations", |_, row| Row::Span {
        resource: row % 5,
        name: letters(row),
        attributes: format!(r#"{{"peer.service":"{}"}}"#, letters(row)),
        trace: u128::from(row / 4 + 1),
        id: row + 1,
        parent: if row % 4 == 0 { 0 } else { row },
    });
    check("operations", &sizes);
    assert!(counts.other_operations > 0 && counts.shed_series > 0, "{counts:?}");
}

#[test]
fn parents_that_never_come() {
    let (counts, sizes) = run("orphans", |_, row| Row::Span {
        resource: row % 5,
        name: "work".to_owned(),
        attributes: "{}".to_owned(),
        trace: u128::from(row + 1) << 32,
        id: row + 1,
        parent: u64::MAX - row,
    });
    check("orphans", &sizes);
    assert!(counts.orphan_spans + counts.shed_links > 0, "{counts:?}");
}

/// Nobody asks twice, and no attribute is there twice.
#[test]
fn all_new_askers() {
    let (counts, sizes) = run("askers", |_, row| Row::Span {
        resource: row % 5,
        name: "ask".to_owned(),
        attributes: match row % 2 {
            0 => format!(r#"{{"db.query.parameter.{row}":"{row}","peer.service":"cache"}}"#),
            _ => format!(r#"{{"cache.key":"{row}","peer.service":"cache"}}"#),
        },
        trace: u128::from(row + 1) << 32,
        id: row + 1,
        parent: 0,
    });
    check("askers", &sizes);
    assert!(counts.shed_askers > 0, "{counts:?}");
}

/// One trace that never ends: every span is the child of the one before.
#[test]
fn an_endless_trace() {
    let (counts, sizes) = run("endless", |_, row| Row::Span {
        resource: row % 5,
        name: format!("step{}", row % 10),
        attributes: "{}".to_owned(),
        trace: 1,
        id: row + 1,
        parent: row,
    });
    check("endless", &sizes);
    assert_eq!(counts.spans, 2 * HALF * ROWS);
    assert!(counts.forgotten_spans + counts.late_children > 0, "{counts:?}");
}

/// Everything new at once, for long: templates, exceptions, values, attributes, resources, operations,
/// callees, traces, and parents that never come.
#[test]
fn all_new_of_everything() {
    let half = 400;
    let (counts, sizes) = run_for(
        "everything",
        |_, row| {
            let (new, attributes) = (letters(row), format!(r#"{{"k{row}":"{}"}}"#, letters(row + 1)));
            let trace = u128::from(row / 70 + 1) << 64 | 7;
            let log = |body, severity| Row::Log {
                resource: row % 5,
                body,
                attributes: attributes.clone(),
                trace,
                severity,
            };
            match row % 7 {
                0 => log(format!("{new} {} {}", letters(row + 7), letters(row * 3 + 1)), 17),
                1 => log(format!("{new}Exception: {row}\n\tat com.{new}.run({new}.java:{row})"), 17),
                2 => log(format!("wrote block {row} of {new}.{} for user=u{row}x", row % 91), 9),
                3 => Row::Span {
                    resource: row % 5,
                    name: format!("step{}", row % 40),
                    attributes: format!(r#"{{"peer.service":"{new}"}}"#),
                    trace,
                    id: row + 1,
                    parent: row.saturating_sub(6),
                },
                6 => Row::Point { resource: row % 5, name: new, attributes: attributes.clone() },
                which => Row::Span {
                    resource: if which == 4 { row % 5 } else { row },
                    name: new,
                    attributes,
                    trace,
                    id: row + 1,
                    parent: if which == 4 { row } else { u64::MAX - row },
                },
            }
        },
        half,
    );
    check("everything", &sizes);
    assert_eq!(
        (counts.points + counts.logs + counts.spans, counts.ticks > 2 * half - 3),
        (2 * half * ROWS, true)
    );
    let shed = [
        counts.shed_series,
        counts.shed_log_pairs,
        counts.shed_parameters,
        counts.other_templates,
        counts.other_operations,
        counts.orphan_spans,
    ];
    assert!(shed.iter().all(|shed| *shed > 0), "{counts:?}");
}

/// Rows that come faster than ticks are sealed wait up to the limit.
#[test]
fn more_rows_than_may_wait() {
    let mut monitor = Monitor::new(settings());
    let start = Timestamp::from_seconds(1_000_000);
    let body: Rows = |_, row| log(row, format!("row {row}"));
    for tick in 0..20 {
        monitor.push(&batches(start, tick, body)).expect("logs");
    }
    let counts = monitor.counts();
    assert_eq!(counts.logs, 20 * ROWS);
    assert!(counts.shed_pending >= 10 * ROWS, "{counts:?}");
}
