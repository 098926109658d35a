//! What the fleet says of itself, as OTLP/JSON in the shape of the demo simulator. Nothing here
//! knows of faults, but for what they do to the telemetry itself.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the recorder, delays of the pipeline, lies |
//! | `metrics` | metrics every ten seconds |
//! | `logs` | log lines and change events |
//! | `spans` | spans of sampled requests |

use super::{
    call::{Answer, Call, Flags, Trace},
    change::ChangeEntry,
    clock::{Nanos, SECOND, nanos},
    world::{Setup, World},
};
use crate::{random::Stream, simulator::telemetry::otlp};

mod logs;
mod metrics;
mod spans;

pub(crate) use metrics::{Meters, quantile_of};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

/// An export request as it arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// When it arrives: some seconds after what it tells of.
    pub at: Nanos,
    /// One OTLP/JSON request: `resourceMetrics`, `resourceLogs` or `resourceSpans`.
    pub line: String,
}

/// A source that says what is not so.
#[derive(Clone, Debug)]
pub(crate) struct Lie {
    pub(crate) replica: u32,
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
}

/// What was gathered and not sent yet, and what was sent and has not arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    enabled: bool,
    spans: Vec<spans::Span>,
    span_count: u64,
    logs: Vec<logs::Log>,
    collected: Nanos,
    pipeline: Vec<Export>,
    delays: Stream,
    chatter: Stream,
    pub(crate) lies: Vec<Lie>,
    /// Replicas whose exporter is silent until then.
    pub(crate) silent: Vec<(u32, Nanos)>,
    /// Added to the delay of the pipeline; above 0, requests also arrive twice at times.
    pub(crate) late: f64,
    /// Multiplies the lines that mean nothing.
    pub(crate) flood: f64,
    /// Services that came after the start and do nothing yet.
    pub(crate) newcomers: Vec<String>,
}

/// Delay of the pipeline: median, and spread of the logarithm so that the 99th percentile is 8 s.
const DELAY: (f64, f64) = (2.0, 0.596);
/// Spans and log records between two collections at most.
const SPANS_MAX: usize = 4_000;
const LOGS_MAX: usize = 2_000;
/// Share of the spans with errors that are sent although their trace was not sampled.
const ERRORS_TRACED: f64 = 0.5;

impl Recorder {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            enabled: setup.telemetry,
            spans: Vec::new(),
            span_count: 0,
            logs: Vec::new(),
            collected: 0,
            pipeline: Vec::new(),
            delays: Stream::of(setup.seed, "pipeline", "delays"),
            chatter: Stream::of(setup.seed, "pipeline", "chatter"),
            lies: Vec::new(),
            silent: Vec::new(),
            late: 0.0,
            flood: 1.0,
            newcomers: Vec::new(),
        }
    }

    pub(crate) fn mute(&mut self) {
        self.enabled = false;
        self.spans.clear();
        self.logs.clear();
        self.pipeline.clear();
    }

    /// The next span id: never 0, well spread (the finalizer of SplitMix64 over a counter).
    pub(crate) fn span_id(&mut self) -> u64 {
        self.span_count += 1;
        let mut id = self.span_count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (id ^ (id >> 31)).max(1)
    }

    fn send(&mut self, now: Nanos, line: String) {
        let mut delay = self.delays.lognormal(DELAY.0, DELAY.1) + self.late;
        let twice = self.late > 0.0 && self.delays.chance(0.3);
        if twice {
            self.pipeline.push(Export { at: now + nanos(delay), line: line.clone() });
            delay += self.delays.uniform() * 5.0;
        }
        self.pipeline.push(Export { at: now + nanos(delay), line });
    }

    /// What has arrived by now, in the order of arrival.
    pub(crate) fn arrived(&mut self, now: Nanos) -> Vec<Export> {
        if self.pipeline.is_empty() {
            return Vec::new();
        }
        // A stable sort: what arrives at one instant keeps its order.
        self.pipeline.sort_by_key(|export| export.at);
        let count = self.pipeline.partition_point(|export| export.at <= now);
        self.pipeline.drain(..count).collect()
    }
}

impl World {
    /// A server answered.
    pub(crate) fn note_server(&mut self, call: &Call, answer: Answer) {
        let now = self.now;
        let place = call.replica as usize;
        let own = self.topology.services[self.replicas[place].service as usize].operation.is_empty();
        let route = if own { call.route } else { 0 };
        let duration = now - call.arrived;
        let enabled = self.recorder.enabled;
        self.replicas[place].meters.served(route, answer, duration, enabled);
        if enabled {
            self.span_of_server(call, answer);
            self.log_answer(call, answer);
        }
    }

    /// A client knows how an attempt went. `edge` is the calling replica, the place of the call
    /// among its calls, and who answered.
    pub(crate) fn note_client(
        &mut self,
        edge: (u32, usize, Option<u32>),
        trace: Option<Trace>,
        called: Nanos,
        answer: Answer,
        wrong: bool,
        flags: Flags,
    ) {
        if !self.recorder.enabled {
            return;
        }
        let (place, step, to) = edge;
        let service = self.replicas[place as usize].service as usize;
        let spec = &self.services[service].edges[step];
        let (callee, found) = (spec.callee, wrong && spec.checked);
        let duration = self.now - called;
        self.replicas[place as usize].meters.called(callee, answer, duration, to.filter(|_| found));
        let sampled = trace.is_some() || (!answer.is_good() && self.recorder.delays.chance(ERRORS_TRACED));
        if sampled {
            self.span_of_client((place, callee, to), trace, called, answer, found, flags.key);
        }
        if !answer.is_good() {
            self.log_call_failed((place, callee, to), answer, duration, trace);
        } else if found && (flags.logged || trace.is_some()) {
            self.log_mismatch(place, to, trace);
        }
    }

    /// A replica says something.
    pub(crate) fn say(&mut self, replica: u32, severity: Severity, body: String) {
        self.say_within(replica, severity, body, None);
    }

    /// Somebody changed a service.
    pub(crate) fn note_change(&mut self, service: u32, entry: &ChangeEntry) {
        if self.recorder.enabled {
            let log = logs::Log::of_change(self.now, service, entry);
            self.recorder.logs.push(log);
        }
    }

    /// Gathers and sends. The windows that others look through begin anew in any case.
    pub(crate) fn collect(&mut self) {
        if self.recorder.enabled {
            self.chatter();
            let lines = [self.export_metrics(), self.export_logs(), self.export_spans()];
            for line in lines.into_iter().flatten() {
                self.recorder.send(self.now, line);
            }
        }
        self.recorder.collected = self.now;
        for replica in &mut self.replicas {
            replica.meters.turn(std::mem::take(&mut replica.busy));
        }
    }

    /// Nanoseconds since 1970 by the clock of a node.
    fn unix(&self, at: Nanos, node: Option<u32>) -> otlp::Whole {
        let offset = node.map_or(0.0, |node| self.nodes[node as usize].clock_offset);
        let instant = (self.setup.start_unix + at) as i64 + (offset * 1e9) as i64;
        otlp::Whole(instant.max(0) as u64)
    }

    /// Seconds since the last collection.
    fn elapsed(&self) -> f64 {
        ((self.now - self.recorder.collected).max(SECOND / 10)) as f64
    }
}
