//! Ranked correlation and traversal as the authors released them: both look at the series of the
//! target's metric and statistic only, and share a gate that says which nodes are anomalous.

use std::collections::{BTreeMap, BTreeSet};

use super::{FIRST_ROW, Issue, Scenario};
use crate::ranking::{Ranked, sort};

/// The median absolute deviation of a normal distribution with a standard deviation of one.
const MAD_OF_NORMAL: f64 = 0.674_490;
/// More scaled deviations than this are an anomaly.
const LIMIT: f64 = 5.0;
/// Fewer rows than this in the fault-free period, and a node is never anomalous.
const ROWS_MIN: usize = 10;

/// Anomalous nodes with their scores, in the first row after the trigger in which the target is one.
fn anomalous<'a>(scenario: &'a Scenario, issue: &Issue) -> BTreeMap<&'a str, f64> {
    let target = &issue.target;
    let mut scores: BTreeMap<&str, Vec<Option<f64>>> = BTreeMap::new();
    for node in &scenario.nodes {
        let series = |metrics: &'a super::Metrics| metrics.get(node, &target.metric, &target.statistic);
        let (Some(normal), Some(values)) =
            (series(&scenario.normal), issue.metrics.get(node, &target.metric, &target.statistic))
        else {
            continue;
        };
        let normal: Vec<f64> = normal.iter().copied().filter(|value| !value.is_nan()).collect();
        if normal.len() >= ROWS_MIN {
            scores.insert(node, values.iter().map(|value| excess(&normal, *value)).collect());
        }
    }
    let Some(of_target) = scores.get(target.node.as_str()) else { return BTreeMap::new() };
    let Some(row) = (FIRST_ROW..of_target.len()).find(|row| of_target[*row].is_some()) else {
        return BTreeMap::new();
    };
    scores.into_iter().filter_map(|(node, rows)| Some((node, rows[row]?))).collect()
}

/// The score of a value, if it is over the limit.
fn excess(normal: &[f64], value: f64) -> Option<f64> {
    if value.is_nan() {
        return None;
    }
    let mean = normal.iter().sum::<f64>() / normal.len() as f64;
    if normal.iter().all(|one| *one == normal[0]) {
        let score = (value - mean).abs();
        return (score > 0.0).then_some(score);
    }
    let centre = median(normal);
    let deviations: Vec<f64> = normal.iter().map(|one| (one - centre).abs()).collect();
    let score = (value - centre).abs() / (median(&deviations) / MAD_OF_NORMAL);
    (score > LIMIT).then_some(score)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

/// Anomalous nodes by the p-value of their correlation with the target over the rows of the issue,
/// the least first; the score is its negative.
#[must_use]
pub fn ranked_correlation(scenario: &Scenario, issue: &Issue) -> Vec<Ranked> {
    let target = &issue.target;
    let series = |node: &str| issue.metrics.get(node, &target.metric, &target.statistic);
    let mut ranking = Vec::new();
    let found = anomalous(scenario, issue);
    let others = scenario.nodes.iter().filter(|node| **node != target.node);
    for node in others.filter(|node| found.contains_key(node.as_str())) {
        let (Some(of_target), Some(of_node)) = (series(&target.node), series(node)) else { continue };
        let pairs: Vec<(f64, f64)> = of_target.iter().copied().zip(of_node.iter().copied()).collect();
        if let Some(p) = p_of_correlation(&pairs) {
            ranking.push(Ranked { name: node.clone(), score: -p });
        }
    }
    sort(&mut ranking);
    ranking
}

/// The two-sided p-value of Pearson's correlation. None below two pairs, or if one side is constant.
fn p_of_correlation(pairs: &[(f64, f64)]) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = pairs.iter().copied().filter(|(a, b)| !a.is_nan() && !b.is_nan()).collect();
    let rows = pairs.len();
    if rows < 2 {
        return None;
    }
    let mean = |side: fn(&(f64, f64)) -> f64| pairs.iter().map(side).sum::<f64>() / rows as f64;
    let (left, right) = (mean(|pair| pair.0), mean(|pair| pair.1));
    let sum = |term: &dyn Fn(f64, f64) -> f64| -> f64 {
        pairs.iter().map(|(a, b)| term(a - left, b - right)).sum()
    };
    let (aa, bb, ab) = (sum(&|a, _| a * a), sum(&|_, b| b * b), sum(&|a, b| a * b));
    if aa == 0.0 || bb == 0.0 {
        return None;
    }
    let r = (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0);
    // Two points are always on a line.
    (rows > 2).then(|| student_two_sided(r, rows - 2)).or(Some(1.0))
}

