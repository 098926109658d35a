//! Decoders of payloads over any bytes, beside generated decoders of the same messages.

use std::{collections::BTreeMap, sync::LazyLock};

use opentelemetry_proto::tonic::{
    logs::v1::LogsData,
    metrics::v1::{MetricsData, metric::Data},
    trace::v1::TracesData,
};
use prost::Message;
use theriac_connectors::decode::{
    Encoding, PayloadDecoder, Rows, Signal, arrow_ipc as ipc, otlp_proto as proto, remote_write as written,
};
use theriac_contract::{codec, telemetry::Attributes};
use theriac_engine::Settings;
use theriac_monitor::Monitor;

use crate::{damage, messages, spare_caught_panics};

/// OTLP in protobuf: what prost accepts is accepted, and each record is a row or a bad record.
pub fn otlp_proto(bytes: &[u8]) {
    let _ = proto::decode(bytes, &mut Rows::default());
    for signal in [Signal::Points, Signal::Logs, Signal::Spans] {
        let mut rows = Rows::default();
        let decoded = proto::decode_as(signal, bytes, &mut rows);
        check_bad(bytes, &rows);
        let Some(records) = records(signal, bytes) else { continue };
        if let Err(error) = decoded {
            // Prost passes over groups that it does not know.
            assert!(error.reason.contains("is a group"), "{signal:?}: {error}");
            continue;
        }
        account(records, rows);
    }
}

/// The first byte chooses OTLP/JSON or flat JSON: walked over its bytes it gives what serde_json
/// gives, object by object; the second time, when all attributes are known, as well. OTLP/JSON that
/// the generated messages take up gives the rows that these give as protobuf.
pub fn json(bytes: &[u8]) {
    let Some((which, payload)) = bytes.split_first() else { return };
    let encoding = if which % 2 == 0 { Encoding::OtlpJson } else { Encoding::Json };
    let decode = |mut rows: Rows| {
        let mut decoder = PayloadDecoder::new(encoding, Attributes::new());
        [(); 2].map(|()| {
            let decoded = decoder.decode(payload, &[], &mut rows);
            (decoded, rows.take(), std::mem::take(&mut rows.bad))
        })
    };
    let walked = decode(Rows::default());
    assert_eq!(walked, decode(Rows::by_objects()));
    let [(decoded, rows, bad), _] = walked;
    if let (Encoding::OtlpJson, Some(expected)) = (encoding, messages::rows(payload)) {
        assert_eq!((decoded, bad.len()), (Ok(()), 0), "{bad:?}");
        assert_eq!(rows, expected);
    }
}

/// Rows of each record by the path that a bad one would have; `None` if prost refuses.
fn records(signal: Signal, bytes: &[u8]) -> Option<BTreeMap<String, usize>> {
    let mut records = BTreeMap::new();
    let mut add = |[outer, middle, inner]: [&str; 3], [r, s, i]: [usize; 3], rows: usize| {
        records.insert(format!("{outer}[{r}].{middle}[{s}].{inner}[{i}]"), rows);
    };
    match signal {
        Signal::Points => {
            for (r, group) in MetricsData::decode(bytes).ok()?.resource_metrics.into_iter().enumerate() {
                for (s, scope) in group.scope_metrics.into_iter().enumerate() {
                    for (i, metric) in scope.metrics.into_iter().enumerate() {
                        let points = match metric.data {
                            Some(Data::Gauge(data)) => data.data_points.len(),
                            Some(Data::Sum(data)) => data.data_points.len(),
                            Some(Data::Histogram(data)) => data.data_points.len(),
                            Some(Data::ExponentialHistogram(data)) => data.data_points.len(),
                            Some(Data::Summary(data)) => data.data_points.len(),
                            None => 0,
                        };
                        add(["resourceMetrics", "scopeMetrics", "metrics"], [r, s, i], points);
                    }
                }
            }
        }
        Signal::Logs => {
            for (r, group) in LogsData::decode(bytes).ok()?.resource_logs.into_iter().enumerate() {
                for (s, scope) in group.scope_logs.into_iter().enumerate() {
                    for i in 0..scope.log_records.len() {
                        add(["resourceLogs", "scopeLogs", "logRecords"], [r, s, i], 1);
                    }
                }
            }
        }
        Signal::Spans => {
            for (r, group) in TracesData::decode(bytes).ok()?.resource_spans.into_iter().enumerate() {
                for (s, scope) in group.scope_spans.into_iter().enumerate() {
                    for i in 0..scope.spans.len() {
                        add(["resourceSpans", "scopeSpans", "spans"], [r, s, i], 1);
                    }
                }
            }
        }
    }
    Some(records)
}

/// Each row that should be there is there, or a bad record says why not.
fn account(records: BTreeMap<String, usize>, rows: Rows) {
    let total: usize = records.values().sum();
    let excused = rows.bad.iter().map(|bad| match records.get(&bad.path) {
        Some(rows) => *rows,
        // A point, a sample; a resource or scope costs no rows.
        None => usize::from(!bad.path.ends_with(".resource") && !bad.path.ends_with(".scope")),
    });
    assert_eq!(rows.len() + excused.sum::<usize>(), total, "{:?}", rows.bad);
}

