//! Gaussian mixture: how likely are the newest values in a row, by all that the series does?

use theriac_contract::Timestamp;

use crate::{
    arithmetic::{exp, ln},
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    newest::{Newest, Unit, size, sum},
    slots::{Model, Numbers},
};

/// Most values in a row, and most components.
const ROW_MAX: usize = 8;
const COMPONENTS_MAX: usize = 16;
/// Rounds of expectation and maximisation over the first rows.
const ROUNDS: usize = 40;
/// Least variance of a component: the hundredth part of a standard deviation. What moves by less is
/// one value.
const VARIANCE_MIN: f64 = 1e-4;
/// No component fades further, so that it can come back.
const WEIGHT_MIN: f64 = 1e-4;
/// Squared standard deviations a value from where a row counts less: by so much that no
/// single row moves a component by more than one that lies there.
const FAR: f64 = 9.0;

/// What is set unless set otherwise.
const COMPONENTS: usize = 4;
const ROW: usize = 3;
const FIRST_ROWS: usize = 256;

/// Settings of [`Mixture`].
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MixtureSettings {
    /// Normal distributions that are mixed, 1 to 16.
    pub components: usize,
    /// Values in a row (delay embedding), 1 to 8.
    pub row: usize,
    /// Rows from which it begins, at least 8 for each component.
    pub first_rows: usize,
    /// About so many rows count.
    pub memory: f64,
}

impl Default for MixtureSettings {
    fn default() -> Self {
        Self { components: COMPONENTS, row: ROW, first_rows: FIRST_ROWS, memory: 1_024.0 }
    }
}

/// One normal distribution with a diagonal covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Component {
    weight: f64,
    mean: [f64; ROW_MAX],
    variance: [f64; ROW_MAX],
}

impl Component {
    /// ln of weight times the density at the middle, without powers of 2 pi.
    fn ln_peak(&self, row: usize) -> f64 {
        ln(self.weight) - 0.5 * sum(self.variance[..row].iter().map(|variance| ln(*variance)))
    }

    /// Squared distance in standard deviations.
    fn distance(&self, z: &[f64]) -> f64 {
        sum(z
            .iter()
            .zip(self.mean)
            .zip(self.variance)
            .map(|((z, mean), variance)| (z - mean) * (z - mean) / variance))
    }
}

/// A mixture of normal distributions over the newest values in a row of one series.
///
/// The first rows are divided by their level into as many parts as there are components; rounds
/// of expectation and maximisation (Dempster, Laird and Rubin 1977) make them likeliest. From
/// then on each row moves all components by their responsibility for it (Titterington 1984; as
/// means of sufficient statistics, Cappe and Moulines 2009), with a gain of one row in all rows, at
/// last in `memory`. A row that is far from all counts less.
///
/// The score is ln of the density at the middle of the tallest component less that of the row: how
/// many nats less likely than the likeliest it is.
#[derive(Clone, Debug)]
pub struct Mixture {
    settings: MixtureSettings,
    unit: Unit,
    /// The values before; all the first ones as long as there are no components.
    values: Newest,
    components: Vec<Component>,
    /// Rows seen, at most `memory`.
    seen: f64,
}

impl Mixture {
    /// Score of the next value, 0 or more; one beyond 1e150 is absent.
    /// None while warming up. Without `learn` it is part of the rows to come, but moves
    /// no component.
    pub fn update(&mut self, value: f64, learn: bool) -> Option<f64> {
        if value.is_nan() || value.abs() > 1e150 {
            return None;
        }
        if self.components.is_empty() {
            if learn {
                self.values.push(value);
                if self.values.is_full() {
                    self.begin();
                }
            }
            return None;
        }
        let mut row = [self.unit.standardise(value); ROW_MAX];
        for (z, before) in row.iter_mut().zip(self.values.values()) {
            *z = self.unit.standardise(*before);
        }
        let z = &row[..self.settings.row];
        let (densities, ln_density) = self.densities(z);
        let peaks = self.components.iter().map(|component| component.ln_peak(z.len()));
        let score = (peaks.fold(f64::NEG_INFINITY, f64::max) - ln_density).max(0.0);
        if learn {
            self.learn(z, &densities);
        }
        self.values.push(value);
        Some(score)
    }

    /// ln of the density of the values of a row, the oldest first; none while warming up, and
    /// of a row of another length.
    #[must_use]
    pub fn log_likelihood(&self, row: &[f64]) -> Option<f64> {
        if self.components.is_empty() || row.len() != self.settings.row {
            return None;
        }
        let z: Vec<f64> = row.iter().map(|value| self.unit.standardise(*value)).collect();
        let each = 0.5 * ln(std::f64::consts::TAU) + ln(self.unit.length);
        Some(self.densities(&z).1 - each * size(row.len()))
    }

    /// Share of each component in the density of a row, and ln of it without powers of 2 pi.
    fn densities(&self, z: &[f64]) -> ([f64; COMPONENTS_MAX], f64) {
        let mut shares = [f64::NEG_INFINITY; COMPONENTS_MAX];
        for (share, component) in shares.iter_mut().zip(&self.components) {
            *share = component.ln_peak(z.len()) - 0.5 * component.distance(z);
        }
        let shares = &mut shares;
        let largest = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let used = self.components.len();
        shares[..used].iter_mut().for_each(|share| *share = exp(*share - largest));
        shares[used..].fill(0.0);
        let all = sum(shares.iter().copied());
        shares.iter_mut().for_each(|share| *share /= all);
        (*shares, largest + ln(all))
    }

