//! Where each series is: what turns its values into small numbers, once for all detectors.
//!
//! A byte counter or a total of nanoseconds has more digits than single precision holds, but
//! what it moves by has not. Each series has an anchor (double precision) and a scale (a power
//! of two): `x = (value - anchor) * scale` is exact in double precision and about as large as
//! what the series usually moves by. All other state is single precision in these units. An
//! anchor follows when the series has moved far from it, the scale when the spread has changed by
//! a factor of 2^24; what detectors hold is converted then, by powers of two and one shift.

use arrow::datatypes::{Float32Type, Float64Type};
use multiversion::multiversion;
use theriac_contract::{StateError, StateTable};

use crate::{
    arithmetic::single::{least, most, select},
    block::{BLOCK, Block, Column},
    calibration,
    columns::{Writer, read},
    fetch::Ahead,
};

/// Largest magnitude that is taken. Beyond it a value counts as absent.
pub(crate) const MAGNITUDE_MAX: f64 = 1e150;
/// A length below this share of the level is rounding, not variation.
const ROUNDING: f64 = 1e-14;
/// The same where the level is 0, in own units.
const ROUNDING_MIN: f32 = 1e-12;
/// No own length is beyond this: its square is finite.
pub(crate) const LENGTH_MAX: f32 = (1_u64 << 60) as f32;
/// Keeps the variance of what never moves from becoming subnormal, which is slow.
const VARIANCE_MIN: f32 = 1e-24;
/// Standard deviations between anchor and mean from where the anchor follows.
const FAR: f32 = 64.0;
/// Variance, in own units, beyond which (or below whose inverse) the scale follows.
const VARIANCE_RANGE: f32 = (1_u64 << 48) as f32;
/// Exponents of a scale.
const SCALE_MAX: f64 = (1_u128 << 120) as f64;

/// The name of the table of a checkpoint.
pub(crate) const TABLE: &str = "detectors.anchors";
const TABLE_VERSION: u16 = 1;
/// Bytes per series.
pub(crate) const BYTES: usize = 28;

/// State of one block.
#[derive(Clone, PartialEq)]
#[repr(align(64))]
pub(crate) struct Place {
    anchor: [f64; BLOCK],
    scale: Column,
    seen: Column,
    last: Column,
    mean: Column,
    variance: Column,
}

/// How numbers of one series change into its new units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Move {
    /// Taken from what is a place, ...
    pub(crate) shift: f32,
    /// ... then a length is multiplied by this, a power of two.
    pub(crate) factor: f32,
}

impl Move {
    /// A place in the new units.
    pub(crate) fn place(self, x: f32) -> f32 {
        ((x - self.shift) * self.factor).clamp(-LENGTH_MAX, LENGTH_MAX)
    }

    /// A length in the new units.
    pub(crate) fn length(self, x: f32) -> f32 {
        least(x * self.factor, LENGTH_MAX)
    }
}

/// `x`, and 0 where it is so small that it would become subnormal.
#[inline(always)]
pub(crate) fn settled(x: f32) -> f32 {
    (x + 1e-20) - 1e-20
}

/// `deviation`, of which beyond eight times `spread` only a tenth is taken once the series is known.
#[inline(always)]
pub(crate) fn tempered(deviation: f32, spread: f32, seen: f32) -> f32 {
    let size = deviation.abs();
    let bounded = select(seen < 20.0, size, most(least(size, 8.0 * spread), 0.1 * size));
    bounded.copysign(deviation)
}

/// Anchors, last values, mean and variance of many series.
///
/// Mean and variance are exponentially weighted (West 1979; Finch 2009). The first
/// `memory_ticks` values weigh alike. Beyond eight standard deviations only part of a deviation
/// is learnt, at least a tenth.
pub(crate) struct Anchors {
    memory_share: f32,
    series: usize,
    places: Vec<Place>,
}

/// What preparing a block found.
#[derive(Clone, Copy, Default)]
pub(crate) struct Found {
    /// Values that were infinite or too large.
    pub(crate) unusable: u32,
    /// Whether there are series whose units no longer fit.
    pub(crate) unfit: bool,
}

