//! State of all stages in a store of objects: a folder, or S3 and its like.
//!
//! ```text
//! 00000000000000000064-5b3c9a01-9f86d081884c7d65.detect.level.arrow   one Arrow IPC stream for each table
//!                                                .manifest.json       what is in it, with checksums
//!            round     made by   content
//! ```
//! No store but a folder can rename, so the manifest is put last: without it a checkpoint is not
//! there, and what a killed process left of one is removed later.
//!
//! The name holds a digest of the content. Whoever writes under a name writes the same bytes, so a
//! process that lost its shard and does not know it yet cannot spoil what the new owner wrote, and
//! needs no lock to be kept from it. What it writes is the true state after a round that is in the
//! journal, else it counts for nothing ([`Manifest::journal`]). It removes only what lies before that.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    ObjectError, Objects, StateTable, Timestamp,
    seeded::{self, Bug},
};

use crate::codec;

/// Version of the layout of a checkpoint.
pub const FORMAT: u32 = 2;

const MANIFEST: &str = "manifest.json";

/// What a checkpoint holds. No wall time: the same state gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// State after this round.
    pub round: u64,
    /// Latest event time.
    pub at: Timestamp,
    /// State of the environment after the round.
    pub environment: String,
    /// Ends of the output partitions after the round.
    pub ends: BTreeMap<String, u64>,
    /// Digest of the configuration that the round was done with.
    pub configuration: String,
    /// Digest of the round's entry in the journal: a journal that holds another one tells of
    /// other rounds than those that led to this state.
    pub journal: String,
    /// Knowledge version.
    pub knowledge_version: u64,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// One table of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Name; the object is `<checkpoint>.<name>.arrow`.
    pub name: String,
    /// Version of the table's layout.
    pub version: u16,
    /// Rows.
    pub rows: u64,
    /// Bytes of the object.
    pub bytes: u64,
    /// CRC-32 of the object.
    pub crc32: u32,
}

/// A checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] ObjectError),
    /// It is not what was written.
    #[error("checkpoint {name} is damaged: {reason}")]
    Damaged {
        /// Checkpoint or object.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

impl CheckpointError {
    /// Whether it is this checkpoint that is at fault, and another may be read in its place; not
    /// so where the store does not answer.
    #[must_use]
    pub const fn is_of_one(&self) -> bool {
        !matches!(self, Self::Store(ObjectError::Unavailable { .. }))
    }
}

fn digest(bytes: &[u8], digits: usize) -> String {
    blake3::hash(bytes).to_hex()[..digits].to_owned()
}

/// Name of a checkpoint. In order of rounds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// State after this round.
    pub round: u64,
    /// Digest of the configuration that the state was made with.
    made_by: String,
    /// Digest of the manifest, and with it of everything.
    content: String,
}

impl Name {
    /// Name of the checkpoint with this manifest, whose state was made with a configuration.
    #[must_use]
    pub fn of(round: u64, made_by: &str, manifest: &[u8]) -> Self {
        Self { round, made_by: digest(made_by.as_bytes(), 8), content: digest(manifest, 16) }
    }

    /// Whether its state was made with this configuration. Its last round may have been done with
    /// another one, before the configuration was changed.
    #[must_use]
    pub fn is_made_by(&self, configuration: &str) -> bool {
        self.made_by == digest(configuration.as_bytes(), 8)
    }

    /// Name of one of its objects: `manifest.json`, or `<table>.arrow`.
    #[must_use]
    pub fn object(&self, part: &str) -> String {
        format!("{self}.{part}")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}-{}-{}", self.round, self.made_by, self.content)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let (Some(round), Some(made_by), Some(content), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(());
        };
        let name = Self {
            round: round.parse().map_err(|_| ())?,
            made_by: made_by.to_owned(),
            content: content.to_owned(),
        };
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

/// The checkpoints of one loop.
#[derive(Clone)]
pub struct Checkpoints {
    objects: Arc<dyn Objects>,
    keep: usize,
}

impl Checkpoints {
    /// Checkpoints in a store that nothing else writes to. At least one is kept.
    #[must_use]
    pub fn new(objects: Arc<dyn Objects>, keep: usize) -> Self {
        Self { objects, keep: keep.max(1) }
    }

    /// Objects of every checkpoint, whole or not. Whatever else lies there is nobody's: it is
    /// neither read nor removed.
    fn objects(&self) -> Result<BTreeMap<Name, Vec<String>>, CheckpointError> {
        let mut objects: BTreeMap<Name, Vec<String>> = BTreeMap::new();
        for object in self.objects.list()? {
            if let Some(name) = object.split_once('.').and_then(|(name, _)| name.parse().ok()) {
                objects.entry(name).or_default().push(object);
            }
        }
        Ok(objects)
    }

