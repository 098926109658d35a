//! Peaks over threshold: how often is a value so far out, by extreme value theory?

use theriac_contract::Timestamp;

use crate::{
    arithmetic::{exp, ln},
    calibration::P_VALUE_MIN,
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    newest::{Newest, size},
    pareto::Pareto,
    slots::{Model, Numbers},
};

/// A smaller excess is rounding; its square is still more than 0.
const EXCESS_MIN: f64 = 1e-150;

/// Values from which thresholds are taken, unless set otherwise.
const FIRST_VALUES: usize = 512;
/// Peaks that are kept on either side, unless set otherwise.
const PEAKS: usize = 256;

/// Settings of [`Peaks`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeaksSettings {
    /// Values from which the thresholds are taken, at least 32.
    pub first_values: usize,
    /// Share of those that lies above the upper threshold, and below the lower one.
    pub tail: f64,
    /// Peaks that are kept on either side, the newest of them, at least 8.
    pub peaks: usize,
    /// A value of a lower probability is an alarm, and is not learnt.
    pub alarm: f64,
    /// Alarms in a row after which all begins anew: what was an alarm stays.
    pub alarms_max: usize,
    /// Least shape of the tail, -1/2 to 0. Below 0 a tail may end, and then the first value
    /// beyond its end is impossible: for values that are never beyond a bound.
    pub shape_min: f64,
}

impl Default for PeaksSettings {
    fn default() -> Self {
        Self {
            first_values: FIRST_VALUES,
            tail: 0.02,
            peaks: PEAKS,
            alarm: 1e-4,
            alarms_max: 64,
            shape_min: 0.0,
        }
    }
}

/// What [`Peaks`] say of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// How often a value is at least so far out, on either side; 1 between the thresholds.
    pub p_value: f64,
    /// The mean that drifts, or the middle between the thresholds.
    pub expected: f64,
    /// The value below which one of 200 lies.
    pub low: f64,
    /// The value above which one of 200 lies.
    pub high: f64,
}

/// What lies beyond one threshold.
#[derive(Clone, Debug)]
struct Tail {
    /// Distance from the expected value, in the direction of this tail.
    threshold: f64,
    /// By how much values exceeded it.
    peaks: Newest,
    /// Those that ever did.
    count: f64,
    fit: Pareto,
}

impl Tail {
    fn new(settings: &PeaksSettings) -> Self {
        let fit = Pareto { shape: 0.0, scale: 1.0 };
        Self { threshold: 0.0, peaks: Newest::new(settings.peaks), count: 0.0, fit }
    }

    /// Takes the threshold from sorted distances, and all that lies beyond it.
    fn begin(&mut self, sorted: &[f64], settings: &PeaksSettings) {
        // The index is of a slice that is never empty.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index in a slice")]
        let at = ((1.0 - settings.tail) * size(sorted.len())) as usize;
        self.threshold = sorted[at.min(sorted.len() - 1)];
        for &distance in sorted.iter().filter(|distance| **distance > self.threshold) {
            self.peaks.push((distance - self.threshold).max(EXCESS_MIN));
            self.count += 1.0;
        }
        self.fit(settings);
    }

    fn learn(&mut self, distance: f64, settings: &PeaksSettings) {
        if distance > self.threshold {
            self.peaks.push((distance - self.threshold).max(EXCESS_MIN));
            self.count += 1.0;
            self.fit(settings);
        }
    }

    fn fit(&mut self, settings: &PeaksSettings) {
        if !self.peaks.values().is_empty() {
            self.fit = Pareto::fit(self.peaks.values(), settings.shape_min);
        }
    }

    /// -ln of the share of all `seen` values that lie beyond the threshold.
    fn rarity(&self, seen: f64) -> f64 {
        ln(seen / self.count.max(1.0))
    }

    /// -ln of the probability of a value so far out; 0 within the threshold.
    fn surprise(&self, distance: f64, seen: f64) -> f64 {
        let excess = distance - self.threshold;
        if excess > 0.0 { self.rarity(seen) + self.fit.surprise(excess) } else { 0.0 }
    }

    /// The distance of this surprise, the threshold at least.
    fn distance(&self, surprise: f64, seen: f64) -> f64 {
        self.threshold + self.fit.excess((surprise - self.rarity(seen)).max(0.0))
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        numbers.extend([self.threshold, self.count, self.fit.shape, self.fit.scale]);
        self.peaks.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        let [threshold, count, shape, scale] = numbers.array()?;
        (self.threshold, self.count, self.fit) = (threshold, count, Pareto { shape, scale });
        self.peaks.load(numbers)
    }
}

/// SPOT and DSPOT (Siffer, Fouque, Termier and Largouet 2017, "Anomaly Detection in Streams
/// with Extreme Value Theory", KDD), with both tails.
///
/// From each value the mean of the `DRIFT` values before is taken; nothing if that is 0. Thresholds
/// are quantiles of the first of these distances. Beyond them excesses have, whatever the values
/// are, nearly a generalised Pareto distribution (Pickands 1975), which gives a probability
/// to values that were never seen: the share of values beyond the threshold times the
/// probability of the excess. Each peak that is no alarm is learnt.
///
/// It departs from the paper in three points. The newest peaks are kept, not all. A tail ends
/// only if `shape_min` lets it: what a series has not done yet is not impossible. And alarms that
/// go on are a new normal: the thresholds are then taken anew.
#[derive(Clone, Debug)]
pub struct Peaks<const DRIFT: usize> {
    settings: PeaksSettings,
    /// Values whose mean is expected.
    drift: Newest,
    /// Distances from which thresholds are to be taken; empty once they are.
    first: Newest,
    high: Tail,
    low: Tail,
    /// Values learnt from since the first one; 0 as long as there are no thresholds.
    seen: f64,
    /// Alarms in a row.
    alarms: usize,
}

