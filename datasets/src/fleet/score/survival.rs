//! Times of which some are only known to be longer than was waited (Kaplan and Meier).

use serde::{Deserialize, Serialize};

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
        let (mut steps, mut share, mut seen, mut index): (Vec<(f64, f64)>, f64, usize, usize) =
            (Vec::new(), 1.0, 0, 0);
        while index < count {
            let at = times[index].value();
            let same = times[index..].iter().take_while(|time| time.value() <= at);
            let (mut ended, mut all) = (0, 0);
            for time in same {
                ended += usize::from(matches!(time, Time::Seen(_)));
                all += 1;
            }
            if ended > 0 {
                share *= 1.0 - ended as f64 / (count - index) as f64;
                steps.push((at, share));
            }
            seen += ended;
            index += all;
        }
        Self { steps, count, seen, mean_at_cap }
    }

    /// The time by which a share has happened; none if so many never did.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        self.steps.iter().find(|(_, left)| *left <= 1.0 - share + 1e-12).map(|(at, _)| *at)
    }
}
