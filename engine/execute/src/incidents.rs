//! What is known of incidents: the state of each symptom, what is taken for the cause, and whether it is over.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{Direction, Entity, Felt, Id, Incident, IncidentPhase, SymptomState, Timestamp};

/// A symptom as far as execution needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) state: SymptomState,
    pub(crate) onset: Timestamp,
    /// When it ended, as far as it has.
    pub(crate) end: Option<Timestamp>,
    /// What it is a symptom of: entity and signal. It may come back under another id.
    pub(crate) of: (Entity, String),
    /// What it speaks of.
    #[serde(default)]
    pub(crate) about: Entity,
    /// Whether there is less of something than before.
    #[serde(default)]
    pub(crate) less: bool,
    /// Decimal digits of surprise, 1 to [`DIGITS_MAX`]: a symptom that hardly is one weighs little.
    #[serde(default)]
    pub(crate) digits: u32,
}

/// No symptom is worth more than so many.
const DIGITS_MAX: f64 = 15.0;

fn digits(p_value: f64) -> u32 {
    let digits = if p_value > 0.0 { -libm::log10(p_value) } else { DIGITS_MAX };
    digits.clamp(1.0, DIGITS_MAX) as u32
}

/// What may be the cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Suspect {
    pub(crate) entity: Entity,
    pub(crate) fault: String,
    pub(crate) probability: f64,
}

/// An incident as far as execution needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Event time of the newest revision.
    pub(crate) at: Timestamp,
    /// Newest revision.
    pub(crate) revision: u32,
    /// How it stands.
    pub(crate) phase: IncidentPhase,
    /// Since when nobody outside feels it; none while somebody does.
    #[serde(default)]
    pub(crate) unfelt_since: Option<Timestamp>,
    /// The suspects of the newest revision, the most probable first.
    #[serde(default)]
    pub(crate) suspects: Vec<Suspect>,
    /// Services that the trouble reached from the most probable cause of the newest revision.
    #[serde(default)]
    pub(crate) reached: BTreeSet<String>,
    /// Every symptom that a revision listed.
    pub(crate) symptoms: BTreeMap<Id, Seen>,
}

impl Known {
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.phase, IncidentPhase::Resolved | IncidentPhase::Lost)
    }
}

/// Incidents by id, at most as many as the settings allow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Incidents {
    known: BTreeMap<Id, Known>,
}

impl Incidents {
    pub(crate) fn get(&self, id: &Id) -> Option<&Known> {
        self.known.get(id)
    }

    /// Takes a revision in. An older revision than the newest is passed over.
    pub(crate) fn observe(&mut self, incident: &Incident) {
        let known = self.known.entry(incident.id.clone()).or_insert_with(|| Known {
            at: incident.at,
            revision: incident.revision,
            phase: incident.phase,
            unfelt_since: None,
            suspects: Vec::new(),
            reached: BTreeSet::new(),
            symptoms: BTreeMap::new(),
        });
        if incident.revision < known.revision {
            return;
        }
        known.at = incident.at;
        known.revision = incident.revision;
        known.phase = incident.phase;
        match incident.felt {
            Felt::Outside => known.unfelt_since = None,
            Felt::Inside => _ = known.unfelt_since.get_or_insert(incident.at),
        }
        let suspects = incident.hypotheses.iter().filter_map(|one| {
            let (entity, fault) = (one.entity.clone()?, one.fault.clone());
            Some(Suspect { entity, fault, probability: one.probability })
        });
        known.suspects = suspects.collect();
        let reached = incident.spread.iter().filter(|one| one.steps.is_some_and(|steps| steps > 0));
        known.reached = reached.map(|one| one.place.service().to_owned()).collect();
        for symptom in &incident.symptoms {
            let seen = Seen {
                state: symptom.state,
                onset: symptom.onset,
                end: symptom.end,
                of: (symptom.entity.clone(), symptom.signal.clone()),
                about: symptom.about().clone(),
                less: symptom.direction == Direction::Down,
                digits: digits(symptom.p_value),
            };
            known.symptoms.insert(symptom.id.clone(), seen);
        }
        // A revision lists only the first and worst symptoms. The end of the incident speaks
        // for those that it no longer lists.
        let ending = match incident.phase {
            IncidentPhase::Resolved => SymptomState::Closed,
            IncidentPhase::Lost => SymptomState::Lost,
            IncidentPhase::Opened | IncidentPhase::Updated => return,
        };
        known
            .symptoms
            .values_mut()
            .filter(|seen| seen.state == SymptomState::Open)
            .for_each(|seen| seen.state = ending);
    }

    /// Forgets the longest unheard of beyond `most`, those that are over first, never one of
    /// `kept`. Gives how many were forgotten.
    pub(crate) fn shed(&mut self, most: usize, kept: &BTreeSet<&Id>) -> u64 {
        let excess = self.known.len().saturating_sub(most);
        if excess == 0 {
            return 0;
        }
        let mut order: Vec<(bool, Timestamp, Id)> = self
            .known
            .iter()
            .filter(|(id, _)| !kept.contains(id))
            .map(|(id, known)| (!known.is_over(), known.at, id.clone()))
            .collect();
        order.sort_unstable();
        order.truncate(excess);
        for (_, _, id) in &order {
            self.known.remove(id);
        }
        order.len() as u64
    }
}
