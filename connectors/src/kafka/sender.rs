//! Sends records to any topic: all of them, or none.

use std::collections::BTreeMap;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};
use theriac_contract::Record;

use super::{
    admin::MESSAGE_BYTES_MAX,
    client::{Complaints, KafkaFailure, config, duration},
    partition::Reader,
    producer::{Deliveries, headers, put},
    settings::Settings,
};

/// A record with the partition that it is for; without a key if that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Key, headers and value; the broker's settings decide its time.
    pub record: Record,
}

/// Sends records in one transaction, in order. Two that send at once for one group do not mix:
/// the later fences the earlier.
///
/// # Errors
/// If a topic or partition is not there, or the broker does not take them all: then nothing
/// was sent.
pub fn send(settings: &Settings, records: &[Addressed]) -> Result<(), KafkaFailure> {
    // A producer would make a topic that was deleted anew.
    there(settings, records)?;
    let patience = duration(settings.patience);
    let mut config = config(settings)?;
    config.set("transactional.id", format!("{}-redrive", settings.group));
    config.set("message.max.bytes", MESSAGE_BYTES_MAX.to_string());
    let producer: BaseProducer<Deliveries> = config
        .create_with_context(Deliveries::default())
        .map_err(|error| KafkaFailure::of("a producer", &error, &Complaints::default()))?;
    let fail = |what: &str, error: &_| KafkaFailure::of(what, error, &producer.context().complaints);
    producer.init_transactions(patience).map_err(|error| fail("the producer", &error))?;
    producer.begin_transaction().map_err(|error| fail("the transaction", &error))?;
    let sent = records.iter().try_for_each(|addressed| put_addressed(&producer, addressed)).and_then(|()| {
        producer.commit_transaction(patience).map_err(|error| {
            // Why a record did not arrive says more than that the commit was refused.
            let error = producer.context().failed().unwrap_or(error);
            fail("the transaction", &error)
        })
    });
    if sent.is_err() {
        producer.purge(PurgeConfig::default().queue().inflight());
        let _ = producer.flush(patience);
        let _ = producer.abort_transaction(patience);
    }
    sent
}

fn there(settings: &Settings, records: &[Addressed]) -> Result<(), KafkaFailure> {
    let reader = Reader::open(settings)?;
    let mut counts: BTreeMap<&str, i32> = BTreeMap::new();
    for Addressed { topic, partition, .. } in records {
        if !counts.contains_key(topic.as_str()) {
            counts.insert(topic, reader.count(topic)?.unwrap_or(0));
        }
        let count = counts.get(topic.as_str()).copied().unwrap_or(0);
        if *partition < 0 || *partition >= count {
            let reason = if count == 0 {
                "the topic is not there any more: create it".to_owned()
            } else {
                format!("the topic has {count} partitions only: give it more")
            };
            return Err(KafkaFailure::new(format!("{topic}/{partition}"), reason));
        }
    }
    Ok(())
}

fn put_addressed(producer: &BaseProducer<Deliveries>, addressed: &Addressed) -> Result<(), KafkaFailure> {
    let Addressed { topic, partition, record } = addressed;
    let mut message = BaseRecord::to(topic)
        .partition(*partition)
        .payload(record.value.as_slice())
        .headers(headers(record, 0));
    if !record.key.is_empty() {
        message = message.key(record.key.as_slice());
    }
    put(producer, message).map_err(|error| {
        let what = format!("a record for {topic}/{partition}");
        KafkaFailure::of(what, &error, &producer.context().complaints)
    })
}
