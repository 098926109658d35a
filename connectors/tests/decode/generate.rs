//! Requests of every kind, good records and bad ones among each other.

use opentelemetry_proto::tonic::{
    common::v1::{
        AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as Any,
    },
    logs::v1::{LogRecord, LogsData, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, MetricsData, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint,
        exponential_histogram_data_point::Buckets, metric::Data, number_data_point::Value as Number,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status, TracesData,
        span::{Event, Link},
    },
};
use proptest::{collection::vec, option, prelude::*};

/// Mostly instants of our time; none, and beyond the year 2262.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 1_700_000_000_000_000_000..1_800_000_000_000_000_000_u64, 1 => Just(0), 1 => any::<u64>()]
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e6..1e6_f64,
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0)],
    ]
}

fn value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        any::<String>().prop_map(|text| Some(Any::StringValue(text))),
        any::<bool>().prop_map(|truth| Some(Any::BoolValue(truth))),
        any::<i64>().prop_map(|number| Some(Any::IntValue(number))),
        double().prop_map(|number| Some(Any::DoubleValue(number))),
        vec(any::<u8>(), 0..5).prop_map(|bytes| Some(Any::BytesValue(bytes))),
        Just(None),
    ];
    leaf.prop_map(|value| AnyValue { value }).prop_recursive(4, 12, 3, |inner| {
        let pair = (key(), option::of(inner.clone())).prop_map(|(key, value)| KeyValue {
            key,
            value,
            ..Default::default()
        });
        prop_oneof![
            vec(inner, 0..3).prop_map(|values| Any::ArrayValue(ArrayValue { values })),
            vec(pair, 0..3).prop_map(|values| Any::KvlistValue(KeyValueList { values })),
        ]
        .prop_map(|value| AnyValue { value: Some(value) })
    })
}

/// Few enough that keys repeat.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["service.name", "a", "b", "event.name", "Ä\"\\"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let pair = (key(), option::weighted(0.9, value())).prop_map(|(key, value)| KeyValue {
        key,
        value,
        ..Default::default()
    });
    vec(pair, 0..4)
}

fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![6 => vec(any::<u8>(), bytes), 1 => Just(vec![]), 1 => Just(vec![0; bytes]), 1 => vec(any::<u8>(), 1..bytes)]
}

fn resource() -> impl Strategy<Value = Option<Resource>> {
    option::weighted(
        0.9,
        attributes().prop_map(|attributes| Resource {
            attributes,
            dropped_attributes_count: 1,
            ..Default::default()
        }),
    )
}

fn scope() -> impl Strategy<Value = Option<InstrumentationScope>> {
    let scope = ("[a-z\"]{0,3}", "[0-9]{0,2}", attributes()).prop_map(|(name, version, attributes)| {
        InstrumentationScope { name, version, attributes, dropped_attributes_count: 1 }
    });
    option::weighted(0.9, scope)
}

fn exemplars() -> impl Strategy<Value = Vec<Exemplar>> {
    vec(id(8).prop_map(|span_id| Exemplar { span_id, time_unix_nano: 1, ..Default::default() }), 0..2)
}

/// Bit 0 says that there is no value.
fn flags() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0), 1 => Just(1), 1 => any::<u32>()]
}

fn number() -> impl Strategy<Value = NumberDataPoint> {
    let value = option::weighted(
        0.9,
        prop_oneof![double().prop_map(Number::AsDouble), any::<i64>().prop_map(Number::AsInt)],
    );
    (attributes(), time(), time(), exemplars(), flags(), value).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, exemplars, flags, value)| NumberDataPoint {
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            exemplars,
            flags,
            value,
        },
    )
}

fn counts(most: usize) -> impl Strategy<Value = Vec<u64>> {
    vec(prop_oneof![4 => 0..100_u64, 1 => any::<u64>()], 0..most)
}

