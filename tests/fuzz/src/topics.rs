//! The embedded log over files that are not what it wrote.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use theriac_connectors::topics::{Embedded, Fsync, Settings};
use theriac_contract::{Record, StoredRecord, Timestamp, Topic, TopicError, Topics};

use crate::{checked_line, damage, lay};

const TOPICS: [Topic; 2] = [Topic::Symptoms, Topic::Journal];
/// Reads of one partition; none holds as many records.
const READS_MAX: usize = 1 << 16;

type Content = Vec<Vec<StoredRecord>>;

/// A log after a few transactions, and what was in it after each.
struct History {
    files: BTreeMap<PathBuf, Vec<u8>>,
    states: Vec<Content>,
}

static HISTORY: LazyLock<History> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let mut log = Embedded::open(folder.path(), settings()).expect("a new log");
    let mut states = vec![content(&log).expect("it can be read")];
    for n in 0..4_u8 {
        for topic in TOPICS {
            log.append(topic, 0, &[record(n), record(n + 100)]).expect("appended");
        }
        log.commit_position("reader", Topic::Symptoms, 0, u64::from(n)).expect("a position");
        log.commit().expect("committed");
        states.push(content(&log).expect("it can be read"));
    }
    History { files: files(folder.path()), states }
});

fn settings() -> Settings {
    Settings { segment_bytes: 200, commits_bytes: 1_000, fsync: Fsync::Never, ..Settings::default() }
}

fn record(n: u8) -> Record {
    Record {
        timestamp: Timestamp(i64::from(n)),
        key: b"k".to_vec(),
        headers: vec![("n".to_owned(), vec![n])],
        value: vec![n; usize::from(n % 40)],
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found =
        BTreeMap::from([(PathBuf::from("commits"), fs::read(folder.join("commits")).expect("it is there"))]);
    for topic in TOPICS {
        let below = Path::new(topic.name()).join("0");
        for entry in fs::read_dir(folder.join(&below)).expect("it is there") {
            let name = entry.expect("it is there").file_name();
            found.insert(below.join(&name), fs::read(folder.join(&below).join(&name)).expect("it is there"));
        }
    }
    found
}

/// Everything that a log gives, in small pieces: no read goes round in circles.
fn content(log: &Embedded) -> Result<Content, TopicError> {
    let one = |topic| {
        let mut records = Vec::new();
        let mut next = log.start(topic, 0);
        for _ in 0..READS_MAX {
            let piece = log.read(topic, 0, next, 64)?;
            let Some(last) = piece.last() else { return Ok(records) };
            assert!(last.offset >= next && last.offset < log.end(topic, 0), "outside of what is committed");
            next = last.offset + 1;
            records.extend(piece);
        }
        panic!("reading does not come to an end")
    };
    TOPICS.into_iter().map(one).collect()
}

/// The first byte chooses: a true log that was damaged, or files made up under right checksums.
pub fn log(bytes: &[u8]) {
    match bytes.split_first() {
        Some((kind, rest)) if kind % 2 == 0 => damaged(rest),
        Some((_, rest)) => forged(rest),
        None => {}
    }
}

/// Five bytes a damage: in which file, and how. What opens is what was there after some
/// transaction.
fn damaged(bytes: &[u8]) {
    let History { files, states } = &*HISTORY;
    let mut files: Vec<(&PathBuf, Option<Vec<u8>>)> =
        files.iter().map(|(path, bytes)| (path, Some(bytes.clone()))).collect();
    // Few enough that no checksum fits by chance.
    for piece in bytes.chunks_exact(5).take(4) {
        let index = usize::from(piece[0] % 32) % files.len();
        let other = files[usize::from(piece[4]) % files.len()].1.clone();
        match (piece[0] / 32, &mut files[index].1) {
            (6, file) => *file = None,
            (7, file) => *file = other,
            (_, Some(file)) => damage(file, [piece[1], piece[2], piece[3], piece[4]]),
            (_, None) => {}
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (path, bytes) in files {
        if let Some(bytes) = bytes {
            lay(&folder.path().join(path), &bytes);
        }
    }
    if let Ok(found) = Embedded::open_to_read(folder.path()).and_then(|log| content(&log)) {
        assert!(states.contains(&found), "this was never committed");
    }
    if let Ok(found) = Embedded::open(folder.path(), settings()).and_then(|log| content(&log)) {
        assert!(states.contains(&found), "this was never committed");
    }
}

/// Lines of the commit log up to a zero byte, then bodies of records, each behind its length.
fn forged(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let commits: Vec<u8> = bytes[..end].split(|byte| *byte == b'\n').flat_map(checked_line).collect();
    let mut segment = b"theriac1".to_vec();
    let mut rest = bytes.get(end + 1..).unwrap_or_default();
    while let Some((length, behind)) = rest.split_first() {
        let (body, behind) = behind.split_at(usize::from(*length).min(behind.len()));
        let length = (body.len() as u32).to_le_bytes();
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&length);
        hasher.update(body);
        segment.extend_from_slice(&length);
        segment.extend_from_slice(&hasher.finalize().to_le_bytes());
        segment.extend_from_slice(body);
        rest = behind;
    }
    let folder = tempfile::tempdir().expect("a folder");
    lay(&folder.path().join("commits"), &commits);
    lay(&folder.path().join("symptoms/0/00000000000000000000.segment"), &segment);
    if let Ok(log) = Embedded::open_to_read(folder.path()) {
        let _ = content(&log);
        let _ = Topic::ALL.map(|topic| log.partitions(topic));
    }
    if let Ok(mut log) = Embedded::open(folder.path(), settings()) {
        let _ = content(&log);
        if log.append(Topic::Symptoms, 0, &[record(1)]).is_ok() {
            let _ = log.commit();
        }
    }
}
