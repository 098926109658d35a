//! How far a series is from what is ordinary for it, in either direction.
//!
//! The centre is the median and the scale the distance of the quartiles, so that a quarter of foreign
//! rows moves neither far; to this comes what is material of the level. A handful of independent
//! stretches is in such a baseline, so deviations of healthy series are Student's with four degrees of
//! freedom. A cause's are Cauchy's: nobody knows how large. Resources of victims are taken as healthy;
//! their latency, errors and traffic deviate as well, by less.

use super::{Channel, Claim, Incident, Series, Settings, claim};
use crate::Family;

/// The distance of the quartiles of a normal distribution with a standard deviation of one.
const QUARTILES_OF_NORMAL: f64 = 1.349;
/// The incident's value is exceeded by a tenth of its rows: neither one spike nor a late beginning
/// decides.
const UPPER: f64 = 0.9;

/// What is ordinary for a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Median.
    pub centre: f64,
    /// One ordinary deviation.
    pub scale: f64,
}

impl Baseline {
    /// Of ordinary values. None without any.
    #[must_use]
    pub fn of(ordinary: &[f64], settings: &Settings) -> Option<Self> {
        let mut values: Vec<f64> = ordinary.iter().copied().filter(|value| !value.is_nan()).collect();
        let centre = quantile(&mut values, 0.5)?;
        let spread = (quantile(&mut values, 0.75)? - quantile(&mut values, 0.25)?) / QUARTILES_OF_NORMAL;
        let material = settings.materiality * centre.abs();
        Some(Self { centre, scale: (spread * spread + material * material).sqrt() })
    }

    /// How many ordinary deviations the values of an incident are away, without sign. Where there was
    /// only zero, any other value is as far as what is material allows to tell.
    #[must_use]
    pub fn deviation(&self, during: &[f64], settings: &Settings) -> Option<f64> {
        let values = during.iter().filter(|value| !value.is_nan());
        let mut away: Vec<f64> = values.map(|value| (value - self.centre).abs()).collect();
        let far = quantile(&mut away, UPPER)?;
        Some(self.deviations(far, settings))
    }

    /// The same of one value that is not missing.
    pub(super) fn of_one(&self, value: f64, settings: &Settings) -> f64 {
        self.deviations((value - self.centre).abs(), settings)
    }

    fn deviations(&self, far: f64, settings: &Settings) -> f64 {
        let scale = if self.scale > 0.0 { self.scale } else { settings.materiality * far };
        if far == 0.0 { 0.0 } else { far / scale }
    }
}

/// What is ordinary for each series, and its ordinary deviations during the incident: several channels ask.
pub(super) struct Known {
    pub(super) baselines: Vec<Option<Baseline>>,
    pub(super) deviations: Vec<Option<f64>>,
}

impl Known {
    pub(super) fn of(incident: &Incident, settings: &Settings) -> Self {
        let baselines: Vec<Option<Baseline>> =
            incident.series.iter().map(|series| Baseline::of(&series.ordinary, settings)).collect();
        let deviation = |(series, baseline): (&Series, &Option<Baseline>)| {
            (*baseline)?.deviation(&series.during, settings)
        };
        let deviations = incident.series.iter().zip(&baselines).map(deviation).collect();
        Self { baselines, deviations }
    }

    /// Series with their deviations, where they are known.
    pub(super) fn deviating<'a>(&self, incident: &'a Incident) -> impl Iterator<Item = (&'a Series, f64)> {
        incident.series.iter().zip(&self.deviations).filter_map(|(series, known)| Some((series, (*known)?)))
    }
}

/// ln of the density of a deviation at a cause over that at another.
pub(super) fn ratio(deviations: f64, family: Family, settings: &Settings) -> f64 {
    let victims = if is_resource(family) { 0.0 } else { settings.victim_share };
    ratio_where(deviations, victims, settings)
}

/// The same where this share of the others are victims that show it as well.
pub(super) fn ratio_where(deviations: f64, victims: f64, settings: &Settings) -> f64 {
    let cauchy = |scale: f64| {
        let z = deviations / scale;
        std::f64::consts::FRAC_1_PI / (scale * (1.0 + z * z))
    };
    let healthy = 0.375 * libm::pow(1.0 + deviations * deviations / 4.0, -2.5);
    let other = victims * cauchy(settings.victim_scale) + (1.0 - victims) * healthy;
    libm::log(cauchy(settings.cause_scale)) - libm::log(other)
}

