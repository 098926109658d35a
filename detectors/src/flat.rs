//! Flat line: a series that moves has stopped moving.

use crate::{
    arithmetic::{most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
};

/// Length of the present run of equal values against the mean length of past runs.
pub(crate) struct Flat {
    pub(crate) memory_ticks: f64,
}

impl Kernel<4> for Flat {
    const COLUMNS: [&'static str; 4] = ["last", "run", "runs", "mean_run"];
    const SPEC: Spec = Spec {
        name: "flat",
        sees: "a series that normally moves stands still",
        formula: "(run - 1) / mean run of equal values (runs; Wald and Wolfowitz 1940)",
        state_version: 1,
        warmup_ticks: 64,
        bytes_per_series: 72,
    };

    #[inline(always)]
    fn score(&self, &[last, run, runs, mean_run]: &[f64; 4], _seen: f64, x: f64) -> Reading {
        let observed = !x.is_nan();
        // A series that never moved has no habit to break.
        let repeats = select((x == last) & (runs > 0.0), run, 0.0);
        let score = repeats / most(mean_run, 1.0);
        Reading { score, relative: score, expected: f64::NAN, unit_high: 0.0, unit_low: 0.0, observed }
    }

    #[inline(always)]
    fn learn(&self, &[last, run, runs, mean_run]: &[f64; 4], seen: f64, x: f64) -> [f64; 4] {
        let ended = (x != last) & (seen > 0.0);
        let gain = most(1.0 / (runs + 1.0), 1.0 / self.memory_ticks);
        [
            x,
            select(ended, 1.0, run + 1.0),
            runs + select(ended, 1.0, 0.0),
            select(ended, mean_run + gain * (run - mean_run), mean_run),
        ]
    }
}
