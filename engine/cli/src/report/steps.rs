//! How many are still open, over time: steps with their bands and marks for those that were given up, as
//! inline SVG.

use std::fmt::Write as _;

use super::{
    strip::{LEFT, RIGHT, WIDTH, label},
    style::escape,
};

/// One curve.
pub(crate) struct Steps {
    /// Name, in the legend.
    pub(crate) name: String,
    /// Seconds, and the share that is open from then on.
    pub(crate) steps: Vec<(f64, f64)>,
    /// Low and high end of that share, for each step.
    pub(crate) bands: Vec<(f64, f64)>,
    /// Seconds at which somebody was given up.
    pub(crate) censored: Vec<f64>,
}

/// Curves over one axis.
pub(crate) struct StepPlot {
    /// Heading.
    pub(crate) title: String,
    /// The first is drawn with its band.
    pub(crate) curves: Vec<Steps>,
}

const TOP: f64 = 30.0;
const HEIGHT: f64 = 190.0;
/// Seconds that are named on the axis, where they are reached.
const NAMED: [f64; 9] = [0.0, 5.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0];

impl Steps {
    fn until(&self) -> f64 {
        self.steps.iter().map(|step| step.0).chain(self.censored.iter().copied()).fold(0.0, f64::max)
    }

    /// The share that is open at an instant.
    fn open(&self, at: f64) -> f64 {
        self.steps.iter().rfind(|step| step.0 <= at).map_or(1.0, |step| step.1)
    }
}

impl StepPlot {
    /// The SVG element; a sentence if there is nothing to draw. The axis is stretched at its beginning, by
    /// a square root: most things end soon, and a few never.
    pub(crate) fn svg(&self) -> String {
        let until = self.curves.iter().map(Steps::until).fold(0.0, f64::max);
        if until <= 0.0 {
            return "<p class=quiet>nothing to draw</p>".to_owned();
        }
        let x = |seconds: f64| LEFT + (seconds.max(0.0) / until).sqrt() * (WIDTH - LEFT - RIGHT);
        let y = |share: f64| TOP + (1.0 - share) * HEIGHT;
        let bottom = TOP + HEIGHT;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=img aria-label=\"{}\">",
            bottom + 20.0,
            escape(&self.title)
        );
        for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let at = y(quarter);
            let _ =
                write!(svg, "<line class=base x1={LEFT} x2={:.1} y1={at:.1} y2={at:.1} />", WIDTH - RIGHT);
            label(&mut svg, at + 4.0, &format!("{:.0} %", 100.0 * quarter));
        }
        for seconds in NAMED.into_iter().filter(|seconds| *seconds <= until) {
            let at = x(seconds);
            let _ = write!(
                svg,
                "<line class=base x1={at:.1} x2={at:.1} y1={bottom:.1} y2={:.1} /><text x={:.1} y={:.1} text-anchor=middle>{seconds:.0} s</text>",
                bottom + 4.0,
                at.min(WIDTH - 18.0),
                bottom + 16.0
            );
        }
        let mut legend = LEFT;
        for (index, curve) in self.curves.iter().enumerate() {
            if index == 0 {
                let _ = write!(svg, "<path class=band d=\"{}\" />", area(curve, x, y));
            }
            let _ = write!(svg, "<path class=\"line curve{index}\" d=\"{}\" />", line(curve, x, y));
            for at in &curve.censored {
                let (across, up) = (x(*at), y(curve.open(*at)));
                let _ = write!(
                    svg,
                    "<line class=\"given curve{index}\" x1={across:.1} x2={across:.1} y1={:.1} y2={:.1} />",
                    up - 4.0,
                    up + 4.0
                );
            }
            let _ = write!(
                svg,
                "<line class=\"line curve{index}\" x1={legend:.1} x2={:.1} y1=12 y2=12 /><text x={:.1} y=16>{}</text>",
                legend + 18.0,
                legend + 24.0,
                escape(&curve.name)
            );
            legend += 48.0 + 6.2 * curve.name.chars().count() as f64;
        }
        svg.push_str("</svg>");
        svg
    }
}

/// A curve from all being open to its last time.
fn line(curve: &Steps, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = format!("M{:.1} {:.1}", x(0.0), y(1.0));
    for (at, share) in &curve.steps {
        let _ = write!(path, "H{:.1}V{:.1}", x(*at), y(*share));
    }
    let _ = write!(path, "H{:.1}", x(curve.until()));
    path
}

/// The band of a curve: along its upper end, and back along its lower one.
fn area(curve: &Steps, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut path = format!("M{:.1} {:.1}", x(0.0), y(1.0));
    for ((at, _), (_, high)) in curve.steps.iter().zip(&curve.bands) {
        let _ = write!(path, "H{:.1}V{:.1}", x(*at), y(*high));
    }
    let _ = write!(path, "H{:.1}", x(curve.until()));
    for (index, ((at, _), (low, _))) in curve.steps.iter().zip(&curve.bands).enumerate().rev() {
        let before =
            index.checked_sub(1).and_then(|before| curve.bands.get(before)).map_or(1.0, |band| band.0);
        let _ = write!(path, "V{:.1}H{:.1}V{:.1}", y(*low), x(*at), y(before));
    }
    path.push('z');
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Steps {
        Steps {
            name: "a<b".to_owned(),
            steps: vec![(4.0, 0.75), (9.0, 0.5)],
            bands: vec![(0.5, 0.9), (0.25, 0.75)],
            censored: vec![9.0, 16.0],
        }
    }

    #[test]
    fn every_step_and_everybody_who_was_given_up_is_drawn() {
        let svg = StepPlot { title: "t".to_owned(), curves: vec![curve()] }.svg();
        // Two steps down, and on to the last who was given up, on an axis that is stretched by a root.
        let across = |seconds: f64| LEFT + (seconds / 16.0_f64).sqrt() * (WIDTH - LEFT - RIGHT);
        let expected = format!(
            "M{:.1} {TOP:.1}H{:.1}V{:.1}H{:.1}V{:.1}H{:.1}\"",
            LEFT,
            across(4.0),
            TOP + 0.25 * HEIGHT,
            across(9.0),
            TOP + 0.5 * HEIGHT,
            across(16.0)
        );
        assert!(svg.contains(&expected), "{svg}");
        assert_eq!(svg.matches("class=\"given").count(), 2);
        assert!(svg.contains("a&lt;b") && !svg.contains("a<b"));
    }

    #[test]
    fn a_band_is_closed_where_it_began() {
        let band = area(&curve(), |seconds| seconds, |share| share);
        assert_eq!(band, "M0.0 1.0H4.0V0.9H9.0V0.8H16.0V0.2H9.0V0.5V0.5H4.0V1.0z");
    }

    #[test]
    fn nothing_to_draw_is_said() {
        let empty = Steps { name: String::new(), steps: Vec::new(), bands: Vec::new(), censored: Vec::new() };
        let svg = StepPlot { title: String::new(), curves: vec![empty] }.svg();
        assert_eq!(svg, "<p class=quiet>nothing to draw</p>");
    }
}
