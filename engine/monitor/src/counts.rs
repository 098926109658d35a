//! What was taken, and what was not.

use serde::{Deserialize, Serialize};

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Metric points that were offered.
    pub points: u64,
    /// Log records that were offered.
    pub logs: u64,
    /// Spans that were offered.
    pub spans: u64,
    /// Rows that came after their tick was sealed.
    pub late: u64,
    /// Rows whose time lay far ahead and was never confirmed.
    pub jumps_rejected: u64,
    /// Points without a finite value.
    pub without_value: u64,
    /// Rows shed because a limit of series, resources or attribute length was reached.
    pub shed_series: u64,
    /// Rows shed because too many waited.
    pub shed_pending: u64,
    /// Log records counted under `<other>`.
    pub other_templates: u64,
    /// Spans counted under `<other>`.
    pub other_operations: u64,
    /// Spans whose parent was given up because too many waited.
    pub shed_links: u64,
    /// Pairs of log templates that were not learnt because there were too many.
    #[serde(default)]
    pub shed_log_pairs: u64,
    /// Values of log records that were not looked at because too many places are known.
    #[serde(default)]
    pub shed_parameters: u64,
    /// Spans whose asker or key was not counted because too many services and attributes have some.
    #[serde(default)]
    pub shed_askers: u64,
    /// Spans whose parent did not come while it was waited for: their traces are incomplete.
    pub orphan_spans: u64,
    /// Spans that came, by event time, in a later tick than their parent.
    pub late_children: u64,
    /// Spans that children of later ticks do not find any more, because too many are remembered.
    pub forgotten_spans: u64,
    /// Operations and edges of which no ordinary trace is kept, because there are too many.
    pub shed_examples: u64,
    /// Ticks sealed.
    pub ticks: u64,
    /// Empty ticks that were passed over in gaps.
    pub ticks_skipped: u64,
}
