//! The embedded log against its promises.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use theriac_contract::{Interval, Record, StoredRecord, Timestamp, Topic, TopicError, Topics};

use super::{Embedded, Settings, TopicSettings};

const TOPICS: [Topic; 2] = [Topic::Symptoms, Topic::Journal];

fn settings() -> Settings {
    Settings { segment_bytes: 200, commits_bytes: 1_000, fsync: super::Fsync::Never, ..Settings::default() }
}

fn record(n: u64) -> Record {
    Record {
        timestamp: Timestamp(n as i64 * 1_000),
        key: b"k".to_vec(),
        headers: vec![("n".into(), n.to_le_bytes().to_vec())],
        value: vec![n as u8; (n % 40) as usize],
    }
}

/// The `n`th of a fixed sequence of transactions.
fn transact(log: &mut Embedded, n: u64) {
    for (i, topic) in TOPICS.into_iter().enumerate() {
        let records: Vec<_> = (0..=n % 3).map(|r| record(n * 10 + r + i as u64)).collect();
        log.append(topic, 0, &records).unwrap();
    }
    log.commit_position("reader", Topic::Symptoms, 0, n).unwrap();
    log.commit().unwrap();
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn lay(dir: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let _ = fs::remove_dir_all(dir);
    for (path, bytes) in files {
        let path = dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

type Content = (Vec<Vec<StoredRecord>>, Option<u64>);

fn content(log: &Embedded) -> Result<Content, TopicError> {
    let read = |topic| log.read(topic, 0, log.start(topic, 0), usize::MAX);
    let records = TOPICS.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok((records, log.position("reader", Topic::Symptoms, 0)))
}

/// States after each of the first `n` transactions.
fn history(dir: &Path, n: u64) -> Vec<(Content, BTreeMap<PathBuf, Vec<u8>>)> {
    let mut log = Embedded::open(dir, settings()).unwrap();
    let mut states = vec![(content(&log).unwrap(), files(dir))];
    for i in 0..n {
        transact(&mut log, i);
        states.push((content(&log).unwrap(), files(dir)));
    }
    states
}

#[test]
fn every_truncation_gives_a_committed_state_or_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let states = history(&dir.path().join("a"), 4);
    let whole = &states.last().unwrap().1;
    let other = dir.path().join("b");
    let (mut opened, mut refused) = (0, 0);
    for (path, bytes) in whole {
        for length in 0..bytes.len() {
            let mut cut = whole.clone();
            cut.insert(path.clone(), bytes[..length].to_vec());
            lay(&other, &cut);
            match Embedded::open(&other, settings()).and_then(|log| content(&log)) {
                Ok(found) => {
                    assert!(states.iter().any(|(state, _)| *state == found), "{path:?} cut at {length}");
                    opened += 1;
                }
                Err(TopicError::Corrupt { .. }) => refused += 1,
                Err(error) => panic!("{path:?} cut at {length}: {error}"),
            }
        }
    }
    assert!(opened > 100 && refused > 100, "{opened} opened, {refused} refused");
}

#[test]
fn every_flipped_bit_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let states = history(&dir.path().join("a"), 3);
    let whole = &states.last().unwrap().1;
    let other = dir.path().join("b");
    for (path, bytes) in whole {
        for at in 0..bytes.len() {
            let mut flipped = whole.clone();
            flipped.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            lay(&other, &flipped);
            let found = Embedded::open(&other, settings()).and_then(|log| content(&log));
            assert!(matches!(found, Err(TopicError::Corrupt { .. })), "{path:?} at {at}: {found:?}");
        }
    }
}

#[test]
fn a_crash_and_the_same_transactions_again_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let states = history(&dir.path().join("a"), 30);
    let last = &states.last().unwrap().1;
    let other = dir.path().join("b");
    for i in 0..30 {
        // Of transaction i everything but the line of the commit reached the disk.
        let (before, after) = (&states[i].1, &states[i + 1].1);
        let mut crashed = before.clone();
        crashed.extend(
            after
                .iter()
                .filter(|(path, _)| path.starts_with("symptoms"))
                .map(|(p, b)| (p.clone(), b.clone())),
        );
        crashed.insert("commits.new".into(), b"half".to_vec());
        lay(&other, &crashed);
        let mut log = Embedded::open(&other, settings()).unwrap();
        assert_eq!(&files(&other), before, "after {i} transactions");
        for again in i..30 {
            transact(&mut log, again as u64);
        }
        assert_eq!(&files(&other), last, "from {i} on");
    }
}

