//! One tick of one detector and block: scores what is new, and learns from it.
//!
//! What is the same for all series runs over whole columns. What only few need (a score in the
//! tail, the end of a run of them) is gathered first and then done side by side.

use multiversion::multiversion;

use crate::{
    arithmetic::single::{least, select},
    block::{BLOCK, Block, Column, Verdict},
    calibration::{BAND_ODDS, gain},
    detector::PValues,
    fetch::Ahead,
    lanes::{Kernel, State},
    tail::{Tails, experience, rarity},
};

/// Parts of a block between which memory for the next one is asked for.
const PARTS: usize = BLOCK / 32;
/// Series that are attended to side by side.
const FEW: usize = 16;

/// What scoring a block leaves for those that are attended to, as it was before learning; written
/// by every detector before it reads.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Scored {
    /// 1 + score.
    y: Column,
    /// 1/p.
    odds: Column,
    /// Where the tail begins.
    threshold: Column,
    /// 1 + score of what is learnt from, of a detector of events.
    lesson: Column,
    /// Its lessons so far.
    seen: Column,
    expected: Column,
    unit_high: Column,
    unit_low: Column,
    /// [`SPEAKS`] and [`LEARNS`]; 0 for all who are ordinary.
    busy: [u8; BLOCK],
}

/// The detector speaks of a score in the tail.
const SPEAKS: u8 = 1;
/// The tail learns.
const LEARNS: u8 = 2;

impl Scored {
    pub(crate) const EMPTY: Self = Self {
        y: [1.0; BLOCK],
        odds: [1.0; BLOCK],
        threshold: [1.0; BLOCK],
        lesson: [1.0; BLOCK],
        seen: [0.0; BLOCK],
        expected: [0.0; BLOCK],
        unit_high: [0.0; BLOCK],
        unit_low: [0.0; BLOCK],
        busy: [0; BLOCK],
    };
}

/// Scores one series as far as it is ordinary, and learns from it as far as its tail does not.
#[inline(always)]
fn score_and_learn<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    state: &mut State<N>,
    input: &Block,
    scored: &mut Scored,
    i: usize,
) {
    let lane = input.lane(i);
    let own = state.own(i);
    let reading = kernel.score(&own, &lane);
    let y = 1.0 + reading.score;
    let (lesson, gain, seen) = if K::EVENTS {
        let lesson = kernel.lesson(&own, &lane);
        let gain = gain(1.0 / (lesson.seen + 1.0)) * lesson.teaches;
        (1.0 + lesson.score * lesson.teaches, gain, lesson.seen)
    } else {
        (y, input.gain[i], lane.seen)
    };
    let threshold = state.calibration.threshold(i);
    let speaks = reading.observed & (seen >= warmup);
    scored.y[i] = y;
    scored.odds[i] = select(speaks, state.calibration.body(i, y), 1.0);
    scored.threshold[i] = threshold;
    if K::EVENTS {
        scored.lesson[i] = lesson;
        scored.seen[i] = seen;
    }
    if K::EXPECTS {
        scored.expected[i] = reading.expected;
        scored.unit_high[i] = reading.unit_high;
        scored.unit_low[i] = reading.unit_low;
    }
    let tail = if speaks & (y > threshold) { SPEAKS } else { 0 };
    // What repeats need not lie above the threshold for more than that this has come down on it.
    let clear = lesson > threshold + threshold * gain;
    let begins = (lesson > threshold) & (K::EVENTS | (lane.x != lane.last) | clear);
    let meets = begins | state.calibration.tails.runs(i);
    scored.busy[i] = tail | if meets & (gain > 0.0) { LEARNS } else { 0 };

    let next = kernel.advance(&own, &lane);
    for (column, number) in state.own.iter_mut().zip(next) {
        column[i] = number;
    }
    state.calibration.follow(i, lesson, gain);
}

/// Expected value and band of one series.
#[inline(always)]
fn expect<const N: usize>(state: &State<N>, scored: &Scored, out: &mut Verdict, i: usize) {
    let band = state.calibration.tails.get(i).band(scored.threshold[i]);
    out.expected[i] = scored.expected[i];
    out.low[i] = scored.expected[i] - band * scored.unit_low[i];
    out.high[i] = scored.expected[i] + band * scored.unit_high[i];
}

/// Expected value and band as long as no detector is surprised.
#[inline(always)]
fn lead<const N: usize>(
    warmup: f32,
    state: &State<N>,
    input: &Block,
    scored: &Scored,
    out: &mut Verdict,
    i: usize,
) {
    let warm = input.seen[i] >= warmup;
    expect(state, scored, out, i);
    out.lead[i] = BAND_ODDS;
    out.expected[i] = select(warm, out.expected[i], f32::NAN);
    out.low[i] = select(warm, out.low[i], f32::NAN);
    out.high[i] = select(warm, out.high[i], f32::NAN);
}

