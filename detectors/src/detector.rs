//! What every detector of the bank does.

use theriac_contract::{Checkpointed, SeriesId};

use crate::{
    anchor::Move,
    block::{BLOCK, Block, Observations, Verdict},
    turn::Scored,
};

/// What a detector is, for its card in the documentation, for tables and checks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Name in the registry.
    pub name: &'static str,
    /// What it notices, in a few words.
    pub sees: &'static str,
    /// The score in one line.
    pub formula: &'static str,
    /// Where the formula comes from.
    pub source: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// Version of the layout of its state.
    pub state_version: u16,
    /// Observations before it speaks, unless set otherwise.
    pub warmup_ticks: u32,
    /// State per series, beside what all detectors share ([`crate::SHARED_BYTES_PER_SERIES`]).
    pub bytes_per_series: usize,
    /// Whether it runs unless the settings name the detectors.
    pub on_by_default: bool,
}

/// A number that can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Name in the settings.
    pub name: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Value unless set otherwise.
    pub default: f64,
    /// What it does.
    pub meaning: &'static str,
}

/// How long a detector remembers; all that learn from values have it.
pub(crate) const MEMORY: Parameter = Parameter {
    name: "memory_ticks",
    unit: "observations",
    default: 256.0,
    meaning: "about so many observations count",
};

/// Where scores go: one element per series in each.
#[derive(Debug)]
pub struct Scores<'a> {
    /// How often the series' own past was at least this unusual: 1 is ordinary (or warming
    /// up), never below [`crate::P_VALUE_MIN`].
    pub p_value: &'a mut [f64],
    /// Expected value; NaN where the detectors expect none.
    pub expected: &'a mut [f64],
    /// Low end of the band that holds about 99 of 100 ordinary values; NaN where there is none.
    pub low: &'a mut [f64],
    /// High end of that band.
    pub high: &'a mut [f64],
}

/// P-values of one detector and block, as the upper half of the bits of 1/p: to one part in 256.
#[derive(Clone, Debug)]
pub(crate) struct PValues([u16; BLOCK]);

impl PValues {
    /// Nothing unusual.
    pub(crate) const ORDINARY: Self = Self([0x3F80; BLOCK]);

    #[inline(always)]
    pub(crate) fn set(&mut self, i: usize, odds: f32) {
        self.0[i] = (odds.to_bits() >> 16) as u16;
    }

    pub(crate) fn get(&self, i: usize) -> f64 {
        1.0 / f64::from(f32::from_bits(u32::from(self.0[i]) << 16))
    }
}

/// One way of seeing that a series is unusual. Scores a value by what came before, then
/// learns from it. Cannot fail, block or allocate while scoring.
pub(crate) trait Detector: Checkpointed + Send {
    /// What this detector is.
    fn spec(&self) -> &Spec;

    /// Whether it can say what it expects before it has seen the value.
    fn looks_ahead(&self) -> bool;

    /// Number of series.
    fn series(&self) -> usize;

    /// Makes room for `series` series; never shrinks. New ones begin to warm up.
    fn grow(&mut self, series: usize);

    /// Starts a series anew, as if it had never been seen.
    fn forget(&mut self, series: SeriesId);

    /// Starts a series with what is known of a sibling, if the detector can.
    fn begin_like(&mut self, _series: SeriesId, _sibling: SeriesId) {}

    /// Observations made and needed before the detector speaks about a series of which `seen`
    /// values were learnt.
    fn warmup(&self, series: SeriesId, seen: f32) -> (u32, u32);

    /// One tick of the series `block * BLOCK ..`. Adds its 1/p to the sum, and puts its own
    /// expectation where it is more surprised than the detectors before it, or where no detector
    /// is if it `leads`: it is the first that expects a value. `scored` is scratch.
    #[expect(clippy::too_many_arguments, reason = "what comes by itself is known not to overlap")]
    fn update_block(
        &mut self,
        block: usize,
        observations: Observations<'_>,
        leads: bool,
        input: &Block,
        scored: &mut Scored,
        out: &mut Verdict,
        p_values: &mut PValues,
    );

    /// Takes over new units of a series.
    fn convert(&mut self, series: usize, to: Move);
}
