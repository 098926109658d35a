//! Durations of one operation in one tick: mean and quantiles, whatever the order of arrival.

use std::collections::BTreeMap;

/// Ratio of the bounds of a bucket (DDSketch, Masson et al. 2019: relative error (g-1)/(g+1), 1 %).
const GROWTH: f64 = 1.02;

/// Seconds. Exact up to a limit, then counts in buckets of constant ratio: both are a
/// function of the set of durations, not of their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    exact: Vec<f64>,
    buckets: BTreeMap<i32, u64>,
    nanoseconds: i128,
    count: u64,
    errors: u64,
}

impl Durations {
    pub(crate) fn add(&mut self, nanoseconds: i64, error: bool, exact_max: usize) {
        self.count += 1;
        self.errors += u64::from(error);
        self.nanoseconds += i128::from(nanoseconds);
        let seconds = nanoseconds.max(0) as f64 / 1e9;
        if self.buckets.is_empty() && self.exact.len() < exact_max {
            self.exact.push(seconds);
            return;
        }
        for seconds in std::mem::take(&mut self.exact).into_iter().chain([seconds]) {
            *self.buckets.entry(bucket(seconds)).or_default() += 1;
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn error_ratio(&self) -> f64 {
        self.errors as f64 / self.count as f64
    }

    pub(crate) fn mean(&self) -> f64 {
        self.nanoseconds as f64 / 1e9 / self.count as f64
    }

    /// The smallest duration that at least `share` of them do not exceed (nearest rank).
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (libm::ceil(share * self.count as f64) as u64).clamp(1, self.count.max(1));
        if self.buckets.is_empty() {
            let mut sorted: Vec<f64> = self.exact.clone();
            sorted.sort_by(f64::total_cmp);
            return sorted.get(rank as usize - 1).copied().unwrap_or(f64::NAN);
        }
        let mut seen = 0;
        for (bucket, count) in &self.buckets {
            seen += count;
            if seen >= rank {
                let upper = libm::pow(GROWTH, f64::from(*bucket));
                return 2.0 * upper / (GROWTH + 1.0);
            }
        }
        f64::NAN
    }
}

fn bucket(seconds: f64) -> i32 {
    libm::ceil(libm::log(seconds.max(1e-9)) / libm::log(GROWTH)) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sketch_agrees_with_the_exact_quantile_to_a_hundredth() {
        let (mut exact, mut sketch) = (Durations::default(), Durations::default());
        for i in 1..=2_000_i64 {
            exact.add(i * i * 1_000, i % 4 == 0, 5_000);
            sketch.add(i * i * 1_000, i % 4 == 0, 10);
        }
        assert_eq!(exact.quantile(0.95), 1_900.0 * 1_900.0 / 1e6);
        for share in [0.01, 0.5, 0.95, 1.0] {
            let relative = sketch.quantile(share) / exact.quantile(share) - 1.0;
            assert!(relative.abs() < 0.011, "{share}: {relative}");
        }
        assert_eq!(exact.error_ratio(), 0.25);
        assert_eq!(exact.mean(), sketch.mean());
    }
}
