//! A file of an evaluation as inline SVG: values, windows, lasting score, alerts; and curves
//! over thresholds.
//!
//! A file has many more rows than the page has pixels: of the rows that share a pixel the least
//! and the greatest value are drawn, so that no spike is lost.

use std::{collections::BTreeSet, fmt::Write as _};

use theriac_contract::Timestamp;
use theriac_datasets::scoring::Segment;

use super::style::{escape, short};

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sight {
    /// Below the threshold.
    Weak,
    /// Where nothing is scored.
    Uncounted,
    /// Outside of windows.
    False,
    /// In a window.
    Hit,
}

impl Sight {
    /// Its class in the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Weak => "weak",
            Self::Uncounted => "uncounted",
            Self::False => "false",
            Self::Hit => "hit",
        }
    }
}

/// An alert of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alert {
    /// Row, from 0.
    pub(crate) row: usize,
    /// What became of it.
    pub(crate) sight: Sight,
}

/// One file.
pub(crate) struct FilePlot<'a> {
    /// Name, unique on the page.
    pub(crate) name: &'a str,
    /// Under which it stands.
    pub(crate) category: &'a str,
    /// A line of figures.
    pub(crate) caption: String,
    /// Time of each row.
    pub(crate) times: &'a [Timestamp],
    /// Values, `[channels][rows]`.
    pub(crate) channels: Vec<&'a [f64]>,
    /// What is labelled.
    pub(crate) windows: Vec<Segment>,
    /// Rows at the start that are not scored, or warm up.
    pub(crate) warmup: usize,
    /// Lasting score of each row, 0 to 1.
    pub(crate) lasting: Vec<f64>,
    /// Alerts, in order.
    pub(crate) alerts: Vec<Alert>,
}

pub(super) const WIDTH: f64 = 920.0;
pub(super) const LEFT: f64 = 58.0;
pub(super) const RIGHT: f64 = 8.0;
/// Pixels across.
const COLUMNS: usize = 854;
pub(super) const TOP: f64 = 8.0;
const ONE_CHANNEL: f64 = 120.0;
pub(super) const MANY_CHANNELS: f64 = 13.0;
pub(super) const GAP: f64 = 8.0;
const SCORE: f64 = 34.0;
pub(super) const AXIS: f64 = 18.0;

impl FilePlot<'_> {
    /// The SVG element.
    pub(super) fn svg(&self) -> String {
        let rows = self.times.len();
        if rows == 0 {
            return "<p class=quiet>no rows</p>".to_owned();
        }
        let drawn: Vec<(usize, &[f64])> = match &self.channels[..] {
            [one] => vec![(0, *one)],
            many => many.iter().copied().enumerate().filter(|(_, values)| varies(values)).collect(),
        };
        let height = if self.channels.len() == 1 { ONE_CHANNEL } else { MANY_CHANNELS };
        let score_top = TOP + height * drawn.len() as f64 + GAP;
        let bottom = score_top + SCORE;
        let x = |row: f64| LEFT + row / (rows as f64 - 1.0).max(1.0) * (WIDTH - LEFT - RIGHT);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=img aria-label=\"{}\">",
            bottom + AXIS,
            escape(self.name)
        );
        let mut shade = |class: &str, first: f64, last: f64| {
            let width = (x(last) - x(first)).max(1.0);
            let _ = write!(
                svg,
                "<rect class={class} x={:.1} y={TOP} width={width:.1} height={:.1} />",
                x(first),
                bottom - TOP
            );
        };
        if self.warmup > 0 {
            shade("warm", 0.0, (self.warmup.min(rows) - 1) as f64);
        }
        for window in &self.windows {
            shade("window", window.first as f64, window.last as f64);
        }
        for (place, (channel, values)) in drawn.iter().enumerate() {
            let top = TOP + height * place as f64;
            let (low, high) = range(values);
            let span = if high > low { high - low } else { 1.0 };
            let y = |value: f64| top + 2.0 + (high - value) / span * (height - 4.0);
            let _ = write!(svg, "<path class=line d=\"{}\" />", path(values, x, y));
            if self.channels.len() > 1 {
                label(&mut svg, top + height - 3.0, &format!("#{channel}"));
            } else {
                label(&mut svg, top + 10.0, &short(high));
                label(&mut svg, top + height, &short(low));
            }
        }
        let y = |score: f64| score_top + (1.0 - score) * SCORE;
        let _ = write!(
            svg,
            "<path class=score d=\"{}\" /><line class=base x1={LEFT} x2={:.1} y1={bottom:.1} y2={bottom:.1} />",
            path(&self.lasting, x, y),
            WIDTH - RIGHT
        );
        label(&mut svg, score_top + SCORE / 2.0 + 4.0, "score");
        self.draw_alerts(&mut svg, x, score_top, bottom);
        time_axis(&mut svg, self.times, x, bottom + 13.0);
        svg.push_str("</svg>");
        svg
    }

    /// Alerts that share a pixel and a fate are drawn once.
    fn draw_alerts(&self, svg: &mut String, x: impl Fn(f64) -> f64, score_top: f64, bottom: f64) {
        let mut drawn = BTreeSet::new();
        let mut alerts: Vec<&Alert> = self.alerts.iter().collect();
        alerts.sort_by_key(|alert| (alert.sight, alert.row));
        for alert in alerts {
            let at = x(alert.row as f64);
            let class = alert.sight.class();
            if !drawn.insert((at.round() as u64, alert.sight)) {
                continue;
            }
            if alert.sight == Sight::Weak {
                let _ = write!(
                    svg,
                    "<line class=weak x1={at:.1} x2={at:.1} y1={:.1} y2={bottom:.1} />",
                    score_top + SCORE * 0.7
                );
                continue;
            }
            let time = self.times[alert.row].to_string()[..16].replace('T', " ");
            let _ = write!(
                svg,
                "<g class={class}><title>row {}, {time}</title><line x1={at:.1} x2={at:.1} y1={TOP} y2={bottom:.1} /><path d=\"M{:.1} 1h8l-4 7z\" /></g>",
                alert.row,
                at - 4.0
            );
        }
    }
}

