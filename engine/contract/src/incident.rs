//! Symptoms that belong together, and what may have caused them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::Id,
    series::Entity,
    symptom::{Direction, SymptomState},
    time::Timestamp,
};

/// How a fault behaves, which decides what kind of remedy makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultClass {
    /// Goes away by itself.
    Transient,
    /// Stays until something is done.
    Permanent,
    /// Vantage points disagree: something says what is not so.
    Byzantine,
    /// Not enough evidence.
    Unknown,
}

/// One reason for or against a hypothesis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Which channel it came from: `deviation`, `onset_order`, `call_graph`, `change`,
    /// `resource`, `logs`, `peers`, …
    pub channel: String,
    /// Natural logarithm of the likelihood ratio: positive speaks for, negative against.
    pub log_likelihood_ratio: f64,
    /// Sentence for people.
    pub text: String,
    /// Symptoms it rests on.
    pub symptoms: Vec<Id>,
}

/// A possible cause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hypothesis {
    /// 1 for the most probable.
    pub rank: u32,
    /// The suspected cause; none for `unknown`.
    pub entity: Option<Entity>,
    /// Fault kind: `memory_leak`, `crash_loop`, `slow_dependency`, `bad_deploy`,
    /// `error_burst`, `byzantine_replica`, …, `unknown`.
    pub fault: String,
    /// How the fault behaves.
    pub class: FaultClass,
    /// Posterior probability; those of one incident sum to one.
    pub probability: f64,
    /// Reasons for it, the strongest first.
    pub evidence_for: Vec<Evidence>,
    /// Reasons against it, the strongest first.
    pub evidence_against: Vec<Evidence>,
    /// For a fault that a change brought: what was changed.
    pub change: Option<crate::change::Change>,
    /// What the incident shows as seen from there, `place:family:direction`, sorted: by this it is
    /// held against earlier incidents.
    #[serde(default)]
    pub shown: Vec<String>,
    /// For a fault of a service: those of its instances that bear the mark of it, sorted. Where one of many
    /// who ask, or are asked for, is what is wrong, that one: `tenant:7`, `key:42`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Entity>,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentPhase {
    /// First revision.
    Opened,
    /// Symptoms or hypotheses changed.
    Updated,
    /// Every symptom was observed to be over.
    Resolved,
    /// It ended without being observed to be over: telemetry was lost.
    Lost,
}

/// A symptom as its incident sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SymptomRef {
    /// The symptom.
    pub id: Id,
    /// What shows it.
    pub entity: Entity,
    /// What it speaks of, where that is something else: the callee of an edge, or what a check found
    /// to be wrong.
    #[serde(default)]
    pub peer: Option<Entity>,
    /// Its signal.
    pub signal: String,
    /// Which way it departs from what was expected.
    #[serde(default)]
    pub direction: Direction,
    /// Whether it still stands.
    pub state: SymptomState,
    /// Start.
    pub onset: Timestamp,
    /// End, once over.
    pub end: Option<Timestamp>,
    /// How surprising at its peak.
    pub p_value: f64,
}

impl SymptomRef {
    /// What it speaks of.
    #[must_use]
    pub fn about(&self) -> &Entity {
        self.peer.as_ref().unwrap_or(&self.entity)
    }
}

/// What a troubled place has to do with the suspected cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is there, or it is that.
    Cause,
    /// Trouble came to it, and went on.
    PassesOn,
    /// Trouble came to it, and to nobody beyond it: who waits behind it feels it.
    Impact,
    /// No call, and no host, leads from the cause to it.
    Apart,
}

/// A service or a host with symptoms, and how trouble came to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reached {
    /// The service or host.
    pub place: Entity,
    /// What it is in the incident.
    pub role: Role,
    /// Steps from the cause; none if it is apart.
    pub steps: Option<u32>,
    /// Whence it came: whom it calls, or where it runs.
    pub from: Option<Entity>,
}

/// Who is hurt by an incident.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Felt {
    /// Whoever uses the system: a service that no other one calls is slow or fails, or what was answered
    /// is wrong. So it is, too, where nobody knows who calls whom.
    #[default]
    Outside,
    /// Nobody yet: those who wait for the troubled places cope.
    Inside,
}

/// One revision of an incident. The id derives from the domain and the first symptom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Same for all revisions.
    pub id: Id,
    /// 0 for the first.
    pub revision: u32,
    /// Where it stands.
    pub phase: IncidentPhase,
    /// Event time of this revision.
    pub at: Timestamp,
    /// Correlation domain.
    pub domain: String,
    /// Onset of the first symptom.
    pub opened: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Entities that show symptoms, sorted.
    pub entities: Vec<Entity>,
    /// Its symptoms in the order of onset; the first and worst are kept if there are too many.
    pub symptoms: Vec<SymptomRef>,
    /// Symptoms beyond those that are listed.
    pub symptoms_shed: u64,
    /// Possible causes, ranked; probabilities sum to one.
    pub hypotheses: Vec<Hypothesis>,
    /// How trouble went from the most probable cause to those who feel it, by the graph of the
    /// moment: the nearest first, then by onset.
    #[serde(default)]
    pub spread: Vec<Reached>,
    /// Who is hurt by it.
    #[serde(default)]
    pub felt: Felt,
    /// The symptom by which the cause first became a failure: the first of latency, errors or
    /// silence nearest to it.
    #[serde(default)]
    pub critical_failure: Option<Id>,
    /// Sentence for people.
    pub summary: String,
    /// Knowledge version at which this was decided.
    pub knowledge_version: u64,
}

impl Incident {
    /// Whether it is over, one way or the other.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, IncidentPhase::Resolved | IncidentPhase::Lost)
    }

    /// Symptoms that still stand.
    pub fn open_symptoms(&self) -> impl Iterator<Item = &SymptomRef> {
        self.symptoms.iter().filter(|symptom| symptom.state == SymptomState::Open)
    }
}
