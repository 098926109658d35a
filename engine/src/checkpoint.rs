//! State of all stages on disk.
//!
//! ```text
//! checkpoints/00000000000000000064/manifest.json      what is in it, with checksums
//!                                  detect.level.arrow  one Arrow IPC stream for each table
//! ```
//! Written to a folder `<round>.new`, flushed, renamed: a checkpoint is there whole or not
//! at all. The files are Arrow and can be queried as they are.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    StateTable, Timestamp,
    seeded::{self, Bug},
};

use crate::codec;

/// Version of the layout of a checkpoint folder.
pub const FORMAT: u32 = 1;

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
    /// Digest of the configuration.
    pub configuration: String,
    /// Knowledge version.
    pub knowledge_version: u64,
    /// Its tables.
    pub tables: Vec<Table>,
}

/// One table of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Name; the file is `<name>.arrow`.
    pub name: String,
    /// Version of the table's layout.
    pub version: u16,
    /// Rows.
    pub rows: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// CRC-32 of the file.
    pub crc32: u32,
}

/// A checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk did not do it.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("checkpoint {path} is damaged: {reason}")]
    Damaged {
        /// File or folder.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

fn at_path(path: &Path) -> impl FnOnce(io::Error) -> CheckpointError + '_ {
    move |source| CheckpointError::Io { path: path.display().to_string(), source }
}

/// The folder of checkpoints.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Opens the folder, making it if need be. At least one checkpoint is kept. Ends what a
    /// process that was killed left half done: a checkpoint half written, an old one half
    /// removed.
    ///
    /// # Errors
    /// If the folder cannot be made, or a remnant not be removed.
    pub fn open(folder: &Path, keep: usize) -> Result<Self, CheckpointError> {
        fs::create_dir_all(folder).map_err(at_path(folder))?;
        if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
            sync_folder(above)?;
        }
        for entry in fs::read_dir(folder).map_err(at_path(folder))? {
            let path = entry.map_err(at_path(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                if seeded::on(Bug::HalfCheckpointAccepted) {
                    fs::rename(&path, path.with_extension("")).map_err(at_path(&path))?;
                    continue;
                }
                fs::remove_dir_all(&path).map_err(at_path(&path))?;
            }
        }
        let checkpoints = Self { folder: folder.to_owned(), keep: keep.max(1) };
        checkpoints.prune()?;
        Ok(checkpoints)
    }

    /// Removes those that are no longer kept.
    fn prune(&self) -> Result<(), CheckpointError> {
        let keep = if seeded::on(Bug::OneCheckpointKept) { 1 } else { self.keep };
        for old in self.rounds()?.iter().rev().skip(keep) {
            let path = self.folder.join(format!("{old:020}"));
            fs::remove_dir_all(&path).map_err(at_path(&path))?;
        }
        Ok(())
    }

    /// Writes a checkpoint and removes those that are no longer kept. Fills in
    /// `manifest.tables`. Gives the bytes written.
    ///
    /// # Errors
    /// If the disk does not do it.
    pub fn write(&self, mut manifest: Manifest, tables: &[StateTable]) -> Result<u64, CheckpointError> {
        let name = format!("{:020}", manifest.round);
        let scratch = self.folder.join(format!("{name}.new"));
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(at_path(&scratch))?;
        }
        fs::create_dir_all(&scratch).map_err(at_path(&scratch))?;
        manifest.tables.clear();
        let mut total = 0;
        for table in tables {
            let path = scratch.join(format!("{}.arrow", table.name));
            let damaged = |e: arrow::error::ArrowError| CheckpointError::Damaged {
                path: path.display().to_string(),
                reason: e.to_string(),
            };
            let bytes = codec::encode(&table.rows).map_err(damaged)?;
            write_durably(&path, &bytes)?;
            total += bytes.len() as u64;
            manifest.tables.push(Table {
                name: table.name.clone(),
                version: table.version,
                rows: table.rows.num_rows() as u64,
                bytes: bytes.len() as u64,
                crc32: crc32fast::hash(&bytes),
            });
        }
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has text keys and finite shapes");
        write_durably(&scratch.join("manifest.json"), &text)?;
        sync_folder(&scratch)?;
        let target = self.folder.join(&name);
        if target.exists() {
            fs::remove_dir_all(&target).map_err(at_path(&target))?;
        }
        fs::rename(&scratch, &target).map_err(at_path(&target))?;
        sync_folder(&self.folder)?;
        self.prune()?;
        Ok(total + text.len() as u64)
    }

    /// Rounds that have a checkpoint, ascending.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn rounds(&self) -> Result<Vec<u64>, CheckpointError> {
        let mut rounds = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(at_path(&self.folder))? {
            let entry = entry.map_err(at_path(&self.folder))?;
            // Whatever else lies here is nobody's round: it is neither read nor removed.
            let name = entry.file_name().into_string().unwrap_or_default();
            rounds.extend(name.parse().ok().filter(|round: &u64| name == format!("{round:020}")));
        }
        rounds.sort_unstable();
        Ok(rounds)
    }

    /// Reads the checkpoint of a round and checks every byte of it.
    ///
    /// # Errors
    /// If a file is missing, shorter, longer or changed.
    pub fn read(&self, round: u64) -> Result<(Manifest, Vec<StateTable>), CheckpointError> {
        let folder = self.folder.join(format!("{round:020}"));
        let path = folder.join("manifest.json");
        let damaged = |path: &Path, reason: String| CheckpointError::Damaged {
            path: path.display().to_string(),
            reason,
        };
        let text = fs::read(&path).map_err(at_path(&path))?;
        let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| damaged(&path, e.to_string()))?;
        if manifest.format != FORMAT || manifest.round != round {
            let reason = format!(
                "it says format {} and round {}; format {FORMAT} and round {round} were expected",
                manifest.format, manifest.round
            );
            return Err(damaged(&path, reason));
        }
        let mut tables = Vec::new();
        for table in &manifest.tables {
            let path = folder.join(format!("{}.arrow", table.name));
            let bytes = fs::read(&path).map_err(at_path(&path))?;
            let whole = bytes.len() as u64 == table.bytes && crc32fast::hash(&bytes) == table.crc32;
            if !whole && !seeded::on(Bug::CheckpointChecksumIgnored) {
                return Err(damaged(&path, "its checksum is not the one in the manifest".to_owned()));
            }
            let rows = codec::decode(&bytes).map_err(|e| damaged(&path, e.to_string()))?;
            tables.push(StateTable { name: table.name.clone(), version: table.version, rows });
        }
        Ok((manifest, tables))
    }
}

fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), CheckpointError> {
    let mut file = File::create(path).map_err(at_path(path))?;
    file.write_all(bytes).map_err(at_path(path))?;
    if seeded::on(Bug::CheckpointNotSynced) {
        return Ok(());
    }
    file.sync_all().map_err(at_path(path))
}

fn sync_folder(path: &Path) -> Result<(), CheckpointError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at_path(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(round: u64) -> Manifest {
        Manifest {
            format: FORMAT,
            round,
            at: Timestamp(7),
            environment: "{}".to_owned(),
            ends: BTreeMap::from([("symptoms/0".to_owned(), 3)]),
            configuration: "c".to_owned(),
            knowledge_version: 2,
            tables: Vec::new(),
        }
    }

    fn tables() -> Vec<StateTable> {
        vec![StateTable::from_json("a", 1, &[1, 2, 3]).unwrap(), StateTable::from_json("b", 2, &"x").unwrap()]
    }

    #[test]
    fn keeps_the_last_few_and_gives_back_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        for round in [3, 9, 27] {
            checkpoints.write(manifest(round), &tables()).unwrap();
        }
        assert_eq!(checkpoints.rounds().unwrap(), [9, 27]);
        let (read, state) = checkpoints.read(27).unwrap();
        assert_eq!(read.ends, manifest(27).ends);
        assert_eq!(state, tables());
    }

    #[test]
    fn what_a_kill_left_half_done_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        for round in [9, 27] {
            checkpoints.write(manifest(round), &tables()).unwrap();
        }
        fs::create_dir(folder.path().join(format!("{:020}", 3))).unwrap();
        fs::create_dir(folder.path().join(format!("{:020}.new", 81))).unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 2).unwrap();
        assert_eq!(checkpoints.rounds().unwrap(), [9, 27]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_checkpoint_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["7", "+0000000000000000007", "notes.txt"] {
            fs::write(folder.path().join(name), "mine").unwrap();
        }
        let checkpoints = Checkpoints::open(folder.path(), 1).unwrap();
        checkpoints.write(manifest(27), &tables()).unwrap();
        assert_eq!(checkpoints.rounds().unwrap(), [27]);
        assert!(folder.path().join("7").is_file());
    }

    #[test]
    fn every_flipped_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path(), 1).unwrap();
        checkpoints.write(manifest(1), &tables()).unwrap();
        let path = folder.path().join(format!("{:020}", 1)).join("a.arrow");
        let whole = fs::read(&path).unwrap();
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            assert!(checkpoints.read(1).is_err(), "byte {position}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(checkpoints.read(1).is_err(), "length {length}");
        }
    }
}
