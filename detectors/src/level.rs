//! Level and spread: how far a value lies from the recent mean, in standard deviations.

use crate::{
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Mean and standard deviation are those that all detectors share, see [`crate::anchor`].
pub(crate) struct Level;

impl Kernel<0> for Level {
    const COLUMNS: [(&'static str, Kind); 0] = [];
    const SPEC: Spec = Spec {
        name: "level",
        sees: "a value far from the recent level",
        formula: "|x - mean| / sd, exponentially weighted",
        source: "Finch 2009",
        parameters: &[MEMORY],
        state_version: 3,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES,
        on_by_default: true,
    };
    const EXPECTS: bool = true;

    #[inline(always)]
    fn score(&self, _: &[f32; 0], lane: &Lane) -> Reading {
        Reading {
            score: (lane.x - lane.mean).abs() / lane.spread * lane.observed,
            observed: lane.observed > 0.0,
            expected: lane.mean,
            unit_high: lane.spread,
            unit_low: lane.spread,
        }
    }

    #[inline(always)]
    fn advance(&self, _: &[f32; 0], _: &Lane) -> [f32; 0] {
        []
    }
}
