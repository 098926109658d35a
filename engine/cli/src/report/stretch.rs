//! A stretch of a series or an entity as inline SVG, with what a detector says of it: band,
//! expected value, p-value.

use std::fmt::Write as _;

use theriac_contract::Timestamp;

use super::{
    strip::{AXIS, GAP, LEFT, MANY_CHANNELS, RIGHT, TOP, WIDTH, label, path, range, time_axis, varies},
    style::{escape, short},
};

/// Ticks with what was said of them; all of one length.
pub(crate) struct Stretch {
    /// Begin of each tick.
    pub(crate) times: Vec<Timestamp>,
    /// Values, `[channels][ticks]`; NaN where there is none.
    pub(crate) channels: Vec<Vec<f64>>,
    /// Expected value; NaN where none is expected.
    pub(crate) expected: Vec<f64>,
    /// Low end of the band; NaN where there is none.
    pub(crate) low: Vec<f64>,
    /// High end of it.
    pub(crate) high: Vec<f64>,
    /// P-values.
    pub(crate) p_value: Vec<f64>,
    /// The tick that it is about.
    pub(crate) place: usize,
}

/// Height of the values of one series.
const VALUES: f64 = 130.0;
/// Height of the p-values.
const P_VALUES: f64 = 54.0;
/// Decades of p that are drawn at least.
const DECADES_MIN: f64 = 4.0;
/// Height of a caption.
const CAPTION: f64 = 20.0;
/// The colours of pages on white, which a file cannot take from one.
const STYLE_OF_FILE: &str = "text{font:11px system-ui,sans-serif;fill:#667085}path{fill:none;stroke-width:1}.line{stroke:#2f6fde}.expected{stroke:#12805c;stroke-dasharray:4 3}.band{fill:#12805c;opacity:.13}.p{stroke:#b54708}.base{stroke:#e4e7ec}.mark{stroke:#d92d20;opacity:.5}";

