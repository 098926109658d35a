//! The Nezha data sets against the numbers that `reference/nezha_counts.py` prints, and
//! small folders made by hand for what goes wrong.

mod corpus;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use arrow::array::Array;
use theriac_contract::{
    Entity, Fetch, Reject, Source, SourceError, Telemetry, Timestamp,
    telemetry::{Logs, Points, Spans, parse_attributes},
};
use theriac_datasets::nezha::{self, Case, names};

const TRAIN_TICKET: &str = "nezha-trainticket-dev";
const ONLINE_BOUTIQUE: &str = "nezha-onlineboutique-dev";
const SECOND: i64 = 1_000_000_000;

/// Everything that is left in a source.
fn read(source: &mut dyn Source, bytes_max: usize) -> (Vec<Telemetry>, Vec<Reject>, u64) {
    let (mut telemetry, mut rejects, mut bytes) = (Vec::new(), Vec::new(), 0);
    loop {
        match source.fetch(bytes_max).expect("it reads") {
            Fetch::Batch(fetched) => {
                assert!(!fetched.telemetry.is_empty() || !fetched.rejects.is_empty());
                telemetry.extend(fetched.telemetry);
                rejects.extend(fetched.rejects);
                bytes += fetched.bytes;
            }
            Fetch::Idle => panic!("files are never idle"),
            Fetch::End => return (telemetry, rejects, bytes),
        }
    }
}

fn times(batch: &Telemetry) -> Vec<i64> {
    let times = match batch {
        Telemetry::Points(batch) => Points::new(batch).expect("points").time.values().to_vec(),
        Telemetry::Logs(batch) => Logs::new(batch).expect("logs").time.values().to_vec(),
        Telemetry::Spans(batch) => Spans::new(batch).expect("spans").end.values().to_vec(),
    };
    assert_eq!(times.len(), batch.rows());
    times
}

/// What the reference counts.
#[derive(Debug, Default, PartialEq)]
struct Totals {
    points: usize,
    pods: BTreeSet<String>,
    cpu: f64,
    memory: f64,
    spans: usize,
    roots: usize,
    nanoseconds: i64,
    logs: usize,
    traces: BTreeSet<Vec<u8>>,
    levels: BTreeMap<(u8, String), usize>,
}

impl Totals {
    fn of(telemetry: &[Telemetry]) -> Self {
        let mut totals = Self::default();
        for batch in telemetry {
            match batch {
                Telemetry::Points(batch) => totals.add_points(&Points::new(batch).expect("points")),
                Telemetry::Logs(batch) => totals.add_logs(&Logs::new(batch).expect("logs")),
                Telemetry::Spans(batch) => totals.add_spans(&Spans::new(batch).expect("spans")),
            }
        }
        totals
    }

    fn add_points(&mut self, points: &Points<'_>) {
        for row in 0..points.time.len() {
            self.points += 1;
            if !self.pods.contains(points.resource.text(row)) {
                self.pods.insert(points.resource.text(row).to_owned());
            }
            match points.name.text(row) {
                "k8s.pod.cpu.usage" => self.cpu += points.value.value(row),
                "k8s.pod.memory.usage" => self.memory += points.value.value(row),
                _ => {}
            }
        }
    }

    fn add_logs(&mut self, logs: &Logs<'_>) {
        for row in 0..logs.time.len() {
            self.logs += 1;
            let severity = (logs.severity_number.value(row), logs.severity_text.text(row).to_uppercase());
            *self.levels.entry(severity).or_default() += 1;
            self.traces.insert(logs.trace_id.value(row).to_vec());
            let body = logs.body.value(row);
            assert!(!body.contains("TraceID") && !body.contains("SpanID") && !body.is_empty(), "{body}");
        }
    }

    fn add_spans(&mut self, spans: &Spans<'_>) {
        for row in 0..spans.end.len() {
            self.spans += 1;
            self.roots += usize::from(spans.parent_span_id.is_null(row));
            self.nanoseconds += spans.end.value(row) - spans.start.value(row);
        }
    }
}

/// The totals that the reference prints.
struct Expected {
    points: usize,
    pods: usize,
    cpu_millicores: f64,
    memory_mebibytes: f64,
    spans: usize,
    roots: usize,
    nanoseconds: i64,
    logs: usize,
    unreadable: usize,
    traces: usize,
    levels: &'static [((u8, &'static str), usize)],
}

