//! Changes that are known, by the service that they are of: whatever is asked of them is asked of one.

use std::collections::BTreeMap;

use theriac_contract::{Change, Snapshot, Timestamp};

/// Derived from what is known, so it is no state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    version: Option<u64>,
    /// All of them, as they are known.
    all: Vec<Change>,
    of: BTreeMap<String, OfService>,
    /// Times that they became others.
    times: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct OfService {
    /// In the order of time.
    changes: Vec<Change>,
    /// The number of the time at which they became these.
    since: u64,
}

impl Changes {
    /// Brings it up to date. Costs nothing while nothing becomes known, and a comparison while that is
    /// something else.
    pub(crate) fn follow(&mut self, knowledge: &Snapshot) {
        if self.version == Some(knowledge.version) && self.all.len() == knowledge.changes.len() {
            return;
        }
        self.version = Some(knowledge.version);
        if self.all == knowledge.changes {
            return;
        }
        self.all.clone_from(&knowledge.changes);
        self.times += 1;
        let mut by_service: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in &self.all {
            by_service.entry(change.entity.service()).or_default().push(change);
        }
        self.of.retain(|service, _| by_service.contains_key(service.as_str()));
        for (service, changes) in by_service {
            let known = self.of.get(service);
            if known.is_none_or(|known| !known.changes.iter().eq(changes.iter().copied())) {
                let changes = changes.into_iter().cloned().collect();
                self.of.insert(service.to_owned(), OfService { changes, since: self.times });
            }
        }
    }

    /// Changes of a service and its instances, in the order of time.
    pub(crate) fn of(&self, service: &str) -> &[Change] {
        self.of.get(service).map_or(&[], |of| &of.changes)
    }

    /// What tells them from those of a service at another time; none if there are none.
    pub(crate) fn since(&self, service: &str) -> Option<u64> {
        self.of.get(service).map(|of| of.since)
    }
}

/// Whether `later` takes a change back.
fn takes_back(later: &Change, change: &Change) -> bool {
    change.at < later.at
        && change.kind == later.kind
        && change.entity == later.entity
        && change.from == later.to
}

/// When a change was taken back, by one of `changes`; none if it was not.
pub(crate) fn taken_back(changes: &[Change], change: &Change) -> Option<Timestamp> {
    changes.iter().find(|later| takes_back(later, change)).map(|later| later.at)
}

/// Whether a change is a remedy by the look of it: it takes another of `changes` back, or is of a
/// certificate.
pub(crate) fn mends(changes: &[Change], change: &Change) -> bool {
    change.kind == Change::CERTIFICATE || changes.iter().any(|other| takes_back(change, other))
}
