//! Mean and covariance with forgetting.

use multiversion::multiversion;

use crate::slots::Numbers;

/// Exponentially weighted mean and covariance (West 1979; Finch 2009): the first `memory`
/// rows weigh alike.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Covariance {
    pub(crate) mean: Vec<f64>,
    /// Row by row; only the lower triangle is kept up to date.
    pub(crate) matrix: Vec<f64>,
    seen: f64,
}

impl Covariance {
    pub(crate) fn new(size: usize) -> Self {
        Self { mean: vec![0.0; size], matrix: vec![0.0; size * size], seen: 0.0 }
    }

    /// Bytes on the heap.
    pub(crate) const fn bytes(size: usize) -> usize {
        (size + size * size) * size_of::<f64>()
    }

    pub(crate) fn size(&self) -> usize {
        self.mean.len()
    }

    /// Rows seen.
    pub(crate) fn seen(&self) -> f64 {
        self.seen
    }

    /// `row` less the mean.
    pub(crate) fn centred(&self, row: &[f64], out: &mut [f64]) {
        for ((out, x), mean) in out.iter_mut().zip(row).zip(&self.mean) {
            *out = x - mean;
        }
    }

    /// Learns from a row whose distance to the mean is `centred`.
    pub(crate) fn learn(&mut self, centred: &[f64], weight: f64, memory: f64) {
        self.seen += 1.0;
        let gain = (1.0 / self.seen).max(1.0 / memory) * weight;
        for (mean, x) in self.mean.iter_mut().zip(centred) {
            *mean += gain * x;
        }
        update(&mut self.matrix, centred, gain);
    }

    pub(crate) fn save(&self, numbers: &mut Vec<f64>) {
        numbers.push(self.seen);
        numbers.extend(&self.mean);
        for (row, values) in self.matrix.chunks(self.size().max(1)).enumerate() {
            numbers.extend(&values[..=row]);
        }
    }

    pub(crate) fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.seen = numbers.one()?;
        numbers.fill(&mut self.mean)?;
        let size = self.size();
        for row in 0..size {
            numbers.fill(&mut self.matrix[row * size..=row * size + row])?;
        }
        Some(())
    }
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn update(matrix: &mut [f64], centred: &[f64], gain: f64) {
    let (size, keep) = (centred.len(), 1.0 - gain);
    for (row, &x) in centred.iter().enumerate() {
        let scaled = gain * keep * x;
        for (element, y) in matrix[row * size..=row * size + row].iter_mut().zip(centred) {
            *element = keep * *element + scaled * y;
        }
    }
}

/// Dot product in eight partial sums, in the same order on every machine.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder()).fold(0.0, |sum, (x, y)| sum + x * y);
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().fold(rest, |sum, x| sum + x)
}
