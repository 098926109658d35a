//! What a round was. The topics fix the outputs; the journal fixes the inputs: in which
//! order telemetry, answers and time reached the stages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Completion, Record, Timestamp, Topic, TopicError, Topics};

use crate::{codec, environment::Round};

/// What is stored of a round cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A topic failed.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// An entry is not what was written.
    #[error("journal entry {offset} cannot be read: {reason}")]
    Entry {
        /// Offset.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// A batch is not what was written.
    #[error("telemetry record {offset} cannot be read: {source}")]
    Telemetry {
        /// Offset.
        offset: u64,
        /// Why.
        source: arrow::error::ArrowError,
    },
}

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
    /// Whether telemetry stopped coming in, or came again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<bool>,
    /// Whether it was the last.
    pub end: bool,
    /// Position of the environment before the round, of the very first round alone, where its
    /// telemetry can be had again: no checkpoint says where that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Position of the environment after the round.
    pub position: String,
    /// One past the last offset of every output partition (`symptoms/0`), after the round.
    pub ends: BTreeMap<String, u64>,
    /// Digest of the configuration that the round was done with.
    pub configuration: String,
}

impl Entry {
    /// Reads the entry at an offset: that of round `n` lies at `n - 1`.
    ///
    /// # Errors
    /// If it is not there, or is no entry.
    pub fn read(topics: &dyn Topics, offset: u64) -> Result<Self, JournalError> {
        let unreadable = |reason: String| JournalError::Entry { offset, reason };
        let stored = topics.read(Topic::Journal, 0, offset, 1)?;
        let first = stored.first().ok_or_else(|| unreadable("it is not there".to_owned()))?;
        serde_json::from_slice(&first.record.value).map_err(|e| unreadable(e.to_string()))
    }

    /// The round as the topics keep it, where they keep its telemetry. What could not be read
    /// is no part of it.
    ///
    /// # Errors
    /// If a batch is not there, or is none.
    pub fn round(&self, topics: &dyn Topics) -> Result<Round, JournalError> {
        let (mut next, end) = self.telemetry;
        let (mut telemetry, mut bytes) = (Vec::new(), 0);
        while next < end {
            for stored in topics.read(Topic::Telemetry, 0, next, 1 << 20)? {
                if stored.offset >= end {
                    break;
                }
                let offset = stored.offset;
                let batch = codec::decode_telemetry(&stored.record.key, &stored.record.value)
                    .map_err(|source| JournalError::Telemetry { offset, source })?;
                telemetry.push(batch);
                bytes += stored.record.value.len() as u64;
                next = offset + 1;
            }
        }
        Ok(Round {
            telemetry,
            rejects: Vec::new(),
            noticed: Vec::new(),
            completions: self.completions.clone(),
            reached: self.reached,
            quiet: self.quiet,
            end: self.end,
            bytes,
        })
    }

    /// What tells it from every other entry.
    #[must_use]
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).expect("an entry has text keys and finite shapes");
        blake3::hash(&text).to_hex()[..16].to_owned()
    }

    /// As a record of the journal topic.
    #[must_use]
    pub fn record(&self, at: Timestamp) -> Record {
        let value = serde_json::to_vec(self).expect("an entry has text keys and finite shapes");
        Record { timestamp: at, key: b"journal".to_vec(), headers: Vec::new(), value }
    }
}
