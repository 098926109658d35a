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
    /// Covariance of level and slope: half of what a tick adds to the variance of where the line is.
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

    /// The line through `points` that come in the order of time, each a time in ticks (0 is now, earlier ones are
    /// negative) and a value or the average of a stretch of values: that of [`Line::through`] if what is left over is
    /// noise, else that of [`Line::wandering`]. None for fewer than three points.
    ///
    /// What is left over is told from noise by von Neumann's ratio, the mean square of its steps over its variance
    /// (1941, Annals of Mathematical Statistics 12:367): 2 for noise, and hardly above a half for what wanders.
    #[must_use]
    pub fn of(points: &[(f64, f64)]) -> Option<Self> {
        /// Noise is rougher 19 of 20 times, for 32 points.
        const ROUGH: f64 = 1.5;
        let line = Self::through(points)?;
        let off = |(time, value): &(f64, f64)| value - line.level - line.slope * time;
        let squares: f64 = points.iter().map(|point| off(point) * off(point)).sum();
        let steps = points.windows(2).map(|pair| off(&pair[1]) - off(&pair[0]));
        let steps: f64 = steps.map(|step| step * step).sum();
        if steps >= ROUGH * squares { Some(line) } else { Self::wandering(points) }
    }

    /// The least squares line through points that are off it by independent noise, with the exact variances of its
    /// level and slope; none for fewer than three points, or for points of one time.
    ///
    /// ```
    /// use theriac_detectors::exhaustion::Line;
    /// let line = Line::through(&[(-3.0, 1.0), (-2.0, 4.0), (-1.0, 5.0), (0.0, 8.0)]).expect("four points");
    /// assert!((line.level - 7.8).abs() < 1e-9 && (line.slope - 2.2).abs() < 1e-9);
    /// // Squares of 0.8 are left over for two degrees of freedom.
    /// assert!((line.slope_variance - 0.4 / 5.0).abs() < 1e-9);
    /// assert!((line.level_variance - 0.4 * (1.0 / 4.0 + 1.5 * 1.5 / 5.0)).abs() < 1e-9);
    /// assert!((line.covariance - 1.5 * 0.4 / 5.0).abs() < 1e-9);
    /// // Nothing is known of where it is in two ticks beyond that.
    /// assert!((line.above(10.0, 2.0) - 2.2 / (0.28_f64 + 4.0 * 0.12 + 4.0 * 0.08).sqrt()).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let n = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
        let (time, value) = (mean(|point| point.0), mean(|point| point.1));
        let squares: f64 = points.iter().map(|(at, _)| (at - time) * (at - time)).sum();
        if points.len() < 3 || squares <= 0.0 {
            return None;
        }
        let slope = points.iter().map(|(at, is)| (at - time) * (is - value)).sum::<f64>() / squares;
        let off = points.iter().map(|(at, is)| is - value - slope * (at - time));
        let noise = off.map(|off| off * off).sum::<f64>() / (n - 2.0);
        let slope_variance = noise / squares;
        Some(Self {
            level: value - slope * time,
            slope,
            level_variance: noise / n + time * time * slope_variance,
            slope_variance,
            covariance: -time * slope_variance,
        })
    }

    /// The mean pace of points that wander: each step is independent of those before, as what is written to a disk
    /// in a tick is of what was written before. Where it will be is unknown for the steps to come, too: they are
    /// in `covariance`, for what adds to the variance by the tick. None for fewer than three points, or for
    /// points of one time.
    ///
    /// ```
    /// use theriac_detectors::exhaustion::Line;
    /// let line = Line::wandering(&[(-3.0, 1.0), (-2.0, 4.0), (0.0, 7.0)]).expect("three points");
    /// assert!((line.level - 7.0).abs() < 1e-9 && (line.slope - 2.0).abs() < 1e-9);
    /// // Steps are off by 1 in a tick and by -1 in two, for one degree of freedom; half as much again, as of averages.
    /// assert!((line.slope_variance - 2.25 / 3.0).abs() < 1e-9);
    /// assert!((2.0 * line.covariance - 2.25).abs() < 1e-9 && line.level_variance.abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn wandering(points: &[(f64, f64)]) -> Option<Self> {
        /// Averages of adjoining stretches differ by a third less than their ends do (Working 1960, Econometrica 28:916).
        const OF_AVERAGES: f64 = 1.5;
        let [first, .., last] = points else { return None };
        let span = last.0 - first.0;
        if points.len() < 3 || span <= 0.0 {
            return None;
        }
        let slope = (last.1 - first.1) / span;
        let steps = points.windows(2).map(|pair| {
            let ticks = pair[1].0 - pair[0].0;
            let off = pair[1].1 - pair[0].1 - slope * ticks;
            off * off / ticks
        });
        let a_tick = OF_AVERAGES * steps.sum::<f64>() / (points.len() as f64 - 2.0);
        let (slope_variance, ago) = (a_tick / span, -last.0);
        Some(Self {
            level: last.1 + slope * ago,
            slope,
            level_variance: a_tick * ago + slope_variance * ago * ago,
            slope_variance,
            covariance: 0.5 * a_tick + slope_variance * ago,
        })
    }

    /// By how many standard errors the line is above `limit` in so many `ticks`; infinite if nothing is uncertain.
    #[must_use]
    pub fn above(&self, limit: f64, ticks: f64) -> f64 {
        let variance =
            self.level_variance + 2.0 * self.covariance * ticks + self.slope_variance * ticks * ticks;
        let distance = self.level + self.slope * ticks - limit;
        if distance == 0.0 { 0.0 } else { distance / variance.max(0.0).sqrt() }
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
