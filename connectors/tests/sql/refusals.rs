//! What may not be done is not done.

use serde_json::{Value, json};
use theriac_connectors::executor::{SqlExecutor, SqlSettings};
use theriac_contract::{Command, Executor, Verdict};

use crate::{LASTING, PASSING, actions::actions, command, server::Database, with};

fn under(token: u64, command: Command) -> Command {
    Command { fencing_token: token, ..command }
}

#[test]
fn tokens_only_grow_even_if_nothing_came_of_the_newest() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    assert_eq!(executor.execute(&under(7, command("suspend", "job-1", 0))).0, Verdict::Succeeded);
    assert_eq!(executor.execute(&under(7, command("suspend", "job-1", 1))).0, Verdict::Succeeded);
    let stale = executor.execute(&under(6, command("suspend", "job-1", 2)));
    assert_eq!(stale, (LASTING, "suspend: fenced: token 6 is older than 7 for job-1".to_owned()));
    // Nothing is deleted by it, so it is rolled back, but its token was seen.
    let nothing = with(under(9, command("purge", "job-1", 3)), "state", "absent");
    assert_eq!(executor.execute(&nothing).0, LASTING);
    assert_eq!(executor.execute(&under(8, command("suspend", "job-1", 4))).0, LASTING);
    // What was done under an older one is still answered.
    assert_eq!(executor.execute(&under(7, command("suspend", "job-1", 0))).0, Verdict::Succeeded);
    // Another target, and the same in another domain, have tokens of their own.
    assert_eq!(executor.execute(&under(1, command("suspend", "job-2", 5))).0, Verdict::Succeeded);
    let elsewhere = Command { domain: "other".to_owned(), ..under(1, command("suspend", "job-1", 6)) };
    assert_eq!(executor.execute(&elsewhere).0, Verdict::Succeeded);
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "4");
}

#[test]
fn too_few_or_too_many_rows_are_rolled_back() {
    let database = Database::fresh();
    let executor = database.executor(&actions());
    let (verdict, why) = executor.execute(&with(command("purge", "orders-db", 0), "state", "running"));
    assert_eq!((verdict, why.as_str()), (LASTING, "purge: rolled back: 5 rows were touched, more than 2"));
    let (verdict, why) = executor.execute(&with(command("purge", "orders-db", 1), "state", "absent"));
    assert_eq!((verdict, why.as_str()), (LASTING, "purge: rolled back: 0 rows were touched, fewer than 1"));
    assert_eq!(database.ask("SELECT count(*) FROM jobs"), "5");
    assert_eq!(database.noted("done"), "0");
}

#[test]
fn only_the_generation_that_the_plan_was_made_for_is_acted_upon() {
    let database = Database::fresh();
    let mut actions = actions();
    actions["suspend"]["generation"] = json!("SELECT generation FROM jobs WHERE name = {target.service}");
    let executor = database.executor(&actions);
    let (verdict, why) = executor.execute(&command("suspend", "job-1", 0));
    assert_eq!(verdict, LASTING);
    assert!(why.ends_with("give its action the parameter `generation`"), "{why}");
    let (verdict, why) = executor.execute(&with(command("suspend", "job-1", 1), "generation", "4"));
    assert_eq!((verdict, why.as_str()), (LASTING, "suspend: it is of generation 1 by now, not 4"));
    let (verdict, why) = executor.execute(&with(command("suspend", "job-9", 2), "generation", "1"));
    assert_eq!((verdict, why.as_str()), (LASTING, "suspend: it has no generation: it is not there"));
    assert_eq!(
        executor.execute(&with(command("suspend", "job-1", 3), "generation", "1")).0,
        Verdict::Succeeded
    );
    assert_eq!(database.ask("SELECT count(*) FROM hits"), "1");
}

#[test]
fn what_the_server_refuses_is_told_with_the_mend() {
    let database = Database::fresh();
    let run = |sql: &str| json!({ "x": { "run": [sql], "irreversible": "so it is" } });
    for (sql, verdict, words) in [
        ("VACUUM jobs", LASTING, "(25001); say `transaction: false` for this action"),
        ("SELECT 1; SELECT 2", LASTING, "cannot insert multiple commands into a prepared statement"),
        ("SELECT {param.absent}", LASTING, "`SELECT {param.absent}` needs the parameter `absent`"),
        ("SELECT {target.instance}", LASTING, "job-1 is not an instance"),
        ("SELECT {target}::int", LASTING, "invalid input syntax for type integer"),
        (
            "SELECT 1 FROM jobs WHERE pg_sleep(30) IS NOT NULL",
            PASSING,
            "canceling statement due to statement timeout",
        ),
    ] {
        let asked =
            Command { timeout: theriac_contract::Interval::from_seconds(4), ..command("x", "job-1", 0) };
        let (met, why) = database.executor(&run(sql)).execute(&asked);
        assert_eq!(met, verdict, "{sql}: {why}");
        assert!(why.contains(words), "{sql}: {why}");
    }
    let (verdict, why) = database.executor(&actions()).execute(&command("drop", "job-1", 0));
    let listed = "`drop` is not listed for this database; listed are end_session, purge, suspend, vacuum";
    assert_eq!((verdict, why.as_str()), (LASTING, listed));
}

