//! The input of one shard: its partitions of the topics that are read, as one source.
//!
//! Several partitions are one stream here, so what is far behind must not be overtaken: after
//! an outage one partition may hold hours of backlog and another minutes. Records are taken in
//! the order of the times that the broker keeps for them, and a partition that has neither
//! been read to its end nor brought anything holds the others back for a while.
//!
//! A fetch is fixed by the offsets between which it lies: the records of a round are put in one
//! order that follows from them alone. That is how a recovery reads a round again.

mod taking;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, base_consumer::PartitionQueue},
    error::{KafkaError, RDKafkaErrorCode},
};
use theriac_contract::{
    Fetch, Fetched, Source, SourceError, Timestamp,
    seeded::{self, Bug},
};

use super::{
    client::{Complaints, KafkaFailure, duration, failure, reading},
    counted::{Counted, Hearing},
    decoding::{Decoding, Lane, Taken, parse},
    membership::{InputPositions, Place},
    settings::{Settings, Start},
};

/// How often topics and partitions are looked for that were not there before.
const LOOK_AROUND: Duration = Duration::from_secs(10);

/// Where reading begins of a partition that was added to a topic that was read before.
fn of_added() -> Start {
    if seeded::on(Bug::AddedPartitionFromLatest) { Start::Latest } else { Start::Earliest }
}

struct Queue {
    /// None until the partitions are assigned.
    queue: Option<PartitionQueue<Hearing>>,
    /// Taken from the broker, not handed out.
    ahead: VecDeque<Taken>,
    /// Offset after the last that was handed out.
    next: i64,
    /// Time of the last that was handed out.
    time: Option<i64>,
    /// Offset before which reading ends.
    end: i64,
    /// Nothing lies behind what was taken.
    ended: bool,
    /// Since when it has been asked for more in vain.
    silent: Option<Instant>,
}

/// A shard's partitions of the input topics.
pub struct KafkaSource {
    settings: Settings,
    shard: u32,
    shards: u32,
    config: ClientConfig,
    /// Asks about topics; is never assigned anything.
    client: BaseConsumer<Complaints>,
    /// Reads; made anew for every assignment, for librdkafka 2.12 aborts when a partition is
    /// taken away twice before its first fetcher has stopped.
    consumer: Option<Arc<BaseConsumer<Hearing>>>,
    queues: BTreeMap<Lane, Queue>,
    decoding: Decoding,
    positions: InputPositions,
    looked: Instant,
    /// Where the input ends, if it is not to be followed.
    ends: Option<BTreeMap<Lane, i64>>,
    missing: BTreeMap<String, String>,
    notices: Vec<String>,
}

impl KafkaSource {
    /// Opens the input of a shard where the settings say that reading begins. Its positions are
    /// also written to `positions`, for the group.
    ///
    /// # Errors
    /// If the broker does not answer, or refuses. A topic that is not there is waited for.
    pub fn open(
        settings: &Settings,
        shard: u32,
        shards: u32,
        positions: InputPositions,
    ) -> Result<Self, SourceError> {
        let mut config = reading(settings)?;
        config.set("enable.partition.eof", "true");
        config.set("auto.offset.reset", "error");
        let unless_given = [
            ("fetch.wait.max.ms", "50".to_owned()),
            ("fetch.queue.backoff.ms", "10".to_owned()),
            ("queued.min.messages", "1000".to_owned()),
            ("statistics.interval.ms", "1000".to_owned()),
            ("queued.max.messages.kbytes", (settings.buffer_bytes >> 10).max(1).to_string()),
        ];
        for (name, value) in unless_given {
            if !settings.properties.contains_key(name) {
                config.set(name, value);
            }
        }
        let client = consumer(&config)?;
        let mut source = Self {
            settings: settings.clone(),
            shard,
            shards,
            config,
            client,
            consumer: None,
            queues: BTreeMap::new(),
            decoding: Decoding::new(settings),
            positions,
            looked: Instant::now(),
            ends: None,
            missing: BTreeMap::new(),
            notices: Vec::new(),
        };
        let mut places = BTreeMap::new();
        for lane in source.lanes()? {
            let next = source.first(&lane, settings.start)?;
            places.insert(lane, next);
        }
        source.assign(&places);
        Ok(source)
    }

