//! Apache Kafka: topics, sources, and which part of the work this process has.
//!
//! **Shards.** The work is cut into as many shards as the service's own topics have
//! partitions. Shard `s` owns partition `s` of each of them (`<prefix>symptoms`,
//! `<prefix>journal`, …), and reads of the input topics every partition whose number leaves
//! the rest `s` when divided by the number of shards. Which process runs which shard is
//! decided by Kafka's group protocol alone: processes subscribe to `<prefix>telemetry`, and
//! whoever is assigned its partition `s` runs shard `s` (`membership.rs`).
//!
//! **Transactions.** A shard writes with the transactional id `<group>-<shard>`. A new owner
//! fences the old one with it: what a paused process tries to commit after it lost a shard is
//! refused by the broker. The input's offsets go into the same transaction, for the group, so
//! that lag dashboards see them; what counts on recovery is the position in the journal.
//!
//! **Offsets.** [`Topics`](theriac_contract::Topics) promises offsets without gaps, and Kafka's
//! have gaps where transactions end. Each record carries its own offset and event time in the
//! headers `theriac_offset` and `theriac_time`; Kafka's offsets stay inside this module. The
//! timestamps that Kafka keeps are the broker's clock, never event time: retention by age would
//! remove a replay of last year's data at once.

//!
//! Without the feature `kafka` only the settings are here, so that a configuration is read alike.

#[cfg(feature = "kafka")]
mod admin;
#[cfg(feature = "kafka")]
mod client;
#[cfg(feature = "kafka")]
mod counted;
#[cfg(feature = "kafka")]
mod decoding;
#[cfg(feature = "kafka")]
mod executor;
#[cfg(feature = "kafka")]
pub mod membership;
#[cfg(feature = "kafka")]
mod partition;
#[cfg(feature = "kafka")]
mod producer;
#[cfg(feature = "kafka")]
mod reader;
#[cfg(feature = "kafka")]
mod sender;
mod settings;
#[cfg(feature = "kafka")]
mod shards;
#[cfg(feature = "kafka")]
mod source;
#[cfg(feature = "kafka")]
mod topics;

pub use settings::{InputSettings, Settings, Start};
#[cfg(feature = "kafka")]
pub use {
    admin::{TopicPlan, ensure, remove},
    client::{KafkaFailure, check},
    executor::TopicExecutor,
    reader::KafkaReader,
    sender::{Addressed, send},
    shards::KafkaShards,
    source::KafkaSource,
    topics::KafkaTopics,
};
