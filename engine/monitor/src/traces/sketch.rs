//! How durations are distributed, whatever the order in which they came: count, errors, mean and
//! quantiles of many, each counted for so many as it was sampled from. Two merge into what one
//! of all would be.

/// Parts of a weight: weights are sums of these, so that no order of addition shows.
pub(crate) const WHOLE: u64 = 1 << 16;

/// Linear parts of an octave. Bounds of a bucket differ by less than one part in 64, so its
/// middle is off by less than 1 % (DDSketch, Masson et al. 2019, with the logarithm interpolated
/// linearly between powers of two: the leading bits of the number).
const PARTS_BITS: u32 = 6;
const PARTS: u64 = 1 << PARTS_BITS;

/// Nanoseconds with weights: exact up to a limit, then counts in buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketch {
    exact: Vec<(u64, u64)>,
    /// Weights by bucket from `first` on; none while all are exact.
    buckets: Vec<u64>,
    first: usize,
    /// Durations, each once.
    spans: u64,
    weight: u64,
    errors: u64,
    nanoseconds: u128,
}

impl Sketch {
    /// Takes a duration in; at most `exact_max` are kept as they are.
    #[inline]
    pub(crate) fn add(&mut self, nanoseconds: i64, weight: u64, error: bool, exact_max: usize) {
        let nanoseconds = nanoseconds.max(0) as u64;
        self.spans += 1;
        self.weight = self.weight.saturating_add(weight);
        self.errors = self.errors.saturating_add(if error { weight } else { 0 });
        self.nanoseconds += u128::from(nanoseconds) * u128::from(weight);
        if self.buckets.is_empty() {
            if self.exact.len() < exact_max {
                self.exact.push((nanoseconds, weight));
                return;
            }
            self.spread();
        }
        self.count(bucket(nanoseconds), weight);
    }

    /// Takes in all that `other` holds.
    pub(crate) fn merge(&mut self, other: &Self, exact_max: usize) {
        self.spans += other.spans;
        self.weight = self.weight.saturating_add(other.weight);
        self.errors = self.errors.saturating_add(other.errors);
        self.nanoseconds += other.nanoseconds;
        if self.buckets.is_empty() && other.buckets.is_empty() && self.spans <= exact_max as u64 {
            self.exact.extend_from_slice(&other.exact);
            return;
        }
        self.spread();
        for (nanoseconds, weight) in &other.exact {
            self.count(bucket(*nanoseconds), *weight);
        }
        let counted = (other.first..).zip(&other.buckets).filter(|(_, weight)| **weight > 0);
        counted.for_each(|(bucket, weight)| self.count(bucket, *weight));
    }

    /// Forgets all, and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.exact.clear();
        self.buckets.clear();
        (self.first, self.spans, self.weight, self.errors, self.nanoseconds) = (0, 0, 0, 0, 0);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.spans == 0
    }

    /// How many there were, where each stands for those that were not sampled.
    pub(crate) fn total(&self) -> f64 {
        self.weight as f64 / WHOLE as f64
    }

    pub(crate) fn error_ratio(&self) -> f64 {
        self.errors as f64 / self.weight as f64
    }

    /// Seconds.
    pub(crate) fn mean(&self) -> f64 {
        self.nanoseconds as f64 / self.weight as f64 / 1e9
    }

    /// The smallest duration that at least `share` of them do not exceed (nearest rank), seconds.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        let wanted = share * self.weight as f64;
        let mut seen = 0;
        let mut reaches = |weight: u64| {
            seen += weight;
            seen as f64 >= wanted
        };
        if self.buckets.is_empty() {
            self.exact.sort_unstable();
            let found = self.exact.iter().find(|(_, weight)| reaches(*weight));
            return found.map_or(f64::NAN, |(nanoseconds, _)| *nanoseconds as f64 / 1e9);
        }
        let found = (self.first..).zip(&self.buckets).find(|(_, weight)| reaches(**weight));
        found.map_or(f64::NAN, |(bucket, _)| middle(bucket) / 1e9)
    }

    /// Turns what is exact into counts.
    #[cold]
    fn spread(&mut self) {
        for (nanoseconds, weight) in std::mem::take(&mut self.exact) {
            self.count(bucket(nanoseconds), weight);
        }
    }

    #[inline]
    fn count(&mut self, bucket: usize, weight: u64) {
        let place = bucket.wrapping_sub(self.first);
        match self.buckets.get_mut(place) {
            Some(counted) => *counted = counted.saturating_add(weight),
            None => self.widen(bucket, weight),
        }
    }

    #[cold]
    fn widen(&mut self, bucket: usize, weight: u64) {
        if self.buckets.is_empty() {
            self.first = bucket;
        }
        let below = self.first.saturating_sub(bucket);
        self.buckets.splice(0..0, std::iter::repeat_n(0, below));
        self.first -= below;
        let place = bucket - self.first;
        self.buckets.resize(self.buckets.len().max(place + 1), 0);
        self.buckets[place] += weight;
    }
}