/// How far off a value is in units of what was expected, where an expectation below 1 counts as 1.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "only its size matters")]
fn relative(expected: f32, input: &Block, i: usize) -> f32 {
    let unit = f64::from(crate::anchor::inverse(input.scale[i]));
    let level = (input.anchor[i] + f64::from(expected) * unit).abs();
    let relative = f64::from((input.x[i] - expected).abs()) * unit / level.max(1.0);
    relative.min(1e30) as f32
}

/// Some series of a block, side by side.
#[repr(align(64))]
struct Few {
    y: [f32; FEW],
    threshold: [f32; FEW],
    lesson: [f32; FEW],
    seen: [f32; FEW],
    rarity: [f32; FEW],
    odds: [f32; FEW],
    busy: [u8; FEW],
    tails: Tails<FEW>,
}

impl Few {
    const EMPTY: Self = Self {
        y: [1.0; FEW],
        threshold: [1.0; FEW],
        lesson: [1.0; FEW],
        seen: [0.0; FEW],
        rarity: [1.0; FEW],
        odds: [1.0; FEW],
        busy: [0; FEW],
        tails: Tails::EMPTY,
    };
}

/// Attends to the series `lanes`, at most [`FEW`], that are not ordinary or lately were not.
#[inline(always)]
fn attend<K: Kernel<N>, const N: usize>(
    state: &mut State<N>,
    input: &Block,
    scored: &mut Scored,
    out: &mut Verdict,
    few: &mut Few,
    lanes: &[u8],
) {
    let seen = if K::EVENTS { &scored.seen } else { &input.seen };
    for (k, lane) in lanes.iter().enumerate() {
        let (k, i) = (k % FEW, usize::from(*lane) % BLOCK);
        let tail = state.calibration.tails.get(i);
        few.y[k] = scored.y[i];
        few.threshold[k] = scored.threshold[i];
        if K::EVENTS {
            few.lesson[k] = scored.lesson[i];
        }
        few.seen[k] = seen[i];
        few.odds[k] = scored.odds[i];
        few.busy[k] = scored.busy[i];
        few.tails.set(k, tail);
        if tail.is_unsupported() {
            few.rarity[k] =
                rarity(if K::EXPECTS { relative(scored.expected[i], input, i) } else { scored.y[i] - 1.0 });
        }
    }
    for k in 0..FEW {
        let (y, threshold, seen, tail) = (few.y[k], few.threshold[k], few.seen[k], few.tails.get(k));
        let lesson = if K::EVENTS { few.lesson[k] } else { y };
        let odds = tail.odds(y, threshold, seen, few.rarity[k], K::EXCESS_MIN);
        // Events are few, and each lasted for many values.
        let odds = if K::EVENTS { odds } else { least(odds, experience(seen)) };
        few.odds[k] = select(few.busy[k] & SPEAKS != 0, odds, few.odds[k]);
        few.tails.set(k, tail.met(lesson, threshold, seen, few.busy[k] & LEARNS != 0));
    }
    for (k, lane) in lanes.iter().enumerate() {
        let (k, i) = (k % FEW, usize::from(*lane) % BLOCK);
        scored.odds[i] = few.odds[k];
        if K::EXPECTS && few.odds[k] > out.lead[i] {
            out.lead[i] = few.odds[k];
            expect(state, scored, out, i);
        }
        state.calibration.tails.set(i, few.tails.get(k));
    }
}

/// Where the bits of each byte are set, from the lowest on, a byte for each.
const PLACES: [u64; 256] = {
    let mut places = [0; 256];
    let mut mask = 0;
    while mask < places.len() {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if mask >> bit & 1 == 1 {
                places[mask] |= bit << (8 * count);
                count += 1;
            }
            bit += 1;
        }
        mask += 1;
    }
    places
};

