//! The unit of work: a fixed number of series.

use theriac_contract::Timestamp;

/// Series in a block. Large enough to hide the cost of a call and for the few that are not ordinary
/// to fill a vector, small enough for what a detector reads and writes to stay in the first-level
/// cache. A multiple of 64.
pub(crate) const BLOCK: usize = 128;

/// One number per series of a block.
pub(crate) type Column = [f32; BLOCK];

/// What came in a tick for a block, in the unit of the values; all that is not among
/// [`Block::observed`] is without meaning.
#[derive(Clone, Copy)]
pub(crate) struct Observations<'a> {
    /// When the tick begins.
    pub(crate) at: Timestamp,
    pub(crate) values: &'a [f64; BLOCK],
}

/// One tick of a block, made once for all detectors.
///
/// Lengths are in the series' own units: what it usually moves by is about 1 (see
/// [`crate::anchor`]). Every element is finite.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Block {
    /// Value less the anchor; where it is absent, the last one.
    pub(crate) x: Column,
    /// The value observed before.
    pub(crate) last: Column,
    /// 1 where there is a value, else 0.
    pub(crate) observed: Column,
    /// 1 where there is a value to learn from, else 0.
    pub(crate) learns: Column,
    /// Values learnt from so far.
    pub(crate) seen: Column,
    /// 1 / (seen + 1).
    pub(crate) share: Column,
    /// 1 / seen, at most 1.
    pub(crate) step_share: Column,
    /// Mean of the values so far.
    pub(crate) mean: Column,
    /// Their standard deviation, never 0.
    pub(crate) spread: Column,
    /// Below this a length is rounding, not variation.
    pub(crate) rounding: Column,
    /// Gain of the calibration; 0 where nothing is learnt.
    pub(crate) gain: Column,
    /// Where the anchors are, in the unit of the value.
    pub(crate) anchor: [f64; BLOCK],
    /// Own units in one unit of the value; 0 as long as the series was constant.
    pub(crate) scale: Column,
}

/// A block's numbers of one series.
#[derive(Clone, Copy)]
pub(crate) struct Lane {
    pub(crate) x: f32,
    pub(crate) last: f32,
    pub(crate) observed: f32,
    pub(crate) learns: f32,
    pub(crate) seen: f32,
    pub(crate) share: f32,
    pub(crate) step_share: f32,
    pub(crate) mean: f32,
    pub(crate) spread: f32,
    pub(crate) rounding: f32,
}

impl Block {
    pub(crate) const EMPTY: Self = Self {
        x: [0.0; BLOCK],
        last: [0.0; BLOCK],
        observed: [0.0; BLOCK],
        learns: [0.0; BLOCK],
        seen: [0.0; BLOCK],
        share: [1.0; BLOCK],
        step_share: [1.0; BLOCK],
        mean: [0.0; BLOCK],
        spread: [1.0; BLOCK],
        rounding: [0.0; BLOCK],
        gain: [0.0; BLOCK],
        anchor: [0.0; BLOCK],
        scale: [0.0; BLOCK],
    };

    #[inline(always)]
    pub(crate) fn lane(&self, i: usize) -> Lane {
        Lane {
            x: self.x[i],
            last: self.last[i],
            observed: self.observed[i],
            learns: self.learns[i],
            seen: self.seen[i],
            share: self.share[i],
            step_share: self.step_share[i],
            mean: self.mean[i],
            spread: self.spread[i],
            rounding: self.rounding[i],
        }
    }
}

/// What the detectors say of a block, in the series' own units.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Verdict {
    /// Sum of 1/p over the detectors.
    pub(crate) sum: Column,
    /// 1/p of the detector whose expectation is given below.
    pub(crate) lead: Column,
    /// Expected value, less the anchor.
    pub(crate) expected: Column,
    /// Low end of the band.
    pub(crate) low: Column,
    /// High end of the band.
    pub(crate) high: Column,
}

impl Verdict {
    /// Nobody has spoken.
    pub(crate) const NONE: Self = Self {
        sum: [0.0; BLOCK],
        lead: [0.0; BLOCK],
        expected: [f32::NAN; BLOCK],
        low: [f32::NAN; BLOCK],
        high: [f32::NAN; BLOCK],
    };
}
