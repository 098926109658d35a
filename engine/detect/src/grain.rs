//! What one step is in the values of a series, where its unit tells.
//!
//! A series that never moved says nothing of how far a value lies from it: the bank takes one unit for a
//! step, as of things that are counted and flags that are set. A second is no step of a duration, nor is
//! the whole a step of a share: those go in by smaller units. Powers of two change no digit of a value.

use theriac_contract::Series;

use crate::watched::Watched;

/// About a millisecond.
const OF_SECONDS: f64 = 1024.0;
/// About a hundredth.
const OF_SHARES: f64 = 128.0;

/// Parts of names of shares of a whole.
pub(crate) const SHARES: [&str; 6] = ["share", "ratio", "utilization", "percent", "fraction", "saturation"];

/// By how much the values of a series are multiplied on their way into the bank.
fn grain(series: &Series) -> f64 {
    let name = series.signal.as_str();
    match series.unit.as_str() {
        "s" => OF_SECONDS,
        "1" | "" if SHARES.iter().any(|part| name.contains(part)) => OF_SHARES,
        _ => 1.0,
    }
}

/// The grain of all series, and values in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grains {
    of: Vec<f64>,
    values: Vec<f64>,
}

impl Grains {
    /// The values of a tick as the bank takes them.
    pub(crate) fn fine(&mut self, watched: &[Watched], values: &[f64]) -> &[f64] {
        self.of.extend(watched.iter().skip(self.of.len()).map(|one| grain(&one.series)));
        self.values.clear();
        self.values.extend(values.iter().zip(&self.of).map(|(value, grain)| value * grain));
        &self.values
    }

    /// What the bank says of values, as the series has them.
    pub(crate) fn coarse(&self, said: &mut [f64]) {
        said.iter_mut().zip(&self.of).for_each(|(value, grain)| *value /= grain);
    }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Entity, SignalKind};

    use super::*;

    fn series(signal: &str, unit: &str) -> Series {
        Series {
            key: String::new(),
            entity: Entity("cart".to_owned()),
            peer: None,
            signal: signal.to_owned(),
            kind: SignalKind::Metric,
            unit: unit.to_owned(),
            attributes: "{}".to_owned(),
            domain: "default".to_owned(),
        }
    }

    #[test]
    fn a_step_is_what_the_unit_makes_it() {
        assert!((grain(&series("edge.gap.mean", "s")) - 1024.0).abs() < 1e-12);
        assert!((grain(&series("system.network.retransmit.share", "1")) - 128.0).abs() < 1e-12);
        // Flags and counts are as they are.
        for (signal, unit) in [("health.status", "1"), ("queue.length", "{request}"), ("disk.free", "By")] {
            assert!((grain(&series(signal, unit)) - 1.0).abs() < 1e-12, "{signal}");
        }
    }
}
