//! Whether two detectors differ, from what each has on the same files.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

/// Draws of the bootstrap.
const DRAWS: usize = 10_000;
/// Shares of the draws below and above the interval.
const TAILS: [f64; 2] = [0.025, 0.975];

/// What the differences of a figure, file by file, say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Mean difference.
    pub mean: f64,
    /// 95 % interval of the mean: percentile bootstrap over files (Efron 1979), 10,000 draws.
    pub interval: (f64, f64),
    /// Files with a positive difference.
    pub better: usize,
    /// Files with a negative one.
    pub worse: usize,
    /// Files without one.
    pub equal: usize,
    /// Two-sided p-value of the exact sign test (Arbuthnot 1710) over files that differ.
    pub sign_p: f64,
}

impl Paired {
    /// Takes finite differences, one for each file; none of none.
    #[must_use]
    pub fn of(differences: &[f64], seed: u64) -> Option<Self> {
        if differences.is_empty() {
            return None;
        }
        let count = |wanted: fn(&f64) -> bool| differences.iter().filter(|one| wanted(one)).count();
        let (better, worse) = (count(|one| *one > 0.0), count(|one| *one < 0.0));
        Some(Self {
            mean: differences.iter().sum::<f64>() / differences.len() as f64,
            interval: bootstrap(differences, seed),
            better,
            worse,
            equal: differences.len() - better - worse,
            sign_p: sign_test(better, worse),
        })
    }
}

/// Two-sided p-value of `better` against `worse` for a fair coin.
fn sign_test(better: usize, worse: usize) -> f64 {
    let flips = better + worse;
    let choose = |k: usize| {
        libm::lgamma((flips + 1) as f64) - libm::lgamma((k + 1) as f64) - libm::lgamma((flips - k + 1) as f64)
    };
    let ln_half = -std::f64::consts::LN_2 * flips as f64;
    let tail: f64 = (0..=better.min(worse)).map(|k| libm::exp(choose(k) + ln_half)).sum();
    (2.0 * tail).min(1.0)
}

fn bootstrap(differences: &[f64], seed: u64) -> (f64, f64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let files = differences.len();
    let mut draw = || ((u128::from(random.next_u64()) * files as u128) >> 64) as usize;
    let mut means: Vec<f64> =
        (0..DRAWS).map(|_| (0..files).map(|_| differences[draw()]).sum::<f64>() / files as f64).collect();
    means.sort_by(f64::total_cmp);
    let [low, high] = TAILS.map(|share| means[(share * (DRAWS - 1) as f64).round() as usize]);
    (low, high)
}
