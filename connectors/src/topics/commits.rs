//! The commit log: what is committed, one line for each transaction.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use theriac_contract::TopicError;

use super::{
    corrupt, io_error,
    place::{Extent, Place},
    settings::PARTITIONS_MAX,
};

/// All that is committed, or what one transaction changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// Transactions so far.
    pub(super) transaction: u64,
    pub(super) partitions: BTreeMap<Place, Extent>,
    /// By group.
    pub(super) positions: BTreeMap<String, BTreeMap<Place, u64>>,
}

impl State {
    pub(super) fn apply(&mut self, change: Self) {
        self.transaction = change.transaction;
        for (place, extent) in change.partitions {
            self.partitions.entry(place).or_default().apply(extent);
        }
        for (group, positions) in change.positions {
            self.positions.entry(group).or_default().extend(positions);
        }
    }

    /// The first thing in it that cannot be, whoever wrote it.
    fn flaw(&self) -> Option<String> {
        if self.transaction > u64::MAX / 2 {
            return Some(format!("there cannot be {} transactions", self.transaction));
        }
        let wrong =
            |(place, extent): &(&Place, &Extent)| place.partition >= PARTITIONS_MAX || !extent.is_sound();
        let (place, extent) = self.partitions.iter().find(wrong)?;
        let Extent { start, end, segments } = extent;
        Some(format!("partition {place} cannot have offsets {start}..{end} in {} segments", segments.len()))
    }

    fn line(&self) -> Result<Vec<u8>, TopicError> {
        let json = serde_json::to_vec(self)
            .map_err(|error| TopicError::Invalid(format!("a commit cannot be written: {error}")))?;
        let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
        line.extend_from_slice(&json);
        line.push(b'\n');
        Ok(line)
    }
}

fn parse(line: &[u8]) -> Result<State, String> {
    let (checksum, json) = line.split_at_checked(9).ok_or("the line is too short")?;
    if checksum != format!("{:08x} ", crc32fast::hash(json)).as_bytes() {
        return Err("the checksum of the line does not fit".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| format!("the line cannot be read: {error}"))
}

/// What a commit log says.
#[derive(Default)]
pub(super) struct Read {
    pub(super) state: State,
    /// Length of the whole lines.
    bytes: u64,
    /// Length of the first line; 0 if there is none.
    first_line_bytes: u64,
}

/// Reads the commit log; `None` if there is no whole line in it.
pub(super) fn read(dir: &Path) -> Result<Option<Read>, TopicError> {
    let path = path(dir);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("reading", &path)(error)),
    };
    let mut read = Read::default();
    let mut rest = bytes.as_slice();
    while let Some(length) = rest.iter().position(|byte| *byte == b'\n') {
        let change = parse(&rest[..length]).map_err(|reason| corrupt(&path, read.bytes, reason))?;
        if read.first_line_bytes == 0 {
            read.first_line_bytes = length as u64 + 1;
        } else if change.transaction.checked_sub(1) != Some(read.state.transaction) {
            let (last, this) = (read.state.transaction, change.transaction);
            return Err(corrupt(&path, read.bytes, format!("transaction {last} is followed by {this}")));
        }
        read.state.apply(change);
        read.bytes += length as u64 + 1;
        rest = &rest[length + 1..];
    }
    if let Some(flaw) = read.state.flaw() {
        return Err(corrupt(&path, read.bytes, flaw));
    }
    // A torn line misses bytes; a line that is whole but for its line feed was changed.
    if let Some((_, line)) = rest.split_last()
        && parse(line).is_ok()
    {
        let position = read.bytes + line.len() as u64;
        return Err(corrupt(&path, position, "the line feed after a commit was overwritten"));
    }
    Ok((read.first_line_bytes > 0).then_some(read))
}

fn path(dir: &Path) -> PathBuf {
    dir.join("commits")
}

/// The commit log, to append to.
pub(super) struct Commits {
    dir: PathBuf,
    file: File,
    bytes: u64,
    first_line_bytes: u64,
    bytes_max: u64,
}

impl Commits {
    /// Begins a commit log with one line.
    pub(super) fn create(dir: &Path, state: &State, bytes_max: u64, sync: bool) -> Result<Self, TopicError> {
        let (path, new) = (path(dir), dir.join("commits.new"));
        let line = state.line()?;
        let mut file = File::create(&new).map_err(io_error("creating", &new))?;
        file.write_all(&line).map_err(io_error("writing", &new))?;
        if sync {
            file.sync_all().map_err(io_error("flushing", &new))?;
        }
        fs::rename(&new, &path).map_err(io_error("replacing", &path))?;
        if sync {
            self::sync(dir)?;
        }
        let bytes = line.len() as u64;
        Ok(Self { dir: dir.to_owned(), file, bytes, first_line_bytes: bytes, bytes_max })
    }

    /// Goes on behind the whole lines of a commit log; what is behind them is cut off.
    pub(super) fn resume(dir: &Path, read: &Read, bytes_max: u64) -> Result<Self, TopicError> {
        let path = path(dir);
        let file = OpenOptions::new().append(true).open(&path).map_err(io_error("opening", &path))?;
        file.set_len(read.bytes).map_err(io_error("cutting", &path))?;
        let Read { bytes, first_line_bytes, .. } = *read;
        Ok(Self { dir: dir.to_owned(), file, bytes, first_line_bytes, bytes_max })
    }

    pub(super) fn append(&mut self, change: &State) -> Result<(), TopicError> {
        let line = change.line()?;
        self.file.write_all(&line).map_err(io_error("writing", &path(&self.dir)))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<(), TopicError> {
        self.file.sync_data().map_err(io_error("flushing", &path(&self.dir)))
    }

    /// Writes the log anew if it has grown enough. A function of its bytes alone: whether
    /// this is called right after the commit or on opening after a crash does not show.
    pub(super) fn compact(&mut self, state: &State, sync: bool) -> Result<(), TopicError> {
        if self.bytes > self.bytes_max.max(2 * self.first_line_bytes) {
            *self = Self::create(&self.dir, state, self.bytes_max, sync)?;
        }
        Ok(())
    }
}

/// Forces a file or folder to the disk.
pub(super) fn sync(path: &Path) -> Result<(), TopicError> {
    if path.is_dir() && !cfg!(unix) {
        return Ok(()); // Only Unix knows folders as files.
    }
    let file = File::open(path).map_err(io_error("opening", path))?;
    file.sync_all().map_err(io_error("flushing", path))
}
