//! What librdkafka counts of the partitions that a shard reads.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientContext, Statistics, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
};

use super::{client::Complaints, decoding::Lane};

/// What was counted of one partition when librdkafka last counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Offset behind the last committed record.
    pub(super) end: i64,
    /// Everything up to there was fetched, and has been taken out of librdkafka's queue.
    pub(super) drained: bool,
    /// Records in librdkafka's queue.
    pub(super) records: u64,
    /// Their bytes.
    pub(super) bytes: u64,
}

/// Hears of a consumer's complaints and of its statistics.
#[derive(Default)]
pub(super) struct Hearing {
    pub(super) complaints: Complaints,
    counted: Mutex<BTreeMap<Lane, Counted>>,
}

impl Hearing {
    /// What was counted last of a partition; none before the broker has said where it ends.
    pub(super) fn counted(&self, lane: &Lane) -> Option<Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).get(lane).copied()
    }
}

impl ClientContext for Hearing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        ClientContext::log(&self.complaints, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, found) in statistics.topics {
            // Partition -1 holds what belongs to none; an end below zero is not known yet.
            for (number, found) in found.partitions.into_iter().filter(|(number, _)| *number >= 0) {
                if found.ls_offset >= 0 {
                    let of_lane = Counted {
                        end: found.ls_offset,
                        drained: found.next_offset >= found.ls_offset && found.fetchq_cnt == 0,
                        records: u64::try_from(found.fetchq_cnt).unwrap_or_default(),
                        bytes: found.fetchq_size,
                    };
                    counted.insert((topic.clone(), number), of_lane);
                }
            }
        }
    }
}

impl ConsumerContext for Hearing {
    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(Duration::from_millis(100))
    }
}
