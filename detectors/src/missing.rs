//! Missing: a series that reports with some cadence is silent.

use crate::{
    arithmetic::single::{most, select},
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Lesson, Reading},
};

/// Ticks of silence against the mean distance of past reports. Reports are its
/// observations: silence teaches nothing until it is over.
pub(crate) struct Missing {
    pub(crate) memory_ticks: f32,
}

impl Kernel<2> for Missing {
    const COLUMNS: [(&'static str, Kind); 2] = [("silent", Kind::Count), ("cadence", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "missing",
        sees: "a series that normally reports is silent",
        formula: "silent ticks / mean ticks between reports (renewal process)",
        source: "Cox 1962",
        parameters: &[MEMORY],
        state_version: 3,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES + 2 * 4,
        on_by_default: true,
    };
    const EXPECTS: bool = false;
    const EVENTS: bool = true;

    #[inline(always)]
    fn score(&self, &[silent, cadence]: &[f32; 2], lane: &Lane) -> Reading {
        let present = lane.observed > 0.0;
        // A series seen once has no cadence to miss.
        let missed = select(present | (lane.seen < 2.0), 0.0, silent + 1.0);
        Reading {
            score: missed / most(cadence, 1.0),
            observed: present | (lane.seen > 0.0),
            expected: 0.0,
            unit_high: 0.0,
            unit_low: 0.0,
        }
    }

    #[inline(always)]
    fn lesson(&self, &[silent, cadence]: &[f32; 2], lane: &Lane) -> Lesson {
        Lesson {
            score: silent / most(cadence, 1.0),
            teaches: select(lane.seen > 0.0, lane.learns, 0.0),
            seen: most(lane.seen - 1.0, 0.0),
        }
    }

    #[inline(always)]
    fn advance(&self, &[silent, cadence]: &[f32; 2], lane: &Lane) -> [f32; 2] {
        let gap = select(lane.seen > 0.0, lane.learns, 0.0);
        let gain = most(lane.step_share, 1.0 / self.memory_ticks) * gap;
        [select(lane.observed > 0.0, 0.0, silent + 1.0), cadence + gain * (silent + 1.0 - cadence)]
    }
}
