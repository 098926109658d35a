//! A store in memory.

use theriac_contract::{Record, StoredRecord, Topic, TopicError, Topics};

/// Records of topics with one partition each.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) Vec<(Topic, Record)>);

impl Memory {
    /// With one more record.
    pub(crate) fn with(mut self, topic: Topic, payload: &impl serde::Serialize) -> Self {
        self.0.push((
            topic,
            Record {
                value: serde_json::to_vec(payload).expect("a payload can be written"),
                ..Record::default()
            },
        ));
        self
    }

    fn of(&self, topic: Topic) -> impl Iterator<Item = &Record> {
        self.0.iter().filter(move |(of, _)| *of == topic).map(|(_, record)| record)
    }
}

impl Topics for Memory {
    fn partitions(&self, _: Topic) -> u32 {
        1
    }
    fn append(&mut self, _: Topic, _: u32, _: &[Record]) -> Result<u64, TopicError> {
        Err(TopicError::Invalid("read only".into()))
    }
    fn commit_position(&mut self, _: &str, _: Topic, _: u32, _: u64) -> Result<(), TopicError> {
        Ok(())
    }
    fn commit(&mut self) -> Result<(), TopicError> {
        Ok(())
    }
    fn abort(&mut self) -> Result<(), TopicError> {
        Ok(())
    }
    fn read(&self, topic: Topic, _: u32, from: u64, _: usize) -> Result<Vec<StoredRecord>, TopicError> {
        let stored = (0..).zip(self.of(topic).cloned());
        Ok(stored.map(|(offset, record)| StoredRecord { offset, record }).skip(from as usize).collect())
    }
    fn start(&self, _: Topic, _: u32) -> u64 {
        0
    }
    fn end(&self, topic: Topic, _: u32) -> u64 {
        self.of(topic).count() as u64
    }
    fn position(&self, _: &str, _: Topic, _: u32) -> Option<u64> {
        None
    }
}
