//! A detector as columns of state, one lane per series.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, Float64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};
use multiversion::multiversion;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use crate::{
    arithmetic::select,
    block::{BLOCK, Block, BlockScores},
    calibration::{self, Calibration},
    detector::{Detector, Spec},
};

/// What a kernel says of one value.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    /// How unusual, >= 0, any scale: calibration gives it a meaning.
    pub(crate) score: f64,
    /// How far off in units of the value itself.
    pub(crate) relative: f64,
    /// Expected value, or NaN.
    pub(crate) expected: f64,
    /// Size of one unit of `score` upwards, in units of the value.
    pub(crate) unit_high: f64,
    /// The same downwards.
    pub(crate) unit_low: f64,
    /// Whether there was anything to score and learn from.
    pub(crate) observed: bool,
    /// Score that the calibration learns from ...
    pub(crate) lesson: f64,
    /// ... if this holds. A run or a silence teaches once, when it is over: otherwise it
    /// would teach, while it lasts, that it is ordinary.
    pub(crate) teaches: bool,
}

/// One series' view of a detector with N numbers of state of its own. Both functions must
/// be free of branches that a compiler cannot turn into selections.
pub(crate) trait Kernel<const N: usize>: Send {
    /// Names of the state columns.
    const COLUMNS: [&'static str; N];
    /// What it is.
    const SPEC: Spec;
    /// Scores `x` (NaN: absent) after `seen` observations.
    fn score(&self, state: &[f64; N], seen: f64, x: f64) -> Reading;
    /// State after `x`.
    fn learn(&self, state: &[f64; N], seen: f64, x: f64) -> [f64; N];
    /// State after an `x` that is not to be learnt from: what merely says where the series
    /// is (its last value, how long a run lasts) goes on, or its return would be a surprise.
    #[inline(always)]
    fn follow(&self, state: &[f64; N], _x: f64) -> [f64; N] {
        *state
    }
}

/// State of one block: N columns of the kernel and those of the calibration.
#[derive(Clone)]
struct Columns<const N: usize> {
    own: [[f64; BLOCK]; N],
    calibration: [[f64; BLOCK]; calibration::COLUMNS.len()],
}

impl<const N: usize> Columns<N> {
    const EMPTY: Self =
        Self { own: [[0.0; BLOCK]; N], calibration: [[0.0; BLOCK]; calibration::COLUMNS.len()] };

