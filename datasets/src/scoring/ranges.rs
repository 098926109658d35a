//! F1 of events and of ranges, the best over 100 even thresholds.
//!
//! Sources: event-based F1 as in A. Garg et al., "An Evaluation of Anomaly Detection and
//! Diagnosis in Multivariate Time Series", IEEE TNNLS 2021 (the composite score);
//! range-based F1 as in N. Tatbul et al., "Precision and Recall for Time Series", NeurIPS
//! 2018, with flat bias, existence weighing 0.2 in the recall and nothing in the precision,
//! and 1/n for a range that meets n others.

use super::{Segment, even_thresholds, segments};

/// Weight of being met at all in the range-based recall.
const EXISTENCE: f64 = 0.2;

/// Both figures, each at its own best threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranges {
    /// Harmonic mean of the precision of rows and the share of segments met.
    pub event_f1: f64,
    /// Harmonic mean of range-based precision and recall.
    pub range_f1: f64,
}

/// The best figures; see [`super::Measures::of`] for what is asked of the input.
#[must_use]
pub fn best(labels: &[bool], scores: &[f64]) -> Ranges {
    let truth = segments(labels);
    let mut best = Ranges { event_f1: 0.0, range_f1: 0.0 };
    let mut predicted = vec![false; scores.len()];
    for threshold in even_thresholds(scores) {
        for (predicted, score) in predicted.iter_mut().zip(scores) {
            *predicted = *score > threshold;
        }
        let found = segments(&predicted);
        best.event_f1 = best.event_f1.max(event_f1(&truth, &found));
        best.range_f1 = best.range_f1.max(range_f1(&truth, &found));
    }
    best
}

/// Harmonic mean; 0 if both are.
pub(super) fn harmonic(a: f64, b: f64) -> f64 {
    if a + b > 0.0 { 2.0 * a * b / (a + b) } else { 0.0 }
}

fn event_f1(truth: &[Segment], found: &[Segment]) -> f64 {
    let overlaps = Overlaps::of(truth, found);
    let detected: usize = found.iter().map(|segment| segment.rows()).sum();
    let hits: usize = overlaps.0.iter().map(|overlap| overlap.rows).sum();
    let met = overlaps.0.iter().filter(|overlap| overlap.others > 0).count();
    let precision = if detected > 0 { hits as f64 / detected as f64 } else { 0.0 };
    harmonic(precision, met as f64 / truth.len() as f64)
}

fn range_f1(truth: &[Segment], found: &[Segment]) -> f64 {
    let recall = Overlaps::of(truth, found).reward(truth, EXISTENCE);
    let precision = Overlaps::of(found, truth).reward(found, 0.0);
    harmonic(precision, recall)
}

/// How a segment is met by others.
#[derive(Clone, Copy)]
struct Overlap {
    /// Rows that others cover.
    rows: usize,
    /// Others.
    others: usize,
}

/// Of each segment, in order.
struct Overlaps(Vec<Overlap>);

impl Overlaps {
    /// Both in order and each apart from its neighbours.
    fn of(segments: &[Segment], others: &[Segment]) -> Self {
        let mut first = 0;
        let met = segments.iter().map(|segment| {
            first += others[first..].partition_point(|other| other.last < segment.first);
            let mut overlap = Overlap { rows: 0, others: 0 };
            for other in others[first..].iter().take_while(|other| other.meets(*segment)) {
                overlap.rows += other.last.min(segment.last) - other.first.max(segment.first) + 1;
                overlap.others += 1;
            }
            overlap
        });
        Self(met.collect())
    }

    /// Mean of what each segment earns; 0 of none.
    fn reward(&self, segments: &[Segment], existence: f64) -> f64 {
        let earned = self.0.iter().zip(segments).filter(|(overlap, _)| overlap.others > 0);
        let earned = earned.map(|(overlap, segment)| {
            let share = overlap.rows as f64 / segment.rows() as f64;
            existence + (1.0 - existence) * share / overlap.others as f64
        });
        if segments.is_empty() { 0.0 } else { earned.sum::<f64>() / segments.len() as f64 }
    }
}
