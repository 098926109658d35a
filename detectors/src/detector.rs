//! What every detector does.

use theriac_contract::{Checkpointed, SeriesId};

use crate::block::{BLOCK, Block, BlockScores};

/// What a detector is, for tables and checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Name in the registry.
    pub name: &'static str,
    /// What it notices, in a few words.
    pub sees: &'static str,
    /// The score in one line, and where it comes from.
    pub formula: &'static str,
    /// Version of the layout of its state.
    pub state_version: u16,
    /// Observations before it speaks, unless set otherwise.
    pub warmup_ticks: u32,
    /// State per series.
    pub bytes_per_series: usize,
}

/// Where scores go: one element per series in each.
#[derive(Debug)]
pub struct Scores<'a> {
    /// How often the series' own past was at least this unusual: 1 is ordinary (or warming
    /// up), never below [`crate::P_VALUE_MIN`].
    pub p_value: &'a mut [f64],
    /// Expected value; NaN where the detector expects none.
    pub expected: &'a mut [f64],
    /// Low end of the band that holds about 99 of 100 ordinary values; NaN where there is none.
    pub low: &'a mut [f64],
    /// High end of that band.
    pub high: &'a mut [f64],
}

/// One way of seeing that a series is unusual. Scores a value by what came before, then
/// learns from it. Cannot fail, block or allocate while scoring.
pub trait Detector: Checkpointed + Send {
    /// What this detector is.
    fn spec(&self) -> &Spec;

    /// Number of series.
    fn series(&self) -> usize;

    /// Makes room for `series` series; never shrinks. New ones begin to warm up.
    fn grow(&mut self, series: usize);

    /// Starts a series anew, as if it had never been seen.
    fn forget(&mut self, series: SeriesId);

    /// Observations made and needed before the detector speaks about a series.
    fn warmup(&self, series: SeriesId) -> (u32, u32);

    /// One tick of the series `block * BLOCK ..`. Lanes beyond the last series are absent
    /// and do not learn.
    fn update_block(&mut self, block: usize, input: &Block, out: &mut BlockScores);

    /// One tick of all series. `values`: NaN is absent; infinite, or beyond 1e150, counts as
    /// absent. `learn`: false freezes a series: it is compared with what it was when last it
    /// learnt, its previous value and running silence included. Missing elements are absent, frozen series.
    ///
    /// # Panics
    /// If a slice of `out` is shorter than [`Detector::series`].
    fn update(&mut self, values: &[f64], learn: &[bool], out: &mut Scores<'_>) {
        for block in 0..self.series().div_ceil(BLOCK) {
            let (input, _) = Block::load(values, learn, block * BLOCK);
            let mut scores = BlockScores::ORDINARY;
            self.update_block(block, &input, &mut scores);
            scores.store(out, block * BLOCK);
        }
    }
}
