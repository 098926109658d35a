//! The whole of the simulated world, and how time passes in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    executor::Completion,
    series::Entity,
    time::{Interval, Timestamp},
};

use super::{
    action::Ledger,
    clock::{Event, MILLISECOND, Nanos, Queue, SECOND},
    fault::Disturbance,
    lifecycle::Rollout,
    load::Arrivals,
    request::Calls,
    scenario::Scenario,
    service::{Replica, Service},
    telemetry::Recorder,
    truth::{Levels, Truth},
};

/// What the world said while time passed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Emitted {
    /// One OTLP/JSON export request a line: `resourceMetrics`, `resourceLogs` or `resourceSpans`.
    pub otlp: Vec<String>,
    /// Answers to commands, in the order of time.
    pub completions: Vec<Completion>,
}

/// Sums over the run so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Events that were handled.
    pub events: u64,
    /// Users who came.
    pub users: u64,
    /// Users who got a good answer within a second.
    pub content: u64,
    /// Seconds from the start in which fewer than 99 % of the users were content.
    pub bad_seconds: Vec<u32>,
    /// Spans and log records that were dropped because of the limits.
    pub telemetry_shed: u64,
}

/// A host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) name: String,
    /// Multiplies the work of all that runs on it.
    pub(super) slowness: f64,
    /// The fault behind that.
    pub(super) fault: Option<u32>,
}

/// A fleet at an instant. See the [module](super).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    pub(super) scenario: Scenario,
    pub(super) now: Nanos,
    pub(super) queue: Queue,
    pub(super) arrivals: Arrivals,
    pub(super) hosts: Vec<Host>,
    pub(super) services: Vec<Service>,
    /// For each service the services that it calls, by place in `calls`.
    pub(super) edges: Vec<Vec<u32>>,
    pub(super) replicas: Vec<Replica>,
    pub(super) calls: Calls,
    pub(super) rollouts: BTreeMap<u32, Rollout>,
    pub(super) rollout_count: u32,
    pub(super) disturbances: Vec<Disturbance>,
    pub(super) ledger: Ledger,
    pub(super) truth: Vec<Truth>,
    /// Faults that went away by themselves.
    pub(super) over: Vec<bool>,
    /// Faults that changed something since the last collection.
    pub(super) touched: Vec<u32>,
    pub(super) levels: Levels,
    pub(super) recorder: Recorder,
    /// When telemetry was last collected.
    pub(super) collected: Nanos,
    digest: u64,
    #[serde(skip)]
    out: Emitted,
}

/// How often a load balancer asks a replica how it is.
const PROBE: Nanos = 3 * SECOND;

