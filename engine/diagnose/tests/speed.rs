//! A thousand symptoms over fifty services are diagnosed in milliseconds.

mod scripts;

use std::time::Instant;

use scripts::{at, entity, symptom};
use theriac_contract::{EdgeKind, Entity, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings};

#[test]
fn a_thousand_symptoms_take_milliseconds() {
    let mut knowledge = Snapshot::default();
    for service in 0..50 {
        let name = format!("service-{service}");
        for replica in 0..4 {
            knowledge.topology.note(&Entity::instance(&name, &format!("{name}-{replica}")));
        }
        if service > 0 {
            let caller = entity(&format!("service-{}", (service - 1) / 2));
            knowledge.topology.connect(&caller, &entity(&name), EdgeKind::Calls);
        }
    }
    let all: Vec<Symptom> = (0..1000)
        .map(|n| {
            let (service, replica) = (n % 50, n / 50 % 4);
            let place = format!("service-{service}/service-{service}-{replica}");
            symptom(&place, &format!("latency.{n}"), 60 + n / 100, 1e-12)
        })
        .collect();
    let mut stage = Diagnose::new(Settings::default());
    let begun = Instant::now();
    let incidents = stage.step(at(80), &all, &knowledge);
    let took = begun.elapsed();
    eprintln!("{} incidents in {took:?}", incidents.len());
    assert!(!incidents.is_empty());
    // Generous, for slow and busy machines; optimised it takes about a tenth.
    assert!(took.as_millis() < 2_000, "{took:?}");
}