    /// Online expectation and maximisation.
    fn learn(&mut self, z: &[f64], shares: &[f64; COMPONENTS_MAX]) {
        self.seen = (self.seen + 1.0).min(self.settings.memory);
        let gain = 1.0 / self.seen;
        for (component, share) in self.components.iter_mut().zip(shares) {
            let distance = component.distance(z) / size(z.len());
            let tempered = if distance > FAR { FAR / distance } else { 1.0 };
            component.weight += gain * (share - component.weight);
            component.weight = component.weight.max(WEIGHT_MIN);
            let step = (gain * share / component.weight * tempered).min(1.0);
            for ((z, mean), variance) in z.iter().zip(&mut component.mean).zip(&mut component.variance) {
                let away = z - *mean;
                *mean += step * away;
                *variance = ((1.0 - step) * (*variance + step * away * away)).max(VARIANCE_MIN);
            }
        }
        self.normalise();
    }

    fn normalise(&mut self) {
        let all = sum(self.components.iter().map(|component| component.weight));
        self.components.iter_mut().for_each(|component| component.weight /= all);
    }

    /// Makes the components likeliest for the first rows.
    fn begin(&mut self) {
        let row = self.settings.row;
        let first = std::mem::replace(&mut self.values, Newest::new(row - 1));
        self.unit = Unit::of(first.values());
        let z: Vec<f64> = first.values().iter().map(|value| self.unit.standardise(*value)).collect();
        let mut rows: Vec<&[f64]> = z.windows(row).collect();
        let level = |z: &[f64]| sum(z.iter().copied());
        rows.sort_by(|a, b| level(a).total_cmp(&level(b)));
        let parts = self.settings.components;
        self.components = (0..parts)
            .map(|part| {
                let members = part * rows.len() / parts..(part + 1) * rows.len() / parts;
                likeliest(&rows, |i| f64::from(u8::from(members.contains(&i))))
            })
            .collect();
        for _ in 0..ROUNDS {
            let shares: Vec<_> = rows.iter().map(|z| self.densities(z).0).collect();
            self.components = (0..parts).map(|part| likeliest(&rows, |i| shares[i][part])).collect();
            self.normalise();
        }
        self.seen = size(rows.len()).min(self.settings.memory);
        first.values()[first.values().len() + 1 - row..].iter().for_each(|value| self.values.push(*value));
    }
}

/// The component that is likeliest for rows of these shares.
fn likeliest(rows: &[&[f64]], share: impl Fn(usize) -> f64) -> Component {
    let mut component = Component { weight: 0.0, mean: [0.0; ROW_MAX], variance: [VARIANCE_MIN; ROW_MAX] };
    let all = sum((0..rows.len()).map(&share)).max(1e-9);
    component.weight = (all / size(rows.len())).max(WEIGHT_MIN);
    for column in 0..rows.first().map_or(0, |row| row.len()) {
        let mean = sum(rows.iter().enumerate().map(|(i, row)| share(i) * row[column])) / all;
        let square = |row: &[f64]| (row[column] - mean) * (row[column] - mean);
        let variance = sum(rows.iter().enumerate().map(|(i, row)| share(i) * square(row))) / all;
        component.mean[column] = mean;
        component.variance[column] = variance.max(VARIANCE_MIN);
    }
    component
}

impl Model for Mixture {
    const TABLE: &'static str = "detectors.mixture";
    const VERSION: u16 = 1;
    type Settings = MixtureSettings;

    /// A mixture is of one series: there is one channel, whatever is said.
    fn empty(settings: &MixtureSettings, _channels: usize) -> Self {
        let components = settings.components.clamp(1, COMPONENTS_MAX);
        let settings = MixtureSettings {
            components,
            row: settings.row.clamp(1, ROW_MAX),
            first_rows: settings.first_rows.max(8 * components),
            memory: settings.memory.max(8.0),
        };
        Self {
            settings,
            unit: Unit::ONE,
            values: Newest::new(settings.first_rows + settings.row - 1),
            components: Vec::new(),
            seen: 0.0,
        }
    }

    fn channels(&self) -> usize {
        1
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        self.unit.save(numbers);
        numbers.extend([self.seen, size(self.components.len())]);
        for component in &self.components {
            numbers.push(component.weight);
            numbers.extend(&component.mean[..self.settings.row]);
            numbers.extend(&component.variance[..self.settings.row]);
        }
        self.values.save(numbers);
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        self.unit = Unit::load(numbers)?;
        self.seen = numbers.one()?;
        let row = self.settings.row;
        self.components.clear();
        for _ in 0..numbers.index(self.settings.components)? {
            let weight = numbers.one()?;
            let mut component = Component { weight, mean: [0.0; ROW_MAX], variance: [VARIANCE_MIN; ROW_MAX] };
            numbers.fill(&mut component.mean[..row])?;
            numbers.fill(&mut component.variance[..row])?;
            self.components.push(component);
        }
        if !self.components.is_empty() {
            self.values = Newest::new(row - 1);
        }
        self.values.load(numbers)
    }
}

impl SeriesModel for Mixture {
    const SPEC: Spec = Spec {
        name: "mixture",
        sees: "values in a row that none of the usual states explains",
        formula: "ln of the peak of a mixture of 4 normal distributions less that of the newest 3 values",
        source: "Dempster et al. 1977; Titterington 1984; Cappe and Moulines 2009",
        parameters: &[],
        state_version: Self::VERSION,
        warmup_ticks: 128,
        bytes_per_series: modelled::BYTES
            + size_of::<Self>()
            + (FIRST_ROWS + ROW) * size_of::<f64>()
            + COMPONENTS * size_of::<Component>(),
        on_by_default: false,
    };

    fn update(&mut self, value: f64, _: Timestamp, learn: bool) -> Option<Reading> {
        self.update(value, learn).map(Reading::of)
    }
}
