//! What only looks like several faults, or like one: rollouts that are cold, hosts that lose packets, what
//! stands behind a cache, faults that come one after the other, and what is changed while one stands.

mod scripts;

use scripts::{at, deploy, entity, last_revisions, replicas, restart, shop, symptom};
use theriac_contract::{Change, EdgeKind, Incident, IncidentPhase, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const STRONG: f64 = 1e-15;

fn last(symptoms: &[Symptom], knowledge: &Snapshot, seconds: i64) -> Incident {
    last_revisions(symptoms, knowledge, seconds).pop().unwrap_or_else(|| panic!("no incident"))
}

fn probability(incident: &Incident, cause: &str, fault: &str) -> f64 {
    let found = incident
        .hypotheses
        .iter()
        .find(|one| one.entity.as_ref().is_some_and(|entity| entity.0 == cause) && one.fault == fault);
    found.map_or(0.0, |one| one.probability)
}

#[test]
fn a_rollout_that_is_only_cold_is_no_bad_build() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("cart", 40));
    knowledge.changes.extend((1..=3).map(|n| restart(&format!("cart/cart-{n}"), 45 + 5 * n)));
    let slow = replicas("cart", LATENCY, 70, STRONG);
    let cold = last(&slow, &knowledge, 100);
    assert!(probability(&cold, "cart", "bad_deploy") < 0.3, "{:?}", cold.hypotheses);
    // What is slow when it has run for a while is slow.
    let warm = last(&slow, &knowledge, 200);
    assert!(probability(&warm, "cart", "bad_deploy") > 0.7, "{:?}", warm.hypotheses);
    // Nothing fails for being cold.
    let mut failing = slow;
    failing.extend(replicas("cart", "span.error_ratio", 70, STRONG));
    let failing = last(&failing, &knowledge, 100);
    assert!(probability(&failing, "cart", "bad_deploy") > 0.7, "{:?}", failing.hypotheses);
}

/// Ways from the shop that are held up.
fn held_up(callees: &[&str], onset: i64) -> Vec<Symptom> {
    callees.iter().map(|callee| symptom(&format!("shop->{callee}"), "edge.gap.mean", onset, STRONG)).collect()
}

#[test]
fn a_host_that_loses_packets_explains_those_who_wait_on_its_ways() {
    let mut ways = held_up(&["cart/cart-1", "catalog/catalog-1", "payment/payment-1"], 70);
    ways.push(symptom("shop/shop-1", "span.error_ratio", 70, STRONG));
    let alone = last(&ways, &shop(), 100);
    let guessed = probability(&alone, "host:node-1", "network_fault");
    let mut lossy = ways;
    lossy.push(symptom("host:node-1", "system.network.retransmit.share", 60, 1e-6));
    let lossy = last(&lossy, &shop(), 100);
    let seen = probability(&lossy, "host:node-1", "network_fault");
    assert!(seen > 0.8 && seen > guessed + 0.2, "{guessed} {seen} {:?}", lossy.hypotheses);
    let guest = lossy.hypotheses.iter().find(|one| one.entity == Some(entity("shop/shop-1")));
    let against: Vec<&str> =
        guest.into_iter().flat_map(|one| &one.evidence_against).map(|one| one.channel.as_str()).collect();
    assert!(against.contains(&"host"), "{against:?}");
}

#[test]
fn who_waits_for_its_own_pool_waits_on_no_way() {
    let mut all = held_up(&["cart", "catalog", "payment"], 70);
    all.extend(replicas("shop", "span.error_ratio", 70, STRONG));
    all.extend(replicas("shop", "db.client.connection.pending_requests", 70, STRONG));
    let found = last(&all, &shop(), 100);
    let first = &found.hypotheses[0];
    assert_eq!((first.entity.clone(), first.fault.as_str()), (Some(entity("shop")), "pool_exhaustion"));
    assert!(probability(&found, "shop", "network_fault") < 0.3, "{:?}", found.hypotheses);
}

/// Incidents that were opened.
fn opened(steps: &[(i64, Vec<Symptom>)], knowledge: &Snapshot) -> usize {
    let mut stage = Diagnose::new(Settings::default());
    let all = steps.iter().flat_map(|(second, symptoms)| stage.step(at(*second), symptoms, knowledge));
    all.filter(|incident| incident.phase == IncidentPhase::Opened).count()
}

