//! The contract of topics, kept on Kafka, and what is Kafka's own: fencing, and what a reader
//! of another program sees.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::consumer::ConsumerGroupMetadata;
use theriac_connectors::kafka::{
    KafkaTopics, Settings, ensure,
    membership::{InputPositions, Membership, Seat},
};
use theriac_contract::{Record, Timestamp, Topic, TopicError, Topics};
use theriac_tests::{broker::Broker, topic_contract::suite};

fn opened(settings: &Settings) -> KafkaTopics {
    ensure(settings).unwrap();
    KafkaTopics::open(settings, 0, None).unwrap()
}

fn record(n: u8) -> Record {
    Record { timestamp: Timestamp(i64::from(n)), key: vec![n], headers: Vec::new(), value: vec![n; 10] }
}

#[test]
fn kafka_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::shared();
    suite(folder.path(), &mut |dir| {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        Box::new(opened(&broker.settings(&format!("contract-{name}"))))
    })
    .unwrap();
}

/// What a paused owner does after another has taken over comes to nothing.
#[test]
fn an_owner_that_was_replaced_is_fenced() {
    let settings = Broker::shared().settings("fenced");
    let mut old = opened(&settings);
    old.append(Topic::Plans, 0, &[record(1)]).unwrap();
    old.commit().unwrap();
    old.append(Topic::Plans, 0, &[record(2)]).unwrap();
    let mut new = KafkaTopics::open(&settings, 0, None).unwrap();
    assert_eq!(new.end(Topic::Plans, 0), 1);
    new.append(Topic::Plans, 0, &[record(3)]).unwrap();
    new.commit().unwrap();
    let late = old.commit();
    assert!(matches!(late, Err(TopicError::Fenced(_))), "{late:?}");
    let again = old.append(Topic::Plans, 0, &[record(4)]).and_then(|_| old.commit());
    assert!(again.is_err(), "a fenced owner wrote");
    let stored = new.read(Topic::Plans, 0, 0, usize::MAX).unwrap();
    let values: Vec<u8> = stored.iter().map(|stored| stored.record.value[0]).collect();
    assert_eq!(values, [1, 3]);
}

/// Joins the group and waits until it has a place in it.
fn member(settings: &Settings) -> Membership {
    let gained = Arc::new(Mutex::new(false));
    let seen = Arc::clone(&gained);
    let member = Membership::join(settings, move |_| *seen.lock().unwrap() = true).unwrap();
    while !*gained.lock().unwrap() {
        member.poll(Duration::from_millis(50)).unwrap();
    }
    member
}

/// The place of one that has left, and then that of one that is there.
struct Moved {
    left: Mutex<Option<ConsumerGroupMetadata>>,
    there: Arc<dyn Seat>,
}

impl Seat for Moved {
    fn group(&self) -> Option<ConsumerGroupMetadata> {
        self.left.lock().unwrap().take().or_else(|| self.there.group())
    }

    fn positions(&self) -> BTreeMap<(String, i32), i64> {
        [(("otlp_metrics".to_owned(), 0), 5)].into()
    }
}

/// While a transaction is open the group changes: it is given up and sent again, once.
#[test]
fn a_transaction_that_was_given_up_is_sent_again_once() {
    let broker = Broker::shared();
    broker.create(&["otlp_metrics"], 1);
    let settings = broker.settings("moved");
    ensure(&settings).unwrap();
    let first = member(&settings);
    let left = first.seat(InputPositions::default()).group();
    first.leave();
    let second = member(&settings);
    let there = second.seat(InputPositions::default());
    let seat = Moved { left: Mutex::new(left), there };
    let mut topics = KafkaTopics::open(&settings, 0, Some(Arc::new(seat))).unwrap();
    topics.append(Topic::Plans, 0, &[record(1), record(2)]).unwrap();
    topics.append(Topic::Symptoms, 0, &[record(3)]).unwrap();
    topics.commit().unwrap();
    topics.append(Topic::Plans, 0, &[record(4)]).unwrap();
    topics.commit().unwrap();
    drop(topics);
    let topics = KafkaTopics::open(&settings, 0, None).unwrap();
    let stored = topics.read(Topic::Plans, 0, 0, usize::MAX).unwrap();
    let found: Vec<(u64, u8)> = stored.iter().map(|s| (s.offset, s.record.value[0])).collect();
    assert_eq!(found, [(0, 1), (1, 2), (2, 4)]);
    assert_eq!(topics.end(Topic::Symptoms, 0), 1);
    second.leave();
}

/// Offsets are found again in a long partition full of gaps, in whatever order they are asked for.
#[test]
fn any_offset_of_a_long_partition_is_found() {
    let settings = Broker::shared().settings("long");
    let mut topics = opened(&settings);
    let mut expected = Vec::new();
    for round in 0..60_u64 {
        let records: Vec<Record> = (0..50).map(|n| record(((round * 7 + n) % 251) as u8)).collect();
        topics.append(Topic::Symptoms, 0, &records).unwrap();
        if round % 3 == 1 {
            topics.abort().unwrap();
        } else {
            topics.commit().unwrap();
            expected.extend(records);
        }
    }
    drop(topics);
    let topics = KafkaTopics::open(&settings, 0, None).unwrap();
    assert_eq!(topics.end(Topic::Symptoms, 0), expected.len() as u64);
    for offset in [1999, 0, 1000, 1, 1500, 700, 1998, 333] {
        let stored = topics.read(Topic::Symptoms, 0, offset, 1).unwrap();
        assert_eq!((stored[0].offset, &stored[0].record), (offset, &expected[offset as usize]));
    }
    let all = topics.read(Topic::Symptoms, 0, 0, usize::MAX).unwrap();
    assert_eq!(all.len(), expected.len());
    assert!(all.iter().map(|stored| &stored.record).eq(&expected));
}

#[test]
fn topics_that_may_not_be_made_are_named() {
    let settings = Settings { create_topics: false, ..Broker::shared().settings("absent") };
    let error = ensure(&settings).unwrap_err().to_string();
    assert!(error.contains("absent.symptoms") && error.contains("create_topics"), "{error}");
}

#[test]
fn a_broker_that_is_not_there_is_named() {
    let settings =
        Settings { patience: theriac_contract::Interval::from_seconds(2), ..Settings::at("127.0.0.1:1") };
    let error = ensure(&settings).unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1") && error.contains("kafka.brokers"), "{error}");
}
