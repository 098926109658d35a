//! What was not done before: calls along new edges, children in a new order.

use serde::{Deserialize, Serialize};

use theriac_contract::Interval;

use crate::{
    settings::Settings,
    traces::ids::{Ids, Key},
};

/// When each of many things was seen first, event time, each with an owner.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Novelty {
    things: Ids,
    since: Vec<i64>,
    /// Owner: when it was seen first, and how many things it has.
    owners: Ids,
    owned: Vec<(i64, u32)>,
}

/// When something is new: it was first seen when its owner had been known for `learnt`, and that is
/// less than `fresh` ago.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) learnt: Interval,
    pub(crate) fresh: Interval,
}

impl Times {
    pub(crate) const fn of(settings: &Settings) -> Self {
        Self { learnt: settings.structure_learnt_for, fresh: settings.structure_new_for }
    }
}

impl Novelty {
    /// Whether anything of an owner was seen.
    pub(crate) fn knows(&self, owner: u32) -> bool {
        self.owners.get([owner, 0, 0]).is_some()
    }

    /// Whether a thing is new at `now`. Only the first `max` things of an owner are known; who has
    /// more does them in any order, and nothing of his is new.
    pub(crate) fn is_new(&mut self, owner: u32, thing: Key, now: i64, times: &Times, max: usize) -> bool {
        let owner = self.owners.add([owner, 0, 0]) as usize;
        if owner == self.owned.len() {
            self.owned.push((now, 0));
        }
        let (known_since, things) = &mut self.owned[owner];
        let id = match self.things.get(thing) {
            Some(id) => id,
            None if *things as usize >= max => return false,
            None => {
                *things += 1;
                self.since.push(now);
                self.things.add(thing)
            }
        };
        let since = self.since[id as usize];
        let late = since - *known_since >= times.learnt.0;
        (*things as usize) < max && late && now - since < times.fresh.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_new_for_a_while() {
        let mut novelty = Novelty::default();
        let times = Times { learnt: Interval(10), fresh: Interval(5) };
        let mut is_new = |thing, now| novelty.is_new(1, [1, thing, 0], now, &times, 4);
        assert!(!is_new(1, 0));
        assert!(!is_new(2, 9));
        assert!(is_new(3, 10));
        assert!(is_new(3, 14));
        assert!(!is_new(3, 15));
        assert!(!is_new(2, 20));
        // Four are one too many to tell.
        assert!(!is_new(4, 30));
        assert!(!is_new(5, 30));
    }
}
