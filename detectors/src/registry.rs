//! All detectors by name.

use serde::{Deserialize, Serialize};

use crate::{
    calendar::{Calendar, Holidays, TimeZone},
    change_point::ChangePoint,
    cusum::Cusum,
    detector::{Detector, Spec},
    drift::Drift,
    event_density::EventDensity,
    extreme::Extreme,
    flat::Flat,
    forest::{ForestDetector, ForestSettings, HalfSpaceSeries},
    lanes::{Kernel, Lanes},
    level::Level,
    missing::Missing,
    mixture::Mixture,
    modelled::{Modelled, SeriesModel, SeriesModels},
    own_model::OwnModel,
    page_hinkley::PageHinkley,
    peaks::{Dspot, Spot},
    profile::{LeftProfile, ProfileSettings},
    quantiles::Quantiles,
    rate::Rate,
    seasonal::Seasonal,
    slots::Slots,
    spectral::SpectralResidual,
    trend::Trend,
    variance::Variance,
};

/// Settings of one detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorSettings {
    /// Observations that it remembers (at least 8).
    pub memory_ticks: u32,
    /// Observations before it speaks; none: as its spec says.
    pub warmup_ticks: Option<u32>,
    /// Where time of day and day of the week are those of the people behind the series.
    pub time_zone: TimeZone,
    /// Dates there that are like Sundays.
    pub holidays: Holidays,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self {
            memory_ticks: 256,
            warmup_ticks: None,
            time_zone: TimeZone::default(),
            holidays: Holidays::default(),
        }
    }
}

/// Settings of the bank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The same for all detectors.
    pub detectors: DetectorSettings,
    /// Which detectors run.
    pub enabled: Enabled,
    /// A model of the user's own, which runs beside them.
    pub onnx: Option<OwnModel>,
}

/// Names of detectors that run: all of them are in the registry, in its order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Enabled(Vec<&'static str>);

/// A name that no detector has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no detector `{name}`; there are {}", names(", "))]
pub struct UnknownDetector {
    /// The name.
    pub name: String,
}

fn names(separator: &str) -> String {
    registry().iter().map(|entry| entry.spec.name).collect::<Vec<_>>().join(separator)
}

impl Enabled {
    /// Those of these names.
    ///
    /// # Errors
    /// If no detector has one of them.
    pub fn only<S: AsRef<str>>(names: &[S]) -> Result<Self, UnknownDetector> {
        let known = |name: &str| registry().iter().any(|entry| entry.spec.name == name);
        if let Some(name) = names.iter().map(AsRef::as_ref).find(|name| !known(name)) {
            return Err(UnknownDetector { name: name.to_owned() });
        }
        let all = registry().iter().map(|entry| entry.spec.name);
        Ok(Self(all.filter(|known| names.iter().any(|name| name.as_ref() == *known)).collect()))
    }

    /// The names.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }
}

impl Default for Enabled {
    fn default() -> Self {
        let on = registry().iter().filter(|entry| entry.spec.on_by_default);
        Self(on.map(|entry| entry.spec.name).collect())
    }
}

impl TryFrom<Vec<String>> for Enabled {
    type Error = UnknownDetector;

    fn try_from(names: Vec<String>) -> Result<Self, UnknownDetector> {
        Self::only(&names)
    }
}

impl From<Enabled> for Vec<String> {
    fn from(enabled: Enabled) -> Self {
        enabled.0.into_iter().map(str::to_owned).collect()
    }
}

/// One kind of detector.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What it is.
    pub spec: Spec,
    construct: fn(&DetectorSettings) -> Box<dyn Detector>,
}

impl Entry {
    /// A detector without series.
    pub(crate) fn build(&self, settings: &DetectorSettings) -> Box<dyn Detector> {
        (self.construct)(settings)
    }
}

