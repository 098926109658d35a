//! Prometheus remote write, as other encoders write it.

use arrow::{
    array::{Array, AsArray, ListArray},
    datatypes::Float64Type,
};
use proptest::{collection::vec, prelude::*};
use prost::Message;
use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows, remote_write};
use theriac_contract::{
    Telemetry,
    telemetry::{Attributes, Points},
};

use crate::{
    fixture, points,
    prometheus::{Histogram, Sample, Span, one, two},
    taken, wire,
};

const STALE: u64 = 0x7ff0_0000_0000_0002;

fn decode(payload: &[u8]) -> (Vec<Telemetry>, Vec<String>) {
    let mut rows = Rows::default();
    remote_write::decode(payload, &mut rows).unwrap();
    taken(rows)
}

/// What is not in [`points`]: `name kind temporality monotonic start unit`.
fn kinds(batches: &[Telemetry]) -> Vec<String> {
    let mut rows = Vec::new();
    for batch in batches {
        let points = Points::new(batch.batch()).unwrap();
        for row in 0..batch.rows() {
            rows.push(format!(
                "{} {} {} {} {:?} {}",
                points.name.text(row),
                points.kind.value(row),
                points.temporality.value(row),
                points.monotonic.value(row),
                points.start_time.iter().nth(row).flatten(),
                points.unit.text(row),
            ));
        }
    }
    rows
}

/// Count, sum, bounds and buckets of the last point.
fn histogram(batches: &[Telemetry]) -> (u64, Option<f64>, Vec<f64>, Vec<f64>) {
    let points = Points::new(batches[0].batch()).unwrap();
    let row = batches[0].rows() - 1;
    let list = |list: &ListArray| list.value(row).as_primitive::<Float64Type>().values().to_vec();
    let sum = points.sum.is_valid(row).then(|| points.sum.value(row));
    (points.count.value(row), sum, list(points.bounds), list(points.buckets))
}

fn series(labels: &[(&str, &str)], samples: &[(f64, i64)]) -> one::Series {
    let labels =
        labels.iter().map(|(name, value)| one::Label { name: (*name).into(), value: (*value).into() });
    let sample =
        |(value, timestamp): &(f64, i64)| Sample { value: *value, timestamp: *timestamp, start_timestamp: 0 };
    one::Series {
        labels: labels.collect(),
        samples: samples.iter().map(sample).collect(),
        histograms: vec![],
    }
}

fn native(histogram: Histogram) -> (Vec<Telemetry>, Vec<String>) {
    let mut series = series(&[("__name__", "h")], &[]);
    series.histograms.push(Histogram { timestamp: 1, ..histogram });
    decode(&one::Request { timeseries: vec![series] }.encode_to_vec())
}

fn span(offset: i32, length: u32) -> Span {
    Span { offset, length }
}

