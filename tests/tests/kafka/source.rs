//! The input of a shard: fixed by offsets, in the order of time, and nothing of it is passed over.
//!
//! Everything that is sent here is garbage, so that every record comes out as a reject with its
//! place, in the order in which it was looked at.

use theriac_connectors::kafka::{InputSettings, KafkaSource, Settings, membership::InputPositions};
use theriac_contract::{Fetch, Fetched, Source};
use theriac_tests::broker::{Broker, Message};

/// Partition and offset.
type Place = (i32, u64);

fn message(topic: &'static str, partition: i32, time: i64) -> Message {
    let (time, payload) = (1_767_225_600_000 + time, b"\x00\x01nonsense\xff".to_vec());
    Message { topic, partition, time, payload, ..Message::default() }
}

/// A topic with so many partitions and these records: partition, and time in milliseconds.
fn topic(name: &'static str, partitions: i32, records: &[(i32, i64)]) -> Settings {
    let broker = Broker::shared();
    broker.create(&[name], partitions);
    let messages: Vec<Message> = records.iter().map(|(at, time)| message(name, *at, *time)).collect();
    broker.produce(&messages);
    let inputs = [(name.to_owned(), InputSettings::default())].into();
    let start = theriac_connectors::kafka::Start::Earliest;
    Settings { inputs, start, ..broker.settings(name) }
}

fn open(settings: &Settings) -> KafkaSource {
    KafkaSource::open(settings, 0, 1, InputPositions::default()).unwrap()
}

fn places(fetched: &Fetched) -> Vec<Place> {
    let place = |origin: &str| origin.rsplit_once('/').unwrap().1.parse().unwrap();
    fetched.rejects.iter().map(|reject| (place(&reject.origin), reject.offset)).collect()
}

/// The next records that come.
fn next(source: &mut KafkaSource, bytes_max: usize) -> Vec<Place> {
    loop {
        match source.fetch(bytes_max).unwrap() {
            Fetch::Batch(fetched) => return places(&fetched),
            Fetch::Idle => {}
            Fetch::End => return Vec::new(),
        }
    }
}

const ALL: usize = 1 << 20;

#[test]
fn a_round_is_read_again_as_it_was() {
    let records: Vec<(i32, i64)> = (0..40).map(|n| (i32::from(n % 3 == 0), i64::from(n))).collect();
    let mut source = open(&topic("again", 2, &records));
    source.end_at_present().unwrap();
    let mut before = source.position();
    let mut count = 0;
    loop {
        let round = next(&mut source, 50);
        if round.is_empty() {
            break;
        }
        count += round.len();
        let after = source.position();
        source.seek(&before).unwrap();
        assert_eq!(places(&source.again(&after).unwrap()), round, "from {before} to {after}");
        assert_eq!(source.position(), after);
        before = after;
    }
    assert_eq!(count, records.len());
}

/// What counts is the position that was kept with a round, not how far a process had read.
#[test]
fn what_was_read_and_not_kept_is_read_again() {
    let settings = topic("kept", 1, &[(0, 0), (0, 1), (0, 2), (0, 3)]);
    let mut source = open(&settings);
    let first = next(&mut source, 1);
    let kept = source.position();
    let second = next(&mut source, 1);
    assert_eq!((first, &second), (vec![(0, 0)], &vec![(0, 1)]));
    drop(source);
    let mut source = open(&settings);
    source.seek(&kept).unwrap();
    assert_eq!(next(&mut source, 1), second);
}

#[test]
fn several_partitions_are_one_stream_in_the_order_of_time() {
    let records: Vec<(i32, i64)> = (0..30).map(|n| (n % 3, i64::from(n) * 1000)).collect();
    let mut source = open(&topic("ordered", 3, &records));
    source.end_at_present().unwrap();
    let expected: Vec<Place> = (0..30).map(|n| (n % 3, n as u64 / 3)).collect();
    assert_eq!(next(&mut source, ALL), expected);
    assert_eq!(next(&mut source, ALL), []);
}

/// A partition that was added while nobody looked has records from before it was noticed.
#[test]
fn a_partition_that_was_added_is_read_from_its_beginning() {
    let settings = topic("grown", 1, &[(0, 0)]);
    let mut source = open(&settings);
    assert_eq!(next(&mut source, ALL), [(0, 0)]);
    let kept = source.position();
    drop(source);
    Broker::shared().grow("grown", 2);
    Broker::shared().produce(&[message("grown", 1, 1), message("grown", 0, 2)]);
    let mut source = open(&settings);
    source.seek(&kept).unwrap();
    source.end_at_present().unwrap();
    assert_eq!(next(&mut source, ALL), [(1, 0), (0, 1)]);
}
