//! Event time: how far it has come, how long a tick is, and clocks that jump.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

use crate::{
    settings::{Settings, Step},
    sources::Sources,
};

/// Lengths that people choose, seconds.
const CUSTOMARY: [i64; 16] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 21_600, 86_400];

/// Finds the step from the first rows, then never changes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StepChoice {
    last: BTreeMap<String, i64>,
    spacings: Vec<i64>,
    range: Option<(i64, i64)>,
}

impl StepChoice {
    /// Notes a row; `stream` identifies the series of a metric point.
    pub(crate) fn note(&mut self, time: i64, stream: Option<String>) {
        let (first, latest) = self.range.unwrap_or((time, time));
        self.range = Some((first.min(time), latest.max(time)));
        if let Some(stream) = stream
            && let Some(before) = self.last.insert(stream, time)
            && time > before
        {
            self.spacings.push(time - before);
        }
    }

    /// The step, once enough was seen.
    pub(crate) fn decide(&self, settings: &Settings) -> Option<Interval> {
        let covered = self.range.map_or(0, |(first, latest)| latest.saturating_sub(first));
        let waited = covered >= settings.step_decided_after.0;
        let settled = waited && (self.spacings.len() >= 4 || self.last.is_empty());
        (self.spacings.len() >= settings.step_spacings || settled).then(|| self.now(settings))
    }

    /// The step as far as is known now.
    pub(crate) fn now(&self, settings: &Settings) -> Interval {
        let mut sorted = self.spacings.clone();
        sorted.sort_unstable();
        let Some(median) = sorted.get(sorted.len().wrapping_sub(1) / 2).copied() else {
            return settings.step_without_points;
        };
        let near = CUSTOMARY.iter().map(|s| s * 1_000_000_000).find(|c| (median - c).abs() <= c / 10);
        Interval(near.unwrap_or(median).max(settings.step_min.0).max(1))
    }
}

/// What the clock says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It belongs to this tick.
    Tick(u64),
    /// Its tick is sealed.
    Late,
    /// Too far ahead to be believed yet.
    Ahead,
}

/// The watermark. A row is late or not by the rows before it alone, never by when the
/// caller asked for ticks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clock {
    step: i64,
    /// Greatest event time that was believed.
    latest: Option<i64>,
    /// First tick that may still take rows by the watermark.
    open_from: u64,
    /// Whose clocks tell it.
    #[serde(default)]
    sources: Sources,
    /// Somebody says what time it is, beside the rows.
    #[serde(default)]
    timed: bool,
}

impl Clock {
    pub(crate) fn new(settings: &Settings) -> Self {
        let step = match settings.step {
            Step::Auto => 0,
            Step::Fixed(step) => step.0.max(1),
        };
        Self { step, ..Self::default() }
    }

    pub(crate) const fn step(&self) -> Option<Interval> {
        if self.step > 0 { Some(Interval(self.step)) } else { None }
    }

    pub(crate) fn fix(&mut self, step: Interval) {
        self.step = step.0.max(1);
    }

    /// The tick that holds an instant. Instants before 1970 belong to the first.
    pub(crate) fn tick(&self, time: i64) -> u64 {
        time.div_euclid(self.step.max(1)).max(0) as u64
    }

    pub(crate) const fn start(&self, tick: u64) -> i64 {
        (tick as i64).saturating_mul(self.step)
    }

    pub(crate) const fn open_from(&self) -> u64 {
        self.open_from
    }

    pub(crate) fn judge(&self, time: i64, settings: &Settings) -> Verdict {
        let ahead = self.latest.is_some_and(|latest| time.saturating_sub(latest) > settings.jump_max.0);
        let tick = self.tick(time);
        if ahead {
            Verdict::Ahead
        } else if tick < self.open_from || time < 0 {
            Verdict::Late
        } else {
            Verdict::Tick(tick)
        }
    }

    /// A source, by number, told of `time`.
    pub(crate) fn hear(&mut self, source: usize, time: i64, settings: &Settings) {
        self.sources.hear(source, time, self.step);
        if let Some(time) = self.sources.time(settings.lateness, settings.source_quiet_after) {
            self.reach(time, settings);
        }
    }

    /// Time has reached `time`, whatever was said.
    pub(crate) fn advance(&mut self, time: i64, settings: &Settings) {
        self.timed = true;
        self.reach(time, settings);
    }

    /// The tick that it is now, and how far a row is ahead of it; none if no further than rows may run back,
    /// or if it is known from rows alone what time it is: then others may just not have told of it yet.
    pub(crate) fn ahead(&self, time: i64, settings: &Settings) -> Option<(u64, i64)> {
        let latest = self.latest.filter(|_| self.timed)?;
        let ahead = time.saturating_sub(latest);
        (ahead > settings.lateness.0).then(|| (self.tick(latest), ahead))
    }

    /// Event time has reached `time`.
    pub(crate) fn reach(&mut self, time: i64, settings: &Settings) {
        let latest = self.latest.map_or(time, |latest| latest.max(time));
        self.latest = Some(latest);
        self.open_from = self.open_from.max(self.tick(latest.saturating_sub(settings.lateness.0)));
    }

    /// No tick up to this one takes rows any longer.
    pub(crate) fn close(&mut self, tick: u64) {
        self.open_from = self.open_from.max(tick.saturating_add(1));
    }

    pub(crate) const fn begun(&self) -> bool {
        self.latest.is_some()
    }
}
