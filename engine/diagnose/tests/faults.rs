//! Each kind of fault, as telemetry would show it, leads to its cause and class.

mod scripts;

use scripts::{at, deploy, entity, replicas, restart, shop, symptom};
use theriac_contract::{Direction, FaultClass, Incident, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const ERRORS: &str = "span.error_ratio";
const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

/// The latest revision of every incident, after symptoms came in the order of their onset.
fn diagnose(symptoms: &[Symptom], knowledge: &Snapshot) -> Vec<Incident> {
    let mut stage = Diagnose::new(Settings::default());
    let mut latest: Vec<Incident> = Vec::new();
    for tick in 0..60 {
        let (from, to) = (at(tick * 10), at(tick * 10 + 10));
        let now: Vec<Symptom> =
            symptoms.iter().filter(|symptom| from <= symptom.onset && symptom.onset < to).cloned().collect();
        for incident in stage.step(to, &now, knowledge) {
            match latest.iter_mut().find(|known| known.id == incident.id) {
                Some(known) => *known = incident,
                None => latest.push(incident),
            }
        }
    }
    latest
}

#[track_caller]
fn assert_cause(symptoms: &[Symptom], knowledge: &Snapshot, cause: &str, fault: &str, class: FaultClass) {
    let incidents = diagnose(symptoms, knowledge);
    assert_eq!(incidents.len(), 1, "{:?}", incidents.iter().map(|i| &i.summary).collect::<Vec<_>>());
    let top = &incidents[0].hypotheses[0];
    let shown: Vec<_> =
        incidents[0].hypotheses.iter().map(|h| (h.entity.clone(), h.fault.clone(), h.probability)).collect();
    assert_eq!(top.entity, Some(entity(cause)), "{shown:?}");
    assert_eq!(top.fault, fault, "{shown:?}");
    assert_eq!(top.class, class);
    assert!(top.probability > 0.4, "{shown:?}");
}

fn callers_suffer(of: &str, signal: &str, onset: i64) -> Vec<Symptom> {
    let mut all = vec![symptom(
        &format!("shop->{of}"),
        &signal.replace("http.server.request", "edge").replace("span", "edge"),
        onset,
        CLEAR,
    )];
    all.extend(replicas("shop", signal, onset + 10, CLEAR));
    all.extend(replicas("gateway", signal, onset + 10, CLEAR));
    all
}

#[test]
fn memory_that_grows_is_a_leak_though_latency_follows() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("cart", -60));
    let mut all = replicas("cart", "process.memory.usage", 60, STRONG);
    all.extend(replicas("cart", LATENCY, 240, CLEAR));
    all.extend(callers_suffer("cart", LATENCY, 240));
    assert_cause(&all, &knowledge, "cart", "memory_leak", FaultClass::Permanent);
}

#[test]
fn one_replica_that_starts_again_and_again_is_a_crash_loop() {
    let mut all = vec![
        symptom("cart/cart-2", "container.restarts.rate", 60, STRONG),
        symptom("cart/cart-2", "process.uptime", 60, STRONG),
        symptom("cart/cart-2", "health.status", 60, CLEAR),
    ];
    all.extend(callers_suffer("cart", ERRORS, 60));
    assert_cause(&all, &shop(), "cart/cart-2", "crash_loop", FaultClass::Permanent);
}

/// What callers see of a callee that refuses connections: errors, and nothing else is known.
fn refused(callee: &str) -> Vec<Symptom> {
    let mut all = vec![symptom(&format!("shop->{callee}"), "edge.error_ratio", 60, STRONG)];
    all.extend(replicas("gateway", ERRORS, 60, CLEAR));
    all
}

#[test]
fn the_first_crash_tells_a_crash_loop_from_a_burst_of_errors() {
    let mut knowledge = shop();
    assert_cause(&refused("cart"), &knowledge, "cart", "error_burst", FaultClass::Transient);
    let crashes = |every: i64| (0..).map(move |n| restart("cart/cart-2", 67 + every * n));
    knowledge.changes.extend(crashes(90).take(6));
    assert_cause(&refused("cart"), &knowledge, "cart/cart-2", "crash_loop", FaultClass::Permanent);
}

