//! How surprising is a share of failures, given how many there were to fail?
//!
//! One failure among three requests is a share of a third and no news. Failures of a tick are
//! binomial with a share that is itself Beta distributed: after `E` failures in `N` trials the
//! next count among `n` is beta-binomial, and the p-value is its upper tail `P(X >= x)`. The
//! prior is Jeffreys' (1/2, 1/2). Failures that come in bursts are allowed for by a
//! dispersion: the mean squared Pearson residual divides failures, trials and history alike
//! (quasi-binomial; McCullagh and Nelder 1989, section 4.5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Series, SeriesId};

const PRIOR: f64 = 0.5;

/// Failures and trials seen, with fading memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Proportion {
    /// The series that tells how many there were.
    pub(crate) of: SeriesId,
    /// Whether it tells so for each second, not for each tick.
    pub(crate) a_second: bool,
    failures: f64,
    trials: f64,
    ticks: f64,
    dispersion: f64,
}

impl Proportion {
    /// Nothing seen yet.
    pub(crate) const fn new(of: SeriesId, a_second: bool) -> Self {
        Self { of, a_second, failures: 0.0, trials: 0.0, ticks: 0.0, dispersion: 1.0 }
    }

    /// Expected share.
    pub(crate) fn expected(&self) -> f64 {
        (self.failures + PRIOR) / (self.trials + 2.0 * PRIOR)
    }

    /// Probability of at least `share` of failures among `trials`, then learns it if `learn`.
    pub(crate) fn observe(&mut self, share: f64, trials: f64, learn: bool, memory_ticks: f64) -> f64 {
        let failures = (share * trials).clamp(0.0, trials);
        let scale = self.dispersion.max(1.0);
        let alpha = self.failures / scale + PRIOR;
        let beta = (self.trials - self.failures) / scale + PRIOR;
        let p_value =
            beta_binomial_tail((failures / scale + 1e-6).floor(), (trials / scale).round(), alpha, beta);
        if learn && trials > 0.0 {
            let keep = 1.0 - 1.0 / memory_ticks;
            let expected = self.expected();
            let variance = (trials * expected * (1.0 - expected)).max(PRIOR);
            let residual = (failures - trials * expected) * (failures - trials * expected) / variance;
            let weight = 1.0 / (self.ticks + 1.0).min(memory_ticks);
            self.dispersion += weight * (residual - self.dispersion);
            self.failures = self.failures * keep + failures;
            self.trials = self.trials * keep + trials;
            self.ticks += 1.0;
        }
        p_value
    }
}

/// For each series that is a share of failures, the one that tells among how many.
pub(crate) fn of_shares<'a>(
    shares: impl Iterator<Item = &'a Series>,
    all: impl Iterator<Item = (SeriesId, &'a Series)>,
) -> BTreeMap<String, (SeriesId, bool)> {
    let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
    for share in shares {
        let Some(stem) = share.signal.strip_suffix(".error_ratio") else { continue };
        for suffix in ["count", "rate"] {
            let signal = format!("{stem}.{suffix}");
            let peer = share.peer.as_ref();
            let key = Series::key_of(&share.domain, &share.entity, peer, &signal, &share.attributes);
            wanted.insert(key, &share.key);
        }
    }
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let found = all.filter_map(|(id, series)| {
        let share = wanted.get(&series.key)?;
        Some(((*share).to_owned(), (id, series.signal.ends_with(".rate"))))
    });
    found.collect()
}

/// `P(X >= first)` for `X` beta-binomial among `trials` with parameters `alpha` and `beta`; 1
/// up to the mean, where nothing is surprising.
pub(crate) fn beta_binomial_tail(first: f64, trials: f64, alpha: f64, beta: f64) -> f64 {
    if first <= trials * alpha / (alpha + beta) {
        return 1.0;
    }
    let log_beta = |a: f64, b: f64| libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b);
    let log_choose =
        libm::lgamma(trials + 1.0) - libm::lgamma(first + 1.0) - libm::lgamma(trials - first + 1.0);
    let mut term =
        libm::exp(log_choose + log_beta(first + alpha, trials - first + beta) - log_beta(alpha, beta));
    let (mut sum, mut x) = (0.0, first);
    while x <= trials && term > sum * 1e-12 {
        sum += term;
        term *= (trials - x) / (x + 1.0) * (x + alpha) / (trials - x - 1.0 + beta);
        x += 1.0;
    }
    sum.clamp(1e-300, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.betabinom.pmf` summed from k on: tests/reference/beta_binomial.py.
    #[test]
    fn tail_agrees_with_scipy() {
        let table: [(f64, f64, f64, f64, f64); 6] = include!("../tests/reference/beta_binomial.in");
        for (first, trials, alpha, beta, expected) in table {
            let found = beta_binomial_tail(first, trials, alpha, beta);
            assert!(
                (found / expected - 1.0).abs() < 1e-8,
                "{first} {trials} {alpha} {beta}: {found} {expected}"
            );
        }
    }

    fn quiet() -> Proportion {
        let mut proportion = Proportion::new(SeriesId(0), false);
        for _ in 0..200 {
            assert!(proportion.observe(0.0, 13.0, true, 512.0) > 0.99);
        }
        proportion
    }

    #[test]
    fn one_failure_among_a_few_is_no_news_and_a_third_of_many_is() {
        let one = quiet().observe(1.0 / 13.0, 13.0, false, 512.0);
        assert!(one > 1e-3, "{one}");
        let many = quiet().observe(0.35, 60.0, false, 512.0);
        assert!(many < 1e-20, "{many}");
    }

    #[test]
    fn failures_that_come_in_bursts_stop_being_surprising() {
        let mut proportion = quiet();
        for tick in 0..1_000 {
            proportion.observe(if tick % 10 == 0 { 0.5 } else { 0.0 }, 20.0, true, 512.0);
        }
        assert!(proportion.observe(0.5, 20.0, false, 512.0) > 1e-3);
    }

    #[test]
    fn nothing_asked_is_no_failure() {
        assert!(quiet().observe(0.0, 0.0, true, 512.0) > 0.99);
    }
}
