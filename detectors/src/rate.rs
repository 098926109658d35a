//! Rate of change: how large a step is against the steps so far.

use crate::{
    arithmetic::{most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
    level::{relative, spread, tempered},
};

/// Difference to the previous value against the root mean square of past differences.
pub(crate) struct Rate {
    pub(crate) memory_ticks: f64,
}

impl Kernel<2> for Rate {
    const COLUMNS: [&'static str; 2] = ["last", "square"];
    const SPEC: Spec = Spec {
        name: "rate",
        sees: "a step larger than the steps so far",
        formula: "|x - last| / rms(step), exponentially weighted (von Neumann 1941)",
        state_version: 2,
        warmup_ticks: 64,
        bytes_per_series: 80,
    };

    #[inline(always)]
    fn score(&self, &[last, square]: &[f64; 2], seen: f64, x: f64) -> Reading {
        let spread = spread(square, last);
        let distance = (x - last).abs();
        let observed = !x.is_nan();
        let known = observed & (seen > 0.0);
        let score = select(known, distance / spread, 0.0);
        Reading {
            score,
            relative: select(known, relative(distance, last), 0.0),
            expected: last,
            unit_high: spread,
            unit_low: spread,
            observed,
            lesson: score,
            teaches: observed,
        }
    }

    #[inline(always)]
    fn learn(&self, &[last, square]: &[f64; 2], seen: f64, x: f64) -> [f64; 2] {
        let gain = select(seen > 0.0, most(1.0 / most(seen, 1.0), 1.0 / self.memory_ticks), 0.0);
        let step = tempered(x - last, square.sqrt(), seen);
        [x, square + gain * (step * step - square)]
    }

    #[inline(always)]
    fn follow(&self, &[_, square]: &[f64; 2], x: f64) -> [f64; 2] {
        [x, square]
    }
}
