//! Times of which some are only known to be longer than was waited (Kaplan and Meier).

use serde::{Deserialize, Serialize};

use super::Interval;

/// The 97.5th percentile of a standard normal: both sides of 95 %.
const NORMAL: f64 = 1.959_963_984_540_054;

/// A time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Time {
    /// It happened then.
    Seen(f64),
    /// It had not happened by then.
    Censored(f64),
}

impl Time {
    const fn value(self) -> f64 {
        match self {
            Self::Seen(at) | Self::Censored(at) => at,
        }
    }
}

/// How many have not happened yet, over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Times in order with the share that lasts longer.
    pub steps: Vec<(f64, f64)>,
    /// Where the true share lies at each of the steps, at 95 %: Greenwood's variance on the scale of
    /// ln(-ln), so that it stays between 0 and 1 (Kalbfleisch and Prentice).
    #[serde(default)]
    pub bands: Vec<Interval>,
    /// Times at which somebody was given up.
    #[serde(default)]
    pub censored: Vec<f64>,
    /// How many there were, and of how many the end was seen.
    pub count: usize,
    /// Of how many.
    pub seen: usize,
    /// Mean with those that were not seen counted at the cap.
    pub mean_at_cap: f64,
}

impl Survival {
    /// The estimate from times.
    #[must_use]
    pub fn of(mut times: Vec<Time>) -> Self {
        // At one instant those that ended come before those that were given up.
        let order = |time: &Time| matches!(time, Time::Censored(_));
        times.sort_by(|a, b| a.value().total_cmp(&b.value()).then(order(a).cmp(&order(b))));
        let count = times.len();
        let mean_at_cap = times.iter().map(|time| time.value()).sum::<f64>() / count.max(1) as f64;
        let censored = times.iter().copied().filter(order).map(Time::value).collect();
        let (mut steps, mut bands) = (Vec::new(), Vec::<Interval>::new());
        let (mut share, mut variance, mut seen, mut index): (f64, f64, usize, usize) = (1.0, 0.0, 0, 0);
        while index < count {
            let at = times[index].value();
            let same = times[index..].iter().take_while(|time| time.value() <= at);
            let (mut ended, mut all) = (0, 0);
            for time in same {
                ended += usize::from(matches!(time, Time::Seen(_)));
                all += 1;
            }
            if ended > 0 {
                let (left, ending) = ((count - index) as f64, ended as f64);
                share *= 1.0 - ending / left;
                variance += ending / (left * (left - ending));
                let before = bands.last().map_or(1.0, |band| band.high);
                bands.push(band(share, variance, before));
                steps.push((at, share));
            }
            seen += ended;
            index += all;
        }
        Self { steps, bands, censored, count, seen, mean_at_cap }
    }

    /// The time by which a share has happened; none if so many never did.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.steps.iter().find(|(_, left)| *left <= 1.0 - share + 1e-12).map(|(at, _)| *at)
    }

    /// Where that time lies at 95 %: from when until when the band holds the share (Brookmeyer and Crowley
    /// 1982). An end that was not reached is none.
    #[must_use]
    pub fn quantile_interval(&self, share: f64) -> (Option<f64>, Option<f64>) {
        let reached = |end: fn(&Interval) -> f64| {
            let mut both = self.steps.iter().zip(&self.bands);
            both.find(|(_, band)| end(band) <= 1.0 - share + 1e-12).map(|((at, _), _)| *at)
        };
        (reached(|band| band.low), reached(|band| band.high))
    }
}

/// The band around a share. When nobody is left its variance is not defined: what was the upper end
/// before stays.
fn band(share: f64, variance: f64, before: f64) -> Interval {
    if share <= 0.0 {
        return Interval { low: 0.0, high: before };
    }
    let spread = libm::exp(NORMAL * variance.sqrt() / libm::log(share).abs());
    Interval { low: libm::pow(share, spread), high: libm::pow(share, 1.0 / spread) }
}