fn assert_day(name: &str, day: &str, expected: &Expected) {
    let mut source = nezha::open(&corpus::folder(name), Some(day)).expect("the day is there");
    let (telemetry, rejects, bytes) = read(source.as_mut(), 1 << 20);
    assert_eq!(rejects.len(), expected.unreadable, "{:?}", rejects.first());
    assert_eq!(Some(bytes), source.bytes_total());
    let totals = Totals::of(&telemetry);
    assert_eq!(totals.points, expected.points);
    assert_eq!(totals.pods.len(), expected.pods);
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-9 * expected.abs();
    assert!(near(totals.cpu * 1e3, expected.cpu_millicores), "{}", totals.cpu);
    assert!(near(totals.memory / 1_048_576.0, expected.memory_mebibytes), "{}", totals.memory);
    assert_eq!((totals.spans, totals.roots), (expected.spans, expected.roots));
    assert_eq!(totals.nanoseconds, expected.nanoseconds);
    assert_eq!((totals.logs, totals.traces.len()), (expected.logs, expected.traces));
    let levels =
        expected.levels.iter().map(|((number, text), count)| ((*number, (*text).to_owned()), *count));
    assert_eq!(totals.levels, levels.collect());
    assert_aligned(&telemetry);
}

/// No row comes more than five seconds of event time after one that is later, which is how
/// long late rows are waited for.
fn assert_aligned(telemetry: &[Telemetry]) {
    let mut latest = i64::MIN;
    let mut late = 0;
    for batch in telemetry {
        let times = times(batch);
        assert!(times.is_sorted(), "within a batch");
        late += times.iter().filter(|time| **time < latest.saturating_sub(5 * SECOND)).count();
        latest = latest.max(times.last().copied().unwrap_or(latest));
    }
    assert_eq!(late, 0);
}

#[test]
fn the_first_day_of_train_ticket_is_whole() {
    assert_day(
        TRAIN_TICKET,
        "2023-01-29",
        &Expected {
            points: 689_258,
            pods: 46,
            cpu_millicores: 177_713.634483,
            memory_mebibytes: 14_782_030.109375,
            spans: 172_050,
            roots: 2424,
            nanoseconds: 5_623_135_062_354,
            logs: 90_201,
            unreadable: 2,
            traces: 2424,
            levels: &[((9, "INFO"), 85_983), ((13, "WARN"), 3403), ((17, "ERROR"), 815)],
        },
    );
}

#[test]
fn the_day_of_online_boutique_is_whole() {
    assert_day(
        ONLINE_BOUTIQUE,
        "2022-08-22",
        &Expected {
            points: 229_419,
            pods: 10,
            cpu_millicores: 38_630.621436,
            memory_mebibytes: 557_375.052635,
            spans: 846_632,
            roots: 19_107,
            nanoseconds: 28_595_922_504_732,
            logs: 12_058,
            unreadable: 0,
            traces: 247,
            levels: &[((0, ""), 232), ((9, "INFO"), 11_826)],
        },
    );
}

#[test]
fn the_second_day_goes_on_exactly_from_wherever_it_was_left() {
    let folder = corpus::folder(TRAIN_TICKET);
    let open = || nezha::open(&folder, Some("2023-01-30")).expect("the day is there");
    let mut source = open();
    let (mut whole, mut marks) = (Vec::new(), Vec::new());
    loop {
        let position = source.position();
        let Fetch::Batch(fetched) = source.fetch(64 << 10).expect("it reads") else { break };
        marks.push((position, whole.len()));
        whole.extend(fetched.telemetry);
    }
    let totals = Totals::of(&whole);
    assert_eq!((totals.points, totals.spans, totals.logs), (561_569, 109_247, 57_756));
    assert_eq!((totals.roots, totals.nanoseconds), (1495, 6_787_169_109_244));
    // However much is asked for at once, the batches are the same.
    let (again, _, _) = read(open().as_mut(), 1 << 20);
    assert!(again == whole);
    let mut source = open();
    for number in (0..marks.len()).rev().step_by(marks.len() / 8) {
        let (position, batches) = &marks[number];
        source.seek(position).expect("it was given by the same files");
        assert_eq!(source.position(), *position);
        let mut rest = whole[*batches..].iter();
        for _ in 0..40 {
            let Fetch::Batch(fetched) = source.fetch(64 << 10).expect("it reads") else { break };
            assert!(fetched.telemetry.iter().all(|batch| Some(batch) == rest.next()), "after {position}");
        }
    }
}

