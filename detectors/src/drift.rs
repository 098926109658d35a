//! Drift: the series has moved slowly and for long, as a leak does.

use crate::{
    arithmetic::{least, most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
    level::{relative, spread, tempered},
};

/// Distance between a fast and a slow mean against the spread of that distance.
pub(crate) struct Drift {
    pub(crate) fast_ticks: f64,
    pub(crate) slow_ticks: f64,
}

impl Kernel<3> for Drift {
    const COLUMNS: [&'static str; 3] = ["fast", "slow", "square"];
    const SPEC: Spec = Spec {
        name: "drift",
        sees: "a slow, lasting movement, such as a leak",
        formula: "|fast mean - slow mean| / rms of it (moving average oscillator; Roberts 1959)",
        state_version: 2,
        warmup_ticks: 256,
        bytes_per_series: 88,
    };

    #[inline(always)]
    fn score(&self, &[fast, slow, square]: &[f64; 3], seen: f64, x: f64) -> Reading {
        let spread = spread(square, slow);
        let observed = !x.is_nan();
        let gain = most(1.0 / (seen + 1.0), 1.0 / self.fast_ticks);
        let distance = (fast + gain * (x - fast) - slow).abs();
        let score = select(observed, distance / spread, 0.0);
        Reading {
            score,
            relative: select(observed, relative(distance, slow), 0.0),
            expected: slow,
            unit_high: spread,
            unit_low: spread,
            observed,
            lesson: score,
            teaches: observed,
        }
    }

    #[inline(always)]
    fn learn(&self, &[fast, slow, square]: &[f64; 3], seen: f64, x: f64) -> [f64; 3] {
        let fast_gain = most(1.0 / (seen + 1.0), 1.0 / self.fast_ticks);
        let slow_gain = most(1.0 / (seen + 1.0), 1.0 / self.slow_ticks);
        let fast = fast + fast_gain * (x - fast);
        let next_slow = slow + slow_gain * (x - slow);
        let distance = tempered(fast - slow, square.sqrt(), seen);
        [fast, next_slow, square + slow_gain * (distance * distance - square)]
    }

    #[inline(always)]
    fn follow(&self, &[fast, slow, square]: &[f64; 3], x: f64) -> [f64; 3] {
        // On its way back it hurries: what has returned is not to be held for drifting.
        let returns = (x - slow).abs() < (fast - slow).abs();
        let gain = least(select(returns, 4.0, 1.0) / self.fast_ticks, 1.0);
        [fast + gain * (x - fast), slow, square]
    }
}
