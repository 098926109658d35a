//! Bayesian online change points: how sure is it that the level or the spread has just changed?

use theriac_contract::Timestamp;

use crate::{
    arithmetic::{exp, ln},
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    newest::{Newest, Unit, size},
    slots::{Model, Numbers},
};

/// Values from which the first unit is taken.
const FIRST_VALUES: usize = 32;
/// Values by whose median and deviation a new run is expected.
const USUAL_VALUES: usize = 128;
/// Values between two looks at those.
const REFRESH: usize = 32;
/// Least probability that is told from 0.
const PROBABILITY_MIN: f64 = 1e-300;

/// Run lengths that are kept, unless set otherwise.
const RUNS: usize = 32;

/// Settings of [`RunLengths`] and [`ChangePoint`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangePointSettings {
    /// Mean number of values between two changes, more than 1.
    pub mean_run: f64,
    /// A change is recent as long as fewer values have come since, at least 1.
    pub recent: usize,
    /// Run lengths that are kept, at least twice `recent` and three.
    pub runs: usize,
    /// How many values the prior guess of a run's mean counts for.
    pub mean_weight: f64,
    /// Shape of the prior of a run's precision: how many pairs of values the guess of its
    /// variance counts for.
    pub shape: f64,
    /// Values before anything is said.
    pub warmup: usize,
}

impl Default for ChangePointSettings {
    fn default() -> Self {
        Self { mean_run: 256.0, recent: 8, runs: RUNS, mean_weight: 0.1, shape: 1.0, warmup: 128 }
    }
}

/// What a new run is expected to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Expected mean.
    pub mean: f64,
    /// Expected standard deviation, more than 0. Its square times `shape` is the scale of the prior.
    pub deviation: f64,
}

/// One hypothesis: the newest `length` values are a run of one normal distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Run {
    length: f64,
    /// Values since it began, those included that were not learnt.
    age: f64,
    probability: f64,
    mean: f64,
    /// Sum of squared deviations from the mean.
    squares: f64,
    /// Gamma(a + 1/2) / Gamma(a) of the shape a of the posterior.
    gamma_ratio: f64,
}

/// The recursion of Adams and MacKay ("Bayesian Online Changepoint Detection", 2007,
/// arXiv:0710.3742) over how long the present run has lasted. Values of a run are independent
/// and normal; mean and precision have the conjugate normal-gamma prior, so that the next
/// value has a Student t distribution (Murphy 2007). A change comes with the same probability
/// after any value.
///
/// Of all run lengths `runs` are kept. When there is one more, two neighbours that are not recent
/// become one: the less probable gives its probability to the other, which knows nearly the same
/// values. Those two are taken where the probability that goes, times the share of the longer run
/// by which they differ, is least. So probabilities always sum to 1; with 32 run lengths that
/// of a recent change is off by less than 0.001 in the tests.
#[derive(Clone, Debug)]
pub struct RunLengths {
    settings: ChangePointSettings,
    /// In the order of length, the shortest first.
    runs: Vec<Run>,
    /// Of a run without values.
    gamma_ratio: f64,
    /// Values since the last one that was learnt.
    frozen: f64,
    /// Density of the value in question, by run: scratch.
    densities: Vec<f64>,
}

impl RunLengths {
    /// Nothing was seen: the first run begins.
    #[must_use]
    pub fn new(settings: &ChangePointSettings) -> Self {
        let recent = settings.recent.max(1);
        let settings = ChangePointSettings {
            mean_run: settings.mean_run.max(1.000_001),
            recent,
            runs: settings.runs.max(2 * recent + 3),
            mean_weight: settings.mean_weight.max(1e-9),
            shape: settings.shape.max(1e-3),
            ..*settings
        };
        let gamma_ratio = gamma_ratio(settings.shape);
        let first = Run { length: 0.0, age: 0.0, probability: 1.0, mean: 0.0, squares: 0.0, gamma_ratio };
        let mut runs = Vec::with_capacity(settings.runs + 1);
        runs.push(first);
        Self { settings, runs, gamma_ratio, frozen: 0.0, densities: Vec::with_capacity(settings.runs) }
    }

    /// The lengths of the run, in values, and their probabilities.
    pub fn probabilities(&self) -> impl Iterator<Item = (f64, f64)> {
        self.runs.iter().map(|run| (run.length, run.probability))
    }

    /// Probability that the run has lasted `recent` values or more, once `value` (of magnitude 1e9
    /// at most) has come. Without `learn` only time passes: a change does not stay recent.
    pub fn update(&mut self, value: f64, prior: Prior, learn: bool) -> f64 {
        self.densities.clear();
        self.densities.extend(self.runs.iter().map(|run| run.density(value, prior, &self.settings)));
        let (mut all, mut long) = (0.0, 0.0);
        for (run, density) in self.runs.iter().zip(&self.densities) {
            all += run.probability * density;
            if run.age + self.frozen + 1.0 >= size(self.settings.recent) {
                long += run.probability * density;
            }
        }
        if learn {
            self.learn(value, prior, all);
        } else {
            self.frozen = (self.frozen + 1.0).min(size(self.settings.recent));
        }
        long / all * (1.0 - 1.0 / self.settings.mean_run)
    }

