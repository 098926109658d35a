//! Histograms, exponential histograms and summaries.

use std::borrow::Cow;

use theriac_contract::telemetry::{Histogram, Label, PointRun};

use super::attributes::Attributes;
use crate::decode::{
    memo::Memo,
    otlp::{
        exponential::{Buckets, explicit_buckets},
        points::{Times, check_buckets, finite, has_value, quantiles},
    },
    wire::{Fields, Value, merge, room},
};

/// What all three kinds of point have, under numbers of their own.
struct Common<'p> {
    start: u64,
    time: u64,
    flags: u32,
    histogram: Histogram,
    attributes: Attributes<'p>,
}

impl<'p> Common<'p> {
    /// `number` is that of the attributes.
    fn new(raw: &'p [u8], number: u32) -> Self {
        let histogram = Histogram::default();
        Self { start: 0, time: 0, flags: 0, histogram, attributes: Attributes::new(raw, number) }
    }

    /// Takes the fields that have the same number in all three.
    fn take(&mut self, number: u32, value: Value<'_>) -> Result<(), String> {
        match number {
            2 => self.start = value.fixed64("startTimeUnixNano")?,
            3 => self.time = value.fixed64("timeUnixNano")?,
            4 => self.histogram.count = value.fixed64("count")?,
            5 => self.histogram.sum = Some(value.double("sum")?),
            _ => {}
        }
        Ok(())
    }

    /// Attributes and times.
    fn head<'m>(&self, memo: &'m mut Memo) -> Result<(Label<'m>, Times), String> {
        let attributes = self.attributes.text(memo)?.label;
        Ok((attributes, Times::new(self.time, self.start)?))
    }

    fn push(&mut self, (attributes, times): (Label<'_>, Times), run: &mut PointRun<'_, '_>) {
        let Histogram { sum, min, max, .. } = &mut self.histogram;
        for kept in [sum, min, max] {
            *kept = finite(*kept);
        }
        let histogram = has_value(self.flags).then_some(&self.histogram);
        run.push(attributes, &times.measured(None, histogram));
    }
}

/// Adds a `HistogramDataPoint`.
pub(super) fn explicit(raw: &[u8], memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Result<(), String> {
    let mut point = Common::new(raw, 9);
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            6 => value.fixed64s("bucketCounts", &mut point.histogram.buckets, |count| count as f64)?,
            7 => value.fixed64s("explicitBounds", &mut point.histogram.bounds, f64::from_bits)?,
            9 => point.attributes.add(value, at, &mut fields, memo)?,
            10 => point.flags = value.varint("flags")? as u32,
            11 => point.histogram.min = Some(value.double("min")?),
            12 => point.histogram.max = Some(value.double("max")?),
            other => point.take(other, value)?,
        }
        at = fields.at();
    }
    let head = point.head(memo)?;
    check_buckets(&point.histogram.bounds, &point.histogram.buckets)?;
    point.push(head, run);
    Ok(())
}

/// Adds an `ExponentialHistogramDataPoint`.
pub(super) fn exponential(raw: &[u8], memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Result<(), String> {
    let mut point = Common::new(raw, 1);
    let (mut scale, mut zero_count, mut positive, mut negative) = (0, 0, None, None);
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => point.attributes.add(value, at, &mut fields, memo)?,
            6 => scale = value.sint32("scale")?,
            7 => zero_count = value.fixed64("zeroCount")?,
            8 => merge(&mut positive, value.bytes("positive")?),
            9 => merge(&mut negative, value.bytes("negative")?),
            10 => point.flags = value.varint("flags")? as u32,
            12 => point.histogram.min = Some(value.double("min")?),
            13 => point.histogram.max = Some(value.double("max")?),
            other => point.take(other, value)?,
        }
        at = fields.at();
    }
    let head = point.head(memo)?;
    let (positive, negative) = (side(positive)?, side(negative)?);
    (point.histogram.bounds, point.histogram.buckets) =
        explicit_buckets(scale.into(), zero_count as f64, &[positive], &[negative])?;
    point.push(head, run);
    Ok(())
}

fn side(raw: Option<Cow<'_, [u8]>>) -> Result<Buckets, String> {
    let mut buckets = Buckets::default();
    let raw = raw.unwrap_or_default();
    let mut fields = Fields::new(&raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => buckets.offset = value.sint32("offset")?.into(),
            2 => value.varints("bucketCounts", &mut buckets.counts, |count| count as f64)?,
            _ => {}
        }
    }
    Ok(buckets)
}

/// Adds a `SummaryDataPoint`.
pub(super) fn summary(raw: &[u8], memo: &mut Memo, run: &mut PointRun<'_, '_>) -> Result<(), String> {
    let mut point = Common::new(raw, 7);
    // Unlike the others' it is always there; writers leave a sum of 0 out.
    point.histogram.sum = Some(0.0);
    let mut given = Vec::new();
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            6 => {
                room("quantileValues", given.len(), 1)?;
                given.push(quantile(value.bytes("quantileValues")?)?);
            }
            7 => point.attributes.add(value, at, &mut fields, memo)?,
            8 => point.flags = value.varint("flags")? as u32,
            other => point.take(other, value)?,
        }
        at = fields.at();
    }
    let head = point.head(memo)?;
    (point.histogram.bounds, point.histogram.buckets) = quantiles(&given)?;
    point.push(head, run);
    Ok(())
}

fn quantile(raw: &[u8]) -> Result<(f64, f64), String> {
    let mut pair = (0.0, 0.0);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => pair.0 = value.double("quantileValues.quantile")?,
            2 => pair.1 = value.double("quantileValues.value")?,
            _ => {}
        }
    }
    Ok(pair)
}
