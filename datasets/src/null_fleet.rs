//! Series in which nothing is wrong, of many kinds; and, if asked for, incidents of known place
//! and size in them. What a share of false symptoms is measured on.

use crate::random::Stream;

/// What a series is like while nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Normal noise around a level.
    Normal,
    /// Uniform noise.
    Uniform,
    /// Exponential: waiting times.
    Exponential,
    /// Log-normal: latencies.
    LogNormal,
    /// Autoregressive, coefficient 0.9.
    Autoregressive,
    /// A daily wave with normal noise.
    Daily,
    /// Poisson counts, two a tick.
    Counts,
    /// Zero, and now and then a one: each series at its own of [`RATES`], however long it rested.
    Rare,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Normal,
        Self::Uniform,
        Self::Exponential,
        Self::LogNormal,
        Self::Autoregressive,
        Self::Daily,
        Self::Counts,
        Self::Rare,
    ];
}

/// Chances of a one at a tick of a series of [`Kind::Rare`].
pub const RATES: [f64; 5] = [0.02, 0.01, 0.005, 0.002, 0.001];

/// Ticks of a day of [`Kind::Daily`].
const DAY_TICKS: f64 = 288.0;

/// How often and how badly something is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Incidents {
    /// Chance that one begins in a series at a tick.
    pub rate: f64,
    /// Ticks that one lasts.
    pub ticks: u32,
    /// By how much values are raised, in standard deviations of the series.
    pub size: f64,
    /// Ticks before the first one may begin.
    pub after: u32,
}

struct Series {
    kind: Kind,
    /// Of [`RATES`].
    rate: f64,
    stream: Stream,
    level: f64,
    phase: f64,
    /// Ticks that an incident still lasts.
    wrong: u32,
}

/// The fleet.
pub struct NullFleet {
    series: Vec<Series>,
    incidents: Option<Incidents>,
    /// Draws of incidents, apart from those of noise: the noise is the same with and without.
    chance: Stream,
    tick: u32,
}

impl NullFleet {
    /// So many series, of all kinds in turn.
    #[must_use]
    pub fn new(seed: u64, series: usize, incidents: Option<Incidents>) -> Self {
        let make = |index: usize| {
            let mut stream = Stream::of(seed, &index.to_string(), "noise");
            let phase = stream.uniform();
            let kind = Kind::ALL[index % Kind::ALL.len()];
            let rate = RATES[index / Kind::ALL.len() % RATES.len()];
            Series { kind, rate, stream, level: 0.0, phase, wrong: 0 }
        };
        let series = (0..series).map(make).collect();
        Self { series, incidents, chance: Stream::of(seed, "fleet", "incidents"), tick: 0 }
    }

    /// What a series is like.
    #[must_use]
    pub fn kind(&self, series: usize) -> Kind {
        self.series[series].kind
    }

    /// The values of the next tick, and which series an incident begins in.
    pub fn advance(&mut self, values: &mut Vec<f64>) -> Vec<usize> {
        values.clear();
        let mut begun = Vec::new();
        let time = f64::from(self.tick) / DAY_TICKS;
        for (index, series) in self.series.iter_mut().enumerate() {
            let mut raise = 0.0;
            if let Some(incidents) = self.incidents {
                if series.wrong == 0 && self.tick >= incidents.after && self.chance.chance(incidents.rate) {
                    series.wrong = incidents.ticks;
                    begun.push(index);
                }
                if series.wrong > 0 {
                    series.wrong -= 1;
                    raise = incidents.size;
                }
            }
            values.push(series.draw(time, raise));
        }
        self.tick += 1;
        begun
    }
}

impl Series {
    /// The next value, raised by so many standard deviations.
    fn draw(&mut self, time: f64, raise: f64) -> f64 {
        let stream = &mut self.stream;
        match self.kind {
            Kind::Normal => 100.0 + stream.normal() + raise,
            Kind::Uniform => stream.uniform() + raise * 0.289,
            Kind::Exponential => stream.exponential(1.0) + raise,
            Kind::LogNormal => stream.lognormal(1.0, 0.5) + raise * 0.604,
            Kind::Autoregressive => {
                self.level = 0.9 * self.level + stream.normal();
                50.0 + self.level + raise * 2.294
            }
            Kind::Daily => {
                let wave = libm::sin(std::f64::consts::TAU * (time + self.phase));
                100.0 + 5.0 * wave + stream.normal() + raise * 3.674
            }
            Kind::Counts => {
                let (limit, mut product, mut count) = (libm::exp(-2.0), stream.uniform(), 0.0);
                while product > limit {
                    product *= stream.uniform();
                    count += 1.0;
                }
                count + (raise * std::f64::consts::SQRT_2).round()
            }
            Kind::Rare => f64::from(u8::from(stream.chance(self.rate))) + (raise * self.rate.sqrt()).ceil(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Incidents, NullFleet, RATES};

    #[test]
    fn incidents_leave_the_noise_as_it_is() {
        let incidents = Incidents { rate: 0.01, ticks: 5, size: 6.0, after: 50 };
        let (mut calm, mut troubled) = (NullFleet::new(3, 80, None), NullFleet::new(3, 80, Some(incidents)));
        let (mut one, mut other, mut last) = (Vec::new(), Vec::new(), vec![-10_i32; 80]);
        let mut incidents = 0;
        for tick in 0..400 {
            assert!(calm.advance(&mut one).is_empty());
            for series in troubled.advance(&mut other) {
                assert!(tick >= 50);
                last[series] = tick;
                incidents += 1;
            }
            for series in 0..80 {
                let wrong = tick - last[series] < 5;
                assert_eq!(wrong, other[series] > one[series], "{:?} at {tick}", calm.kind(series));
            }
        }
        assert!((150..400).contains(&incidents), "{incidents}");
    }

    #[test]
    fn standard_deviations_are_what_incidents_are_measured_in() {
        let mut fleet = NullFleet::new(1, 40, None);
        let mut values = Vec::new();
        let mut sums = [[0.0; 2]; 40];
        for _ in 0..80_000 {
            fleet.advance(&mut values);
            for (sum, value) in sums.iter_mut().zip(&values) {
                sum[0] += value;
                sum[1] += value * value;
            }
        }
        let usual = [1.0, 0.289, 1.0, 0.604, 2.294, 3.674, std::f64::consts::SQRT_2];
        for (series, sum) in sums.iter().enumerate() {
            let expected = usual.get(series % 8).copied().unwrap_or_else(|| RATES[series / 8].sqrt());
            let mean = sum[0] / 80_000.0;
            let deviation = (sum[1] / 80_000.0 - mean * mean).sqrt();
            // Of the rarest there are 80, give or take nine.
            let within = if expected < 0.1 { 0.15 } else { 0.05 };
            assert!((deviation / expected - 1.0).abs() < within, "{series}: {deviation} {expected}");
        }
    }
}
