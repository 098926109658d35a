//! Trend: the series rises or falls steadily, by more than its noise accounts for.

use crate::{
    anchor::{settled, tempered},
    arithmetic::single::{most, select},
    block::Lane,
    calibration,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Holt's local linear trend, and how many standard errors its slope is from 0.
///
/// The gains of level and slope are those of a least squares line through all values, and from
/// about two memories on those of one through values whose weights fall by 1 - 1/memory a step
/// (Brown's double smoothing; Brookner 1998, sections 1.2.6 and 1.2.10). On white noise about a line
/// errors of one step then have the variance s² (4 g + 2 h) / (g (4 - 2 g - h)), the slope
/// s² 2 h² / (g (4 - 2 g - h)), where g and h are these gains (Benedict and Bordner 1962): the slope's
/// standard error is that of the errors times h / sqrt(2 g + h).
pub(crate) struct Trend {
    gain: [f32; 2],
    /// Standard error of the slope in standard errors of a step.
    slope_error: f32,
    /// Gain of the mean squared error.
    error_gain: f32,
}

/// No error is smaller, in own units: its square would become subnormal.
const ERROR_MIN: f32 = 1e-12;

impl Trend {
    /// Values older than about `memory_ticks` count little.
    pub(crate) fn new(memory_ticks: f32) -> Self {
        let kept = 1.0 - 1.0 / memory_ticks;
        let [level, slope] = [1.0 - kept * kept, (1.0 - kept) * (1.0 - kept)];
        Self {
            gain: [level, slope],
            slope_error: slope / (2.0 * level + slope).sqrt(),
            error_gain: 0.25 / memory_ticks,
        }
    }

    /// Level and slope with the present value, and how far off that was.
    #[inline(always)]
    fn follow(&self, &[level, slope, error]: &[f32; 3], lane: &Lane) -> [f32; 3] {
        let n = lane.seen;
        let square = lane.share / (n + 2.0);
        let gain = most((4.0 * n + 2.0) * square, self.gain[0]);
        let slope_gain = most(6.0 * square, self.gain[1]);
        let forecast = level + slope;
        let off = lane.x - forecast;
        let step = tempered(off, error, n);
        [forecast + gain * step, slope + slope_gain * step, off]
    }
}

impl Kernel<3> for Trend {
    const COLUMNS: [(&'static str, Kind); 3] =
        [("level", Kind::Place), ("slope", Kind::Length), ("error", Kind::Length)];
    const SPEC: Spec = Spec {
        name: "trend",
        sees: "a steady rise or fall, such as a disk that fills",
        formula: "|slope| / its standard error, Holt's local linear trend",
        source: "Holt 1957; Benedict and Bordner 1962",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "a quarter of it is the memory of level and slope, all of it that of the error",
        }],
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: calibration::BYTES + 3 * 4,
        on_by_default: false,
    };
    /// It expects a slope, not a value.
    const EXPECTS: bool = false;

    #[inline(always)]
    fn score(&self, state: &[f32; 3], lane: &Lane) -> Reading {
        let [_, slope, _] = self.follow(state, lane);
        // That of a least squares line, as long as it is one.
        let n = lane.seen + 1.0;
        let young = (12.0 / most(n * (n * n - 1.0), 1.0)).sqrt();
        let unit = most(young, self.slope_error) * (state[2] + lane.rounding);
        Reading::of(slope.abs() / unit * lane.observed, lane)
    }

    /// Level and slope say where the series is, and follow it through an incident: it would have
    /// no end if the slope that began it stayed. Back where it was, the series forgets that slope
    /// quickly. What is usual is the error.
    #[inline(always)]
    fn advance(&self, state: &[f32; 3], lane: &Lane) -> [f32; 3] {
        let [level, slope, off] = self.follow(state, lane);
        let gain = most(lane.step_share, self.error_gain) * lane.learns;
        let error = state[2];
        let size = tempered(off.abs(), error, lane.seen);
        let observed = lane.observed > 0.0;
        let back = (lane.learns <= 0.0) & ((lane.x - lane.mean).abs() < 2.0 * lane.spread);
        [
            select(observed, select(back, lane.x, settled(level)), state[0]),
            select(observed, settled(select(back, 0.5 * state[1], slope)), state[1]),
            most((error * error + gain * (size * size - error * error)).sqrt(), ERROR_MIN),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_of_the_slope_follows_from_the_lyapunov_equation() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../tests/reference/trend.json")).unwrap();
        let variance = |name: &str| reference["stationary"][name].as_f64().unwrap();
        let found = f64::from(Trend::new(16.0).slope_error);
        assert!((found * found / (variance("slope") / variance("error")) - 1.0).abs() < 1e-5, "{found}");
    }
}
