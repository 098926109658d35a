//! Connections that break, and executors that are killed, in the middle.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command as Process, Stdio},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::{
    PASSING,
    actions::actions,
    again, command,
    proxy::{Fate, proxy},
    server::Database,
};

/// A database whose ledger is there already, so that the first commit is that of the action.
fn used() -> Database {
    let database = Database::fresh();
    let (verdict, why) = database.executor(&actions()).execute(&command("vacuum", "orders-db", 0));
    assert_eq!(verdict, Verdict::Succeeded, "{why}");
    database
}

#[test]
fn a_commit_whose_answer_is_lost_is_asked_about() {
    let database = used();
    let port = proxy(database.port, 1, Fate::Unanswered);
    let answer = database.executor_by(port, &actions()).execute(&command("suspend", "job-1", 0));
    assert_eq!(answer, (Verdict::Succeeded, "2 rows by 2 statements".to_owned()));
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "1");
}

#[test]
fn a_commit_that_never_arrives_is_known_to_be_none() {
    let database = used();
    let port = proxy(database.port, 1, Fate::Lost);
    let executor = database.executor_by(port, &actions());
    let suspend = command("suspend", "job-1", 0);
    let (verdict, why) = executor.execute(&suspend);
    assert_eq!(verdict, PASSING, "{why}");
    assert!(why.starts_with("suspend: rolled back: the commit"), "{why}");
    assert_eq!(database.state("job-1"), "running");
    assert_eq!(executor.execute(&again(&suspend)).0, Verdict::Succeeded);
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "1");
}

#[test]
fn a_commit_that_is_late_has_no_effect() {
    let database = used();
    let port = proxy(database.port, 1, Fate::Delayed(Duration::from_secs(6)));
    let suspend = Command { timeout: Interval::from_seconds(4), ..command("suspend", "job-1", 0) };
    let (verdict, why) = database.executor_by(port, &actions()).execute(&suspend);
    // The server has ended the transaction when its time was over, so its lock is free, and asking works.
    assert!(verdict == PASSING || verdict == Verdict::Unknown, "{verdict:?}: {why}");
    thread::sleep(Duration::from_secs(3));
    assert_eq!(database.state("job-1"), "running");
    assert_eq!(database.noted("done"), "1", "that of the vacuum");
}

const CHILD: &str = "THERIAC_TEST_SQL_CHILD";

fn slow_actions() -> Value {
    let hit = "INSERT INTO hits SELECT {target} FROM (SELECT pg_sleep(0.004)) AS slow";
    json!({
        "hit": { "run": [hit, hit], "irreversible": "it is a test" },
        "hit_alone": { "run": [hit], "transaction": false, "irreversible": "it is a test" },
    })
}

fn commands(verb: &str) -> Vec<Command> {
    (0..30).map(|step| command(verb, &format!("job-{step}"), step)).collect()
}

/// What the processes that are killed do: all commands, each answer on a line of its own.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let told: Vec<&str> = told.split(' ').collect();
    let [port, name, verb] = told.as_slice() else { panic!("port, database, verb") };
    let database = Database { name: (*name).to_owned(), port: port.parse().unwrap() };
    let executor = database.executor(&slow_actions());
    for command in commands(verb) {
        let (verdict, _) = executor.execute(&command);
        println!("\nanswer {} {}", command.action.target, serde_json::to_string(&verdict).unwrap());
    }
    println!("\nover");
}

/// Has children do all commands, and kills each after a while, until one comes to the end. Gives what was
/// answered last for each target.
fn killed_again_and_again(database: &Database, verb: &str) -> (BTreeMap<String, Verdict>, u32) {
    let mut answers = BTreeMap::new();
    for run in 0_u32.. {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "cut_off::child", "--nocapture"])
            .env(CHILD, format!("{} {} {verb}", database.port, database.name))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id();
        // Each lives a little longer than the one before, so that they come to their end.
        let life = Duration::from_millis(60 + 17 * u64::from(run));
        let killer = thread::spawn(move || {
            thread::sleep(life);
            Process::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status().unwrap();
        });
        let lines: Vec<String> =
            BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
        for line in &lines {
            if let Some((target, verdict)) =
                line.strip_prefix("answer ").and_then(|rest| rest.split_once(' '))
                && let Ok(verdict) = serde_json::from_str::<Verdict>(verdict)
            {
                let earlier = answers.insert(target.to_owned(), verdict.clone());
                assert!(
                    earlier.is_none_or(|earlier| earlier == verdict),
                    "{target}: another answer than before"
                );
            }
        }
        killer.join().unwrap();
        child.wait().unwrap();
        if lines.iter().any(|line| line == "over") {
            return (answers, run);
        }
    }
    unreachable!()
}

fn hits(database: &Database) -> BTreeMap<String, i64> {
    let rows = database.client().query("SELECT key, count(*) FROM hits GROUP BY key", &[]).unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[test]
fn killed_in_the_middle_each_key_is_done_once() {
    let database = Database::fresh();
    let (answers, kills) = killed_again_and_again(&database, "hit");
    assert!(kills >= 3, "it was killed {kills} times");
    let hits = hits(&database);
    for command in commands("hit") {
        let target = command.action.target.as_str();
        assert_eq!(answers.get(target), Some(&Verdict::Succeeded), "{target}");
        assert_eq!(hits.get(target), Some(&2), "{target}: both statements, once");
    }
}

#[test]
fn killed_in_the_middle_what_has_no_transaction_is_done_at_most_once() {
    let database = Database::fresh();
    let (answers, kills) = killed_again_and_again(&database, "hit_alone");
    assert!(kills >= 3, "it was killed {kills} times");
    let hits = hits(&database);
    let mut unknown = 0;
    for command in commands("hit_alone") {
        let target = command.action.target.as_str();
        let done = hits.get(target).copied().unwrap_or(0);
        match answers.get(target) {
            Some(Verdict::Succeeded) => assert_eq!(done, 1, "{target}"),
            Some(Verdict::Unknown) => {
                unknown += 1;
                assert!(done <= 1, "{target}: {done}");
            }
            other => panic!("{target}: {other:?}"),
        }
    }
    assert!(unknown > 0, "no kill met a statement under way, in {kills}");
}
