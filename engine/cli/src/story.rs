//! What happened, read back from the topics: the same whether or not the run was broken
//! off in between.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use theriac_contract::{EdgeKind, Entity, Id, Incident, Outcome, Plan, Symptom, Topic, Topics, Verification};
use theriac_knowledge::as_of;

use crate::feedback;

/// Everything that the stages said.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// All revisions, in order.
    pub(crate) symptoms: Vec<Symptom>,
    /// All revisions, in order.
    pub(crate) incidents: Vec<Incident>,
    /// In order.
    pub(crate) plans: Vec<Plan>,
    /// In order.
    pub(crate) outcomes: Vec<Outcome>,
    /// In order.
    pub(crate) verifications: Vec<Verification>,
    /// Who calls whom and runs where, as far as became known.
    pub(crate) edges: BTreeSet<(Entity, Entity, EdgeKind)>,
}

/// Gives every record of a topic, with its type, in the order of partitions and offsets.
pub(crate) fn all(
    topics: &dyn Topics,
    topic: Topic,
    mut each: impl FnMut(&[u8], &str) -> Result<()>,
) -> Result<()> {
    for partition in 0..topics.partitions(topic) {
        let mut next = topics.start(topic, partition);
        while next < topics.end(topic, partition) {
            for stored in topics.read(topic, partition, next, 1 << 20)? {
                let kind = stored.record.headers.iter().find(|(name, _)| name == "ce_type");
                let kind = kind.map_or("", |(_, value)| std::str::from_utf8(value).unwrap_or_default());
                each(&stored.record.value, kind)
                    .with_context(|| format!("{topic}/{partition} at {}", stored.offset))?;
                next = stored.offset + 1;
            }
        }
    }
    Ok(())
}

/// What a record holds.
pub(crate) fn payload<P: DeserializeOwned>(bytes: &[u8]) -> Result<P> {
    serde_json::from_slice(bytes).context("the record is not of the schema that this program reads")
}

impl Story {
    /// Reads the topics.
    pub(crate) fn read(topics: &dyn Topics) -> Result<Self> {
        let mut story = Self::default();
        all(topics, Topic::Symptoms, |bytes, _| {
            story.symptoms.push(payload(bytes)?);
            Ok(())
        })?;
        all(topics, Topic::Incidents, |bytes, _| {
            story.incidents.push(payload(bytes)?);
            Ok(())
        })?;
        all(topics, Topic::Plans, |bytes, _| {
            story.plans.push(payload(bytes)?);
            Ok(())
        })?;
        all(topics, Topic::Outcomes, |bytes, kind| {
            if kind.contains("verification") {
                story.verifications.push(payload(bytes)?);
            } else {
                story.outcomes.push(payload(bytes)?);
            }
            Ok(())
        })?;
        // With those that were there once: an incident of then went along them.
        let known = as_of(&feedback::facts(topics)?, u64::MAX).topology;
        let past = known.past().iter().map(|past| past.edge.clone());
        story.edges = past.chain(known.edges.iter().cloned()).collect();
        Ok(story)
    }

    /// Topics that it is read from.
    pub(crate) const TOPICS: [Topic; 5] =
        [Topic::Symptoms, Topic::Incidents, Topic::Plans, Topic::Outcomes, Topic::Knowledge];

    /// The last revision of each incident, in the order of opening.
    pub(crate) fn latest(&self) -> Vec<&Incident> {
        let mut last: BTreeMap<&Id, &Incident> = BTreeMap::new();
        for incident in &self.incidents {
            last.insert(&incident.id, incident);
        }
        let mut latest: Vec<&Incident> = last.into_values().collect();
        latest.sort_by(|a, b| (a.opened, &a.id).cmp(&(b.opened, &b.id)));
        latest
    }

    /// Last revision of a symptom.
    pub(crate) fn last_sight(&self, id: &Id) -> Option<&Symptom> {
        self.symptoms.iter().rfind(|symptom| symptom.id == *id)
    }

    /// First revision of a symptom.
    pub(crate) fn first_sight(&self, id: &Id) -> Option<&Symptom> {
        self.symptoms.iter().find(|symptom| symptom.id == *id)
    }
}
