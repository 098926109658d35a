//! Counts in buckets: differences, sums and quantiles of histograms.

use serde::{Deserialize, Serialize};

use crate::bits::Bits;

/// Measurements in buckets with upper bounds, the last without one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distribution {
    pub(crate) count: Bits,
    pub(crate) sum: Bits,
    bounds: Vec<Bits>,
    buckets: Vec<Bits>,
}

impl Distribution {
    pub(crate) fn new(count: f64, sum: f64, bounds: &[f64], buckets: &[f64]) -> Self {
        let ascending = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let whole = ascending && buckets.len() == bounds.len() + 1 && buckets.iter().all(|c| *c >= 0.0);
        let column =
            |values: &[f64]| if whole { values.iter().copied().map(Bits).collect() } else { Vec::new() };
        Self { count: Bits(count), sum: Bits(sum), bounds: column(bounds), buckets: column(buckets) }
    }

    /// What was added since `earlier`; none if anything went down, which is a reset.
    pub(crate) fn since(&self, earlier: &Self) -> Option<Self> {
        if self.count.0 < earlier.count.0 || self.bounds != earlier.bounds {
            return None;
        }
        let buckets: Vec<Bits> =
            self.buckets.iter().zip(&earlier.buckets).map(|(now, then)| Bits(now.0 - then.0)).collect();
        let sum = Bits(self.sum.0 - earlier.sum.0);
        let shrunk = buckets.iter().any(|count| count.0 < 0.0);
        (!shrunk).then(|| Self {
            count: Bits(self.count.0 - earlier.count.0),
            sum,
            bounds: self.bounds.clone(),
            buckets,
        })
    }

    /// Adds another distribution; where the bounds differ, each bucket goes to the first
    /// bucket here that ends no earlier.
    pub(crate) fn add(&mut self, other: &Self) {
        self.count.0 += other.count.0;
        self.sum.0 += other.sum.0;
        if self.buckets.is_empty() {
            self.bounds.clone_from(&other.bounds);
            self.buckets.clone_from(&other.buckets);
            return;
        }
        for (i, count) in other.buckets.iter().enumerate() {
            let target = match other.bounds.get(i) {
                Some(upper) => self.bounds.partition_point(|bound| bound.0 < upper.0),
                None => self.bounds.len(),
            };
            self.buckets[target].0 += count.0;
        }
    }

    pub(crate) fn mean(&self) -> f64 {
        self.sum.0 / self.count.0
    }

    /// Quantile by linear interpolation inside its bucket, as `histogram_quantile` of
    /// Prometheus has it: the first bucket begins at 0 if its bound is positive, and of the
    /// last only the lower end is known, which is given.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let total: f64 = self.buckets.iter().map(|count| count.0).sum();
        if total <= 0.0 || self.bounds.is_empty() {
            return f64::NAN;
        }
        let rank = share * total;
        let mut below = 0.0;
        for (i, Bits(count)) in self.buckets.iter().enumerate() {
            if below + count >= rank && *count > 0.0 {
                let Some(Bits(upper)) = self.bounds.get(i) else { break };
                let lower = match i {
                    0 if *upper > 0.0 => 0.0,
                    0 => return *upper,
                    _ => self.bounds[i - 1].0,
                };
                return lower + (upper - lower) * ((rank - below) / count);
            }
            below += count;
        }
        self.bounds.last().map_or(f64::NAN, |bound| bound.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_follow_the_rule_of_prometheus() {
        // Closed form: 100 in (0, 1], 100 in (1, 2]: the 75th percentile is 1.5.
        let two = Distribution::new(200.0, 0.0, &[1.0, 2.0], &[100.0, 100.0, 0.0]);
        assert_eq!(two.quantile(0.75), 1.5);
        let open = Distribution::new(10.0, 0.0, &[1.0, 2.0], &[0.0, 0.0, 10.0]);
        assert_eq!(open.quantile(0.95), 2.0);
        assert!(Distribution::new(1.0, 1.0, &[], &[]).quantile(0.5).is_nan());
    }

    #[test]
    fn a_decrease_is_a_reset() {
        let before = Distribution::new(5.0, 5.0, &[1.0], &[3.0, 2.0]);
        let after = Distribution::new(6.0, 6.0, &[1.0], &[2.0, 4.0]);
        assert_eq!(after.since(&before), None);
        assert_eq!(
            after.since(&Distribution::new(1.0, 1.0, &[1.0], &[1.0, 0.0])).map(|d| d.count),
            Some(Bits(5.0))
        );
    }

    #[test]
    fn other_bounds_are_fitted_in() {
        let mut sum = Distribution::new(1.0, 1.0, &[1.0, 2.0], &[1.0, 0.0, 0.0]);
        sum.add(&Distribution::new(2.0, 3.0, &[1.5], &[1.0, 1.0]));
        assert_eq!(sum, Distribution::new(3.0, 4.0, &[1.0, 2.0], &[1.0, 1.0, 1.0]));
    }
}
