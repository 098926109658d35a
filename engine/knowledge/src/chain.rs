//! The chain of a log: each fact carries the digest of what came before it and of itself.
//!
//! ```text
//! chain(n) = BLAKE3( len(chain(n-1)) chain(n-1)  len(bytes) bytes )      lengths as 64 bits, little-endian
//! bytes    = the record as it is stored, without its last member `chain`
//! ```
//!
//! The bytes are those that are stored and not the fact written anew: a later program that knows more
//! members than the one that wrote them finds the same digest. There is a chain for each log, that is
//! for each shard: a log has one writer, and its versions are numbered for itself.
//!
//! A chain shows that a fact was changed, removed, put in or put elsewhere. It cannot show that the last
//! facts are missing, or that somebody wrote all of it anew: that shows against a head that was noted
//! elsewhere.

use theriac_contract::{
    Fact, RecordedFact,
    seeded::{self, Bug},
};

/// Characters of a digest: 256 bits in hexadecimal.
const DIGITS: usize = 64;

/// A log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// A record is no fact.
    #[error("what follows on version {last} is no fact: {reason}")]
    Unreadable {
        /// Version before it.
        last: u64,
        /// Why.
        reason: String,
    },
    /// A version is missing, comes twice or in another place.
    #[error("version {found} follows on version {last}: facts were removed, put in or put elsewhere")]
    Gap {
        /// Version before it.
        last: u64,
        /// Version that came.
        found: u64,
    },
    /// A fact without a digest behind facts that have one.
    #[error("version {version} carries no digest, but those before it do: it was put in or changed")]
    Unchained {
        /// Version.
        version: u64,
    },
    /// A digest is not that of what stands there.
    #[error(
        "version {version} does not carry the digest of what stands there: it, or what came before it, was \
         changed"
    )]
    Broken {
        /// Version.
        version: u64,
    },
}

impl ChainError {
    /// The last version that is beyond doubt.
    #[must_use]
    pub const fn sound(&self) -> u64 {
        match self {
            Self::Unreadable { last, .. } | Self::Gap { last, .. } => *last,
            Self::Unchained { version } | Self::Broken { version } => version.saturating_sub(1),
        }
    }
}

/// The digest of a fact behind `head`, which is empty for the first.
fn link(head: &str, bytes: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [head.as_bytes(), bytes] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

/// The fact with its digest behind `head`.
pub(crate) fn chained(head: &str, fact: RecordedFact) -> RecordedFact {
    let bare = RecordedFact { chain: String::new(), ..fact };
    let bytes = serde_json::to_vec(&bare).expect("a fact has text keys and finite shapes");
    RecordedFact { chain: link(head, &bytes), ..bare }
}

/// What a stored fact's digest is of, and the digest; none if it carries none.
fn split(stored: &[u8]) -> Option<(Vec<u8>, &str)> {
    const MEMBER: &[u8] = br#","chain":""#;
    let rest = stored.strip_suffix(br#""}"#)?;
    let (rest, digest) = rest.split_at_checked(rest.len().checked_sub(DIGITS)?)?;
    let bytes = [rest.strip_suffix(MEMBER)?, b"}"].concat();
    Some((bytes, std::str::from_utf8(digest).ok()?))
}

/// Walks along the chain of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    version: u64,
    unchained: u64,
    head: String,
}

impl Chain {
    /// Version of the last fact.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Up to this version facts carry no digest: they were written before there was a chain. 0 if
    /// all carry one.
    #[must_use]
    pub const fn unchained(&self) -> u64 {
        self.unchained
    }

    /// Digest of the last fact; empty if it carries none.
    #[must_use]
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Takes the next record of the log, as it is stored, and gives the fact. A log that was
    /// compacted begins with the digest that its first fact stands on.
    ///
    /// # Errors
    /// If it is not what was written there; the chain is then where it was.
    pub fn follow(&mut self, stored: &[u8]) -> Result<RecordedFact, ChainError> {
        let last = self.version;
        let fact: RecordedFact = serde_json::from_slice(stored)
            .map_err(|error| ChainError::Unreadable { last, reason: error.to_string() })?;
        let version = fact.version;
        let begins = last == 0 && matches!(fact.fact, Fact::Compacted { .. });
        if last.checked_add(1) != Some(version) && !begins {
            return Err(ChainError::Gap { last, found: version });
        }
        let before = match &fact.fact {
            Fact::Compacted { head, .. } if begins => head,
            Fact::Compacted { head, .. } if *head != self.head => return Err(ChainError::Broken { version }),
            _ => &self.head,
        };
        match split(stored) {
            Some((bytes, digest)) if link(before, &bytes) == digest || seeded::on(Bug::ChainNotCompared) => {
                digest.clone_into(&mut self.head);
            }
            // Facts without a digest that the first one with a digest does not stand on may have lost theirs.
            Some(_) if self.head.is_empty() && last > 0 => return Err(ChainError::Broken { version: 1 }),
            Some(_) => return Err(ChainError::Broken { version }),
            None if self.head.is_empty() && fact.chain.is_empty() => self.unchained = version,
            None => return Err(ChainError::Unchained { version }),
        }
        self.version = version;
        Ok(fact)
    }
}