#[test]
fn the_first_day_is_the_one_without_a_name() {
    let folder = corpus::folder(TRAIN_TICKET);
    assert_eq!(nezha::days(&folder).expect("it is there"), ["2023-01-29", "2023-01-30"]);
    let source = nezha::open(&folder, None).expect("the day is there");
    assert_eq!(source.name(), "nezha 2023-01-29");
    let error = nezha::open(&folder, Some("2023-02-01")).err().expect("there is no such day");
    assert!(
        error.to_string().ends_with("there is no day `2023-02-01`; the days are: 2023-01-29, 2023-01-30"),
        "{error}"
    );
}

#[test]
fn every_case_lies_where_its_pod_was_measured() {
    for (name, count) in [(TRAIN_TICKET, 25), (ONLINE_BOUTIQUE, 24)] {
        let folder = corpus::folder(name);
        let cases = Case::read(&folder).expect("it is there");
        assert_eq!(cases.len(), count);
        assert!(cases.is_sorted_by_key(|case| case.inject_time));
        let days = nezha::days(&folder).expect("it is there");
        for case in cases {
            assert!(days.contains(&case.day), "{}", case.id);
            assert_eq!(names::service_of(&case.inject_pod), case.service, "{}", case.id);
            assert!(case.inject_time.to_string().starts_with(&case.day), "{}", case.id);
            assert!(matches!(case.root_cause.len(), 1 | 2), "{}", case.id);
            // The second minute of the fault is named after its end.
            let minute = format!("{} {}:08", case.day, case.minutes.fault_2_scored.replace('_', ":"));
            let minute: Timestamp = minute.parse().expect("a time");
            assert!(case.inject_time < minute && minute < case.end(), "{}", case.id);
        }
    }
}

#[test]
fn pods_belong_to_services() {
    for (pod, service) in [
        ("ts-gateway-service-6f6cfc45b-h5m2n", "ts-gateway-service"),
        ("ts-travel2-service-5c66d57d58-6mp2b", "ts-travel2-service"),
        ("ts-station-food-service-dc4d75dd-fw6ft", "ts-station-food-service"),
        ("frontend-579b9bff58-t2dbm", "frontend"),
        ("agent-x2v7q", "agent"),
        ("store-0", "store"),
        ("web-1482930215-x2v7q", "web"),
        ("ts-basic-service-5dc8d4f9fd-46997", "ts-basic-service"),
        ("cart", "cart"),
        ("", ""),
        ("-", "-"),
        ("-x2v7q", "-x2v7q"),
        ("order-price", "order-price"),
    ] {
        assert_eq!(names::service_of(pod), service, "{pod}");
    }
}

#[test]
fn columns_become_metrics_with_units() {
    for (column, name, unit, factor) in [
        ("CpuUsage(m)", "k8s.pod.cpu.usage", "{cpu}", 1e-3),
        ("MemoryUsage(Mi)", "k8s.pod.memory.usage", "By", 1_048_576.0),
        ("CpuUsageRate(%)", "CpuUsageRate", "%", 1.0),
        ("NetworkReceiveBytes", "NetworkReceiveBytes", "By", 1.0),
        ("PodClientLatencyP90(s)", "PodClientLatencyP90", "s", 1.0),
        ("PodWorkload(Ops)", "PodWorkload", "{operation}/s", 1.0),
        ("SyscallRead", "SyscallRead", "", 1.0),
    ] {
        let metric = names::metric(column);
        assert_eq!((metric.name.as_str(), metric.unit, metric.factor), (name, unit, factor));
    }
}

const TRACES: &str =
    "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n";
const LOGS: &str = "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n";
const METRICS: &str = "Time,TimeStamp,PodName,CpuUsage(m),MemoryUsage(Mi),PodServerLatencyP90(s)\n";
const DAY: &str = "2023-01-29";
/// 2023-01-29T09:00:00Z.
const NINE: i64 = 1_674_982_800;

fn put(folder: &Path, path: &str, text: &[u8]) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("a folder above")).expect("it can be made");
    fs::write(path, zstd::encode_all(text, 3).expect("it packs")).expect("it can be written");
}

fn span(number: u64, second: i64) -> String {
    let start = (NINE + second) * SECOND;
    let end = start + 1000;
    format!("{number:032x},{number:016x},root,cart-579f59597d-wc2lz,GET /cart,{start},{end},1\n")
}

