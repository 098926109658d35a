//! One partition of a topic of ours, read by the offsets that its records carry.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
    message::{BorrowedMessage, Headers},
};
use theriac_contract::{
    Record, StoredRecord, Timestamp, Topic, TopicError,
    seeded::{self, Bug},
};

use super::{
    client::{Complaints, KafkaFailure, duration, failure, is_refused, reading},
    settings::Settings,
};

/// Header with the offset that a record has in the contract, decimal.
pub(super) const OFFSET_HEADER: &str = "theriac_offset";
/// Header with the event time of a record, nanoseconds since 1970, decimal.
pub(super) const TIME_HEADER: &str = "theriac_time";

/// Records behind a known place that are read over rather than sought.
const NEAR: u64 = 512;
/// Known places that are kept.
const MARKS_MAX: usize = 1024;
/// Bytes that are read ahead, so that reading record by record is not one request each.
const AHEAD_BYTES: usize = 1 << 20;

/// Reads committed records of partitions, one partition at a time.
pub(super) struct Reader {
    consumer: BaseConsumer<Complaints>,
    patience: Duration,
}

/// What is known of a partition: where it begins and ends, and where some offsets lie.
pub(super) struct Partition {
    topic: String,
    number: i32,
    /// First offset that is there, one past the last.
    pub(super) start: u64,
    pub(super) end: u64,
    /// Kafka's offsets of some of ours.
    marks: BTreeMap<u64, i64>,
    /// Records that were read ahead, in order.
    ahead: Vec<StoredRecord>,
    /// Kafka's ends when this was found.
    bounds: (i64, i64),
}

/// A record that was met, with Kafka's offset.
struct Met {
    stored: StoredRecord,
    kafka: i64,
}

impl Reader {
    pub(super) fn open(settings: &Settings) -> Result<Self, KafkaFailure> {
        let mut config = reading(settings)?;
        config.set("enable.partition.eof", "true");
        if seeded::on(Bug::ReadUncommitted) {
            config.set("isolation.level", "read_uncommitted");
        }
        config.set("auto.offset.reset", "earliest");
        config.set("fetch.wait.max.ms", "20");
        config.set("queued.max.messages.kbytes", "16384");
        let what = "a reader of topics";
        let consumer = config
            .create_with_context(Complaints::default())
            .map_err(|error| KafkaFailure::of(what, &error, &Complaints::default()))?;
        Ok(Self { consumer, patience: duration(settings.patience) })
    }

    fn fail(&self, what: impl Into<String>, error: &KafkaError) -> KafkaFailure {
        failure(what, error, &self.consumer)
    }