#[test]
fn version_1_of_googles_encoders() {
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::Auto, Attributes::new());
    decoder.decode(&fixture("remote_write_1.snappy"), &[], &mut rows).unwrap();
    let (batches, bad) = taken(rows);
    assert!(bad.is_empty(), "{bad:?}");
    let resource =
        r#"{"service.instance.id":"cart-1:8080","service.name":"cart","service.namespace":"shop"}"#;
    assert_eq!(
        points(&batches),
        [
            format!(r#"1790000000000000000 {resource} http_requests_total {{"code":"200"}} Some(1027.0)"#),
            format!(r#"1790000015000000000 {resource} http_requests_total {{"code":"200"}} Some(1030.0)"#),
            format!("1790000000000000000 {resource} load {{}} Some(0.25)"),
            format!("1790000015000000000 {resource} load {{}} None"),
            format!("1790000000000000000 {resource} request_seconds {{}} None"),
        ]
    );
    assert_eq!(
        kinds(&batches),
        [
            "http_requests_total 1 2 true None ",
            "http_requests_total 1 2 true None ",
            "load 0 0 false None ",
            "load 0 0 false None ",
            "request_seconds 2 2 false None ",
        ]
    );
    // Schema 0: bucket i ends at 2^i. Counts 1, 2, (gap), 1, 1; five in (1, 2] below zero.
    let bounds = vec![-2.0, -1.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
    assert_eq!(
        histogram(&batches),
        (12, Some(18.4), bounds, vec![0.0, 5.0, 2.0, 1.0, 2.0, 0.0, 1.0, 1.0, 0.0])
    );
}

#[test]
fn version_2_of_googles_encoders() {
    let (batches, bad) = decode(&fixture("remote_write_2.snappy"));
    assert!(bad.is_empty(), "{bad:?}");
    let start = "Some(1789999940000000000)";
    assert_eq!(
        kinds(&batches),
        [
            format!("busy_seconds 1 2 true {start} s"),
            "queue_total 0 0 false None ".into(),
            format!("size_bytes 2 2 false {start} By")
        ]
    );
    assert_eq!(
        histogram(&batches),
        (6, Some(2100.0), vec![100.0, 1000.0, 10000.0], vec![0.0, 4.0, 0.0, 2.0])
    );
}

#[test]
fn jobs_name_services() {
    let name = |job: &str| {
        let request = one::Request {
            timeseries: vec![series(&[("__name__", "up"), ("job", job), ("empty", "")], &[(1.0, 1)])],
        };
        points(&decode(&request.encode_to_vec()).0)[0].split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(name("cart"), r#"{"service.name":"cart"}"#);
    assert_eq!(name("shop/cart"), r#"{"service.name":"cart","service.namespace":"shop"}"#);
    for whole in ["monitor/shop/cart", "/cart", "shop/"] {
        assert_eq!(name(whole), format!(r#"{{"service.name":"{whole}"}}"#));
    }
    assert_eq!(name(""), "{}");
}

#[test]
fn a_bad_series_or_sample_does_not_cost_its_neighbours() {
    let good = |name| series(&[("__name__", name)], &[(1.0, 1)]);
    let request = one::Request {
        timeseries: vec![
            good("a"),
            series(&[("job", "cart")], &[(1.0, 1)]),
            series(
                &[("__name__", "b")],
                &[(1.0, 1), (f64::INFINITY, 2), (1.0, 0), (1.0, i64::MAX), (2.0, 3)],
            ),
            good("c"),
        ],
    };
    let payload = request.encode_to_vec();
    let mut rows = Rows::default();
    remote_write::decode(&payload, &mut rows).unwrap();
    for bad in &rows.bad {
        assert_eq!(payload[bad.offset..bad.offset + bad.bytes.len()], bad.bytes);
    }
    let (batches, bad) = taken(rows);
    assert_eq!(points(&batches).len(), 4);
    assert_eq!(
        bad,
        [
            "timeseries[1]: the series has no label `__name__`".to_owned(),
            "timeseries[2].samples[1]: metric `b`: the value is infinite".to_owned(),
            "timeseries[2].samples[2]: metric `b`: `timestamp` is missing".to_owned(),
            format!(
                "timeseries[2].samples[3]: metric `b`: `timestamp` {} lies beyond the year 2262",
                i64::MAX
            ),
        ]
    );
}

#[test]
fn symbols_must_be_there() {
    let request = |symbols: &[&str], refs: &[u32]| {
        let samples = vec![Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }];
        let series = two::Series { labels_refs: refs.to_vec(), samples, ..Default::default() };
        two::Request {
            symbols: symbols.iter().map(|text| (*text).to_owned()).collect(),
            timeseries: vec![series],
        }
    };
    let symbols = ["", "__name__", "up", "__type__"];
    let good = request(&symbols, &[1, 2]);
    assert_eq!(points(&decode(&good.encode_to_vec()).0), ["1000000 {} up {} Some(1.0)"]);
    for (refs, reason) in [
        (&[1, 4][..], "there is no symbol 4; there are 4"),
        (&[1], "`labels_refs` is odd"),
        (&[], "the series has no label `__name__`"),
        (&[1, 0], "the series has no label `__name__`"),
    ] {
        let (batches, bad) = decode(&request(&symbols, refs).encode_to_vec());
        assert!(batches.is_empty() && bad[0].starts_with(&format!("timeseries[0]: {reason}")), "{bad:?}");
    }
    // A created timestamp of the series, as before 2.0-rc.4, and references that are not packed.
    let mut older = good;
    older.timeseries[0].created_timestamp = 5;
    older.timeseries[0].metadata = Some(two::Metadata { kind: 1, unit_ref: 0 });
    assert_eq!(kinds(&decode(&older.encode_to_vec()).0), ["up 1 2 true Some(5000000) "]);
    let single = [
        wire::bytes(4, ""),
        wire::bytes(4, "__name__"),
        wire::bytes(4, "up"),
        wire::message(
            5,
            &[vec![1 << 3, 1, 1 << 3, 2], wire::message(2, &[wire::double(1, 1.0), vec![2 << 3, 1]])],
        ),
    ];
    assert_eq!(points(&decode(&single.concat()).0), ["1000000 {} up {} Some(1.0)"]);
}

/// A label of 2.0 takes two bytes in the payload however long it is.
#[test]
fn labels_cannot_be_multiplied() {
    let long = "x".repeat(40_000);
    let series = two::Series {
        labels_refs: vec![1, 2, 3, 3, 3, 3],
        samples: vec![Sample { value: 1.0, timestamp: 1, start_timestamp: 0 }],
        ..Default::default()
    };
    let symbols = ["", "__name__", "up", &long].map(str::to_owned).to_vec();
    let request = two::Request { symbols, timeseries: vec![series] };
    let (batches, bad) = decode(&request.encode_to_vec());
    assert!(
        batches.is_empty()
            && bad[0].starts_with("timeseries[0]: the labels have 160010 bytes; the limit is 65536"),
        "{bad:?}"
    );
}

#[test]
fn native_histograms_have_explicit_bounds() {
    let whole = Histogram {
        count_int: 10,
        sum: 5.5,
        schema: 1,
        zero_count_int: 1,
        positive_spans: vec![span(-1, 1), span(0, 2)],
        positive_deltas: vec![2, 1, 1],
        ..Default::default()
    };
    let (batches, bad) = native(whole.clone());
    assert!(bad.is_empty(), "{bad:?}");
    // Schema 1: bucket i ends at 2^(i/2).
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let (count, sum, bounds, buckets) = histogram(&batches);
    assert_eq!((count, sum, buckets), (10, Some(5.5), vec![1.0, 2.0, 3.0, 4.0, 0.0]));
    assert!(
        bounds.iter().zip([0.5, half, 1.0, 2.0 * half]).all(|(a, b)| (a - b).abs() < 1e-12),
        "{bounds:?}"
    );
    // Counts as they are, and a histogram that may shrink.
    let float = Histogram {
        count_int: 0,
        count_float: 9.6,
        positive_deltas: vec![],
        positive_counts: vec![2.0, 3.0, 4.0],
        reset_hint: 3,
        ..whole.clone()
    };
    let (batches, _) = native(float);
    assert_eq!(histogram(&batches).0, 10);
    assert_eq!(kinds(&batches), ["h 2 0 false None "]);
    // The end of its series.
    let (batches, _) = native(Histogram { sum: f64::from_bits(STALE), ..whole.clone() });
    assert!(Points::new(batches[0].batch()).unwrap().count.is_null(0));
    for (wrong, reason) in [
        (Histogram { schema: 9, ..whole.clone() }, "`schema` 9 is neither -53 nor one of -4 to 8"),
        (Histogram { positive_deltas: vec![2, -3, 1], ..whole.clone() }, "a bucket has a negative count"),
        (Histogram { positive_deltas: vec![i64::MAX, 1, 0], ..whole.clone() }, "the sum of `deltas`"),
        (Histogram { positive_deltas: vec![1], ..whole.clone() }, "1 bucket counts do not fit"),
        (
            Histogram { positive_spans: vec![span(0, u32::MAX)], ..whole.clone() },
            "3 bucket counts do not fit",
        ),
        (
            Histogram { positive_spans: vec![span(9, 1), span(-5, 2)], ..whole.clone() },
            "scale 1 with offsets 8 and 0",
        ),
        (Histogram { positive_spans: vec![span(i32::MAX, 3)], ..whole.clone() }, "scale 1 with offsets"),
        (
            Histogram { schema: -53, custom_values: vec![1.0], ..whole.clone() },
            "a span covers bucket -1 of 2",
        ),
        (
            Histogram {
                schema: -53,
                custom_values: vec![2.0, 1.0],
                positive_spans: vec![span(0, 3)],
                ..whole
            },
            "`explicitBounds` do not grow",
        ),
    ] {
        let (batches, bad) = native(wrong);
        assert!(
            batches.is_empty()
                && bad[0].starts_with(&format!("timeseries[0].histograms[0]: metric `h`: {reason}")),
            "{bad:?}"
        );
    }
}

#[test]
fn requests_are_limited_and_told_apart() {
    let error = |payload: &[u8]| remote_write::decode(payload, &mut Rows::default()).unwrap_err().reason;
    let plain = one::Request { timeseries: vec![series(&[("__name__", "up")], &[(1.0, 1)])] }.encode_to_vec();
    let packed = snap::raw::Encoder::new().compress_vec(&plain).unwrap();
    assert_eq!(decode(&packed), decode(&plain));
    assert!(decode(&[]).0.is_empty());
    assert!(error(&[&plain[..], &wire::bytes(4, "x")].concat()).contains("fields of both 1.0 and 2.0"));
    assert!(error(&wire::bytes(7, "x")).contains("it has no time series"));
    // Zeros that would take more than the limit; and a length that nothing stands behind.
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 65 << 20]).unwrap();
    assert!(bomb.len() < 4 << 20);
    assert!(error(&bomb).contains("the limit is 67108864"), "{}", error(&bomb));
    let announced = [wire::varint(1 << 31), vec![0; 20]].concat();
    assert!(error(&announced).starts_with("not a Prometheus remote write request: "));
    for length in 1..plain.len() {
        assert!(remote_write::decode(&plain[..length], &mut Rows::default()).is_err(), "{length}");
    }
}

#[test]
fn auto_tells_remote_write_from_otlp() {
    let sniffed = |payload: &[u8]| {
        let mut rows = Rows::default();
        PayloadDecoder::new(Encoding::Auto, Attributes::new()).decode(payload, &[], &mut rows).unwrap();
        points(&taken(rows).0)
    };
    // Without a value or with histograms only, a series has the frame of an OTLP request.
    let zero = one::Request { timeseries: vec![series(&[("__name__", "up")], &[(0.0, 1)])] };
    assert_eq!(sniffed(&zero.encode_to_vec()), ["1000000 {} up {} Some(0.0)"]);
    let mut only = series(&[("__name__", "h")], &[]);
    only.histograms.push(Histogram { timestamp: 1, ..Default::default() });
    assert_eq!(sniffed(&one::Request { timeseries: vec![only] }.encode_to_vec()), ["1000000 {} h {} None"]);
    let headers = [(
        "Content-Type".to_owned(),
        b"application/x-protobuf;proto=io.prometheus.write.v2.Request".to_vec(),
    )];
    let mut rows = Rows::default();
    let mut decoder = PayloadDecoder::new(Encoding::OtlpProto, Attributes::new());
    decoder.decode(&fixture("remote_write_2.snappy"), &headers, &mut rows).unwrap();
    assert_eq!(rows.len(), 3);
}

/// Labels, and samples as bits and milliseconds.
type Content = (Vec<(String, String)>, Vec<(u64, i64)>);

/// Labels in any order, samples of any bits, against the same content in plain Rust.
fn requests() -> impl Strategy<Value = Vec<Content>> {
    let label = ("(job|instance|[a-c]|\\PC{0,2})", "\\PC{0,3}");
    let value = prop_oneof![any::<f64>().prop_map(f64::to_bits), Just(STALE), any::<u64>()];
    vec((vec(label, 0..5), vec((value, -9_000_000_000_000..9_000_000_000_000_i64), 0..4)), 0..5)
}

fn expected(requests: &[Content]) -> Vec<String> {
    let mut rows = Vec::new();
    for (at, (labels, samples)) in requests.iter().enumerate() {
        let (mut resource, mut attributes) = (Attributes::new(), Attributes::new());
        for (name, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            let mut put = |name: &str, value: &str| drop(resource.insert(name.to_owned(), value.into()));
            match name.as_str() {
                "instance" => put("service.instance.id", value),
                "job" => match value.split('/').collect::<Vec<_>>()[..] {
                    [space, name] if !space.is_empty() && !name.is_empty() => {
                        put("service.namespace", space);
                        put("service.name", name);
                    }
                    _ => put("service.name", value),
                },
                _ => drop(attributes.insert(name.clone(), value.as_str().into())),
            }
        }
        let text = |set: &Attributes| serde_json::to_string(set).unwrap();
        for (bits, time) in
            samples.iter().filter(|(bits, time)| *time != 0 && !f64::from_bits(*bits).is_infinite())
        {
            // prost leaves -0 out as if it were 0.
            let value = Some(f64::from_bits(*bits) + 0.0).filter(|value| !value.is_nan());
            rows.push(format!(
                "{} {} m{at} {} {value:?}",
                time * 1_000_000,
                text(&resource),
                text(&attributes)
            ));
        }
    }
    rows
}

proptest! {
    #[test]
    fn any_labels_and_samples_are_read(mut requests in requests()) {
        for (labels, _) in &mut requests {
            // A job that repeats would leave a namespace of another behind.
            let mut seen = std::collections::BTreeSet::new();
            labels.retain(|(name, _)| seen.insert(name.clone()) && name != "__name__");
        }
        let named = |at: usize, labels: &[(String, String)]| {
            let mut all = labels.to_vec();
            all.insert(labels.len() / 2, ("__name__".to_owned(), format!("m{at}")));
            all
        };
        let sample = |(bits, timestamp): &(u64, i64)| Sample { value: f64::from_bits(*bits), timestamp: *timestamp, start_timestamp: 0 };
        let first = one::Request { timeseries: requests.iter().enumerate().map(|(at, (labels, samples))| one::Series {
            labels: named(at, labels).into_iter().map(|(name, value)| one::Label { name, value }).collect(),
            samples: samples.iter().map(sample).collect(),
            histograms: vec![],
        }).collect() };
        let mut symbols = vec![String::new()];
        let second = two::Request { timeseries: requests.iter().enumerate().map(|(at, (labels, samples))| {
            let mut labels_refs = Vec::new();
            for text in named(at, labels).into_iter().flat_map(|(name, value)| [name, value]) {
                symbols.push(text);
                labels_refs.push(symbols.len() as u32 - 1);
            }
            two::Series { labels_refs, samples: samples.iter().map(sample).collect(), ..Default::default() }
        }).collect(), symbols: vec![] };
        let second = two::Request { symbols, ..second };
        let expected = expected(&requests);
        for payload in [first.encode_to_vec(), second.encode_to_vec()] {
            let packed = snap::raw::Encoder::new().compress_vec(&payload).unwrap();
            for payload in [payload, packed] {
                prop_assert_eq!(points(&decode(&payload).0), expected.clone());
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(payload in vec(any::<u8>(), 0..100), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _ = remote_write::decode(&payload, &mut Rows::default());
        for name in ["remote_write_1.snappy", "remote_write_2.snappy"] {
            let packed = fixture(name);
            let plain = snap::raw::Decoder::new().decompress_vec(&packed).unwrap();
            for mut payload in [packed, plain] {
                let at = at.index(payload.len());
                payload[at] = byte;
                let _ = remote_write::decode(&payload, &mut Rows::default());
                let _ = remote_write::decode(&payload[..at], &mut Rows::default());
            }
        }
    }
}
