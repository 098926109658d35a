//! Which shards this process has: decided by Kafka's group protocol.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata, Rebalance},
    error::KafkaError,
};
use theriac_contract::Topic;

use super::{
    client::{Complaints, KafkaFailure, config, duration},
    settings::Settings,
};

/// Where a shard is in a partition of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Offset after the last record that was handed out.
    pub next: i64,
    /// Committed records from there to the end of the partition, as librdkafka knew it a second
    /// ago; none before it has said so.
    pub lag: Option<u64>,
    /// When the broker took the last record that was handed out, or its producer made it, as the
    /// topic is set up: milliseconds since 1970; none before the first.
    pub time: Option<i64>,
    /// Records that lie in memory, not handed out.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Places in input partitions, by topic and partition: written by a shard's source, committed
/// with its topics.
#[derive(Clone, Default)]
pub struct InputPositions(Arc<Mutex<BTreeMap<(String, i32), Place>>>);

impl InputPositions {
    pub(super) fn set(&self, places: BTreeMap<(String, i32), Place>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }

    /// The places as they are now.
    #[must_use]
    pub fn places(&self) -> BTreeMap<(String, i32), Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a shard's topics commit for the group with every transaction.
pub trait Seat: Send + Sync {
    /// The process's place in the group, as it is now; none if it is no member.
    fn group(&self) -> Option<ConsumerGroupMetadata>;
    /// Next offsets of the shard's input.
    fn positions(&self) -> BTreeMap<(String, i32), i64>;
}

/// What happened to this process's shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// They are this process's from now on; none for one that has only joined.
    Gained(Vec<u32>),
    /// They go to others as soon as the call that says so returns.
    Losing(Vec<u32>),
}

/// The topic whose partitions the group shares out. On Kafka nothing is written to it, for
/// telemetry is read again from the input: membership alone costs no traffic.
const MEMBERS: Topic = Topic::Telemetry;

type Handler = Box<dyn Fn(Change) + Send + Sync>;

struct Context {
    complaints: Complaints,
    handler: Handler,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        ClientContext::log(&self.complaints, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance
            && list.count() > 0
        {
            (self.handler)(Change::Losing(shards(list)));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            (self.handler)(Change::Gained(shards(list)));
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(Duration::from_millis(100))
    }
}

fn shards(list: &TopicPartitionList) -> Vec<u32> {
    let mut shards: Vec<u32> =
        list.elements().iter().filter_map(|element| u32::try_from(element.partition()).ok()).collect();
    shards.sort_unstable();
    shards
}

/// This process's membership of its group.
pub struct Membership {
    consumer: Arc<BaseConsumer<Context>>,
}

struct ShardSeat {
    consumer: Arc<BaseConsumer<Context>>,
    positions: InputPositions,
}

impl Seat for ShardSeat {
    fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.consumer.group_metadata()
    }

    fn positions(&self) -> BTreeMap<(String, i32), i64> {
        self.positions.places().into_iter().map(|(lane, place)| (lane, place.next)).collect()
    }
}

impl Membership {
    /// Joins the group. `handler` is called, from [`Membership::poll`], with every change; while
    /// it handles a loss it must bring the shard's work to an end.
    ///
    /// # Errors
    /// If a property makes no sense.
    pub fn join(
        settings: &Settings,
        handler: impl Fn(Change) + Send + Sync + 'static,
    ) -> Result<Self, KafkaFailure> {
        let mut config = config(settings)?;
        let session = duration(settings.session_timeout).as_millis().max(1);
        config.set("group.id", &settings.group);
        config.set("enable.auto.commit", "false");
        config.set("auto.offset.reset", "latest");
        if settings.properties.get("group.protocol").is_none_or(|protocol| protocol == "classic") {
            config.set("partition.assignment.strategy", "cooperative-sticky");
            config.set("session.timeout.ms", session.to_string());
            config.set("heartbeat.interval.ms", (session / 4).max(1).to_string());
        }
        if let Some(instance) = &settings.instance {
            config.set("group.instance.id", instance);
        }
        let context = Context { complaints: Complaints::default(), handler: Box::new(handler) };
        let what = format!("the group {}", settings.group);
        let consumer: BaseConsumer<Context> = config
            .create_with_context(context)
            .map_err(|error| KafkaFailure::of(&what, &error, &Complaints::default()))?;
        consumer
            .subscribe(&[&settings.topic(MEMBERS)])
            .map_err(|error| KafkaFailure::of(&what, &error, &consumer.context().complaints))?;
        Ok(Self { consumer: Arc::new(consumer) })
    }

    /// Takes part in the group's protocol for about `patience`; changes are handled from here.
    ///
    /// # Errors
    /// If the group refuses this process for good.
    pub fn poll(&self, patience: Duration) -> Result<(), KafkaFailure> {
        match self.consumer.poll(patience) {
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                Err(KafkaFailure::of("the group", &error, &self.consumer.context().complaints))
            }
            // What is wrong with the broker for now is seen by the shards, who say it.
            Some(_) | None => Ok(()),
        }
    }

    /// The seat of a shard whose source writes its positions to `positions`.
    #[must_use]
    pub fn seat(&self, positions: InputPositions) -> Arc<dyn Seat> {
        Arc::new(ShardSeat { consumer: Arc::clone(&self.consumer), positions })
    }

    /// Leaves the group; all shards must have been brought to an end.
    pub fn leave(self) {
        self.consumer.unsubscribe();
        // Serves the last loss.
        let _ = self.consumer.poll(Duration::from_millis(200));
    }
}