    /// Checkpoints that are there with their manifests, ascending.
    ///
    /// # Errors
    /// If the store does not say.
    pub fn list(&self) -> Result<Vec<Name>, CheckpointError> {
        let is_whole = |(name, objects): &(Name, Vec<String>)| {
            objects.contains(&name.object(MANIFEST)) || seeded::on(Bug::HalfCheckpointAccepted)
        };
        Ok(self.objects()?.into_iter().filter(is_whole).map(|(name, _)| name).collect())
    }

    /// Ends what a process that was killed left half done at or before a round: a checkpoint half
    /// written, an old one half removed.
    ///
    /// # Errors
    /// If the store does not do it.
    pub fn tidy(&self, round: u64) -> Result<(), CheckpointError> {
        self.remove(round.saturating_add(1), self.keep)
    }

    /// Removes checkpoints before a round: all that are not whole, and of the others all but those
    /// of the last few rounds. Those of later rounds may be another's, who writes them right now.
    fn remove(&self, before: u64, keep: usize) -> Result<(), CheckpointError> {
        let mut kept = Vec::new();
        for (name, objects) in self.objects()?.into_iter().rev().filter(|(name, _)| name.round < before) {
            let manifest = name.object(MANIFEST);
            if objects.contains(&manifest) {
                if kept.len() < keep && kept.last() != Some(&name.round) {
                    kept.push(name.round);
                }
                if kept.contains(&name.round) {
                    continue;
                }
                // First of all, so that a half of it is never taken for a damaged one.
                self.objects.delete(&manifest)?;
            }
            objects
                .iter()
                .filter(|object| **object != manifest)
                .try_for_each(|object| self.objects.delete(object))?;
        }
        Ok(())
    }

    /// Writes a checkpoint whose state was made with a configuration, and removes those that are no
    /// longer kept. Fills in `manifest.tables`. Gives the bytes written.
    ///
    /// # Errors
    /// If a table cannot be written as Arrow, or the store does not take it.
    pub fn write(
        &self,
        mut manifest: Manifest,
        made_by: &str,
        tables: Vec<StateTable>,
    ) -> Result<u64, CheckpointError> {
        manifest.tables.clear();
        let mut encoded = Vec::with_capacity(tables.len());
        // Taken one by one: state is held twice for one table at a time.
        for StateTable { name, version, rows } in tables {
            let bytes = codec::encode(&rows)
                .map_err(|e| CheckpointError::Damaged { name: name.clone(), reason: e.to_string() })?;
            manifest.tables.push(Table {
                name,
                version,
                rows: rows.num_rows() as u64,
                bytes: bytes.len() as u64,
                crc32: crc32fast::hash(&bytes),
            });
            encoded.push(bytes);
        }
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has text keys and finite shapes");
        let name = Name::of(manifest.round, made_by, &text);
        let mut total = text.len() as u64;
        for (table, bytes) in manifest.tables.iter().zip(encoded) {
            total += table.bytes;
            self.objects.put(&name.object(&format!("{}.arrow", table.name)), bytes)?;
        }
        self.objects.put(&name.object(MANIFEST), text)?;
        let before = if seeded::on(Bug::OneCheckpointKept) { 0 } else { self.keep - 1 };
        self.remove(name.round, before)?;
        Ok(total)
    }

    /// Reads a checkpoint and checks every byte of it.
    ///
    /// # Errors
    /// If an object is missing, shorter, longer or changed, or the store does not answer.
    pub fn read(&self, name: &Name) -> Result<(Manifest, Vec<StateTable>), CheckpointError> {
        let damaged = |name: String, reason: String| CheckpointError::Damaged { name, reason };
        let object = name.object(MANIFEST);
        let text = self.objects.get(&object)?;
        if digest(&text, 16) != name.content {
            return Err(damaged(object, "its digest is not the one in its name".to_owned()));
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|e| damaged(object.clone(), e.to_string()))?;
        if manifest.format != FORMAT || manifest.round != name.round {
            let reason = format!(
                "it says format {} and round {}; format {FORMAT} and round {} were expected",
                manifest.format, manifest.round, name.round
            );
            return Err(damaged(object, reason));
        }
        let mut tables = Vec::new();
        for table in &manifest.tables {
            let object = name.object(&format!("{}.arrow", table.name));
            let bytes = self.objects.get(&object)?;
            let whole = bytes.len() as u64 == table.bytes && crc32fast::hash(&bytes) == table.crc32;
            if !whole && !seeded::on(Bug::CheckpointChecksumIgnored) {
                return Err(damaged(object, "its checksum is not the one in the manifest".to_owned()));
            }
            let rows = codec::decode(&bytes).map_err(|e| damaged(object, e.to_string()))?;
            tables.push(StateTable { name: table.name.clone(), version: table.version, rows });
        }
        Ok((manifest, tables))
    }
}

#[cfg(test)]
mod tests;
