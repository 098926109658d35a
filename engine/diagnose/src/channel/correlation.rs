//! Who moves with the violated objective from right before the incident on.
//!
//! By Fisher's transformation `atanh(r)·√(n−3)` is normal with a standard deviation of one, around zero
//! for bystanders. Causes and victims alike are around what is expected of those who take part, so it
//! can hardly speak for a suspect, only against one.

use super::{Channel, Claim, Incident, Series, Settings, claim};

/// Fewer pairs have no distribution.
const PAIRS_MIN: usize = 4;

/// Pearson's correlation of pairs in which nothing is missing, and how many there are.
fn correlation(left: &[f64], right: &[f64]) -> Option<(f64, usize)> {
    let pairs: Vec<(f64, f64)> =
        left.iter().copied().zip(right.iter().copied()).filter(|(a, b)| !a.is_nan() && !b.is_nan()).collect();
    let count = pairs.len();
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), pair| (a + pair.0, b + pair.1));
    let (a, b) = (a / count as f64, b / count as f64);
    let sum = |term: fn(f64, f64) -> f64| pairs.iter().map(|pair| term(pair.0 - a, pair.1 - b)).sum::<f64>();
    let (aa, bb, ab) = (sum(|a, _| a * a), sum(|_, b| b * b), sum(|a, b| a * b));
    (count >= PAIRS_MIN && aa > 0.0 && bb > 0.0).then(|| ((ab / (aa * bb).sqrt()).clamp(-1.0, 1.0), count))
}

/// ln of the density at those who take part over that at victims or bystanders.
fn ratio(r: f64, pairs: usize, settings: &Settings) -> f64 {
    let root = ((pairs - 3) as f64).sqrt();
    let expected = libm::atanh(settings.correlation_expected) * root;
    // What moves exactly with it says no more than what is expected.
    let z = libm::atanh(r.clamp(-settings.correlation_expected, settings.correlation_expected)) * root;
    let bystander_over_cause = libm::exp(expected * expected / 2.0 - expected * z);
    -libm::log(settings.victim_share + (1.0 - settings.victim_share) * bystander_over_cause)
}

/// What was right before and what came then.
fn all(series: &Series) -> Vec<f64> {
    [&series.before[..], &series.during].concat()
}

pub(super) fn claims(incident: &Incident, settings: &Settings) -> Vec<Claim> {
    let Some(objective) = &incident.objective else { return Vec::new() };
    let of_part = || incident.series.iter().filter(|series| series.part == objective.part);
    let Some(target) = of_part().find(|series| series.entity == objective.entity) else { return Vec::new() };
    let mut claims = Vec::new();
    for series in of_part().filter(|series| series.entity != objective.entity) {
        let Some((r, pairs)) = correlation(&all(target), &all(series)) else { continue };
        let (entity, part) = (&series.entity, &series.part);
        let text = format!("{part} of {entity} moves with that of {} (r = {r:.2})", objective.entity);
        claims.push(claim(entity, part, Channel::Correlation, ratio(r, pairs, settings), text));
    }
    claims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_is_pearsons_and_its_ratio_is_bounded() {
        let left = [1.0, 2.0, 3.0, 4.0, f64::NAN];
        assert_eq!(correlation(&left, &[2.0, 4.0, 6.0, 8.0, 1.0]), Some((1.0, 4)));
        assert_eq!(correlation(&left, &[5.0; 5]), None);
        assert_eq!(correlation(&left[..3], &left[..3]), None);
        let settings = Settings::default();
        let at = |r: f64| ratio(r, 30, &settings);
        assert!(at(-1.0) < at(0.0) && at(0.0) < at(0.5) && at(0.5) < at(1.0));
        assert!(at(1.0) <= std::f64::consts::LN_2);
        // Half way between nothing and what is expected, after Fisher, nothing is told.
        let half = libm::tanh(libm::atanh(0.8) / 2.0);
        assert!(at(half).abs() < 1e-9);
    }
}
