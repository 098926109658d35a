//! A clock that is wrong is that of a host, whoever complains of it.

mod scripts;

use scripts::{entity, last_revisions, replicas, shop, symptom};
use theriac_contract::{Incident, Snapshot, Symptom};

const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

/// A line in the log of an instance, as a symptom.
fn line(instance: &str, text: &str, onset: i64) -> Symptom {
    let line = symptom(instance, "log.template", onset, STRONG);
    Symptom {
        attributes: serde_json::json!({ "template": text, "severity": "error" }).to_string(),
        id: theriac_contract::Id::derive("symptom", &[instance, text]),
        ..line
    }
}

/// The last revisions of all incidents.
fn incidents(symptoms: &[Symptom], knowledge: &Snapshot) -> Vec<Incident> {
    last_revisions(symptoms, knowledge, 300)
}

/// Two instances on the first host of which the calls of one are refused.
fn refused() -> Vec<Symptom> {
    let mut all = vec![symptom("shop/shop-1", "span.error_ratio", 60, STRONG)];
    all.extend(replicas("gateway", "span.error_ratio", 60, CLEAR));
    all.push(line("shop/shop-1", "call to cart failed: token is not yet valid", 60));
    all
}

#[test]
fn what_an_instance_complains_of_is_the_clock_of_its_host() {
    let found = incidents(&refused(), &shop());
    let top = &found[0].hypotheses[0];
    assert_eq!(
        (top.fault.as_str(), &top.entity),
        ("clock_skew", &Some(entity("host:node-1"))),
        "{}",
        found[0].summary
    );
    let elsewhere = |one: &theriac_contract::Hypothesis| {
        one.fault == "clock_skew"
            && one.entity.as_ref().is_some_and(|entity| !entity.as_str().starts_with("host:"))
    };
    assert!(!found[0].hypotheses.iter().any(elsewhere), "a process has no clock of its own");
}

#[test]
fn a_host_that_runs_ahead_by_all_other_clocks_is_a_second_witness() {
    let probability = |all: &[Symptom]| {
        let found = incidents(all, &shop());
        let of = found.iter().flat_map(|incident| &incident.hypotheses);
        let of = of.filter(|one| one.fault == "clock_skew" && one.entity == Some(entity("host:node-1")));
        of.map(|one| one.probability).fold(0.0, f64::max)
    };
    let mut all = refused();
    let one = probability(&all);
    all.push(symptom("host:node-1", "clock.offset.ahead", 60, STRONG));
    let two = probability(&all);
    assert!(one > 0.4 && two > one, "{one} {two}");
}

#[test]
fn where_no_host_is_known_it_is_said_of_who_complains() {
    let mut knowledge = shop();
    knowledge.topology.edges.retain(|(_, to, _)| !to.as_str().starts_with("host:"));
    let found = incidents(&refused(), &knowledge);
    let top = &found[0].hypotheses[0];
    assert_eq!((top.fault.as_str(), &top.entity), ("clock_skew", &Some(entity("shop/shop-1"))));
}
