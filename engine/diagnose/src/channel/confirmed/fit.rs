//! The weights that are most probable after what was confirmed: a convex problem, solved by
//! limited-memory BFGS from zero.

use std::{cmp::Ordering, collections::VecDeque};

use super::Prior;

/// An incident as numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    /// `[entities][features]`.
    pub(super) rows: Vec<Vec<f64>>,
    pub(super) cause: usize,
    pub(super) fault: usize,
}

impl Case {
    /// Any order that depends on the content only.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let (own, others) = (self.rows.iter().flatten(), other.rows.iter().flatten());
        own.zip(others)
            .map(|(a, b)| a.total_cmp(b))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.rows.len().cmp(&other.rows.len()))
    }
}

/// Steps at most; the problems at hand need less than half.
const STEPS_MAX: usize = 200;
/// Pairs of steps and changes of the gradient that are kept.
const MEMORY: usize = 10;
/// A gradient below this share of its first length is zero.
const TOLERANCE: f64 = 1e-5;

/// `[1 + faults][features + 1]`, as [`super::Model`] has them.
pub(super) fn fit(cases: &[Case], features: usize, faults: usize, prior: &Prior) -> Vec<Vec<f64>> {
    let width = features + 1;
    let objective = |weights: &[f64]| objective(cases, weights, width, prior);
    minimise(objective, vec![0.0; (1 + faults) * width]).chunks(width).map(<[f64]>::to_vec).collect()
}

/// −ln of the posterior, but for a constant, and its gradient.
fn objective(cases: &[Case], weights: &[f64], width: usize, prior: &Prior) -> (f64, Vec<f64>) {
    let (shared, of_kind) = weights.split_at(width);
    let penalty = |index: usize| if index < width { 1.0 / prior.shared } else { 1.0 / prior.of_kind };
    let mut value: f64 =
        weights.iter().enumerate().map(|(index, weight)| penalty(index) * weight * weight / 2.0).sum();
    let mut gradient: Vec<f64> =
        weights.iter().enumerate().map(|(index, weight)| penalty(index) * weight).collect();
    let kinds: Vec<&[f64]> = of_kind.chunks(width).collect();
    for case in cases {
        let mut scores: Vec<Vec<f64>> = Vec::with_capacity(case.rows.len());
        for row in &case.rows {
            let common = dot(shared, row);
            scores.push(kinds.iter().map(|kind| common + dot(kind, row) + kind[width - 1]).collect());
        }
        let true_score = scores[case.cause][case.fault];
        let top = scores.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        scores.iter_mut().flatten().for_each(|score| *score = libm::exp(*score - top));
        let total: f64 = scores.iter().flatten().sum();
        value += libm::log(total) + top - true_score;
        for (entity, (row, scores)) in case.rows.iter().zip(&scores).enumerate() {
            let mut all = 0.0;
            for (kind, score) in scores.iter().enumerate() {
                let is_true = entity == case.cause && kind == case.fault;
                let surplus = score / total - if is_true { 1.0 } else { 0.0 };
                let of_kind = &mut gradient[(1 + kind) * width..(2 + kind) * width];
                add(of_kind, surplus, row);
                of_kind[width - 1] += surplus;
                all += surplus;
            }
            add(&mut gradient[..width], all, row);
        }
    }
    (value, gradient)
}

/// The product over the elements that both have.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

/// Nocedal and Wright, algorithm 7.5, with halved steps until the value falls enough.
fn minimise(objective: impl Fn(&[f64]) -> (f64, Vec<f64>), start: Vec<f64>) -> Vec<f64> {
    let mut at = start;
    let (mut value, mut gradient) = objective(&at);
    let enough = TOLERANCE * dot(&gradient, &gradient).sqrt();
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    for _ in 0..STEPS_MAX {
        if dot(&gradient, &gradient).sqrt() <= enough {
            break;
        }
        let direction = direction(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        let first = if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt() } else { 1.0 };
        let tried =
            std::iter::successors(Some(first), |length| Some(length / 2.0)).take(40).find_map(|length| {
                let mut next = at.clone();
                add(&mut next, length, &direction);
                let (lower, gradient) = objective(&next);
                (lower <= value + 1e-4 * length * slope).then_some((next, lower, gradient))
            });
        let Some((next, lower, next_gradient)) = tried else { break };
        let mut step = next.clone();
        add(&mut step, -1.0, &at);
        let mut change = next_gradient.clone();
        add(&mut change, -1.0, &gradient);
        if dot(&step, &change) > 0.0 {
            memory.push_back((step, change));
        }
        if memory.len() > MEMORY {
            memory.pop_front();
        }
        (at, value, gradient) = (next, lower, next_gradient);
    }
    at
}

/// Down, bent by what is known of the curvature.
fn direction(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let share = dot(step, &direction) / dot(step, change);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    if let Some((step, change)) = memory.back() {
        let scale = dot(step, change) / dot(change, change);
        direction.iter_mut().for_each(|one| *one *= scale);
    }
    for ((step, change), share) in memory.iter().zip(shares.into_iter().rev()) {
        let other = dot(change, &direction) / dot(step, change);
        add(&mut direction, share - other, step);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quadratic_is_solved() {
        // Minimum of Σ i·(x_i − i)² at x_i = i.
        let objective = |at: &[f64]| {
            let terms = at.iter().enumerate().map(|(index, x)| (index as f64 + 1.0, x - index as f64 - 1.0));
            let value = terms.clone().map(|(weight, away)| weight * away * away).sum();
            (value, terms.map(|(weight, away)| 2.0 * weight * away).collect())
        };
        let found = minimise(objective, vec![0.0; 12]);
        for (index, x) in found.iter().enumerate() {
            assert!((x - index as f64 - 1.0).abs() < 1e-4, "{found:?}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let rows = vec![vec![1.0, 0.5], vec![-0.3, 2.0], vec![0.0, 0.1]];
        let cases = [Case { rows: rows.clone(), cause: 1, fault: 0 }, Case { rows, cause: 2, fault: 1 }];
        let prior = Prior::default();
        let at: Vec<f64> = (0..9).map(|index| 0.1 * f64::from(index) - 0.3).collect();
        let (_, gradient) = objective(&cases, &at, 3, &prior);
        for index in 0..9 {
            let value = |shift: f64| {
                let mut moved = at.clone();
                moved[index] += shift;
                objective(&cases, &moved, 3, &prior).0
            };
            let numeric = (value(1e-6) - value(-1e-6)) / 2e-6;
            assert!((numeric - gradient[index]).abs() < 1e-4, "{index}: {numeric} {}", gradient[index]);
        }
    }
}
