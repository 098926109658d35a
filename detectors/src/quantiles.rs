//! Robust band: where a value lies among the quantiles of the series.

use crate::{
    arithmetic::single::{least, most, select},
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Quantiles at 2, 50 and 98 % by stochastic approximation (Robbins and Monro 1951), stepping in
/// units of the mean absolute deviation. Outliers move them no more than any other value, and
/// each side has its own width, so skew does not matter.
pub(crate) struct Quantiles {
    pub(crate) memory_ticks: f32,
}

/// Share of values beyond each outer quantile.
const OUTER: f32 = 0.02;

/// `quantile`, moved towards `x` by `step` times the share of values on the other side, but not
/// beyond it. So a value on the quantile leaves it, and ties (counts, constants) hold it.
#[inline(always)]
fn moved(quantile: f32, level: f32, x: f32, step: f32) -> f32 {
    quantile + most(least(x - quantile, step * level), -(step * (1.0 - level)))
}

impl Kernel<4> for Quantiles {
    const COLUMNS: [(&'static str, Kind); 4] =
        [("q02", Kind::Place), ("q50", Kind::Place), ("q98", Kind::Place), ("deviation", Kind::Length)];
    const SPEC: Spec = Spec {
        name: "quantiles",
        sees: "a value outside the band, despite outliers and skew",
        formula: "|x - q50| / (q98 - q50), below: (q50 - q02), at least the mean deviation; streaming quantiles",
        source: "Robbins and Monro 1951",
        parameters: &[MEMORY],
        state_version: 3,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES + 4 * 4,
        on_by_default: true,
    };
    const EXPECTS: bool = true;

    #[inline(always)]
    fn score(&self, &[q02, q50, q98, deviation]: &[f32; 4], lane: &Lane) -> Reading {
        // The mean deviation holds the band open where the quantiles collapse on ties.
        let unit_high = most(q98 - q50, deviation) + lane.rounding;
        let unit_low = most(q50 - q02, deviation) + lane.rounding;
        let distance = lane.x - q50;
        let unit = select(distance > 0.0, unit_high, unit_low);
        Reading {
            score: distance.abs() / unit * lane.observed,
            observed: lane.observed > 0.0,
            expected: q50,
            unit_high,
            unit_low,
        }
    }

    #[inline(always)]
    fn advance(&self, &[q02, q50, q98, deviation]: &[f32; 4], lane: &Lane) -> [f32; 4] {
        let x = lane.x;
        let distance = (x - q50).abs();
        let bounded =
            select(lane.seen < 20.0, distance, most(least(distance, 8.0 * deviation), 0.1 * distance));
        let weight = most(lane.step_share, 1.0 / self.memory_ticks) * lane.learns;
        let step = most(least(3.0 * lane.share, 1.0), 2.0 / self.memory_ticks) * lane.learns;
        // Few values teach the outer quantiles, so they take larger steps, in the width of their
        // own side.
        let low = 3.0 * step * most(q50 - q02, deviation);
        let high = 3.0 * step * most(q98 - q50, deviation);
        let next_q50 = moved(q50, 0.5, x, step * deviation);
        [
            // Approximation may cross neighbours by a step.
            least(moved(q02, OUTER, x, low), next_q50),
            next_q50,
            most(moved(q98, 1.0 - OUTER, x, high), next_q50),
            most(deviation + weight * (bounded - deviation), 0.0),
        ]
    }
}