    /// Partitions of a topic; none if it is not there.
    pub(super) fn count(&self, topic: &str) -> Result<Option<i32>, KafkaFailure> {
        let fail = |error: &KafkaError| self.fail(topic, error);
        let metadata = self.consumer.fetch_metadata(Some(topic), self.patience).map_err(|e| fail(&e))?;
        let Some(found) = metadata.topics().first() else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => Ok(i32::try_from(found.partitions().len()).ok()),
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
            Some(code) => Err(fail(&KafkaError::MetadataFetch(code))),
        }
    }

    /// Finds again where a partition begins and ends, if the broker's ends have moved.
    pub(super) fn refresh(&self, partition: &mut Partition) -> Result<(), KafkaFailure> {
        let (topic, number) = (partition.topic.clone(), partition.number);
        let bounds = self.bounds(&topic, number)?;
        if bounds != partition.bounds {
            let found = self.partition(topic, number)?;
            (partition.start, partition.end, partition.bounds) = (found.start, found.end, found.bounds);
            partition.marks.extend(found.marks);
            while partition.marks.len() > MARKS_MAX {
                partition.marks.pop_first();
            }
        }
        Ok(())
    }

    /// Kafka's ends of a partition. A topic that was made a moment ago may have no leader yet.
    fn bounds(&self, topic: &str, number: i32) -> Result<(i64, i64), KafkaFailure> {
        use RDKafkaErrorCode as Code;
        let begin = Instant::now();
        loop {
            match self.consumer.fetch_watermarks(topic, number, self.patience) {
                Err(KafkaError::MetadataFetch(Code::NotLeaderForPartition | Code::LeaderNotAvailable))
                    if begin.elapsed() < self.patience =>
                {
                    std::thread::sleep(Duration::from_millis(20));
                }
                found => return found.map_err(|error| self.fail(format!("{topic}/{number}"), &error)),
            }
        }
    }

    /// Finds where a partition begins and ends.
    pub(super) fn partition(&self, topic: String, number: i32) -> Result<Partition, KafkaFailure> {
        let (low, high) = self.bounds(&topic, number)?;
        // Reading from a place takes a while, and all topics are opened before a shard goes on.
        // Where the broker has removed nothing, the first record is the first there ever was.
        let first = if low > 0 && low < high { self.first(&topic, number, low)? } else { None };
        let mut back = 8;
        let last = loop {
            if low == high {
                break None;
            }
            let from = (high - back).max(low);
            let mut last = None;
            self.each(&topic, number, from, |met| {
                last = Some(met);
                true
            })?;
            if last.is_some() || from == low {
                break last;
            }
            back *= 8;
        };
        // Of a partition whose records have all been removed no offset of ours is left; Kafka's
        // is none that was given before, for ours never run ahead of it.
        let none = u64::try_from(low.max(0)).unwrap_or_default();
        let start = first.as_ref().map_or(none, |met| met.stored.offset);
        let end = last.as_ref().map_or(none, |met| met.stored.offset + 1);
        let marks = first.iter().chain(&last).map(|met| (met.stored.offset, met.kafka)).collect();
        Ok(Partition { topic, number, start, end, marks, ahead: Vec::new(), bounds: (low, high) })
    }

    /// The first committed record at or after one of Kafka's offsets.
    fn first(&self, topic: &str, number: i32, from: i64) -> Result<Option<Met>, KafkaFailure> {
        let mut first = None;
        self.each(topic, number, from, |met| {
            first = Some(met);
            false
        })?;
        Ok(first)
    }

    /// Calls for every committed record from one of Kafka's offsets on, up to the end or until
    /// it is told to stop. Gives whether the end was reached.
    fn each(
        &self,
        topic: &str,
        number: i32,
        from: i64,
        mut call: impl FnMut(Met) -> bool,
    ) -> Result<bool, KafkaFailure> {
        let what = || format!("{topic}/{number}, offset {from}");
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(topic, number, Offset::Offset(from))
            .and_then(|()| self.consumer.assign(&place))
            .map_err(|error| self.fail(what(), &error))?;
        let begin = Instant::now();
        loop {
            match self.consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    if !call(met(&message)?) {
                        return Ok(false);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
                Some(Err(error)) if is_lasting(&error) => return Err(self.fail(what(), &error)),
                Some(Err(_)) | None => {}
            }
            if begin.elapsed() > self.patience {
                let said = self.consumer.context().last().unwrap_or_else(|| "it did not answer".to_owned());
                return Err(KafkaFailure::new(what(), format!("{said}; waited {:?}", self.patience)));
            }
        }
    }

    /// What [`Topics::read`] of `topic/number`, which this partition is, gives.
    ///
    /// [`Topics::read`]: theriac_contract::Topics::read
    pub(super) fn records(
        &self,
        known: &mut Partition,
        (topic, number): (Topic, u32),
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        let (start, end) = (known.start, known.end);
        if from < start || from > end {
            return Err(TopicError::OutOfRange { topic, partition: number, offset: from, start, end });
        }
        if from == end {
            return Ok(Vec::new());
        }
        let mut records = self.read(known, from, bytes_max)?;
        // The broker may have more by now than was noticed.
        records.retain(|stored| stored.offset < end);
        Ok(records)
    }

    /// Committed records of a partition from an offset of ours on, which must be there, until
    /// `bytes_max` is passed.
    fn read(
        &self,
        partition: &mut Partition,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, KafkaFailure> {
        if let Some(found) = partition.read_ahead(from, bytes_max) {
            return Ok(found);
        }
        let begin = Instant::now();
        loop {
            let place = self.place(partition, from)?;
            let (topic, number) = (partition.topic.clone(), partition.number);
            let mut bytes = 0;
            let mut records = Vec::new();
            let end = partition.end;
            let most = bytes_max.max(AHEAD_BYTES);
            self.each(&topic, number, place, |met| {
                if met.stored.offset >= from {
                    bytes += size(&met.stored.record);
                    partition.mark(met.stored.offset, met.kafka, records.is_empty());
                    records.push(met.stored);
                }
                bytes < most && records.last().is_none_or(|last: &StoredRecord| last.offset + 1 < end)
            })?;
            // A commit is visible to readers a moment after it is durable.
            if records.is_empty() && begin.elapsed() < self.patience {
                std::thread::sleep(Duration::from_millis(2));
                continue;
            }
            if records.first().is_none_or(|first| first.offset != from) {
                let found = records.first().map_or_else(|| "nothing".to_owned(), |r| r.offset.to_string());
                return Err(KafkaFailure::new(
                    format!("{topic}/{number}"),
                    format!("offset {from} was expected and {found} was found: records were removed"),
                ));
            }
            partition.ahead = records;
            return Ok(partition.read_ahead(from, bytes_max).unwrap_or_default());
        }
    }

    /// An offset of Kafka's from which `offset` is near: the best known one, or else by halving.
    fn place(&self, partition: &Partition, offset: u64) -> Result<i64, KafkaFailure> {
        let below = partition.marks.range(..=offset).next_back().map(|(ours, kafka)| (*ours, *kafka));
        let above = partition.marks.range(offset..).next().map(|(_, kafka)| *kafka);
        // Ours never run ahead of Kafka's, and the distance only grows.
        let (mut ours, mut low) = below.unwrap_or((0, 0));
        let Some(mut high) = above else { return Ok(low + (offset - ours) as i64) };
        while offset - ours > NEAR && high - low > NEAR as i64 {
            let middle = low + (high - low) / 2;
            match self.first(&partition.topic, partition.number, middle)? {
                Some(met) if met.stored.offset <= offset => (ours, low) = (met.stored.offset, met.kafka),
                Some(_) | None => high = middle,
            }
        }
        Ok(low)
    }
}

