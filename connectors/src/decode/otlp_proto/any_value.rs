//! OTLP's `AnyValue` and attribute lists, straight to JSON text.

use std::{borrow::Cow, fmt::Write};

use serde_json::Number;

use super::plain;
use crate::decode::{
    base64,
    json::quote,
    otlp::{DEPTH_MAX, too_deep},
    wire::{Fields, Value, merge, room},
};

/// A value of any kind.
enum Any<'p> {
    Empty,
    Text(&'p str),
    Truth(bool),
    Integer(i64),
    Double(f64),
    Bytes(&'p [u8]),
    Array(Cow<'p, [u8]>),
    Pairs(Cow<'p, [u8]>),
}

/// Takes an `AnyValue` apart. Of its kinds the last counts.
fn any(raw: &[u8]) -> Result<Any<'_>, String> {
    let mut any = Any::Empty;
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        any = match (number, any) {
            (1, _) => Any::Text(value.text("stringValue")?),
            (2, _) => Any::Truth(value.varint("boolValue")? != 0),
            (3, _) => Any::Integer(value.varint("intValue")? as i64),
            (4, _) => Any::Double(value.double("doubleValue")?),
            (5, Any::Array(held)) => {
                let mut held = Some(held);
                merge(&mut held, value.bytes("arrayValue")?);
                Any::Array(held.unwrap_or_default())
            }
            (5, _) => Any::Array(value.bytes("arrayValue")?.into()),
            (6, Any::Pairs(held)) => {
                let mut held = Some(held);
                merge(&mut held, value.bytes("kvlistValue")?);
                Any::Pairs(held.unwrap_or_default())
            }
            (6, _) => Any::Pairs(value.bytes("kvlistValue")?.into()),
            (7, _) => Any::Bytes(value.bytes("bytesValue")?),
            (_, other) => other,
        };
    }
    Ok(any)
}

/// Makes `out` the object of all pairs that stand in `raw` as fields of this number, canonical:
/// keys are sorted, of a key that repeats the last counts.
pub(super) fn object(raw: &[u8], number: u32, out: &mut String) -> Result<(), String> {
    let mut bytes = std::mem::take(out).into_bytes();
    bytes.clear();
    if plain::write_object(raw, number, &mut bytes).is_some()
        && let Ok(text) = String::from_utf8(bytes)
    {
        *out = text;
        return Ok(());
    }
    write_object(raw, number, DEPTH_MAX, out)
}

/// Appends what [`object`] makes.
pub(super) fn write_object(raw: &[u8], number: u32, depth: usize, out: &mut String) -> Result<(), String> {
    let mut pairs = Vec::new();
    let mut fields = Fields::new(raw);
    while let Some((found, value)) = fields.next()? {
        if found == number {
            room("attributes", pairs.len(), 1)?;
            pairs.push(pair(value.bytes("attributes")?)?);
        }
    }
    // Keeps the order of equal keys.
    pairs.sort_by_key(|(key, _)| *key);
    out.push('{');
    let mut first = true;
    for (at, (key, value)) in pairs.iter().enumerate() {
        if pairs.get(at + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        quote(key, out);
        out.push(':');
        write_any(value.as_deref().unwrap_or_default(), depth, out)?;
    }
    out.push('}');
    Ok(())
}

type Pair<'p> = (&'p str, Option<Cow<'p, [u8]>>);

fn pair(raw: &[u8]) -> Result<Pair<'_>, String> {
    let (mut key, mut held) = ("", None);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => key = value.text("attributes.key")?,
            2 => merge(&mut held, value.bytes("attributes.value")?),
            _ => {}
        }
    }
    Ok((key, held))
}

/// Appends a value as JSON. Bytes become base64 text; numbers that JSON does not have become
/// text (`NaN`).
fn write_any(raw: &[u8], depth: usize, out: &mut String) -> Result<(), String> {
    let below = || depth.checked_sub(1).ok_or_else(too_deep);
    match any(raw)? {
        Any::Empty => out.push_str("null"),
        Any::Text(text) => quote(text, out),
        Any::Truth(truth) => out.push_str(if truth { "true" } else { "false" }),
        Any::Integer(number) => _ = write!(out, "{number}"),
        Any::Double(number) => match Number::from_f64(number) {
            Some(number) => _ = write!(out, "{number}"),
            None => _ = write!(out, "\"{number}\""),
        },
        Any::Bytes(bytes) => {
            out.push('"');
            base64::write(bytes, out);
            out.push('"');
        }
        Any::Array(list) => {
            let below = below()?;
            out.push('[');
            let mut fields = Fields::new(&list);
            let mut count = 0;
            while let Some((number, value)) = fields.next()? {
                if number == 1 {
                    room("arrayValue", count, 1)?;
                    if count > 0 {
                        out.push(',');
                    }
                    write_any(value.bytes("arrayValue.values")?, below, out)?;
                    count += 1;
                }
            }
            out.push(']');
        }
        Any::Pairs(pairs) => write_object(&pairs, 1, below()?, out)?,
    }
    Ok(())
}

/// A value as the body of a log record: text as it is, anything else as JSON.
#[inline]
pub(super) fn body(raw: &[u8]) -> Result<Cow<'_, str>, String> {
    // As a rule it is one text.
    let mut fields = Fields::new(raw);
    if let Ok(Some((1, Value::Bytes(text)))) = fields.next()
        && fields.at() == raw.len()
        && let Ok(text) = std::str::from_utf8(text)
    {
        return Ok(Cow::Borrowed(text));
    }
    any_body(raw)
}

fn any_body(raw: &[u8]) -> Result<Cow<'_, str>, String> {
    match any(raw)? {
        Any::Empty => Ok(Cow::Borrowed("")),
        Any::Text(text) => Ok(Cow::Borrowed(text)),
        Any::Bytes(bytes) => {
            let mut out = String::new();
            base64::write(bytes, &mut out);
            Ok(Cow::Owned(out))
        }
        Any::Double(number) if !number.is_finite() => Ok(Cow::Owned(number.to_string())),
        _ => {
            let mut out = String::new();
            write_any(raw, DEPTH_MAX, &mut out)?;
            Ok(Cow::Owned(out))
        }
    }
}
