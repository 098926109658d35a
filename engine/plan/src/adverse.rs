//! Whether strategies work clearly less often since something became known, and what is done about it.

use theriac_contract::{Autonomy, Fact, Watershed};

use crate::settings::{RollBack, Settings};

/// So improbable must it be that nothing changed.
const CHANCE_MAX: f64 = 0.01;
/// Verdicts before it, for the share before it to be known.
const BEFORE_MIN: f64 = 20.0;

/// Facts about versions since which things got worse, each told once; and the revert of those that were
/// learnt, as far as the settings let it go by itself.
pub(crate) fn facts(watersheds: &[Watershed], settings: &Settings) -> Vec<Fact> {
    let acts = settings.knowledge.roll_back == RollBack::Act && settings.policy.default == Autonomy::Act;
    let told = told(watersheds).into_iter();
    told.flat_map(|(watershed, fact)| {
        let revert = (acts && watershed.learnt).then(|| {
            let Watershed { version, what, before, after, .. } = watershed;
            let reason = format!(
                "{} of {} plans recovered since, {} of {} before it",
                after.successes,
                after.successes + after.failures,
                before.successes,
                before.successes + before.failures
            );
            Fact::Reverted { version: *version, what: what.clone(), reason }
        });
        [Some(fact), revert].into_iter().flatten()
    })
    .collect()
}

fn told(watersheds: &[Watershed]) -> Vec<(&Watershed, Fact)> {
    let worse = watersheds.iter().filter(|watershed| !watershed.told);
    worse
        .filter_map(|watershed| {
            let Watershed { version, what, before, after, .. } = watershed;
            let of_before = before.successes + before.failures;
            let of_since = after.successes + after.failures;
            if of_before < BEFORE_MIN || of_since < 1.0 {
                return None;
            }
            // Half a verdict each way (Jeffreys): a share of one would make the first failure impossible.
            let share = (before.successes + 0.5) / (of_before + 1.0);
            let chance = at_most(after.successes, of_since, share);
            let fact = Fact::KnowledgeWorsened {
                version: *version,
                what: what.clone(),
                recovered_before: before.successes as u64,
                of_before: of_before as u64,
                recovered_since: after.successes as u64,
                of_since: of_since as u64,
                chance,
            };
            (chance <= CHANCE_MAX).then_some((watershed, fact))
        })
        .collect()
}

/// Probability of at most `successes` among `trials`, each with probability `p`: the lower tail of
/// the binomial distribution, summed exactly.
fn at_most(successes: f64, trials: f64, p: f64) -> f64 {
    let (log_p, log_q) = (libm::log(p), libm::log1p(-p));
    let choose = |k: f64| libm::lgamma(trials + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(trials - k + 1.0);
    let mut sum = 0.0;
    let mut k = 0.0;
    while k <= successes {
        sum += libm::exp(choose(k) + k * log_p + (trials - k) * log_q);
        k += 1.0;
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use theriac_contract::Belief;

    use super::*;

    fn watershed(before: (f64, f64), after: (f64, f64), told: bool) -> Watershed {
        let belief = |(successes, failures)| Belief { successes, failures };
        let (before, after) = (belief(before), belief(after));
        Watershed { version: 7, what: String::new(), before, after, told, learnt: true }
    }

    #[test]
    fn the_tail_is_that_of_the_binomial_distribution() {
        assert!((at_most(0.0, 10.0, 0.5) - 1.0 / 1_024.0).abs() < 1e-12);
        assert!((at_most(2.0, 10.0, 0.5) - 56.0 / 1_024.0).abs() < 1e-12);
        assert!((at_most(10.0, 10.0, 0.3) - 1.0).abs() < 1e-12);
        // 0.1^3 + 3 * 0.9 * 0.1^2
        assert!((at_most(1.0, 3.0, 0.9) - 0.028).abs() < 1e-12);
    }

    #[test]
    fn what_is_clearly_worse_is_told_once() {
        let told_of = |watershed: Watershed| told(&[watershed]).len();
        assert_eq!(told_of(watershed((36.0, 4.0), (2.0, 6.0), false)), 1);
        assert_eq!(told_of(watershed((36.0, 4.0), (2.0, 6.0), true)), 0);
        assert_eq!(told_of(watershed((36.0, 4.0), (6.0, 2.0), false)), 0, "that may be chance");
        assert_eq!(told_of(watershed((9.0, 1.0), (0.0, 6.0), false)), 0, "too little is known of before");
        assert_eq!(told_of(watershed((40.0, 0.0), (5.0, 1.0), false)), 0, "one failure is no proof");
    }
}
