//! How the log is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Interval, Topic, TopicError};

use super::frame;

/// Partitions that a topic can have: each is looked at when the log is opened.
pub(super) const PARTITIONS_MAX: u32 = 1024;

/// When committed bytes are forced to the disk. Written as `every_commit`, `never`, or a
/// length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Fsync {
    /// Before a commit returns.
    #[default]
    EveryCommit,
    /// By the first commit whose newest record is at least this much later, in event time,
    /// than that of the last one that did.
    Interval(Interval),
    /// The system decides.
    Never,
}

impl TryFrom<String> for Fsync {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "every_commit" => Ok(Self::EveryCommit),
            "never" => Ok(Self::Never),
            other => other.parse().map(Self::Interval).map_err(|_| {
                format!("`{text}` is no fsync policy; write every_commit, never, or a length of time as 5s")
            }),
        }
    }
}

impl From<Fsync> for String {
    fn from(fsync: Fsync) -> Self {
        match fsync {
            Fsync::EveryCommit => "every_commit".to_owned(),
            Fsync::Interval(interval) => interval.to_string(),
            Fsync::Never => "never".to_owned(),
        }
    }
}

/// Settings of the embedded log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// When committed bytes are forced to the disk.
    pub fsync: Fsync,
    /// A segment that would grow beyond this is closed and a new one begun.
    pub segment_bytes: u64,
    /// Largest record: its frame with key, headers and value.
    pub record_bytes_max: usize,
    /// Whenever a segment is closed, the oldest closed ones go until those that are left
    /// hold at most this many bytes; 0 keeps all.
    pub retention_bytes: u64,
    /// Whenever a segment is closed, closed ones go whose newest record is older than this,
    /// in event time, than the newest of the partition; 0s keeps all.
    pub retention_age: Interval,
    /// Partitions of each topic.
    pub partitions: u32,
    /// The commit log is written anew as one line when it grows beyond this (and beyond twice
    /// the length of that line).
    pub commits_bytes: u64,
    /// What differs for a topic.
    pub topics: BTreeMap<Topic, TopicSettings>,
}

/// What differs for one topic; what is not said is as for all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// As [`Settings::segment_bytes`].
    pub segment_bytes: Option<u64>,
    /// As [`Settings::retention_bytes`].
    pub retention_bytes: Option<u64>,
    /// As [`Settings::retention_age`].
    pub retention_age: Option<Interval>,
    /// As [`Settings::partitions`].
    pub partitions: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fsync: Fsync::EveryCommit,
            segment_bytes: 64 << 20,
            record_bytes_max: 64 << 20,
            retention_bytes: 0,
            retention_age: Interval(0),
            partitions: 1,
            commits_bytes: 4 << 20,
            topics: BTreeMap::new(),
        }
    }
}

impl Settings {
    pub(super) fn partitions(&self, topic: Topic) -> u32 {
        self.topics.get(&topic).and_then(|own| own.partitions).unwrap_or(self.partitions)
    }

    pub(super) fn segment_bytes(&self, topic: Topic) -> u64 {
        self.topics.get(&topic).and_then(|own| own.segment_bytes).unwrap_or(self.segment_bytes)
    }

    pub(super) fn retention_bytes(&self, topic: Topic) -> u64 {
        self.topics.get(&topic).and_then(|own| own.retention_bytes).unwrap_or(self.retention_bytes)
    }

    pub(super) fn retention_age(&self, topic: Topic) -> Interval {
        self.topics.get(&topic).and_then(|own| own.retention_age).unwrap_or(self.retention_age)
    }

    pub(super) fn check(&self) -> Result<(), TopicError> {
        for topic in Topic::ALL {
            if !(1..=PARTITIONS_MAX).contains(&self.partitions(topic)) {
                return Err(TopicError::Invalid(format!(
                    "topic {topic}: `partitions` must be at least 1 and at most {PARTITIONS_MAX}"
                )));
            }
            if self.retention_age(topic).0 < 0 {
                return Err(TopicError::Invalid(format!(
                    "topic {topic}: `retention_age` must not be negative"
                )));
            }
        }
        if self.record_bytes_max > frame::BYTES_MAX {
            let most = frame::BYTES_MAX;
            return Err(TopicError::Invalid(format!("`record_bytes_max` must be at most {most}")));
        }
        Ok(())
    }
}
