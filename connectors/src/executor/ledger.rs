//! At most once for each key, and never under a stale token, across restarts.
//!
//! The file is written anew when it has grown long. What is left out is only what a fence
//! stands in for: a key whose target has been acted upon under a newer token since. The
//! keys of the newest token are kept, and with them the token, for ever.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Command, Entity, Executor, Id, Verdict,
    seeded::{self, Bug},
};

/// How long the lock of another process is waited for, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

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

/// How much a ledger keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LedgerLimits {
    /// Answers that are kept, the newest, beyond those that must be. A command that is
    /// repeated after its answer is gone is fenced instead.
    pub answers_max: usize,
    /// The file is written anew when it is longer than this, and than twice what it was
    /// after the last time.
    pub bytes: u64,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self { answers_max: 4096, bytes: 4 << 20 }
    }
}

/// What is known of a key: the newest attempt, and how it ended.
#[derive(Clone, Debug)]
struct Known {
    /// Order in which the keys were begun.
    place: u64,
    attempt: u32,
    target: Entity,
    token: u64,
    ended: Option<(Verdict, String)>,
}

#[derive(Debug)]
struct Book {
    path: PathBuf,
    limits: LedgerLimits,
    file: File,
    /// Bytes of whole lines.
    length: u64,
    /// Length at which the file is written anew.
    length_max: u64,
    /// A file that was written anew may not be found after a loss of power.
    unsettled: bool,
    begun: u64,
    known: BTreeMap<Id, Known>,
    tokens: BTreeMap<Entity, u64>,
    /// Held as long as the ledger is open. A file of its own: the ledger itself is replaced.
    _lock: File,
}

/// Puts an append-only file before an executor: `begun` is on disk before it is called,
/// `ended` after. A key that was begun and has no end (the process died) is answered with
/// unknown and not done again; so is one whose end leaves it open. Only a failure that
/// may be retried lets another attempt act. A token below the newest for the target is
/// fenced. Dry runs pass by, and so does what goes to an executor that remembers by itself.
pub struct Ledger<E> {
    executor: E,
    book: Mutex<Book>,
}

