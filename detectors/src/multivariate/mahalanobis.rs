//! Mahalanobis distance of the newest row.

use serde::{Deserialize, Serialize};

use super::{
    channels::Channels,
    covariance::{Covariance, dot},
    reading::{Outputs, Reading},
};
use crate::{
    beside::{CHANNELS, parameter},
    detector::Spec,
    slots::{Model, Numbers},
};

/// Channels that are taken at most.
const CHANNELS_MAX: usize = 256;
/// Rows after which the channels have a scale.
const SCALED: f64 = 20.0;
/// Variance that a channel has at least, so that constant ones do no harm.
const VARIANCE_MIN: f64 = 1e-6;

/// Settings of a [`Mahalanobis`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MahalanobisSettings {
    /// Rows before it speaks, at least 64.
    pub warmup_rows: u32,
    /// Rows that it remembers.
    pub memory_rows: f64,
    /// Rows from one inverse of the covariance to the next.
    pub refresh_rows: u32,
    /// Rows that an anomaly is held after its last unusual row.
    pub hold_rows: f64,
    /// P-value below which a row is the edge of an anomaly.
    pub edge_below: f64,
}

impl Default for MahalanobisSettings {
    fn default() -> Self {
        Self { warmup_rows: 256, memory_rows: 4_096.0, refresh_rows: 16, hold_rows: 32.0, edge_below: 1e-4 }
    }
}

/// Squared Mahalanobis distance (1936) of the newest row to the mean of the earlier ones, by
/// channel, with the covariance shrunk towards a multiple of the identity as much as its
/// sample size asks for (oracle approximating shrinkage; Chen, Wiesel, Eldar and Hero 2010,
/// IEEE Trans. Signal Process. 58:5016). Channels are standardised robustly first.
///
/// Sees rows that no single channel gives away: each value is ordinary, their combination is not.
#[derive(Clone, Debug)]
pub struct Mahalanobis {
    settings: MahalanobisSettings,
    channels: Channels,
    covariance: Covariance,
    rows: f64,
    age: f64,
    /// Cholesky factor of the shrunk covariance, lower triangle, row by row; empty until the
    /// first refresh.
    factor: Vec<f64>,
    outputs: Outputs,
    centred: Vec<f64>,
}

impl Mahalanobis {
    /// What it is; bytes are a series' share in an entity of [`CHANNELS`].
    pub(crate) const SPEC: Spec = Spec {
        name: "mahalanobis",
        sees: "an entity whose values are ordinary one by one, and not in their combination",
        formula: "(x - mean)' inverse of S (x - mean) / channels, S the covariance, shrunk towards a multiple of the identity",
        source: "Mahalanobis 1936; Chen, Wiesel, Eldar and Hero 2010",
        parameters: &[
            parameter(
                "warmup_rows",
                "rows",
                256.0,
                "the first half makes a covariance, the second says what is usual",
            ),
            parameter("memory_rows", "rows", 4_096.0, "about so many rows count"),
            parameter("refresh_rows", "rows", 16.0, "from one inverse of the covariance to the next"),
            parameter("hold_rows", "rows", 32.0, "an anomaly is held so long after its last unusual row"),
            parameter("edge_below", "p-value", 1e-4, "below it a row is the edge of an anomaly"),
        ],
        state_version: Self::VERSION,
        warmup_ticks: 256,
        bytes_per_series: Self::bytes(CHANNELS) / CHANNELS,
        on_by_default: false,
    };

    /// Bytes of one of so many channels.
    const fn bytes(channels: usize) -> usize {
        let vectors = (1 + channels) * channels * size_of::<f64>();
        size_of::<Self>() + Channels::bytes(channels) + Covariance::bytes(channels) + vectors
    }

    /// The next row: one value for each channel, NaN or missing where there is none. Without
    /// `learn` it is only compared.
    pub fn update(&mut self, row: &[f64], learn: bool) -> Reading {
        let warmup = f64::from(self.settings.warmup_rows.max(64)) / 2.0;
        self.refresh(warmup);
        let mut standardised = vec![0.0; self.channels.len()];
        self.channels.standardise(row, &mut standardised);
        self.covariance.centred(&standardised, &mut self.centred);
        let score = (!self.factor.is_empty()).then(|| {
            let whitened = forward(&self.factor, &self.centred);
            dot(&whitened, &whitened) / size(self.channels.len())
        });
        let weight = score.map_or(1.0, |score| self.outputs.weight(score));
        let (hold, edge) = (self.settings.hold_rows.max(1.0), self.settings.edge_below);
        let reading = self.outputs.read(score, learn, warmup, hold, edge);
        if learn {
            self.learn(row, weight);
        }
        reading
    }

    fn learn(&mut self, row: &[f64], weight: f64) {
        let memory = self.memory();
        self.channels.learn(row, weight, memory);
        self.rows += 1.0;
        if self.rows > SCALED {
            self.covariance.learn(&self.centred, weight, memory);
        }
        self.age += 1.0;
    }

    /// Makes the factor, if there are enough rows for a first or for another one.
    fn refresh(&mut self, first: f64) {
        let due = if self.factor.is_empty() { first } else { f64::from(self.settings.refresh_rows.max(1)) };
        if self.age >= due {
            let rows = self.covariance.seen().min(2.0 * self.memory() - 1.0);
            let n = self.channels.len();
            self.factor = cholesky(&shrunk(&self.covariance.matrix, n, rows), n);
            self.age = 0.0;
        }
    }

    fn memory(&self) -> f64 {
        self.settings.memory_rows.max(64.0)
    }

