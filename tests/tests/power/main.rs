//! The power fails at any moment at which something is forced to the disk: what was acknowledged
//! is there, and nothing is done twice.
//!
//! Killing a process leaves what it wrote in the memory of the system; here that is lost too.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]
#![cfg(target_os = "linux")]

mod loss;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use theriac_connectors::{
    executor::{Ledger, LedgerLimits},
    topics::{Embedded, Settings},
};
use theriac_contract::{
    Action, Command as Order, Entity, Executor, Id, Interval, Record, Timestamp, Topic, Topics, Verdict,
};
use theriac_tests::program::{assert_same, command, stored};

use crate::loss::Disk;

/// Where a process of its own works, and where it says what is done.
const FOLDER: &str = "THERIAC_POWER_FOLDER";
const SAID: &str = "THERIAC_POWER_SAID";

/// One of the tests below in a process of its own.
fn process(test: &str, folder: &Path, said: &Path) -> Command {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", test, "--ignored", "--test-threads", "1"]).env(FOLDER, folder).env(SAID, said);
    process
}

fn folder() -> PathBuf {
    env::var_os(FOLDER).unwrap().into()
}

/// Tells the world outside, which keeps it whatever happens here.
fn say(line: impl std::fmt::Display) {
    let path = env::var_os(SAID).unwrap();
    let mut said = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(said, "{line}").unwrap();
}

fn said(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(below, bytes)| (path.join(below), bytes)));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    let below = |path: PathBuf| path.strip_prefix(folder).map(Path::to_owned).unwrap_or(path);
    found.into_iter().map(|(path, bytes)| (below(path), bytes)).collect()
}

/// What a process leaves that was begun once more after its power had failed, and all that both said.
struct Left {
    cut: usize,
    files: BTreeMap<PathBuf, Vec<u8>>,
    said: Vec<String>,
}

/// For each call that forces something to the disk: the power fails there, what is left is looked
/// at together with what was said by then, and the same process runs to its end. The last of what
/// they leave is that of a process whose power did not fail.
fn at_every_call(test: &str, look: &dyn Fn(&Path, &[String])) -> Vec<Left> {
    let scratch = tempfile::tempdir().unwrap();
    let mut left = Vec::new();
    loop {
        let cut = left.len() + 1;
        let [folder, disk, words] =
            ["data", "disk", "said"].map(|name| scratch.path().join(format!("{name}-{cut}")));
        fs::create_dir(&folder).unwrap();
        let disk = Disk::new(disk);
        let failed = disk.run(&mut process(test, &folder, &words), cut);
        if failed {
            disk.lose(&folder);
            look(&folder, &said(&words));
            assert!(!disk.run(&mut process(test, &folder, &words), 0));
        }
        left.push(Left { cut, files: files(&folder), said: said(&words) });
        if !failed {
            println!("{cut} calls");
            assert!(cut > 20, "it forces next to nothing to the disk");
            return left;
        }
    }
}

const TRANSACTIONS: u64 = 12;

fn record(n: u64) -> Record {
    Record { timestamp: Timestamp(n as i64), value: vec![n as u8; 90], ..Record::default() }
}

/// Small enough that segments are closed and the commit log is written anew.
fn open_log(folder: &Path) -> Embedded {
    let settings = Settings { segment_bytes: 400, commits_bytes: 1200, ..Settings::default() };
    Embedded::open(&folder.join("topics"), settings).unwrap()
}

#[test]
#[ignore = "it runs in a process whose power fails"]
fn transactions() {
    let mut log = open_log(&folder());
    for n in log.end(Topic::Plans, 0)..TRANSACTIONS {
        log.append(Topic::Plans, 0, &[record(n)]).unwrap();
        log.append(Topic::Outcomes, 0, &[record(n), record(n)]).unwrap();
        log.commit_position("reader", Topic::Plans, 0, n + 1).unwrap();
        log.commit().unwrap();
        say(n);
    }
}

