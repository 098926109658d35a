//! Spectral residual: a value that the spectrum of its window does not lead one to expect.

use std::sync::LazyLock;

use theriac_contract::Timestamp;

use crate::{
    arithmetic::{exp, ln},
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    newest::{Newest, size, sum},
    slots::{Model, Numbers},
};

/// Smallest and largest window.
const WINDOW_MIN: usize = 32;
const WINDOW_MAX: usize = 256;
/// Estimated values after the newest one.
const EXTENSION: usize = 5;
/// Values before the newest one from which they are estimated, besides the last of them.
const SLOPES: usize = 5;
/// A magnitude is at least so much of the largest: below is rounding.
const MAGNITUDE_MIN: f64 = 1e-8;

/// Window, unless set otherwise.
const WINDOW: usize = 64;

/// Settings of [`SpectralResidual`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralSettings {
    /// Values that are transformed, estimated ones included: 32 to 256, a power of two (otherwise
    /// the next one).
    pub window: usize,
    /// Values before the newest one with whose saliency its own is compared, at most half a
    /// window.
    pub local: usize,
}

impl Default for SpectralSettings {
    fn default() -> Self {
        Self { window: WINDOW, local: 21 }
    }
}

/// Spectral residual of one series (Ren et al. 2019, "Time-Series Anomaly Detection Service at
/// Microsoft", KDD; after Hou and Zhang 2007).
///
/// Of the spectrum of the newest values the logarithm of the magnitude is taken, less its mean over
/// three neighbouring frequencies; with the old phase, transformed back, this gives the
/// saliency S. The score is S / mean of S over the values before - 1, of the newest value alone,
/// and 0 where that is negative.
///
/// After the newest value come five estimated ones, so that it is not at the border: the fifth value
/// before it, carried on by the mean slope towards the last one before it. What is estimated knows
/// of no value but earlier ones. All of it is independent of the unit: the level is
/// taken off before, and its frequency counts as its neighbours do.
#[derive(Clone, Debug)]
pub struct SpectralResidual {
    settings: SpectralSettings,
    values: Newest,
}

impl SpectralResidual {
    /// Score of the next value, 0 or more; one beyond 1e150 is absent. None until there is a
    /// window.
    pub fn update(&mut self, value: f64) -> Option<f64> {
        if value.is_nan() || value.abs() > 1e150 {
            return None;
        }
        let score = self.values.is_full().then(|| self.score(value));
        self.values.push(value);
        score
    }

    fn score(&self, value: f64) -> f64 {
        let before = self.values.values();
        let last = before.len() - 1;
        // Sum of slopes = mean slope times their number: so far the first of them carries.
        let slopes = (1..=SLOPES).map(|back| (before[last] - before[last - back]) / size(back));
        let estimated = before[last + 1 - SLOPES] + sum(slopes);
        let level = self.values.mean();

        let mut signal = [[0.0; 2]; WINDOW_MAX];
        let signal = &mut signal[..self.settings.window];
        let extended = before.iter().copied().chain([value]).chain([estimated; EXTENSION]);
        for (complex, value) in signal.iter_mut().zip(extended) {
            *complex = [value - level, 0.0];
        }
        residual(signal);
        let saliency = |at: usize| magnitude(signal[at]);
        let newest = before.len();
        let usual = sum((newest - self.settings.local..newest).map(saliency)) / size(self.settings.local);
        if usual > 0.0 { (saliency(newest) / usual - 1.0).max(0.0) } else { 0.0 }
    }
}

