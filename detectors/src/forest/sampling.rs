//! Which points a tree keeps: a reservoir that prefers the new, by jumps.

use super::random::SplitMix;
use crate::arithmetic::{exp, least, ln, most};

/// Weight of a slot of the sample that is free.
pub(super) const FREE: u16 = 0;
/// Least weight that is told from others: below what a point just before [`REBASE`] may have.
const LEAST: f64 = -96.0;
/// What weights may rise above the least, beside what points of a full sample differ by because of their age.
const SPAN: f64 = 128.0;

/// Largest exponent of the decay before weights are counted from a later tick.
pub(super) const REBASE: f64 = 64.0;

/// Weighted reservoir sampling with exponential decay (Efraimidis and Spirakis 2006).
///
/// Point number n is given the weight ln E - rate * n with E exponential, and the sample is the
/// points of least weight. Instead of drawing E for each point and tree, the number of points
/// that are passed over is drawn (their algorithm A-ExpJ): point n is taken if
/// E < g(n) = exp(heaviest + rate * n), so none of k points is taken with probability
/// exp(-g(1) - ... - g(k)), a geometric sum. What is left of the draw at point k is the E of the
/// point that is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decay {
    rate: f64,
    /// e^rate - 1.
    growth: f64,
    /// Weights are kept as 16-bit steps: some 500 to one, while chance spreads them by more than one.
    steps: f64,
}

/// The next point that a tree takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    /// Points from now; 1 is the next.
    pub(super) after: u64,
    /// Its weight in steps.
    pub(super) weight: u16,
}

impl Decay {
    pub(super) fn new(rate: f64, sample_size: usize) -> Self {
        let steps = f64::from(u16::MAX) / (SPAN + 4.0 * rate * sample_size as f64);
        Self { rate, growth: exp(rate) - 1.0, steps }
    }

    /// Steps of a weight.
    #[inline(always)]
    pub(super) fn pack(&self, weight: f64) -> u16 {
        most(least((weight - LEAST) * self.steps + 0.5, f64::from(u16::MAX)), 1.0) as u16
    }

    /// Weight of so many steps; of none, that of a free slot.
    #[inline(always)]
    pub(super) fn unpack(&self, steps: u16) -> f64 {
        if steps == FREE { f64::NEG_INFINITY } else { LEAST + f64::from(steps) / self.steps }
    }

    /// A weight that is counted from `age` points later.
    pub(super) fn rebased(&self, steps: u16, age: u64) -> u16 {
        if steps == FREE { FREE } else { self.pack(self.unpack(steps) + self.sunk(age)) }
    }

    /// How far the weights of points have sunk after `age` points.
    pub(super) fn sunk(&self, age: u64) -> f64 {
        self.rate * age as f64
    }

    /// Points until weights have sunk by [`REBASE`].
    pub(super) fn rebase_after(&self) -> u64 {
        (REBASE / self.rate) as u64
    }

    /// While the sample has room: the next point. `now`: points since weights began to be counted.
    #[inline(always)]
    pub(super) fn fill(&self, now: u64, random: &mut SplitMix) -> Draw {
        let exponential = -ln(random.unit());
        Draw { after: 1, weight: self.pack(ln(most(exponential, 1e-300)) - self.sunk(now + 1)) }
    }

    /// Once it is full, for several trees side by side: with `heaviest` their largest weights and
    /// `unit` a random number from 0 to 1 for each.
    #[inline(always)]
    pub(super) fn jump<const N: usize>(&self, heaviest: [u16; N], unit: [f64; N], now: u64) -> [Draw; N] {
        let now = now as f64;
        let (mut passed, mut weight) = ([0.0; N], [0; N]);
        for i in 0..N {
            let exponential = -ln(unit[i]);
            let first = most(exp(self.unpack(heaviest[i]) + self.rate * (now + 1.0)), 1e-300);
            let unit = first / self.growth;
            passed[i] = least((ln(1.0 + exponential / unit) / self.rate).floor(), 1e15);
            let rest = exponential - unit * (exp(self.rate * passed[i]) - 1.0);
            weight[i] = self.pack(ln(most(rest, 1e-12)) - self.rate * (now + (passed[i] + 1.0)));
        }
        std::array::from_fn(|i| Draw { after: passed[i] as u64 + 1, weight: weight[i] })
    }
}

/// Place of the largest weight; the first, if several are equal.
#[inline(always)]
pub(super) fn heaviest(weights: &[u16]) -> usize {
    const LANES: usize = 32;
    let (chunks, rest) = weights.as_chunks::<LANES>();
    let mut lanes = [FREE; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = lanes[i].max(chunk[i]);
        }
    }
    let largest = lanes.iter().chain(rest).fold(FREE, |a, &b| a.max(b));
    // Without a way out: when it would come, nothing could foresee.
    let mut places = [u16::MAX; LANES];
    for (number, chunk) in chunks.iter().enumerate().rev() {
        let first = (number * LANES) as u16;
        for i in 0..LANES {
            places[i] = if chunk[i] == largest { first + i as u16 } else { places[i] };
        }
    }
    let place = places.iter().fold(u16::MAX, |a, &b| a.min(b));
    if place != u16::MAX {
        return usize::from(place);
    }
    weights.iter().position(|&weight| weight == largest).unwrap_or(0)
}
