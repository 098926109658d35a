//! Topics that live as long as the process: for runs of which only the result is kept.

use std::collections::BTreeMap;

use theriac_contract::{Record, StoredRecord, Topic, TopicError, Topics};

type Partition = (Topic, u32);

/// One partition a topic, in memory.
#[derive(Debug, Default)]
pub struct Memory {
    records: BTreeMap<Topic, Vec<Record>>,
    positions: BTreeMap<(String, Partition), u64>,
    open: Vec<(Topic, Record)>,
    open_positions: Vec<(String, Partition, u64)>,
    dropped: Vec<Topic>,
}

impl Memory {
    /// Topics that forget what is appended to some of them: their ends move on, and nothing of them
    /// can be read.
    #[must_use]
    pub fn forgetting(topics: &[Topic]) -> Self {
        Self { dropped: topics.to_vec(), ..Self::default() }
    }

    fn of(&self, topic: Topic) -> &[Record] {
        self.records.get(&topic).map_or(&[], Vec::as_slice)
    }

    fn check(topic: Topic, partition: u32) -> Result<(), TopicError> {
        if partition == 0 {
            return Ok(());
        }
        Err(TopicError::Invalid(format!("{topic} has one partition, and none with number {partition}")))
    }
}

impl Topics for Memory {
    fn partitions(&self, _: Topic) -> u32 {
        1
    }

    fn append(&mut self, topic: Topic, partition: u32, records: &[Record]) -> Result<u64, TopicError> {
        Self::check(topic, partition)?;
        let waiting = self.open.iter().filter(|(of, _)| *of == topic).count();
        let first = (self.of(topic).len() + waiting) as u64;
        let kept = !self.dropped.contains(&topic);
        let record = |record: &Record| if kept { record.clone() } else { Record::default() };
        self.open.extend(records.iter().map(|one| (topic, record(one))));
        Ok(first)
    }

    fn commit_position(
        &mut self,
        group: &str,
        topic: Topic,
        partition: u32,
        next: u64,
    ) -> Result<(), TopicError> {
        Self::check(topic, partition)?;
        self.open_positions.push((group.to_owned(), (topic, partition), next));
        Ok(())
    }

    fn commit(&mut self) -> Result<(), TopicError> {
        for (topic, record) in self.open.drain(..) {
            self.records.entry(topic).or_default().push(record);
        }
        for (group, partition, next) in self.open_positions.drain(..) {
            self.positions.insert((group, partition), next);
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TopicError> {
        self.open.clear();
        self.open_positions.clear();
        Ok(())
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        Self::check(topic, partition)?;
        let all = self.of(topic);
        let (start, end) = (self.start(topic, partition), all.len() as u64);
        if from > end || from < start {
            return Err(TopicError::OutOfRange { topic, partition, offset: from, start, end });
        }
        let mut bytes = 0;
        let mut found = Vec::new();
        for (offset, record) in (from..).zip(&all[from as usize..]) {
            if !found.is_empty() && bytes + record.value.len() > bytes_max {
                break;
            }
            bytes += record.value.len();
            found.push(StoredRecord { offset, record: record.clone() });
        }
        Ok(found)
    }

    fn start(&self, topic: Topic, _: u32) -> u64 {
        if self.dropped.contains(&topic) { self.of(topic).len() as u64 } else { 0 }
    }

    fn end(&self, topic: Topic, _: u32) -> u64 {
        self.of(topic).len() as u64
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        self.positions.get(&(group.to_owned(), (topic, partition))).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        Record { value: text.as_bytes().to_vec(), ..Record::default() }
    }

    #[test]
    fn what_was_committed_is_there_and_what_was_not_is_not() {
        let mut topics = Memory::forgetting(&[Topic::Journal]);
        assert_eq!(topics.append(Topic::Plans, 0, &[record("a"), record("b")]).unwrap(), 0);
        assert_eq!(topics.append(Topic::Plans, 0, &[record("c")]).unwrap(), 2);
        assert_eq!(topics.end(Topic::Plans, 0), 0);
        topics.commit_position("reader", Topic::Plans, 0, 3).unwrap();
        topics.commit().unwrap();
        topics.append(Topic::Plans, 0, &[record("d")]).unwrap();
        topics.abort().unwrap();
        let values = |read: Vec<StoredRecord>| -> Vec<(u64, Vec<u8>)> {
            read.into_iter().map(|stored| (stored.offset, stored.record.value)).collect()
        };
        let all = values(topics.read(Topic::Plans, 0, 0, 100).unwrap());
        assert_eq!(all, [(0, b"a".to_vec()), (1, b"b".to_vec()), (2, b"c".to_vec())]);
        assert_eq!(values(topics.read(Topic::Plans, 0, 1, 0).unwrap()), [(1, b"b".to_vec())]);
        assert_eq!(topics.position("reader", Topic::Plans, 0), Some(3));
        assert!(matches!(topics.read(Topic::Plans, 0, 4, 1), Err(TopicError::OutOfRange { end: 3, .. })));
        assert!(topics.append(Topic::Plans, 1, &[]).is_err());
    }

    #[test]
    fn what_is_forgotten_has_offsets_all_the_same() {
        let mut topics = Memory::forgetting(&[Topic::Journal]);
        topics.append(Topic::Journal, 0, &[record("a")]).unwrap();
        topics.commit().unwrap();
        assert_eq!((topics.start(Topic::Journal, 0), topics.end(Topic::Journal, 0)), (1, 1));
        assert!(topics.read(Topic::Journal, 0, 0, 1).is_err());
        assert_eq!(topics.append(Topic::Journal, 0, &[record("b")]).unwrap(), 1);
    }
}
