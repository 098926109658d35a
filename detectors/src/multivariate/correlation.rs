//! Correlation break: channels that moved together no longer do.

use serde::{Deserialize, Serialize};

use super::{
    channels::Channels,
    covariance::Covariance,
    reading::{Outputs, Reading},
};
use crate::{
    arithmetic::ln,
    beside::{CHANNELS, parameter},
    detector::Spec,
    slots::{Model, Numbers},
};

/// Channels that are taken at most: pairs grow with their square.
const CHANNELS_MAX: usize = 256;
/// Rows after which the channels have a scale.
const SCALED: f64 = 20.0;
/// Largest correlation that is told from 1.
const CORRELATION_MAX: f64 = 0.999;
/// Variance, in units of the usual one, below which a channel stands still and has no correlation.
const STILL: f64 = 0.01;
/// What one pair counts at most: a pair is never more than evidence.
const PAIR_MAX: f64 = 100.0;

/// Settings of a [`Correlation`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorrelationSettings {
    /// Rows of the recent correlation.
    pub recent_rows: f64,
    /// Rows of the usual correlation.
    pub memory_rows: f64,
    /// Rows before it speaks, at least 64.
    pub warmup_rows: u32,
    /// Rows that an anomaly is held after its last unusual row.
    pub hold_rows: f64,
    /// P-value below which a row is the edge of an anomaly.
    pub edge_below: f64,
}

impl Default for CorrelationSettings {
    fn default() -> Self {
        Self { recent_rows: 32.0, memory_rows: 4_096.0, warmup_rows: 512, hold_rows: 32.0, edge_below: 1e-4 }
    }
}

/// Recent against usual correlations of all pairs of channels of one entity.
///
/// With Fisher's z = atanh(r) (1921), whose spread hardly depends on r, the score is the
/// mean over pairs of (z recent - z usual)^2 (recent rows - 3), each pair at most 100. An
/// exponentially weighted mean with gain 1/n is as good as one over 2 n - 1 rows, which are
/// the recent rows. For independent normal rows a pair counts 1 on average. Pairs of which one
/// channel stands still now, or always did, are passed over.
#[derive(Clone, Debug)]
pub struct Correlation {
    settings: CorrelationSettings,
    channels: Channels,
    usual: Covariance,
    recent: Covariance,
    rows: f64,
    outputs: Outputs,
    standardised: Vec<f64>,
    centred: Vec<f64>,
    /// What each channel adds to the score of the newest row.
    contributions: Vec<f64>,
}

impl Correlation {
    /// What it is; bytes are a series' share in an entity of [`CHANNELS`].
    pub(crate) const SPEC: Spec = Spec {
        name: "correlation",
        sees: "an entity of which metrics that moved together no longer do",
        formula: "mean over pairs of (z recent - z usual)^2 (recent rows - 3), z = atanh(correlation), each pair at most 100",
        source: "Fisher 1921",
        parameters: &[
            parameter("recent_rows", "rows", 32.0, "memory of the recent correlation"),
            parameter("memory_rows", "rows", 4_096.0, "memory of the usual correlation"),
            parameter(
                "warmup_rows",
                "rows",
                512.0,
                "the first half makes a correlation, the second says what is usual",
            ),
            parameter("hold_rows", "rows", 32.0, "an anomaly is held so long after its last unusual row"),
            parameter("edge_below", "p-value", 1e-4, "below it a row is the edge of an anomaly"),
        ],
        state_version: Self::VERSION,
        warmup_ticks: 512,
        bytes_per_series: Self::bytes(CHANNELS) / CHANNELS,
        on_by_default: false,
    };

    /// Bytes of one of so many channels.
    const fn bytes(channels: usize) -> usize {
        let vectors = 3 * channels * size_of::<f64>();
        size_of::<Self>() + Channels::bytes(channels) + 2 * Covariance::bytes(channels) + vectors
    }

    /// The next row: one value for each channel, NaN or missing where there is none. Without
    /// `learn` the recent correlation moves on, the usual one stays.
    pub fn update(&mut self, row: &[f64], learn: bool) -> Reading {
        let memory = self.settings.memory_rows.max(64.0);
        let warmup = f64::from(self.settings.warmup_rows.max(64)) / 2.0;
        self.channels.standardise(row, &mut self.standardised);
        let scaled = self.rows >= SCALED;
        if scaled {
            self.recent.centred(&self.standardised, &mut self.centred);
            self.recent.learn(&self.centred, 1.0, self.settings.recent_rows.max(4.0));
        }
        let score = (self.usual.seen() >= warmup).then(|| self.compare());
        let (hold, edge) = (self.settings.hold_rows.max(1.0), self.settings.edge_below);
        let reading = self.outputs.read(score, learn, warmup, hold, edge);
        if learn {
            if scaled {
                self.usual.centred(&self.standardised, &mut self.centred);
                self.usual.learn(&self.centred, 1.0, memory);
            }
            self.channels.learn(row, 1.0, memory);
            self.rows += 1.0;
        }
        reading
    }

