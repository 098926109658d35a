//! What a run leaves behind can be read, checked against its schema, and taken back.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{collections::BTreeMap, path::Path, process::Stdio, thread, time::Duration};

use serde_json::Value;
use theriac_tests::program::{command, run, run_well};

fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    run_well(folder, arguments)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {line}")))
        .collect()
}

/// Payload and schema name of every record of a topic.
fn payloads(folder: &Path, topic: &str) -> Vec<(String, Value)> {
    let records = lines(folder, &["tap", topic, "--envelope", "--data-dir", "data"]);
    for (place, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], place, "{topic}");
    }
    let name = |record: &Value| {
        let kind = record["headers"]["ce_type"].as_str().expect("a record says its type");
        kind.trim_start_matches("theriac.").trim_end_matches(".v1").to_owned()
    };
    records.into_iter().map(|mut record| (name(&record), record["value"].take())).collect()
}

fn every_record_fits_its_schema(folder: &Path) {
    let mut counts = BTreeMap::new();
    for topic in ["symptoms", "incidents", "plans", "outcomes", "knowledge"] {
        for (name, payload) in payloads(folder, topic) {
            let (count, validator) = counts.entry(name.clone()).or_insert_with(|| {
                let schema: Value =
                    serde_json::from_str(&run_well(folder, &["schema", &name])).expect("a schema is JSON");
                (0, jsonschema::validator_for(&schema).expect("a schema that can be compiled"))
            });
            *count += 1;
            let wrong: Vec<String> =
                validator.iter_errors(&payload).map(|e| format!("{}: {e}", e.instance_path())).collect();
            assert!(wrong.is_empty(), "{name} in {topic}: {}\n{payload}", wrong.join("; "));
            assert!(
                validator.validate(&Value::from("nonsense")).is_err(),
                "{name}: the schema fits anything"
            );
        }
    }
    let names: Vec<&str> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["fact", "incident", "outcome", "plan", "symptom", "verification"]);
}

fn knowledge_goes_back(folder: &Path) {
    let log = ["knowledge", "log", "--output", "json", "--data-dir", "data"];
    let before = lines(folder, &log);
    let newest = before.len() as u64;
    let versions: Vec<Option<u64>> = before.iter().map(|fact| fact["version"].as_u64()).collect();
    assert_eq!(versions, (1..=newest).map(Some).collect::<Vec<_>>());
    assert_eq!(run_well(folder, &["knowledge", "log", "--data-dir", "data"]).lines().count(), before.len());

    let diff = |from: &str, to: &[&str]| {
        run_well(folder, &[&["knowledge", "diff", from, "--data-dir", "data"], to].concat())
    };
    let grown = diff("5", &[]);
    assert!(grown.lines().any(|line| line == "+ gateway"), "{grown}");
    assert!(diff("1", &[]).lines().count() >= grown.lines().count());
    assert_eq!(diff(&newest.to_string(), &[]), "", "nothing came after the newest");

    let told = run_well(folder, &["knowledge", "rollback", "5", "--reason", "a test", "--data-dir", "data"]);
    assert!(told.contains("rolled back to version 5: a test"), "{told}");
    let after = lines(folder, &log);
    assert_eq!(after[..before.len()], before[..], "nothing is erased");
    let last = &after[before.len()];
    assert_eq!(
        (after.len(), &last["fact"], &last["to"]),
        (before.len() + 1, &"rolled_back".into(), &5.into())
    );
    assert_eq!(diff("5", &[]), "", "what is known is what was known at version 5");
    assert_eq!(diff("5", &[&newest.to_string()]), grown, "the past can still be asked for");
    let lost = diff(&newest.to_string(), &[]);
    assert!(lost.lines().any(|line| line == "- gateway"), "{lost}");

    let beyond = run(folder, &["knowledge", "rollback", "9999", "--data-dir", "data"]);
    assert_eq!(beyond.code, 2, "{}", beyond.err);
    assert!(beyond.err.contains(&format!("the newest version is {}", newest + 1)), "{}", beyond.err);
    let nowhere = run(folder, &["knowledge", "log", "--data-dir", "elsewhere"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.err);
    assert!(nowhere.err.contains("elsewhere") && nowhere.err.contains("--data-dir"), "{}", nowhere.err);
}

fn judge<'a>(id: &'a str, judgement: &'a str) -> [&'a str; 6] {
    ["knowledge", "judge", id, judgement, "--data-dir", "data"]
}

fn symptoms_are_judged(folder: &Path) {
    let symptoms = lines(folder, &["tap", "symptoms", "--data-dir", "data"]);
    let id = symptoms[0]["id"].as_str().expect("a symptom has an id");
    let told = run_well(folder, &judge(id, "noise"));
    assert!(told.contains("judged noise") && told.contains("by hand"), "{told}");
    let newest: u64 = told.split_whitespace().next().and_then(|version| version.parse().ok()).unwrap();
    // The beginning of an id is enough, if it is that of no other.
    run_well(folder, &judge(&id[..id.len() - 1], "right"));
    let before = (newest - 1).to_string();
    let grown = run_well(folder, &["knowledge", "diff", &before, "--data-dir", "data"]);
    let signal = symptoms[0]["signal"].as_str().unwrap();
    assert!(grown.contains(signal) && grown.contains("0 right, 0 noise -> 1 right, 1 noise"), "{grown}");
    for (id, said) in [("symptom-", "several symptoms begin with"), ("nothing", "theriac tap symptoms")] {
        let wrong = run(folder, &judge(id, "noise"));
        assert_eq!(wrong.code, 2, "{}", wrong.err);
        assert!(wrong.err.contains(said), "{}", wrong.err);
    }
}

