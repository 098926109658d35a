//! Spans.

use std::{borrow::Cow, fmt::Write};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use theriac_contract::telemetry::SpanRow;

use super::{
    Place,
    any_value::{self, KeyValue},
    attributes_text,
    scalars::{EnumValue, U64},
    walk::Attributes,
};
use crate::decode::{
    Rows, hex,
    json::{Cursor, Seen, quote},
    otlp::{DEPTH_MAX, Origin, instant, span_kind, span_status, span_times},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Span<'a> {
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parent_span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    trace_state: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    kind: Option<EnumValue>,
    #[serde(default)]
    start_time_unix_nano: U64,
    #[serde(default)]
    end_time_unix_nano: U64,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    events: Option<Vec<Event<'a>>>,
    #[serde(borrow, default)]
    links: Option<Vec<Link<'a>>>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link<'a> {
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    message: Option<Cow<'a, str>>,
    #[serde(default)]
    code: Option<EnumValue>,
}

const KINDS: [(&str, i64); 6] = [
    ("SPAN_KIND_UNSPECIFIED", 0),
    ("SPAN_KIND_INTERNAL", 1),
    ("SPAN_KIND_SERVER", 2),
    ("SPAN_KIND_CLIENT", 3),
    ("SPAN_KIND_PRODUCER", 4),
    ("SPAN_KIND_CONSUMER", 5),
];
const CODES: [(&str, i64); 3] = [("STATUS_CODE_UNSET", 0), ("STATUS_CODE_OK", 1), ("STATUS_CODE_ERROR", 2)];

pub(super) fn decode(place: &Place<'_>, raw: &str, origin: &Origin, rows: &mut Rows) {
    if !rows.by_objects && walk(raw, origin, rows).is_some() {
        return;
    }
    if let Err(reason) = push(raw, origin, rows) {
        place.bad(rows, raw, "", reason);
    }
}

fn id<const N: usize>(text: Option<&Cow<'_, str>>, name: &str) -> Result<Option<[u8; N]>, String> {
    hex::id(text.map_or("", |text| text)).map_err(|reason| format!("`{name}`: {reason}"))
}

/// Adds a span as nearly all are written.
fn walk(raw: &str, origin: &Origin, rows: &mut Rows) -> Option<()> {
    let (mut trace_id, mut span_id, mut parent) = (None, None, None);
    let (mut name, mut trace_state, mut message) = (Cow::Borrowed(""), Cow::Borrowed(""), Cow::Borrowed(""));
    let (mut kind, mut start, mut end, mut code) = (0, 0, 0, 0);
    let (mut events, mut links) = (Cow::Borrowed("[]"), Cow::Borrowed("[]"));
    let mut attributes = Attributes::default();
    let mut seen = Seen::default();
    let mut cursor = Cursor::new(raw);
    let mut members = cursor.object()?;
    while let Some(key) = members.key(&mut cursor)? {
        let number = match key {
            "traceId" => {
                trace_id = hex::id(cursor.plain()?).ok()?;
                0
            }
            "spanId" => {
                span_id = hex::id(cursor.plain()?).ok()?;
                1
            }
            "parentSpanId" => {
                parent = hex::id(cursor.plain()?).ok()?;
                2
            }
            "traceState" => {
                trace_state = cursor.text()?;
                3
            }
            "name" => {
                name = cursor.text()?;
                4
            }
            "kind" => {
                kind = cursor.signed()?;
                5
            }
            "startTimeUnixNano" => {
                start = cursor.unsigned()?;
                6
            }
            "endTimeUnixNano" => {
                end = cursor.unsigned()?;
                7
            }
            "attributes" => {
                attributes = Attributes::take(&mut cursor, &rows.memo)?;
                8
            }
            "events" => {
                events = walk_list(&mut cursor, walk_event)?;
                9
            }
            "links" => {
                links = walk_list(&mut cursor, walk_link)?;
                10
            }
            "status" => {
                (code, message) = walk_status(&mut cursor)?;
                11
            }
            _ => {
                cursor.skip()?;
                continue;
            }
        };
        seen.once(number)?;
    }
    cursor.end()?;
    let Rows { memo, spans, .. } = rows;
    let label = attributes.text(memo)?.label;
    let (start, end) = span_times(start, end).ok()?;
    let row = SpanRow {
        trace_id: trace_id?,
        span_id: span_id?,
        parent_span_id: parent,
        name: &name,
        kind: span_kind(kind)?,
        start,
        end,
        resource: &origin.resource,
        scope: &origin.scope,
        attributes: label.text(),
        status: span_status(code)?,
        status_message: &message,
        events: &events,
        links: &links,
        trace_state: &trace_state,
    };
    spans.push_labelled(&row, label);
    Some(())
}

fn walk_status<'p>(cursor: &mut Cursor<'p>) -> Option<(i64, Cow<'p, str>)> {
    let (mut code, mut message) = (0, Cow::Borrowed(""));
    let mut seen = Seen::default();
    let mut members = cursor.object()?;
    while let Some(key) = members.key(cursor)? {
        match key {
            "code" => {
                seen.once(0)?;
                code = cursor.signed()?;
            }
            "message" => {
                seen.once(1)?;
                message = cursor.text()?;
            }
            _ => cursor.skip()?,
        }
    }
    Some((code, message))
}

