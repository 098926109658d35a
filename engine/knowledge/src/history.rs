//! Any version again, from the log alone.

use std::collections::BTreeSet;

use theriac_contract::{Fact, RecordedFact, Snapshot, Timestamp};

use crate::{control, fold::fold, store::Settings};

/// There are no such readings in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A version that is not there.
    #[error("there is no version {version}: the log has versions {oldest} to {newest}")]
    Version {
        /// Asked for.
        version: u64,
        /// The oldest that can be had; 0 is that nothing is known.
        oldest: u64,
        /// The newest.
        newest: u64,
    },
    /// An instant before what the log reaches back to.
    #[error("what was known at {at} was removed: the log reaches back to version {oldest}, of {since}")]
    Time {
        /// Asked for.
        at: Timestamp,
        /// The oldest version that can be had.
        oldest: u64,
        /// When that became known.
        since: Timestamp,
    },
}

/// The oldest and the newest version that can be had from the facts of a log.
#[must_use]
pub fn versions(facts: &[RecordedFact]) -> (u64, u64) {
    let newest = facts.last().map_or(0, |last| last.version);
    (facts.first().filter(|first| is_whole(first)).map_or(0, |first| first.version), newest)
}

/// The last version that was known at an instant.
///
/// # Errors
/// If the log was compacted after that.
pub fn version_at(facts: &[RecordedFact], at: Timestamp) -> Result<u64, HistoryError> {
    let last = facts.iter().rfind(|recorded| recorded.at <= at);
    match (last, facts.first()) {
        (Some(last), _) => Ok(last.version),
        (None, Some(first)) if is_whole(first) => {
            Err(HistoryError::Time { at, oldest: first.version, since: first.at })
        }
        (None, _) => Ok(0),
    }
}

/// The readings as they were at a version.
///
/// # Errors
/// If there is no such version.
pub fn at_version(facts: &[RecordedFact], version: u64) -> Result<Snapshot, HistoryError> {
    let (oldest, newest) = versions(facts);
    if (oldest..=newest).contains(&version) {
        Ok(as_of(facts, version))
    } else {
        Err(HistoryError::Version { version, oldest, newest })
    }
}

/// The readings as they were at a version, folded from the facts of the log in order, which
/// begin with version 1, or with the one that the log was compacted to; later ones are passed over,
/// and a version before the first gives what the log begins with. Linear in the number of facts.
#[must_use]
pub fn as_of(facts: &[RecordedFact], version: u64) -> Snapshot {
    let changes_max = Settings::default().changes_max;
    if let Some((RecordedFact { version: oldest, fact: Fact::Compacted { snapshot, .. }, .. }, rest)) =
        facts.split_first()
    {
        let base = Snapshot { version: *oldest, ..snapshot.as_ref().clone() };
        return from_base(&base, rest, version, changes_max);
    }
    from_base(&Snapshot::default(), facts, version, changes_max)
}

/// The readings as they were at an instant: with all facts up to the last one that was known then.
///
/// # Errors
/// If the log was compacted after that.
pub fn as_of_time(facts: &[RecordedFact], at: Timestamp) -> Result<Snapshot, HistoryError> {
    Ok(as_of(facts, version_at(facts, at)?))
}

/// Whether a fact stands for all before it.
const fn is_whole(recorded: &RecordedFact) -> bool {
    matches!(recorded.fact, Fact::Compacted { .. })
}

/// The same from the readings before the first of `facts`.
pub(crate) fn from_base(
    base: &Snapshot,
    facts: &[RecordedFact],
    version: u64,
    changes_max: usize,
) -> Snapshot {
    let mut snapshot = base.clone();
    for recorded in counting(facts, version) {
        fold(&mut snapshot, recorded, changes_max);
    }
    // A rollback does not take back what people said about acting.
    snapshot.control = base.control.clone();
    for recorded in facts.iter().take_while(|recorded| recorded.version <= version) {
        control::fold(&mut snapshot.control, recorded.at, &recorded.fact);
    }
    snapshot.version = version.min(facts.last().map_or(base.version, |last| last.version)).max(base.version);
    snapshot
}

/// The facts that count at `version`, in order. Read from the end: a rollback jumps over all
/// that lies between it and the version that it names, a revert has one left out.
pub(crate) fn counting(facts: &[RecordedFact], version: u64) -> Vec<&RecordedFact> {
    let (mut counting, mut reverted) = (Vec::new(), BTreeSet::new());
    let mut at = version;
    for recorded in facts.iter().rev().filter(|recorded| recorded.version <= version) {
        if recorded.version > at || reverted.contains(&recorded.version) {
            continue;
        }
        if let Fact::Reverted { version, .. } = recorded.fact {
            reverted.insert(version);
        }
        if let Fact::RolledBack { to, .. } = recorded.fact {
            at = to;
        } else {
            counting.push(recorded);
        }
    }
    counting.reverse();
    counting
}
