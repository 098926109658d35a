//! Gets a data set from its pinned source.
//!
//! Each file is written to `<file>.part`, continued from there after a break (HTTP range
//! requests), checked against its SHA-256, and only then given its name. Running it again
//! takes up where it stopped and does nothing if everything is there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use sha2::{Digest, Sha256};
use ureq::{Agent, http::StatusCode};

use crate::catalogue::{Dataset, RemoteFile};

/// How to fetch.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address before the paths of the files, in place of the data set's: a mirror.
    pub base_url: Option<String>,
    /// Attempts in a row that bring nothing before a file is given up.
    pub attempts: u32,
    /// Wait after the first failed attempt; doubled after each further one, up to 64 times.
    pub backoff: Duration,
    /// How long to wait for a connection, for a response, and for the body of one request.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: None,
            attempts: 5,
            backoff: Duration::from_millis(500),
            timeout: Duration::from_secs(300),
        }
    }
}

/// What is happening. The callback that gets this may break off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Before anything is fetched: the licence, the source and the size are in here.
    Start {
        /// What will be fetched.
        dataset: &'a Dataset,
        /// Address that it will be fetched from.
        base_url: &'a str,
    },
    /// A file begins, or goes on.
    File {
        /// Which.
        file: &'a RemoteFile,
        /// Number, from 0.
        index: usize,
        /// Bytes that are here from an earlier run.
        resumed_at: u64,
    },
    /// Bytes that are here, of the whole data set.
    Bytes {
        /// So far.
        done: u64,
        /// Of how many.
        total: u64,
    },
    /// An attempt failed; another follows.
    Retry {
        /// File.
        file: &'a RemoteFile,
        /// Why it failed.
        reason: &'a str,
        /// How long it will wait.
        wait: Duration,
    },
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Folder of the data set.
    pub dir: PathBuf,
    /// Files that were fetched.
    pub fetched: usize,
    /// Files that were here already, checked.
    pub already_here: usize,
}

/// The data set could not be fetched. What has arrived stays, and is used by the next run.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It has no files that can be fetched one by one.
    #[error("`{name}` cannot be fetched: {note} Source: {homepage}")]
    ByHand {
        /// Data set.
        name: String,
        /// What to do.
        note: String,
        /// Where it is.
        homepage: String,
    },
    /// The callback broke off.
    #[error("fetching was broken off; the same command goes on from here")]
    BrokenOff,
    /// The server has no such file, or does not give it.
    #[error(
        "{url}: the server answers {status}; if the source has moved, name a mirror with the same layout"
    )]
    Refused {
        /// Address.
        url: String,
        /// HTTP status.
        status: u16,
    },
    /// Nothing came, again and again.
    #[error(
        "{url}: given up after {attempts} attempts without progress: {reason}; the same command goes on from here"
    )]
    GivenUp {
        /// Address.
        url: String,
        /// Attempts.
        attempts: u32,
        /// Last reason.
        reason: String,
    },
    /// Something else came.
    #[error(
        "{url}: what came is not the file that was pinned (SHA-256 {found}, {found_bytes} bytes; expected {expected}, {expected_bytes} bytes); nothing was kept"
    )]
    Checksum {
        /// Address.
        url: String,
        /// Hexadecimal.
        expected: String,
        /// Bytes.
        expected_bytes: u64,
        /// Hexadecimal; of as much as was read.
        found: String,
        /// Bytes; more than expected are not read to the end.
        found_bytes: u64,
    },
    /// The disk.
    #[error("{path}: {source}")]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

type Report<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'a;

/// Fetches a data set into `dest/<name>`. Blocks until it is there.
///
/// # Errors
/// See [`FetchError`].
pub fn fetch(
    dataset: &Dataset,
    dest: &Path,
    settings: &Settings,
    report: &mut Report<'_>,
) -> Result<Fetched, FetchError> {
    if !dataset.can_be_fetched() {
        let (name, note) = (dataset.name.clone(), dataset.note.clone());
        return Err(FetchError::ByHand { name, note, homepage: dataset.homepage.clone() });
    }
    let base_url = settings.base_url.as_deref().unwrap_or(&dataset.base_url);
    say(report, Progress::Start { dataset, base_url })?;
    let agent: Agent = Agent::config_builder()
        .http_status_as_error(false)
        .accept_encoding("identity")
        .timeout_connect(Some(settings.timeout))
        .timeout_recv_response(Some(settings.timeout))
        .timeout_recv_body(Some(settings.timeout))
        .build()
        .into();
    let dir = dest.join(&dataset.name);
    let mut fetched = Fetched { dir: dir.clone(), fetched: 0, already_here: 0 };
    let mut done = 0;
    for (index, file) in dataset.files.iter().enumerate() {
        let source = file.source.as_ref().unwrap_or(&file.path);
        let url = match source.starts_with("https://") {
            true => source.clone(),
            false => format!("{}/{source}", base_url.trim_end_matches('/')),
        };
        let mut one = Download {
            agent: &agent,
            settings,
            file,
            url,
            done,
            total: dataset.bytes(),
            path: dir.join(&file.path),
        };
        if one.is_here()? {
            fetched.already_here += 1;
        } else {
            one.run(index, report)?;
            fetched.fetched += 1;
        }
        done += file.bytes;
        say(report, Progress::Bytes { done, total: dataset.bytes() })?;
    }
    Ok(fetched)
}

