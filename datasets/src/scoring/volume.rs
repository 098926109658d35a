//! Volumes under the surface: AUC with labels that fade out over a buffer, averaged over
//! the buffer's length.
//!
//! Source: J. Paparrizos et al., "Volume Under the Surface: A New Accuracy Evaluation
//! Measure for Time-Series Anomaly Detection", VLDB 2022, in the form that TSB-AD uses
//! (250 thresholds at even ranks of the score).

use super::{Segment, segments};

/// Thresholds.
const THRESHOLDS: usize = 250;

/// Both volumes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Volume {
    /// Under true over false positive rates.
    pub roc: f64,
    /// Under precision over recall.
    pub pr: f64,
}

/// Volumes over buffers of 0 to `window` rows; see [`super::Measures::of`] for what is asked
/// of the input. Takes O(n log n) and, for each length, the rows within the buffers.
#[must_use]
pub fn volume(labels: &[bool], scores: &[f64], window: usize) -> Volume {
    let surface = Surface::new(labels, scores);
    let mut weights = vec![0.0; labels.len()];
    let mut sums = (0.0, 0.0);
    for buffer in 0..=window {
        let area = surface.areas(labels, buffer, &mut weights);
        sums = (sums.0 + area.roc, sums.1 + area.pr);
    }
    let lengths = (window + 1) as f64;
    Volume { roc: sums.0 / lengths, pr: sums.1 / lengths }
}

/// What stays the same for every buffer.
struct Surface {
    /// Labelled segments.
    segments: Vec<Segment>,
    /// The first threshold, from the highest, that each row reaches.
    reached: Vec<usize>,
    /// Rows that reach each threshold.
    detected: Vec<f64>,
    /// Labelled rows that reach each threshold.
    hits: Vec<f64>,
}

impl Surface {
    fn new(labels: &[bool], scores: &[f64]) -> Self {
        let mut falling = scores.to_vec();
        falling.sort_by(|a, b| b.total_cmp(a));
        let step = (scores.len() - 1) as f64 / (THRESHOLDS - 1) as f64;
        let mut thresholds: Vec<f64> =
            (0..THRESHOLDS).map(|k| falling[((k as f64 * step) as usize).min(scores.len() - 1)]).collect();
        // The last rank is exact, whatever the product gives.
        thresholds[THRESHOLDS - 1] = falling[scores.len() - 1];
        let reached: Vec<usize> =
            scores.iter().map(|score| thresholds.partition_point(|threshold| *threshold > *score)).collect();
        let (mut detected, mut hits) = (vec![0.0; THRESHOLDS], vec![0.0; THRESHOLDS]);
        for (row, &first) in reached.iter().enumerate() {
            detected[first] += 1.0;
            hits[first] += f64::from(u8::from(labels[row]));
        }
        accumulate(&mut detected);
        accumulate(&mut hits);
        Self { segments: segments(labels), reached, detected, hits }
    }

    /// The areas for one length of the buffer. `weights` is room to work in, all 0 before and
    /// after.
    fn areas(&self, labels: &[bool], buffer: usize, weights: &mut [f64]) -> Volume {
        let rows = labels.len();
        let half = buffer / 2;
        let labelled = self.hits[THRESHOLDS - 1];
        // Weight of the rows in buffers that reach each threshold.
        let mut soft = vec![0.0; THRESHOLDS];
        self.fade(labels, buffer, weights, &mut soft);
        accumulate(&mut soft);
        let met = self.met(rows, half);
        let mut area = Volume { roc: 0.0, pr: 0.0 };
        let (mut last_tpr, mut last_fpr) = (0.0, 0.0);
        for threshold in 0..THRESHOLDS {
            let hits = self.hits[threshold] + soft[threshold];
            let positives = (labelled + (labelled + soft[threshold])) / 2.0;
            let tpr = (hits / positives).min(1.0) * met[threshold];
            let fpr = (self.detected[threshold] - hits) / (rows as f64 - positives);
            area.pr += (tpr - last_tpr) * hits / self.detected[threshold];
            area.roc += (fpr - last_fpr) * (tpr + last_tpr) / 2.0;
            (last_tpr, last_fpr) = (tpr, fpr);
        }
        area.roc += (1.0 - last_fpr) * (1.0 + last_tpr) / 2.0;
        area
    }

    /// Adds the rows outside of segments that buffers cover to `soft`, by the threshold that
    /// each reaches. Where buffers meet, a row has the weight of all, at most 1.
    fn fade(&self, labels: &[bool], buffer: usize, weights: &mut [f64], soft: &mut [f64]) {
        let half = buffer / 2;
        let weight = |distance: usize| (1.0 - distance as f64 / buffer as f64).sqrt();
        let reach = |segment: &Segment| {
            let before = segment.first.saturating_sub(half)..segment.first;
            let after = segment.last + 1..(segment.last + half + 1).min(labels.len());
            (before, after)
        };
        for segment in &self.segments {
            let (before, after) = reach(segment);
            before.for_each(|row| weights[row] += weight(segment.first - row));
            after.for_each(|row| weights[row] += weight(row - segment.last));
        }
        for segment in &self.segments {
            let (before, after) = reach(segment);
            for row in before.chain(after) {
                // Taken once, however many buffers cover it.
                let taken = std::mem::take(&mut weights[row]);
                if !labels[row] {
                    soft[self.reached[row]] += taken.min(1.0);
                }
            }
        }
    }

    /// By threshold, the share of segments with their buffers that hold a detection;
    /// segments whose buffers touch are one.
    fn met(&self, rows: usize, half: usize) -> Vec<f64> {
        let mut merged: Vec<Segment> = Vec::new();
        for segment in &self.segments {
            let first = segment.first.saturating_sub(half);
            let last = (segment.last + half).min(rows - 1);
            match merged.last_mut() {
                Some(before) if before.last >= first => before.last = last,
                _ => merged.push(Segment { first, last }),
            }
        }
        let mut met = vec![0.0; THRESHOLDS];
        for segment in &merged {
            let first = self.reached[segment.first..=segment.last].iter().min();
            met[first.copied().unwrap_or(THRESHOLDS - 1)] += 1.0 / merged.len() as f64;
        }
        accumulate(&mut met);
        met
    }
}

/// Turns what is added at each threshold into what is there from it on.
fn accumulate(counts: &mut [f64]) {
    let mut sum = 0.0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}
