//! What people say of a symptom while the service runs is noted, and known after a restart.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{fmt::Write as _, fs, path::Path};

use theriac_tests::{
    http::post,
    program::{command, run_well},
    service::{Running, until},
};

fn first_symptom(folder: &Path) -> String {
    until("a symptom", || {
        let ended = command(folder, &["tap", "symptoms", "--data-dir", "data"]).output().unwrap();
        let told = String::from_utf8(ended.stdout).unwrap();
        let symptom: serde_json::Value = serde_json::from_str(told.lines().next()?).unwrap();
        Some(symptom["id"].as_str().unwrap().to_owned())
    })
}

const LISTEN: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// A shop whose processor has been busy since the 500th minute.
#[test]
fn an_opinion_is_noted_while_it_runs_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut csv = "timestamp,service,cpu\n".to_owned();
    for minute in 0..540_u32 {
        let busy = if minute < 500 { 0.3 } else { 0.9 };
        let (hour, rest) = (minute / 60, minute % 60);
        let noise = f64::from(minute * 7_919 % 1_009) / 10_090.0;
        writeln!(csv, "2026-01-01T{hour:02}:{rest:02}:00Z,shop,{:.4}", busy + noise).unwrap();
    }
    fs::write(folder.join("cpu.csv"), csv).unwrap();
    let config = "sources:\n  - file: { path: cpu.csv }\noperations: { allow_judge: true }\n";
    fs::write(folder.join("service.yaml"), config).unwrap();

    let mut service = Running::start(folder, "log", &LISTEN);
    let (id, address) = (first_symptom(folder), service.address());
    let opinion = |id: &str, judgement: &str| {
        post(
            &address,
            "/-/judge",
            &format!(r#"{{"symptom": "{id}", "judgement": "{judgement}", "reason": "a test"}}"#),
        )
    };
    let (status, body) = opinion(&id, "noise");
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("judged noise") && body.contains("a test"), "{body}");
    let (status, body) = opinion("symptom-nobody", "right");
    assert_eq!((status, body.contains("theriac tap symptoms")), (400, true), "{body}");
    let (status, body) = opinion(&id, "wrong");
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("`right` or `noise`") && body.contains("nightly backup"), "{body}");
    let (status, body) = opinion(&id, "right");
    assert_eq!(status, 200, "{body}");
    service.stop();

    let log = || run_well(folder, &["knowledge", "log", "--data-dir", "data"]);
    let judged = |log: &str| log.lines().filter(|line| line.contains("judged")).count();
    assert_eq!(judged(&log()), 2, "{}", log());
    let mut service = Running::start(folder, "again", &LISTEN);
    service.hear("running; topics in");
    service.stop();
    assert_eq!(judged(&log()), 2, "{}", log());

    // Who did not allow it is not asked.
    fs::write(folder.join("service.yaml"), config.replace("true", "false")).unwrap();
    let mut service = Running::start(folder, "without", &LISTEN);
    let (status, body) = post(&service.address(), "/-/judge", "{}");
    assert_eq!((status, body.contains("operations.allow_judge")), (403, true), "{body}");
    service.stop();
}
