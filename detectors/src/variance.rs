//! Variance change: the series moves more, or less, than it did.

use crate::{
    arithmetic::single::{least, most, select},
    block::Lane,
    calibration,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
    tail::EXCESS_MIN_OF_SUMS,
};

/// Mean of the last few squared standardised values, which is about 1, and how many times more
/// or less than that it is.
pub(crate) struct Variance {
    pub(crate) fast_ticks: f32,
}

/// A standardised value counts as no more than this: one outlier is not a change.
const SIZE_MAX: f32 = 4.0;
/// Least ratio that is told apart: a series that stands still is another detector's.
const RATIO_MIN: f32 = 1e-3;

impl Variance {
    #[inline(always)]
    fn next(&self, energy: f32, lane: &Lane) -> f32 {
        let z = least((lane.x - lane.mean).abs() / lane.spread, SIZE_MAX);
        // Before there is a spread, z says nothing, and of what never moved neither.
        let unknown = (lane.seen < 20.0) | (lane.spread < 4.0 * lane.rounding);
        select(unknown, 1.0, energy + (z * z - energy) / self.fast_ticks)
    }
}

impl Kernel<1> for Variance {
    const COLUMNS: [(&'static str, Kind); 1] = [("energy", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "variance",
        sees: "a series that moves more, or less, than it did",
        formula: "max(v, 1/v) - 1, v = fast mean of ((x - mean) / sd)^2 (exponentially weighted mean square)",
        source: "MacGregor and Harris 1993",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "the fast mean remembers a sixteenth",
        }],
        state_version: 1,
        warmup_ticks: 128,
        bytes_per_series: calibration::BYTES + 4,
        on_by_default: false,
    };
    const EXPECTS: bool = false;
    const EXCESS_MIN: f32 = EXCESS_MIN_OF_SUMS;

    #[inline(always)]
    fn score(&self, &[energy]: &[f32; 1], lane: &Lane) -> Reading {
        let ratio = most(self.next(energy, lane), RATIO_MIN);
        Reading::of((most(ratio, 1.0 / ratio) - 1.0) * lane.observed, lane)
    }

    #[inline(always)]
    fn advance(&self, &[energy]: &[f32; 1], lane: &Lane) -> [f32; 1] {
        // Follows frozen series too: it is short, and their return should be none of its surprises.
        [select(lane.observed > 0.0, most(self.next(energy, lane), RATIO_MIN * RATIO_MIN), energy)]
    }
}
