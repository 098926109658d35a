//! Who has most of something, of more than can be remembered: the Space-Saving summary (Metwally,
//! Agrawal and El Abbadi 2005). Summaries merge (Agarwal and others 2012), and what is old fades.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bits::Bits;

/// What was left out of amounts: the most that one of those who are not named may have, and all of theirs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Others {
    pub(super) each: f64,
    pub(super) all: f64,
}

/// Amounts by name. Of at most `max` names it is known what they have, too much by no more than a
/// `max`-th of all (twice that where amounts came with some left out); of any other, that it has no more
/// than the least of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Heavy {
    held: BTreeMap<String, Bits>,
    /// What a name that is not held may have.
    least: Bits,
    total: Bits,
}

impl Heavy {
    /// All that there was.
    pub(super) fn total(&self) -> f64 {
        self.total.0
    }

    /// What a name has at most.
    pub(super) fn at_most(&self, name: &str) -> f64 {
        self.held.get(name).map_or(self.least.0, |held| held.0)
    }

    /// Time went by: of everything a share is left.
    pub(super) fn fade(&mut self, kept: f64) {
        for held in self.held.values_mut() {
            held.0 *= kept;
        }
        self.least.0 *= kept;
        self.total.0 *= kept;
    }

    /// Adds what names have, each once and sorted, and others with them; keeps the `max` that have most.
    pub(super) fn add(&mut self, amounts: &[(String, f64)], others: Others, max: usize) {
        self.total.0 += others.all;
        if others.each > 0.0 {
            let is_named = |name: &String| amounts.binary_search_by(|one| one.0.cmp(name)).is_ok();
            let unnamed = self.held.iter_mut().filter(|(name, _)| !is_named(name));
            unnamed.for_each(|(_, held)| held.0 += others.each);
        }
        for (name, amount) in amounts {
            self.total.0 += amount;
            if let Some(held) = self.held.get_mut(name) {
                held.0 += amount;
            } else {
                self.held.insert(name.clone(), Bits(self.least.0 + amount));
            }
        }
        self.least.0 += others.each;
        if self.held.len() <= max {
            return;
        }
        let mut most: Vec<(f64, &str)> =
            self.held.iter().map(|(name, held)| (held.0, name.as_str())).collect();
        most.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let dropped: Vec<String> = most.split_off(max).into_iter().map(|(_, name)| name.to_owned()).collect();
        // Who is let go may have been the first to come up to what the least of the others has.
        let least = most.last().map_or(0.0, |(most, _)| *most);
        for name in dropped {
            self.held.remove(&name);
        }
        self.least.0 = self.least.0.max(least);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(amounts: &[(u8, u8)], batch: usize, max: usize) -> Heavy {
        let mut heavy = Heavy::default();
        for batch in amounts.chunks(batch) {
            let mut sums: BTreeMap<String, f64> = BTreeMap::new();
            for (name, amount) in batch {
                *sums.entry(name.to_string()).or_default() += f64::from(*amount);
            }
            heavy.add(&sums.into_iter().collect::<Vec<_>>(), Others::default(), max);
        }
        heavy
    }

    fn truth(amounts: &[(u8, u8)], name: u8) -> f64 {
        amounts.iter().filter(|one| one.0 == name).map(|one| f64::from(one.1)).sum()
    }

    proptest! {
        #[test]
        fn nobody_has_more_than_is_said_nor_much_less(
            amounts in prop::collection::vec((0_u8..40, 0_u8..20), 0..300),
            batch in 1_usize..50,
            max in 1_usize..20,
        ) {
            let heavy = filled(&amounts, batch, max);
            let all: f64 = amounts.iter().map(|one| f64::from(one.1)).sum();
            prop_assert!(heavy.held.len() <= max);
            prop_assert!((heavy.total() - all).abs() < 1e-9);
            prop_assert!(heavy.least.0 <= all / max as f64 + 1e-9);
            for name in 0_u8..40 {
                let (said, true_amount) = (heavy.at_most(&name.to_string()), truth(&amounts, name));
                prop_assert!(said + 1e-9 >= true_amount, "{name}: {said} {true_amount}");
                prop_assert!(said - heavy.least.0 <= true_amount + 1e-9, "{name}: {said} {true_amount}");
            }
        }

        #[test]
        fn who_has_more_than_its_part_is_never_lost(
            amounts in prop::collection::vec((0_u8..40, 1_u8..20), 1..300),
            max in 1_usize..20,
        ) {
            let heavy = filled(&amounts, 7, max);
            for name in 0_u8..40 {
                if truth(&amounts, name) > heavy.total() / max as f64 {
                    prop_assert!(heavy.held.contains_key(&name.to_string()), "{name}");
                }
            }
        }
    }

    #[test]
    fn who_was_left_out_may_have_had_as_much_as_the_most_of_them() {
        let mut heavy = filled(&[(1, 8), (2, 4)], 2, 2);
        heavy.add(&[("1".to_owned(), 3.0)], Others { each: 2.0, all: 5.0 }, 2);
        let said: Vec<f64> = ["1", "2", "3"].iter().map(|name| heavy.at_most(name)).collect();
        assert_eq!((heavy.total(), said), (20.0, vec![11.0, 6.0, 2.0]));
    }

    #[test]
    fn what_is_old_fades_in_proportion() {
        let mut heavy = filled(&[(1, 8), (2, 4), (3, 2)], 3, 2);
        heavy.fade(0.5);
        assert_eq!((heavy.total(), heavy.at_most("1"), heavy.at_most("2")), (7.0, 4.0, 2.0));
        // Whom nobody remembers may have had as much as the least of the others.
        assert_eq!(heavy.at_most("3"), 2.0);
    }
}
