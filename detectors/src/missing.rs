//! Missing: a series that reports with some cadence is silent.

use crate::{
    arithmetic::{most, select},
    detector::Spec,
    lanes::{Kernel, Reading},
};

/// Ticks of silence against the mean distance of past reports. Reports are its
/// observations: silence teaches nothing until it is over.
pub(crate) struct Missing {
    pub(crate) memory_ticks: f64,
}

impl Kernel<3> for Missing {
    const COLUMNS: [&'static str; 3] = ["silent", "reports", "cadence"];
    const SPEC: Spec = Spec {
        name: "missing",
        sees: "a series that normally reports is silent",
        formula: "silent ticks / mean ticks between reports (renewal process; Cox 1962)",
        state_version: 2,
        warmup_ticks: 64,
        bytes_per_series: 88,
    };

    #[inline(always)]
    fn score(&self, &[silent, reports, cadence]: &[f64; 3], _seen: f64, x: f64) -> Reading {
        let present = !x.is_nan();
        // A series seen once has no cadence to miss.
        let missed = select(present | (reports < 2.0), 0.0, silent + 1.0);
        let unit = most(cadence, 1.0);
        let score = missed / unit;
        Reading {
            score,
            relative: score,
            expected: f64::NAN,
            unit_high: 0.0,
            unit_low: 0.0,
            observed: present | (reports > 0.0),
            lesson: silent / unit,
            teaches: present & (reports > 0.0),
        }
    }

    #[inline(always)]
    fn learn(&self, &[silent, reports, cadence]: &[f64; 3], _seen: f64, x: f64) -> [f64; 3] {
        let present = !x.is_nan();
        let gaps = present & (reports > 0.0);
        let gain = most(1.0 / most(reports, 1.0), 1.0 / self.memory_ticks);
        [
            select(present, 0.0, silent + 1.0),
            reports + select(present, 1.0, 0.0),
            select(gaps, cadence + gain * (silent + 1.0 - cadence), cadence),
        ]
    }

    #[inline(always)]
    fn follow(&self, &[silent, reports, cadence]: &[f64; 3], x: f64) -> [f64; 3] {
        [select(x.is_nan(), silent + 1.0, 0.0), reports, cadence]
    }
}