#[test]
fn one_writer_and_readers_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Embedded::open(dir.path(), settings()).unwrap();
    let second = Embedded::open(dir.path(), settings()).err().unwrap();
    assert!(matches!(&second, TopicError::Fenced(text) if text.contains("another process")), "{second}");
    transact(&mut log, 0);
    let mut reader = Embedded::open_to_read(dir.path()).unwrap();
    assert_eq!(content(&reader).unwrap(), content(&log).unwrap());
    let before = content(&reader).unwrap();
    transact(&mut log, 1);
    assert_eq!(content(&reader).unwrap(), before);
    reader.refresh().unwrap();
    assert_eq!(content(&reader).unwrap(), content(&log).unwrap());
    assert!(reader.append(Topic::Symptoms, 0, &[record(1)]).is_err());
    drop(log);
    Embedded::open(dir.path(), settings()).unwrap();
}

#[test]
fn retention_lets_whole_segments_go() {
    for (bytes, age) in [(400, 0), (0, 60_000)] {
        let dir = tempfile::tempdir().unwrap();
        let own = TopicSettings {
            retention_bytes: Some(bytes),
            retention_age: Some(Interval(age)),
            ..TopicSettings::default()
        };
        let settings = Settings { topics: BTreeMap::from([(Topic::Symptoms, own)]), ..settings() };
        let mut log = Embedded::open(dir.path(), settings).unwrap();
        (0..40).for_each(|n| transact(&mut log, n));
        let start = log.start(Topic::Symptoms, 0);
        assert!(start > 0 && start < log.end(Topic::Symptoms, 0));
        assert_eq!(log.start(Topic::Journal, 0), 0);
        let there: Vec<_> = files(&dir.path().join("symptoms/0")).into_iter().collect();
        assert_eq!(there[0].0, PathBuf::from(format!("{start:020}.segment")));
        let closed: usize = there[..there.len() - 1].iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(bytes == 0 || closed as u64 <= bytes, "{closed} bytes are kept");
        let first = &log.read(Topic::Symptoms, 0, start, 1).unwrap()[0];
        assert!(age == 0 || first.record.timestamp.0 >= 390_000 - age - 20_000, "{first:?}");
        let gone = log.read(Topic::Symptoms, 0, start - 1, 1).unwrap_err();
        assert!(matches!(gone, TopicError::OutOfRange { .. }), "{gone}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Append(bool, Vec<u64>),
    Position(u64),
    Commit,
    Abort,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), prop::collection::vec(0..200_u64, 0..5)).prop_map(|(t, n)| Step::Append(t, n)),
        1 => (0..9_u64).prop_map(Step::Position),
        2 => Just(Step::Commit),
        1 => Just(Step::Abort),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn behaves_as_a_list_in_memory(steps in prop::collection::vec(step(), 0..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut log = Embedded::open(dir.path(), settings()).unwrap();
        let empty: (BTreeMap<Topic, Vec<Record>>, Option<u64>) = (BTreeMap::new(), None);
        let (mut committed, mut open) = (empty.clone(), empty);
        for step in steps {
            match step {
                Step::Append(which, numbers) => {
                    let topic = TOPICS[usize::from(which)];
                    let records: Vec<_> = numbers.into_iter().map(record).collect();
                    let list = open.0.entry(topic).or_default();
                    prop_assert_eq!(log.append(topic, 0, &records).unwrap(), list.len() as u64);
                    list.extend(records);
                }
                Step::Position(next) => {
                    log.commit_position("reader", Topic::Symptoms, 0, next).unwrap();
                    open.1 = Some(next);
                }
                Step::Commit => {
                    log.commit().unwrap();
                    committed = open.clone();
                }
                Step::Abort => {
                    log.abort().unwrap();
                    open = committed.clone();
                }
                Step::Reopen => {
                    drop(log);
                    log = Embedded::open(dir.path(), settings()).unwrap();
                    open = committed.clone();
                }
            }
            for topic in TOPICS {
                let expected = committed.0.get(&topic).cloned().unwrap_or_default();
                for from in 0..=expected.len() {
                    let found = log.read(topic, 0, from as u64, usize::MAX).unwrap();
                    let offsets: Vec<_> = found.iter().map(|stored| stored.offset as usize).collect();
                    prop_assert_eq!(offsets, (from..expected.len()).collect::<Vec<_>>());
                    prop_assert!(found.iter().map(|stored| &stored.record).eq(&expected[from..]));
                }
            }
            prop_assert_eq!(log.position("reader", Topic::Symptoms, 0), committed.1);
        }
    }
}