/// Five of the times, below what is drawn over rows.
pub(super) fn time_axis(svg: &mut String, times: &[Timestamp], x: impl Fn(f64) -> f64, y: f64) {
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let row = (share * (times.len() - 1) as f64).round();
        let anchor = if share == 0.0 {
            "start"
        } else if share == 1.0 {
            "end"
        } else {
            "middle"
        };
        let time = times[row as usize].to_string()[..16].replace('T', " ");
        let _ = write!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{time}</text>", x(row));
    }
}

pub(super) fn label(svg: &mut String, y: f64, text: &str) {
    let _ = write!(svg, "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{text}</text>", LEFT - 6.0);
}

/// Least and greatest finite value.
pub(super) fn range(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

pub(super) fn varies(values: &[f64]) -> bool {
    let (low, high) = range(values);
    low < high
}

/// The extremes of the rows that share a pixel, in the order of rows; none where no row of a
/// pixel has a value.
fn extremes(values: &[f64]) -> Vec<Option<(usize, f64)>> {
    let each = values.len().div_ceil(COLUMNS).max(1);
    let mut points = Vec::new();
    for (pixel, chunk) in values.chunks(each).enumerate() {
        let rows = (pixel * each..).zip(chunk.iter().copied()).filter(|(_, value)| value.is_finite());
        let least = rows.clone().min_by(|a, b| a.1.total_cmp(&b.1));
        let greatest = rows.max_by(|a, b| a.1.total_cmp(&b.1));
        match least.zip(greatest) {
            None => points.push(None),
            Some((a, b)) if a.0 == b.0 => points.push(Some(a)),
            Some((a, b)) => {
                points.extend([Some(if a.0 < b.0 { a } else { b }), Some(if a.0 < b.0 { b } else { a })])
            }
        }
    }
    points
}

/// A line through the extremes, broken where values are missing; level stretches are one step.
pub(super) fn path(values: &[f64], x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let points = extremes(values);
    let mut path = String::new();
    let mut pen = 'M';
    for (index, point) in points.iter().enumerate() {
        let Some((row, value)) = point else {
            pen = 'M';
            continue;
        };
        let same = |other: Option<&Option<(usize, f64)>>| matches!(other, Some(Some((_, it))) if it == value);
        if pen == 'L' && same(points.get(index - 1)) && same(points.get(index + 1)) {
            continue;
        }
        let _ = write!(path, "{pen}{:.1} {:.1}", x(*row as f64), y(*value));
        pen = 'L';
    }
    path
}

/// A curve over thresholds.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Name, beside its end.
    pub(crate) name: String,
    /// Threshold and figure, thresholds ascending.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Figures over thresholds.
pub(crate) struct Sweep {
    /// Heading.
    pub(crate) title: String,
    /// Whether thresholds stand on a logarithmic scale.
    pub(crate) logarithmic: bool,
    /// Curves; what is below 0 is drawn at 0.
    pub(crate) lines: Vec<Line>,
    /// Thresholds with a word.
    pub(crate) marks: Vec<(f64, String)>,
}

impl Sweep {
    /// The SVG element.
    pub(crate) fn svg(&self) -> String {
        let height = 220.0;
        let all = self.lines.iter().flat_map(|line| &line.points);
        let (low, high) = all
            .clone()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (t, _)| (low.min(*t), high.max(*t)));
        let most = all.fold(0.0_f64, |most, (_, figure)| most.max(*figure));
        if !(low < high && most > 0.0) {
            return "<p class=quiet>nothing to draw</p>".to_owned();
        }
        let unit = libm::pow(10.0, libm::log10(most).floor());
        let top_figure = (most / unit).ceil() * unit;
        let scale = |t: f64| if self.logarithmic { libm::log10(t) } else { t };
        let share = |t: f64| ((scale(t) - scale(low)) / (scale(high) - scale(low))).clamp(0.0, 1.0);
        let x = |t: f64| LEFT + share(t) * (WIDTH - LEFT - 16.0);
        let y = |figure: f64| 26.0 + (1.0 - figure.max(0.0) / top_figure) * (height - 48.0);
        let mut svg =
            format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=img aria-label=\"{}\">", self.title);
        for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let figure = quarter * top_figure;
            let at = y(figure);
            let _ = write!(svg, "<line class=base x1={LEFT} x2={:.1} y1={at:.1} y2={at:.1} />", WIDTH - 16.0);
            label(&mut svg, at + 4.0, &short(figure));
            let t = if self.logarithmic {
                libm::pow(10.0, scale(low) + quarter * (scale(high) - scale(low)))
            } else {
                low + quarter * (high - low)
            };
            let _ = write!(
                svg,
                "<text x={:.1} y={:.1} text-anchor=middle>{}</text>",
                x(t).min(WIDTH - 30.0),
                height - 6.0,
                short(t)
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let points: String =
                line.points.iter().map(|(t, figure)| format!("{:.1},{:.1} ", x(*t), y(*figure))).collect();
            let _ = write!(
                svg,
                "<polyline class=\"line curve{index}\" points=\"{points}\" /><text class=curve{index} x={:.1} y=12>{}</text>",
                LEFT + 170.0 * index as f64,
                escape(&line.name)
            );
        }
        for (index, (threshold, word)) in self.marks.iter().enumerate() {
            let at = x(*threshold);
            let anchor = if at > WIDTH * 0.7 { "end" } else { "start" };
            let _ = write!(
                svg,
                "<line class=mark x1={at:.1} x2={at:.1} y1=26 y2={:.1} /><text x={:.1} y={:.1} text-anchor={anchor}>{}</text>",
                height - 22.0,
                at + if anchor == "end" { -4.0 } else { 4.0 },
                height - 28.0 - 13.0 * index as f64,
                escape(word)
            );
        }
        svg.push_str("</svg>");
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spike_is_lost_and_nothing_is_drawn_twice() {
        let mut values = vec![1.0; 50_000];
        values[31_234] = 9.0;
        values[31_235] = -9.0;
        values[40_000..45_000].fill(f64::NAN);
        let points = extremes(&values);
        assert!(points.len() <= 2 * COLUMNS, "{}", points.len());
        let found: Vec<usize> = points.iter().flatten().filter(|p| p.1 != 1.0).map(|p| p.0).collect();
        assert_eq!(found, [31_234, 31_235]);
        assert!(points.contains(&None));
        let drawn = path(&values, |row| row, |value| value);
        assert_eq!(drawn.matches('M').count(), 2, "broken where values are missing: {drawn}");
        assert!(drawn.len() < 200, "level stretches are one step: {drawn}");
    }

    #[test]
    fn a_file_of_many_channels_shows_those_that_vary() {
        let times: Vec<Timestamp> = (0..10).map(Timestamp).collect();
        let (still, moving) = ([1.0; 10], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        let plot = FilePlot {
            name: "a<b",
            category: "c",
            caption: String::new(),
            times: &times,
            channels: vec![&still, &moving, &moving],
            windows: vec![Segment { first: 2, last: 3 }],
            warmup: 1,
            lasting: vec![0.5; 10],
            alerts: vec![Alert { row: 2, sight: Sight::Hit }, Alert { row: 5, sight: Sight::False }],
        };
        let svg = plot.svg();
        assert!(svg.contains("a&lt;b") && !svg.contains("#0<") && svg.contains("#1<") && svg.contains("#2<"));
        for (class, count) in [("class=window", 1), ("class=warm", 1), ("class=hit", 1), ("class=false", 1)] {
            assert_eq!(svg.matches(class).count(), count, "{class}");
        }
    }
}
