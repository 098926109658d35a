//! What is told of a series that is no symptom too.

use theriac_contract::Direction;

/// What the last tick said of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Fused p-value after the rules: 1 is ordinary, or warming up, or silent.
    pub p_value: f64,
    /// Expected value; NaN if there is none.
    pub expected: f64,
    /// Low end of the band of ordinary values; NaN if there is none.
    pub low: f64,
    /// High end.
    pub high: f64,
    /// Which way the value departs.
    pub direction: Direction,
    /// Decades by which the series leaves its whole history behind; 0 if it is not compared with
    /// it. See [`theriac_detectors::records`].
    pub evidence: f64,
    /// Whether an episode begins, by that evidence and no other.
    pub alert: bool,
    /// The evidence as a score that lasts as long as the anomaly and fades after it.
    pub lasting: f64,
    /// Observations made.
    pub warmup_ticks_done: u32,
    /// Observations needed before anything is said.
    pub warmup_ticks_needed: u32,
}

impl Reading {
    /// Of a series of which nothing is known.
    pub(crate) const ORDINARY: Self = Self {
        p_value: 1.0,
        expected: f64::NAN,
        low: f64::NAN,
        high: f64::NAN,
        direction: Direction::None,
        evidence: 0.0,
        alert: false,
        lasting: 0.0,
        warmup_ticks_done: 0,
        warmup_ticks_needed: 0,
    };
}