/// Bucket of a number: up to `PARTS` by itself, then by its leading bits.
#[inline]
fn bucket(number: u64) -> usize {
    if number < PARTS {
        return number as usize;
    }
    let shift = 63 - PARTS_BITS - number.leading_zeros();
    (u64::from(shift) * PARTS + (number >> shift)) as usize
}

/// The number between the bounds of a bucket that is off by the same share of either.
fn middle(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    if bucket < PARTS {
        return bucket as f64;
    }
    let shift = bucket / PARTS - 1;
    let low = (bucket - shift * PARTS) as f64;
    let bounds = 2.0 * low * (low + 1.0) / (2.0 * low + 1.0);
    bounds * (1_u64 << shift) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHARES: [f64; 5] = [0.01, 0.5, 0.95, 0.99, 1.0];

    #[test]
    fn a_sketch_agrees_with_the_exact_quantile_to_a_hundredth() {
        let (mut exact, mut sketch) = (Sketch::default(), Sketch::default());
        for i in 1..=2_000_i64 {
            exact.add(i * i * 1_000, WHOLE, i % 4 == 0, 5_000);
            sketch.add(i * i * 1_000, WHOLE, i % 4 == 0, 10);
        }
        assert_eq!(exact.quantile(0.95), 1_900.0 * 1_900.0 / 1e6);
        for share in SHARES {
            let relative = sketch.quantile(share) / exact.quantile(share) - 1.0;
            assert!(relative.abs() < 0.01, "{share}: {relative}");
        }
        assert_eq!((exact.error_ratio(), exact.total()), (0.25, 2_000.0));
        assert_eq!(exact.mean(), sketch.mean());
    }

    #[test]
    fn one_of_ten_counts_as_ten() {
        let (mut sampled, mut all) = (Sketch::default(), Sketch::default());
        for i in 0..100_i64 {
            let slow = i % 10 == 0;
            all.add(if slow { 9_000 } else { 1_000 }, WHOLE, slow, 1_000);
            if slow || i % 9 == 1 {
                sampled.add(
                    if slow { 9_000 } else { 1_000 },
                    if slow { WHOLE } else { 9 * WHOLE },
                    slow,
                    1_000,
                );
            }
        }
        assert_eq!(sampled.total(), 10.0 + 9.0 * 10.0);
        assert_eq!(sampled.error_ratio(), all.error_ratio());
        assert_eq!(sampled.mean(), all.mean());
        assert_eq!(sampled.quantile(0.5), all.quantile(0.5));
    }

    proptest! {
        #[test]
        fn every_number_is_within_a_hundredth_of_its_bucket(number in 1_u64..=i64::MAX as u64) {
            let relative = middle(bucket(number)) / number as f64 - 1.0;
            prop_assert!(relative.abs() < 0.01, "{}", relative);
            prop_assert!(bucket(number) <= bucket(number + 1));
        }

        #[test]
        fn merged_is_the_sketch_of_all(
            durations in prop::collection::vec((0_i64..10_000_000_000, 1_u64..4, any::<bool>()), 1..60),
            cut in 0_usize..60,
            exact_max in 0_usize..60,
        ) {
            let of = |durations: &[(i64, u64, bool)]| {
                let mut sketch = Sketch::default();
                for (nanoseconds, weight, error) in durations {
                    sketch.add(*nanoseconds, weight * WHOLE, *error, exact_max);
                }
                sketch
            };
            let (left, right) = durations.split_at(cut.min(durations.len()));
            let (mut merged, mut all) = (of(left), of(&durations));
            merged.merge(&of(right), exact_max);
            prop_assert_eq!(merged.total(), all.total());
            prop_assert_eq!(merged.mean(), all.mean());
            prop_assert_eq!(merged.error_ratio(), all.error_ratio());
            for share in SHARES {
                prop_assert_eq!(merged.quantile(share), all.quantile(share));
            }
        }
    }
}
