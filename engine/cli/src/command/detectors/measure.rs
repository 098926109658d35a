//! What a detector costs on this machine, in nanoseconds a series and tick. Time is that of the thread alone
//! where the system tells it (Linux), so that others on the machine matter less.

use std::hint::black_box;

use sysinfo::{CpuRefreshKind, RefreshKind, System};
use theriac_contract::Timestamp;
use theriac_detectors::{Bank, Beside, Enabled, Judge, Scores, Settings};

use super::{
    super::bench::bank::Stopwatch,
    card::{Card, Place},
};
use crate::output::quantile;

/// Times that each detector is measured.
pub(super) const REPETITIONS: usize = 3;
/// Ticks of one measurement: what is done once in 256 ticks is in it.
const TICKS: usize = 256;
/// Series at most.
const SERIES_MAX: usize = 4_096;
/// Series at least: a block.
const SERIES_MIN: usize = 64;
/// State of all series together, if it allows that many: more than the caches next to the core hold.
const STATE_BYTES: usize = 16 << 20;
/// Warm-ups before it is measured, so that what grows has grown.
const WARMUPS: usize = 4;

/// What was measured.
pub(super) struct Cost {
    pub(super) nanoseconds: f64,
    /// Over so many series.
    pub(super) series: usize,
}

impl Cost {
    /// Three digits, or all before the point.
    pub(super) fn rounded(&self) -> String {
        if self.nanoseconds < 99.95 {
            format!("{:.1}", self.nanoseconds)
        } else {
            format!("{:.0}", self.nanoseconds)
        }
    }

    /// In words.
    pub(super) fn told(&self) -> String {
        format!("{} ns a series and tick, over {} series", self.rounded(), self.series)
    }
}

/// The processor, its cores, and the system.
pub(super) fn machine() -> String {
    let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(cpus).ok();
    let cpus = system.as_ref().map_or(&[][..], System::cpus);
    let brand = cpus.first().map_or("an unknown processor", |cpu| cpu.brand().trim());
    format!("{brand}, {} cores, {}", cpus.len(), std::env::consts::OS)
}

/// What the detectors of the bank share: a bank of none.
pub(super) fn shared() -> Cost {
    let bank = bank(&[], SERIES_MAX);
    Cost { nanoseconds: time(SERIES_MAX, 0, bank), series: SERIES_MAX }
}

/// What a detector adds to that, or costs by itself if it stands beside the bank.
pub(super) fn cost(card: &Card, shared: &Cost) -> Cost {
    let spec = card.spec;
    let series = (STATE_BYTES / spec.bytes_per_series).clamp(SERIES_MIN, SERIES_MAX);
    let before = WARMUPS * spec.warmup_ticks as usize;
    match card.place {
        Place::Bank => {
            let nanoseconds = time(series, before, bank(&[spec.name], series));
            Cost { nanoseconds: (nanoseconds - shared.nanoseconds).max(0.0), series }
        }
        Place::Beside(beside) => {
            let series = series / beside.together * beside.together;
            Cost { nanoseconds: time(series, before, judges(beside, series)), series }
        }
    }
}

/// One tick of a bank with these detectors.
fn bank(names: &[&str], series: usize) -> impl FnMut(Timestamp, &[f64]) {
    let enabled = Enabled::only(names).expect("names of the registry");
    let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
    bank.grow(series);
    let learn = vec![true; series];
    let [mut p_value, mut expected, mut low, mut high] = [(); 4].map(|()| vec![0.0; series]);
    move |at, values| {
        let mut out =
            Scores { p_value: &mut p_value, expected: &mut expected, low: &mut low, high: &mut high };
        bank.update(at, values, &learn, &mut out);
        black_box(&p_value);
    }
}

/// One tick of as many of them as it takes for all series.
fn judges(beside: &Beside, series: usize) -> impl FnMut(Timestamp, &[f64]) {
    let mut judges: Vec<Judge> =
        (0..series / beside.together).map(|_| beside.start(beside.together)).collect();
    let together = beside.together;
    move |at, values| {
        for (judge, row) in judges.iter_mut().zip(values.chunks(together)) {
            black_box(judge(at, row));
        }
    }
}

/// Nanoseconds a series and tick, the median, after so many ticks that do not count.
fn time(series: usize, before: usize, mut tick: impl FnMut(Timestamp, &[f64])) -> f64 {
    let mut values = vec![0.0; series];
    let mut number = 0;
    let mut next = |values: &mut [f64]| {
        for (index, value) in values.iter_mut().enumerate() {
            *value = ((number * 7_919 + index * 104_729) % 1_009) as f64;
        }
        number += 1;
        Timestamp::from_seconds(10 * number as i64)
    };
    for _ in 0..before {
        tick(next(&mut values), &values);
    }
    let mut measured = [0.0; REPETITIONS];
    for nanoseconds in &mut measured {
        for _ in 0..TICKS {
            let at = next(&mut values);
            let begun = Stopwatch::start();
            tick(at, &values);
            *nanoseconds += 1e9 * begun.seconds();
        }
        *nanoseconds /= (TICKS * series) as f64;
    }
    measured.sort_by(f64::total_cmp);
    quantile(&measured, 0.5).unwrap_or(f64::NAN)
}
