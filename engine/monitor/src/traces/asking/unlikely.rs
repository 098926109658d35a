//! How unlikely it is that somebody has so large a part by chance, going by what he had before.

/// Decimal logarithm, negated, of the chance that of `all` now as many as `his` or more were his, if his
/// share is what it was when he had `before` of `all_before`: the likelihood ratio of one share and two
/// (Dunning 1993), which bounds the chance from above up to a factor that grows no faster than the
/// counts. 0 where he has no larger share than before.
pub(super) fn of_counts(his: f64, all: f64, before: f64, all_before: f64) -> f64 {
    if his * all_before <= before * all || all <= 0.0 {
        return 0.0;
    }
    let together = (his + before) / (all + all_before);
    let part = |count: f64, whole: f64, share: f64| {
        if count <= 0.0 { 0.0 } else { count * libm::log(count / (whole * share)) }
    };
    let two = part(his, all, together)
        + part(all - his, all, 1.0 - together)
        + part(before, all_before, together)
        + part(all_before - before, all_before, 1.0 - together);
    two.max(0.0) / std::f64::consts::LN_10
}

/// The same of amounts of time: `squares` is the sum of the squares of all requests now, `longest` the
/// longest of them. Which requests are his is what is left to chance: Bernstein's inequality. What is
/// not known of his share before counts as chance, too.
pub(super) fn of_amounts(
    his: f64,
    all: f64,
    (squares, longest): (f64, f64),
    before: f64,
    all_before: f64,
) -> f64 {
    if all <= 0.0 || all_before <= 0.0 || longest <= 0.0 {
        return 0.0;
    }
    let share = before / all_before;
    let excess = his - share * all;
    if excess <= 0.0 {
        return 0.0;
    }
    let variance = share * (1.0 - share).max(0.0) * squares * (1.0 + all / all_before);
    excess * excess / 2.0 / (variance + longest * excess / 3.0) / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-log10(scipy.stats.binom.sf(x - 1, n, q))`, the share before being known all but exactly.
    #[test]
    fn is_near_the_binomial_tail_where_the_share_is_known() {
        for (his, all, share, exact) in [
            (6.0, 18.0, 0.01, 7.78),
            (12.0, 36.0, 0.01, 15.0),
            (3.0, 3.0, 0.01, 6.0),
            (30.0, 100.0, 0.2, 1.95),
        ] {
            let found = of_counts(his, all, share * 1e9, 1e9);
            assert!((found - exact).abs() < 1.0, "{his} of {all}: {found}, {exact}");
        }
    }

    #[test]
    fn nothing_is_unlikely_where_nothing_is_known() {
        assert_eq!(of_counts(5.0, 5.0, 0.0, 0.0), 0.0);
        assert!(of_counts(5.0, 5.0, 1.0, 2.0) < 1.5);
        assert_eq!(of_counts(1.0, 100.0, 10.0, 100.0), 0.0);
        assert_eq!(of_amounts(5.0, 5.0, (5.0, 1.0), 0.0, 0.0), 0.0);
    }

    /// Bernstein bounds the binomial tail from above, so it gives fewer digits than there are.
    #[test]
    fn amounts_that_are_all_alike_are_like_counts() {
        for (his, all, share) in [(6.0, 18.0, 0.01), (30.0, 100.0, 0.1), (50.0, 100.0, 0.2)] {
            let counts = of_counts(his, all, share * 1e9, 1e9);
            let amounts = of_amounts(his, all, (all, 1.0), share * 1e9, 1e9);
            assert!(amounts < counts && amounts > counts / 3.0, "{amounts} {counts}");
        }
        // One request that takes as long as all others says little of who sent it.
        assert!(of_amounts(18.0, 36.0, (18.0 * 18.0 + 18.0, 18.0), 360.0, 36_000.0) < 1.0);
    }
}
