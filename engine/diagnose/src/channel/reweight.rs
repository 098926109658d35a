//! Confirmed causes re-weight the channels: what each says is multiplied with a weight, which is 1 until
//! something is learnt.
//!
//! The channels' ratios are added as if they were independent and right. Where two tell the same twice, or
//! one promises more than it holds in this system, the sum is too sure. So the odds of a suspect are taken
//! as `Σ w_c · r_c`, and each incident whose cause was confirmed moves the weights `w` to what makes that
//! cause probable, against what is known of them so far: a normal distribution around 1, then around what
//! was learnt. One incident is one step (a maximum of the posterior by Newton's method, then its curvature
//! as the next prior: Laplace's approximation), so nothing is kept of it but the weights and how sure they
//! are, and the same incidents in the same order give the same weights, bit for bit.
//!
//! A weight is never negative, for a channel that speaks for a suspect does not speak against it; one
//! that misleads is not heard. The weights are a fact like another: [`Weights::to_json`] is what is to be
//! kept of each version, and an earlier version is gone back to by reading it again.

use serde::{Deserialize, Serialize};
use theriac_contract::Entity;

use super::Claim;
use crate::weighing::{Weighed, weigh};

/// Channels that are learnt of at most; others keep weight 1.
pub const CHANNELS_MAX: usize = 64;

/// How sure it is beforehand that a weight is 1: half of it more or less is one standard deviation, so
/// that a channel may well be worth nothing, or twice as much.
const PRECISION: f64 = 4.0;

/// Steps of Newton's method at most; a few are enough.
const STEPS_MAX: usize = 50;
/// A step that is shorter than this is none.
const STEP_MIN: f64 = 1e-12;

