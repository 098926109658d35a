//! The tail of a series' past scores. Scores that reach it are rare, so it is kept in few bits and
//! reckoned for a few series at a time, side by side.

use arrow::datatypes::{UInt8Type, UInt16Type};
use theriac_contract::{StateError, StateTable};

use crate::{
    arithmetic::single::{exp, least, ln, most, select},
    block::BLOCK,
    columns::{Writer, read},
};

const LN_TAIL_ODDS: f32 = 2.995_732_3;
/// -ln of the least p-value.
const SURPRISE_MAX: f32 = 82.893_06;
/// ln(1/p at the edge of the band) - ln(1/p at the threshold).
const BAND: f32 = 1.609_438;
/// A score below this, a quarter of the detector's own unit, is no departure however constant
/// the series was.
const SLIGHT: f32 = 0.25;
/// Exceedances that must have been seen before the tail is extrapolated.
const SUPPORT: u8 = 4;
/// Weight, in exceedances, of the first guess of the mean excess.
const PRIOR: f32 = 5.0;
/// First guess of the mean excess: a tail like the power -4.
const PRIOR_EXCESS: f32 = 0.25;
/// Exceedances that say how tails fall before the series has shown any: those of telemetry are alike.
const KNOWN: f32 = 15.0;
/// Mean excess is at least this: no tail is trusted to fall faster than the power -20.
pub(crate) const EXCESS_MIN: f32 = 0.05;
/// The same for sums and averages over many ticks, which are nearly normal. A normal tail falls like
/// the power -6 here; a few runs that barely reach the threshold may look like one of -20, and
/// since such scores last, two unusual ticks in a row then tell nothing more than one.
pub(crate) const EXCESS_MIN_OF_SUMS: f32 = 1.0 / 6.0;
/// Exceedances that the mean excess remembers.
const EXCESS_MEMORY: f32 = 200.0;
/// Mean excesses above the threshold from where an exceedance is far: past the point where
/// about one of twenty exceedances lies.
const FAR: f32 = 3.0;
/// Far exceedances that make a habit.
const HABIT: u16 = 1;
/// Far exceedances that their mean remembers.
const FAR_MEMORY: f32 = 50.0;
/// Observations before exceedances count: until then the quantiles still travel.
const TRAVEL: f32 = 20.0;
/// Steps of a mean excess in one unit.
const EXCESS_STEPS: f32 = 8192.0;
/// Steps of the logarithm of a score in one unit.
const LOG_STEPS: f32 = 512.0;

/// Bytes per series.
pub(crate) const BYTES: usize = 9;

/// The tails of N series, by columns; see [`crate::calibration::Calibration`].
#[derive(Clone, PartialEq)]
pub(crate) struct Tails<const N: usize> {
    /// Mean excess of ln y.
    excess: [u16; N],
    /// Largest excess of the run of exceedances that lasts; 0 if none does.
    run: [u16; N],
    /// Mean ln y of far exceedances.
    far_mean: [u16; N],
    /// Far exceedances.
    far: [u16; N],
    /// Exceedances, as far as they count.
    exceedances: [u8; N],
}

/// The tail of one series.
#[derive(Clone, Copy)]
pub(crate) struct Tail {
    excess: u16,
    run: u16,
    far_mean: u16,
    far: u16,
    exceedances: u8,
}

/// `x`, not negative, in whole steps, as far as they fit.
#[inline(always)]
fn steps(x: f32, steps: f32) -> u16 {
    /// Adding 2^23 rounds to an integer and leaves it in the low bits.
    const ROUNDER: f32 = 8_388_608.0;
    (most(least(x * steps, 65_535.0), 0.0) + ROUNDER).to_bits() as u16
}

/// The power by which 1/n of n scores falls for a value that lies off by `relative` in units of the
/// value itself.
#[inline(always)]
pub(crate) fn rarity(relative: f32) -> f32 {
    least(1.0 + ln(1.0 + relative) / std::f32::consts::LN_10, 3.0)
}

/// The most that 1/p can be after `seen` scores: their number to the fourth. However far a value lies
/// beyond all of them, that none of so many was like it is all that they have to say; the rest is
/// belief in a tail, which a series that was constant so far has none of.
#[inline(always)]
pub(crate) fn experience(seen: f32) -> f32 {
    let square = (seen + 1.0) * (seen + 1.0);
    square * square
}

