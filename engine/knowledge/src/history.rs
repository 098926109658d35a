//! Any version again, from the log alone.

use theriac_contract::{Fact, RecordedFact, Snapshot, Timestamp};

use crate::{control, fold::fold, store::Settings};

/// The readings as they were at a version, folded from the facts of the log in order, which
/// begin with version 1; later ones are passed over. Linear in the number of facts.
#[must_use]
pub fn as_of(facts: &[RecordedFact], version: u64) -> Snapshot {
    from_base(&Snapshot::default(), facts, version, Settings::default().changes_max)
}

/// The readings as they were at an instant: with all facts up to the last one that was known then.
#[must_use]
pub fn as_of_time(facts: &[RecordedFact], at: Timestamp) -> Snapshot {
    let last = facts.iter().rfind(|recorded| recorded.at <= at);
    as_of(facts, last.map_or(0, |recorded| recorded.version))
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
/// that lies between it and the version that it names.
fn counting(facts: &[RecordedFact], version: u64) -> Vec<&RecordedFact> {
    let mut counting = Vec::new();
    let mut at = version;
    for recorded in facts.iter().rev().filter(|recorded| recorded.version <= version) {
        if recorded.version > at {
            continue;
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
