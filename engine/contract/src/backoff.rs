//! The wait before another attempt.

use crate::{id::Id, plan::Retry, time::Interval};

impl Retry {
    /// How long to wait after `attempt` (from 1) failed: exponential with a cap, minus a draw
    /// that is a function of the idempotency key and the attempt, so that many steps that
    /// failed together do not come back together, yet every run waits the same.
    #[must_use]
    pub fn wait(&self, key: &Id, attempt: u32) -> Interval {
        let longest = self.backoff_max.0.max(0) as f64;
        let mut nanos = self.backoff.0.max(0) as f64;
        for _ in 1..attempt {
            if nanos >= longest {
                break;
            }
            nanos *= self.factor.max(1.0);
        }
        let jitter = self.jitter.clamp(0.0, 1.0);
        Interval((nanos.min(longest) * (1.0 - jitter * draw(key, attempt))) as i64)
    }
}

/// Uniform in 0..1 with 52 bits, from the hash of key and attempt.
fn draw(key: &Id, attempt: u32) -> f64 {
    let attempt = attempt.to_string();
    let id = Id::derive("backoff", &[key.as_str(), attempt.as_str()]);
    let digits = id.as_str().trim_start_matches("backoff-").get(..13).unwrap_or("0");
    u64::from_str_radix(digits, 16).unwrap_or(0) as f64 / (1_u64 << 52) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Id {
        Id::derive("step", &[n.to_string()])
    }

    #[test]
    fn grows_to_the_cap_without_jitter() {
        let retry = Retry { jitter: 0.0, ..Retry::default() };
        let seconds: Vec<f64> = (1..=7).map(|n| retry.wait(&key(0), n).as_seconds()).collect();
        assert_eq!(seconds, [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]);
    }

    #[test]
    fn takes_off_a_uniform_share() {
        let retry = Retry { jitter: 0.5, ..Retry::default() };
        let waits: Vec<f64> = (0..4000).map(|n| retry.wait(&key(n), 1).as_seconds()).collect();
        assert!(waits.iter().all(|w| (0.5..=1.0).contains(w)));
        // Uniform on 0.5..1: mean 0.75, standard error 0.5 / sqrt(12 * 4000) = 0.0023.
        let mean = waits.iter().sum::<f64>() / 4000.0;
        assert!((mean - 0.75).abs() < 0.0092, "mean {mean}");
        assert_eq!(retry.wait(&key(1), 1), retry.wait(&key(1), 1));
        assert_ne!(retry.wait(&key(1), 1), retry.wait(&key(2), 1));
    }

    #[test]
    fn bears_senseless_settings() {
        for factor in [f64::NAN, -3.0, f64::INFINITY] {
            let retry = Retry { factor, jitter: f64::NAN, backoff: Interval(-1), ..Retry::default() };
            assert!(retry.wait(&key(0), 9).0 >= 0);
        }
    }
}
