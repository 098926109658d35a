//! How surprising is it that nothing comes of what used to come?
//!
//! Gaps between ticks with events are exponential with a rate that is itself Gamma distributed:
//! after `n` gaps that sum to `S` the chance of one longer than `g` is `(1 + g / S)^-n` (Lomax).
//! Events that come in bursts are allowed for by a dispersion, the squared coefficient of
//! variation of the gaps, that divides `n` and `S` alike; and a gap no longer than one that was
//! seen before is no news at all. What comes more regularly than by chance is only the more
//! certainly missed.

use serde::{Deserialize, Serialize};

/// Gaps before anything is missed, and so many ticks from the first to the last: what comes
/// often for a minute, when something starts, is no habit.
const GAPS_MIN: f64 = 16.0;
const TICKS_MIN: f64 = 128.0;

/// Gaps that are remembered.
const MEMORY: f64 = 512.0;

/// Gaps of one kind: in ticks, or in other events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Gaps {
    count: f64,
    sum: f64,
    squares: f64,
    longest: f64,
    /// Since the last event.
    now: f64,
}

impl Gaps {
    fn chance(&self) -> f64 {
        if self.now <= self.longest {
            return 1.0;
        }
        let mean = self.sum / self.count;
        let dispersion = (self.squares / self.count / (mean * mean) - 1.0).max(1.0);
        libm::exp(-(self.count / dispersion) * libm::log1p(self.now / self.sum))
    }

    fn end(&mut self, learn: bool) {
        let gap = std::mem::take(&mut self.now);
        if learn {
            let keep = 1.0 - 1.0 / MEMORY;
            self.count = self.count * keep + 1.0;
            self.sum = self.sum * keep + gap;
            self.squares = self.squares * keep + gap * gap;
            // A long gap of long ago fades, or nothing would ever be missed after an outage.
            self.longest = (self.longest * keep).max(gap);
        }
    }
}

/// What is known of the gaps of one series.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Absence {
    ticks: Gaps,
    others: Gaps,
    /// Ticks since the first event.
    age: f64,
}

impl Absence {
    /// Takes a tick with `count` events while there were `others` of which it might have been one;
    /// gives how likely so long a gap is. Where nothing else comes either a gap says nothing: the
    /// chance is the larger of that in ticks and that in others.
    pub(crate) fn observe(&mut self, count: f64, others: f64, learn: bool) -> f64 {
        self.age += f64::from(u8::from(self.age > 0.0 || count > 0.0));
        self.ticks.now += 1.0;
        self.others.now += others;
        if count > 0.0 {
            // The first event ends no gap.
            let learn = learn && self.age > 1.0;
            self.ticks.end(learn);
            self.others.end(learn);
            return 1.0;
        }
        if self.ticks.count < GAPS_MIN || self.age < TICKS_MIN {
            return 1.0;
        }
        self.ticks.chance().max(self.others.chance())
    }

    /// Events that are expected in a tick.
    pub(crate) fn expected(&self) -> f64 {
        if self.ticks.sum > 0.0 { self.ticks.count / self.ticks.sum } else { f64::NAN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks after the last event until the chance falls to 1e-9; none within a thousand.
    fn missed_after(absence: &mut Absence, others: f64) -> Option<usize> {
        (1..1_000).find(|_| absence.observe(0.0, others, false) <= 1e-9)
    }

    fn regular(every: usize, ticks: usize) -> Absence {
        let mut absence = Absence::default();
        for tick in 0..ticks {
            let chance = absence.observe(f64::from(u8::from(tick % every == 0)), 5.0, true);
            assert!(chance > 1e-4, "tick {tick}: {chance}");
        }
        absence
    }

    #[test]
    fn the_chance_is_the_closed_form() {
        let mut gaps = Gaps { count: 100.0, sum: 200.0, squares: 500.0, longest: 5.0, now: 0.0 };
        gaps.now = 50.0;
        // (1 + 50 / 200)^-100; 500 / 100 / 4 - 1 is less than what chance alone gives.
        assert!((gaps.chance() / libm::pow(1.25, -100.0) - 1.0).abs() < 1e-12);
        gaps.squares = 2_000.0;
        assert!((gaps.chance() / libm::pow(1.25, -25.0) - 1.0).abs() < 1e-12, "dispersion 4");
        gaps.now = 5.0;
        assert_eq!(gaps.chance(), 1.0);
    }

    #[test]
    fn a_heartbeat_is_missed_after_some_twenty_beats() {
        let after = missed_after(&mut regular(1, 600), 5.0);
        assert!(after.is_some_and(|ticks| (15..30).contains(&ticks)), "{after:?}");
        let after = missed_after(&mut regular(10, 6_000), 5.0);
        assert!(after.is_some_and(|ticks| (150..300).contains(&ticks)), "{after:?}");
    }

    #[test]
    fn nothing_is_missed_where_nothing_else_comes_either() {
        assert_eq!(missed_after(&mut regular(1, 600), 0.0), None);
    }

    #[test]
    fn what_comes_when_something_starts_is_no_habit() {
        let mut absence = Absence::default();
        for _ in 0..40 {
            absence.observe(3.0, 5.0, true);
        }
        for _ in 0..60 {
            assert_eq!(absence.observe(0.0, 5.0, true), 1.0);
        }
    }

    #[test]
    fn bursts_with_pauses_are_not_missed_in_a_pause() {
        let mut absence = Absence::default();
        for tick in 0..3_000 {
            let chance = absence.observe(f64::from(u8::from(tick % 60 < 10)), 5.0, true);
            assert!(tick < 300 || chance > 1e-4, "tick {tick}: {chance}");
        }
    }
}