    fn column(&mut self, column: usize) -> &mut [f64; BLOCK] {
        if column < N { &mut self.own[column] } else { &mut self.calibration[column - N] }
    }
}

/// A kernel over many series.
pub(crate) struct Lanes<K, const N: usize> {
    kernel: K,
    warmup_ticks: u32,
    series: usize,
    blocks: Vec<Columns<N>>,
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
fn lane<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f64,
    state: &mut Columns<N>,
    input: &Block,
    out: &mut BlockScores,
    i: usize,
) {
    let x = input.values[i];
    let mut own = [0.0; N];
    for (value, column) in own.iter_mut().zip(&state.own) {
        *value = column[i];
    }
    let mut columns = [0.0; calibration::COLUMNS.len()];
    for (value, column) in columns.iter_mut().zip(&state.calibration) {
        *value = column[i];
    }
    let calibration = Calibration::load(columns);
    let reading = kernel.score(&own, calibration.seen, x);
    let warm = calibration.seen >= warmup;
    let p_value = calibration.p_value(reading.score, reading.relative, warmup);
    let band = calibration.band();
    out.p_value[i] = select(reading.observed, p_value, 1.0);
    out.expected[i] = select(warm, reading.expected, f64::NAN);
    out.low[i] = select(warm, reading.expected - band * reading.unit_low, f64::NAN);
    out.high[i] = select(warm, reading.expected + band * reading.unit_high, f64::NAN);

    let learns = reading.observed & (input.learn[i] > 0.0);
    let rests = reading.observed & (input.learn[i] <= 0.0);
    let next = kernel.learn(&own, calibration.seen, x);
    let followed = kernel.follow(&own, x);
    for (((column, new), followed), old) in state.own.iter_mut().zip(next).zip(followed).zip(own) {
        column[i] = select(learns, new, select(rests, followed, old));
    }
    let learns = learns & reading.teaches;
    let next = calibration.learn(reading.lesson).store();
    for ((column, new), old) in state.calibration.iter_mut().zip(next).zip(columns) {
        column[i] = select(learns, new, old);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn run<K: Kernel<N>, const N: usize>(
    kernel: &K,
    warmup: f64,
    state: &mut Columns<N>,
    input: &Block,
    out: &mut BlockScores,
) {
    for i in 0..BLOCK {
        lane(kernel, warmup, state, input, out, i);
    }
}

impl<K: Kernel<N>, const N: usize> Detector for Lanes<K, N> {
    fn spec(&self) -> &Spec {
        const { &K::SPEC }
    }

    fn series(&self) -> usize {
        self.series
    }

    fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
        self.blocks.resize(self.series.div_ceil(BLOCK), Columns::EMPTY);
    }

    fn forget(&mut self, series: SeriesId) {
        if let Some(block) = self.blocks.get_mut(series.index() / BLOCK) {
            for column in 0..N + calibration::COLUMNS.len() {
                block.column(column)[series.index() % BLOCK] = 0.0;
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by a u32")]
    fn warmup(&self, series: SeriesId) -> (u32, u32) {
        let block = self.blocks.get(series.index() / BLOCK);
        let seen = block.map_or(0.0, |block| block.calibration[0][series.index() % BLOCK]);
        (seen.min(f64::from(self.warmup_ticks)) as u32, self.warmup_ticks)
    }

    fn update_block(&mut self, block: usize, input: &Block, out: &mut BlockScores) {
        if let Some(state) = self.blocks.get_mut(block) {
            run(&self.kernel, f64::from(self.warmup_ticks), state, input, out);
        }
    }
}

impl<K: Kernel<N>, const N: usize> Checkpointed for Lanes<K, N> {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (column, name) in K::COLUMNS.iter().chain(&calibration::COLUMNS).enumerate() {
            fields.push(Field::new(*name, DataType::Float64, false));
            let blocks = self.blocks.iter();
            let lanes =
                blocks.flat_map(|b| if column < N { &b.own[column] } else { &b.calibration[column - N] });
            let values: Vec<f64> = lanes.take(self.series).copied().collect();
            arrays.push(Arc::new(Float64Array::from(values)));
        }
        let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|e| StateError::Malformed { table: Self::table(), reason: e.to_string() })?;
        Ok(vec![StateTable { name: Self::table(), version: K::SPEC.state_version, rows }])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let table = StateTable::find(tables, &Self::table(), K::SPEC.state_version)?;
        let series = table.rows.num_rows();
        let mut blocks = vec![Columns::EMPTY; series.div_ceil(BLOCK)];
        for (column, name) in K::COLUMNS.iter().chain(&calibration::COLUMNS).enumerate() {
            let values = table.rows.column_by_name(name);
            let values = values.and_then(|values| values.as_any().downcast_ref::<Float64Array>());
            let values = values.filter(|values| values.null_count() == 0);
            let values = values.ok_or_else(|| StateError::Malformed {
                table: Self::table(),
                reason: format!("a column `{name}` of doubles without nulls was expected"),
            })?;
            for (block, chunk) in blocks.iter_mut().zip(values.values().chunks(BLOCK)) {
                block.column(column)[..chunk.len()].copy_from_slice(chunk);
            }
        }
        self.series = series;
        self.blocks = blocks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{drift::Drift, flat::Flat, level::Level, missing::Missing, quantiles::Quantiles, rate::Rate};

    /// The form for the baseline machine, one lane at a time.
    #[inline(never)]
    fn scalar<K: Kernel<N>, const N: usize>(
        kernel: &K,
        state: &mut Columns<N>,
        input: &Block,
        out: &mut BlockScores,
    ) {
        for i in 0..BLOCK {
            lane(kernel, 20.0, state, input, out, std::hint::black_box(i));
        }
    }

    fn bits(values: &[f64]) -> Vec<u64> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[expect(clippy::cast_precision_loss, reason = "any number will do")]
    fn agrees<K: Kernel<N>, const N: usize>(kernel: &K) {
        let mut random = 1_u64;
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> 33
        };
        let (mut one, mut other) = (Columns::EMPTY, Columns::EMPTY);
        for _ in 0..500 {
            let mut input = Block { values: [f64::NAN; BLOCK], learn: [1.0; BLOCK] };
            for i in 0..BLOCK {
                let x = next() as f64 / 1e9 - 1.0;
                input.values[i] = match (i % 8, next() % 10) {
                    (_, 0) => f64::NAN,
                    (0, _) => x * 1e150,
                    (1, _) => x * 1e-310,
                    (2, _) => 7.0,
                    (3, _) => (x * 3.0).round(),
                    (4, 1) => x * 1e9,
                    _ => x,
                };
                input.learn[i] = f64::from(u8::from(next() % 20 != 0));
            }
            let (mut a, mut b) = (BlockScores::ORDINARY, BlockScores::ORDINARY);
            run(kernel, 20.0, &mut one, &input, &mut a);
            scalar(kernel, &mut other, &input, &mut b);
            for (a, b) in [(a.p_value, b.p_value), (a.expected, b.expected), (a.low, b.low), (a.high, b.high)]
            {
                assert_eq!(bits(&a), bits(&b), "{}", K::SPEC.name);
            }
            assert!(
                a.p_value.iter().all(|p| (calibration::P_VALUE_MIN..=1.0).contains(p)),
                "{:?}",
                a.p_value
            );
            for column in 0..N + calibration::COLUMNS.len() {
                assert_eq!(bits(one.column(column)), bits(other.column(column)), "{}", K::SPEC.name);
                assert!(one.column(column).iter().all(|value| value.is_finite()), "{}", K::SPEC.name);
            }
        }
    }

    #[test]
    fn every_vector_width_gives_the_same_bits_and_finite_state() {
        agrees(&Level { memory_ticks: 64.0 });
        agrees(&Quantiles { memory_ticks: 64.0 });
        agrees(&Rate { memory_ticks: 64.0 });
        agrees(&Flat { memory_ticks: 64.0 });
        agrees(&Missing { memory_ticks: 64.0 });
        agrees(&Drift { fast_ticks: 8.0, slow_ticks: 128.0 });
    }
}
