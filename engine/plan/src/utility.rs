//! What a strategy is worth: `p(cause) * p(success) * benefit - cost - risk * damage`.

use theriac_contract::{Belief, Utility};

use crate::playbook::Strategy;

/// The belief in a strategy: prior, evidence from the service itself, and some of that
/// from other services.
pub(crate) fn belief(strategy: &Strategy, own: Belief, all: Belief, evidence_of_others: f64) -> (f64, f64) {
    let others = |all: f64, own: f64| (all - own).max(0.0) * evidence_of_others;
    (
        strategy.prior.successes + own.successes + others(all.successes, own.successes),
        strategy.prior.failures + own.failures + others(all.failures, own.failures),
    )
}

/// Expected utility with its numbers written out.
pub(crate) fn expected(
    cause_probability: f64,
    (successes, failures): (f64, f64),
    benefit: f64,
    cost: f64,
    risk: f64,
    damage: f64,
) -> Utility {
    let success_probability = successes / (successes + failures);
    let expected = cause_probability * success_probability * benefit - cost - risk * damage;
    Utility {
        cause_probability,
        success_probability,
        belief: (successes, failures),
        benefit,
        cost,
        risk,
        damage,
        expected,
        formula: format!(
            "{expected:.1} = {cause_probability:.2} likely * {success_probability:.2} works * {benefit:.0} - {cost:.0} cost - {risk:.2} risk * {damage:.0} damage"
        ),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grows_with_probability_and_success(
            p in 0.0..1.0_f64, more in 0.0..1.0_f64, s in 0.1..50.0_f64, f in 0.1..50.0_f64, cost in 0.0..50.0_f64,
        ) {
            let at = |p: f64, s: f64| expected(p, (s, f), 100.0, cost, 0.1, 10.0).expected;
            let higher = p + (1.0 - p) * more;
            prop_assert!(at(higher, s) >= at(p, s));
            prop_assert!(at(p, s + 1.0) >= at(p, s));
        }
    }

    #[test]
    fn is_the_formula() {
        let utility = expected(0.8, (3.0, 1.0), 100.0, 5.0, 0.1, 50.0);
        assert!((utility.expected - 50.0).abs() < 1e-12);
    }
}