/// Bad records have a reason, and lie in the payload where they say.
fn check_bad(payload: &[u8], rows: &Rows) {
    for bad in &rows.bad {
        assert!(!bad.reason.is_empty(), "{bad:?}");
        let lies = payload.get(bad.offset..bad.offset + bad.bytes.len());
        // Pieces that had to be put together lie nowhere as a whole.
        assert!(bad.offset == 0 || lies == Some(&bad.bytes[..]), "{bad:?}");
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Parts {
    #[prost(bytes = "vec", repeated, tag = "2")]
    samples: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "3")]
    histograms_of_two: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "4")]
    histograms_of_one: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct One {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<Parts>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Two {
    #[prost(bytes = "vec", repeated, tag = "4")]
    symbols: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<Parts>,
}

/// Remote write: compressed or not it gives the same, and each sample is a row or a bad record.
pub fn remote_write(bytes: &[u8]) {
    let mut plain = Rows::default();
    let decoded = written::decode(bytes, &mut plain);
    // What is compressed has no plain form to be held against.
    let length = snap::raw::decompress_len(bytes).unwrap_or(usize::MAX);
    if length < 1 << 20 && snap::raw::Decoder::new().decompress_vec(bytes).is_ok() {
        return;
    }
    check_bad(bytes, &plain);
    let packed = snap::raw::Encoder::new().compress_vec(bytes).expect("it is small");
    let mut unpacked = Rows::default();
    assert_eq!(written::decode(&packed, &mut unpacked), decoded);
    assert_eq!(unpacked.bad, plain.bad);
    if decoded.is_err() {
        return;
    }
    let series = match (One::decode(bytes), Two::decode(bytes)) {
        (Ok(one), Ok(two)) if two.symbols.is_empty() && two.timeseries.is_empty() => {
            one.timeseries.iter().map(|parts| parts.samples.len() + parts.histograms_of_one.len()).collect()
        }
        // A request of version 1 that prost refuses is, to version 2, an empty one.
        (_, Ok(two)) if !two.symbols.is_empty() || !two.timeseries.is_empty() => {
            two.timeseries.iter().map(|parts| parts.samples.len() + parts.histograms_of_two.len()).collect()
        }
        _ => return,
    };
    let series: Vec<usize> = series;
    let records = series.into_iter().enumerate().map(|(at, rows)| (format!("timeseries[{at}]"), rows));
    account(records.collect(), plain);
    assert_eq!(unpacked.take(), {
        let mut again = Rows::default();
        written::decode(bytes, &mut again).expect("it was decoded before");
        again.take()
    });
}

const SEED: &str = r#"{"time":1,"name":"cpu","value":0.5,"labels":{"core":"0"},"resource":{"service.name":"cart"}}
{"time":2,"name":"cpu","value":0.25,"resource":{"service.name":"cart","host.name":"h"}}
{"time":2,"severity":"error","body":"no","resource":{"service.name":"cart"}}
{"trace_id":"7c1a","span_id":"a1","parent_id":null,"name":"GET","start":3,"duration_ms":1.5,"status":"ERROR","service":"cart"}"#;

/// A stream of each signal.
static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Json, Attributes::new());
    decoder.decode(SEED.as_bytes(), &[], &mut rows).expect("it is flat JSON");
    rows.take().iter().map(|batch| codec::encode(batch.batch()).expect("it can be written")).collect()
});

/// The first byte chooses: a true stream, damaged in as many places as there are four bytes,
/// or any bytes. What is taken, the monitor takes, and it can be written and read again.
pub fn arrow_ipc(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    spare_caught_panics();
    let stream = match STREAMS.get(usize::from(*which) % (STREAMS.len() + 1)) {
        Some(stream) => {
            let mut stream = stream.clone();
            for piece in rest.chunks_exact(4) {
                damage(&mut stream, [piece[0], piece[1], piece[2], piece[3]]);
            }
            stream
        }
        None => rest.to_vec(),
    };
    let mut rows = Rows::default();
    if ipc::decode(&stream, &mut rows).is_err() {
        assert!(rows.is_empty(), "half a payload");
        return;
    }
    let mut monitor = Monitor::new(Settings::default().monitor);
    for batch in rows.take() {
        let again = codec::encode(batch.batch()).expect("what was read can be written");
        let mut rows = Rows::default();
        ipc::decode(&again, &mut rows).expect("what was written can be read");
        assert_eq!(rows.take(), [batch.clone()]);
        monitor.push(std::slice::from_ref(&batch)).expect("it has the columns of its signal");
    }
    monitor.finish();
    // Times may be far apart, with many ticks between them.
    for _ in 0..64 {
        if monitor.seal().is_none() {
            break;
        }
    }
}