/// Every detector, in the order in which the bank runs them.
#[must_use]
pub fn registry() -> &'static [Entry] {
    const REGISTRY: [Entry; 21] = [
        Entry { spec: <Level as Kernel<0>>::SPEC, construct: |s| lanes(s, Level) },
        Entry {
            spec: <Quantiles as Kernel<4>>::SPEC,
            construct: |s| lanes(s, Quantiles { memory_ticks: memory(s) }),
        },
        Entry { spec: <Rate as Kernel<1>>::SPEC, construct: |s| lanes(s, Rate { memory_ticks: memory(s) }) },
        Entry { spec: <Flat as Kernel<3>>::SPEC, construct: |s| lanes(s, Flat { memory_ticks: memory(s) }) },
        Entry {
            spec: <Missing as Kernel<2>>::SPEC,
            construct: |s| lanes(s, Missing { memory_ticks: memory(s) }),
        },
        Entry {
            spec: <Drift as Kernel<3>>::SPEC,
            construct: |s| lanes(s, Drift { fast_ticks: memory(s) / 8.0, slow_ticks: memory(s) * 2.0 }),
        },
        Entry { spec: <Cusum as Kernel<2>>::SPEC, construct: |s| lanes(s, Cusum) },
        Entry {
            spec: <Variance as Kernel<1>>::SPEC,
            construct: |s| lanes(s, Variance { fast_ticks: (memory(s) / 16.0).max(4.0) }),
        },
        Entry {
            spec: <Extreme as Kernel<2>>::SPEC,
            construct: |s| lanes(s, Extreme { memory_ticks: memory(s) }),
        },
        Entry {
            spec: <Trend as Kernel<3>>::SPEC,
            construct: |s| lanes(s, Trend::new((memory(s) / 4.0).max(4.0))),
        },
        Entry {
            spec: <PageHinkley as Kernel<3>>::SPEC,
            construct: |s| lanes(s, PageHinkley { mean_ticks: memory(s) * 16.0 }),
        },
        Entry {
            spec: <EventDensity as Kernel<4>>::SPEC,
            construct: |s| {
                lanes(s, EventDensity { recent_ticks: memory(s) / 8.0, usual_ticks: memory(s) * 8.0 })
            },
        },
        Entry {
            spec: <Seasonal as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<Seasonal>::new(Calendar::new(s.time_zone, &s.holidays))),
        },
        Entry {
            spec: <ChangePoint as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<ChangePoint>::new(Default::default())),
        },
        Entry {
            spec: <Spot as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<Spot>::new(Default::default())),
        },
        Entry {
            spec: <Dspot as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<Dspot>::new(Default::default())),
        },
        Entry {
            spec: <SpectralResidual as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<SpectralResidual>::new(Default::default())),
        },
        Entry {
            spec: <Mixture as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<Mixture>::new(Default::default())),
        },
        Entry {
            spec: <ForestDetector as SeriesModels>::SPEC,
            construct: |s| {
                let forest = ForestDetector::new(ForestSettings::default(), s.warmup_ticks);
                models(s, forest.expect("the defaults are within bounds"))
            },
        },
        Entry {
            spec: <HalfSpaceSeries as SeriesModels>::SPEC,
            construct: |s| models(s, HalfSpaceSeries::new()),
        },
        Entry {
            spec: <LeftProfile as SeriesModel>::SPEC,
            construct: |s| models(s, Slots::<LeftProfile>::new(ProfileSettings::default())),
        },
    ];
    &REGISTRY
}

/// Observations that a detector remembers.
#[expect(clippy::cast_precision_loss, reason = "a few ticks")]
pub(crate) fn memory(settings: &DetectorSettings) -> f32 {
    settings.memory_ticks.max(8) as f32
}

fn models<P: SeriesModels + 'static>(settings: &DetectorSettings, models: P) -> Box<dyn Detector> {
    Box::new(Modelled::new(models, settings.warmup_ticks))
}

fn lanes<K: Kernel<N> + 'static, const N: usize>(
    settings: &DetectorSettings,
    kernel: K,
) -> Box<dyn Detector> {
    Box::new(Lanes::new(kernel, settings.warmup_ticks.unwrap_or(K::SPEC.warmup_ticks)))
}
