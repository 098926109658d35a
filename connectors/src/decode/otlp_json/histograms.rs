//! Histograms, exponential histograms and summaries.

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::telemetry::Histogram;

use super::{
    exponential::{Buckets, explicit_buckets},
    list,
    metrics::{Head, NO_RECORDED_VALUE, Shared},
    scalars::{F64, I64, U64},
};
use crate::decode::Rows;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistogramDataPoint<'a> {
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(default)]
    start_time_unix_nano: U64,
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(default)]
    count: U64,
    #[serde(default)]
    sum: Option<F64>,
    #[serde(default)]
    min: Option<F64>,
    #[serde(default)]
    max: Option<F64>,
    #[serde(default)]
    bucket_counts: Option<Vec<U64>>,
    #[serde(default)]
    explicit_bounds: Option<Vec<F64>>,
    #[serde(default)]
    flags: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExponentialDataPoint<'a> {
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(default)]
    start_time_unix_nano: U64,
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(default)]
    count: U64,
    #[serde(default)]
    sum: Option<F64>,
    #[serde(default)]
    min: Option<F64>,
    #[serde(default)]
    max: Option<F64>,
    #[serde(default)]
    scale: I64,
    #[serde(default)]
    zero_count: U64,
    #[serde(default)]
    positive: Option<Side>,
    #[serde(default)]
    negative: Option<Side>,
    #[serde(default)]
    flags: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Side {
    #[serde(default)]
    offset: I64,
    #[serde(default)]
    bucket_counts: Option<Vec<U64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SummaryDataPoint<'a> {
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(default)]
    start_time_unix_nano: U64,
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(default)]
    count: U64,
    #[serde(default)]
    sum: Option<F64>,
    #[serde(default)]
    quantile_values: Option<Vec<QuantileValue>>,
    #[serde(default)]
    flags: Option<u32>,
}

#[derive(Deserialize)]
struct QuantileValue {
    #[serde(default)]
    quantile: F64,
    #[serde(default)]
    value: F64,
}

/// Sum, minimum and maximum count only if they are numbers.
fn finite(value: Option<F64>) -> Option<f64> {
    value.map(|F64(value)| value).filter(|value| value.is_finite())
}

fn has_value(flags: Option<u32>) -> bool {
    flags.unwrap_or(0) & NO_RECORDED_VALUE == 0
}

pub(super) fn explicit(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: HistogramDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let head = Head::read(point.time_unix_nano, point.start_time_unix_nano, point.attributes, rows)?;
    let bounds: Vec<f64> = list(point.explicit_bounds, "explicitBounds")?.iter().map(|b| b.0).collect();
    let buckets: Vec<f64> = list(point.bucket_counts, "bucketCounts")?.iter().map(|c| c.0 as f64).collect();
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
    let histogram = Histogram {
        count: point.count.0,
        sum: finite(point.sum),
        min: finite(point.min),
        max: finite(point.max),
        bounds,
        buckets,
    };
    head.push(shared, None, has_value(point.flags).then_some(&histogram), rows);
    Ok(())
}

pub(super) fn exponential(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: ExponentialDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let head = Head::read(point.time_unix_nano, point.start_time_unix_nano, point.attributes, rows)?;
    let side = |side: Option<Side>| -> Result<Buckets, String> {
        let side = side.unwrap_or_default();
        let counts = list(side.bucket_counts, "bucketCounts")?.iter().map(|c| c.0 as f64).collect();
        Ok(Buckets { offset: side.offset.0, counts })
    };
    let (positive, negative) = (side(point.positive)?, side(point.negative)?);
    let (bounds, buckets) = explicit_buckets(point.scale.0, point.zero_count.0 as f64, &positive, &negative)?;
    let histogram = Histogram {
        count: point.count.0,
        sum: finite(point.sum),
        min: finite(point.min),
        max: finite(point.max),
        bounds,
        buckets,
    };
    head.push(shared, None, has_value(point.flags).then_some(&histogram), rows);
    Ok(())
}

pub(super) fn summary(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: SummaryDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let head = Head::read(point.time_unix_nano, point.start_time_unix_nano, point.attributes, rows)?;
    let quantiles = point.quantile_values.unwrap_or_default();
    if let Some(wrong) = quantiles.iter().find(|q| !(0.0..=1.0).contains(&q.quantile.0)) {
        return Err(format!("quantile {} is not within 0 and 1", wrong.quantile.0));
    }
    // A summary of nothing has NaN at each quantile: there is no value to keep.
    let known = quantiles.iter().filter(|q| q.value.0.is_finite());
    let (bounds, buckets) = known.map(|q| (q.quantile.0, q.value.0)).unzip();
    let histogram =
        Histogram { count: point.count.0, sum: finite(point.sum), min: None, max: None, bounds, buckets };
    head.push(shared, None, has_value(point.flags).then_some(&histogram), rows);
    Ok(())
}
