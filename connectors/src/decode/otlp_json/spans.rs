//! Spans.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use theriac_contract::telemetry::SpanRow;

use super::{
    Place,
    any_value::{self, KeyValue},
    attributes_text,
    scalars::{EnumValue, U64},
};
use crate::decode::{
    Rows, hex,
    otlp::{Origin, instant, span_kind, span_status, span_times},
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

pub(super) fn decode(place: &Place<'_>, raw: &RawValue, origin: &Origin, rows: &mut Rows) {
    if let Err(reason) = push(raw, origin, rows) {
        place.bad(rows, raw, "", reason);
    }
}

fn id<const N: usize>(text: Option<&Cow<'_, str>>, name: &str) -> Result<Option<[u8; N]>, String> {
    hex::id(text.map_or("", |text| text)).map_err(|reason| format!("`{name}`: {reason}"))
}

fn push(raw: &RawValue, origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let span: Span<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
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
