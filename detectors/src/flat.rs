//! Flat line: a series that moves has stopped moving.

use crate::{
    arithmetic::{most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
};

/// Length of the present run of equal values against the mean length of past runs.
/// Runs that ended are its observations.
pub(crate) struct Flat {
    pub(crate) memory_ticks: f64,
}

impl Kernel<3> for Flat {
    const COLUMNS: [&'static str; 3] = ["last", "run", "mean_run"];
    const SPEC: Spec = Spec {
        name: "flat",
        sees: "a series that normally moves stands still",
        formula: "repeats / mean run of equal values (runs; Wald and Wolfowitz 1940)",
        state_version: 2,
        warmup_ticks: 64,
        bytes_per_series: 88,
    };

    #[inline(always)]
    fn score(&self, &[last, run, mean_run]: &[f64; 3], _seen: f64, x: f64) -> Reading {
        let observed = !x.is_nan();
        let unit = most(mean_run, 1.0);
        let score = select(x == last, run / unit, 0.0);
        Reading {
            score,
            relative: score,
            expected: f64::NAN,
            unit_high: 0.0,
            unit_low: 0.0,
            observed,
            lesson: most(run - 1.0, 0.0) / unit,
            teaches: (x != last) & (run > 0.0),
        }
    }

    #[inline(always)]
    fn learn(&self, &[last, run, mean_run]: &[f64; 3], seen: f64, x: f64) -> [f64; 3] {
        let same = (x == last) & (run > 0.0);
        let ended = (x != last) & (run > 0.0);
        let gain = most(1.0 / (seen + 1.0), 1.0 / self.memory_ticks);
        [x, select(same, run + 1.0, 1.0), select(ended, mean_run + gain * (run - mean_run), mean_run)]
    }

    #[inline(always)]
    fn follow(&self, &[last, run, mean_run]: &[f64; 3], x: f64) -> [f64; 3] {
        [x, select((x == last) & (run > 0.0), run + 1.0, 1.0), mean_run]
    }
}
