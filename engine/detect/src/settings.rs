//! What can be set.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of the detect stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The detectors.
    pub bank: theriac_detectors::Settings,
    /// A tick is unusual if its fused p-value is at most this: learning rests, and a symptom may
    /// open.
    pub open_p: f64,
    /// Share of symptoms that may be false. How unusual a tick, or two of three, must be to open
    /// a symptom follows from it, from the number of series, and from what was found of late.
    pub false_share: f64,
    /// Over how many ticks that share is reckoned when nothing is wrong at all.
    pub false_share_ticks: f64,
    /// Series of the whole fleet, if the series here are only some of them: symptoms then do not
    /// depend on which, nor on what was found of late, and no series begins like a sibling. 0:
    /// those that are here are counted.
    pub false_share_series: usize,
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
    /// Series that are also compared with their whole history (13 kB each) at most, the first
    /// that come; for others the bank alone decides.
    pub records_series_max: usize,
    /// What of them counts: high, low, jump, season, drift, spread, rough, calm.
    pub records_families: theriac_detectors::records::Families,
    /// How all metrics of one entity are judged together.
    pub entities: crate::entities::EntitySettings,
    /// How the replicas of a service are compared with each other; null if they are not. Where the
    /// series here are only some of the fleet's they never are: which ones would decide.
    pub peers: Option<theriac_detectors::peers::PeerSettings>,
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
            false_share: 0.05,
            false_share_ticks: 720.0,
            false_share_series: 0,
            close_p: 1e-2,
            close_ticks: 3,
            lost_after: Interval::from_seconds(300),
            quiet_after: Interval::from_seconds(60),
            adopt_after: Interval::from_seconds(3600),
            worse_factor: 1e6,
            peaks_max: 3,
            count_memory_ticks: 512.0,
            open_symptoms_max: 10_000,
            records_series_max: 4_096,
            records_families: theriac_detectors::records::Families::ALL,
            entities: crate::entities::EntitySettings::default(),
            peers: Some(theriac_detectors::peers::PeerSettings::default()),
            examples_max: 5,
            rules: Vec::new(),
        }
    }
}

impl Settings {
    /// What makes no sense, one text each, with the field and the mend.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let rules = self.rules.iter().enumerate();
        let problems = rules.flat_map(|(at, rule)| {
            let told = rule.problems().into_iter();
            told.map(move |problem| format!("`detect.rules[{at}]` ({}): {problem}", rule.signal))
        });
        problems.collect()
    }
}