/// What began anew once, or a few times long ago, and runs since is in no loop: what is still wrong is not that.
#[test]
fn what_runs_again_is_in_no_loop() {
    for crashes in [1, 3] {
        let mut knowledge = shop();
        knowledge.changes.extend((0..crashes).map(|n| restart("cart/cart-2", 67 + 20 * n)));
        let incident = diagnose(&refused("cart"), &knowledge).remove(0);
        let loops = incident.hypotheses.iter().filter(|one| one.fault == "crash_loop");
        let chance: f64 = loops.map(|one| one.probability).sum();
        assert!(chance < 0.2, "{crashes}: {chance}");
    }
    // Who is missed still does not run.
    let mut knowledge = shop();
    knowledge.changes.push(restart("cart/cart-2", 67));
    let mut all = refused("cart");
    all.push(silent("cart/cart-2", 80));
    assert_cause(&all, &knowledge, "cart/cart-2", "crash_loop", FaultClass::Permanent);
}

/// A symptom of an instance that nothing is heard of.
fn silent(instance: &str, onset: i64) -> Symptom {
    let mut symptom = symptom(instance, "process.cpu.utilization", onset, STRONG);
    (symptom.observed, symptom.direction) = (None, Direction::None);
    symptom
}

#[test]
fn a_cache_that_began_anew_is_cold() {
    let mut all = vec![
        symptom("cart/cart-1", "cache.misses.rate", 70, 1e-5),
        symptom("cart/cart-2", "cache.misses.rate", 70, 1e-5),
    ];
    all.extend(callers_suffer("cart", ERRORS, 60));
    let told = |knowledge: &Snapshot| {
        let incident = diagnose(&all, knowledge).remove(0);
        let cold = incident.hypotheses.into_iter().find(|one| one.fault == "cache_stampede");
        cold.map_or(0.0, |one| one.probability)
    };
    let before = told(&shop());
    let mut knowledge = shop();
    knowledge.changes.push(restart("cart/cart-2", 61));
    assert!(told(&knowledge) > before, "{} {before}", told(&knowledge));
    assert_cause(&all, &knowledge, "cart", "cache_stampede", FaultClass::Transient);
}

/// Where few requests come their loss is seen late; that they pile up at one instance and never come out, at once.
#[test]
fn one_replica_where_work_piles_up_and_nothing_comes_out_hangs() {
    let mut all = vec![symptom("cart/cart-2", "queue.length", 60, CLEAR)];
    all.extend(callers_suffer("cart", ERRORS, 60));
    assert_cause(&all, &shop(), "cart/cart-2", "hang", FaultClass::Permanent);
    let hangs = |more: Symptom| {
        let symptoms = [&all[..], &[more]].concat();
        let incident = diagnose(&symptoms, &shop()).remove(0);
        incident.hypotheses[0].fault == "hang"
    };
    assert!(!hangs(symptom("cart/cart-2", LATENCY, 70, STRONG)), "what is slow gives answers");
    assert!(!hangs(symptom("cart/cart-2", "process.cpu.utilization", 70, STRONG)), "it is busy");
    assert!(!hangs(symptom("cart/cart-1", "queue.length", 70, CLEAR)), "its peers wait, too");
}

#[test]
fn restarts_of_a_rollout_are_no_crash_loop() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("cart", 50));
    knowledge.changes.extend((1..=3).map(|n| restart(&format!("cart/cart-{n}"), 50 + 8 * n)));
    let mut all = replicas("cart", "container.restarts.rate", 70, CLEAR);
    assert!(diagnose(&all, &knowledge).is_empty(), "a rollout alone is no trouble");
    all.extend(replicas("cart", ERRORS, 60, STRONG));
    assert_cause(&all, &knowledge, "cart", "bad_deploy", FaultClass::Permanent);
}

