//! A detector as columns of state, one lane per series.

use arrow::datatypes::Float32Type;
use multiversion::multiversion;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use crate::{
    anchor::Move,
    arithmetic::single::select,
    block::{BLOCK, Block, Column, Lane, Observations, Verdict},
    calibration::{BAND_ODDS, Calibration},
    columns::{Writer, read},
    detector::{Detector, PValues, Spec},
};

/// What a kernel says of one value.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// How unusual, >= 0, any scale: calibration gives it a meaning. 0 where there is nothing to score.
    pub(crate) score: f32,
    /// Whether there was something to score.
    pub(crate) observed: bool,
    /// Expected value; without meaning unless [`Kernel::EXPECTS`].
    pub(crate) expected: f32,
    /// Size of one unit of `score` upwards.
    pub(crate) unit_high: f32,
    /// The same downwards.
    pub(crate) unit_low: f32,
}

/// What a detector of events (the end of a run, of a silence) learns from. A run or a silence
/// teaches once, when it is over: otherwise it would teach, while it lasts, that it is ordinary.
#[derive(Clone, Copy)]
pub(crate) struct Lesson {
    /// Score of the event.
    pub(crate) score: f32,
    /// 1 where there is one, else 0.
    pub(crate) teaches: f32,
    /// Events so far.
    pub(crate) seen: f32,
}

/// What a number of state is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A place on the axis of values.
    Place,
    /// A distance between values.
    Length,
    /// A number without unit.
    Count,
}

/// One series' view of a detector with N numbers of state of its own. All functions must
/// be free of branches that a compiler cannot turn into selections.
pub(crate) trait Kernel<const N: usize>: Send {
    /// Names of the state columns, and what they are.
    const COLUMNS: [(&'static str, Kind); N];
    /// What it is.
    const SPEC: Spec;
    /// Whether it expects a value.
    const EXPECTS: bool;
    /// Whether it learns from events, see [`Lesson`], and not from each value.
    const EVENTS: bool = false;
    /// Scores what is new.
    fn score(&self, state: &[f32; N], lane: &Lane) -> Reading;
    /// What its calibration learns from, if it learns from events.
    fn lesson(&self, _state: &[f32; N], lane: &Lane) -> Lesson {
        Lesson { score: 0.0, teaches: 0.0, seen: lane.seen }
    }
    /// State after this tick. What is not to be learnt from (`lane.learns` is 0) changes only what
    /// says where the series is (how long a run lasts), or its return would be a surprise.
    fn advance(&self, state: &[f32; N], lane: &Lane) -> [f32; N];
}

/// State of one block: N columns of the kernel, and the calibration.
#[derive(Clone)]
#[repr(align(64))]
struct State<const N: usize> {
    own: [Column; N],
    calibration: Calibration,
}

impl<const N: usize> State<N> {
    const EMPTY: Self = Self { own: [[0.0; BLOCK]; N], calibration: Calibration::EMPTY };

    #[inline(always)]
    fn own(&self, i: usize) -> [f32; N] {
        let mut own = [0.0; N];
        for (number, column) in own.iter_mut().zip(&self.own) {
            *number = column[i];
        }
        own
    }
}

/// What lies between scoring a block and learning from it; written by every detector before it
/// reads.
#[derive(Clone)]
#[repr(align(64))]
pub(crate) struct Between {
    /// 1 + score.
    y: Column,
    /// 1/p.
    odds: Column,
    /// 1 + score of the event.
    lesson: Column,
    /// Gain of the calibration for the event.
    gain: Column,
    busy: [u8; BLOCK],
}

impl Between {
    pub(crate) const EMPTY: Self = Self {
        y: [1.0; BLOCK],
        odds: [1.0; BLOCK],
        lesson: [1.0; BLOCK],
        gain: [0.0; BLOCK],
        busy: [0; BLOCK],
    };
}

/// A kernel over many series.
pub(crate) struct Lanes<K, const N: usize> {
    kernel: K,
    warmup_ticks: u32,
    series: usize,
    blocks: Vec<State<N>>,
}

impl<K: Kernel<N>, const N: usize> Lanes<K, N> {
    pub(crate) fn new(kernel: K, warmup_ticks: u32) -> Self {
        Self { kernel, warmup_ticks, series: 0, blocks: Vec::new() }
    }

    fn table() -> String {
        format!("detectors.{}", K::SPEC.name)
    }
}

#[inline(always)]
fn seen<K: Kernel<N>, const N: usize>(kernel: &K, own: &[f32; N], lane: &Lane) -> f32 {
    if K::EVENTS { kernel.lesson(own, lane).seen } else { lane.seen }
}

/// Scores one series as far as it is ordinary.
#[inline(always)]
fn score<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    state: &State<N>,
    input: &Block,
    between: &mut Between,
    i: usize,
) {
    let lane = input.lane(i);
    let own = state.own(i);
    let reading = kernel.score(&own, &lane);
    let y = 1.0 + reading.score;
    let speaks = reading.observed & (seen(kernel, &own, &lane) >= warmup);
    between.y[i] = y;
    between.odds[i] = select(speaks, state.calibration.body(i, y), 1.0);
    if K::EVENTS {
        let lesson = kernel.lesson(&own, &lane);
        between.lesson[i] = 1.0 + lesson.score * lesson.teaches;
        between.gain[i] = crate::calibration::gain(1.0 / (lesson.seen + 1.0)) * lesson.teaches;
    }
}

/// Expected value and band.
#[inline(always)]
fn expect<const N: usize>(state: &State<N>, reading: &Reading, out: &mut Verdict, i: usize) {
    let band = state.calibration.band(i);
    out.expected[i] = reading.expected;
    out.low[i] = reading.expected - band * reading.unit_low;
    out.high[i] = reading.expected + band * reading.unit_high;
}

/// What is to be done for a series that is not ordinary, or lately was not.
#[inline(always)]
fn attend<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    state: &mut State<N>,
    input: &Block,
    between: &mut Between,
    out: &mut Verdict,
    i: usize,
) {
    let lane = input.lane(i);
    let own = state.own(i);
    let seen = seen(kernel, &own, &lane);
    if state.calibration.exceeds(i, between.y[i]) {
        let reading = kernel.score(&own, &lane);
        if reading.observed && seen >= warmup {
            let relative = || if K::EXPECTS { relative(&reading, &lane, input, i) } else { reading.score };
            let odds = state.calibration.tail(i, between.y[i], seen, relative);
            between.odds[i] = odds;
            if K::EXPECTS && odds > out.lead[i] {
                out.lead[i] = odds;
                expect(state, &reading, out, i);
            }
        }
    }
    let (lesson, gain) =
        if K::EVENTS { (between.lesson[i], between.gain[i]) } else { (between.y[i], input.gain[i]) };
    if gain > 0.0 {
        state.calibration.meet(i, lesson, seen);
    }
}

