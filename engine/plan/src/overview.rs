//! What is known, with sums over all of it that are made once a step, when they are first asked for.

use std::{cell::OnceCell, collections::BTreeMap};

use theriac_contract::{Belief, Snapshot};

use crate::reach::Traffic;

/// What is known at one step.
pub(crate) struct Overview<'k> {
    pub(crate) known: &'k Snapshot,
    traffic: OnceCell<Traffic<'k>>,
    strategies: OnceCell<BTreeMap<&'k str, Belief>>,
}

impl<'k> Overview<'k> {
    pub(crate) fn new(known: &'k Snapshot) -> Self {
        Self { known, traffic: OnceCell::new(), strategies: OnceCell::new() }
    }

    /// How often services are called.
    pub(crate) fn traffic(&self) -> &Traffic<'k> {
        self.traffic.get_or_init(|| Traffic::of(&self.known.topology))
    }

    /// Evidence on a strategy against whatever fault, on all services.
    pub(crate) fn strategy(&self, name: &str) -> Belief {
        let all = self.strategies.get_or_init(|| self.known.beliefs_of_strategies());
        all.get(name).copied().unwrap_or(Belief { successes: 0.0, failures: 0.0 })
    }
}
