//! Detectors that keep a model of their own for each series: what does not fit in a lane.
//!
//! A [`SeriesModel`] scores the value of one series in the unit of the value; [`Modelled`] keeps
//! one a series, calibrates the scores as those of kernels are, and so makes a detector of the
//! bank. To add one: implement [`Model`] (state as numbers, so that checkpoints come for free) and
//! [`SeriesModel`], and give it a line in the registry.

use arrow::datatypes::Float32Type;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable, Timestamp};

use crate::{
    anchor::{LENGTH_MAX, Move},
    block::{BLOCK, Block, Column, Observations, Verdict},
    calibration::{self, BAND_ODDS, Calibration},
    columns::{Writer, read},
    detector::{Detector, PValues, Spec},
    slots::{Model, Slots},
    tail::{EXCESS_MIN, experience, rarity},
    turn::Scored,
};

/// Bytes per series beside the model: its calibration, the count of its scores, its place in the
/// list.
pub(crate) const BYTES: usize = calibration::BYTES + size_of::<f32>() + size_of::<usize>();

/// No score is larger.
const SCORE_MAX: f64 = 1e30;

/// What a model says of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// How unusual, >= 0: calibration by the model's own past scores gives it a meaning. About 1
    /// for what is ordinary; a score below a quarter is no departure.
    pub(crate) score: f64,
    /// Expected value, in the unit of the value; NaN if none is expected.
    pub(crate) expected: f64,
    /// Size of one unit of `score`, in the unit of the value; NaN if the score is no distance
    /// from what was expected, and there is no band.
    pub(crate) unit: f64,
}

impl Reading {
    /// A score without an expected value.
    pub(crate) const fn of(score: f64) -> Self {
        Self { score, expected: f64::NAN, unit: f64::NAN }
    }
}

/// A model of one series. It is made by [`Model::empty`] (one channel) when the first value of the
/// series comes, and its table is `detectors.` and the name in its spec.
///
/// Its memory is bounded, whatever comes. It draws nothing and reads no clock: same values, same
/// bits. All arithmetic is exact or from [`crate::arithmetic`].
pub(crate) trait SeriesModel: Model {
    /// What it is. `bytes_per_series` is [`BYTES`], the size of the model, and what that holds on the
    /// heap, at most; `warmup_ticks` counts scores.
    const SPEC: Spec;

    /// Scores `value` (finite, magnitude at most 1e150) of the tick that begins at `at` by what came
    /// before, then learns from it. None if there is nothing to compare with yet.
    ///
    /// Without `learn` (inside an incident) only that may change which says where the series is
    /// (its last values), or its return would be a surprise; nothing that says what is usual.
    fn update(&mut self, value: f64, at: Timestamp, learn: bool) -> Option<Reading>;

    /// A tick without a value.
    fn skip(&mut self, _at: Timestamp) {}
}

/// Models of many series: one each in [`Slots`], or a pool that keeps them together.
pub(crate) trait SeriesModels: Checkpointed + Send {
    /// See [`SeriesModel::SPEC`].
    const SPEC: Spec;

    /// Makes room for `series` series; never shrinks.
    fn grow(&mut self, series: usize);

    /// Starts a series anew, as if it had never been seen.
    fn forget(&mut self, series: usize);

    /// See [`SeriesModel::update`].
    fn update(&mut self, series: usize, value: f64, at: Timestamp, learn: bool) -> Option<Reading>;

    /// See [`SeriesModel::skip`].
    fn skip(&mut self, series: usize, at: Timestamp);
}

impl<M: SeriesModel> SeriesModels for Slots<M> {
    const SPEC: Spec = M::SPEC;

    fn grow(&mut self, series: usize) {
        self.grow(series);
    }

    fn forget(&mut self, series: usize) {
        self.forget(series);
    }

    fn update(&mut self, series: usize, value: f64, at: Timestamp, learn: bool) -> Option<Reading> {
        self.model(series, 1).update(value, at, learn)
    }

    fn skip(&mut self, series: usize, at: Timestamp) {
        if let Some(model) = self.get_mut(series) {
            model.skip(at);
        }
    }
}

/// What makes p-values of the scores of one block.
#[derive(Clone)]
struct Scores {
    /// Scores learnt from.
    seen: Column,
    calibration: Calibration,
}

impl Scores {
    const EMPTY: Self = Self { seen: [0.0; BLOCK], calibration: Calibration::EMPTY };

