//! Subspace: the recent course of all channels against the directions in which it usually moves.

use serde::{Deserialize, Serialize};

use super::{
    channels::Channels,
    covariance::{Covariance, dot},
    eigen,
    reading::{Outputs, Reading},
};
use crate::{
    beside::{CHANNELS, parameter},
    detector::Spec,
    slots::{Model, Numbers},
};

/// Largest length of a window of all channels: one refresh then takes a few hundredths of a second.
const LENGTH_MAX: usize = 256;
/// Rows after which the channels have a scale.
const SCALED: f64 = 20.0;
/// Variance that every direction has beside its own: that of one channel.
const NOISE: f64 = 1.0;
/// Directions with less variance than this are no principal ones.
const PRINCIPAL: f64 = 0.1;

/// Settings of a [`Subspace`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SubspaceSettings {
    /// Rows in a window; fewer if there are so many channels that a window would exceed 256 values.
    pub lags: usize,
    /// Rows before it speaks, at least 64; the first half of them makes the first subspace,
    /// the second half says how large a score is usual.
    pub warmup_rows: u32,
    /// Rows that it remembers.
    pub memory_rows: f64,
    /// Rows from one subspace to the next.
    pub refresh_rows: u32,
    /// Rows that an anomaly is held after its last unusual row.
    pub hold_rows: f64,
    /// P-value below which a row is the edge of an anomaly.
    pub edge_below: f64,
}

impl Default for SubspaceSettings {
    fn default() -> Self {
        Self {
            lags: 4,
            warmup_rows: 512,
            memory_rows: 4_096.0,
            refresh_rows: 256,
            hold_rows: 32.0,
            edge_below: 1e-4,
        }
    }
}

/// Distance of the newest lag window to the principal subspace of the earlier ones, the
/// singular spectrum of all channels of one entity.
///
/// Channels are standardised robustly; the last `lags` rows are one long row g, less its
/// mean. With eigenpairs (l, v) of their covariance the score is the mean square of g in
/// probabilistic principal components with noise 1 (Tipping and Bishop 1999, J. R. Statist.
/// Soc. B 61:611):
///
/// ```text
/// ( |g|^2 - sum over l >= 0.1 of (v . g)^2 l / (l + 1) ) / length
/// ```
///
/// What leaves the subspace counts whole, what moves along a direction of variance l
/// counts 1 / (1 + l). No direction is ever known better than one standard deviation of one
/// channel, so little data gives no false precision. Unusual rows teach less: beyond ten
/// times the usual score a row's weight falls with its score.
#[derive(Clone, Debug)]
pub struct Subspace {
    settings: SubspaceSettings,
    channels: Channels,
    covariance: Covariance,
    /// Rows so far.
    rows: f64,
    /// Rows since the last refresh.
    age: f64,
    /// The last rows, standardised, newest first.
    window: Vec<f64>,
    /// The principal directions, one a row, each with the square root of l / (l + 1) as length.
    axes: Vec<f64>,
    outputs: Outputs,
    centred: Vec<f64>,
}

impl Subspace {
    /// What it is; bytes are a series' share in an entity of [`CHANNELS`].
    pub(crate) const SPEC: Spec = Spec {
        name: "subspace",
        sees: "an entity whose metrics leave the directions in which they usually move together",
        formula: "(|g|^2 - sum over l >= 0.1 of (v . g)^2 l / (l + 1)) / length, g the last rows less their mean, (l, v) eigenpairs of their covariance",
        source: "Tipping and Bishop 1999",
        parameters: &[
            parameter("lags", "rows", 4.0, "length of a window; shorter if it would exceed 256 values"),
            parameter(
                "warmup_rows",
                "rows",
                512.0,
                "the first half makes a subspace, the second says what is usual",
            ),
            parameter("memory_rows", "rows", 4_096.0, "about so many rows count"),
            parameter("refresh_rows", "rows", 256.0, "from one subspace to the next"),
            parameter("hold_rows", "rows", 32.0, "an anomaly is held so long after its last unusual row"),
            parameter("edge_below", "p-value", 1e-4, "below it a row is the edge of an anomaly"),
        ],
        state_version: Self::VERSION,
        warmup_ticks: 512,
        bytes_per_series: Self::bytes(CHANNELS, 4) / CHANNELS,
        on_by_default: true,
    };

    /// Bytes of one of so many channels at most: as many axes as a window has values.
    const fn bytes(channels: usize, lags: usize) -> usize {
        let length = channels * lags;
        let vectors = (2 + length) * length * size_of::<f64>();
        size_of::<Self>() + Channels::bytes(channels) + Covariance::bytes(length) + vectors
    }

