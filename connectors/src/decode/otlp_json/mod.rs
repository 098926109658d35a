//! OTLP/JSON: one export request (or `MetricsData`, `LogsData`, `TracesData`) a payload.
//!
//! The rules are those of the OTLP specification: lowerCamelCase names, unknown names
//! ignored, ids in hexadecimal, 64-bit integers as numbers or decimal strings, enums as
//! numbers (their names are accepted as well). Data points, log records and spans are taken
//! apart one by one, so a bad one is noted with its path while the rest is kept.
//!
//! The bytes are walked twice and nothing is made of them in between (see `json`): once to see
//! that the payload is whole and where its records are, once for the rows. Attributes that came
//! before are passed over as soon as their bytes are found equal, as in
//! [`otlp_proto`](super::otlp_proto). A record that is written oddly, or wrongly, is left to
//! serde_json, alone; so is a payload whose frame is.
//!
//! How many times as fast it is as serde_json object by object, which it was before
//! ([`Rows::by_objects`]), and as serde_json alone, which makes values of the same bytes and nothing
//! else (AMD EPYC, 2 cores, both busy with other work; median of two runs of
//! `cargo bench -p theriac-benches --no-default-features --bench decode -- json`, least and most of
//! all turns). Only to see that the bytes are JSON takes serde_json about as long as the whole where
//! series repeat, and a fifth of it where they are new:
//!
//! | payloads of 1,000 records, 6 attributes each | object by object | values | new series: object by object | values |
//! |---|---|---|---|---|
//! | OTLP/JSON, metrics of 50 points | 4.8 (to 7.3) | 18 to 33 | 2.3 (2.1 to 2.7) | 7 (6.3 to 9.3) |
//! | OTLP/JSON, logs | 3.2 (2.2 to 5.5) | 20 to 24 | 2.2 (2.0 to 2.5) | 8.2 (6.8 to 9.3) |
//! | OTLP/JSON, spans | 2.7 (2.3 to 3.4) | 16 to 17 | 2.2 (1.9 to 2.6) | 6.1 (5.4 to 8.1) |
//! | JSON lines | 3.4 (to 4.7) | 1.9 (1.4 to 2.3) | 1.9 (1.7 to 2.1) | 1.0 (.9 to 1.1) |
//!
//! With half a core to itself it took 1.1 million points, 1.3 million log records and 1.1 million
//! spans a second of OTLP/JSON, 1.1 million JSON lines and 4.1 million lines of text.

mod any_value;
mod frame;
mod histograms;
mod logs;
mod metrics;
mod scalars;
mod spans;
mod walk;

use std::sync::Arc;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use theriac_contract::telemetry::Attributes;

use self::{
    any_value::KeyValue,
    frame::{Frame, ResourceGroup, SIGNALS, ScopeGroup, frame},
    walk::raw_value,
};
use super::{
    BadRecord, DecodeError, Rows,
    memo::Kind,
    otlp::{Origin, Signal},
    wire::LIST_MAX,
};

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(borrow, default)]
    attributes: Option<Vec<KeyValue<'a>>>,
}

/// Where a record lies, for its path and offset.
#[derive(Clone, Copy)]
struct Place<'p> {
    payload: &'p str,
    signal: Signal,
    resource: usize,
    scope: usize,
    record: usize,
}

impl Place<'_> {
    /// Notes what is bad of the record that was reached, `below` it.
    fn bad(&self, rows: &mut Rows, raw: &str, below: &str, reason: impl Into<String>) {
        let [outer, middle, inner] = self.signal.lists();
        let path =
            format!("{outer}[{}].{middle}[{}].{inner}[{}]{below}", self.resource, self.scope, self.record);
        self.note(rows, raw, path, reason.into());
    }

    fn note(&self, rows: &mut Rows, raw: &str, path: String, reason: String) {
        let offset = (raw.as_ptr() as usize).saturating_sub(self.payload.as_ptr() as usize);
        rows.bad.push(BadRecord { offset, path, reason, bytes: raw.as_bytes().to_vec() });
    }
}

/// Decodes one request and appends its rows. Records that cannot be decoded go to
/// [`Rows::bad`].
///
/// # Errors
/// If the payload is not JSON, or not an OTLP request as a whole.
pub fn decode(payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
    decode_with(payload, &Attributes::new(), rows)
}