fn log(number: u64, second: i64, text: &str) -> String {
    let nanoseconds = (NINE + second) * SECOND;
    let time = Timestamp(nanoseconds);
    let text = serde_json::json!({ "log": text, "stream": "stdout" }).to_string().replace('"', "\"\"");
    format!(
        "{time},{nanoseconds},10.0.0.7,cart-579f59597d-wc2lz,server,{number:032x},{number:016x},\"{text}\"\n"
    )
}

fn open(folder: &Path) -> Box<dyn Source> {
    nezha::open(folder, None).expect("a day is there")
}

/// First bytes of the trace ids of all spans, in order.
fn spans_of(telemetry: &[Telemetry]) -> Vec<u8> {
    let spans = telemetry.iter().filter(|batch| matches!(batch, Telemetry::Spans(_)));
    spans
        .flat_map(|batch| {
            let spans = Spans::new(batch.batch()).expect("spans");
            (0..batch.rows()).map(|row| spans.trace_id.value(row)[15]).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn a_row_is_what_its_columns_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let never_set = log(2, 1, "17:00:01.000 ERROR c.s.Cart#31 TraceID: 2 SpanID: 2 it broke\n");
    let never_set = never_set.replace(&((NINE + 1) * SECOND).to_string(), "-6795364578871345152");
    put(folder, "fault/2023-01-29/09_00_log.csv.zst", format!("{LOGS}{never_set}").as_bytes());
    let child = span(3, 2).replace("root", "00000000000000ff");
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", format!("{TRACES}{child}").as_bytes());
    let time = "2023-01-29 09:00:00.25 +0000 UTC m=+60.1";
    let metrics = format!("{METRICS}{time},{},cart-579f59597d-wc2lz,250,2,NaN\n", NINE + 200_000_000);
    put(folder, "metric/2023-01-29_pods.csv.zst", metrics.as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1);
    assert_eq!(rejects, []);
    let [Telemetry::Points(points), Telemetry::Logs(logs), Telemetry::Spans(spans)] = &telemetry[..] else {
        panic!("points, logs and spans, each once: {telemetry:?}")
    };
    let points = Points::new(points).expect("points");
    let named: Vec<_> =
        (0..2).map(|row| (points.name.text(row), points.unit.text(row), points.value.value(row))).collect();
    assert_eq!(named, [("k8s.pod.cpu.usage", "{cpu}", 0.25), ("k8s.pod.memory.usage", "By", 2_097_152.0)]);
    assert_eq!(points.time.values().to_vec(), [NINE * SECOND + SECOND / 4; 2]);
    let logs = Logs::new(logs).expect("logs");
    assert_eq!(logs.time.value(0), (NINE + 1) * SECOND);
    assert_eq!((logs.severity_number.value(0), logs.body.value(0)), (17, "it broke"));
    assert_eq!(logs.scope.text(0), r#"{"name":"c.s.Cart"}"#);
    assert_eq!(logs.attributes.text(0), r#"{"code.line.number":31,"log.iostream":"stdout"}"#);
    assert_eq!(
        logs.resource.text(0),
        r#"{"host.name":"10.0.0.7","service.instance.id":"cart-579f59597d-wc2lz","service.name":"cart"}"#
    );
    let spans = Spans::new(spans).expect("spans");
    assert_eq!(spans.parent_span_id.value(0), [0, 0, 0, 0, 0, 0, 0, 255]);
    assert_eq!((spans.start.value(0), spans.end.value(0)), ((NINE + 2) * SECOND, (NINE + 2) * SECOND + 1000));
    assert_eq!(spans.name.text(0), "GET /cart");
    // One entity, whichever signal it is heard through.
    let entities: BTreeSet<Entity> = [points.resource.text(0), logs.resource.text(0), spans.resource.text(0)]
        .map(|text| Entity::from_resource(&parse_attributes(text)))
        .into();
    assert_eq!(entities, BTreeSet::from([Entity::instance("cart", "cart-579f59597d-wc2lz")]));
}

#[test]
fn rows_that_a_neighbour_repeats_are_left_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let broken = span(9, 3).replace("root", "rot");
    let first = [TRACES, &span(2, 20), &span(1, 10), &span(1, 10), &broken].concat();
    let second = [TRACES, &span(2, 20), &span(3, 70), &span(1, 10), &broken].concat();
    // Ten minutes on, the same row would be another one; it is out of reach of its file.
    let third = [TRACES, &span(4, 600)].concat();
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", first.as_bytes());
    put(folder, "normal/2023-01-29/09_01_trace.csv.zst", second.as_bytes());
    put(folder, "fault/2023-01-29/09_10_trace.csv.zst", third.as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1);
    // What one file has twice was there twice.
    assert_eq!(spans_of(&telemetry), [1, 1, 2, 3, 4]);
    assert_eq!(rejects.len(), 1);
}

#[test]
fn signals_run_side_by_side() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let spans: String = (0..60).rev().map(|second| span(second as u64, second)).collect();
    let logs: String = (0..60).map(|second| log(7, (second * 37) % 60, "hello")).collect();
    put(folder, "fault/2023-01-29/09_01_trace.csv.zst", format!("{TRACES}{spans}").as_bytes());
    put(folder, "fault/2023-01-29/09_01_log.csv.zst", format!("{LOGS}{logs}").as_bytes());
    let metrics: String = (0..3).map(|minute| format!("x,{},cart-0,1,1,0\n", NINE + minute * 60)).collect();
    put(folder, "metric/2023-01-29_pods.csv.zst", format!("{METRICS}{metrics}").as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1);
    assert_eq!(rejects, []);
    assert_aligned(&telemetry);
    assert_eq!(spans_of(&telemetry), (0..60).collect::<Vec<u8>>());
    let totals = Totals::of(&telemetry);
    assert_eq!((totals.points, totals.logs, totals.spans), (9, 60, 60));
}

#[test]
fn what_cannot_be_read_is_rejected_with_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let good = span(1, 1);
    let rows = [
        (good.replace(",1\n", "\n"), "7 columns; the first line names 8"),
        (good.replace("root", "rooot"), "column `ParentID`: `rooot` is not 16 hexadecimal digits"),
        (good.replacen("0000", "00x0", 1), "is not 32 hexadecimal digits"),
        (good.replace("cart-579f59597d-wc2lz", ""), "column `PodName` is empty"),
        (good.replace("000001000,1", "late,1"), "late` is no whole number"),
        (good.replace("1674982801000001000", "1674982800000000000"), "lies before `StartTimeUnixNano`"),
        (span(1, 86_400), "its time is 2023-01-30T09:00:00.000001000Z, too far from 2023-01-29T09:00"),
        (good.replace("GET", "G\"\"ET"), ""),
    ];
    let mut text = TRACES.as_bytes().to_vec();
    rows.iter().for_each(|(row, _)| text.extend_from_slice(row.as_bytes()));
    text.extend_from_slice(
        &good
            .replace("GET", "???")
            .into_bytes()
            .iter()
            .map(|b| if *b == b'?' { 0xFF } else { *b })
            .collect::<Vec<_>>(),
    );
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", &text);
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1 << 20);
    assert_eq!(spans_of(&telemetry), [1], "one row is odd, but right");
    assert_eq!(rejects.len(), 8);
    for (index, reject) in rejects.iter().enumerate() {
        let (row, reason) = rows
            .get(index)
            .filter(|(_, reason)| !reason.is_empty())
            .map_or((None, "column `OperationName` is not UTF-8"), |(row, reason)| (Some(row), *reason));
        assert!(reject.reason.contains(reason), "{}: {reason}", reject.reason);
        assert!(reject.origin.ends_with("fault/2023-01-29/09_00_trace.csv.zst"), "{}", reject.origin);
        let line = text[..reject.offset as usize].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        assert_eq!(reject.line, Some(line));
        if let Some(row) = row {
            assert_eq!(String::from_utf8_lossy(&reject.bytes), row.trim_end());
        }
    }
}

