//! At most once for each key, and never under a stale token, across restarts.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};
use theriac_contract::{Command, Entity, Executor, Id, Verdict};

/// A ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read or written.
    #[error("ledger {path}: {source}")]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has it.
    #[error("ledger {0}: another process uses it; end that one first")]
    InUse(PathBuf),
    /// It is damaged, or no ledger: what was done is not known.
    #[error(
        "ledger {path}, line {line}: checksum or content is wrong; restore the file, or move it away once it is certain that nothing is under way"
    )]
    Damaged {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
}

/// One line: eight hex digits of a CRC-32 of the JSON, a blank, the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case", deny_unknown_fields)]
enum Entry {
    /// Durable before the executor is called.
    Begun { key: Id, attempt: u32, target: Entity, token: u64 },
    /// Durable before the answer is given.
    Ended { key: Id, attempt: u32, verdict: Verdict, detail: String },
}

/// What is known of a key: the newest attempt, and how it ended.
#[derive(Clone, Debug)]
struct Known {
    attempt: u32,
    ended: Option<(Verdict, String)>,
}

#[derive(Debug)]
struct Book {
    file: File,
    /// Bytes of whole lines.
    length: u64,
    known: BTreeMap<Id, Known>,
    tokens: BTreeMap<Entity, u64>,
}

/// Puts an append-only file before an executor: `begun` is on disk before it is called,
/// `ended` after. A key that was begun and has no end (the process died) is answered with
/// unknown and not done again; so is one whose end leaves it open. Only a failure that
/// may be retried lets another attempt act. A token below the newest for the target is
/// fenced. Dry runs pass by.
pub struct Ledger<E> {
    executor: E,
    book: Mutex<Book>,
}

impl<E: Executor> Ledger<E> {
    /// Opens or makes the file, and cuts off a last line that was not written to its end.
    ///
    /// # Errors
    /// If the file cannot be used, another process has it, or a line of it is damaged.
    pub fn open(path: &Path, executor: E) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(LedgerError::InUse(path.to_owned())),
            Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut book = Book { file, length: 0, known: BTreeMap::new(), tokens: BTreeMap::new() };
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match parse(line) {
                Some(entry) => {
                    book.length += line.len() as u64;
                    book.fold(entry);
                }
                // A write that was broken off leaves no line feed.
                None if line.ends_with(b"\n") => {
                    return Err(LedgerError::Damaged { path: path.to_owned(), line: index + 1 });
                }
                None => book.file.set_len(book.length).map_err(io)?,
            }
        }
        book.file.sync_all().map_err(io)?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent).and_then(|directory| directory.sync_all()).map_err(io)?;
        }
        Ok(Self { executor, book: Mutex::new(book) })
    }

    /// Notes that the command is begun, or gives the answer that must be given instead.
    fn begin(&self, command: &Command) -> Result<(), (Verdict, String)> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let target = &command.action.target;
        match book.known.get(&command.idempotency_key) {
            Some(Known { ended: None, attempt }) => {
                let detail = format!("attempt {attempt} was begun and its end is not known");
                return Err((Verdict::Unknown, detail));
            }
            Some(Known { ended: Some((Verdict::Failed { retryable: true }, _)), attempt })
                if command.attempt > *attempt => {}
            Some(Known { ended: Some((verdict, detail)), .. }) => {
                return Err((verdict.clone(), detail.clone()));
            }
            None => {}
        }
        let newest = book.tokens.get(target).copied().unwrap_or(0);
        if command.fencing_token < newest {
            let detail =
                format!("fenced: token {} is older than {newest} for {target}", command.fencing_token);
            return Err((Verdict::Failed { retryable: false }, detail));
        }
        let entry = Entry::Begun {
            key: command.idempotency_key.clone(),
            attempt: command.attempt,
            target: target.clone(),
            token: command.fencing_token,
        };
        book.append(entry).map_err(|error| {
            (Verdict::Failed { retryable: true }, format!("not done, the ledger cannot be written: {error}"))
        })
    }

    fn end(&self, command: &Command, verdict: &Verdict, detail: &str) -> std::io::Result<()> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.append(Entry::Ended {
            key: command.idempotency_key.clone(),
            attempt: command.attempt,
            verdict: verdict.clone(),
            detail: detail.to_owned(),
        })
    }
}

fn parse(line: &[u8]) -> Option<Entry> {
    let line = line.strip_suffix(b"\n")?;
    let (crc, json) = line.split_at_checked(9)?;
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?.strip_suffix(' ')?, 16).ok()?;
    (crc32fast::hash(json) == crc).then(|| serde_json::from_slice(json).ok())?
}

impl Book {
    fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Begun { key, attempt, target, token } => {
                self.known.insert(key, Known { attempt, ended: None });
                let newest = self.tokens.entry(target).or_default();
                *newest = token.max(*newest);
            }
            Entry::Ended { key, attempt, verdict, detail } => {
                self.known.insert(key, Known { attempt, ended: Some((verdict, detail)) });
            }
        }
    }

    /// Writes a line and waits until it is on disk. A line that could not be written whole is
    /// written over by the next one.
    fn append(&mut self, entry: Entry) -> std::io::Result<()> {
        let json = serde_json::to_vec(&entry)?;
        let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
        line.extend_from_slice(&json);
        line.push(b'\n');
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(&line)?;
        self.file.sync_data()?;
        self.length += line.len() as u64;
        self.fold(entry);
        Ok(())
    }
}

impl<E: Executor> Executor for Ledger<E> {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        if command.dry_run {
            return self.executor.execute(command);
        }
        if let Err(answer) = self.begin(command) {
            return answer;
        }
        let (verdict, detail) = self.executor.execute(command);
        match self.end(command, &verdict, &detail) {
            Ok(()) => (verdict, detail),
            Err(error) => (verdict, format!("{detail} (the ledger could not note it: {error})")),
        }
    }
}
