//! Topics: ordered, partitioned logs with offsets. One contract, several implementations.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// The topics that join the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Decoded telemetry, Arrow IPC.
    Telemetry,
    /// [`crate::Symptom`] revisions.
    Symptoms,
    /// [`crate::Incident`] revisions.
    Incidents,
    /// [`crate::Plan`]s.
    Plans,
    /// [`crate::Outcome`]s and [`crate::Verification`]s.
    Outcomes,
    /// [`crate::RecordedFact`]s.
    Knowledge,
    /// Input that could not be read, with origin and reason.
    DeadLetters,
    /// The order of the engine's inputs: what makes a replay exact.
    Journal,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Telemetry,
        Self::Symptoms,
        Self::Incidents,
        Self::Plans,
        Self::Outcomes,
        Self::Knowledge,
        Self::DeadLetters,
        Self::Journal,
    ];

    /// Name of the topic, of its folder, and (with a prefix) in Kafka.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::Symptoms => "symptoms",
            Self::Incidents => "incidents",
            Self::Plans => "plans",
            Self::Outcomes => "outcomes",
            Self::Knowledge => "knowledge",
            Self::DeadLetters => "dead_letters",
            Self::Journal => "journal",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Topic {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|topic| topic.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no topic `{text}`; the topics are {names}")
        })
    }
}

/// What is appended to a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Event time.
    pub timestamp: Timestamp,
    /// Records of one key keep their order.
    pub key: Vec<u8>,
    /// CloudEvents attributes (`ce_type`, `ce_id`, …) and others, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Payload.
    pub value: Vec<u8>,
}

/// A record with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// 0 for the first of a partition; grows by one.
    pub offset: u64,
    /// The record.
    pub record: Record,
}

/// A topic operation failed. Named by what the operator does next.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The disk or broker did not do it; may be retried.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path or address.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// Stored bytes are not what was written, before the tail.
    #[error("{path} is damaged at byte {position}: {reason}")]
    Corrupt {
        /// File.
        path: String,
        /// Where.
        position: u64,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds the log, or a newer producer has taken over.
    #[error("{0}")]
    Fenced(String),
    /// The offset is no longer (retention) or not yet there.
    #[error("{topic}/{partition} has offsets {start}..{end}, not {offset}")]
    OutOfRange {
        /// Topic.
        topic: Topic,
        /// Partition.
        partition: u32,
        /// Asked for.
        offset: u64,
        /// First there is.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// The request makes no sense: no such partition, record too large.
    #[error("{0}")]
    Invalid(String),
}

/// The contract of a topic store. One writer.
///
/// Everything since the last [`Topics::commit`] or [`Topics::abort`] is one transaction
/// over all topics: appended records and committed positions become visible and durable
/// together, or not at all. Readers see committed records only. After a crash the store
/// opens in the state of the last commit.
pub trait Topics: Send {
    /// Number of partitions of a topic, at least 1.
    fn partitions(&self, topic: Topic) -> u32;

    /// Adds records to the open transaction. Gives the offset that the first of them will have.
    ///
    /// # Errors
    /// If there is no such partition, a record is too large, or the store fails.
    fn append(&mut self, topic: Topic, partition: u32, records: &[Record]) -> Result<u64, TopicError>;

    /// Adds a reader's position (next offset to read) to the open transaction.
    ///
    /// # Errors
    /// If there is no such partition.
    fn commit_position(
        &mut self,
        group: &str,
        topic: Topic,
        partition: u32,
        next: u64,
    ) -> Result<(), TopicError>;

    /// Ends the transaction: all of it becomes visible and, as the fsync policy says, durable.
    ///
    /// # Errors
    /// If the store fails; the transaction is then undone, or the store must be reopened.
    fn commit(&mut self) -> Result<(), TopicError>;

    /// Ends the transaction and forgets it.
    ///
    /// # Errors
    /// If the store fails.
    fn abort(&mut self) -> Result<(), TopicError>;

    /// Committed records from offset `from` on, until `bytes_max` is passed (at least one
    /// if there is one); empty at the end.
    ///
    /// # Errors
    /// If `from` was removed by retention or lies past the end, or bytes are damaged.
    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError>;

    /// First offset that is still there.
    fn start(&self, topic: Topic, partition: u32) -> u64;

    /// One past the last committed offset.
    fn end(&self, topic: Topic, partition: u32) -> u64;

    /// Committed position of a reader.
    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64>;
}
