use theriac_connectors::read::{FileSettings, Paths};
use theriac_contract::Interval;

use super::{fixture, read, read_bytes};

const CART: &str = r#"{"service.instance.id":"cart-1","service.name":"cart"}"#;

/// What `tests/fixtures/make.py` put into the requests.
fn expected() -> Vec<String> {
    let points = [
        r#"queue.length {"a":"1","b":"2"} Some(7.0)"#,
        "queue.length {} Some(7.5)",
        "queue.length {} None",
        "requests {} Some(1234567890123.0)",
        "http.server.request.duration {} None [0.25, 0.5] [1.0, 2.0, 3.0]",
        "size {} None [-1.0, -0.5, 1.0, 2.0, 4.0] [0.0, 1.0, 1.0, 2.0, 3.0, 0.0]",
        "gc {} None [0.5, 0.99] [0.4, 0.8]",
    ];
    let mut lines: Vec<String> = points.iter().map(|point| format!("1790000000 {CART} {point}")).collect();
    lines.push(format!(r#"1790000000 {CART} 17  "cannot \"pay\"\n" {{}}"#));
    lines.push(format!(r#"1790000000 {CART} 0 deploy "{{\"from\":\"v1\",\"to\":\"v2\"}}" {{}}"#));
    lines.push(format!(
        "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16] {CART} GET /cart 2 2 5000000 {} {}",
        r#"[{"attributes":{"exception.type":"Timeout"},"name":"exception","time":"2026-09-21T14:13:20.000000001Z"}]"#,
        r#"[{"attributes":{},"span_id":"0102030405060708","trace_id":"0102030405060708090a0b0c0d0e0f10"}]"#
    ));
    lines
}

#[test]
fn otlp_json_of_the_protobuf_library_is_read() {
    for name in ["otlp.jsonl", "otlp_named_enums.jsonl", "otlp_pretty.json"] {
        let (rows, rejects) = read(&FileSettings::of(fixture(name)));
        assert_eq!(rejects, [], "{name}");
        assert_eq!(rows, expected(), "{name}");
    }
}

#[test]
fn one_bad_point_costs_only_itself() {
    let text = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x","gauge":{"dataPoints":[
        {"timeUnixNano":"1000000000","asInt":"1"},{"timeUnixNano":"-5","asInt":"2"},{"timeUnixNano":1e9,"asDouble":"3"}]}}]}]}]}"#;
    let (rows, rejects) = read_bytes("a.json", text.replace('\n', "").as_bytes(), &FileSettings::default());
    assert_eq!(rows, ["1 {} x {} Some(1.0)", "1 {} x {} Some(3.0)"]);
    assert_eq!(rejects.len(), 1);
    let reason = &rejects[0].reason;
    assert!(
        reason.starts_with("resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[1]: metric `x`"),
        "{reason}"
    );
    let offset = usize::try_from(rejects[0].offset).unwrap();
    assert!(text.replace('\n', "")[offset..].starts_with(r#"{"timeUnixNano":"-5""#));
}

fn wide() -> Vec<String> {
    let row = |second: u32, host: &str, name: &str, note: &str, value: &str| {
        let note =
            if note.is_empty() { "{}".to_owned() } else { serde_json::json!({ "note": note }).to_string() };
        format!("{} {{\"host.name\":\"{host}\"}} {name} {note} Some({value})", 1_767_225_600 + second)
    };
    vec![
        row(0, "a", "cpu", "x, \"y\"", "0.5"),
        row(0, "a", "requests", "x, \"y\"", "1.0"),
        row(60, "b", "requests", "line\nbreak", "2.0"),
        row(120, "a", "cpu", "", "0.25"),
        row(120, "a", "requests", "", "3.0"),
        row(180, "b", "cpu", "é", "1.0"),
        row(180, "b", "requests", "é", "4.0"),
        row(240, "a", "cpu", "z", "2.0"),
        row(240, "a", "requests", "z", "5.0"),
    ]
}

#[test]
fn tables_of_pandas_and_arrow_give_the_same_rows() {
    for name in ["wide.csv", "wide.parquet", "dictionary.parquet", "two_members.csv.gz", "two_frames.csv.zst"]
    {
        let (rows, rejects) = read(&FileSettings::of(fixture(name)));
        assert_eq!(rejects, [], "{name}");
        assert_eq!(rows, wide(), "{name}");
    }
}

#[test]
fn long_form_and_logs_are_told_from_the_header() {
    let text = b"timestamp,service,metric,value\n1970-01-01T00:00:01Z,cart,cpu,0.5\n1970-01-01T00:00:02Z,cart,cpu,\n";
    let (rows, rejects) = read_bytes("m.csv", text, &FileSettings::default());
    assert_eq!(rejects, []);
    assert_eq!(rows, [r#"1 {"service.name":"cart"} cpu {} Some(0.5)"#]);
    let text = b"time;level;pod;message\n1;WARN;p-1;disk full\n";
    let (rows, rejects) = read_bytes("l.csv", text, &FileSettings::default());
    assert_eq!(rejects, []);
    assert_eq!(rows, [r#"1 {"k8s.pod.name":"p-1"} 13  "disk full" {}"#]);
}

#[test]
fn rows_without_time_and_header_are_numbered() {
    let settings = FileSettings {
        step: Some(Interval::from_seconds(60)),
        file_attribute: Some("host.name".into()),
        ..FileSettings::default()
    };
    let (rows, _) = read_bytes("machine-1.txt", b"0.5,1\n0.25,2\n", &settings);
    assert_eq!(
        rows,
        [
            r#"0 {"host.name":"machine-1"} column_1 {} Some(0.5)"#,
            r#"0 {"host.name":"machine-1"} column_2 {} Some(1.0)"#,
            r#"60 {"host.name":"machine-1"} column_1 {} Some(0.25)"#,
            r#"60 {"host.name":"machine-1"} column_2 {} Some(2.0)"#,
        ]
    );
}

#[test]
fn flat_json_holds_points_logs_and_spans() {
    let text = concat!(
        r#"{"time":1,"name":"cpu","value":0.5,"labels":{"core":"0"},"resource":{"service.name":"cart"}}"#,
        "\n",
        r#"{"@timestamp":"1970-01-01T00:00:02Z","level":"error","msg":"no","service":"cart","http.route":"/a"}"#,
        "\n",
        r#"{"trace_id":"7c1a9e4b2d6f48a0b3e5c7d9f1028364","span_id":"a1","parent_id":null,"service":"cart","name":"GET","start":"1970-01-01T00:00:03Z","duration_ms":1.5,"status":"ERROR"}"#,
        "\n",
        r#"{"colour":"green"}"#,
        "\n"
    );
    let (rows, rejects) = read_bytes("x.jsonl", text.as_bytes(), &FileSettings::default());
    assert_eq!(rows[0], r#"1 {"service.name":"cart"} cpu {"core":"0"} Some(0.5)"#);
    assert_eq!(rows[1], r#"2 {"service.name":"cart"} 17  "no" {"http.route":"/a"}"#);
    assert!(rows[2].ends_with(r#"{"service.name":"cart"} GET 0 2 1500000 [] []"#), "{}", rows[2]);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].line, Some(4));
    assert!(rejects[0].reason.contains("a point needs `time`, `name` and `value`"));
}

#[test]
fn text_takes_time_and_level_from_the_line() {
    let text = b"1970-01-01 00:00:05,250 [main] ERROR out of memory\r\n  at frame\r\nnext\n";
    let (rows, rejects) = read_bytes("app.log", text, &FileSettings::default());
    assert_eq!(rejects, []);
    // A stack trace is a part of the record that it belongs to.
    let error = r#"5 {} 17  "1970-01-01 00:00:05,250 [main] ERROR out of memory\n  at frame" {}"#;
    assert_eq!(rows, [error, r#"5 {} 0  "next" {}"#]);
}

#[test]
fn folders_and_patterns_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    for (name, time) in [("b.csv", 2), ("a.csv", 1), ("sub/c.csv", 3)] {
        std::fs::create_dir_all(folder.path().join("sub")).unwrap();
        std::fs::write(folder.path().join(name), format!("time,v\n{time},1\n")).unwrap();
    }
    std::fs::write(folder.path().join("notes.md"), "no telemetry").unwrap();
    let path = folder.path().display().to_string();
    let times = |path: String| -> Vec<String> {
        read(&FileSettings::of(path)).0.iter().map(|row| row[..1].to_owned()).collect()
    };
    assert_eq!(times(path.clone()), ["1", "2", "3"]);
    assert_eq!(times(format!("{path}/*.csv")), ["1", "2"]);
    let missing = FileSettings { path: Paths::One(format!("{path}/*.json")), ..FileSettings::default() };
    assert!(theriac_connectors::read::open(&missing).is_err());
}

#[test]
fn settings_refuse_unknown_keys() {
    assert!(serde_json::from_str::<FileSettings>(r#"{"path":"x","formt":"csv"}"#).is_err());
    let settings: FileSettings = serde_json::from_str(r#"{"path":["x"],"step":"60s"}"#).unwrap();
    assert_eq!(settings.step, Some(Interval::from_seconds(60)));
}
