//! When what fills up is full, at the pace of late.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use theriac_contract::{Exhaustion, Interval, Timestamp};
use theriac_detectors::exhaustion::Line;

/// Ticks that one average stands for. All of them together reach back for 32,768 ticks, near two days at 5 s.
const WIDTHS: [u64; 6] = [1, 4, 16, 64, 256, 1024];
/// Averages that are kept of each width.
const KEPT: usize = 32;
/// Averages that make a line.
const POINTS_MIN: usize = 16;
/// Nobody looks further ahead than this many times as far as he looks back.
const AHEAD: f64 = 4.0;
/// Nor than this: until then people have been at work.
pub(crate) const HORIZON: Interval = Interval::from_seconds(7 * 86_400);
/// Standard errors that hold the true time in 19 of 20 cases, for lines of 32 points.
const TOLD: f64 = 2.0;
/// Chance of being wrong at or below which a tick counts as one before exhaustion.
const SURE: f64 = 1e-6;
/// So many of them in a row, as far as the series spoke, are a symptom.
const SURE_TICKS: u32 = 5;
/// It is full when this share of the way to the limit is left; that alone opens nothing, and holds open what is.
const FULL: f64 = 0.01;
const STAYS: f64 = 1e-3;

/// Averages over stretches of one width, the newest last; none where the series was silent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Averages {
    kept: VecDeque<Option<f64>>,
    sum: f64,
    count: u32,
}

/// The past of a series that has a limit, the finer the later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Filling {
    widths: [Averages; WIDTHS.len()],
    ticks: u64,
    /// As it was told last.
    limit: Option<f64>,
    /// Chance that it is not used up within the time that its rule asks about.
    p_value: f64,
    sure_ticks: u32,
}

/// A line through the past, and how far it is followed.
struct Pace {
    line: Line,
    points: f64,
    /// In ticks.
    ahead: f64,
}

impl Filling {
    /// One more tick; NaN if the series is silent. `within` is the time that the rule asks about, in ticks.
    pub(crate) fn observe(&mut self, value: f64, limit: Option<f64>, within: Option<f64>) {
        self.limit = limit.or(self.limit);
        self.ticks += 1;
        for (averages, width) in self.widths.iter_mut().zip(WIDTHS) {
            averages.take(value, self.ticks.is_multiple_of(width));
        }
        if let (Some(within), false) = (within, value.is_nan()) {
            self.p_value = self.falls_short(value, within);
            self.sure_ticks = if self.p_value <= SURE { self.sure_ticks.saturating_add(1) } else { 0 };
        }
    }

    /// The chance of being wrong in saying that it is used up within the time that the rule asks about, if that may
    /// be said: it was sure for some ticks, or was `said` before.
    pub(crate) fn is_due(&self, said: bool) -> Option<f64> {
        (said || self.sure_ticks >= SURE_TICKS).then_some(self.p_value)
    }

    /// When it is used up, for ticks of `step` of which the last ended at `now`: by the line that says so most
    /// narrowly. None if no line reaches the limit for sure, within the time that it may be followed.
    pub(crate) fn told(&self, now: Timestamp, step: Interval) -> Option<Exhaustion> {
        let limit = self.limit?;
        let horizon = HORIZON.as_seconds() / step.as_seconds();
        let lines = self.paces(Line::of).filter_map(|pace| {
            let reached = pace.line.reaches(limit, TOLD)?;
            (reached.latest <= pace.ahead.min(horizon)).then_some(reached)
        });
        let reached = lines.min_by(|a, b| (a.latest - a.earliest).total_cmp(&(b.latest - b.earliest)))?;
        let at = |ticks: f64| now.plus(Interval((ticks * step.0 as f64).round() as i64));
        let [expected, earliest, latest] = [reached.expected, reached.earliest, reached.latest].map(at);
        Some(Exhaustion { limit, expected, earliest, latest })
    }

