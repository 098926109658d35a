//! Values beside each other as bars to the right and to the left of nothing, with their intervals, as inline
//! SVG.

use std::fmt::Write as _;

use super::{strip::WIDTH, style::escape};

/// One bar.
pub(crate) struct Bar {
    /// What, to the left.
    pub(crate) name: String,
    /// In figures, to the right.
    pub(crate) told: String,
    /// Its value; none where there is none.
    pub(crate) value: Option<f64>,
    /// Where the true one lies.
    pub(crate) interval: Option<(f64, f64)>,
    /// Single values that it is the mean of.
    pub(crate) dots: Vec<f64>,
    /// Whether it is set off from the others.
    pub(crate) apart: bool,
}

/// Bars over one axis.
pub(crate) struct Bars {
    /// Heading.
    pub(crate) title: String,
    /// Left and right end of the axis; values beyond are drawn at it.
    pub(crate) axis: (f64, f64),
    /// What is hoped for, if anything is.
    pub(crate) goal: Option<f64>,
    /// The bars, from above.
    pub(crate) bars: Vec<Bar>,
}

const NAMES: f64 = 250.0;
const TOLD: f64 = 150.0;
const TOP: f64 = 20.0;
const ROW: f64 = 19.0;
/// Characters of a name that there is room for.
const NAME_MAX: usize = 40;

impl Bars {
    /// The SVG element; a sentence if there is nothing to draw.
    pub(crate) fn svg(&self) -> String {
        if self.bars.is_empty() {
            return "<p class=quiet>nothing to draw</p>".to_owned();
        }
        let (from, to) = self.axis;
        let x = |value: f64| {
            let share = (value.clamp(from, to) - from) / (to - from);
            NAMES + share * (WIDTH - NAMES - TOLD)
        };
        let bottom = TOP + ROW * self.bars.len() as f64;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=img aria-label=\"{}\">",
            bottom + 8.0,
            escape(&self.title)
        );
        for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let value = from + quarter * (to - from);
            let at = x(value);
            let _ = write!(
                svg,
                "<line class=base x1={at:.1} x2={at:.1} y1={TOP} y2={bottom:.1} /><text x={at:.1} y=12 text-anchor=middle>{value}</text>"
            );
        }
        for (row, bar) in self.bars.iter().enumerate() {
            let top = TOP + ROW * row as f64;
            Self::bar(&mut svg, bar, top, x);
        }
        if let Some(goal) = self.goal {
            let at = x(goal);
            let _ = write!(svg, "<line class=goal x1={at:.1} x2={at:.1} y1={TOP} y2={bottom:.1} />");
        }
        svg.push_str("</svg>");
        svg
    }

    fn bar(svg: &mut String, bar: &Bar, top: f64, x: impl Fn(f64) -> f64) {
        let middle = top + ROW / 2.0;
        let name: String = bar.name.chars().take(NAME_MAX).collect();
        let _ = write!(
            svg,
            "<text x={:.1} y={:.1} text-anchor=end>{}</text><text x={:.1} y={:.1}>{}</text>",
            NAMES - 10.0,
            middle + 4.0,
            escape(&name),
            WIDTH - TOLD + 10.0,
            middle + 4.0,
            escape(&bar.told)
        );
        if let Some(value) = bar.value {
            let (a, b) = (x(0.0).min(x(value)), x(0.0).max(x(value)));
            let class = match (bar.apart, value < 0.0) {
                (true, _) => "column apart",
                (_, true) => "column below",
                _ => "column",
            };
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x={a:.1} y={:.1} width={:.1} height={:.1} />",
                top + 3.0,
                (b - a).max(1.0),
                ROW - 6.0
            );
        }
        for dot in &bar.dots {
            let _ = write!(svg, "<circle class=dot cx={:.1} cy={middle:.1} r=2.2 />", x(*dot));
        }
        if let Some((low, high)) = bar.interval {
            let (a, b) = (x(low), x(high));
            let _ =
                write!(svg, "<path class=whisker d=\"M{a:.1} {:.1}v8m0 -4H{b:.1}m0 -4v8\" />", middle - 4.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_to_both_sides_and_stay_on_the_axis() {
        let bar = |value: f64, interval: Option<(f64, f64)>| Bar {
            name: "x<y".to_owned(),
            told: "t".to_owned(),
            value: Some(value),
            interval,
            dots: vec![value],
            apart: false,
        };
        let bars = Bars {
            title: "t".to_owned(),
            axis: (-1.0, 1.0),
            goal: Some(0.5),
            bars: vec![bar(-0.5, None), bar(0.5, Some((0.25, 7.0)))],
        };
        let svg = bars.svg();
        let (zero, half) = (NAMES + (WIDTH - NAMES - TOLD) / 2.0, (WIDTH - NAMES - TOLD) / 4.0);
        let left = format!("class=\"column below\" x={:.1} y=23.0 width={half:.1}", zero - half);
        let right = format!("class=\"column\" x={zero:.1} y=42.0 width={half:.1}");
        assert!(svg.contains(&left) && svg.contains(&right), "{svg}");
        assert!(
            svg.contains(&format!("H{:.1}m0", WIDTH - TOLD)),
            "what lies beyond is drawn at the end: {svg}"
        );
        assert!(svg.contains("x&lt;y") && svg.matches("class=goal").count() == 1);
    }
}
