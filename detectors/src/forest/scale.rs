//! From values to 16-bit levels, and when that scale no longer fits.

use crate::arithmetic::{least, most};

/// Levels that the values seen so far take up when the scale is made: a quarter of all is left on
/// either side.
const SPAN: f64 = 32_768.0;
/// Levels.
const LEVELS: f64 = 65_536.0;
/// Levels that the bulk of the values keeps, however far out a single value lies. That value is
/// then taken as the last level: 256 times as far out as the bulk is wide.
const BULK: f64 = 256.0;
/// Fewer levels for the bulk than this are too coarse.
const COARSE: f64 = 64.0;
/// A first value lies at 2^20 times the size of a level.
const FIRST_BITS: i32 = 20;

/// Scale of one channel: level = floor(value / step) - base, with the step a power of two.
///
/// So a coarser scale is reached exactly, by halving levels: equal values stay equal, whether
/// they came before or after. A finer one is not; then what was learnt is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    /// 1 / step; zero before the first value.
    pub(super) per_value: f64,
    pub(super) base: f64,
    /// Last value.
    pub(super) last: f64,
    /// Smallest and largest value since the resolution was looked at.
    pub(super) low: f64,
    pub(super) high: f64,
    /// Values beyond the levels that were not given new ones.
    pub(super) clamped: u64,
}

/// How levels become those of another scale: floor((level + base) / divisor) - new base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Change {
    base: f64,
    divisor: f64,
    new_base: f64,
}

impl Change {
    pub(super) fn apply(&self, level: u16) -> u16 {
        let level = ((f64::from(level) + self.base) / self.divisor).floor() - self.new_base;
        most(least(level, LEVELS - 1.0), 0.0) as u16
    }
}

impl Scale {
    pub(super) const UNKNOWN: Self = Self {
        per_value: 0.0,
        base: 0.0,
        last: 0.0,
        low: f64::INFINITY,
        high: f64::NEG_INFINITY,
        clamped: 0,
    };

    /// Numbers that a scale consists of.
    pub(super) const PARTS: usize = 6;

    /// The scale as numbers, for a checkpoint.
    pub(super) fn parts(&self) -> [f64; Self::PARTS] {
        [self.per_value, self.base, self.last, self.low, self.high, self.clamped as f64]
    }

    /// The reverse of [`Scale::parts`].
    pub(super) fn from_parts([per_value, base, last, low, high, clamped]: [f64; Self::PARTS]) -> Self {
        Self { per_value, base, last, low, high, clamped: clamped as u64 }
    }

    fn place(&self, value: f64) -> f64 {
        (value * self.per_value).floor() - self.base
    }

    /// Level of a value; beyond the ends that of the end.
    pub(super) fn level(&self, value: f64) -> u16 {
        most(least(self.place(value), LEVELS - 1.0), 0.0) as u16
    }

    /// Middle of a level.
    pub(super) fn value(&self, level: u16) -> f64 {
        if self.per_value > 0.0 { (f64::from(level) + self.base + 0.5) / self.per_value } else { 0.0 }
    }

    pub(super) fn fits(&self, value: f64) -> bool {
        self.per_value > 0.0 && (0.0..LEVELS).contains(&self.place(value))
    }

    /// The scale before anything but `value` was seen.
    pub(super) fn first(&mut self, value: f64) {
        self.per_value = power_of_two(FIRST_BITS - exponent(value));
        self.base = (value * self.per_value).floor() - LEVELS / 2.0;
    }

    /// A scale on which values from `low` to `high` take up [`SPAN`] to half of it.
    pub(super) fn around(&mut self, low: f64, high: f64) {
        self.per_value = least(power_of_two(14 - exponent(high - low)), finest(low, high));
        let middle = low + 0.5 * (high - low);
        self.base = (middle * self.per_value).floor() - LEVELS / 2.0;
    }

    /// A coarser scale, or one further up or down, that takes in `value`, given all levels in use
    /// in ascending order. None if the levels in use would become too few.
    pub(super) fn stretch(&mut self, value: f64, levels: &[u16]) -> Option<Change> {
        let place = self.place(value);
        let (Some(&least_level), Some(&most_level)) = (levels.first(), levels.last()) else {
            self.first(value);
            return Some(Change { base: 0.0, divisor: 1.0, new_base: 0.0 });
        };
        let low = least(f64::from(least_level), place);
        let high = most(f64::from(most_level), place);
        let mut divisor = 1.0;
        while high - low > SPAN * divisor {
            divisor *= 2.0;
        }
        let divisor = least(divisor, coarsest(levels));
        // What is in use stays within the levels, whatever becomes of the value.
        let half = divisor * (LEVELS / 2.0 - 1.0);
        let middle = most(low + 0.5 * (high - low), f64::from(most_level) - half);
        let middle = least(middle, f64::from(least_level) + half);
        let new_base = ((middle + self.base) / divisor).floor() - LEVELS / 2.0;
        let change = Change { base: self.base, divisor, new_base };
        if divisor <= 1.0 && change.new_base == self.base {
            return None;
        }
        self.per_value /= divisor;
        self.base = new_base;
        Some(change)
    }

    /// Whether the bulk of the levels in use, in ascending order, is too coarse for values that
    /// range from `low` to `high` and a finer scale can be had.
    pub(super) fn too_coarse(&self, levels: &[u16]) -> bool {
        let wide = self.high - self.low;
        let gain = finest(self.low, self.high) / self.per_value;
        wide > 0.0 && wide * self.per_value < COARSE && gain >= 16.0 && bulk(levels) < COARSE
    }

    /// Whether the values since the last look may be too coarse; cheap, for [`Scale::too_coarse`].
    pub(super) fn may_be_too_coarse(&self) -> bool {
        self.high > self.low && (self.high - self.low) * self.per_value < COARSE
    }
}

/// Levels between the 5 % and the 95 % quantile.
fn bulk(levels: &[u16]) -> f64 {
    let tail = levels.len() / 20;
    match (levels.get(tail), levels.get(levels.len().saturating_sub(tail + 1))) {
        (Some(&low), Some(&high)) => f64::from(high) - f64::from(low),
        _ => 0.0,
    }
}

/// How much coarser the levels in use may become: as long as few are in use, by any amount.
fn coarsest(levels: &[u16]) -> f64 {
    let bulk = if levels.len() < 16 { 0.0 } else { bulk(levels) };
    if bulk == 0.0 {
        return f64::INFINITY;
    }
    let mut divisor = 1.0;
    while bulk / (2.0 * divisor) >= BULK {
        divisor *= 2.0;
    }
    divisor
}

/// Levels a unit of the value that doubles still tell apart.
fn finest(low: f64, high: f64) -> f64 {
    power_of_two(50 - exponent(most(low.abs(), high.abs())))
}

/// e with 2^e <= |value| < 2^(e+1); 0 for zero.
fn exponent(value: f64) -> i32 {
    if value == 0.0 { 0 } else { ((value.abs().to_bits() >> 52) as i32 - 1023).max(-900) }
}

fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent.clamp(-1000, 1000) + 1023) as u64) << 52)
}
