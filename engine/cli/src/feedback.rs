//! What people make of symptoms, as facts behind the others.

use std::collections::BTreeMap;

use anyhow::Result;
use theriac_contract::{Fact, RecordedFact, Snapshot, Symptom, Timestamp, Topic, Topics};
use theriac_engine::records;
use theriac_knowledge::Knowledge;

use crate::{
    output::Wrong,
    story::{all, payload},
};

/// All facts, in order.
pub(crate) fn facts(topics: &dyn Topics) -> Result<Vec<RecordedFact>> {
    let mut facts = Vec::new();
    all(topics, Topic::Knowledge, |bytes, _| {
        facts.push(payload(bytes)?);
        Ok(())
    })?;
    Ok(facts)
}

/// Puts behind the others the fact that `make` gives for the newest version; none if what is known
/// does not allow it. The engine must not run over these topics.
pub(crate) fn append(
    topics: &mut dyn Topics,
    make: impl FnOnce(u64) -> Result<Fact>,
) -> Result<Option<RecordedFact>> {
    let facts = facts(topics)?;
    let mut knowledge = Knowledge::new();
    for fact in &facts {
        knowledge.fold(fact)?;
    }
    let at = facts.last().map_or(Timestamp::default(), |fact| fact.at);
    let fact = make(knowledge.version())?;
    let mut appended = knowledge.append(at, vec![fact]);
    let Some(fact) = appended.pop() else { return Ok(None) };
    topics.append(Topic::Knowledge, 0, &[records::fact(&fact).record])?;
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
        let Some(symptom) = find(topics, &self.symptom)? else { return Ok(None) };
        let Symptom { id, domain, entity, peer, signal, attributes, .. } = symptom;
        let fact = Fact::SymptomJudged {
            measure: Snapshot::judgement_key(&domain, &entity, peer.as_ref(), &signal, &attributes),
            symptom: id,
            right: self.judgement == Judgement::Right,
            reason: self.reason.clone(),
        };
        append(topics, |_| Ok(fact))
    }

    /// There is no such symptom.
    pub(crate) fn of_nothing(&self) -> Wrong {
        Wrong(format!("no symptom begins with `{}`; `theriac tap symptoms` lists them", self.symptom))
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
