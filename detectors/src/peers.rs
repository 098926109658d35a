//! Peers: which of the replicas that should be alike is not.

use serde::{Deserialize, Serialize};

use crate::{
    beside::{REPLICAS, parameter},
    detector::Spec,
    past::Past,
    slots::{Model, Numbers},
};

/// Standard deviation of a normal distribution in units of its median absolute deviation.
const NORMAL_MAD: f64 = 1.482_602_218_505_602;
/// The same in units of its mean absolute deviation.
const NORMAL_MEAN_DEVIATION: f64 = 1.253_314_137_315_500_3;

/// Settings of [`Peers`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeerSettings {
    /// Replicas that must have a value before one of them can be said to differ; at least 3.
    pub minimum_peers: usize,
    /// Share of the median that is no difference.
    pub tolerance: f64,
    /// How many spreads apart two neighbours in one cluster may be.
    pub reach: f64,
    /// Ticks that the usual spread remembers.
    pub memory_ticks: f64,
    /// Ticks of a replica before its p-value is less than 1.
    pub warmup_ticks: f64,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self { minimum_peers: 4, tolerance: 0.01, reach: 3.0, memory_ticks: 256.0, warmup_ticks: 64.0 }
    }
}

/// Centre and spread of the values that are present.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consensus {
    /// Median.
    pub median: f64,
    /// Median absolute deviation, as the standard deviation of normal values. Where more than
    /// half of the values are equal, the mean absolute deviation instead (Iglewicz and Hoaglin
    /// 1993, How to Detect and Handle Outliers).
    pub spread: f64,
    /// Values that are present.
    pub present: usize,
}

/// Centre and spread of `values`, of which those that are not finite are absent; none if all are.
#[must_use]
pub fn consensus(values: &[f64]) -> Option<Consensus> {
    let mut present: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let median = median(&mut present)?;
    let mut distances: Vec<f64> = present.iter().map(|x| (x - median).abs()).collect();
    #[expect(clippy::cast_precision_loss, reason = "few replicas")]
    let mean = distances.iter().fold(0.0, |sum, x| sum + x) / distances.len() as f64;
    let mad = self::median(&mut distances)?;
    let spread = if mad > 0.0 { NORMAL_MAD * mad } else { NORMAL_MEAN_DEVIATION * mean };
    Some(Consensus { median, spread, present: present.len() })
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(low + (high - low) / 2.0)
}

/// DBSCAN in one dimension (Ester, Kriegel, Sander and Xu 1996), in the labels of
/// scikit-learn: clusters are numbered by their first core point, a border point belongs to
/// the lowest of the clusters that it touches, and noise has none. A core point has at least
/// `core` points, itself among them, within `reach`. Values that are not finite are noise.
#[must_use]
pub fn clusters(values: &[f64], reach: f64, core: usize) -> Vec<Option<usize>> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let near = |a: usize, b: usize| (values[order[b]] - values[order[a]]).abs() <= reach;
    // Of each position the first and last position within reach: both only move on.
    let (mut first, mut last) = (0, 0);
    let mut ranges = Vec::with_capacity(order.len());
    for i in 0..order.len() {
        while !near(first, i) {
            first += 1;
        }
        last = last.max(i);
        while last + 1 < order.len() && near(i, last + 1) {
            last += 1;
        }
        ranges.push((first, last));
    }
    let is_core = |i: usize| ranges[i].1 - ranges[i].0 + 1 >= core;
    // Core points that follow one another within reach are one cluster.
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut before = None;
    for i in (0..order.len()).filter(|&i| is_core(i)) {
        match (groups.last_mut(), before) {
            (Some(group), Some(before)) if near(before, i) => group.push(i),
            _ => groups.push(vec![i]),
        }
        before = Some(i);
    }
    groups.sort_by_key(|group| group.iter().map(|&i| order[i]).min());
    let mut labels = vec![None; values.len()];
    for (label, group) in groups.iter().enumerate() {
        for i in group.iter().flat_map(|&i| ranges[i].0..=ranges[i].1) {
            labels[order[i]].get_or_insert(label);
        }
    }
    // A core point belongs to its own cluster, which no other can reach.
    labels
}

/// What is said of one replica.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeerReading {
    /// Distance to the median of all in units of the larger of their spread now and their
    /// usual spread; what `tolerance` allows is taken off. 0 if absent or too few peers.
    pub score: f64,
    /// How often this replica differed at least as much.
    pub p_value: f64,
    /// Whether it stands outside of the one cluster that holds more than half of the replicas.
    pub disagrees: bool,
}

