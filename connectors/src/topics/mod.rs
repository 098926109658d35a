//! The embedded durable log: [`Topics`](theriac_contract::Topics) in a directory, with
//! nothing to install.
//!
//! ```text
//! <dir>/lock                                          held by the writer, empty
//! <dir>/commits                                       what is committed
//! <dir>/<topic>/<partition>/<first offset>.segment    records; the offset has 20 digits
//! ```
//!
//! **Segment.** Eight bytes `theriac1`, then frames, one behind the other. All numbers are
//! little-endian:
//!
//! | bytes | meaning |
//! |---|---|
//! | 4 | `n`: length of the body |
//! | 4 | CRC-32 (IEEE) over the four length bytes and the body |
//! | 8 | body: offset |
//! | 8 | body: event time, nanoseconds since 1970, signed |
//! | 4 + … | body: length of the key, key |
//! | 4 | body: number of headers |
//! | (4 + …) × 2 | body: for each header length and bytes of its name (UTF-8), length and bytes of its value |
//! | rest of `n` | body: value |
//!
//! **Commit log.** One line for each transaction: eight hexadecimal digits (CRC-32 of the
//! JSON), a space, a JSON object, a line feed. The object has `transaction` (a number that
//! grows by one), `partitions` (for each partition that changed: `start`, `end`, and the
//! segments that changed, with first offset, committed bytes and newest event time) and
//! `positions` (of readers, by group). The first line holds everything; the others what
//! changed. When the file has grown past a limit it is written anew as one line. That
//! depends on its size alone, so that the same transactions give the same bytes.
//!
//! **Transactions.** Records wait in memory until the commit, which appends them to their
//! segments and then writes the line. The last whole line decides what is there: on opening,
//! what lies behind it is cut off. A torn last line (no line feed) is no commit. Bytes that
//! were committed and are not there, or not as they were, are damage: it is refused, never
//! repaired by guessing. Open checks the length of every segment and the checksums of those
//! that are written to; the others are checked as they are read.
//!
//! **Power loss.** With `fsync: every_commit` a committed transaction survives it. With an
//! interval or `never`, the system may have kept the line and lost the records: the log then
//! refuses to open and names the file. The death of the process alone never loses a commit.
//!
//! **Why not a library.** A replay must give byte-identical files, also after a crash in the
//! middle. Embedded stores decide by background threads (fjall, sled) or by the free pages that
//! history and recovery left (redb, SQLite) where bytes go, and crates for segmented logs
//! (commitlog and its kin) know no transaction over several logs.

mod commits;
mod embedded;
mod frame;
mod memory;
mod place;
mod read;
mod settings;
mod writer;

#[cfg(test)]
mod tests;

pub use embedded::Embedded;
pub use memory::Memory;
pub use settings::{Fsync, Settings, TopicSettings};

use std::{io, path::Path};

use theriac_contract::TopicError;

fn io_error(what: &str, path: &Path) -> impl FnOnce(io::Error) -> TopicError {
    let what = format!("{what} {}", path.display());
    move |source| TopicError::Io { what, source }
}

fn corrupt(path: &Path, position: u64, reason: impl Into<String>) -> TopicError {
    TopicError::Corrupt { path: path.display().to_string(), position, reason: reason.into() }
}
