//! Where telemetry comes from.

use crate::telemetry::Telemetry;

/// Input that could not be read: it goes to the dead letter topic with all of this.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reject {
    /// File, topic or device.
    pub origin: String,
    /// Byte offset of the first byte in the (decompressed) input.
    pub offset: u64,
    /// Line, from 1, where the input has lines.
    pub line: Option<u64>,
    /// What is wrong and how to mend it, naming the field.
    pub reason: String,
    /// The bytes as they were, cut at the limit that the reader's settings give.
    pub bytes: Vec<u8>,
    /// Key of the record, where the input has keys.
    pub key: Vec<u8>,
    /// Headers of the record, where the input has headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Which part of the record is here, where it is not all of it: the rest was read, or lost.
    pub part: Option<String>,
    /// Headers that tools for the input's transport look for in a dead letter.
    pub marks: Vec<(String, String)>,
}

/// What one fetch brought.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Batches in the order of the input.
    pub telemetry: Vec<Telemetry>,
    /// What could not be read.
    pub rejects: Vec<Reject>,
    /// Bytes taken from the input as it lies on disk (compressed, if it is), for progress.
    pub bytes: u64,
}

/// How a fetch ended.
#[derive(Clone, Debug)]
pub enum Fetch {
    /// There was input.
    Batch(Fetched),
    /// There is none now; ask again later (a file that is followed).
    Idle,
    /// There will be none.
    End,
}

/// A source cannot go on: the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file, device or broker does not answer.
    #[error("{origin}: {source}")]
    Io {
        /// File, topic or device.
        origin: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what the settings say it is, as a whole: wrong format, wrong columns.
    #[error("{origin}: {reason}")]
    Unreadable {
        /// File, topic or device.
        origin: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
}

/// Gives telemetry. The same input gives the same sequence of batches, wherever reading
/// was broken off and taken up again: batches are cut by bytes or rows, never by time.
pub trait Source: Send {
    /// Name in the configuration and in dead letters.
    fn name(&self) -> &str;

    /// Reads on, at least one record and about `bytes_max` bytes.
    ///
    /// # Errors
    /// If the source as a whole cannot be read. What concerns one record is a [`Reject`].
    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError>;

    /// Where the next fetch begins, as one line of JSON.
    fn position(&self) -> String;

    /// Goes to a position that [`Source::position`] gave.
    ///
    /// # Errors
    /// If the position makes no sense here: another file, a file that is now shorter.
    fn seek(&mut self, position: &str) -> Result<(), SourceError>;

    /// Bytes on disk in all, if known, for progress.
    fn bytes_total(&self) -> Option<u64>;

    /// Whether [`Source::again`] gives what was fetched before.
    fn repeatable(&self) -> bool {
        false
    }

    /// Reads from the present position to a later one that [`Source::position`] gave after one
    /// fetch from here: the same batches and rejects as that fetch.
    ///
    /// # Errors
    /// If it cannot be read any more, or the source is not repeatable.
    fn again(&mut self, until: &str) -> Result<Fetched, SourceError> {
        Err(SourceError::Unreadable {
            origin: self.name().to_owned(),
            reason: format!("what was read up to `{until}` cannot be read again"),
        })
    }

    /// What the operator should know, and that was not said before: a topic that is not there,
    /// records that were removed before they were read.
    fn notices(&mut self) -> Vec<String> {
        Vec::new()
    }
}
