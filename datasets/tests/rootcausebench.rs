//! RootCauseBench: its reader on a folder made by hand, its scores, and the published answers of no
//! diagnosis at all.

mod corpus;

use std::{collections::BTreeSet, fs, path::Path};

use theriac_datasets::rootcausebench::{Answer, NONE, Truth, anchors, is_here, open};

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn truth(cause: &str) -> Truth {
    Truth {
        root_cause_commit: cause.to_owned(),
        first_failing_service: "cart".to_owned(),
        blast_radius: names(&["web", "mail"]),
        remediation: "rollback".to_owned(),
        decoy_deploy_commits: vec!["decoy00".to_owned()],
    }
}

#[test]
fn a_revision_passes_whole_or_by_seven_characters() {
    let sha = "0123456789abcdef0123456789abcdef01234567";
    let of_change = truth(sha);
    for right in [sha, "0123456", " 0123456789ABCDEF ", &sha.to_uppercase()] {
        assert!(of_change.passes(right), "{right}");
    }
    for wrong in ["", "012345", "1234567", NONE, "0123456789abcdef0123456789abcdef012345678"] {
        assert!(!of_change.passes(wrong), "{wrong}");
    }
    assert!(truth(NONE).passes("None") && !truth(NONE).passes("non") && !truth(NONE).passes(sha));
}

#[test]
fn a_grade_is_whole_for_the_cause_none_for_a_decoy_and_half_of_the_rest_otherwise() {
    let truth = truth("0123456789abcdef");
    let answer = |cause: &str| Answer {
        root_cause_commit: cause.to_owned(),
        first_failing_service: "cart".to_owned(),
        blast_radius: names(&["web"]),
        remediation: "scale".to_owned(),
    };
    assert_eq!(truth.grade(&answer("0123456")), 1.0);
    assert_eq!(truth.grade(&answer("decoy00")), 0.0);
    assert!((truth.grade(&answer(NONE)) - 0.5 * (0.5 + 0.3 * 0.5)).abs() < 1e-12);
    assert_eq!(truth.grade(&Answer::default()), 0.0);
    assert_eq!(Truth::default().blast_overlap(&BTreeSet::new()), 1.0);
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
    fs::write(path, text).expect("it is written");
}

fn incident(folder: &Path) {
    let data = folder.join("data");
    write(
        &data.join("alert.json"),
        r#"{"service": "cart", "metric": "errors", "fired_at": "2026-01-01T10:00:00Z"}"#,
    );
    write(
        &data.join("logs.ndjson"),
        "{\"timestamp\": \"2026-01-01T09:59:00Z\", \"service\": \"cart\", \"msg\": \"no\"}\n\n",
    );
    write(
        &data.join("metrics.csv"),
        "timestamp,service,metric,value\n2026-01-01T09:59:00Z,cart,errors,2\n2026-01-01T09:58:00Z,cart,errors,1\n",
    );
    write(
        &data.join("traces.json"),
        r#"[{"service": "cart", "error": "no"}, {"service": "web", "error": null}]"#,
    );
    write(&data.join("patterns.json"), "[]");
    write(
        &data.join("context/commits.json"),
        r#"[{"sha": "b", "timestamp": "2026-01-01T09:00:00Z", "diff": null},
            {"sha": "a", "timestamp": "2026-01-01T08:00:00Z", "diff": "+x"}]"#,
    );
    write(
        &data.join("context/deploys.json"),
        r#"[{"timestamp": "2026-01-01T09:30:00Z", "service": "web", "commit_sha": "b"},
            {"timestamp": "2026-01-01T09:10:00Z", "service": "cart", "commit_sha": "a"},
            {"timestamp": "2026-01-01T10:30:00Z", "service": "cart", "commit_sha": "c"}]"#,
    );
    write(
        &folder.join("ground_truth.json"),
        r#"{"root_cause_commit": "a", "first_failing_service": "cart", "blast_radius": ["web"],
            "remediation": "rollback", "notes": "x"}"#,
    );
}

#[test]
fn a_folder_is_read_and_what_is_wrong_is_said() {
    let dir = tempfile::tempdir().expect("a folder");
    assert!(!is_here(dir.path()));
    let error = open(dir.path()).expect_err("nothing is there").to_string();
    assert!(error.ends_with("no folder in it holds data/alert.json"), "{error}");
    incident(&dir.path().join("one"));
    assert!(is_here(dir.path()));
    let incidents = open(dir.path()).expect("it reads");
    let one = &incidents[0];
    assert_eq!((incidents.len(), one.name.as_str(), one.logs.len()), (1, "one", 1));
    let shas: Vec<&str> = one.commits.iter().map(|commit| commit.sha.as_str()).collect();
    assert_eq!(shas, ["a", "b"], "in the order of time");
    let values: Vec<f64> = one.metrics.values().flatten().map(|(_, value)| *value).collect();
    assert_eq!(values, [1.0, 2.0]);
    assert_eq!((one.traced.clone(), one.errors.clone()), (names(&["cart", "web"]), vec!["no".to_owned()]));
    let answers = anchors(one).map(|(_, answer)| answer);
    assert_eq!(answers, [NONE, "b", "a"], "none, the latest before the alert, the alert's own");

    let metrics = dir.path().join("one/data/metrics.csv");
    write(&metrics, "timestamp,service,metric,value\n2026-01-01T09:59:00Z,cart,errors\n");
    let error = open(dir.path()).expect_err("a column is missing").to_string();
    assert!(error.contains("metrics.csv:2: expected `timestamp,service,metric,value`"), "{error}");
}

#[test]
fn answers_without_diagnosis_pass_as_often_as_published() {
    let incidents = open(&corpus::folder("rootcausebench-dev")).expect("it reads");
    assert_eq!(incidents.len(), 12);
    let passed = |which: usize| {
        let passes = incidents.iter().filter(|one| one.truth.passes(&anchors(one)[which].1));
        passes.count()
    };
    assert_eq!([passed(0), passed(1), passed(2)], [3, 1, 3]);
}
