//! Settings of the loop: those of its stages, and of its checkpoints.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of all stages. Each has defaults that serve every input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Series, ticks, watermarks.
    pub monitor: theriac_monitor::Settings,
    /// Detectors and symptoms.
    pub detect: theriac_detect::Settings,
    /// Incidents and hypotheses.
    pub diagnose: theriac_diagnose::Settings,
    /// Strategies and guardrails.
    pub plan: theriac_plan::Settings,
    /// Sagas and verification.
    pub execute: theriac_execute::Settings,
    /// How often state is saved.
    pub checkpoint: CheckpointSettings,
}

/// How often state is saved. A checkpoint costs time in proportion to the state; a restart
/// costs time in proportion to what came after the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointSettings {
    /// Live input: after this much event time.
    pub every: Interval,
    /// Replayed and simulated input: after this many rounds.
    pub rounds: u64,
    /// Checkpoints that are kept; a damaged one is passed over for the one before.
    pub keep: usize,
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { every: Interval::from_seconds(30), rounds: 64, keep: 3 }
    }
}
