//! OTLP/JSON: one export request (or `MetricsData`, `LogsData`, `TracesData`) a payload.
//!
//! The rules are those of the OTLP specification: lowerCamelCase names, unknown names
//! ignored, ids in hexadecimal, 64-bit integers as numbers or decimal strings, enums as
//! numbers (their names are accepted as well). Data points, log records and spans are taken
//! apart one by one, so a bad one is noted with its path while the rest is kept.

mod any_value;
mod histograms;
mod logs;
mod metrics;
mod scalars;
mod spans;

use std::sync::Arc;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use theriac_contract::telemetry::Attributes;

use self::any_value::KeyValue;
use super::{
    BadRecord, DecodeError, Rows,
    memo::Kind,
    otlp::{Origin, Signal},
    wire::LIST_MAX,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow, default)]
    resource_metrics: Option<Vec<ResourceGroup<'a>>>,
    #[serde(borrow, default)]
    resource_logs: Option<Vec<ResourceGroup<'a>>>,
    #[serde(borrow, default)]
    resource_spans: Option<Vec<ResourceGroup<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceGroup<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "scopeMetrics", alias = "scopeLogs", alias = "scopeSpans")]
    scopes: Option<Vec<ScopeGroup<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeGroup<'a> {
    #[serde(borrow, default)]
    scope: Option<&'a RawValue>,
    #[serde(borrow, default, alias = "metrics", alias = "logRecords", alias = "spans")]
    records: Option<Vec<&'a RawValue>>,
}

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
struct Place<'p> {
    payload: &'p [u8],
    /// `resourceMetrics[0].scopeMetrics[1].metrics[2]`
    path: String,
}

impl Place<'_> {
    fn bad(&self, rows: &mut Rows, raw: &RawValue, below: &str, reason: impl Into<String>) {
        let start = raw.get().as_ptr() as usize;
        rows.bad.push(BadRecord {
            offset: start.saturating_sub(self.payload.as_ptr() as usize),
            path: format!("{}{below}", self.path),
            reason: reason.into(),
            bytes: raw.get().as_bytes().to_vec(),
        });
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
    let request: Request<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
    let Request { resource_metrics, resource_logs, resource_spans } = request;
    if resource_metrics.is_none() && resource_logs.is_none() && resource_spans.is_none() {
        return match text.trim() {
            "{}" => Ok(()),
            _ => Err(DecodeError::new(
                "not an OTLP/JSON request: it has none of `resourceMetrics`, `resourceLogs`, `resourceSpans` (names are lowerCamelCase)",
            )),
        };
    }
    let groups =
        [(Signal::Points, resource_metrics), (Signal::Logs, resource_logs), (Signal::Spans, resource_spans)];
    rows.memo.set_defaults(defaults);
    for (signal, resources) in groups {
        for (r, group) in resources.unwrap_or_default().iter().enumerate() {
            decode_resource(payload, defaults, rows, group, signal, r);
        }
    }
    Ok(())
}

fn decode_resource(
    payload: &[u8],
    defaults: &Attributes,
    rows: &mut Rows,
    group: &ResourceGroup<'_>,
    signal: Signal,
    r: usize,
) {
    let [outer, middle, inner] = signal.lists();
    let resource = resource_text(group.resource, defaults, rows);
    let resource = resource.unwrap_or_else(|reason| {
        let place = Place { payload, path: format!("{outer}[{r}].resource") };
        if let Some(raw) = group.resource {
            place.bad(rows, raw, "", format!("{reason}; its records are kept without its attributes"));
        }
        theriac_contract::telemetry::canonical(defaults).into()
    });
    for (s, scope_group) in group.scopes.iter().flatten().enumerate() {
        let path = format!("{outer}[{r}].{middle}[{s}]");
        let scope = scope_text(scope_group.scope, rows).unwrap_or_else(|reason| {
            let place = Place { payload, path: format!("{path}.scope") };
            if let Some(raw) = scope_group.scope {
                place.bad(rows, raw, "", format!("{reason}; its records are kept without it"));
            }
            "{}".into()
        });
        let origin = Origin { resource: Arc::clone(&resource), scope };
        for (i, raw) in scope_group.records.iter().flatten().enumerate() {
            let place = Place { payload, path: format!("{path}.{inner}[{i}]") };
            match signal {
                Signal::Points => metrics::decode(&place, raw, &origin, rows),
                Signal::Logs => logs::decode(&place, raw, &origin, rows),
                Signal::Spans => spans::decode(&place, raw, &origin, rows),
            }
        }
    }
}

fn malformed(error: &serde_json::Error) -> DecodeError {
    DecodeError::new(format!("not an OTLP/JSON request: {error}"))
}

fn resource_text(raw: Option<&RawValue>, defaults: &Attributes, rows: &mut Rows) -> Result<Arc<str>, String> {
    let raw = raw.map_or("null", RawValue::get);
    rows.memo.canonical(Kind::Resource, raw.as_bytes(), || {
        let resource: Option<Resource<'_>> = serde_json::from_str(raw).map_err(|e| e.to_string())?;
        let own = any_value::attributes(resource.and_then(|r| r.attributes).unwrap_or_default())?;
        let mut all = defaults.clone();
        all.extend(own);
        Ok(theriac_contract::telemetry::canonical(&all))
    })
}

fn scope_text(raw: Option<&RawValue>, rows: &mut Rows) -> Result<Arc<str>, String> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok("{}".into()) };
    rows.memo.canonical(Kind::Scope, raw.get().as_bytes(), || {
        let scope: Scope<'_> = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
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
