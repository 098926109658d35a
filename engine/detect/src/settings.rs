//! What can be set.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of the detect stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The detectors.
    pub bank: theriac_detectors::Settings,
    /// A tick is unusual if its fused p-value is at most this. With [`Self::open_ticks`] of
    /// two, independent noise opens one symptom in about `1 / (2 * open_p^2)` series-ticks.
    pub open_p: f64,
    /// Unusual ticks, among the last `open_ticks + 1`, that open a symptom.
    pub open_ticks: u32,
    /// A single tick at most this unusual opens a symptom at once.
    pub open_at_once_p: f64,
    /// An observed tick is ordinary again if its p-value is at least this.
    pub close_p: f64,
    /// Ordinary ticks in a row that close a symptom.
    pub close_ticks: u32,
    /// An open symptom whose series is silent for this long is lost.
    pub lost_after: Interval,
    /// What is made from requests is over when there were none for this long and the service
    /// that tells of them still speaks: nobody waits for a call that is not made.
    pub quiet_after: Interval,
    /// A symptom that stands for this long is taken for the new normal: the series is
    /// learnt anew, and the symptom ends as lost, which is no recovery.
    pub adopt_after: Interval,
    /// A new peak is told if its p-value is this many times smaller than the one told last.
    pub worse_factor: f64,
    /// Peaks that are told of one symptom at most.
    pub peaks_max: u32,
    /// Ticks of memory of the model of counts.
    pub count_memory_ticks: f64,
    /// Symptoms open at a time at most; others are shed and counted.
    pub open_symptoms_max: usize,
    /// Examples that a symptom keeps.
    pub examples_max: usize,
    /// Rules that come before the built-in ones; the first whose pattern fits decides.
    pub rules: Vec<crate::rules::Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bank: theriac_detectors::Settings::default(),
            open_p: 1e-4,
            open_ticks: 2,
            open_at_once_p: 1e-9,
            close_p: 1e-2,
            close_ticks: 3,
            lost_after: Interval::from_seconds(300),
            quiet_after: Interval::from_seconds(60),
            adopt_after: Interval::from_seconds(3600),
            worse_factor: 1e6,
            peaks_max: 3,
            count_memory_ticks: 512.0,
            open_symptoms_max: 10_000,
            examples_max: 5,
            rules: Vec::new(),
        }
    }
}