    fn compare(&mut self) -> f64 {
        let n = self.channels.len();
        self.contributions.fill(0.0);
        let (mut sum, mut pairs) = (0.0, 0.0);
        let rows = (2.0 * self.settings.recent_rows.max(4.0) - 1.0).min(self.recent.seen());
        for i in 0..n {
            for j in 0..i {
                let Some(distance) = self.distance(i, j) else { continue };
                let share = (distance * distance * (rows - 3.0).max(1.0)).min(PAIR_MAX);
                sum += share;
                pairs += 1.0;
                self.contributions[i] += share / 2.0;
                self.contributions[j] += share / 2.0;
            }
        }
        if pairs <= 0.0 {
            return 0.0;
        }
        for contribution in &mut self.contributions {
            *contribution /= pairs;
        }
        sum / pairs
    }

    /// Fisher's z of the recent correlation less that of the usual one.
    fn distance(&self, i: usize, j: usize) -> Option<f64> {
        let n = self.channels.len();
        let moves = |c: usize| {
            let (recent, usual) = (self.recent.matrix[c * n + c], self.usual.matrix[c * n + c]);
            usual > 1e-6 && recent > STILL * usual
        };
        if !moves(i) || !moves(j) {
            return None;
        }
        let correlation = |covariance: &Covariance| {
            let m = &covariance.matrix;
            m[i * n + j] / (m[i * n + i] * m[j * n + j]).sqrt()
        };
        Some(fisher(correlation(&self.recent)) - fisher(correlation(&self.usual)))
    }

    /// What each channel adds to the score of the newest row; they sum to it. All 0 while
    /// warming up and after a restore until the next row.
    #[must_use]
    pub fn contributions(&self) -> &[f64] {
        &self.contributions
    }

    /// The pair of channels whose correlation has changed most, the later one first, with its
    /// usual and its recent correlation.
    #[must_use]
    pub fn broken(&self) -> Option<(usize, usize, f64, f64)> {
        let n = self.channels.len();
        let pairs = (0..n).flat_map(|i| (0..i).map(move |j| (i, j)));
        let sizes = pairs.filter_map(|(i, j)| Some((i, j, self.distance(i, j)?.abs())));
        let (i, j, _) = sizes.max_by(|a, b| a.2.total_cmp(&b.2))?;
        let correlation = |covariance: &Covariance| {
            let m = &covariance.matrix;
            m[i * n + j] / (m[i * n + i] * m[j * n + j]).sqrt()
        };
        Some((i, j, correlation(&self.usual), correlation(&self.recent)))
    }
}

/// atanh of a correlation.
fn fisher(correlation: f64) -> f64 {
    let r = correlation.clamp(-CORRELATION_MAX, CORRELATION_MAX);
    0.5 * ln((1.0 + r) / (1.0 - r))
}

impl Model for Correlation {
    const TABLE: &'static str = "detectors.correlation";
    const VERSION: u16 = 1;
    type Settings = CorrelationSettings;

    fn empty(settings: &CorrelationSettings, channels: usize) -> Self {
        let channels = channels.clamp(1, CHANNELS_MAX);
        Self {
            settings: *settings,
            channels: Channels::new(channels),
            usual: Covariance::new(channels),
            recent: Covariance::new(channels),
            rows: 0.0,
            outputs: Outputs::silent(settings.hold_rows.max(1.0)),
            standardised: vec![0.0; channels],
            centred: vec![0.0; channels],
            contributions: vec![0.0; channels],
        }
    }

    fn channels(&self) -> usize {
        self.channels.len()
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        self.channels.save(numbers);
        self.usual.save(numbers);
        self.recent.save(numbers);
        numbers.push(self.rows);
        self.outputs.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.channels.load(numbers)?;
        self.usual.load(numbers)?;
        self.recent.load(numbers)?;
        self.rows = numbers.one()?;
        self.outputs.load(numbers)?;
        self.contributions.fill(0.0);
        Some(())
    }
}
