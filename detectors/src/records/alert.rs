//! When an episode begins, and how long it lasts.

use super::{EVIDENCE_ALERTS, Verdict};
use crate::{P_VALUE_MIN, arithmetic::exp};

/// Quiet time between episodes: this share of the history, and so many observations.
const QUIET_SHARE: f64 = 1.0 / 64.0;
const QUIET_MIN: f64 = 8.0;
/// Each alert that is remembered raises the threshold by this share of it …
const FATIGUE: f64 = 0.25;
/// … and is remembered for this share of the history.
const MEMORY: f64 = 0.25;

/// `rows` times the share of rows with so much evidence is at most `CHANCE * exp(-DECAY * evidence)`
/// for series without anomalies, whatever their distribution: normal, uniform, exponential,
/// log-normal, Pareto, counts, rare events, autoregressive, daily. Records are rare, hence the
/// division by rows. A random walk keeps setting records and exceeds it.
const CHANCE: f64 = 160.0;
const DECAY: f64 = 0.3;

fn p_value(evidence: f64, rows: f64) -> f64 {
    if evidence <= 0.0 {
        return 1.0;
    }
    (CHANCE * exp(-DECAY * evidence) / rows).clamp(P_VALUE_MIN, 1.0)
}

#[derive(Clone, Debug)]
pub(super) struct Alert {
    /// Observation that was above the threshold last.
    pub(super) last_above: f64,
    /// Alerts that are remembered.
    pub(super) remembered: f64,
    pub(super) lasting: f64,
}

impl Alert {
    pub(super) const fn new() -> Self {
        Self { last_above: f64::NEG_INFINITY, remembered: 0.0, lasting: 0.0 }
    }

    pub(super) fn update(&mut self, evidence: f64, families: [f32; 8], expected: f64, rows: f64) -> Verdict {
        self.remembered *= 1.0 - 1.0 / (MEMORY * rows + 1.0);
        let quiet = QUIET_SHARE * rows;
        let mut alert = false;
        if evidence >= EVIDENCE_ALERTS * (1.0 + FATIGUE * self.remembered) {
            alert = rows - self.last_above > quiet.max(QUIET_MIN);
            self.last_above = rows;
            self.remembered += f64::from(u8::from(alert));
        }
        self.lasting = evidence.max(self.lasting * (1.0 - 1.0 / (quiet + QUIET_MIN)));
        Verdict {
            evidence,
            alert,
            lasting: self.lasting,
            p_value: p_value(evidence, rows),
            expected,
            families,
        }
    }

    /// Nothing was observed.
    pub(super) fn pass(&self) -> Verdict {
        Verdict { lasting: self.lasting, p_value: 1.0, expected: f64::NAN, ..Verdict::default() }
    }
}
