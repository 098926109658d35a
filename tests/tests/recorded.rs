//! What a live run recorded can be run once more, always with the same result.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{fs, io::Write, path::Path, process::Stdio, thread, time::Duration};

use theriac_tests::program::{assert_same, command, run, run_well, stored};

fn past() -> String {
    let rows = (0..3600).map(|second| {
        let errors = if (2000..2300).contains(&second) { 90 + second % 7 } else { second % 5 };
        format!("2026-01-01T00:{:02}:{:02}Z,shop,{errors}\n", second / 60, second % 60)
    });
    format!("timestamp,service,errors\n{}", rows.collect::<String>())
}

fn topic(folder: &Path, topic: &str, data_dir: &str) -> Vec<String> {
    run_well(folder, &["tap", topic, "--data-dir", data_dir]).lines().map(str::to_owned).collect()
}

/// Records a growing file with the real program, which is killed while it waits for more.
fn record(folder: &Path) {
    let (text, config) = (past(), "data_dir: live\nclock: event\nsources:\n  - file: { path: live.csv }\n");
    fs::write(folder.join("theriac.yaml"), config).unwrap();
    let mut file = fs::File::create(folder.join("live.csv")).unwrap();
    file.write_all(&text.as_bytes()[..1000]).unwrap();
    let count = |topic| run(folder, &["tap", topic, "--data-dir", "live"]).out.lines().count();
    let mut process = command(folder, &["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let wait_for = |topic, most: usize| {
        for _ in 0..600 {
            if count(topic) > most {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("no more than {most} records in {topic}");
    };
    for (rounds, part) in text.as_bytes()[1000..].chunks(30_000).enumerate() {
        wait_for("journal", rounds);
        file.write_all(part).unwrap();
    }
    wait_for("symptoms", 1);
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn a_recorded_run_is_run_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    record(here);
    let recorded = stored(&here.join("live"));
    let again = |data_dir, config: &str| {
        let arguments =
            ["replay", "--recorded", "live", "--data-dir", data_dir, "--output", "json", "-c", config];
        run_well(here, &arguments)
    };
    again("one", "theriac.yaml");
    again("two", "theriac.yaml");
    assert_same(&stored(&here.join("one")), &here.join("two"), "a second replay");
    assert_same(&recorded, &here.join("live"), "what was recorded");
    // The same configuration notices the same, at the same times.
    assert_eq!(topic(here, "symptoms", "one"), topic(here, "symptoms", "live"));
    assert_eq!(topic(here, "journal", "one").len(), topic(here, "journal", "live").len());
    // Called again, it goes on where it was: at the end.
    again("one", "theriac.yaml");
    assert_same(&stored(&here.join("two")), &here.join("one"), "called again");
    fs::write(here.join("other.yaml"), "monitor: { step: 10s }\n").unwrap();
    again("other", "other.yaml");
    assert_ne!(topic(here, "symptoms", "other"), topic(here, "symptoms", "live"), "it decides nothing");
}

#[test]
fn what_a_watch_recorded_is_run_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let arguments = ["watch", "--stdin", "--record", "seen", "--for", "3s", "--interval", "200ms"];
    let mut process = command(here, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    for line in 0..20 {
        // It may have ended by now.
        let _ = writeln!(input, "line {line} of a log");
        thread::sleep(Duration::from_millis(50));
    }
    drop(input);
    assert!(process.wait().unwrap().success());
    let report = |data_dir| run_well(here, &["replay", "--recorded", "seen", "--data-dir", data_dir]);
    let told = report("one");
    assert!(told.contains(" 20 log records,"), "{told}");
    report("two");
    assert_same(&stored(&here.join("one")), &here.join("two"), "a second replay");
}

#[test]
fn what_was_not_recorded_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("past.csv"), past()).unwrap();
    run_well(here, &["replay", "past.csv", "--data-dir", "kept", "--output", "json"]);
    fs::create_dir(here.join("hollow")).unwrap();
    let refused = |recorded: &str, data_dir: &str, parts: &[&str]| {
        let ended = run(here, &["replay", "--recorded", recorded, "--data-dir", data_dir]);
        assert_eq!(ended.code, 2, "{recorded}: {}", ended.err);
        for part in parts {
            assert!(ended.err.contains(part), "{recorded}: `{part}` is not in: {}", ended.err);
        }
    };
    refused("nowhere", "data", &["nowhere is no recorded folder", "watch --record"]);
    refused("hollow", "data", &["hollow is no recorded folder"]);
    refused("past.csv", "data", &["past.csv is no recorded folder"]);
    refused("kept", "data", &["kept holds no telemetry", "replay that input instead"]);
    refused("kept", "./kept", &["./kept is what was recorded", "--data-dir"]);
    fs::write(here.join("kept/topics/commits"), "nonsense\n").unwrap();
    refused("kept", "data", &["kept cannot be read"]);
    let both = run(here, &["replay", "past.csv", "--recorded", "kept", "--data-dir", "data"]);
    assert_eq!(both.code, 2, "{}", both.err);
}
