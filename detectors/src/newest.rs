//! The newest values of one series, and what is usual among them.

use crate::slots::Numbers;

/// Standard deviations in one median absolute deviation of normal values.
const NORMAL_DEVIATIONS: f64 = 1.482_602_218_505_602;
/// Standard deviations in one mean absolute deviation of normal values.
const NORMAL_MEAN_DEVIATIONS: f64 = 1.253_314_137_315_500_3;
/// Standardised values are bounded so that their squares, and sums of those, stay finite.
const STANDARDISED_MAX: f64 = 1e9;

/// At most `capacity` values, oldest first.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    values: Vec<f64>,
    capacity: usize,
}

impl Newest {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { values: Vec::new(), capacity }
    }

    /// Adds the newest value; the oldest makes room for it.
    pub(crate) fn push(&mut self, value: f64) {
        if self.is_full() {
            self.values.rotate_left(1);
            self.values.pop();
        }
        if self.values.is_empty() {
            self.values.reserve_exact(self.capacity);
        }
        self.values.push(value);
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.values
    }

    pub(crate) fn is_full(&self) -> bool {
        self.values.len() == self.capacity
    }

    pub(crate) fn mean(&self) -> f64 {
        sum(self.values.iter().copied()) / size(self.values.len()).max(1.0)
    }

    pub(crate) fn save(&self, numbers: &mut Vec<f64>) {
        numbers.push(size(self.values.len()));
        numbers.extend(&self.values);
    }

    pub(crate) fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.values.resize(numbers.index(self.capacity)?, 0.0);
        numbers.fill(&mut self.values)
    }
}

/// Origin and length of one unit, by which a series of any unit is standardised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit {
    pub(crate) origin: f64,
    pub(crate) length: f64,
}

impl Unit {
    pub(crate) const ONE: Self = Self { origin: 0.0, length: 1.0 };

    /// The median, and what the standard deviation is by the median absolute deviation (Hampel
    /// 1974). Where more than half of the values are equal, that is 0: then by the mean absolute
    /// deviation. Of constant values the unit is the value itself; of zeros, one.
    pub(crate) fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        let origin = median(&mut sorted);
        sorted.iter_mut().for_each(|x| *x = (*x - origin).abs());
        let mean = sum(sorted.iter().copied()) / size(sorted.len()).max(1.0);
        let candidates =
            [NORMAL_DEVIATIONS * median(&mut sorted), NORMAL_MEAN_DEVIATIONS * mean, origin.abs(), 1.0];
        // Below the rounding of the values nothing moves.
        let rounding = (1e-12 * origin.abs()).max(1e-150);
        let length = candidates.into_iter().find(|length| *length > rounding).unwrap_or(1.0);
        Self { origin, length }
    }

    pub(crate) fn standardise(self, value: f64) -> f64 {
        ((value - self.origin) / self.length).clamp(-STANDARDISED_MAX, STANDARDISED_MAX)
    }

    pub(crate) fn save(self, numbers: &mut Vec<f64>) {
        numbers.extend([self.origin, self.length]);
    }

    pub(crate) fn load(numbers: &mut Numbers<'_>) -> Option<Self> {
        let [origin, length] = numbers.array()?;
        Some(Self { origin, length })
    }
}

/// The middle value, or the mean of the two in the middle; 0 of nothing. Sorts.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => 0.5 * values[middle - 1] + 0.5 * values[middle],
    }
}

/// The sum, from the first on.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, x| sum + x)
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
pub(crate) fn size(values: usize) -> f64 {
    values as f64
}
