//! From a score to a p-value, by its own past, for detectors that keep more than a lane.

use crate::{
    arithmetic::{exp, ln},
    calibration::{P_VALUE_MIN, TAIL},
    slots::Numbers,
};

/// First guess of the mean excess of ln(1 + score) over the threshold: a tail like the power -4.
const PRIOR_EXCESS: f64 = 0.25;
/// Weight of that guess, in exceedances.
const PRIOR: f64 = 5.0;
/// No tail is trusted to fall faster than the power -20.
const EXCESS_MIN: f64 = 0.05;
/// Exceedances that the mean excess remembers.
const EXCESS_MEMORY: f64 = 200.0;

/// Streaming distribution of the scores of one model.
///
/// Of u = ln(1 + score) the median and the 95 % quantile follow by stochastic approximation
/// (Robbins and Monro 1951). Below the quantile p falls log-linearly, above it
/// exponentially with the mean excess seen so far: 1 + score has a Pareto tail (Hill
/// 1975). Exceedances in a row are one event and teach once, by the largest of them (Smith
/// and Weissman 1994): windows overlap, so one unusual row makes many unusual scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Past {
    seen: f64,
    median: f64,
    threshold: f64,
    excess: f64,
    exceedances: f64,
    /// Largest excess of the run of exceedances that lasts; 0 if none does.
    run: f64,
}

impl Past {
    fn mean_excess(&self) -> f64 {
        let weight = self.exceedances.min(EXCESS_MEMORY);
        ((weight * self.excess + PRIOR * PRIOR_EXCESS) / (weight + PRIOR)).max(EXCESS_MIN)
    }

    /// How often a past score was at least `score` >= 0; 1 until `warmup` were seen.
    pub(crate) fn p_value(&self, score: f64, warmup: f64) -> f64 {
        if self.seen < warmup {
            return 1.0;
        }
        let u = ln(1.0 + score);
        let (ln_half, ln_tail) = (-std::f64::consts::LN_2, ln(TAIL));
        let ln_p = if u > self.threshold {
            ln_tail - (u - self.threshold) / self.mean_excess()
        } else if u > self.median {
            ln_half + (ln_tail - ln_half) * (u - self.median) / (self.threshold - self.median)
        } else {
            ln_half * u / self.median.max(1e-9)
        };
        exp(ln_p).clamp(P_VALUE_MIN, 1.0)
    }

    /// Learns from `score`.
    pub(crate) fn learn(&mut self, score: f64) {
        let u = ln(1.0 + score);
        let gain = (3.0 / (self.seen + 6.0)).max(0.01);
        let excess = u - self.threshold;
        let over = excess <= 0.0 && self.run > 0.0;
        if over {
            // A single monstrous score may not blind the tail.
            let bounded = self.run.min(6.0 * self.mean_excess());
            self.exceedances += 1.0;
            self.excess += (bounded - self.excess) / self.exceedances.min(EXCESS_MEMORY);
            self.run = 0.0;
        }
        // While the quantiles still travel from zero, exceedances say nothing of the tail.
        if excess > 0.0 && self.seen >= 20.0 {
            self.run = self.run.max(excess);
        }
        self.median += gain * (f64::from(u8::from(u > self.median)) - 0.5);
        self.threshold = (self.threshold + gain * (f64::from(u8::from(excess > 0.0)) - TAIL)).max(0.0);
        self.median = self.median.clamp(0.0, self.threshold);
        self.seen += 1.0;
    }

    /// The median score.
    pub(crate) fn median(&self) -> f64 {
        exp(self.median) - 1.0
    }

    /// Scores seen.
    pub(crate) fn seen(&self) -> f64 {
        self.seen
    }

    pub(crate) fn save(&self, numbers: &mut Vec<f64>) {
        let Self { seen, median, threshold, excess, exceedances, run } = *self;
        numbers.extend([seen, median, threshold, excess, exceedances, run]);
    }

    pub(crate) fn load(numbers: &mut Numbers<'_>) -> Option<Self> {
        let [seen, median, threshold, excess, exceedances, run] = numbers.array()?;
        Some(Self { seen, median, threshold, excess, exceedances, run })
    }
}
