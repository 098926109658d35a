//! How surprising is a count of events, given all the ticks in which there were none?
//!
//! Counts of a tick are Poisson with a rate that is itself Gamma distributed: after `K`
//! events in `T` ticks the next count is negative binomial, and the p-value is its upper
//! tail `P(X >= x)`. The prior is Jeffreys' (shape 1/2). Bursts are allowed for by a
//! dispersion: the mean squared Pearson residual divides counts and history alike
//! (quasi-Poisson; McCullagh and Nelder 1989, section 6.2).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

const SHAPE_PRIOR: f64 = 0.5;

/// Ticks over which rare events are counted together: one is no news, several are.
const RARE_WINDOW: usize = 24;
/// What is known of rare events beforehand: less than one a day.
const RARE_PRIOR_TICKS: f64 = 17_280.0;

/// Ticks over which events of which few matter are added up beside the single tick.
const FEW_WINDOW: usize = 12;
/// A sum says nothing any more once this many ticks brought nothing.
const FEW_SILENCE: usize = FEW_WINDOW / 3;

/// Events and ticks seen, with fading memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counting {
    events: f64,
    ticks: f64,
    dispersion: f64,
    /// For rare events, the counts of late, at most [`RARE_WINDOW`]; none for others.
    recent: Option<VecDeque<f64>>,
    /// For events of which few matter, what is judged over minutes.
    few: Option<Few>,
    /// Ticks without telemetry since the last one with it.
    silent: u32,
    /// The count of the last tick that may be learnt, which is when the next one may: what begins does not excuse
    /// itself as long as it lasts.
    #[serde(default)]
    pending: Option<f64>,
}

/// Counts of late, and how much their sums scatter: a share of an event a tick, for minutes, is
/// no news in any single tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Few {
    /// Counts of the last ticks, the newest last, and whether they were learnt.
    counts: VecDeque<(f64, bool)>,
    /// How far their sums were from what was expected, as squared Pearson residuals: learnt when the
    /// ticks are over, so that what begins does not excuse itself.
    residuals: VecDeque<f64>,
    dispersion: f64,
}

impl Few {
    const fn new() -> Self {
        Self { counts: VecDeque::new(), residuals: VecDeque::new(), dispersion: 1.0 }
    }

    fn sum(&self) -> f64 {
        self.counts.iter().map(|(count, _)| count).sum()
    }

    fn goes_on(&self) -> bool {
        self.counts.iter().rev().take(FEW_SILENCE).any(|(count, _)| *count > 0.0)
    }

    fn push(&mut self, count: f64, learnt: bool) {
        self.counts.push_back((count, learnt));
        if self.counts.len() > FEW_WINDOW {
            self.counts.pop_front();
        }
    }
}

impl Counting {
    /// A series that was silent for `ticks` before it was first seen.
    pub(crate) const fn silent_for(ticks: f64) -> Self {
        Self { events: 0.0, ticks, dispersion: 1.0, recent: None, few: None, silent: 0, pending: None }
    }

    /// The same for events of which few matter, however many there are of what could go wrong.
    pub(crate) fn few_after(ticks: f64) -> Self {
        Self { few: Some(Few::new()), ..Self::silent_for(ticks) }
    }

    /// Events of which one is nothing unusual and several in a short time are, such as restarts.
    pub(crate) const fn rare() -> Self {
        Self {
            events: 0.0,
            ticks: RARE_PRIOR_TICKS,
            dispersion: 1.0,
            recent: Some(VecDeque::new()),
            few: None,
            silent: 0,
            pending: None,
        }
    }

    /// The same kind of model, knowing nothing.
    pub(crate) fn fresh(&self) -> Self {
        match (&self.recent, &self.few) {
            (Some(_), _) => Self::rare(),
            (None, Some(_)) => Self::few_after(0.0),
            (None, None) => Self::silent_for(0.0),
        }
    }

    /// A tick without telemetry, which is no tick without events. What is rare is looked for
    /// in a window of time, which goes on.
    pub(crate) fn miss(&mut self) -> f64 {
        self.silent = self.silent.saturating_add(1);
        match self.slide(0.0) {
            Some(count) => self.upper_tail(count),
            None => 1.0,
        }
    }

    /// Ticks that a rate which was just told covers: rare events are told late by what was down.
    pub(crate) fn ticks_covered(&mut self) -> f64 {
        let silent = std::mem::take(&mut self.silent);
        if self.recent.is_some() { f64::from(silent) + 1.0 } else { 1.0 }
    }

    /// Moves the window on and gives the events in it; none if there is no window.
    fn slide(&mut self, count: f64) -> Option<f64> {
        let recent = self.recent.as_mut()?;
        recent.push_back(count);
        if recent.len() > RARE_WINDOW {
            recent.pop_front();
        }
        // Rates are fractions; a count that is a hair below one is one.
        Some((recent.iter().sum::<f64>() + 1e-6).floor())
    }

