//! What a round was. The topics fix the outputs; the journal fixes the inputs: in which
//! order telemetry, answers and time reached the stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Completion, Record, Timestamp};

/// One round as the journal topic keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// From 1.
    pub round: u64,
    /// Offsets `[first, next)` of its batches in the topic `telemetry`; empty where the
    /// environment can give the round again.
    pub telemetry: (u64, u64),
    /// Answers of executors.
    pub completions: Vec<Completion>,
    /// Event time that had been reached.
    pub reached: Option<Timestamp>,
    /// Whether it was the last.
    pub end: bool,
    /// Position of the environment after the round.
    pub position: String,
    /// One past the last offset of every output partition (`symptoms/0`), after the round.
    pub ends: BTreeMap<String, u64>,
    /// Digest of the configuration that the round was done with.
    pub configuration: String,
}

impl Entry {
    /// As a record of the journal topic.
    #[must_use]
    pub fn record(&self, at: Timestamp) -> Record {
        let value = serde_json::to_vec(self).expect("an entry has text keys and finite shapes");
        Record { timestamp: at, key: b"journal".to_vec(), headers: Vec::new(), value }
    }
}
