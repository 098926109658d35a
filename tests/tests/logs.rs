//! `theriac logs`: templates of files and pipes, what is new, and what somebody is told.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use theriac_tests::program::{command, run, run_well};

/// A day of a service: requests, sessions, and near its end something that was not there before.
fn day(number: u32) -> String {
    let mut text = String::new();
    for minute in 0..1440_u32 {
        let time = format!("2026-11-{number:02}T{:02}:{:02}:00Z", minute / 60, minute % 60);
        text += &format!("{time} INFO GET /items/{} took {} ms\n", minute % 97, 3 + minute % 11);
        if minute % 7 == 0 {
            let user = ["ann", "bob", "cid", "dan"][(minute / 7 % 4) as usize];
            text += &format!("{time} INFO session opened for user {user} by (uid={})\n", minute % 5);
        }
        if number == 2 && minute >= 1400 {
            text += &format!("{time} ERROR write to /data/{minute} failed\n");
            text += "java.io.IOException: No space left on device\n\tat a.B.c(B.java:12)\n";
        }
    }
    text
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let told = run_well(folder, &[&["logs", "--output", "json"], arguments].concat());
    serde_json::from_str(&told).unwrap()
}

fn templates(found: &Value) -> Vec<(u64, bool, &str)> {
    let template = |template: &'_ Value| -> (u64, bool) {
        (template["records"].as_u64().unwrap(), template["new"].as_bool().unwrap())
    };
    let all = found["templates"].as_array().unwrap().iter();
    all.map(|t| (template(t).0, template(t).1, t["template"].as_str().unwrap())).collect()
}

const REQUEST: &str = "<*> INFO GET <*> took <*> ms";
const SESSION: &str = "<*> INFO session opened for user <*> by (uid=<*>)";
const FAILED: &str = "<*> ERROR write to <*> failed";
const REASON: &str = "java.io.IOException: No space left on device";

#[test]
fn templates_are_counted_and_what_is_new_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("one.log"), day(1)).unwrap();
    fs::write(here.join("two.log"), day(2)).unwrap();
    let found = json(here, &["one.log", "--export", "known.json"]);
    assert_eq!(templates(&found), [(1440, false, REQUEST), (206, false, SESSION)]);
    assert_eq!(found["records"], 1646);

    // By what was known the day before.
    let found = json(here, &["two.log", "--known", "known.json"]);
    assert_eq!(
        templates(&found),
        [(1440, false, REQUEST), (206, false, SESSION), (40, true, FAILED), (40, true, REASON)]
    );
    // A trace is one record, and the lines are all counted.
    assert_eq!((found["records"].as_u64(), found["lines"].as_u64()), (Some(1726), Some(1766)));
    let failed = &found["templates"][2];
    assert_eq!(failed["examples"][0], "2026-11-02T23:20:00Z ERROR write to /data/1400 failed");
    let over: Vec<u64> =
        failed["over_the_input"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
    assert_eq!(over.iter().sum::<u64>(), 40);
    assert!(over[..over.len() / 2].iter().all(|count| *count == 0), "{over:?}");

    // Without, by when it was first met.
    assert!(templates(&json(here, &["two.log"])).contains(&(40, true, FAILED)));
    // And what is known and not met any more is told, too.
    run_well(here, &["logs", "two.log", "--export", "both.json"]);
    let found = json(here, &["one.log", "--known", "both.json"]);
    let missing: Vec<&str> =
        found["missing"].as_array().unwrap().iter().map(|t| t["template"].as_str().unwrap()).collect();
    assert_eq!(missing, [FAILED, REASON]);
}

#[test]
fn a_table_is_for_people() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("two.log"), day(2)).unwrap();
    let told = run_well(folder.path(), &["logs", "two.log", "--examples", "1"]);
    let request = told.lines().find(|line| line.ends_with(REQUEST)).unwrap();
    assert!(request.trim_start().starts_with("1440  83.4%"), "{told}");
    assert!(request.contains('█'), "{told}");
    assert!(told.contains(&format!("+ {FAILED}")), "{told}");
    assert!(told.contains("| java.io.IOException: No space left on device\n"), "{told}");
    assert!(told.contains("|     at a.B.c(B.java:12)") || told.contains("| \tat a.B.c(B.java:12)"), "{told}");
    let told = run_well(folder.path(), &["logs", "two.log", "-n", "1"]);
    assert!(told.contains("in 3 templates more; --all shows them"), "{told}");
    let told = run_well(folder.path(), &["logs", "two.log", "--new"]);
    assert!(told.contains(FAILED) && !told.contains(REQUEST), "{told}");
}

#[test]
fn a_pipe_that_stays_open_tells_what_is_new_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = command(folder.path(), &["logs", "--follow"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    // A record is known to be whole when the next has begun.
    input.write_all(b"took 1 ms\ntook 2 ms\nno space left\nnext\n").unwrap();
    input.flush().unwrap();
    let mut next = || lines.next().unwrap().unwrap();
    assert_eq!(next().split_whitespace().collect::<Vec<_>>(), ["1", "took", "1", "ms"]);
    assert_eq!(next().split_whitespace().collect::<Vec<_>>(), ["3", "no", "space", "left"]);
    drop(input);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.iter().any(|line| line.ends_with("took <*> ms")), "{rest:?}");
    let output = process.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && told.contains("4 records (4 lines"), "{told}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], code: i32, parts: &[&str]| {
        let ended = run(folder.path(), &[&["logs"], arguments].concat());
        let told = ended.err;
        assert_eq!(ended.code, code, "{told}");
        parts.iter().for_each(|part| assert!(told.contains(part), "{told}"));
    };
    refused(&["nowhere.log"], 2, &["nowhere.log: No such file"]);
    fs::write(folder.path().join("a.log"), "a\n").unwrap();
    fs::write(folder.path().join("bad.json"), "{}").unwrap();
    refused(
        &["a.log", "--known", "bad.json"],
        2,
        &["bad.json: these are no templates that theriac exported"],
    );
    fs::write(folder.path().join("cut.log.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1]).unwrap();
    refused(&["cut.log.gz"], 1, &["cut.log.gz", "gzip stream is broken off or damaged"]);
    // Bytes that are no text are read as far as they are.
    fs::write(folder.path().join("bytes.log"), b"took \xff 1 ms\n\x00\x01\n").unwrap();
    assert_eq!(json(folder.path(), &["bytes.log"])["records"], 2);
}