impl<E: Executor> Ledger<E> {
    /// Opens or makes the file, and cuts off a last line that was not written to its end.
    ///
    /// # Errors
    /// If the file cannot be used, another process has it, or a line of it is damaged.
    pub fn open(path: &Path, limits: LedgerLimits, executor: E) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), source };
        let options = || OpenOptions::new().read(true).write(true).create(true).truncate(false).clone();
        let lock = options().open(beside(path, "lock")).map_err(io)?;
        // A program that is just being started has what its parent has open until it runs, this lock too.
        let mut patience = PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(std::fs::TryLockError::WouldBlock) if !patience.is_zero() => {
                    thread::sleep(PAUSE);
                    patience = patience.saturating_sub(PAUSE);
                }
                Err(std::fs::TryLockError::WouldBlock) => return Err(LedgerError::InUse(path.to_owned())),
                Err(std::fs::TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        // Half written by a process that was killed; the ledger itself is whole.
        match fs::remove_file(beside(path, "new")) {
            Err(source) if source.kind() != ErrorKind::NotFound => return Err(io(source)),
            _ => {}
        }
        let mut file = options().open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let mut book = Book {
            path: path.to_owned(),
            length_max: limits.bytes,
            limits,
            file,
            length: 0,
            unsettled: false,
            begun: 0,
            known: BTreeMap::new(),
            tokens: BTreeMap::new(),
            _lock: lock,
        };
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
        if seeded::on(Bug::KeysForgotten) {
            book.known.clear();
        }
        if seeded::on(Bug::TokensForgotten) {
            book.tokens.clear();
        }
        book.file.sync_all().map_err(io)?;
        sync_folder(path).map_err(io)?;
        book.shorten();
        Ok(Self { executor, book: Mutex::new(book) })
    }

    /// Notes that the command is begun, or gives the answer that must be given instead.
    fn begin(&self, command: &Command) -> Result<(), (Verdict, String)> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let target = &command.action.target;
        match book.known.get(&command.idempotency_key) {
            Some(Known { ended: None, .. }) if seeded::on(Bug::UnfinishedDoneAgain) => {}
            Some(Known { ended: None, attempt, .. }) => {
                let detail = format!("attempt {attempt} was begun and its end is not known");
                return Err((Verdict::Unknown, detail));
            }
            Some(Known { ended: Some((Verdict::Failed { retryable: true }, _)), attempt, .. })
                if command.attempt > *attempt => {}
            Some(Known { ended: Some((verdict, detail)), .. }) => {
                return Err((verdict.clone(), detail.clone()));
            }
            None => {}
        }
        let newest = book.tokens.get(target).copied().unwrap_or(0);
        let stale = if seeded::on(Bug::FencingWrongWay) {
            newest > 0 && command.fencing_token > newest
        } else {
            command.fencing_token < newest
        };
        if stale {
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

/// The entry as a line of the file.
fn line(entry: &Entry) -> std::io::Result<Vec<u8>> {
    let json = serde_json::to_vec(entry)?;
    let mut line = format!("{:08x} ", crc32fast::hash(&json)).into_bytes();
    line.extend_from_slice(&json);
    line.push(b'\n');
    Ok(line)
}

/// The path with another ending: `ledger.new`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Makes what was created or renamed in the folder of a file last.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

impl Book {
    fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Begun { key, attempt, target, token } => {
                let newest = self.tokens.entry(target.clone()).or_default();
                *newest = token.max(*newest);
                self.begun += 1;
                self.known.insert(key, Known { place: self.begun, attempt, target, token, ended: None });
            }
            Entry::Ended { key, attempt, verdict, detail } => {
                // Every end follows its beginning: lines are written and kept in this order.
                if let Some(known) = self.known.get_mut(&key) {
                    known.attempt = attempt;
                    known.ended = Some((verdict, detail));
                }
            }
        }
    }

    /// Writes the file anew if it has grown long. If that fails, the long one stays.
    fn shorten(&mut self) {
        if self.length > self.length_max {
            self.forget();
            // The next attempt comes when the file has doubled, whether or not this one went well.
            let _ = self.rewrite();
            self.length_max = self.limits.bytes.max(self.length.saturating_mul(2));
        }
    }

    /// Forgets the oldest keys of those whose target has been acted upon under a newer token:
    /// the fence refuses them as well as their answer would.
    fn forget(&mut self) {
        let fenced = |known: &Known| self.tokens.get(&known.target).is_some_and(|t| known.token < *t);
        let mut places: Vec<u64> =
            self.known.values().filter(|known| fenced(known)).map(|known| known.place).collect();
        places.sort_unstable();
        let excess = places.len().saturating_sub(self.limits.answers_max);
        let forgotten: BTreeSet<u64> = places.into_iter().take(excess).collect();
        self.known.retain(|_, known| !forgotten.contains(&known.place));
    }

    /// Writes what is known to a file beside, and puts that in place of the old one.
    fn rewrite(&mut self) -> std::io::Result<()> {
        let mut kept: Vec<(&Id, &Known)> = self.known.iter().collect();
        kept.sort_by_key(|(_, known)| known.place);
        let mut bytes = Vec::new();
        for (key, known) in kept {
            let (key, attempt) = (key.clone(), known.attempt);
            let (target, token) = (known.target.clone(), known.token);
            bytes.extend(line(&Entry::Begun { key: key.clone(), attempt, target, token })?);
            if let Some((verdict, detail)) = known.ended.clone() {
                bytes.extend(line(&Entry::Ended { key, attempt, verdict, detail })?);
            }
        }
        let scratch = beside(&self.path, "new");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&scratch)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&scratch, &self.path)?;
        self.file = file;
        self.length = bytes.len() as u64;
        self.unsettled = true;
        self.settle()
    }

    /// Nothing may be noted in a file that could give way to the old one after a loss of power.
    fn settle(&mut self) -> std::io::Result<()> {
        if self.unsettled {
            sync_folder(&self.path)?;
            self.unsettled = false;
        }
        Ok(())
    }

    /// Writes a line and waits until it is on disk. A line that could not be written whole is
    /// written over by the next one.
    fn append(&mut self, entry: Entry) -> std::io::Result<()> {
        let line = line(&entry)?;
        self.settle()?;
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(&line)?;
        if !seeded::on(Bug::LedgerNotSynced) {
            self.file.sync_data()?;
        }
        self.length += line.len() as u64;
        self.fold(entry);
        self.shorten();
        Ok(())
    }
}

impl<E: Executor> Executor for Ledger<E> {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        if command.dry_run || self.executor.remembers(command) {
            return self.executor.execute(command);
        }
        let early = seeded::on(Bug::IntentAfterActing).then(|| self.executor.execute(command));
        if let Err(answer) = self.begin(command) {
            return answer;
        }
        let (verdict, detail) = early.unwrap_or_else(|| self.executor.execute(command));
        match self.end(command, &verdict, &detail) {
            Ok(()) => (verdict, detail),
            Err(error) => (verdict, format!("{detail} (the ledger could not note it: {error})")),
        }
    }
}
