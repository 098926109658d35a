//! Services, their versions, and their replicas with the state that faults live in.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    clock::{Nanos, SECOND, nanos},
    request::CallKey,
    scenario,
    telemetry::metrics::Meters,
};
use crate::random::Stream;

/// Memory of a fresh process.
pub(super) const HEAP_BASE: u64 = 180 << 20;
/// Memory at which the process is killed.
pub(super) const HEAP_LIMIT: u64 = 512 << 20;
/// Garbage that a process lets grow before it collects.
const GARBAGE_LIMIT: u64 = 24 << 20;
/// Garbage that a request leaves.
const GARBAGE_PER_REQUEST: u64 = 96 << 10;
/// How long a process is slower after its start.
const WARM_UP: Nanos = 25 * SECOND;
/// Failed probes in a row after which a replica gets no more requests.
const PROBES_FAILED_MAX: u32 = 2;
/// Processor cores of a replica.
pub(super) const CORES: f64 = 2.0;

/// A version of a service. A fault that a deploy brought lives here, so restarts keep it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Version {
    pub(super) name: String,
    /// Share of requests that fail.
    pub(super) errors: f64,
    /// Multiplies the work.
    pub(super) slowness: f64,
    /// Bytes kept by each request.
    pub(super) leak: u64,
    /// The fault that it carries.
    pub(super) fault: Option<u32>,
}

/// A service while it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Service {
    /// All versions that ever were; replicas refer to them.
    pub(super) versions: Vec<Version>,
    /// Versions in the order of their deploys, the current one last.
    pub(super) deployed: Vec<u32>,
    /// Its replicas.
    pub(super) replicas: Vec<u32>,
    /// Replica that was called last.
    cursor: usize,
    /// Multiplies the work of all replicas.
    pub(super) slowness: f64,
    /// Share of requests that fail, whatever the version.
    pub(super) errors: f64,
    /// Fault behind slowness or errors; none for a benign disturbance.
    pub(super) fault: Option<u32>,
    /// Attempts that may be repeated, in hundredths.
    pub(super) retries: u64,
    /// Circuits towards the services that it calls, by place in `calls`.
    pub(super) circuits: Vec<Circuit>,
    /// Configuration revision.
    pub(super) revision: u32,
}

/// What a caller does about a callee.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Circuit {
    pub(super) open: bool,
    /// Good probes in a row.
    pub(super) good: u32,
    /// Requests that were answered without the callee.
    pub(super) answered_without: u64,
}

impl Service {
    pub(super) fn new(spec: &scenario::Service) -> Self {
        let version =
            Version { name: spec.version.clone(), errors: 0.0, slowness: 1.0, leak: 0, fault: None };
        Self {
            versions: vec![version],
            deployed: vec![0],
            replicas: Vec::new(),
            cursor: 0,
            slowness: 1.0,
            errors: 0.0,
            fault: None,
            retries: 0,
            circuits: vec![Circuit::default(); spec.calls.len()],
            revision: 1,
        }
    }

    /// The version that should run.
    pub(super) fn current(&self) -> u32 {
        self.deployed.last().copied().unwrap_or_default()
    }

    /// Adds a version and makes it the one that should run.
    pub(super) fn deploy(&mut self, errors: f64, slowness: f64, leak: u64, fault: Option<u32>) -> u32 {
        let name = successor(&self.versions.last().map_or_else(String::new, |v| v.name.clone()));
        self.versions.push(Version { name, errors, slowness, leak, fault });
        let index = (self.versions.len() - 1) as u32;
        self.deployed.push(index);
        index
    }

    /// The next replica in turn among those in rotation.
    pub(super) fn pick(&mut self, replicas: &[Replica]) -> Option<u32> {
        for _ in 0..self.replicas.len() {
            self.cursor = (self.cursor + 1) % self.replicas.len();
            let candidate = self.replicas[self.cursor];
            if replicas[candidate as usize].in_rotation() {
                return Some(candidate);
            }
        }
        None
    }
}

/// The version after: the last number grows by one.
fn successor(version: &str) -> String {
    let (head, tail) = version.rsplit_once('.').unwrap_or(("1", version));
    format!("{head}.{}", tail.parse::<u32>().unwrap_or_default() + 1)
}

/// Where the process of a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Process {
    /// It takes requests.
    Ready,
    /// It is being started or waits to be.
    Down,
    /// It was removed for good.
    Gone,
}

