//! The budget of harm that may be risked, as a ledger: reserve, settle, refill.
//!
//! What is reserved and what was spent never exceed the budget together. What was spent is
//! worked off linearly, all of a budget in one window; what is reserved stays until the plan
//! has ended. So in any time `t` at most `budget * (1 + t / window)` is spent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Id, Interval, Timestamp};

use crate::reach::Share;

/// How much may be risked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) size: Share,
    pub(crate) window: Interval,
}

/// What was reserved and spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// By plan.
    reserved: BTreeMap<Id, Share>,
    /// Spent and not worked off.
    spent: Share,
    /// Up to when it was worked off.
    at: Timestamp,
}

impl Ledger {
    /// Works off what time allows, in whole shares. The time that they took is rounded up to the next
    /// nanosecond, so that never too much goes.
    fn refill(&mut self, budget: Budget, at: Timestamp) {
        let passed = i128::from(at.since(self.at).0);
        if passed <= 0 {
            return;
        }
        let (size, window) = (i128::from(budget.size), i128::from(budget.window.0.max(1)));
        let worked_off = passed * size / window;
        if self.spent == 0 || size == 0 || worked_off >= i128::from(self.spent) {
            // Without a budget nothing can have been spent under it.
            self.spent = if size == 0 { self.spent } else { 0 };
            self.at = at;
            return;
        }
        let used = (worked_off * window).div_euclid(size) + i128::from((worked_off * window) % size != 0);
        self.spent -= Share::try_from(worked_off).unwrap_or(self.spent);
        self.at = self.at.plus(Interval(i64::try_from(used).unwrap_or(i64::MAX)));
    }

    /// What is reserved or spent now.
    pub(crate) fn taken(&mut self, budget: Budget, at: Timestamp) -> Share {
        self.refill(budget, at);
        self.reserved.values().fold(self.spent, |sum, share| sum.saturating_add(*share))
    }

    /// Reserves a share for a plan. Gives whether there was room; if not, nothing changes.
    pub(crate) fn reserve(&mut self, plan: &Id, share: Share, budget: Budget, at: Timestamp) -> bool {
        let room = budget.size.saturating_sub(self.taken(budget, at));
        let fits = share <= room && !self.reserved.contains_key(plan);
        if fits {
            self.reserved.insert(plan.clone(), share);
        }
        fits
    }

    /// Settles a plan that has ended: of what it reserved, `used` was done. Nothing happens if it
    /// reserved nothing, or was settled before.
    pub(crate) fn settle(&mut self, plan: &Id, used: Share, budget: Budget, at: Timestamp) {
        if let Some(reserved) = self.reserved.remove(plan) {
            self.refill(budget, at);
            self.spent = self.spent.saturating_add(used.min(reserved));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUDGET: Budget = Budget { size: 1_000_003, window: Interval::from_seconds(1_800) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn plan(number: usize) -> Id {
        Id(format!("plan-{number}"))
    }

    #[test]
    fn all_of_it_is_worked_off_in_one_window_and_half_in_half() {
        let mut ledger = Ledger::default();
        assert!(ledger.reserve(&plan(1), BUDGET.size, BUDGET, at(0)));
        assert!(!ledger.reserve(&plan(2), 1, BUDGET, at(100_000)), "what is reserved does not go by itself");
        ledger.settle(&plan(1), BUDGET.size, BUDGET, at(100_000));
        assert_eq!(ledger.taken(BUDGET, at(100_900)), 500_002);
        assert!(ledger.taken(BUDGET, at(101_800)) <= 1);
        assert_eq!(ledger.taken(BUDGET, at(101_801)), 0);
    }

    #[test]
    fn looking_often_loses_nothing() {
        let (mut often, mut once) = (Ledger::default(), Ledger::default());
        for ledger in [&mut often, &mut once] {
            assert!(ledger.reserve(&plan(1), BUDGET.size, BUDGET, at(0)));
            ledger.settle(&plan(1), BUDGET.size, BUDGET, at(0));
        }
        for millis in 0..900_000 {
            often.taken(BUDGET, Timestamp(0).plus(Interval::from_millis(millis)));
        }
        assert!(often.taken(BUDGET, at(900)).abs_diff(once.taken(BUDGET, at(900))) <= 1);
    }

    #[derive(Clone, Debug)]
    enum Move {
        Reserve(Share),
        Settle(usize, Share),
        Pass(i64),
        Restart,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (1..600_000_u64).prop_map(Move::Reserve),
            (0..64_usize, 0..600_000_u64).prop_map(|(which, used)| Move::Settle(which, used)),
            (0..900_000_000_000_i64).prop_map(Move::Pass),
            Just(Move::Restart),
        ];
        prop::collection::vec(one, 1..64)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        /// Whatever is reserved, settled and waited for in whatever order, and wherever it is
        /// restored: the sum holds now, and what was spent holds over every stretch of time.
        #[test]
        fn the_budget_is_never_exceeded(moves in moves()) {
            let mut ledger = Ledger::default();
            let mut now = at(0);
            let mut made = Vec::new();
            let mut open: Vec<(Id, Share)> = Vec::new();
            let mut done: Vec<(Timestamp, Share)> = Vec::new();
            for step in moves {
                match step {
                    Move::Reserve(share) => {
                        let id = plan(made.len());
                        let before = ledger.taken(BUDGET, now);
                        let fits = ledger.reserve(&id, share, BUDGET, now);
                        prop_assert_eq!(fits, before + share <= BUDGET.size);
                        if fits {
                            open.push((id.clone(), share));
                        }
                        made.push(id);
                    }
                    Move::Settle(which, used) if !open.is_empty() => {
                        let (id, share) = open.remove(which % open.len());
                        ledger.settle(&id, used, BUDGET, now);
                        ledger.settle(&id, used, BUDGET, now);
                        done.push((now, used.min(share)));
                    }
                    Move::Settle(..) => {}
                    Move::Pass(nanoseconds) => now = now.plus(Interval(nanoseconds)),
                    Move::Restart => {
                        let saved = serde_json::to_string(&ledger).unwrap();
                        ledger = serde_json::from_str(&saved).unwrap();
                        prop_assert_eq!(serde_json::to_string(&ledger).unwrap(), saved);
                    }
                }
                prop_assert!(ledger.taken(BUDGET, now) <= BUDGET.size);
                let reserved: Share = open.iter().map(|(_, share)| share).sum();
                for (from, _) in &done {
                    let since = done.iter().filter(|(time, _)| time >= from);
                    let spent: Share = since.map(|(_, share)| share).sum();
                    let allowed = i128::from(BUDGET.size)
                        + i128::from(BUDGET.size) * i128::from(now.since(*from).0) / i128::from(BUDGET.window.0);
                    prop_assert!(i128::from(spent + reserved) <= allowed);
                }
            }
        }
    }
}