    /// The chance that it is not used up within so many ticks, of the line that says the least. Whether what is left over is
    /// noise is told wrongly once in a while, so all is taken to wander, which needs more room. A line of n points does not know of anything rarer than 1/n⁴, as nobody does (`tail.rs` of the detectors).
    fn falls_short(&self, value: f64, within: f64) -> f64 {
        let Some(limit) = self.limit else { return 1.0 };
        let toward = if limit > 0.0 { 1.0 } else { -1.0 };
        let chances = self.paces(Line::wandering).map(|pace| {
            let errors = toward * pace.line.above(limit, within.min(pace.ahead));
            upper_tail(errors, pace.points - 2.0).max(libm::pow(pace.points, -4.0))
        });
        let least = chances.fold(1.0, f64::min);
        if self.is_full(value, limit) { least.min(STAYS) } else { least }
    }

    /// Whether so little is left that no line tells anything more: what is full stays where it is.
    fn is_full(&self, value: f64, limit: f64) -> bool {
        let past = self.widths.iter().flat_map(|averages| averages.kept.iter().flatten());
        let farthest = past.map(|value| (limit - value).abs()).fold(0.0, f64::max);
        (limit - value).abs() <= FULL * farthest
    }

    fn paces(&self, line: impl Fn(&[(f64, f64)]) -> Option<Line>) -> impl Iterator<Item = Pace> {
        self.widths.iter().zip(WIDTHS).filter_map(move |(averages, width)| {
            let points = averages.points(self.ticks, width);
            let (first, last) = (points.first()?, points.last()?);
            let line = line(&points).filter(|_| points.len() >= POINTS_MIN)?;
            Some(Pace { line, points: points.len() as f64, ahead: AHEAD * (last.0 - first.0 + width as f64) })
        })
    }
}

impl Averages {
    fn take(&mut self, value: f64, ends: bool) {
        if !value.is_nan() {
            self.sum += value;
            self.count += 1;
        }
        if ends {
            self.kept.push_back((self.count > 0).then(|| self.sum / f64::from(self.count)));
            if self.kept.len() > KEPT {
                self.kept.pop_front();
            }
            (self.sum, self.count) = (0.0, 0);
        }
    }

    /// Middles of the stretches in ticks before the last one of all, and averages.
    fn points(&self, ticks: u64, width: u64) -> Vec<(f64, f64)> {
        let newest = -((ticks % width) as f64) - (width - 1) as f64 / 2.0;
        let times = (0..self.kept.len()).rev().map(|before| newest - before as f64 * width as f64);
        times.zip(&self.kept).filter_map(|(time, value)| value.map(|value| (time, value))).collect()
    }
}

