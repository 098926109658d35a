//! What the fleet says of itself, as OTLP/JSON. Nothing here knows of faults.

use serde::{Deserialize, Serialize};

use super::{clock::Nanos, world::World};

pub(crate) mod histogram;
pub(super) mod logs;
pub(super) mod metrics;
pub(crate) mod otlp;
pub(super) mod spans;

/// Spans and log records between two collections.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Recorder {
    spans: Vec<spans::Span>,
    spans_max: usize,
    span_count: u64,
    logs: Vec<logs::Log>,
    logs_max: usize,
    /// Spans and log records beyond the limits.
    pub(super) shed: u64,
}

impl Recorder {
    pub(super) fn new(spans_max: u32, logs_max: u32) -> Self {
        Self { spans_max: spans_max as usize, logs_max: logs_max as usize, ..Self::default() }
    }
}

impl World {
    /// Sends what was gathered since the last collection, one export request a line.
    pub(super) fn collect(&mut self) {
        self.note_observable();
        self.chatter();
        let metrics = self.export_metrics();
        let logs = self.export_logs();
        let spans = self.export_spans();
        for line in [metrics, logs, spans].into_iter().flatten() {
            self.send(line);
        }
        self.collected = self.now;
    }

    /// Nanoseconds since 1970, as OTLP writes them.
    fn unix(&self, at: Nanos) -> otlp::Whole {
        otlp::Whole(self.timestamp(at).0.max(0) as u64)
    }
}
