//! Small Nezha folders made by hand: what a row becomes, and what goes wrong.

mod batches;

use std::{collections::BTreeSet, fs, path::Path};

use batches::{Totals, assert_aligned, read};
use proptest::prelude::*;
use theriac_contract::{
    Entity, Fetch, Source, SourceError, Telemetry, Timestamp,
    telemetry::{Logs, Points, Spans, parse_attributes},
};
use theriac_datasets::nezha::{self, Case};

const SECOND: i64 = 1_000_000_000;
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
    let second = [TRACES, &span(2, 20), &span(3, 70), &span(1, 10), &span(5, 75), &broken].concat();
    let four_minutes_on = [TRACES, &span(3, 70)].concat();
    let six_minutes_on = [TRACES, &span(5, 75)].concat();
    let third = [TRACES, &span(4, 600)].concat();
    put(folder, "fault/2023-01-29/09_00_trace.csv.zst", first.as_bytes());
    put(folder, "normal/2023-01-29/09_01_trace.csv.zst", second.as_bytes());
    put(folder, "fault/2023-01-29/09_05_trace.csv.zst", four_minutes_on.as_bytes());
    put(folder, "fault/2023-01-29/09_07_trace.csv.zst", six_minutes_on.as_bytes());
    put(folder, "fault/2023-01-29/09_10_trace.csv.zst", third.as_bytes());
    let (telemetry, rejects, _) = read(open(folder).as_mut(), 1);
    // What one file has twice was there twice; what lies six minutes apart is no neighbour.
    assert_eq!(spans_of(&telemetry), [1, 1, 2, 3, 5, 5, 4]);
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Minute files with rows before, in, after and far from their minute, some repeated by
    /// neighbours, some malformed.
    #[test]
    fn it_goes_on_from_every_position(
        files in prop::collection::vec((0..12_u8, prop::collection::vec((0..40_u8, -150..800_i64), 0..20)), 1..5),
        bytes_max in 1..2000_usize,
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for (minute, rows) in &files {
            let row = |(number, second): &(u8, i64)| match number {
                0 => span(0, *second).replace("root", "rot"),
                1 => "1,2,3\n".to_owned(),
                _ => span(u64::from(*number), *second),
            };
            let text: String = rows.iter().map(row).collect();
            put(folder, &format!("fault/2023-01-29/09_{minute:02}_trace.csv.zst"), (TRACES.to_owned() + &text).as_bytes());
            let text: String = rows.iter().map(|(number, second)| log(u64::from(*number), second / 7, "x")).collect();
            put(folder, &format!("normal/2023-01-29/09_{minute:02}_log.csv.zst"), (LOGS.to_owned() + &text).as_bytes());
        }
        let mut source = open(folder);
        let mut steps = Vec::new();
        loop {
            let position = source.position();
            let Fetch::Batch(fetched) = source.fetch(bytes_max).expect("it reads") else { break };
            steps.push((position, fetched.telemetry, fetched.rejects));
        }
        prop_assert!(matches!(source.fetch(bytes_max), Ok(Fetch::End)), "the end is the end");
        for (index, (position, ..)) in steps.iter().enumerate() {
            source.seek(position).expect("it is of these files");
            for (_, telemetry, rejects) in &steps[index..] {
                let Ok(Fetch::Batch(fetched)) = source.fetch(bytes_max) else { panic!("there was more") };
                prop_assert_eq!(&fetched.telemetry, telemetry);
                prop_assert_eq!(&fetched.rejects, rejects);
            }
            prop_assert!(matches!(source.fetch(bytes_max), Ok(Fetch::End)));
        }
    }

    /// Whatever stands in a file, it is read or rejected, each reject with its own bytes.
    #[test]
    fn no_file_stops_it(
        junk in prop::collection::vec(prop::sample::select(b"\",\n\r1a{}\\ \xFF\xC3".to_vec()), 0..200),
        cut in 0..100_usize,
        headed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        for (path, header, row) in [
            ("metric/2023-01-29_pods.csv.zst", METRICS, format!("x,{NINE},cart-0,1,1,1\n")),
            ("fault/2023-01-29/09_00_log.csv.zst", LOGS, log(1, 1, "x")),
            ("fault/2023-01-29/09_00_trace.csv.zst", TRACES, span(1, 1)),
        ] {
            let header = if headed { header } else { "" };
            let row = &row.as_bytes()[..cut.min(row.len())];
            put(folder, path, &[header.as_bytes(), row, &junk].concat());
        }
        let (_, rejects, _) = read(open(folder).as_mut(), 1);
        for reject in rejects {
            let packed = fs::read(&reject.origin).expect("it is there");
            let text = zstd::decode_all(&packed[..]).expect("it unpacks");
            prop_assert!(text[reject.offset as usize..].starts_with(&reject.bytes), "{reject:?}");
            prop_assert!(!reject.reason.is_empty());
            let lines = text[..reject.offset as usize].iter().filter(|byte| **byte == b'\n').count() as u64;
            prop_assert!(reject.line.is_none_or(|line| line == lines + 1), "{reject:?}");
        }
    }
}