/// The list that comes next with each entry written by `entry`.
fn walk_list<'p>(
    cursor: &mut Cursor<'p>,
    entry: fn(&mut Cursor<'p>, &mut String) -> Option<()>,
) -> Option<Cow<'static, str>> {
    let mut entries = cursor.array()?;
    if !entries.entry(cursor)? {
        return Some(Cow::Borrowed("[]"));
    }
    let mut out = String::from("[");
    entry(cursor, &mut out)?;
    while entries.entry(cursor)? {
        out.push(',');
        entry(cursor, &mut out)?;
    }
    out.push(']');
    Some(Cow::Owned(out))
}

/// Appends the attributes of an event or link, as all members are in the order of their keys.
fn write_attributes(raw: Option<Cursor<'_>>, out: &mut String) -> Option<()> {
    out.push_str("{\"attributes\":");
    match raw {
        Some(mut cursor) => super::walk::object(&mut cursor, DEPTH_MAX, out)?,
        None => out.push_str("{}"),
    }
    Some(())
}

fn walk_event(cursor: &mut Cursor<'_>, out: &mut String) -> Option<()> {
    let (mut time, mut name, mut attributes) = (0, Cow::Borrowed(""), None);
    let mut seen = Seen::default();
    let mut members = cursor.object()?;
    while let Some(key) = members.key(cursor)? {
        match key {
            "timeUnixNano" => {
                seen.once(0)?;
                time = cursor.unsigned()?;
            }
            "name" => {
                seen.once(1)?;
                name = cursor.text()?;
            }
            "attributes" => {
                seen.once(2)?;
                attributes = Some(*cursor);
                cursor.skip()?;
            }
            _ => cursor.skip()?,
        }
    }
    write_attributes(attributes, out)?;
    out.push_str(",\"name\":");
    quote(&name, out);
    out.push_str(",\"time\":");
    match instant(time, "events.timeUnixNano").ok()? {
        Some(time) => write!(out, "\"{time}\"}}").ok(),
        None => out.write_str("null}").ok(),
    }
}

