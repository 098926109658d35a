//! Which points a tree keeps: a reservoir that prefers the new, by jumps.

use super::random::SplitMix;
use crate::arithmetic::{exp, ln, most};

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

    /// Once it is full, with `heaviest` its largest weight.
    #[inline(always)]
    pub(super) fn jump(&self, heaviest: f32, now: u64, random: &mut SplitMix) -> Draw {
        let exponential = -ln(random.unit());
        let first = most(exp(f64::from(heaviest) + self.sunk(now + 1)), 1e-300);
        let unit = first / self.growth;
        let passed = (ln(1.0 + exponential / unit) / self.rate).floor().min(1e15);
        let rest = exponential - unit * (exp(self.rate * passed) - 1.0);
        let after = passed as u64 + 1;
        Draw { after, weight: (ln(most(rest, 1e-12)) - self.sunk(now + after)) as f32 }
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
    let mut first = 0;
    for chunk in chunks {
        let mut found = false;
        for &weight in chunk {
            found |= weight == largest;
        }
        if found {
            break;
        }
        first += LANES;
    }
    first + weights[first..].iter().position(|&weight| weight == largest).unwrap_or(0)
}
