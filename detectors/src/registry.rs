//! All detectors by name.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    detector::{Detector, Spec},
    drift::Drift,
    flat::Flat,
    lanes::{Kernel, Lanes},
    level::Level,
    missing::Missing,
    quantiles::Quantiles,
    rate::Rate,
};

/// Settings of a detector are not what they should be.
#[derive(Debug, thiserror::Error)]
#[error("settings of detector `{detector}`: {reason}")]
pub struct SettingsError {
    /// Name in the registry.
    pub detector: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// Settings of one detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorSettings {
    /// Observations that it remembers (at least 8).
    pub memory_ticks: u32,
    /// Observations before it speaks; none: as its spec says.
    pub warmup_ticks: Option<u32>,
}

impl Default for DetectorSettings {
    fn default() -> Self {
        Self { memory_ticks: 256, warmup_ticks: None }
    }
}

/// Settings of the bank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The same for all detectors.
    pub detectors: DetectorSettings,
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
    #[must_use]
    pub fn build(&self, settings: &DetectorSettings) -> Box<dyn Detector> {
        (self.construct)(settings)
    }

    /// A detector without series, from [`DetectorSettings`] as JSON.
    ///
    /// # Errors
    /// If a field is unknown or of the wrong type.
    pub fn build_from(&self, settings: &Value) -> Result<Box<dyn Detector>, SettingsError> {
        let settings = DetectorSettings::deserialize(settings)
            .map_err(|e| SettingsError { detector: self.spec.name, reason: e.to_string() })?;
        Ok(self.build(&settings))
    }
}

/// Every detector, in the order in which the bank runs them.
#[must_use]
pub fn registry() -> &'static [Entry] {
    const REGISTRY: [Entry; 6] = [
        Entry {
            spec: <Level as Kernel<2>>::SPEC,
            construct: |s| lanes(s, Level { memory_ticks: memory(s) }),
        },
        Entry {
            spec: <Quantiles as Kernel<6>>::SPEC,
            construct: |s| lanes(s, Quantiles { memory_ticks: memory(s) }),
        },
        Entry { spec: <Rate as Kernel<2>>::SPEC, construct: |s| lanes(s, Rate { memory_ticks: memory(s) }) },
        Entry { spec: <Flat as Kernel<3>>::SPEC, construct: |s| lanes(s, Flat { memory_ticks: memory(s) }) },
        Entry {
            spec: <Missing as Kernel<3>>::SPEC,
            construct: |s| lanes(s, Missing { memory_ticks: memory(s) }),
        },
        Entry {
            spec: <Drift as Kernel<3>>::SPEC,
            construct: |s| lanes(s, Drift { fast_ticks: memory(s) / 8.0, slow_ticks: memory(s) * 2.0 }),
        },
    ];
    &REGISTRY
}

fn memory(settings: &DetectorSettings) -> f64 {
    f64::from(settings.memory_ticks.max(8))
}

fn lanes<K: Kernel<N> + 'static, const N: usize>(
    settings: &DetectorSettings,
    kernel: K,
) -> Box<dyn Detector> {
    Box::new(Lanes::new(kernel, settings.warmup_ticks.unwrap_or(K::SPEC.warmup_ticks)))
}
