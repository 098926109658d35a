//! Metrics: gauges and sums here, the others in `histograms`.

use std::borrow::Cow;

use super::{Place, attributes_text, histograms};
use crate::decode::{
    Rows,
    otlp::{
        Origin,
        points::{
            self, EXPONENTIAL, GAUGE, HISTOGRAM, Head, NO_NAME, SUM, SUMMARY, Shared, no_data, temporality,
        },
    },
    wire::{Fields, Run, room},
};

type PushPoint = fn(&[u8], &Shared<'_>, &mut Rows) -> Result<(), String>;

/// Adds the points of a `Metric`.
pub(super) fn decode(
    raw: &[u8],
    origin: &Origin,
    place: &mut Place<'_>,
    rows: &mut Rows,
) -> Result<(), String> {
    let (mut name, mut unit) = ("", "");
    // Of the kinds of data the last counts.
    let mut data: Option<(u32, Cow<'_, [u8]>)> = None;
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.text("name")?,
            3 => unit = value.text("unit")?,
            5 | 7 | 9 | 10 | 11 => {
                let piece = value.bytes("data")?;
                match &mut data {
                    Some((kind, held)) if *kind == number => held.to_mut().extend_from_slice(piece),
                    _ => data = Some((number, piece.into())),
                }
            }
            _ => {}
        }
    }
    if name.is_empty() {
        return Err(NO_NAME.to_owned());
    }
    let Some((number, data)) = data else { return Err(no_data(name)) };
    let ((field, kind), push): (_, PushPoint) = match number {
        5 => (GAUGE, self::number),
        7 => (SUM, self::number),
        9 => (HISTOGRAM, histograms::explicit),
        10 => (EXPONENTIAL, histograms::exponential),
        _ => (SUMMARY, histograms::summary),
    };
    // What the points share may stand behind them.
    let (mut given, mut monotonic, mut count) = (0, false, 0);
    let mut fields = Fields::new(&data);
    while let Some((found, value)) = fields.next()? {
        match (found, number) {
            (1, _) => {
                value.bytes("dataPoints")?;
                room("dataPoints", count, 1)?;
                count += 1;
            }
            (2, 7 | 9 | 10) => given = value.int32("aggregationTemporality")?,
            (3, 7) => monotonic = value.varint("isMonotonic")? != 0,
            _ => {}
        }
    }
    let temporality = temporality(given.into())
        .ok_or_else(|| format!("`aggregationTemporality` {given} is not 0, 1 or 2"))?;
    let shared = Shared { origin, name, unit, kind, temporality, monotonic };
    let mut fields = Fields::new(&data);
    let mut p = 0;
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let point = value.bytes("dataPoints")?;
        if let Err(reason) = push(point, &shared, rows) {
            let below = format!(".{field}.dataPoints[{p}]");
            place.bad(rows, point, &below, format!("metric `{name}`: {reason}"));
        }
        p += 1;
    }
    Ok(())
}

/// Adds a `NumberDataPoint`.
fn number(raw: &[u8], shared: &Shared<'_>, rows: &mut Rows) -> Result<(), String> {
    let (mut start, mut time, mut given, mut flags) = (0, 0, None, 0);
    let mut attributes = Run::new(raw);
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => start = value.fixed64("startTimeUnixNano")?,
            3 => time = value.fixed64("timeUnixNano")?,
            4 => given = Some(value.double("asDouble")?),
            6 => given = Some(value.fixed64("asInt")? as i64 as f64),
            7 => {
                value.bytes("attributes")?;
                attributes.add(at, fields.at());
            }
            8 => flags = value.varint("flags")? as u32,
            _ => {}
        }
        at = fields.at();
    }
    let head = Head::new(time, start, attributes_text(attributes.bytes(), 7, rows)?)?;
    head.push(shared, points::number(given, flags)?, None, rows);
    Ok(())
}