/// Chance of a correlation at least as far from zero, with so many degrees of freedom: Student's
/// distribution at `r·√(ν/(1−r²))`, as the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
fn student_two_sided(r: f64, freedom: usize) -> f64 {
    let (sine, cosine) = (r.abs(), (1.0 - r * r).sqrt());
    let odd = freedom % 2 == 1;
    let mut term = if odd { cosine } else { 1.0 };
    let mut sum = 0.0;
    let mut power = if odd { 1 } else { 0 };
    while power + 2 <= freedom {
        sum += term;
        let next = power + 2;
        term *= cosine * cosine * (next - 1) as f64 / next as f64;
        power = next;
    }
    let inside =
        if odd { (libm::atan2(sine, cosine) + sine * sum) * std::f64::consts::FRAC_2_PI } else { sine * sum };
    1.0 - inside
}

/// Anomalous nodes with no anomalous callee that reach the target through anomalous nodes only, by the
/// largest sum of scores on a way there. Where all scores are infinite, all are equal.
#[must_use]
pub fn traversal(scenario: &Scenario, issue: &Issue) -> Vec<Ranked> {
    let found = anomalous(scenario, issue);
    let mut callees: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (caller, callee) in &scenario.calls {
        if found.contains_key(callee.as_str()) {
            callees.entry(caller).or_default().push(callee);
        }
    }
    let mut best = BTreeMap::new();
    if found.contains_key(issue.target.node.as_str()) {
        walk(&issue.target.node, 0.0, &found, &callees, &mut BTreeSet::new(), &mut best);
    }
    let mut ranking: Vec<Ranked> =
        best.into_iter().map(|(name, score)| Ranked { name: name.to_owned(), score }).collect();
    sort(&mut ranking);
    ranking
}

/// Goes down every way without a loop.
fn walk<'a>(
    node: &'a str,
    before: f64,
    scores: &BTreeMap<&str, f64>,
    callees: &BTreeMap<&str, Vec<&'a str>>,
    way: &mut BTreeSet<&'a str>,
    best: &mut BTreeMap<&'a str, f64>,
) {
    let sum = before + scores.get(node).copied().unwrap_or_default();
    match callees.get(node) {
        None => {
            let highest = best.entry(node).or_insert(sum);
            *highest = highest.max(sum);
        }
        Some(below) => {
            way.insert(node);
            for callee in below.iter().filter(|callee| **callee != node) {
                if !way.contains(callee) {
                    walk(callee, sum, scores, callees, way, best);
                }
            }
            way.remove(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_are_those_of_closed_forms() {
        // One degree of freedom is Cauchy's: 2/π·acos r. Two: 1 − r. Four: 1 − (3r − r³)/2.
        for r in [0.0, 0.3, 0.8, 1.0_f64] {
            let cauchy = libm::acos(r) * std::f64::consts::FRAC_2_PI;
            assert!((student_two_sided(r, 1) - cauchy).abs() < 1e-12);
            assert!((student_two_sided(-r, 2) - (1.0 - r)).abs() < 1e-12);
            assert!((student_two_sided(r, 4) - (1.0 - (3.0 * r - r * r * r) / 2.0)).abs() < 1e-12);
            // Three: 2/π·(acos r − r·√(1−r²)).
            let three = (libm::acos(r) - r * (1.0 - r * r).sqrt()) * std::f64::consts::FRAC_2_PI;
            assert!((student_two_sided(r, 3) - three).abs() < 1e-12);
        }
        assert_eq!(p_of_correlation(&[(1.0, 2.0), (2.0, 3.0), (f64::NAN, 1.0)]), Some(1.0));
        assert_eq!(p_of_correlation(&[(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]), None);
    }

    #[test]
    fn the_gate_knows_constant_and_noisy_series() {
        assert_eq!(excess(&[100.0; 12], 99.0), Some(1.0));
        assert_eq!(excess(&[100.0; 12], 100.0), None);
        let noisy: Vec<f64> = (0..11).map(f64::from).collect();
        // Median 5, median absolute deviation 3.
        assert_eq!(excess(&noisy, 5.0 + 3.0 / MAD_OF_NORMAL * 4.9), None);
        assert!(
            excess(&noisy, 5.0 + 3.0 / MAD_OF_NORMAL * 5.1).is_some_and(|score| (score - 5.1).abs() < 1e-9)
        );
    }
}
