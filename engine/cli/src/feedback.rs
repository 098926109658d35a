//! What people make of symptoms and of causes, as facts behind the others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use theriac_contract::{
    Entity, Fact, Id, Incident, RecordedFact, Snapshot, Symptom, Timestamp, Topic, Topics,
};
use theriac_diagnose::{
    channel::{Claim, reweight::Weights},
    weighing::Suspect,
};
use theriac_engine::records;
use theriac_knowledge::{Knowledge, as_of};

use crate::{
    facts::facts,
    output::Wrong,
    story::{all, payload},
};

/// Puts behind the others the fact that `make` gives for the newest version; none if what is known
/// does not allow it. The engine must not run over these topics.
pub(crate) fn append(
    topics: &mut dyn Topics,
    make: impl FnOnce(u64) -> Result<Fact>,
) -> Result<Option<RecordedFact>> {
    let facts = facts(topics, 0)?;
    let mut knowledge = Knowledge::new();
    for fact in &facts {
        knowledge.fold(fact)?;
    }
    let at = facts.last().map_or(Timestamp::default(), |fact| fact.at);
    let fact = make(knowledge.version())?;
    let mut appended = knowledge.append(at, vec![fact]);
    let Some(fact) = appended.pop() else { return Ok(None) };
    let output = records::fact(&fact);
    let output = match &fact.fact {
        // The stages revert as well: this one comes from no round.
        Fact::Reverted { .. } => records::fact_by_hand(&fact, output.record.value, "revert"),
        _ => output,
    };
    topics.append(Topic::Knowledge, 0, &[output.record])?;
    topics.commit()?;
    Ok(Some(fact))
}

/// What somebody makes of a symptom.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Opinion {
    /// How its id begins.
    pub(crate) symptom: String,
    pub(crate) judgement: Judgement,
    /// Why, for the log.
    #[serde(default)]
    pub(crate) reason: String,
}

/// What was made of a symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judgement {
    /// Something was wrong indeed
    Right,
    /// Nothing was: the like must be rarer from now on
    Noise,
}

impl Opinion {
    /// Says it of the symptom; none if there is no such symptom here.
    pub(crate) fn note(&self, topics: &mut dyn Topics) -> Result<Option<RecordedFact>> {
        let Some(fact) = self.fact(topics)? else { return Ok(None) };
        append(topics, |_| Ok(fact))
    }

    /// What it says, of a symptom that these topics hold; none if they do not.
    pub(crate) fn fact(&self, topics: &dyn Topics) -> Result<Option<Fact>> {
        let Some(symptom) = find(topics, &self.symptom)? else { return Ok(None) };
        let Symptom { id, domain, entity, peer, signal, attributes, .. } = symptom;
        let fact = Fact::SymptomJudged {
            measure: Snapshot::judgement_key(&domain, &entity, peer.as_ref(), &signal, &attributes),
            symptom: id,
            right: self.judgement == Judgement::Right,
            reason: self.reason.clone(),
        };
        Ok(Some(fact))
    }

    /// There is no such symptom.
    pub(crate) fn of_nothing(&self) -> Wrong {
        Wrong(format!("no symptom begins with `{}`; `theriac tap symptoms` lists them", self.symptom))
    }
}

/// What somebody found to have caused an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// How its id begins.
    pub(crate) incident: String,
    /// What it was; none if it was nothing that was suspected.
    pub(crate) cause: Option<Entity>,
    /// Why, for the log.
    pub(crate) reason: String,
}