/// As a rule they grow, and there is one more count than bounds.
fn bounds_and_counts() -> impl Strategy<Value = (Vec<f64>, Vec<u64>)> {
    let fitting = counts(6).prop_flat_map(|counts| {
        let bounds = vec(-100.0..100.0_f64, counts.len().saturating_sub(1));
        bounds.prop_map(move |mut bounds| {
            bounds.sort_by(f64::total_cmp);
            (bounds, counts.clone())
        })
    });
    prop_oneof![4 => fitting, 1 => (vec(double(), 0..4), counts(4))]
}

fn histogram() -> impl Strategy<Value = HistogramDataPoint> {
    let numbers = (any::<u64>(), option::of(double()), option::of(double()), option::of(double()));
    (attributes(), time(), time(), numbers, bounds_and_counts(), exemplars(), flags()).prop_map(
        |(
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            (count, sum, min, max),
            (bounds, counts),
            exemplars,
            flags,
        )| {
            HistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                min,
                max,
                bucket_counts: counts,
                explicit_bounds: bounds,
                exemplars,
                flags,
            }
        },
    )
}

fn side() -> impl Strategy<Value = Option<Buckets>> {
    let offset = prop_oneof![6 => -20..20_i32, 1 => any::<i32>()];
    option::of((offset, counts(6)).prop_map(|(offset, bucket_counts)| Buckets { offset, bucket_counts }))
}

fn exponential() -> impl Strategy<Value = ExponentialHistogramDataPoint> {
    let numbers = (any::<u64>(), option::of(double()), option::of(double()), option::of(double()));
    let scale = prop_oneof![6 => -3..10_i32, 1 => any::<i32>()];
    (attributes(), time(), time(), numbers, (scale, 0..9_u64, side(), side()), flags()).prop_map(
        |(
            attributes,
            start_time_unix_nano,
            time_unix_nano,
            (count, sum, min, max),
            (scale, zero_count, positive, negative),
            flags,
        )| {
            ExponentialHistogramDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                min,
                max,
                scale,
                zero_count,
                positive,
                negative,
                flags,
                zero_threshold: 0.5,
                ..Default::default()
            }
        },
    )
}

/// A double that is not optional: prost leaves -0 out as if it were 0.
fn plain() -> impl Strategy<Value = f64> {
    double().prop_map(|number| number + 0.0)
}

fn summary() -> impl Strategy<Value = SummaryDataPoint> {
    let quantile = prop_oneof![9 => 0.0..=1.0_f64, 1 => plain()];
    let quantiles =
        vec((quantile, plain()).prop_map(|(quantile, value)| ValueAtQuantile { quantile, value }), 0..4);
    (attributes(), time(), time(), any::<u64>(), plain(), quantiles, flags()).prop_map(
        |(attributes, start_time_unix_nano, time_unix_nano, count, sum, quantile_values, flags)| {
            SummaryDataPoint {
                attributes,
                start_time_unix_nano,
                time_unix_nano,
                count,
                sum,
                quantile_values,
                flags,
            }
        },
    )
}

fn metric() -> impl Strategy<Value = Metric> {
    let temporality = || prop_oneof![9 => 0..3_i32, 1 => any::<i32>()];
    let data = prop_oneof![
        vec(number(), 0..3).prop_map(|data_points| Data::Gauge(Gauge { data_points })),
        (vec(number(), 0..3), temporality(), any::<bool>()).prop_map(
            |(data_points, aggregation_temporality, is_monotonic)| {
                Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic })
            }
        ),
        (vec(histogram(), 0..3), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }),
        (vec(exponential(), 0..3), temporality()).prop_map(|(data_points, aggregation_temporality)| {
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality })
        }),
        vec(summary(), 0..3).prop_map(|data_points| Data::Summary(Summary { data_points })),
    ];
    ("[a-z]{0,4}", "[a-z]{0,2}", option::weighted(0.95, data), attributes()).prop_map(
        |(name, unit, data, metadata)| Metric { name, unit, data, description: "about".to_owned(), metadata },
    )
}