impl Tail {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "2048 fits")]
    pub(crate) const EMPTY: Self =
        Self { excess: (PRIOR_EXCESS * EXCESS_STEPS) as u16, run: 0, far_mean: 0, far: 0, exceedances: 0 };

    #[inline(always)]
    fn mean_excess(self, least: f32) -> f32 {
        most(f32::from(self.excess) * (1.0 / EXCESS_STEPS), least)
    }

    /// Whether so few exceedances were seen that the tail is not extrapolated.
    #[inline(always)]
    pub(crate) fn is_unsupported(self) -> bool {
        self.exceedances < SUPPORT
    }

    /// The score whose p-value is about 0.01.
    #[inline(always)]
    pub(crate) fn band(self, threshold: f32) -> f32 {
        threshold * exp(BAND * self.mean_excess(EXCESS_MIN)) - 1.0
    }

    /// 1/p of a score in the tail, where `seen` scores are known and the mean excess is at least
    /// `excess_min`. [`rarity`] counts only where the tail [`Tail::is_unsupported`].
    #[inline(always)]
    pub(crate) fn odds(self, y: f32, threshold: f32, seen: f32, rarity: f32, excess_min: f32) -> f32 {
        let (ln_y, ln_seen) = (ln(y), ln(seen + 1.0));
        let mean_excess = self.mean_excess(excess_min);
        let known = least(f32::from(self.exceedances), EXCESS_MEMORY) + KNOWN;
        let beyond = most((ln_y - ln(threshold)) / (known * mean_excess), 0.0);
        let extrapolated = LN_TAIL_ODDS + known * ln(1.0 + beyond);
        let beyond = most(ln_y - f32::from(self.far_mean) / LOG_STEPS, 0.0);
        let habit = ln_seen - ln(f32::from(self.far.max(1))) + beyond / most(mean_excess, PRIOR_EXCESS);
        let surprise = least(extrapolated, select(self.far >= HABIT, habit, SURPRISE_MAX));
        let surprise = least(surprise, select(self.is_unsupported(), ln_seen * rarity, SURPRISE_MAX));
        let surprise = least(surprise, select(y < 1.0 + SLIGHT, LN_TAIL_ODDS, SURPRISE_MAX));
        exp(most(surprise, 0.0))
    }

    /// The tail after a lesson, where `seen` scores were known: a run of exceedances goes on, or
    /// is over and teaches. Without a change unless it `learns`.
    #[inline(always)]
    pub(crate) fn met(self, lesson: f32, threshold: f32, seen: f32, learns: bool) -> Self {
        let ln_threshold = ln(threshold);
        let peak = self.run.max(steps(ln(lesson) - ln_threshold, LOG_STEPS).max(1));
        let exceeds = lesson > threshold;
        let ended = learns & !exceeds & (self.run > 0);

        let run = f32::from(self.run) / LOG_STEPS;
        let mean_excess = self.mean_excess(EXCESS_MIN);
        // A single monstrous score may not blind the tail.
        let bounded = least(run, 6.0 * mean_excess);
        let weight = 1.0 / (least(f32::from(self.exceedances), EXCESS_MEMORY) + (PRIOR + 1.0));
        let excess = f32::from(self.excess) / EXCESS_STEPS;
        let excess = steps(excess + weight * (bounded - excess), EXCESS_STEPS);
        let far = ended & (run > FAR * mean_excess);
        let more = self.far.saturating_add(1);
        let mean = f32::from(self.far_mean) / LOG_STEPS;
        let mean = mean + (ln_threshold + run - mean) / least(f32::from(more), FAR_MEMORY);
        let lasting = if learns & (seen >= TRAVEL) { peak } else { self.run };
        Self {
            excess: if ended { excess } else { self.excess },
            run: if learns & !exceeds { 0 } else { lasting },
            far_mean: if far { steps(mean, LOG_STEPS) } else { self.far_mean },
            far: if far { more } else { self.far },
            exceedances: self.exceedances.saturating_add(u8::from(ended)),
        }
    }
}

impl<const N: usize> Tails<N> {
    pub(crate) const EMPTY: Self = Self {
        excess: [Tail::EMPTY.excess; N],
        run: [0; N],
        far_mean: [0; N],
        far: [0; N],
        exceedances: [0; N],
    };

    #[inline(always)]
    pub(crate) fn get(&self, i: usize) -> Tail {
        Tail {
            excess: self.excess[i],
            run: self.run[i],
            far_mean: self.far_mean[i],
            far: self.far[i],
            exceedances: self.exceedances[i],
        }
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, i: usize, tail: Tail) {
        self.excess[i] = tail.excess;
        self.run[i] = tail.run;
        self.far_mean[i] = tail.far_mean;
        self.far[i] = tail.far;
        self.exceedances[i] = tail.exceedances;
    }

    /// Whether a run of exceedances lasts.
    #[inline(always)]
    pub(crate) fn runs(&self, i: usize) -> bool {
        self.run[i] != 0
    }
}

impl Tails<BLOCK> {
    pub(crate) fn columns<B>(table: &mut Writer<'_, B>, of: impl Fn(&B) -> &Self + Copy) {
        table.column::<UInt16Type>("excess", move |block| &of(block).excess);
        table.column::<UInt16Type>("run_excess", move |block| &of(block).run);
        table.column::<UInt16Type>("far_mean", move |block| &of(block).far_mean);
        table.column::<UInt16Type>("far", move |block| &of(block).far);
        table.column::<UInt8Type>("exceedances", move |block| &of(block).exceedances);
    }

