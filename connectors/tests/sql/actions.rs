//! What is done, and noted with it.

use std::{sync::Barrier, thread};

use serde_json::{Value, json};
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::{PASSING, again, command, server::Database, with};

pub(crate) fn actions() -> Value {
    json!({
        "suspend": {
            "before": "SELECT state FROM jobs WHERE name = {target.service}",
            "run": ["UPDATE jobs SET state = 'suspended', generation = generation + 1 WHERE name = {target.service}",
                    "INSERT INTO hits VALUES ({target})"],
            "inverse": ["UPDATE jobs SET state = {before.state}, generation = generation + 1 WHERE name = {target.service}"],
        },
        "purge": { "run": ["DELETE FROM jobs WHERE state = {param.state}"], "irreversible": "the rows are gone", "rows_min": 1, "rows_max": 2 },
        "end_session": { "run": ["SELECT pg_terminate_backend({param.session}::int)"], "transaction": false, "irreversible": "its transaction is gone" },
        "vacuum": { "run": ["VACUUM jobs"], "transaction": false, "irreversible": "nothing can be got back from it" },
    })
}

#[test]
fn an_action_and_its_note_are_one() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    let suspend = command("suspend", "job-1", 0);
    let done = (Verdict::Succeeded, "2 rows by 2 statements".to_owned());
    assert_eq!(executor.execute(&suspend), done);
    assert_eq!(executor.execute(&suspend), done, "it is answered once more");
    assert_eq!(executor.execute(&again(&suspend)), done);
    // An executor that begins anew knows it as well.
    assert_eq!(database.executor(&actions()).execute(&suspend), done);
    assert_eq!(database.state("job-1"), "suspended");
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "1");
    assert_eq!(database.ask("SELECT generation FROM jobs WHERE name = 'job-1'"), "2");
    assert_eq!(database.noted("done"), "1");
    assert!(executor.remembers(&suspend), "so that no other ledger is put before it");
}

#[test]
fn one_key_at_once_in_many_places_is_done_once() {
    let database = Database::fresh();
    let executors: Vec<_> = (0..6).map(|_| database.executor(&actions())).collect();
    let barrier = Barrier::new(executors.len());
    let answers: Vec<_> = thread::scope(|scope| {
        let asked = executors.iter().map(|executor| {
            scope.spawn(|| {
                barrier.wait();
                executor.execute(&command("suspend", "job-1", 0))
            })
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(verdict, _)| *verdict == Verdict::Succeeded), "{answers:?}");
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "1");
}

#[test]
fn what_fails_is_rolled_back_with_its_note_and_may_be_tried_again() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    assert_eq!(executor.execute(&command("suspend", "job-1", 9)).0, Verdict::Succeeded);
    let mut other = database.client();
    let mut holding = other.transaction().unwrap();
    holding.execute("SELECT 1 FROM jobs WHERE name = 'job-2' FOR UPDATE", &[]).unwrap();
    let suspend = Command { timeout: Interval::from_seconds(4), ..command("suspend", "job-2", 0) };
    let (verdict, why) = executor.execute(&suspend);
    assert_eq!(verdict, PASSING);
    assert!(why.contains("canceling statement due to"), "{why}");
    holding.rollback().unwrap();
    // It does not wait there to be done later.
    thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(database.state("job-2"), "running");
    assert_eq!(database.noted("done"), "1");
    assert_eq!(executor.execute(&again(&suspend)).0, Verdict::Succeeded);
    assert_eq!(database.state("job-2"), "suspended");
}

#[test]
fn a_session_that_blocks_others_is_ended_once() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    let mut blocking = database.client();
    let mut holding = blocking.transaction().unwrap();
    holding.execute("LOCK TABLE jobs", &[]).unwrap();
    let session: i32 = holding.query_one("SELECT pg_backend_pid()", &[]).unwrap().get(0);
    let end = with(command("end_session", "orders-db", 0), "session", &session.to_string());
    assert_eq!(executor.execute(&end), (Verdict::Succeeded, "1 row".to_owned()));
    assert!(holding.execute("SELECT 1", &[]).is_err(), "it is gone");
    assert_eq!(database.state("job-1"), "running", "nobody waits any more");
    assert_eq!(executor.execute(&end), (Verdict::Succeeded, "1 row".to_owned()));
    // Beyond transactions altogether.
    assert_eq!(executor.execute(&command("vacuum", "orders-db", 1)).0, Verdict::Succeeded);
    assert_eq!((database.noted("done"), database.noted("begun")), ("2".to_owned(), "0".to_owned()));
}

#[test]
fn a_rehearsal_has_the_statements_read_and_does_nothing() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    let dry = Command { dry_run: true, ..command("suspend", "job-1", 0) };
    let told = format!(
        "would run 2 statements on {} on 127.0.0.1:{}; undone by its inverse",
        database.name, database.port
    );
    assert_eq!(executor.execute(&dry), (Verdict::Succeeded, told));
    let broken = json!({ "bad": { "run": ["UPDATE nobody SET x = 1"], "irreversible": "so it is" } });
    let (verdict, why) =
        database.executor(&broken).execute(&Command { dry_run: true, ..command("bad", "job-1", 0) });
    assert_eq!(
        (verdict, why.as_str()),
        (crate::LASTING, "bad: bad: relation \"nobody\" does not exist (42P01)")
    );
    assert_eq!(database.state("job-1"), "running");
    assert_eq!(database.ask("SELECT to_regclass('theriac.effects')"), "NULL");
}
