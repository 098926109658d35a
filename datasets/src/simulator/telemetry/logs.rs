//! Log lines from templates, change events, and much that means nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::{
        clock::{Nanos, nanos},
        request::{Answer, Call},
        service::Process,
        world::World,
    },
    Recorder,
    metrics::Edge,
    otlp::{self, LogRecord, LogsRequest, Resource, ResourceLogs, SCOPE, ScopeLogs, Value, text},
    spans::{Trace, span_hex, trace_hex},
};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

impl Severity {
    const fn otlp(self) -> (u8, &'static str) {
        match self {
            Self::Debug => (5, "DEBUG"),
            Self::Info => (9, "INFO"),
            Self::Warn => (13, "WARN"),
            Self::Error => (17, "ERROR"),
        }
    }
}

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in super::super) enum Speaker {
    /// A service as a whole: its release or configuration system.
    Service(u32),
    /// A replica.
    Replica(u32),
}

/// What a change event says beside its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in super::super) struct ChangeEvent {
    pub(in super::super) name: String,
    pub(in super::super) from: String,
    pub(in super::super) to: String,
}

/// A log record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Log {
    at: Nanos,
    speaker: Speaker,
    severity: Severity,
    body: String,
    trace: Option<((u64, u64), u64)>,
    change: Option<ChangeEvent>,
}

impl Recorder {
    fn note(&mut self, log: Log) {
        // A change is never shed.
        if self.logs.len() < self.logs_max || log.change.is_some() {
            self.logs.push(log);
        } else {
            self.shed += 1;
        }
    }
}

impl World {
    /// A replica says something.
    pub(in super::super) fn say(
        &mut self,
        replica: u32,
        severity: Severity,
        body: String,
        trace: Option<&Trace>,
    ) {
        let trace = trace.map(|trace| (trace.id, trace.span));
        let speaker = Speaker::Replica(replica);
        self.recorder.note(Log { at: self.now, speaker, severity, body, trace, change: None });
    }

    /// Somebody changed a service.
    pub(in super::super) fn announce(&mut self, service: u32, change: ChangeEvent, body: String) {
        let (speaker, severity) = (Speaker::Service(service), Severity::Info);
        let change = Some(change);
        self.recorder.note(Log { at: self.now, speaker, severity, body, trace: None, change });
    }

    /// A request was answered.
    pub(in super::super) fn log_answer(&mut self, call: &Call, answer: Answer) {
        let now = self.now;
        let replica = &self.replicas[call.replica as usize];
        let (method, path) = self.operation(replica.service, call.route);
        let millis = (now - call.arrived) / 1_000_000;
        let status = answer.status();
        let (severity, body) = match answer {
            Answer::Failed => {
                let text = format!(
                    "{method} {path} failed after {millis} ms: unhandled exception in request handler"
                );
                (Severity::Error, text)
            }
            Answer::Mistaken => (Severity::Warn, format!("{method} {path} answered {status}: no such item")),
            _ if answer.is_good() && call.logged => {
                (Severity::Info, format!("{method} {path} answered {status} in {millis} ms"))
            }
            _ => return,
        };
        self.say(call.replica, severity, body, call.trace.as_ref());
    }

    /// A call to another service went wrong.
    pub(in super::super) fn log_call_failed(
        &mut self,
        edge: Edge,
        answer: Answer,
        trace: Option<&Trace>,
        duration: Nanos,
    ) {
        let service = &self.scenario.services[edge.1 as usize].name;
        let peer = edge.2.map_or(service, |place| &self.replicas[place as usize].name);
        let millis = duration / 1_000_000;
        let body = match answer {
            Answer::Timeout => format!("call to {service} timed out after {millis} ms"),
            Answer::Refused => format!("call to {service} failed: connection refused"),
            Answer::Reset => format!("call to {service} failed: connection reset by {peer}"),
            Answer::Full => format!("call to {service} failed: 503 queue full"),
            _ => format!("call to {service} failed: {peer} answered {}", answer.status()),
        };
        self.say(edge.0, Severity::Error, body, trace);
    }

    /// A check found a difference.
    pub(in super::super) fn log_mismatch(&mut self, edge: Edge, trace: Option<&Trace>) {
        let Some(peer) = edge.2 else { return };
        let cents = self.replicas[edge.0 as usize].chatter.below(9_000) + 500;
        let name = &self.replicas[peer as usize].name;
        let body =
            format!("check failed: {name} said {}.{:02}, the ledger disagrees", cents / 100, cents % 100);
        self.say(edge.0, Severity::Warn, body, trace);
    }

    /// Lines that mean nothing, spread over the time since the last collection.
    pub(super) fn chatter(&mut self) {
        let span = self.now - self.collected;
        let seconds = span as f64 / 1e9;
        for place in 0..self.replicas.len() {
            let replica = &mut self.replicas[place];
            let external = self.scenario.services[replica.service as usize].external;
            if external || replica.process != Process::Ready {
                continue;
            }
            let draw = &mut replica.chatter;
            let mean = self.scenario.telemetry.chatter_per_second * seconds;
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
                let when = self.collected + nanos(at / mean * seconds).min(span.saturating_sub(1));
                let speaker = Speaker::Replica(place as u32);
                self.recorder.note(Log { at: when, speaker, severity, body, trace: None, change: None });
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
                if self.scenario.services[service as usize].external {
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
                    text("service.name", &self.scenario.services[service as usize].name),
                    text("deployment.environment.name", &self.scenario.telemetry.environment),
                ],
            },
        }
    }

    fn record<'a>(&self, log: &'a Log) -> LogRecord<'a> {
        let (severity_number, severity_text) = log.severity.otlp();
        let at = self.unix(log.at);
        let change = log.change.as_ref();
        LogRecord {
            time_unix_nano: at,
            observed_time_unix_nano: at,
            severity_number,
            severity_text,
            event_name: change.map_or("", |change| change.name.as_str()),
            body: Value::StringValue(log.body.as_str().into()),
            attributes: change.map_or_else(Vec::new, |change| {
                vec![
                    text("change.from", change.from.as_str()),
                    text("change.to", change.to.as_str()),
                    text("change.description", log.body.as_str()),
                ]
            }),
            trace_id: log.trace.map_or_else(String::new, |(trace, _)| trace_hex(trace)),
            span_id: log.trace.map_or_else(String::new, |(_, span)| span_hex(span)),
        }
    }
}