    pub(crate) fn read<B>(
        table: &StateTable,
        blocks: &mut [B],
        of: impl Fn(&mut B) -> &mut Self + Copy,
    ) -> Result<(), StateError> {
        read::<UInt16Type, B>(table, "excess", blocks, move |block| &mut of(block).excess)?;
        read::<UInt16Type, B>(table, "run_excess", blocks, move |block| &mut of(block).run)?;
        read::<UInt16Type, B>(table, "far_mean", blocks, move |block| &mut of(block).far_mean)?;
        read::<UInt16Type, B>(table, "far", blocks, move |block| &mut of(block).far)?;
        read::<UInt8Type, B>(table, "exceedances", blocks, move |block| &mut of(block).exceedances)
    }
}

#[cfg(test)]
mod tests {
    use libm::{log, log10};

    use super::*;

    /// The same in double precision, by branches; changes what it is given.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
    fn meet(tail: &mut Tail, y: f64, threshold: f64, seen: f64) {
        let whole = |x: f64| x.round_ties_even().min(65_535.0) as u16;
        if y > threshold {
            if seen >= 20.0 {
                tail.run = tail.run.max(whole(log(y / threshold) * 512.0)).max(1);
            }
            return;
        }
        let run = f64::from(tail.run) / 512.0;
        tail.run = 0;
        if run == 0.0 {
            return;
        }
        let mean_excess = (f64::from(tail.excess) / 8192.0).max(0.05);
        let excess = f64::from(tail.excess) / 8192.0;
        let weight = 1.0 / (f64::from(tail.exceedances).min(200.0) + 6.0);
        tail.excess = whole((excess + weight * (run.min(6.0 * mean_excess) - excess)) * 8192.0);
        tail.exceedances = tail.exceedances.saturating_add(1);
        if run > 3.0 * mean_excess {
            tail.far = tail.far.saturating_add(1);
            let mean = f64::from(tail.far_mean) / 512.0;
            let weight = 1.0 / f64::from(tail.far).min(50.0);
            tail.far_mean = whole((mean + weight * (log(threshold) + run - mean)) * 512.0);
        }
    }

    /// -ln p in double precision, by branches.
    fn surprise(tail: Tail, y: f64, threshold: f64, seen: f64, relative: f64, least: f64) -> f64 {
        let mean_excess = (f64::from(tail.excess) / 8192.0).max(least);
        let known = f64::from(tail.exceedances).min(200.0) + 15.0;
        let mut surprise = log(20.0) + known * log(1.0 + log(y / threshold) / mean_excess / known);
        if tail.far >= 1 {
            let beyond = (log(y) - f64::from(tail.far_mean) / 512.0).max(0.0);
            let share = (seen + 1.0) / f64::from(tail.far);
            surprise = surprise.min(log(share) + beyond / mean_excess.max(0.25));
        }
        if tail.exceedances < 4 {
            surprise = surprise.min(log(seen + 1.0) * (1.0 + log10(1.0 + relative)).min(3.0));
        }
        if y < 1.25 {
            surprise = surprise.min(log(20.0));
        }
        surprise.clamp(0.0, log(1e36))
    }

    #[test]
    fn side_by_side_is_as_by_branches() {
        let mut random = 5_u64;
        let mut uniform = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from((random >> 40) as u32) / f64::from(1 << 24)
        };
        let (mut habits, mut extrapolated) = (0, 0);
        for _ in 0..40 {
            let (mut tail, threshold) = (Tail::EMPTY, 1.0 + 4.0 * uniform());
            for tick in 0..400_u16 {
                let (seen, far) = (f64::from(tick), if uniform() < 0.02 { 50.0 } else { 1.0 });
                let y = threshold * (0.5 + uniform()) * far;
                let relative = 10.0 * uniform();
                if y > threshold {
                    for (least, exact) in [(EXCESS_MIN, 0.05), (EXCESS_MIN_OF_SUMS, 1.0 / 6.0)] {
                        let rarity = rarity(relative as f32);
                        let found =
                            log(f64::from(tail.odds(y as f32, threshold as f32, tick.into(), rarity, least)));
                        let expected = surprise(tail, y, threshold, seen, relative, exact);
                        assert!((found - expected).abs() < 2e-4, "{tick}: {found}, {expected}");
                    }
                    habits += u32::from(tail.far >= 1);
                    extrapolated += u32::from(tail.exceedances >= 4);
                }
                let mut other = tail;
                meet(&mut other, y, threshold, seen);
                let next = tail.met(y as f32, threshold as f32, tick.into(), true);
                // Single precision may round to the next step.
                assert!(
                    next.excess.abs_diff(other.excess) <= 1 && next.run.abs_diff(other.run) <= 1,
                    "{tick}"
                );
                assert!(next.far_mean.abs_diff(other.far_mean) <= 1, "{tick}");
                assert_eq!((next.far, next.exceedances), (other.far, other.exceedances), "{tick}");
                let same = tail.met(y as f32, threshold as f32, tick.into(), false);
                assert_eq!((same.excess, same.run, same.far_mean), (tail.excess, tail.run, tail.far_mean));
                assert_eq!((same.far, same.exceedances), (tail.far, tail.exceedances));
                tail = next;
            }
        }
        assert!(habits > 100 && extrapolated > 1_000, "{habits} {extrapolated}");
    }
}
