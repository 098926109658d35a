//! What the batches of a source hold in all.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::Array;
use theriac_contract::{
    Fetch, Reject, Source, Telemetry,
    telemetry::{Logs, Points, Spans},
};

const SECOND: i64 = 1_000_000_000;

/// Everything that is left in a source.
pub(crate) fn read(source: &mut dyn Source, bytes_max: usize) -> (Vec<Telemetry>, Vec<Reject>, u64) {
    let (mut telemetry, mut rejects, mut bytes) = (Vec::new(), Vec::new(), 0);
    loop {
        match source.fetch(bytes_max).expect("it reads") {
            Fetch::Batch(fetched) => {
                assert!(!fetched.telemetry.is_empty() || !fetched.rejects.is_empty());
                telemetry.extend(fetched.telemetry);
                rejects.extend(fetched.rejects);
                bytes += fetched.bytes;
            }
            Fetch::Idle => panic!("files are never idle"),
            Fetch::End => return (telemetry, rejects, bytes),
        }
    }
}

pub(crate) fn times(batch: &Telemetry) -> Vec<i64> {
    let times = match batch {
        Telemetry::Points(batch) => Points::new(batch).expect("points").time.values().to_vec(),
        Telemetry::Logs(batch) => Logs::new(batch).expect("logs").time.values().to_vec(),
        Telemetry::Spans(batch) => Spans::new(batch).expect("spans").end.values().to_vec(),
    };
    assert_eq!(times.len(), batch.rows());
    times
}

/// What the reference counts.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) points: usize,
    pub(crate) pods: BTreeSet<String>,
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) spans: usize,
    pub(crate) roots: usize,
    pub(crate) nanoseconds: i64,
    pub(crate) logs: usize,
    pub(crate) traces: BTreeSet<Vec<u8>>,
    pub(crate) levels: BTreeMap<(u8, String), usize>,
}

impl Totals {
    pub(crate) fn of(telemetry: &[Telemetry]) -> Self {
        let mut totals = Self::default();
        for batch in telemetry {
            match batch {
                Telemetry::Points(batch) => totals.add_points(&Points::new(batch).expect("points")),
                Telemetry::Logs(batch) => totals.add_logs(&Logs::new(batch).expect("logs")),
                Telemetry::Spans(batch) => totals.add_spans(&Spans::new(batch).expect("spans")),
            }
        }
        totals
    }

    fn add_points(&mut self, points: &Points<'_>) {
        for row in 0..points.time.len() {
            self.points += 1;
            if !self.pods.contains(points.resource.text(row)) {
                self.pods.insert(points.resource.text(row).to_owned());
            }
            match points.name.text(row) {
                "k8s.pod.cpu.usage" => self.cpu += points.value.value(row),
                "k8s.pod.memory.usage" => self.memory += points.value.value(row),
                _ => {}
            }
        }
    }

    fn add_logs(&mut self, logs: &Logs<'_>) {
        for row in 0..logs.time.len() {
            self.logs += 1;
            let severity = (logs.severity_number.value(row), logs.severity_text.text(row).to_uppercase());
            *self.levels.entry(severity).or_default() += 1;
            self.traces.insert(logs.trace_id.value(row).to_vec());
            let body = logs.body.value(row);
            assert!(!body.contains("TraceID") && !body.contains("SpanID") && !body.is_empty(), "{body}");
        }
    }

    fn add_spans(&mut self, spans: &Spans<'_>) {
        for row in 0..spans.end.len() {
            self.spans += 1;
            self.roots += usize::from(spans.parent_span_id.is_null(row));
            self.nanoseconds += spans.end.value(row) - spans.start.value(row);
        }
    }
}

/// No row comes more than five seconds of event time after one that is later, which is how
/// long late rows are waited for.
pub(crate) fn assert_aligned(telemetry: &[Telemetry]) {
    let mut latest = i64::MIN;
    let mut late = 0;
    for batch in telemetry {
        let times = times(batch);
        assert!(times.is_sorted(), "within a batch");
        late += times.iter().filter(|time| **time < latest.saturating_sub(5 * SECOND)).count();
        latest = latest.max(times.last().copied().unwrap_or(latest));
    }
    assert_eq!(late, 0);
}
