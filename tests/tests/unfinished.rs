//! `theriac unfinished`: what a person has to do about a plan that could not be undone.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::path::Path;

use serde_json::{Value, json};
use theriac_connectors::topics::{Embedded, Settings};
use theriac_contract::{Outcome, Plan, Topics as _};
use theriac_engine::records;
use theriac_tests::program::run_well;

fn plan() -> Plan {
    let step = |index: u32, verb: &str, undo: Option<&str>| {
        let action = |verb: &str| json!({ "verb": verb, "target": "cart" });
        json!({
            "index": index, "action": action(verb), "precondition": "always", "expected_effect": "",
            "timeout": "10s", "settle": "10s", "retry": {}, "idempotency_key": format!("step-{index}"),
            "compensation": undo.map(action), "verify_within": "10s",
        })
    };
    let plan = json!({
        "schema_version": 1, "id": "", "at": "2026-01-01T00:00:00Z", "expires": "2026-01-01T00:10:00Z",
        "domain": "shop", "incident": "incident-1", "incident_revision": 1, "cause": "cart", "fault": "hang",
        "class": "permanent", "playbook": "hang", "strategy": "stop_and_start", "escalation": 0,
        "candidates": [], "stages": [{ "name": "only", "steps": [step(0, "stop", Some("start")), step(1, "restart", None)] }],
        "dry_run": false, "knowledge_version": 1, "policy_version": "p",
    });
    serde_json::from_value::<Plan>(plan).unwrap().sealed()
}

fn outcome(plan: &Plan, step: Option<u32>, kind: &str, detail: &str) -> Outcome {
    let outcome = json!({
        "schema_version": 1, "id": format!("outcome-{kind}"), "at": "2026-01-01T00:05:00Z", "domain": "shop",
        "plan": plan.id, "incident": plan.incident, "step": step, "attempt": 1, "kind": kind, "action": null,
        "fencing_token": 1, "executor": "local", "dry_run": false, "detail": detail,
    });
    serde_json::from_value(outcome).unwrap()
}

fn write(folder: &Path, plan: &Plan, outcomes: &[Outcome]) {
    let mut topics = Embedded::open(&folder.join("topics"), Settings::default()).unwrap();
    for output in std::iter::once(records::plan(plan)).chain(outcomes.iter().map(records::outcome)) {
        topics.append(output.topic, 0, &[output.record]).unwrap();
    }
    topics.commit().unwrap();
}

#[test]
fn a_plan_that_could_not_be_undone_is_found_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan();
    let said = [
        outcome(&plan, Some(0), "succeeded", "stopped"),
        outcome(&plan, Some(1), "failed", "no such program"),
        outcome(&plan, Some(0), "compensation_failed", "port\u{1b}[2J is in use"),
        outcome(&plan, None, "abandoned", "step 1 failed: no such program"),
    ];
    write(&folder.path().join("data"), &plan, &said);
    let arguments = |format| ["unfinished", "--data-dir", "data", "--output", format];
    let text = run_well(folder.path(), &arguments("text"));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("stop_and_start: step 1 failed: no such program; incident"), "{text}");
    assert_eq!(lines[1], "  step 0: `stop cart` was done and could not be undone: do `start cart` by hand");
    assert_eq!(lines[2], "    it was said: port [2J is in use", "nothing moves the cursor");
    assert_eq!(lines.len(), 3, "what was refused is nobody's work once no incident stands: {text}");
    let found: Value = serde_json::from_str(&run_well(folder.path(), &arguments("json"))).unwrap();
    assert_eq!(found["plan"], json!(plan.id));
    assert_eq!((&found["left"][0]["state"], &found["stands"]), (&json!("not_undone"), &json!(false)));
}
