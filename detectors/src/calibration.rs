//! From a score to a p-value, by the series' own past scores.

use arrow::datatypes::Float32Type;
use theriac_contract::{StateError, StateTable};

use crate::{
    arithmetic::single::{least, most, select},
    block::{BLOCK, Column},
    columns::{Writer, read},
    tail::{self, Tail, Tails},
};

/// Share of past scores above the threshold where the tail begins.
pub const TAIL: f64 = 0.05;
/// No p-value is below this.
pub const P_VALUE_MIN: f64 = 1e-36;

/// Bytes per series.
pub(crate) const BYTES: usize = 8 + tail::BYTES;

/// 1/p at the threshold.
const TAIL_ODDS: f32 = 20.0;
/// 1/p at the edge of the band.
pub(crate) const BAND_ODDS: f32 = 100.0;

/// Streaming distribution of the scores of one block of series.
///
/// A score s >= 0 is kept as y = 1 + s. Its median and its 95 % quantile follow by stochastic
/// approximation (Robbins and Monro 1951) in steps that are a share of the quantile. Above the
/// threshold ln y is taken as exponential with the mean excess seen so far, that is, y has a
/// Pareto tail (Hill 1975), heavier than that of most data, hence conservative. How little a mean
/// of few exceedances is worth is reckoned with: with n of them, and fifteen of other series,
/// excesses of mean m go beyond x with a chance of (1 + x/(n m))^-n, their predictive distribution
/// (Lomax), not e^(-x/m). Below, 1/p rises from 1 over 2 at the median to 20 at the threshold, by
/// parabolas.
///
/// Exceedances in a row are one event and teach once, by the largest of them, when they are
/// over (runs declustering; Smith and Weissman 1994). So a slow ramp does not teach, on
/// its way up, that ramps are ordinary. Such a run begins only when the value changes, or where the
/// score is clear of the threshold by a step of it: a series that rests repeats its score, one in
/// twenty of these lies above the threshold by a hair, and a tail of hairs falls so steeply that the
/// next event would be a wonder for nothing but the rest before it.
///
/// Rare but habitual scores (a flag that flips once in a hundred ticks) do not fit one
/// exponential. Far exceedances are therefore counted: once there was one, p is at least
/// their share of all scores up to their mean, and falls like the tail beyond it.
///
/// As long as fewer than four exceedances support the tail (constant series), p is
/// 1/(n+1) (rule of succession) times (1+r)^-log10(n+1), where r is how
/// far the value lies off in units of the value itself, at most cubed in all.
///
/// Quantiles are moved for all series at once. All else is met once in twenty observations,
/// series by series, and kept in few bits: logarithms in 1/512, mean excesses in 1/8192.
#[derive(Clone, PartialEq)]
#[repr(align(64))]
pub(crate) struct Calibration {
    /// Median of y.
    median: Column,
    /// 95 % quantile of y.
    threshold: Column,
    pub(crate) tails: Tails<BLOCK>,
}

/// Gain of the quantiles where `share` is 1 / (observations + 1).
#[inline(always)]
pub(crate) fn gain(share: f32) -> f32 {
    most(least(3.0 * share, 0.5), 0.01)
}

impl Calibration {
    pub(crate) const EMPTY: Self =
        Self { median: [1.0; BLOCK], threshold: [1.0; BLOCK], tails: Tails::EMPTY };

    pub(crate) fn forget(&mut self, i: usize) {
        self.median[i] = 1.0;
        self.threshold[i] = 1.0;
        self.tails.set(i, Tail::EMPTY);
    }

    /// Takes over what `other` holds of its series `j`.
    pub(crate) fn begin_like(&mut self, i: usize, other: &Self, j: usize) {
        self.median[i] = other.median[j];
        self.threshold[i] = other.threshold[j];
        self.tails.set(i, other.tails.get(j));
    }

    #[inline(always)]
    pub(crate) fn threshold(&self, i: usize) -> f32 {
        self.threshold[i]
    }

    /// 1/p of the score y - 1 as long as it is below the threshold, and what it is there beyond.
    #[inline(always)]
    pub(crate) fn body(&self, i: usize, y: f32) -> f32 {
        let (median, threshold) = (self.median[i], self.threshold[i]);
        let upper = y > median;
        let from = select(upper, median, 1.0);
        let to = select(upper, threshold, median);
        let share = least((y - from) / most(to - from, 1e-6), 1.0);
        let square = share * share;
        select(upper, 2.0 + (TAIL_ODDS - 2.0) * square, 1.0 + 0.5 * (share + square))
    }

    /// Moves the quantiles towards y; not at all if `gain` is 0.
    #[inline(always)]
    pub(crate) fn follow(&mut self, i: usize, y: f32, gain: f32) {
        let (median, threshold) = (self.median[i], self.threshold[i]);
        let step = gain * select(y > threshold, 1.0 - TAIL as f32, -(TAIL as f32));
        let half = gain * select(y > median, 0.5, -0.5);
        let threshold = most(threshold + threshold * step, 1.0);
        self.threshold[i] = threshold;
        self.median[i] = least(most(median + median * half, 1.0), threshold);
    }

    pub(crate) fn columns<B>(table: &mut Writer<'_, B>, of: impl Fn(&B) -> &Self + Copy) {
        table.column::<Float32Type>("median", move |block| &of(block).median);
        table.column::<Float32Type>("threshold", move |block| &of(block).threshold);
        Tails::columns(table, move |block| &of(block).tails);
    }

    pub(crate) fn read<B>(
        table: &StateTable,
        blocks: &mut [B],
        of: impl Fn(&mut B) -> &mut Self + Copy,
    ) -> Result<(), StateError> {
        read::<Float32Type, B>(table, "median", blocks, move |block| &mut of(block).median)?;
        read::<Float32Type, B>(table, "threshold", blocks, move |block| &mut of(block).threshold)?;
        Tails::read(table, blocks, move |block| &mut of(block).tails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tail::{EXCESS_MIN, rarity};

    #[test]
    fn a_larger_score_never_has_a_larger_p_value() {
        let mut calibration = Calibration::EMPTY;
        let mut random = 3_u32;
        let mut seen = 0.0;
        for tick in 0..5_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let score = f32::from((random >> 16) as u16) / 65_536.0;
            // A habit now and then.
            let y = 1.0 + if tick % 150 == 0 { 30.0 } else { 2.0 * score * score };
            let tail = calibration.tails.get(0).met(y, calibration.threshold(0), seen, true);
            calibration.tails.set(0, tail);
            calibration.follow(0, y, gain(1.0 / (seen + 1.0)));
            seen += 1.0;
            if tick % 100 == 50 {
                let odds = |y: f32| {
                    if y > calibration.threshold(0) {
                        tail.odds(y, calibration.threshold(0), seen, rarity(y), EXCESS_MIN)
                    } else {
                        calibration.body(0, y)
                    }
                };
                let mut last = 1.0;
                for step in 0..2_000_u16 {
                    let now = odds(1.0 + f32::from(step) * f32::from(step) / 2_000.0);
                    assert!(now >= last * 0.999_99, "{tick}: {now} after {last}");
                    last = now;
                }
            }
        }
    }
}
