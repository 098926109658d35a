//! Intervals that are exact where they can be, and by resampling where they cannot.

use serde::{Deserialize, Serialize};

use crate::random::Stream;

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The interval of Clopper and Pearson for a share: never too short.
#[must_use]
pub fn proportion(count: u64, of: u64, confidence: f64) -> Interval {
    if of == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let tail = (1.0 - confidence) / 2.0;
    let (k, n) = (count as f64, of as f64);
    let low = if count == 0 { 0.0 } else { invert(|x| beta(k, n - k + 1.0, x), tail, 1.0) };
    let high = if count == of { 1.0 } else { invert(|x| beta(k + 1.0, n - k, x), 1.0 - tail, 1.0) };
    Interval { low, high }
}

/// The exact interval of a rate from a count over an exposure: none in n weeks is less than 3.7/n
/// on both sides of 95 %, less than 3/n on one.
#[must_use]
pub fn poisson_rate(count: u64, exposure: f64, confidence: f64) -> Interval {
    if exposure <= 0.0 {
        return Interval { low: 0.0, high: f64::INFINITY };
    }
    let tail = (1.0 - confidence) / 2.0;
    let k = count as f64;
    let top = 10.0 * (k + 10.0);
    let low = if count == 0 { 0.0 } else { invert(|x| gamma(k, x), tail, top) };
    let high = invert(|x| gamma(k + 1.0, x), 1.0 - tail, top);
    Interval { low: low / exposure, high: high / exposure }
}

/// The interval of the mean over strata of their means: each stratum is drawn anew from itself.
#[must_use]
pub fn bootstrap_macro(strata: &[Vec<f64>], draws: usize, seed: u64) -> Interval {
    let filled: Vec<&Vec<f64>> = strata.iter().filter(|stratum| !stratum.is_empty()).collect();
    if filled.is_empty() || draws == 0 {
        return Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
    }
    let mut draw = Stream::of(seed, "score", "bootstrap");
    let mut means: Vec<f64> = (0..draws)
        .map(|_| {
            let of = |stratum: &&Vec<f64>| {
                let sum: f64 = (0..stratum.len()).map(|_| stratum[draw.below(stratum.len())]).sum();
                sum / stratum.len() as f64
            };
            filled.iter().map(of).sum::<f64>() / filled.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((share * draws as f64) as usize).min(draws - 1)];
    Interval { low: at(0.025), high: at(0.975) }
}

/// Where an increasing function reaches a value, by halving.
fn invert(of: impl Fn(f64) -> f64, value: f64, top: f64) -> f64 {
    let (mut low, mut high) = (0.0, top);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if of(middle) < value {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularized incomplete beta function, by its continued fraction (Lentz).
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(b, a, 1.0 - x);
    }
    let front = libm::exp(
        libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x),
    );
    let keep = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let (mut c, mut d) = (1.0, 1.0 / keep(1.0 - (a + b) * x / (a + 1.0)));
    let mut sum = d;
    for step in 1..1_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for term in [even, odd] {
            d = 1.0 / keep(1.0 + term * d);
            c = keep(1.0 + term / c);
            sum *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * sum / a
}

/// The regularized lower incomplete gamma function, by its series or continued fraction.
fn gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let front = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for step in 1..10_000 {
            term *= x / (a + f64::from(step));
            sum += term;
            if term < sum * 1e-16 {
                break;
            }
        }
        return front * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut fraction = d;
    for step in 1..10_000 {
        let n = f64::from(step);
        let term = -n * (n - a);
        b += 2.0;
        d = 1.0 / (term * d + b);
        c = b + term / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    1.0 - front * fraction
}
