//! Spans for `theriac bench`: a shop of synthetic services that call each other, as Arrow
//! batches in the order in which spans end.

use theriac_contract::{
    Interval, Telemetry, Timestamp,
    telemetry::{SpanBuilder, SpanKind, SpanRow, SpanStatus},
};

/// Services, each with so many instances and operations.
const SERVICES: u64 = 20;
const INSTANCES: u64 = 3;
const OPERATIONS: u64 = 6;
/// Calls that a request makes while it is so deep or less; deeper ones make none.
const CALLS: [u64; 3] = [2, 2, 1];
/// Time between two traces; 10 s of event time hold 90,000 spans.
const BETWEEN: Interval = Interval::from_millis(2);
/// Threads that spans name: attributes repeat, but not at once.
const THREADS: u64 = 64;
/// Spans of a batch, what the OpenTelemetry collector sends by default.
const BATCH: usize = 8_192;

/// Spans of a trace: one for the root, two for each call.
pub(super) const A_TRACE: usize = 21;

/// What the input is, in words.
pub(super) fn about(spans: usize) -> String {
    let (traces, kinds) = (spans / A_TRACE, THREADS * OPERATIONS);
    format!(
        "{spans} spans of {traces} traces, {A_TRACE} a trace: {SERVICES} services of {INSTANCES} instances and {OPERATIONS} operations; at least {kinds} texts of attributes"
    )
}

struct Span {
    trace: u64,
    id: u64,
    parent: u64,
    service: u64,
    instance: u64,
    operation: u64,
    /// Service that is called, for a client's side.
    callee: Option<u64>,
    start: i64,
    end: i64,
    error: bool,
}

/// Numbers of the splitmix generator (Steele, Lea and Flood 2014).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// One request and the calls that it makes; gives when it ends.
fn serve(draw: &mut Draw, spans: &mut Vec<Span>, mut span: Span, depth: usize) -> i64 {
    let mut now = span.start + 100_000 + draw.below(2_000_000) as i64;
    for call in 0..CALLS.get(depth).copied().unwrap_or(0) {
        let callee = (span.service * 2 + 1 + call) % SERVICES;
        let (operation, instance) = (draw.below(OPERATIONS), draw.below(INSTANCES));
        let client = Span { id: draw.0 | 1, parent: span.id, start: now, callee: Some(callee), ..span };
        draw.below(2);
        let start = now + 50_000 + draw.below(200_000) as i64;
        let error = draw.below(200) == 0;
        let server = Span {
            id: draw.0 | 1,
            parent: client.id,
            service: callee,
            instance,
            operation,
            start,
            error,
            ..client
        };
        let end = serve(draw, spans, Span { callee: None, ..server }, depth + 1);
        now = end + 50_000 + draw.below(200_000) as i64;
        spans.push(Span { end: now, error, ..client });
    }
    span.end = now + draw.below(500_000) as i64;
    let end = span.end;
    spans.push(span);
    end
}

/// So many traces as batches.
pub(super) fn batches(traces: usize) -> Vec<Vec<Telemetry>> {
    let (mut draw, mut spans) = (Draw(7), Vec::new());
    for trace in 0..traces as u64 {
        let (instance, operation) = (draw.below(INSTANCES), draw.below(OPERATIONS));
        let start = Timestamp::from_seconds(1_000_000).0 + BETWEEN.0 * trace as i64;
        let id = draw.0 | 1;
        let root = Span {
            trace: id,
            id,
            parent: 0,
            service: 0,
            instance,
            operation,
            callee: None,
            start,
            end: start,
            error: false,
        };
        serve(&mut draw, &mut spans, root, 0);
    }
    spans.sort_by_key(|span| (span.end, span.id));
    spans.chunks(BATCH).map(|chunk| vec![batch(&mut draw, chunk)]).collect()
}

fn batch(draw: &mut Draw, spans: &[Span]) -> Telemetry {
    let mut builder = SpanBuilder::default();
    for span in spans {
        let Span { service, instance, operation, .. } = span;
        let thread = draw.below(THREADS);
        let peer =
            span.callee.map(|callee| format!(r#""peer.service":"service-{callee}","#)).unwrap_or_default();
        let trace_id = u128::from(span.trace) << 64 | u128::from(span.trace.rotate_left(32));
        builder.push(&SpanRow {
            trace_id: trace_id.to_be_bytes(),
            span_id: span.id.to_be_bytes(),
            parent_span_id: (span.parent != 0).then(|| span.parent.to_be_bytes()),
            name: &format!("{} /route-{operation}", if span.callee.is_some() { "GET" } else { "POST" }),
            kind: if span.callee.is_some() { SpanKind::Client } else { SpanKind::Server },
            start: Timestamp(span.start),
            end: Timestamp(span.end),
            resource: &format!(
                r#"{{"host.name":"node-{instance}","service.instance.id":"service-{service}-{instance}","service.name":"service-{service}"}}"#
            ),
            scope: r#"{"name":"http"}"#,
            attributes: &format!(
                r#"{{"http.request.method":"GET","http.response.status_code":{},"http.route":"/route-{operation}",{peer}"server.port":8080,"thread.id":{thread},"user_agent.original":"probe/1.0"}}"#,
                if span.error { 500 } else { 200 }
            ),
            status: if span.error { SpanStatus::Error } else { SpanStatus::Unset },
            status_message: "",
            events: "[]",
            links: "[]",
            trace_state: "",
        });
    }
    Telemetry::Spans(builder.finish())
}
