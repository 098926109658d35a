//! All detectors together.

use multiversion::multiversion;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable, Timestamp};

use crate::{
    anchor::{self, Anchors, Found},
    block::{BLOCK, Block, Observations, Verdict},
    calibration::P_VALUE_MIN,
    detector::{Detector, PValues, Scores, Spec},
    registry::{Settings, memory, registry},
    turn::Scored,
};

/// State per series that all detectors share.
pub const SHARED_BYTES_PER_SERIES: usize = anchor::BYTES;

/// Observations that count as made of a series that begins like a sibling: as many as most
/// detectors need.
const SIBLING_SEEN: f32 = 64.0;

/// The detectors that are enabled over the same series, with fused p-values.
///
/// Fusion is the harmonic mean p (Wilson 2019, PNAS 116:1195, after Good 1958): n / sum
/// of 1/p. It bears dependence between detectors and needs only divisions. Expected value
/// and band are those of the most surprised detector that has an expectation, and of the first one
/// that has, as long as no p-value is below 0.01, the edge of the band.
pub struct Bank {
    anchors: Anchors,
    detectors: Vec<Box<dyn Detector>>,
    /// P-values of the last tick: one array per block and detector.
    p_values: Vec<PValues>,
    unusable: u64,
}

impl Bank {
    /// A bank without series.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let enabled = settings.enabled.names();
        let entries = registry().iter().filter(|entry| enabled.contains(&entry.spec.name));
        let detectors = entries.map(|entry| entry.build(&settings.detectors));
        #[cfg(feature = "onnx")]
        let detectors = detectors.chain(settings.onnx.iter().map(crate::own_model::OwnModel::detector));
        let detectors = detectors.collect();
        let anchors = Anchors::new(memory(&settings.detectors));
        Self { anchors, detectors, p_values: Vec::new(), unusable: 0 }
    }

    /// What the detectors are, in the order of [`Bank::p_values`].
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.detectors.iter().map(|detector| detector.spec())
    }

    /// State per series.
    #[must_use]
    pub fn bytes_per_series(&self) -> usize {
        SHARED_BYTES_PER_SERIES + self.specs().map(|spec| spec.bytes_per_series).sum::<usize>()
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.anchors.series()
    }

    /// Makes room for `series` series; never shrinks.
    pub fn grow(&mut self, series: usize) {
        self.anchors.grow(series);
        let series = self.series();
        for detector in &mut self.detectors {
            detector.grow(series);
        }
        self.p_values.resize(series.div_ceil(BLOCK) * self.detectors.len(), PValues::ORDINARY);
    }

    /// Starts a series anew.
    pub fn forget(&mut self, series: SeriesId) {
        self.anchors.forget(series.index());
        for detector in &mut self.detectors {
            detector.forget(series);
        }
        let first = series.index() / BLOCK * self.detectors.len();
        for p_values in self.p_values.iter_mut().skip(first).take(self.detectors.len()) {
            p_values.set(series.index() % BLOCK, 1.0);
        }
    }

    /// Starts a series with what is known of a sibling: it need not warm up, and soon goes its own
    /// way. Detectors with a model of their own for each series start anew.
    pub fn begin_like(&mut self, series: SeriesId, sibling: SeriesId) {
        self.anchors.begin_like(series.index(), sibling.index(), SIBLING_SEEN);
        for detector in &mut self.detectors {
            detector.begin_like(series, sibling);
        }
    }

    /// Observations made and needed before the first detector speaks about a series.
    #[must_use]
    pub fn warmup(&self, series: SeriesId) -> (u32, u32) {
        let seen = self.anchors.seen(series.index());
        let warmups = self.detectors.iter().map(|detector| detector.warmup(series, seen));
        warmups.min_by_key(|(done, needed)| needed - done).unwrap_or((0, 0))
    }

    /// P-values of a series at the last tick, to one part in 256, in the order of [`Bank::specs`].
    /// Ordinary (1) after a restore until the next tick.
    pub fn p_values(&self, series: SeriesId) -> impl Iterator<Item = f64> {
        let first = series.index() / BLOCK * self.detectors.len();
        let blocks = self.p_values.iter().skip(first).take(self.detectors.len());
        blocks.map(move |block| block.get(series.index() % BLOCK))
    }

    /// Values so far that were infinite, or beyond 1e150, and so taken as absent.
    #[must_use]
    pub fn unusable(&self) -> u64 {
        self.unusable
    }

    /// One tick of all series, which begins at `at`. `values`: NaN is absent; infinite, or beyond 1e150, counts as
    /// absent. `learn`: false freezes a series: it is compared with what it was when last it
    /// learnt, its previous value and running silence included. Missing elements are absent,
    /// frozen series.
    ///
    /// # Panics
    /// If a slice of `out` is shorter than [`Bank::series`].
    pub fn update(&mut self, at: Timestamp, values: &[f64], learn: &[bool], out: &mut Scores<'_>) {
        let detectors = self.detectors.len();
        let leader = self.detectors.iter().position(|detector| detector.looks_ahead());
        let (mut block, mut scored, mut verdict) = (Block::EMPTY, Scored::EMPTY, Verdict::NONE);
        let (mut last_values, mut last_learn) = ([f64::NAN; BLOCK], [false; BLOCK]);
        for number in 0..self.series().div_ceil(BLOCK) {
            let first = number * BLOCK;
            let values = whole(values, first, f64::NAN, &mut last_values);
            let learn = whole(learn, first, false, &mut last_learn);
            let observations = Observations { at, values };
            let Found { unusable, unfit } = self.anchors.prepare(number, values, learn, &mut block);
            self.unusable += u64::from(unusable);
            match leader {
                // It says all the rest anew.
                Some(_) => verdict.sum = Verdict::NONE.sum,
                None => verdict = Verdict::NONE,
            }
            let mut places = self.anchors.ahead(number + 1);
            let p_values = self.p_values[number * detectors..].iter_mut();
            for (index, (detector, p_values)) in self.detectors.iter_mut().zip(p_values).enumerate() {
                let leads = leader == Some(index);
                places.fetch(detectors);
                detector.update_block(
                    number,
                    observations,
                    leads,
                    &block,
                    &mut scored,
                    &mut verdict,
                    p_values,
                );
            }
            finish(&block, &verdict, detectors, out, first);
            if unfit {
                self.anchors.refit(number, &block, |lane, to| {
                    self.detectors.iter_mut().for_each(|detector| detector.convert(first + lane, to));
                });
            }
        }
    }
}