fn walk_link(cursor: &mut Cursor<'_>, out: &mut String) -> Option<()> {
    let (mut trace_id, mut span_id, mut attributes) = (None::<[u8; 16]>, None::<[u8; 8]>, None);
    let mut seen = Seen::default();
    let mut members = cursor.object()?;
    while let Some(key) = members.key(cursor)? {
        match key {
            "traceId" => {
                seen.once(0)?;
                trace_id = hex::id(cursor.plain()?).ok()?;
            }
            "spanId" => {
                seen.once(1)?;
                span_id = hex::id(cursor.plain()?).ok()?;
            }
            "attributes" => {
                seen.once(2)?;
                attributes = Some(*cursor);
                cursor.skip()?;
            }
            _ => cursor.skip()?,
        }
    }
    write_attributes(attributes, out)?;
    let (trace_id, span_id) = (
        trace_id.map(|id| hex::text(&id)).unwrap_or_default(),
        span_id.map(|id| hex::text(&id)).unwrap_or_default(),
    );
    write!(out, ",\"span_id\":\"{span_id}\",\"trace_id\":\"{trace_id}\"}}").ok()
}

fn push(raw: &str, origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let span: Span<'_> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
    let attributes = attributes_text(span.attributes, rows)?;
    let (start, end) = span_times(span.start_time_unix_nano.0, span.end_time_unix_nano.0)?;
    let kind = EnumValue::number(span.kind.as_ref(), &KINDS)
        .and_then(span_kind)
        .ok_or_else(|| format!("`kind` {} is not one of 0 to 5", EnumValue::shown(span.kind.as_ref())))?;
    let code = span.status.as_ref().and_then(|status| status.code.as_ref());
    let status = EnumValue::number(code, &CODES)
        .and_then(span_status)
        .ok_or_else(|| format!("`status.code` {} is not one of 0 to 2", EnumValue::shown(code)))?;
    rows.spans.push(&SpanRow {
        trace_id: id(span.trace_id.as_ref(), "traceId")?.ok_or("`traceId` is missing")?,
        span_id: id(span.span_id.as_ref(), "spanId")?.ok_or("`spanId` is missing")?,
        parent_span_id: id(span.parent_span_id.as_ref(), "parentSpanId")?,
        name: span.name.as_deref().unwrap_or_default(),
        kind,
        start,
        end,
        resource: &origin.resource,
        scope: &origin.scope,
        attributes: &attributes,
        status,
        status_message: span.status.as_ref().and_then(|s| s.message.as_deref()).unwrap_or_default(),
        events: &events(span.events)?,
        links: &links(span.links)?,
        trace_state: span.trace_state.as_deref().unwrap_or_default(),
    });
    Ok(())
}

/// Events as `[{"attributes":{…},"name":"…","time":"…"}]`.
fn events(events: Option<Vec<Event<'_>>>) -> Result<String, String> {
    let events = events.unwrap_or_default().into_iter().map(|event| {
        let attributes = any_value::attributes(event.attributes.unwrap_or_default())?;
        let time = instant(event.time_unix_nano.0, "events.timeUnixNano")?;
        let time = time.map_or(Value::Null, |time| time.to_string().into());
        Ok(json!({ "attributes": attributes, "name": event.name.unwrap_or_default(), "time": time }))
    });
    Ok(Value::Array(events.collect::<Result<_, String>>()?).to_string())
}

/// Links as `[{"attributes":{…},"span_id":"…","trace_id":"…"}]`.
fn links(links: Option<Vec<Link<'_>>>) -> Result<String, String> {
    let links = links.unwrap_or_default().into_iter().map(|link| {
        let trace_id: Option<[u8; 16]> = id(link.trace_id.as_ref(), "links.traceId")?;
        let span_id: Option<[u8; 8]> = id(link.span_id.as_ref(), "links.spanId")?;
        let attributes = any_value::attributes(link.attributes.unwrap_or_default())?;
        let text = |bytes: Option<&[u8]>| bytes.map(hex::text).unwrap_or_default();
        let (span_id, trace_id) =
            (text(span_id.as_ref().map(|id| &id[..])), text(trace_id.as_ref().map(|id| &id[..])));
        Ok(json!({ "attributes": attributes, "span_id": span_id, "trace_id": trace_id }))
    });
    Ok(Value::Array(links.collect::<Result<_, String>>()?).to_string())
}
