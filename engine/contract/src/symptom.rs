//! An anomaly that was let through.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::Id,
    series::{Entity, SignalKind},
    time::Timestamp,
};

/// Which way the observed value departs from the expected one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Above what was expected.
    Up,
    /// Below what was expected.
    Down,
    /// Neither: flat, missing, or new.
    #[default]
    None,
}

/// What this revision of a symptom says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SymptomPhase {
    /// First revision.
    Open,
    /// It became clearly worse: a new peak, or what is measured is used up far sooner than was told, or at all.
    Peak,
    /// It is over: enough ordinary values were observed.
    Close,
    /// It can no longer be judged: the series stopped reporting. Never counts as recovery.
    Lost,
}

/// Whether a symptom still stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SymptomState {
    /// Still unusual.
    Open,
    /// Observed to be ordinary again.
    Closed,
    /// No telemetry to judge by.
    Lost,
}

impl From<SymptomPhase> for SymptomState {
    fn from(phase: SymptomPhase) -> Self {
        match phase {
            SymptomPhase::Open | SymptomPhase::Peak => Self::Open,
            SymptomPhase::Close => Self::Closed,
            SymptomPhase::Lost => Self::Lost,
        }
    }
}

/// What one detector said at the symptom's worst tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DetectorScore {
    /// Name in the registry of detectors.
    pub detector: String,
    /// Its p-value: 0 impossible under normal, 1 ordinary.
    pub p_value: f64,
}

/// When what a series measures is used up, if it goes on at the pace of late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exhaustion {
    /// The value at which it is, in the unit of the series.
    pub limit: f64,
    /// When it gets there.
    pub expected: Timestamp,
    /// Hardly before (a confidence of 95 in 100 that it is between the two).
    pub earliest: Timestamp,
    /// Hardly after.
    pub latest: Timestamp,
}

/// One revision of a symptom. The id is the same in all of them and derives from the
/// series' key and the onset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Symptom {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Same for all revisions.
    pub id: Id,
    /// 0 for the first.
    pub revision: u32,
    /// What this revision says.
    pub phase: SymptomPhase,
    /// Event time of this revision: the end of the tick that caused it.
    pub at: Timestamp,
    /// Correlation domain.
    pub domain: String,
    /// What shows the symptom.
    pub entity: Entity,
    /// For an edge, the callee.
    pub peer: Option<Entity>,
    /// Name of the signal.
    pub signal: String,
    /// Metric, log or trace.
    pub kind: SignalKind,
    /// Attributes of the series, canonical JSON.
    pub attributes: String,
    /// Canonical key of the series.
    pub series: String,
    /// Start of the first unusual tick.
    pub onset: Timestamp,
    /// Start of the worst tick so far.
    pub peak: Timestamp,
    /// End of the last unusual tick, once closed or lost.
    pub end: Option<Timestamp>,
    /// Fused p-value at the peak.
    pub p_value: f64,
    /// `-log10(p_value)` capped at 300 and scaled to 0..1 by 20: .25 is p = 1e-5.
    pub severity: f64,
    /// Which way.
    pub direction: Direction,
    /// Value at the peak; none if the series was silent.
    pub observed: Option<f64>,
    /// Expected value at the peak.
    pub expected: Option<f64>,
    /// Band of ordinary values at the peak, low and high.
    pub band: Option<(f64, f64)>,
    /// Each detector at the peak, the most surprised first.
    pub detectors: Vec<DetectorScore>,
    /// Sentence for people: what was seen against what was expected.
    pub explanation: String,
    /// Log lines or spans that show it, at most five.
    pub examples: Vec<String>,
    /// Who stands out among many, where that is what it tells: `tenant:7`, `key:42`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Entity>,
    /// When it is used up, where the series has a limit that it clearly approaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhaustion: Option<Exhaustion>,
    /// Knowledge version at which this was decided.
    pub knowledge_version: u64,
}

impl Symptom {
    /// Whether it still stands after this revision.
    #[must_use]
    pub fn state(&self) -> SymptomState {
        self.phase.into()
    }
}
