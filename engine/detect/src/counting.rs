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

/// Events and ticks seen, with fading memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counting {
    events: f64,
    ticks: f64,
    dispersion: f64,
    /// For rare events, the counts of late, at most [`RARE_WINDOW`]; none for others.
    recent: Option<VecDeque<f64>>,
    /// Ticks without telemetry since the last one with it.
    silent: u32,
}

impl Counting {
    /// A series that was silent for `ticks` before it was first seen.
    pub(crate) const fn silent_for(ticks: f64) -> Self {
        Self { events: 0.0, ticks, dispersion: 1.0, recent: None, silent: 0 }
    }

    /// Events of which one is nothing unusual and several in a short time are, such as restarts.
    pub(crate) const fn rare() -> Self {
        Self {
            events: 0.0,
            ticks: RARE_PRIOR_TICKS,
            dispersion: 1.0,
            recent: Some(VecDeque::new()),
            silent: 0,
        }
    }

    /// The same kind of model, knowing nothing.
    pub(crate) const fn fresh(&self) -> Self {
        if self.recent.is_some() { Self::rare() } else { Self::silent_for(0.0) }
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

    /// Probability of at least `count` events in one tick, then learns it if `learn`.
    pub(crate) fn observe(&mut self, count: f64, learn: bool, memory_ticks: f64) -> f64 {
        let seen = self.slide(count).unwrap_or(count);
        let p_value = self.upper_tail(seen);
        let memory_ticks = if self.recent.is_some() { RARE_PRIOR_TICKS } else { memory_ticks };
        if learn {
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
    fn bursty_counts_stop_being_surprising() {
        let mut counting = Counting::silent_for(0.0);
        for tick in 0..1_000 {
            counting.observe(if tick % 10 == 0 { 30.0 } else { 0.0 }, true, 512.0);
        }
        assert!(counting.observe(30.0, false, 512.0) > 1e-3);
    }
}
