//! Generalised Pareto distribution, fitted by maximum likelihood.

use crate::{
    arithmetic::{exp, ln},
    newest::{size, sum},
};

/// Points that are looked at before the best of them is made precise.
const GRID: usize = 40;
/// (sqrt(5) - 1) / 2.
const GOLDEN: f64 = 0.618_033_988_749_894_8;
/// Sections of the interval about the best point, to 1e-6 of its width: the likelihood is flat there.
const SECTIONS: usize = 28;
/// Below this a shape is 0: the distribution is exponential.
const SHAPE_NONE: f64 = 1e-9;

/// Excesses over a threshold: P(excess > y) = (1 + shape y / scale)^(-1 / shape), and
/// exp(-y / scale) where the shape is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pareto {
    /// Above 0 the tail is a power of y, at 0 it is exponential, below 0 it ends.
    pub shape: f64,
    /// Unit of the excesses; more than 0.
    pub scale: f64,
}

impl Pareto {
    /// The likeliest for `excesses` (more than 0, one at least) of those whose shape is
    /// `shape_min` (-1/2 to 0) or more. Below -1/2 a likeliest one says little (Smith 1985).
    ///
    /// Grimshaw's trick (1993, Technometrics 35:185): with x = shape / scale the likeliest shape is
    /// the mean of ln(1 + x y), or else the least one, so that one number is to be found instead of
    /// two. Its likelihood is looked at over the range where its maximum can be (Siffer et al.
    /// 2017), and the place of the maximum narrowed down by golden sections.
    #[must_use]
    pub fn fit(excesses: &[f64], shape_min: f64) -> Self {
        let count = size(excesses.len()).max(1.0);
        let mean = sum(excesses.iter().copied()) / count;
        let least = excesses.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = excesses.iter().copied().fold(0.0, f64::max);
        let mut best = (-1.0 - ln(mean), Self { shape: 0.0, scale: mean });
        let mut look = |x: f64| {
            let growth = sum(excesses.iter().map(|y| ln((1.0 + x * y).max(f64::MIN_POSITIVE)))) / count;
            let shape = growth.max(shape_min);
            if shape.abs() <= SHAPE_NONE {
                return f64::NEG_INFINITY;
            }
            let scale = shape / x;
            let likelihood = -(1.0 + 1.0 / shape) * growth - ln(scale);
            if likelihood > best.0 {
                best = (likelihood, Self { shape, scale });
            }
            likelihood
        };
        if shape_min < 0.0 {
            search(|share| look(-share / largest), 0.0, 1.0);
        }
        // From where the tail looks exponential to the end of the range, in equal ratios.
        let highest = 2.0 * (mean - least) / (least * least).max(1e-12 * mean * mean);
        let (low, high) = (ln(1e-4), ln((highest * mean).max(1e-4)));
        search(|log| look(exp(log) / mean), low, high);
        best.1
    }

    /// Mean over `excesses` of the logarithm of the density.
    #[must_use]
    pub fn mean_log_likelihood(&self, excesses: &[f64]) -> f64 {
        let x = self.shape / self.scale;
        let sum = sum(excesses.iter().map(|y| {
            if self.shape.abs() <= SHAPE_NONE {
                return -y / self.scale;
            }
            -(1.0 + 1.0 / self.shape) * ln((1.0 + x * y).max(f64::MIN_POSITIVE))
        }));
        sum / size(excesses.len()) - ln(self.scale)
    }

    /// -ln of the probability of an excess over `excess`; infinite beyond the end of the tail.
    #[must_use]
    pub fn surprise(&self, excess: f64) -> f64 {
        if self.shape.abs() <= SHAPE_NONE {
            return excess / self.scale;
        }
        let inside = 1.0 + self.shape * excess / self.scale;
        if inside <= f64::MIN_POSITIVE { f64::INFINITY } else { ln(inside) / self.shape }
    }

    /// The excess of this surprise.
    #[must_use]
    pub fn excess(&self, surprise: f64) -> f64 {
        if self.shape.abs() <= SHAPE_NONE {
            return surprise * self.scale;
        }
        (exp(self.shape * surprise) - 1.0) * self.scale / self.shape
    }
}

/// Looks at `GRID` points from `low` to `high`, then narrows the interval about the highest.
fn search(mut look: impl FnMut(f64) -> f64, low: f64, high: f64) {
    if low >= high {
        return;
    }
    let step = (high - low) / size(GRID);
    let mut best = (f64::NEG_INFINITY, low);
    for i in 0..=GRID {
        let at = low + step * size(i);
        let found = look(at);
        if found > best.0 {
            best = (found, at);
        }
    }
    let (mut from, mut to) = ((best.1 - step).max(low), (best.1 + step).min(high));
    let (mut a, mut b) = (to - GOLDEN * (to - from), from + GOLDEN * (to - from));
    let (mut at_a, mut at_b) = (look(a), look(b));
    for _ in 0..SECTIONS {
        if at_a >= at_b {
            (to, b, at_b) = (b, a, at_a);
            a = to - GOLDEN * (to - from);
            at_a = look(a);
        } else {
            (from, a, at_a) = (a, b, at_b);
            b = from + GOLDEN * (to - from);
            at_b = look(b);
        }
    }
}
