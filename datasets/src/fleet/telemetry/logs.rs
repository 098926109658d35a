//! Log lines from templates, change events, and much that means nothing.

use std::collections::BTreeMap;

use super::{
    super::{
        call::{Answer, Call, Trace},
        change::ChangeEntry,
        clock::{Nanos, nanos},
        service::Process,
        topology::Kind,
        world::World,
    },
    LOGS_MAX, Severity,
    spans::{span_hex, trace_hex},
};
use crate::simulator::telemetry::otlp::{
    self, LogRecord, LogsRequest, Resource, ResourceLogs, SCOPE, ScopeLogs, Value, text,
};

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Speaker {
    Service(u32),
    Replica(u32),
}

/// A log record.
#[derive(Clone, Debug)]
pub(super) struct Log {
    at: Nanos,
    speaker: Speaker,
    severity: Severity,
    body: String,
    trace: Option<Trace>,
    change: Option<(&'static str, String, String)>,
}

impl Log {
    pub(super) fn of_change(at: Nanos, service: u32, entry: &ChangeEntry) -> Self {
        let (name, from, to) = (entry.change.event(), entry.from.clone(), entry.to.clone());
        let body = format!("{name} of {} changed from {from} to {to}", entry.service);
        let (speaker, severity) = (Speaker::Service(service), Severity::Info);
        Self { at, speaker, severity, body, trace: None, change: Some((name, from, to)) }
    }
}

/// Irrelevant lines a second and replica.
const CHATTER: f64 = 0.1;

impl World {
    pub(super) fn say_within(
        &mut self,
        replica: u32,
        severity: Severity,
        body: String,
        trace: Option<Trace>,
    ) {
        if self.recorder.enabled && self.recorder.logs.len() < LOGS_MAX {
            let speaker = Speaker::Replica(replica);
            self.recorder.logs.push(Log { at: self.now, speaker, severity, body, trace, change: None });
        }
    }

    pub(super) fn log_answer(&mut self, call: &Call, answer: Answer) {
        let service = self.replicas[call.replica as usize].service;
        let (method, path) = self.operation(service, call.route);
        let millis = (self.now - call.arrived) / 1_000_000;
        let status = answer.status();
        let (severity, body) = match answer {
            Answer::Failed => (
                Severity::Error,
                format!("{method} {path} failed after {millis} ms: unhandled exception in request handler"),
            ),
            Answer::NoSpace => {
                (Severity::Error, "could not extend file base/16384/2619: No space left on device".to_owned())
            }
            Answer::Mistaken => (Severity::Warn, format!("{method} {path} answered {status}: no such item")),
            _ if answer.is_good() && call.flags.logged => {
                (Severity::Info, format!("{method} {path} answered {status} in {millis} ms"))
            }
            _ => return,
        };
        self.say_within(call.replica, severity, body, call.trace);
    }

    pub(super) fn log_call_failed(
        &mut self,
        edge: (u32, u32, Option<u32>),
        answer: Answer,
        duration: Nanos,
        trace: Option<Trace>,
    ) {
        let service = &self.topology.services[edge.1 as usize].name;
        let peer = edge.2.map_or(service, |place| &self.replicas[place as usize].name);
        let millis = duration / 1_000_000;
        let body = match answer {
            Answer::Timeout => format!("call to {service} timed out after {millis} ms"),
            Answer::Refused => format!("call to {service} failed: connection refused"),
            Answer::Reset => format!("call to {service} failed: connection reset by {peer}"),
            Answer::Full => format!("call to {service} failed: 503 queue full"),
            Answer::Limited => format!("call to {service} failed: 429 too many requests"),
            Answer::Unauthorized => format!("call to {service} failed: 401 token is not yet valid"),
            Answer::Certificate => format!("call to {service} failed: x509: certificate has expired"),
            Answer::Unresolved => format!("call to {service} failed: lookup {service}: no such host"),
            _ => format!("call to {service} failed: {peer} answered {}", answer.status()),
        };
        self.say_within(edge.0, Severity::Error, body, trace);
    }

    pub(super) fn log_mismatch(&mut self, place: u32, peer: Option<u32>, trace: Option<Trace>) {
        let Some(peer) = peer else { return };
        let cents = self.recorder.chatter.below(9_000) + 500;
        let name = &self.replicas[peer as usize].name;
        let body =
            format!("check failed: {name} said {}.{:02}, the ledger disagrees", cents / 100, cents % 100);
        self.say_within(place, Severity::Warn, body, trace);
    }

