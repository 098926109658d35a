//! When a line reaches a limit: how long until a disk is full.

/// A straight line through a series as it is known now: level and slope, and how far each may be
/// off. Units are the series' for levels and the series' a tick for slopes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Level now.
    pub level: f64,
    /// Rise a tick.
    pub slope: f64,
    /// Variance of the level.
    pub level_variance: f64,
    /// Variance of the slope.
    pub slope_variance: f64,
    /// Covariance of level and slope.
    pub covariance: f64,
}

/// When a limit is reached, in ticks from now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exhaustion {
    /// When the line itself reaches it.
    pub expected: f64,
    /// Not before; 0 if the level may be there already.
    pub earliest: f64,
    /// Not after; infinite if the slope may be none.
    pub latest: f64,
}

impl Line {
    /// The line of Holt's method on white noise about a line: `level` and `slope` as it has them now, the
    /// variance of its errors of one step, and its gains, the share of an error that the level takes and
    /// the share that the slope takes (statsmodels' `smoothing_level * smoothing_trend`). The variances are
    /// those of a filter that has settled (Benedict and Bordner 1962, IRE Transactions on Automatic Control 7:27).
    #[must_use]
    pub fn smoothed(level: f64, slope: f64, error_variance: f64, [g, h]: [f64; 2]) -> Self {
        // Of the noise it is this share, and all that divides the variances cancels.
        let unit = error_variance / (4.0 * g + 2.0 * h);
        Self {
            level,
            slope,
            level_variance: unit * (2.0 * g * g + 2.0 * h - 3.0 * g * h),
            slope_variance: unit * 2.0 * h * h,
            covariance: unit * h * (2.0 * g - h),
        }
    }

    /// When the line reaches `limit`; none if it does not approach it.
    ///
    /// The interval has all times at which the limit is within `z` >= 0 standard errors of the line: a
    /// confidence interval of the ratio of two normal variables (Fieller 1954, Journal of the Royal
    /// Statistical Society B 16:175). With 1.96 it holds the true time in 19 of 20 cases.
    ///
    /// ```
    /// use theriac_detectors::exhaustion::Line;
    /// let line = Line { level: 80.0, slope: 0.5, level_variance: 0.0, slope_variance: 0.01, covariance: 0.0 };
    /// let full = line.reaches(100.0, 1.0).expect("it rises");
    /// assert!((full.expected - 40.0).abs() < 1e-9);
    /// assert!((full.earliest - 20.0 / 0.6).abs() < 1e-9 && (full.latest - 20.0 / 0.4).abs() < 1e-9);
    /// assert_eq!(line.reaches(50.0, 1.0), None);
    /// ```
    #[must_use]
    pub fn reaches(&self, limit: f64, z: f64) -> Option<Exhaustion> {
        let distance = limit - self.level;
        let expected = distance / self.slope;
        if expected.is_nan() || expected.is_infinite() || expected < 0.0 {
            return None;
        }
        // (distance - slope t)² <= z² var(level + slope t), as a t² - 2 b t + c <= 0. The line itself is a
        // solution, and so the roots are real.
        let a = self.slope * self.slope - z * z * self.slope_variance;
        let b = distance * self.slope + z * z * self.covariance;
        let c = distance * distance - z * z * self.level_variance;
        let root = b + (b * b - a * c).max(0.0).sqrt();
        let earliest = if c > 0.0 { (c / root).min(expected) } else { 0.0 };
        let latest = if a > 0.0 { (root / a).max(expected) } else { f64::INFINITY };
        Some(Exhaustion { expected, earliest, latest })
    }
}