impl Confirmation {
    /// Notes it, with the weights of the channels that follow from it and from what is known there.
    /// `told` holds the incident.
    pub(crate) fn note(&self, told: &dyn Topics, topics: &mut dyn Topics) -> Result<RecordedFact> {
        let incident = find_incident(told, &self.incident)?;
        let suspects: BTreeSet<&Entity> =
            incident.hypotheses.iter().filter_map(|one| one.entity.as_ref()).collect();
        if let Some(cause) = self.cause.as_ref().filter(|cause| !suspects.contains(cause)) {
            let known: Vec<&str> = suspects.into_iter().map(Entity::as_str).collect();
            return Err(Wrong(format!(
                "`{cause}` was not suspected in {}, but {}; leave the cause out if it was none of them",
                incident.id.short(),
                if known.is_empty() { "nothing".to_owned() } else { known.join(", ") }
            ))
            .into());
        }
        let facts = facts(topics, 0)?;
        let newest = facts.last().map_or(0, |fact| fact.version);
        let known = as_of(&facts, newest).channel_weights;
        let mut weights = if known.is_empty() { Weights::default() } else { Weights::from_json(&known)? };
        let (claims, unknown) = said(&incident);
        weights.update(self.cause.as_ref(), &claims, unknown);
        // The most probable kind of fault there: hypotheses are in that order.
        let of_cause =
            incident.hypotheses.iter().find(|one| one.entity.is_some() && one.entity == self.cause);
        let fact = Fact::CauseConfirmed {
            incident: incident.id.clone(),
            cause: self.cause.clone(),
            fault: of_cause.map_or_else(String::new, |one| one.fault.clone()),
            shown: of_cause.map_or_else(Vec::new, |one| one.shown.clone()),
            weights: weights.to_json(),
            reason: self.reason.clone(),
        };
        let nothing = || Wrong("nothing is known here yet".to_owned());
        Ok(append(topics, |_| Ok(fact))?.ok_or_else(nothing)?)
    }
}

/// What the channels said of the suspects of an incident, and the log odds of what was not listed.
fn said(incident: &Incident) -> (Vec<Claim>, f64) {
    let (mut claims, mut unknown) = (Vec::new(), 0.0);
    for hypothesis in &incident.hypotheses {
        let evidence = || hypothesis.evidence_for.iter().chain(&hypothesis.evidence_against);
        match &hypothesis.entity {
            Some(entity) => claims.extend(evidence().map(|one| {
                (Suspect { entity: entity.clone(), part: hypothesis.fault.clone() }, one.clone())
            })),
            None => unknown = evidence().map(|one| one.log_likelihood_ratio).sum(),
        }
    }
    (claims, unknown)
}

/// The last revision of the incident whose id begins so.
fn find_incident(topics: &dyn Topics, id: &str) -> Result<Incident> {
    let mut found: BTreeMap<Id, Incident> = BTreeMap::new();
    all(topics, Topic::Incidents, |bytes, _| {
        let incident: Incident = payload(bytes)?;
        if incident.id.0.starts_with(id) {
            found.insert(incident.id.clone(), incident);
        }
        Ok(())
    })?;
    match (found.pop_first(), found.pop_first()) {
        (Some((one, _)), Some((other, _))) => {
            Err(Wrong(format!("several incidents begin with `{id}`, such as {one} and {other}")).into())
        }
        (Some((_, incident)), None) => Ok(incident),
        (None, _) => {
            Err(Wrong(format!("no incident begins with `{id}`; `theriac explain` lists them")).into())
        }
    }
}

/// The symptom whose id begins so, if there is one.
fn find(topics: &dyn Topics, id: &str) -> Result<Option<Symptom>> {
    let mut found = BTreeMap::new();
    all(topics, Topic::Symptoms, |bytes, kind| {
        // The marks between the symptoms of shards are of another kind.
        if !kind.starts_with("theriac.symptom.") {
            return Ok(());
        }
        let symptom: Symptom = payload(bytes)?;
        if symptom.id.0.starts_with(id) {
            found.insert(symptom.id.0.clone(), symptom);
        }
        Ok(())
    })?;
    match (found.pop_first(), found.pop_first()) {
        (Some((one, _)), Some((other, _))) => {
            Err(Wrong(format!("several symptoms begin with `{id}`, such as {one} and {other}")).into())
        }
        (first, _) => Ok(first.map(|(_, symptom)| symptom)),
    }
}
