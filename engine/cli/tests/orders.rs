//! What people say about acting, to a service that runs: it waits for an approval, stops at a pause,
//! and after a kill -9 all of it holds.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

#[path = "program/mod.rs"]
mod program;

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use program::theriac;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

/// A shop that leaks memory from the 1,000th second on, and fails more and more.
fn rows(seconds: std::ops::Range<u32>) -> String {
    let mut rows = String::new();
    for second in seconds {
        let errors = if second >= 1_100 { 90 + second % 7 } else { second % 5 };
        let memory = 100 + second % 3 + 2 * second.saturating_sub(1_000);
        let (hour, minute, rest) = (second / 3_600, second / 60 % 60, second % 60);
        writeln!(rows, "2026-01-01T{hour:02}:{minute:02}:{rest:02}Z,shop,shop-1,{memory},{errors}").unwrap();
    }
    rows
}

struct Shop<'a> {
    folder: &'a Path,
    second: u32,
}

impl Shop<'_> {
    /// Lets time go on, a little at a time, until `look` finds something.
    fn until<T>(&mut self, what: &str, mut look: impl FnMut(&Path) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(found) = look(self.folder) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}: {}", log(self.folder));
            self.go_on(5);
            thread::sleep(Duration::from_millis(150));
        }
    }

    fn go_on(&mut self, seconds: u32) {
        let mut file = File::options().append(true).open(self.folder.join("shop.csv")).unwrap();
        file.write_all(rows(self.second..self.second + seconds).as_bytes()).unwrap();
        self.second += seconds;
    }
}