impl Place {
    const EMPTY: Self = Self {
        anchor: [0.0; BLOCK],
        scale: [0.0; BLOCK],
        seen: [0.0; BLOCK],
        last: [0.0; BLOCK],
        mean: [0.0; BLOCK],
        variance: [0.0; BLOCK],
    };

    /// Finds a scale for series that move for the first time.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a power of two in the range of single precision")]
    fn set_scales(&mut self, values: &[f64; BLOCK]) {
        for (i, &value) in values.iter().enumerate() {
            let distance = (value - self.anchor[i]).abs();
            if self.scale[i] == 0.0
                && self.seen[i] > 0.0
                && distance >= 1.0 / SCALE_MAX
                && value.abs() <= MAGNITUDE_MAX
            {
                self.scale[i] = power_of_two_below(distance).recip().max(1.0 / SCALE_MAX) as f32;
            }
        }
    }

    /// Whether anchor or scale of a series no longer fit, now that it has come from `last` to `x`.
    #[inline(always)]
    fn is_unfit(mean: f32, variance: f32, rounding: f32, moved: bool) -> bool {
        (mean * mean > FAR * FAR * (variance + rounding * rounding))
            | (variance > VARIANCE_RANGE)
            | ((variance < 1.0 / VARIANCE_RANGE) & moved)
    }

    #[expect(clippy::cast_possible_truncation, reason = "own units are single precision")]
    fn moves(&mut self, i: usize, moved: bool) -> Move {
        let scale = f64::from(self.scale[i]);
        let mut to = Move { shift: 0.0, factor: 1.0 };
        if scale == 0.0 {
            return to;
        }
        let anchor = self.anchor[i] + f64::from(self.mean[i]) / scale;
        to.shift = ((anchor - self.anchor[i]) * scale) as f32;
        let variance = self.variance[i];
        if variance > VARIANCE_RANGE || moved && variance < 1.0 / VARIANCE_RANGE {
            let spread = power_of_two_below(f64::from(variance).sqrt());
            to.factor = ((scale / spread).clamp(1.0 / SCALE_MAX, SCALE_MAX) / scale) as f32;
        }
        self.anchor[i] = anchor;
        self.scale[i] *= to.factor;
        self.last[i] = to.place(self.last[i]);
        self.mean[i] = to.place(self.mean[i]);
        self.variance[i] = least(variance * to.factor * to.factor, LENGTH_MAX * LENGTH_MAX);
        to
    }
}

/// The power of two at or below a positive normal number.
#[inline(always)]
fn power_of_two_below(x: f64) -> f64 {
    f64::from_bits(x.to_bits() & 0x7FF0_0000_0000_0000)
}

/// 1 / `scale`, a power of two; 0 where it is 0.
#[inline(always)]
pub(crate) fn inverse(scale: f32) -> f32 {
    select(scale > 0.0, f32::from_bits((254_u32 << 23).wrapping_sub(scale.to_bits())), 0.0)
}

