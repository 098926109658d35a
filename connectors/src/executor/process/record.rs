//! What is remembered of a service across restarts of the engine.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use theriac_contract::Id;

use super::identity::Identity;

/// Releases that are remembered of a service.
const RELEASES_MAX: usize = 16;
/// Rollbacks of a service that can still be taken back.
const SWITCHES_MAX: usize = 64;

/// What is remembered of a service. Written whole, to another file that takes its place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Record {
    /// Its process.
    pub(super) process: Option<Identity>,
    /// One is being started: set before, and taken back with the note of its number.
    pub(super) starting: bool,
    /// Targets that the release link had, the newest last.
    pub(super) releases: VecDeque<PathBuf>,
    /// Rollbacks, the newest last.
    pub(super) switches: VecDeque<Switch>,
}

/// A rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Switch {
    /// Key of the command.
    pub(super) key: Id,
    /// Where the link led.
    pub(super) before: PathBuf,
    /// Where it leads since.
    pub(super) after: PathBuf,
}

impl Record {
    /// Reads it; without a file it is empty.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let mend = "see which process runs, then move the file away";
                io::Error::new(ErrorKind::InvalidData, format!("it is damaged: {error}; {mend}"))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Writes it to disk.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let scratch = path.with_extension("new");
        let mut file = File::create(&scratch)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&scratch, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// Notes where the release link leads. Gives whether that is news.
    pub(super) fn note_release(&mut self, target: PathBuf) -> bool {
        if self.releases.back() == Some(&target) {
            return false;
        }
        self.releases.push_back(target);
        let excess = self.releases.len().saturating_sub(RELEASES_MAX);
        self.releases.drain(..excess);
        true
    }

    /// The release before `now`, as far as it is remembered.
    pub(super) fn release_before(&self, now: &Path) -> Option<&Path> {
        self.releases.iter().rev().find(|release| release.as_path() != now).map(PathBuf::as_path)
    }

    /// Notes a switch. What was noted for the key first stays, since another attempt finds the link
    /// switched already.
    pub(super) fn note_switch(&mut self, switch: Switch) {
        if self.switched(|known| known.key == switch.key).is_none() {
            self.switches.push_back(switch);
            let excess = self.switches.len().saturating_sub(SWITCHES_MAX);
            self.switches.drain(..excess);
        }
    }

    /// The switch that is looked for.
    pub(super) fn switched(&self, looked_for: impl Fn(&Switch) -> bool) -> Option<&Switch> {
        self.switches.iter().find(|switch| looked_for(switch))
    }
}
