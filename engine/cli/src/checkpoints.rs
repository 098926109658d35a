//! Where and how often state is saved, and what that costs.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use theriac_connectors::{
    objects::{Folder, Place},
    secret::Secret,
};
use theriac_contract::{Interval, Objects};
use theriac_engine::{CheckpointSettings, Saving};

use crate::output::note;

/// The section `checkpoint`.
///
/// ```yaml
/// checkpoint:
///   every: 30s
///   store: s3://bucket/path
///   options: { aws_region: eu-central-1 }
///   secrets: { aws_secret_access_key: { environment: S3_SECRET } }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CheckpointConfig {
    /// As [`CheckpointSettings::every`].
    pub(crate) every: Interval,
    /// As [`CheckpointSettings::rounds`].
    pub(crate) rounds: u64,
    /// As [`CheckpointSettings::keep`].
    pub(crate) keep: usize,
    /// Where `theriac run` saves state: a folder, or an object store; below `data_dir` if nothing
    /// is said. What is replayed or tried out is always saved below its own folder.
    pub(crate) store: Option<String>,
    /// Options of the object store; they come before what the environment says.
    pub(crate) options: BTreeMap<String, String>,
    /// Options whose values must not be shown.
    pub(crate) secrets: BTreeMap<String, Secret>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        let CheckpointSettings { every, rounds, keep } = CheckpointSettings::default();
        Self { every, rounds, keep, store: None, options: BTreeMap::new(), secrets: BTreeMap::new() }
    }
}

impl CheckpointConfig {
    /// Settings of the loop.
    pub(crate) const fn engine(&self) -> CheckpointSettings {
        CheckpointSettings { every: self.every, rounds: self.rounds, keep: self.keep }
    }

    /// A folder is taken from the one that the configuration lies in.
    pub(crate) fn below(mut self, folder: &Path) -> Self {
        if let Some(url) = &self.store
            && !url.contains("://")
        {
            self.store = Some(folder.join(url).display().to_string());
        }
        self
    }

    fn place(&self) -> Option<Place> {
        let url = self.store.clone()?;
        Some(Place { url, options: self.options.clone(), secrets: self.secrets.clone() })
    }

    /// Whether the store can be opened, as far as can be said without asking it.
    pub(crate) fn check(&self) -> Result<()> {
        match self.place() {
            Some(place) if place.folder().is_none() => place.open("").map(drop).context("`checkpoint`"),
            _ => Ok(()),
        }
    }

    /// Opens the part `below` of the store that it names, or of `folder`.
    pub(crate) fn open(&self, folder: &Path, below: &str) -> Result<Arc<dyn Objects>> {
        match self.place() {
            Some(place) => place.open(below).context("`checkpoint`"),
            None => open_folder(&folder.join(below)),
        }
    }
}

/// Opens a folder of checkpoints.
pub(crate) fn open_folder(path: &Path) -> Result<Arc<dyn Objects>> {
    Ok(Arc::new(Folder::open(path)?))
}

/// What saving the state once has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// The loop stood still for so long.
    pub(crate) held: Duration,
    /// From when the state was begun to be taken until it was known to be written.
    pub(crate) took: Duration,
    /// Bytes written.
    pub(crate) bytes: u64,
}

/// Measures what saving the state costs.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    begun: Option<Instant>,
    held: Duration,
}

impl Meter {
    /// Takes notice of a step; gives the cost at the last one.
    pub(crate) fn saving(&mut self, saving: &Saving<'_>) -> Option<Cost> {
        let passed = || self.begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        match saving {
            Saving::Begun => self.begun = Some(Instant::now()),
            Saving::Taken { .. } => self.held = passed(),
            Saving::Saved { bytes, .. } => {
                return Some(Cost { held: self.held, took: passed(), bytes: *bytes });
            }
            Saving::Failed { .. } => {}
        }
        None
    }
}

/// Tells what a service saves: failures always, and what the others cost if it is `verbose`.
pub(crate) fn tell(meter: &mut Meter, saving: &Saving<'_>, verbose: bool) {
    let cost = meter.saving(saving);
    match (saving, cost) {
        (Saving::Failed { round, error }, _) => note!(
            "the state after round {round} could not be saved: {error}; a restart would begin from the checkpoint before, and it is tried again when the next one is due"
        ),
        (Saving::Saved { round, .. }, Some(Cost { held, took, bytes })) if verbose => {
            note!("saved round {round}: {bytes} bytes; held the loop for {held:.1?}, took {took:.1?}");
        }
        _ => {}
    }
}