    /// Opens what the broker took from one instant on and before another, of all partitions, by
    /// the times that it keeps. Nothing is committed for the group.
    ///
    /// # Errors
    /// If the broker does not answer, refuses, or has none of the topics.
    pub fn open_between(settings: &Settings, from: Timestamp, to: Timestamp) -> Result<Self, SourceError> {
        let settings = Settings { start: Start::At(from), ..settings.clone() };
        let mut source = Self::open(&settings, 0, 1, InputPositions::default())?;
        if source.queues.is_empty() {
            let topics: Vec<&str> = source.decoding.topics().map(String::as_str).collect();
            return Err(SourceError::Unreadable {
                origin: "Kafka".to_owned(),
                reason: format!(
                    "none of the topics {} is there: name those to read in `kafka.inputs`",
                    topics.join(", ")
                ),
            });
        }
        source.end_at(Start::At(to))?;
        Ok(source)
    }

    /// Takes what is there now for all there is: the source ends behind it.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub fn end_at_present(&mut self) -> Result<(), SourceError> {
        self.end_at(Start::Latest)
    }

    /// Ends before the record at which reading from `end` would begin. From then on rounds are cut
    /// by bytes alone, never by what has arrived yet.
    fn end_at(&mut self, end: Start) -> Result<(), SourceError> {
        let places = self.places();
        let mut ends = BTreeMap::new();
        for lane in places.keys() {
            ends.insert(lane.clone(), self.first(lane, end)?);
        }
        self.ends = Some(ends);
        self.assign(&places);
        Ok(())
    }

    /// Whether everything before the end was handed out. Kafka's ends count what transactions
    /// leave behind, so a partition that was read as far as there is something is through too.
    fn is_through(&self) -> bool {
        self.ends.is_some()
            && self
                .queues
                .values()
                .all(|queue| queue.next >= queue.end || (queue.ended && queue.ahead.is_empty()))
    }

    fn patience(&self) -> Duration {
        duration(self.settings.patience)
    }

    fn fail(&self, what: impl Into<String>, error: &KafkaError) -> KafkaFailure {
        failure(what, error, &self.client)
    }

    /// The partitions of this shard that are there now.
    fn lanes(&mut self) -> Result<Vec<Lane>, KafkaFailure> {
        let mut lanes = Vec::new();
        let mut missing = BTreeMap::new();
        for topic in self.decoding.topics() {
            let metadata = self
                .client
                .fetch_metadata(Some(topic), self.patience())
                .map_err(|error| self.fail(format!("the topic {topic}"), &error))?;
            for found in metadata.topics() {
                if let Some(error) = found.error() {
                    let code = RDKafkaErrorCode::from(error);
                    let reason = match code {
                        RDKafkaErrorCode::UnknownTopicOrPartition => format!(
                            "the topic {topic} is not there: create it, or name the topics to read under `kafka.inputs`"
                        ),
                        _ => self
                            .fail(format!("the topic {topic}"), &KafkaError::MetadataFetch(code))
                            .to_string(),
                    };
                    missing.insert(topic.clone(), reason);
                    continue;
                }
                let numbers = found.partitions().iter().map(rdkafka::metadata::MetadataPartition::id);
                let own = numbers.filter(|number| {
                    u32::try_from(*number).is_ok_and(|number| number % self.shards == self.shard)
                });
                lanes.extend(own.map(|number| (topic.clone(), number)));
            }
        }
        // Every shard sees what is missing; the first one says it.
        for (topic, reason) in &missing {
            if self.shard == 0 && !self.missing.contains_key(topic) {
                self.notices.push(format!("{reason}; it is looked for again every {LOOK_AROUND:?}"));
            }
        }
        self.missing = missing;
        self.looked = Instant::now();
        Ok(lanes)
    }

    /// Where reading of a partition begins.
    fn first(&self, lane: &Lane, start: Start) -> Result<i64, KafkaFailure> {
        let what = || format!("{}/{}", lane.0, lane.1);
        let (low, high) = self
            .client
            .fetch_watermarks(&lane.0, lane.1, self.patience())
            .map_err(|error| self.fail(what(), &error))?;
        let instant = match start {
            Start::Earliest => return Ok(low),
            Start::Latest => return Ok(high),
            // Kafka's times are milliseconds: the first that is not before the instant.
            Start::At(instant) => {
                instant.0.div_euclid(1_000_000) + i64::from(instant.0.rem_euclid(1_000_000) > 0)
            }
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&lane.0, lane.1, Offset::Offset(instant))
            .map_err(|error| self.fail(what(), &error))?;
        let found = self
            .client
            .offsets_for_times(list, self.patience())
            .map_err(|error| self.fail(what(), &error))?;
        let offset = found.find_partition(&lane.0, lane.1).map(|element| element.offset());
        Ok(match offset {
            Some(Offset::Offset(offset)) => offset,
            _ => high,
        })
    }

    /// Reads on from these places, and from them alone.
    fn assign(&mut self, places: &BTreeMap<Lane, i64>) {
        let queue = |lane: &Lane, next: i64| Queue {
            queue: None,
            ahead: VecDeque::new(),
            next,
            time: self.queues.get(lane).and_then(|queue| queue.time),
            // A partition that is newer than the ends has nothing before them.
            end: self.ends.as_ref().map_or(i64::MAX, |ends| ends.get(lane).copied().unwrap_or(next)),
            ended: false,
            silent: None,
        };
        self.queues = places.iter().map(|(lane, next)| (lane.clone(), queue(lane, *next))).collect();
        self.consumer = None;
        self.publish();
    }

    /// Has the partitions assigned, before the first of their records is asked for.
    fn attach(&mut self) -> Result<(), KafkaFailure> {
        if self.consumer.is_some() {
            return Ok(());
        }
        let consumer = Arc::new(consumer::<Hearing>(&self.config)?);
        let fail = |error: &KafkaError| KafkaFailure::of("the input", error, &consumer.context().complaints);
        let mut list = TopicPartitionList::new();
        for ((topic, number), queue) in &self.queues {
            list.add_partition_offset(topic, *number, Offset::Offset(queue.next)).map_err(|e| fail(&e))?;
        }
        consumer.assign(&list).map_err(|error| fail(&error))?;
        for (lane, queue) in &mut self.queues {
            queue.queue = consumer.split_partition_queue(&lane.0, lane.1);
        }
        self.consumer = Some(consumer);
        Ok(())
    }

    fn places(&self) -> BTreeMap<Lane, i64> {
        self.queues.iter().map(|(lane, queue)| (lane.clone(), queue.next)).collect()
    }

    fn publish(&self) {
        let place = |lane: &Lane, queue: &Queue| {
            let counted = self.consumer.as_ref().and_then(|consumer| consumer.context().counted(lane));
            // Kafka's ends count what transactions leave behind, which nobody is given.
            let behind = |counted: Counted| match counted.drained && queue.ahead.is_empty() {
                true => 0,
                false => u64::try_from(counted.end - queue.next).unwrap_or(0),
            };
            let ahead: usize = queue.ahead.iter().map(|taken| taken.payload.len()).sum();
            let queued = counted.unwrap_or_default();
            Place {
                next: queue.next,
                lag: counted.map(behind),
                time: queue.time,
                records: queued.records + queue.ahead.len() as u64,
                bytes: queued.bytes + ahead as u64,
            }
        };
        self.positions
            .set(self.queues.iter().map(|(lane, queue)| (lane.clone(), place(lane, queue))).collect());
        if seeded::on(Bug::OffsetsCommittedEarly) {
            let mut list = TopicPartitionList::new();
            for ((topic, number), next) in self.places() {
                // What does not go well leaves the bug out, which is seen.
                let _ = list.add_partition_offset(&topic, number, Offset::Offset(next));
            }
            let _ = self.client.commit(&list, CommitMode::Sync);
        }
    }

    /// For [`Bug::OffsetsCommittedEarly`]: where the group says that reading goes on.
    fn committed(&self, known: BTreeMap<Lane, i64>) -> BTreeMap<Lane, i64> {
        let mut list = TopicPartitionList::new();
        for (topic, number) in known.keys() {
            list.add_partition(topic, *number);
        }
        let Ok(found) = self.client.committed_offsets(list, self.patience()) else { return known };
        let next = |lane: &Lane| found.find_partition(&lane.0, lane.1)?.offset().to_raw().filter(|n| *n >= 0);
        known.into_iter().map(|(lane, kept)| (lane.clone(), next(&lane).unwrap_or(kept))).collect()
    }

    /// Looks for topics and partitions that were not there before. A partition that was added
    /// to a known topic is read from its first record.
    fn look_around(&mut self) -> Result<(), KafkaFailure> {
        if self.ends.is_some() || self.looked.elapsed() < LOOK_AROUND {
            return Ok(());
        }
        // A broker that does not answer now is seen by the fetch itself.
        let Ok(lanes) = self.lanes() else {
            self.looked = Instant::now();
            return Ok(());
        };
        let mut places = self.places();
        let new: Vec<Lane> = lanes.into_iter().filter(|lane| !places.contains_key(lane)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for lane in new {
            let first = self.first(&lane, of_added())?;
            self.notices.push(format!("{}/{} is new: read from offset {first}", lane.0, lane.1));
            places.insert(lane, first);
        }
        self.assign(&places);
        Ok(())
    }

    /// What came of a round's records.
    fn decode(&mut self, round: BTreeMap<Lane, Vec<Taken>>) -> Fetched {
        let fetched =
            tracing::trace_span!(target: "theriac::part", "decode").in_scope(|| self.decoding.decode(round));
        self.publish();
        fetched
    }
}

