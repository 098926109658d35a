//! OTLP in protobuf: one export request (or `MetricsData`, `LogsData`, `TracesData`, which
//! are the same bytes) a payload.
//!
//! After `opentelemetry/proto/**` of opentelemetry-proto 1.11. The frame is checked first; then
//! rows are made from the bytes of each record without messages in between. Attributes that came
//! before are not taken apart again: a memo foresees which come next, and they
//! are passed over as soon as their bytes are found equal. It gives the rows that
//! [`otlp_json`](super::otlp_json) gives for the same content. Fields that are not known are
//! passed over, lists of numbers may be packed or not, a message field that stands twice is
//! one message. The frame of resources and scopes must be whole; data points, log records and
//! spans inside it are taken apart one by one, so a bad one is noted with its path while the
//! rest is kept.
//!
//! How many times as fast it is as prost alone, which makes messages of the same bytes (AMD EPYC,
//! 2 cores, both busy with other work; median of five runs of
//! `cargo bench -p theriac-benches --no-default-features --bench decode`, least and most):
//!
//! | requests of 1,000 records, 6 attributes each | series that repeat | new series |
//! |---|---|---|
//! | metrics of 50 points | 10.5 (8.8 to 13.0) | 2.7 (2.6 to 3.0) |
//! | metrics of 1 point | 6.6 (5.3 to 7.4) | 4.1 (3.8 to 4.5) |
//! | logs | 7.6 (6.3 to 7.8) | 2.5 (2.1 to 2.5) |
//! | spans | 6.7 (5.6 to 8.4) | 3.3 (2.9 to 4.7) |

mod any_value;
mod attributes;
mod frame;
mod histograms;
mod logs;
mod metrics;
mod plain;
mod spans;

use std::{borrow::Cow, sync::Arc};

use theriac_contract::telemetry::{Attributes, canonical, parse_attributes};

use self::frame::Place;
use super::{
    DecodeError, Rows,
    json::quote,
    memo::Kind,
    otlp::{Origin, Signal},
    wire::{Fields, merge},
};

pub(crate) use self::frame::{Survey, survey};

/// Decodes one request and appends its rows. Records that cannot be decoded go to
/// [`Rows::bad`].
///
/// # Errors
/// If the payload is no OTLP request as a whole, or nothing in it says which signal it is of.
pub fn decode(payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
    decode_with(payload, &Attributes::new(), rows)
}

/// As [`decode`], of a payload that holds `signal`, whatever its records look like.
///
/// # Errors
/// If the payload is no OTLP request as a whole.
pub fn decode_as(signal: Signal, payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
    decode_surveyed(payload, &survey(payload)?, Some(signal), &Attributes::new(), rows)
}

/// As [`decode`]; `defaults` are resource attributes for resources that lack them.
pub(crate) fn decode_with(payload: &[u8], defaults: &Attributes, rows: &mut Rows) -> Result<(), DecodeError> {
    decode_surveyed(payload, &survey(payload)?, None, defaults, rows)
}

/// As [`decode_with`], of a payload whose frame is known to be whole. It holds `signal` if
/// that is said, else what its records tell.
pub(crate) fn decode_surveyed(
    payload: &[u8],
    survey: &Survey,
    signal: Option<Signal>,
    defaults: &Attributes,
    rows: &mut Rows,
) -> Result<(), DecodeError> {
    match signal.or(survey.signal) {
        Some(signal) => walk(payload, signal, survey.scattered, defaults, rows).map_err(DecodeError::new),
        None if survey.records == 0 => Ok(()),
        None => Err(DecodeError::new(format!(
            "not an OTLP protobuf request: none of its {} records has a field that metrics, log records or spans have",
            survey.records
        ))),
    }
}

/// Goes through resources and scopes, whose frame is known to be whole.
fn walk(
    payload: &[u8],
    signal: Signal,
    scattered: bool,
    defaults: &Attributes,
    rows: &mut Rows,
) -> Result<(), String> {
    rows.memo.set_defaults(defaults);
    let mut place = Place::new(payload, signal, scattered, rows);
    let mut groups = Fields::new(payload);
    while let Some((number, group)) = groups.next()? {
        if number == 1 {
            resource_group(group.bytes("resource group")?, defaults, &mut place, rows)?;
            place.next_resource();
        }
    }
    place.finish(rows);
    Ok(())
}

