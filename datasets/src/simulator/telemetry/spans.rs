//! Spans: a server and a client side for each call of a sampled request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::{
        clock::Nanos,
        request::{Answer, Call},
        service::Replica,
        world::World,
    },
    Recorder,
    metrics::Edge,
    otlp::{self, ResourceSpans, SCOPE, ScopeSpans, SpanRecord, Status, TracesRequest, text, whole},
};

/// Where a call stands in its trace.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct Trace {
    pub(in super::super) id: (u64, u64),
    pub(in super::super) span: u64,
    /// 0 for the root.
    pub(in super::super) parent: u64,
}

/// A span that is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Span {
    trace: (u64, u64),
    id: u64,
    parent: u64,
    replica: u32,
    route: u8,
    /// For a client span, who was called.
    peer: Option<(u32, Option<u32>)>,
    start: Nanos,
    end: Nanos,
    answer: Answer,
    /// The caller found the answer to be wrong.
    mismatch: bool,
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;

impl Recorder {
    /// The next span id: never 0, well spread (the finalizer of SplitMix64 over a counter).
    pub(in super::super) fn span_id(&mut self) -> u64 {
        self.span_count += 1;
        let mut id = self.span_count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (id ^ (id >> 31)).max(1)
    }

    fn keep(&mut self, span: Span) {
        if self.spans.len() < self.spans_max {
            self.spans.push(span);
        } else {
            self.shed += 1;
        }
    }

    /// A replica answered a call.
    pub(in super::super) fn server(&mut self, call: &Call, now: Nanos, answer: Answer) {
        let Some(trace) = &call.trace else { return };
        self.keep(Span {
            trace: trace.id,
            id: trace.span,
            parent: trace.parent,
            replica: call.replica,
            route: call.route,
            peer: None,
            start: call.arrived,
            end: now,
            answer,
            mismatch: false,
        });
    }

    /// A caller knows how its call went. `trace` is the caller's own; `span` is 0 if nobody
    /// took the call.
    pub(in super::super) fn client(
        &mut self,
        edge: Edge,
        trace: Option<&Trace>,
        span: u64,
        (start, end): (Nanos, Nanos),
        answer: Answer,
        mismatch: bool,
    ) {
        let Some(trace) = trace else { return };
        let id = if span == 0 { self.span_id() } else { span };
        self.keep(Span {
            trace: trace.id,
            id,
            parent: trace.span,
            replica: edge.0,
            route: 0,
            peer: Some((edge.1, edge.2)),
            start,
            end,
            answer,
            mismatch,
        });
    }
}

/// A trace id in hex.
pub(super) fn trace_hex(id: (u64, u64)) -> String {
    format!("{:016x}{:016x}", id.0, id.1)
}

/// A span id in hex; empty for none.
pub(super) fn span_hex(id: u64) -> String {
    if id == 0 { String::new() } else { format!("{id:016x}") }
}

impl World {
    /// All spans since the last collection as one request.
    pub(super) fn export_spans(&mut self) -> Option<String> {
        let spans = std::mem::take(&mut self.recorder.spans);
        let mut by_replica: BTreeMap<u32, Vec<SpanRecord<'_>>> = BTreeMap::new();
        for span in &spans {
            let service = self.replicas[span.replica as usize].service;
            if !self.scenario.services[service as usize].external {
                by_replica.entry(span.replica).or_default().push(self.span(span));
            }
        }
        if by_replica.is_empty() {
            return None;
        }
        let of = |(replica, spans)| ResourceSpans {
            resource: self.resource(replica as usize),
            scope_spans: [ScopeSpans { scope: SCOPE, spans }],
        };
        otlp::line(&TracesRequest { resource_spans: by_replica.into_iter().map(of).collect() })
    }

    fn span(&self, span: &Span) -> SpanRecord<'_> {
        let asked = span.peer.map_or_else(|| self.replicas[span.replica as usize].service, |peer| peer.0);
        let (method, path) = self.operation(asked, span.route);
        let mut attributes = vec![text("http.request.method", method)];
        match span.peer {
            None => attributes.push(text("http.route", path)),
            Some((service, replica)) => {
                attributes.push(text("peer.service", &self.scenario.services[service as usize].name));
                if let Some(Replica { name, .. }) = replica.map(|place| &self.replicas[place as usize]) {
                    attributes.push(text("server.address", name));
                    attributes.push(text("peer.instance", name));
                }
            }
        }
        if span.answer.status() > 0 {
            attributes.push(whole("http.response.status_code", u64::from(span.answer.status())));
        }
        let error = if span.mismatch { "mismatch" } else { span.answer.error() };
        if !error.is_empty() {
            attributes.push(text("error.type", error));
        }
        let message = match (span.mismatch, span.answer) {
            (true, _) => "the answer contradicts the ledger",
            (_, Answer::Timeout) => "deadline exceeded",
            (_, Answer::Refused) => "connection refused",
            (_, Answer::Reset) => "connection reset by peer",
            (_, Answer::Full) => "service unavailable",
            _ => "",
        };
        SpanRecord {
            trace_id: trace_hex(span.trace),
            span_id: span_hex(span.id),
            parent_span_id: span_hex(span.parent),
            name: format!("{method} {path}"),
            kind: if span.peer.is_some() { CLIENT } else { SERVER },
            start_time_unix_nano: self.unix(span.start),
            end_time_unix_nano: self.unix(span.end),
            attributes,
            status: Status { message: message.to_owned(), code: if error.is_empty() { 0 } else { 2 } },
        }
    }
}
