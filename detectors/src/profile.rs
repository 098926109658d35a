//! Left matrix profile: how far the newest shape is from every earlier one.

use multiversion::multiversion;
use theriac_contract::Timestamp;

use crate::{
    arithmetic::select,
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    past::Past,
    slots::{Model, Numbers},
};

/// Numbers that are worked on at once.
const LANES: usize = 8;
/// Largest window.
const WINDOW_MAX: usize = 4_096;

/// Settings of a [`LeftProfile`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileSettings {
    /// Values in a window, 4 to 4,096 (beyond, the nearer of them).
    pub window: usize,
    /// Values that are remembered, at least four windows.
    pub history: usize,
    /// Distances before a p-value is less than 1.
    pub warmup: f64,
}

impl Default for ProfileSettings {
    fn default() -> Self {
        Self { window: 60, history: 2_048, warmup: 512.0 }
    }
}

/// The earlier window that is most like the newest one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Euclidean distance of the two windows, each with mean 0 and variance 1: 0 is the same
    /// shape, `sqrt(2 window)` is uncorrelated.
    pub distance: f64,
    /// How many values ago it ended.
    pub ago: usize,
    /// How often a newest window was at least as far from all before it.
    pub p_value: f64,
}

/// Streaming left matrix profile of one series (STOMPI; Yeh et al. 2018, Data Mining and
/// Knowledge Discovery 32:83): the distance of the newest window to the nearest earlier one
/// that ends more than a quarter of a window before it. Where it is large, the newest shape
/// was never seen: a left discord.
///
/// The dot product of the newest window with the one `lag` values ago follows from that of
/// one value earlier by one product that enters and one that leaves. Kept by lag they need
/// no moving, and one pass over four arrays is all the work. Sums are `f64`: a level that is
/// large against what moves on it, or a single high peak, leaves an `f32` sum useless, and
/// the pass is bound by memory either way. They are made anew from the values, about a new
/// origin, each time that `history` values have come, so that nothing adds up.
///
/// A window with an absent value has no neighbours and is none. A constant window is at
/// distance 0 from a constant one and at `sqrt(window)` from any other, as in `stumpy`.
#[derive(Clone, Debug)]
pub struct LeftProfile {
    settings: ProfileSettings,
    /// What is taken off every value.
    origin: f64,
    /// Values less the origin, newest first from `head`, room for two histories; 0 if absent.
    values: Vec<f64>,
    /// 1 / |window - mean|, by window, newest first; 0 for a constant window, NaN if unusable.
    inverse: Vec<f64>,
    /// The mean of the window times `window` times `inverse`.
    shift: Vec<f64>,
    /// Dot product of the newest window with the one `lag` values ago, by lag.
    products: Vec<f64>,
    head: usize,
    /// Values since the last absent one, or since the beginning; at most `window`.
    present: usize,
    past: Past,
}

impl LeftProfile {
    /// Windows that are compared, in whole lanes.
    fn lags(settings: ProfileSettings) -> usize {
        (settings.history - settings.window + 1).next_multiple_of(LANES)
    }

    /// Values that can come before everything is moved.
    fn room(settings: ProfileSettings) -> usize {
        settings.history
    }

    /// Values that are read, from the newest on.
    fn reach(settings: ProfileSettings) -> usize {
        Self::lags(settings) + settings.window
    }

    /// The next value; NaN is absent. The nearest earlier window, once there is one. The value
    /// becomes part of the history in any case; without `learn` its distance does not become
    /// part of what is usual.
    pub fn update(&mut self, value: f64, learn: bool) -> Option<Neighbour> {
        let window = self.settings.window;
        if self.head == 0 {
            self.renew();
        }
        self.head -= 1;
        let usable = value.abs() <= 1e150;
        if usable && self.origin.is_nan() {
            self.origin = value;
        }
        self.values[self.head] = if usable { value - self.origin } else { 0.0 };
        self.present = if usable { (self.present + 1).min(window) } else { 0 };

        let values = &self.values[self.head..];
        let newest = Window::of(&values[..window], self.present == window);
        self.inverse[self.head] = newest.inverse;
        self.shift[self.head] = newest.mean * newest.inverse * size(window);
        let lags = self.products.len();
        let excluded = window.div_ceil(4) + 1;
        let best = sweep(
            &mut self.products,
            &values[..lags],
            &values[window..window + lags],
            &self.inverse[self.head..self.head + lags],
            &self.shift[self.head..self.head + lags],
            newest.mean,
            size(excluded),
        );
        if newest.inverse.is_nan() {
            return None;
        }
        let (distance, ago) = self.nearest(newest, best, excluded)?;
        let p_value = self.past.p_value(distance, self.settings.warmup);
        if learn {
            self.past.learn(distance);
        }
        Some(Neighbour { distance, ago, p_value })
    }

