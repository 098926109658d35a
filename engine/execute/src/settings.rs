//! Settings of execution.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of execution. The defaults serve every input; they bound what is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Event time granted beyond a step's timeout before it counts as timed out: the answer
    /// travels, too.
    pub grace: Interval,
    /// Plans under way at once; further ones are refused (`too_many`).
    pub plans_max: usize,
    /// Ended plans that are remembered, so that none is accepted twice.
    pub ended_max: usize,
    /// Incidents whose symptoms are remembered; the longest unheard of goes first.
    pub incidents_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { grace: Interval::from_seconds(10), plans_max: 256, ended_max: 4096, incidents_max: 4096 }
    }
}
