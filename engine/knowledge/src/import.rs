//! What the facts of another log add to what is known here.
//!
//! What is known already is no news. What contradicts it stays out and is named: here was seen what
//! is here. What only tells how the other loop went (its incidents, plans and configurations) stays
//! out, too, since no stage decides by it.

use std::collections::BTreeSet;

use theriac_contract::{
    Entity, Fact, Id, RecordedFact, Snapshot,
    seeded::{self, Bug},
};

use crate::{fold::fold, history::counting, line::text, store::Settings};

/// Facts that are news here, and what became of the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Import {
    /// In the order of the other log.
    pub facts: Vec<Fact>,
    /// What contradicts what is known here.
    pub conflicts: Vec<Conflict>,
    /// Facts that say what is known here.
    pub known: u64,
    /// Facts about how the other loop went.
    pub history: u64,
}

/// A fact that contradicts what is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its version in the other log.
    pub version: u64,
    /// The fact, for people.
    pub fact: String,
    /// What is known here instead.
    pub here: String,
}

/// What becomes of one fact.
enum Word {
    News,
    Known,
    History,
    Conflict(String),
}

/// The last version up to which two logs are the same, by their chains; 0 if they have nothing in common.
#[must_use]
pub fn common(a: &[RecordedFact], b: &[RecordedFact]) -> u64 {
    let chains: BTreeSet<(u64, &str)> =
        a.iter().filter(|fact| !fact.chain.is_empty()).map(|fact| (fact.version, &*fact.chain)).collect();
    let same = |fact: &&RecordedFact| chains.contains(&(fact.version, &*fact.chain));
    b.iter().rfind(same).map_or(0, |fact| fact.version)
}

/// What those facts of `theirs` that still count at its end, and are not common to both, add to the log
/// `own`, whose readings now are `snapshot`.
#[must_use]
pub fn news(own: &[RecordedFact], snapshot: &Snapshot, theirs: &[RecordedFact]) -> Import {
    let common = common(own, theirs);
    let mut known = Known::of(own, snapshot);
    let mut import = Import::default();
    for recorded in counting(theirs, u64::MAX).into_iter().filter(|recorded| recorded.version > common) {
        match known.word_on(&recorded.fact) {
            Word::Known => import.known += 1,
            Word::History => import.history += 1,
            Word::News => {
                known.take(recorded);
                import.facts.push(recorded.fact.clone());
            }
            Word::Conflict(_) if seeded::on(Bug::ContradictionTaken) => {
                known.take(recorded);
                import.facts.push(recorded.fact.clone());
            }
            Word::Conflict(here) => {
                let (version, fact) = (recorded.version, text(&recorded.fact));
                import.conflicts.push(Conflict { version, fact, here });
            }
        }
    }
    import
}

/// What is known here, with what was taken from the other log so far.
struct Known<'a> {
    snapshot: Snapshot,
    /// What was verified, left alone, judged and confirmed.
    verified: BTreeSet<&'a Id>,
    left_alone: BTreeSet<&'a Id>,
    judged: BTreeSet<(&'a Id, bool)>,
    confirmed: Vec<(&'a Id, Option<&'a Entity>)>,
    /// The topology that a file gives.
    given: Option<&'a Fact>,
    /// Taken from the other log, which may take it back.
    taken: Vec<&'a Fact>,
    weights_of_others: bool,
}

impl<'a> Known<'a> {
    fn of(own: &'a [RecordedFact], snapshot: &Snapshot) -> Self {
        let mut known = Self {
            snapshot: snapshot.clone(),
            verified: BTreeSet::new(),
            left_alone: BTreeSet::new(),
            judged: BTreeSet::new(),
            confirmed: Vec::new(),
            given: None,
            taken: Vec::new(),
            weights_of_others: false,
        };
        counting(own, u64::MAX).into_iter().for_each(|recorded| known.note(&recorded.fact));
        known
    }

    fn note(&mut self, fact: &'a Fact) {
        match fact {
            Fact::Verified { plan, .. } => _ = self.verified.insert(plan),
            Fact::LeftAlone { incident, .. } => _ = self.left_alone.insert(incident),
            Fact::SymptomJudged { symptom, right, .. } => _ = self.judged.insert((symptom, *right)),
            Fact::CauseConfirmed { incident, cause, .. } => self.confirmed.push((incident, cause.as_ref())),
            Fact::TopologyGiven { .. } => self.given = Some(fact),
            _ => {}
        }
    }

    fn take(&mut self, recorded: &'a RecordedFact) {
        fold(&mut self.snapshot, recorded, Settings::default().changes_max);
        self.note(&recorded.fact);
        self.taken.push(&recorded.fact);
        self.weights_of_others |= matches!(recorded.fact, Fact::CauseConfirmed { .. });
    }