    /// Mends what the sweep cannot know: constant windows have no correlation.
    fn nearest(&self, newest: Window, best: (f64, usize), excluded: usize) -> Option<(f64, usize)> {
        let constant = newest.inverse <= 0.0;
        let (mut correlation, mut ago) = (best.0 * newest.inverse, best.1);
        if constant || correlation < 0.5 {
            // The distance sqrt(window) is that of a correlation of one half.
            let inverse = &self.inverse[self.head..self.head + self.products.len()];
            let other = |alike: fn(f64) -> bool| inverse.iter().skip(excluded).position(|&x| alike(x));
            let (of, otherwise) = if constant { (1.0, other(|x| x > 0.0)) } else { (0.5, None) };
            if let Some(lag) = other(|x| x == 0.0) {
                (correlation, ago) = (of, lag + excluded);
            } else if let Some(lag) = otherwise {
                (correlation, ago) = (0.5, lag + excluded);
            }
        }
        let distance = (2.0 * size(self.settings.window) * (1.0 - correlation.clamp(-1.0, 1.0))).sqrt();
        (correlation.is_finite() && ago >= excluded).then_some((distance, ago))
    }

    /// Moves everything to the end of its room, and makes the products anew about the mean of
    /// the newest window.
    fn renew(&mut self) {
        let (lags, room) = (self.products.len(), Self::room(self.settings));
        let reach = Self::reach(self.settings);
        let window = self.settings.window;
        self.values.copy_within(..reach, room);
        self.inverse.copy_within(..lags, room);
        self.shift.copy_within(..lags, room);
        self.head = room;
        let moved =
            if self.origin.is_nan() { 0.0 } else { Window::of(&self.values[room..room + window], true).mean };
        self.origin += moved;
        for value in &mut self.values[room..] {
            *value -= moved;
        }
        for (shift, inverse) in self.shift[room..].iter_mut().zip(&self.inverse[room..]) {
            *shift -= moved * size(window) * inverse;
        }
        let values = &self.values[room..];
        for (lag, product) in self.products.iter_mut().enumerate() {
            *product = dot(&values[..window], &values[lag..lag + window]);
        }
    }
}

impl SeriesModel for LeftProfile {
    const SPEC: Spec = Spec {
        name: "profile",
        sees: "a course of values, whatever its level and size, that was never seen",
        formula: "squared distance of the last 60 values to the nearest of 2,048 before, each with mean 0 and variance 1",
        source: "Yeh et al. 2018 (STOMPI)",
        parameters: &[],
        state_version: 1,
        warmup_ticks: 512,
        bytes_per_series: modelled::BYTES + size_of::<Self>() + HEAP_BYTES,
        on_by_default: false,
    };

    /// The values of an incident become part of the history, for what comes after them is measured in
    /// the same windows; their distances teach nothing.
    fn update(&mut self, value: f64, _at: Timestamp, learn: bool) -> Option<Reading> {
        self.update(value, learn).map(|neighbour| Reading::of(neighbour.distance * neighbour.distance))
    }

    fn skip(&mut self, _at: Timestamp) {
        self.update(f64::NAN, false);
    }
}

/// What a profile with the default settings keeps in its lists.
const HEAP_BYTES: usize = {
    let (history, lags, reach) = (2_048, 1_992, 2_052);
    size_of::<f64>() * (history + reach + 2 * (history + lags) + lags)
};

impl Model for LeftProfile {
    const TABLE: &'static str = "detectors.profile";
    const VERSION: u16 = 1;
    type Settings = ProfileSettings;