#[test]
fn ways_that_lead_from_one_service_are_held_up_by_one_thing() {
    // Slow first, each for itself; then it shows that it is the ways.
    let slow = |callee: &str, onset| symptom(&format!("shop->{callee}"), "edge.duration.mean", onset, 1e-6);
    let mut first = vec![slow("cart", 60)];
    first.extend(held_up(&["cart"], 60));
    let then = |ways| [(70, first.clone()), (90, vec![slow("payment", 80)]), (110, ways)];
    assert_eq!(opened(&then(held_up(&["payment"], 100)), &shop()), 1);
    let work = vec![symptom("payment/payment-1", LATENCY, 100, STRONG)];
    assert_eq!(opened(&then(work), &shop()), 2, "it is slow in itself");
}

#[test]
fn what_a_cache_does_not_answer_is_asked_of_the_database_behind_it() {
    let mut knowledge = shop();
    for store in ["cache", "rows"] {
        knowledge.topology.note(&entity(store));
        knowledge.topology.connect(&entity("catalog"), &entity(store), EdgeKind::Queries);
    }
    let first =
        vec![symptom("cache", "cache.misses.rate", 60, STRONG), symptom("cache", LATENCY, 60, STRONG)];
    let behind = vec![symptom("rows", LATENCY, 70, STRONG)];
    assert_eq!(opened(&[(70, first), (80, behind.clone())], &knowledge), 1);
    let only_slow = vec![symptom("cache", LATENCY, 60, STRONG)];
    assert_eq!(opened(&[(70, only_slow), (80, behind)], &knowledge), 2, "two faults below one caller");
}

#[test]
fn what_a_sure_cause_does_not_explain_is_another_incident_soon() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("cart", 40));
    let mut first = replicas("cart", "span.error_ratio", 60, STRONG);
    first.extend(replicas("shop", "span.error_ratio", 60, 1e-9));
    // The shop calls the cart, which explains that it fails, and not that sessions there hold locks.
    let locked = |onset: i64| (onset + 10, replicas("shop", "db.locks.waiting", onset, STRONG));
    assert_eq!(opened(&[(70, first.clone()), locked(110)], &knowledge), 2);
    assert_eq!(opened(&[(70, first), locked(80)], &knowledge), 1, "a first word is not that sure");
}

/// The cart is slow from 60 s on, which is told at once, and fails from a later time on.
fn slow_then_failing(onset: i64) -> Vec<Symptom> {
    let mut all = replicas("cart", LATENCY, 60, 1e-6);
    all.extend(replicas("cart", "span.error_ratio", onset, STRONG));
    all
}

/// The shop in which these were changed.
fn changed(changes: &[Change]) -> Snapshot {
    Snapshot { changes: changes.to_vec(), ..shop() }
}

fn of_kind(kind: &str, seconds: i64) -> Change {
    Change { kind: kind.to_owned(), ..deploy("cart", seconds) }
}

/// What takes a change back.
fn back(change: &Change, seconds: i64) -> Change {
    Change { at: at(seconds), from: change.to.clone(), to: change.from.clone(), ..change.clone() }
}

/// The likeliest fault of the cart, and what was changed for that.
fn blamed(incident: &Incident) -> (&str, Option<&Change>) {
    let first = &incident.hypotheses[0];
    assert_eq!(first.entity, Some(entity("cart")), "{:?}", incident.hypotheses);
    (first.fault.as_str(), first.change.as_ref())
}

/// That a change is named by no cause, however unlikely.
#[track_caller]
fn assert_unsuspected(incident: &Incident, change: &Change) {
    let named: Vec<_> =
        incident.hypotheses.iter().filter(|one| one.change.as_ref() == Some(change)).collect();
    assert!(named.is_empty(), "{named:?}");
}