impl World {
    /// A world at the start of a scenario. What [`Scenario::check`] would reject is left out.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let scenario = scenario.clone().without_dangling();
        let place = |name: &str| scenario.services.iter().position(|service| service.name == name);
        let edges = scenario.services.iter().map(|service| {
            service.calls.iter().filter_map(|call| place(&call.callee)).map(|index| index as u32).collect()
        });
        let host = |index: u32| Host { name: format!("node-{}", index + 1), slowness: 1.0, fault: None };
        let truth = scenario.faults.iter().enumerate();
        let mut world = Self {
            now: 0,
            queue: Queue::default(),
            arrivals: Arrivals::new(scenario.seed),
            // The last one is where external services run; nothing is told of it.
            hosts: (0..=scenario.hosts).map(host).collect(),
            services: scenario.services.iter().map(Service::new).collect(),
            edges: edges.collect(),
            replicas: Vec::new(),
            calls: Calls::default(),
            rollouts: BTreeMap::new(),
            rollout_count: 0,
            disturbances: Vec::new(),
            ledger: Ledger::default(),
            truth: truth.map(|(index, fault)| Truth::new(index as u32, fault)).collect(),
            over: vec![false; scenario.faults.len()],
            touched: Vec::new(),
            levels: Levels::new(),
            recorder: Recorder::new(scenario.telemetry.spans_max, scenario.telemetry.logs_max),
            collected: 0,
            digest: 0,
            out: Emitted::default(),
            scenario,
        };
        for service in 0..world.services.len() {
            for _ in 0..world.scenario.services[service].replicas {
                world.add_replica(service as u32);
            }
        }
        world.begin();
        world
    }

    fn begin(&mut self) {
        let since_start = |interval: Interval| interval.0.max(0) as Nanos;
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            self.queue.push(since_start(fault.at), Event::FaultBegin(index as u32));
        }
        for (index, benign) in self.scenario.benign.iter().enumerate() {
            self.queue.push(since_start(benign.at), Event::BenignBegin(index as u32));
        }
        self.queue.push(SECOND, Event::Second);
        self.queue.push(self.tick(), Event::Collect);
        if !self.services.is_empty() && !self.scenario.routes.is_empty() {
            self.queue.push(self.arrivals.gap(&self.scenario.load, 0), Event::Arrival);
        }
    }

    /// Places a new replica on the next host in turn. Its process runs already.
    pub(super) fn add_replica(&mut self, service: u32) -> u32 {
        let index = self.replicas.len() as u32;
        let ordinal = self.services[service as usize].replicas.len() as u32;
        let name = format!("{}-{}", self.scenario.services[service as usize].name, ordinal + 1);
        let hosts = self.scenario.hosts;
        let external = self.scenario.services[service as usize].external;
        let host = if external { hosts } else { (service + ordinal) % hosts };
        let version = self.services[service as usize].current();
        self.replicas.push(Replica::new(self.scenario.seed, service, &name, host, version));
        self.services[service as usize].replicas.push(index);
        let phase = u64::from(index) * 137 * MILLISECOND % PROBE;
        self.queue.push(self.now + phase, Event::Probe(index));
        index
    }

    fn tick(&self) -> Nanos {
        u64::from(self.scenario.tick_seconds) * SECOND
    }

    /// The instant up to which everything has happened.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.timestamp(self.now)
    }

    pub(super) fn timestamp(&self, at: Nanos) -> Timestamp {
        self.scenario.start.plus(Interval(at as i64))
    }

    /// The scenario that is being played.
    #[must_use]
    pub const fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What really happened so far. Keep it from whoever is to find it out.
    #[must_use]
    pub fn truth(&self) -> &[Truth] {
        &self.truth
    }

    /// Sums over the run so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            events: self.queue.handled(),
            users: self.levels.users,
            content: self.levels.content,
            bad_seconds: self.levels.bad.clone(),
            telemetry_shed: self.recorder.shed,
        }
    }

    /// Hash of everything that was emitted so far: equal runs have equal digests.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Lets time pass up to and including `to`; an earlier instant changes nothing.
    pub fn advance(&mut self, to: Timestamp) -> Emitted {
        let until = to.since(self.scenario.start).0.max(0) as Nanos;
        while let Some((at, event)) = self.queue.pop(until) {
            self.now = at;
            self.handle(event);
        }
        self.now = self.now.max(until);
        std::mem::take(&mut self.out)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrival(),
            Event::WorkDone(call) => self.work_done(call),
            Event::Timeout { caller, callee } => self.timed_out(caller, callee),
            Event::Refused { caller, full } => self.refused(caller, full),
            Event::Retry(call) => self.call_out(call),
            Event::Second => {
                self.arrivals.step(&self.scenario.load);
                self.judge_second();
                self.queue.push(self.now + SECOND, Event::Second);
            }
            Event::Collect => {
                self.collect();
                self.queue.push(self.now + self.tick(), Event::Collect);
            }
            Event::Probe(replica) => {
                if self.probe(replica) {
                    self.queue.push(self.now + PROBE, Event::Probe(replica));
                }
            }
            Event::Up { replica, epoch } => self.up(replica, epoch),
            Event::Crash { replica, epoch } => self.crash_on_start(replica, epoch),
            Event::FaultBegin(fault) => self.begin_fault(fault),
            Event::FaultEnd(fault) => self.end_fault(fault),
            Event::BenignBegin(benign) => self.begin_benign(benign),
            Event::BenignEnd(benign) => self.end_benign(benign),
            Event::Rollout(rollout) => self.roll(rollout),
            Event::Act(entry) => self.act(entry),
            Event::Answer(answer) => self.answer(answer),
            Event::CircuitProbe { caller, callee } => self.probe_circuit(caller, callee),
        }
    }

    fn chain(&mut self, bytes: &[u8]) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.digest.to_le_bytes());
        hasher.update(bytes);
        let mut first = [0; 8];
        first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        self.digest = u64::from_le_bytes(first);
    }

    /// Sends a line of telemetry.
    pub(super) fn send(&mut self, line: String) {
        self.chain(line.as_bytes());
        self.out.otlp.push(line);
    }

    /// Sends an answer to a command.
    pub(super) fn complete(&mut self, completion: Completion) {
        let at = completion.at.0.to_le_bytes();
        let words = [completion.attempt_key.as_str().as_bytes(), &at, completion.detail.as_bytes()].concat();
        self.chain(&words);
        self.out.completions.push(completion);
    }

    /// Place of a service, by name.
    pub(super) fn service_index(&self, name: &str) -> Option<usize> {
        self.scenario.services.iter().position(|service| service.name == name)
    }

    /// Place of a replica, by its entity (`cart/cart-2`).
    pub(super) fn replica_index(&self, entity: &Entity) -> Option<usize> {
        let (service, name) = entity.as_str().split_once('/')?;
        let service = self.service_index(service)? as u32;
        self.replicas.iter().position(|replica| replica.service == service && replica.name == name)
    }

    /// Place of a host, by its entity (`host:node-1`).
    pub(super) fn host_index(&self, entity: &Entity) -> Option<usize> {
        let name = entity.as_str().strip_prefix("host:")?;
        self.hosts.iter().take(self.scenario.hosts as usize).position(|host| host.name == name)
    }
}