fn say(report: &mut Report<'_>, progress: Progress<'_>) -> Result<(), FetchError> {
    match report(progress) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(FetchError::BrokenOff),
    }
}

/// One file on its way.
struct Download<'a> {
    agent: &'a Agent,
    settings: &'a Settings,
    file: &'a RemoteFile,
    url: String,
    path: PathBuf,
    /// Bytes of the files before it.
    done: u64,
    /// Bytes of all files.
    total: u64,
}

/// How an attempt ended without an error that is final.
enum Attempt {
    /// All bytes are in the part file; whether they came in one piece.
    Whole { one_piece: bool },
    /// The connection failed or broke.
    Broken { reason: String },
}

impl Download<'_> {
    fn part(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".part");
        name.into()
    }

    /// Whether the file is here and right.
    fn is_here(&self) -> Result<bool, FetchError> {
        match fs::metadata(&self.path) {
            Ok(meta) if meta.len() == self.file.bytes => Ok(digest(&self.path)? == self.file.sha256),
            _ => Ok(false),
        }
    }

    fn run(&mut self, index: usize, report: &mut Report<'_>) -> Result<(), FetchError> {
        let part = self.part();
        if let Some(parent) = part.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        let mut failures = 0;
        loop {
            if length(&part) > self.file.bytes {
                // Of something else.
                fs::remove_file(&part).map_err(at(&part))?;
            }
            let before = length(&part);
            say(report, Progress::File { file: self.file, index, resumed_at: before })?;
            let reason = match self.attempt(&part, before, report)? {
                Attempt::Whole { one_piece } => {
                    let found = digest(&part)?;
                    if found == self.file.sha256 {
                        return fs::rename(&part, &self.path).map_err(at(&self.path));
                    }
                    fs::remove_file(&part).map_err(at(&part))?;
                    if one_piece {
                        return Err(self.checksum(found, self.file.bytes));
                    }
                    failures += 1;
                    "the pieces do not make the file that was pinned; starting it anew".to_owned()
                }
                Attempt::Broken { reason } => {
                    failures = if length(&part) > before { 1 } else { failures + 1 };
                    reason
                }
            };
            if failures >= self.settings.attempts.max(1) {
                return Err(FetchError::GivenUp { url: self.url.clone(), attempts: failures, reason });
            }
            let wait = self.settings.backoff * (1 << (failures - 1).min(6));
            say(report, Progress::Retry { file: self.file, reason: &reason, wait })?;
            thread::sleep(wait);
        }
    }

    /// One request, from where the part file ends.
    fn attempt(&self, part: &Path, have: u64, report: &mut Report<'_>) -> Result<Attempt, FetchError> {
        if have == self.file.bytes && have > 0 {
            return Ok(Attempt::Whole { one_piece: false });
        }
        let mut request = self.agent.get(&self.url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Ok(Attempt::Broken { reason: error.to_string() }),
        };
        let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
        let continues = range.is_some_and(|range| range.starts_with(&format!("bytes {have}-")));
        let start = match response.status() {
            StatusCode::PARTIAL_CONTENT if continues => have,
            StatusCode::OK => 0,
            StatusCode::RANGE_NOT_SATISFIABLE | StatusCode::PARTIAL_CONTENT if have > 0 => {
                fs::remove_file(part).map_err(at(part))?;
                return Ok(Attempt::Broken { reason: "the server cannot go on from here".to_owned() });
            }
            status if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) => {
                return Ok(Attempt::Broken { reason: format!("the server answers {}", status.as_u16()) });
            }
            status => {
                return Err(FetchError::Refused { url: self.url.clone(), status: status.as_u16() });
            }
        };
        let file =
            OpenOptions::new().create(true).append(start > 0).truncate(start == 0).write(true).open(part);
        let mut file = file.map_err(at(part))?;
        let mut body = response.body_mut().as_reader();
        let mut written = start;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    file.sync_all().map_err(at(part))?;
                    return Ok(Attempt::Broken { reason: error.to_string() });
                }
            };
            if written + read as u64 > self.file.bytes {
                drop(file);
                let found = digest(part)?;
                fs::remove_file(part).map_err(at(part))?;
                return Err(self.checksum(found, written + read as u64));
            }
            file.write_all(&buffer[..read]).map_err(at(part))?;
            written += read as u64;
            say(report, Progress::Bytes { done: self.done + written, total: self.total })?;
        }
        file.sync_all().map_err(at(part))?;
        if written < self.file.bytes {
            let reason = format!("the body ended after {written} of {} bytes", self.file.bytes);
            return Ok(Attempt::Broken { reason });
        }
        Ok(Attempt::Whole { one_piece: start == 0 })
    }

    fn checksum(&self, found: String, found_bytes: u64) -> FetchError {
        FetchError::Checksum {
            url: self.url.clone(),
            expected: self.file.sha256.clone(),
            expected_bytes: self.file.bytes,
            found,
            found_bytes,
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Io { path, source }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// SHA-256 of a file, hexadecimal.
fn digest(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(at(path)(error)),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