#[test]
fn a_deploy_while_an_incident_stands_is_named_once_most_of_the_trouble_there_is_later() {
    let new = deploy("cart", 150);
    let knowledge = changed(std::slice::from_ref(&new));
    let told = last(&slow_then_failing(160), &knowledge, 140);
    assert_eq!(blamed(&told), ("slow_dependency", None), "it was told of another fault before");
    let found = last(&slow_then_failing(160), &knowledge, 200);
    assert_eq!(blamed(&found), ("bad_deploy", Some(&new)), "{:?}", found.hypotheses);
    // Of a setting it is as of a program.
    let setting = of_kind("configuration", 150);
    let found = last(&slow_then_failing(160), &changed(std::slice::from_ref(&setting)), 200);
    assert_eq!(blamed(&found), ("bad_configuration", Some(&setting)), "{:?}", found.hypotheses);
}

#[test]
fn a_deploy_after_all_the_trouble_is_no_cause_of_it() {
    let new = deploy("cart", 150);
    let found = last(&slow_then_failing(100), &changed(std::slice::from_ref(&new)), 200);
    assert_eq!(blamed(&found), ("slow_dependency", None), "{:?}", found.hypotheses);
    assert_unsuspected(&found, &new);
}

/// What came after a deploy is little beside what stood before: that may be of the first fault as well.
#[test]
fn a_deploy_after_most_of_the_trouble_is_not_the_likeliest_cause() {
    let new = deploy("cart", 150);
    let share = |later: f64| {
        let mut all = replicas("cart", LATENCY, 60, STRONG);
        all.extend(replicas("cart", "span.error_ratio", 160, later));
        last(&all, &changed(std::slice::from_ref(&new)), 200)
    };
    let little = share(1e-6);
    assert_eq!(blamed(&little), ("slow_dependency", None), "{:?}", little.hypotheses);
    // But it may be its doing, however little it is; and the more it is the more so.
    let bad = |later| probability(&share(later), "cart", "bad_deploy");
    assert!(bad(1e-3) > 0.1 && bad(STRONG) > bad(1e-6) + 0.2, "{} {} {}", bad(1e-3), bad(1e-6), bad(STRONG));
}

/// A change is stamped when it begins, trouble when its tick does: half a minute before is not before.
#[test]
fn trouble_of_the_tick_of_a_deploy_is_of_the_deploy() {
    let new = deploy("cart", 150);
    let fault = |onset| {
        let found = last(&slow_then_failing(onset), &changed(std::slice::from_ref(&new)), 200);
        blamed(&found).0.to_owned()
    };
    assert_eq!((fault(120).as_str(), fault(110).as_str()), ("bad_deploy", "slow_dependency"));
}

#[test]
fn what_is_a_remedy_by_the_look_of_it_is_not_suspect_while_an_incident_stands() {
    let old = deploy("cart", -7_200);
    let further = Change { from: old.to.clone(), to: "1.2.0".into(), ..deploy("cart", 150) };
    let found = |changes: &[Change]| last(&slow_then_failing(160), &changed(changes), 200);
    assert_eq!(blamed(&found(&[old.clone(), further.clone()])), ("bad_deploy", Some(&further)));
    let undo = back(&old, 150);
    let certificate = of_kind(Change::CERTIFICATE, 150);
    for remedy in [undo, certificate] {
        let found = found(&[old.clone(), remedy.clone()]);
        assert_eq!(blamed(&found), ("slow_dependency", None), "{:?}", found.hypotheses);
        assert_unsuspected(&found, &remedy);
    }
}

/// Processes are warm a minute and a half after they began: what is still wrong then was not the build.
#[test]
fn a_change_that_was_taken_back_explains_nothing_once_processes_are_warm() {
    let bad = deploy("cart", 50);
    let failing = replicas("cart", "span.error_ratio", 60, STRONG);
    let undone = changed(&[bad.clone(), back(&bad, 100)]);
    let soon = last(&failing, &undone, 180);
    assert_eq!(blamed(&soon), ("bad_deploy", Some(&bad)), "{:?}", soon.hypotheses);
    let later = last(&failing, &undone, 220);
    assert_eq!(blamed(&later), ("error_burst", None), "{:?}", later.hypotheses);
    assert_unsuspected(&later, &bad);
    // It is the rollback that says so, and not the time.
    let stands = last(&failing, &changed(std::slice::from_ref(&bad)), 220);
    assert_eq!(blamed(&stands), ("bad_deploy", Some(&bad)), "{:?}", stands.hypotheses);
}
