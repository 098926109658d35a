//! Which symptoms make an incident, when it ends, and what bounds it.

mod scripts;

use proptest::prelude::*;
use scripts::{at, closed, replicas, shop, symptom};
use theriac_contract::{Checkpointed, Incident, IncidentPhase, Snapshot, Symptom, SymptomPhase};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const ERRORS: &str = "span.error_ratio";

#[test]
fn two_faults_at_once_are_two_incidents() {
    let mut all = replicas("cart", ERRORS, 60, 1e-15);
    all.extend(replicas("payment", LATENCY, 60, 1e-15));
    all.extend(replicas("shop", LATENCY, 70, 1e-9));
    all.extend(replicas("gateway", LATENCY, 70, 1e-9));
    let mut stage = Diagnose::new(Settings::default());
    let incidents = stage.step(at(80), &all, &shop());
    let causes: Vec<_> =
        incidents.iter().map(|i| i.hypotheses[0].entity.clone().unwrap_or_default().0).collect();
    assert_eq!(causes.len(), 2, "{causes:?}");
    assert!(causes.contains(&"cart".to_owned()) && causes.contains(&"payment".to_owned()), "{causes:?}");
}

#[test]
fn a_fault_elsewhere_while_an_incident_stands_is_an_incident_of_its_own() {
    let mut stage = Diagnose::new(Settings::default());
    let mut first = replicas("cart", ERRORS, 60, 1e-15);
    first.extend(replicas("shop", ERRORS, 60, 1e-9));
    let cart = stage.step(at(70), &first, &shop())[0].id.clone();
    // A caller of the cause suffers, later: that is explained.
    let caller = replicas("gateway", ERRORS, 240, 1e-9);
    assert!(stage.step(at(250), &caller, &shop()).iter().all(|incident| incident.id == cart));
    // Payment does not call cart: what happens there has another cause.
    let other = replicas("payment", LATENCY, 300, 1e-15);
    let told = stage.step(at(310), &other, &shop());
    let opened: Vec<_> = told.iter().filter(|i| i.phase == IncidentPhase::Opened).collect();
    assert_eq!(opened.len(), 1, "{told:?}");
    assert_eq!(opened[0].hypotheses[0].entity.as_ref().map(|entity| entity.as_str()), Some("payment"));
}

#[test]
fn domains_are_kept_apart() {
    let one = replicas("cart", ERRORS, 60, 1e-15);
    let other = one.iter().map(|symptom| {
        let id = theriac_contract::Id::derive("symptom", &["other", symptom.id.as_str()]);
        Symptom { domain: "other".into(), id, ..symptom.clone() }
    });
    let all: Vec<Symptom> = one.iter().cloned().chain(other).collect();
    assert_eq!(Diagnose::new(Settings::default()).step(at(70), &all, &shop()).len(), 2);
}

#[test]
fn a_weak_blip_stays_a_symptom() {
    let mut stage = Diagnose::new(Settings::default());
    let blip = symptom("cart/cart-1", LATENCY, 60, 1e-6);
    assert!(stage.step(at(70), std::slice::from_ref(&blip), &shop()).is_empty());
    assert!(stage.step(at(90), &[closed(&blip, 80)], &shop()).is_empty());
    for tick in 10..40 {
        assert!(stage.step(at(tick * 10), &[], &shop()).is_empty());
    }
}

#[test]
fn one_very_strong_symptom_opens_an_incident() {
    let mut stage = Diagnose::new(Settings::default());
    let strong = symptom("cart/cart-1", LATENCY, 60, 1e-14);
    assert_eq!(stage.step(at(70), &[strong], &shop()).len(), 1);
}

#[test]
fn what_returns_soon_rejoins_and_what_is_over_resolves() {
    let mut stage = Diagnose::new(Settings::default());
    let first = replicas("cart", ERRORS, 60, 1e-15);
    let id = stage.step(at(70), &first, &shop())[0].id.clone();
    let ends: Vec<Symptom> = first.iter().map(|symptom| closed(symptom, 100)).collect();
    stage.step(at(100), &ends, &shop());
    let again = replicas("cart", ERRORS, 130, 1e-15);
    for incident in stage.step(at(140), &again, &shop()) {
        assert_eq!(incident.id, id);
        assert!(!incident.is_over());
    }
    let ends: Vec<Symptom> = again.iter().map(|symptom| closed(symptom, 160)).collect();
    stage.step(at(160), &ends, &shop());
    assert!(stage.step(at(210), &[], &shop()).iter().all(|incident| !incident.is_over()));
    let last = stage.step(at(220), &[], &shop());
    assert_eq!((last[0].phase, last[0].id.clone()), (IncidentPhase::Resolved, id));
    assert_eq!(last[0].ended, Some(at(160)));
    assert!(stage.step(at(400), &[], &shop()).is_empty());
}

#[test]
fn lost_telemetry_is_no_recovery() {
    let mut stage = Diagnose::new(Settings::default());
    let all = replicas("cart", ERRORS, 60, 1e-15);
    stage.step(at(70), &all, &shop());
    let lost: Vec<Symptom> =
        all.iter().map(|symptom| Symptom { phase: SymptomPhase::Lost, ..closed(symptom, 100) }).collect();
    stage.step(at(100), &lost, &shop());
    let last = stage.step(at(200), &[], &shop());
    assert_eq!(last[0].phase, IncidentPhase::Lost);
}