    /// 1/p of a reading, and expected value and band where it leads; then learns from its score.
    #[expect(clippy::cast_possible_truncation, reason = "a score has no more than six digits to tell")]
    fn judge(
        &mut self,
        warmup: f32,
        reading: &Reading,
        value: f64,
        input: &Block,
        out: &mut Verdict,
        i: usize,
    ) -> f32 {
        let y = 1.0 + if reading.score > 0.0 { reading.score.min(SCORE_MAX) as f32 } else { 0.0 };
        let seen = self.seen[i];
        let expects = !reading.expected.is_nan();
        let mut odds = 1.0;
        if seen >= warmup {
            let (threshold, tail) = (self.calibration.threshold(i), self.calibration.tails.get(i));
            odds = if y > threshold {
                let off = if expects {
                    (value - reading.expected).abs() / reading.expected.abs().max(1.0)
                } else {
                    reading.score
                };
                let rarity = rarity(off.min(SCORE_MAX) as f32);
                tail.odds(y, threshold, seen, rarity, EXCESS_MIN).min(experience(seen))
            } else {
                self.calibration.body(i, y)
            };
            // Where no kernel has looked ahead, nobody has told an expectation yet.
            if expects && (odds > out.lead[i] || out.expected[i].is_nan()) {
                out.lead[i] = odds.max(BAND_ODDS);
                self.expect(reading, input, out, i);
            }
        }
        if input.learns[i] > 0.0 {
            let gain = calibration::gain(1.0 / (seen + 1.0));
            let threshold = self.calibration.threshold(i);
            // What repeats need not lie above it for more than that it has come down on it.
            let clear = y > threshold + threshold * gain;
            if input.x[i] != input.last[i] || clear || self.calibration.tails.runs(i) {
                let tail = self.calibration.tails.get(i).met(y, threshold, seen, true);
                self.calibration.tails.set(i, tail);
            }
            self.calibration.follow(i, y, gain);
            self.seen[i] = seen + 1.0;
        }
        odds
    }

    /// Expected value and band, in the series' own units.
    #[expect(clippy::cast_possible_truncation, reason = "own units are single precision")]
    fn expect(&self, reading: &Reading, input: &Block, out: &mut Verdict, i: usize) {
        let own = |place: f64| {
            let max = f64::from(LENGTH_MAX);
            ((place - input.anchor[i]) * f64::from(input.scale[i])).clamp(-max, max) as f32
        };
        let band =
            f64::from(self.calibration.tails.get(i).band(self.calibration.threshold(i))) * reading.unit;
        out.expected[i] = own(reading.expected);
        out.low[i] = own(reading.expected - band);
        out.high[i] = own(reading.expected + band);
    }
}

/// Models of many series as one detector.
pub(crate) struct Modelled<P> {
    spec: Spec,
    models: P,
    warmup_ticks: u32,
    series: usize,
    blocks: Vec<Scores>,
}

impl<P: SeriesModels> Modelled<P> {
    /// A detector without series.
    pub(crate) fn new(models: P, warmup_ticks: Option<u32>) -> Self {
        let warmup_ticks = warmup_ticks.unwrap_or(P::SPEC.warmup_ticks);
        Self { spec: P::SPEC, models, warmup_ticks, series: 0, blocks: Vec::new() }
    }

    fn table() -> String {
        format!("detectors.{}.scores", P::SPEC.name)
    }
}

