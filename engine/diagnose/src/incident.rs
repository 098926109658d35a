//! The state of one incident: its symptoms, bounded.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Direction, Entity, FaultClass, Felt, Id, SignalKind, Symptom, SymptomRef, SymptomState, Timestamp,
    Topology,
};

use crate::{
    correlate::accused,
    family::{Family, family},
};

/// A symptom as diagnosis keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) id: Id,
    pub(crate) entity: Entity,
    /// The callee of an edge, or the thing that a check found to be wrong.
    pub(crate) peer: Option<Entity>,
    pub(crate) signal: String,
    pub(crate) family: Family,
    pub(crate) direction: Direction,
    pub(crate) state: SymptomState,
    pub(crate) onset: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) p_value: f64,
    #[serde(default = "metric")]
    pub(crate) kind: SignalKind,
    /// Value at the peak, what was expected, and the band of what is usual.
    #[serde(default)]
    pub(crate) observed: Option<f64>,
    #[serde(default)]
    pub(crate) expected: Option<f64>,
    #[serde(default)]
    pub(crate) band: Option<(f64, f64)>,
    /// The detector that was surprised most.
    #[serde(default)]
    pub(crate) detector: String,
    /// The one of many that it is about.
    #[serde(default)]
    pub(crate) who: Option<Entity>,
    /// Tells its revisions apart within one run; no state.
    #[serde(skip)]
    pub(crate) stamp: u64,
}

const fn metric() -> SignalKind {
    SignalKind::Metric
}

impl Kept {
    pub(crate) fn new(symptom: &Symptom, topology: &Topology) -> Self {
        let silent = symptom.observed.is_none();
        let family = family(&symptom.signal, &symptom.attributes, symptom.direction, silent);
        Self {
            id: symptom.id.clone(),
            entity: topology.resolve(&symptom.entity),
            peer: accused(family, &symptom.entity, &symptom.attributes, symptom.peer.as_ref(), topology),
            signal: symptom.signal.clone(),
            family,
            direction: symptom.direction,
            state: symptom.state(),
            onset: symptom.onset,
            end: symptom.end,
            p_value: symptom.p_value,
            kind: symptom.kind,
            observed: symptom.observed,
            expected: symptom.expected,
            band: symptom.band.filter(|(low, high)| low.is_finite() && high.is_finite()),
            detector: symptom.detectors.first().map(|score| score.detector.clone()).unwrap_or_default(),
            who: symptom.who.clone(),
            stamp: 0,
        }
    }

    /// Decimal digits of surprise.
    pub(crate) fn digits(&self) -> f64 {
        if self.p_value > 0.0 { (-libm::log10(self.p_value)).clamp(0.0, 300.0) } else { 300.0 }
    }

    /// Whether it was not heard for so long that nobody listens any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.family == Family::Missing && self.state == SymptomState::Lost
    }

    /// What the symptom points at: for an edge or a check the other side.
    pub(crate) fn about(&self) -> &Entity {
        self.peer.as_ref().unwrap_or(&self.entity)
    }

    fn reference(&self) -> SymptomRef {
        SymptomRef {
            id: self.id.clone(),
            entity: self.entity.clone(),
            peer: self.peer.clone(),
            signal: self.signal.clone(),
            direction: self.direction,
            state: self.state,
            onset: self.onset,
            end: self.end,
            p_value: self.p_value,
        }
    }
}

/// What the last revision said, to tell whether the next one says anything new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) at: Timestamp,
    pub(crate) revision: u32,
    pub(crate) cause: Option<Entity>,
    pub(crate) fault: String,
    pub(crate) class: FaultClass,
    pub(crate) probability: f64,
    pub(crate) standing: usize,
    pub(crate) symptoms: usize,
    /// Number of entities with symptoms.
    pub(crate) entities: usize,
    /// Who is hurt.
    #[serde(default)]
    pub(crate) felt: Felt,
}

/// An incident that is open or still gathers evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: Id,
    pub(crate) domain: String,
    pub(crate) opened: Timestamp,
    /// Latest onset or end of a symptom.
    pub(crate) touched: Timestamp,
    /// By id.
    pub(crate) symptoms: BTreeMap<Id, Kept>,
    pub(crate) shed: u64,
    /// Times that everything was over and came back.
    pub(crate) recurrences: u32,
    /// None while it gathers evidence.
    pub(crate) said: Option<Said>,
    /// When it was told first: what was changed after that is no cause, but a remedy.
    #[serde(default)]
    pub(crate) told: Option<Timestamp>,
    /// Whether its symptoms changed since the last look.
    pub(crate) changed: bool,
    /// The last of the stamps of its symptoms.
    #[serde(skip)]
    stamps: u64,
    /// The number of the graph by which it was found to be apart from all others, if it did not change since;
    /// no state.
    #[serde(skip)]
    pub(crate) apart_by: Option<u64>,
}

/// A symptom that names a fault says so again each time it has stood for so many seconds.
const AGAIN: f64 = 30.0;

impl Case {
    pub(crate) fn new(domain: &str, first: &Kept) -> Self {
        Self {
            id: Id::derive("incident", &[domain, first.id.as_str()]),
            domain: domain.to_owned(),
            opened: first.onset,
            touched: first.onset,
            symptoms: BTreeMap::new(),
            shed: 0,
            recurrences: 0,
            said: None,
            told: None,
            changed: true,
            stamps: 0,
            apart_by: None,
        }
    }