#[test]
fn lines_may_end_as_on_windows() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let bad = span(2, 2).replace("root", "rot");
    let text = [TRACES, &span(1, 1), &bad, &span(3, 3)].concat().replace('\n', "\r\n") + "\r\n\r\n1,2\r\n";
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", text.as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1 << 20);
    assert_eq!(spans_of(&telemetry), [1, 3]);
    let [reject, after_blank_lines] = &rejects[..] else { panic!("two rows are wrong: {rejects:?}") };
    assert_eq!(String::from_utf8_lossy(&reject.bytes), bad.trim_end());
    assert_eq!((reject.line, reject.offset as usize), (Some(3), TRACES.len() + span(1, 1).len() + 2));
    assert_eq!((after_blank_lines.line, &after_blank_lines.bytes[..]), (Some(7), &b"1,2"[..]));
}

#[test]
fn logs_and_metrics_that_cannot_be_read_are_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let logs = [LOGS, &log(1, 1, "fine"), &log(2, 2, "x").replace("{\"\"log", "[\"\"log")].concat();
    put(folder, "fault/2023-01-29/09_00_log.csv.zst", logs.as_bytes());
    let metrics =
        format!("{METRICS}x,{NINE},cart-0,1,much,0\nx,soon,cart-0,1,1,0\nx,{NINE},cart-0,1,1,NaN\n");
    put(folder, "metric/2023-01-29_pods.csv.zst", metrics.as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1 << 20);
    let totals = Totals::of(&telemetry);
    assert_eq!((totals.points, totals.logs), (2, 1));
    let found: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(
        found[..2],
        [
            (Some(2), "column of k8s.pod.memory.usage: `much` is no number"),
            (Some(3), "column `TimeStamp`: `soon` is no whole number"),
        ]
    );
    assert!(found[2].0 == Some(3) && found[2].1.starts_with("column `Log` is not the JSON"), "{found:?}");
    assert_eq!(found.len(), 3);
}

