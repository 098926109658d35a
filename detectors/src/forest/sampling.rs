//! Which points a tree keeps: a reservoir that prefers the new, by jumps.

use super::random::SplitMix;
use crate::arithmetic::{exp, least, ln, most};

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
}

/// The next point that a tree takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draw {
    /// Points from now; 1 is the next.
    pub(super) after: u64,
    /// Its weight.
    pub(super) weight: f32,
}

impl Decay {
    pub(super) fn new(rate: f64) -> Self {
        Self { rate, growth: exp(rate) - 1.0 }
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
        Draw { after: 1, weight: (ln(most(exponential, 1e-300)) - self.sunk(now + 1)) as f32 }
    }

    /// Once it is full, for several trees side by side: with `heaviest` their largest weights and
    /// `unit` a random number from 0 to 1 for each.
    #[inline(always)]
    pub(super) fn jump<const N: usize>(&self, heaviest: [f32; N], unit: [f64; N], now: u64) -> [Draw; N] {
        let now = now as f64;
        let (mut passed, mut weight) = ([0.0; N], [0.0; N]);
        for i in 0..N {
            let exponential = -ln(unit[i]);
            let first = most(exp(f64::from(heaviest[i]) + self.rate * (now + 1.0)), 1e-300);
            let unit = first / self.growth;
            passed[i] = least((ln(1.0 + exponential / unit) / self.rate).floor(), 1e15);
            let rest = exponential - unit * (exp(self.rate * passed[i]) - 1.0);
            weight[i] = ln(most(rest, 1e-12)) - self.rate * (now + (passed[i] + 1.0));
        }
        std::array::from_fn(|i| Draw { after: passed[i] as u64 + 1, weight: weight[i] as f32 })
    }
}

/// Place of the largest weight; the first, if several are equal.
#[inline(always)]
pub(super) fn heaviest(weights: &[f32]) -> usize {
    const LANES: usize = 16;
    let (chunks, rest) = weights.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] { chunk[i] } else { lanes[i] };
        }
    }
    let largest = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    // Without a way out: when it would come, nothing could foresee.
    let mut places = [u32::MAX; LANES];
    for (number, chunk) in chunks.iter().enumerate().rev() {
        let first = (number * LANES) as u32;
        for i in 0..LANES {
            places[i] = if chunk[i] == largest { first + i as u32 } else { places[i] };
        }
    }
    let place = places.iter().fold(u32::MAX, |a, &b| a.min(b));
    if place != u32::MAX {
        return place as usize;
    }
    weights.iter().position(|&weight| weight == largest).unwrap_or(0)
}
