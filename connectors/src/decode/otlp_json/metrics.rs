//! Metrics: gauges and sums here, the others in `histograms`.

use std::{borrow::Cow, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::{
    Timestamp,
    telemetry::{Histogram, PointKind, PointRow, Temporality},
};

use super::{
    Origin, Place, attributes_text, histograms,
    logs::instant,
    scalars::{EnumValue, F64, I64, U64},
};
use crate::decode::Rows;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    unit: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    gauge: Option<Data<'a>>,
    #[serde(borrow, default)]
    sum: Option<Data<'a>>,
    #[serde(borrow, default)]
    histogram: Option<Data<'a>>,
    #[serde(borrow, default)]
    exponential_histogram: Option<Data<'a>>,
    #[serde(borrow, default)]
    summary: Option<Data<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow, default)]
    data_points: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    aggregation_temporality: Option<EnumValue>,
    #[serde(default)]
    is_monotonic: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NumberDataPoint<'a> {
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(default)]
    start_time_unix_nano: U64,
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(default)]
    as_double: Option<F64>,
    #[serde(default)]
    as_int: Option<I64>,
    #[serde(default)]
    flags: Option<u32>,
}

/// What all points of a metric share.
pub(super) struct Shared<'a> {
    pub(super) origin: &'a Origin,
    pub(super) name: &'a str,
    pub(super) unit: &'a str,
    pub(super) kind: PointKind,
    pub(super) temporality: Temporality,
    pub(super) monotonic: bool,
}

/// What every kind of point has.
pub(super) struct Head {
    pub(super) time: Timestamp,
    pub(super) start_time: Option<Timestamp>,
    pub(super) attributes: Arc<str>,
}

impl Head {
    pub(super) fn read(
        time: U64,
        start_time: U64,
        attributes: Option<&RawValue>,
        rows: &mut Rows,
    ) -> Result<Self, String> {
        let attributes = attributes_text(attributes, rows)?;
        let time = instant(time, "timeUnixNano")?.ok_or("`timeUnixNano` is missing")?;
        Ok(Self { time, start_time: instant(start_time, "startTimeUnixNano")?, attributes })
    }

    pub(super) fn push(
        &self,
        shared: &Shared<'_>,
        value: Option<f64>,
        histogram: Option<&Histogram>,
        rows: &mut Rows,
    ) {
        rows.points.push(&PointRow {
            time: self.time,
            start_time: self.start_time,
            resource: &shared.origin.resource,
            scope: &shared.origin.scope,
            name: shared.name,
            unit: shared.unit,
            attributes: &self.attributes,
            kind: shared.kind,
            temporality: shared.temporality,
            monotonic: shared.monotonic,
            value,
            histogram,
        });
    }
}

/// Bit of a point's flags: there is no recorded value.
pub(super) const NO_RECORDED_VALUE: u32 = 1;

const TEMPORALITIES: [(&str, i64); 3] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

pub(super) fn decode(place: &Place<'_>, raw: &RawValue, origin: &Origin, rows: &mut Rows) {
    if let Err(reason) = metric(place, raw, origin, rows) {
        place.bad(rows, raw, "", reason);
    }
}

type PushPoint = fn(&RawValue, &Shared<'_>, &mut Rows) -> Result<(), String>;

fn metric(place: &Place<'_>, raw: &RawValue, origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let metric: Metric<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let name = metric.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err("the metric has no `name`".to_owned());
    }
    let kinds: [(&str, PointKind, Option<Data<'_>>, PushPoint); 5] = [
        ("gauge", PointKind::Gauge, metric.gauge, number),
        ("sum", PointKind::Sum, metric.sum, number),
        ("histogram", PointKind::Histogram, metric.histogram, histograms::explicit),
        ("exponentialHistogram", PointKind::Histogram, metric.exponential_histogram, histograms::exponential),
        ("summary", PointKind::Summary, metric.summary, histograms::summary),
    ];
    for (field, kind, data, push) in kinds {
        let Some(data) = data else { continue };
        let temporality = match EnumValue::number(data.aggregation_temporality.as_ref(), &TEMPORALITIES) {
            Some(0) => Temporality::Unspecified,
            Some(1) => Temporality::Delta,
            Some(2) => Temporality::Cumulative,
            _ => {
                return Err(format!(
                    "`aggregationTemporality` {:?} is not 0, 1 or 2",
                    data.aggregation_temporality
                ));
            }
        };
        let shared = Shared {
            origin,
            name,
            unit: metric.unit.as_deref().unwrap_or_default(),
            kind,
            temporality,
            monotonic: data.is_monotonic.unwrap_or(false),
        };
        for (p, point) in data.data_points.unwrap_or_default().into_iter().enumerate() {
            if let Err(reason) = push(point, &shared, rows) {
                place.bad(
                    rows,
                    point,
                    &format!(".{field}.dataPoints[{p}]"),
                    format!("metric `{name}`: {reason}"),
                );
            }
        }
        return Ok(());
    }
    Err(format!("metric `{name}` has none of `gauge`, `sum`, `histogram`, `exponentialHistogram`, `summary`"))
}

fn number(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: NumberDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let head = Head::read(point.time_unix_nano, point.start_time_unix_nano, point.attributes, rows)?;
    let value = if point.flags.unwrap_or(0) & NO_RECORDED_VALUE != 0 {
        None
    } else {
        let value = match (point.as_double, point.as_int) {
            (Some(F64(value)), _) => value,
            (None, Some(I64(value))) => value as f64,
            (None, None) => {
                return Err("the point has neither `asDouble` nor `asInt`, and its flags do not say that it has no recorded value".to_owned());
            }
        };
        if value.is_infinite() {
            return Err("the value is infinite".to_owned());
        }
        // NaN is how some exporters say that there is no value.
        (!value.is_nan()).then_some(value)
    };
    head.push(shared, value, None, rows);
    Ok(())
}