    /// Expected count of the next tick.
    pub(crate) fn expected(&self) -> f64 {
        (self.events + SHAPE_PRIOR) / (self.ticks + 1.0)
    }

    /// Events a tick of late, if that is what says most of them.
    pub(crate) fn level(&self, count: f64) -> f64 {
        let few = self.few.as_ref().filter(|few| few.goes_on());
        few.map_or(count, |few| count.max(few.sum() / few.counts.len() as f64))
    }

    /// Probability of at least `count` events in one tick. If `learn`, then learns the last one before that could be
    /// learnt, and this one with the next. Of events of which few matter, twice the lesser of that and the probability of as many in all ticks of late.
    pub(crate) fn observe(&mut self, count: f64, learn: bool, memory_ticks: f64) -> f64 {
        let seen = self.slide(count).unwrap_or(count);
        let mut p_value = self.upper_tail(seen);
        if let Some(sum_is) = self.add_up(count, learn, memory_ticks) {
            p_value = (2.0 * p_value.min(sum_is)).min(1.0);
        }
        let memory_ticks = if self.recent.is_some() { RARE_PRIOR_TICKS } else { memory_ticks };
        if learn && let Some(count) = self.pending.replace(count) {
            let keep = 1.0 - 1.0 / memory_ticks;
            let expected = self.expected();
            let residual = (count - expected) * (count - expected) / expected.max(SHAPE_PRIOR);
            let weight = 1.0 / (self.ticks + 1.0).min(memory_ticks);
            self.dispersion += weight * (residual - self.dispersion);
            self.events = self.events * keep + count;
            self.ticks = self.ticks * keep + 1.0;
        }
        p_value
    }

    /// Probability of as many events in the last ticks as there were, given those before them.
    fn add_up(&mut self, count: f64, learn: bool, memory_ticks: f64) -> Option<f64> {
        let (events, ticks) = (self.events, self.ticks);
        let few = self.few.as_mut()?;
        few.push(count, learn);
        // What was learnt of these ticks is no past of theirs; the newest is not learnt yet.
        let before = few.counts.iter().rev().skip(1).filter(|(_, learnt)| *learnt);
        let (events, ticks) = before.fold((events, ticks), |(events, ticks), (count, _)| {
            ((events - count).max(0.0), (ticks - 1.0).max(0.0))
        });
        let (sum, width) = (few.sum(), few.counts.len() as f64);
        let scale = few.dispersion.max(1.0);
        if learn {
            let expected = width * (events + SHAPE_PRIOR) / (ticks + 1.0);
            let residual = (sum - expected) * (sum - expected) / expected.max(SHAPE_PRIOR);
            few.residuals.push_back(residual);
            if few.residuals.len() > FEW_WINDOW
                && let Some(past) = few.residuals.pop_front()
            {
                few.dispersion += (past - few.dispersion) / (ticks + 1.0).min(memory_ticks);
            }
        }
        let first = (sum / scale).floor();
        if !few.goes_on() || first < 1.0 {
            return Some(1.0);
        }
        Some(negative_binomial_tail(first, events / scale + SHAPE_PRIOR, width / (ticks + 1.0 + width)))
    }

    fn upper_tail(&self, count: f64) -> f64 {
        // Several rare events at once are what is looked for, no dispersion to allow for.
        let scale = if self.recent.is_some() { 1.0 } else { self.dispersion.max(1.0) };
        let shape = self.events / scale + SHAPE_PRIOR;
        let first = (count / scale).floor();
        if first < 1.0 {
            return 1.0;
        }
        let window = if self.recent.is_some() { RARE_WINDOW as f64 } else { 1.0 };
        negative_binomial_tail(first, shape, window / (self.ticks + 1.0 + window))
    }
}

