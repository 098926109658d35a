//! One of many who asks, or is asked for, far more than before is told from load that all bring.

mod scripts;

use scripts::{at, entity, last_revisions, replicas, shop, symptom};
use theriac_contract::{Incident, SignalKind, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const LATENCY: &str = "http.server.request.duration.p95";
const RATE: &str = "http.server.request.duration.rate";
const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

/// The last revision of the only incident.
#[track_caller]
fn incident(symptoms: &[Symptom]) -> Incident {
    let mut latest = last_revisions(symptoms, &shop(), 300);
    assert_eq!(latest.len(), 1, "{:?}", latest.iter().map(|one| &one.summary).collect::<Vec<_>>());
    latest.remove(0)
}

fn shown(incident: &Incident) -> Vec<String> {
    let one = |hypothesis: &theriac_contract::Hypothesis| {
        format!("{:?} {} {:.2}", hypothesis.entity, hypothesis.fault, hypothesis.probability)
    };
    incident.hypotheses.iter().map(one).collect()
}

/// One of many stands out: `frontend` or `shop->cart`, by requests or by time.
fn stands_out(place: &str, signal: &str, onset: i64, who: &str) -> Symptom {
    let series = symptom(place, signal, onset, STRONG);
    Symptom {
        kind: SignalKind::Trace,
        who: Some(entity(who)),
        observed: Some(12.0),
        expected: Some(0.01),
        ..series
    }
}

/// The gateway has more to do, and whom it passes it on to cannot keep up.
fn overload() -> Vec<Symptom> {
    let mut all = replicas("gateway", RATE, 60, STRONG);
    all.extend(replicas("shop", RATE, 60, CLEAR));
    for service in ["gateway", "shop", "catalog"] {
        all.extend(replicas(service, LATENCY, 60, CLEAR));
    }
    all
}

#[test]
fn load_that_one_tenant_makes_up_is_his_and_load_of_all_is_a_surge() {
    let surge = incident(&overload());
    assert_eq!(surge.hypotheses[0].fault, "traffic_surge", "{:?}", shown(&surge));
    let mut all = overload();
    all.push(stands_out("gateway", "span.asker.excess", 60, "tenant:7"));
    let abuse = incident(&all);
    let top = &abuse.hypotheses[0];
    assert_eq!(
        (top.fault.as_str(), &top.entity),
        ("abusive_tenant", &Some(entity("gateway"))),
        "{:?}",
        shown(&abuse)
    );
    assert!(top.probability > 0.5, "{:?}", shown(&abuse));
    assert_eq!(top.instances, [entity("tenant:7")]);
    assert!(abuse.summary.contains("abusive tenant at gateway, tenant:7"), "{}", abuse.summary);
    let first = &top.evidence_for[0];
    assert!(
        first.text.starts_with("tenant:7 asks far more of gateway than before: 12 requests in a tick more"),
        "{}",
        first.text
    );
}

#[test]
fn who_is_passed_on_is_blamed_where_he_comes_in() {
    let mut all = overload();
    for (place, onset) in [("gateway", 70), ("shop", 60)] {
        all.push(stands_out(place, "span.asker.excess", onset, "tenant:7"));
    }
    let top = incident(&all).hypotheses.remove(0);
    assert_eq!((top.fault.as_str(), top.entity), ("abusive_tenant", Some(entity("gateway"))));
}

#[test]
fn a_large_customer_who_troubles_nobody_is_no_incident() {
    let mut stage = Diagnose::new(Settings::default());
    let more = stands_out("gateway", "span.asker.excess", 60, "tenant:7");
    let told: Vec<Incident> = (0..30)
        .flat_map(|tick| {
            let now = if tick == 6 { vec![more.clone()] } else { Vec::new() };
            stage.step(at(tick * 10 + 10), &now, &shop())
        })
        .collect();
    assert!(told.is_empty(), "{:?}", told.iter().map(|incident| &incident.summary).collect::<Vec<_>>());
}

#[test]
fn one_key_that_is_asked_for_is_what_is_wrong_where_it_lies() {
    let mut all = vec![stands_out("shop->cart", "edge.key.excess", 70, "key:42")];
    all.push(symptom("cart/cart-1", LATENCY, 60, STRONG));
    all.push(symptom("cart/cart-1", "process.cpu.utilization", 60, STRONG));
    all.push(symptom("shop->cart", "edge.duration.p95", 60, STRONG));
    all.extend(replicas("shop", LATENCY, 60, CLEAR));
    all.extend(replicas("gateway", LATENCY, 60, CLEAR));
    let incident = incident(&all);
    let top = &incident.hypotheses[0];
    assert_eq!(
        (top.fault.as_str(), &top.entity),
        ("hot_key", &Some(entity("cart"))),
        "{:?}",
        shown(&incident)
    );
    assert_eq!(top.instances, [entity("key:42")]);
}

#[test]
fn a_key_that_all_want_is_not_blamed_where_it_is_given_in_time() {
    let mut all = overload();
    all.push(stands_out("shop->payment", "edge.key.excess", 60, "key:42"));
    let incident = incident(&all);
    let blamed = incident.hypotheses.iter().find(|one| one.fault == "hot_key");
    assert!(blamed.is_none_or(|one| one.probability < 0.05), "{:?}", shown(&incident));
}

#[test]
fn who_takes_more_time_without_asking_more_is_less_suspect() {
    let probability = |signal: &str| {
        let mut all = overload();
        all.push(stands_out("gateway", signal, 60, "tenant:7"));
        let hypotheses = incident(&all).hypotheses;
        let of = hypotheses.iter().find(|one| one.fault == "abusive_tenant");
        of.map_or(0.0, |one| one.probability)
    };
    let (asks, takes) = (probability("span.asker.excess"), probability("span.asker.time_excess"));
    assert!(asks > 2.0 * takes, "{asks} {takes}");
}
