//! Histograms, exponential histograms and summaries.

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::telemetry::{Histogram, Shared};

use super::{
    attributes_text, list,
    scalars::{F64, I64, U64},
};
use crate::decode::{
    Rows,
    otlp::{
        exponential::{Buckets, explicit_buckets},
        points::{Head, check_buckets, finite, has_value, quantiles},
    },
};

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

pub(super) fn explicit(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: HistogramDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let attributes = attributes_text(point.attributes, rows)?;
    let head = Head::new(point.time_unix_nano.0, point.start_time_unix_nano.0, attributes)?;
    let bounds: Vec<f64> = list(point.explicit_bounds, "explicitBounds")?.iter().map(|b| b.0).collect();
    let buckets: Vec<f64> = list(point.bucket_counts, "bucketCounts")?.iter().map(|c| c.0 as f64).collect();
    check_buckets(&bounds, &buckets)?;
    let histogram = Histogram {
        count: point.count.0,
        sum: finite(point.sum.map(|sum| sum.0)),
        min: finite(point.min.map(|min| min.0)),
        max: finite(point.max.map(|max| max.0)),
        bounds,
        buckets,
    };
    head.push(shared, None, has_value(point.flags.unwrap_or(0)).then_some(&histogram), rows);
    Ok(())
}

pub(super) fn exponential(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: ExponentialDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let attributes = attributes_text(point.attributes, rows)?;
    let head = Head::new(point.time_unix_nano.0, point.start_time_unix_nano.0, attributes)?;
    let side = |side: Option<Side>| -> Result<Buckets, String> {
        let side = side.unwrap_or_default();
        let counts = list(side.bucket_counts, "bucketCounts")?.iter().map(|c| c.0 as f64).collect();
        Ok(Buckets { offset: side.offset.0, counts })
    };
    let (positive, negative) = (side(point.positive)?, side(point.negative)?);
    let (bounds, buckets) =
        explicit_buckets(point.scale.0, point.zero_count.0 as f64, &[positive], &[negative])?;
    let histogram = Histogram {
        count: point.count.0,
        sum: finite(point.sum.map(|sum| sum.0)),
        min: finite(point.min.map(|min| min.0)),
        max: finite(point.max.map(|max| max.0)),
        bounds,
        buckets,
    };
    head.push(shared, None, has_value(point.flags.unwrap_or(0)).then_some(&histogram), rows);
    Ok(())
}

pub(super) fn summary(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: SummaryDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let attributes = attributes_text(point.attributes, rows)?;
    let head = Head::new(point.time_unix_nano.0, point.start_time_unix_nano.0, attributes)?;
    let given: Vec<(f64, f64)> =
        point.quantile_values.unwrap_or_default().iter().map(|q| (q.quantile.0, q.value.0)).collect();
    let (bounds, buckets) = quantiles(&given)?;
    // Writers leave a sum of 0 out.
    let sum = finite(Some(point.sum.unwrap_or_default().0));
    let histogram = Histogram { count: point.count.0, sum, min: None, max: None, bounds, buckets };
    head.push(shared, None, has_value(point.flags.unwrap_or(0)).then_some(&histogram), rows);
    Ok(())
}