/// Killed when it goes out of scope.
struct Service(Child, String);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn start(folder: &Path) -> Service {
    let said = File::create(folder.join("log")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_theriac"));
    let arguments = ["run", "-c", "service.yaml", "--data-dir", "data", "--listen", "127.0.0.1:0"];
    let process =
        command.current_dir(folder).args(arguments).stdout(Stdio::null()).stderr(said).spawn().unwrap();
    let mut service = Service(process, String::new());
    let begin = Instant::now();
    while !log(folder).contains("running; topics in") {
        assert!(begin.elapsed() < PATIENCE, "{}", log(folder));
        assert!(service.0.try_wait().unwrap().is_none(), "{}", log(folder));
        thread::sleep(Duration::from_millis(50));
    }
    let said = log(folder);
    let address = said.split_once("health and metrics on http://").unwrap().1;
    service.1 = address.split_whitespace().next().unwrap().to_owned();
    service
}

fn tap(folder: &Path, topic: &str) -> Vec<Value> {
    let data = folder.join("data").display().to_string();
    let output = theriac(&["tap", topic, "--data-dir", &data]);
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn intended(folder: &Path) -> usize {
    tap(folder, "outcomes").iter().filter(|outcome| outcome["kind"] == "intended").count()
}

fn facts(folder: &Path, name: &str) -> usize {
    tap(folder, "knowledge").iter().filter(|fact| fact["fact"] == name).count()
}

/// What it says, and its exit code.
fn said(arguments: &[&str]) -> (String, Option<i32>) {
    let output = theriac(arguments);
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

#[test]
fn a_running_service_waits_for_approval_and_stops_at_a_pause() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let config = "sources:\n  - file: { path: shop.csv }\nclock: event\npolicy: policy.yaml\n\
                  operations: { allow_control: true }\n";
    fs::write(folder.join("service.yaml"), config).unwrap();
    fs::write(folder.join("policy.yaml"), "default: approve\n").unwrap();
    fs::write(
        folder.join("shop.csv"),
        format!("timestamp,service,instance,memory,errors\n{}", rows(0..1_120)),
    )
    .unwrap();
    let mut shop = Shop { folder, second: 1_120 };
    let mut service = start(folder);
    let plan = shop.until("a plan", |folder| tap(folder, "plans").into_iter().next());
    assert_eq!((plan["awaiting"].as_str(), plan["autonomy"].as_str()), (Some("approval"), Some("approve")));
    let id = plan["id"].as_str().unwrap();
    shop.go_on(20);

    let (text, code) = said(&["approve", "plan-nobody", "--service", &service.1]);
    assert_eq!((text.contains("no plan begins with `plan-nobody`"), code), (true, Some(2)), "{text}");
    let (text, code) = said(&["pause", "--by", "ada", "--why", "a release", "--service", &service.1]);
    assert_eq!((text.contains("acting paused by ada: a release"), code), (true, Some(0)), "{text}");
    let (text, code) = said(&["approve", &id[..13], "--by", "bob", "--service", &service.1]);
    assert_eq!((text.contains("approved by bob"), code), (true, Some(0)), "{text}");
    let (text, code) = said(&["approve", id, "--by", "eve", "--service", &service.1]);
    assert_eq!((text.contains("was approved by bob already"), code), (true, Some(2)), "{text}");

    // It is approved, and nothing begins, nor does it after a kill.
    let held = |folder: &Path| {
        let facts = tap(folder, "knowledge");
        facts.iter().any(|fact| fact["reason"] == "held").then_some(())
    };
    shop.until("a refusal", held);
    drop(service);
    service = start(folder);
    shop.go_on(30);
    thread::sleep(Duration::from_secs(1));
    assert_eq!(intended(folder), 0);

    let (text, code) = said(&["resume", "--by", "ada", "--service", &service.1]);
    assert_eq!((text.contains("acting resumed by ada"), code), (true, Some(0)), "{text}");
    shop.until("an intent", |folder| (intended(folder) > 0).then_some(()));
    let (text, code) = said(&["resume", "--service", &service.1]);
    assert_eq!((text.contains("acting is neither paused nor stopped"), code), (true, Some(2)), "{text}");

    // What it does once more after a kill is what it did.
    drop(service);
    let service = start(folder);
    shop.go_on(30);
    thread::sleep(Duration::from_secs(1));
    drop(service);
    assert!(!log(folder).contains("gives other output"), "{}", log(folder));
    assert_eq!(["acting_held", "plan_approved", "acting_resumed"].map(|name| facts(folder, name)), [1, 1, 1]);

    // The same without a service: the folder is told.
    let data = folder.join("data").display().to_string();
    let (text, code) = said(&["pause", "--kill", "--by", "ada", "--data-dir", &data]);
    assert_eq!((text.contains("acting stopped by the kill switch by ada"), code), (true, Some(0)), "{text}");
    let (text, code) = said(&["approve", id, "--data-dir", &data]);
    assert_eq!((text.contains("was taken up already"), code), (true, Some(2)), "{text}");
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_file_line_and_mend() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).display().to_string()
    };
    let config = file(
        "service.yaml",
        "sources: [{file: {path: a.csv}}]\npolicy: policy.yaml\nplan: {blast: {budget: -1}}\n",
    );
    file("a.csv", "timestamp,service,x\n");
    file("policy.yaml", "rules:\n  - name: a\n    match: {targts: [cart]}\n    autonomy: act\n");
    let (text, code) = said(&["validate", "-c", &config]);
    assert_eq!(
        (text.contains("policy.yaml:3:") && text.contains("targets"), code),
        (true, Some(2)),
        "{text}"
    );
    file("policy.yaml", "rules:\n  - {name: a, autonomy: act}\n  - {name: a, autonomy: act}\n");
    let (text, code) = said(&["validate", "-c", &config]);
    let told = text.contains("`plan.blast.budget` is -1; write 0 or more")
        && text.contains("rule `a` is there already");
    assert_eq!((told, code), (true, Some(2)), "{text}");
}

#[test]
fn tests_of_policies_are_run_and_fail_with_what_is_otherwise() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../plan");
    let (text, code) = said(&["test", &format!("{shipped}/playbooks"), &format!("{shipped}/policies")]);
    assert_eq!((text.contains("tests passed") && !text.contains("FAIL"), code), (true, Some(0)), "{text}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), "default: suggest\n").unwrap();
    let test = "policy: policy.yaml\ntests:\n  - name: acts\n    given:\n      hypotheses: [{fault: crash_loop, entity: \
                a/a-1, probability: 0.9}]\n    expect: {autonomy: act}\n";
    fs::write(folder.path().join("mine.test.yaml"), test).unwrap();
    let (text, code) = said(&["test", &folder.path().display().to_string()]);
    assert!(text.contains("mine.test.yaml:3: acts\n      autonomy: expected act, is suggest"), "{text}");
    assert!(text.contains("1 of 1 tests failed"), "{text}");
    assert_eq!(code, Some(1));
}
