//! A line over time as inline SVG: nothing is loaded from anywhere.

use std::fmt::Write as _;

use super::style::short;

/// One plot, `width` by `height` in pixels of the page.
pub(crate) struct Plot<'a> {
    /// Values against seconds, in order; gaps are NaN.
    pub(crate) values: &'a [(f64, f64)],
    /// Expected band, low and high.
    pub(crate) band: Option<(f64, f64)>,
    /// Shaded span of seconds: the fault.
    pub(crate) shade: (f64, f64),
    /// Vertical marks: seconds, CSS class, word.
    pub(crate) marks: Vec<(f64, &'static str, String)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 170.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 22.0;
const TOP: f64 = 16.0;

impl Plot<'_> {
    /// The SVG element; a sentence if there is nothing to draw.
    pub(crate) fn svg(&self, title: &str) -> String {
        let finite: Vec<(f64, f64)> =
            self.values.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let (Some(first), Some(last)) = (finite.first(), finite.last()) else {
            return "<p class=quiet>no values to draw</p>".to_owned();
        };
        let span = (last.0 - first.0).max(1.0);
        let mut low = finite.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let mut high = finite.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
        if let Some((band_low, band_high)) = self.band {
            low = low.min(band_low);
            high = high.max(band_high);
        }
        let room = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-9);
        (low, high) = (low - room, high + room);
        let x = |seconds: f64| LEFT + (seconds - first.0) / span * (WIDTH - LEFT - 8.0);
        let y = |value: f64| TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
        let inside = |seconds: f64| x(seconds.clamp(first.0, last.0));
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"{title}\">");
        let (from, to) = (inside(self.shade.0), inside(self.shade.1));
        let _ = write!(
            svg,
            "<rect class=fault x={from:.1} y={TOP} width={:.1} height={:.1} />",
            (to - from).max(1.0),
            HEIGHT - TOP - BOTTOM
        );
        if let Some((band_low, band_high)) = self.band {
            let _ = write!(
                svg,
                "<rect class=band x={LEFT} y={:.1} width={:.1} height={:.1} />",
                y(band_high),
                WIDTH - LEFT - 8.0,
                (y(band_low) - y(band_high)).max(1.0)
            );
        }
        for value in [low + room, (low + high) / 2.0, high - room] {
            let _ = write!(
                svg,
                "<text class=axis x={:.1} y={:.1} text-anchor=end>{}</text>",
                LEFT - 6.0,
                y(value) + 4.0,
                short(value)
            );
        }
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let seconds = first.0 + span * share;
            let _ = write!(
                svg,
                "<text class=axis x={:.1} y={:.1} text-anchor=middle>{:.0} s</text>",
                x(seconds).min(WIDTH - 24.0),
                HEIGHT - 6.0,
                seconds
            );
        }
        svg.push_str("<polyline class=line points=\"");
        for (seconds, value) in &finite {
            let _ = write!(svg, "{:.1},{:.1} ", x(*seconds), y(*value));
        }
        svg.push_str("\" />");
        for (position, (seconds, class, word)) in self.marks.iter().enumerate() {
            let at = inside(*seconds);
            let height = TOP - 4.0 + 12.0 * (position % 3) as f64;
            let _ = write!(
                svg,
                "<line class={class} x1={at:.1} x2={at:.1} y1={TOP} y2={:.1} /><text class={class} x={:.1} y={height:.1}>{word}</text>",
                HEIGHT - BOTTOM,
                at + 3.0
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
    fn draws_every_point_and_mark_inside_the_frame() {
        let values: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i), f64::from(i % 7))).collect();
        let plot = Plot {
            values: &values,
            band: Some((1.0, 3.0)),
            shade: (10.0, 400.0),
            marks: vec![(12.0, "seen", "detected".to_owned())],
        };
        let svg = plot.svg("x");
        let points = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert_eq!(points.split_whitespace().count(), 50);
        for point in points.split_whitespace() {
            let (x, y) = point.split_once(',').unwrap();
            assert!(
                (0.0..=WIDTH).contains(&x.parse().unwrap()) && (0.0..=HEIGHT).contains(&y.parse().unwrap())
            );
        }
        assert!(svg.contains("detected"));
    }
}