impl<P: SeriesModels> Detector for Modelled<P> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    /// A model tells what it expected when the value is there.
    fn looks_ahead(&self) -> bool {
        false
    }

    fn series(&self) -> usize {
        self.series
    }

    fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
        self.models.grow(self.series);
        self.blocks.resize(self.series.div_ceil(BLOCK), Scores::EMPTY);
    }

    fn forget(&mut self, series: SeriesId) {
        self.models.forget(series.index());
        if let Some(scored) = self.blocks.get_mut(series.index() / BLOCK) {
            scored.seen[series.index() % BLOCK] = 0.0;
            scored.calibration.forget(series.index() % BLOCK);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by a u32")]
    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn warmup(&self, series: SeriesId, _: f32) -> (u32, u32) {
        let scored = self.blocks.get(series.index() / BLOCK);
        let seen = scored.map_or(0.0, |scored| scored.seen[series.index() % BLOCK]);
        (seen.min(self.warmup_ticks as f32) as u32, self.warmup_ticks)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn update_block(
        &mut self,
        block: usize,
        observations: Observations<'_>,
        _: bool,
        input: &Block,
        _: &mut Scored,
        out: &mut Verdict,
        p_values: &mut PValues,
    ) {
        let Some(scored) = self.blocks.get_mut(block) else { return };
        for i in 0..BLOCK {
            let (series, value, at) = (block * BLOCK + i, observations.values[i], observations.at);
            let reading = if input.observed[i] > 0.0 {
                self.models.update(series, value, at, input.learns[i] > 0.0)
            } else {
                self.models.skip(series, at);
                None
            };
            let warmup = self.warmup_ticks as f32;
            let odds = reading.map_or(1.0, |reading| scored.judge(warmup, &reading, value, input, out, i));
            out.sum[i] += odds;
            p_values.set(i, odds);
        }
    }

    /// Models are in the unit of the value.
    fn convert(&mut self, _: usize, _: Move) {}
}

impl<P: SeriesModels> Checkpointed for Modelled<P> {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut table = Writer::new(&self.blocks, self.series);
        table.column::<Float32Type>("seen", |scored| &scored.seen);
        Calibration::columns(&mut table, |scored: &Scores| &scored.calibration);
        let mut tables = vec![table.finish(&Self::table(), self.spec.state_version)?];
        tables.extend(self.models.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let table = StateTable::find(tables, &Self::table(), self.spec.state_version)?;
        let series = table.rows.num_rows();
        let mut blocks = vec![Scores::EMPTY; series.div_ceil(BLOCK)];
        read::<Float32Type, _>(table, "seen", &mut blocks, |scored| &mut scored.seen)?;
        Calibration::read(table, &mut blocks, |scored: &mut Scores| &mut scored.calibration)?;
        self.models.restore(tables)?;
        self.models.grow(series);
        self.series = series;
        self.blocks = blocks;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        anchor::Anchors,
        block::Lane,
        lanes::{self, Kernel, Kind, Lanes},
        slots::Numbers,
    };

    const SPEC: Spec = Spec {
        name: "step",
        sees: "",
        formula: "|x - last|",
        source: "",
        parameters: &[],
        state_version: 1,
        warmup_ticks: 64,
        bytes_per_series: 0,
        on_by_default: false,
    };

    /// The last value, and when it came.
    #[derive(Debug, PartialEq)]
    struct Step {
        last: f64,
        at: Timestamp,
        learnt: f64,
    }

    impl Model for Step {
        const TABLE: &'static str = "detectors.step";
        const VERSION: u16 = 1;
        type Settings = ();

        fn empty((): &(), _: usize) -> Self {
            Self { last: f64::NAN, at: Timestamp::MIN, learnt: 0.0 }
        }

        fn channels(&self) -> usize {
            1
        }

        fn save(&self, numbers: &mut Vec<f64>) {
            numbers.extend([self.last, self.at.as_seconds(), self.learnt]);
        }

        #[expect(clippy::cast_possible_truncation, reason = "whole seconds")]
        fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
            let [last, at, learnt] = numbers.array()?;
            *self = Self { last, at: Timestamp::from_seconds(at as i64), learnt };
            Some(())
        }
    }

    impl SeriesModel for Step {
        const SPEC: Spec = SPEC;

        fn update(&mut self, value: f64, at: Timestamp, learn: bool) -> Option<Reading> {
            let expected = if self.last.is_nan() { value } else { self.last };
            (self.last, self.at) = (value, at);
            self.learnt += f64::from(u8::from(learn));
            Some(Reading { score: (value - expected).abs(), expected, unit: 1.0 })
        }

        fn skip(&mut self, at: Timestamp) {
            self.at = at;
        }
    }

    /// The same as a kernel.
    struct StepLane;

    impl Kernel<0> for StepLane {
        const COLUMNS: [(&'static str, Kind); 0] = [];
        const SPEC: Spec = SPEC;
        const EXPECTS: bool = true;

        fn score(&self, _: &[f32; 0], lane: &Lane) -> lanes::Reading {
            lanes::Reading {
                score: (lane.x - lane.last).abs() * lane.observed,
                observed: lane.observed > 0.0,
                expected: lane.last,
                unit_high: 1.0,
                unit_low: 1.0,
            }
        }

        fn advance(&self, _: &[f32; 0], _: &Lane) -> [f32; 0] {
            []
        }
    }

    /// A value for each series; the first step is 1, so that own units are those of the values.
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    fn values(t: usize) -> [f64; BLOCK] {
        std::array::from_fn(|i| match t {
            0 | 1 => 7e9 + t as f64,
            _ if (t + i).is_multiple_of(17) => f64::NAN,
            _ => 7e9 + ((t * t * 7_919 + i * 104_729) % 1_009) as f64 / 100.0 + f64::from(t == 900) * 500.0,
        })
    }

    struct Subject {
        anchors: Anchors,
        block: Block,
    }

    impl Subject {
        fn new() -> Self {
            let mut anchors = Anchors::new(256.0);
            anchors.grow(BLOCK);
            Self { anchors, block: Block::EMPTY }
        }

        fn tick(&mut self, detector: &mut dyn Detector, t: usize) -> (Verdict, PValues) {
            let (values, at) = (values(t), Timestamp::from_seconds(10 * t as i64));
            let learn = [!(500..600).contains(&t); BLOCK];
            self.anchors.prepare(0, &values, &learn, &mut self.block);
            let (mut verdict, mut p_values) = (Verdict::NONE, PValues::ORDINARY);
            let (observations, leads) = (Observations { at, values: &values }, detector.looks_ahead());
            let scored = &mut Scored::EMPTY.clone();
            detector.update_block(0, observations, leads, &self.block, scored, &mut verdict, &mut p_values);
            self.anchors.refit(0, &self.block, |i, to| detector.convert(i, to));
            (verdict, p_values)
        }

        fn value(&self, x: f32, i: usize) -> f64 {
            self.block.anchor[i] + f64::from(x / self.block.scale[i])
        }
    }

    fn modelled() -> Modelled<Slots<Step>> {
        let mut modelled = Modelled::new(Slots::new(()), None);
        modelled.grow(BLOCK);
        modelled
    }

    #[test]
    fn a_model_has_the_p_values_and_bands_of_the_kernel_with_the_same_score() {
        let (mut one, mut other) = (Subject::new(), Subject::new());
        let mut model = modelled();
        let mut kernel = Lanes::new(StepLane, SPEC.warmup_ticks);
        kernel.grow(BLOCK);
        let mut surprised = 0;
        for t in 0..1_000 {
            let (a, p) = one.tick(&mut model, t);
            let (b, q) = other.tick(&mut kernel, t);
            for i in 0..BLOCK {
                let (p, q) = (p.get(i), q.get(i));
                assert!((p / q - 1.0).abs() < 0.02, "{t}, {i}: {p}, a lane {q}");
                surprised += u32::from(p < 1e-5);
                if t > 70 && one.block.observed[i] > 0.0 {
                    for (x, y) in [(a.expected, b.expected), (a.low, b.low), (a.high, b.high)] {
                        let (x, y) = (one.value(x[i], i), other.value(y[i], i));
                        assert!((x - y).abs() < 1e-3, "{t}, {i}: {x}, a lane {y}");
                    }
                }
            }
        }
        assert!(surprised > 100, "{surprised}");
    }

    #[test]
    fn a_model_meets_its_values_as_they_came_and_learns_when_it_may() {
        let (mut subject, mut model) = (Subject::new(), modelled());
        for t in 0..700 {
            subject.tick(&mut model, t);
        }
        let of = |i: usize| model.models.get(i).unwrap();
        let last = |i: usize| (0..700).rev().map(|t| values(t)[i]).find(|x| x.is_finite()).unwrap();
        let learnt = |i: usize| {
            (0..700).filter(|t| !(500..600).contains(t) && values(*t)[i].is_finite()).count() as f64
        };
        for i in 0..BLOCK {
            let at = Timestamp::from_seconds(6_990);
            assert_eq!(*of(i), Step { last: last(i), at, learnt: learnt(i) });
            assert_eq!(f64::from(model.blocks[0].seen[i]), learnt(i));
        }
    }

    #[test]
    fn state_saved_and_restored_in_the_middle_changes_nothing() {
        let (mut subject, mut one) = (Subject::new(), modelled());
        for t in 0..400 {
            subject.tick(&mut one, t);
        }
        let mut other = Modelled::<Slots<Step>>::new(Slots::new(()), None);
        other.restore(&one.snapshot().unwrap()).unwrap();
        assert_eq!(other.series(), BLOCK);
        let mut again = Subject { anchors: Anchors::new(256.0), block: Block::EMPTY };
        again.anchors.restore(&[subject.anchors.snapshot().unwrap()]).unwrap();
        for t in 400..800 {
            let ((a, _), (b, _)) = (subject.tick(&mut one, t), again.tick(&mut other, t));
            assert_eq!(a.sum.map(f32::to_bits), b.sum.map(f32::to_bits), "tick {t}");
        }
        assert_eq!(one.snapshot().unwrap(), other.snapshot().unwrap());
        one.forget(SeriesId(3));
        assert_eq!(one.warmup(SeriesId(3), 1e3), (0, 64));
        assert_eq!(one.warmup(SeriesId(4), 0.0), (64, 64));
    }
}
