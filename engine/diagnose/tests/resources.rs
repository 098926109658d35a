//! What runs out, stands still or is lost on its way leads to its cause, and to no neighbour.

mod scripts;

use scripts::{at, deploy, entity, replicas, shop, symptom};
use theriac_contract::{Change, Direction, FaultClass, Incident, Role, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

fn last(symptoms: &[Symptom], knowledge: &Snapshot) -> Incident {
    let mut stage = Diagnose::new(Settings::default());
    let mut latest = None;
    for tick in 0..30 {
        let (from, to) = (at(tick * 10), at(tick * 10 + 10));
        let within = |symptom: &&Symptom| from <= symptom.onset && symptom.onset < to;
        let now: Vec<Symptom> = symptoms.iter().filter(within).cloned().collect();
        let mut incidents = stage.step(to, &now, knowledge);
        assert!(incidents.len() <= 1, "{:?}", incidents.iter().map(|one| &one.summary).collect::<Vec<_>>());
        latest = incidents.pop().or(latest);
    }
    latest.expect("an incident opens")
}

#[track_caller]
fn assert_cause(symptoms: &[Symptom], knowledge: &Snapshot, cause: &str, fault: &str, class: FaultClass) {
    let incident = last(symptoms, knowledge);
    let top = &incident.hypotheses[0];
    let shown: Vec<_> =
        incident.hypotheses.iter().map(|h| (h.entity.clone(), h.fault.clone(), h.probability)).collect();
    assert_eq!((top.entity.clone(), top.fault.as_str()), (Some(entity(cause)), fault), "{shown:?}");
    assert_eq!(top.class, class);
    assert!(top.probability > 0.4, "{shown:?}");
}

fn down(mut symptoms: Vec<Symptom>) -> Vec<Symptom> {
    symptoms.iter_mut().for_each(|symptom| symptom.direction = Direction::Down);
    symptoms
}

#[test]
fn answers_that_were_ready_and_come_late_are_the_network_of_the_callee() {
    let mut knowledge = shop();
    knowledge.topology.connect(&entity("gateway"), &entity("payment"), theriac_contract::EdgeKind::Calls);
    let mut all = vec![
        symptom("shop->payment", "edge.gap.p95", 60, STRONG),
        symptom("gateway->payment", "edge.gap.p95", 60, STRONG),
        symptom("shop->payment", "edge.duration.p95", 60, STRONG),
    ];
    all.extend(replicas("shop", LATENCY, 60, CLEAR));
    all.extend(replicas("gateway", LATENCY, 60, CLEAR));
    assert_cause(&all, &knowledge, "payment", "network_fault", FaultClass::Transient);
}

#[test]
fn a_caller_whose_ways_are_all_held_up_is_itself_behind_a_bad_network() {
    let mut all: Vec<Symptom> = ["cart", "catalog", "payment"]
        .iter()
        .map(|callee| symptom(&format!("shop->{callee}"), "edge.gap.p95", 60, STRONG))
        .collect();
    all.extend(replicas("shop", LATENCY, 60, CLEAR));
    assert_cause(&all, &shop(), "shop", "network_fault", FaultClass::Transient);
}

#[test]
fn what_is_slow_in_itself_is_no_network_fault() {
    let mut all = vec![symptom("shop->payment", "edge.duration.p95", 60, STRONG)];
    all.extend(replicas("payment", "span.self_time.mean", 60, STRONG));
    all.extend(replicas("payment", LATENCY, 60, CLEAR));
    all.extend(replicas("shop", LATENCY, 60, CLEAR));
    assert_cause(&all, &shop(), "payment", "slow_dependency", FaultClass::Transient);
}

#[test]
fn work_that_waits_for_connections_is_a_pool_and_not_the_callee() {
    let mut all = replicas("cart", "db.client.connection.pending_requests", 60, STRONG);
    all.extend(replicas("cart", LATENCY, 60, CLEAR));
    all.extend(replicas("shop", LATENCY, 70, CLEAR));
    assert_cause(&all, &shop(), "cart", "pool_exhaustion", FaultClass::Permanent);
}

#[test]
fn workers_that_wait_for_a_slow_callee_are_not_to_blame() {
    let mut all = replicas("shop", "http.server.active_requests", 60, STRONG);
    all.extend(replicas("shop", LATENCY, 60, CLEAR));
    all.extend(replicas("payment", LATENCY, 60, STRONG));
    all.push(symptom("shop->payment", "edge.duration.p95", 60, STRONG));
    assert_cause(&all, &shop(), "payment", "slow_dependency", FaultClass::Transient);
}

#[test]
fn a_full_disk_is_told_from_what_it_breaks() {
    let mut all = vec![symptom("cart/cart-2", "system.filesystem.utilization", 50, STRONG)];
    all.push(symptom("cart/cart-2", "span.error_ratio", 70, CLEAR));
    all.push(symptom("shop->cart", "edge.error_ratio", 70, CLEAR));
    assert_cause(&all, &shop(), "cart/cart-2", "storage_exhaustion", FaultClass::Permanent);
}

#[test]
fn what_takes_no_work_and_uses_no_processor_hangs() {
    let mut all = down(vec![
        symptom("cart/cart-2", "http.server.request.duration.rate", 60, STRONG),
        symptom("cart/cart-2", "process.cpu.utilization", 60, STRONG),
    ]);
    all.push(symptom("cart/cart-2", "http.server.active_requests", 60, CLEAR));
    all.push(symptom("cart/cart-2", LATENCY, 60, CLEAR));
    all.push(symptom("shop->cart", "edge.duration.p95", 60, CLEAR));
    assert_cause(&all, &shop(), "cart/cart-2", "hang", FaultClass::Permanent);
}

#[test]
fn less_work_because_callers_are_ill_is_no_hang() {
    let mut all = replicas("shop", "span.error_ratio", 60, STRONG);
    all.extend(down(replicas("shop", "http.server.request.duration.rate", 60, CLEAR)));
    all.extend(down(replicas("cart", "http.server.request.duration.rate", 60, STRONG)));
    assert_cause(&all, &shop(), "shop", "error_burst", FaultClass::Transient);
}

#[test]
fn a_change_of_settings_is_told_from_one_of_programs() {
    let mut knowledge = shop();
    let settings = Change { kind: "configuration".into(), ..deploy("catalog", 50) };
    knowledge.changes.push(settings.clone());
    let mut all = replicas("catalog", "span.error_ratio", 60, STRONG);
    all.push(symptom("shop->catalog", "edge.error_ratio", 60, CLEAR));
    assert_cause(&all, &knowledge, "catalog", "bad_configuration", FaultClass::Permanent);
    let incident = last(&all, &knowledge);
    assert_eq!(incident.hypotheses[0].change, Some(settings));
    let roles: Vec<_> = incident.spread.iter().map(|one| (one.place.as_str(), one.role)).collect();
    assert_eq!(roles, [("catalog", Role::Cause)]);
    assert!(incident.critical_failure.is_some());
}

fn seen(mut symptom: Symptom, observed: f64, expected: f64) -> Symptom {
    (symptom.observed, symptom.expected) = (Some(observed), Some(expected));
    symptom
}

/// The shop waits `shop` seconds more; its only slow callee makes it wait `payment` seconds more.
fn waits(shop: f64, payment: f64) -> Vec<Symptom> {
    let mut all: Vec<Symptom> = Vec::new();
    all.push(seen(symptom("shop", "span.duration.p95", 60, STRONG), 0.1 + shop, 0.1));
    // The worst request of each instance is much worse: that says nothing of its calls.
    for one in replicas("shop", "span.duration.p95", 60, STRONG) {
        all.push(seen(one, 0.1 + 20.0 * shop, 0.1));
    }
    all.push(seen(symptom("shop->payment", "edge.duration.p95", 60, CLEAR), 0.05 + payment, 0.05));
    all.push(seen(symptom("payment", "span.duration.p95", 60, CLEAR), 0.05 + payment, 0.05));
    all
}

#[test]
fn what_a_callee_accounts_for_is_the_callees() {
    assert_cause(&waits(1.0, 0.98), &shop(), "payment", "slow_dependency", FaultClass::Transient);
}

#[test]
fn what_no_callee_accounts_for_is_its_own_though_a_callee_is_slow_too() {
    assert_cause(&waits(5.0, 0.2), &shop(), "shop", "slow_dependency", FaultClass::Transient);
}

#[test]
fn a_callee_that_is_called_many_times_accounts_for_more() {
    let mut knowledge = shop();
    let calls = theriac_contract::EdgeKind::Calls;
    knowledge.topology.measure(&entity("gateway"), &entity("shop"), calls, 10.0);
    knowledge.topology.measure(&entity("shop"), &entity("payment"), calls, 250.0);
    assert_cause(&waits(5.0, 0.2), &knowledge, "payment", "slow_dependency", FaultClass::Transient);
}
