//! Prometheus remote write: one request a payload, compressed with Snappy or not.
//!
//! 1.0 is `prometheus.WriteRequest` (<https://prometheus.io/docs/specs/remote_write_spec/>),
//! 2.0 is `io.prometheus.write.v2.Request`
//! (<https://prometheus.io/docs/specs/remote_write_spec_2_0/>, up to 2.0-rc.4). They share no
//! field number at the top, so the bytes tell which it is. `job` and `instance` become the
//! resource, the other labels attributes. Counters are told by their metadata (2.0), else by
//! the endings of their names; native histograms become histograms with explicit bounds.

mod histogram;
mod labels;
mod series;

use std::borrow::Cow;

use theriac_contract::telemetry::Attributes;

use self::labels::Labels;
use super::{
    DecodeError, Rows,
    noted::Noted,
    wire::{Fields, room},
};

/// Larger requests are refused; Prometheus sends a few thousand samples in one.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A copy of 64 bytes takes three in Snappy's format: what announces more than this many
/// times its size is not written in it, and no memory is taken for it.
const SNAPPY_RATIO_MAX: usize = 22;

/// Decodes one request and appends its rows. Series and samples that cannot be decoded go to
/// [`Rows::bad`].
///
/// # Errors
/// If the payload is no remote write request as a whole.
pub fn decode(payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
    decode_with(payload, &Attributes::new(), rows)
}

/// As [`decode`]; `defaults` are resource attributes for series that lack them.
pub(crate) fn decode_with(payload: &[u8], defaults: &Attributes, rows: &mut Rows) -> Result<(), DecodeError> {
    let not = |reason: String| DecodeError::new(format!("not a Prometheus remote write request: {reason}"));
    let request = request(payload).map_err(not)?;
    let survey = survey(&request).map_err(not)?;
    let Some(version) = survey.version else {
        return if request.is_empty() { Ok(()) } else { Err(not("it has no time series".to_owned())) };
    };
    walk(&request, version, defaults, rows).map_err(not)
}

/// Whether the payload is a request that has samples.
pub(crate) fn is_request(payload: &[u8]) -> Result<(), String> {
    let survey = survey(&request(payload)?)?;
    if survey.samples { Ok(()) } else { Err("it has no samples".to_owned()) }
}

/// The request, out of Snappy's block format if it is in it.
fn request(payload: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let too_large = |bytes: usize| {
        format!("it has {bytes} bytes; the limit is {REQUEST_BYTES_MAX}: send smaller batches")
    };
    if payload.len() > REQUEST_BYTES_MAX {
        return Err(too_large(payload.len()));
    }
    // What looks compressed and is not is taken as it is.
    let announced = snap::raw::decompress_len(payload).ok();
    let Some(length) = announced.filter(|length| *length <= payload.len().saturating_mul(SNAPPY_RATIO_MAX))
    else {
        return Ok(Cow::Borrowed(payload));
    };
    if length > REQUEST_BYTES_MAX {
        return Err(too_large(length));
    }
    let decompressed = snap::raw::Decoder::new().decompress_vec(payload);
    Ok(decompressed.map_or(Cow::Borrowed(payload), Cow::Owned))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

impl Version {
    /// Number of the field with a series, and inside it of the one with native histograms.
    const fn numbers(self) -> (u32, u32) {
        match self {
            Self::One => (1, 4),
            Self::Two => (5, 3),
        }
    }
}

#[derive(Default)]
struct Survey {
    version: Option<Version>,
    samples: bool,
}

/// Checks the frame: series, and that their parts are messages.
fn survey(request: &[u8]) -> Result<Survey, String> {
    let mut survey = Survey::default();
    let mut count = 0;
    let mut fields = Fields::new(request);
    while let Some((number, value)) = fields.next()? {
        let version = match number {
            1 => Version::One,
            4 | 5 => Version::Two,
            _ => continue,
        };
        if survey.version.is_some_and(|other| other != version) {
            return Err("it has fields of both 1.0 and 2.0".to_owned());
        }
        survey.version = Some(version);
        room("timeseries and symbols", count, 1)?;
        count += 1;
        let part = value.bytes("timeseries")?;
        if number == 4 {
            continue;
        }
        let (_, histograms) = version.numbers();
        let mut series = Fields::new(part);
        while let Some((number, value)) = series.next()? {
            if number == 2 || number == histograms {
                value.bytes("samples")?;
                survey.samples = true;
            }
        }
    }
    Ok(survey)
}

/// Goes through the series of a request whose frame is whole.
fn walk(request: &[u8], version: Version, defaults: &Attributes, rows: &mut Rows) -> Result<(), String> {
    rows.memo.set_defaults(defaults);
    let mut symbols = Vec::new();
    let mut fields = Fields::new(request);
    while let Some((number, value)) = fields.next()? {
        if version == Version::Two && number == 4 {
            symbols.push(value.bytes("symbols")?);
        }
    }
    let mut labels = Labels::new(version, symbols, defaults);
    let mut noted = Noted::new(request, rows);
    let (number, _) = version.numbers();
    let mut count = 0;
    let mut fields = Fields::new(request);
    while let Some((found, value)) = fields.next()? {
        if found == number {
            let raw = value.bytes("timeseries")?;
            if let Err(reason) = series::decode(raw, version, &mut labels, count, &mut noted, rows) {
                noted.note(&mut rows.bad, raw, || format!("timeseries[{count}]"), reason);
            }
            count += 1;
        }
    }
    noted.finish(rows);
    Ok(())
}
