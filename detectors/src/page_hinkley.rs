//! Page-Hinkley: the mean has left that of all that came before, slightly and for good.

use crate::{
    anchor::settled,
    arithmetic::single::{least, most, select},
    block::Lane,
    calibration,
    cusum::rest,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Sums of the deviations from the mean of all values, less a slack, above their minimum; and the same
/// downwards. CUSUM compares with the recent mean, which follows a slow shift and forgives it; here it
/// is that of sixteen times as many values, and the slack is half as large.
pub(crate) struct PageHinkley {
    /// Values that the mean remembers.
    pub(crate) mean_ticks: f32,
}

/// Standard deviations that are not counted.
const SLACK: f32 = 0.25;
/// Sums grow no further, so that they are back soon.
const SUM_MAX: f32 = 128.0;

impl PageHinkley {
    /// The mean with the present value.
    #[inline(always)]
    fn mean(&self, mean: f32, lane: &Lane, learns: f32) -> f32 {
        mean + most(lane.share, 1.0 / self.mean_ticks) * learns * (lane.x - mean)
    }

    #[inline(always)]
    fn sums(&self, &[mean, high, low]: &[f32; 3], lane: &Lane) -> [f32; 2] {
        let z = (lane.x - self.mean(mean, lane, 1.0)) / lane.spread;
        // Before there is a spread, z says nothing.
        let z = select(lane.seen < 20.0, 0.0, most(least(z, SUM_MAX), -SUM_MAX));
        [high + z - SLACK, low - z - SLACK].map(|sum| most(least(sum, SUM_MAX), 0.0))
    }
}

impl Kernel<3> for PageHinkley {
    const COLUMNS: [(&'static str, Kind); 3] =
        [("mean", Kind::Place), ("high", Kind::Count), ("low", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "page_hinkley",
        sees: "a slight shift of the mean against all that came before",
        formula: "m - min m, m = sum of (x - mean of all) / sd - 1/4, and the same downwards; the larger",
        source: "Page 1954; Hinkley 1971",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "the mean remembers sixteen times as many",
        }],
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: calibration::BYTES + 3 * 4,
        on_by_default: false,
    };
    const EXPECTS: bool = false;

    #[inline(always)]
    fn score(&self, state: &[f32; 3], lane: &Lane) -> Reading {
        let [high, low] = self.sums(state, lane);
        Reading::of(most(high, low) * lane.observed, lane)
    }

    #[inline(always)]
    fn advance(&self, state: &[f32; 3], lane: &Lane) -> [f32; 3] {
        let [high, low] = rest([state[1], state[2]], self.sums(state, lane), lane);
        [settled(self.mean(state[0], lane, lane.learns)), high, low]
    }
}
