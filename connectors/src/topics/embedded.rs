//! The log as the contract sees it.

use std::path::{Path, PathBuf};

use theriac_contract::{
    Record, StoredRecord, Topic, TopicError, Topics,
    seeded::{self, Bug},
};

use super::{
    commits::{self, State},
    corrupt,
    place::{Extent, Place},
    read::{self, Marks},
    settings::{Fsync, Settings},
    writer::Writer,
};

/// Topics in a directory.
pub struct Embedded {
    dir: PathBuf,
    state: State,
    marks: Marks,
    /// None if it is open to read.
    writer: Option<Writer>,
}

impl Embedded {
    /// Opens the log to write, makes it if it is not there, and cuts off what a crash left
    /// uncommitted.
    ///
    /// # Errors
    /// [`TopicError::Fenced`] if another process writes to it, [`TopicError::Corrupt`] if
    /// committed bytes are not what they were, [`TopicError::Invalid`] if the settings make
    /// no sense, [`TopicError::Io`] if the disk fails.
    pub fn open(dir: &Path, settings: Settings) -> Result<Self, TopicError> {
        let (writer, state) = Writer::open(dir, settings)?;
        Ok(Self { dir: dir.to_owned(), state, marks: Marks::default(), writer: Some(writer) })
    }

    /// Opens the log to read, also beside a writer. What is committed later is seen after
    /// [`Embedded::refresh`].
    ///
    /// # Errors
    /// [`TopicError::Corrupt`] if there is no log or its commit log is damaged,
    /// [`TopicError::Io`] if the disk fails.
    pub fn open_to_read(dir: &Path) -> Result<Self, TopicError> {
        let mut log =
            Self { dir: dir.to_owned(), state: State::default(), marks: Marks::default(), writer: None };
        log.refresh()?;
        Ok(log)
    }

    /// Takes notice of what a writer in another process committed since.
    ///
    /// # Errors
    /// As [`Embedded::open_to_read`].
    pub fn refresh(&mut self) -> Result<(), TopicError> {
        if self.writer.is_some() {
            return Ok(());
        }
        let read = commits::read(&self.dir)?;
        let none = || corrupt(&self.dir.join("commits"), 0, "no commit is in it: there is no log here");
        self.state = read.ok_or_else(none)?.state;
        for (place, extent) in &self.state.partitions {
            self.marks.forget(*place, extent.start);
        }
        Ok(())
    }

    /// Forces every commit to the disk, whatever the policy says.
    ///
    /// # Errors
    /// [`TopicError::Io`] if the disk fails.
    pub fn flush(&mut self) -> Result<(), TopicError> {
        self.writer.as_mut().map_or(Ok(()), Writer::flush)
    }

    fn writer(&mut self) -> Result<(&mut Writer, &mut State), TopicError> {
        let Self { dir, state, writer, .. } = self;
        match writer {
            Some(writer) => Ok((writer, state)),
            None => Err(TopicError::Invalid(format!("{} is open to read only", dir.display()))),
        }
    }

    fn extent(&self, topic: Topic, partition: u32) -> Option<&Extent> {
        self.state.partitions.get(&Place { topic, partition })
    }
}

impl Topics for Embedded {
    fn partitions(&self, topic: Topic) -> u32 {
        match &self.writer {
            Some(writer) => writer.settings().partitions(topic),
            None => {
                let of_topic = self.state.partitions.keys().filter(|place| place.topic == topic);
                of_topic.map(|place| place.partition + 1).max().unwrap_or(1)
            }
        }
    }

    fn append(&mut self, topic: Topic, partition: u32, records: &[Record]) -> Result<u64, TopicError> {
        let (writer, state) = self.writer()?;
        writer.append(state, Place { topic, partition }, records)
    }

    fn commit_position(
        &mut self,
        group: &str,
        topic: Topic,
        partition: u32,
        next: u64,
    ) -> Result<(), TopicError> {
        let (writer, state) = self.writer()?;
        writer.commit_position(group, Place { topic, partition }, next)?;
        if seeded::on(Bug::PositionOutsideTransaction) {
            state.positions.entry(group.to_owned()).or_default().insert(Place { topic, partition }, next);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), TopicError> {
        let (writer, state) = self.writer()?;
        for place in writer.commit(state)? {
            self.marks.forget(place, self.start(place.topic, place.partition));
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TopicError> {
        self.writer()?.0.abort()
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        let (start, end) = (self.start(topic, partition), self.end(topic, partition));
        if partition >= self.partitions(topic) {
            return Err(TopicError::Invalid(format!("topic {topic} has no partition {partition}")));
        }
        if from < start || from > end {
            return Err(TopicError::OutOfRange { topic, partition, offset: from, start, end });
        }
        let place = Place { topic, partition };
        let Some(extent) = self.extent(topic, partition) else { return Ok(Vec::new()) };
        let records = read::records(&self.dir, place, extent, &self.marks, from, bytes_max);
        // Beside a writer, retention may have taken the segment since the last refresh.
        if self.writer.is_none()
            && matches!(&records, Err(TopicError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound)
            && let Some(now) =
                commits::read(&self.dir)?.and_then(|read| read.state.partitions.get(&place).cloned())
            && from < now.start
        {
            return Err(TopicError::OutOfRange {
                topic,
                partition,
                offset: from,
                start: now.start,
                end: now.end,
            });
        }
        records
    }

    fn start(&self, topic: Topic, partition: u32) -> u64 {
        self.extent(topic, partition).map_or(0, |extent| extent.start)
    }

    fn end(&self, topic: Topic, partition: u32) -> u64 {
        self.extent(topic, partition).map_or(0, |extent| extent.end)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        self.state.positions.get(group)?.get(&Place { topic, partition }).copied()
    }
}

impl Drop for Embedded {
    /// With an interval, the last commits may not be on the disk yet.
    fn drop(&mut self) {
        if let Some(writer) = &mut self.writer
            && matches!(writer.fsync(), Fsync::Interval(_))
        {
            // A failure here leaves what the policy allows to be lost; there is nobody to tell.
            let _ = writer.flush();
        }
    }
}
