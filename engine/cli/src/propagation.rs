//! How trouble went through the system: from the suspected cause along calls, and places, to those
//! who felt it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use theriac_contract::{EdgeKind, Entity, Incident, SymptomRef, Timestamp};

use crate::story::Story;

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
    /// Of an incident, with the calls and places that are known.
    pub(crate) fn of(incident: &Incident, story: &Story) -> Self {
        let mut of_place: BTreeMap<&str, Vec<&SymptomRef>> = BTreeMap::new();
        for symptom in &incident.symptoms {
            of_place.entry(symptom.entity.service()).or_default().push(symptom);
        }
        let cause = incident.hypotheses.iter().find_map(|hypothesis| hypothesis.entity.as_ref());
        let reached = reached(cause.map(Entity::service), &of_place, &story.edges);
        let mut places: Vec<(Place, Option<&str>)> = Vec::new();
        for (name, symptoms) in &of_place {
            let least =
                |a: &&&SymptomRef, b: &&&SymptomRef| a.p_value.total_cmp(&b.p_value).then(a.id.cmp(&b.id));
            let (Some(worst), Some(onset)) =
                (symptoms.iter().min_by(least), symptoms.iter().map(|symptom| symptom.onset).min())
            else {
                continue;
            };
            let (distance, from) = reached.get(name).copied().unzip();
            let place = Place {
                name: (*name).to_owned(),
                onset,
                symptoms: symptoms.len(),
                worst: (*worst).clone(),
                distance,
                from: None,
            };
            places.push((place, from.flatten()));
        }
        places.sort_by(|(a, _), (b, _)| {
            let key = |place: &Place| (place.distance.unwrap_or(usize::MAX), place.onset);
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        let names: Vec<String> = places.iter().map(|(place, _)| place.name.clone()).collect();
        let place = |(place, from): (Place, Option<&str>)| Place {
            from: from.and_then(|from| names.iter().position(|name| name == from)),
            ..place
        };
        Self { places: places.into_iter().map(place).collect() }
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
        match self.places[index].distance {
            Some(0) => "cause",
            None => "apart",
            Some(_) if self.onward(index).next().is_none() => "impact",
            Some(_) => "passes it on",
        }
    }
}

/// Steps from the cause and the place before, for each troubled place that callers, or guests of a
/// host, lead to. Trouble goes from callee to caller; from a host to what runs on it.
fn reached<'a>(
    cause: Option<&'a str>,
    troubled: &BTreeMap<&'a str, Vec<&SymptomRef>>,
    edges: &'a BTreeSet<(Entity, Entity, EdgeKind)>,
) -> BTreeMap<&'a str, (usize, Option<&'a str>)> {
    let mut reached = BTreeMap::new();
    let Some(cause) = cause else { return reached };
    let mut queue = VecDeque::from([cause]);
    reached.insert(cause, (0, None));
    while let Some(place) = queue.pop_front() {
        let (distance, _) = reached[place];
        let above = edges.iter().filter(|(_, to, kind)| *kind != EdgeKind::PartOf && to.service() == place);
        // Messages take trouble from who sends them through the queue to who takes them.
        let filled =
            edges.iter().filter(|(from, _, kind)| *kind == EdgeKind::Publishes && from.service() == place);
        let filled: BTreeSet<&Entity> = filled.map(|(_, queue, _)| queue).collect();
        let fed = edges.iter().filter(|(_, to, kind)| *kind == EdgeKind::Consumes && filled.contains(to));
        for (from, ..) in above.chain(fed) {
            let Some((name, _)) = troubled.get_key_value(from.service()) else { continue };
            if !reached.contains_key(name) {
                reached.insert(name, (distance + 1, Some(place)));
                queue.push_back(name);
            }
        }
    }
    reached
}

#[cfg(test)]
pub(crate) mod tests {
    use theriac_contract::{Hypothesis, Id, IncidentPhase, SymptomState};

    use super::*;

    /// An incident of places with onsets in seconds and chances, and a suspected cause.
    pub(crate) fn incident(places: &[(&str, i64, f64)], cause: &str) -> Incident {
        let symptom = |(number, (place, onset, p_value)): (usize, &(&str, i64, f64))| SymptomRef {
            id: Id(format!("symptom-{number}")),
            entity: Entity((*place).to_owned()),
            signal: "edge.duration.p95".to_owned(),
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
            hypotheses: vec![Hypothesis {
                rank: 1,
                entity: Some(Entity(cause.to_owned())),
                fault: "slow_dependency".to_owned(),
                class: theriac_contract::FaultClass::Permanent,
                probability: 0.9,
                evidence_for: Vec::new(),
                evidence_against: Vec::new(),
                change: None,
            }],
            summary: String::new(),
            knowledge_version: 0,
        }
    }

    pub(crate) fn calls(pairs: &[(&str, &str)]) -> Story {
        let edge = |(from, to): &(&str, &str)| {
            (Entity((*from).to_owned()), Entity((*to).to_owned()), EdgeKind::Calls)
        };
        Story { edges: pairs.iter().map(edge).collect(), ..Story::default() }
    }

    #[test]
    fn trouble_goes_from_the_cause_to_its_callers() {
        let incident = incident(
            &[
                ("shop/shop-1", 30, 1e-9),
                ("bank", 10, 1e-5),
                ("payment/payment-2", 15, 1e-7),
                ("search", 12, 1e-6),
            ],
            "bank",
        );
        let story =
            calls(&[("payment/payment-2", "bank"), ("shop/shop-1", "payment/payment-2"), ("shop", "search")]);
        let map = Propagation::of(&incident, &story);
        let told: Vec<(&str, Option<usize>, &str)> = (0..)
            .zip(&map.places)
            .map(|(index, place)| (place.name.as_str(), place.distance, map.role(index)))
            .collect();
        assert_eq!(
            told,
            [
                ("bank", Some(0), "cause"),
                ("payment", Some(1), "passes it on"),
                ("shop", Some(2), "impact"),
                ("search", None, "apart"),
            ]
        );
        assert_eq!(map.onward(1).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn messages_take_trouble_to_who_takes_them() {
        let incident = incident(&[("shop", 10, 1e-5), ("mail", 20, 1e-7)], "shop");
        let edge = |from: &str, kind| (Entity(from.to_owned()), Entity("topic:orders".to_owned()), kind);
        let edges = [edge("shop", EdgeKind::Publishes), edge("mail", EdgeKind::Consumes)];
        let map = Propagation::of(&incident, &Story { edges: edges.into(), ..Story::default() });
        let told: Vec<_> = map.places.iter().map(|place| (place.name.as_str(), place.distance)).collect();
        assert_eq!(told, [("shop", Some(0)), ("mail", Some(1))]);
    }

    #[test]
    fn a_circle_of_calls_ends() {
        let incident = incident(&[("a", 1, 1e-5), ("b", 2, 1e-5)], "a");
        let map = Propagation::of(&incident, &calls(&[("a", "b"), ("b", "a")]));
        assert_eq!(map.places.iter().map(|place| place.distance).collect::<Vec<_>>(), [Some(0), Some(1)]);
    }
}
