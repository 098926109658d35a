//! Flat line: a series that moves has stopped moving.

use crate::{
    arithmetic::single::{most, select},
    block::Lane,
    calibration,
    detector::{MEMORY, Spec},
    lanes::{Kernel, Kind, Lesson, Reading},
    tail::EXCESS_MIN_OF_SUMS,
};

/// Length of the present run of equal values against the mean length of past runs.
/// Runs that ended are its observations.
pub(crate) struct Flat {
    pub(crate) memory_ticks: f32,
}

impl Kernel<3> for Flat {
    const COLUMNS: [(&'static str, Kind); 3] =
        [("run", Kind::Count), ("mean_run", Kind::Count), ("runs", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "flat",
        sees: "a series that normally moves stands still",
        formula: "repeats / mean run of equal values (runs)",
        source: "Wald and Wolfowitz 1940",
        parameters: &[MEMORY],
        state_version: 3,
        warmup_ticks: 64,
        bytes_per_series: calibration::BYTES + 3 * 4,
        on_by_default: true,
    };
    const EXPECTS: bool = false;
    const EVENTS: bool = true;
    const EXCESS_MIN: f32 = EXCESS_MIN_OF_SUMS;

    #[inline(always)]
    fn score(&self, &[run, mean_run, _]: &[f32; 3], lane: &Lane) -> Reading {
        let repeats = select(lane.x == lane.last, run, 0.0) * lane.observed;
        Reading::of(repeats / most(mean_run, 1.0), lane)
    }

    #[inline(always)]
    fn lesson(&self, &[run, mean_run, runs]: &[f32; 3], lane: &Lane) -> Lesson {
        Lesson {
            score: most(run - 1.0, 0.0) / most(mean_run, 1.0),
            teaches: select((lane.x != lane.last) & (run > 0.0), lane.learns, 0.0),
            seen: runs,
        }
    }

    #[inline(always)]
    fn advance(&self, &[run, mean_run, runs]: &[f32; 3], lane: &Lane) -> [f32; 3] {
        let same = (lane.x == lane.last) & (run > 0.0);
        let ended = select((lane.x != lane.last) & (run > 0.0), lane.learns, 0.0);
        let gain = most(1.0 / (runs + 1.0), 1.0 / self.memory_ticks) * ended;
        [
            select(lane.observed > 0.0, select(same, run + 1.0, 1.0), run),
            mean_run + gain * (run - mean_run),
            runs + ended,
        ]
    }
}
