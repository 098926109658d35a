//! The campaign as a user runs it: figures under their names, the same from the same seed, gone on with
//! after a break, and a healer that is worth more than nobody.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod program;

use std::{fs, path::Path};

use program::{text, theriac};
use serde_json::Value;

/// One fault and no quiet time, with more arguments.
fn campaign(folder: &Path, more: &[&str]) -> Vec<String> {
    let folder = folder.display().to_string();
    let fixed = ["campaign", "--weeks", "0", "--faults", "F27", "--warm-up", "900", "--data-dir", &folder];
    fixed.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

fn run(folder: &Path, more: &[&str]) -> String {
    let arguments = campaign(folder, more);
    text(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn metrics(json: &str) -> Value {
    serde_json::from_str::<Value>(json).expect("JSON")["metrics"].clone()
}

#[test]
fn a_bad_deploy_is_healed_and_scored_beside_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("once");
    let arguments = ["--episodes", "1", "--healers", "theriac,b0", "--output", "json"];
    let figures = metrics(&run(&at, &arguments));
    for (name, expected) in [
        ("campaign.episodes", 1.0),
        ("campaign.detected", 1.0),
        ("campaign.ac1", 1.0),
        ("campaign.end_to_end", 1.0),
        ("campaign.irreversible_actions", 0.0),
        ("campaign.b0.end_to_end", 0.0),
        ("campaign.b0.healed_share", 0.0),
    ] {
        assert_eq!(figures[name], expected, "{name}");
    }
    assert!(figures["campaign.healed_share"].as_f64() > Some(0.5), "{figures}");
    // What was said and done is put down, and is the same from the same seed, to the byte.
    let again = folder.path().join("again");
    assert_eq!(metrics(&run(&again, &arguments)), figures);
    let of_theriac = |folder: &Path| {
        let lines = fs::read_to_string(folder.join("episodes.jsonl")).unwrap();
        lines.lines().find(|line| line.contains(r#""healer":"theriac""#)).map(str::to_owned).unwrap()
    };
    assert_eq!(of_theriac(&again), of_theriac(&at));
}

#[test]
fn what_was_played_is_not_played_again_and_what_was_broken_off_is() {
    let folder = tempfile::tempdir().unwrap();
    let episodes = folder.path().join("episodes.jsonl");
    run(folder.path(), &["--episodes", "1", "--healers", "b0"]);
    let first = fs::read_to_string(&episodes).unwrap();
    // A line that was broken off in the middle of the second episode.
    fs::write(&episodes, format!("{first}{}", &first[..100])).unwrap();
    let table = run(folder.path(), &["--episodes", "2", "--healers", "b0"]);
    let both = fs::read_to_string(&episodes).unwrap();
    assert!(both.starts_with(&first) && both.lines().count() == 2, "{both}");
    assert!(table.contains("b0: nobody acts"), "{table}");
}

#[test]
fn an_episode_can_be_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), &["--episodes", "1", "--keep"]);
    let kept = folder.path().join("kept/theriac-F27-1").display().to_string();
    let plans = text(&["tap", "plans", "--data-dir", &kept]);
    assert!(plans.contains("rollback_deploy"), "{plans}");
}

#[test]
fn what_cannot_be_is_refused_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |more: &[&str]| {
        let arguments = campaign(folder.path(), more);
        let output = theriac(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, told) = refused(&["--faults", "F99"]);
    assert!(code == Some(2) && told.contains("there is no fault `F99`: name some of F01 to F45"), "{told}");
    let (code, told) = refused(&["--healers", "nurse"]);
    assert!(code == Some(2) && told.contains("there is no healer `nurse`; there are theriac"), "{told}");
    run(folder.path(), &["--episodes", "1", "--healers", "b0"]);
    let (code, told) = refused(&["--episodes", "1", "--healers", "b0", "--disturbances", "1"]);
    assert!(code == Some(2) && told.contains("holds a campaign with other settings"), "{told}");
}