#[test]
fn the_deepest_slow_service_is_the_slow_dependency() {
    let mut all = replicas("payment", LATENCY, 60, STRONG);
    all.extend(callers_suffer("payment", LATENCY, 60));
    all.push(symptom("shop/shop-1", "http.server.active_requests", 70, CLEAR));
    assert_cause(&all, &shop(), "payment", "slow_dependency", FaultClass::Transient);
}

#[test]
fn errors_after_a_deploy_are_a_bad_deploy_with_the_change() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("catalog", 50));
    let mut all = replicas("catalog", ERRORS, 60, STRONG);
    all.extend(replicas("catalog", "log.severity.error", 60, CLEAR));
    all.extend(callers_suffer("catalog", ERRORS, 60));
    assert_cause(&all, &knowledge, "catalog", "bad_deploy", FaultClass::Permanent);
    let incidents = diagnose(&all, &knowledge);
    assert_eq!(incidents[0].hypotheses[0].change.as_ref(), Some(&knowledge.changes[0]));
}

#[test]
fn errors_without_a_change_are_a_burst() {
    let mut all = replicas("catalog", ERRORS, 60, STRONG);
    all.extend(callers_suffer("catalog", ERRORS, 60));
    assert_cause(&all, &shop(), "catalog", "error_burst", FaultClass::Transient);
}

/// What a service registers against the day that something goes wrong is no suspect, and hides none.
#[test]
fn a_checkpoint_is_no_change() {
    let registered = |kind: &str| theriac_contract::Change {
        kind: kind.to_owned(),
        to: "orders-7".to_owned(),
        ..deploy("catalog", 58)
    };
    let mut all = replicas("catalog", ERRORS, 60, STRONG);
    all.extend(callers_suffer("catalog", ERRORS, 60));
    for kind in [theriac_contract::Change::CHECKPOINT, theriac_contract::Change::COMPENSATOR] {
        let mut knowledge = shop();
        knowledge.changes.push(registered(kind));
        let incident = &diagnose(&all, &knowledge)[0];
        assert!(incident.hypotheses.iter().all(|one| one.change.is_none()), "{:?}", incident.hypotheses);
        knowledge.changes.insert(0, deploy("catalog", 50));
        let incident = &diagnose(&all, &knowledge)[0];
        assert_eq!(incident.hypotheses[0].change, Some(deploy("catalog", 50)));
    }
}

#[test]
fn a_deploy_elsewhere_is_no_cause() {
    let mut knowledge = shop();
    knowledge.changes.extend([deploy("payment", 40), deploy("gateway", 50)]);
    let mut all = replicas("catalog", ERRORS, 60, STRONG);
    all.extend(callers_suffer("catalog", ERRORS, 60));
    assert_cause(&all, &knowledge, "catalog", "error_burst", FaultClass::Transient);
}

#[test]
fn an_old_deploy_is_no_cause() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("catalog", -7200));
    let all = replicas("catalog", ERRORS, 60, STRONG);
    assert_cause(&all, &knowledge, "catalog", "error_burst", FaultClass::Transient);
}

#[test]
fn a_replica_that_its_peers_contradict_is_byzantine() {
    let mut check = symptom("shop", "business.orders.mismatch.rate", 60, STRONG);
    check.attributes = r#"{"peer.instance":"cart-3"}"#.into();
    assert_cause(&[check], &shop(), "cart/cart-3", "byzantine_replica", FaultClass::Byzantine);
}