    fn word_on(&self, fact: &Fact) -> Word {
        let known = |known: bool| if known { Word::Known } else { Word::News };
        let topology = &self.snapshot.topology;
        match fact {
            Fact::EntitySeen { entity } => known(topology.knows(entity)),
            Fact::TemplateSeen { template } => known(self.snapshot.templates.contains(template)),
            Fact::TemplateReplaced { replacement } => {
                known(self.snapshot.replaced_templates.contains(replacement))
            }
            Fact::Changed { change } => known(self.snapshot.changes.binary_search(change).is_ok()),
            Fact::EdgeSeen { from, to, kind } => {
                known(topology.key(from, to, *kind).is_none_or(|key| topology.edges.contains(&key)))
            }
            Fact::EdgeUsed { from, to, kind, .. } => {
                // How much an edge is used is counted here.
                let life = topology.key(from, to, *kind).and_then(|key| topology.life(&key));
                known(life.is_none_or(|life| life.per_second.is_some()))
            }
            Fact::EdgeEnded { from, to, kind } => {
                let is_here = topology.key(from, to, *kind).is_some_and(|key| topology.edges.contains(&key));
                let taken = Fact::EdgeSeen { from: from.clone(), to: to.clone(), kind: *kind };
                match (is_here, self.taken.contains(&&taken)) {
                    (false, _) => Word::Known,
                    (true, true) => Word::News,
                    (true, false) => Word::Conflict(format!("{from} {} {to}", kind.verb())),
                }
            }
            Fact::AliasSeen { name, of, .. } => match topology.aliases.get(name) {
                Some(alias) if alias.of == *of => Word::Known,
                Some(alias) => {
                    let of: Vec<&str> = alias.of.iter().map(Entity::as_str).collect();
                    Word::Conflict(format!("{name} stands for {}: {}", of.join(", "), alias.reason))
                }
                None => known(topology.stands_for(name, of).is_none()),
            },
            Fact::TopologyGiven { .. } => match self.given {
                Some(given) if given == fact => Word::Known,
                Some(given) => Word::Conflict(text(given)),
                None => Word::News,
            },
            Fact::Distrusted { entity, .. } => known(self.snapshot.distrusted.contains_key(entity)),
            Fact::TrustedAgain { entity, .. } => {
                let is =
                    |fact: &&&Fact| matches!(fact, Fact::Distrusted { entity: other, .. } if other == entity);
                match self.snapshot.distrusted.get(entity) {
                    None => Word::Known,
                    Some(_) if self.taken.iter().any(|fact| is(&fact)) => Word::News,
                    Some(distrust) => {
                        Word::Conflict(format!("{entity} is not believed: {}", distrust.reason))
                    }
                }
            }
            Fact::Verified { plan, .. } => known(self.verified.contains(plan)),
            Fact::SymptomJudged { symptom, right, .. } => {
                if self.judged.contains(&(symptom, !right)) && !self.judged.contains(&(symptom, *right)) {
                    let here = if *right { "noise" } else { "right" };
                    return Word::Conflict(format!("{} was judged {here}", symptom.short()));
                }
                known(self.judged.contains(&(symptom, *right)))
            }
            Fact::CauseConfirmed { incident, cause, .. } => self.on_cause(incident, cause.as_ref()),
            Fact::LeftAlone { incident, .. } => known(self.left_alone.contains(incident)),
            Fact::ConfigurationLoaded { .. }
            | Fact::PlanApproved { .. }
            | Fact::PlanRejected { .. }
            | Fact::ActingHeld { .. }
            | Fact::ActingResumed { .. }
            | Fact::KnowledgeWorsened { .. }
            | Fact::IncidentOpened { .. }
            | Fact::IncidentEnded { .. }
            | Fact::Planned { .. }
            | Fact::Refused { .. }
            | Fact::RolledBack { .. }
            | Fact::Reverted { .. }
            | Fact::Compacted { .. } => Word::History,
        }
    }

    fn on_cause(&self, incident: &Id, cause: Option<&Entity>) -> Word {
        match self.confirmed.iter().rfind(|(known, _)| *known == incident) {
            Some((_, here)) if *here == cause => Word::Known,
            Some((_, here)) => {
                let here = here.map_or("nothing that was suspected", Entity::as_str);
                Word::Conflict(format!("{} was confirmed to be caused by {here}", incident.short()))
            }
            // The fact carries the weights that were learnt there up to it, not what it adds to them.
            None if !self.snapshot.channel_weights.is_empty() && !self.weights_of_others => {
                let text = "weights of channels were learnt here from other causes; confirm it here";
                Word::Conflict(text.to_owned())
            }
            None => Word::News,
        }
    }
}