    /// Learns from `value`, whose density by all runs is `all`.
    fn learn(&mut self, value: f64, prior: Prior, all: f64) {
        let hazard = 1.0 / self.settings.mean_run;
        for (run, density) in self.runs.iter_mut().zip(&self.densities) {
            run.probability *= density * (1.0 - hazard) / all;
            run.extend(value, self.settings.shape);
            run.age += 1.0 + self.frozen;
        }
        self.frozen = 0.0;
        let (mean, gamma_ratio) = (prior.mean, self.gamma_ratio);
        self.runs
            .insert(0, Run { length: 0.0, age: 0.0, probability: hazard, mean, squares: 0.0, gamma_ratio });
        if self.runs.len() > self.settings.runs {
            self.merge();
        }
    }

    /// Joins the two neighbours that are not recent of which the least probability goes the least way.
    fn merge(&mut self) {
        let first = self.settings.recent + 1;
        let cost = |i: usize| {
            let (shorter, longer) = (&self.runs[i], &self.runs[i + 1]);
            shorter.probability.min(longer.probability) * (1.0 - shorter.length / longer.length)
        };
        let pair = (first..self.runs.len() - 1).min_by(|&a, &b| cost(a).total_cmp(&cost(b)));
        let Some(pair) = pair else { return };
        let longer_stays = self.runs[pair].probability < self.runs[pair + 1].probability;
        let run = self.runs.remove(if longer_stays { pair } else { pair + 1 });
        self.runs[pair].probability += run.probability;
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        numbers.extend([self.frozen, size(self.runs.len())]);
        for run in &self.runs {
            numbers.extend([run.length, run.age, run.probability, run.mean, run.squares, run.gamma_ratio]);
        }
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.frozen = numbers.one()?;
        let runs = numbers.index(self.settings.runs)?;
        self.runs.clear();
        for _ in 0..runs {
            let [length, age, probability, mean, squares, gamma_ratio] = numbers.array()?;
            self.runs.push(Run { length, age, probability, mean, squares, gamma_ratio });
        }
        Some(())
    }
}

impl Run {
    /// Density of `value` as the next one of this run: Student t.
    fn density(&self, value: f64, prior: Prior, settings: &ChangePointSettings) -> f64 {
        let weight = settings.mean_weight + self.length;
        let away = self.mean - prior.mean;
        let shape = settings.shape + 0.5 * self.length;
        let scale = settings.shape * prior.deviation * prior.deviation
            + 0.5 * (self.squares + settings.mean_weight * self.length / weight * away * away);
        let location = prior.mean + self.length / weight * away;
        let spread = 2.0 * scale * (weight + 1.0) / weight;
        let distance = (value - location) * (value - location) / spread;
        self.gamma_ratio / (std::f64::consts::PI * spread).sqrt() * exp(-(shape + 0.5) * ln(1.0 + distance))
    }

    /// Adds `value` to the run; `shape` is that of the prior.
    fn extend(&mut self, value: f64, shape: f64) {
        let shape = shape + 0.5 * self.length;
        self.length += 1.0;
        let away = value - self.mean;
        self.mean += away / self.length;
        self.squares += away * (value - self.mean);
        // G(a) G(a + 1/2) = Gamma(a + 1) / Gamma(a) = a.
        self.gamma_ratio = shape / self.gamma_ratio;
    }
}

