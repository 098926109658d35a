//! Metrics: gauges and sums here, the others in `histograms`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use theriac_contract::telemetry::{PointRun, Shared};

use super::{
    Place, attributes_text,
    frame::Head,
    histograms, raw_value,
    scalars::{EnumValue, F64, I64, U64},
    walk::Attributes,
};
use crate::decode::{
    Rows,
    json::{Cursor, Seen},
    memo::Memo,
    otlp::{
        Origin,
        points::{self, EXPONENTIAL, GAUGE, HISTOGRAM, NO_NAME, SUM, SUMMARY, Times, no_data, temporality},
    },
};

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

const TEMPORALITIES: [(&str, i64); 3] = [
    ("AGGREGATION_TEMPORALITY_UNSPECIFIED", 0),
    ("AGGREGATION_TEMPORALITY_DELTA", 1),
    ("AGGREGATION_TEMPORALITY_CUMULATIVE", 2),
];

pub(super) fn decode(place: &Place<'_>, raw: &str, origin: &Origin, rows: &mut Rows) {
    if let Err(reason) = metric(place, raw, origin, rows) {
        place.bad(rows, raw, "", reason);
    }
}

type PushPoint = fn(&RawValue, &Shared<'_>, &mut Rows) -> Result<(), String>;

/// Adds the points of a metric as nearly all are written.
pub(super) fn points(place: &Place<'_>, head: &Head<'_>, points: &[&str], origin: &Origin, rows: &mut Rows) {
    let shared = Shared {
        resource: &origin.resource,
        scope: &origin.scope,
        name: head.name,
        unit: head.unit,
        kind: head.kind,
        temporality: head.temporality,
        monotonic: head.monotonic,
    };
    let (walk, push): (WalkPoint, PushPoint) = match head.field {
        "gauge" | "sum" => (walk_number, number),
        "histogram" => (histograms::walk_explicit, histograms::explicit),
        "exponentialHistogram" => (|_, _, _| None, histograms::exponential),
        _ => (|_, _, _| None, histograms::summary),
    };
    let mut p = 0;
    while p < points.len() {
        let Rows { points: builder, memo, .. } = &mut *rows;
        let mut run = builder.run(shared);
        while p < points.len() && walk(points[p], memo, &mut run).is_some() {
            p += 1;
        }
        let Some(point) = points.get(p) else { break };
        if let Err(reason) = raw_value(point).and_then(|point| push(point, &shared, rows)) {
            let below = format!(".{}.dataPoints[{p}]", head.field);
            place.bad(rows, point, &below, format!("metric `{}`: {reason}", head.name));
        }
        p += 1;
    }
}

type WalkPoint = fn(&str, &mut Memo, &mut PointRun<'_, '_>) -> Option<()>;

/// Adds a point of a gauge or sum.
fn walk_number(raw: &str, memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Option<()> {
    let (mut start, mut time, mut double, mut whole, mut flags) = (0, 0, None, None, 0);
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
            "asDouble" => {
                double = Some(cursor.double()?);
                3
            }
            "asInt" => {
                whole = Some(cursor.signed()?);
                4
            }
            "flags" => {
                flags = u32::try_from(cursor.number().filter(|(_, whole)| *whole)?.0.parse::<u64>().ok()?)
                    .ok()?;
                5
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
    let value = points::number(double.or(whole.map(|whole| whole as f64)), flags).ok()?;
    run.push(attributes.text(memo)?.label, &times.measured(value, None));
    Some(())
}

fn metric(place: &Place<'_>, raw: &str, origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let metric: Metric<'_> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
    let name = metric.name.as_deref().unwrap_or_default();
    if name.is_empty() {
        return Err(NO_NAME.to_owned());
    }
    let kinds: [(_, Option<Data<'_>>, PushPoint); 5] = [
        (GAUGE, metric.gauge, number),
        (SUM, metric.sum, number),
        (HISTOGRAM, metric.histogram, histograms::explicit),
        (EXPONENTIAL, metric.exponential_histogram, histograms::exponential),
        (SUMMARY, metric.summary, histograms::summary),
    ];
    for ((field, kind), data, push) in kinds {
        let Some(data) = data else { continue };
        let given = data.aggregation_temporality.filter(|_| points::has_temporality(kind));
        let temporality =
            EnumValue::number(given.as_ref(), &TEMPORALITIES).and_then(temporality).ok_or_else(|| {
                format!("`aggregationTemporality` {} is not 0, 1 or 2", EnumValue::shown(given.as_ref()))
            })?;
        let (temporality, monotonic) = points::said_of(kind, temporality, data.is_monotonic.unwrap_or(false));
        let shared = Shared {
            resource: &origin.resource,
            scope: &origin.scope,
            name,
            unit: metric.unit.as_deref().unwrap_or_default(),
            kind,
            temporality,
            monotonic,
        };
        for (p, point) in data.data_points.unwrap_or_default().into_iter().enumerate() {
            if let Err(reason) = push(point, &shared, rows) {
                place.bad(
                    rows,
                    point.get(),
                    &format!(".{field}.dataPoints[{p}]"),
                    format!("metric `{name}`: {reason}"),
                );
            }
        }
        return Ok(());
    }
    Err(no_data(name))
}

fn number(raw: &RawValue, shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let point: NumberDataPoint<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    let attributes = attributes_text(point.attributes, rows)?;
    let head = points::Head::new(point.time_unix_nano.0, point.start_time_unix_nano.0, attributes)?;
    let value = match (point.as_double, point.as_int) {
        (Some(F64(value)), _) => Some(value),
        (None, Some(I64(value))) => Some(value as f64),
        (None, None) => None,
    };
    head.push(shared, points::number(value, point.flags.unwrap_or(0))?, None, rows);
    Ok(())
}