impl Partition {
    /// What was read ahead from an offset on; none if it begins elsewhere.
    fn read_ahead(&self, from: u64, bytes_max: usize) -> Option<Vec<StoredRecord>> {
        let first = self.ahead.first()?.offset;
        let skip = usize::try_from(from.checked_sub(first)?).ok()?;
        let mut bytes = 0;
        let mut records = Vec::new();
        for stored in self.ahead.get(skip..)? {
            records.push(stored.clone());
            bytes += size(&stored.record);
            if bytes >= bytes_max {
                break;
            }
        }
        (!records.is_empty()).then_some(records)
    }

    fn mark(&mut self, offset: u64, kafka: i64, first: bool) {
        if first || offset.is_multiple_of(NEAR) {
            if self.marks.len() >= MARKS_MAX {
                self.marks.pop_first();
            }
            self.marks.insert(offset, kafka);
        }
    }
}

fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.len() + headers
}

/// Whether asking again does not help.
fn is_lasting(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    is_refused(error)
        || matches!(
            error.rdkafka_error_code(),
            Some(
                Code::UnknownTopicOrPartition
                    | Code::UnknownTopic
                    | Code::OffsetOutOfRange
                    | Code::AutoOffsetReset
            )
        )
}

/// A record of ours, without the headers that only this module knows.
fn met(message: &BorrowedMessage<'_>) -> Result<Met, KafkaFailure> {
    let place = || format!("{}/{} offset {}", message.topic(), message.partition(), message.offset());
    let (mut offset, mut time, mut headers) = (None, None, Vec::new());
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = header.value.unwrap_or_default();
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
        match header.key {
            OFFSET_HEADER => offset = number().and_then(|number| u64::try_from(number).ok()),
            TIME_HEADER => time = number(),
            name => headers.push((name.to_owned(), value.to_vec())),
        }
    }
    let (Some(offset), Some(time)) = (offset, time) else {
        return Err(KafkaFailure::new(
            place(),
            format!(
                "a record without the headers `{OFFSET_HEADER}` and `{TIME_HEADER}`: something else writes to this topic; give the service a `kafka.prefix` of its own"
            ),
        ));
    };
    let record = Record {
        timestamp: Timestamp(time),
        key: message.key().unwrap_or_default().to_vec(),
        headers,
        value: message.payload().unwrap_or_default().to_vec(),
    };
    Ok(Met { stored: StoredRecord { offset, record }, kafka: message.offset() })
}
