//! A wrong configuration is refused with the place and the mend; a good one is not.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::fs;

use theriac_tests::program::{Ended, run};

/// Validates `theriac.yaml` beside a small CSV and these other files.
fn validated(config: &str, others: &[(&str, &str)]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("theriac.yaml"), config).unwrap();
    fs::write(folder.path().join("cpu.csv"), "timestamp,service,cpu\n2026-01-01T00:00:00Z,shop,1\n").unwrap();
    for (name, text) in others {
        fs::write(folder.path().join(name), text).unwrap();
    }
    run(folder.path(), &["validate", "-c", "theriac.yaml"])
}

fn refused(config: &str, others: &[(&str, &str)], parts: &[&str]) {
    let ended = validated(config, others);
    assert_eq!(ended.code, 2, "{}{}", ended.out, ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "`{part}` is not in: {}", ended.err);
    }
}

const SOURCES: &str = "sources:\n  - file: { path: cpu.csv }\n";

#[test]
fn a_good_file_is_well() {
    let settings = "monitor:\n  lateness: 5s\ncheckpoint:\n  every: 1m\n";
    let ended = validated(&format!("{SOURCES}{settings}"), &[]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert!(ended.out.starts_with("theriac.yaml is well: 1 sources"), "{}", ended.out);
}

#[test]
fn an_unknown_key_has_a_place_and_a_suggestion() {
    refused(
        &format!("{SOURCES}monitr:\n  lateness: 5s\n"),
        &[],
        &["theriac.yaml:3:1", "monitr", "did you mean `monitor`?"],
    );
    refused(
        &format!("{SOURCES}monitor:\n  latenes: 5s\n"),
        &[],
        &["theriac.yaml:4:3", "latenes", "did you mean `lateness`?"],
    );
}

#[test]
fn a_wrong_value_has_a_place_and_a_mend() {
    refused(
        &format!("{SOURCES}monitor:\n  lateness: 5 parsecs\n"),
        &[],
        &["theriac.yaml:4:13", "5 parsecs", "write a number and a unit"],
    );
    refused(&format!("{SOURCES}monitor: [\n"), &[], &["theriac.yaml:"]);
}

#[test]
fn a_rule_of_detection_that_makes_no_sense_is_named() {
    let rules = |rule: &str| format!("{SOURCES}detect:\n  rules:\n    - {rule}\n");
    let well = validated(&rules("{ signal: span.duration, traffic_min: 20 }"), &[]);
    assert_eq!((well.code, well.err.as_str()), (0, ""), "{}", well.out);
    refused(
        &rules("{ signal: span.duration, traffic_min: -1 }"),
        &[],
        &["`detect.rules[0]` (span.duration)", "`traffic_min` is -1; write 0 or more"],
    );
    refused(
        &rules("{ signal: disk, exhausted_within: 30d }"),
        &[],
        &["`exhausted_within` is 30d", "up to 7d"],
    );
    refused(
        &rules("{ signal: cpu, traffic_mn: 20 }"),
        &[],
        &["theriac.yaml:5", "did you mean `traffic_min`?"],
    );
}

#[test]
fn a_wrong_playbook_has_a_place() {
    let config = format!("{SOURCES}playbooks: [mine.yaml]\n");
    refused(&config, &[("mine.yaml", "playbooks:\n  - name: a\n")], &["mine.yaml:2:5", "`name`"]);
    refused(&config, &[], &["mine.yaml"]);
}

#[test]
fn several_playbook_files_are_one() {
    let config = format!("{SOURCES}playbooks: [a.yaml, b.yaml]\n");
    let of = |fault: &str| format!("playbooks:\n  - fault: {fault}\n    strategies: []\n");
    let ended = validated(&config, &[("a.yaml", &of("leak")), ("b.yaml", &of("loop"))]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let twice = [("a.yaml", of("leak")), ("b.yaml", of("leak"))];
    let twice = twice.each_ref().map(|(name, text)| (*name, text.as_str()));
    refused(&config, &twice, &["b.yaml:2:12", "`leak` has a playbook already", "a.yaml:2"]);
}

#[test]
fn nothing_to_read_is_refused() {
    refused("monitor:\n  lateness: 5s\n", &[], &["theriac.yaml", "`sources` is empty"]);
    refused("sources:\n  - file: { path: gone.csv }\n", &[], &["gone.csv", "there is no such file"]);
}

/// A service that runs holds its ledger; the file may be checked all the same.
#[test]
fn validating_leaves_the_ledger_alone() {
    let folder = tempfile::tempdir().unwrap();
    let act = "act:\n  executors: { hooks: { kind: webhook, url: \"http://127.0.0.1:1/\", secret: { file: secret } } }\n  routes: [{ executor: hooks }]\n  ledger: ledger\n";
    fs::write(folder.path().join("theriac.yaml"), format!("{SOURCES}{act}")).unwrap();
    fs::write(folder.path().join("cpu.csv"), "timestamp,service,cpu\n2026-01-01T00:00:00Z,shop,1\n").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let ended = run(folder.path(), &["validate"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    assert!(!folder.path().join("ledger").exists(), "it made a ledger");
}

#[test]
fn kafka_needs_a_broker_and_its_own_sources() {
    refused("kafka: {}\n", &[], &["`kafka.brokers` is empty"]);
    refused(&format!("{SOURCES}kafka: {{ brokers: [\"127.0.0.1:1\"] }}\n"), &[], &["`sources` and `kafka`"]);
    refused("kafka: { brokers: [x], properties: { sasl.passwrd: x } }\n", &[], &["sasl.passwrd"]);
    refused("kafka: { brokers: [x], properties: { sasl.password: x } }\n", &[], &["kafka.secrets"]);
    refused(
        "kafka: { brokers: [x], secrets: { sasl.password: { environment: NO_SUCH } } }\n",
        &[],
        &["NO_SUCH"],
    );
    refused("kafka: { broker: x }\n", &[], &["did you mean `brokers`?"]);
    refused("kafka: { brokers: [x], start: soon }\n", &[], &["`soon` is no start", "earliest"]);
}

#[test]
fn a_model_that_this_build_cannot_run_is_refused_with_the_mend() {
    let model = "detect: { bank: { onnx: { file: mine.onnx } } }\n";
    refused(&format!("{SOURCES}{model}"), &[("mine.onnx", "")], &["mine.onnx", "--features onnx"]);
    let wrong = "detect: { bank: { onnx: { path: mine.onnx } } }\n";
    refused(&format!("{SOURCES}{wrong}"), &[], &["theriac.yaml:3:", "unknown field `path`", "file"]);
}
