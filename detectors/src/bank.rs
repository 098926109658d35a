//! All detectors together.

use multiversion::multiversion;
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use crate::{
    arithmetic::{least, most, select},
    block::{BLOCK, Block, BlockScores},
    calibration::P_VALUE_MIN,
    detector::{Detector, Scores, Spec},
    registry::{Settings, registry},
};

/// Every detector of the registry over the same series, with fused p-values.
///
/// Fusion is the harmonic mean p (Wilson 2019, PNAS 116:1195, after Good 1958): n / sum
/// of 1/p. It bears dependence between detectors and needs only divisions. Expected value
/// and band are those of the most surprised detector that has an expectation.
pub struct Bank {
    detectors: Vec<Box<dyn Detector>>,
    series: usize,
    /// P-values of the last tick: one array per block and detector.
    p_values: Vec<[f64; BLOCK]>,
    unusable: u64,
}

impl Bank {
    /// A bank without series.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let detectors = registry().iter().map(|entry| entry.build(&settings.detectors)).collect();
        Self { detectors, series: 0, p_values: Vec::new(), unusable: 0 }
    }

    /// What the detectors are, in the order of [`Bank::p_values`].
    pub fn specs(&self) -> impl Iterator<Item = &Spec> {
        self.detectors.iter().map(|detector| detector.spec())
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series
    }

    /// Makes room for `series` series; never shrinks.
    pub fn grow(&mut self, series: usize) {
        self.series = self.series.max(series);
        for detector in &mut self.detectors {
            detector.grow(self.series);
        }
        self.p_values.resize(self.series.div_ceil(BLOCK) * self.detectors.len(), [1.0; BLOCK]);
    }

    /// Starts a series anew.
    pub fn forget(&mut self, series: SeriesId) {
        for detector in &mut self.detectors {
            detector.forget(series);
        }
        let first = series.index() / BLOCK * self.detectors.len();
        for p_values in self.p_values.iter_mut().skip(first).take(self.detectors.len()) {
            p_values[series.index() % BLOCK] = 1.0;
        }
    }

    /// Observations made and needed before the first detector speaks about a series.
    #[must_use]
    pub fn warmup(&self, series: SeriesId) -> (u32, u32) {
        let warmups = self.detectors.iter().map(|detector| detector.warmup(series));
        warmups.min_by_key(|(done, needed)| needed - done).unwrap_or((0, 0))
    }

    /// P-values of a series at the last tick, in the order of [`Bank::specs`]. Ordinary (1)
    /// after a restore until the next tick.
    pub fn p_values(&self, series: SeriesId) -> impl Iterator<Item = f64> {
        let first = series.index() / BLOCK * self.detectors.len();
        let blocks = self.p_values.iter().skip(first).take(self.detectors.len());
        blocks.map(move |block| block[series.index() % BLOCK])
    }

    /// Values so far that were infinite, or beyond 1e150, and so taken as absent.
    #[must_use]
    pub fn unusable(&self) -> u64 {
        self.unusable
    }

    /// One tick of all series; arguments as in [`Detector::update`].
    ///
    /// # Panics
    /// If a slice of `out` is shorter than [`Bank::series`].
    pub fn update(&mut self, values: &[f64], learn: &[bool], out: &mut Scores<'_>) {
        let detectors = self.detectors.len();
        let mut scores = BlockScores::ORDINARY;
        for block in 0..self.series.div_ceil(BLOCK) {
            let (input, unusable) = Block::load(values, learn, block * BLOCK);
            self.unusable += unusable;
            let mut fusion = Fusion::EMPTY;
            let p_values = self.p_values[block * detectors..].iter_mut();
            for (detector, p_values) in self.detectors.iter_mut().zip(p_values) {
                detector.update_block(block, &input, &mut scores);
                *p_values = scores.p_value;
                add(&mut fusion, &scores);
            }
            finish(&mut fusion, detectors);
            fusion.fused.store(out, block * BLOCK);
        }
    }
}

/// A harmonic mean under way.
struct Fusion {
    /// `p_value` holds the sum of 1/p until the end.
    fused: BlockScores,
    /// The smallest p-value among detectors with an expectation.
    smallest: [f64; BLOCK],
}

impl Fusion {
    const EMPTY: Self = Self {
        fused: BlockScores { p_value: [0.0; BLOCK], ..BlockScores::ORDINARY },
        smallest: [2.0; BLOCK],
    };
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn add(fusion: &mut Fusion, scores: &BlockScores) {
    for i in 0..BLOCK {
        let p = scores.p_value[i];
        let expected = scores.expected[i];
        fusion.fused.p_value[i] += 1.0 / p;
        let leads = (p < fusion.smallest[i]) & (!expected.is_nan());
        fusion.smallest[i] = select(leads, p, fusion.smallest[i]);
        fusion.fused.expected[i] = select(leads, expected, fusion.fused.expected[i]);
        fusion.fused.low[i] = select(leads, scores.low[i], fusion.fused.low[i]);
        fusion.fused.high[i] = select(leads, scores.high[i], fusion.fused.high[i]);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of detectors")]
fn finish(fusion: &mut Fusion, detectors: usize) {
    for sum in &mut fusion.fused.p_value {
        *sum = most(least(detectors as f64 / *sum, 1.0), P_VALUE_MIN);
    }
}

impl Checkpointed for Bank {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json("detectors.bank", 1, &(self.series, self.unusable))?];
        for detector in &self.detectors {
            tables.extend(detector.snapshot()?);
        }
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let (series, unusable): (usize, u64) = StateTable::to_json(tables, "detectors.bank", 1)?;
        for detector in &mut self.detectors {
            detector.restore(tables)?;
            if detector.series() != series {
                return Err(StateError::Malformed {
                    table: format!("detectors.{}", detector.spec().name),
                    reason: format!("{series} rows were expected, {} found", detector.series()),
                });
            }
        }
        self.series = series;
        self.unusable = unusable;
        self.p_values = vec![[1.0; BLOCK]; series.div_ceil(BLOCK) * self.detectors.len()];
        Ok(())
    }
}