/// One replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Replica {
    pub(super) service: u32,
    /// Name within the service, `cart-2`.
    pub(super) name: String,
    pub(super) host: u32,
    pub(super) process: Process,
    /// Grows with each start and end of the process; what belongs to an older one is void.
    pub(super) epoch: u32,
    pub(super) version: u32,
    /// Probes in a row that found it down.
    pub(super) probes_failed: u32,
    /// Taken out of rotation by an operator.
    pub(super) isolated: bool,
    /// Taken out of rotation for a rollout.
    pub(super) draining: bool,
    pub(super) started: Nanos,
    pub(super) restarts: u64,
    /// Crashes without a good while between them.
    pub(super) crashes: u32,
    pub(super) active: u32,
    pub(super) queue: VecDeque<CallKey>,
    /// Memory kept by a leak.
    pub(super) leaked: u64,
    garbage: u64,
    /// How fast this replica leaks compared with others.
    pub(super) leak_share: f64,
    /// Corrupt local state, and the fault that it is.
    pub(super) corrupt: Option<u32>,
    /// Wrong answers, and the fault that they are.
    pub(super) lies: Option<u32>,
    pub(super) busy: Nanos,
    pub(super) meters: Meters,
    pub(super) work: Stream,
    pub(super) outcomes: Stream,
    pub(super) lifecycle: Stream,
    pub(super) chatter: Stream,
}

impl Replica {
    pub(super) fn new(seed: u64, service: u32, name: &str, host: u32, version: u32) -> Self {
        let mut lifecycle = Stream::of(seed, name, "lifecycle");
        Self {
            service,
            name: name.to_owned(),
            host,
            process: Process::Ready,
            epoch: 0,
            version,
            probes_failed: 0,
            isolated: false,
            draining: false,
            started: 0,
            restarts: 0,
            crashes: 0,
            active: 0,
            queue: VecDeque::new(),
            leaked: 0,
            garbage: lifecycle.below(GARBAGE_LIMIT as usize) as u64,
            leak_share: 0.85 + 0.3 * lifecycle.uniform(),
            corrupt: None,
            lies: None,
            busy: 0,
            meters: Meters::default(),
            work: Stream::of(seed, name, "work"),
            outcomes: Stream::of(seed, name, "outcomes"),
            lifecycle,
            chatter: Stream::of(seed, name, "chatter"),
        }
    }

    /// Whether the load balancer sends requests to it.
    pub(super) fn in_rotation(&self) -> bool {
        self.probes_failed < PROBES_FAILED_MAX
            && !self.isolated
            && !self.draining
            && self.process != Process::Gone
    }

    /// Memory in use.
    pub(super) const fn heap(&self) -> u64 {
        HEAP_BASE + self.leaked + self.garbage
    }

    /// Memory in use as a share of the limit.
    pub(super) fn pressure(&self) -> f64 {
        self.heap() as f64 / HEAP_LIMIT as f64
    }

    /// A request leaves garbage and, if the version leaks, more. Says whether memory is used up.
    pub(super) fn allocate(&mut self, leak: u64) -> bool {
        self.garbage += GARBAGE_PER_REQUEST;
        if self.garbage > GARBAGE_LIMIT {
            self.garbage = 0;
        }
        self.leaked += (leak as f64 * self.leak_share) as u64;
        self.heap() >= HEAP_LIMIT
    }

    /// What a request costs more than usual: a cold process, and a collector that runs ever
    /// more often as memory gets short.
    pub(super) fn drag(&self, now: Nanos) -> f64 {
        let cold = if self.started > 0 && now < self.started + WARM_UP { 1.4 } else { 1.0 };
        let short = ((self.pressure() - 0.65) / 0.35).max(0.0);
        cold * (1.0 + 8.0 * short * short)
    }

    /// A pause in which the collector stops everything, if one hits the next request.
    pub(super) fn pause(&mut self) -> Nanos {
        let short = ((self.pressure() - 0.75) / 0.25).max(0.0);
        if short > 0.0 && self.work.chance(0.06 * short) { nanos(self.work.lognormal(1.4, 0.2)) } else { 0 }
    }

    /// The process ends, and with it all that it had in memory.
    pub(super) fn stop(&mut self, process: Process) {
        self.epoch += 1;
        self.process = process;
        self.active = 0;
        self.queue.clear();
        self.leaked = 0;
        self.garbage = 0;
        self.busy = 0;
        self.meters = Meters::default();
    }
}
