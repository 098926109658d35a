//! A reader that has seen enough (`| head`) is no failure, whatever the verb.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
};

use theriac_tests::program::{command, run_well, stored};

fn started(folder: &Path, arguments: &[&str]) -> Child {
    command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// It ended well and said nothing of a panic; gives standard error.
fn ended_well(process: Child, arguments: &[&str]) -> String {
    let output = process.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {told}");
    assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    told
}

fn past() -> String {
    let rows = (0..3600).map(|second| {
        let errors = if (2000..2300).contains(&second) { 90 + second % 7 } else { second % 5 };
        format!("2026-01-01T00:{:02}:{:02}Z,shop,{errors}\n", second / 60, second % 60)
    });
    format!("timestamp,service,errors\n{}", rows.collect::<String>())
}

#[test]
fn no_verb_minds_a_pipe_that_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("past.csv"), past()).unwrap();
    let config = "data_dir: service\nclock: event\nsources:\n  - file: { path: past.csv }\n";
    fs::write(here.join("theriac.yaml"), config).unwrap();
    let symptoms = run_well(here, &["replay", "past.csv", "--data-dir", "told", "--verbose"]);
    assert!(symptoms.contains("symptom"), "there is nothing to tell: {symptoms}");
    for arguments in [
        &["demo", "--data-dir", "demo"][..],
        &["demo", "--data-dir", "demo", "--output", "json"],
        &["replay", "past.csv", "--data-dir", "data", "--verbose"],
        &["replay", "past.csv", "--data-dir", "data", "--output", "json"],
        &["run", "--until-end", "--verbose"],
        &["logs", "past.csv", "--all"],
        &["validate"],
        &["validate", "--print"],
        &["knowledge", "log", "--data-dir", "told"],
        &["knowledge", "diff", "1", "--data-dir", "told"],
        &["knowledge", "rollback", "1", "--data-dir", "told"],
        &["tap", "knowledge", "--data-dir", "told"],
        &["unfinished", "--data-dir", "told"],
        &["schema"],
        &["schema", "plan"],
        &["datasets", "list"],
        &["watch", "--for", "2s", "--interval", "100ms"],
        &["--help"],
        &["--version"],
    ] {
        let mut process = started(here, arguments);
        drop(process.stdout.take());
        ended_well(process, arguments);
    }
}

/// `theriac demo | head -3` ends there; what it did until then is whole.
#[test]
fn it_stops_when_nobody_reads_on() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--data-dir", "data"];
    let mut process = started(folder.path(), &arguments);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().take(3).all(|line| line.is_ok()));
    drop(lines);
    ended_well(process, &arguments);
    let rounds =
        |data_dir| run_well(folder.path(), &["tap", "journal", "--data-dir", data_dir]).lines().count();
    run_well(folder.path(), &["demo", "--data-dir", "whole"]);
    assert!(rounds("data") < rounds("whole"), "it went on though nobody read");
    run_well(folder.path(), &["demo", "--data-dir", "data", "--keep"]);
    assert_eq!(rounds("data"), rounds("whole"));
}

/// A service heals whether or not anybody reads what it tells.
#[test]
fn a_service_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("past.csv"), past()).unwrap();
    let config = "clock: event\nsources:\n  - file: { path: past.csv }\n";
    fs::write(folder.path().join("theriac.yaml"), config).unwrap();
    let arguments = |data_dir| ["run", "--until-end", "--verbose", "--data-dir", data_dir];
    run_well(folder.path(), &arguments("read"));
    let mut process = started(folder.path(), &arguments("unread"));
    drop(process.stdout.take());
    ended_well(process, &arguments("unread"));
    let symptoms = |data_dir: &str| {
        let mut files = stored(&folder.path().join(data_dir));
        files.retain(|path, _| path.starts_with("topics/symptoms"));
        files
    };
    assert!(!symptoms("read").is_empty());
    assert_eq!(symptoms("unread"), symptoms("read"));
}

/// A disk that is full is a failure, and no panic.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for verb in [&["schema"][..], &["datasets", "list"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(folder.path(), verb).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("theriac: ") && told.contains("No space left"), "{told}");
    }
}
