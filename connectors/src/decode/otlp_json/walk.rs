//! Attributes and values, walked without objects.

use std::{borrow::Cow, ops::Range};

use serde_json::value::RawValue;

use crate::decode::{
    json::{Cursor, requote, write_double, write_sorted},
    memo::{Kind, Memo, Text},
    otlp::DEPTH_MAX,
    wire::LIST_MAX,
};

/// The attributes of a record, passed over while its members are walked. Those of the series
/// that should come next, if they are the ones that stand there, are passed over at one go.
#[derive(Default)]
pub(super) struct Attributes<'p> {
    raw: &'p str,
    foreseen: bool,
}

impl<'p> Attributes<'p> {
    /// Takes the value that comes next.
    #[inline]
    pub(super) fn take(cursor: &mut Cursor<'p>, memo: &Memo) -> Option<Self> {
        cursor.peek()?;
        let rest = cursor.rest();
        let length = memo.foreseen(Kind::Attributes, rest);
        if length > 0 {
            let start = *cursor;
            cursor.pass(length);
            return Some(Self { raw: start.until(cursor)?, foreseen: true });
        }
        match cursor.raw()? {
            "null" => None,
            raw => Some(Self { raw, foreseen: false }),
        }
    }

    /// Their canonical text.
    #[inline]
    pub(super) fn text<'m>(&self, memo: &'m mut Memo) -> Option<Text<'m>> {
        // No attributes are what an empty list says.
        let raw = if self.raw.is_empty() { "[]" } else { self.raw };
        memo.text(Kind::Attributes, raw.as_bytes(), self.foreseen, |out| list(raw, out).ok_or(())).ok()
    }
}

/// The object of an attribute list.
fn list(raw: &str, out: &mut String) -> Option<()> {
    let mut cursor = Cursor::new(raw);
    // As a rule more than a half of it is names of members and kinds.
    out.reserve(raw.len() / 2);
    object(&mut cursor, DEPTH_MAX, out)?;
    cursor.end()
}

/// Appends the list of pairs that comes next as an object.
pub(super) fn object(cursor: &mut Cursor<'_>, depth: usize, out: &mut String) -> Option<()> {
    let mut pairs: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
    let mut values = String::new();
    let mut entries = cursor.array()?;
    if cursor.peek()? == b'{' {
        pairs.reserve(8);
        values.reserve(256);
    }
    while entries.entry(cursor)? {
        if pairs.len() == LIST_MAX {
            return None;
        }
        let mut members = cursor.object()?;
        let start = values.len();
        let (mut key, mut valued) = (None, false);
        while let Some(name) = members.key(cursor)? {
            match name {
                "key" if key.is_none() => key = Some(cursor.text()?),
                "value" if !valued => {
                    valued = true;
                    any(cursor, depth, &mut values)?;
                }
                "key" | "value" => return None,
                _ => cursor.skip()?,
            }
        }
        if !valued {
            values.push_str("null");
        }
        pairs.push((key.unwrap_or_default(), start..values.len()));
    }
    write_sorted(&mut pairs, &values, out);
    Some(())
}

/// Appends the value that comes next, of which one kind is set.
fn any(cursor: &mut Cursor<'_>, depth: usize, out: &mut String) -> Option<()> {
    let mut members = cursor.object()?;
    let Some(kind) = members.key(cursor)? else {
        out.push_str("null");
        return Some(());
    };
    match kind {
        "stringValue" | "bytesValue" => requote(cursor, out)?,
        "boolValue" => out.push_str(if cursor.truth()? { "true" } else { "false" }),
        "intValue" => {
            use std::fmt::Write;
            write!(out, "{}", cursor.signed()?).ok()?;
        }
        "doubleValue" => write_double(cursor.double()?, out)?,
        "arrayValue" | "kvlistValue" => {
            let depth = depth.checked_sub(1)?;
            let mut inside = cursor.object()?;
            match inside.key(cursor)? {
                None => out.push_str(if kind == "arrayValue" { "[]" } else { "{}" }),
                Some("values") => {
                    if kind == "arrayValue" {
                        array(cursor, depth, out)?;
                    } else {
                        object(cursor, depth, out)?;
                    }
                    if inside.key(cursor)?.is_some() {
                        return None;
                    }
                }
                Some(_) => return None,
            }
        }
        _ => return None,
    }
    members.key(cursor)?.is_none().then_some(())
}

fn array(cursor: &mut Cursor<'_>, depth: usize, out: &mut String) -> Option<()> {
    let mut entries = cursor.array()?;
    out.push('[');
    let mut count = 0;
    while entries.entry(cursor)? {
        if count == LIST_MAX {
            return None;
        }
        if count > 0 {
            out.push(',');
        }
        any(cursor, depth, out)?;
        count += 1;
    }
    out.push(']');
    Some(())
}

/// The text that comes next as the body of a log record.
#[inline]
pub(super) fn body<'p>(cursor: &mut Cursor<'p>) -> Option<Cow<'p, str>> {
    let mut members = cursor.object()?;
    if members.key(cursor)? == Some("stringValue") {
        let text = cursor.text()?;
        return members.key(cursor)?.is_none().then_some(text);
    }
    None
}

/// What was walked as serde_json's, for what the walk leaves to it.
pub(super) fn raw_value(raw: &str) -> Result<&RawValue, String> {
    serde_json::from_str(raw).map_err(|error| error.to_string())
}
