//! Sliding sums over the recent observations, and the statistics made of them.

use super::{Family, MEMBERS, SCALES, SIGNALS, signals::Signal};
use crate::arithmetic::ln;

/// Observations kept: two of the widest windows, and the one before them.
const RING: usize = 132;
/// Exact sums are made anew after so many observations.
const RENEWAL: usize = 128;
/// Residuals kept: the widest window.
const RESIDUALS: usize = 64;
/// Errors against slow averages: a window of each scale, one behind the other.
const ERRORS: usize = 85;
const ERRORS_BEGIN: [usize; 4] = [0, 1, 5, 21];
/// A slow average remembers this many windows.
const SLOW: f64 = 8.0;

/// By signal and scale.
type Sums = [[f64; SCALES.len()]; SIGNALS];

/// By signal, family and scale. Minus infinity while a window is not full.
pub(super) type Statistics = [[f32; MEMBERS]; SIGNALS];

#[derive(Clone, Debug)]
pub(super) struct Windows {
    pub(super) ring: [[f32; RING]; SIGNALS],
    pub(super) residuals: [[f32; RESIDUALS]; SIGNALS],
    pub(super) errors: [[f32; ERRORS]; SIGNALS],
    pub(super) rows: f64,
    pub(super) residual_rows: f64,
    /// Sums are of the distance from this, or large numbers would cancel badly.
    pub(super) anchor: [f64; SIGNALS],
    pub(super) slow: Sums,
    /// Over a window.
    pub(super) sum: Sums,
    pub(super) residual_sum: Sums,
    pub(super) error_sum: Sums,
    /// Over two windows: values, their squares, steps from value to value.
    pub(super) wide_sum: Sums,
    pub(super) wide_squares: Sums,
    pub(super) wide_steps: Sums,
}

impl Windows {
    pub(super) const fn new() -> Self {
        const NONE: Sums = [[0.0; SCALES.len()]; SIGNALS];
        Self {
            ring: [[0.0; RING]; SIGNALS],
            residuals: [[0.0; RESIDUALS]; SIGNALS],
            errors: [[0.0; ERRORS]; SIGNALS],
            rows: 0.0,
            residual_rows: 0.0,
            anchor: [0.0; SIGNALS],
            slow: NONE,
            sum: NONE,
            residual_sum: NONE,
            error_sum: NONE,
            wide_sum: NONE,
            wide_squares: NONE,
            wide_steps: NONE,
        }
    }

