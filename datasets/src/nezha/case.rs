//! The labels: what was injected.

use std::{fs, path::Path};

use serde::Deserialize;
use theriac_contract::{Interval, SourceError, Timestamp};

/// One injected fault. For scoring alone: nothing of it goes into the engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Case {
    /// Name.
    pub id: String,
    /// Day that it lies in.
    pub day: String,
    /// When the fault began. (`inject_timestamp` in the file is wrong by hours and not read.)
    pub inject_time: Timestamp,
    /// Pod that it was injected into.
    pub inject_pod: String,
    /// Service of that pod.
    pub service: String,
    /// `cpu_contention`, `cpu_consumed`, `network_delay`, `exception` or `return`.
    pub fault_type: String,
    /// One element: a column of the pod metrics. Two: the region of the code between two log
    /// lines or operations.
    pub root_cause: Vec<String>,
    /// Files around it.
    pub minutes: Minutes,
    /// Rank that the authors' own run gave to the cause; none if it was not found.
    pub nezha_released_rank: Option<u32>,
}

/// Minute files around a case, `HH_MM`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Minutes {
    /// Mostly free of the fault.
    pub before: String,
    /// First minute of the fault.
    pub fault_1: String,
    /// Second minute: the one that the published evaluation reads.
    pub fault_2_scored: String,
}

impl Case {
    /// How long each fault lasted.
    pub const LASTS: Interval = Interval::from_seconds(180);

    /// Reads `cases.json` of a folder, in the order of time.
    ///
    /// # Errors
    /// If it is missing or is not what it should be.
    pub fn read(folder: &Path) -> Result<Vec<Self>, SourceError> {
        let path = folder.join("cases.json");
        let origin = path.display().to_string();
        let text = fs::read(&path).map_err(|source| SourceError::Io { origin: origin.clone(), source })?;
        let mut cases: Vec<Self> = serde_json::from_slice(&text)
            .map_err(|error| SourceError::Unreadable { origin: origin.clone(), reason: error.to_string() })?;
        if cases.is_empty() {
            let reason = "it lists no case; datasets/README.md describes the layout".to_owned();
            return Err(SourceError::Unreadable { origin, reason });
        }
        cases.sort_by(|a, b| (a.inject_time, &a.id).cmp(&(b.inject_time, &b.id)));
        Ok(cases)
    }

    /// When the fault ended.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.inject_time.plus(Self::LASTS)
    }
}
