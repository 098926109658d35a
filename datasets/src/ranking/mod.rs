//! Scores of rankings of possible causes, as all evaluations of diagnosis share them.
//!
//! | name here | elsewhere |
//! |---|---|
//! | [`accuracy`] | AC@k, HR@k, AS@k, top-k recall |
//! | [`average_accuracy`] | Avg@k |
//! | [`reciprocal`] | MRR@k |
//!
//! Each case has one true cause. The denominator is always the number of cases: an empty answer, or
//! one that lacks the truth, is a miss.

use std::collections::BTreeMap;

use crate::random::Stream;

/// How often cases are drawn again for an interval: the ends of a 95 % interval then rest on 50
/// draws each.
const DRAWS: usize = 2_000;

/// One entry of a ranking.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// What is accused.
    pub name: String,
    /// How strongly; only the order and equality count.
    pub score: f64,
}

/// What was answered to one case.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which case.
    pub case: String,
    /// The true cause.
    pub truth: String,
    /// Best first (see [`sort`]), each name once.
    pub ranking: Vec<Ranked>,
    /// How many could have been accused, for the level of chance.
    pub candidates: usize,
}

impl Answer {
    /// The place of the truth, from 1. Among equal scores the last place counts: an answer that cannot
    /// tell has not told.
    #[must_use]
    pub fn rank(&self) -> Option<usize> {
        let score = self.ranking.iter().find(|one| one.name == self.truth)?.score;
        self.ranking.iter().rposition(|one| one.score.total_cmp(&score).is_eq()).map(|place| place + 1)
    }

    /// The place of the truth, from 1, in the order as it is: for results that were published without
    /// regard to ties.
    #[must_use]
    pub fn rank_as_listed(&self) -> Option<usize> {
        self.ranking.iter().position(|one| one.name == self.truth).map(|place| place + 1)
    }

    /// What is accused first.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.ranking.first().map(|one| one.name.as_str())
    }
}