    /// Observations so far.
    pub(super) const fn rows(&self) -> f64 {
        self.rows
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count; f32 keeps enough")]
    pub(super) fn update(&mut self, signal: &Signal, residuals: Option<[f64; SIGNALS]>) {
        let rows = self.rows as usize;
        for a in 0..SIGNALS {
            let kept = signal.now[a] as f32;
            if rows == 0 {
                self.anchor[a] = f64::from(kept);
                self.slow[a] = [f64::from(kept); SCALES.len()];
            }
            self.ring[a][rows % RING] = kept;
            self.slide(a, rows);
            self.compare(a, rows, f64::from(kept));
            if let Some(residuals) = residuals {
                self.depart(a, residuals[a] as f32);
            }
        }
        if residuals.is_some() {
            self.residual_rows += 1.0;
        }
        self.rows += 1.0;
        if (rows + 1).is_multiple_of(RENEWAL) {
            self.renew(rows);
        }
    }

    /// The value of observation `row`, as distance from the anchor.
    fn value(&self, a: usize, row: usize) -> f64 {
        f64::from(self.ring[a][row % RING]) - self.anchor[a]
    }

    /// The step to observation `row` from the one before.
    fn step(&self, a: usize, row: usize) -> f64 {
        let before = row.saturating_sub(1);
        (f64::from(self.ring[a][row % RING]) - f64::from(self.ring[a][before % RING])).abs()
    }

    fn slide(&mut self, a: usize, row: usize) {
        let (now, step) = (self.value(a, row), self.step(a, row));
        for (w, length) in SCALES.into_iter().enumerate() {
            let left = if row >= length { self.value(a, row - length) } else { 0.0 };
            self.sum[a][w] += now - left;
            let (mut left, mut left_step) = (0.0, 0.0);
            if row >= 2 * length {
                left = self.value(a, row - 2 * length);
                left_step = self.step(a, row - 2 * length);
            }
            self.wide_sum[a][w] += now - left;
            self.wide_squares[a][w] += now * now - left * left;
            self.wide_steps[a][w] += step - left_step;
        }
    }

    /// Errors against slow averages.
    #[expect(clippy::cast_possible_truncation, reason = "f32 keeps enough of an error")]
    fn compare(&mut self, a: usize, row: usize, now: f64) {
        for (w, length) in SCALES.into_iter().enumerate() {
            let error = (now - self.slow[a][w]) as f32;
            let gain = (1.0 / (row as f64 + 1.0)).max(1.0 / (SLOW * length as f64));
            self.slow[a][w] += gain * (now - self.slow[a][w]);
            let kept = &mut self.errors[a][ERRORS_BEGIN[w] + row % length];
            self.error_sum[a][w] += f64::from(error) - f64::from(*kept);
            *kept = error;
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    fn depart(&mut self, a: usize, residual: f32) {
        let row = self.residual_rows as usize;
        let kept = |row: usize| f64::from(self.residuals[a][row % RESIDUALS]);
        for (w, length) in SCALES.into_iter().enumerate() {
            let left = if row >= length { kept(row - length) } else { 0.0 };
            self.residual_sum[a][w] += f64::from(residual) - left;
        }
        self.residuals[a][row % RESIDUALS] = residual;
    }

    /// Exact sums again, around the present mean.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    fn renew(&mut self, last: usize) {
        let residual_rows = self.residual_rows as usize;
        for a in 0..SIGNALS {
            let recent = (0..RENEWAL).map(|back| f64::from(self.ring[a][(last - back) % RING]));
            self.anchor[a] = recent.sum::<f64>() / RENEWAL as f64;
            for (w, length) in SCALES.into_iter().enumerate() {
                let value = |back: usize| self.value(a, last - back);
                let error = |back: usize| f64::from(self.errors[a][ERRORS_BEGIN[w] + back]);
                let residual = |back: usize| f64::from(self.residuals[a][(residual_rows - back) % RESIDUALS]);
                let sum = (0..length).map(value).sum();
                let wide_sum = (0..2 * length).map(value).sum();
                let wide_squares = (0..2 * length).map(|back| value(back) * value(back)).sum();
                let wide_steps = (0..2 * length).map(|back| self.step(a, last - back)).sum();
                let error_sum = (0..length).map(error).sum();
                let residual_sum = (1..=length.min(residual_rows)).map(residual).sum();
                self.sum[a][w] = sum;
                self.wide_sum[a][w] = wide_sum;
                self.wide_squares[a][w] = wide_squares;
                self.wide_steps[a][w] = wide_steps;
                self.error_sum[a][w] = error_sum;
                self.residual_sum[a][w] = residual_sum;
            }
        }
    }

    /// The statistic of every member. `seasonal` if the last observation had a residual.
    #[expect(clippy::cast_possible_truncation, reason = "of a distance f32 keeps enough")]
    pub(super) fn statistics(&self, signal: &Signal, seasonal: bool) -> Statistics {
        let mut statistics = [[f32::NEG_INFINITY; MEMBERS]; SIGNALS];
        for (a, statistics) in statistics.iter_mut().enumerate() {
            for (w, length) in SCALES.into_iter().enumerate() {
                let mut set = |family: Family, value: f64| {
                    statistics[family as usize * SCALES.len() + w] = value as f32;
                };
                let n = length as f64;
                if self.rows >= n {
                    let mean = self.anchor[a] + self.sum[a][w] / n;
                    set(Family::High, mean);
                    set(Family::Low, -mean);
                    set(Family::Drift, self.error_sum[a][w].abs() / n);
                }
                if self.rows >= 2.0 * n {
                    let mean = self.wide_sum[a][w] / (2.0 * n);
                    let variance = self.wide_squares[a][w] / (2.0 * n) - mean * mean;
                    let deviation = variance.max(0.0).sqrt();
                    set(Family::Jump, (2.0 * self.sum[a][w] - self.wide_sum[a][w]).abs() / n);
                    set(Family::Spread, deviation);
                    set(Family::Rough, self.wide_steps[a][w] / (2.0 * n));
                    set(Family::Calm, -ln(deviation + 1e-3 * signal.span[a] + 1e-300));
                }
                if seasonal && self.residual_rows >= n {
                    set(Family::Season, self.residual_sum[a][w].abs() / n);
                }
            }
        }
        statistics
    }
}
