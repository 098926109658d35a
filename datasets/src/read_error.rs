//! What a labelled data set on disk fails with.

use std::{
    io,
    path::{Path, PathBuf},
};

/// A file is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It holds something else.
    #[error("{path}{}: {reason}", line.map_or_else(String::new, |line| format!(":{line}")))]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: Option<u64>,
        /// What is wrong, and what was expected.
        reason: String,
    },
}

impl ReadError {
    pub(crate) fn malformed(path: &Path, line: impl Into<Option<u64>>, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), line: line.into(), reason: reason.into() }
    }
}
