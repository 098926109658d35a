//! Log records.

use std::borrow::Cow;

use theriac_contract::telemetry::LogRow;

use super::{any_value, attributes::Attributes, id};
use crate::decode::{
    Rows,
    memo::Text,
    otlp::{Origin, event_name, log_time},
    wire::{Fields, merge},
};

/// Adds a `LogRecord`.
pub(super) fn decode(raw: &[u8], origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let (mut time, mut observed, mut severity, mut severity_text, mut event) = (0, 0, 0, "", "");
    let (mut trace_id, mut span_id) = (&[][..], &[][..]);
    let mut body = None;
    let mut attributes = Attributes::new(raw, 6);
    let mut fields = Fields::new(raw);
    let mut at = 0;
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => time = value.fixed64("timeUnixNano")?,
            2 => severity = value.int32("severityNumber")?,
            3 => severity_text = value.text("severityText")?,
            5 => merge(&mut body, value.bytes("body")?),
            6 => attributes.add(value, at, &mut fields, &rows.memo)?,
            9 => trace_id = value.bytes("traceId")?,
            10 => span_id = value.bytes("spanId")?,
            11 => observed = value.fixed64("observedTimeUnixNano")?,
            12 => event = value.text("eventName")?,
            _ => {}
        }
        at = fields.at();
    }
    let Text { label, names_event } = attributes.text(&mut rows.memo)?;
    let (time, observed_time) = log_time(time, observed)?;
    let body: Cow<'_, [u8]> = body.unwrap_or_default();
    let body = any_value::body(&body)?;
    let severity_number = u8::try_from(severity)
        .ok()
        .filter(|number| *number <= 24)
        .ok_or_else(|| format!("`severityNumber` {severity} is not one of 0 to 24"))?;
    let row = LogRow {
        time,
        observed_time,
        resource: &origin.resource,
        scope: &origin.scope,
        severity_number,
        severity_text,
        event_name: &event_name(event.into(), label.text(), names_event),
        body: &body,
        attributes: label.text(),
        trace_id: id(trace_id, "traceId")?,
        span_id: id(span_id, "spanId")?,
    };
    rows.logs.push_labelled(&row, label);
    Ok(())
}
