//! The stage: symptoms of a tick in, revisions of incidents out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, Entity, Fact, Felt, Hypothesis, Id, Incident, IncidentPhase, SCHEMA_VERSION, Snapshot,
    StateError, StateTable, Symptom, SymptomPhase, Timestamp,
};

use crate::{
    changes::Changes,
    correlate::{Tie, begins_across, is_on_sick_host, origins, share_a_way, share_zones, tie},
    departures,
    evidence::Fault,
    family::Family,
    graph::{Graphs, is_zone},
    hypotheses::{UNKNOWN, hypotheses},
    incident::{Case, Kept, Said},
    memory::Memory,
    restarts,
    settings::Settings,
    spread::{critical_failure, felt, spread},
    vantage::{Doubts, is_unheard},
    view::{Known, View},
};

/// Instances of which it is kept that they were taken away.
const DEPARTED_MAX: usize = 1_024;
const TABLE: &str = "diagnose";
const TABLE_VERSION: u16 = 1;
/// A change of probability that is worth a revision.
const PROBABILITY_STEP: f64 = 0.1;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    /// In the order of opening.
    cases: Vec<Case>,
    /// Onsets of late, by domain, to tell a storm; at most `storm_symptoms + 1` each.
    recent: BTreeMap<String, VecDeque<Timestamp>>,
    /// Symptoms that found no place because too many incidents were gathering evidence.
    shed: u64,
    /// Instances that were taken away, and since when they are silent.
    #[serde(default)]
    departed: BTreeMap<Entity, Timestamp>,
    /// Whose word does not count.
    #[serde(default)]
    doubts: Doubts,
    /// Symptoms that were not taken in, since nobody believes who says them.
    #[serde(default)]
    unheard: u64,
}

/// Groups symptoms into incidents and ranks their causes.
#[derive(Clone, Debug)]
pub struct Diagnose {
    settings: Settings,
    graphs: Graphs,
    changes: Changes,
    /// By incident.
    memories: BTreeMap<Id, Memory>,
    state: State,
    /// What became known in this step.
    facts: Vec<Fact>,
}

