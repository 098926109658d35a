//! Processes that were started anew, told from what they say of themselves: how long they
//! have been up, and since when they count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Change, Entity, Timestamp};

/// Starts of the same process, told by several of its signals, differ by less than this
/// (nanoseconds).
const SAME_START: i64 = 2_000_000_000;

/// When the process of each entity began, as far as it is known.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Restarts {
    since: BTreeMap<usize, i64>,
    /// Entities whose process began anew in the tick that is being sealed, and when.
    fresh: BTreeMap<usize, i64>,
}

impl Restarts {
    /// A process says that it has been up since `start`.
    pub(crate) fn up_since(&mut self, entity: usize, start: i64) {
        let since = *self.since.entry(entity).or_insert(start);
        self.counts_anew(entity, start);
        // Clocks drift apart in months; a start that is told now is the better one.
        self.since.insert(entity, since.max(start));
    }

    /// A cumulative stream that was heard before counts from a later start.
    pub(crate) fn counts_anew(&mut self, entity: usize, start: i64) {
        let since = self.since.entry(entity).or_insert(i64::MIN);
        if start > since.saturating_add(SAME_START) {
            *since = start;
            self.fresh.insert(entity, start);
        }
    }

    /// The restarts of the tick, as changes.
    pub(crate) fn take(&mut self, name: impl Fn(usize) -> Entity) -> Vec<Change> {
        let fresh = std::mem::take(&mut self.fresh);
        fresh
            .into_iter()
            .map(|(entity, start)| Change {
                at: Timestamp(start),
                entity: name(entity),
                kind: Change::RESTART.to_owned(),
                from: String::new(),
                to: String::new(),
                description: "its process began anew".to_owned(),
            })
            .collect()
    }
}
