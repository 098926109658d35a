//! What makes a data point a row.

use std::sync::Arc;

use theriac_contract::{
    Timestamp,
    telemetry::{Histogram, Label, Measured, PointKind, Shared, Temporality},
};

use super::instant;
use crate::decode::Rows;

/// Bit of a point's flags: there is no recorded value.
const NO_RECORDED_VALUE: u32 = 1;

/// Whether a point of these flags has a value.
pub(crate) const fn has_value(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE == 0
}

/// The kinds of metric: name of the field, and kind of the points.
pub(crate) const GAUGE: (&str, PointKind) = ("gauge", PointKind::Gauge);
pub(crate) const SUM: (&str, PointKind) = ("sum", PointKind::Sum);
pub(crate) const HISTOGRAM: (&str, PointKind) = ("histogram", PointKind::Histogram);
pub(crate) const EXPONENTIAL: (&str, PointKind) = ("exponentialHistogram", PointKind::Histogram);
pub(crate) const SUMMARY: (&str, PointKind) = ("summary", PointKind::Summary);

pub(crate) const NO_NAME: &str = "the metric has no `name`";

/// What is said of a metric without data.
pub(crate) fn no_data(name: &str) -> String {
    format!("metric `{name}` has none of `gauge`, `sum`, `histogram`, `exponentialHistogram`, `summary`")
}

pub(crate) const fn temporality(number: i64) -> Option<Temporality> {
    Some(match number {
        0 => Temporality::Unspecified,
        1 => Temporality::Delta,
        2 => Temporality::Cumulative,
        _ => return None,
    })
}

/// Whether metrics of this kind say what their points cover.
pub(crate) const fn has_temporality(kind: PointKind) -> bool {
    matches!(kind, PointKind::Sum | PointKind::Histogram)
}

/// What a metric of this kind says of its points: temporality, and whether they only grow. In data of
/// another kind these are names that nobody knows.
pub(crate) const fn said_of(
    kind: PointKind,
    temporality: Temporality,
    monotonic: bool,
) -> (Temporality, bool) {
    match kind {
        PointKind::Sum => (temporality, monotonic),
        PointKind::Histogram => (temporality, false),
        PointKind::Gauge | PointKind::Summary => (Temporality::Unspecified, false),
    }
}

/// When a point was measured, and since when.
pub(crate) struct Times {
    time: Timestamp,
    start_time: Option<Timestamp>,
}

impl Times {
    #[inline]
    pub(crate) fn new(time: u64, start_time: u64) -> Result<Self, String> {
        let time = instant(time, "timeUnixNano")?.ok_or("`timeUnixNano` is missing")?;
        Ok(Self { time, start_time: instant(start_time, "startTimeUnixNano")? })
    }

    #[inline]
    pub(crate) const fn measured<'a>(
        &self,
        value: Option<f64>,
        histogram: Option<&'a Histogram>,
    ) -> Measured<'a> {
        Measured { time: self.time, start_time: self.start_time, value, histogram }
    }
}

/// What every kind of point has.
pub(crate) struct Head {
    times: Times,
    attributes: Arc<str>,
}

impl Head {
    pub(crate) fn new(time: u64, start_time: u64, attributes: Arc<str>) -> Result<Self, String> {
        Ok(Self { times: Times::new(time, start_time)?, attributes })
    }

    pub(crate) fn push(
        &self,
        shared: &Shared<'_>,
        value: Option<f64>,
        histogram: Option<&Histogram>,
        rows: &mut Rows,
    ) {
        let measured = self.times.measured(value, histogram);
        rows.points.run(*shared).push(Label::new(&self.attributes), &measured);
    }
}

/// The value of a number point: none if it says that it has none.
pub(crate) fn number(value: Option<f64>, flags: u32) -> Result<Option<f64>, String> {
    if !has_value(flags) {
        return Ok(None);
    }
    let value = value.ok_or("the point has neither `asDouble` nor `asInt`, and its flags do not say that it has no recorded value")?;
    if value.is_infinite() {
        return Err("the value is infinite".to_owned());
    }
    // NaN is how some exporters say that there is no value.
    Ok((!value.is_nan()).then_some(value))
}

/// Sum, minimum and maximum count only if they are numbers.
pub(crate) fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Checks the buckets of a histogram with explicit bounds.
pub(crate) fn check_buckets(bounds: &[f64], buckets: &[f64]) -> Result<(), String> {
    if !(buckets.is_empty() && bounds.is_empty()) && buckets.len() != bounds.len() + 1 {
        return Err(format!(
            "{} bucket counts do not fit {} bounds: there must be one more count than bounds",
            buckets.len(),
            bounds.len()
        ));
    }
    if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| bound.is_nan()) {
        return Err("`explicitBounds` do not grow".to_owned());
    }
    Ok(())
}

/// Quantiles and the values at them, of those that have one.
pub(crate) fn quantiles(given: &[(f64, f64)]) -> Result<(Vec<f64>, Vec<f64>), String> {
    if let Some((wrong, _)) = given.iter().find(|(quantile, _)| !(0.0..=1.0).contains(quantile)) {
        return Err(format!("quantile {wrong} is not within 0 and 1"));
    }
    // A summary of nothing has NaN at each quantile: there is no value to keep.
    Ok(given.iter().filter(|(_, value)| value.is_finite()).copied().unzip())
}