#[test]
fn without_a_server_nothing_is_done_and_it_may_be_tried_again() {
    let database = Database::fresh();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (verdict, why) = database.executor_by(nobody, &actions()).execute(&command("suspend", "job-1", 0));
    assert_eq!(verdict, PASSING);
    assert!(why.contains(&format!("no connection to {} on 127.0.0.1:{nobody}", database.name)), "{why}");
    // This server has no TLS, and what must be encrypted does not go there in the clear.
    let mut settings = database.settings(database.port, &actions());
    settings["tls"] = json!("require");
    let secured = SqlExecutor::new("orders", serde_json::from_value(settings).unwrap()).unwrap();
    let (verdict, why) = secured.execute(&command("suspend", "job-1", 0));
    assert_eq!(verdict, PASSING);
    assert!(why.contains("server does not support TLS"), "{why}");
    assert_eq!(database.state("job-1"), "running");
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_mend() {
    let settings = |field: &str, value: Value| {
        let mut settings =
            json!({ "host": "db", "database": "orders", "user": "theriac", "actions": actions() });
        settings[field] = value;
        settings
    };
    let error = |settings: Value| match serde_json::from_value::<SqlSettings>(settings) {
        Err(error) => error.to_string(),
        Ok(settings) => {
            SqlExecutor::new("orders", settings).err().map(|error| error.to_string()).expect("an error")
        }
    };
    assert!(
        SqlExecutor::new("orders", serde_json::from_value(settings("port", json!(5433))).unwrap()).is_ok()
    );
    for (field, value, text) in [
        ("host", json!(""), "executor `orders`: `host` is empty; name it"),
        (
            "schema",
            json!("The-riac"),
            "executor `orders`: schema `The-riac` must be of small letters, digits and `_`",
        ),
        ("actions", json!({}), "executor `orders`: `actions` names none; name what may be done"),
        ("keep", json!("0s"), "executor `orders`: `keep` must be longer than nothing"),
        ("prot", json!(1), "unknown field `prot`"),
    ] {
        let error = error(settings(field, value));
        assert!(error.starts_with(text), "{error}");
    }
    for (action, text) in [
        (json!({ "run": [], "irreversible": "so" }), "`run` names no statement; name what is to be done"),
        (
            json!({ "run": ["SELECT 1"] }),
            "say either `inverse`, the statements that undo it, or `irreversible`",
        ),
        (
            json!({ "run": ["SELECT 1"], "inverse": ["SELECT 1"], "irreversible": "so" }),
            "say either `inverse`",
        ),
        (
            json!({ "run": ["SELECT pg_cancel_backend(1)"], "irreversible": "so" }),
            "`pg_cancel_backend` acts at once, whatever becomes of the transaction: say `transaction: false`",
        ),
        (
            json!({ "run": ["VACUUM a", "VACUUM b"], "irreversible": "so", "transaction": false }),
            "without a transaction only one statement may run",
        ),
        (
            json!({ "run": ["VACUUM a"], "irreversible": "so", "transaction": false, "rows_max": 1 }),
            "`rows_min` and `rows_max` need a transaction",
        ),
        (
            json!({ "run": ["SELECT 1"], "irreversible": "so", "rows_min": 2, "rows_max": 1 }),
            "`rows_max` must be at least `rows_min`, 2",
        ),
        (
            json!({ "run": ["SELECT {before.x}"], "irreversible": "so" }),
            "{before.NAME} is known in `inverse` alone",
        ),
        (
            json!({ "run": ["SELECT 1"], "inverse": ["SELECT {before.x}"] }),
            "`inverse` needs what was there: name the query for it in `before`",
        ),
    ] {
        let error = error(settings("actions", json!({ "x": action })));
        assert!(error.starts_with(text), "{error}");
    }
}