impl Stretch {
    /// The SVG element, for a page.
    pub(super) fn svg(&self) -> String {
        let (drawn, height) = self.drawn();
        format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\">{drawn}</svg>")
    }

    /// The same as a file of its own, `caption` above it.
    pub(super) fn file(&self, caption: &str) -> String {
        let (drawn, height) = self.drawn();
        let (caption, whole) = (escape(caption), height + CAPTION);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 -{CAPTION} {WIDTH} {whole:.0}\" role=\"img\"><style>{STYLE_OF_FILE}</style><rect y=\"-{CAPTION}\" width=\"100%\" height=\"100%\" fill=\"#fff\" /><text x=\"{LEFT}\" y=\"-6\">{caption}</text>{drawn}</svg>\n"
        )
    }

    /// What is in it, and its height.
    fn drawn(&self) -> (String, f64) {
        let rows = self.times.len();
        let x = |row: f64| LEFT + row / (rows as f64 - 1.0).max(1.0) * (WIDTH - LEFT - RIGHT);
        let mut svg = String::new();
        let values_end = match &self.channels[..] {
            [one] => {
                self.one(&mut svg, one, x);
                TOP + VALUES
            }
            many => {
                let moving: Vec<_> = many.iter().enumerate().filter(|(_, values)| varies(values)).collect();
                for (lane, (channel, values)) in moving.iter().enumerate() {
                    let top = TOP + MANY_CHANNELS * lane as f64;
                    let (low, high) = range(values);
                    let y = |value: f64| top + 2.0 + (high - value) / (high - low) * (MANY_CHANNELS - 4.0);
                    let _ = write!(svg, "<path class=\"line\" d=\"{}\" />", path(values, x, y));
                    label(&mut svg, top + MANY_CHANNELS - 3.0, &format!("#{channel}"));
                }
                TOP + MANY_CHANNELS * moving.len() as f64
            }
        };
        let top = values_end + 2.0 * GAP;
        let bottom = top + P_VALUES;
        let decades: Vec<f64> = self.p_value.iter().map(|p| -libm::log10(*p)).collect();
        // A power of ten is one, whatever its logarithm is to the last bit.
        let most = libm::ceil(range(&decades).1 - 1e-9).max(DECADES_MIN);
        let y = |decades: f64| top + decades / most * P_VALUES;
        let _ = write!(
            svg,
            "<line class=\"base\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{top:.1}\" y2=\"{top:.1}\" /><line class=\"base\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{bottom:.1}\" y2=\"{bottom:.1}\" /><path class=\"p\" d=\"{}\" />",
            path(&decades, x, y),
            right = WIDTH - RIGHT,
        );
        label(&mut svg, top + 8.0, "p = 1");
        label(&mut svg, bottom, &format!("1e-{most:.0}"));
        let at = x(self.place as f64);
        let _ = write!(
            svg,
            "<line class=\"mark\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\" />"
        );
        time_axis(&mut svg, &self.times, x, bottom + 13.0);
        (svg, bottom + AXIS)
    }

    /// Values with band and expected value, which may reach beyond what is shown.
    fn one(&self, svg: &mut String, values: &[f64], x: impl Fn(f64) -> f64 + Copy) {
        let (low, high) = range(values);
        let room = if high > low { 0.15 * (high - low) } else { 1.0 };
        let (bottom, top) = (low - room, high + room);
        let y = |value: f64| TOP + ((top - value) / (top - bottom)).clamp(0.0, 1.0) * VALUES;
        for run in runs(&self.low, &self.high) {
            let upper = run.clone().map(|row| (row, self.high[row]));
            let lower = run.rev().map(|row| (row, self.low[row]));
            let points: String = upper
                .chain(lower)
                .map(|(row, value)| format!("{:.1},{:.1} ", x(row as f64), y(value)))
                .collect();
            let _ = write!(svg, "<polygon class=\"band\" points=\"{points}\" />");
        }
        let _ = write!(
            svg,
            "<path class=\"line\" d=\"{}\" /><path class=\"expected\" d=\"{}\" />",
            path(values, x, y),
            path(&self.expected, x, y)
        );
        label(svg, y(high) + 4.0, &short(high));
        if high > low {
            label(svg, y(low) + 4.0, &short(low));
        }
    }
}

/// Rows in which both ends of the band are there, without a gap.
fn runs(low: &[f64], high: &[f64]) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    let there =
        (0..).zip(low.iter().zip(high)).filter(|(_, (low, high))| low.is_finite() && high.is_finite());
    for (row, _) in there {
        match runs.last_mut() {
            Some(run) if run.end == row => run.end += 1,
            _ => runs.push(row..row + 1),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_broken_where_there_is_none_and_stays_inside() {
        let mut low = vec![-1e6; 20];
        low[7] = f64::NAN;
        assert_eq!(runs(&low, &[1.0; 20]), [0..7, 8..20]);
        let stretch = Stretch {
            times: (0..20).map(Timestamp).collect(),
            channels: vec![(0..20).map(f64::from).collect()],
            expected: vec![3.0; 20],
            high: vec![1e6; 20],
            p_value: vec![1e-9; 20],
            place: 3,
            low,
        };
        let svg = stretch.svg();
        assert_eq!(svg.matches("<polygon").count(), 2);
        assert!(svg.contains(&format!(",{:.1} ", TOP + VALUES)) && svg.contains("1e-9"));
    }

    #[test]
    fn of_many_channels_those_that_vary_are_drawn() {
        let nothing = vec![f64::NAN; 3];
        let stretch = Stretch {
            times: (0..3).map(Timestamp).collect(),
            channels: vec![vec![1.0; 3], vec![1.0, 2.0, 1.0]],
            expected: nothing.clone(),
            low: nothing.clone(),
            high: nothing,
            p_value: vec![1.0; 3],
            place: 1,
        };
        let svg = stretch.svg();
        assert!(svg.contains("#1<") && !svg.contains("#0<"));
    }
}
