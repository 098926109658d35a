//! Loghub's measures against an independent implementation, and its files as they are.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::fs;

use serde::Deserialize;
use theriac_datasets::loghub::{LabelSet, measure, normal_form, open};

mod corpus;

#[derive(Deserialize)]
struct Reference {
    forms: Vec<(String, String)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    truth: Vec<String>,
    found: Vec<u32>,
    templates: Vec<String>,
    measures: Measures,
}

#[derive(Deserialize)]
struct Measures {
    ga: f64,
    fga: f64,
    pa: f64,
    fta: f64,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("reference/loghub.json")).unwrap()
}

#[test]
fn forms_are_those_of_the_reference() {
    for (template, form) in reference().forms {
        assert_eq!(normal_form(&template), form, "{template:?}");
    }
}

#[test]
fn measures_are_those_of_the_reference() {
    let cases = reference().cases;
    assert!(cases.len() > 50);
    for case in cases {
        let ours = measure(&case.truth, &case.found, &case.templates);
        let theirs = [case.measures.ga, case.measures.fga, case.measures.pa, case.measures.fta];
        for (ours, theirs) in [ours.ga, ours.fga, ours.pa, ours.fta].into_iter().zip(theirs) {
            assert!((ours - theirs).abs() < 1e-12, "{ours} {theirs} {:?}", case.truth);
        }
    }
}

/// Counts that the collection itself states.
#[test]
fn the_files_hold_what_they_say() {
    let systems = open(&corpus::folder("loghub")).unwrap();
    assert_eq!(systems.len(), 12);
    for (name, set, templates) in [
        ("HDFS", LabelSet::Original, 14),
        ("Mac", LabelSet::Original, 341),
        ("Android", LabelSet::Corrected, 158),
        ("OpenSSH", LabelSet::V2, 26),
    ] {
        let system = systems.iter().find(|system| system.name == name).unwrap();
        let labelled = &system.labels[&set];
        assert_eq!((labelled.contents.len(), labelled.templates.len()), (2000, 2000));
        let mut distinct = labelled.templates.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), templates, "{name}");
    }
    assert!(systems.iter().all(|system| system.labels.contains_key(&LabelSet::Original)));
    assert!(!systems.iter().any(|s| s.name == "Windows" && s.labels.contains_key(&LabelSet::V2)));
}

#[test]
fn a_folder_of_one_system_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("NAME_2k.log_structured.csv"), "{message}");
    let path = folder.path().join("Own_2k.log_structured.csv");
    fs::write(&path, "LineId,Content,EventId,EventTemplate\n1,\"took 1, or 2\",E1,\"took <*>, or <*>\"\n")
        .unwrap();
    let systems = open(folder.path()).unwrap();
    assert_eq!(systems[0].name, "Own");
    assert_eq!(systems[0].labels[&LabelSet::Original].contents, ["took 1, or 2"]);
    fs::write(&path, "LineId,Content,EventId\n1,a,E1\n").unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("Own_2k.log_structured.csv:1: no column `EventTemplate`"), "{message}");
    fs::write(&path, "Content,EventTemplate\na,b,c\n").unwrap();
    let message = open(folder.path()).unwrap_err().to_string();
    assert!(message.contains("Own_2k.log_structured.csv:2"), "{message}");
}
