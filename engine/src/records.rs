//! Payloads as topic records: JSON with CloudEvents attributes in the headers, so that
//! any CloudEvents reader can follow a topic.

use serde::Serialize;
use theriac_contract::{
    Incident, Mark, Outcome, Plan, Record, RecordedFact, Reject, SCHEMA_VERSION, Symptom, Timestamp, Topic,
    Verification,
    seeded::{self, Bug},
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

/// On the topic of symptoms, behind those that it speaks of. `number` tells a round's marks apart.
#[must_use]
pub fn mark(mark: &Mark, round: u64, number: usize) -> Output {
    event(Topic::Symptoms, "mark", format!("mark-{round}-{number}"), mark.at, "mark", mark)
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

/// Header of a fact that somebody put behind the others between two rounds; its value says who did.
/// A recovery folds such facts where it meets them, for no round gives them again.
pub const BY_HAND: &str = "theriac_by_hand";

/// A fact that comes from no round, as it is stored elsewhere: its bytes are kept, for its digest is of
/// them. `how` says for people how it came here.
#[must_use]
pub fn fact_by_hand(recorded: &RecordedFact, stored: Vec<u8>, how: &str) -> Output {
    let mut output = fact(recorded);
    output.record.value = stored;
    output.record.headers.push((BY_HAND.to_owned(), how.as_bytes().to_vec()));
    output
}

/// Header with the number of times that a record was sent again after it was a dead letter. It
/// stays on the record when it becomes one once more.
pub const REDRIVEN: &str = "theriac_redriven";

/// The bytes, key and headers as they were, then origin and reason as headers of our own.
#[must_use]
pub fn dead_letter(reject: &Reject, at: Timestamp) -> Output {
    // Of a name that the record has too, ours is the last.
    let mut headers = reject.headers.clone();
    let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.as_bytes().to_vec()));
    add("origin", &reject.origin);
    add("offset", &reject.offset.to_string());
    if let Some(line) = reject.line {
        add("line", &line.to_string());
    }
    add("reason", &reject.reason);
    if let Some(part) = &reject.part {
        add("part", part);
    }
    reject.marks.iter().for_each(|(name, value)| add(name, value));
    let key = if reject.key.is_empty() { reject.origin.as_bytes() } else { &reject.key };
    let value = if seeded::on(Bug::RejectWithoutBytes) { Vec::new() } else { reject.bytes.clone() };
    Output { topic: Topic::DeadLetters, record: Record { timestamp: at, key: key.to_vec(), headers, value } }
}

/// What a dead letter was made of; none if the record is no dead letter. A key that is the
/// origin stands for none.
#[must_use]
pub fn rejected(record: &Record) -> Option<Reject> {
    const OWN: [&str; 5] = ["origin", "offset", "line", "reason", "part"];
    let first = record.headers.iter().rposition(|(name, _)| name == OWN[0])?;
    let (headers, ours) = record.headers.split_at(first);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let own = |name: &str| ours.iter().find(|(key, _)| key == name).map(|(_, value)| text(value));
    let marks = ours.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    let origin = own("origin")?;
    Some(Reject {
        offset: own("offset")?.parse().ok()?,
        line: own("line").and_then(|line| line.parse().ok()),
        reason: own("reason")?,
        bytes: record.value.clone(),
        key: if record.key == origin.as_bytes() { Vec::new() } else { record.key.clone() },
        headers: headers.to_vec(),
        part: own("part"),
        marks: marks.map(|(name, value)| (name.clone(), text(value))).collect(),
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also where the record was a dead letter before, of ours or of Kafka Connect.
    #[test]
    fn what_was_rejected_is_had_back() {
        let header = |name: &str| (name.to_owned(), b"theirs".to_vec());
        let first = Reject {
            origin: "otlp_logs/3".to_owned(),
            offset: 17,
            reason: "garbage".to_owned(),
            bytes: vec![0, 255],
            headers: vec![header("origin"), header("part"), header("__connect.errors.topic")],
            marks: vec![("__connect.errors.topic".to_owned(), "otlp_logs".to_owned())],
            ..Reject::default()
        };
        assert_eq!(rejected(&dead_letter(&first, Timestamp(1)).record).as_ref(), Some(&first));
        let letter = dead_letter(&first, Timestamp(1)).record;
        let second = Reject {
            origin: "letters/0".to_owned(),
            line: Some(4),
            key: b"key".to_vec(),
            headers: letter.headers,
            part: Some("line 4".to_owned()),
            marks: Vec::new(),
            ..first
        };
        assert_eq!(rejected(&dead_letter(&second, Timestamp(2)).record), Some(second));
        assert_eq!(rejected(&Record::default()), None);
    }
}
