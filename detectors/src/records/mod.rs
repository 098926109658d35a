//! Records: how far beyond everything that the series ever did is what it does now?
//!
//! A **member** is a statistic of the recent window: its mean, its jump, its departure from the
//! time of day, … ([`Family`]) over 1, 4, 16 and 64 observations, of the value and of a
//! logarithm-like transform of it. For each member the largest value of each of 16 to 31 equal
//! blocks is kept, which together cover the whole history. The second largest of these block
//! maxima is the reference: one earlier event is forgiven. Exceeding it is evidence in
//! **decades**: by the Gumbel distribution, to which maxima tend, a block maximum so large is
//! 10^e times rarer than the reference. A member gives one decade at most, so that no member
//! decides alone; members are summed.
//!
//! What lasts shorter than a block enters one maximum, and is forgiven; a level that has moved
//! for good fills two blocks and becomes the reference: it is learnt, an incident is not. No
//! series needs a scale of its own, whatever its distribution: the past calibrates.
//!
//! | module | holds |
//! |---|---|
//! | `signals` | the value and its transform, the range seen, a sample of the whole history |
//! | `season` | levels by time of day |
//! | `windows` | sliding sums over the recent observations |
//! | `maxima` | block maxima, references, evidence |
//! | `families` | which families of statistics count |
//! | `alert` | the threshold, its fatigue and refractory time, the score that lasts |
//! | `state` | saving and restoring |
//!
//! Gumbel quantiles: E. J. Gumbel, "Statistics of Extremes", 1958. Plotting positions: A. Hazen, 1914.

mod alert;
mod families;
mod maxima;
mod season;
mod signals;
mod state;
mod windows;

use serde::{Deserialize, Serialize};
use theriac_contract::{SeriesId, Timestamp};

pub use self::families::Families;
use self::{alert::Alert, maxima::Maxima, season::Season, signals::Signals, windows::Windows};
use crate::detector::Spec;

/// Signals of a series: the value, and its transform.
const SIGNALS: usize = 2;
/// Window lengths in observations. Powers of four: a step of two octaves halves the noise of a mean.
const SCALES: [usize; 4] = [1, 4, 16, 64];
/// Members of one signal.
const MEMBERS: usize = Family::ALL.len() * SCALES.len();
/// Observations before anything is said: those of the widest pair of windows.
const WARM_UP: f64 = 128.0;

/// Decades of evidence that alert: one in a hundred, and two members at least.
pub const EVIDENCE_ALERTS: f64 = 2.0;
/// Decades of evidence at most: one of each member.
pub const EVIDENCE_MAX: f64 = MEMBERS as f64;

/// What a member measures over a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The mean is high.
    High,
    /// The mean is low.
    Low,
    /// The mean moved from the window before.
    Jump,
    /// The mean departs from that time of other days.
    Season,
    /// The mean departs from the slow average.
    Drift,
    /// The values scatter.
    Spread,
    /// The steps from value to value are large.
    Rough,
    /// The values hardly scatter.
    Calm,
}

impl Family {
    /// All, in the order of members.
    pub const ALL: [Self; 8] =
        [Self::High, Self::Low, Self::Jump, Self::Season, Self::Drift, Self::Spread, Self::Rough, Self::Calm];

    /// Its name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::Jump => "jump",
            Self::Season => "season",
            Self::Drift => "drift",
            Self::Spread => "spread",
            Self::Rough => "rough",
            Self::Calm => "calm",
        }
    }

    /// In words, after "as never before: ".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Low => "low",
            Self::Jump => "jumped",
            Self::Season => "unlike this time of other days",
            Self::Drift => "moved away from its slow average",
            Self::Spread => "scattered",
            Self::Rough => "restless",
            Self::Calm => "still",
        }
    }
}

/// What one observation says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Evidence in decades, 0 to [`EVIDENCE_MAX`].
    pub evidence: f64,
    /// Whether an episode begins: the evidence reaches the threshold after a quiet time.
    pub alert: bool,
    /// Score that lasts as long as the anomaly, and fades after it.
    pub lasting: f64,
    /// How often so much evidence comes up by chance at a series that did in the past what
    /// this one did.
    pub p_value: f64,
    /// Value expected at this time of day, or the median of the history.
    pub expected: f64,
    /// Decades by family, the largest over both signals of each scale, summed over scales.
    pub families: [f32; 8],
}

