//! The one writer: the open transaction, and what makes it durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use theriac_contract::{
    Record, Timestamp, Topic, TopicError,
    seeded::{self, Bug},
};

use super::{
    commits::{self, Commits, State},
    corrupt, frame, io_error,
    place::{self, Extent, Place, Segment},
    read::Frames,
    settings::{Fsync, Settings},
};

pub(super) struct Writer {
    dir: PathBuf,
    settings: Settings,
    commits: Commits,
    open: Transaction,
    /// The segments that are written to.
    files: BTreeMap<Place, (u64, File)>,
    /// Files and folders with bytes that may not be on the disk yet.
    unsynced: BTreeSet<PathBuf>,
    /// Event time of the last commit that was forced to the disk.
    synced: Option<Timestamp>,
    /// A commit failed half-way.
    broken: bool,
    _lock: File,
}

#[derive(Default)]
struct Transaction {
    partitions: BTreeMap<Place, Appended>,
    positions: BTreeMap<String, BTreeMap<Place, u64>>,
    newest: Option<Timestamp>,
}

/// A partition as it will be, with the bytes that are to be written to each segment.
struct Appended {
    extent: Extent,
    bytes: BTreeMap<u64, Vec<u8>>,
}

impl Writer {
    /// Takes the directory and brings its files to the state of the last commit.
    pub(super) fn open(dir: &Path, settings: Settings) -> Result<(Self, State), TopicError> {
        settings.check()?;
        let sync = settings.fsync != Fsync::Never;
        create(dir, sync)?;
        let lock = lock(dir)?;
        let new = dir.join("commits.new");
        if new.exists() {
            fs::remove_file(&new).map_err(io_error("removing", &new))?;
        }
        let (commits, state) = match commits::read(dir)? {
            Some(read) => {
                let mut commits = Commits::resume(dir, &read, settings.commits_bytes)?;
                commits.compact(&read.state, sync)?;
                (commits, read.state)
            }
            None if has_segments(dir)? => {
                let reason = "there are segments, but no commit that says what is in them; restore the file \
                              or take the directory away";
                return Err(corrupt(&dir.join("commits"), 0, reason));
            }
            None => {
                let state = State::default();
                (Commits::create(dir, &state, settings.commits_bytes, sync)?, state)
            }
        };
        for place in state.partitions.keys() {
            let partitions = settings.partitions(place.topic);
            if place.partition >= partitions {
                let topic = place.topic;
                return Err(TopicError::Invalid(format!(
                    "{} holds records of {place}, but topic {topic} is set to {partitions} partition(s); \
                     `partitions` can grow, not shrink",
                    dir.display()
                )));
            }
        }
        for topic in Topic::ALL {
            for partition in 0..settings.partitions(topic) {
                let place = Place { topic, partition };
                repair(dir, place, state.partitions.get(&place).unwrap_or(&Extent::default()))?;
            }
        }
        let writer = Self {
            dir: dir.to_owned(),
            settings,
            commits,
            open: Transaction::default(),
            files: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            synced: None,
            broken: false,
            _lock: lock,
        };
        Ok((writer, state))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn append(
        &mut self,
        state: &State,
        place: Place,
        records: &[Record],
    ) -> Result<u64, TopicError> {
        self.check(place)?;
        let most = self.settings.record_bytes_max;
        if let Some(index) = records.iter().position(|record| frame::size(record) > most) {
            let size = frame::size(&records[index]);
            return Err(TopicError::Invalid(format!(
                "record {index} for {place} has {size} bytes; `record_bytes_max` allows {most}"
            )));
        }
        let committed = || state.partitions.get(&place).cloned().unwrap_or_default();
        if records.is_empty() {
            let open = self.open.partitions.get(&place).map(|open| open.extent.end);
            return Ok(open.unwrap_or_else(|| committed().end));
        }
        let new = || Appended { extent: committed(), bytes: BTreeMap::new() };
        let Appended { extent, bytes } = self.open.partitions.entry(place).or_insert_with(new);
        let first = extent.end;
        for record in records {
            let size = frame::size(record) as u64;
            let full = |last: &Segment| last.bytes + size > self.settings.segment_bytes(place.topic);
            if extent.segments.last().is_none_or(full) {
                let magic = frame::MAGIC;
                let segment =
                    Segment { base: extent.end, bytes: magic.len() as u64, newest: record.timestamp };
                extent.segments.push(segment);
                bytes.insert(segment.base, magic.to_vec());
                let age = self.settings.retention_age(place.topic);
                extent.retain(self.settings.retention_bytes(place.topic), age.0);
            }
            let Some(last) = extent.segments.last_mut() else { continue };
            frame::encode(extent.end, record, bytes.entry(last.base).or_default());
            last.bytes += size;
            last.newest = last.newest.max(record.timestamp);
            self.open.newest = self.open.newest.max(Some(record.timestamp));
            extent.end += 1;
        }
        Ok(first)
    }

    pub(super) fn commit_position(&mut self, group: &str, place: Place, next: u64) -> Result<(), TopicError> {
        self.check(place)?;
        self.open.positions.entry(group.to_owned()).or_default().insert(place, next);
        Ok(())
    }

    /// Makes the open transaction part of `state`. Gives the partitions that lost segments.
    pub(super) fn commit(&mut self, state: &mut State) -> Result<Vec<Place>, TopicError> {
        self.usable()?;
        let open = std::mem::take(&mut self.open);
        if open.partitions.is_empty() && open.positions.is_empty() {
            return Ok(Vec::new());
        }
        self.broken = true;
        let sync = match self.settings.fsync {
            Fsync::EveryCommit => true,
            Fsync::Never => false,
            Fsync::Interval(interval) => match (self.synced, open.newest) {
                (Some(last), Some(newest)) => newest.since(last) >= interval,
                (last, _) => last.is_none(),
            },
        };
        let mut change = State { transaction: state.transaction + 1, ..State::default() };
        change.positions = open.positions;
        let before = Extent::default();
        let mut gone = Vec::new();
        for (place, appended) in &open.partitions {
            for (base, bytes) in &appended.bytes {
                // A segment can be filled and let go within one transaction.
                if *base >= appended.extent.start {
                    self.write(*place, *base, bytes)?;
                }
            }
            let before = state.partitions.get(place).unwrap_or(&before);
            let kept = |old: &&Segment| old.base < appended.extent.start;
            gone.extend(before.segments.iter().filter(kept).map(|old| (*place, old.base)));
            change.partitions.insert(*place, appended.extent.since(before));
        }
        let early = seeded::on(Bug::CommitBeforeRecords);
        if sync && !early {
            self.sync_files()?;
        }
        self.commits.append(&change)?;
        state.apply(change);
        if sync && !seeded::on(Bug::CommitNotSynced) {
            self.commits.sync()?;
            if early {
                self.sync_files()?;
            }
            self.synced = open.newest.or(self.synced);
        }
        self.commits.compact(state, self.settings.fsync != Fsync::Never)?;
        for (place, base) in &gone {
            let path = place.segment(&self.dir, *base);
            self.unsynced.remove(&path);
            fs::remove_file(&path).map_err(io_error("removing", &path))?;
        }
        self.broken = false;
        Ok(gone.into_iter().map(|(place, _)| place).collect())
    }

    pub(super) fn abort(&mut self) -> Result<(), TopicError> {
        self.usable()?;
        if !seeded::on(Bug::AbortedRecordsKept) {
            self.open = Transaction::default();
        }
        Ok(())
    }

    /// Forces all commits to the disk.
    pub(super) fn flush(&mut self) -> Result<(), TopicError> {
        self.sync_files()?;
        self.commits.sync()
    }

    pub(super) fn fsync(&self) -> Fsync {
        self.settings.fsync
    }

    fn usable(&self) -> Result<(), TopicError> {
        if self.broken {
            let dir = self.dir.display();
            return Err(TopicError::Invalid(format!(
                "a commit to {dir} failed half-way: open the log again"
            )));
        }
        Ok(())
    }

    fn check(&self, place: Place) -> Result<(), TopicError> {
        self.usable()?;
        let partitions = self.settings.partitions(place.topic);
        if place.partition >= partitions {
            let topic = place.topic;
            return Err(TopicError::Invalid(format!(
                "there is no {place}: topic {topic} has {partitions} partition(s), numbered from 0"
            )));
        }
        Ok(())
    }

    fn write(&mut self, place: Place, base: u64, bytes: &[u8]) -> Result<(), TopicError> {
        let path = place.segment(&self.dir, base);
        if self.files.get(&place).is_none_or(|(open, _)| *open != base) {
            let folder = place.folder(&self.dir);
            if !path.exists() {
                fs::create_dir_all(&folder).map_err(io_error("creating", &folder))?;
                let parents = [self.dir.clone(), self.dir.join(place.topic.name()), folder];
                if !seeded::on(Bug::FoldersNotSynced) {
                    self.unsynced.extend(parents);
                }
            }
            let file = OpenOptions::new().create(true).append(true).open(&path);
            self.files.insert(place, (base, file.map_err(io_error("opening", &path))?));
        }
        if let Some((_, file)) = self.files.get_mut(&place) {
            file.write_all(bytes).map_err(io_error("writing", &path))?;
        }
        if self.settings.fsync != Fsync::Never && !seeded::on(Bug::RecordsNotSynced) {
            self.unsynced.insert(path);
        }
        Ok(())
    }

    fn sync_files(&mut self) -> Result<(), TopicError> {
        for path in &self.unsynced {
            commits::sync(path)?;
        }
        self.unsynced.clear();
        Ok(())
    }
}

/// Makes a folder, and those above it that are not there; they last from then on.
fn create(dir: &Path, sync: bool) -> Result<(), TopicError> {
    let missing = dir.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists());
    // Of one that is there nobody knows whether it lasts: who made it may have been killed.
    let unsettled = missing.count().max(1);
    fs::create_dir_all(dir).map_err(io_error("creating", dir))?;
    for above in dir.ancestors().skip(1).take(if sync { unsettled } else { 0 }) {
        commits::sync(if above.as_os_str().is_empty() { Path::new(".") } else { above })?;
    }
    Ok(())
}

