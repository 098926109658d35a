//! Settings of diagnosis.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of diagnosis. One set of defaults serves every input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A related symptom joins an incident if it begins within this of the incident's latest one.
    pub window: Interval,
    /// The same where nothing is known of how the two entities are connected.
    pub blind_window: Interval,
    /// From then on after its first symptom an incident takes in only what its probable cause
    /// explains; other trouble is an incident of its own.
    pub verdict_after: Interval,
    /// Calls between two services that still count as related.
    pub hops: usize,
    /// Decimal digits of surprise (`-log10 p`, summed over symptoms) before an incident opens.
    pub evidence_digits: f64,
    /// Most digits that one symptom adds.
    pub digits_each_max: f64,
    /// All symptoms were over for this long: the incident is over. What returns sooner rejoins.
    pub resolve_after: Interval,
    /// How long a symptom that is over still counts as evidence, as long as others stand: the
    /// verdict is about the present trouble.
    pub evidence_for: Interval,
    /// Shortest time between revisions that only refine; a new verdict is told at once.
    pub revise_every: Interval,
    /// How long a change stays suspect: its evidence falls by 1/e in this time, and in three
    /// times this for what takes time to show, such as a leak.
    pub change_memory: Interval,
    /// A fault that may pass by itself counts as permanent once it stood for this long.
    pub transient_within: Interval,
    /// How long something that others contradicted must agree with them before its word about others
    /// counts again: two windows, so that nothing of one trouble is still to come.
    pub trust_after: Interval,
    /// More new symptoms of a domain than this within `window` are one storm, one incident.
    pub storm_symptoms: usize,
    /// Symptoms kept for one incident; the first and the worst stay.
    pub symptoms_max: usize,
    /// Incidents that are open or gathering evidence; the oldest without verdict goes first.
    pub incidents_max: usize,
    /// Entities of one incident that are weighed as causes, the most troubled ones.
    pub suspects_max: usize,
    /// Hypotheses in a revision, `unknown` included.
    pub hypotheses_max: usize,
    /// Log odds of `unknown` before any evidence: what a cause has to beat.
    pub unknown_log_odds: f64,
    /// Least probability of `unknown`.
    pub unknown_floor: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            window: Interval::from_seconds(300),
            blind_window: Interval::from_seconds(60),
            verdict_after: Interval::from_seconds(120),
            hops: 4,
            evidence_digits: 12.0,
            digits_each_max: 15.0,
            resolve_after: Interval::from_seconds(60),
            evidence_for: Interval::from_seconds(120),
            revise_every: Interval::from_seconds(30),
            change_memory: Interval::from_seconds(300),
            transient_within: Interval::from_seconds(600),
            trust_after: Interval::from_seconds(600),
            storm_symptoms: 200,
            symptoms_max: 256,
            incidents_max: 256,
            suspects_max: 48,
            hypotheses_max: 6,
            unknown_log_odds: 1.0,
            unknown_floor: 0.02,
        }
    }
}
