//! Native histograms as histograms with explicit bounds.
//!
//! After `prompb/types.proto` and "Native Histograms"
//! (<https://prometheus.io/docs/specs/native_histograms/>).

use theriac_contract::telemetry::Histogram;

use super::series::STALE;
use crate::decode::{
    otlp::{
        exponential::{BUCKETS_MAX, Buckets, explicit_buckets},
        points::{check_buckets, finite},
    },
    wire::{Fields, room, zigzag},
};

/// The schema whose bounds are listed.
const CUSTOM: i32 = -53;

/// Reset hint of a histogram whose counts may fall.
const GAUGE: u64 = 3;

/// A native histogram, its times in milliseconds.
pub(super) struct Native {
    pub(super) time: i64,
    pub(super) start: i64,
    pub(super) gauge: bool,
    /// None if it marks the end of its series.
    pub(super) histogram: Option<Histogram>,
}

/// A run of buckets: its distance from the end of the run before, and how many there are.
struct Span {
    distance: i64,
    length: usize,
}

/// Buckets of one side: runs of them, and counts as differences or as they are.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

fn span(raw: &[u8]) -> Result<Span, String> {
    let (mut distance, mut length) = (0, 0);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => distance = value.sint32("spans.offset")?,
            2 => length = value.varint("spans.length")? as u32,
            _ => {}
        }
    }
    Ok(Span { distance: distance.into(), length: length as usize })
}

impl Side {
    /// The counts, one for each bucket that a span covers.
    fn counts(self) -> Result<(Vec<Span>, Vec<f64>), String> {
        let Self { spans, deltas, counts } = self;
        let mut counts = counts;
        let mut count = 0_i64;
        for delta in deltas {
            count = count.checked_add(delta).ok_or("the sum of `deltas` is beyond 64 bits")?;
            counts.push(count as f64);
        }
        let covered = spans.iter().try_fold(0_usize, |sum, span| sum.checked_add(span.length));
        if covered != Some(counts.len()) {
            return Err(format!("{} bucket counts do not fit the lengths of their spans", counts.len()));
        }
        if counts.len() > BUCKETS_MAX {
            return Err(format!("the histogram has more than {BUCKETS_MAX} buckets"));
        }
        if counts.iter().any(|count| !count.is_finite() || *count < 0.0) {
            return Err("a bucket has a negative count, or none".to_owned());
        }
        Ok((spans, counts))
    }

    /// The runs of buckets, numbered as OpenTelemetry does. Prometheus names a bucket by its
    /// upper bound, OpenTelemetry by its lower one.
    fn runs(self) -> Result<Vec<Buckets>, String> {
        let (spans, counts) = self.counts()?;
        let mut next = -1_i64;
        let mut rest = &counts[..];
        let runs = spans.into_iter().map(|Span { distance, length }| {
            let offset = next + distance;
            next = offset + length as i64;
            let (run, behind) = rest.split_at(length);
            rest = behind;
            Buckets { offset, counts: run.to_vec() }
        });
        Ok(runs.collect())
    }

    /// The counts of buckets up to `bounds` bounds and one beyond.
    fn custom(self, bounds: usize) -> Result<Vec<f64>, String> {
        let (spans, counts) = self.counts()?;
        let mut buckets = vec![0.0; bounds + 1];
        let (mut next, mut counts) = (0_i64, counts.into_iter());
        for Span { distance, length } in spans {
            next += distance;
            for count in counts.by_ref().take(length) {
                let bucket = usize::try_from(next).ok().and_then(|at| buckets.get_mut(at));
                *bucket.ok_or_else(|| format!("a span covers bucket {next} of {}", bounds + 1))? = count;
                next += 1;
            }
        }
        Ok(buckets)
    }
}

/// Takes a `Histogram` message apart; those of 1.0 and 2.0 are alike.
pub(super) fn decode(raw: &[u8]) -> Result<Native, String> {
    let (mut count, mut sum, mut zero_count) = (0.0, 0.0, 0.0);
    let mut whole = None;
    let (mut schema, mut hint, mut time, mut start) = (0, 0, 0, 0);
    let (mut positive, mut negative) = (Side::default(), Side::default());
    let mut bounds = Vec::new();
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => whole = Some(value.varint("count_int")?),
            2 => (count, whole) = (value.double("count_float")?, None),
            3 => sum = value.double("sum")?,
            4 => schema = value.sint32("schema")?,
            6 => zero_count = value.varint("zero_count_int")? as f64,
            7 => zero_count = value.double("zero_count_float")?,
            8 | 11 => {
                let side = if number == 8 { &mut negative } else { &mut positive };
                room("spans", side.spans.len(), 1)?;
                side.spans.push(span(value.bytes("spans")?)?);
            }
            9 => value.varints("negative_deltas", &mut negative.deltas, zigzag)?,
            10 => value.fixed64s("negative_counts", &mut negative.counts, f64::from_bits)?,
            12 => value.varints("positive_deltas", &mut positive.deltas, zigzag)?,
            13 => value.fixed64s("positive_counts", &mut positive.counts, f64::from_bits)?,
            14 => hint = value.varint("reset_hint")?,
            15 => time = value.varint("timestamp")? as i64,
            16 => value.fixed64s("custom_values", &mut bounds, f64::from_bits)?,
            17 => start = value.varint("start_timestamp")? as i64,
            _ => {}
        }
    }
    let native = Native { time, start, gauge: hint == GAUGE, histogram: None };
    if sum.to_bits() == STALE {
        return Ok(native);
    }
    if !(count.is_finite() && count >= 0.0 && zero_count.is_finite() && zero_count >= 0.0) {
        return Err("`count` or `zero_count` is negative, or no number".to_owned());
    }
    let (bounds, buckets) = match schema {
        CUSTOM => {
            let buckets = positive.custom(bounds.len())?;
            check_buckets(&bounds, &buckets)?;
            (bounds, buckets)
        }
        -4..=8 => explicit_buckets(schema.into(), zero_count, &positive.runs()?, &negative.runs()?)?,
        _ => return Err(format!("`schema` {schema} is neither -53 nor one of -4 to 8")),
    };
    let count = whole.unwrap_or(count.round() as u64);
    let histogram = Histogram { count, sum: finite(Some(sum)), min: None, max: None, bounds, buckets };
    Ok(Native { histogram: Some(histogram), ..native })
}