    /// Takes a new symptom in. Of too many, the first quarter by onset and the worst stay.
    pub(crate) fn admit(&mut self, mut symptom: Kept, symptoms_max: usize) {
        self.stamps += 1;
        symptom.stamp = self.stamps;
        self.apart_by = None;
        if !self.symptoms.is_empty() && !self.stands() {
            self.recurrences += 1;
        }
        self.touched = self.touched.max(symptom.onset);
        self.opened = self.opened.min(symptom.onset);
        self.changed = true;
        self.symptoms.insert(symptom.id.clone(), symptom);
        if self.symptoms.len() > symptoms_max.max(1) {
            if let Some(least) = self.least() {
                self.symptoms.remove(&least);
            }
            self.shed += 1;
        }
    }

    /// Takes up all that another case has.
    pub(crate) fn take_up(&mut self, other: Self, symptoms_max: usize) {
        self.shed += other.shed;
        for symptom in other.symptoms.into_values() {
            self.admit(symptom, symptoms_max);
        }
    }

    fn least(&self) -> Option<Id> {
        let ordered = self.in_order();
        let first = ordered.len() / 4;
        let later = ordered.iter().skip(first.max(1));
        // A symptom that is over goes before one that stands; then the weakest, the latest.
        later
            .min_by(|a, b| {
                let stands = |kept: &Kept| kept.state == SymptomState::Open;
                stands(a)
                    .cmp(&stands(b))
                    .then(b.p_value.total_cmp(&a.p_value))
                    .then(b.onset.cmp(&a.onset))
                    .then(b.id.cmp(&a.id))
            })
            .map(|kept| kept.id.clone())
    }

    /// Notes a later revision of a symptom that is kept; says whether it is.
    pub(crate) fn revise(&mut self, symptom: &Symptom) -> bool {
        let Some(kept) = self.symptoms.get_mut(&symptom.id) else { return false };
        self.stamps += 1;
        kept.stamp = self.stamps;
        self.apart_by = None;
        kept.state = symptom.state();
        kept.end = symptom.end;
        if symptom.p_value < kept.p_value {
            (kept.p_value, kept.observed, kept.expected) =
                (symptom.p_value, symptom.observed, symptom.expected);
        }
        self.touched = self.touched.max(symptom.end.unwrap_or(symptom.onset));
        self.changed = true;
        true
    }

    /// Symptoms in the order of onset, then id.
    pub(crate) fn in_order(&self) -> Vec<&Kept> {
        let mut all: Vec<_> = self.symptoms.values().collect();
        all.sort_by(|a, b| (a.onset, &a.id).cmp(&(b.onset, &b.id)));
        all
    }

    /// Onset of the symptom that began last.
    pub(crate) fn latest_onset(&self) -> Timestamp {
        self.symptoms.values().map(|kept| kept.onset).max().unwrap_or(self.opened)
    }

    pub(crate) fn stands(&self) -> bool {
        self.symptoms.values().any(|kept| kept.state == SymptomState::Open)
    }

    /// Whether anything stands that the incident is about: what programs say in passing began with
    /// it perhaps, but may go on for good.
    pub(crate) fn holds(&self) -> bool {
        let open = |kept: &Kept| kept.state == SymptomState::Open;
        self.symptoms.values().any(|kept| open(kept) && (self.said.is_none() || kept.family != Family::Log))
    }

    pub(crate) fn lost(&self) -> bool {
        self.symptoms.values().any(|kept| kept.state == SymptomState::Lost)
    }

    /// When the last of its symptoms ended.
    pub(crate) fn ended(&self) -> Timestamp {
        self.symptoms.values().filter_map(|kept| kept.end).max().unwrap_or(self.touched)
    }

    /// Decimal digits of surprise over all that stands. What programs say in passing has at most
    /// `passing_max` of them, all of it together: it changes with every version of the code, so
    /// that alone it is no incident. Nor is it that one of many asks more, if all are answered.
    pub(crate) fn digits(&self, at: Timestamp, each_max: f64, passing_max: f64) -> f64 {
        let standing = self.symptoms.values().filter(|kept| kept.state == SymptomState::Open);
        let (passing, other): (Vec<&Kept>, Vec<&Kept>) =
            standing.partition(|kept| matches!(kept.family, Family::Log | Family::Asker | Family::Key));
        // What names a fault by itself, and stays, needs no other witness.
        let told = |kept: &Kept| {
            let stood = at.since(kept.onset).as_seconds().max(0.0);
            let again = if kept.family.names_a_fault() { stood / AGAIN } else { 0.0 };
            (kept.digits() * (1.0 + again)).min(each_max)
        };
        let sum = |of: Vec<&Kept>| of.into_iter().map(told).sum::<f64>();
        sum(passing).min(passing_max) + sum(other)
    }

    pub(crate) fn entities(&self) -> Vec<Entity> {
        let all: BTreeSet<_> = self.symptoms.values().map(|kept| kept.entity.clone()).collect();
        all.into_iter().collect()
    }

    pub(crate) fn references(&self) -> Vec<SymptomRef> {
        self.in_order().into_iter().map(Kept::reference).collect()
    }
}
