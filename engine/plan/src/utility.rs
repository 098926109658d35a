//! What a strategy is worth: `p(cause) * p(success) * benefit - cost - risk * damage`.
//!
//! The belief in it backs off from the narrow to the wide: what was seen on the service itself
//! counts in full, the same fault on other services by `evidence_of_others`, the same strategy
//! against other faults by `evidence_of_other_faults`, and the prior of the playbook stands below
//! all of them.

use theriac_contract::{Belief, Hypothesis, Snapshot, Utility};

use crate::{candidates::ASK, overview::Overview, playbook::Strategy, settings::Settings};

/// The belief in a strategy against the fault of a hypothesis.
pub(crate) fn belief(
    strategy: &Strategy,
    hypothesis: &Hypothesis,
    overview: &Overview<'_>,
    settings: &Settings,
) -> (f64, f64) {
    let knowledge = overview.known;
    let service = hypothesis.entity.as_ref().map(|entity| entity.service());
    let own = knowledge.belief(&hypothesis.fault, &strategy.name, service);
    let fault = knowledge.belief(&hypothesis.fault, &strategy.name, None);
    let all = overview.strategy(&strategy.name);
    let sum = |prior: f64, of: fn(&Belief) -> f64| {
        prior
            + of(&own)
            + (of(&fault) - of(&own)).max(0.0) * settings.evidence_of_others
            + (of(&all) - of(&fault)).max(0.0) * settings.evidence_of_other_faults
    };
    (
        sum(strategy.prior.successes, |belief| belief.successes),
        sum(strategy.prior.failures, |belief| belief.failures),
    )
}

/// What it is worth to wait once and decide again: that the incident ends by itself meanwhile, as
/// incidents of its kinds did: `sum of p(cause) * p(ends by itself) * benefit - cost`. What is not
/// suspected is taken not to end.
pub(crate) fn wait(
    hypotheses: &[Hypothesis],
    knowledge: &Snapshot,
    benefit: f64,
    settings: &Settings,
) -> Utility {
    let (mut cause, mut ends, mut behind) = (0.0, 0.0, (0.0, 0.0));
    for hypothesis in hypotheses {
        let seen = knowledge.left_alone(&hypothesis.fault, hypothesis.class);
        let (prior_ends, prior_stands) = settings.choice.ends_by_itself;
        let belief = (prior_ends + seen.successes, prior_stands + seen.failures);
        cause += hypothesis.probability;
        ends += hypothesis.probability * belief.0 / (belief.0 + belief.1);
        if hypothesis.rank <= 1 {
            behind = belief;
        }
    }
    let cost = settings.choice.wait_cost;
    let expected = ends * benefit - cost;
    Utility {
        cause_probability: cause,
        success_probability: if cause > 0.0 { ends / cause } else { 0.0 },
        belief: behind,
        benefit,
        cost,
        risk: 0.0,
        damage: 0.0,
        expected,
        formula: format!(
            "{expected:.1} = {ends:.2} ends by itself within {} * {benefit:.0} - {cost:.0} wait",
            settings.choice.wait
        ),
    }
}

/// What it is worth to ask a person, who finds whatever the cause is:
/// `p(a person helps) * benefit - cost`. Verdicts on earlier questions move the belief.
pub(crate) fn ask(fault: &str, knowledge: &Snapshot, benefit: f64, settings: &Settings) -> Utility {
    let seen = knowledge.belief(fault, ASK, None);
    let belief = (1.0 + seen.successes, 1.0 + seen.failures);
    let helps = belief.0 / (belief.0 + belief.1);
    let cost = settings.choice.ask_cost;
    let expected = helps * benefit - cost;
    Utility {
        cause_probability: 1.0,
        success_probability: helps,
        belief,
        benefit,
        cost,
        risk: 0.0,
        damage: 0.0,
        expected,
        formula: format!("{expected:.1} = {helps:.2} a person helps * {benefit:.0} - {cost:.0} ask"),
    }
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