#[inline(always)]
fn prepare_lanes(
    place: &mut Place,
    memory_share: f32,
    values: &[f64; BLOCK],
    free: &[bool; BLOCK],
    block: &mut Block,
) -> Found {
    let unscaled = place.scale.iter().map(|scale| u32::from(*scale == 0.0)).sum::<u32>();
    if unscaled > 0 {
        place.set_scales(values);
    }
    let mut unusable = 0;
    for (i, &value) in values.iter().enumerate() {
        let usable = value.abs() <= MAGNITUDE_MAX;
        unusable += u32::from(!usable & !value.is_nan());
        let fresh = usable & (place.seen[i] < 1.0);
        let anchor = if fresh { value } else { place.anchor[i] };
        let scale = f64::from(place.scale[i]);
        let max = f64::from(LENGTH_MAX);
        let distance = (if usable { value } else { anchor } - anchor) * scale;
        let distance = if distance < max { distance } else { max };
        let distance = if distance > -max { distance } else { -max };
        let rounding = anchor.abs() * (ROUNDING * scale);
        place.anchor[i] = anchor;
        block.anchor[i] = anchor;
        #[expect(clippy::cast_possible_truncation, reason = "own units are single precision")]
        {
            block.x[i] = distance as f32;
            block.rounding[i] = if rounding < max { rounding } else { max } as f32;
        }
        block.observed[i] = if usable { 1.0 } else { 0.0 };
    }
    let mut unfit = 0_u32;
    for i in 0..BLOCK {
        let last = place.last[i];
        let observed = block.observed[i];
        let free = select(free[i], 1.0, 0.0);
        let x = select(observed > 0.0, block.x[i], last);
        let seen = place.seen[i];
        let share = 1.0 / (seen + 1.0);
        let learns = observed * free;
        let deviation = place.variance[i].sqrt();
        let rounding = block.rounding[i] + ROUNDING_MIN;
        block.x[i] = x;
        block.last[i] = last;
        block.learns[i] = learns;
        block.seen[i] = seen;
        block.share[i] = share;
        block.step_share[i] = 1.0 / most(seen, 1.0);
        block.mean[i] = place.mean[i];
        block.spread[i] = deviation + rounding;
        block.rounding[i] = rounding;
        block.gain[i] = calibration::gain(share) * learns;
        block.scale[i] = place.scale[i];

        let gain = most(share, memory_share) * learns;
        let step = tempered(x - place.mean[i], deviation, seen);
        let mean = settled(place.mean[i] + gain * step);
        let variance = most((1.0 - gain) * (place.variance[i] + gain * step * step), VARIANCE_MIN);
        let moved = (x != last) & (learns > 0.0);
        unfit |= u32::from(Place::is_unfit(mean, variance, rounding, moved));
        place.mean[i] = mean;
        place.variance[i] = variance;
        place.seen[i] = seen + learns;
        place.last[i] = x;
    }
    Found { unusable, unfit: unfit > 0 }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn prepare(
    place: &mut Place,
    memory_share: f32,
    values: &[f64; BLOCK],
    free: &[bool; BLOCK],
    block: &mut Block,
) -> Found {
    prepare_lanes(place, memory_share, values, free, block)
}

impl Anchors {
    /// No series yet.
    pub(crate) fn new(memory_ticks: f32) -> Self {
        Self { memory_share: 1.0 / memory_ticks, series: 0, places: Vec::new() }
    }

    pub(crate) fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
        self.places.resize(self.series.div_ceil(BLOCK), Place::EMPTY);
    }

    pub(crate) fn forget(&mut self, series: usize) {
        if let Some(place) = self.places.get_mut(series / BLOCK) {
            let i = series % BLOCK;
            place.anchor[i] = 0.0;
            for column in
                [&mut place.scale, &mut place.seen, &mut place.last, &mut place.mean, &mut place.variance]
            {
                column[i] = 0.0;
            }
        }
    }

    /// Starts a series where a sibling is; of what the sibling has seen no more than `seen_max` counts,
    /// so that the series soon goes its own way.
    pub(crate) fn begin_like(&mut self, series: usize, sibling: usize, seen_max: f32) {
        let Some(known) = self.places.get(sibling / BLOCK).cloned() else { return };
        if let Some(place) = self.places.get_mut(series / BLOCK) {
            let (to, from) = (series % BLOCK, sibling % BLOCK);
            place.anchor[to] = known.anchor[from];
            place.scale[to] = known.scale[from];
            place.seen[to] = known.seen[from].min(seen_max);
            place.last[to] = known.last[from];
            place.mean[to] = known.mean[from];
            place.variance[to] = known.variance[from];
        }
    }

    /// Values learnt from.
    pub(crate) fn seen(&self, series: usize) -> f32 {
        self.places.get(series / BLOCK).map_or(0.0, |place| place.seen[series % BLOCK])
    }

    /// The state of a block, to be fetched ahead of need.
    pub(crate) fn ahead(&self, number: usize) -> Ahead<'_, Place> {
        Ahead::new(self.places.get(number..=number).unwrap_or_default())
    }

    /// Makes `block` of the tick, with what was known before it, and learns from it.
    pub(crate) fn prepare(
        &mut self,
        number: usize,
        values: &[f64; BLOCK],
        free: &[bool; BLOCK],
        block: &mut Block,
    ) -> Found {
        prepare(&mut self.places[number], self.memory_share, values, free, block)
    }

    /// Gives new units to series of a block whose old ones no longer fit, and tells of each.
    pub(crate) fn refit(&mut self, number: usize, block: &Block, mut tell: impl FnMut(usize, Move)) {
        let place = &mut self.places[number];
        for i in 0..BLOCK {
            let moved = block.x[i] != block.last[i] && block.learns[i] > 0.0;
            if Place::is_unfit(place.mean[i], place.variance[i], block.rounding[i], moved) {
                tell(i, place.moves(i, moved));
            }
        }
    }

    pub(crate) fn snapshot(&self) -> Result<StateTable, StateError> {
        let mut table = Writer::new(&self.places, self.series);
        table.column::<Float64Type>("anchor", |place| &place.anchor);
        table.column::<Float32Type>("scale", |place| &place.scale);
        table.column::<Float32Type>("seen", |place| &place.seen);
        table.column::<Float32Type>("last", |place| &place.last);
        table.column::<Float32Type>("mean", |place| &place.mean);
        table.column::<Float32Type>("variance", |place| &place.variance);
        table.finish(TABLE, TABLE_VERSION)
    }

    pub(crate) fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let table = StateTable::find(tables, TABLE, TABLE_VERSION)?;
        let series = table.rows.num_rows();
        let mut places = vec![Place::EMPTY; series.div_ceil(BLOCK)];
        read::<Float64Type, _>(table, "anchor", &mut places, |place| &mut place.anchor)?;
        read::<Float32Type, _>(table, "scale", &mut places, |place| &mut place.scale)?;
        read::<Float32Type, _>(table, "seen", &mut places, |place| &mut place.seen)?;
        read::<Float32Type, _>(table, "last", &mut places, |place| &mut place.last)?;
        read::<Float32Type, _>(table, "mean", &mut places, |place| &mut place.mean)?;
        read::<Float32Type, _>(table, "variance", &mut places, |place| &mut place.variance)?;
        self.series = series;
        self.places = places;
        Ok(())
    }

    /// Number of series.
    pub(crate) fn series(&self) -> usize {
        self.series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    fn every_vector_width_prepares_the_same_bits() {
        let mut random = 9_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        let mut anchors = Anchors::new(64.0);
        anchors.grow(BLOCK);
        let (mut one, mut other) = (Block::EMPTY, Block::EMPTY);
        for tick in 0..500 {
            let values: [f64; BLOCK] = std::array::from_fn(|i| {
                let x = next() as f64 / 1e9 - 1.0;
                match (i % 6, next() % 10) {
                    (_, 0) => f64::NAN,
                    (0, _) => x * 1e151,
                    (1, _) => x * 1e-310,
                    (2, _) => 7.0,
                    (3, _) => f64::from(tick) * 1e15 + x,
                    _ => x,
                }
            });
            let free: [bool; BLOCK] = std::array::from_fn(|_| next() % 20 != 0);
            let mut place = anchors.places[0].clone();
            anchors.prepare(0, &values, &free, &mut one);
            prepare_lanes(&mut place, anchors.memory_share, &values, &free, &mut other);
            assert!(place == anchors.places[0], "tick {tick}");
            for (a, b) in [(&one.x, &other.x), (&one.spread, &other.spread), (&one.gain, &other.gain)] {
                assert!(a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits() && a.is_finite()));
            }
            anchors.refit(0, &one, |_, _| {});
        }
    }

    #[test]
    fn a_total_keeps_its_small_steps() {
        let mut anchors = Anchors::new(64.0);
        anchors.grow(BLOCK);
        let mut block = Block::EMPTY;
        let mut total = 8e15;
        for tick in 0..100_000 {
            let step = if tick % 2 == 0 { 3.0 } else { 5.0 };
            total += step;
            anchors.prepare(0, &[total; BLOCK], &[true; BLOCK], &mut block);
            let found = f64::from(block.x[0] - block.last[0]) / f64::from(block.scale[0]);
            assert!(tick < 2 || (found - step).abs() < 0.01, "{tick}: {found}");
            anchors.refit(0, &block, |_, _| {});
        }
    }
}
