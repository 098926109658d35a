//! Channels on one scale.

use crate::{arithmetic::asinh, slots::Numbers};

/// Share of its level by which a channel may always move.
const FLOOR: f64 = 0.01;
/// Largest magnitude of a standardised value: about 27 standard deviations.
const LARGEST: f64 = 4.0;
/// Rows after which the first guess of level and spread holds.
const FIRST: f64 = 20.0;
/// Deviations up to this many standard deviations are learnt whole.
const WHOLE: f64 = 8.0;

/// Mean and variance of each channel, exponentially weighted and robust: of a deviation
/// beyond eight standard deviations only part is learnt, at least a tenth.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Channels {
    means: Vec<f64>,
    variances: Vec<f64>,
    seen: Vec<f64>,
}

impl Channels {
    pub(crate) fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self { means: zeros.clone(), variances: zeros.clone(), seen: zeros }
    }

    /// Bytes on the heap.
    pub(crate) const fn bytes(channels: usize) -> usize {
        3 * channels * size_of::<f64>()
    }

    pub(crate) fn len(&self) -> usize {
        self.means.len()
    }

    /// Writes asinh of the number of standard deviations of each channel, at most
    /// [`LARGEST`] in size, so that one channel cannot outweigh all others; 0 where a value is
    /// absent or the channel is too new. A constant channel counts as if it moved by a
    /// hundredth of its level.
    pub(crate) fn standardise(&self, row: &[f64], out: &mut [f64]) {
        for (channel, out) in out.iter_mut().enumerate() {
            let value = row.get(channel).copied().filter(|value| usable(*value));
            *out = match value {
                Some(value) if self.seen[channel] >= FIRST => {
                    let mean = self.means[channel];
                    let unit = self.variances[channel].sqrt() + FLOOR * mean.abs() + 1e-9;
                    // Far beyond the bound of the result, but of a finite square.
                    let deviations = ((value - mean) / unit).clamp(-1e9, 1e9);
                    asinh(deviations).clamp(-LARGEST, LARGEST)
                }
                _ => 0.0,
            };
        }
    }

    /// Learns from a row; `weight` is 1 for an ordinary one, `memory` the number of rows that
    /// are remembered.
    pub(crate) fn learn(&mut self, row: &[f64], weight: f64, memory: f64) {
        for (channel, &value) in row.iter().enumerate().take(self.means.len()) {
            if !usable(value) {
                continue;
            }
            let seen = &mut self.seen[channel];
            *seen += 1.0;
            let gain = (1.0 / *seen).max(1.0 / memory) * weight;
            let (mean, variance) = (&mut self.means[channel], &mut self.variances[channel]);
            let deviation = value - *mean;
            let size = deviation.abs();
            let bounded =
                if *seen <= FIRST { size } else { size.min(WHOLE * variance.sqrt()).max(0.1 * size) };
            let bounded = if deviation < 0.0 { -bounded } else { bounded };
            *mean += gain * bounded;
            *variance = (1.0 - gain) * (*variance + gain * bounded * bounded);
        }
    }

    pub(crate) fn save(&self, numbers: &mut Vec<f64>) {
        [&self.means, &self.variances, &self.seen].into_iter().for_each(|column| numbers.extend(column));
    }

    pub(crate) fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        [&mut self.means, &mut self.variances, &mut self.seen]
            .into_iter()
            .try_for_each(|column| numbers.fill(column))
    }
}

/// Whether the square of `value` is finite.
fn usable(value: f64) -> bool {
    value.abs() <= 1e150
}
