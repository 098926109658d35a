//! Services, versions, configurations, edges, and the replicas that do the work.

use std::collections::VecDeque;

use super::{
    call::CallKey,
    clock::{Nanos, SECOND},
    telemetry::Meters,
    topology::{CallSpec, Operation, Topology},
};
use crate::random::Stream;

/// A build of a service. What is wrong with it stays wrong, however often it is restarted.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    /// Share of requests that fail.
    pub(crate) error: f64,
    /// Multiplies the work.
    pub(crate) slow: f64,
    /// Share of memory that a request does not give back.
    pub(crate) leak: f64,
    /// Descriptors that a request does not give back.
    pub(crate) descriptors: f64,
    /// Share of answers that look right and are wrong.
    pub(crate) wrong: f64,
    /// Share of effects that are done twice.
    pub(crate) duplicates: f64,
    /// Newest schema of the database that it can read.
    pub(crate) schema: u32,
}

impl Version {
    pub(crate) fn sound(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            error: 0.0,
            slow: 1.0,
            leak: 0.0,
            descriptors: 0.0,
            wrong: 0.0,
            duplicates: 0.0,
            schema: u32::MAX,
        }
    }
}

/// A revision of configuration or flags: it outlives every process.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// Connections in each pool; none: as designed.
    pub(crate) pool: Option<u32>,
    /// Share of the time that the collector stops the process.
    pub(crate) pauses: f64,
    /// Share of requests that fail.
    pub(crate) error: f64,
    /// Multiplies the work.
    pub(crate) slow: f64,
    /// Processes die soon after they start.
    pub(crate) crash: bool,
    /// Replicas that the controller keeps; none: what was asked for last.
    pub(crate) desired: Option<u32>,
    /// The name of the service leads nowhere.
    pub(crate) unresolvable: bool,
}

impl Config {
    pub(crate) fn sound(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            pool: None,
            pauses: 0.0,
            error: 0.0,
            slow: 1.0,
            crash: false,
            desired: None,
            unresolvable: false,
        }
    }
}

/// Calls from one service to another.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub(crate) callee: u32,
    pub(crate) mask: u32,
    pub(crate) op: Operation,
    pub(crate) timeout: Nanos,
    pub(crate) attempts: u32,
    /// Tokens for retries, filled by calls; none: retries without limit.
    pub(crate) budget: Option<f64>,
    pub(crate) pool: u32,
    pub(crate) fallback: bool,
    pub(crate) checked: bool,
    /// The circuit is open.
    pub(crate) open: bool,
    /// Calls and attempts, for telemetry.
    pub(crate) calls: u64,
    pub(crate) tries: u64,
    /// Answers that were done without.
    pub(crate) without: u64,
}

impl Edge {
    fn new(topology: &Topology, call: &CallSpec) -> Self {
        Self {
            callee: topology.place(&call.callee).unwrap_or_default() as u32,
            mask: topology.mask(&call.routes),
            op: call.op,
            timeout: call.timeout_ms * 1_000_000,
            attempts: call.attempts.max(1),
            budget: Some(BUDGET_MAX),
            pool: call.pool,
            fallback: call.fallback,
            checked: call.checked,
            open: false,
            calls: 0,
            tries: 0,
            without: 0,
        }
    }
}

/// Tokens of a retry budget at most.
pub(crate) const BUDGET_MAX: f64 = 10.0;

/// How a load balancer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Balancing {
    RoundRobin,
    LeastRequests,
}

/// A service at an instant.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) replicas: Vec<u32>,
    pub(crate) versions: Vec<Version>,
    /// What was deployed, the present one last.
    pub(crate) deployed: Vec<u32>,
    pub(crate) configs: Vec<Config>,
    /// What was configured, the present one last.
    pub(crate) configured: Vec<u32>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) balancing: Balancing,
    pub(crate) cursor: u32,
    /// Share of requests that is turned away at the door, and until when.
    pub(crate) shed: f64,
    pub(crate) shed_until: Nanos,
    /// When its certificate ends.
    pub(crate) certificate_until: Nanos,
    /// Nobody checks its certificate any more.
    pub(crate) unverified: bool,
    /// Since when the name leads nowhere.
    pub(crate) unresolvable_since: Nanos,
    /// Replicas that were asked for.
    pub(crate) wanted: u32,
    /// Replicas that were ever made.
    pub(crate) created: u32,
    pub(crate) outcomes: Stream,
}

impl Service {
    pub(crate) fn new(topology: &Topology, place: usize, seed: u64) -> Self {
        let spec = &topology.services[place];
        Self {
            replicas: Vec::new(),
            versions: vec![Version::sound(&spec.version)],
            deployed: vec![0],
            configs: vec![Config::sound("r1")],
            configured: vec![0],
            edges: spec.calls.iter().map(|call| Edge::new(topology, call)).collect(),
            balancing: Balancing::RoundRobin,
            cursor: 0,
            shed: 0.0,
            shed_until: Nanos::MAX,
            certificate_until: Nanos::MAX,
            unverified: false,
            unresolvable_since: 0,
            wanted: spec.replicas,
            created: 0,
            outcomes: Stream::of(seed, &spec.name, "service"),
        }
    }

