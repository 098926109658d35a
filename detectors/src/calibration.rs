//! From a score to a p-value, by the series' own past scores.

use crate::arithmetic::{exp, least, ln, most, select};

/// Share of past scores above the threshold where the tail begins.
pub const TAIL: f64 = 0.05;
/// No p-value is below this.
pub const P_VALUE_MIN: f64 = 1e-300;

/// State columns of a calibration, the last of each detector.
pub(crate) const COLUMNS: [&str; 8] =
    ["seen", "median", "threshold", "excess", "exceedances", "far", "far_mean", "run_excess"];

const LN_TAIL: f64 = -2.995_732_273_553_991;
const LN_10: f64 = std::f64::consts::LN_10;
/// A score below this, a quarter of the detector's own unit, is no departure however constant
/// the series was.
const SLIGHT: f64 = 0.25;
/// Exceedances that must have been seen before the tail is extrapolated.
const SUPPORT: f64 = 4.0;
/// Weight, in exceedances, of the first guess of the mean excess.
const PRIOR: f64 = 5.0;
/// First guess of the mean excess: a tail like the power -4.
const PRIOR_EXCESS: f64 = 0.25;
/// Mean excess is at least this: no tail is trusted to fall faster than the power -20.
const EXCESS_MIN: f64 = 0.05;
/// Exceedances that the mean excess remembers.
const EXCESS_MEMORY: f64 = 200.0;
/// Mean excesses above the threshold from where an exceedance is far: past the point where
/// about one of twenty exceedances lies.
const FAR: f64 = 3.0;
/// Far exceedances that make a habit.
const HABIT: f64 = 4.0;
/// Far exceedances that their mean remembers.
const FAR_MEMORY: f64 = 50.0;

/// Streaming distribution of one series' scores.
///
/// A score s >= 0 becomes u = ln(1 + s). The median and the 95 % quantile of u follow by
/// stochastic approximation (Robbins and Monro 1951). Above the threshold u is taken as
/// exponential with the mean excess seen so far, that is, 1 + s has a Pareto tail (Hill
/// 1975), heavier than that of most data, hence conservative. Below, p falls
/// log-linearly between the quantiles.
///
/// Exceedances in a row are one event and teach once, by the largest of them, when they are
/// over (runs declustering; Smith and Weissman 1994). So a slow ramp does not teach, on
/// its way up, that ramps are ordinary.
///
/// Rare but habitual scores (a flag that flips once in a hundred ticks) do not fit one
/// exponential. Far exceedances are therefore counted: once there were four, p is at least
/// their share of all scores up to their mean u, and falls exponentially beyond it.
///
/// As long as fewer than four exceedances support the tail (constant series), p is
/// 1/(n+1) (rule of succession) times (1+r)^-log10(n+1), where r is how
/// far the value lies off in units of the value itself, at most cubed in all.
#[derive(Clone, Copy)]
pub(crate) struct Calibration {
    pub(crate) seen: f64,
    median: f64,
    threshold: f64,
    excess: f64,
    exceedances: f64,
    far: f64,
    far_mean: f64,
    /// Largest excess of the run of exceedances that lasts; 0 if none does.
    run: f64,
}

impl Calibration {
    #[inline(always)]
    pub(crate) fn load(columns: [f64; 8]) -> Self {
        let [seen, median, threshold, excess, exceedances, far, far_mean, run] = columns;
        Self { seen, median, threshold, excess, exceedances, far, far_mean, run }
    }

    #[inline(always)]
    pub(crate) fn store(self) -> [f64; 8] {
        let Self { seen, median, threshold, excess, exceedances, far, far_mean, run } = self;
        [seen, median, threshold, excess, exceedances, far, far_mean, run]
    }

    #[inline(always)]
    fn mean_excess(&self) -> f64 {
        let weight = least(self.exceedances, EXCESS_MEMORY);
        most((weight * self.excess + PRIOR * PRIOR_EXCESS) / (weight + PRIOR), EXCESS_MIN)
    }

    /// P-value of `score`; `relative` is r above. 1 while warming up.
    #[inline(always)]
    pub(crate) fn p_value(&self, score: f64, relative: f64, warmup: f64) -> f64 {
        let u = ln(1.0 + score);
        let above = u - self.threshold;
        let tail = LN_TAIL - above / self.mean_excess();
        let beyond = most((u - self.far_mean) / most(self.mean_excess(), PRIOR_EXCESS), 0.0);
        let habit = ln(most(self.far, 1.0) / (self.seen + 1.0)) - beyond;
        let tail = select(self.far >= HABIT, most(tail, habit), tail);
        let width = most(self.threshold - self.median, 1e-9);
        let upper =
            -std::f64::consts::LN_2 + (LN_TAIL + std::f64::consts::LN_2) * ((u - self.median) / width);
        let lower = -std::f64::consts::LN_2 * (u / most(self.median, 1e-9));
        let body = select(u > self.median, upper, lower);
        let ln_seen = ln(self.seen + 1.0);
        let rarity = least(1.0 + ln(1.0 + relative) / LN_10, 3.0);
        let unsupported = -ln_seen * rarity;
        let extrapolated = select(self.exceedances < SUPPORT, most(tail, unsupported), tail);
        let ln_p = least(select(above > 0.0, extrapolated, body), 0.0);
        let ln_p = select(score < SLIGHT, most(ln_p, LN_TAIL), ln_p);
        let p = most(exp(ln_p), P_VALUE_MIN);
        select(self.seen >= warmup, p, 1.0)
    }

    /// The score whose p-value is about 0.01.
    #[inline(always)]
    pub(crate) fn band(&self) -> f64 {
        exp(self.threshold + 1.609_437_912_434_100_3 * self.mean_excess()) - 1.0
    }

    /// Learns from `score`.
    #[inline(always)]
    pub(crate) fn learn(self, score: f64) -> Self {
        let u = ln(1.0 + score);
        let gain = most(3.0 / (self.seen + 6.0), 0.01);
        let exceeds = u > self.threshold;
        // While the quantiles still travel from zero, exceedances say nothing of the tail.
        let run = select(exceeds & (self.seen >= 20.0), most(self.run, u - self.threshold), 0.0);
        let over = (self.run > 0.0) & !exceeds;
        // A single monstrous score may not blind the tail.
        let bounded = least(self.run, 6.0 * self.mean_excess());
        let weight = 1.0 / least(self.exceedances + 1.0, EXCESS_MEMORY);
        let far = over & (self.run > FAR * self.mean_excess());
        let far_gain = 1.0 / least(self.far + 1.0, FAR_MEMORY);
        let peak = self.threshold + self.run;
        let threshold = most(self.threshold + gain * (select(exceeds, 1.0, 0.0) - TAIL), 0.0);
        let median = self.median + gain * (select(u > self.median, 1.0, 0.0) - 0.5);
        Self {
            seen: self.seen + 1.0,
            median: least(most(median, 0.0), threshold),
            threshold,
            excess: select(over, self.excess + weight * (bounded - self.excess), self.excess),
            exceedances: self.exceedances + select(over, 1.0, 0.0),
            far: self.far + select(far, 1.0, 0.0),
            far_mean: select(far, self.far_mean + far_gain * (peak - self.far_mean), self.far_mean),
            run,
        }
    }
}
