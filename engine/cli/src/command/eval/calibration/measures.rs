//! Measures of probabilities, and the temperature under which they fit best.

use theriac_diagnose::channel::reweight::Weights;

use super::told::{Answer, Told};

/// Bins of equal width.
pub(in crate::command) const BINS: usize = 10;
/// A probability below this counts as this: log losses stay finite.
const PROBABILITY_MIN: f64 = 1e-6;
/// Temperatures that are considered.
pub(super) const TEMPERATURE_RANGE: (f64, f64) = (0.1, 10.0);

/// Answers of some cases.
pub(in crate::command) struct Judged(Vec<Answer>);

impl Judged {
    pub(in crate::command) const fn of(answers: Vec<Answer>) -> Self {
        Self(answers)
    }

    pub(in crate::command) const fn cases(&self) -> usize {
        self.0.len()
    }

    fn mean(&self, value: impl Fn(&Answer) -> f64) -> f64 {
        self.0.iter().map(value).sum::<f64>() / self.0.len().max(1) as f64
    }

    /// Share that is right.
    pub(in crate::command) fn right(&self) -> f64 {
        self.mean(|one| f64::from(u8::from(one.right)))
    }

    /// Mean probability of what is named first.
    pub(in crate::command) fn sure(&self) -> f64 {
        self.mean(|one| one.sure)
    }

    /// Mean of (probability of what is named first − whether it is right)².
    pub(in crate::command) fn brier(&self) -> f64 {
        self.mean(|one| {
            let away = one.sure - f64::from(u8::from(one.right));
            away * away
        })
    }

    /// Mean of −ln of the probability of the truth.
    pub(super) fn log_loss(&self) -> f64 {
        self.mean(|one| -libm::log(one.truth.max(PROBABILITY_MIN)))
    }

    /// For each bin of probabilities: cases, their mean probability, the share that is right.
    pub(in crate::command) fn bins(&self) -> [(usize, f64, f64); BINS] {
        let mut bins = [(0, 0.0, 0.0); BINS];
        for one in &self.0 {
            let bin = &mut bins[((one.sure * BINS as f64) as usize).min(BINS - 1)];
            bin.0 += 1;
            bin.1 += one.sure;
            bin.2 += f64::from(u8::from(one.right));
        }
        for (cases, sure, right) in &mut bins {
            let count = (*cases).max(1) as f64;
            *sure /= count;
            *right /= count;
        }
        bins
    }

    /// Expected calibration error: |mean probability − share that is right|, a mean over bins weighted by
    /// their cases.
    pub(in crate::command) fn calibration_error(&self) -> f64 {
        let away = |(cases, sure, right): (usize, f64, f64)| cases as f64 * (sure - right).abs();
        self.bins().into_iter().map(away).sum::<f64>() / self.0.len().max(1) as f64
    }
}

/// The temperature under which true causes are most probable, each data set counting the same. Beforehand
/// its logarithm is normal around 0 with a standard deviation of one, and that counts like one case of
/// each set of a hundred.
pub(super) fn temperature(cases: &[&Told]) -> f64 {
    const SEARCH_STEPS: usize = 60;
    let untaught = Weights::default();
    let loss = |logarithm: f64| {
        let temperature = libm::exp(logarithm);
        let mut of_set: std::collections::BTreeMap<&str, (f64, f64)> = std::collections::BTreeMap::new();
        for case in cases {
            let sum = of_set.entry(case.set).or_default();
            sum.0 -= libm::log(case.answer(&untaught, temperature).truth.max(PROBABILITY_MIN));
            sum.1 += 1.0;
        }
        let means: f64 = of_set.values().map(|(loss, count)| loss / count).sum();
        means / of_set.len().max(1) as f64 + 0.01 * logarithm * logarithm / 2.0
    };
    // Golden section: the loss falls and rises once.
    let golden = f64::midpoint(5.0_f64.sqrt(), -1.0);
    let (mut low, mut high) = (libm::log(TEMPERATURE_RANGE.0), libm::log(TEMPERATURE_RANGE.1));
    let place = |low: f64, high: f64, share: f64| low + share * (high - low);
    let (mut left, mut right) = (place(low, high, 1.0 - golden), place(low, high, golden));
    let (mut at_left, mut at_right) = (loss(left), loss(right));
    for _ in 0..SEARCH_STEPS {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = place(low, high, 1.0 - golden);
            at_left = loss(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = place(low, high, golden);
            at_right = loss(right);
        }
    }
    libm::exp(f64::midpoint(low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(sure: f64, right: bool) -> Answer {
        Answer { right, sure, truth: if right { sure } else { (1.0 - sure) / 2.0 } }
    }

    #[test]
    fn measures_are_those_of_closed_forms() {
        // Ten answers at 0.85, of which eight are right; two at 0.25, one right.
        let mut answers: Vec<Answer> = (0..10).map(|n| answer(0.85, n < 8)).collect();
        answers.extend([answer(0.25, true), answer(0.25, false)]);
        let judged = Judged::of(answers);
        assert!((judged.right() - 0.75).abs() < 1e-12 && (judged.sure() - 0.75).abs() < 1e-12);
        assert!((judged.calibration_error() - (10.0 * 0.05 + 2.0 * 0.25) / 12.0).abs() < 1e-12);
        let brier =
            (8.0 * 0.15_f64.powi(2) + 2.0 * 0.85_f64.powi(2) + 0.75_f64.powi(2) + 0.25_f64.powi(2)) / 12.0;
        assert!((judged.brier() - brier).abs() < 1e-12);
        assert_eq!(judged.bins()[8].0, 10);
        assert_eq!(Judged::of(Vec::new()).calibration_error(), 0.0);
    }

    #[test]
    fn the_temperature_of_odds_that_are_twice_as_large_as_they_should_be_is_two() {
        use theriac_contract::{Entity, Evidence};
        use theriac_diagnose::weighing::Suspect;
        // One suspect at log odds 2·ln 4 against an unknown of 1 that is right in four of five.
        let told = |n: u32| {
            let suspect = Suspect { entity: Entity("a".to_owned()), part: String::new() };
            let (channel, text) = ("x".to_owned(), String::new());
            let ratio = 2.0 * libm::log(4.0);
            let evidence = Evidence { channel, log_likelihood_ratio: ratio, text, symptoms: Vec::new() };
            Told {
                set: "one",
                case: n.to_string(),
                truth: if n.is_multiple_of(5) { "none" } else { "a" }.to_owned(),
                otherwise: Some("none".to_owned()),
                claims: vec![(suspect, evidence)],
                unknown: 0.0,
            }
        };
        let cases: Vec<Told> = (0..50).map(told).collect();
        let found = temperature(&cases.iter().collect::<Vec<_>>());
        assert!((found - 2.0).abs() < 0.1, "{found}");
    }
}