/// Whether it is of the entity itself, and not of the work that comes to it or that it waits for.
pub(super) const fn is_resource(family: Family) -> bool {
    matches!(family, Family::Memory | Family::Cpu | Family::Io | Family::Storage | Family::Restarts)
}

pub(super) fn claims(incident: &Incident, known: &Known, settings: &Settings) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (series, deviations) in known.deviating(incident) {
        let ratio = ratio(deviations, series.family, settings);
        let text =
            format!("{} of {} is {deviations:.1} ordinary deviations away", series.part, series.entity);
        claims.push(claim(&series.entity, &series.part, Channel::Deviation, ratio, text));
    }
    claims
}

/// Linear interpolation between the neighbours in the order of values, which are left in another one.
fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    let place = share * values.len().checked_sub(1)? as f64;
    let below = place.floor() as usize;
    let (_, at, rest) = values.select_nth_unstable_by(below, f64::total_cmp);
    let at = *at;
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(at);
    Some(at + (above - at) * (place - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_closed_forms() {
        let settings = Settings { materiality: 0.0, ..Settings::default() };
        let ordinary: Vec<f64> = (0..=100).map(f64::from).collect();
        let baseline = Baseline::of(&ordinary, &settings).expect("there are values");
        assert_eq!(baseline.centre, 50.0);
        assert!((baseline.scale - 50.0 / QUARTILES_OF_NORMAL).abs() < 1e-12);
        // A drop is as far as a rise.
        for away in [150.0, -50.0] {
            let found = baseline.deviation(&[away; 3], &settings).expect("there are values");
            assert!((found - 2.0 * QUARTILES_OF_NORMAL).abs() < 1e-12);
        }
        assert_eq!(Baseline::of(&[f64::NAN], &settings), None);
        assert_eq!(baseline.deviation(&[f64::NAN], &settings), None);
    }

    #[test]
    fn a_fifth_of_foreign_rows_in_the_baseline_does_not_hide_a_fault() {
        let settings = Settings::default();
        let ordinary = |foreign: usize| -> Vec<f64> {
            (0..300).map(|row| if row >= 300 - foreign { 100.0 } else { 10.0 + (row % 7) as f64 }).collect()
        };
        let found = |foreign: usize| {
            let baseline = Baseline::of(&ordinary(foreign), &settings).expect("there are values");
            baseline.deviation(&[100.0; 60], &settings).expect("there are values")
        };
        assert!(found(60) > 0.6 * found(0), "{} {}", found(60), found(0));
    }

    #[test]
    fn what_is_not_material_does_not_count_and_what_never_was_is_bounded() {
        let settings = Settings::default();
        let steady = Baseline::of(&[100.0; 50], &settings).expect("there are values");
        assert_eq!(steady.deviation(&[101.0; 9], &settings), Some(0.1));
        let never = Baseline::of(&[0.0; 50], &settings).expect("there are values");
        assert!(never.deviation(&[3.0; 9], &settings).is_some_and(|found| (found - 10.0).abs() < 1e-9));
        assert_eq!(never.deviation(&[0.0; 9], &settings), Some(0.0));
    }

    #[test]
    fn the_ratio_grows_with_the_deviation_and_is_bounded_where_victims_show_it_too() {
        let settings = Settings::default();
        for family in [Family::Cpu, Family::Latency] {
            let ratios: Vec<f64> =
                (0..200).map(|step| ratio(f64::from(step) / 2.0, family, &settings)).collect();
            assert!(ratios.windows(2).all(|pair| pair[0] < pair[1]), "{family:?}");
            assert!(ratios[0] < -1.5);
        }
        // The tails of two Cauchy distributions differ by the ratio of their scales.
        let most = libm::log(settings.cause_scale / settings.victim_scale / settings.victim_share);
        assert!((ratio(1e6, Family::Latency, &settings) - most).abs() < 1e-3);
        assert!(ratio(1e6, Family::Cpu, &settings) > 30.0);
    }
}
