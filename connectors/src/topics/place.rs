//! A partition of a topic: its name, its folder, and what is committed of it.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use theriac_contract::{
    Timestamp, Topic,
    seeded::{self, Bug},
};

/// One partition of one topic, written `symptoms/0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: Topic,
    pub(super) partition: u32,
}

impl Place {
    pub(super) fn folder(self, dir: &Path) -> PathBuf {
        dir.join(self.topic.name()).join(self.partition.to_string())
    }

    pub(super) fn segment(self, dir: &Path, base: u64) -> PathBuf {
        self.folder(dir).join(format!("{base:020}.segment"))
    }
}

/// The first offset that the name of a segment file says; none for another file.
pub(super) fn base_of(file_name: &str) -> Option<u64> {
    let digits = file_name.strip_suffix(".segment")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (topic, partition) = text.split_once('/').ok_or_else(|| format!("`{text}` is no partition"))?;
        let partition = partition.parse().map_err(|_| format!("`{partition}` is no partition number"))?;
        Ok(Self { topic: topic.parse()?, partition })
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A segment as far as it is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Segment {
    /// Offset of its first record.
    pub(super) base: u64,
    /// Committed length of the file.
    pub(super) bytes: u64,
    /// Latest event time in it.
    pub(super) newest: Timestamp,
}

/// A partition, or what a transaction changed of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extent {
    /// First offset.
    pub(super) start: u64,
    /// One past the last offset.
    pub(super) end: u64,
    /// Oldest first; only the last is written to.
    pub(super) segments: Vec<Segment>,
}

impl Extent {
    /// What `self` changed since `before`.
    pub(super) fn since(&self, before: &Self) -> Self {
        let old = |segment: &Segment| before.segments.contains(segment);
        let segments = self.segments.iter().filter(|segment| !old(segment)).copied().collect();
        Self { start: self.start, end: self.end, segments }
    }

    /// Takes over a change.
    pub(super) fn apply(&mut self, change: Self) {
        self.start = change.start;
        self.end = change.end;
        for segment in change.segments {
            match self.segments.iter_mut().find(|old| old.base == segment.base) {
                Some(old) => *old = segment,
                None => self.segments.push(segment),
            }
        }
        self.segments.retain(|segment| segment.base >= change.start);
    }

    /// Whether a log can be like this. Offsets stay below the half of their range, so that
    /// they can be counted on.
    pub(super) fn is_sound(&self) -> bool {
        let first = self.segments.first().map_or(self.end, |segment| segment.base);
        let ascend = self.segments.is_sorted_by(|a, b| a.base < b.base);
        let within = self.segments.last().is_none_or(|segment| segment.base <= self.end);
        first == self.start && ascend && within && self.end <= u64::MAX / 2
    }

    /// Lets go of closed segments beyond the limits; a limit of 0 keeps all.
    pub(super) fn retain(&mut self, bytes_max: u64, age_max: i64) {
        let Some((_, closed)) = self.segments.split_last() else { return };
        let newest = self.segments.iter().map(|segment| segment.newest.0).max().unwrap_or(i64::MIN);
        let mut bytes: u64 = closed.iter().map(|segment| segment.bytes).sum();
        let mut gone = 0;
        for segment in closed {
            let too_old = age_max > 0 && newest.saturating_sub(segment.newest.0) > age_max;
            let too_much = bytes_max > 0 && bytes > bytes_max;
            if !too_old && !too_much {
                break;
            }
            bytes -= segment.bytes;
            gone += 1;
        }
        if gone > 0 && gone < closed.len() && seeded::on(Bug::RetentionOneTooMany) {
            gone += 1;
        }
        self.segments.drain(..gone);
        self.start = self.segments.first().map_or(self.end, |segment| segment.base);
    }
}
