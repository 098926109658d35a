//! Rows by way of the messages that prost generates, as a decoder is usually written: the bytes become
//! objects, the attributes of each a map, and the map a text. It knows what `telemetry` sends.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    logs::v1::LogsData,
    metrics::v1::{MetricsData, NumberDataPoint, metric::Data, number_data_point::Value as Number},
    resource::v1::Resource,
    trace::v1::TracesData,
};
use prost::Message;
use theriac_connectors::decode::{Rows, Signal};
use theriac_contract::{
    Telemetry, Timestamp,
    telemetry::{
        Attributes, LogRow, PointKind, PointRow, SpanKind, SpanRow, SpanStatus, Temporality, canonical,
    },
};

use crate::{Decode, telemetry::Request};

/// The path as it was before bytes were walked.
#[derive(Default)]
pub(crate) struct Before(Rows);

impl Decode for Before {
    fn decode(&mut self, request: &Request) -> Vec<Telemetry> {
        match request.signal {
            Signal::Points => points(&request.bytes, &mut self.0),
            Signal::Logs => logs(&request.bytes, &mut self.0),
            Signal::Spans => spans(&request.bytes, &mut self.0),
        }
        self.0.take()
    }
}

fn string(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        _ => unreachable!("all values are texts"),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> String {
    let pairs = pairs.into_iter().map(|pair| (pair.key, string(pair.value).into()));
    canonical(&pairs.collect::<Attributes>())
}

fn resource(resource: Option<Resource>) -> String {
    attributes(resource.unwrap_or_default().attributes)
}

fn scope(scope: Option<InstrumentationScope>) -> String {
    let scope = scope.unwrap_or_default();
    canonical(&[("name".to_owned(), scope.name.into()), ("version".to_owned(), scope.version.into())].into())
}

fn time(nanos: u64) -> Timestamp {
    Timestamp(i64::try_from(nanos).expect("a time of this century"))
}

fn id<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn points(bytes: &[u8], rows: &mut Rows) {
    let data = MetricsData::decode(bytes).expect("it is a request");
    for group in data.resource_metrics {
        let resource = resource(group.resource);
        for group in group.scope_metrics {
            let scope = scope(group.scope);
            for metric in group.metrics {
                let (kind, temporality, monotonic, data_points) = match metric.data {
                    Some(Data::Gauge(data)) => {
                        (PointKind::Gauge, Temporality::Unspecified, false, data.data_points)
                    }
                    Some(Data::Sum(data)) => {
                        (PointKind::Sum, Temporality::Cumulative, data.is_monotonic, data.data_points)
                    }
                    _ => unreachable!("all metrics are gauges and sums"),
                };
                for point in data_points {
                    let NumberDataPoint { start_time_unix_nano, time_unix_nano, value, .. } = point;
                    let Some(Number::AsDouble(value)) = value else { unreachable!("all are numbers") };
                    rows.points.push(&PointRow {
                        time: time(time_unix_nano),
                        start_time: Some(time(start_time_unix_nano)),
                        resource: &resource,
                        scope: &scope,
                        name: &metric.name,
                        unit: &metric.unit,
                        attributes: &attributes(point.attributes),
                        kind,
                        temporality,
                        monotonic,
                        value: Some(value),
                        histogram: None,
                    });
                }
            }
        }
    }
}

fn logs(bytes: &[u8], rows: &mut Rows) {
    let data = LogsData::decode(bytes).expect("it is a request");
    for group in data.resource_logs {
        let resource = resource(group.resource);
        for group in group.scope_logs {
            let scope = scope(group.scope);
            for record in group.log_records {
                rows.logs.push(&LogRow {
                    time: time(record.time_unix_nano),
                    observed_time: Some(time(record.observed_time_unix_nano)),
                    resource: &resource,
                    scope: &scope,
                    severity_number: u8::try_from(record.severity_number).expect("it is one of 24"),
                    severity_text: &record.severity_text,
                    event_name: &record.event_name,
                    body: &string(record.body),
                    attributes: &attributes(record.attributes),
                    trace_id: id(&record.trace_id),
                    span_id: id(&record.span_id),
                });
            }
        }
    }
}

fn spans(bytes: &[u8], rows: &mut Rows) {
    let data = TracesData::decode(bytes).expect("it is a request");
    for group in data.resource_spans {
        let resource = resource(group.resource);
        for group in group.scope_spans {
            let scope = scope(group.scope);
            for span in group.spans {
                let status = span.status.unwrap_or_default();
                rows.spans.push(&SpanRow {
                    trace_id: id(&span.trace_id).expect("it has sixteen bytes"),
                    span_id: id(&span.span_id).expect("it has eight bytes"),
                    parent_span_id: id(&span.parent_span_id),
                    name: &span.name,
                    kind: if span.kind == 3 { SpanKind::Client } else { SpanKind::Server },
                    start: time(span.start_time_unix_nano),
                    end: time(span.end_time_unix_nano),
                    resource: &resource,
                    scope: &scope,
                    attributes: &attributes(span.attributes),
                    status: if status.code == 2 { SpanStatus::Error } else { SpanStatus::Unset },
                    status_message: &status.message,
                    events: "[]",
                    links: "[]",
                    trace_state: &span.trace_state,
                });
            }
        }
    }
}
