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
        let some = Settings { topics: BTreeMap::from([(Topic::Symptoms, own)]), ..settings() };
        let mut log = Embedded::open(dir.path(), some).unwrap();
        let apart = tempfile::tempdir().unwrap();
        let mut all = Embedded::open(apart.path(), settings()).unwrap();
        for n in 0..40 {
            let before = log.start(Topic::Symptoms, 0);
            transact(&mut log, n);
            transact(&mut all, n);
            let start = log.start(Topic::Symptoms, 0);
            if start == before {
                continue;
            }
            // With the segment that went last, there would be too much.
            let sizes = |dir: &Path| files(&dir.join("symptoms/0")).into_values().map(|bytes| bytes.len());
            let kept: usize = sizes(dir.path()).rev().skip(1).sum();
            let last_gone = sizes(apart.path()).rev().nth(sizes(dir.path()).count()).unwrap();
            assert!(bytes == 0 || (kept + last_gone) as u64 > bytes, "{last_gone} bytes need not have gone");
            let newest = &all.read(Topic::Symptoms, 0, start - 1, 1).unwrap()[0].record;
            assert!(age == 0 || newest.timestamp.0 < n as i64 * 10_000 + 3_000 - age, "{newest:?}");
        }
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

/// A log of one commit, under its right checksum.
fn forged(dir: &Path, partitions: &str, transaction: u64) -> Result<Embedded, TopicError> {
    let json = format!(r#"{{"transaction":{transaction},"partitions":{{{partitions}}},"positions":{{}}}}"#);
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("commits"), format!("{:08x} {json}\n", crc32fast::hash(json.as_bytes()))).unwrap();
    Embedded::open_to_read(dir)
}

#[test]
fn a_commit_that_cannot_be_is_refused_though_its_checksum_is_right() {
    let dir = tempfile::tempdir().unwrap();
    let segment = |base: u64| format!(r#"{{"base":{base},"bytes":9,"newest":"1970-01-01T00:00:00Z"}}"#);
    let extent = |place: &str, start: u64, end: u64, segments: &[u64]| {
        let segments: Vec<_> = segments.iter().copied().map(segment).collect();
        format!(r#""{place}":{{"start":{start},"end":{end},"segments":[{}]}}"#, segments.join(","))
    };
    for (partitions, transaction) in [
        (extent("symptoms/0", 0, 5, &[]), 1),
        (extent("symptoms/0", 3, 2, &[3]), 1),
        (extent("symptoms/0", 1, 5, &[2]), 1),
        (extent("symptoms/0", 0, 5, &[0, 4, 2]), 1),
        (extent("symptoms/0", u64::MAX, u64::MAX, &[u64::MAX]), 1),
        (extent("symptoms/4294967295", 0, 5, &[0]), 1),
        (extent("symptoms/0", 0, 5, &[0]), u64::MAX),
    ] {
        let found = forged(dir.path(), &partitions, transaction);
        assert!(matches!(found, Err(TopicError::Corrupt { .. })), "{partitions}");
    }
    let log = forged(dir.path(), &extent("symptoms/0", 0, 5, &[0, 2]), 1).unwrap();
    assert_eq!((log.start(Topic::Symptoms, 0), log.end(Topic::Symptoms, 0)), (0, 5));
}

#[test]
fn a_record_takes_no_more_memory_than_its_file_has_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let extent = format!(
        r#""symptoms/0":{{"start":0,"end":1,"segments":[{{"base":0,"bytes":{},"newest":"1970-01-01T00:00:00Z"}}]}}"#,
        u64::MAX
    );
    let folder = dir.path().join("symptoms/0");
    fs::create_dir_all(&folder).unwrap();
    // Four gigabytes are announced.
    fs::write(folder.join("00000000000000000000.segment"), b"theriac1\xff\xff\xff\xff\0\0\0\0body").unwrap();
    let log = forged(dir.path(), &extent, 1).unwrap();
    assert!(matches!(log.read(Topic::Symptoms, 0, 0, 1), Err(TopicError::Corrupt { .. })));
}

#[test]
fn a_topic_has_only_so_many_partitions() {
    let dir = tempfile::tempdir().unwrap();
    for partitions in [0, u32::MAX] {
        let found = Embedded::open(dir.path(), Settings { partitions, ..settings() });
        assert!(matches!(found, Err(TopicError::Invalid(_))), "{partitions}");
    }
}
