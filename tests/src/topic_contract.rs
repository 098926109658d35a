//! What every implementation of [`Topics`] must do.

use std::path::Path;

use theriac_contract::{Record, Timestamp, Topic, TopicError, Topics};

/// Opens the store that belongs to a directory, with one partition for each topic. Opening
/// the same directory again gives the same store after its process ended.
pub type Open<'a> = dyn FnMut(&Path) -> Box<dyn Topics> + 'a;

const A: Topic = Topic::Symptoms;
const B: Topic = Topic::Plans;

fn record(n: u8) -> Record {
    Record {
        timestamp: Timestamp(i64::from(n)),
        key: vec![n],
        headers: vec![("ce_id".to_owned(), vec![n, 0, 255])],
        value: vec![n; 100],
    }
}

fn values(topics: &dyn Topics, topic: Topic) -> Result<Vec<u8>, TopicError> {
    let stored = topics.read(topic, 0, topics.start(topic, 0), usize::MAX)?;
    Ok(stored.iter().map(|stored| stored.record.value[0]).collect())
}

/// Runs all of the contract; each part in its own folder of `dir`.
///
/// # Errors
/// If the store fails where it must not.
///
/// # Panics
/// If the store breaks the contract.
pub fn suite(dir: &Path, open: &mut Open<'_>) -> Result<(), TopicError> {
    an_empty_store_is_empty(open(&dir.join("empty")).as_ref())?;
    records_come_back_as_they_were(open(&dir.join("records")).as_mut())?;
    a_transaction_is_whole_or_not_there(open(&dir.join("transactions")).as_mut())?;
    what_is_not_there_is_refused(open(&dir.join("refused")).as_mut())?;
    the_last_commit_survives(&dir.join("reopened"), open)
}

fn an_empty_store_is_empty(topics: &dyn Topics) -> Result<(), TopicError> {
    for topic in Topic::ALL {
        assert_eq!((topics.partitions(topic), topics.start(topic, 0), topics.end(topic, 0)), (1, 0, 0));
        assert_eq!(topics.read(topic, 0, 0, 1)?, []);
        assert_eq!(topics.position("reader", topic, 0), None);
    }
    Ok(())
}

fn records_come_back_as_they_were(topics: &mut dyn Topics) -> Result<(), TopicError> {
    assert_eq!(topics.append(A, 0, &[record(0), Record::default()])?, 0);
    assert_eq!(topics.append(A, 0, &[record(2)])?, 2);
    assert_eq!(topics.append(B, 0, &[record(3)])?, 0);
    topics.commit()?;
    let stored = topics.read(A, 0, 0, usize::MAX)?;
    let offsets: Vec<_> = stored.iter().map(|stored| stored.offset).collect();
    let records: Vec<_> = stored.into_iter().map(|stored| stored.record).collect();
    assert_eq!((offsets, records), (vec![0, 1, 2], vec![record(0), Record::default(), record(2)]));
    assert_eq!(topics.read(A, 0, 1, 0)?.len(), 1, "at least one record, however little is asked for");
    assert_eq!(topics.read(A, 0, 2, usize::MAX)?[0].record, record(2));
    Ok(())
}

fn a_transaction_is_whole_or_not_there(topics: &mut dyn Topics) -> Result<(), TopicError> {
    topics.append(A, 0, &[record(1)])?;
    topics.append(B, 0, &[record(2)])?;
    topics.commit_position("reader", A, 0, 1)?;
    assert_eq!((topics.end(A, 0), topics.end(B, 0), topics.position("reader", A, 0)), (0, 0, None));
    topics.abort()?;
    assert_eq!((values(topics, A)?, values(topics, B)?), (vec![], vec![]));
    assert_eq!(topics.append(A, 0, &[record(3)])?, 0, "an aborted transaction takes no offsets");
    topics.commit_position("reader", A, 0, 1)?;
    topics.commit()?;
    assert_eq!((values(topics, A)?, values(topics, B)?), (vec![3], vec![]));
    assert_eq!(topics.position("reader", A, 0), Some(1));
    assert_eq!((topics.position("other", A, 0), topics.position("reader", B, 0)), (None, None));
    topics.commit()?;
    assert_eq!(topics.end(A, 0), 1);
    Ok(())
}

fn what_is_not_there_is_refused(topics: &mut dyn Topics) -> Result<(), TopicError> {
    topics.append(A, 0, &[record(1)])?;
    topics.commit()?;
    assert_eq!(topics.read(A, 0, 1, usize::MAX)?, [], "the end is no error");
    let beyond = topics.read(A, 0, 2, usize::MAX);
    assert!(matches!(beyond, Err(TopicError::OutOfRange { offset: 2, start: 0, end: 1, .. })), "{beyond:?}");
    let partition = topics.append(A, 1, &[record(1)]);
    assert!(matches!(partition, Err(TopicError::Invalid(_))), "{partition:?}");
    let position = topics.commit_position("reader", A, 1, 0);
    assert!(matches!(position, Err(TopicError::Invalid(_))), "{position:?}");
    Ok(())
}

fn the_last_commit_survives(dir: &Path, open: &mut Open<'_>) -> Result<(), TopicError> {
    for round in 0..5 {
        let mut topics = open(dir);
        let before: Vec<_> = (0..round).collect();
        assert_eq!((values(topics.as_ref(), A)?, values(topics.as_ref(), B)?), (before.clone(), before));
        let position = round.checked_sub(1).map(u64::from);
        assert_eq!(topics.position("reader", A, 0), position);
        topics.append(A, 0, &[record(round)])?;
        topics.append(B, 0, &[record(round)])?;
        topics.commit_position("reader", A, 0, u64::from(round))?;
        topics.commit()?;
        topics.append(A, 0, &[record(99)])?;
    }
    Ok(())
}
