//! The live path as an evaluation sees it: rows in, two scores a row out.
//!
//! This is the only place that reads what the stages say. A lasting score covers an anomaly
//! for as long as it stands, for measures that look at every row; an alert is its edge, for
//! the benchmark that counts alerts.

use anyhow::Result;
use serde::Deserialize;
use theriac_contract::{
    Telemetry, Tick, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_detect::{Detect, Reading};
use theriac_monitor::Monitor;

use crate::config::Config;

/// Rows of one entity, in the order of the file.
pub(super) struct Rows<'a> {
    /// Time of each row. Not always ascending, and some may repeat.
    pub(super) times: &'a [Timestamp],
    /// Values, `[channels][rows]`; NaN where there is none.
    pub(super) channels: Vec<&'a [f64]>,
}

/// What is said of one row, from nothing that comes after its tick. Both lie between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RowScore {
    /// Stays up while the anomaly stands, and decays.
    pub(super) lasting: f64,
    /// The strength of an alert at the row that raised it, else 0.
    pub(super) alert: f64,
}

/// Thresholds that are fixed beforehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fixed {
    /// Of [`RowScore::lasting`].
    pub(super) lasting: f64,
    /// Of [`RowScore::alert`].
    pub(super) alert: f64,
    /// What they mean, in words.
    pub(super) told: &'static str,
}

/// A way of scoring rows in one pass.
pub(super) trait LivePath {
    /// One score for each row. Each call starts from nothing.
    fn rows(&self, rows: &Rows<'_>) -> Result<Vec<RowScore>>;

    /// The thresholds that go with these scores.
    fn fixed(&self) -> Fixed;
}

/// The live path that evaluations run.
pub(super) fn path(config: &Config) -> impl LivePath + '_ {
    PValues { config }
}

/// Monitor and detect as they run in the service; both scores from the fused p-value.
struct PValues<'a> {
    config: &'a Config,
}

/// Rows of a batch: many, but far fewer than a file, so that nothing can be gained by
/// looking at a file as a whole.
const BATCH_ROWS: usize = 256;

/// After an alert, weaker ones are held back for this share of the rows seen so far.
const REFRACTORY_SHARE: f64 = 0.02;

/// The decimal exponent of the p-value that gives the alert 1: detectors stop there.
const EXPONENT_MAX: f64 = 300.0;

/// The decimal exponent of the p-value that is fixed beforehand as an anomaly; where the
/// lasting score is 1/2.
const EXPONENT_FIXED: f64 = 6.0;

/// A lasting score halves within about this share of the rows seen so far, but not faster
/// than in [`HELD_ROWS`].
const HELD_SHARE: f64 = 1.0 / 64.0;
const HELD_ROWS: f64 = 8.0;

impl LivePath for PValues<'_> {
    fn rows(&self, rows: &Rows<'_>) -> Result<Vec<RowScore>> {
        let mut scores = vec![RowScore::default(); rows.times.len()];
        for surprise in surprises(self.config, rows)? {
            for ((score, alert), held) in scores.iter_mut().zip(edges(&surprise)).zip(held(&surprise)) {
                score.alert = score.alert.max(alert);
                score.lasting += held;
            }
        }
        for score in &mut scores {
            score.lasting /= score.lasting + EXPONENT_FIXED;
        }
        Ok(scores)
    }

    fn fixed(&self) -> Fixed {
        Fixed { lasting: 0.5, alert: EXPONENT_FIXED / EXPONENT_MAX, told: "p = 1e-6" }
    }
}

/// What tells the channels of an entity apart.
#[derive(Deserialize)]
struct ChannelAttribute {
    channel: String,
}

/// `-log10(p)` of each channel and row. A row that came too late to be judged has 0.
fn surprises(config: &Config, rows: &Rows<'_>) -> Result<Vec<Vec<f64>>> {
    let mut monitor = Monitor::new(config.monitor.clone());
    let mut judge = Judge {
        detect: Detect::new(config.detect.clone()),
        times: rows.times,
        channel_of_series: Vec::new(),
        surprise: vec![vec![0.0; rows.times.len()]; rows.channels.len()],
        waiting: 0,
    };
    let attributes: Vec<String> =
        (0..rows.channels.len()).map(|channel| format!("{{\"channel\":\"{channel}\"}}")).collect();
    let mut points = PointBuilder::default();
    for (first, chunk) in (0..).step_by(BATCH_ROWS).zip(rows.times.chunks(BATCH_ROWS)) {
        for (row, time) in (first..).zip(chunk) {
            for (channel, attributes) in rows.channels.iter().zip(&attributes) {
                if channel[row].is_nan() {
                    continue;
                }
                points.push(&PointRow {
                    time: *time,
                    start_time: None,
                    resource: "{\"service.name\":\"evaluated\"}",
                    scope: "{}",
                    // The names of files and columns tell what they hold; the detectors are not to know.
                    name: "value",
                    unit: "",
                    attributes,
                    kind: PointKind::Gauge,
                    temporality: Temporality::Unspecified,
                    monotonic: false,
                    value: Some(channel[row]),
                    histogram: None,
                });
            }
        }
        monitor.push(&[Telemetry::Points(points.finish())])?;
        judge.ticks(&mut monitor, first + chunk.len())?;
    }
    monitor.finish();
    judge.ticks(&mut monitor, rows.times.len())?;
    Ok(judge.surprise)
}

