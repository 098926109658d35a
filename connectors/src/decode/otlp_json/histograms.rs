//! Histograms, exponential histograms and summaries.

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::telemetry::{Histogram, PointRun, Shared};

use super::{
    attributes_text, list,
    scalars::{F64, I64, U64},
    walk::Attributes,
};
use crate::decode::{
    Rows,
    json::{Cursor, Seen},
    memo::Memo,
    otlp::{
        exponential::{Buckets, explicit_buckets},
        points::{Head, Times, check_buckets, finite, has_value, quantiles},
    },
    wire::LIST_MAX,
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

/// Adds a point of a histogram as nearly all are written.
pub(super) fn walk_explicit(raw: &str, memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Option<()> {
    let (mut start, mut time, mut flags) = (0, 0, 0);
    let mut histogram = Histogram::default();
    let mut attributes = Attributes::default();
    let mut seen = Seen::default();
    let mut cursor = Cursor::new(raw);
    let mut members = cursor.object()?;
    while let Some(key) = members.key(&mut cursor)? {
        let number = match key {
            "attributes" => {
                attributes = Attributes::take(&mut cursor, memo)?;
                0
            }
            "startTimeUnixNano" => {
                start = cursor.unsigned()?;
                1
            }
            "timeUnixNano" => {
                time = cursor.unsigned()?;
                2
            }
            "count" => {
                histogram.count = cursor.unsigned()?;
                3
            }
            "sum" => {
                histogram.sum = Some(cursor.double()?);
                4
            }
            "min" => {
                histogram.min = Some(cursor.double()?);
                5
            }
            "max" => {
                histogram.max = Some(cursor.double()?);
                6
            }
            "bucketCounts" => {
                let mut entries = cursor.array()?;
                while entries.entry(&mut cursor)? {
                    histogram.buckets.push(cursor.unsigned()? as f64);
                }
                7
            }
            "explicitBounds" => {
                let mut entries = cursor.array()?;
                while entries.entry(&mut cursor)? {
                    histogram.bounds.push(cursor.double()?);
                }
                8
            }
            "flags" => {
                flags = u32::try_from(cursor.number().filter(|(_, whole)| *whole)?.0.parse::<u64>().ok()?)
                    .ok()?;
                9
            }
            _ => {
                cursor.skip()?;
                continue;
            }
        };
        seen.once(number)?;
    }
    cursor.end()?;
    let times = Times::new(time, start).ok()?;
    if histogram.bounds.len().max(histogram.buckets.len()) > LIST_MAX {
        return None;
    }
    check_buckets(&histogram.bounds, &histogram.buckets).ok()?;
    let measured = times.measured(None, has_value(flags).then_some(&histogram));
    run.push(attributes.text(memo)?.label, &measured);
    Some(())
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
