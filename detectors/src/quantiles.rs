//! Robust band: where a value lies among the quantiles of the series.

use crate::{
    arithmetic::{least, most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
    level::{ROUNDING, relative},
};

/// Quantiles at 2, 25, 50, 75 and 98 % by stochastic approximation (Robbins and Monro
/// 1951), stepping in units of the mean absolute deviation. Outliers move them no more
/// than any other value, and each side has its own width, so skew does not matter.
pub(crate) struct Quantiles {
    pub(crate) memory_ticks: f64,
}

const LEVELS: [f64; 5] = [0.02, 0.25, 0.5, 0.75, 0.98];

impl Kernel<6> for Quantiles {
    const COLUMNS: [&'static str; 6] = ["q02", "q25", "q50", "q75", "q98", "deviation"];
    const SPEC: Spec = Spec {
        name: "quantiles",
        sees: "a value outside the band, despite outliers and skew",
        formula: "|x - q50| / (q98 - q50), below: (q50 - q02), at least the mean deviation; streaming quantiles (Robbins and Monro 1951)",
        state_version: 2,
        warmup_ticks: 64,
        bytes_per_series: 112,
    };

    #[inline(always)]
    fn score(&self, &[q02, _, q50, _, q98, deviation]: &[f64; 6], _seen: f64, x: f64) -> Reading {
        let least_unit = ROUNDING * q50.abs() + 1e-150;
        // The mean deviation holds the band open where the quantiles collapse on ties.
        let unit_high = most(q98 - q50, deviation) + least_unit;
        let unit_low = most(q50 - q02, deviation) + least_unit;
        let distance = x - q50;
        let observed = !x.is_nan();
        let score = distance.abs() / select(distance > 0.0, unit_high, unit_low);
        let score = select(observed, score, 0.0);
        Reading {
            score,
            relative: select(observed, relative(distance, q50), 0.0),
            expected: q50,
            unit_high,
            unit_low,
            observed,
            lesson: score,
            teaches: observed,
        }
    }

    #[inline(always)]
    fn learn(&self, state: &[f64; 6], seen: f64, x: f64) -> [f64; 6] {
        let &[q02, q25, q50, q75, q98, deviation] = state;
        let first = seen < 1.0;
        let distance = (x - q50).abs();
        let bounded = select(seen < 20.0, distance, most(least(distance, 8.0 * deviation), 0.1 * distance));
        let weight = most(1.0 / most(seen, 1.0), 1.0 / self.memory_ticks);
        let step = most(3.0 / (seen + 2.0), 2.0 / self.memory_ticks);
        // Few values teach the outer quantiles, so they take larger steps, in the width of
        // their own tail.
        let steps = [
            4.0 * step * most(q25 - q02, deviation),
            step * deviation,
            step * deviation,
            step * deviation,
            4.0 * step * most(q98 - q75, deviation),
        ];
        let mut next = [0.0; 6];
        for (quantile, level) in LEVELS.iter().enumerate() {
            let old = state[quantile];
            // A value on the quantile leaves it, so that ties (counts, constants) hold it.
            let move_by = select(x > old, *level, select(x < old, *level - 1.0, 0.0));
            // No step overshoots the value.
            let moved = select(
                x > old,
                least(old + steps[quantile] * move_by, x),
                select(x < old, most(old + steps[quantile] * move_by, x), old),
            );
            next[quantile] = select(first, x, moved);
        }
        // Approximation may cross neighbours by a step.
        next[1] = least(next[1], next[2]);
        next[0] = least(next[0], next[1]);
        next[3] = most(next[3], next[2]);
        next[4] = most(next[4], next[3]);
        next[5] = select(first, 0.0, deviation + weight * (bounded - deviation));
        next
    }
}
