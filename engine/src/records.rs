//! Payloads as topic records: JSON with CloudEvents attributes in the headers, so that
//! any CloudEvents reader can follow a topic.

use serde::Serialize;
use theriac_contract::{
    Incident, Outcome, Plan, Record, RecordedFact, Reject, SCHEMA_VERSION, Symptom, Timestamp, Topic,
    Verification,
};

/// A record with the topic it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Topic.
    pub topic: Topic,
    /// Record.
    pub record: Record,
}

fn event<P: Serialize>(
    topic: Topic,
    kind: &str,
    id: String,
    at: Timestamp,
    key: &str,
    payload: &P,
) -> Output {
    let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
    let value = serde_json::to_vec(payload).expect("payload types have text keys and finite shapes");
    Output {
        topic,
        record: Record {
            timestamp: at,
            key: key.as_bytes().to_vec(),
            headers: vec![
                header("ce_specversion", "1.0".to_owned()),
                header("ce_id", id),
                header("ce_source", format!("theriac/{topic}")),
                header("ce_type", format!("theriac.{kind}.v{SCHEMA_VERSION}")),
                header("ce_time", at.to_string()),
                header("content-type", "application/json".to_owned()),
            ],
            value,
        },
    }
}

/// Keyed by domain, so that one reader sees a whole incident.
#[must_use]
pub fn symptom(symptom: &Symptom) -> Output {
    let id = format!("{}.{}", symptom.id, symptom.revision);
    event(Topic::Symptoms, "symptom", id, symptom.at, &symptom.domain, symptom)
}

/// Keyed by domain.
#[must_use]
pub fn incident(incident: &Incident) -> Output {
    let id = format!("{}.{}", incident.id, incident.revision);
    event(Topic::Incidents, "incident", id, incident.at, &incident.domain, incident)
}

/// Keyed by domain.
#[must_use]
pub fn plan(plan: &Plan) -> Output {
    event(Topic::Plans, "plan", plan.id.0.clone(), plan.at, &plan.domain, plan)
}

/// Keyed by domain.
#[must_use]
pub fn outcome(outcome: &Outcome) -> Output {
    event(Topic::Outcomes, "outcome", outcome.id.0.clone(), outcome.at, &outcome.domain, outcome)
}

/// Keyed by domain; on the topic of outcomes.
#[must_use]
pub fn verification(verification: &Verification) -> Output {
    let id = verification.id.0.clone();
    event(Topic::Outcomes, "verification", id, verification.at, &verification.domain, verification)
}

/// One key for all, so that versions keep their order.
#[must_use]
pub fn fact(fact: &RecordedFact) -> Output {
    event(Topic::Knowledge, "fact", format!("fact-{}", fact.version), fact.at, "knowledge", fact)
}

/// The bytes, key and headers as they were, then origin and reason as headers of our own.
#[must_use]
pub fn dead_letter(reject: &Reject, at: Timestamp) -> Output {
    let mut headers = vec![
        ("origin".to_owned(), reject.origin.clone().into_bytes()),
        ("offset".to_owned(), reject.offset.to_string().into_bytes()),
        ("reason".to_owned(), reject.reason.clone().into_bytes()),
    ];
    if let Some(line) = reject.line {
        headers.insert(2, ("line".to_owned(), line.to_string().into_bytes()));
    }
    // Of a name that the record has too, ours is the last.
    headers.splice(0..0, reject.headers.iter().cloned());
    let key = if reject.key.is_empty() { reject.origin.as_bytes() } else { &reject.key };
    Output {
        topic: Topic::DeadLetters,
        record: Record { timestamp: at, key: key.to_vec(), headers, value: reject.bytes.clone() },
    }
}