/// As [`decode`]; `defaults` are resource attributes for resources that lack them.
pub(crate) fn decode_with(payload: &[u8], defaults: &Attributes, rows: &mut Rows) -> Result<(), DecodeError> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| DecodeError::new(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let frame = frame(text, &rows.memo, rows.by_objects)?;
    rows.memo.set_defaults(defaults);
    for (signal, groups) in SIGNALS.into_iter().zip(&frame.groups) {
        let mut place = Place { payload: text, signal, resource: 0, scope: 0, record: 0 };
        for group in groups {
            resource_group(&frame, group, defaults, &mut place, rows);
            place.resource += 1;
        }
    }
    Ok(())
}

fn resource_group(
    frame: &Frame<'_>,
    group: &ResourceGroup<'_>,
    defaults: &Attributes,
    place: &mut Place<'_>,
    rows: &mut Rows,
) {
    let [outer, middle, _] = place.signal.lists();
    let resource = resource_text(group.resource, defaults, rows).unwrap_or_else(|reason| {
        if let Some(raw) = group.resource {
            let path = format!("{outer}[{}].resource", place.resource);
            place.note(rows, raw, path, format!("{reason}; its records are kept without its attributes"));
        }
        theriac_contract::telemetry::canonical(defaults).into()
    });
    for (number, scope_group) in group.scopes.iter().enumerate() {
        place.scope = number;
        let scope = scope_text(scope_group.scope, rows).unwrap_or_else(|reason| {
            if let Some(raw) = scope_group.scope {
                let path = format!("{outer}[{}].{middle}[{number}].scope", place.resource);
                place.note(rows, raw, path, format!("{reason}; its records are kept without it"));
            }
            "{}".into()
        });
        records(frame, scope_group, &Origin { resource: Arc::clone(&resource), scope }, place, rows);
    }
}

fn records(
    frame: &Frame<'_>,
    group: &ScopeGroup<'_>,
    origin: &Origin,
    place: &mut Place<'_>,
    rows: &mut Rows,
) {
    for (number, raw) in group.records.iter().enumerate() {
        place.record = number;
        let head = group.heads.get(number).and_then(Option::as_ref);
        match (place.signal, head) {
            (Signal::Points, Some(head)) => {
                metrics::points(place, head, &frame.points[head.points.clone()], origin, rows);
            }
            (Signal::Points, None) => metrics::decode(place, raw, origin, rows),
            (Signal::Logs, _) => logs::decode(place, raw, origin, rows),
            (Signal::Spans, _) => spans::decode(place, raw, origin, rows),
        }
    }
}

fn resource_text(raw: Option<&str>, defaults: &Attributes, rows: &mut Rows) -> Result<Arc<str>, String> {
    let raw = raw.unwrap_or("null");
    rows.memo.canonical(Kind::Resource, raw.as_bytes(), || {
        let resource: Option<Resource<'_>> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
        let own = any_value::attributes(resource.and_then(|r| r.attributes).unwrap_or_default())?;
        let mut all = defaults.clone();
        all.extend(own);
        Ok(theriac_contract::telemetry::canonical(&all))
    })
}

fn scope_text(raw: Option<&str>, rows: &mut Rows) -> Result<Arc<str>, String> {
    let Some(raw) = raw.filter(|raw| *raw != "null") else { return Ok("{}".into()) };
    rows.memo.canonical(Kind::Scope, raw.as_bytes(), || {
        let scope: Scope<'_> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
        let mut all = Attributes::new();
        let attributes = any_value::attributes(scope.attributes.unwrap_or_default())?;
        if !attributes.is_empty() {
            all.insert("attributes".into(), attributes.into_iter().collect());
        }
        for (key, text) in [("name", scope.name), ("version", scope.version)] {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                all.insert(key.into(), text.into());
            }
        }
        Ok(theriac_contract::telemetry::canonical(&all))
    })
}

/// Canonical text of an attribute list as it stands in the payload.
fn attributes_text(raw: Option<&RawValue>, rows: &mut Rows) -> Result<Arc<str>, String> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok("{}".into()) };
    rows.memo.canonical(Kind::Attributes, raw.get().as_bytes(), || {
        let list: Vec<KeyValue<'_>> =
            serde_json::from_str(raw.get()).map_err(|e| format!("attributes: {e}"))?;
        Ok(theriac_contract::telemetry::canonical(&any_value::attributes(list)?))
    })
}

/// A list as it stands in the payload, nothing for `null`.
fn list<T: DeserializeOwned>(raw: Option<Vec<T>>, name: &str) -> Result<Vec<T>, String> {
    let list = raw.unwrap_or_default();
    if list.len() > LIST_MAX {
        return Err(format!("`{name}` has {} entries; the limit is {LIST_MAX}", list.len()));
    }
    Ok(list)
}