#[test]
fn a_damaged_file_gives_what_is_whole_and_the_next_one_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let many: String = (0..20_000).map(|number| span(number, 1 + (number % 50) as i64)).collect();
    let packed = zstd::encode_all(format!("{TRACES}{many}").as_bytes(), 3).expect("it packs");
    let dir = folder.join("fault").join(DAY);
    fs::create_dir_all(&dir).expect("it can be made");
    fs::write(dir.join("09_00_trace.csv.zst"), &packed[..packed.len() / 2]).expect("it can be written");
    fs::write(dir.join("09_01_trace.csv.zst"), b"this is not zstd").expect("it can be written");
    put(folder, "fault/2023-01-29/09_02_trace.csv.zst", b"TraceID,SpanID\n1,2\n");
    put(folder, "fault/2023-01-29/09_03_trace.csv.zst", b"");
    put(folder, "fault/2023-01-29/09_04_trace.csv.zst", format!("{TRACES}{}", span(1, 240)).as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1 << 20);
    let totals = Totals::of(&telemetry);
    assert!((1000..19_999).contains(&totals.spans), "{}", totals.spans);
    assert_eq!(totals.nanoseconds, 1000 * totals.spans as i64, "no row was cut");
    let found: Vec<_> = rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect();
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].1.ends_with("rows after this are lost: get the file again"), "{found:?}");
    assert!(rejects[0].offset > 1000);
    assert!(rejects[1].origin.ends_with("09_01_trace.csv.zst"), "{rejects:?}");
    assert_eq!(
        found[2].1,
        "column `ParentID` is missing; the first line must name the columns; the file is left out"
    );
}

#[test]
fn a_position_of_other_files_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", format!("{TRACES}{}", span(1, 1)).as_bytes());
    let position = open(folder).position();
    put(folder, "fault/2023-01-29/09_01_trace.csv.zst", format!("{TRACES}{}", span(2, 61)).as_bytes());
    let mut source = open(folder);
    for (position, expected) in [
        (position.as_str(), "put back the files or begin anew"),
        ("{}", "is no position"),
        ("", "is no position"),
        (r#"{"day":"2023-01-30","files":2,"bytes":1,"window":0}"#, "the position is of the day 2023-01-30"),
    ] {
        let error = source.seek(position).expect_err("it is of something else");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // After a refusal it is where it was.
    assert_eq!(spans_of(&read(source.as_mut(), 1).0), [1, 2]);
}

#[test]
fn a_file_that_goes_away_stops_it_until_it_is_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", format!("{TRACES}{}", span(1, 1)).as_bytes());
    let late = "fault/2023-01-29/10_00_trace.csv.zst";
    put(folder, late, format!("{TRACES}{}", span(2, 3601)).as_bytes());
    let mut source = open(folder);
    fs::remove_file(folder.join(late)).expect("it is there");
    let Ok(Fetch::Batch(fetched)) = source.fetch(1 << 20) else { panic!("the first file is there") };
    assert_eq!(spans_of(&fetched.telemetry), [1]);
    assert!(matches!(source.fetch(1 << 20), Err(SourceError::Io { origin, .. }) if origin.ends_with(late)));
    put(folder, late, format!("{TRACES}{}", span(2, 3601)).as_bytes());
    assert_eq!(spans_of(&read(source.as_mut(), 1 << 20).0), [2]);
}

#[test]
fn an_empty_folder_says_what_should_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let error = nezha::open(folder.path(), None).err().expect("nothing is there");
    assert!(error.to_string().contains("no day lies here"), "{error}");
    let error = Case::read(folder.path()).expect_err("nothing is there");
    assert!(error.to_string().contains("cases.json"), "{error}");
}