#[test]
fn a_minute_is_read_as_it_is_and_what_is_missing_stays_empty() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = "17:00:30.000 WARN  a.b.Cart#7 TraceID: 1 SpanID: 2 [add] 3 items\n";
    let rows = [span(1, 40), span(2, 20), span(1, 40)].concat();
    put(dir.path(), "fault/2023-01-29/09_01_trace.csv.zst", format!("{TRACES}{rows}").as_bytes());
    let rows = [log(1, 50, "plain"), log(1, 30, place)].concat();
    put(dir.path(), "fault/2023-01-29/09_01_log.csv.zst", format!("{LOGS}{rows}").as_bytes());
    let row = |minute: u8| format!("{DAY} 09:0{minute}:19.6 +0000 UTC m=+0.1,0,cart-1,{minute}000,1,0.5\n");
    let rows = [row(1), row(2)].concat();
    put(dir.path(), "metric/2023-01-29_pods.csv.zst", format!("{METRICS}{rows}").as_bytes());
    let metrics = nezha::minute::metrics(dir.path(), DAY).expect("it reads");
    assert_eq!(metrics.len(), 2);
    let read = |below: &str, name: &str| nezha::minute::read(dir.path(), below, DAY, name, &metrics);
    let minute = read("fault", "09_01").expect("it reads");
    let starts: Vec<Timestamp> = minute.spans.iter().map(|span| span.start).collect();
    assert_eq!(starts, [20, 40].map(|second| Timestamp((NINE + second) * SECOND)), "in order, each once");
    assert_eq!(minute.spans[0].pod, "cart-579f59597d-wc2lz");
    let said: Vec<(&str, u8, &str)> =
        minute.logs.iter().map(|log| (log.place.as_str(), log.severity, log.message.as_str())).collect();
    assert_eq!(said, [("a.b.Cart#7", 13, "[add] 3 items"), ("", 0, "plain")]);
    assert_eq!(minute.metrics["cart-1"]["k8s.pod.cpu.usage"], 1.0);
    let other = read("normal", "09_02").expect("there are metrics of it");
    assert!(
        other.spans.is_empty() && !other.is_empty() && other.metrics["cart-1"]["k8s.pod.cpu.usage"] == 2.0
    );
    assert!(nezha::minute::normal_minutes(dir.path()).expect("no such folder").is_empty());
    assert!(nezha::minute::read(dir.path(), "fault", "some day", "09_01", &metrics).is_err());
}

#[test]
fn what_metrics_tell_of_calls_is_read_by_minute() {
    let dir = tempfile::tempdir().expect("a folder");
    let metric = dir.path().join("metric");
    std::fs::create_dir_all(&metric).expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(metric.join(format!("{DAY}_{name}.csv")), text).expect("it can be written");
    };
    assert!(nezha::calls::read(dir.path(), DAY).expect("nothing is there").is_empty());
    write(
        "source_50",
        &format!("time,timestamp,web_cart,cart_store\n{DAY} 09:01:19.9 +0000 UTC m=+0.4,1,0.2,\n"),
    );
    write(
        "destination_50",
        &format!("time,timestamp,cart_store,web_cart\n{DAY} 09:01:20.1 +0000 UTC m=+0.5,1,NaN,0.05\n"),
    );
    write(
        "front_service",
        &format!(
            "Time,TimeStamp,ServiceName,SuccessRate(%),LatencyP50(s)\n{DAY} 09:01:19 +0000 UTC,1,Web,97.5,0.1\n"
        ),
    );
    let read = nezha::calls::read(dir.path(), DAY).expect("it reads");
    let at = nezha::minute::instant(dir.path(), DAY, "09_01").expect("a minute");
    assert_eq!(read.keys().copied().collect::<Vec<_>>(), [at]);
    let edge = |caller: &str, callee: &str| read[&at].edges[&(caller.to_owned(), callee.to_owned())];
    assert_eq!((edge("web", "cart"), edge("cart", "store")), ([Some(200.0), Some(50.0)], [None, None]));
    assert_eq!(read[&at].success["web"], 0.975);
    for (text, expected) in [
        (
            format!("time,timestamp,web_cart\n{DAY} 09:01:19,1,fast\n"),
            ":2: `fast` in `web_cart` is no number",
        ),
        (
            "time,timestamp,web_cart\nat nine,1,0.2\n".to_owned(),
            ":2: `at nine` in `time` should be YYYY-MM-DD",
        ),
        (format!("when,web_cart\n{DAY} 09:01:19,0.2\n"), ":1: no column `time`"),
        (format!("time,timestamp,web_cart\n{DAY} 09:01:19,1\n"), "source_50.csv:2"),
    ] {
        write("source_50", &text);
        let error = nezha::calls::read(dir.path(), DAY).expect_err("it is wrong").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
