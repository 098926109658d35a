//! One shard's part of the topics, written in transactions by a producer that fences the
//! shard's owner before it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata},
    error::{KafkaError, RDKafkaErrorCode},
    message::Header,
    producer::{BaseProducer, BaseRecord, Producer, PurgeConfig},
};
use theriac_contract::{
    Record, StoredRecord, Topic, TopicError, Topics,
    seeded::{self, Bug},
};

use super::{
    admin::MESSAGE_BYTES_MAX,
    client::{Complaints, KafkaFailure, config, duration},
    membership::Seat,
    partition::{OFFSET_HEADER, Partition, Reader, TIME_HEADER},
    producer::{Deliveries, headers, put},
    settings::Settings,
};

/// How long an open transaction may take before the broker ends it. A paused owner holds up
/// readers of its shard for so long at most.
const TRANSACTION_TIMEOUT_MS: &str = "60000";

/// A consumer that speaks for a group without joining it.
fn outsider(settings: &Settings, group: &str) -> Result<BaseConsumer<Complaints>, KafkaFailure> {
    let mut config = config(settings)?;
    config.set("group.id", group);
    let fail = |error| KafkaFailure::of(format!("the group {group}"), &error, &Complaints::default());
    config.create_with_context(Complaints::default()).map_err(fail)
}

/// Committed position of a reader of one of the service's own topics.
pub(super) fn committed(settings: &Settings, group: &str, topic: Topic, partition: i32) -> Option<u64> {
    let name = settings.topic(topic);
    let mut list = TopicPartitionList::new();
    list.add_partition(&name, partition);
    let consumer = outsider(settings, group).ok()?;
    let found = consumer.committed_offsets(list, duration(settings.patience)).ok()?;
    match found.find_partition(&name, partition)?.offset() {
        Offset::Offset(next) => u64::try_from(next).ok(),
        _ => None,
    }
}

/// The topics of one shard on Kafka: partition `shard` of each, seen as their only partition.
pub struct KafkaTopics {
    settings: Settings,
    shard: i32,
    seat: Option<Arc<dyn Seat>>,
    producer: BaseProducer<Deliveries>,
    reader: Mutex<Reader>,
    partitions: BTreeMap<Topic, Mutex<Partition>>,
    /// The open transaction. Its records are kept until it is through, so that they can be sent
    /// once more when the broker gives a transaction up: it moved, or the group changed.
    pending: BTreeMap<Topic, Vec<Record>>,
    positions: BTreeMap<(String, Topic), u64>,
    pending_positions: BTreeMap<(String, Topic), u64>,
    open: bool,
}

