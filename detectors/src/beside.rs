//! The detectors that stand beside the bank, under one roof: for cards, tables and measurements.

use theriac_contract::{SeriesId, Timestamp};

use crate::{
    detector::{Parameter, Spec},
    multivariate::{
        Reading,
        correlation::{Correlation, CorrelationSettings},
        mahalanobis::{Mahalanobis, MahalanobisSettings},
        subspace::{Subspace, SubspaceSettings},
    },
    peers::{PeerSettings, Peers},
    records::Records,
    slots::Model,
};

/// Metrics of the entity for which the state of one is told: it grows with their square.
pub(crate) const CHANNELS: usize = 16;
/// Replicas of the service for which the state of one is told.
pub(crate) const REPLICAS: usize = 4;

/// A number that can be set, in one line.
pub(crate) const fn parameter(
    name: &'static str,
    unit: &'static str,
    default: f64,
    meaning: &'static str,
) -> Parameter {
    Parameter { name, unit, default, meaning }
}

/// What is said of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// How often the past looked at least so unusual; 1 while warming up.
    pub p_value: f64,
    /// Expected value of the first series; NaN if none is expected.
    pub expected: f64,
}

/// A detector at work: takes the values of a tick, NaN where there is none, and learns from them.
pub type Judge = Box<dyn FnMut(Timestamp, &[f64]) -> Judgement>;

/// A detector that is not in the bank.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// What it is. Bytes are a series' share.
    pub spec: Spec,
    /// What it judges, in a word or two.
    pub judges: &'static str,
    /// Series that are judged together where [`Spec::bytes_per_series`] is right.
    pub together: usize,
    start: fn(usize) -> Judge,
}

impl Beside {
    /// Starts one with its defaults, for rows of `series` values.
    #[must_use]
    pub fn start(&self, series: usize) -> Judge {
        (self.start)(series)
    }
}

/// Every detector beside the bank.
#[must_use]
pub fn beside_the_bank() -> &'static [Beside] {
    const BESIDE: [Beside; 5] = [
        Beside { spec: Records::SPEC, judges: "a series", together: 1, start: records },
        Beside {
            spec: Subspace::SPEC,
            judges: "an entity",
            together: CHANNELS,
            start: |series| {
                let mut model = Subspace::empty(&SubspaceSettings::default(), series);
                Box::new(move |_, row| of_an_entity(model.update(row, true)))
            },
        },
        Beside {
            spec: Mahalanobis::SPEC,
            judges: "an entity",
            together: CHANNELS,
            start: |series| {
                let mut model = Mahalanobis::empty(&MahalanobisSettings::default(), series);
                Box::new(move |_, row| of_an_entity(model.update(row, true)))
            },
        },
        Beside {
            spec: Correlation::SPEC,
            judges: "an entity",
            together: CHANNELS,
            start: |series| {
                let mut model = Correlation::empty(&CorrelationSettings::default(), series);
                Box::new(move |_, row| of_an_entity(model.update(row, true)))
            },
        },
        Beside { spec: Peers::SPEC, judges: "the replicas of a service", together: REPLICAS, start: peers },
    ];
    &BESIDE
}

fn of_an_entity(reading: Reading) -> Judgement {
    Judgement { p_value: reading.p_value, expected: f64::NAN }
}

/// The most surprising of its series, each by itself.
#[expect(clippy::cast_possible_truncation, reason = "a handful")]
fn records(series: usize) -> Judge {
    let mut model = Records::new();
    (0..series).for_each(|place| model.watch(SeriesId(place as u32)));
    Box::new(move |at, row| {
        let mut all = Judgement { p_value: 1.0, expected: f64::NAN };
        for (place, value) in row.iter().enumerate() {
            let Some(verdict) = model.update(SeriesId(place as u32), *value, at) else { continue };
            all.p_value = all.p_value.min(verdict.p_value);
            if place == 0 {
                all.expected = verdict.expected;
            }
        }
        all
    })
}

