//! From a score to a p-value, by the series' own past scores.

use arrow::datatypes::{Float32Type, UInt8Type, UInt16Type};
use theriac_contract::{StateError, StateTable};

use crate::{
    arithmetic::single::{exp, least, ln, most, select},
    block::{BLOCK, Column},
    columns::{Writer, read},
};

/// Share of past scores above the threshold where the tail begins.
pub const TAIL: f64 = 0.05;
/// No p-value is below this.
pub const P_VALUE_MIN: f64 = 1e-36;

/// Bytes per series.
pub(crate) const BYTES: usize = 17;

/// 1/p at the threshold.
const TAIL_ODDS: f32 = 20.0;
/// 1/p at the edge of the band.
pub(crate) const BAND_ODDS: f32 = 100.0;
const LN_TAIL_ODDS: f32 = 2.995_732_3;
/// -ln of the least p-value.
const SURPRISE_MAX: f32 = 82.893_06;
/// ln(BAND_ODDS / TAIL_ODDS).
const BAND: f32 = 1.609_438;
/// A score below this, a quarter of the detector's own unit, is no departure however constant
/// the series was.
const SLIGHT: f32 = 0.25;
/// Exceedances that must have been seen before the tail is extrapolated.
const SUPPORT: u8 = 4;
/// Weight, in exceedances, of the first guess of the mean excess.
const PRIOR: f32 = 5.0;
/// First guess of the mean excess: a tail like the power -4.
const PRIOR_EXCESS: f32 = 0.25;
/// Mean excess is at least this: no tail is trusted to fall faster than the power -20.
const EXCESS_MIN: f32 = 0.05;
/// Exceedances that the mean excess remembers.
const EXCESS_MEMORY: u8 = 200;
/// Mean excesses above the threshold from where an exceedance is far: past the point where
/// about one of twenty exceedances lies.
const FAR: f32 = 3.0;
/// Far exceedances that make a habit.
const HABIT: u16 = 1;
/// Far exceedances that their mean remembers.
const FAR_MEMORY: u16 = 50;
/// Observations before exceedances count: until then the quantiles still travel.
const TRAVEL: f32 = 20.0;
/// Steps of a mean excess in one unit.
const EXCESS_STEPS: f32 = 8192.0;
/// Steps of the logarithm of a score in one unit.
const LOG_STEPS: f32 = 512.0;

/// Streaming distribution of the scores of one block of series.
///
/// A score s >= 0 is kept as y = 1 + s. Its median and its 95 % quantile follow by stochastic
/// approximation (Robbins and Monro 1951) in steps that are a share of the quantile. Above the
/// threshold ln y is taken as exponential with the mean excess seen so far, that is, y has a
/// Pareto tail (Hill 1975), heavier than that of most data, hence conservative. Below, 1/p rises
/// from 1 over 2 at the median to 20 at the threshold, by parabolas.
///
/// Exceedances in a row are one event and teach once, by the largest of them, when they are
/// over (runs declustering; Smith and Weissman 1994). So a slow ramp does not teach, on
/// its way up, that ramps are ordinary.
///
/// Rare but habitual scores (a flag that flips once in a hundred ticks) do not fit one
/// exponential. Far exceedances are therefore counted: once there were four, p is at least
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
    /// Mean excess of ln y.
    excess: [u16; BLOCK],
    /// Largest excess of the run of exceedances that lasts; 0 if none does.
    run: [u16; BLOCK],
    /// Mean ln y of far exceedances.
    far_mean: [u16; BLOCK],
    /// Far exceedances.
    far: [u16; BLOCK],
    /// Exceedances, as far as they count.
    exceedances: [u8; BLOCK],
}

/// Gain of the quantiles where `share` is 1 / (observations + 1).
#[inline(always)]
pub(crate) fn gain(share: f32) -> f32 {
    most(least(3.0 * share, 0.5), 0.01)
}

/// `x` in whole steps, at least `min` of them.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn steps(x: f32, steps: f32, min: u16) -> u16 {
    ((x * steps + 0.5) as u16).max(min)
}