fn resource_group(
    group: &[u8],
    defaults: &Attributes,
    place: &mut Place<'_>,
    rows: &mut Rows,
) -> Result<(), String> {
    let raw = first_field(group, place.scattered)?;
    let resource = resource_text(&raw, defaults, rows).unwrap_or_else(|reason| {
        let reason = format!("{reason}; its records are kept without its attributes");
        place.bad_resource(&mut rows.bad, &raw, reason);
        canonical(defaults).into()
    });
    let mut fields = Fields::new(group);
    while let Some((number, value)) = fields.next()? {
        if number == 2 {
            scope_group(value.bytes("scope group")?, &resource, place, rows)?;
            place.next_scope();
        }
    }
    Ok(())
}

fn scope_group(
    group: &[u8],
    resource: &Arc<str>,
    place: &mut Place<'_>,
    rows: &mut Rows,
) -> Result<(), String> {
    let raw = first_field(group, place.scattered)?;
    let scope = scope_text(&raw, rows).unwrap_or_else(|reason| {
        place.bad_scope(&mut rows.bad, &raw, format!("{reason}; its records are kept without it"));
        "{}".into()
    });
    let origin = Origin { resource: Arc::clone(resource), scope };
    let mut fields = Fields::new(group);
    while let Some((number, value)) = fields.next()? {
        if number != 2 {
            continue;
        }
        let raw = value.bytes("record")?;
        let decoded = match place.signal() {
            Signal::Points => metrics::decode(raw, &origin, place, rows),
            Signal::Logs => logs::decode(raw, &origin, rows),
            Signal::Spans => spans::decode(raw, &origin, rows),
        };
        if let Err(reason) = decoded {
            place.bad(&mut rows.bad, raw, "", reason);
        }
        place.next_record();
    }
    Ok(())
}

/// The message in field 1: the resource of its scopes, the scope of its records. It counts for
/// them even if it is `scattered`: behind them, or in pieces.
fn first_field(group: &[u8], scattered: bool) -> Result<Cow<'_, [u8]>, String> {
    let mut raw = None;
    let mut fields = Fields::new(group);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            merge(&mut raw, value.bytes("resource or scope")?);
        }
        if !scattered {
            break;
        }
    }
    Ok(raw.unwrap_or_default())
}

/// Canonical attributes of a `Resource` message.
fn resource_text(raw: &[u8], defaults: &Attributes, rows: &mut Rows) -> Result<Arc<str>, String> {
    rows.memo.canonical(Kind::ProtoResource, raw, || {
        let mut own = String::new();
        any_value::object(raw, 1, &mut own)?;
        if defaults.is_empty() {
            return Ok(own);
        }
        let mut all = defaults.clone();
        all.extend(parse_attributes(&own));
        Ok(canonical(&all))
    })
}

/// Canonical text of an `InstrumentationScope` message.
fn scope_text(raw: &[u8], rows: &mut Rows) -> Result<Arc<str>, String> {
    rows.memo.canonical(Kind::ProtoScope, raw, || {
        let (mut name, mut version) = ("", "");
        let mut fields = Fields::new(raw);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => name = value.text("name")?,
                2 => version = value.text("version")?,
                _ => {}
            }
        }
        // In the order of the keys.
        let mut parts = Vec::new();
        let mut attributes = String::new();
        any_value::object(raw, 3, &mut attributes)?;
        if attributes != "{}" {
            parts.push(format!("\"attributes\":{attributes}"));
        }
        for (key, text) in [("name", name), ("version", version)] {
            if !text.is_empty() {
                let mut part = format!("\"{key}\":");
                quote(text, &mut part);
                parts.push(part);
            }
        }
        Ok(format!("{{{}}}", parts.join(",")))
    })
}

/// A trace or span id. Leading zeros may be left out; `Ok(None)` for no bytes or zeros only,
/// which both mean "no id".
fn id<const N: usize>(bytes: &[u8], name: &str) -> Result<Option<[u8; N]>, String> {
    let mut id = [0; N];
    let start = N
        .checked_sub(bytes.len())
        .ok_or_else(|| format!("`{name}`: an id of {} bytes; it has at most {N}", bytes.len()))?;
    id[start..].copy_from_slice(bytes);
    Ok((id != [0; N]).then_some(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_may_lack_leading_zeros() {
        assert_eq!(id(&[], "traceId"), Ok(None::<[u8; 2]>));
        assert_eq!(id(&[0, 0], "traceId"), Ok(None::<[u8; 2]>));
        assert_eq!(id(&[7], "traceId"), Ok(Some([0, 7])));
        assert_eq!(id(&[7, 8], "traceId"), Ok(Some([7, 8])));
        assert!(id::<2>(&[7, 8, 9], "traceId").unwrap_err().starts_with("`traceId`: an id of 3 bytes"));
    }
}