/// What caused an incident is a fact, with the weights of the channels that follow from it.
fn causes_are_confirmed(folder: &Path) {
    let confirm = |arguments: &[&str]| {
        run(folder, &[&["knowledge", "confirm"], arguments, &["--data-dir", "data"]].concat())
    };
    let incidents = payloads(folder, "incidents");
    let (_, incident) =
        incidents.iter().rfind(|(_, one)| one["hypotheses"][0]["entity"].is_string()).unwrap();
    let (id, best) = (incident["id"].as_str().unwrap(), &incident["hypotheses"][0]);
    let cause = best["entity"].as_str().unwrap();
    let told = confirm(&[id, cause, "--reason", "seen"]);
    assert_eq!(told.code, 0, "{}", told.err);
    assert!(told.out.contains(&format!("confirmed to be caused by {cause}: seen")), "{}", told.out);
    let newest: u64 = told.out.split_whitespace().next().and_then(|version| version.parse().ok()).unwrap();
    let before = (newest - 1).to_string();
    let grown = run_well(folder, &["knowledge", "diff", &before, "--data-dir", "data"]);
    assert!(grown.contains("~ weights of channels: none learnt -> "), "{grown}");
    let facts = lines(folder, &["knowledge", "log", "--last", "1", "--output", "json", "--data-dir", "data"]);
    assert_eq!(facts[0]["fault"], best["fault"]);
    assert!(!facts[0]["shown"].as_array().unwrap().is_empty(), "{}", facts[0]);
    assert_eq!(facts[0]["shown"], best["shown"]);
    for (arguments, said) in [
        (vec![id, "nobody"], "was not suspected in"),
        (vec!["incident-nobody", cause], "theriac explain` lists them"),
        (vec!["incident-", cause], "several incidents begin with"),
    ] {
        let wrong = confirm(&arguments);
        assert_eq!((wrong.code, wrong.err.contains(said)), (2, true), "{}", wrong.err);
    }
}

/// Each incident in no more than a hundred columns, as one object, and as a page; nobody else's.
fn incidents_are_explained(folder: &Path) {
    fn explain<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        [&["explain"], arguments, &["--data-dir", "data"]].concat()
    }
    let listed = run_well(folder, &explain(&[]));
    let incidents: std::collections::BTreeSet<String> = payloads(folder, "incidents")
        .iter()
        .map(|(_, incident)| incident["id"].as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(listed.lines().count(), incidents.len());
    for id in &incidents {
        let short = &id["incident-".len()..][..8];
        assert!(listed.contains(short), "{short} is not listed");
        let told = run_well(folder, &explain(&[short]));
        let long = told.lines().find(|line| line.chars().count() > 100);
        assert!(long.is_none(), "{id}: {long:?}");
        for part in ["Why", "How it spread", "What shows it", "What was done", "How the verdict came to be"] {
            assert!(told.lines().any(|line| line.starts_with(part)), "{id}: {part} is missing\n{told}");
        }
        let object: Value =
            serde_json::from_str(&run_well(folder, &explain(&[id, "--output", "json"]))).unwrap();
        assert_eq!(object["incident"]["id"], id.as_str());
        let cause = &object["judged"]["hypotheses"][0]["entity"];
        let places = object["propagation"].as_array().expect("places");
        let role = places.iter().find(|place| place["role"] == "cause").map(|place| &place["place"]);
        let service = cause.as_str().and_then(|cause| cause.split('/').next());
        assert!(role.is_none_or(|role| role.as_str() == service), "{id}: {role:?} is not {cause}");
        assert!(!places.is_empty(), "{id} is nowhere");
    }
    run_well(folder, &explain(&["last", "--report", "incident.html"]));
    let page = std::fs::read_to_string(folder.join("incident.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg") && page.contains("How it spread"));
    let wrong = run(folder, &explain(&["incident-nobody"]));
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("no incident `incident-nobody`"), "{}", wrong.err);
}

#[test]
fn after_a_run() {
    let folder = tempfile::tempdir().unwrap();
    run_well(folder.path(), &["demo", "--data-dir", "data", "--output", "json"]);
    symptoms_are_judged(folder.path());
    causes_are_confirmed(folder.path());
    every_record_fits_its_schema(folder.path());
    incidents_are_explained(folder.path());
    knowledge_goes_back(folder.path());
}

/// A run that is broken off, rolled back and taken up again goes on from what was rolled back to,
/// however often it is killed after that.
#[test]
fn a_rolled_back_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--keep", "--data-dir", "data", "--output", "json"];
    let log = || lines(folder.path(), &["knowledge", "log", "--output", "json", "--data-dir", "data"]);
    let kill_after = |facts: usize| {
        let mut process = command(folder.path(), &arguments).stdout(Stdio::null()).spawn().unwrap();
        while run(folder.path(), &["knowledge", "log", "--data-dir", "data"]).out.lines().count() < facts {
            assert!(process.try_wait().unwrap().is_none(), "it ended before it had {facts} facts");
            thread::sleep(Duration::from_millis(20));
        }
        process.kill().unwrap();
        process.wait().unwrap();
    };
    kill_after(45);
    run_well(folder.path(), &["knowledge", "rollback", "30", "--data-dir", "data"]);
    let back = log().len();
    kill_after(back + 3);
    run_well(folder.path(), &arguments);
    let facts = log();
    let versions: Vec<u64> = facts.iter().filter_map(|fact| fact["version"].as_u64()).collect();
    assert_eq!(versions, (1..=facts.len() as u64).collect::<Vec<_>>());
    assert_eq!(facts[back - 1]["fact"], "rolled_back");
    assert!(facts.len() > back + 3, "nothing was learnt after it");
}
