//! Simulated time and the queue of what is to happen.

use std::{cmp::Ordering, collections::BinaryHeap};

use serde::{Deserialize, Serialize};

use super::request::CallKey;

/// Nanoseconds since the start of the scenario.
pub(super) type Nanos = u64;

/// One second.
pub(super) const SECOND: Nanos = 1_000_000_000;

/// One millisecond.
pub(super) const MILLISECOND: Nanos = 1_000_000;

/// Seconds with fraction as nanoseconds; negative becomes zero.
pub(super) fn nanos(seconds: f64) -> Nanos {
    (seconds * 1e9) as Nanos
}

/// Something that happens at an instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Event {
    /// A user sends a request.
    Arrival,
    /// A second of the clock is over: load noise, service levels, truth.
    Second,
    /// Telemetry is collected and sent.
    Collect,
    /// A call has done its own work.
    WorkDone(CallKey),
    /// A caller waited long enough.
    Timeout { caller: CallKey, callee: CallKey },
    /// A caller learns that nobody took its call.
    Refused { caller: CallKey, full: bool },
    /// A caller tries again.
    Retry(CallKey),
    /// The load balancer asks a replica how it is.
    Probe(u32),
    /// A process comes up.
    Up { replica: u32, epoch: u32 },
    /// A process dies of its own fault.
    Crash { replica: u32, epoch: u32 },
    /// A fault begins.
    FaultBegin(u32),
    /// A fault that lasts for a time is over.
    FaultEnd(u32),
    /// A benign disturbance begins.
    BenignBegin(u32),
    /// A benign disturbance is over.
    BenignEnd(u32),
    /// A rollout goes on to its next step.
    Rollout(u32),
    /// An action takes effect.
    Act(u32),
    /// An answer to a command goes out.
    Answer(u32),
    /// An open circuit tests what is behind it.
    CircuitProbe { caller: u32, callee: u32 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Scheduled {
    at: Nanos,
    sequence: u64,
    event: Event,
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    /// The earliest is the greatest, because the heap gives its greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.sequence).cmp(&(self.at, self.sequence))
    }
}

/// Events ordered by time, then by the order in which they were scheduled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Queue {
    heap: BinaryHeap<Scheduled>,
    sequence: u64,
    handled: u64,
}

impl Queue {
    /// Schedules an event.
    pub(super) fn push(&mut self, at: Nanos, event: Event) {
        self.heap.push(Scheduled { at, sequence: self.sequence, event });
        self.sequence += 1;
    }

    /// The next event that is due at `until` or before.
    pub(super) fn pop(&mut self, until: Nanos) -> Option<(Nanos, Event)> {
        if self.heap.peek()?.at > until {
            return None;
        }
        self.handled += 1;
        self.heap.pop().map(|next| (next.at, next.event))
    }

    /// How many events were handled.
    pub(super) const fn handled(&self) -> u64 {
        self.handled
    }
}
