//! What a service registered against the day that something goes wrong: known-good checkpoints, and
//! what takes back what it did.

use theriac_contract::{Change, Hypothesis, Incident, Snapshot, Timestamp};

/// What is known of the suspected service.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KnownGood<'a> {
    /// The newest checkpoint from before the trouble.
    pub(crate) checkpoint: Option<&'a Change>,
    /// What takes back the last thing that it did before the trouble was seen.
    pub(crate) compensator: Option<&'a Change>,
}

/// What a suspected service can be brought back to, and by what. Trouble began with the first symptom:
/// a checkpoint of that instant or later may hold it already.
pub(crate) fn known_good<'a>(
    incident: &Incident,
    hypothesis: &Hypothesis,
    knowledge: &'a Snapshot,
) -> KnownGood<'a> {
    let Some(entity) = &hypothesis.entity else { return KnownGood::default() };
    let onset = incident.symptoms.iter().map(|symptom| symptom.onset).min();
    let onset: Timestamp = onset.unwrap_or(incident.opened);
    let newest = |kind: &str, may_be: &dyn Fn(&Change) -> bool| {
        let of_service =
            |change: &&Change| change.kind == kind && change.entity.service() == entity.service();
        let named = knowledge.changes.iter().filter(of_service).filter(|change| !change.to.is_empty());
        named.filter(|change| may_be(change)).max_by_key(|change| (change.at, &change.to))
    };
    KnownGood {
        checkpoint: newest(Change::CHECKPOINT, &|change| change.at < onset),
        compensator: newest(Change::COMPENSATOR, &|change| change.at <= incident.opened),
    }
}
