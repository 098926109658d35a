//! Why something was not done, or not to its end.

use std::io;

use theriac_contract::Verdict;

/// What an executor could not do, as the answer that it gives.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) verdict: Verdict,
    pub(super) why: String,
}

impl Failure {
    /// Nothing was done, and another attempt may work.
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed { retryable: true }, why: why.into() }
    }

    /// Nothing was done, and no attempt will.
    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed { retryable: false }, why: why.into() }
    }

    /// It may or may not have been done.
    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self { verdict: Verdict::Unknown, why: why.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::passing(error.to_string())
    }
}
