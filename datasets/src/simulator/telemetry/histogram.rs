//! Durations as histograms, as the demo's shop and the fleet both count them.

use serde::{Deserialize, Serialize};

use super::{
    super::clock::Nanos,
    otlp::{Attribute, CUMULATIVE, Data, Distribution, Metric, Whole},
};

/// Bounds that the conventions advise, in seconds.
pub(crate) const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Durations since the process began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Histogram {
    pub(crate) count: u64,
    pub(crate) total: Nanos,
    pub(crate) buckets: [u64; BOUNDS.len() + 1],
}

impl Histogram {
    pub(crate) fn add(&mut self, duration: Nanos) {
        let seconds = duration as f64 / 1e9;
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.count += 1;
        self.total += duration;
        self.buckets[bucket] += 1;
    }

    /// As a point, from the start of the process to now.
    pub(crate) fn point<'a>(
        &self,
        attributes: Vec<Attribute<'a>>,
        (start, time): (Whole, Whole),
    ) -> Distribution<'a> {
        Distribution {
            attributes,
            start_time_unix_nano: start,
            time_unix_nano: time,
            count: Whole(self.count),
            sum: self.total as f64 / 1e9,
            bucket_counts: self.buckets.iter().map(|count| Whole(*count)).collect(),
            explicit_bounds: &BOUNDS,
        }
    }
}

/// A metric of durations in seconds.
pub(crate) const fn durations<'a>(name: &'static str, data_points: Vec<Distribution<'a>>) -> Metric<'a> {
    let data = Data::Histogram { data_points, aggregation_temporality: CUMULATIVE };
    Metric { name, unit: "s", data }
}

/// What is counted under a key; begun if it is new.
pub(crate) fn entry<K: PartialEq, V: Default>(list: &mut Vec<(K, V)>, key: K) -> &mut V {
    let place = list.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        list.push((key, V::default()));
        list.len() - 1
    });
    &mut list[place].1
}
