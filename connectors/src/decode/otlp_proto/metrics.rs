//! Metrics: gauges and sums here, the others in `histograms`.

use std::borrow::Cow;

use theriac_contract::telemetry::{PointRun, Shared};

use super::{Place, attributes::Attributes, histograms};
use crate::decode::{
    Rows,
    memo::Memo,
    otlp::{
        Origin,
        points::{self, EXPONENTIAL, GAUGE, HISTOGRAM, NO_NAME, SUM, SUMMARY, Times, no_data, temporality},
    },
    wire::{Fields, room},
};

type PushPoint = fn(&[u8], &mut Memo, &mut PointRun<'_, '_>) -> Result<(), String>;

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
    let (resource, scope) = (&*origin.resource, &*origin.scope);
    let Rows { points, memo, bad, .. } = rows;
    let mut run = points.run(Shared { resource, scope, name, unit, kind, temporality, monotonic });
    let mut fields = Fields::new(&data);
    let mut p = 0;
    while let Some((number, value)) = fields.next()? {
        if number != 1 {
            continue;
        }
        let point = value.bytes("dataPoints")?;
        if let Err(reason) = push(point, memo, &mut run) {
            let below = format!(".{field}.dataPoints[{p}]");
            place.bad(bad, point, &below, format!("metric `{name}`: {reason}"));
        }
        p += 1;
    }
    Ok(())
}

/// Adds a `NumberDataPoint`.
fn number(raw: &[u8], memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Result<(), String> {
    let (mut start, mut time, mut given, mut flags) = (0, 0, None, 0);
    let mut attributes = Attributes::new(raw, 7);
    let mut fields = Fields::new(raw);
    if let Some(front) = front(raw) {
        (start, time, given) = (front.start, front.time, Some(front.value));
        fields.move_to(FRONT_BYTES);
    }
    let mut at = fields.at();
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => start = value.fixed64("startTimeUnixNano")?,
            3 => time = value.fixed64("timeUnixNano")?,
            4 => given = Some(value.double("asDouble")?),
            6 => given = Some(value.fixed64("asInt")? as i64 as f64),
            7 => attributes.add(value, at, &mut fields, memo)?,
            8 => flags = value.varint("flags")? as u32,
            _ => {}
        }
        at = fields.at();
    }
    let attributes = attributes.text(memo)?.label;
    let times = Times::new(time, start)?;
    run.push(attributes, &times.measured(points::number(given, flags)?, None));
    Ok(())
}

/// What stands at the front of a `NumberDataPoint` as encoders write it.
struct Front {
    start: u64,
    time: u64,
    value: f64,
}

/// Three tags, each with eight fixed bytes.
const FRONT_BYTES: usize = 27;

/// The fields 2, 3 and 4 or 6, if the point begins with them in this order.
#[inline]
fn front(raw: &[u8]) -> Option<Front> {
    let front = raw.first_chunk::<FRONT_BYTES>()?;
    let (fields, _) = front.as_chunks::<9>();
    let [start, time, value] = [0, 1, 2].map(|at| {
        let [tag, number @ ..] = fields[at];
        (tag, u64::from_le_bytes(number))
    });
    let value = match (start.0, time.0, value.0) {
        (0x11, 0x19, 0x21) => f64::from_bits(value.1),
        (0x11, 0x19, 0x31) => value.1 as i64 as f64,
        _ => return None,
    };
    Some(Front { start: start.1, time: time.1, value })
}