/// One series.
#[derive(Clone, Debug)]
struct Series {
    signals: Signals,
    season: Season,
    windows: Windows,
    maxima: Maxima,
    alert: Alert,
}

impl Series {
    fn new() -> Self {
        Self {
            signals: Signals::new(),
            season: Season::new(),
            windows: Windows::new(),
            maxima: Maxima::new(),
            alert: Alert::new(),
        }
    }

    fn update(&mut self, value: f64, at: Timestamp, families: Families) -> Verdict {
        let signal = self.signals.update(value);
        let season = self.season.update(&signal, at, self.maxima.season_references());
        self.windows.update(&signal, season);
        let rows = self.windows.rows();
        let statistics = self.windows.statistics(&signal, season.is_some());
        let (evidence, families) = self.maxima.evidence(&statistics, &signal, rows, families);
        self.maxima.learn(&statistics, rows);
        let expected = season.map_or(signal.median, |residuals| value - residuals[0]);
        self.alert.update(evidence, families, expected, rows)
    }
}

/// The detector over the series that are given to it; others cost a pointer.
#[derive(Clone, Debug, Default)]
pub struct Records {
    series: Vec<Option<Box<Series>>>,
    watched: usize,
    families: Families,
}

impl Records {
    /// Bytes of state of one series.
    pub const BYTES_PER_SERIES: usize = size_of::<Series>();

    /// What it is.
    pub(crate) const SPEC: Spec = Spec {
        name: "records",
        sees: "a series that does what it never did: higher, lower, a jump, another time of day, adrift, scattered, restless, still",
        formula: "sum over 64 statistics of log10 of how much rarer than the second largest block maximum (Gumbel), each 0 to 1",
        source: "Gumbel 1958; plotting positions: Hazen 1914",
        parameters: &[],
        state_version: state::VERSION,
        warmup_ticks: WARM_UP as u32,
        bytes_per_series: Self::BYTES_PER_SERIES,
        on_by_default: true,
    };

    /// Watches no series.
    #[must_use]
    pub const fn new() -> Self {
        Self::of(Families::ALL)
    }

    /// The same, of which these families count.
    #[must_use]
    pub const fn of(families: Families) -> Self {
        Self { series: Vec::new(), watched: 0, families }
    }

    /// Begins to watch a series, or starts it anew, as if it had never been seen.
    pub fn watch(&mut self, series: SeriesId) {
        let index = series.index();
        if self.series.len() <= index {
            self.series.resize(index + 1, None);
        }
        if self.series[index].replace(Box::new(Series::new())).is_none() {
            self.watched += 1;
        }
    }

    /// Starts a series that is watched with the history of a sibling, if that is watched.
    pub fn begin_like(&mut self, series: SeriesId, sibling: SeriesId) {
        if !self.watches(series) {
            return;
        }
        if let Some(Some(known)) = self.series.get(sibling.index()) {
            self.series[series.index()] = Some(known.clone());
        }
    }

    /// Number of series that are watched.
    #[must_use]
    pub const fn watched(&self) -> usize {
        self.watched
    }

    /// Whether a series is watched.
    #[must_use]
    pub fn watches(&self, series: SeriesId) -> bool {
        self.series.get(series.index()).is_some_and(Option::is_some)
    }

    /// Observations made and needed before anything is said of a series.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the warm-up")]
    pub fn warmup(&self, series: SeriesId) -> (u32, u32) {
        let seen = self.series.get(series.index()).and_then(Option::as_ref);
        let seen = seen.map_or(0.0, |series| series.windows.rows());
        (seen.min(WARM_UP) as u32, WARM_UP as u32)
    }

    /// Takes the next value of a series; NaN is absent, and so are infinite values and those
    /// beyond 1e150. None if the series is not watched.
    pub fn update(&mut self, series: SeriesId, value: f64, at: Timestamp) -> Option<Verdict> {
        let series = self.series.get_mut(series.index())?.as_mut()?;
        Some(if value.abs() <= crate::anchor::MAGNITUDE_MAX {
            series.update(value, at, self.families)
        } else {
            series.alert.pass()
        })
    }
}