/// How far off a value is in units of what was expected, where an expectation below 1 counts as 1.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "only its size matters")]
fn relative(reading: &Reading, lane: &Lane, input: &Block, i: usize) -> f32 {
    let unit = f64::from(crate::anchor::inverse(input.scale[i]));
    let expected = (input.anchor[i] + f64::from(reading.expected) * unit).abs();
    let relative = f64::from((lane.x - reading.expected).abs()) * unit / expected.max(1.0);
    relative.min(1e30) as f32
}

/// Learns from one series.
#[inline(always)]
fn learn<K: Kernel<N>, const N: usize>(
    kernel: &K,
    state: &mut State<N>,
    input: &Block,
    between: &Between,
    i: usize,
) {
    let next = kernel.advance(&state.own(i), &input.lane(i));
    for (column, number) in state.own.iter_mut().zip(next) {
        column[i] = number;
    }
    let (lesson, gain) =
        if K::EVENTS { (between.lesson[i], between.gain[i]) } else { (between.y[i], input.gain[i]) };
    state.calibration.follow(i, lesson, gain);
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn run<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    state: &mut State<N>,
    input: &Block,
    between: &mut Between,
    out: &mut Verdict,
    p_values: &mut PValues,
) {
    for i in 0..BLOCK {
        score(kernel, warmup, state, input, between, i);
    }
    for i in 0..BLOCK {
        let lesson = if K::EVENTS { between.lesson[i] } else { 1.0 };
        between.busy[i] = u8::from(state.calibration.is_busy(i, between.y[i], lesson));
    }
    for group in 0..BLOCK / 8 {
        let busy: [u8; 8] = std::array::from_fn(|i| between.busy[group * 8 + i]);
        let mut busy = u64::from_le_bytes(busy);
        while busy != 0 {
            let i = group * 8 + busy.trailing_zeros() as usize / 8;
            attend(kernel, warmup, state, input, between, out, i);
            busy &= busy - 1;
        }
    }
    for i in 0..BLOCK {
        learn(kernel, state, input, between, i);
    }
    for i in 0..BLOCK {
        out.sum[i] += between.odds[i];
        p_values.set(i, between.odds[i]);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn look_ahead<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f32,
    state: &State<N>,
    input: &Block,
    out: &mut Verdict,
) {
    for i in 0..BLOCK {
        let lane = input.lane(i);
        let reading = kernel.score(&state.own(i), &lane);
        expect(state, &reading, out, i);
        let warm = lane.seen >= warmup;
        out.lead[i] = BAND_ODDS;
        out.expected[i] = select(warm, out.expected[i], f32::NAN);
        out.low[i] = select(warm, out.low[i], f32::NAN);
        out.high[i] = select(warm, out.high[i], f32::NAN);
    }
}

impl<K: Kernel<N>, const N: usize> Detector for Lanes<K, N> {
    fn spec(&self) -> &Spec {
        const { &K::SPEC }
    }

    fn looks_ahead(&self) -> bool {
        K::EXPECTS
    }

    fn series(&self) -> usize {
        self.series
    }

    fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
        self.blocks.resize(self.series.div_ceil(BLOCK), State::EMPTY);
    }

    fn forget(&mut self, series: SeriesId) {
        if let Some(state) = self.blocks.get_mut(series.index() / BLOCK) {
            let i = series.index() % BLOCK;
            state.own.iter_mut().for_each(|column| column[i] = 0.0);
            state.calibration.forget(i);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by a u32")]
    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn warmup(&self, series: SeriesId, seen: f32) -> (u32, u32) {
        let state = self.blocks.get(series.index() / BLOCK);
        let lane = Lane { seen, ..Block::EMPTY.lane(0) };
        let seen =
            state.map_or(0.0, |state| self::seen(&self.kernel, &state.own(series.index() % BLOCK), &lane));
        (seen.min(self.warmup_ticks as f32) as u32, self.warmup_ticks)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn look_ahead(&self, block: usize, input: &Block, out: &mut Verdict) {
        if let (true, Some(state)) = (K::EXPECTS, self.blocks.get(block)) {
            look_ahead(&self.kernel, self.warmup_ticks as f32, state, input, out);
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn update_block(
        &mut self,
        block: usize,
        _: Observations<'_>,
        input: &Block,
        between: &mut Between,
        out: &mut Verdict,
        p_values: &mut PValues,
    ) {
        if let Some(state) = self.blocks.get_mut(block) {
            run(&self.kernel, self.warmup_ticks as f32, state, input, between, out, p_values);
        }
    }

    fn convert(&mut self, series: usize, to: Move) {
        if let Some(state) = self.blocks.get_mut(series / BLOCK) {
            convert_lane::<K, N>(state, series % BLOCK, to);
        }
    }
}

fn convert_lane<K: Kernel<N>, const N: usize>(state: &mut State<N>, i: usize, to: Move) {
    for (column, (_, kind)) in state.own.iter_mut().zip(K::COLUMNS) {
        let number = &mut column[i];
        *number = match kind {
            Kind::Place => to.place(*number),
            Kind::Length => to.length(*number),
            Kind::Count => *number,
        };
    }
}

impl<K: Kernel<N>, const N: usize> Checkpointed for Lanes<K, N> {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut table = Writer::new(&self.blocks, self.series);
        for (column, (name, _)) in K::COLUMNS.into_iter().enumerate() {
            table.column::<Float32Type>(name, |state| &state.own[column]);
        }
        Calibration::columns(&mut table, |state: &State<N>| &state.calibration);
        Ok(vec![table.finish(&Self::table(), K::SPEC.state_version)?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let table = StateTable::find(tables, &Self::table(), K::SPEC.state_version)?;
        let series = table.rows.num_rows();
        let mut blocks = vec![State::EMPTY; series.div_ceil(BLOCK)];
        for (column, (name, _)) in K::COLUMNS.into_iter().enumerate() {
            read::<Float32Type, _>(table, name, &mut blocks, |state: &mut State<N>| &mut state.own[column])?;
        }
        Calibration::read(table, &mut blocks, |state: &mut State<N>| &mut state.calibration)?;
        self.series = series;
        self.blocks = blocks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anchor::Anchors, cusum::Cusum, drift::Drift, event_density::EventDensity, extreme::Extreme,
        flat::Flat, level::Level, missing::Missing, page_hinkley::PageHinkley, quantiles::Quantiles,
        rate::Rate, trend::Trend, variance::Variance,
    };

    /// The form for the baseline machine, one lane at a time.
    #[inline(never)]
    fn scalar<K: Kernel<N>, const N: usize>(
        kernel: &K,
        state: &mut State<N>,
        input: &Block,
        between: &mut Between,
        out: &mut Verdict,
        p_values: &mut PValues,
    ) {
        for i in 0..BLOCK {
            let i = std::hint::black_box(i);
            score(kernel, 20.0, state, input, between, i);
            if state.calibration.is_busy(i, between.y[i], if K::EVENTS { between.lesson[i] } else { 1.0 }) {
                attend(kernel, 20.0, state, input, between, out, i);
            }
            learn(kernel, state, input, between, i);
            out.sum[i] += between.odds[i];
            p_values.set(i, between.odds[i]);
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
            let (mut ahead, mut behind) = (Between::EMPTY, Between::EMPTY);
            run(kernel, 20.0, &mut one, &block, &mut ahead, &mut a, &mut p);
            scalar(kernel, &mut other, &block, &mut behind, &mut b, &mut q);
            for (a, b) in [
                (a.sum, b.sum),
                (a.lead, b.lead),
                (a.expected, b.expected),
                (a.low, b.low),
                (a.high, b.high),
                (ahead.y, behind.y),
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
}