impl Diagnose {
    /// A fresh stage.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            graphs: Graphs::default(),
            changes: Changes::default(),
            memories: BTreeMap::new(),
            state: State::default(),
            facts: Vec::new(),
        }
    }

    /// Takes the symptom revisions of a tick that ends at `at`; gives the incidents that
    /// have something new to say, in the order of their opening.
    pub fn step(&mut self, at: Timestamp, symptoms: &[Symptom], knowledge: &Snapshot) -> Vec<Incident> {
        let open = self.state.cases.iter().map(|case| (&case.id, case.opened));
        self.graphs.follow(&knowledge.topology, open, self.settings.window, self.settings.hops);
        self.changes.follow(knowledge);
        // The order of a batch is an accident of the detectors: onset decides, then id.
        let mut ordered: Vec<&Symptom> = symptoms.iter().collect();
        ordered.sort_by(|a, b| (a.onset, &a.id, a.revision).cmp(&(b.onset, &b.id, b.revision)));
        for symptom in ordered {
            let mut revised = false;
            for case in &mut self.state.cases {
                revised |= case.revise(symptom);
            }
            if !revised && symptom.phase == SymptomPhase::Open {
                self.admit(symptom, knowledge);
            }
        }
        self.unite();
        let mut incidents = Vec::new();
        let mut cases = std::mem::take(&mut self.state.cases);
        cases.retain_mut(|case| {
            let (incident, keep) = self.judge(at, case, knowledge);
            incidents.extend(incident);
            keep
        });
        self.state.cases = cases;
        let cases = &self.state.cases;
        if self.memories.len() > cases.len() {
            let open: BTreeSet<&Id> = cases.iter().map(|case| &case.id).collect();
            self.memories.retain(|id, _| open.contains(id));
        }
        self.facts.extend(self.state.doubts.settle(at, &self.state.cases, &self.settings));
        incidents
    }

    /// What the last steps made known: who is no longer believed, and who is again. Each is given once.
    pub fn facts(&mut self) -> Vec<Fact> {
        std::mem::take(&mut self.facts)
    }

    /// Incidents that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.state.cases.len()
    }

    /// Symptoms that were not taken in, since nobody believes who says them.
    #[must_use]
    pub const fn symptoms_unheard(&self) -> u64 {
        self.state.unheard
    }

    /// Symptoms that found no incident because of the limit.
    #[must_use]
    pub const fn symptoms_shed(&self) -> u64 {
        self.state.shed
    }

    fn admit(&mut self, symptom: &Symptom, knowledge: &Snapshot) {
        let kept = Kept::new(symptom, &knowledge.topology);
        if is_unheard(knowledge, &kept) {
            self.state.unheard += 1;
            return;
        }
        if kept.family == Family::Restarts {
            // Restarts are counted together over minutes: the first may lie before the onset.
            let from = Timestamp(kept.onset.0.saturating_sub(self.settings.window.0));
            if restarts::all_explained(self.changes.of(kept.entity.service()), &kept.entity, from) {
                return;
            }
        }
        let window = self.settings.window;
        let heard = kept.family != Family::Missing;
        let changes = self.changes.of(kept.entity.service());
        if let Some(since) = self.state.departed.get(&kept.entity) {
            if !heard && !departures::returned(changes, &kept.entity, *since) {
                return;
            }
            self.state.departed.remove(&kept.entity);
        }
        if !heard && departures::explained(changes, &kept.entity, kept.onset, window) {
            if self.state.departed.len() < DEPARTED_MAX {
                self.state.departed.insert(kept.entity, kept.onset);
            }
            return;
        }
        let storm = self.is_storm(symptom);
        let mine = self.state.cases.iter().enumerate().filter(|(_, case)| case.domain == symptom.domain);
        let place = if storm {
            mine.max_by_key(|(index, case)| (case.said.is_some(), case.symptoms.len(), usize::MAX - index))
                .map(|(index, _)| index)
        } else {
            // The strongest tie; among equals the incident that was touched last.
            mine.filter_map(|(index, case)| {
                let tie = tie(&kept, case, self.graphs.of(&case.id), &self.settings)?;
                Some((tie, std::cmp::Reverse(case.touched), index))
            })
            .min()
            .map(|(_, _, index)| index)
        };
        let index = match place {
            Some(index) if storm => self.gather(index, symptom.onset),
            Some(index) => index,
            None => {
                self.make_room();
                if self.state.cases.len() >= self.settings.incidents_max.max(1) {
                    self.state.shed += 1;
                    return;
                }
                self.state.cases.push(Case::new(&symptom.domain, &kept));
                self.state.cases.len() - 1
            }
        };
        // The way between zones is many incidents' cause as long as they are not known to be one.
        if is_zone(kept.about()) {
            let (graphs, max) = (&self.graphs, self.settings.symptoms_max);
            let others =
                self.state.cases.iter_mut().enumerate().filter(|(place, case)| {
                    *place != index && case.domain == symptom.domain && case.stands()
                });
            others
                .filter(|(_, case)| begins_across(case, &kept, graphs.of(&case.id)))
                .for_each(|(_, case)| case.admit(kept.clone(), max));
        }
        self.state.cases[index].admit(kept, self.settings.symptoms_max);
    }

    /// Joins what began apart before it was seen to belong together: a case of which nothing was said yet,
    /// and the one that where its trouble begins is tied to by now. Two that were apart, and of which neither
    /// changed, are still.
    fn unite(&mut self) {
        for case in &mut self.state.cases {
            case.apart_by = case.apart_by.filter(|number| *number == self.graphs.of(&case.id).number());
        }
        if self.state.cases.iter().all(|case| case.apart_by.is_some()) {
            return;
        }
        let mut later = 0;
        while later < self.state.cases.len() {
            let case = &self.state.cases[later];
            if case.said.is_some() || !case.stands() {
                later += 1;
                continue;
            }
            let whole = (0..self.state.cases.len()).find(|place| {
                let other = &self.state.cases[*place];
                let is_open = case.apart_by.is_none() || other.apart_by.is_none();
                *place != later && is_open && other.domain == case.domain && {
                    let graph = self.graphs.of(&other.id);
                    let tied = |kept: &&Kept| {
                        let found = tie(kept, other, graph, &self.settings);
                        found.is_some_and(|tie| tie != Tie::Time)
                    };
                    let on_sick_host = |kept: &Kept| is_on_sick_host(kept, other, graph);
                    origins(case, graph).iter().all(tied)
                        || case.symptoms.values().any(on_sick_host)
                        || other.stands() && (share_a_way(case, other) || share_zones(case, other, graph))
                }
            });
            let Some(whole) = whole else {
                later += 1;
                continue;
            };
            let part = self.state.cases.remove(later);
            let whole = whole - usize::from(whole > later);
            self.state.cases[whole].take_up(part, self.settings.symptoms_max);
            // It may be tied to what was looked at before, too.
            later = 0;
        }
        for case in &mut self.state.cases {
            case.apart_by = Some(self.graphs.of(&case.id).number());
        }
    }

    /// Takes up into one incident what began beside it before it was known to be a storm, as far as
    /// nothing was said of it yet; gives where it is then.
    fn gather(&mut self, index: usize, onset: Timestamp) -> usize {
        let window = self.settings.window;
        let domain = self.state.cases[index].domain.clone();
        let beside = |(place, case): (usize, &Case)| {
            let near = onset.since(case.latest_onset()) <= window;
            place != index && case.said.is_none() && case.domain == domain && near
        };
        let places: Vec<bool> = self.state.cases.iter().enumerate().map(beside).collect();
        if !places.contains(&true) {
            return index;
        }
        let mut kept = Vec::new();
        let mut taken = Vec::new();
        for (case, is_taken) in std::mem::take(&mut self.state.cases).into_iter().zip(&places) {
            if *is_taken { taken.push(case) } else { kept.push(case) }
        }
        self.state.cases = kept;
        let index = index - places[..index].iter().filter(|is_taken| **is_taken).count();
        for case in taken {
            self.state.cases[index].take_up(case, self.settings.symptoms_max);
        }
        index
    }

    /// Of too many incidents, the oldest that did not gather enough evidence goes.
    fn make_room(&mut self) {
        if self.state.cases.len() >= self.settings.incidents_max.max(1)
            && let Some(oldest) = self.state.cases.iter().position(|case| case.said.is_none())
        {
            self.state.shed += self.state.cases[oldest].symptoms.len() as u64;
            self.state.cases.remove(oldest);
        }
    }

    fn is_storm(&mut self, symptom: &Symptom) -> bool {
        let recent = self.state.recent.entry(symptom.domain.clone()).or_default();
        recent.push_back(symptom.onset);
        let most = self.settings.storm_symptoms.max(1);
        while recent.len() > most + 1 {
            recent.pop_front();
        }
        let first = recent.front().copied().unwrap_or(symptom.onset);
        recent.len() > most && symptom.onset.since(first) <= self.settings.window
    }

    /// What a case has to say now, and whether it is kept.
    fn judge(&mut self, at: Timestamp, case: &mut Case, knowledge: &Snapshot) -> (Option<Incident>, bool) {
        let quiet = !case.holds() && at.since(case.ended()) >= self.settings.resolve_after;
        let Some(said) = case.said.clone() else {
            if quiet {
                return (None, false);
            }
            let needed = self.settings.evidence_digits;
            if case.digits(at, self.settings.digits_each_max, needed / 2.0) < needed {
                case.changed = false;
                return (None, true);
            }
            return (Some(self.revise(at, case, knowledge, IncidentPhase::Opened)), true);
        };
        if quiet {
            let phase = if case.lost() { IncidentPhase::Lost } else { IncidentPhase::Resolved };
            return (Some(self.revise(at, case, knowledge, phase)), false);
        }
        // Without new symptoms only the class can change, with time.
        let due = at.since(said.at) >= self.settings.revise_every;
        let outside = felt(case, at, self.graphs.of(&case.id));
        if !case.changed && !due && said.felt == outside {
            return (None, true);
        }
        let ranked = self.rank(at, case, knowledge);
        self.doubt(at, case, &ranked, knowledge);
        let news = self.news(&said, case, outside, &ranked);
        if news == News::Verdict || news == News::Detail && due {
            return (Some(self.write(at, case, knowledge, IncidentPhase::Updated, ranked)), true);
        }
        if news == News::None {
            case.changed = false;
        }
        (None, true)
    }

    /// The causes of a case, ranked.
    fn rank(&mut self, at: Timestamp, case: &Case, knowledge: &Snapshot) -> Vec<Hypothesis> {
        let known =
            Known { knowledge, changes: &self.changes, graphs: &self.graphs, settings: &self.settings };
        let memory = self.memories.entry(case.id.clone()).or_default();
        hypotheses(&View::new(at, case, known), memory)
    }

    fn news(&self, said: &Said, case: &Case, outside: Felt, ranked: &[Hypothesis]) -> News {
        let Some(top) = ranked.first() else { return News::None };
        // Whether users are hurt is what remedies are judged by.
        if said.felt != outside {
            return News::Verdict;
        }
        if said.cause != top.entity || said.fault != top.fault || said.class != top.class {
            return News::Verdict;
        }
        let standing = standing(case);
        let moved = (said.probability - top.probability).abs() >= PROBABILITY_STEP;
        let symptoms = case.symptoms.len() + usize::try_from(case.shed).unwrap_or(usize::MAX);
        if standing == 0 && said.standing > 0 || standing > 0 && said.standing == 0 {
            News::Verdict
        } else if moved
            // The end of a symptom is what remedies are judged by.
            || standing < said.standing
            || symptoms * 4 >= said.symptoms.max(1) * 5
            || case.entities().len() != said.entities
        {
            News::Detail
        } else {
            News::None
        }
    }

    /// Notes who is not to be believed, as far as the case shows that.
    fn doubt(&mut self, at: Timestamp, case: &Case, ranked: &[Hypothesis], knowledge: &Snapshot) {
        let fact = self.state.doubts.hear(at, case, ranked, knowledge, &self.settings);
        // One that two incidents name in one step is told once.
        let same = |other: &Fact, entity: &Entity| matches!(other, Fact::Distrusted { entity: known, .. } if known == entity);
        if let Some(fact) = fact
            && let Fact::Distrusted { entity, .. } = &fact
            && !self.facts.iter().any(|other| same(other, entity))
        {
            self.facts.push(fact);
        }
    }

    fn revise(
        &mut self,
        at: Timestamp,
        case: &mut Case,
        knowledge: &Snapshot,
        phase: IncidentPhase,
    ) -> Incident {
        let ranked = self.rank(at, case, knowledge);
        self.doubt(at, case, &ranked, knowledge);
        self.write(at, case, knowledge, phase, ranked)
    }

    fn write(
        &self,
        at: Timestamp,
        case: &mut Case,
        knowledge: &Snapshot,
        phase: IncidentPhase,
        ranked: Vec<Hypothesis>,
    ) -> Incident {
        let revision = case.said.as_ref().map_or(0, |said| said.revision + 1);
        let outside = felt(case, at, self.graphs.of(&case.id));
        let top = ranked.first();
        case.told.get_or_insert(at);
        case.said = Some(Said {
            at,
            revision,
            cause: top.and_then(|top| top.entity.clone()),
            fault: top.map_or_else(|| UNKNOWN.to_owned(), |top| top.fault.clone()),
            class: top.map_or(theriac_contract::FaultClass::Unknown, |top| top.class),
            probability: top.map_or(0.0, |top| top.probability),
            standing: standing(case),
            symptoms: case.symptoms.len() + usize::try_from(case.shed).unwrap_or(usize::MAX),
            entities: case.entities().len(),
            felt: outside,
        });
        case.changed = false;
        case.apart_by = None;
        let over = matches!(phase, IncidentPhase::Resolved | IncidentPhase::Lost);
        let spread = spread(case, top.and_then(|top| top.entity.as_ref()), self.graphs.of(&case.id));
        Incident {
            schema_version: SCHEMA_VERSION,
            id: case.id.clone(),
            revision,
            phase,
            at,
            domain: case.domain.clone(),
            opened: case.opened,
            ended: over.then(|| case.ended()),
            entities: case.entities(),
            symptoms: case.references(),
            symptoms_shed: case.shed,
            summary: summary(case, phase, top),
            felt: outside,
            critical_failure: critical_failure(case, &spread),
            spread,
            hypotheses: ranked,
            knowledge_version: knowledge.version,
        }
    }
}