impl PeerReading {
    const ORDINARY: Self = Self { score: 0.0, p_value: 1.0, disagrees: false };
}

/// The replicas of one service, with one signal. A replica that always differs (the leader,
/// the one with the large disk) is measured by its own past.
#[derive(Clone, Debug)]
pub struct Peers {
    settings: PeerSettings,
    ticks: f64,
    /// Exponentially weighted mean of the spread.
    usual: f64,
    past: Vec<Past>,
    readings: Vec<PeerReading>,
}

impl Peers {
    /// What it is; bytes are a series' share in a service of [`REPLICAS`].
    pub(crate) const SPEC: Spec = Spec {
        name: "peers",
        sees: "a replica that differs from the others of its service more than it used to",
        formula: "(|x - median of all| - tolerance |median|) / the larger of their spread now and their usual spread",
        source: "Iglewicz and Hoaglin 1993; clusters: Ester, Kriegel, Sander and Xu 1996",
        parameters: &[
            parameter("minimum_peers", "replicas", 4.0, "with a value, before one can be said to differ"),
            parameter("tolerance", "share of the median", 0.01, "no difference"),
            parameter("reach", "spreads", 3.0, "between two neighbours in one cluster at most"),
            parameter("memory_ticks", "observations", 256.0, "memory of the usual spread"),
            parameter("warmup_ticks", "observations", 64.0, "of a replica before its p-value is below 1"),
        ],
        state_version: Self::VERSION,
        warmup_ticks: 64,
        bytes_per_series: size_of::<Self>() / REPLICAS + size_of::<Past>() + size_of::<PeerReading>(),
        on_by_default: true,
    };

    /// One tick: the value of each replica, NaN where there is none, more than
    /// [`Model::channels`] ignored. None if fewer than `minimum_peers` are present; then all
    /// readings are ordinary and nothing is learnt.
    pub fn update(&mut self, values: &[f64], learn: bool) -> Option<Consensus> {
        self.readings.fill(PeerReading::ORDINARY);
        let values = &values[..values.len().min(self.past.len())];
        let consensus = consensus(values)?;
        if consensus.present < self.settings.minimum_peers.max(3) {
            return None;
        }
        let tolerance = self.settings.tolerance * consensus.median.abs();
        let unit = consensus.spread.max(self.usual) + 1e-12 * consensus.median.abs() + 1e-150;
        let labels = clusters(values, self.settings.reach * unit + tolerance, 2);
        let majority = majority(&labels, consensus.present);
        for (i, &value) in values.iter().enumerate().filter(|(_, value)| value.is_finite()) {
            let distance = ((value - consensus.median).abs() - tolerance).max(0.0);
            let score = (distance / unit).min(1e150);
            let p_value = self.past[i].p_value(score, self.settings.warmup_ticks);
            let disagrees = majority.is_some_and(|label| labels[i] != Some(label));
            self.readings[i] = PeerReading { score, p_value, disagrees };
            if learn {
                self.past[i].learn(score);
            }
        }
        if learn {
            self.ticks += 1.0;
            // One tick on which they fall apart is not what is usual.
            let spread = if self.ticks < 20.0 { consensus.spread } else { consensus.spread.min(8.0 * unit) };
            self.usual += (spread - self.usual) / self.ticks.min(self.settings.memory_ticks);
        }
        Some(consensus)
    }

    /// Readings of the last tick, by replica.
    #[must_use]
    pub fn readings(&self) -> &[PeerReading] {
        &self.readings
    }
}

/// The cluster that holds more than half of those present.
fn majority(labels: &[Option<usize>], present: usize) -> Option<usize> {
    labels
        .iter()
        .flatten()
        .copied()
        .find(|&label| 2 * labels.iter().filter(|other| **other == Some(label)).count() > present)
}

impl Model for Peers {
    const TABLE: &'static str = "detectors.peers";
    const VERSION: u16 = 1;
    type Settings = PeerSettings;

    fn empty(settings: &PeerSettings, channels: usize) -> Self {
        Self {
            settings: *settings,
            ticks: 0.0,
            usual: 0.0,
            past: vec![Past::default(); channels],
            readings: vec![PeerReading::ORDINARY; channels],
        }
    }

    fn channels(&self) -> usize {
        self.past.len()
    }

    fn save(&self, numbers: &mut Vec<f64>) {
        numbers.extend([self.ticks, self.usual]);
        self.past.iter().for_each(|past| past.save(numbers));
    }

    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        [self.ticks, self.usual] = numbers.array()?;
        for past in &mut self.past {
            *past = Past::load(numbers)?;
        }
        self.readings.fill(PeerReading::ORDINARY);
        Some(())
    }
}
