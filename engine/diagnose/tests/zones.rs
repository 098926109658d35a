//! The way between zones as a cause: who bears it, and which end is named.

mod scripts;

use scripts::{at, entity, last_revisions, replicas, shop, symptom};
use theriac_contract::{EdgeKind, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

/// The shop over two zones: two of the three replicas of each service are in `a`.
fn two_zones() -> Snapshot {
    let mut knowledge = shop();
    for (host, zone) in [("host:node-1", "zone:a"), ("host:node-2", "zone:a"), ("host:node-3", "zone:b")] {
        knowledge.topology.connect(&entity(host), &entity(zone), EdgeKind::RunsOn);
    }
    knowledge
}

fn missed(onset: i64) -> Vec<Symptom> {
    ["zone:a->zone:b", "zone:b->zone:a"].map(|way| symptom(way, "zone.calls.missed", onset, STRONG)).to_vec()
}

/// What services show of it: each of two fails by itself.
fn failing(onset: i64) -> Vec<Symptom> {
    let mut all = replicas("catalog", "span.error_ratio", onset, STRONG);
    all.extend(replicas("payment", "span.error_ratio", onset, STRONG));
    all
}

fn first(symptoms: &[Symptom], knowledge: &Snapshot) -> Vec<(String, String)> {
    let told = last_revisions(symptoms, knowledge, 160);
    let top = |hypothesis: &theriac_contract::Hypothesis| {
        let entity = hypothesis.entity.as_ref().map(|entity| entity.0.clone());
        (entity.unwrap_or_default(), hypothesis.fault.clone())
    };
    told.iter().map(|incident| top(&incident.hypotheses[0])).collect()
}

#[test]
fn of_two_ends_that_look_alike_the_one_is_named_where_less_runs() {
    let mut all = missed(60);
    all.extend(failing(60));
    let fault = "network_fault".to_owned();
    assert_eq!(first(&all, &two_zones()), [("zone:b".to_owned(), fault.clone())]);
    // With a third zone the ways tell which it is.
    let mut knowledge = two_zones();
    knowledge.topology.connect(&entity("host:node-4"), &entity("zone:c"), EdgeKind::RunsOn);
    all.extend(["zone:a->zone:c", "zone:c->zone:a"].map(|way| symptom(way, "zone.calls.missed", 60, STRONG)));
    assert_eq!(first(&all, &knowledge), [("zone:a".to_owned(), fault)]);
}

#[test]
fn what_begins_where_the_way_leads_is_one_incident_with_it() {
    assert_eq!(first(&failing(60), &two_zones()).len(), 2);
    let mut all = failing(60);
    all.extend(missed(60));
    assert_eq!(first(&all, &two_zones()).len(), 1);
    // A zone that nothing of it is in has nothing to do with it.
    let mut elsewhere = failing(60);
    let ways = ["zone:c->zone:d", "zone:d->zone:c"];
    elsewhere.extend(ways.map(|way| symptom(way, "zone.calls.missed", 60, STRONG)));
    assert!(first(&elsewhere, &two_zones()).len() > 1);
}

#[test]
fn incidents_that_were_told_before_all_hear_of_the_way() {
    let mut stage = Diagnose::new(Settings::default());
    let knowledge = two_zones();
    assert_eq!(stage.step(at(70), &failing(60), &knowledge).len(), 2);
    let mut told = stage.step(at(100), &missed(90), &knowledge);
    for tick in 11..16 {
        told.extend(stage.step(at(10 * tick), &[], &knowledge));
    }
    let ids: std::collections::BTreeSet<_> = told.iter().map(|incident| &incident.id).collect();
    assert_eq!(ids.len(), 2);
    let names = |incident: &theriac_contract::Incident| {
        incident.hypotheses[0].entity.as_ref().is_some_and(|entity| entity.as_str().starts_with("zone:"))
    };
    let last =
        |id: &theriac_contract::Id| told.iter().rfind(|incident| incident.id == *id).expect("it was told");
    assert!(ids.into_iter().all(|id| names(last(id))));
    // And all of them hear of its end.
    let over: Vec<Symptom> = missed(90).iter().map(|symptom| scripts::closed(symptom, 170)).collect();
    let mut ended = Vec::new();
    for (tick, symptoms) in (17..40).zip(std::iter::once(over.as_slice()).chain(std::iter::repeat(&[][..]))) {
        ended.extend(stage.step(at(10 * tick), symptoms, &knowledge));
    }
    let open = |incident: &theriac_contract::Incident| {
        incident.open_symptoms().filter(|symptom| symptom.signal.starts_with("zone.")).count()
    };
    assert!(ended.iter().rev().take(2).all(|incident| open(incident) == 0));
}

#[test]
fn services_are_slow_in_themselves_where_no_way_is() {
    let slow = replicas("catalog", "span.duration.p95", 60, CLEAR);
    assert!(first(&slow, &two_zones()).iter().all(|(entity, _)| !entity.starts_with("zone:")));
}
