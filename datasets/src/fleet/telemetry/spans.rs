//! Spans: a server and a client side for each call of a sampled request, and half of the failures.

use std::collections::BTreeMap;

use super::{
    super::{
        call::{Answer, Call, Trace},
        clock::Nanos,
        topology::Kind,
        world::World,
    },
    SPANS_MAX,
};
use crate::simulator::telemetry::otlp::{
    self, ResourceSpans, SCOPE, ScopeSpans, SpanRecord, Status, TracesRequest, text, whole,
};

/// A span that is over.
#[derive(Clone, Debug)]
pub(super) struct Span {
    trace: Trace,
    replica: u32,
    route: u8,
    peer: Option<(u32, Option<u32>)>,
    start: Nanos,
    end: Nanos,
    answer: Answer,
    mismatch: bool,
    /// Who asks, where a request comes in.
    tenant: Option<u16>,
    /// What is asked for, of who holds data.
    key: Option<u16>,
}

const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// A trace id in hex.
pub(super) fn trace_hex(id: (u64, u64)) -> String {
    format!("{:016x}{:016x}", id.0, id.1)
}

/// A span id in hex; empty for none.
pub(super) fn span_hex(id: u64) -> String {
    if id == 0 { String::new() } else { format!("{id:016x}") }
}

impl World {
    fn keep(&mut self, span: Span) {
        if self.recorder.spans.len() < SPANS_MAX {
            self.recorder.spans.push(span);
        }
    }

    pub(super) fn span_of_server(&mut self, call: &Call, answer: Answer) {
        let Some(trace) = call.trace else { return };
        let (replica, route, start, end) = (call.replica, call.route, call.arrived, self.now);
        let tenant = call.caller.is_none().then_some(call.flags.tenant);
        let (peer, mismatch, key) = (None, false, None);
        self.keep(Span { trace, replica, route, peer, start, end, answer, mismatch, tenant, key });
    }

    pub(super) fn span_of_client(
        &mut self,
        edge: (u32, u32, Option<u32>),
        trace: Option<Trace>,
        start: Nanos,
        answer: Answer,
        mismatch: bool,
        key: u16,
    ) {
        let id = self.recorder.span_id();
        // A failure outside of any sampled trace is a trace of its own.
        let trace = match trace {
            Some(trace) if trace.span != 0 => trace,
            Some(trace) => Trace { span: id, ..trace },
            None => Trace { id: (id.rotate_left(7), id), span: id, parent: 0 },
        };
        let (replica, peer) = (edge.0, Some((edge.1, edge.2)));
        let holds_data = matches!(self.topology.services[edge.1 as usize].kind, Kind::Cache | Kind::Database);
        let (route, end, tenant, key) = (0, self.now, None, holds_data.then_some(key));
        self.keep(Span { trace, replica, route, peer, start, end, answer, mismatch, tenant, key });
    }

    /// All spans since the last collection as one request.
    pub(super) fn export_spans(&mut self) -> Option<String> {
        let spans = std::mem::take(&mut self.recorder.spans);
        let mut by_replica: BTreeMap<u32, Vec<SpanRecord<'_>>> = BTreeMap::new();
        for span in &spans {
            let service = self.replicas[span.replica as usize].service;
            if self.topology.services[service as usize].kind != Kind::External {
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
        let replica = &self.replicas[span.replica as usize];
        let asked = span.peer.map_or(replica.service, |peer| peer.0);
        let (method, path) = self.operation(asked, span.route);
        let mut attributes = vec![text("http.request.method", method)];
        match span.peer {
            None => attributes.push(text("http.route", path)),
            Some((service, peer)) => {
                let asked = &self.topology.services[service as usize];
                attributes.push(text("peer.service", &asked.name));
                match asked.kind {
                    Kind::Database => attributes.push(text("db.system.name", "postgresql")),
                    Kind::Cache => attributes.push(text("db.system.name", "redis")),
                    _ => {}
                }
                if let Some(place) = peer {
                    let name = &self.replicas[place as usize].name;
                    attributes.push(text("server.address", name));
                    attributes.push(text("peer.instance", name));
                }
            }
        }
        if let Some(tenant) = span.tenant {
            attributes.push(text("tenant.id", tenant.to_string()));
        }
        if let Some(key) = span.key {
            attributes.push(text("db.query.parameter.item", key.to_string()));
        }
        if span.answer.status() > 0 {
            attributes.push(whole("http.response.status_code", u64::from(span.answer.status())));
        }
        let error = if span.mismatch { "mismatch" } else { span.answer.error() };
        if !error.is_empty() {
            attributes.push(text("error.type", error));
        }
        let node = Some(replica.node);
        SpanRecord {
            trace_id: trace_hex(span.trace.id),
            span_id: span_hex(span.trace.span),
            parent_span_id: span_hex(span.trace.parent),
            name: format!("{method} {path}"),
            kind: if span.peer.is_some() { CLIENT } else { SERVER },
            start_time_unix_nano: self.unix(span.start, node),
            end_time_unix_nano: self.unix(span.end, node),
            attributes,
            status: Status { message: error.to_owned(), code: if error.is_empty() { 0 } else { 2 } },
        }
    }
}