    /// A profile is of one series: there is one channel, whatever is said.
    fn empty(settings: &ProfileSettings, _channels: usize) -> Self {
        let window = settings.window.clamp(4, WINDOW_MAX);
        let settings = ProfileSettings { window, history: settings.history.max(4 * window), ..*settings };
        let (lags, room) = (Self::lags(settings), Self::room(settings));
        Self {
            settings,
            origin: f64::NAN,
            values: vec![0.0; room + Self::reach(settings)],
            inverse: vec![f64::NAN; room + lags],
            shift: vec![0.0; room + lags],
            products: vec![0.0; lags],
            head: room,
            present: 0,
            past: Past::default(),
        }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        let (head, lags) = (self.head, self.products.len());
        numbers.extend([self.origin, size(head), size(self.present)]);
        numbers.extend(&self.values[head..head + Self::reach(self.settings)]);
        numbers.extend(&self.inverse[head..head + lags]);
        numbers.extend(&self.shift[head..head + lags]);
        numbers.extend(&self.products);
        self.past.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.origin = numbers.one()?;
        self.head = numbers.index(Self::room(self.settings))?;
        self.present = numbers.index(self.settings.window)?;
        let (head, lags) = (self.head, self.products.len());
        numbers.fill(&mut self.values[head..head + Self::reach(self.settings)])?;
        numbers.fill(&mut self.inverse[head..head + lags])?;
        numbers.fill(&mut self.shift[head..head + lags])?;
        numbers.fill(&mut self.products)?;
        self.past = Past::load(numbers)?;
        Some(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
fn size(values: usize) -> f64 {
    values as f64
}

/// Mean and inverse norm of one window.
#[derive(Clone, Copy)]
struct Window {
    mean: f64,
    inverse: f64,
}

impl Window {
    fn of(values: &[f64], whole: bool) -> Self {
        let mean = sum(values.iter().copied()) / size(values.len());
        if !whole {
            return Self { mean, inverse: f64::NAN };
        }
        let constant = values.iter().all(|x| x.to_bits() == values[0].to_bits() || *x == values[0]);
        let square = sum(values.iter().map(|x| (x - mean) * (x - mean)));
        // Below the rounding of the values nothing moves.
        let inverse = if constant || square <= 0.0 { 0.0 } else { 1.0 / square.sqrt() };
        Self { mean: if constant { values[0] } else { mean }, inverse }
    }
}

fn sum(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, x| sum + x)
}

#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = sum(a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y));
    for (a, b) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    sum(lanes.into_iter()) + rest
}

/// Brings the products of all lags up to date, and finds among those from `excluded` on the
/// largest `product * inverse - mean * shift`, with its lag.
#[multiversion(targets("x86_64+avx512f+avx512dq+avx512vl", "x86_64+avx2"))]
fn sweep(
    products: &mut [f64],
    newest: &[f64],
    oldest: &[f64],
    inverse: &[f64],
    shift: &[f64],
    mean: f64,
    excluded: f64,
) -> (f64, usize) {
    let (enters, leaves) = (newest[0], oldest[0]);
    let mut best = [f64::NEG_INFINITY; LANES];
    let mut at = [0.0; LANES];
    let mut first = 0.0;
    let chunks = products.chunks_exact_mut(LANES).zip(newest.chunks_exact(LANES));
    let windows = inverse.chunks_exact(LANES).zip(shift.chunks_exact(LANES));
    for (((products, newest), oldest), (inverse, shift)) in
        chunks.zip(oldest.chunks_exact(LANES)).zip(windows)
    {
        for lane in 0..LANES {
            products[lane] += enters * newest[lane] - leaves * oldest[lane];
            let likeness = products[lane] * inverse[lane] - mean * shift[lane];
            let better = (likeness > best[lane]) & (first + OFFSETS[lane] >= excluded);
            best[lane] = select(better, likeness, best[lane]);
            at[lane] = select(better, first + OFFSETS[lane], at[lane]);
        }
        first += OFFSETS[LANES - 1] + 1.0;
    }
    let mut found = (best[0], at[0]);
    for (&best, &at) in best.iter().zip(&at).skip(1) {
        if best > found.0 || (best >= found.0 && at < found.1) {
            found = (best, at);
        }
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index in a slice")]
    let lag = found.1 as usize;
    (found.0, lag)
}

const OFFSETS: [f64; LANES] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spec_says_what_the_lists_take() {
        let profile = LeftProfile::empty(&ProfileSettings::default(), 1);
        let lists = [&profile.values, &profile.inverse, &profile.shift, &profile.products];
        let bytes: usize = lists.map(|list| size_of::<f64>() * list.capacity()).iter().sum();
        assert_eq!(bytes, HEAP_BYTES);
    }
}