/// The lanes that are attended to, and how many they are.
#[inline(always)]
fn busy(scored: &Scored) -> ([u8; BLOCK + 8], usize) {
    /// The lowest bit of each byte.
    const LOWEST: u64 = 0x0101_0101_0101_0101;
    /// Multiplied by this, those bits meet in the highest byte.
    const TOGETHER: u64 = 0x0102_0408_1020_4080;
    let mut masks = [0; BLOCK / 8];
    for (mask, eight) in masks.iter_mut().zip(scored.busy.as_chunks().0) {
        let bits = u64::from_le_bytes(*eight);
        let bits = (bits | (bits >> 1)) & LOWEST;
        *mask = (bits.wrapping_mul(TOGETHER) >> 56) as u8;
    }
    let (mut lanes, mut count, mut first) = ([0; BLOCK + 8], 0, 0_u64);
    for mask in masks {
        let places = PLACES[usize::from(mask)].wrapping_add(first);
        let at = count % BLOCK;
        lanes[at..at + 8].copy_from_slice(&places.to_le_bytes());
        count += mask.count_ones() as usize;
        first = first.wrapping_add(8 * LOWEST);
    }
    (lanes, count)
}

/// One tick. `leads`: whether it is the first detector that expects a value. `next`: the state that
/// is needed at the next call.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
#[expect(clippy::too_many_arguments, reason = "what comes by itself is known not to overlap")]
pub(crate) fn turn<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    leads: bool,
    state: &mut State<N>,
    next: &[State<N>],
    input: &Block,
    scored: &mut Scored,
    out: &mut Verdict,
    p_values: &mut PValues,
) {
    let mut ahead = Ahead::new(next);
    for part in 0..PARTS {
        ahead.fetch(2 * PARTS);
        for i in part * (BLOCK / PARTS)..(part + 1) * (BLOCK / PARTS) {
            score_and_learn(kernel, warmup, state, input, scored, i);
        }
    }
    if leads {
        for i in 0..BLOCK {
            lead(warmup, state, input, scored, out, i);
        }
    }
    let (lanes, count) = busy(scored);
    let mut few = Few::EMPTY;
    for lanes in lanes[..count.min(BLOCK)].chunks(FEW) {
        ahead.fetch(PARTS);
        attend::<K, N>(state, input, scored, out, &mut few, lanes);
    }
    for part in 0..PARTS {
        ahead.fetch(2 * PARTS);
        for i in part * (BLOCK / PARTS)..(part + 1) * (BLOCK / PARTS) {
            out.sum[i] += scored.odds[i];
            p_values.set(i, scored.odds[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anchor::Anchors,
        block::Lane,
        cusum::Cusum,
        detector::Spec,
        drift::Drift,
        event_density::EventDensity,
        extreme::Extreme,
        flat::Flat,
        lanes::convert_lane,
        lanes::{Kind, Reading},
        level::Level,
        missing::Missing,
        page_hinkley::PageHinkley,
        quantiles::Quantiles,
        rate::Rate,
        tail::{EXCESS_MIN, EXCESS_MIN_OF_SUMS},
        trend::Trend,
        variance::Variance,
    };

    /// The form for the baseline machine, one lane at a time.
    #[inline(never)]
    fn scalar<K: Kernel<N>, const N: usize>(
        kernel: &K,
        state: &mut State<N>,
        input: &Block,
        scored: &mut Scored,
        out: &mut Verdict,
        p_values: &mut PValues,
    ) {
        for i in 0..BLOCK {
            let i = std::hint::black_box(i);
            score_and_learn(kernel, 20.0, state, input, scored, i);
            lead(20.0, state, input, scored, out, i);
            if scored.busy[i] != 0 {
                let mut few = Few::EMPTY;
                attend::<K, N>(state, input, scored, out, &mut few, &[i as u8]);
            }
            out.sum[i] += scored.odds[i];
            p_values.set(i, scored.odds[i]);
        }
    }

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    fn agrees<K: Kernel<N>, const N: usize>(kernel: &K) {
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        let (mut one, mut other) = (State::EMPTY, State::EMPTY);
        let mut anchors = Anchors::new(64.0);
        anchors.grow(BLOCK);
        let mut block = Block::EMPTY;
        for _ in 0..500 {
            let (mut values, mut free) = ([f64::NAN; BLOCK], [true; BLOCK]);
            for i in 0..BLOCK {
                let x = next() as f64 / 1e9 - 1.0;
                values[i] = match (i % 8, next() % 10) {
                    (_, 0) => f64::NAN,
                    (0, _) => x * 1e150,
                    (1, _) => x * 1e-310,
                    (2, _) => 7.0,
                    (3, _) => (x * 3.0).round(),
                    (4, 1) => x * 1e9,
                    _ => x,
                };
                free[i] = next() % 20 != 0;
            }
            anchors.prepare(0, &values, &free, &mut block);
            let (mut a, mut b) = (Verdict::NONE, Verdict::NONE);
            let (mut p, mut q) = (PValues::ORDINARY, PValues::ORDINARY);
            let (mut ahead, mut behind) = (Scored::EMPTY, Scored::EMPTY);
            turn(kernel, 20.0, true, &mut one, &[], &block, &mut ahead, &mut a, &mut p);
            scalar(kernel, &mut other, &block, &mut behind, &mut b, &mut q);
            for (a, b) in [
                (a.sum, b.sum),
                (a.lead, b.lead),
                (a.expected, b.expected),
                (a.low, b.low),
                (a.high, b.high),
                (ahead.y, behind.y),
                (ahead.odds, behind.odds),
            ] {
                assert_eq!(bits(&a), bits(&b), "{}", K::SPEC.name);
            }
            assert!(a.sum.iter().all(|odds| (0.999..1.001e36).contains(odds)), "{:?}", a.sum);
            for (a, b) in one.own.iter().zip(&other.own) {
                assert_eq!(bits(a), bits(b), "{}", K::SPEC.name);
                assert!(a.iter().all(|value| value.is_finite()), "{}", K::SPEC.name);
            }
            assert!(one.calibration == other.calibration, "{}", K::SPEC.name);
            anchors.refit(0, &block, |i, to| {
                convert_lane::<K, N>(&mut one, i, to);
                convert_lane::<K, N>(&mut other, i, to);
            });
        }
    }

    #[test]
    fn every_vector_width_gives_the_same_bits_and_finite_state() {
        agrees(&Level);
        agrees(&Quantiles { memory_ticks: 64.0 });
        agrees(&Rate { memory_ticks: 64.0 });
        agrees(&Flat { memory_ticks: 64.0 });
        agrees(&Missing { memory_ticks: 64.0 });
        agrees(&Drift { fast_ticks: 8.0, slow_ticks: 128.0 });
        agrees(&Cusum);
        agrees(&Variance { fast_ticks: 4.0 });
        agrees(&Extreme { memory_ticks: 64.0 });
        agrees(&Trend::new(16.0));
        agrees(&PageHinkley { mean_ticks: 1_024.0 });
        agrees(&EventDensity { recent_ticks: 8.0, usual_ticks: 512.0 });
    }

    /// The score of [`Level`], as a sum or not.
    struct Distance<const SUM: bool>;

    impl<const SUM: bool> Kernel<0> for Distance<SUM> {
        const COLUMNS: [(&'static str, Kind); 0] = [];
        const SPEC: Spec = <Level as Kernel<0>>::SPEC;
        const EXPECTS: bool = false;
        const EXCESS_MIN: f32 = if SUM { EXCESS_MIN_OF_SUMS } else { EXCESS_MIN };

        fn score(&self, state: &[f32; 0], lane: &Lane) -> Reading {
            Level.score(state, lane)
        }

        fn advance(&self, state: &[f32; 0], _: &Lane) -> [f32; 0] {
            *state
        }
    }

    /// 1/p of values that leave uniform noise behind, most of them twice as far off as any before.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn odds_beyond_uniform_noise<const SUM: bool>() -> Vec<f32> {
        let (mut state, mut anchors) = (State::EMPTY, Anchors::new(64.0));
        anchors.grow(BLOCK);
        let (mut block, mut scored, mut odds) = (Block::EMPTY, Scored::EMPTY, Vec::new());
        for tick in 0..400_usize {
            let noise = |i: usize| ((tick * 7_919 + i * 104_729) % 1_009) as f64 / 1_009.0;
            let values =
                std::array::from_fn(|i| noise(i) + if tick > 300 { (i % 20) as f64 / 10.0 } else { 0.0 });
            anchors.prepare(0, &values, &[tick <= 300; BLOCK], &mut block);
            let (mut out, mut p_values) = (Verdict::NONE, PValues::ORDINARY);
            let distance = Distance::<SUM>;
            turn(&distance, 20.0, false, &mut state, &[], &block, &mut scored, &mut out, &mut p_values);
            odds.extend(scored.odds);
            anchors.refit(0, &block, |_, _| {});
        }
        odds
    }

    #[test]
    fn a_sum_is_not_trusted_to_have_the_tail_of_uniform_noise() {
        let (once, sum) = (odds_beyond_uniform_noise::<false>(), odds_beyond_uniform_noise::<true>());
        assert!(once.iter().zip(&sum).all(|(once, sum)| sum <= once));
        let beyond = once.iter().zip(&sum).filter(|(once, _)| **once > 1e4);
        let (far, less) =
            beyond.fold((0, 0), |(far, less), (once, sum)| (far + 1, less + u32::from(*sum < 0.1 * once)));
        assert!(far > 1_000 && less * 2 > far, "{far} {less}");
    }
}