/// Replaces a signal by its spectral residual.
fn residual(signal: &mut [[f64; 2]]) {
    let length = signal.len();
    let largest = signal.iter().fold(0.0, |largest: f64, [x, _]| largest.max(x.abs()));
    if largest == 0.0 {
        return;
    }
    // So that no square overflows.
    signal.iter_mut().for_each(|[x, _]| *x /= largest);
    transform(signal, Direction::Forward);
    signal[0] = [0.0, 0.0];
    let largest = signal.iter().copied().map(magnitude).fold(0.0, f64::max);
    let mut logarithms = [0.0; WINDOW_MAX];
    for (logarithm, complex) in logarithms.iter_mut().zip(signal.iter()) {
        *logarithm = ln(magnitude(*complex).max(MAGNITUDE_MIN * largest).max(f64::MIN_POSITIVE));
    }
    logarithms[0] = logarithms[1];
    for (frequency, complex) in signal.iter_mut().enumerate() {
        let [before, after] = [length - 1, 1].map(|step| logarithms[(frequency + step) % length]);
        // exp(ln m - mean) with the phase of the number is the number times exp(-mean).
        let factor = exp(-(before + logarithms[frequency] + after) / 3.0);
        *complex = complex.map(|part| part * factor);
    }
    transform(signal, Direction::Backward);
}

fn magnitude([real, imaginary]: [f64; 2]) -> f64 {
    (real * real + imaginary * imaginary).sqrt()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

/// Fourier transform of a power of two of numbers, by decimation in time (Cooley and Tukey 1965); not
/// divided by their count in either direction.
fn transform(signal: &mut [[f64; 2]], direction: Direction) {
    let length = signal.len();
    let bits = length.trailing_zeros();
    for i in 0..length {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            signal.swap(i, j);
        }
    }
    let mut half = 1;
    while half < length {
        for (i, &[cosine, sine]) in ROOTS.iter().step_by(WINDOW_MAX / 2 / half).enumerate() {
            let sine = if direction == Direction::Forward { -sine } else { sine };
            for even in (i..length).step_by(2 * half) {
                let [real, imaginary] = signal[even + half];
                let turned = [real * cosine - imaginary * sine, real * sine + imaginary * cosine];
                let [real, imaginary] = signal[even];
                signal[even] = [real + turned[0], imaginary + turned[1]];
                signal[even + half] = [real - turned[0], imaginary - turned[1]];
            }
        }
        half *= 2;
    }
}

/// Cosine and sine of 2 pi k / 256, for half a turn: from square roots, by halving the right angle,
/// and products, so that every machine has the same bits.
static ROOTS: LazyLock<[[f64; 2]; WINDOW_MAX / 2]> = LazyLock::new(|| {
    let mut roots = [[1.0, 0.0]; WINDOW_MAX / 2];
    let [mut cosine, mut sine] = [0.0_f64, 1.0];
    let mut bit = WINDOW_MAX / 4;
    while bit > 0 {
        for (k, root) in roots.iter_mut().enumerate() {
            if k & bit != 0 {
                *root = [root[0] * cosine - root[1] * sine, root[0] * sine + root[1] * cosine];
            }
        }
        let halved = (0.5 * (1.0 + cosine)).sqrt();
        [cosine, sine] = [halved, 0.5 * sine / halved];
        bit /= 2;
    }
    roots
});

impl Model for SpectralResidual {
    const TABLE: &'static str = "detectors.spectral_residual";
    const VERSION: u16 = 1;
    type Settings = SpectralSettings;

    /// A residual is of one series: there is one channel, whatever is said.
    fn empty(settings: &SpectralSettings, _channels: usize) -> Self {
        let window = settings.window.clamp(WINDOW_MIN, WINDOW_MAX).next_power_of_two();
        let settings = SpectralSettings { window, local: settings.local.clamp(1, window / 2) };
        Self { settings, values: Newest::new(window - EXTENSION - 1) }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        self.values.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.values.load(numbers)
    }
}

impl SeriesModel for SpectralResidual {
    const SPEC: Spec = Spec {
        name: "spectral_residual",
        sees: "a value that the spectrum of its window does not lead one to expect",
        formula: "S / mean of 21 S before - 1, S = |inverse transform of magnitude / mean of 3 neighbours|",
        source: "Ren et al. 2019; Hou and Zhang 2007",
        parameters: &[],
        state_version: Self::VERSION,
        warmup_ticks: 128,
        bytes_per_series: modelled::BYTES + size_of::<Self>() + WINDOW * size_of::<f64>(),
        on_by_default: false,
    };

    fn update(&mut self, value: f64, _: Timestamp, _: bool) -> Option<Reading> {
        self.update(value).map(Reading::of)
    }
}