/// The elements of a block that begins at `first`. Where they end before the block does, they are copied to
/// `last`, and `absent` behind them.
#[inline(always)]
fn whole<'a, T: Copy>(all: &'a [T], first: usize, absent: T, last: &'a mut [T; BLOCK]) -> &'a [T; BLOCK] {
    let some = all.get(first..).unwrap_or_default();
    some.first_chunk().unwrap_or_else(|| {
        last[..some.len()].copy_from_slice(some);
        last[some.len()..].fill(absent);
        last
    })
}

/// Gives a block's verdict in units of the values.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
#[expect(clippy::cast_precision_loss, reason = "a handful of detectors")]
fn finish(block: &Block, verdict: &Verdict, detectors: usize, out: &mut Scores<'_>, first: usize) {
    let width = out.p_value.len().saturating_sub(first).min(BLOCK);
    let p_value = &mut out.p_value[first..first + width];
    let expected = &mut out.expected[first..first + width];
    let low = &mut out.low[first..first + width];
    let high = &mut out.high[first..first + width];
    for (p_value, sum) in p_value.iter_mut().zip(verdict.sum) {
        *p_value = f64::from(detectors as f32 / sum).clamp(P_VALUE_MIN, 1.0);
    }
    for i in 0..width {
        let unit = f64::from(anchor::inverse(block.scale[i]));
        expected[i] = block.anchor[i] + f64::from(verdict.expected[i]) * unit;
        low[i] = block.anchor[i] + f64::from(verdict.low[i]) * unit;
        high[i] = block.anchor[i] + f64::from(verdict.high[i]) * unit;
    }
}

impl Checkpointed for Bank {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables =
            vec![StateTable::from_json("detectors.bank", 2, &self.unusable)?, self.anchors.snapshot()?];
        for detector in &self.detectors {
            tables.extend(detector.snapshot()?);
        }
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.unusable = StateTable::to_json(tables, "detectors.bank", 2)?;
        self.anchors.restore(tables)?;
        let series = self.series();
        for detector in &mut self.detectors {
            detector.restore(tables)?;
            if detector.series() != series {
                return Err(StateError::Malformed {
                    table: format!("detectors.{}", detector.spec().name),
                    reason: format!("{series} rows were expected, {} found", detector.series()),
                });
            }
        }
        self.p_values = vec![PValues::ORDINARY; series.div_ceil(BLOCK) * self.detectors.len()];
        Ok(())
    }
}
