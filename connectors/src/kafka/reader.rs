//! The topics of a service on Kafka, of all of its shards, to read beside it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use theriac_contract::{Record, StoredRecord, Topic, TopicError, Topics};

use super::{
    client::KafkaFailure,
    partition::{Partition, Reader},
    settings::Settings,
    topics::committed,
};

/// Committed records of some topics: partition `s` of each is shard `s`. It has no producer and
/// is in no group, so a service that runs does not notice it.
pub struct KafkaReader {
    settings: Settings,
    reader: Mutex<Reader>,
    partitions: BTreeMap<Topic, Vec<Mutex<Partition>>>,
}

impl KafkaReader {
    /// Opens these topics as they are now. What is committed later is seen after
    /// [`KafkaReader::refresh`].
    ///
    /// # Errors
    /// If the broker does not answer, refuses, or has no such topic.
    pub fn open(settings: &Settings, topics: &[Topic]) -> Result<Self, TopicError> {
        let reader = Reader::open(settings)?;
        let mut partitions = BTreeMap::new();
        for topic in topics {
            let name = settings.topic(*topic);
            let count = reader.count(&name)?.ok_or_else(|| {
                let reason = format!(
                    "it is not there: no service with the prefix `{}` has run here; name its prefix with --prefix or `kafka.prefix`",
                    settings.prefix
                );
                KafkaFailure::new(name.clone(), reason)
            })?;
            let all = (0..count).map(|number| reader.partition(name.clone(), number).map(Mutex::new));
            partitions.insert(*topic, all.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Self { settings: settings.clone(), reader: Mutex::new(reader), partitions })
    }

    /// Takes notice of what was committed since.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub fn refresh(&mut self) -> Result<(), TopicError> {
        let reader = self.reader.get_mut().unwrap_or_else(PoisonError::into_inner);
        for partition in self.partitions.values_mut().flatten() {
            reader.refresh(partition.get_mut().unwrap_or_else(PoisonError::into_inner))?;
        }
        Ok(())
    }

    fn with<T>(&self, topic: Topic, partition: u32, call: impl FnOnce(&mut Partition) -> T) -> Option<T> {
        let found = self.partitions.get(&topic)?.get(usize::try_from(partition).ok()?)?;
        Some(call(&mut found.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn only_read() -> TopicError {
    TopicError::Invalid("topics on Kafka that are open to read only cannot be written".to_owned())
}

impl Topics for KafkaReader {
    fn partitions(&self, topic: Topic) -> u32 {
        self.partitions.get(&topic).map_or(1, |all| u32::try_from(all.len()).unwrap_or(u32::MAX).max(1))
    }

    fn append(&mut self, _: Topic, _: u32, _: &[Record]) -> Result<u64, TopicError> {
        Err(only_read())
    }

    fn commit_position(&mut self, _: &str, _: Topic, _: u32, _: u64) -> Result<(), TopicError> {
        Err(only_read())
    }

    fn commit(&mut self) -> Result<(), TopicError> {
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TopicError> {
        Ok(())
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        let read = self.with(topic, partition, |known| {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.records(known, (topic, partition), from, bytes_max)
        });
        read.unwrap_or_else(|| {
            Err(TopicError::Invalid(format!("{topic}/{partition} is not there, or not open")))
        })
    }

    fn start(&self, topic: Topic, partition: u32) -> u64 {
        self.with(topic, partition, |known| known.start).unwrap_or(0)
    }

    fn end(&self, topic: Topic, partition: u32) -> u64 {
        self.with(topic, partition, |known| known.end).unwrap_or(0)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        committed(&self.settings, group, topic, i32::try_from(partition).ok()?)
    }
}