/// Why weights cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// It is no JSON, or lacks a field.
    #[error("weights of channels: {0}; expected what `Weights::to_json` gave")]
    Malformed(#[from] serde_json::Error),
    /// A field does not go with the others.
    #[error("weights of channels: `{field}` {reason}; go back to an earlier version")]
    Wrong {
        /// Which.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// Weights of channels with how sure they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// How many causes they were learnt from.
    confirmed: u64,
    /// Channels by name, in order.
    channels: Vec<String>,
    /// Of each.
    weights: Vec<f64>,
    /// The precision of all together, row by row.
    precision: Vec<f64>,
}

/// An incident as numbers: for each suspect what it says beside the channels, and of each channel.
struct Numbers {
    /// Whether it is the confirmed cause, what is said of it, and what does not depend on the weights.
    suspects: Vec<(bool, Vec<f64>, f64)>,
}

impl Weights {
    /// How many causes they were learnt from: the version.
    #[must_use]
    pub const fn confirmed(&self) -> u64 {
        self.confirmed
    }

    /// Of a channel; 1 if nothing was learnt of it.
    #[must_use]
    pub fn of(&self, channel: &str) -> f64 {
        self.place(channel).map_or(1.0, |place| self.weights[place])
    }

    /// Channels that something was learnt of, by name, with their weights and the standard deviation
    /// within which each is known if the others are.
    pub fn weights(&self) -> impl Iterator<Item = (&str, f64, f64)> {
        let width = self.channels.len();
        (0..width).map(move |at| {
            let deviation = 1.0 / self.precision[at * width + at].sqrt();
            (self.channels[at].as_str(), self.weights[at], deviation)
        })
    }

    fn place(&self, channel: &str) -> Option<usize> {
        self.channels.binary_search_by(|known| known.as_str().cmp(channel)).ok()
    }

    /// The claims as they are to be heard.
    #[must_use]
    pub fn heard(&self, claims: &[Claim]) -> Vec<Claim> {
        let mut heard = claims.to_vec();
        for (_, evidence) in &mut heard {
            evidence.log_likelihood_ratio *= self.of(&evidence.channel);
        }
        heard
    }

    /// [`weigh`], with these weights.
    #[must_use]
    pub fn weigh(&self, claims: &[Claim], unknown_log_odds: f64) -> Vec<Weighed> {
        weigh(&self.heard(claims), unknown_log_odds)
    }

    /// Learns from one incident what its confirmed cause tells; `None` if it was none of those that
    /// something was said of. An incident with nothing to choose between teaches nothing.
    pub fn update(&mut self, cause: Option<&Entity>, claims: &[Claim], unknown_log_odds: f64) {
        let weighed = weigh(claims, unknown_log_odds);
        for evidence in weighed.iter().flat_map(|one| &one.evidence) {
            self.meet(&evidence.channel);
        }
        let numbers = Numbers::of(self, cause, &weighed, unknown_log_odds);
        let causes = numbers.suspects.iter().filter(|one| one.0).count();
        self.confirmed += 1;
        if causes == 0 || causes == numbers.suspects.len() || self.channels.is_empty() {
            return;
        }
        let prior = self.weights.clone();
        self.weights = numbers.maximum(&prior, &self.precision);
        let (_, _, curvature) = numbers.likelihood(&self.weights);
        self.precision.iter_mut().zip(curvature).for_each(|(known, more)| *known += more);
    }

    /// Makes room for a channel.
    fn meet(&mut self, channel: &str) {
        let Err(place) = self.channels.binary_search_by(|known| known.as_str().cmp(channel)) else { return };
        let width = self.channels.len();
        if width == CHANNELS_MAX {
            return;
        }
        self.channels.insert(place, channel.to_owned());
        self.weights.insert(place, 1.0);
        let mut precision = Vec::with_capacity((width + 1) * (width + 1));
        let old = |at: usize| at.checked_sub(1).filter(|_| at > place).or((at < place).then_some(at));
        for row in 0..=width {
            for column in 0..=width {
                precision.push(match (old(row), old(column)) {
                    (Some(row), Some(column)) => self.precision[row * width + column],
                    _ if row == column => PRECISION,
                    _ => 0.0,
                });
            }
        }
        self.precision = precision;
    }

    /// As it is kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] gave.
    ///
    /// # Errors
    /// If it is something else.
    pub fn from_json(text: &str) -> Result<Self, WeightsError> {
        let read: Self = serde_json::from_str(text)?;
        let width = read.channels.len();
        let wrong = |field, reason: String| Err(WeightsError::Wrong { field, reason });
        if width > CHANNELS_MAX || !read.channels.is_sorted_by(|a, b| a < b) {
            return wrong("channels", format!("should be at most {CHANNELS_MAX}, in order, each once"));
        }
        if read.weights.len() != width || !read.weights.iter().all(|one| one.is_finite() && *one >= 0.0) {
            return wrong("weights", format!("should be {width} numbers, none below 0"));
        }
        if read.precision.len() != width * width || !read.precision.iter().all(|one| one.is_finite()) {
            return wrong("precision", format!("should be {width} rows of {width} numbers"));
        }
        if solve(&read.precision, &vec![0.0; width]).is_none() {
            return wrong("precision", "should be positive definite".to_owned());
        }
        Ok(read)
    }
}

impl Numbers {
    fn of(weights: &Weights, cause: Option<&Entity>, weighed: &[Weighed], unknown: f64) -> Self {
        let listed = |one: &Weighed| one.suspect.as_ref().map(|suspect| &suspect.entity) == cause;
        // What nothing was said of is one of the unknown.
        let known = weighed.iter().any(listed);
        let suspects = weighed.iter().map(|one| {
            let mut said = vec![0.0; weights.channels.len()];
            let mut rest = if one.suspect.is_none() { unknown } else { 0.0 };
            for evidence in &one.evidence {
                match weights.place(&evidence.channel) {
                    Some(place) => said[place] += evidence.log_likelihood_ratio,
                    None => rest += evidence.log_likelihood_ratio,
                }
            }
            let is_cause = if known { listed(one) } else { one.suspect.is_none() };
            (is_cause, said, rest)
        });
        Self { suspects: suspects.collect() }
    }

    /// ln of the probability of the confirmed cause, its gradient, and a bound of its curvature from
    /// above: the covariance of what is said of all suspects.
    fn likelihood(&self, weights: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let odds: Vec<f64> = self.suspects.iter().map(|(_, said, rest)| rest + dot(weights, said)).collect();
        let top = odds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = odds.iter().map(|one| libm::exp(one - top)).collect();
        let all: f64 = shares.iter().sum();
        let mut own = 0.0;
        let width = weights.len();
        let (mut of_cause, mut of_all) = (vec![0.0; width], vec![0.0; width]);
        for ((is_cause, said, _), share) in self.suspects.iter().zip(&shares) {
            add(&mut of_all, share / all, said);
            if *is_cause {
                own += share;
                add(&mut of_cause, *share, said);
            }
        }
        if own <= 0.0 {
            // Too improbable for numbers: what is said of the likeliest of them.
            let causes = || self.suspects.iter().zip(&odds).filter(|((is_cause, ..), _)| *is_cause);
            if let Some(((_, said, _), odds)) = causes().max_by(|a, b| a.1.total_cmp(b.1)) {
                let gradient = said.iter().zip(&of_all).map(|(own, all)| own - all).collect();
                return (odds - top - libm::log(all), gradient, self.covariance(&shares, all, &of_all));
            }
        }
        of_cause.iter_mut().for_each(|one| *one /= own);
        let gradient = of_cause.iter().zip(&of_all).map(|(own, all)| own - all).collect();
        (libm::log(own / all), gradient, self.covariance(&shares, all, &of_all))
    }

    fn covariance(&self, shares: &[f64], all: f64, mean: &[f64]) -> Vec<f64> {
        let width = mean.len();
        let mut covariance = vec![0.0; width * width];
        for ((_, said, _), share) in self.suspects.iter().zip(shares) {
            for row in 0..width {
                let away = share / all * (said[row] - mean[row]);
                for column in 0..width {
                    covariance[row * width + column] += away * (said[column] - mean[column]);
                }
            }
        }
        covariance
    }

    /// The weights that are most probable after this incident.
    fn maximum(&self, prior: &[f64], precision: &[f64]) -> Vec<f64> {
        let width = prior.len();
        let posterior = |weights: &[f64]| {
            let away: Vec<f64> = weights.iter().zip(prior).map(|(now, then)| now - then).collect();
            let pull: Vec<f64> =
                (0..width).map(|row| dot(&precision[row * width..(row + 1) * width], &away)).collect();
            let (likelihood, mut gradient, mut curvature) = self.likelihood(weights);
            gradient.iter_mut().zip(&pull).for_each(|(slope, pull)| *slope -= pull);
            curvature.iter_mut().zip(precision).for_each(|(sum, known)| *sum += known);
            (likelihood - dot(&away, &pull) / 2.0, gradient, curvature)
        };
        let mut at = prior.to_vec();
        let (mut value, mut gradient, mut curvature) = posterior(&at);
        for _ in 0..STEPS_MAX {
            let Some(step) = solve(&curvature, &gradient) else { break };
            let tried =
                std::iter::successors(Some(1.0), |length| Some(length / 2.0)).take(40).find_map(|length| {
                    let next: Vec<f64> =
                        at.iter().zip(&step).map(|(at, step)| (at + length * step).max(0.0)).collect();
                    let (higher, gradient, curvature) = posterior(&next);
                    (higher > value).then_some((next, higher, gradient, curvature))
                });
            let Some((next, higher, next_gradient, next_curvature)) = tried else { break };
            let moved = next.iter().zip(&at).map(|(next, at)| (next - at).abs()).fold(0.0, f64::max);
            (at, value, gradient, curvature) = (next, higher, next_gradient, next_curvature);
            if moved < STEP_MIN {
                break;
            }
        }
        at
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

/// The solution of a symmetric system (Cholesky); none if it is not positive definite.
fn solve(matrix: &[f64], right: &[f64]) -> Option<Vec<f64>> {
    let width = right.len();
    let mut lower = vec![0.0; width * width];
    for row in 0..width {
        for column in 0..=row {
            let done: f64 = (0..column).map(|at| lower[row * width + at] * lower[column * width + at]).sum();
            let rest = matrix[row * width + column] - done;
            if row == column {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                lower[row * width + row] = rest.sqrt();
            } else {
                lower[row * width + column] = rest / lower[column * width + column];
            }
        }
    }
    let mut solution = right.to_vec();
    for row in 0..width {
        let done: f64 = (0..row).map(|at| lower[row * width + at] * solution[at]).sum();
        solution[row] = (solution[row] - done) / lower[row * width + row];
    }
    for row in (0..width).rev() {
        let done: f64 = (row + 1..width).map(|at| lower[at * width + row] * solution[at]).sum();
        solution[row] = (solution[row] - done) / lower[row * width + row];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use theriac_contract::Evidence;

    use super::*;
    use crate::weighing::Suspect;

    fn claim(entity: &str, channel: &str, ratio: f64) -> Claim {
        let suspect = Suspect { entity: Entity(entity.to_owned()), part: String::new() };
        let (channel, text) = (channel.to_owned(), String::new());
        (suspect, Evidence { channel, log_likelihood_ratio: ratio, text, symptoms: Vec::new() })
    }

    fn entity(name: &str) -> Entity {
        Entity(name.to_owned())
    }

    #[test]
    fn before_anything_is_confirmed_all_is_as_it_was() {
        let claims = [claim("a", "x", 2.0), claim("b", "y", 1.0)];
        assert_eq!(Weights::default().weigh(&claims, 0.5), weigh(&claims, 0.5));
        assert_eq!((Weights::default().of("x"), Weights::default().confirmed()), (1.0, 0));
    }

    #[test]
    fn one_incident_moves_a_weight_to_where_the_posterior_is_flat() {
        // One suspect with ratio r against an unknown of 1: the probability is σ(w·r), and the maximum
        // is where precision · (w − 1) is its slope, r·(1 − σ) for a confirmed one, −r·σ for another.
        let sigmoid = |x: f64| 1.0 / (1.0 + libm::exp(-x));
        for ratio in [0.5, 2.0, 6.0] {
            let claims = [claim("a", "x", ratio)];
            let mut weights = Weights::default();
            weights.update(Some(&entity("a")), &claims, 0.0);
            let w = weights.of("x");
            assert!((PRECISION * (w - 1.0) - ratio * (1.0 - sigmoid(w * ratio))).abs() < 1e-6, "{w}");
            let mut weights = Weights::default();
            weights.update(None, &claims, 0.0);
            let w = weights.of("x");
            assert!((PRECISION * (w - 1.0) + ratio * sigmoid(w * ratio)).abs() < 1e-6, "{w}");
            // The curvature there is what more is known.
            let (_, _, deviation) = weights.weights().next().expect("it is known");
            let p = sigmoid(w * ratio);
            let expected = 1.0 / (PRECISION + ratio * ratio * p * (1.0 - p)).sqrt();
            assert!((deviation - expected).abs() < 1e-9, "{deviation} {expected}");
        }
    }

    #[test]
    fn what_misleads_is_heard_less_and_never_turned_round() {
        let mut weights = Weights::default();
        for _ in 0..50 {
            let claims = [claim("a", "right", 2.0), claim("b", "wrong", 4.0), claim("a", "idle", 0.0)];
            weights.update(Some(&entity("a")), &claims, 0.0);
        }
        let (right, wrong) = (weights.of("right"), weights.of("wrong"));
        assert!(right > 1.2 && (0.0..0.5).contains(&wrong), "{right} {wrong}");
        assert_eq!((weights.of("idle"), weights.of("never met"), weights.confirmed()), (1.0, 1.0, 50));
        let weighed = weights.weigh(&[claim("a", "right", 2.0), claim("b", "wrong", 4.0)], 0.0);
        assert_eq!(weighed[0].suspect.as_ref().map(|one| one.entity.0.as_str()), Some("a"));
    }

    #[test]
    fn two_channels_that_tell_the_same_share_what_is_learnt() {
        let mut weights = Weights::default();
        for step in 0..40 {
            let claims = [claim("a", "x", 3.0), claim("a", "y", 3.0), claim("b", "z", 1.0)];
            let cause = if step % 2 == 0 { "a" } else { "b" };
            weights.update(Some(&entity(cause)), &claims, 0.0);
        }
        assert!((weights.of("x") - weights.of("y")).abs() < 1e-9);
        assert!(weights.of("x") < 0.6, "{}", weights.of("x"));
    }

    #[test]
    fn a_version_can_be_gone_back_to() {
        let incident =
            |n: u64| [claim("a", "x", n as f64 % 3.0), claim("b", "x", 1.0), claim("b", "y", n as f64 % 2.0)];
        let mut weights = Weights::default();
        let mut versions = Vec::new();
        for n in 0..20 {
            weights.update(Some(&entity(if n % 3 == 0 { "b" } else { "a" })), &incident(n), 0.0);
            versions.push(weights.to_json());
        }
        let mut again = Weights::from_json(&versions[9]).expect("it was given");
        assert_eq!(again.confirmed(), 10);
        for n in 10..20 {
            again.update(Some(&entity(if n % 3 == 0 { "b" } else { "a" })), &incident(n), 0.0);
        }
        assert_eq!(again, weights);
    }

    #[test]
    fn what_is_no_version_is_told() {
        for (text, expected) in [
            ("{", "EOF"),
            (r#"{"confirmed":0,"channels":["b","a"],"weights":[1,1],"precision":[4,0,0,4]}"#, "`channels`"),
            (r#"{"confirmed":0,"channels":["a"],"weights":[-1],"precision":[4]}"#, "`weights`"),
            (r#"{"confirmed":0,"channels":["a"],"weights":[1],"precision":[4,4]}"#, "`precision`"),
            (r#"{"confirmed":0,"channels":["a"],"weights":[1],"precision":[-4]}"#, "positive definite"),
        ] {
            let error = Weights::from_json(text).expect_err("it is wrong").to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn room_is_bounded() {
        let mut weights = Weights::default();
        let claims: Vec<Claim> = (0..100).map(|n| claim("a", &format!("channel {n:03}"), 0.1)).collect();
        weights.update(Some(&entity("a")), &claims, 0.0);
        assert_eq!(weights.weights().count(), CHANNELS_MAX);
        assert_eq!(weights.of("channel 099"), 1.0);
    }
}