/// The most surprising replica; what is expected of the first is the median of all.
fn peers(replicas: usize) -> Judge {
    let mut model = Peers::empty(&PeerSettings::default(), replicas);
    Box::new(move |_, row| {
        let expected = model.update(row, true).map_or(f64::NAN, |consensus| consensus.median);
        let p_value = model.readings().iter().fold(1.0, |least, reading| reading.p_value.min(least));
        Judgement { p_value, expected }
    })
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn defaults<S: Serialize + Default>(spec: &Spec) {
        let settings = serde_json::to_value(S::default()).unwrap();
        let settings = settings.as_object().unwrap();
        let told: Vec<&str> = spec.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(told.len(), settings.len(), "{}: {told:?}", spec.name);
        for parameter in spec.parameters {
            let set = settings.get(parameter.name).and_then(serde_json::Value::as_f64);
            assert_eq!(set, Some(parameter.default), "{}.{}", spec.name, parameter.name);
        }
        let warmup = spec.parameters.iter().find(|parameter| parameter.name.starts_with("warmup"));
        assert_eq!(warmup.map(|parameter| parameter.default), Some(f64::from(spec.warmup_ticks)));
    }

    #[test]
    fn cards_tell_all_settings_and_their_defaults() {
        defaults::<SubspaceSettings>(&Subspace::SPEC);
        defaults::<MahalanobisSettings>(&Mahalanobis::SPEC);
        defaults::<CorrelationSettings>(&Correlation::SPEC);
        defaults::<PeerSettings>(&Peers::SPEC);
    }

    /// Values that wander, each in its own way.
    fn row(t: usize, row: &mut [f64]) {
        for (channel, value) in row.iter_mut().enumerate() {
            *value = ((t * 7_919 + channel * 104_729 + t * t * (channel + 3)) % 1_009) as f64;
        }
    }

    /// Symmetric matrices are saved as triangles and kept as squares.
    fn bytes_are_right<M: Model, R>(
        spec: &Spec,
        series: usize,
        mut model: M,
        update: fn(&mut M, &[f64]) -> R,
    ) {
        let mut values = vec![0.0; series];
        for t in 0..1_200 {
            row(t, &mut values);
            update(&mut model, &values);
        }
        let mut numbers = Vec::new();
        model.save(&mut numbers);
        let (saved, told) = (numbers.len() * size_of::<f64>(), spec.bytes_per_series * series);
        assert!((told / 3..=told).contains(&saved), "{}: {saved} of {told}", spec.name);
    }

    #[test]
    fn cards_tell_how_much_state_there_is() {
        let subspace = Subspace::empty(&SubspaceSettings::default(), CHANNELS);
        bytes_are_right(&Subspace::SPEC, CHANNELS, subspace, |model, row| model.update(row, true));
        let mahalanobis = Mahalanobis::empty(&MahalanobisSettings::default(), CHANNELS);
        bytes_are_right(&Mahalanobis::SPEC, CHANNELS, mahalanobis, |model, row| model.update(row, true));
        let correlation = Correlation::empty(&CorrelationSettings::default(), CHANNELS);
        bytes_are_right(&Correlation::SPEC, CHANNELS, correlation, |model, row| model.update(row, true));
        let peers = Peers::empty(&PeerSettings::default(), REPLICAS);
        bytes_are_right(&Peers::SPEC, REPLICAS, peers, |model, row| model.update(row, true));
    }

    #[test]
    fn each_is_silent_while_it_warms_up_and_notices_what_never_was() {
        for beside in beside_the_bank() {
            let name = beside.spec.name;
            let mut judge = beside.start(beside.together);
            let mut values = vec![0.0; beside.together];
            let (mut before, mut after) = (1.0_f64, 1.0_f64);
            for t in 0..2_000_usize {
                // All move as one, with a little of their own.
                let one = ((t * 7_919) % 101) as f64;
                for (place, value) in values.iter_mut().enumerate() {
                    *value = one + ((t * 31 + place * 17) % 7) as f64 * 0.1;
                }
                if t >= 1_960 {
                    values[0] = 400.0 - 9.0 * one;
                }
                let p_value = judge(Timestamp::from_seconds(60 * t as i64), &values).p_value;
                if t < beside.spec.warmup_ticks as usize {
                    assert_eq!(p_value, 1.0, "{name} at {t}");
                } else if t < 1_960 {
                    before = before.min(p_value);
                } else {
                    after = after.min(p_value);
                }
            }
            assert!(after < before, "{name}: {after} against {before} before");
        }
    }
}
