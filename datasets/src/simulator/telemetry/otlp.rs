//! The part of OTLP/JSON that is sent: lowerCamelCase names, ids in hex, 64-bit integers
//! as decimal strings, enumerations as integers.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A 64-bit integer.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) u64);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value of an attribute.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Value<'a> {
    StringValue(Cow<'a, str>),
    IntValue(Whole),
}

/// An attribute.
#[derive(Clone, Serialize)]
pub(super) struct Attribute<'a> {
    key: &'static str,
    value: Value<'a>,
}

/// A text attribute.
pub(super) fn text<'a>(key: &'static str, value: impl Into<Cow<'a, str>>) -> Attribute<'a> {
    Attribute { key, value: Value::StringValue(value.into()) }
}

/// A whole-number attribute.
pub(super) const fn whole<'a>(key: &'static str, value: u64) -> Attribute<'a> {
    Attribute { key, value: Value::IntValue(Whole(value)) }
}

#[derive(Serialize)]
pub(super) struct Resource<'a> {
    pub(super) attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
pub(super) struct Scope {
    name: &'static str,
    version: &'static str,
}

/// The scope of all that the simulator sends.
pub(super) const SCOPE: Scope = Scope { name: "shop.instrumentation", version: "1.0.0" };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MetricsRequest<'a> {
    pub(super) resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceMetrics<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope_metrics: [ScopeMetrics<'a>; 1],
}

#[derive(Serialize)]
pub(super) struct ScopeMetrics<'a> {
    pub(super) scope: Scope,
    pub(super) metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
pub(super) struct Metric<'a> {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    #[serde(flatten)]
    pub(super) data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Gauge { data_points: Vec<Number<'a>> },
    #[serde(rename_all = "camelCase")]
    Sum { data_points: Vec<Number<'a>>, aggregation_temporality: u8, is_monotonic: bool },
    #[serde(rename_all = "camelCase")]
    Histogram { data_points: Vec<Distribution<'a>>, aggregation_temporality: u8 },
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
pub(super) const CUMULATIVE: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Number<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) start_time_unix_nano: Whole,
    pub(super) time_unix_nano: Whole,
    #[serde(flatten)]
    pub(super) value: NumberValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum NumberValue {
    AsInt(Whole),
    AsDouble(f64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Distribution<'a> {
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) start_time_unix_nano: Whole,
    pub(super) time_unix_nano: Whole,
    pub(super) count: Whole,
    pub(super) sum: f64,
    pub(super) bucket_counts: Vec<Whole>,
    pub(super) explicit_bounds: &'static [f64],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogsRequest<'a> {
    pub(super) resource_logs: Vec<ResourceLogs<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceLogs<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope_logs: [ScopeLogs<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScopeLogs<'a> {
    pub(super) scope: Scope,
    pub(super) log_records: Vec<LogRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogRecord<'a> {
    pub(super) time_unix_nano: Whole,
    pub(super) observed_time_unix_nano: Whole,
    pub(super) severity_number: u8,
    pub(super) severity_text: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) event_name: &'a str,
    pub(super) body: Value<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) trace_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) span_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TracesRequest<'a> {
    pub(super) resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceSpans<'a> {
    pub(super) resource: Resource<'a>,
    pub(super) scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
pub(super) struct ScopeSpans<'a> {
    pub(super) scope: Scope,
    pub(super) spans: Vec<SpanRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpanRecord<'a> {
    pub(super) trace_id: String,
    pub(super) span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) parent_span_id: String,
    pub(super) name: String,
    pub(super) kind: u8,
    pub(super) start_time_unix_nano: Whole,
    pub(super) end_time_unix_nano: Whole,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) status: Status,
}

#[derive(Serialize)]
pub(super) struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) message: String,
    pub(super) code: u8,
}

/// One line of JSON; a request of these types can always be written.
pub(super) fn line<T: Serialize>(request: &T) -> Option<String> {
    serde_json::to_string(request).ok()
}