fn consumer<C: ConsumerContext + Default>(config: &ClientConfig) -> Result<BaseConsumer<C>, KafkaFailure> {
    config
        .create_with_context(C::default())
        .map_err(|error| KafkaFailure::of("the input", &error, &Complaints::default()))
}

impl Source for KafkaSource {
    fn name(&self) -> &str {
        "kafka"
    }

    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError> {
        self.look_around()?;
        self.attach()?;
        self.sort_strays();
        let round = self.take(bytes_max)?;
        if round.is_empty() {
            self.publish();
            return Ok(if self.is_through() { Fetch::End } else { Fetch::Idle });
        }
        Ok(Fetch::Batch(self.decode(round)))
    }

    fn position(&self) -> String {
        let places = self.places();
        let named: BTreeMap<String, i64> =
            places.iter().map(|((topic, number), next)| (format!("{topic}/{number}"), *next)).collect();
        serde_json::to_string(&named).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        let mut known = parse(position).map_err(|reason| SourceError::Unreadable {
            origin: "Kafka".to_owned(),
            reason: format!("`{position}` is no position: {reason}"),
        })?;
        if seeded::on(Bug::OffsetsCommittedEarly) {
            known = self.committed(known);
        }
        let mut places = BTreeMap::new();
        for lane in self.lanes()? {
            let next = match known.get(&lane) {
                Some(next) => *next,
                // Of a topic that was read before, this is a partition that was added since.
                None if known.keys().any(|(topic, _)| *topic == lane.0) => self.first(&lane, of_added())?,
                None => self.first(&lane, self.settings.start)?,
            };
            places.insert(lane, next);
        }
        for lane in known.keys().filter(|lane| !places.contains_key(*lane)) {
            self.notices.push(format!("{}/{} was read before and is not an input any more", lane.0, lane.1));
        }
        self.assign(&places);
        Ok(())
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }

    fn repeatable(&self) -> bool {
        true
    }

    fn again(&mut self, until: &str) -> Result<Fetched, SourceError> {
        let unreadable = |reason: String| SourceError::Unreadable {
            origin: "Kafka".to_owned(),
            reason: format!("`{until}` is no position: {reason}"),
        };
        let until = parse(until).map_err(unreadable)?;
        self.attach()?;
        self.sort_strays();
        let round = self.take_until(&until)?;
        Ok(self.decode(round))
    }

    fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}
