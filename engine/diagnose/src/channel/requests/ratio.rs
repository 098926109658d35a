//! Likelihood ratios of counts: how much likelier two windows are if they differ than if not.

/// Logarithm of the multivariate beta function.
fn ln_beta(parameters: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut total) = (0.0, 0.0);
    for parameter in parameters {
        sum += libm::lgamma(parameter);
        total += parameter;
    }
    sum - libm::lgamma(total)
}

/// Two tables of counts over the same outcomes, `(before, after)`: ln of how much likelier they are
/// with a distribution each than with one for both. The distributions are integrated out under
/// Jeffreys' prior (Dirichlet, ½ an outcome), so a rare event that happened to stay away says
/// little. Zero if a table is empty.
pub(super) fn changed(counts: &[(f64, f64)]) -> f64 {
    let before: f64 = counts.iter().map(|count| count.0).sum();
    let after: f64 = counts.iter().map(|count| count.1).sum();
    if before <= 0.0 || after <= 0.0 || counts.len() < 2 {
        return 0.0;
    }
    ln_beta(counts.iter().map(|count| count.0 + 0.5)) + ln_beta(counts.iter().map(|count| count.1 + 0.5))
        - ln_beta(counts.iter().map(|count| count.0 + count.1 + 0.5))
        - ln_beta(counts.iter().map(|_| 0.5))
}

/// `hits` of `trials`: ln of how much likelier they are if any share is as likely as another than
/// if shares scatter around `expected` as exponential variables do, Beta(1, 1/expected − 1): what is
/// usual differs between services, so many trials do not make a small difference a sure one.
pub(super) fn beyond(hits: f64, trials: f64, expected: f64) -> f64 {
    if trials <= 0.0 || expected >= 0.5 {
        return 0.0;
    }
    let rest = 1.0 / expected - 1.0;
    let any = ln_beta([hits + 1.0, trials - hits + 1.0].into_iter());
    let usual = ln_beta([hits + 1.0, trials - hits + rest].into_iter()) - ln_beta([1.0, rest].into_iter());
    any - usual
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        // One trial each, outcomes differ: (1/2)(1/2) against B(3/2, 3/2)/B(1/2, 1/2) = 1/8.
        assert!((changed(&[(1.0, 0.0), (0.0, 1.0)]) - libm::log(2.0)).abs() < 1e-12);
        // The same outcome: (1/2)(1/2) against B(5/2, 1/2)/B(1/2, 1/2) = 3/8.
        assert!((changed(&[(1.0, 1.0), (0.0, 0.0)]) - libm::log(2.0 / 3.0)).abs() < 1e-12);
        assert_eq!(changed(&[(3.0, 0.0), (2.0, 0.0)]), 0.0);
        // One of one: 1/2 against the mean, 1/10. None of one: 1/2 against 9/10.
        assert!((beyond(1.0, 1.0, 0.1) - libm::log(5.0)).abs() < 1e-12);
        assert!((beyond(0.0, 1.0, 0.1) - libm::log(5.0 / 9.0)).abs() < 1e-12);
        assert_eq!(beyond(0.0, 0.0, 0.1), 0.0);
    }

    #[test]
    fn more_of_the_same_is_surer() {
        let gone = |n: f64| changed(&[(n, 0.0), (0.0, n)]);
        let kept = |n: f64| changed(&[(n, n), (0.0, 0.0)]);
        assert!(gone(4.0) < gone(8.0) && gone(8.0) < gone(80.0));
        assert!(kept(4.0) > kept(8.0) && kept(8.0) > kept(80.0) && kept(80.0) > -5.0);
    }
}