impl<const DRIFT: usize> Peaks<DRIFT> {
    /// The next value; one beyond 1e150 is absent. None while warming up. Without `learn` it
    /// is compared, and nothing changes.
    pub fn update(&mut self, value: f64, learn: bool) -> Option<Tails> {
        if value.is_nan() || value.abs() > 1e150 {
            return None;
        }
        let expected = if DRIFT == 0 { 0.0 } else { self.drift.mean() };
        if !self.drift.is_full() {
            if learn {
                self.drift.push(value);
            }
            return None;
        }
        let distance = value - expected;
        if self.seen == 0.0 {
            if learn {
                self.begin(value, distance);
            }
            return None;
        }
        let tails = self.tails(distance, expected);
        if learn {
            self.learn(value, distance, tails.p_value);
        }
        Some(tails)
    }

    fn tails(&self, distance: f64, expected: f64) -> Tails {
        let (high, low) = (&self.high, &self.low);
        let surprise = high.surprise(distance, self.seen).max(low.surprise(-distance, self.seen));
        // Either tail could have been the one.
        let p_value = (2.0 * exp(-surprise.min(100.0))).clamp(P_VALUE_MIN, 1.0);
        let band = ln(200.0);
        let (above, below) = (high.distance(band, self.seen), -low.distance(band, self.seen));
        let middle = if DRIFT == 0 { 0.5 * (high.threshold - low.threshold) } else { 0.0 };
        Tails { p_value, expected: expected + middle, low: expected + below, high: expected + above }
    }

    /// Gathers the first distances, then takes the thresholds.
    fn begin(&mut self, value: f64, distance: f64) {
        self.first.push(distance);
        self.follow(value);
        if !self.first.is_full() {
            return;
        }
        let first = std::mem::replace(&mut self.first, Newest::new(self.settings.first_values));
        let mut sorted = first.values().to_vec();
        sorted.sort_by(f64::total_cmp);
        self.high.begin(&sorted, &self.settings);
        sorted.reverse();
        sorted.iter_mut().for_each(|distance| *distance = -*distance);
        self.low.begin(&sorted, &self.settings);
        self.seen = size(self.settings.first_values);
    }

    fn learn(&mut self, value: f64, distance: f64, p_value: f64) {
        if p_value < self.settings.alarm {
            self.alarms += 1;
            if self.alarms >= self.settings.alarms_max {
                *self = Self::empty(&self.settings, 1);
            }
            return;
        }
        self.alarms = 0;
        self.seen += 1.0;
        self.high.learn(distance, &self.settings);
        self.low.learn(-distance, &self.settings);
        self.follow(value);
    }

    fn follow(&mut self, value: f64) {
        if DRIFT > 0 {
            self.drift.push(value);
        }
    }
}

impl<const DRIFT: usize> Model for Peaks<DRIFT> {
    const TABLE: &'static str = if DRIFT == 0 { "detectors.spot" } else { "detectors.dspot" };
    const VERSION: u16 = 1;
    type Settings = PeaksSettings;

    /// Peaks are of one series: there is one channel, whatever is said.
    fn empty(settings: &PeaksSettings, _channels: usize) -> Self {
        let settings = PeaksSettings {
            first_values: settings.first_values.max(32),
            peaks: settings.peaks.max(8),
            alarms_max: settings.alarms_max.max(1),
            shape_min: settings.shape_min.clamp(-0.5, 0.0),
            ..*settings
        };
        Self {
            settings,
            drift: Newest::new(DRIFT),
            first: Newest::new(settings.first_values),
            high: Tail::new(&settings),
            low: Tail::new(&settings),
            seen: 0.0,
            alarms: 0,
        }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        numbers.extend([self.seen, size(self.alarms)]);
        self.drift.save(numbers);
        self.first.save(numbers);
        self.high.save(numbers);
        self.low.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.seen = numbers.one()?;
        self.alarms = numbers.index(self.settings.alarms_max)?;
        self.drift.load(numbers)?;
        self.first.load(numbers)?;
        self.high.load(numbers)?;
        self.low.load(numbers)
    }
}

/// Without drift.
pub(crate) type Spot = Peaks<0>;
/// Less the mean of the newest values.
pub(crate) type Dspot = Peaks<32>;

impl<const DRIFT: usize> SeriesModel for Peaks<DRIFT> {
    const SPEC: Spec = Spec {
        name: if DRIFT == 0 { "spot" } else { "dspot" },
        sees: if DRIFT == 0 {
            "a value far beyond all peaks, either way"
        } else {
            "a value far beyond all peaks, either way, from a mean that moves"
        },
        formula: if DRIFT == 0 {
            "-ln of peaks / values (1 + shape (x - threshold) / scale)^(-1 / shape), fitted to 256 peaks"
        } else {
            "the same as spot, of x - mean of the newest 32 values"
        },
        source: "Siffer et al. 2017; Grimshaw 1993",
        parameters: &[],
        state_version: Self::VERSION,
        warmup_ticks: 64,
        bytes_per_series: modelled::BYTES
            + size_of::<Self>()
            + (2 * PEAKS + FIRST_VALUES + DRIFT) * size_of::<f64>(),
        on_by_default: false,
    };

    /// The score is -ln p.
    fn update(&mut self, value: f64, _: Timestamp, learn: bool) -> Option<Reading> {
        self.update(value, learn).map(|tails| Reading {
            score: -ln(tails.p_value),
            expected: tails.expected,
            unit: f64::NAN,
        })
    }
}