    /// The next row: one value for each channel, NaN or missing where there is none. Without
    /// `learn` it is compared, and nothing but the window moves on.
    pub fn update(&mut self, row: &[f64], learn: bool) -> Reading {
        if self.due() {
            self.refresh();
        }
        let channels = self.channels.len();
        let length = self.window.len();
        self.window.copy_within(..length - channels, channels);
        self.channels.standardise(row, &mut self.window[..channels]);
        self.covariance.centred(&self.window, &mut self.centred);
        let score = (!self.axes.is_empty()).then(|| self.score());
        let weight = score.map_or(1.0, |score| self.outputs.weight(score));
        let warmup = f64::from(self.settings.warmup_rows.max(64)) / 2.0;
        let (hold, edge) = (self.settings.hold_rows.max(1.0), self.settings.edge_below);
        let reading = self.outputs.read(score, learn, warmup, hold, edge);
        if learn {
            self.learn(row, weight);
        }
        reading
    }

    fn learn(&mut self, row: &[f64], weight: f64) {
        let memory = self.settings.memory_rows.max(64.0);
        self.channels.learn(row, weight, memory);
        self.rows += 1.0;
        #[expect(clippy::cast_precision_loss, reason = "at most 256")]
        let lags = (self.window.len() / self.channels.len()) as f64;
        if self.rows > SCALED + lags {
            self.covariance.learn(&self.centred, weight, memory);
        }
        self.age += 1.0;
    }

    /// Whether there are enough rows for a first subspace, or for another one.
    fn due(&self) -> bool {
        let first = (f64::from(self.settings.warmup_rows.max(64)) / 2.0).floor();
        self.age >= if self.axes.is_empty() { first } else { f64::from(self.settings.refresh_rows.max(1)) }
    }

    fn refresh(&mut self) {
        let length = self.window.len();
        let eigen = eigen::symmetric(&self.covariance.matrix, length);
        self.axes.clear();
        for (value, axis) in eigen.values.iter().zip(eigen.vectors.chunks(length)) {
            if *value >= PRINCIPAL {
                let share = (value / (value + NOISE)).sqrt();
                self.axes.extend(axis.iter().map(|x| x * share));
            }
        }
        if self.axes.is_empty() {
            // Nothing moved so far: the subspace is a point.
            self.axes.resize(length, 0.0);
        }
        self.age = 0.0;
    }

    fn score(&self) -> f64 {
        let axes = self.axes.chunks(self.window.len());
        let along = axes.map(|axis| dot(axis, &self.centred)).fold(0.0, |sum, y| sum + y * y);
        ((dot(&self.centred, &self.centred) - along) / self.length()).max(0.0)
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 256")]
    fn length(&self) -> f64 {
        self.window.len() as f64
    }

    /// What each channel adds to the score of the newest row; they sum to it. Negative where
    /// a channel fits better with the others than without them. All 0 while warming up and
    /// after a restore until the next row.
    #[must_use]
    pub fn contributions(&self) -> Vec<f64> {
        let mut outside = self.centred.clone();
        for axis in self.axes.chunks(self.window.len()) {
            let along = dot(axis, &self.centred);
            for (outside, x) in outside.iter_mut().zip(axis) {
                *outside -= along * x;
            }
        }
        let channels = self.channels.len();
        let mut contributions = vec![0.0; channels];
        if !self.axes.is_empty() {
            for (i, (x, outside)) in self.centred.iter().zip(&outside).enumerate() {
                contributions[i % channels] += x * outside / self.length();
            }
        }
        contributions
    }
}

impl Model for Subspace {
    const TABLE: &'static str = "detectors.subspace";
    const VERSION: u16 = 1;
    type Settings = SubspaceSettings;

    fn empty(settings: &SubspaceSettings, channels: usize) -> Self {
        let channels = channels.clamp(1, LENGTH_MAX);
        let length = channels * settings.lags.clamp(1, LENGTH_MAX / channels);
        Self {
            settings: *settings,
            channels: Channels::new(channels),
            covariance: Covariance::new(length),
            rows: 0.0,
            age: 0.0,
            window: vec![0.0; length],
            axes: Vec::new(),
            outputs: Outputs::silent(settings.hold_rows.max(1.0)),
            centred: vec![0.0; length],
        }
    }

    fn channels(&self) -> usize {
        self.channels.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 256")]
    fn save(&self, numbers: &mut Vec<f64>) {
        self.channels.save(numbers);
        self.covariance.save(numbers);
        numbers.extend([self.rows, self.age]);
        numbers.extend(&self.window);
        numbers.push((self.axes.len() / self.window.len()) as f64);
        numbers.extend(&self.axes);
        self.outputs.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.channels.load(numbers)?;
        self.covariance.load(numbers)?;
        [self.rows, self.age] = numbers.array()?;
        numbers.fill(&mut self.window)?;
        let axes = numbers.index(self.window.len())?;
        self.axes = vec![0.0; axes * self.window.len()];
        numbers.fill(&mut self.axes)?;
        self.outputs.load(numbers)?;
        self.centred.fill(0.0);
        Some(())
    }
}