/// Puts the highest score first; equal scores stay in their order.
pub fn sort(ranking: &mut [Ranked]) {
    ranking.sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Share of cases with the truth among the first `k`. Zero without cases.
#[must_use]
pub fn accuracy(ranks: &[Option<usize>], k: usize) -> f64 {
    mean(ranks, |rank| if rank <= k { 1.0 } else { 0.0 })
}

/// Mean of the accuracies at 1, 2, …, `k`.
#[must_use]
pub fn average_accuracy(ranks: &[Option<usize>], k: usize) -> f64 {
    mean(ranks, |rank| (k + 1).saturating_sub(rank) as f64 / k as f64)
}

/// Mean of 1/rank, where ranks below `k` count nothing.
#[must_use]
pub fn reciprocal(ranks: &[Option<usize>], k: usize) -> f64 {
    mean(ranks, |rank| if rank <= k { 1.0 / rank as f64 } else { 0.0 })
}

fn mean(ranks: &[Option<usize>], worth: impl Fn(usize) -> f64) -> f64 {
    let sum: f64 = ranks.iter().flatten().map(|rank| worth(*rank)).sum();
    sum / ranks.len().max(1) as f64
}

/// The accuracy at `k` of an order that is drawn: mean of min(k, n)/n over cases with n candidates.
#[must_use]
pub fn chance(answers: &[Answer], k: usize) -> f64 {
    let share = |answer: &Answer| k.min(answer.candidates) as f64 / answer.candidates.max(1) as f64;
    answers.iter().map(share).sum::<f64>() / answers.len().max(1) as f64
}

/// 95 % percentile interval of a measure over cases that are drawn again with replacement
/// (bootstrap). The same seed and name draw the same cases.
#[must_use]
pub fn interval(
    ranks: &[Option<usize>],
    seed: u64,
    name: &str,
    measure: impl Fn(&[Option<usize>]) -> f64,
) -> (f64, f64) {
    let mut stream = Stream::of(seed, name, "bootstrap");
    let mut values: Vec<f64> = Vec::with_capacity(DRAWS);
    let mut drawn = ranks.to_vec();
    for _ in 0..DRAWS {
        drawn.iter_mut().for_each(|one| *one = ranks[stream.below(ranks.len())]);
        values.push(measure(&drawn));
    }
    values.sort_by(f64::total_cmp);
    let tail = DRAWS / 40;
    (values[tail - 1], values[DRAWS - tail])
}

/// How often which truth was answered with what first; `None` for an empty answer.
#[must_use]
pub fn confusion(answers: &[Answer]) -> BTreeMap<(&str, Option<&str>), usize> {
    let mut table = BTreeMap::new();
    for answer in answers {
        *table.entry((answer.truth.as_str(), answer.first())).or_default() += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(truth: &str, ranking: &[(&str, f64)]) -> Answer {
        let ranking = ranking.iter().map(|(name, score)| Ranked { name: (*name).to_owned(), score: *score });
        Answer { case: "case".to_owned(), truth: truth.to_owned(), ranking: ranking.collect(), candidates: 4 }
    }

    #[test]
    fn the_last_place_among_equals_counts() {
        let tied = answer("a", &[("x", f64::INFINITY), ("a", 2.0), ("b", 2.0), ("c", 1.0)]);
        assert_eq!((tied.rank(), tied.rank_as_listed()), (Some(3), Some(2)));
        assert_eq!(answer("x", &tied_pairs()).rank(), Some(2));
        assert_eq!(answer("d", &[("a", 1.0)]).rank(), None);
        assert_eq!(answer("d", &[]).rank(), None);
    }

    fn tied_pairs() -> [(&'static str, f64); 2] {
        [("x", f64::INFINITY), ("y", f64::INFINITY)]
    }

    #[test]
    fn measures_are_those_of_closed_forms() {
        let ranks = [Some(1), Some(3), None, Some(6)];
        assert_eq!(accuracy(&ranks, 1), 0.25);
        assert_eq!(accuracy(&ranks, 3), 0.5);
        let mean_of_accuracies = (1..=5).map(|k| accuracy(&ranks, k)).sum::<f64>() / 5.0;
        assert!((average_accuracy(&ranks, 5) - mean_of_accuracies).abs() < 1e-12);
        assert!((reciprocal(&ranks, 3) - (1.0 + 1.0 / 3.0) / 4.0).abs() < 1e-12);
        assert_eq!((accuracy(&[], 1), average_accuracy(&[], 5)), (0.0, 0.0));
    }

    #[test]
    fn chance_is_the_share_of_candidates() {
        let cases = [answer("a", &[]), Answer { candidates: 2, ..answer("a", &[]) }];
        assert_eq!(chance(&cases, 1), 0.375);
        assert_eq!(chance(&cases, 3), 0.875);
    }

    #[test]
    fn an_interval_holds_the_measure_and_is_the_same_again() {
        let ranks: Vec<Option<usize>> = (0..40).map(|case| (case % 4 != 0).then_some(1)).collect();
        let found = interval(&ranks, 7, "cell", |drawn| accuracy(drawn, 1));
        // The normal approximation: 0.75 ± 1.96·√(0.75·0.25/40) = 0.616 to 0.884.
        assert!((found.0 - 0.616).abs() < 0.03 && (found.1 - 0.884).abs() < 0.03, "{found:?}");
        assert_eq!(found, interval(&ranks, 7, "cell", |drawn| accuracy(drawn, 1)));
        assert_eq!(interval(&[], 7, "none", |drawn| accuracy(drawn, 1)), (0.0, 0.0));
        assert_eq!(interval(&[Some(1)], 7, "one", |drawn| accuracy(drawn, 1)), (1.0, 1.0));
    }

    #[test]
    fn sorting_keeps_equals_in_order_and_confusion_counts_first_answers() {
        let mut one = answer("a", &[("b", 1.0), ("a", 2.0), ("c", 1.0)]);
        sort(&mut one.ranking);
        let names: Vec<&str> = one.ranking.iter().map(|ranked| ranked.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let answers = [one.clone(), one, answer("a", &[])];
        let table = confusion(&answers);
        assert_eq!(table.into_iter().collect::<Vec<_>>(), [(("a", None), 1), (("a", Some("a")), 2)]);
    }
}
