//! Spans.

use std::borrow::Cow;

use serde_json::Value as Json;
use theriac_contract::telemetry::SpanRow;

use super::{any_value, attributes::Attributes, id};
use crate::decode::{
    Rows, hex,
    json::quote,
    otlp::{DEPTH_MAX, Origin, instant, span_kind, span_status, span_times},
    wire::{Fields, merge, room},
};

/// Adds a `Span`.
pub(super) fn decode(raw: &[u8], origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let (mut trace_id, mut span_id, mut parent) = (&[][..], &[][..], &[][..]);
    let (mut name, mut kind, mut start, mut end, mut trace_state) = ("", 0, 0, 0, "");
    let (mut events, mut links) = (List::default(), List::default());
    let mut status = None;
    let mut attributes = Attributes::new(raw, 9);
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => trace_id = value.bytes("traceId")?,
            2 => span_id = value.bytes("spanId")?,
            3 => trace_state = value.text("traceState")?,
            4 => parent = value.bytes("parentSpanId")?,
            5 => name = value.text("name")?,
            6 => kind = value.int32("kind")?,
            7 => start = value.fixed64("startTimeUnixNano")?,
            8 => end = value.fixed64("endTimeUnixNano")?,
            9 => attributes.add(value, at, &mut fields, &rows.memo)?,
            11 => events.add("events", |out| event(value.bytes("events")?, out)),
            13 => links.add("links", |out| link(value.bytes("links")?, out)),
            15 => merge(&mut status, value.bytes("status")?),
            _ => {}
        }
        at = fields.at();
    }
    let attributes = attributes.text(&mut rows.memo)?.label;
    let (start, end) = span_times(start, end)?;
    let status: Cow<'_, [u8]> = status.unwrap_or_default();
    let (code, status_message) = status_of(&status)?;
    let kind = span_kind(kind.into()).ok_or_else(|| format!("`kind` {kind} is not one of 0 to 5"))?;
    let status =
        span_status(code.into()).ok_or_else(|| format!("`status.code` {code} is not one of 0 to 2"))?;
    let row = SpanRow {
        trace_id: id(trace_id, "traceId")?.ok_or("`traceId` is missing")?,
        span_id: id(span_id, "spanId")?.ok_or("`spanId` is missing")?,
        parent_span_id: id(parent, "parentSpanId")?,
        name,
        kind,
        start,
        end,
        resource: &origin.resource,
        scope: &origin.scope,
        attributes: attributes.text(),
        status,
        status_message,
        events: events.text()?,
        links: links.text()?,
        trace_state,
    };
    rows.spans.push_labelled(&row, attributes);
    Ok(())
}

/// Code and message of a `Status`.
fn status_of(raw: &[u8]) -> Result<(i32, &str), String> {
    let (mut code, mut message) = (0, "");
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => message = value.text("status.message")?,
            3 => code = value.int32("status.code")?,
            _ => {}
        }
    }
    Ok((code, message))
}

/// A JSON array that grows with the fields that belong to it.
#[derive(Default)]
struct List {
    json: String,
    count: usize,
    /// What the first bad entry lacks.
    bad: Option<String>,
}

impl List {
    fn add(&mut self, name: &str, entry: impl FnOnce(&mut String) -> Result<(), String>) {
        if self.bad.is_some() {
            return;
        }
        // The bracket that closes the array stands until another entry comes.
        let before = if self.json.pop().is_some() { ',' } else { '[' };
        self.json.push(before);
        self.bad = room(name, self.count, 1).and_then(|()| entry(&mut self.json)).err();
        self.json.push(']');
        self.count += 1;
    }

    fn text(&self) -> Result<&str, String> {
        match &self.bad {
            Some(reason) => Err(reason.clone()),
            None if self.json.is_empty() => Ok("[]"),
            None => Ok(&self.json),
        }
    }
}

/// `{"attributes":{…},"name":"…","time":"…"}`
fn event(raw: &[u8], out: &mut String) -> Result<(), String> {
    let (mut time, mut name) = (0, "");
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => time = value.fixed64("events.timeUnixNano")?,
            2 => name = value.text("events.name")?,
            _ => {}
        }
    }
    out.push_str("{\"attributes\":");
    any_value::write_object(raw, 3, DEPTH_MAX, out)?;
    out.push_str(",\"name\":");
    quote(name, out);
    let time = instant(time, "events.timeUnixNano")?;
    out.push_str(",\"time\":");
    out.push_str(&time.map_or(Json::Null, |time| time.to_string().into()).to_string());
    out.push('}');
    Ok(())
}

/// `{"attributes":{…},"span_id":"…","trace_id":"…"}`
fn link(raw: &[u8], out: &mut String) -> Result<(), String> {
    let (mut trace_id, mut span_id) = (&[][..], &[][..]);
    let mut fields = Fields::new(raw);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => trace_id = value.bytes("links.traceId")?,
            2 => span_id = value.bytes("links.spanId")?,
            _ => {}
        }
    }
    let trace_id: Option<[u8; 16]> = id(trace_id, "links.traceId")?;
    let span_id: Option<[u8; 8]> = id(span_id, "links.spanId")?;
    out.push_str("{\"attributes\":");
    any_value::write_object(raw, 4, DEPTH_MAX, out)?;
    out.push_str(",\"span_id\":\"");
    out.push_str(&span_id.map(|id| hex::text(&id)).unwrap_or_default());
    out.push_str("\",\"trace_id\":\"");
    out.push_str(&trace_id.map(|id| hex::text(&id)).unwrap_or_default());
    out.push_str("\"}");
    Ok(())
}