    /// What each channel adds to the score of the newest row; they sum to it. All 0 while
    /// warming up and after a restore until the next row.
    #[must_use]
    pub fn contributions(&self) -> Vec<f64> {
        if self.factor.is_empty() {
            return vec![0.0; self.channels.len()];
        }
        let solved = backward(&self.factor, forward(&self.factor, &self.centred));
        let count = size(self.channels.len());
        self.centred.iter().zip(solved).map(|(x, y)| x * y / count).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 256")]
fn size(channels: usize) -> f64 {
    channels as f64
}

/// Oracle approximating shrinkage of a covariance (lower triangle, n by n) of `rows` rows.
fn shrunk(matrix: &[f64], n: usize, rows: f64) -> Vec<f64> {
    let count = size(n);
    let (mut trace, mut square) = (0.0, 0.0);
    for i in 0..n {
        trace += matrix[i * n + i];
        square += matrix[i * n + i] * matrix[i * n + i];
        square += 2.0 * matrix[i * n..i * n + i].iter().fold(0.0, |sum, x| sum + x * x);
    }
    let mean = trace / count;
    let (alpha, mean_square) = (square / (count * count), mean * mean);
    let spread = (rows + 1.0) * (alpha - mean_square / count);
    let shrinkage = if spread > 0.0 { ((alpha + mean_square) / spread).min(1.0) } else { 1.0 };
    let mut result: Vec<f64> = matrix.iter().map(|x| (1.0 - shrinkage) * x).collect();
    for i in 0..n {
        result[i * n + i] += shrinkage * mean + VARIANCE_MIN;
    }
    result
}

/// Cholesky's factor of a positive definite matrix.
fn cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut factor = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum = dot(&factor[i * n..i * n + j], &factor[j * n..j * n + j]);
            let rest = matrix[i * n + j] - sum;
            factor[i * n + j] =
                if i == j { rest.max(VARIANCE_MIN / 2.0).sqrt() } else { rest / factor[j * n + j] };
        }
    }
    factor
}

/// Solves L y = x.
fn forward(factor: &[f64], x: &[f64]) -> Vec<f64> {
    let n = x.len();
    let mut y = Vec::with_capacity(n);
    for i in 0..n {
        y.push((x[i] - dot(&factor[i * n..i * n + i], &y)) / factor[i * n + i]);
    }
    y
}

/// Solves L' z = y.
fn backward(factor: &[f64], mut y: Vec<f64>) -> Vec<f64> {
    let n = y.len();
    for i in (0..n).rev() {
        y[i] /= factor[i * n + i];
        let z = y[i];
        for (y, l) in y[..i].iter_mut().zip(&factor[i * n..i * n + i]) {
            *y -= l * z;
        }
    }
    y
}

impl Model for Mahalanobis {
    const TABLE: &'static str = "detectors.mahalanobis";
    const VERSION: u16 = 1;
    type Settings = MahalanobisSettings;

    fn empty(settings: &MahalanobisSettings, channels: usize) -> Self {
        let channels = channels.clamp(1, CHANNELS_MAX);
        Self {
            settings: *settings,
            channels: Channels::new(channels),
            covariance: Covariance::new(channels),
            rows: 0.0,
            age: 0.0,
            factor: Vec::new(),
            outputs: Outputs::silent(settings.hold_rows.max(1.0)),
            centred: vec![0.0; channels],
        }
    }

    fn channels(&self) -> usize {
        self.channels.len()
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        self.channels.save(numbers);
        self.covariance.save(numbers);
        numbers.extend([self.rows, self.age, f64::from(u8::from(!self.factor.is_empty()))]);
        numbers.extend(&self.factor);
        self.outputs.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.channels.load(numbers)?;
        self.covariance.load(numbers)?;
        [self.rows, self.age] = numbers.array()?;
        let factors = numbers.index(1)?;
        self.factor = vec![0.0; factors * self.channels.len() * self.channels.len()];
        numbers.fill(&mut self.factor)?;
        self.outputs.load(numbers)?;
        self.centred.fill(0.0);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    /// `tests/reference/multivariate.py` wrote the numbers.
    #[test]
    fn shrinkage_and_distance_agree_with_scikit_learn() {
        let reference: Value =
            serde_json::from_str(include_str!("../../tests/reference/multivariate.json")).unwrap();
        let reference = &reference["oas"];
        let rows: Vec<Vec<f64>> = reference["rows"].as_array().unwrap().iter().map(numbers).collect();
        let mut covariance = Covariance::new(rows[0].len());
        let mut centred = vec![0.0; rows[0].len()];
        for row in &rows {
            covariance.centred(row, &mut centred);
            covariance.learn(&centred, 1.0, 1e9);
        }
        let n = rows[0].len();
        let shrunk = shrunk(&covariance.matrix, n, covariance.seen());
        for (i, row) in reference["covariance"].as_array().unwrap().iter().map(numbers).enumerate() {
            for j in 0..=i {
                assert!((shrunk[i * n + j] - row[j]).abs() < 2.0 * VARIANCE_MIN, "{i} {j}");
            }
        }
        let factor = cholesky(&shrunk, n);
        for (row, expected) in rows.iter().zip(numbers(&reference["squared_distance"])) {
            covariance.centred(row, &mut centred);
            let whitened = forward(&factor, &centred);
            let distance = dot(&whitened, &whitened);
            assert!((distance - expected).abs() < 1e-4 * expected, "{distance}, {expected}");
            let solved = backward(&factor, whitened);
            assert!((dot(&solved, &centred) - distance).abs() < 1e-10 * distance);
        }
    }
}
