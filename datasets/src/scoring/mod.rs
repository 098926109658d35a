//! Measures of how well the score of each row tells labelled rows from others.
//!
//! | module | holds |
//! |---|---|
//! | [`curves`] | AUC-ROC, AUC-PR, best F1 over all thresholds |
//! | [`volume`] | VUS-ROC, VUS-PR: the same areas with labels that fade out over a buffer |
//! | [`ranges`] | event-based and range-based F1 |
//! | [`affiliation`] | affiliation F |
//! | [`period`] | the buffer's length, from the series itself |
//! | [`sweep`] | F1 at a threshold fixed beforehand, or chosen on other files |
//! | [`paired`] | whether two detectors differ, file by file |
//!
//! The rules are those of TSB-AD (Q. Liu and J. Paparrizos, "The Elephant in the Room:
//! Towards A Reliable Time-Series Anomaly Detection Benchmark", NeurIPS 2024). Its
//! point-adjusted figures are left out on purpose: they reward a random score.

pub mod affiliation;
pub mod curves;
pub mod paired;
pub mod period;
pub mod ranges;
pub mod sweep;
pub mod volume;

use serde::{Deserialize, Serialize};

/// Labels and scores that cannot be held against each other.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ScoringError {
    /// Not one score for each row.
    #[error("{found} scores were given for {expected} rows")]
    Rows {
        /// Given.
        found: usize,
        /// Needed.
        expected: usize,
    },
    /// A score that is no number.
    #[error("the score of row {row} is {score}; scores are finite")]
    NotFinite {
        /// Row, from 0.
        row: usize,
        /// Score.
        score: f64,
    },
    /// Nothing to tell apart.
    #[error("{labelled} of {rows} rows are labelled; a measure needs labelled rows and others")]
    OneKind {
        /// Labelled rows.
        labelled: usize,
        /// Rows.
        rows: usize,
    },
}

/// Consecutive rows, from 0, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// First row.
    pub first: usize,
    /// Last row.
    pub last: usize,
}

impl Segment {
    const fn rows(self) -> usize {
        self.last - self.first + 1
    }

    const fn meets(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The runs of `true`, in order.
#[must_use]
pub fn segments(flags: &[bool]) -> Vec<Segment> {
    let mut found: Vec<Segment> = Vec::new();
    for row in (0..flags.len()).filter(|row| flags[*row]) {
        match found.last_mut() {
            Some(segment) if segment.last + 1 == row => segment.last = row,
            _ => found.push(Segment { first: row, last: row }),
        }
    }
    found
}

/// All measures of one series; each lies between 0 and 1 and more is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Volume under the surface of precision over recall, buffer by buffer.
    pub vus_pr: f64,
    /// Volume under the surface of true over false positive rates, buffer by buffer.
    pub vus_roc: f64,
    /// Area under precision over recall (average precision).
    pub auc_pr: f64,
    /// Area under true over false positive rates.
    pub auc_roc: f64,
    /// Best F1 of rows over all thresholds.
    pub f1: f64,
    /// Best harmonic mean of the precision of rows and the share of segments met, over 100
    /// thresholds.
    pub event_f1: f64,
    /// Best range-based F1 over 100 thresholds.
    pub range_f1: f64,
    /// Best affiliation F over 100 thresholds.
    pub affiliation_f: f64,
}

impl Measures {
    /// Names, in the order of [`Measures::values`].
    pub const NAMES: [&'static str; 8] =
        ["vus_pr", "vus_roc", "auc_pr", "auc_roc", "f1", "event_f1", "range_f1", "affiliation_f"];

    /// Measures `scores` (any monotone scale, though the last three look at 100 thresholds
    /// evenly between the least and the greatest) against `labels`, with buffers of up to
    /// `window` rows (see [`period::window`]).
    ///
    /// # Errors
    /// If there is not one finite score for each row, or no row or every row is labelled.
    pub fn of(labels: &[bool], scores: &[f64], window: usize) -> Result<Self, ScoringError> {
        check(labels, scores)?;
        let volume = volume::volume(labels, scores, window);
        let ranges = ranges::best(labels, scores);
        Ok(Self {
            vus_pr: volume.pr,
            vus_roc: volume.roc,
            auc_pr: curves::auc_pr(labels, scores),
            auc_roc: curves::auc_roc(labels, scores),
            f1: curves::best_f1(labels, scores),
            event_f1: ranges.event_f1,
            range_f1: ranges.range_f1,
            affiliation_f: affiliation::best(labels, scores),
        })
    }

    /// Values, in the order of [`Measures::NAMES`].
    #[must_use]
    pub const fn values(&self) -> [f64; 8] {
        [
            self.vus_pr,
            self.vus_roc,
            self.auc_pr,
            self.auc_roc,
            self.f1,
            self.event_f1,
            self.range_f1,
            self.affiliation_f,
        ]
    }

    /// Means over series, each with the same weight; none of none.
    #[must_use]
    pub fn mean(all: &[Self]) -> Option<[f64; 8]> {
        let mut sums = [0.0; 8];
        for measures in all {
            for (sum, value) in sums.iter_mut().zip(measures.values()) {
                *sum += value;
            }
        }
        (!all.is_empty()).then(|| sums.map(|sum| sum / all.len() as f64))
    }
}

fn check(labels: &[bool], scores: &[f64]) -> Result<(), ScoringError> {
    if labels.len() != scores.len() {
        return Err(ScoringError::Rows { found: scores.len(), expected: labels.len() });
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(ScoringError::NotFinite { row, score: scores[row] });
    }
    let labelled = labels.iter().filter(|label| **label).count();
    if labelled == 0 || labelled == labels.len() {
        return Err(ScoringError::OneKind { labelled, rows: labels.len() });
    }
    Ok(())
}

/// 100 thresholds evenly between the least and the greatest score; what exceeds one is
/// predicted.
fn even_thresholds(scores: &[f64]) -> impl Iterator<Item = f64> {
    let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (greatest - least) / 99.0;
    (0..99_u8).map(move |k| f64::from(k) * step + least).chain([greatest])
}
