//! Drift: the series has moved slowly and for long, as a leak does.

use crate::{
    anchor::{settled, tempered},
    arithmetic::single::{least, most, select},
    block::Lane,
    calibration,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
    rate::LENGTH_MIN,
    tail::EXCESS_MIN_OF_SUMS,
};

/// Distance between a fast and a slow mean against the mean of that distance.
pub(crate) struct Drift {
    pub(crate) fast_ticks: f32,
    pub(crate) slow_ticks: f32,
}

impl Kernel<3> for Drift {
    const COLUMNS: [(&'static str, Kind); 3] =
        [("fast", Kind::Place), ("slow", Kind::Place), ("mean_distance", Kind::Length)];
    const SPEC: Spec = Spec {
        name: "drift",
        sees: "a slow, lasting movement, such as a leak",
        formula: "|fast mean - slow mean| / mean of it (moving average oscillator)",
        source: "Roberts 1959",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "the fast mean remembers an eighth, the slow one twice as many",
        }],
        state_version: 3,
        warmup_ticks: 256,
        bytes_per_series: calibration::BYTES + 3 * 4,
        on_by_default: true,
    };
    const EXPECTS: bool = true;
    const EXCESS_MIN: f32 = EXCESS_MIN_OF_SUMS;

    #[inline(always)]
    fn score(&self, &[fast, slow, mean_distance]: &[f32; 3], lane: &Lane) -> Reading {
        let gain = most(lane.share, 1.0 / self.fast_ticks);
        let distance = (fast + gain * (lane.x - fast) - slow).abs();
        let unit = mean_distance + lane.rounding;
        Reading {
            score: distance / unit * lane.observed,
            observed: lane.observed > 0.0,
            expected: slow,
            unit_high: unit,
            unit_low: unit,
        }
    }

    #[inline(always)]
    fn advance(&self, &[fast, slow, mean_distance]: &[f32; 3], lane: &Lane) -> [f32; 3] {
        // On its way back it hurries: what has returned is not to be held for drifting.
        let returns = (lane.x - slow).abs() < (fast - slow).abs();
        let resting = least(select(returns, 4.0, 1.0) / self.fast_ticks, 1.0);
        let learning = most(lane.share, 1.0 / self.fast_ticks);
        let fast_gain = select(lane.learns > 0.0, learning, resting) * lane.observed;
        let slow_gain = most(lane.share, 1.0 / self.slow_ticks) * lane.learns;
        let fast = fast + fast_gain * (lane.x - fast);
        let distance = tempered((fast - slow).abs(), mean_distance, lane.seen);
        [
            settled(fast),
            settled(slow + slow_gain * (lane.x - slow)),
            most(mean_distance + slow_gain * (distance - mean_distance), LENGTH_MIN),
        ]
    }
}
