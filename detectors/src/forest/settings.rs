//! What a pool of forests is made of.

use serde::{Deserialize, Serialize};

/// Settings of a forest, the same for all models of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestSettings {
    /// Values that come in at each tick.
    pub channels: usize,
    /// Ticks that make a point: the present one and those before it. Channels times shingle are
    /// the dimensions, at most 128.
    pub shingle: usize,
    /// Trees, at most 1024. The score is the mean over trees.
    pub trees: usize,
    /// Points that a tree keeps, 4 to 1024; at most 1023 with more than 32 dimensions, 511 with more than 64.
    pub sample_size: usize,
    /// How fast the sample forgets, in 1 / points: a point that is `1 / time_decay` points older than
    /// another is e times less likely to be in a sample. At least 1e-6, at most 1. Points that are
    /// older than 8 / `time_decay`, or than 65,000, are dropped in any case: one in 3,000 of a sample.
    pub time_decay: f64,
    /// Points that are learnt before there is a score; none: a quarter of the sample.
    pub output_after: Option<usize>,
    /// Seed of the random cuts and samples.
    pub seed: u64,
}

impl Default for ForestSettings {
    fn default() -> Self {
        Self {
            channels: 1,
            shingle: 8,
            trees: 50,
            sample_size: 256,
            time_decay: 0.1 / 256.0,
            output_after: None,
            seed: 0,
        }
    }
}

/// Settings are outside of their bounds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("settings of a forest: {0}")]
pub struct ForestSettingsError(pub(super) String);

impl ForestSettings {
    /// Dimensions of a point.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.channels.saturating_mul(self.shingle)
    }

    /// Points that are learnt before there is a score.
    pub(super) fn warmup(&self) -> u64 {
        self.output_after.unwrap_or(self.sample_size / 4).max(1) as u64
    }

    /// Ticks that the ring of points holds.
    pub(super) fn window(&self) -> usize {
        let forgotten = (8.0 / self.time_decay).min(65_000.0) as usize;
        forgotten.max(4 * self.sample_size) + self.shingle
    }

    pub(super) fn check(&self) -> Result<(), ForestSettingsError> {
        // A node keeps a dimension and a count of copies in 16 bits.
        let most = match self.dimensions() {
            0..=32 => 1024,
            33..=64 => 1023,
            _ => 511,
        };
        let bounds = [
            ("channels", self.channels, 1, 128),
            ("shingle", self.shingle, 1, 128),
            ("channels * shingle", self.dimensions(), 1, 128),
            ("trees", self.trees, 1, 1024),
            ("sample_size", self.sample_size, 4, most),
        ];
        for (name, value, least, most) in bounds {
            if !(least..=most).contains(&value) {
                return Err(ForestSettingsError(format!("{name} is {value}, not {least} to {most}")));
            }
        }
        if !(1e-6..=1.0).contains(&self.time_decay) {
            return Err(ForestSettingsError(format!("time_decay is {}, not 1e-6 to 1", self.time_decay)));
        }
        Ok(())
    }
}