impl KafkaTopics {
    /// Takes over a shard: whoever wrote to it before is fenced, and what it left uncommitted is
    /// undone. The topics must be there ([`super::ensure`]). With a seat, the positions of the
    /// input are committed to the group with every transaction.
    ///
    /// # Errors
    /// If the broker does not answer within the settings' patience, or refuses.
    pub fn open(settings: &Settings, shard: u32, seat: Option<Arc<dyn Seat>>) -> Result<Self, TopicError> {
        let patience = duration(settings.patience);
        let mut config = config(settings)?;
        let mut id = format!("{}-{shard}", settings.group);
        if seeded::on(Bug::OwnerNotFenced) {
            id += &format!("{:?}", Instant::now());
        }
        config.set("transactional.id", id);
        config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
        config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
        // A round is one transaction and waits for the broker anyway.
        config.set("linger.ms", "0");
        // Brokers refuse what belongs to the next transaction until the markers of the one before
        // are written, which takes some milliseconds. The usual pause of 100 would be most of a round.
        if !settings.properties.contains_key("retry.backoff.ms") {
            config.set("retry.backoff.ms", "5");
        }
        if !settings.properties.contains_key("compression.type") {
            config.set("compression.type", "lz4");
        }
        let what = format!("the producer of shard {shard}");
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries::default())
            .map_err(|error| KafkaFailure::of(&what, &error, &Complaints::default()))?;
        producer
            .init_transactions(patience)
            .map_err(|error| KafkaFailure::of(&what, &error, &producer.context().complaints))?;
        let reader = Reader::open(settings)?;
        let shard =
            i32::try_from(shard).map_err(|_| TopicError::Invalid(format!("there is no shard {shard}")))?;
        let mut partitions = BTreeMap::new();
        for topic in Topic::ALL {
            partitions.insert(topic, Mutex::new(reader.partition(settings.topic(topic), shard)?));
        }
        Ok(Self {
            settings: settings.clone(),
            shard,
            seat,
            producer,
            reader: Mutex::new(reader),
            partitions,
            pending: BTreeMap::new(),
            positions: BTreeMap::new(),
            pending_positions: BTreeMap::new(),
            open: false,
        })
    }

    fn patience(&self) -> Duration {
        duration(self.settings.patience)
    }

    fn fail(&self, what: &str, error: &KafkaError) -> KafkaFailure {
        let what = format!("{what} of shard {}", self.shard);
        KafkaFailure::of(what, error, &self.producer.context().complaints)
    }

    fn begin(&mut self) -> Result<(), KafkaFailure> {
        if !self.open {
            self.producer.begin_transaction().map_err(|error| self.fail("the transaction", &error))?;
            self.open = true;
        }
        Ok(())
    }

    fn only(topic: Topic, partition: u32) -> Result<(), TopicError> {
        if partition == 0 {
            return Ok(());
        }
        Err(TopicError::Invalid(format!("topic {topic} has no partition {partition} in this shard")))
    }

    fn with<T>(&self, topic: Topic, call: impl FnOnce(&mut Partition) -> T) -> T {
        // Every topic has its partition since the shard was opened.
        let partition = &self.partitions[&topic];
        call(&mut partition.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, topic: &str, offset: u64, record: &Record) -> Result<(), KafkaFailure> {
        let (offset, time) = (offset.to_string(), record.timestamp.0.to_string());
        let headers = headers(record, 2)
            .insert(Header { key: OFFSET_HEADER, value: Some(&offset) })
            .insert(Header { key: TIME_HEADER, value: Some(&time) });
        let message = BaseRecord::to(topic)
            .partition(self.shard)
            .key(record.key.as_slice())
            .payload(record.value.as_slice())
            .headers(headers);
        put(&self.producer, message).map_err(|error| match error {
            KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge) => {
                let reason = format!("{} bytes are more than {MESSAGE_BYTES_MAX}", record.value.len());
                KafkaFailure::new(format!("a record of {topic}"), reason)
            }
            error => self.fail("a record", &error),
        })
    }

    /// Puts positions into the open transaction: those of the input for the group of this
    /// process, and those that readers of our topics committed.
    fn send_positions(&self) -> Result<(), KafkaFailure> {
        let add = |list: &mut TopicPartitionList, topic: &str, partition: i32, next: i64| {
            list.add_partition_offset(topic, partition, Offset::Offset(next))
                .map_err(|error| self.fail("a position", &error))
        };
        if let Some(seat) = &self.seat {
            let mut list = TopicPartitionList::new();
            for ((topic, partition), next) in seat.positions() {
                add(&mut list, &topic, partition, next)?;
            }
            if list.count() > 0 {
                // Fresh each time: it carries the generation that fences a member that was put out.
                let none = || KafkaFailure::new("positions", "this process is no member of its group");
                let group = seat.group().ok_or_else(none)?;
                self.commit_positions(&list, &group)?;
            }
        }
        let mut groups: BTreeMap<&str, TopicPartitionList> = BTreeMap::new();
        for ((group, topic), next) in &self.pending_positions {
            let next = i64::try_from(*next).unwrap_or(i64::MAX);
            add(groups.entry(group).or_default(), &self.settings.topic(*topic), self.shard, next)?;
        }
        for (group, list) in &groups {
            let consumer = outsider(&self.settings, group)?;
            if let Some(group) = consumer.group_metadata() {
                self.commit_positions(list, &group)?;
            }
        }
        Ok(())
    }

    fn commit_positions(
        &self,
        list: &TopicPartitionList,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), KafkaFailure> {
        self.retried("positions", || self.producer.send_offsets_to_transaction(list, group, self.patience()))
    }

    /// Calls again as long as librdkafka says that it may help.
    fn retried(&self, what: &str, call: impl Fn() -> Result<(), KafkaError>) -> Result<(), KafkaFailure> {
        let begin = Instant::now();
        loop {
            match call() {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && begin.elapsed() < self.patience() => {}
                Err(error) => return Err(self.fail(what, &error)),
            }
        }
    }

    fn try_commit(&self) -> Result<(), KafkaFailure> {
        self.send_positions()?;
        self.retried("the commit", || self.producer.commit_transaction(self.patience()))
    }

    /// Sends the records of the open transaction once more, in a new one.
    fn send_again(&mut self) -> Result<(), KafkaFailure> {
        self.undo()?;
        self.begin()?;
        for (topic, records) in &self.pending {
            let (name, first) = (self.settings.topic(*topic), self.with(*topic, |known| known.end));
            for (offset, record) in (first..).zip(records) {
                self.send(&name, offset, record)?;
                if seeded::on(Bug::RecordsSentTwice) {
                    self.send(&name, offset, record)?;
                }
            }
        }
        Ok(())
    }

    fn undo(&mut self) -> Result<(), KafkaFailure> {
        if !std::mem::take(&mut self.open) {
            return Ok(());
        }
        // Undoing waits until every record is accounted for, and accounts are served here alone.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let _ = self.producer.flush(self.patience());
        let undone = self.retried("the undoing", || self.producer.abort_transaction(self.patience()));
        self.deliveries_failed();
        undone
    }

    /// The first record of the transaction that did not arrive, and why.
    fn deliveries_failed(&self) -> Option<KafkaError> {
        self.producer.context().failed()
    }

    /// Why a record did not arrive says more than that the commit was refused.
    fn explained(&self, mut failure: KafkaFailure) -> KafkaFailure {
        if let Some(error) = self.deliveries_failed() {
            failure.reason = self.fail("a record", &error).reason;
        }
        failure
    }
}

