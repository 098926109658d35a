//! Rate of change: how large a step is against the steps so far.

use crate::{
    anchor::tempered,
    arithmetic::single::{most, select},
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Difference to the previous value against the mean of past differences.
pub(crate) struct Rate {
    pub(crate) memory_ticks: f32,
}

impl Kernel<1> for Rate {
    const COLUMNS: [(&'static str, Kind); 1] = [("mean_step", Kind::Length)];
    const SPEC: Spec = Spec {
        name: "rate",
        sees: "a step larger than the steps so far",
        formula: "|x - last| / mean |step|, exponentially weighted (moving range); 0 on the way back to the mean",
        source: "Shewhart 1931; Roberts 1959",
        parameters: &[MEMORY],
        state_version: 4,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES + 4,
        on_by_default: true,
    };
    const EXPECTS: bool = true;

    #[inline(always)]
    fn score(&self, &[mean_step]: &[f32; 1], lane: &Lane) -> Reading {
        let unit = mean_step + lane.rounding;
        // Back from a spike is no news: else one value would be two unusual ones.
        let returns = (lane.x - lane.mean).abs() < (lane.last - lane.mean).abs();
        Reading {
            score: select(returns, 0.0, (lane.x - lane.last).abs() / unit) * lane.observed,
            observed: lane.observed > 0.0,
            expected: lane.last,
            unit_high: unit,
            unit_low: unit,
        }
    }

    #[inline(always)]
    fn advance(&self, &[mean_step]: &[f32; 1], lane: &Lane) -> [f32; 1] {
        let gain = most(lane.step_share, 1.0 / self.memory_ticks) * lane.learns;
        let step = tempered((lane.x - lane.last).abs(), mean_step, lane.seen);
        [most(mean_step + gain * (step - mean_step), LENGTH_MIN)]
    }
}

/// Keeps the lengths of what never moves from becoming subnormal, which is slow.
pub(crate) const LENGTH_MIN: f32 = 1e-20;
