//! What people say of a symptom while the service runs is noted, and known after a restart.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use theriac_tests::{
    http::post,
    program::{command, run_well},
};

/// The service over a file of a shop whose processor has been busy since the 500th minute.
struct Service {
    process: Child,
    address: String,
}

impl Service {
    fn start(folder: &Path, log: &str) -> Self {
        let said = File::create(folder.join(log)).unwrap();
        let mut process =
            command(folder, &["run", "-c", "service.yaml", "--data-dir", "data", "--listen", "127.0.0.1:0"])
                .stdout(Stdio::null())
                .stderr(said)
                .spawn()
                .unwrap();
        let begin = Instant::now();
        loop {
            let said = fs::read_to_string(folder.join(log)).unwrap();
            let place = said.split_once("health and metrics on http://");
            if let Some(line) = place.and_then(|(_, rest)| rest.split_once('\n')) {
                return Self { process, address: line.0.trim().to_owned() };
            }
            assert!(
                process.try_wait().unwrap().is_none() && begin.elapsed() < Duration::from_secs(60),
                "{said}"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(mut self) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        assert!(self.process.wait().unwrap().success());
    }
}

fn first_symptom(folder: &Path) -> String {
    let begin = Instant::now();
    loop {
        let ended = command(folder, &["tap", "symptoms", "--data-dir", "data"]).output().unwrap();
        let told = String::from_utf8(ended.stdout).unwrap();
        if let Some(line) = told.lines().next() {
            let symptom: serde_json::Value = serde_json::from_str(line).unwrap();
            return symptom["id"].as_str().unwrap().to_owned();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no symptom");
        thread::sleep(Duration::from_millis(100));
    }
}

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

    let service = Service::start(folder, "log");
    let id = first_symptom(folder);
    let opinion = |id: &str, judgement: &str| {
        post(
            &service.address,
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
    let service = Service::start(folder, "again");
    service.stop();
    assert_eq!(judged(&log()), 2, "{}", log());

    // Who did not allow it is not asked.
    fs::write(folder.join("service.yaml"), config.replace("true", "false")).unwrap();
    let service = Service::start(folder, "without");
    let (status, body) = post(&service.address, "/-/judge", "{}");
    assert_eq!((status, body.contains("operations.allow_judge")), (403, true), "{body}");
    service.stop();
}
