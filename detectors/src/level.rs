//! Level and spread: how far a value lies from the recent mean, in standard deviations.

use crate::{
    arithmetic::{least, most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
};

/// Exponentially weighted mean and variance (West 1979; Finch 2009). The first
/// `memory_ticks` values weigh alike. Beyond eight standard deviations only part of a
/// deviation is learnt, at least a tenth.
pub(crate) struct Level {
    pub(crate) memory_ticks: f64,
}

/// A spread below this share of the level is rounding, not variation.
pub(crate) const ROUNDING: f64 = 1e-12;

/// Spread that is never zero.
#[inline(always)]
pub(crate) fn spread(variance: f64, level: f64) -> f64 {
    variance.sqrt() + (ROUNDING * level.abs() + 1e-150)
}

/// How far `distance` is in units of `level`, where a level below 1 counts as 1.
#[inline(always)]
pub(crate) fn relative(distance: f64, level: f64) -> f64 {
    distance.abs() / most(level.abs(), 1.0)
}

/// `deviation`, of which beyond eight times `spread` only a tenth is taken.
#[inline(always)]
pub(crate) fn tempered(deviation: f64, spread: f64, seen: f64) -> f64 {
    let size = deviation.abs();
    let bounded = select(seen < 20.0, size, most(least(size, 8.0 * spread), 0.1 * size));
    select(deviation < 0.0, -bounded, bounded)
}

impl Kernel<2> for Level {
    const COLUMNS: [&'static str; 2] = ["mean", "variance"];
    const SPEC: Spec = Spec {
        name: "level",
        sees: "a value far from the recent level",
        formula: "|x - mean| / sd, exponentially weighted (Finch 2009)",
        state_version: 2,
        warmup_ticks: 64,
        bytes_per_series: 80,
    };

    #[inline(always)]
    fn score(&self, &[mean, variance]: &[f64; 2], _seen: f64, x: f64) -> Reading {
        let spread = spread(variance, mean);
        let distance = (x - mean).abs();
        let observed = !x.is_nan();
        let score = select(observed, distance / spread, 0.0);
        Reading {
            score,
            relative: select(observed, relative(distance, mean), 0.0),
            expected: mean,
            unit_high: spread,
            unit_low: spread,
            observed,
            lesson: score,
            teaches: observed,
        }
    }

    #[inline(always)]
    fn learn(&self, &[mean, variance]: &[f64; 2], seen: f64, x: f64) -> [f64; 2] {
        let gain = most(1.0 / (seen + 1.0), 1.0 / self.memory_ticks);
        let deviation = tempered(x - mean, variance.sqrt(), seen);
        [mean + gain * deviation, (1.0 - gain) * (variance + gain * deviation * deviation)]
    }
}
