//! What detection noticed in a tick: all that later stages need of it, so that series can be
//! watched in one place and an incident judged in another.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    change::Change,
    frame::Tick,
    knowledge::{LogTemplate, TemplateReplacement},
    series::{Entity, Series},
    symptom::Symptom,
    telemetry::parse_attributes,
    time::Timestamp,
    topology::{EdgeKind, EdgeObservation},
};

/// Who was there, who called whom, and what was changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Sightings {
    /// Entities, each once, in the order in which they were met.
    pub entities: Vec<Entity>,
    /// Calls and places, sorted.
    pub edges: Vec<EdgeObservation>,
    /// Changes, sorted, each once.
    pub changes: Vec<Change>,
    /// Log templates whose series began, sorted, each once.
    pub templates: Vec<LogTemplate>,
    /// Log templates that were found to be others, sorted, each once; none in most ticks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<TemplateReplacement>,
    /// How often calls were made since this was said last, sorted; empty in most ticks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<EdgeObservation>,
}

impl Sightings {
    /// Those of one tick.
    #[must_use]
    pub fn of(tick: &Tick) -> Self {
        let of_series = tick.opened.iter().flat_map(|series| [Some(&series.entity), series.peer.as_ref()]);
        // What a name stands for is evidence: the name is met where it is called.
        let of_edges = tick
            .edges
            .iter()
            .filter(|edge| edge.kind != EdgeKind::StandsFor)
            .flat_map(|edge| [Some(&edge.from), Some(&edge.to)]);
        let of_changes = tick.changes.iter().map(|change| Some(&change.entity));
        let mut met = BTreeSet::new();
        let all = of_series.chain(of_edges).chain(of_changes).flatten();
        let entities = all.filter(|entity| met.insert(*entity)).cloned().collect();
        let mut changes = tick.changes.clone();
        changes.sort();
        changes.dedup();
        let mut templates: Vec<LogTemplate> = tick.opened.iter().filter_map(template).collect();
        templates.sort();
        templates.dedup();
        let (edges, replaced) = (tick.edges.clone(), tick.replaced.clone());
        Self { entities, edges, changes, templates, replaced, flows: Vec::new() }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        let said = self.templates.len() + self.replaced.len();
        self.entities.len() + self.edges.len() + self.changes.len() + said + self.flows.len()
    }

    /// The same in parts of at most `most` entities, edges, changes, templates, replaced ones or flows; at
    /// least one part.
    #[must_use]
    pub fn parts(self, most: usize) -> Vec<Self> {
        if self.count() <= most {
            return vec![self];
        }
        let most = most.max(1);
        let entities =
            self.entities.chunks(most).map(|part| Self { entities: part.to_vec(), ..Self::default() });
        let edges = self.edges.chunks(most).map(|part| Self { edges: part.to_vec(), ..Self::default() });
        let changes =
            self.changes.chunks(most).map(|part| Self { changes: part.to_vec(), ..Self::default() });
        let templates =
            self.templates.chunks(most).map(|part| Self { templates: part.to_vec(), ..Self::default() });
        let replaced =
            self.replaced.chunks(most).map(|part| Self { replaced: part.to_vec(), ..Self::default() });
        let flows = self.flows.chunks(most).map(|part| Self { flows: part.to_vec(), ..Self::default() });
        entities.chain(edges).chain(changes).chain(templates).chain(replaced).chain(flows).collect()
    }

    /// Adds those of another place of the same tick.
    pub fn extend(&mut self, other: Self) {
        self.entities.extend(other.entities);
        self.edges.extend(other.edges);
        self.edges.sort();
        self.changes.extend(other.changes);
        self.changes.sort();
        self.changes.dedup();
        self.templates.extend(other.templates);
        self.templates.sort();
        self.templates.dedup();
        self.replaced.extend(other.replaced);
        self.replaced.sort();
        self.replaced.dedup();
        self.flows.extend(other.flows);
        self.flows.sort();
    }
}

/// The template whose lines a series counts, if that is what it does.
fn template(series: &Series) -> Option<LogTemplate> {
    if series.signal != "log.template" {
        return None;
    }
    let attributes = parse_attributes(&series.attributes);
    let text = |key: &str| attributes.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    Some(LogTemplate {
        service: Entity(series.entity.service().to_owned()),
        severity: text("severity")?,
        text: text("template")?,
    })
}

/// A tick as the stages behind detection see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noticed {
    /// End of the tick.
    pub at: Timestamp,
    /// Revisions of symptoms.
    pub symptoms: Vec<Symptom>,
    /// What else was seen.
    pub sightings: Sightings,
}

/// How far the detection of one shard is: follows the symptoms of each tick on their topic, so
/// that whoever joins several shards knows that there are no more of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// All symptoms of ticks that end here or before have been said.
    pub at: Timestamp,
    /// What the shard has to say next.
    pub progress: MarkProgress,
    /// What is new to this shard.
    #[serde(default, skip_serializing_if = "Sightings::is_empty")]
    pub sightings: Sightings,
}

/// What may follow a [`Mark`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkProgress {
    /// More of the same tick.
    Part,
    /// Later ticks: wait for them.
    #[default]
    On,
    /// Nothing for a while, for nothing comes in: do not wait.
    Quiet,
    /// Nothing: the input has ended.
    End,
}

/// Ticks of all shards that may be judged, joined in the order of event time, with the symptoms
/// that are this shard's to judge.
pub trait Gather: Send {
    /// What can be judged now; empty if that is nothing.
    ///
    /// # Errors
    /// If the topic cannot be read.
    fn fetch(&mut self) -> Result<Vec<Noticed>, crate::source::SourceError>;

    /// Whether every shard's input has ended and all of it was handed out.
    fn is_through(&self) -> bool;

    /// How far it has read, as one short line of JSON.
    fn position(&self) -> String;

    /// Goes to a position that [`Gather::position`] gave.
    ///
    /// # Errors
    /// If it is none.
    fn seek(&mut self, position: &str) -> Result<(), crate::source::SourceError>;

    /// What was handed out between the present position and `position`, once more.
    ///
    /// # Errors
    /// If it cannot be read again.
    fn again(&mut self, position: &str) -> Result<Vec<Noticed>, crate::source::SourceError>;

    /// What the operator should know: shards that are not waited for. Each is given once.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }
}
