//! Log records.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use theriac_contract::telemetry::LogRow;

use super::{
    Place,
    any_value::{self, AnyValue},
    attributes_text,
    scalars::{EnumValue, U64},
    walk::Attributes,
};
use crate::decode::{
    Rows, hex,
    json::{Cursor, Seen},
    memo::Text,
    otlp::{Origin, event_name, log_time, names_event},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogRecord<'a> {
    #[serde(default)]
    time_unix_nano: U64,
    #[serde(default)]
    observed_time_unix_nano: U64,
    #[serde(default)]
    severity_number: Option<EnumValue>,
    #[serde(borrow, default)]
    severity_text: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    body: Option<AnyValue<'a>>,
    #[serde(borrow, default)]
    attributes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trace_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    span_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_name: Option<Cow<'a, str>>,
}

pub(super) fn decode(place: &Place<'_>, raw: &str, origin: &Origin, rows: &mut Rows) {
    if !rows.by_objects && walk(raw, origin, rows).is_some() {
        return;
    }
    if let Err(reason) = push(raw, origin, rows) {
        place.bad(rows, raw, "", reason);
    }
}

/// Adds a record as nearly all are written.
fn walk(raw: &str, origin: &Origin, rows: &mut Rows) -> Option<()> {
    let (mut time, mut observed, mut severity) = (0, 0, 0);
    let (mut severity_text, mut event) = (Cow::Borrowed(""), Cow::Borrowed(""));
    let (mut body, mut trace_id, mut span_id) = (Cow::Borrowed(""), None, None);
    let mut attributes = Attributes::default();
    let mut seen = Seen::default();
    let mut cursor = Cursor::new(raw);
    let mut members = cursor.object()?;
    while let Some(key) = members.key(&mut cursor)? {
        let number = match key {
            "timeUnixNano" => {
                time = cursor.unsigned()?;
                0
            }
            "observedTimeUnixNano" => {
                observed = cursor.unsigned()?;
                1
            }
            "severityNumber" => {
                severity = u8::try_from(cursor.unsigned()?).ok().filter(|number| *number <= 24)?;
                2
            }
            "severityText" => {
                severity_text = cursor.text()?;
                3
            }
            "body" => {
                body = super::walk::body(&mut cursor)?;
                4
            }
            "attributes" => {
                attributes = Attributes::take(&mut cursor, &rows.memo)?;
                5
            }
            "traceId" => {
                trace_id = hex::id(cursor.plain()?).ok()?;
                6
            }
            "spanId" => {
                span_id = hex::id(cursor.plain()?).ok()?;
                7
            }
            "eventName" => {
                event = cursor.text()?;
                8
            }
            _ => {
                cursor.skip()?;
                continue;
            }
        };
        seen.once(number)?;
    }
    cursor.end()?;
    let Rows { memo, logs, .. } = rows;
    let Text { label, names_event } = attributes.text(memo)?;
    let (time, observed_time) = log_time(time, observed).ok()?;
    let row = LogRow {
        time,
        observed_time,
        resource: &origin.resource,
        scope: &origin.scope,
        severity_number: severity,
        severity_text: &severity_text,
        event_name: &event_name(event, label.text(), names_event),
        body: &body,
        attributes: label.text(),
        trace_id,
        span_id,
    };
    logs.push_labelled(&row, label);
    Some(())
}

fn push(raw: &str, origin: &Origin, rows: &mut Rows) -> Result<(), String> {
    let record: LogRecord<'_> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
    let attributes = attributes_text(record.attributes, rows)?;
    let (time, observed_time) = log_time(record.time_unix_nano.0, record.observed_time_unix_nano.0)?;
    let body = match record.body.map(any_value::value).transpose()? {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    };
    let number = severity(record.severity_number.as_ref())?;
    let event_name = event_name(record.event_name.unwrap_or_default(), &attributes, names_event(&attributes));
    rows.logs.push(&LogRow {
        time,
        observed_time,
        resource: &origin.resource,
        scope: &origin.scope,
        severity_number: number,
        severity_text: record.severity_text.as_deref().unwrap_or_default(),
        event_name: &event_name,
        body: &body,
        attributes: &attributes,
        trace_id: hex::id(record.trace_id.as_deref().unwrap_or_default())
            .map_err(|e| format!("`traceId`: {e}"))?,
        span_id: hex::id(record.span_id.as_deref().unwrap_or_default())
            .map_err(|e| format!("`spanId`: {e}"))?,
    });
    Ok(())
}

/// The number of a severity given as number, or as `SEVERITY_NUMBER_INFO2`.
fn severity(value: Option<&EnumValue>) -> Result<u8, String> {
    const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let number = match value {
        Some(EnumValue::Name(name)) => {
            let short = name.strip_prefix("SEVERITY_NUMBER_").unwrap_or(name);
            let level = short.trim_end_matches(|c: char| c.is_ascii_digit());
            let place = short[level.len()..].parse::<i64>().unwrap_or(1) - 1;
            let base = LEVELS.iter().position(|known| *known == level);
            match base {
                Some(base) => Some(base as i64 * 4 + 1 + place),
                None => (level == "UNSPECIFIED").then_some(0).or_else(|| name.parse().ok()),
            }
        }
        other => EnumValue::number(other, &[]),
    };
    let known =
        number.filter(|number| (0..=24).contains(number)).and_then(|number| u8::try_from(number).ok());
    known.ok_or_else(|| format!("`severityNumber` {} is not one of 0 to 24", EnumValue::shown(value)))
}
