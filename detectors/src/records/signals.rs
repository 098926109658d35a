//! The value and its transform, the range seen, and a sample of the whole history.

use super::SIGNALS;
use crate::arithmetic::asinh;

/// Values of the sample at most; at least half of it once it was full.
const SAMPLE: usize = 128;
/// 10 % and 90 % quantiles lie so many standard deviations apart, if values are normal.
const DECILES: f64 = 2.56;
/// The scale is at least this share of the range.
const SCALE_SHARE: f64 = 1e-3;

/// No value is taken to lie farther from the first than this, which single precision can hold.
const DISTANCE_MAX: f64 = 1e36;

/// One observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signal {
    /// The value as distance from the first one (in which single precision loses nothing that
    /// matters, whatever the offset), and the transform.
    pub(super) now: [f64; SIGNALS],
    /// Range of all so far, of both.
    pub(super) span: [f64; SIGNALS],
    /// Median of the history.
    pub(super) median: f64,
}

/// The history as a whole.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    pub(super) origin: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) median: f64,
    pub(super) scale: f64,
    /// Every `stride`-th value, as distance from the first.
    pub(super) sample: [f32; SAMPLE],
    pub(super) sampled: f64,
    pub(super) stride: f64,
    pub(super) passed: f64,
}

impl Signals {
    pub(super) const fn new() -> Self {
        Self {
            origin: f64::NAN,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            median: 0.0,
            scale: 0.0,
            sample: [0.0; SAMPLE],
            sampled: 0.0,
            stride: 1.0,
            passed: 0.0,
        }
    }

    pub(super) fn update(&mut self, value: f64) -> Signal {
        if self.origin.is_nan() {
            self.origin = value;
        }
        self.low = self.low.min(value);
        self.high = self.high.max(value);
        let distance = (value - self.origin).clamp(-DISTANCE_MAX, DISTANCE_MAX);
        self.passed += 1.0;
        if self.passed >= self.stride {
            self.passed = 0.0;
            self.keep(distance);
        }
        let range = self.high - self.low;
        let scale = self.scale.max(SCALE_SHARE * range);
        let scale = if scale > 0.0 { scale } else { 1e-9 * self.high.abs() + 1e-300 };
        Signal {
            now: [distance, asinh((value - self.median) / scale)],
            span: [range, 2.0 * asinh(0.5 * range / scale)],
            median: self.median,
        }
    }

    /// Takes a value into the sample; when it is full every second one goes, and from then on
    /// half as many are taken.
    #[expect(clippy::cast_possible_truncation, reason = "f32 keeps enough of a distance")]
    #[expect(clippy::cast_sign_loss, reason = "a count")]
    fn keep(&mut self, distance: f64) {
        let mut count = self.sampled as usize;
        self.sample[count] = distance as f32;
        count += 1;
        if count == SAMPLE {
            count /= 2;
            for i in 0..count {
                self.sample[i] = self.sample[2 * i + 1];
            }
            self.stride *= 2.0;
        }
        self.sampled = count as f64;
        let mut sorted = self.sample;
        let sorted = &mut sorted[..count];
        sorted.sort_unstable_by(f32::total_cmp);
        let quantile = |tenths: usize| f64::from(sorted[(tenths * (count - 1) + 5) / 10]);
        self.median = self.origin + f64::from(sorted[count / 2]);
        self.scale = (quantile(9) - quantile(1)) / DECILES;
    }
}