impl Calibration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2048 fits")]
    pub(crate) const EMPTY: Self = Self {
        median: [1.0; BLOCK],
        threshold: [1.0; BLOCK],
        excess: [(PRIOR_EXCESS * EXCESS_STEPS) as u16; BLOCK],
        run: [0; BLOCK],
        far_mean: [0; BLOCK],
        far: [0; BLOCK],
        exceedances: [0; BLOCK],
    };

    pub(crate) fn forget(&mut self, i: usize) {
        self.median[i] = Self::EMPTY.median[i];
        self.threshold[i] = Self::EMPTY.threshold[i];
        self.excess[i] = Self::EMPTY.excess[i];
        self.run[i] = 0;
        self.far_mean[i] = 0;
        self.far[i] = 0;
        self.exceedances[i] = 0;
    }

    /// Takes over what `other` holds of its series `j`.
    pub(crate) fn begin_like(&mut self, i: usize, other: &Self, j: usize) {
        self.median[i] = other.median[j];
        self.threshold[i] = other.threshold[j];
        self.excess[i] = other.excess[j];
        self.run[i] = other.run[j];
        self.far_mean[i] = other.far_mean[j];
        self.far[i] = other.far[j];
        self.exceedances[i] = other.exceedances[j];
    }

    #[inline(always)]
    fn mean_excess(&self, i: usize) -> f32 {
        most(f32::from(self.excess[i]) * (1.0 / EXCESS_STEPS), EXCESS_MIN)
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

    /// Whether more is to be done for a series than [`Calibration::body`] and
    /// [`Calibration::follow`].
    #[inline(always)]
    pub(crate) fn is_busy(&self, i: usize, y: f32, lesson: f32) -> bool {
        (y > self.threshold[i]) | (lesson > self.threshold[i]) | (self.run[i] != 0)
    }

    /// Whether the score y - 1 is in the tail.
    #[inline(always)]
    pub(crate) fn exceeds(&self, i: usize, y: f32) -> bool {
        y > self.threshold[i]
    }

    /// 1/p of the score y - 1, which is in the tail. `relative` gives r above.
    #[inline(always)]
    pub(crate) fn tail(&self, i: usize, y: f32, seen: f32, relative: impl FnOnce() -> f32) -> f32 {
        let excess = ln(y / self.threshold[i]);
        let mean_excess = self.mean_excess(i);
        let mut surprise = LN_TAIL_ODDS + excess / mean_excess;
        if self.far[i] >= HABIT {
            let beyond = excess + ln(self.threshold[i]) - f32::from(self.far_mean[i]) / LOG_STEPS;
            let habit = ln((seen + 1.0) / f32::from(self.far[i]));
            surprise = least(surprise, habit + most(beyond / most(mean_excess, PRIOR_EXCESS), 0.0));
        }
        if self.exceedances[i] < SUPPORT {
            let rarity = least(1.0 + ln(1.0 + relative()) / std::f32::consts::LN_10, 3.0);
            surprise = least(surprise, ln(seen + 1.0) * rarity);
        }
        if y < 1.0 + SLIGHT {
            surprise = least(surprise, LN_TAIL_ODDS);
        }
        exp(most(least(surprise, SURPRISE_MAX), 0.0))
    }

    /// The score whose p-value is about 0.01.
    #[inline(always)]
    pub(crate) fn band(&self, i: usize) -> f32 {
        self.threshold[i] * exp(BAND * self.mean_excess(i)) - 1.0
    }

    /// Learns from an exceedance, or that a run of them is over, after `seen` observations. To be
    /// called for busy series before [`Calibration::follow`].
    #[inline(always)]
    pub(crate) fn meet(&mut self, i: usize, y: f32, seen: f32) {
        let threshold = self.threshold[i];
        if y > threshold {
            if seen >= TRAVEL {
                self.run[i] = self.run[i].max(steps(ln(y / threshold), LOG_STEPS, 1));
            }
            return;
        }
        let run = f32::from(self.run[i]) / LOG_STEPS;
        self.run[i] = 0;
        if run == 0.0 {
            return;
        }
        let mean_excess = self.mean_excess(i);
        // A single monstrous score may not blind the tail.
        let bounded = least(run, 6.0 * mean_excess);
        let weight = 1.0 / (f32::from(self.exceedances[i].min(EXCESS_MEMORY)) + PRIOR + 1.0);
        let excess = f32::from(self.excess[i]) / EXCESS_STEPS;
        self.excess[i] = steps(excess + weight * (bounded - excess), EXCESS_STEPS, 0);
        self.exceedances[i] = self.exceedances[i].saturating_add(1);
        if run > FAR * mean_excess {
            let mean = f32::from(self.far_mean[i]) / LOG_STEPS;
            let weight = 1.0 / f32::from(self.far[i].saturating_add(1).min(FAR_MEMORY));
            let peak = ln(threshold) + run;
            self.far_mean[i] = steps(mean + weight * (peak - mean), LOG_STEPS, 0);
            self.far[i] = self.far[i].saturating_add(1);
        }
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
        table.column::<UInt16Type>("excess", move |block| &of(block).excess);
        table.column::<UInt16Type>("run_excess", move |block| &of(block).run);
        table.column::<UInt16Type>("far_mean", move |block| &of(block).far_mean);
        table.column::<UInt16Type>("far", move |block| &of(block).far);
        table.column::<UInt8Type>("exceedances", move |block| &of(block).exceedances);
    }

    pub(crate) fn read<B>(
        table: &StateTable,
        blocks: &mut [B],
        of: impl Fn(&mut B) -> &mut Self + Copy,
    ) -> Result<(), StateError> {
        read::<Float32Type, B>(table, "median", blocks, move |block| &mut of(block).median)?;
        read::<Float32Type, B>(table, "threshold", blocks, move |block| &mut of(block).threshold)?;
        read::<UInt16Type, B>(table, "excess", blocks, move |block| &mut of(block).excess)?;
        read::<UInt16Type, B>(table, "run_excess", blocks, move |block| &mut of(block).run)?;
        read::<UInt16Type, B>(table, "far_mean", blocks, move |block| &mut of(block).far_mean)?;
        read::<UInt16Type, B>(table, "far", blocks, move |block| &mut of(block).far)?;
        read::<UInt8Type, B>(table, "exceedances", blocks, move |block| &mut of(block).exceedances)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            if calibration.is_busy(0, y, 1.0) {
                calibration.meet(0, y, seen);
            }
            calibration.follow(0, y, gain(1.0 / (seen + 1.0)));
            seen += 1.0;
            if tick % 100 == 50 {
                let odds = |y: f32| {
                    if calibration.exceeds(0, y) {
                        calibration.tail(0, y, seen, || y)
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
