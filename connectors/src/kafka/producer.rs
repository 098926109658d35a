//! Handing records to a producer, and learning which did not arrive.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext},
};
use theriac_contract::Record;

use super::client::Complaints;

/// Notes the first record of a transaction that did not arrive.
#[derive(Default)]
pub(super) struct Deliveries {
    pub(super) complaints: Complaints,
    failed: Mutex<Option<KafkaError>>,
}

impl rdkafka::ClientContext for Deliveries {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        rdkafka::ClientContext::log(&self.complaints, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.get_or_insert_with(|| error.clone());
        }
    }
}

impl Deliveries {
    /// The first record that did not arrive, and why.
    pub(super) fn failed(&self) -> Option<KafkaError> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The headers of a record, with room for some more.
pub(super) fn headers(record: &Record, more: usize) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len() + more);
    record
        .headers
        .iter()
        .fold(headers, |headers, (key, value)| headers.insert(Header { key, value: Some(value.as_slice()) }))
}

/// Hands a record to a producer; waits while its queue is full.
pub(super) fn put(
    producer: &BaseProducer<Deliveries>,
    mut message: BaseRecord<'_, [u8], [u8]>,
) -> Result<(), KafkaError> {
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                message = back;
                producer.poll(Duration::from_millis(10));
            }
            Err((error, _)) => return Err(error),
        }
    }
}
