//! What was confirmed of earlier incidents is heard in later ones.

mod scripts;

use scripts::{at, entity, shop, symptom};
use theriac_contract::{Evidence, Hypothesis, Id, Precedent, Snapshot, Symptom};
use theriac_diagnose::{Diagnose, Settings, channel::reweight::Weights, weighing::Suspect};

/// Errors at one replica, which may be a burst or a crash loop that is not seen yet.
fn ambiguous() -> Vec<Symptom> {
    vec![symptom("cart/cart-2", "span.error_ratio", 60, 1e-15), {
        symptom("shop->cart", "edge.error_ratio", 60, 1e-9)
    }]
}

#[test]
fn confirmed_causes_of_incidents_that_look_alike_move_the_verdict_and_can_be_taken_back() {
    let verdict = |knowledge: &Snapshot| {
        let mut stage = Diagnose::new(Settings::default());
        let incidents = stage.step(at(70), &ambiguous(), knowledge);
        incidents.into_iter().next().expect("it opens").hypotheses
    };
    let first = verdict(&shop());
    let other = first.iter().find(|one| one.entity.is_some() && one.fault != first[0].fault);
    let other = other.expect("another kind competes").clone();
    let mut learnt = shop();
    learnt.precedents = (0..6)
        .map(|number| Precedent {
            incident: Id(format!("incident-{number}")),
            cause: other.entity.clone().expect("a suspect"),
            fault: other.fault.clone(),
            shown: other.shown.clone(),
        })
        .collect();
    let after = verdict(&learnt);
    let of = |all: &[Hypothesis]| {
        let same = all.iter().filter(|one| one.entity == other.entity && one.fault == other.fault);
        same.map(|one| one.probability).sum::<f64>()
    };
    assert!(of(&after) > 2.0 * of(&first), "{} {}", of(&first), of(&after));
    let told = after.iter().flat_map(|one| &one.evidence_for).find(|one| one.channel == "precedents");
    assert!(told.expect("it says so").text.contains("of 6 earlier incidents that looked like it, 6 were"));
    assert_eq!(verdict(&shop()), first);
}

#[test]
fn weights_of_channels_are_heard() {
    let mut knowledge = shop();
    let mut weights = Weights::default();
    let claim = |suspect: &str, channel: &str, ratio: f64| {
        let suspect = Suspect { entity: entity(suspect), part: String::new() };
        let evidence = Evidence {
            channel: channel.to_owned(),
            log_likelihood_ratio: ratio,
            text: String::new(),
            symptoms: Vec::new(),
        };
        (suspect, evidence)
    };
    // What the channel says is wrong, again and again.
    for _ in 0..20 {
        let claims = [claim("a", "errors", 3.0), claim("b", "deviation", 0.5)];
        weights.update(Some(&entity("b")), &claims, 0.0);
    }
    assert!(weights.of("errors") < 0.5, "{}", weights.of("errors"));
    let top = |knowledge: &Snapshot| {
        let incidents = Diagnose::new(Settings::default()).step(at(70), &ambiguous(), knowledge);
        incidents[0].hypotheses[0].clone()
    };
    let before = top(&knowledge);
    assert!(before.evidence_for.iter().any(|one| one.channel == "errors"), "{before:?}");
    knowledge.channel_weights = weights.to_json();
    let after = top(&knowledge);
    assert!(after.fault != before.fault || after.probability < before.probability - 0.05, "{after:?}");
    // What was said is told as it was said: more is learnt from it.
    let said = |one: &Hypothesis| one.evidence_for.iter().find(|one| one.channel == "deviation").cloned();
    assert!(after.entity != before.entity || said(&after) == said(&before));
}
