//! Questions over a store in memory.

mod memory;

use memory::Memory;
use serde_json::json;
use theriac_contract::{Record, Timestamp, Topic};
use theriac_query::{QueryError, json_lines, query, tables, text_table};

fn stored() -> Memory {
    let incident = |revision: u32, p: f64| {
        json!({"id": "incident-1", "revision": revision, "at": "2026-11-24T10:00:00.000000001Z",
            "hypotheses": [{"rank": 1, "entity": "cart", "fault": "memory_leak", "probability": p},
                           {"rank": 2, "entity": null, "fault": "unknown", "probability": 1.0 - p}]})
    };
    let step = |index: u32| json!({"index": index, "action": {"verb": "restart", "target": "cart/1"}});
    let mut memory = Memory::default()
        .with(Topic::Incidents, &incident(0, 0.5))
        .with(Topic::Incidents, &incident(1, 0.75))
        .with(
            Topic::Plans,
            &json!({"id": "plan-1", "stages": [{"steps": [step(0), step(1)]}, {"steps": [step(2)]}]}),
        )
        .with(Topic::Outcomes, &json!({"id": "outcome-1", "fencing_token": 3, "kind": "succeeded"}))
        .with(Topic::Outcomes, &json!({"id": "verification-1", "verdict": "recovered"}));
    let headers = vec![("origin".into(), b"a.csv".to_vec()), ("line".into(), b"7".to_vec())];
    let letter = Record { timestamp: Timestamp(1), key: vec![], headers, value: vec![b'x', 255] };
    memory.0.push((Topic::DeadLetters, letter));
    memory
}

fn ask(sql: &str) -> String {
    json_lines(&query(&stored(), sql).expect("a query that is answered")).expect("rows that can be printed")
}

#[test]
fn every_table_can_be_asked_also_when_empty() {
    for table in tables() {
        let names: Vec<_> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        let sql = format!("SELECT {} FROM {}", names.join(", "), table.name);
        query(&Memory::default(), &sql).unwrap();
        query(&stored(), &sql).unwrap();
    }
}

#[test]
fn lists_become_rows_and_revisions_the_last() {
    assert_eq!(
        ask("SELECT revision, cause, probability, at FROM incidents_now"),
        "{\"revision\":1,\"cause\":\"cart\",\"probability\":0.75,\"at\":\"2026-11-24T10:00:00.000000001Z\"}\n"
    );
    assert_eq!(ask("SELECT count(*) AS n FROM incidents"), "{\"n\":2}\n");
    assert_eq!(
        ask("SELECT entity, probability FROM hypotheses WHERE revision = 1 ORDER BY rank"),
        "{\"entity\":\"cart\",\"probability\":0.75}\n{\"entity\":null,\"probability\":0.25}\n"
    );
    assert_eq!(
        ask("SELECT sum(index) AS s, count(*) AS n FROM steps WHERE verb = 'restart'"),
        "{\"s\":3,\"n\":3}\n"
    );
    assert_eq!(ask("SELECT id, fencing_token FROM outcomes"), "{\"id\":\"outcome-1\",\"fencing_token\":3}\n");
    assert_eq!(
        ask("SELECT id FROM verifications WHERE verdict = 'recovered'"),
        "{\"id\":\"verification-1\"}\n"
    );
    assert_eq!(
        ask("SELECT origin, line, content FROM dead_letters"),
        "{\"origin\":\"a.csv\",\"line\":7,\"content\":\"x\u{fffd}\"}\n"
    );
    let table = text_table(&query(&stored(), "SELECT fault FROM incidents_now").unwrap()).unwrap();
    assert!(table.contains("| memory_leak |"), "{table}");
}

#[test]
fn errors_help_and_nothing_can_be_changed() {
    let error = |sql: &str| query(&stored(), sql).unwrap_err().to_string();
    let unknown = error("SELECT * FROM incident");
    assert!(unknown.contains("the tables are symptoms, symptoms_now, incidents"), "{unknown}");
    let column = error("SELECT probabilty FROM hypotheses");
    assert!(column.contains("probability"), "{column}");
    for sql in [
        "CREATE TABLE a AS SELECT 1",
        "INSERT INTO incidents_now SELECT * FROM incidents_now",
        "COPY incidents TO 'a.csv'",
        "DROP TABLE incidents",
        "SET datafusion.execution.batch_size = 1",
    ] {
        assert!(matches!(query(&stored(), sql), Err(QueryError::Sql(_))), "{sql}");
    }
}