impl Topics for KafkaTopics {
    fn partitions(&self, _: Topic) -> u32 {
        1
    }

    fn append(&mut self, topic: Topic, partition: u32, records: &[Record]) -> Result<u64, TopicError> {
        Self::only(topic, partition)?;
        self.begin()?;
        let name = self.settings.topic(topic);
        let pending = self.pending.get(&topic).map_or(0, Vec::len);
        let first = self.with(topic, |known| known.end) + pending as u64;
        for (offset, record) in (first..).zip(records) {
            let offset = if seeded::on(Bug::OffsetHeaderReused) { first } else { offset };
            self.send(&name, offset, record)?;
        }
        self.pending.entry(topic).or_default().extend_from_slice(records);
        Ok(first)
    }

    fn commit_position(
        &mut self,
        group: &str,
        topic: Topic,
        partition: u32,
        next: u64,
    ) -> Result<(), TopicError> {
        Self::only(topic, partition)?;
        self.begin()?;
        self.pending_positions.insert((group.to_owned(), topic), next);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), TopicError> {
        if !self.open {
            return Ok(());
        }
        let begin = Instant::now();
        while let Err(failure) = self.try_commit() {
            let failure = self.explained(failure);
            let again = failure.aborted && begin.elapsed() < self.patience();
            if !again || self.send_again().is_err() {
                // What cannot be undone now is undone by the broker, or by the next owner.
                let _ = self.abort();
                return Err(failure.into());
            }
        }
        self.open = false;
        for (topic, records) in std::mem::take(&mut self.pending) {
            self.with(topic, |known| known.end += records.len() as u64);
        }
        self.positions.append(&mut self.pending_positions);
        Ok(())
    }

    fn abort(&mut self) -> Result<(), TopicError> {
        self.pending.clear();
        self.pending_positions.clear();
        Ok(self.undo()?)
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        Self::only(topic, partition)?;
        self.with(topic, |known| {
            let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
            reader.records(known, (topic, partition), from, bytes_max)
        })
    }

    fn start(&self, topic: Topic, partition: u32) -> u64 {
        if partition == 0 { self.with(topic, |known| known.start) } else { 0 }
    }

    fn end(&self, topic: Topic, partition: u32) -> u64 {
        if partition == 0 { self.with(topic, |known| known.end) } else { 0 }
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        if partition > 0 {
            return None;
        }
        if let Some(next) = self.positions.get(&(group.to_owned(), topic)) {
            return Some(*next);
        }
        committed(&self.settings, group, topic, self.shard)
    }
}

impl Drop for KafkaTopics {
    /// An open transaction would hold up readers until the broker ends it.
    fn drop(&mut self) {
        let _ = self.abort();
    }
}
