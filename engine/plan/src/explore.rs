//! One of several good strategies, drawn so that something is learnt of each.
//!
//! Thompson sampling: of each strategy's Beta belief a probability of success is drawn, and the
//! one that would be worth most with it is taken. The stream of draws is a function of the
//! incident, so the choice is the same in every run. How probable the choice was is estimated
//! from [`DRAWS`] further draws of the same stream.

use theriac_contract::{Id, Utility};

/// Draws from which a propensity is estimated: its standard error is below .016.
const DRAWS: u32 = 1_000;

/// Draws one of several. Gives its position and the probability with which it is drawn.
pub(crate) fn draw(incident: &Id, escalation: u32, options: &[&Utility]) -> (usize, f64) {
    if options.len() < 2 {
        return (0, 1.0);
    }
    let seed = blake3::hash(format!("{incident}/{escalation}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&seed.as_bytes()[..8]);
    let mut stream = Stream(u64::from_le_bytes(first));
    let chosen = best(&mut stream, options);
    let same = (0..DRAWS).filter(|_| best(&mut stream, options) == chosen).count();
    // It was drawn once, so it is not impossible.
    let share = (same as f64 / f64::from(DRAWS)).max(1.0 / f64::from(DRAWS));
    (chosen, share)
}

fn best(stream: &mut Stream, options: &[&Utility]) -> usize {
    let mut best = (0, f64::NEG_INFINITY);
    for (position, option) in options.iter().enumerate() {
        let works = stream.beta(option.belief.0, option.belief.1);
        let worth =
            option.cause_probability * works * option.benefit - option.cost - option.risk * option.damage;
        if worth > best.1 {
            best = (position, worth);
        }
    }
    best.0
}

/// `SplitMix64` (Steele, Lea, Flood 2014), and what is drawn from it.
struct Stream(u64);

impl Stream {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in (0, 1).
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.uniform(), self.uniform());
        (-2.0 * libm::log(radius)).sqrt() * libm::cos(std::f64::consts::TAU * angle)
    }

    /// Gamma with scale 1 (Marsaglia and Tsang 2000).
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = libm::pow(self.uniform(), 1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            if v > 0.0 && libm::log(self.uniform()) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.gamma(a), self.gamma(b));
        x / (x + y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utility;

    #[test]
    fn draws_have_the_moments_of_the_distribution() {
        for (a, b) in [(0.5, 0.5), (3.0, 2.0), (30.0, 5.0)] {
            let mut stream = Stream(7);
            let draws: Vec<f64> = (0..40_000).map(|_| stream.beta(a, b)).collect();
            let mean = draws.iter().sum::<f64>() / 40_000.0;
            let variance = draws.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 40_000.0;
            let (true_mean, true_variance) = (a / (a + b), a * b / ((a + b) * (a + b) * (a + b + 1.0)));
            assert!((mean - true_mean).abs() < 4.0 * (true_variance / 40_000.0).sqrt(), "{a} {b}: {mean}");
            assert!((variance / true_variance - 1.0).abs() < 0.05, "{a} {b}: {variance}");
        }
    }

    #[test]
    fn propensities_are_the_shares_over_incidents() {
        let good = utility::expected(0.9, (6.0, 2.0), 100.0, 5.0, 0.0, 0.0);
        let other = utility::expected(0.9, (5.0, 3.0), 100.0, 5.0, 0.0, 0.0);
        let options = [&good, &other];
        let drawn: Vec<(usize, f64)> =
            (0..2_000).map(|n| draw(&Id(format!("incident-{n}")), 0, &options)).collect();
        let share = drawn.iter().filter(|(position, _)| *position == 0).count() as f64 / 2_000.0;
        assert!(share > 0.6 && share < 0.85, "{share}");
        for (position, propensity) in &drawn {
            let expected = if *position == 0 { share } else { 1.0 - share };
            assert!((propensity - expected).abs() < 0.09, "{propensity} {expected}");
        }
        assert_eq!(draw(&Id("incident-1".to_owned()), 0, &options), drawn[1]);
        assert_eq!(draw(&Id("incident-1".to_owned()), 0, &options[..1]), (0, 1.0));
    }
}
