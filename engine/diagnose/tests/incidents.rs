//! Which symptoms make an incident, when it ends, and what bounds it.

mod scripts;

use proptest::prelude::*;
use scripts::{at, closed, entity, replicas, shop, symptom};
use theriac_contract::{Checkpointed, EdgeKind, Incident, IncidentPhase, Snapshot, Symptom, SymptomPhase};
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

/// A storm over a service graph that is known: 10,000 symptoms of 40 services within a minute.
fn storm() -> (Snapshot, Vec<Symptom>) {
    let mut knowledge = Snapshot::default();
    for service in 1..40 {
        let caller = entity(&format!("service-{}", (service - 1) / 2));
        knowledge.topology.connect(&caller, &entity(&format!("service-{service}")), EdgeKind::Calls);
    }
    let all = (0..10_000_i64).map(|n| {
        let place = format!("service-{0}/service-{0}-{1}", n % 40, n / 40 % 5);
        symptom(&place, &format!("http.client.duration.{n}"), 60 + n / 200, 1e-9)
    });
    (knowledge, all.collect())
}

#[test]
fn a_storm_of_ten_thousand_is_one_incident_and_each_symptom_is_kept_or_counted() {
    let (knowledge, all) = storm();
    let settings = Settings::default();
    let mut stage = Diagnose::new(settings.clone());
    let (mut opened, mut revisions) = (std::collections::BTreeMap::new(), 0);
    for tick in 6..40 {
        let of_tick =
            |symptom: &&Symptom| at(tick * 10 - 10) <= symptom.onset && symptom.onset < at(tick * 10);
        let now: Vec<Symptom> = all.iter().filter(of_tick).cloned().collect();
        for incident in stage.step(at(tick * 10), &now, &knowledge) {
            revisions += 1;
            assert!(incident.symptoms.len() <= settings.symptoms_max);
            assert!(incident.hypotheses.len() <= settings.hypotheses_max);
            opened.insert(incident.id.clone(), incident);
        }
        // Bounded at every step, however many have come.
        let bytes = stage.snapshot().unwrap()[0].rows.get_array_memory_size();
        assert!(bytes < 1 << 20, "{bytes} bytes at tick {tick}");
    }
    assert_eq!(opened.len(), 1, "{:?}", opened.values().map(|i| &i.summary).collect::<Vec<_>>());
    let mut at_once = Diagnose::new(settings.clone());
    let told = at_once.step(at(120), &all, &knowledge);
    assert_eq!(told.len(), 1, "{:?}", told.iter().map(|i| &i.summary).collect::<Vec<_>>());
    assert_eq!(told[0].symptoms.len() as u64 + told[0].symptoms_shed, 10_000);
    assert_eq!(told[0].symptoms.len(), settings.symptoms_max);
    assert_eq!(at_once.open(), 1);
    // Told again only when there is something to say: not for each of them.
    assert!(revisions < 50, "{revisions}");
}

#[test]
fn the_order_in_which_a_storm_comes_in_does_not_matter() {
    let (knowledge, all) = storm();
    let mut shuffled = all.clone();
    // A permutation: 7,919 is prime, and no divisor of the number of symptoms.
    for (place, symptom) in all.iter().enumerate() {
        shuffled[place * 7_919 % all.len()] = symptom.clone();
    }
    assert_ne!(shuffled, all);
    let mut told =
        [all, shuffled].map(|all| Diagnose::new(Settings::default()).step(at(120), &all, &knowledge));
    assert!(!told[0].is_empty());
    assert_eq!(std::mem::take(&mut told[0]), told[1]);
}

#[test]
fn two_faults_on_apart_paths_are_two_incidents_whichever_comes_first() {
    // gateway -> shop -> {cart, catalog, payment}: both are felt by shop and gateway.
    for (first, second) in [(0, 0), (0, 30), (30, 0), (0, 170)] {
        let mut all = replicas("cart", ERRORS, 60 + first, 1e-15);
        all.extend(replicas("payment", LATENCY, 60 + second, 1e-15));
        all.extend(replicas("shop", ERRORS, 70 + first, 1e-9));
        all.extend(replicas("gateway", LATENCY, 70 + second, 1e-9));
        let mut stage = Diagnose::new(Settings::default());
        let mut causes = std::collections::BTreeMap::new();
        for tick in 6..40 {
            let now: Vec<Symptom> =
                all.iter().filter(|symptom| symptom.at == at(tick * 10)).cloned().collect();
            for incident in stage.step(at(tick * 10), &now, &shop()) {
                let top = &incident.hypotheses[0];
                causes.insert(
                    incident.id.clone(),
                    (top.entity.clone().unwrap_or_default().0, top.fault.clone()),
                );
            }
        }
        let mut causes: Vec<(String, String)> = causes.into_values().collect();
        causes.sort();
        let expected = [("cart", "error_burst"), ("payment", "slow_dependency")];
        assert_eq!(causes, expected.map(|(a, b)| (a.to_owned(), b.to_owned())), "{first} {second}");
    }
}

#[test]
fn an_incident_is_judged_by_the_graph_of_its_onset() {
    let with = |edges: &[(i64, &str, &str)]| {
        let mut knowledge = shop();
        for (seconds, from, to) in edges {
            knowledge.topology.connect_at(at(*seconds), &entity(from), &entity(to), EdgeKind::Calls);
        }
        knowledge
    };
    let mut all = replicas("cart", LATENCY, 60, 1e-12);
    all.extend(replicas("ledger", LATENCY, 60, 1e-15));
    let cause = |then: &Snapshot, now: &Snapshot| {
        let mut stage = Diagnose::new(Settings::default());
        let first = stage.step(at(70), &all, then);
        let more = replicas("shop", LATENCY, 110, 1e-9);
        let told = stage.step(at(120), &more, now);
        let last = told.iter().chain(&first).next().unwrap().hypotheses[0].clone();
        (first.len(), last.entity.map(|entity| entity.0))
    };
    // It was called when it began: the callee explains the caller, also once it is called no more.
    let mut later = with(&[(0, "cart", "ledger")]);
    let then = later.clone();
    later.topology.disconnect(at(100), &entity("cart"), &entity("ledger"), EdgeKind::Calls);
    assert!(later.topology.callees("cart").is_empty());
    assert_eq!(cause(&then, &later), (1, Some("ledger".to_owned())));
    // It is called since long after: what was the remedy perhaps explains nothing of before.
    let much_later = with(&[(1_000, "cart", "ledger")]);
    let mut stage = Diagnose::new(Settings::default());
    let before = stage.step(at(70), &all, &shop());
    assert_eq!(before.len(), 2, "nothing ties them");
    for incident in stage.step(at(1_010), &[], &much_later) {
        let explained = incident.hypotheses.iter().flat_map(|h| h.evidence_against.iter()).any(|e| {
            e.text.contains("ledger is called by cart")
                || e.text.contains("is called by cart and is troubled itself")
        });
        assert!(!explained, "{incident:?}");
    }
}
