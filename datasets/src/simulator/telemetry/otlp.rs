//! The part of OTLP/JSON that is sent: lowerCamelCase names, ids in hex, 64-bit integers
//! as decimal strings, enumerations as integers.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

/// A 64-bit integer.
#[derive(Clone, Copy)]
pub(crate) struct Whole(pub(crate) u64);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value of an attribute.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Value<'a> {
    StringValue(Cow<'a, str>),
    IntValue(Whole),
}

/// An attribute.
#[derive(Clone, Serialize)]
pub(crate) struct Attribute<'a> {
    key: &'static str,
    value: Value<'a>,
}

/// A text attribute.
pub(crate) fn text<'a>(key: &'static str, value: impl Into<Cow<'a, str>>) -> Attribute<'a> {
    Attribute { key, value: Value::StringValue(value.into()) }
}

/// A whole-number attribute.
pub(crate) const fn whole<'a>(key: &'static str, value: u64) -> Attribute<'a> {
    Attribute { key, value: Value::IntValue(Whole(value)) }
}

#[derive(Serialize)]
pub(crate) struct Resource<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Scope {
    name: &'static str,
    version: &'static str,
}

/// The scope of all that the simulator sends.
pub(crate) const SCOPE: Scope = Scope { name: "shop.instrumentation", version: "1.0.0" };

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricsRequest<'a> {
    pub(crate) resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceMetrics<'a> {
    pub(crate) resource: Resource<'a>,
    pub(crate) scope_metrics: [ScopeMetrics<'a>; 1],
}

#[derive(Serialize)]
pub(crate) struct ScopeMetrics<'a> {
    pub(crate) scope: Scope,
    pub(crate) metrics: Vec<Metric<'a>>,
}

#[derive(Serialize)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Gauge { data_points: Vec<Number<'a>> },
    #[serde(rename_all = "camelCase")]
    Sum { data_points: Vec<Number<'a>>, aggregation_temporality: u8, is_monotonic: bool },
    #[serde(rename_all = "camelCase")]
    Histogram { data_points: Vec<Distribution<'a>>, aggregation_temporality: u8 },
}

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
pub(crate) const CUMULATIVE: u8 = 2;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Number<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) start_time_unix_nano: Whole,
    pub(crate) time_unix_nano: Whole,
    #[serde(flatten)]
    pub(crate) value: NumberValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum NumberValue {
    AsInt(Whole),
    AsDouble(f64),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Distribution<'a> {
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) start_time_unix_nano: Whole,
    pub(crate) time_unix_nano: Whole,
    pub(crate) count: Whole,
    pub(crate) sum: f64,
    pub(crate) bucket_counts: Vec<Whole>,
    pub(crate) explicit_bounds: &'static [f64],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogsRequest<'a> {
    pub(crate) resource_logs: Vec<ResourceLogs<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceLogs<'a> {
    pub(crate) resource: Resource<'a>,
    pub(crate) scope_logs: [ScopeLogs<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScopeLogs<'a> {
    pub(crate) scope: Scope,
    pub(crate) log_records: Vec<LogRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogRecord<'a> {
    pub(crate) time_unix_nano: Whole,
    pub(crate) observed_time_unix_nano: Whole,
    pub(crate) severity_number: u8,
    pub(crate) severity_text: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) event_name: &'a str,
    pub(crate) body: Value<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) trace_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) span_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TracesRequest<'a> {
    pub(crate) resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResourceSpans<'a> {
    pub(crate) resource: Resource<'a>,
    pub(crate) scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
pub(crate) struct ScopeSpans<'a> {
    pub(crate) scope: Scope,
    pub(crate) spans: Vec<SpanRecord<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpanRecord<'a> {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) parent_span_id: String,
    pub(crate) name: String,
    pub(crate) kind: u8,
    pub(crate) start_time_unix_nano: Whole,
    pub(crate) end_time_unix_nano: Whole,
    pub(crate) attributes: Vec<Attribute<'a>>,
    pub(crate) status: Status,
}

#[derive(Serialize)]
pub(crate) struct Status {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    pub(crate) code: u8,
}

/// One line of JSON; a request of these types can always be written.
pub(crate) fn line<T: Serialize>(request: &T) -> Option<String> {
    serde_json::to_string(request).ok()
}
