//! New extreme: a value beyond all that were seen.

use crate::{
    anchor::settled,
    arithmetic::single::{most, select},
    block::Lane,
    calibration,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// How far a value lies beyond the range so far, in widths of that range. The range shrinks slowly
/// towards the mean, so that one monstrous value does not blind it for ever.
pub(crate) struct Extreme {
    pub(crate) memory_ticks: f32,
}

impl Kernel<2> for Extreme {
    const COLUMNS: [(&'static str, Kind); 2] = [("lowest", Kind::Place), ("highest", Kind::Place)];
    const SPEC: Spec = Spec {
        name: "extreme",
        sees: "a value beyond all that were seen",
        formula: "distance beyond the range / width of the range; ends of the range return to the mean",
        source: "records; Glick 1978",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "an end of the range is forgotten over 64 times as many",
        }],
        state_version: 1,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES + 2 * 4,
        on_by_default: false,
    };
    const EXPECTS: bool = false;

    #[inline(always)]
    fn score(&self, &[lowest, highest]: &[f32; 2], lane: &Lane) -> Reading {
        let beyond = most(most(lane.x - highest, lowest - lane.x), 0.0);
        Reading::of(beyond / (highest - lowest + lane.rounding) * lane.observed, lane)
    }

    #[inline(always)]
    fn advance(&self, &[lowest, highest]: &[f32; 2], lane: &Lane) -> [f32; 2] {
        let gain = lane.learns / (64.0 * self.memory_ticks);
        let low = lowest + gain * (lane.mean - lowest);
        let high = highest + gain * (lane.mean - highest);
        let learns = lane.learns > 0.0;
        [
            settled(select(learns & (lane.x < low), lane.x, low)),
            settled(select(learns & (lane.x > high), lane.x, high)),
        ]
    }
}