pub(crate) fn metrics() -> impl Strategy<Value = MetricsData> {
    let scoped = (scope(), vec(metric(), 0..4)).prop_map(|(scope, metrics)| ScopeMetrics {
        scope,
        metrics,
        schema_url: "s".to_owned(),
    });
    let group = (resource(), vec(scoped, 0..3)).prop_map(|(resource, scope_metrics)| ResourceMetrics {
        resource,
        scope_metrics,
        schema_url: "s".to_owned(),
    });
    vec(group, 0..3).prop_map(|resource_metrics| MetricsData { resource_metrics })
}

fn log() -> impl Strategy<Value = LogRecord> {
    let severity = prop_oneof![9 => 0..25_i32, 1 => any::<i32>()];
    let ids = (id(16), id(8));
    (time(), time(), severity, any::<String>(), option::of(value()), attributes(), ids, "[a-z]{0,2}")
        .prop_map(
            |(
                time,
                observed,
                severity_number,
                severity_text,
                body,
                attributes,
                (trace_id, span_id),
                event_name,
            )| LogRecord {
                time_unix_nano: time,
                observed_time_unix_nano: observed,
                severity_number,
                severity_text,
                body,
                attributes,
                dropped_attributes_count: 2,
                flags: 1,
                trace_id,
                span_id,
                event_name,
            },
        )
}

pub(crate) fn logs() -> impl Strategy<Value = LogsData> {
    let scoped = (scope(), vec(log(), 0..4)).prop_map(|(scope, log_records)| ScopeLogs {
        scope,
        log_records,
        schema_url: "s".to_owned(),
    });
    let group = (resource(), vec(scoped, 0..3)).prop_map(|(resource, scope_logs)| ResourceLogs {
        resource,
        scope_logs,
        schema_url: "s".to_owned(),
    });
    vec(group, 0..3).prop_map(|resource_logs| LogsData { resource_logs })
}

fn span() -> impl Strategy<Value = Span> {
    let event = (time(), any::<String>(), attributes()).prop_map(|(time_unix_nano, name, attributes)| {
        Event { time_unix_nano, name, attributes, ..Default::default() }
    });
    let link = (id(16), id(8), attributes()).prop_map(|(trace_id, span_id, attributes)| Link {
        trace_id,
        span_id,
        attributes,
        flags: 1,
        ..Default::default()
    });
    let code = prop_oneof![9 => 0..3_i32, 1 => any::<i32>()];
    let status = option::of((any::<String>(), code).prop_map(|(message, code)| Status { message, code }));
    let kind = prop_oneof![9 => 0..6_i32, 1 => any::<i32>()];
    let ids = (id(16), id(8), id(8));
    let times = prop_oneof![
        4 => (1_700_000_000_000_000_000..1_800_000_000_000_000_000_u64, 0..1_000_000_u64).prop_map(|(start, length)| (start, start + length)),
        1 => (time(), time()),
    ];
    (ids, any::<String>(), kind, times, attributes(), vec(event, 0..3), vec(link, 0..3), status).prop_map(
        |(
            (trace_id, span_id, parent_span_id),
            name,
            kind,
            (start, end),
            attributes,
            events,
            links,
            status,
        )| Span {
            trace_id,
            span_id,
            trace_state: "a=b".to_owned(),
            parent_span_id,
            flags: 1,
            name,
            kind,
            start_time_unix_nano: start,
            end_time_unix_nano: end,
            attributes,
            events,
            links,
            status,
            ..Default::default()
        },
    )
}

pub(crate) fn traces() -> impl Strategy<Value = TracesData> {
    let scoped = (scope(), vec(span(), 0..4)).prop_map(|(scope, spans)| ScopeSpans {
        scope,
        spans,
        schema_url: "s".to_owned(),
    });
    let group = (resource(), vec(scoped, 0..3)).prop_map(|(resource, scope_spans)| ResourceSpans {
        resource,
        scope_spans,
        schema_url: "s".to_owned(),
    });
    vec(group, 0..3).prop_map(|resource_spans| TracesData { resource_spans })
}
