//! Simulated time and the heap of what is to happen, ordered by time, then by insertion.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::call::CallKey;

/// Nanoseconds since the start of the scenario.
pub type Nanos = u64;

/// One second.
pub const SECOND: Nanos = 1_000_000_000;

/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;

/// Seconds with fraction as nanoseconds; negative becomes zero.
pub(crate) fn nanos(seconds: f64) -> Nanos {
    (seconds * 1e9) as Nanos
}

/// Something that happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A user sends a request.
    Arrival,
    /// A second of the clock is over.
    Second,
    /// Telemetry is collected.
    Collect,
    /// A call reaches its replica after a delay of the network.
    Deliver(CallKey),
    /// A call has done its own work.
    WorkDone(CallKey),
    /// A caller waited long enough.
    Timeout { caller: CallKey, callee: CallKey },
    /// A caller learns that its attempt failed before anybody took it.
    Refused { caller: CallKey, attempt: u32 },
    /// A caller tries again.
    Retry(CallKey),
    /// A process is up.
    Up { replica: u32, epoch: u32 },
    /// A message was worked off, or not.
    Consumed { partition: u32, epoch: u32 },
    /// A replica is on another node from now on.
    Move { replica: u32, node: u32 },
    /// A rollout goes on.
    Rollout(u32),
    /// An action takes effect.
    Act(u32),
    /// An action is over.
    Conclude(u32),
    /// A fault begins.
    FaultBegin(u32),
    /// A transient part of a fault is over.
    FaultEnd(u32),
    /// A fault that comes and goes does either.
    FaultTurn(u32),
    /// A benign disturbance begins.
    BenignBegin(u32),
    /// It is over.
    BenignEnd(u32),
}

/// Events in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heap {
    heap: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    sequence: u64,
    handled: u64,
}

impl Heap {
    /// Schedules an event.
    pub(crate) fn push(&mut self, at: Nanos, event: Event) {
        self.heap.push(Reverse((at, self.sequence, event)));
        self.sequence += 1;
    }

    /// The next event that is due at `until` or before.
    pub(crate) fn pop(&mut self, until: Nanos) -> Option<(Nanos, Event)> {
        if self.heap.peek()?.0.0 > until {
            return None;
        }
        self.handled += 1;
        self.heap.pop().map(|Reverse((at, _, event))| (at, event))
    }

    /// How many events were handled.
    pub(crate) const fn handled(&self) -> u64 {
        self.handled
    }
}