#[test]
fn a_storm_is_one_incident_in_bounded_memory() {
    let settings = Settings::default();
    let limit = settings.symptoms_max;
    let mut stage = Diagnose::new(settings);
    let mut ids = std::collections::BTreeSet::new();
    let mut last: Option<Incident> = None;
    // Symptoms at services of which nothing is known but that all begin within two minutes.
    for tick in 0..10 {
        let batch: Vec<Symptom> = (0..1000)
            .map(|n| {
                symptom(&format!("service-{}", n % 50), &format!("latency.{tick}.{n}"), 60 + tick * 10, 1e-12)
            })
            .collect();
        for incident in stage.step(at(70 + tick * 10), &batch, &Snapshot::default()) {
            ids.insert(incident.id.clone());
            last = Some(incident);
        }
    }
    let revised = stage.step(at(400), &[], &Snapshot::default());
    let last = revised.into_iter().next().or(last).unwrap();
    assert_eq!(ids.len(), 1);
    assert_eq!(last.symptoms.len(), limit);
    assert_eq!(last.symptoms_shed + limit as u64, 10_000);
    let bytes = stage.snapshot().unwrap()[0].rows.get_array_memory_size();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}

fn arbitrary_symptoms() -> impl Strategy<Value = Vec<Symptom>> {
    let places = prop::sample::select(vec![
        "cart/cart-1",
        "cart/cart-2",
        "shop",
        "payment",
        "shop->cart",
        "host:node-1",
    ]);
    let signals = prop::sample::select(vec![
        LATENCY,
        ERRORS,
        "process.memory.usage",
        "business.mismatch",
        "queue.length",
    ]);
    let one = (places, signals, 0..60_i64, 1..20_i32, prop::option::of(1..30_i64));
    prop::collection::vec(one, 1..40).prop_map(|all| {
        let mut revisions: Vec<Symptom> = Vec::new();
        for (place, signal, onset, digits, length) in all {
            let opened = symptom(place, signal, onset * 10, libm::pow(10.0, f64::from(-digits)));
            if revisions.iter().any(|known| known.id == opened.id) {
                continue;
            }
            revisions.extend(length.map(|length| closed(&opened, (onset + length) * 10 + 10)));
            revisions.push(opened);
        }
        revisions
    })
}

fn run(stage: &mut Diagnose, revisions: &[Symptom], ticks: std::ops::Range<i64>) -> Vec<Incident> {
    let mut all = Vec::new();
    let knowledge = shop();
    for tick in ticks {
        let now: Vec<Symptom> =
            revisions.iter().filter(|symptom| symptom.at == at(tick * 10)).cloned().collect();
        all.extend(stage.step(at(tick * 10), &now, &knowledge));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn probabilities_sum_to_one_and_ranks_are_in_order(revisions in arbitrary_symptoms()) {
        for incident in run(&mut Diagnose::new(Settings::default()), &revisions, 0..120) {
            let sum: f64 = incident.hypotheses.iter().map(|hypothesis| hypothesis.probability).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
            prop_assert!(incident.hypotheses.is_sorted_by(|a, b| a.probability >= b.probability));
            prop_assert!(incident.hypotheses.iter().any(|h| h.fault == "unknown" && h.probability >= 0.019));
            prop_assert!(incident.hypotheses.iter().map(|h| h.rank).eq(1..=incident.hypotheses.len() as u32));
        }
    }

    #[test]
    fn every_incident_that_opens_ends_once_and_revisions_count_up(revisions in arbitrary_symptoms()) {
        let mut all = revisions;
        let ended: Vec<_> = all.iter().filter(|s| s.phase == SymptomPhase::Close).map(|s| s.id.clone()).collect();
        let open: Vec<Symptom> = all.iter().filter(|s| !ended.contains(&s.id)).map(|s| closed(s, 1000)).collect();
        all.extend(open);
        let mut next = std::collections::BTreeMap::new();
        for incident in run(&mut Diagnose::new(Settings::default()), &all, 0..130) {
            let expected = next.entry(incident.id.clone()).or_insert(Some(0));
            prop_assert_eq!(*expected, Some(incident.revision));
            prop_assert_eq!(incident.phase == IncidentPhase::Opened, incident.revision == 0);
            *expected = (!incident.is_over()).then_some(incident.revision + 1);
        }
        prop_assert!(next.values().all(Option::is_none), "{:?}", next);
    }

    #[test]
    fn saved_and_restored_is_never_stopped(revisions in arbitrary_symptoms(), cut in 1..100_i64) {
        let mut whole = Diagnose::new(Settings::default());
        let mut expected = run(&mut whole, &revisions, 0..cut);
        expected.extend(run(&mut whole, &revisions, cut..120));
        let mut first = Diagnose::new(Settings::default());
        let mut got = run(&mut first, &revisions, 0..cut);
        let saved = first.snapshot().unwrap();
        let mut second = Diagnose::new(Settings::default());
        second.restore(&saved).unwrap();
        prop_assert_eq!(second.snapshot().unwrap(), saved);
        got.extend(run(&mut second, &revisions, cut..120));
        prop_assert_eq!(serde_json::to_string(&got).unwrap(), serde_json::to_string(&expected).unwrap());
    }

    #[test]
    fn the_order_within_a_batch_does_not_matter(revisions in arbitrary_symptoms()) {
        let mut backwards = revisions.clone();
        backwards.reverse();
        let a = run(&mut Diagnose::new(Settings::default()), &revisions, 0..120);
        let b = run(&mut Diagnose::new(Settings::default()), &backwards, 0..120);
        prop_assert_eq!(a, b);
    }
}
