//! A detector as columns of state, one lane per series.

use arrow::datatypes::Float32Type;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use crate::{
    anchor::Move,
    block::{BLOCK, Block, Column, Lane, Observations, Verdict},
    calibration::Calibration,
    columns::{Writer, read},
    detector::{Detector, PValues, Spec},
    tail::EXCESS_MIN,
    turn::{Scored, turn},
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

impl Reading {
    /// A score without an expected value, where there is a value.
    #[inline(always)]
    pub(crate) fn of(score: f32, lane: &Lane) -> Self {
        Self { score, observed: lane.observed > 0.0, expected: 0.0, unit_high: 0.0, unit_low: 0.0 }
    }
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
    /// The least mean excess that the tail of its score is trusted with.
    const EXCESS_MIN: f32 = EXCESS_MIN;
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
pub(crate) struct State<const N: usize> {
    pub(crate) own: [Column; N],
    pub(crate) calibration: Calibration,
}

impl<const N: usize> State<N> {
    pub(crate) const EMPTY: Self = Self { own: [[0.0; BLOCK]; N], calibration: Calibration::EMPTY };

    #[inline(always)]
    pub(crate) fn own(&self, i: usize) -> [f32; N] {
        let mut own = [0.0; N];
        for (number, column) in own.iter_mut().zip(&self.own) {
            *number = column[i];
        }
        own
    }
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

    fn begin_like(&mut self, series: SeriesId, sibling: SeriesId) {
        let Some(known) = self.blocks.get(sibling.index() / BLOCK).cloned() else { return };
        if let Some(state) = self.blocks.get_mut(series.index() / BLOCK) {
            let (to, from) = (series.index() % BLOCK, sibling.index() % BLOCK);
            state.own.iter_mut().zip(&known.own).for_each(|(column, known)| column[to] = known[from]);
            state.calibration.begin_like(to, &known.calibration, from);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by a u32")]
    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn warmup(&self, series: SeriesId, seen: f32) -> (u32, u32) {
        let state = self.blocks.get(series.index() / BLOCK);
        let lane = Lane { seen, ..Block::EMPTY.lane(0) };
        let seen = |state: &State<N>| match K::EVENTS {
            true => self.kernel.lesson(&state.own(series.index() % BLOCK), &lane).seen,
            false => seen,
        };
        (state.map_or(0.0, seen).min(self.warmup_ticks as f32) as u32, self.warmup_ticks)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few ticks")]
    fn update_block(
        &mut self,
        block: usize,
        _: Observations<'_>,
        leads: bool,
        input: &Block,
        scored: &mut Scored,
        out: &mut Verdict,
        p_values: &mut PValues,
    ) {
        let blocks = self.blocks.get_mut(block..).unwrap_or_default();
        if let Some((state, rest)) = blocks.split_first_mut() {
            let next = &rest[..rest.len().min(1)];
            turn(&self.kernel, self.warmup_ticks as f32, leads, state, next, input, scored, out, p_values);
        }
    }

    fn convert(&mut self, series: usize, to: Move) {
        if let Some(state) = self.blocks.get_mut(series / BLOCK) {
            convert_lane::<K, N>(state, series % BLOCK, to);
        }
    }
}

pub(crate) fn convert_lane<K: Kernel<N>, const N: usize>(state: &mut State<N>, i: usize, to: Move) {
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