    /// Lines that mean nothing, spread over the time since the last collection.
    pub(super) fn chatter(&mut self) {
        let (from, span) = (self.recorder.collected, self.now - self.recorder.collected);
        let seconds = span as f64 / 1e9;
        for place in 0..self.replicas.len() {
            let replica = &self.replicas[place];
            let external = self.topology.services[replica.service as usize].kind == Kind::External;
            if external || replica.process != Process::Ready {
                continue;
            }
            let mean = CHATTER * seconds * self.recorder.flood;
            let draw = &mut self.recorder.chatter;
            let mut at = draw.exponential(1.0);
            while at < mean {
                let (severity, body) = match draw.below(6) {
                    0 => (Severity::Debug, format!("cache refreshed, {} entries", 1_000 + draw.below(900))),
                    1 => (Severity::Info, format!("session of user {} expired", draw.below(100_000))),
                    2 => (
                        Severity::Debug,
                        format!("connection pool: {} idle, {} in use", draw.below(8), draw.below(8)),
                    ),
                    3 => (
                        Severity::Info,
                        format!("scheduled job cleanup finished in {} ms", 5 + draw.below(60)),
                    ),
                    4 => (Severity::Debug, format!("heartbeat {} acknowledged", draw.below(1_000_000))),
                    _ => (Severity::Info, format!("metrics exported, {} points", 40 + draw.below(30))),
                };
                let when = from + nanos(at / mean * seconds).min(span.saturating_sub(1));
                let speaker = Speaker::Replica(place as u32);
                self.recorder.logs.push(Log { at: when, speaker, severity, body, trace: None, change: None });
                at += draw.exponential(1.0);
            }
        }
    }

    /// All log records since the last collection as one request.
    pub(super) fn export_logs(&mut self) -> Option<String> {
        let mut logs = std::mem::take(&mut self.recorder.logs);
        logs.sort_by_key(|log| log.at);
        let mut by_speaker: BTreeMap<Speaker, Vec<LogRecord<'_>>> = BTreeMap::new();
        for log in &logs {
            if let Speaker::Replica(place) = log.speaker {
                let service = self.replicas[place as usize].service;
                if self.topology.services[service as usize].kind == Kind::External {
                    continue;
                }
            }
            by_speaker.entry(log.speaker).or_default().push(self.record(log));
        }
        if by_speaker.is_empty() {
            return None;
        }
        let of = |(speaker, log_records)| ResourceLogs {
            resource: self.speaker(speaker),
            scope_logs: [ScopeLogs { scope: SCOPE, log_records }],
        };
        otlp::line(&LogsRequest { resource_logs: by_speaker.into_iter().map(of).collect() })
    }

    fn speaker(&self, speaker: Speaker) -> Resource<'_> {
        match speaker {
            Speaker::Replica(place) => self.resource(place as usize),
            Speaker::Service(service) => Resource {
                attributes: vec![
                    text("service.name", &self.topology.services[service as usize].name),
                    text("deployment.environment.name", &self.topology.name),
                ],
            },
        }
    }

    fn record<'a>(&self, log: &'a Log) -> LogRecord<'a> {
        let (severity_number, severity_text) = match log.severity {
            Severity::Debug => (5, "DEBUG"),
            Severity::Info => (9, "INFO"),
            Severity::Warn => (13, "WARN"),
            Severity::Error => (17, "ERROR"),
        };
        let node = match log.speaker {
            Speaker::Replica(place) => Some(self.replicas[place as usize].node),
            Speaker::Service(_) => None,
        };
        let change = log.change.as_ref();
        LogRecord {
            time_unix_nano: self.unix(log.at, node),
            observed_time_unix_nano: self.unix(log.at, None),
            severity_number,
            severity_text,
            event_name: change.map_or("", |change| change.0),
            body: Value::StringValue(log.body.as_str().into()),
            attributes: change.map_or_else(Vec::new, |(_, from, to)| {
                vec![
                    text("change.from", from.as_str()),
                    text("change.to", to.as_str()),
                    text("change.description", log.body.as_str()),
                ]
            }),
            trace_id: log.trace.map_or_else(String::new, |trace| trace_hex(trace.id)),
            span_id: log.trace.map_or_else(String::new, |trace| span_hex(trace.span)),
        }
    }
}
