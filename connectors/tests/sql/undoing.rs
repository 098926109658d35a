//! What was done is undone, and nothing else.

use serde_json::json;
use theriac_contract::{Executor, Verdict};

use crate::{LASTING, actions::actions, command, server::Database, undo, with};

#[test]
fn an_inverse_brings_back_what_was_there_and_does_so_once() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    database.client().execute("UPDATE jobs SET state = 'late' WHERE name = 'job-1'", &[]).unwrap();
    let suspend = command("suspend", "job-1", 0);
    assert_eq!(executor.execute(&suspend).0, Verdict::Succeeded);
    let undone = (Verdict::Succeeded, "1 row".to_owned());
    assert_eq!(executor.execute(&undo(&suspend)), undone);
    assert_eq!(database.state("job-1"), "late");
    database.client().execute("UPDATE jobs SET state = 'moved on' WHERE name = 'job-1'", &[]).unwrap();
    assert_eq!(executor.execute(&undo(&suspend)), undone, "it is answered once more");
    assert_eq!(database.state("job-1"), "moved on");
}

#[test]
fn what_was_never_done_needs_no_undoing_and_is_not_done_afterwards() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    let suspend = command("suspend", "job-1", 0);
    let nothing = (Verdict::Succeeded, "nothing was done that had to be undone".to_owned());
    assert_eq!(executor.execute(&undo(&suspend)), nothing);
    let late = executor.execute(&suspend);
    assert_eq!(late, (LASTING, "suspend: it was taken back before it was begun".to_owned()));
    assert_eq!(database.state("job-1"), "running");
}

#[test]
fn what_others_did_since_is_not_undone_with_it() {
    let database = Database::fresh();
    let mut actions = actions();
    actions["suspend"]["generation"] = json!("SELECT generation FROM jobs WHERE name = {target.service}");
    let executor = database.executor(&actions);
    let suspend = with(command("suspend", "job-1", 0), "generation", "1");
    assert_eq!(executor.execute(&suspend).0, Verdict::Succeeded);
    let deploy = "UPDATE jobs SET state = 'deployed', generation = generation + 1 WHERE name = 'job-1'";
    database.client().execute(deploy, &[]).unwrap();
    let refused = "suspend: it is of generation 3 by now, not 2: somebody has changed it since";
    assert_eq!(executor.execute(&undo(&suspend)), (LASTING, refused.to_owned()));
    assert_eq!(database.state("job-1"), "deployed");
}

#[test]
fn what_is_irreversible_says_why() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    database.client().execute("UPDATE jobs SET state = 'dead' WHERE name = 'job-5'", &[]).unwrap();
    let purge = with(command("purge", "orders-db", 0), "state", "dead");
    assert_eq!(executor.execute(&purge), (Verdict::Succeeded, "1 row".to_owned()));
    let refused = (LASTING, "purge: it cannot be undone: the rows are gone".to_owned());
    assert_eq!(executor.execute(&undo(&purge)), refused);
}

#[test]
fn another_verb_may_undo_it() {
    let database = Database::fresh();
    let mut actions = actions();
    actions["resume"] = json!({ "run": ["UPDATE jobs SET state = 'running' WHERE name = {target.service}"], "irreversible": "it runs again" });
    let executor = database.executor(&actions);
    let suspend = command("suspend", "job-1", 0);
    assert_eq!(executor.execute(&suspend).0, Verdict::Succeeded);
    let mut resume = undo(&suspend);
    resume.action.verb = "resume".to_owned();
    assert_eq!(executor.execute(&resume), (Verdict::Succeeded, "1 row".to_owned()));
    assert_eq!(database.state("job-1"), "running");
}
