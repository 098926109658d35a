//! Faults that have a sign of their own, whose word counts, and who feels it.

mod scripts;

use scripts::{at, entity, replicas, shop, symptom};
use theriac_contract::{Change, Direction, Felt, Incident, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

const STRONG: f64 = 1e-15;
const CLEAR: f64 = 1e-9;

/// The last revision of the first incident after `seconds`.
fn last(symptoms: &[Symptom], knowledge: &Snapshot, seconds: i64) -> Incident {
    let mut stage = Diagnose::new(Settings::default());
    let mut found: Option<Incident> = None;
    for tick in 0..seconds / 10 {
        let (from, to) = (at(tick * 10), at(tick * 10 + 10));
        let now: Vec<Symptom> =
            symptoms.iter().filter(|symptom| from <= symptom.onset && symptom.onset < to).cloned().collect();
        for incident in stage.step(to, &now, knowledge) {
            if found.as_ref().is_none_or(|first| first.id == incident.id) {
                found = Some(incident);
            }
        }
    }
    found.expect("an incident")
}

fn top(symptoms: &[Symptom], knowledge: &Snapshot) -> (String, String) {
    let incident = last(symptoms, knowledge, 200);
    let first = &incident.hypotheses[0];
    (first.entity.as_ref().map(|entity| entity.0.clone()).unwrap_or_default(), first.fault.clone())
}

fn is(cause: &str, fault: &str) -> (String, String) {
    (cause.to_owned(), fault.to_owned())
}

/// A line in the logs of an instance, as a symptom.
fn line(instance: &str, text: &str, onset: i64) -> Symptom {
    let mut symptom = symptom(instance, "log.template", onset, STRONG);
    symptom.attributes = serde_json::json!({ "template": text, "severity": "error" }).to_string();
    symptom.series = format!("{}{text}", symptom.series);
    symptom.id = theriac_contract::Id::derive("symptom", &[instance, text]);
    symptom
}

fn refused(callee: &str) -> Vec<Symptom> {
    let mut all = vec![symptom(&format!("shop->{callee}"), "edge.error_ratio", 60, STRONG)];
    all.extend(replicas("gateway", "span.error_ratio", 60, CLEAR));
    all
}

#[test]
fn an_expired_certificate_is_known_by_what_callers_write() {
    let mut all = refused("cart");
    for n in 1..=3 {
        all.push(line(&format!("shop/shop-{n}"), "call to cart failed: x509: certificate has expired", 60));
    }
    assert_eq!(top(&all, &shop()), is("cart", "certificate_expired"));
}

#[test]
fn who_is_asked_too_often_says_so() {
    let mut all = refused("bank");
    for n in 1..=3 {
        all.push(line(&format!("payment/payment-{n}"), "call to bank failed: 429 too many requests", 60));
    }
    assert_eq!(top(&all, &shop()).1, "quota_exceeded");
}

#[test]
fn sessions_that_wait_for_locks_are_no_slow_dependency() {
    let mut all = refused("payment");
    all.extend(replicas("payment", "http.server.request.duration.p95", 60, CLEAR));
    assert_eq!(top(&all, &shop()).1, "slow_dependency");
    all.push(symptom("payment/payment-1", "db.locks.waiting", 60, STRONG));
    assert_eq!(top(&all, &shop()).1, "lock_contention");
}

#[test]
fn a_copy_that_lags_is_the_one_that_lags() {
    let all = [symptom("cart/cart-2", "db.replication.lag", 60, STRONG)];
    assert_eq!(top(&all, &shop()), is("cart/cart-2", "replica_lag"));
}

#[test]
fn a_copy_whose_checksums_are_wrong_is_corrupt_however_well_it_feels() {
    let all = [symptom("cart/cart-2", "pg_stat_database_checksum_failures.rate", 60, STRONG)];
    assert_eq!(top(&all, &shop()), is("cart/cart-2", "data_corruption"));
}

/// An instance of which nothing is heard: rare, as far as that is known, and no more.
fn silence(instance: &str, onset: i64) -> Vec<Symptom> {
    let readings = ["process.cpu.utilization", "process.memory.usage", "queue.length"];
    let silent = readings.map(|signal| Symptom {
        direction: Direction::None,
        observed: None,
        ..symptom(instance, signal, onset, 1e-5)
    });
    silent.to_vec()
}

#[test]
fn an_instance_that_tells_nothing_explains_that_callers_are_refused() {
    let mut all = refused("cart");
    assert_eq!(top(&all, &shop()), is("cart", "error_burst"));
    all.extend(silence("cart/cart-2", 70));
    assert_eq!(top(&all, &shop()), is("cart/cart-2", "crash_loop"));
}

#[test]
fn silence_that_no_caller_notices_may_be_the_telemetry_alone() {
    let crashed = |instance: &str| {
        let found = last(&silence(instance, 70), &shop(), 200);
        found.hypotheses.iter().find(|one| one.fault == "crash_loop").map_or(0.0, |one| one.probability)
    };
    // Nobody calls the gateway, so nobody could tell.
    let (called, entry) = (crashed("cart/cart-2"), crashed("gateway/gateway-2"));
    assert!(called < 0.4 && entry > 0.6, "{called} {entry}");
}

#[test]
fn who_is_silent_and_has_his_work_done_by_another_is_gone() {
    let crashed = |more: &[Symptom]| {
        let mut all = silence("cart/cart-1", 70);
        all.extend(silence("cart/cart-2", 70));
        all.extend_from_slice(more);
        let found = last(&all, &shop(), 200);
        let mut crash = found.hypotheses.iter().filter(|one| one.fault == "crash_loop");
        crash.next().map_or(0.0, |one| one.probability)
    };
    let alone = crashed(&[]);
    let stood_in = crashed(&[symptom("cart/cart-3", "http.server.request.duration.rate", 70, 1e-5)]);
    assert!(alone < 0.4 && stood_in > 0.6, "{alone} {stood_in}");
    // What another service has more of is its own.
    let elsewhere = crashed(&[symptom("catalog/catalog-3", "http.server.request.duration.rate", 70, 1e-5)]);
    assert!(elsewhere < 0.4, "{elsewhere}");
}

#[test]
fn what_callers_tell_of_a_service_is_told_of_the_one_instance_that_stands_still() {
    let mut all = refused("cart");
    let idle = symptom("cart/cart-2", "http.server.request.duration.rate", 70, 1e-6);
    all.push(Symptom { direction: Direction::Down, ..idle });
    assert_eq!(top(&all, &shop()), is("cart/cart-2", "hang"));
}

#[test]
fn the_word_of_one_caller_against_that_of_the_callee_is_about_the_caller() {
    let mut knowledge = shop();
    let mut all = refused("cart");
    all.extend(replicas("shop", "span.error_ratio", 60, STRONG));
    knowledge.changes.push(Change {
        at: at(55),
        entity: entity("shop"),
        kind: "configuration".to_owned(),
        from: "r1".to_owned(),
        to: "r2".to_owned(),
        description: String::new(),
    });
    assert_eq!(top(&all, &knowledge), is("shop", "bad_configuration"));
    // With the callee's own word it is the callee.
    all.extend(replicas("cart", "span.error_ratio", 60, STRONG));
    assert_eq!(top(&all, &knowledge).0, "cart");
}

#[test]
fn trouble_is_felt_outside_where_it_reaches_who_is_called_by_nobody() {
    let inside = [symptom("shop->cart", "edge.error_ratio", 60, STRONG)];
    assert_eq!(last(&inside, &shop(), 90).felt, Felt::Inside);
    let mut outside = inside.to_vec();
    outside.extend(replicas("gateway", "span.error_ratio", 60, CLEAR));
    assert_eq!(last(&outside, &shop(), 90).felt, Felt::Outside);
}

/// By their names: what an entrance is slow to serve, or fails to, is felt; what it is slow to get is not, but
/// for what it fails to get there may be no other word.
#[test]
fn slow_calls_that_an_entrance_makes_are_not_what_its_users_feel() {
    let told = |side: &str, statistic: &str, attributes: &str| {
        let signal = format!("http.{side}.request.duration.{statistic}");
        let mut all = replicas("gateway", &signal, 60, STRONG);
        all.iter_mut().for_each(|symptom| attributes.clone_into(&mut symptom.attributes));
        last(&all, &shop(), 90).felt
    };
    let failed = r#"{"http.response.status_code":"500"}"#;
    for (statistic, attributes, made) in [("p95", "{}", Felt::Inside), ("count", failed, Felt::Outside)] {
        assert_eq!(told("client", statistic, attributes), made, "{statistic}");
        assert_eq!(told("server", statistic, attributes), Felt::Outside, "{statistic}");
    }
}

#[test]
fn what_users_stop_to_feel_is_told() {
    let mut stage = Diagnose::new(Settings::default());
    let mut all = refused("cart");
    let mut felt = Vec::new();
    for second in (70..200).step_by(10) {
        let now = match second {
            70 => all.clone(),
            100 => {
                let over = |symptom: &Symptom| scripts::closed(symptom, 90);
                all.retain(|symptom| symptom.entity.service() == "gateway");
                all.iter().map(over).collect()
            }
            _ => Vec::new(),
        };
        let told = stage.step(at(second), &now, &shop());
        felt.extend(told.iter().map(|incident| (second, incident.felt)));
    }
    assert_eq!(felt.first(), Some(&(70, Felt::Outside)));
    // The last of it ended at 90 s; half a minute later it is not felt any more.
    assert!(felt.contains(&(130, Felt::Inside)), "{felt:?}");
}

#[test]
fn locks_lie_on_data_whichever_copy_takes_the_writes() {
    let mut all = refused("payment");
    all.push(symptom("payment/payment-1", "db.locks.waiting", 60, STRONG));
    assert_eq!(top(&all, &shop()), is("payment", "lock_contention"));
}

#[test]
fn one_partition_that_fills_up_while_a_consumer_fails_holds_a_record_that_nobody_can_work_off() {
    let mut knowledge = shop();
    for partition in 0..4 {
        knowledge.topology.note(&entity(&format!("orders/{partition}")));
    }
    knowledge.topology.connect(&entity("payment"), &entity("orders"), theriac_contract::EdgeKind::Consumes);
    let lag = |partition: usize| symptom(&format!("orders/{partition}"), "messaging.consumer.lag", 60, CLEAR);
    let mut all = replicas("payment", "log.error_ratio", 60, CLEAR);
    all.push(lag(2));
    assert_eq!(top(&all, &knowledge), is("orders/2", "poison_record"));
    // All of them fill up where who takes from them is too slow.
    let all: Vec<Symptom> = (0..4).map(lag).collect();
    assert_eq!(top(&all, &knowledge), is("orders", "consumer_backlog"));
}

/// More of something for each that its caller is asked.
fn asked_again(onset: i64) -> [Symptom; 2] {
    let more = |signal: &str| symptom("shop->cart", signal, onset, STRONG);
    [more("edge.count"), more("edge.calls_per_request")]
}

#[test]
fn what_is_only_asked_again_is_no_surge() {
    let mut all = refused("cart");
    all.extend(asked_again(60));
    assert_ne!(top(&all, &shop()).1, "traffic_surge");
    // Where the shop has more to do itself, the load came in further up.
    let mut all: Vec<Symptom> = asked_again(60).to_vec();
    for service in ["gateway", "shop"] {
        all.extend(replicas(service, "http.server.request.duration.rate", 60, STRONG));
    }
    assert_eq!(top(&all, &shop()), is("gateway", "traffic_surge"));
}

#[test]
fn load_is_worked_off_late_and_not_on_its_way_late() {
    let mut all: Vec<Symptom> = asked_again(60).to_vec();
    for service in ["gateway", "shop"] {
        all.extend(replicas(service, "http.server.request.duration.rate", 60, 1e-5));
    }
    let surge = |all: &[Symptom]| {
        let found = last(all, &shop(), 200);
        found.hypotheses.iter().find(|one| one.fault == "traffic_surge").map_or(0.0, |one| one.probability)
    };
    let without = surge(&all);
    all.extend(["shop->catalog", "shop->payment"].map(|way| symptom(way, "edge.gap.mean", 60, 1e-5)));
    assert!(surge(&all) < without - 0.2, "{} {without}", surge(&all));
}

#[test]
fn a_signal_that_names_a_fault_opens_an_incident_once_it_stays() {
    let lag = symptom("cart/cart-2", "db.replication.lag", 60, 1e-5);
    let opened = |symptom: &Symptom| {
        let mut stage = Diagnose::new(Settings::default());
        let found = (0..30).find(|tick| {
            let now = if *tick == 6 { std::slice::from_ref(symptom) } else { &[] };
            !stage.step(at(tick * 10 + 10), now, &shop()).is_empty()
        });
        found.map(|tick| tick * 10 + 10 - 60)
    };
    // Five digits, as much again every half minute: twelve are asked for.
    assert_eq!(opened(&lag), Some(50));
    assert_eq!(opened(&symptom("cart/cart-2", "queue.length", 60, 1e-5)), None);
}

#[test]
fn time_on_the_way_to_all_that_runs_on_one_host_lies_with_the_host() {
    let mut knowledge = shop();
    let host = entity("host:node-9");
    for guest in ["cart/cart-1", "catalog/catalog-1", "payment/payment-1"] {
        knowledge.topology.connect(&entity(guest), &host, theriac_contract::EdgeKind::RunsOn);
    }
    let way = |to: &str, seconds: f64| Symptom {
        observed: Some(seconds),
        expected: Some(0.0),
        ..symptom(&format!("shop->{to}"), "edge.gap.mean", 60, CLEAR)
    };
    let guests = ["cart/cart-1", "catalog/catalog-1", "payment/payment-1"];
    let mut all = vec![way("cart/cart-2", 0.1)];
    all.extend(guests.map(|guest| way(guest, 0.4)));
    all.extend(replicas("gateway", "span.error_ratio", 60, CLEAR));
    assert_eq!(top(&all, &knowledge), is("host:node-9", "network_fault"));
    // What is as slow everywhere is no host's.
    all[0] = way("cart/cart-2", 0.4);
    assert_ne!(top(&all, &knowledge).0, "host:node-9");
}

#[test]
fn a_fault_of_a_service_names_the_instances_that_bear_its_mark() {
    let mut all = refused("cart");
    for instance in ["cart/cart-2", "cart/cart-3"] {
        all.extend(silence(instance, 70));
    }
    let found = last(&all, &shop(), 200);
    let first = &found.hypotheses[0];
    assert_eq!((first.entity.clone(), first.fault.as_str()), (Some(entity("cart")), "crash_loop"));
    assert_eq!(first.instances, [entity("cart/cart-2"), entity("cart/cart-3")]);
}

#[test]
fn what_a_sick_host_makes_of_two_services_is_one_incident() {
    let opened = |symptoms: &[Symptom]| {
        let mut stage = Diagnose::new(Settings::default());
        stage.step(at(70), symptoms, &shop()).len()
    };
    // Both fail by themselves, and both run on the first host.
    let mut all: Vec<Symptom> = ["cart/cart-1", "payment/payment-1"]
        .map(|place| symptom(place, "span.error_ratio", 60, STRONG))
        .to_vec();
    assert_eq!(opened(&all), 2);
    all.push(symptom("host:node-1", "system.network.retransmit.share", 61, STRONG));
    assert_eq!(opened(&all), 1);
    // Another host has nothing to do with them.
    all[2] = symptom("host:node-2", "system.network.retransmit.share", 61, STRONG);
    assert!(opened(&all) > 1);
}
