//! What users got, second by second, and what it cost them: the judge of every run.

use serde::{Deserialize, Serialize};

use super::{
    clock::{Nanos, SECOND},
    ledger::Breaches,
};

/// A second, by the users who came in it.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    came: f32,
    good: f32,
    degraded: f32,
    late: u16,
    wrong: u16,
}

/// Share of content users below which a second is bad.
pub const OBJECTIVE: f64 = 0.99;
/// Weight of a user who got less than asked for.
const DEGRADED: f64 = 0.2;
/// Seconds that a broken invariant is worth: a wrong price is corrected with the next bill, a
/// charge is paid back, what is lost has to be found out and asked for again; a protection that is
/// off is an incident of its own.
const WRONG: f64 = 1.0;
const TWICE: f64 = 5.0;
const LOST: f64 = 10.0;
const UNPROTECTED: f64 = 600.0;

/// All seconds of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    seconds: Vec<Second>,
    /// Cost of what was done, in seconds.
    pub(crate) cost: f64,
    pub(crate) users: u64,
}

/// What a window cost, in seconds of an ordinary minute's users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loss {
    /// Seconds in which too few users were content.
    pub bad_seconds: f64,
    /// Discontented users, in seconds of all users.
    pub goodput: f64,
    /// Users who got less, weighted.
    pub degraded: f64,
    /// Invariants, priced.
    pub breaches: f64,
    /// Actions.
    pub actions: f64,
}

impl Loss {
    /// Everything.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.of_users() + self.actions
    }

    /// Without what acting costs.
    #[must_use]
    pub fn of_users(&self) -> f64 {
        self.bad_seconds + self.goodput + self.degraded + self.breaches
    }
}

fn price(breaches: Breaches) -> f64 {
    WRONG * f64::from(breaches.wrong_prices)
        + TWICE * f64::from(breaches.double_charges)
        + LOST * f64::from(breaches.lost_writes)
        + UNPROTECTED * f64::from(breaches.unprotected)
}

impl Levels {
    fn second(&mut self, at: Nanos) -> &mut Second {
        let index = (at / SECOND) as usize;
        if self.seconds.len() <= index {
            self.seconds.resize(index + 1, Second::default());
        }
        &mut self.seconds[index]
    }

    pub(crate) fn came(&mut self, at: Nanos, weight: f64) {
        self.users += 1;
        self.second(at).came += weight as f32;
    }

    pub(crate) fn answered(
        &mut self,
        arrived: Nanos,
        weight: f64,
        content: bool,
        degraded: bool,
        wrong: bool,
    ) {
        let second = self.second(arrived);
        if content {
            second.good += weight as f32;
        }
        if degraded {
            second.degraded += weight as f32;
        }
        second.wrong += u16::from(wrong);
    }

    /// Users of a second of whom a share was content.
    pub(crate) fn poured(&mut self, at: Nanos, users: f64, content: f64) {
        self.users += users as u64;
        let second = self.second(at);
        second.came += users as f32;
        second.good += (users * content) as f32;
    }

    /// Turned away, but not in a hurry.
    pub(crate) fn put_off(&mut self, at: Nanos, weight: f64) {
        let second = self.second(at);
        second.good += weight as f32;
        second.degraded += weight as f32;
    }

    pub(crate) fn late(&mut self, now: Nanos, users: u32) {
        let second = self.second(now.saturating_sub(SECOND));
        second.late = second.late.saturating_add(users.min(u32::from(u16::MAX)) as u16);
    }

    /// A user was wronged without knowing yet.
    pub(crate) fn wronged(&mut self, now: Nanos) {
        self.second(now).late += 1;
    }

    fn is_bad(second: &Second) -> bool {
        let came = f64::from(second.came) + f64::from(second.late);
        f64::from(second.good) < OBJECTIVE * came - 1e-6 || second.late > 0
    }

    /// Which seconds from `from` to before `to` were bad.
    pub(crate) fn bad(&self, from: Nanos, to: Nanos) -> Vec<u32> {
        let range = (from / SECOND) as usize..(to / SECOND) as usize;
        let bad = |index: &usize| self.seconds.get(*index).is_some_and(Self::is_bad);
        range.filter(bad).map(|index| index as u32).collect()
    }

    /// Users who came, were content, and got wrong answers, in a window.
    pub(crate) fn counts(&self, from: Nanos, to: Nanos) -> (f64, f64, f64) {
        let range = (from / SECOND) as usize..((to / SECOND) as usize).min(self.seconds.len());
        let mut sums = (0.0, 0.0, 0.0);
        for second in self.seconds.get(range).unwrap_or_default() {
            sums.0 += f64::from(second.came);
            sums.1 += f64::from(second.good);
            sums.2 += f64::from(second.wrong);
        }
        sums
    }

    /// What a window cost.
    pub(crate) fn loss(&self, from: Nanos, to: Nanos, breaches: Breaches) -> Loss {
        let range = (from / SECOND) as usize..((to / SECOND) as usize).min(self.seconds.len());
        let window = self.seconds.get(range).unwrap_or_default();
        let mean =
            window.iter().map(|second| f64::from(second.came)).sum::<f64>() / window.len().max(1) as f64;
        let mean = mean.max(1.0);
        let mut loss = Loss { actions: self.cost, breaches: price(breaches), ..Loss::default() };
        for second in window {
            loss.bad_seconds += f64::from(u8::from(Self::is_bad(second)));
            let lost = f64::from(second.came) - f64::from(second.good) + f64::from(second.late);
            loss.goodput += lost.max(0.0) / mean;
            loss.degraded += DEGRADED * f64::from(second.degraded) / mean;
        }
        loss
    }
}