/// Takes sealed ticks and says which row each speaks of.
struct Judge<'a> {
    detect: Detect,
    times: &'a [Timestamp],
    channel_of_series: Vec<usize>,
    surprise: Vec<Vec<f64>>,
    /// The first row that no tick has spoken of.
    waiting: usize,
}

impl Judge<'_> {
    /// All ticks that are sealed, after `until` rows went in.
    fn ticks(&mut self, monitor: &mut Monitor, until: usize) -> Result<()> {
        while let Some(tick) = monitor.seal() {
            for series in &tick.opened {
                let attribute: ChannelAttribute = serde_json::from_str(&series.attributes)?;
                self.channel_of_series.push(attribute.channel.parse()?);
            }
            self.detect.step(&tick, 0);
            if let Some(row) = self.last_row_of(&tick, until) {
                for (reading, channel) in self.detect.readings().iter().zip(&self.channel_of_series) {
                    self.surprise[*channel][row] = exponent(reading);
                }
                self.waiting = row + 1;
            }
        }
        Ok(())
    }

    /// Rows lie in the order of the file; a tick is told by the last of its rows.
    fn last_row_of(&self, tick: &Tick, until: usize) -> Option<usize> {
        let mut last = None;
        for row in self.waiting..until {
            let at = self.times[row];
            if at >= tick.start && at < tick.end() {
                last = Some(row);
            } else if at >= tick.end() {
                break;
            }
        }
        last
    }
}

/// `-log10(p)`, capped at [`EXPONENT_MAX`].
fn exponent(reading: &Reading) -> f64 {
    (-libm::log10(reading.p_value)).clamp(0.0, EXPONENT_MAX)
}

/// Keeps the first row of each episode: a row is silent while a stronger or equal one lies
/// within the refractory time before it.
fn edges(surprise: &[f64]) -> Vec<f64> {
    let mut last: Option<(usize, f64)> = None;
    let mut alerts = vec![0.0; surprise.len()];
    for (row, value) in surprise.iter().enumerate() {
        let hold = (REFRACTORY_SHARE * row as f64) as usize;
        let held = last.is_some_and(|(at, strength)| row - at <= hold && *value <= strength);
        if *value > 0.0 && !held {
            alerts[row] = value / EXPONENT_MAX;
            last = Some((row, *value));
        }
    }
    alerts
}

/// The strongest surprise so far, decayed since.
fn held(surprise: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let mut level = 0.0_f64;
    surprise.iter().enumerate().map(move |(row, value)| {
        level = value.max(level * (1.0 - 1.0 / (HELD_SHARE * (row + 1) as f64 + HELD_ROWS)));
        level
    })
}

#[cfg(test)]
mod tests {
    use theriac_contract::Interval;

    use super::*;

    #[test]
    fn an_episode_alerts_once_unless_it_grows() {
        let mut surprise = vec![0.0; 1_000];
        surprise[500..520].fill(6.0);
        surprise[505] = 12.0;
        surprise[600] = 6.0;
        let scores = edges(&surprise);
        let rows: Vec<usize> = (0..1_000).filter(|row| scores[*row] > 0.0).collect();
        assert_eq!(rows, [500, 505, 516, 600]);
    }

    #[test]
    fn what_lasts_decays_until_something_stronger_comes() {
        let mut surprise = vec![0.0; 400];
        surprise[100] = 10.0;
        surprise[110] = 20.0;
        let held: Vec<f64> = held(&surprise).collect();
        assert!(held[..100].iter().all(|level| *level == 0.0));
        assert!(held[100] == 10.0 && held[109] < 10.0 && held[109] > 2.0);
        assert!(held[110] == 20.0 && held[110..].windows(2).all(|pair| pair[0] > pair[1]));
    }

    /// A quiet channel beside one that jumps: same entity, one score a row, from the past alone.
    #[test]
    fn channels_of_an_entity_are_scored_together_and_only_from_the_past() {
        let config = Config::default();
        let times: Vec<Timestamp> =
            (0..900).map(|row| Timestamp(0).plus(Interval::from_seconds(60 * row))).collect();
        let quiet: Vec<f64> = (0..900).map(|row| f64::from(row * 7 % 13)).collect();
        let mut jumps: Vec<f64> = (0..900).map(|row| f64::from(row * 5 % 11)).collect();
        jumps[700..].iter_mut().for_each(|value| *value += 500.0);
        let score = |rows: usize| {
            let channels = vec![&quiet[..rows], &jumps[..rows]];
            path(&config).rows(&Rows { times: &times[..rows], channels }).unwrap()
        };
        let all = score(900);
        assert!(all[700].alert >= path(&config).fixed().alert, "{:?}", all[700]);
        assert!(all[720].lasting > 0.2, "it lasts: {:?}", all[720]);
        assert!(
            all.iter()
                .all(|score| (0.0..=1.0).contains(&score.lasting) && (0.0..=1.0).contains(&score.alert))
        );
        assert_eq!(all[..800], score(800)[..], "rows that come later change nothing");
    }
}
