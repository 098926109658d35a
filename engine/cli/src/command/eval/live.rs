//! The live path as an evaluation sees it: rows in, ticks or two scores a row out.
//!
//! This is the only place that reads what the stages say. A lasting score covers an anomaly
//! for as long as it stands, for measures that look at every row; an alert is its edge, for
//! the benchmark that counts alerts.

use anyhow::Result;
use serde::Deserialize;
use theriac_contract::{
    Series, Snapshot, Telemetry, Tick, Timestamp,
    telemetry::{PointBuilder, PointKind, PointRow, Temporality},
};
use theriac_detect::{Detect, EVIDENCE_ALERTS, EVIDENCE_MAX};
use theriac_monitor::Monitor;

use crate::config::Config;

/// Rows of one entity, in the order of the file.
pub(in crate::command) struct Rows<'a> {
    /// Time of each row. Not always ascending, and some may repeat.
    pub(in crate::command) times: &'a [Timestamp],
    /// Values, `[channels][rows]`; NaN where there is none.
    pub(in crate::command) channels: Vec<&'a [f64]>,
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

/// Where the records detector alerts; it does so by itself, and its strength only says how clearly.
pub(super) const FIXED: Fixed =
    Fixed { lasting: 0.5, alert: EVIDENCE_ALERTS / EVIDENCE_MAX, told: "two decades of evidence" };

/// What is said of an entity as a whole where it is three times as unusual as it is on average.
const ENTITY_ALERTS: f64 = 2.0 * std::f64::consts::LN_2;

/// How much the score of its series, between 0 and 1, adds to that of an entity.
const SERIES_COUNT: f64 = 0.5;

/// Rows of a batch: many, but far fewer than a file, so that nothing can be gained by
/// looking at a file as a whole.
const BATCH_ROWS: usize = 256;

/// One score for each row, by the stages as they run in the service. Each call starts from nothing.
pub(super) fn rows(config: &Config, rows: &Rows<'_>) -> Result<Vec<RowScore>> {
    let mut judge = Judge {
        detect: Detect::new(config.detect.clone()),
        times: rows.times,
        lasting: vec![0.0; rows.channels.len()],
        channel_of_series: Vec::new(),
        scores: vec![RowScore::default(); rows.times.len()],
        waiting: 0,
    };
    ticks(&config.monitor, rows, |tick, until| judge.tick(tick, until))?;
    Ok(judge.scores)
}

/// Sends rows through the monitor. `take` gets each tick, and how many rows went in before it.
pub(in crate::command) fn ticks(
    settings: &theriac_monitor::Settings,
    rows: &Rows<'_>,
    mut take: impl FnMut(&Tick, usize) -> Result<()>,
) -> Result<()> {
    let mut monitor = Monitor::new(settings.clone());
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
        while let Some(tick) = monitor.seal() {
            take(&tick, first + chunk.len())?;
        }
    }
    monitor.finish();
    while let Some(tick) = monitor.seal() {
        take(&tick, rows.times.len())?;
    }
    Ok(())
}

/// Which channel of [`Rows`] a series of [`ticks`] is.
pub(in crate::command) fn channel(series: &Series) -> Result<usize> {
    let attribute: ChannelAttribute = serde_json::from_str(&series.attributes)?;
    Ok(attribute.channel.parse()?)
}

/// What tells the channels of an entity apart.
#[derive(Deserialize)]
struct ChannelAttribute {
    channel: String,
}

/// Takes sealed ticks and says which row each speaks of.
struct Judge<'a> {
    detect: Detect,
    times: &'a [Timestamp],
    /// By channel, decades.
    lasting: Vec<f64>,
    channel_of_series: Vec<usize>,
    scores: Vec<RowScore>,
    /// The first row that no tick has spoken of.
    waiting: usize,
}

impl Judge<'_> {
    /// A tick, after `until` rows went in.
    fn tick(&mut self, tick: &Tick, until: usize) -> Result<()> {
        for series in &tick.opened {
            self.channel_of_series.push(channel(series)?);
        }
        self.detect.step(tick, &Snapshot::default());
        if let Some(row) = self.last_row_of(tick, until) {
            let score = &mut self.scores[row];
            for (reading, channel) in self.detect.readings().iter().zip(&self.channel_of_series) {
                self.lasting[*channel] = reading.lasting;
                if reading.alert {
                    score.alert = score.alert.max(reading.evidence / EVIDENCE_MAX);
                }
            }
            let lasting: f64 = self.lasting.iter().sum();
            score.lasting = lasting / (lasting + EVIDENCE_ALERTS);
            // An entity that is judged as a whole says more than the sum of its series, which speak
            // before it can.
            if let Some((_, entity)) = self.detect.entity_readings().next() {
                // Its edge is the alert, then: each of many series would alert by itself.
                let decades = (-libm::log10(entity.p_value)).min(EVIDENCE_MAX);
                score.alert = if entity.edge { decades / EVIDENCE_MAX } else { 0.0 };
                let lasting = entity.lasting + SERIES_COUNT * score.lasting;
                score.lasting = lasting / (lasting + ENTITY_ALERTS);
            }
            self.waiting = row + 1;
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

#[cfg(test)]
mod tests {
    use theriac_contract::Interval;

    use super::*;

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
            super::rows(&config, &Rows { times: &times[..rows], channels }).unwrap()
        };
        let all = score(900);
        assert!(all[700].alert >= FIXED.alert, "{:?}", all[700]);
        assert!(all[720].lasting > 0.2, "it lasts: {:?}", all[720]);
        assert!(
            all.iter()
                .all(|score| (0.0..=1.0).contains(&score.lasting) && (0.0..=1.0).contains(&score.alert))
        );
        assert_eq!(all[..800], score(800)[..], "rows that come later change nothing");
    }
}