    pub(crate) fn version(&self) -> u32 {
        self.deployed.last().copied().unwrap_or_default()
    }

    pub(crate) fn config(&self) -> &Config {
        &self.configs[self.configured.last().copied().unwrap_or_default() as usize]
    }

    /// A new version is there to be rolled out.
    pub(crate) fn release(&mut self, version: Version) -> u32 {
        self.versions.push(version);
        self.versions.len() as u32 - 1
    }

    /// A new revision of the configuration holds.
    pub(crate) fn configure(&mut self, config: Config) {
        self.configs.push(config);
        self.configured.push(self.configs.len() as u32 - 1);
    }
}

/// What the process of a replica does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    /// It is coming up.
    Starting,
    /// It works.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It is not there; somebody may start it.
    Dead,
    /// It was scaled away.
    Gone,
}

/// Connections of a replica over one edge.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pool {
    pub(crate) used: u32,
    pub(crate) waiting: VecDeque<CallKey>,
}

/// A replica.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) service: u32,
    pub(crate) name: String,
    pub(crate) node: u32,
    pub(crate) version: u32,
    pub(crate) process: Process,
    /// Distinguishes the processes of a replica.
    pub(crate) epoch: u32,
    pub(crate) started: Nanos,
    /// It loads its caches until then.
    pub(crate) cold_until: Nanos,
    pub(crate) slots: u32,
    pub(crate) active: u32,
    pub(crate) waiting: VecDeque<CallKey>,
    pub(crate) pools: Vec<Pool>,
    /// Share of memory in use.
    pub(crate) heap: f64,
    /// Share of descriptors in use.
    pub(crate) descriptors: f64,
    /// Taken out of rotation by somebody.
    pub(crate) ejected: bool,
    /// Seconds that the load balancer's probes failed.
    pub(crate) probes_failed: u32,
    /// Multiplies the work: something about this replica, in its local state.
    pub(crate) slow: f64,
    /// Share of answers that look right and are wrong, from its local state.
    pub(crate) wrong: f64,
    /// Pages whose checksum was found to be wrong when they were read in passing.
    pub(crate) checksums_failed: f64,
    /// Share of requests that it fails at once.
    pub(crate) fails: f64,
    /// Its threads wait for each other; gone with the process.
    pub(crate) deadlocked: bool,
    /// Its supervisor does not start it.
    pub(crate) stays_down: bool,
    /// For a copy of a database: seconds that it is behind.
    pub(crate) lag: f64,
    /// It does not get behind less.
    pub(crate) lag_growth: f64,
    pub(crate) restarts: u64,
    pub(crate) crashes: u32,
    /// Time that its slots worked since the last collection.
    pub(crate) busy: Nanos,
    pub(crate) work: Stream,
    pub(crate) outcomes: Stream,
    pub(crate) life: Stream,
    pub(crate) meters: Meters,
}

impl Replica {
    pub(crate) fn new(topology: &Topology, seed: u64, service: u32, ordinal: u32, node: u32) -> Self {
        let spec = &topology.services[service as usize];
        let name = format!("{}-{}", spec.name, ordinal + 1);
        Self {
            service,
            node,
            version: 0,
            process: Process::Ready,
            epoch: 0,
            started: 0,
            cold_until: 0,
            slots: spec.slots,
            active: 0,
            waiting: VecDeque::new(),
            pools: spec.calls.iter().map(|_| Pool::default()).collect(),
            heap: 0.3,
            descriptors: 0.1,
            ejected: false,
            probes_failed: 0,
            slow: 1.0,
            wrong: 0.0,
            checksums_failed: 0.0,
            fails: 0.0,
            deadlocked: false,
            stays_down: false,
            lag: 0.0,
            lag_growth: 0.0,
            restarts: 0,
            crashes: 0,
            busy: 0,
            work: Stream::of(seed, &name, "work"),
            outcomes: Stream::of(seed, &name, "outcomes"),
            life: Stream::of(seed, &name, "life"),
            meters: Meters::default(),
            name,
        }
    }

    /// Whether a load balancer would send something here.
    pub(crate) const fn in_rotation(&self) -> bool {
        !self.ejected
            && self.probes_failed < PROBES
            && !matches!(self.process, Process::Gone | Process::Draining)
    }

    /// Whether it would take something.
    pub(crate) const fn takes(&self) -> bool {
        matches!(self.process, Process::Ready)
    }

    /// How much longer it takes in its present condition.
    pub(crate) fn slowness(&self, now: Nanos) -> f64 {
        let cold = if now < self.cold_until { COLD } else { 1.0 };
        let memory = (self.heap - 0.7).max(0.0) / 0.3;
        self.slow * cold * (1.0 + 6.0 * memory * memory)
    }
}

/// Failed probes, one a second, after which a load balancer leaves a replica out.
pub(crate) const PROBES: u32 = 3;
/// How much longer a cold process takes.
const COLD: f64 = 2.0;
/// How long a resolved name is kept.
pub(crate) const NAME_KEPT: Nanos = 180 * SECOND;