/// Chance of a value of Student's distribution with so many degrees of `freedom` above `value` (Wallace 1959,
/// Annals of Mathematical Statistics 30:1124, to some percent).
fn upper_tail(value: f64, freedom: f64) -> f64 {
    let scale = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
    let size = scale * (freedom * libm::log1p(value * value / freedom)).sqrt();
    0.5 * libm::erfc(size.copysign(value) / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Interval = Interval::from_seconds(5);

    /// Normal numbers of a seed: sums of twelve uniform ones.
    fn normal(seed: u64) -> impl FnMut() -> f64 {
        let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move || {
            let mut uniform = || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 11) as f64 / (1_u64 << 53) as f64
            };
            (0..12).map(|_| uniform()).sum::<f64>() - 6.0
        }
    }

    /// A share after each of these values, and seconds until it is told to be 1: expected, earliest, latest.
    fn told(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
        let mut filling = Filling::default();
        values.for_each(|value| filling.observe(value, Some(1.0), None));
        let now = Timestamp::from_seconds(1_000);
        let told = filling.told(now, STEP)?;
        Some([told.expected, told.earliest, told.latest].map(|at| at.since(now).as_seconds()))
    }

    /// A line with noise, of 700 ticks that end at 0.65: the limit is 1,000 ticks away.
    #[test]
    fn the_time_that_is_told_is_that_of_the_line_as_often_as_it_says() {
        let (mut held, mut width) = (0, 0.0);
        for seed in 0..200 {
            let mut noise = normal(seed);
            let line = (0..700).map(|tick| 0.65 + 3.5e-4 * f64::from(tick - 699) + 0.01 * noise());
            let [expected, earliest, latest] = told(line).expect("it rises");
            assert!((expected / 5_000.0 - 1.0).abs() < 0.1, "{expected}");
            held += u32::from((earliest..=latest).contains(&5_000.0));
            width += (latest - earliest) / 5_000.0 / 200.0;
        }
        // The narrowest of six lines is chosen, which costs some of 95 in 100.
        assert!(held >= 180 && width < 0.1, "{held} {width}");
    }

    /// What is written in a tick is independent of what was written before: the sum wanders about the line.
    #[test]
    fn what_wanders_about_its_pace_is_told_with_the_room_that_it_needs() {
        let (mut told_of, mut held) = (0, 0);
        for seed in 0..300 {
            let mut written = normal(seed);
            let mut level = 0.3;
            let mut step = || {
                level += 3.5e-4 * (1.0 + 2.0 * written());
                level
            };
            let Some([_, earliest, latest]) = told((0..1_000).map(|_| step())) else { continue };
            let full = (1..).find(|_| step() >= 1.0).map(f64::from).expect("it is full once");
            told_of += 1;
            held += u32::from((earliest..=latest).contains(&(5.0 * full)));
        }
        assert!(told_of > 200 && f64::from(held) >= 0.88 * f64::from(told_of), "{held} of {told_of}");
    }

    #[test]
    fn nothing_is_told_of_what_stays_where_it_is_falls_or_was_seen_too_shortly() {
        for seed in 0..200 {
            let mut noise = normal(seed);
            assert_eq!(told((0..2_000).map(|_| 0.5 + 0.02 * noise())), None, "{seed}");
            assert_eq!(told((0..800).map(|tick| 0.9 - 1e-4 * f64::from(tick) + 1e-3 * noise())), None);
        }
        assert_eq!(told((0..2_000).map(|_| 0.5)), None);
        // Sixteen ticks are known, and it would take 80 more.
        assert_eq!(told((0..16).map(|tick| 0.04 + 0.01 * f64::from(tick))), None);
        assert!(told((0..16).map(|tick| 0.44 + 0.01 * f64::from(tick))).is_some());
    }

    /// It was quiet for a day, and has filled up for an hour.
    #[test]
    fn the_pace_is_that_of_late() {
        let mut noise = normal(7);
        let values = (0..18_000).map(|tick| 0.2 + 5e-4 * f64::from((tick - 17_280).max(0)) + 2e-3 * noise());
        let [expected, earliest, latest] = told(values).expect("it rises");
        let truth = 5.0 * 0.44 / 5e-4;
        assert!((expected / truth - 1.0).abs() < 0.1, "{expected} {truth}");
        assert!(earliest <= truth && truth <= latest, "{earliest} {truth} {latest}");
    }

    /// An hour at nine tenths: what comes and goes there is never sure to be full within a week.
    #[test]
    fn noise_near_the_limit_is_no_exhaustion() {
        for seed in 0..100 {
            for kept in [0.0_f64, 0.5, 0.9, 0.99] {
                let (mut noise, mut off) = (normal(seed), 0.0);
                let mut filling = Filling::default();
                for tick in 0..1_500 {
                    off = kept * off + (1.0 - kept * kept).sqrt() * 0.02 * noise();
                    filling.observe(0.9 + off, Some(1.0), Some(120_960.0));
                    assert_eq!(filling.is_due(false), None, "{kept} {seed} {tick}");
                }
            }
        }
    }

    /// Integrals of the density by the midpoint rule, 200,000 steps.
    #[test]
    fn the_upper_tail_is_that_of_student() {
        for (value, freedom, expected) in
            [(2.0, 30.0, 0.027_312_5), (-1.0, 14.0, 0.832_859), (5.8, 30.0, 1.220_77e-6), (0.0, 14.0, 0.5)]
        {
            let found = upper_tail(value, freedom);
            assert!((found / expected - 1.0).abs() < 0.05, "{value} {freedom}: {found} {expected}");
        }
        assert!(upper_tail(f64::INFINITY, 30.0) < 1e-300);
    }
}
