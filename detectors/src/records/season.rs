//! Levels by time of day.

use theriac_contract::Timestamp;

use super::{SIGNALS, signals::Signal};

/// Slots of a day: half hours.
const SLOTS: usize = 48;
const DAY_SECONDS: i64 = 86_400;
/// Share of a new day in a slot's level: about a week is remembered.
const GAIN: f64 = 0.25;

/// Mean of each slot of the day over the last days.
#[derive(Clone, Debug)]
pub(super) struct Season {
    pub(super) levels: [[f64; SLOTS]; SIGNALS],
    /// Days that a slot was met in.
    pub(super) days: [f64; SLOTS],
    /// Sums in the slot under way, and how many.
    pub(super) sums: [f64; SIGNALS],
    pub(super) count: f64,
    /// Slot under way; negative before the first.
    pub(super) slot: f64,
}

impl Season {
    pub(super) const fn new() -> Self {
        Self {
            levels: [[0.0; SLOTS]; SIGNALS],
            days: [0.0; SLOTS],
            sums: [0.0; SIGNALS],
            count: 0.0,
            slot: -1.0,
        }
    }

    /// What is left of the signals when the level at this time of day, interpolated between
    /// slots, is taken off; none if this time was never met. A slot learns when it is left, no
    /// more than `bounds`: an incident has no echo on the next day.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a slot's number")]
    pub(super) fn update(
        &mut self,
        signal: &Signal,
        at: Timestamp,
        bounds: [f64; SIGNALS],
    ) -> Option<[f64; SIGNALS]> {
        let of_day = at.0.rem_euclid(DAY_SECONDS * 1_000_000_000) as f64 / 1e9;
        let phase = of_day / DAY_SECONDS as f64 * SLOTS as f64;
        let slot = phase as usize % SLOTS;
        let residuals = (self.days[slot] > 0.0).then(|| {
            let off = phase - phase.floor() - 0.5;
            let beside = if off > 0.0 { (slot + 1) % SLOTS } else { (slot + SLOTS - 1) % SLOTS };
            let beside = if self.days[beside] > 0.0 { beside } else { slot };
            let mut residuals = [0.0; SIGNALS];
            for (a, residual) in residuals.iter_mut().enumerate() {
                let levels = &self.levels[a];
                *residual = signal.now[a] - (levels[slot] * (1.0 - off.abs()) + levels[beside] * off.abs());
            }
            residuals
        });
        if slot as f64 != self.slot {
            if self.count > 0.0 {
                self.learn(self.slot as usize, bounds);
            }
            self.sums = [0.0; SIGNALS];
            self.count = 0.0;
            self.slot = slot as f64;
        }
        for (sum, now) in self.sums.iter_mut().zip(signal.now) {
            *sum += now;
        }
        self.count += 1.0;
        residuals
    }

    fn learn(&mut self, slot: usize, bounds: [f64; SIGNALS]) {
        self.days[slot] += 1.0;
        let gain = (1.0 / self.days[slot]).max(GAIN);
        for (a, bound) in bounds.into_iter().enumerate() {
            let level = &mut self.levels[a][slot];
            let off = self.sums[a] / self.count - *level;
            let off = if self.days[slot] > 1.0 { off.clamp(-bound, bound) } else { off };
            *level += gain * off;
        }
    }
}