#[derive(PartialEq, Eq)]
enum News {
    /// Another cause, fault or class, or the last symptom ended.
    Verdict,
    /// The same with other numbers.
    Detail,
    None,
}

fn standing(case: &Case) -> usize {
    case.symptoms.values().filter(|kept| kept.state == theriac_contract::SymptomState::Open).count()
}

fn summary(case: &Case, phase: IncidentPhase, top: Option<&Hypothesis>) -> String {
    let symptoms = case.symptoms.len() as u64 + case.shed;
    let places = case.entities().len();
    let cause = match top {
        Some(Hypothesis { entity: Some(entity), fault, probability, instances, .. }) => {
            let one = Fault::ALL.iter().any(|one| one.slug() == fault && one.names_one().is_some());
            let who = instances.first().filter(|_| one).map_or_else(String::new, |who| format!(", {who}"));
            format!("{} at {entity}{who}, {:.0} %", fault.replace('_', " "), probability * 100.0)
        }
        _ => "cause unknown".to_owned(),
    };
    let end = match phase {
        IncidentPhase::Resolved => "; over",
        IncidentPhase::Lost => "; telemetry was lost before it was seen to be over",
        IncidentPhase::Opened | IncidentPhase::Updated => "",
    };
    let plural =
        |count: u64, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    format!(
        "{} of {}: {cause}{end}",
        plural(symptoms, "symptom", "symptoms"),
        plural(places as u64, "entity", "entities")
    )
}

impl Checkpointed for Diagnose {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        Ok(vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.state)?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.state = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        (self.graphs, self.changes) = (Graphs::default(), Changes::default());
        self.memories.clear();
        Ok(())
    }
}
