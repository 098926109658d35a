//! CUSUM: a small shift of the level that stays.

use crate::{
    arithmetic::single::{least, most, select},
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Reading},
    tail::EXCESS_MIN_OF_SUMS,
};

/// Sums of what standardised values exceed half a standard deviation by, upwards and downwards.
pub(crate) struct Cusum;

/// Standard deviations that are not counted: half the shift that is to be found soonest.
const SLACK: f32 = 0.5;
/// Sums grow no further, so that they are back soon.
const SUM_MAX: f32 = 32.0;

#[inline(always)]
fn sums(&[high, low]: &[f32; 2], lane: &Lane) -> [f32; 2] {
    let z = (lane.x - lane.mean) / lane.spread;
    // Before there is a spread, z says nothing.
    let z = select(lane.seen < 20.0, 0.0, most(least(z, SUM_MAX), -SUM_MAX));
    [high + z - SLACK, low - z - SLACK].map(|sum| most(least(sum, SUM_MAX), 0.0))
}

/// `next` where the value is learnt from. What is not learnt from does not add up; on its way back
/// it hurries.
#[inline(always)]
pub(crate) fn rest(sums: [f32; 2], next: [f32; 2], lane: &Lane) -> [f32; 2] {
    let back = (lane.x - lane.mean).abs() < 2.0 * lane.spread;
    let mut after = sums;
    for (sum, next) in after.iter_mut().zip(next) {
        let resting = select(back, 0.5 * *sum, *sum);
        let moved = select(lane.learns > 0.0, next, resting);
        // Halves of halves would become subnormal.
        *sum = select(lane.observed > 0.0, select(moved < 1e-6, 0.0, moved), *sum);
    }
    after
}

impl Kernel<2> for Cusum {
    const COLUMNS: [(&'static str, Kind); 2] = [("high", Kind::Count), ("low", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "cusum",
        sees: "a small shift of the level that stays",
        formula: "max(0, sum + z - 1/2), z = (x - mean) / sd, and the same downwards; the larger",
        source: "Page 1954",
        parameters: &[MEMORY],
        state_version: 1,
        warmup_ticks: 128,
        bytes_per_series: calibration::BYTES + 2 * 4,
        on_by_default: false,
    };
    const EXPECTS: bool = false;
    const EXCESS_MIN: f32 = EXCESS_MIN_OF_SUMS;

    #[inline(always)]
    fn score(&self, state: &[f32; 2], lane: &Lane) -> Reading {
        let [high, low] = sums(state, lane);
        Reading::of(most(high, low) * lane.observed, lane)
    }

    #[inline(always)]
    fn advance(&self, state: &[f32; 2], lane: &Lane) -> [f32; 2] {
        rest(*state, sums(state, lane), lane)
    }
}
