//! How trouble went through the system: from the suspected cause along calls, and places, to those
//! who felt it.

use std::collections::BTreeMap;

use theriac_contract::{Incident, Reached, Role, SymptomRef, Timestamp};

/// A service, or a host, that shows symptoms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: String,
    /// Onset of its first symptom.
    pub(crate) onset: Timestamp,
    /// Symptoms at it and at its instances.
    pub(crate) symptoms: usize,
    /// The least likely of them.
    pub(crate) worst: SymptomRef,
    /// What it is in the incident.
    pub(crate) role: Role,
    /// Steps from the suspected cause; none if no call leads to it.
    pub(crate) distance: Option<usize>,
    /// From where it was reached: whom it calls or where it runs; its index.
    pub(crate) from: Option<usize>,
}

/// All of them, the nearest to the suspected cause first, then by onset.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Propagation {
    pub(crate) places: Vec<Place>,
}

impl Propagation {
    /// Of an incident, by the calls and hosts that were known then.
    pub(crate) fn of(incident: &Incident) -> Self {
        let mut of_place: BTreeMap<&str, Vec<&SymptomRef>> = BTreeMap::new();
        for symptom in &incident.symptoms {
            of_place.entry(symptom.about().service()).or_default().push(symptom);
        }
        let spread: Vec<&Reached> =
            incident.spread.iter().filter(|one| of_place.contains_key(one.place.as_str())).collect();
        let place = |one: &&Reached| {
            let symptoms = of_place.get(one.place.as_str())?;
            let least =
                |a: &&&SymptomRef, b: &&&SymptomRef| a.p_value.total_cmp(&b.p_value).then(a.id.cmp(&b.id));
            let is_from = |other: &&Reached| Some(&other.place) == one.from.as_ref();
            Some(Place {
                name: one.place.0.clone(),
                onset: symptoms.iter().map(|symptom| symptom.onset).min()?,
                symptoms: symptoms.len(),
                worst: (*symptoms.iter().min_by(least)?).clone(),
                role: one.role,
                distance: one.steps.map(|steps| steps as usize),
                from: spread.iter().position(is_from),
            })
        };
        Self { places: spread.iter().filter_map(place).collect() }
    }

    /// What stands at the beginning: the suspected cause, if it shows symptoms itself.
    pub(crate) fn cause(&self) -> Option<usize> {
        self.places.iter().position(|place| place.distance == Some(0))
    }

    /// The places that were reached from one, by index.
    pub(crate) fn onward(&self, from: usize) -> impl Iterator<Item = usize> {
        let next = self.places.iter().enumerate().filter(move |(_, place)| place.from == Some(from));
        next.map(|(index, _)| index)
    }

    /// What a place is in the incident, in a word.
    pub(crate) fn role(&self, index: usize) -> &'static str {
        match self.places[index].role {
            Role::Cause => "cause",
            Role::PassesOn => "passes it on",
            Role::Impact => "impact",
            Role::Apart => "apart",
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use theriac_contract::{Entity, Hypothesis, Id, IncidentPhase, SymptomState};

    use super::*;

    /// An incident of places with onsets in seconds and chances, and a suspected cause.
    pub(crate) fn incident(places: &[(&str, i64, f64)], cause: &str) -> Incident {
        let symptom = |(number, (place, onset, p_value)): (usize, &(&str, i64, f64))| SymptomRef {
            id: Id(format!("symptom-{number}")),
            entity: Entity((*place).to_owned()),
            peer: None,
            signal: "edge.duration.p95".to_owned(),
            direction: theriac_contract::Direction::Up,
            state: SymptomState::Open,
            onset: Timestamp::from_seconds(*onset),
            end: None,
            p_value: *p_value,
        };
        Incident {
            schema_version: 1,
            id: Id("incident-0123456789".to_owned()),
            revision: 0,
            phase: IncidentPhase::Opened,
            at: Timestamp::from_seconds(100),
            domain: "test".to_owned(),
            opened: Timestamp::from_seconds(10),
            ended: None,
            entities: Vec::new(),
            symptoms: places.iter().enumerate().map(symptom).collect(),
            symptoms_shed: 0,
            spread: Vec::new(),
            felt: theriac_contract::Felt::default(),
            critical_failure: None,
            hypotheses: vec![Hypothesis {
                rank: 1,
                entity: Some(Entity(cause.to_owned())),
                fault: "slow_dependency".to_owned(),
                class: theriac_contract::FaultClass::Permanent,
                probability: 0.9,
                evidence_for: Vec::new(),
                evidence_against: Vec::new(),
                shown: Vec::new(),
                instances: Vec::new(),
                change: None,
            }],
            summary: String::new(),
            knowledge_version: 0,
        }
    }

    /// The same with how trouble went: place, role, steps, and whence.
    pub(crate) fn spread(incident: Incident, places: &[(&str, Role, Option<u32>, Option<&str>)]) -> Incident {
        let entity = |name: &str| Entity(name.to_owned());
        let reached = |(place, role, steps, from): &(&str, Role, Option<u32>, Option<&str>)| Reached {
            place: entity(place),
            role: *role,
            steps: *steps,
            from: from.map(entity),
        };
        Incident { spread: places.iter().map(reached).collect(), ..incident }
    }

    #[test]
    fn places_have_their_symptoms_and_whence_they_were_reached() {
        let incident = incident(
            &[("shop/shop-1", 30, 1e-9), ("bank", 10, 1e-5), ("payment/payment-2", 15, 1e-7), {
                ("payment/payment-1", 17, 1e-8)
            }],
            "bank",
        );
        let incident = spread(
            incident,
            &[("bank", Role::Cause, Some(0), None), ("payment", Role::PassesOn, Some(1), Some("bank")), {
                ("shop", Role::Impact, Some(2), Some("payment"))
            }],
        );
        let map = Propagation::of(&incident);
        let told: Vec<_> = (0..)
            .zip(&map.places)
            .map(|(index, place)| (place.name.as_str(), place.symptoms, map.role(index)))
            .collect();
        assert_eq!(told, [("bank", 1, "cause"), ("payment", 2, "passes it on"), ("shop", 1, "impact")]);
        assert_eq!((map.places[1].onset, map.places[1].worst.p_value), (Timestamp::from_seconds(15), 1e-8));
        assert_eq!(map.cause(), Some(0));
        assert_eq!(map.onward(1).collect::<Vec<_>>(), [2]);
    }
}