/// All that run the new build answer wrongly: it is the build, and no single one of them.
#[test]
fn a_new_build_whose_answers_others_find_wrong_is_a_bad_deploy() {
    let checks = |instances: std::ops::RangeInclusive<u8>| {
        let check = |n: u8| {
            let mut check = symptom("shop", "business.orders.mismatch.rate", 60 + i64::from(n), STRONG);
            check.attributes = format!(r#"{{"peer.instance":"cart-{n}"}}"#);
            check
        };
        instances.map(check).collect::<Vec<_>>()
    };
    let mut knowledge = shop();
    knowledge.changes.push(deploy("cart", 30));
    assert_cause(&checks(1..=3), &knowledge, "cart", "bad_deploy", FaultClass::Permanent);
    assert_cause(&checks(3..=3), &knowledge, "cart/cart-3", "byzantine_replica", FaultClass::Byzantine);
    // Of two instances, one gave the first few wrong answers that anybody caught: that says little of the other.
    if let Some(instances) = knowledge.topology.instances.get_mut("cart") {
        instances.retain(|instance| instance.as_str() != "cart/cart-1");
    }
    knowledge.changes = vec![deploy("cart", -60)];
    let few = Symptom { p_value: 1e-5, ..checks(3..=3).remove(0) };
    assert_cause(&[few], &knowledge, "cart", "bad_deploy", FaultClass::Permanent);
    assert_cause(&checks(3..=3), &knowledge, "cart/cart-3", "byzantine_replica", FaultClass::Byzantine);
}

#[test]
fn a_busy_host_explains_its_guests() {
    let mut all = vec![symptom("host:node-2", "system.cpu.utilization", 60, STRONG)];
    for service in ["cart", "catalog", "shop"] {
        all.push(symptom(&format!("{service}/{service}-2"), LATENCY, 60, CLEAR));
    }
    assert_cause(&all, &shop(), "host:node-2", "cpu_saturation", FaultClass::Transient);
}

#[test]
fn load_from_the_entry_is_a_surge() {
    let mut all = Vec::new();
    for (service, onset) in [("gateway", 60), ("shop", 60), ("cart", 70), ("catalog", 70)] {
        all.extend(replicas(service, "http.server.request.duration.rate", onset, STRONG));
        all.extend(replicas(service, LATENCY, onset + 10, CLEAR));
        all.extend(replicas(service, "process.cpu.utilization", onset + 10, CLEAR));
    }
    assert_cause(&all, &shop(), "gateway", "traffic_surge", FaultClass::Transient);
}

#[test]
fn what_fits_nothing_is_unknown() {
    let all: Vec<Symptom> = (0..3).map(|n| symptom("cart", &format!("temperature.{n}"), 60, CLEAR)).collect();
    let incidents = diagnose(&all, &shop());
    assert_eq!(incidents[0].hypotheses[0].fault, "unknown");
    assert_eq!(incidents[0].hypotheses[0].class, FaultClass::Unknown);
}

#[test]
fn what_may_pass_counts_as_permanent_once_it_stood_long() {
    let all = replicas("payment", LATENCY, 60, STRONG);
    let mut stage = Diagnose::new(Settings::default());
    let first = stage.step(at(70), &all, &shop());
    assert_eq!(first[0].hypotheses[0].class, FaultClass::Transient);
    let later: Vec<Incident> = (8..100).flat_map(|tick| stage.step(at(tick * 10), &[], &shop())).collect();
    assert_eq!(later.len(), 1, "one revision, for the class");
    assert_eq!(later[0].hypotheses[0].class, FaultClass::Permanent);
}

#[test]
fn the_remedy_is_not_taken_for_the_cause() {
    let mut knowledge = shop();
    knowledge.changes.push(deploy("catalog", 50));
    let all = replicas("catalog", ERRORS, 60, STRONG);
    let mut stage = Diagnose::new(Settings::default());
    let first = stage.step(at(70), &all, &knowledge);
    assert_eq!(first[0].hypotheses[0].change.as_ref(), Some(&knowledge.changes[0]));
    // Rolled back within seconds: a change, too, and nearer to the onset than many a cause.
    let back = theriac_contract::Change { from: "1.1.0".into(), to: "1.0.0".into(), ..deploy("catalog", 75) };
    knowledge.changes.push(back);
    let closed: Vec<Symptom> = all.iter().map(|symptom| scripts::closed(symptom, 80)).collect();
    let after = stage.step(at(80), &closed, &knowledge);
    assert_eq!(after[0].hypotheses[0].change, first[0].hypotheses[0].change);
}