/// Gamma(a + 1/2) / Gamma(a) to 12 digits: the asymptotic series (Tricomi and Erdelyi 1951) far
/// out, and the recurrence back from there.
fn gamma_ratio(shape: f64) -> f64 {
    let (mut a, mut factor) = (shape, 1.0);
    while a < 40.0 {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let series = [-399.0 / 262_144.0, -21.0 / 32_768.0, 5.0 / 1_024.0, 1.0 / 128.0, -1.0 / 8.0, 1.0];
    factor * a.sqrt() * series.into_iter().fold(0.0, |sum, coefficient| sum / a + coefficient)
}

/// Change points of one series.
///
/// The score is the weight of evidence (Good 1950), in nats, for a change within the newest `recent`
/// values: ln of the odds of one less ln of the odds before any value was seen, and 0 where the
/// values speak against it. Where nothing changes it exceeds s with probability exp(-s) at most,
/// whatever the unit (Markov's inequality for the Bayes factor, whose mean is 1). The surprise
/// of the value alone, -ln of its predictive density, would be what `level` sees already;
/// whether the level stays where the value went is what only the run lengths know. Once the new
/// run is no longer recent, it is ordinary.
///
/// Values are standardised by the first of them (median, median absolute deviation), so that no
/// square overflows; a new run is expected about the median of the newest 128 values, with their
/// deviation.
#[derive(Clone, Debug)]
pub struct ChangePoint {
    unit: Option<Unit>,
    prior: Prior,
    /// Standardised, once there is a unit.
    usual: Newest,
    /// Values since the prior was made.
    age: usize,
    runs: RunLengths,
    /// Values learnt from, at most `warmup`.
    seen: usize,
    /// ln of the odds of a recent change before any value is seen.
    ln_prior_odds: f64,
}

impl ChangePoint {
    /// Score of the next value, 0 or more; one that is not finite is absent. None while warming
    /// up. Without `learn` it is compared, and a change grows older.
    pub fn update(&mut self, value: f64, learn: bool) -> Option<f64> {
        if !value.is_finite() {
            return None;
        }
        let Some(unit) = self.unit else {
            if learn {
                self.begin(value);
            }
            return None;
        };
        let speaks = self.seen >= self.runs.settings.warmup;
        let unbroken = self.compare(unit.standardise(value), learn);
        let odds = (1.0 - unbroken).max(PROBABILITY_MIN) / unbroken.max(PROBABILITY_MIN);
        speaks.then(|| (ln(odds) - self.ln_prior_odds).max(0.0))
    }

    /// Gathers the first values, then learns from all of them.
    fn begin(&mut self, value: f64) {
        self.usual.push(value);
        if self.usual.values().len() < FIRST_VALUES {
            return;
        }
        let unit = Unit::of(self.usual.values());
        let first = std::mem::replace(&mut self.usual, Newest::new(USUAL_VALUES));
        self.unit = Some(unit);
        for &value in first.values() {
            self.compare(unit.standardise(value), true);
        }
    }

    /// Probability that nothing has changed of late, after a standardised value.
    fn compare(&mut self, value: f64, learn: bool) -> f64 {
        let unbroken = self.runs.update(value, self.prior, learn);
        if learn {
            self.usual.push(value);
            self.seen = (self.seen + 1).min(self.runs.settings.warmup);
            self.age += 1;
            if self.age >= REFRESH {
                let Unit { origin, length } = Unit::of(self.usual.values());
                self.prior = Prior { mean: origin, deviation: length };
                self.age = 0;
            }
        }
        unbroken
    }
}

impl Model for ChangePoint {
    const TABLE: &'static str = "detectors.change_point";
    const VERSION: u16 = 1;
    type Settings = ChangePointSettings;

    /// Change points are of one series: there is one channel, whatever is said.
    fn empty(settings: &ChangePointSettings, _channels: usize) -> Self {
        let runs = RunLengths::new(settings);
        let lasts = 1.0 - 1.0 / runs.settings.mean_run;
        let unbroken = (0..runs.settings.recent).fold(1.0, |all, _| all * lasts);
        Self {
            unit: None,
            prior: Prior { mean: 0.0, deviation: 1.0 },
            usual: Newest::new(USUAL_VALUES),
            age: 0,
            runs,
            seen: 0,
            ln_prior_odds: ln((1.0 - unbroken) / unbroken.max(PROBABILITY_MIN)),
        }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        numbers.push(f64::from(u8::from(self.unit.is_some())));
        self.unit.unwrap_or(Unit::ONE).save(numbers);
        numbers.extend([self.prior.mean, self.prior.deviation, size(self.age), size(self.seen)]);
        self.usual.save(numbers);
        self.runs.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        let known = numbers.index(1)? == 1;
        let unit = Unit::load(numbers)?;
        self.unit = known.then_some(unit);
        let [mean, deviation] = numbers.array()?;
        self.prior = Prior { mean, deviation };
        self.age = numbers.index(REFRESH)?;
        self.seen = numbers.index(self.runs.settings.warmup)?;
        self.usual.load(numbers)?;
        self.runs.load(numbers)
    }
}

impl SeriesModel for ChangePoint {
    const SPEC: Spec = Spec {
        name: "change_point",
        sees: "a level or a spread that has just changed, and stays",
        formula: "ln of the Bayes factor of a change within the newest 8 values, which are normal in runs",
        source: "Adams and MacKay 2007",
        parameters: &[],
        state_version: Self::VERSION,
        // Scores come after 128 values.
        warmup_ticks: 128,
        bytes_per_series: modelled::BYTES
            + size_of::<Self>()
            + USUAL_VALUES * size_of::<f64>()
            + (RUNS + 1) * (size_of::<Run>() + size_of::<f64>()),
        on_by_default: false,
    };

    fn update(&mut self, value: f64, _: Timestamp, learn: bool) -> Option<Reading> {
        self.update(value, learn).map(Reading::of)
    }
}