fn lock(dir: &Path) -> Result<File, TopicError> {
    let path = dir.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(io_error("opening", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) if seeded::on(Bug::SecondWriterLetIn) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TopicError::Fenced(format!(
            "{} is being written to by another process; stop that one first, or open the log to read",
            dir.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io_error("locking", &path)(error)),
    }
}

/// Segment files of a partition, with their first offsets.
fn segments(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TopicError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error("listing", folder))? {
        let entry = entry.map_err(io_error("listing", folder))?;
        if let Some(base) = entry.file_name().to_str().and_then(place::base_of) {
            found.push((base, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

fn has_segments(dir: &Path) -> Result<bool, TopicError> {
    for topic in Topic::ALL {
        let folder = dir.join(topic.name());
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(io_error("listing", &folder))? {
            let partition = entry.map_err(io_error("listing", &folder))?.path();
            if partition.is_dir() && !segments(&partition)?.is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Cuts off what is not committed, and refuses if something committed is not there.
fn repair(dir: &Path, place: Place, extent: &Extent) -> Result<(), TopicError> {
    for (base, path) in segments(&place.folder(dir))? {
        if !extent.segments.iter().any(|segment| segment.base == base) {
            fs::remove_file(&path).map_err(io_error("removing", &path))?;
        }
    }
    for segment in &extent.segments {
        let path = place.segment(dir, segment.base);
        let length = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(corrupt(&path, 0, "committed records were in this file, and it is gone"));
            }
            Err(error) => return Err(io_error("looking at", &path)(error)),
        };
        if length < segment.bytes {
            let reason = format!("{} bytes were committed, the file has {length}", segment.bytes);
            return Err(corrupt(&path, length, reason));
        }
        if length > segment.bytes && !seeded::on(Bug::TornTailKept) {
            let file = OpenOptions::new().write(true).open(&path).map_err(io_error("opening", &path))?;
            file.set_len(segment.bytes).map_err(io_error("cutting", &path))?;
        }
    }
    if let Some(last) = extent.segments.last() {
        let path = place.segment(dir, last.base);
        let mut frames = Frames::open(path, *last, last.base, frame::MAGIC.len() as u64)?;
        while frames.next()?.is_some() {}
    }
    Ok(())
}