/// `P(X >= first)` for `X` negative binomial with shape `shape` and success share `q`:
/// `P(X = x) = C(x + shape - 1, x) (1 - q)^shape q^x`.
pub(crate) fn negative_binomial_tail(first: f64, shape: f64, q: f64) -> f64 {
    let log_term = libm::lgamma(first + shape) - libm::lgamma(shape) - libm::lgamma(first + 1.0)
        + shape * libm::log1p(-q)
        + first * libm::log(q);
    let mut term = libm::exp(log_term);
    let mut sum = 0.0;
    let mut x = first;
    // Terms shrink by q or faster once past the mean; before it the tail is near one anyway.
    while sum < 1.0 && term > sum * 1e-12 && x < first + 100_000.0 {
        sum += term;
        term *= q * (x + shape) / (x + 1.0);
        x += 1.0;
    }
    sum.clamp(1e-300, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.nbinom.sf(k - 1, shape, 1 - q)`: tests/reference/negative_binomial.py.
    #[test]
    fn tail_agrees_with_scipy() {
        let table: [(f64, f64, f64, f64); 6] = include!("../tests/reference/negative_binomial.in");
        for (first, shape, q, expected) in table {
            let found = negative_binomial_tail(first, shape, q);
            assert!((found / expected - 1.0).abs() < 1e-9, "{first} {shape} {q}: {found} {expected}");
        }
    }

    #[test]
    fn a_first_event_after_long_silence_is_rare_but_not_impossible() {
        let mut counting = Counting::silent_for(200.0);
        let one = counting.observe(1.0, false, 512.0);
        let ten = counting.observe(10.0, false, 512.0);
        assert!(one > 1e-3 && one < 1e-2, "{one}");
        assert!(ten < 1e-15, "{ten}");
    }

    #[test]
    fn one_restart_is_no_news_and_two_in_two_minutes_are() {
        let mut counting = Counting::rare();
        let one = counting.observe(1.0, true, 512.0);
        assert!(one > 1e-4, "{one}");
        for _ in 0..10 {
            assert!(counting.miss() > 1e-4);
        }
        let two = counting.observe(1.0, true, 512.0);
        assert!(two < 1e-4, "{two}");
        let later = (0..RARE_WINDOW).map(|_| counting.observe(0.0, true, 512.0)).last();
        assert_eq!(later, Some(1.0));
    }

    #[test]
    fn a_day_of_single_restarts_is_no_news() {
        let mut counting = Counting::rare();
        for tick in 0..17_280 {
            let p_value = counting.observe(if tick % 2_000 == 0 { 1.0 } else { 0.0 }, true, 512.0);
            assert!(p_value > 1e-4, "{tick}: {p_value}");
        }
    }

    #[test]
    fn an_event_every_third_tick_is_news_only_when_added_up() {
        let (mut few, mut single) = (Counting::few_after(200.0), Counting::silent_for(200.0));
        let (mut least, mut least_single) = (1.0_f64, 1.0_f64);
        for tick in 0..18 {
            let count = if tick % 3 == 0 { 1.0 } else { 0.0 };
            least = least.min(few.observe(count, true, 512.0));
            least_single = least_single.min(single.observe(count, true, 512.0));
        }
        assert!(least < 1e-5 && least_single > 1e-3, "{least} {least_single}");
        let over = (0..FEW_SILENCE).map(|_| few.observe(0.0, false, 512.0)).last();
        assert_eq!(over, Some(1.0), "it is over once it stays away");
    }

    /// Whatever its rate, a steady trickle is news no more often than the p-value says.
    #[test]
    fn a_steady_trickle_is_no_news() {
        for rate in [0.02, 0.2, 2.0] {
            let mut few = Counting::few_after(0.0);
            let mut dice = 1_u64;
            let mut uniform = || {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (dice >> 11) as f64 / (1_u64 << 53) as f64
            };
            let (mut below, ticks) = (0, 20_000);
            for _ in 0..ticks {
                // Poisson by the product of uniforms (Knuth).
                let (mut count, mut product) = (0.0, uniform());
                while product > libm::exp(-rate) {
                    count += 1.0;
                    product *= uniform();
                }
                below += u32::from(few.observe(count, true, 512.0) < 1e-3);
            }
            assert!(f64::from(below) < 4e-3 * f64::from(ticks), "{rate}: {below}");
        }
    }

    #[test]
    fn a_burst_that_goes_on_does_not_excuse_itself() {
        let mut counting = Counting::silent_for(200.0);
        (0..200).for_each(|_| assert!(counting.observe(0.0, true, 8_640.0) > 0.99));
        // The tick that it is seen in may be learnt, those that it goes on in are not.
        let first = counting.observe(50.0, true, 8_640.0);
        let fifth = (0..5).map(|_| counting.observe(50.0, false, 8_640.0)).fold(1.0, f64::min);
        assert!(first < 1e-20 && fifth < 1e-20, "{first} {fifth}");
        // Once it is over it is a part of what was seen.
        counting.observe(0.0, true, 8_640.0);
        let again = counting.observe(50.0, true, 8_640.0);
        assert!(again > 1e-10, "{again}");
    }

    #[test]
    fn bursty_counts_stop_being_surprising() {
        let mut counting = Counting::silent_for(0.0);
        for tick in 0..1_000 {
            counting.observe(if tick % 10 == 0 { 30.0 } else { 0.0 }, true, 512.0);
        }
        assert!(counting.observe(30.0, false, 512.0) > 1e-3);
    }
}