#[test]
fn what_the_log_acknowledged_is_there() {
    let look = |folder: &Path, said: &[String]| {
        let log = open_log(folder);
        let end = log.end(Topic::Plans, 0);
        assert!(end >= said.len() as u64, "{} transactions were acknowledged, {end} are there", said.len());
        assert_eq!(log.end(Topic::Outcomes, 0), 2 * end);
        assert_eq!(log.position("reader", Topic::Plans, 0).unwrap_or(0), end);
        let stored = log.read(Topic::Plans, 0, 0, usize::MAX).unwrap();
        assert!(stored.into_iter().map(|stored| stored.record).eq((0..end).map(record)));
    };
    let left = at_every_call("transactions", &look);
    let whole = left.last().unwrap();
    for Left { cut, files, .. } in &left {
        assert!(*files == whole.files, "after a failure at call {cut} other bytes are there in the end");
    }
}

/// Says what it does.
struct Hand;

impl Executor for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn execute(&self, order: &Order) -> (Verdict, String) {
        say(&order.idempotency_key);
        (Verdict::Succeeded, String::new())
    }
}

fn order(n: u64) -> Order {
    let target = Entity(["cart", "shop"][n as usize % 2].to_owned());
    Order {
        plan: Id::derive("plan", &["p"]),
        incident: Id::derive("incident", &["i"]),
        step: 0,
        attempt: 1,
        compensation: false,
        action: Action { verb: "restart".to_owned(), target, parameters: [].into() },
        idempotency_key: Id::derive("step", &[n.to_string()]),
        domain: "shop".to_owned(),
        fencing_token: n,
        dry_run: false,
        timeout: Interval::from_seconds(1),
        issued: Timestamp(0),
    }
}

#[test]
#[ignore = "it runs in a process whose power fails"]
fn commands() {
    // Small enough that the ledger is written anew.
    let limits = LedgerLimits { answers_max: 2, bytes: 1500 };
    let ledger = Ledger::open(&folder().join("ledger"), limits, Hand).unwrap();
    (1..=16).for_each(|n| drop(ledger.execute(&order(n))));
}

#[test]
fn what_was_done_is_not_done_again() {
    for Left { cut, said, .. } in at_every_call("commands", &|_, _| {}) {
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        said.iter().for_each(|key| *times.entry(key).or_default() += 1);
        assert!(times.values().all(|times| *times == 1), "after a failure at call {cut}: {times:?}");
        assert!(times.len() >= 15, "after a failure at call {cut} commands were not done: {times:?}");
    }
}

fn arguments(data: &str) -> [&str; 8] {
    ["replay", "past.csv", "-c", "theriac.yaml", "--output", "json", "--data-dir", data]
}

/// Twelve instants of a run of the program, topics and checkpoints.
#[test]
fn the_program_goes_on_from_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let mut text = "timestamp,service,cpu\n".to_owned();
    for minute in 0..4000 {
        let cpu = if (2000..2100).contains(&minute) { 90 } else { 10 + minute % 7 };
        let (day, hour) = (1 + minute / 1440, minute / 60 % 24);
        writeln!(text, "2026-01-{day:02}T{hour:02}:{:02}:00Z,shop,{cpu}", minute % 60).unwrap();
    }
    fs::write(here.join("past.csv"), text).unwrap();
    fs::write(here.join("theriac.yaml"), "checkpoint: { rounds: 1 }\n").unwrap();
    let run = |name: &str, cut| {
        fs::create_dir(here.join(name)).unwrap();
        let disk = Disk::new(here.join(format!("{name}.disk")));
        let failed = disk.run(&mut command(here, &arguments(name)), cut);
        (disk, failed)
    };
    let (whole, _) = run("whole", 0);
    let (calls, expected) = (whole.calls(), stored(&here.join("whole")));
    println!("{calls} calls");
    for step in 0..12 {
        let (cut, name) = (1 + step * calls / 12, format!("failed-{step}"));
        let (disk, failed) = run(&name, cut);
        assert!(failed, "it made fewer calls than {cut}");
        disk.lose(&here.join(&name));
        let ended = theriac_tests::program::run(here, &arguments(&name));
        assert_eq!(ended.code, 0, "after a failure at call {cut}: {}", ended.err);
        assert!(!ended.err.contains("passed over"), "a checkpoint counted too early: {}", ended.err);
        assert_same(&expected, &here.join(&name), &format!("after a failure at call {cut} of {calls}"));
    }
}
