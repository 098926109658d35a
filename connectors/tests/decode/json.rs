//! Generated messages as OTLP/JSON, written by the rules of its specification: lowerCamelCase,
//! ids in hexadecimal, 64-bit integers as text, enums as numbers, other bytes as base64.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value as Any},
    logs::v1::{LogRecord, LogsData},
    metrics::v1::{
        ExponentialHistogramDataPoint, HistogramDataPoint, Metric, MetricsData, NumberDataPoint,
        SummaryDataPoint, exponential_histogram_data_point::Buckets, metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{Span, TracesData},
};
use serde_json::{Value, json};

fn list<T>(entries: &[T], write: impl FnMut(&T) -> Value) -> Value {
    entries.iter().map(write).collect()
}

fn hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit = |six: &[u8]| {
        let number = (0..6).fold(0, |number, at| number << 1 | six.get(at).copied().unwrap_or(0));
        char::from(DIGITS[usize::from(number)])
    };
    let mut text: String = bits.chunks(6).map(digit).collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

fn double(number: f64) -> Value {
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        number.into()
    }
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        None | Some(Any::StringValueStrindex(_)) => json!({}),
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(truth)) => json!({ "boolValue": truth }),
        Some(Any::IntValue(number)) => json!({ "intValue": number.to_string() }),
        Some(Any::DoubleValue(number)) => json!({ "doubleValue": double(*number) }),
        Some(Any::BytesValue(bytes)) => json!({ "bytesValue": base64(bytes) }),
        Some(Any::ArrayValue(array)) => json!({ "arrayValue": { "values": list(&array.values, any) } }),
        Some(Any::KvlistValue(pairs)) => json!({ "kvlistValue": { "values": attributes(&pairs.values) } }),
    }
}

fn attributes(pairs: &[KeyValue]) -> Value {
    list(pairs, |pair| json!({ "key": pair.key, "value": pair.value.as_ref().map(any) }))
}

fn resource(resource: &Option<Resource>) -> Value {
    resource
        .as_ref()
        .map_or(Value::Null, |resource| json!({ "attributes": attributes(&resource.attributes) }))
}

fn scope(scope: &Option<InstrumentationScope>) -> Value {
    let write = |scope: &InstrumentationScope| json!({ "name": scope.name, "version": scope.version, "attributes": attributes(&scope.attributes) });
    scope.as_ref().map_or(Value::Null, write)
}

fn number(point: &NumberDataPoint) -> Value {
    let mut json = json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "flags": point.flags,
    });
    match point.value {
        Some(number_data_point::Value::AsDouble(number)) => json["asDouble"] = double(number),
        Some(number_data_point::Value::AsInt(number)) => json["asInt"] = number.to_string().into(),
        None => {}
    }
    json
}

fn histogram(point: &HistogramDataPoint) -> Value {
    json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "sum": point.sum.map(double),
        "min": point.min.map(double),
        "max": point.max.map(double),
        "bucketCounts": list(&point.bucket_counts, |count| count.to_string().into()),
        "explicitBounds": list(&point.explicit_bounds, |bound| double(*bound)),
        "flags": point.flags,
    })
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Value {
    let side = |side: &Option<Buckets>| {
        side.as_ref().map(|side| {
            json!({ "offset": side.offset, "bucketCounts": list(&side.bucket_counts, |count| count.to_string().into()) })
        })
    };
    json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "sum": point.sum.map(double),
        "min": point.min.map(double),
        "max": point.max.map(double),
        "scale": point.scale,
        "zeroCount": point.zero_count.to_string(),
        "positive": side(&point.positive),
        "negative": side(&point.negative),
        "flags": point.flags,
    })
}

fn summary(point: &SummaryDataPoint) -> Value {
    json!({
        "attributes": attributes(&point.attributes),
        "startTimeUnixNano": point.start_time_unix_nano.to_string(),
        "timeUnixNano": point.time_unix_nano.to_string(),
        "count": point.count.to_string(),
        "sum": double(point.sum),
        "quantileValues": list(&point.quantile_values, |q| {
            json!({ "quantile": double(q.quantile), "value": double(q.value) })
        }),
        "flags": point.flags,
    })
}

fn metric(metric: &Metric) -> Value {
    let mut json = json!({ "name": metric.name, "unit": metric.unit, "description": metric.description });
    match &metric.data {
        Some(Data::Gauge(data)) => json["gauge"] = json!({ "dataPoints": list(&data.data_points, number) }),
        Some(Data::Sum(data)) => {
            json["sum"] = json!({
                "dataPoints": list(&data.data_points, number),
                "aggregationTemporality": data.aggregation_temporality,
                "isMonotonic": data.is_monotonic,
            });
        }
        Some(Data::Histogram(data)) => {
            json["histogram"] = json!({
                "dataPoints": list(&data.data_points, histogram),
                "aggregationTemporality": data.aggregation_temporality,
            });
        }
        Some(Data::ExponentialHistogram(data)) => {
            json["exponentialHistogram"] = json!({
                "dataPoints": list(&data.data_points, exponential),
                "aggregationTemporality": data.aggregation_temporality,
            });
        }
        Some(Data::Summary(data)) => {
            json["summary"] = json!({ "dataPoints": list(&data.data_points, summary) })
        }
        None => {}
    }
    json
}

fn log(record: &LogRecord) -> Value {
    json!({
        "timeUnixNano": record.time_unix_nano.to_string(),
        "observedTimeUnixNano": record.observed_time_unix_nano.to_string(),
        "severityNumber": record.severity_number,
        "severityText": record.severity_text,
        "body": record.body.as_ref().map(any),
        "attributes": attributes(&record.attributes),
        "traceId": hex(&record.trace_id),
        "spanId": hex(&record.span_id),
        "eventName": record.event_name,
    })
}

fn span(span: &Span) -> Value {
    json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "traceState": span.trace_state,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "events": list(&span.events, |event| json!({
            "timeUnixNano": event.time_unix_nano.to_string(),
            "name": event.name,
            "attributes": attributes(&event.attributes),
        })),
        "links": list(&span.links, |link| json!({
            "traceId": hex(&link.trace_id),
            "spanId": hex(&link.span_id),
            "attributes": attributes(&link.attributes),
        })),
        "status": span.status.as_ref().map(|status| json!({ "message": status.message, "code": status.code })),
    })
}

pub(crate) fn metrics(data: &MetricsData) -> String {
    let groups = list(&data.resource_metrics, |group| {
        let scopes = list(
            &group.scope_metrics,
            |scoped| json!({ "scope": scope(&scoped.scope), "metrics": list(&scoped.metrics, metric) }),
        );
        json!({ "resource": resource(&group.resource), "scopeMetrics": scopes })
    });
    json!({ "resourceMetrics": groups }).to_string()
}

pub(crate) fn logs(data: &LogsData) -> String {
    let groups = list(&data.resource_logs, |group| {
        let scopes = list(
            &group.scope_logs,
            |scoped| json!({ "scope": scope(&scoped.scope), "logRecords": list(&scoped.log_records, log) }),
        );
        json!({ "resource": resource(&group.resource), "scopeLogs": scopes })
    });
    json!({ "resourceLogs": groups }).to_string()
}

pub(crate) fn traces(data: &TracesData) -> String {
    let groups = list(&data.resource_spans, |group| {
        let scopes = list(
            &group.scope_spans,
            |scoped| json!({ "scope": scope(&scoped.scope), "spans": list(&scoped.spans, span) }),
        );
        json!({ "resource": resource(&group.resource), "scopeSpans": scopes })
    });
    json!({ "resourceSpans": groups }).to_string()
}
