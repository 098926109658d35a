//! The whole of the simulated fleet, and how time passes in it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    action::{Hands, Mishap},
    benign::Disturbance,
    cache::Cache,
    call::{Answer, Call, CallKey, Calls, Flags, Trace},
    change::ChangeEntry,
    clock::{Event, Heap, Nanos, SECOND},
    database::Cluster,
    fault::Injected,
    ledger::{Breaches, Ledger},
    levels::{Levels, Loss},
    lifecycle::Rollout,
    load::{Arrivals, LOW_PRIORITY},
    queue::Queue,
    routing::External,
    service::Service,
    telemetry::{Export, Recorder},
    topology::{Kind, Operation, Topology},
};
use crate::random::Stream;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// Multiplies the work of all that runs on it.
    pub(crate) cpu_slowness: f64,
    pub(crate) disk_slowness: f64,
    /// Share of the volume that is full, and how much comes in a second.
    pub(crate) disk_fill: f64,
    pub(crate) disk_growth: f64,
    /// Seconds that its clock is ahead.
    pub(crate) clock_offset: f64,
    /// Added to each message from and to it, and the share of packets that is lost.
    pub(crate) delay: Nanos,
    pub(crate) loss: f64,
    /// Takes no new replicas.
    pub(crate) cordoned: bool,
}

impl Node {
    fn new(index: u32) -> Self {
        Self {
            name: format!("node-{}", index + 1),
            cpu_slowness: 1.0,
            disk_slowness: 1.0,
            disk_fill: 0.4,
            disk_growth: 0.0,
            clock_offset: 0.0,
            delay: 0,
            loss: 0.0,
            cordoned: false,
        }
    }
}

/// What a world is made from.
#[derive(Clone, Debug)]
pub struct Setup {
    /// All randomness.
    pub seed: u64,
    /// What the fleet is made of.
    pub topology: Arc<Topology>,
    /// Nanoseconds since 1970 at the start.
    pub start_unix: u64,
    /// Load relative to the usual.
    pub load: f64,
    /// Seconds between two collections of telemetry.
    pub tick_seconds: u32,
    /// Whether telemetry is written.
    pub telemetry: bool,
    /// Whether actions may fail, pretend or half work, as they do in life.
    pub actions_fail: bool,
    /// Formulas instead of single requests: fast, for fleets that are well.
    pub fluid: bool,
    /// What becomes of the first action that is to change something after a fault.
    pub mishap: Option<Mishap>,
    /// What goes wrong.
    pub faults: Vec<super::fault::Fault>,
    /// What happens without being wrong.
    pub benign: Vec<super::benign::Benign>,
}

impl Setup {
    /// A fleet in which nothing goes wrong.
    #[must_use]
    pub fn new(seed: u64, topology: Arc<Topology>) -> Self {
        Self {
            seed,
            topology,
            start_unix: 1_767_225_600_000_000_000,
            load: 1.0,
            tick_seconds: 10,
            telemetry: false,
            actions_fail: false,
            fluid: false,
            mishap: None,
            faults: Vec::new(),
            benign: Vec::new(),
        }
    }
}

/// Sums over the run so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Events that were handled.
    pub events: u64,
    /// Users who came.
    pub users: u64,
    /// Effects of actions.
    pub effects: u64,
}

/// A fleet at an instant: clone it, and both have the same future until somebody acts.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) seed: u64,
    pub(crate) setup: Arc<Setup>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) now: Nanos,
    pub(crate) heap: Heap,
    pub(crate) arrivals: Arrivals,
    pub(crate) nodes: Vec<Node>,
    pub(crate) zone_delay: Nanos,
    pub(crate) partitioned_until: Nanos,
    pub(crate) services: Vec<Service>,
    pub(crate) replicas: Vec<super::service::Replica>,
    pub(crate) calls: Calls,
    /// Attempts that came to nothing and whose callers do not know yet.
    pub(crate) refusals: BTreeMap<CallKey, Answer>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) promoted_at: BTreeMap<usize, Nanos>,
    /// The newest schema that was migrated to.
    pub(crate) schema: u32,
    pub(crate) cache: Cache,
    pub(crate) queue: Queue,
    pub(crate) externals: BTreeMap<u32, External>,
    pub(crate) ledger: Ledger,
    pub(crate) levels: Levels,
    pub(crate) changes: Vec<ChangeEntry>,
    pub(crate) quarantined: Vec<u16>,
    pub(crate) quarantined_keys: Vec<u16>,
    pub(crate) rollouts: BTreeMap<u32, Rollout>,
    pub(crate) rollout_count: u32,
    pub(crate) injected: Vec<Injected>,
    pub(crate) disturbances: Vec<Disturbance>,
    pub(crate) hands: Hands,
    pub(crate) recorder: Recorder,
    pub(crate) door: Stream,
    digest: u64,
}

impl World {
    /// A fleet at the start.
    #[must_use]
    pub fn new(setup: &Arc<Setup>) -> Self {
        let (seed, topology) = (setup.seed, setup.topology.clone());
        let nodes = topology.zones * topology.nodes_per_zone;
        let place = |name: &str| topology.place(name).unwrap_or_default() as u32;
        let services =
            (0..topology.services.len()).map(|place| Service::new(&topology, place, seed)).collect();
        let queue = Queue::new(
            topology.queue.partitions,
            place(&topology.queue.producer),
            place(&topology.queue.consumer),
        );
        let mut world = Self {
            seed,
            setup: setup.clone(),
            now: 0,
            heap: Heap::default(),
            arrivals: Arrivals::new(seed),
            nodes: (0..nodes).map(Node::new).collect(),
            zone_delay: 0,
            partitioned_until: 0,
            services,
            replicas: Vec::new(),
            calls: Calls::default(),
            refusals: BTreeMap::new(),
            clusters: Vec::new(),
            promoted_at: BTreeMap::new(),
            schema: 0,
            cache: Cache::new(seed),
            queue,
            externals: BTreeMap::new(),
            ledger: Ledger::default(),
            levels: Levels::default(),
            changes: Vec::new(),
            quarantined: Vec::new(),
            quarantined_keys: Vec::new(),
            rollouts: BTreeMap::new(),
            rollout_count: 0,
            injected: setup.faults.iter().map(Injected::new).collect(),
            disturbances: setup.benign.iter().map(Disturbance::new).collect(),
            hands: Hands::new(setup.mishap),
            recorder: Recorder::new(setup),
            door: Stream::of(seed, "door", "shed"),
            digest: seed,
            topology,
        };
        world.arrivals.level *= setup.load;
        world.begin();
        world
    }

    fn begin(&mut self) {
        for service in 0..self.services.len() {
            let spec = &self.topology.services[service];
            let (kind, count) = (spec.kind, spec.replicas);
            for _ in 0..count {
                self.add_replica(service);
            }
            match kind {
                Kind::Database => {
                    let primary = self.services[service].replicas[0];
                    self.clusters.push(Cluster::new(service as u32, primary));
                }
                Kind::External => {
                    self.externals.insert(service as u32, External::default());
                }
                _ => {}
            }
        }
        self.rebalance_if_needed();
        for index in 0..self.injected.len() {
            self.heap.push(self.setup.faults[index].at, Event::FaultBegin(index as u32));
        }
        for index in 0..self.disturbances.len() {
            self.heap.push(self.setup.benign[index].at, Event::BenignBegin(index as u32));
        }
        self.heap.push(SECOND, Event::Second);
        self.heap.push(self.tick(), Event::Collect);
        if !self.setup.fluid {
            let gap = self.arrivals.gap(&self.topology, 0);
            self.heap.push(gap, Event::Arrival);
        }
    }

    fn tick(&self) -> Nanos {
        u64::from(self.setup.tick_seconds.max(1)) * SECOND
    }

    /// Nanoseconds since the start up to which everything has happened.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.now
    }

    /// What the fleet is made of.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Hash of all that users got and of all that was done: equal runs have equal ones.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }

    /// Sums over the run so far.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        Totals { events: self.heap.handled(), users: self.levels.users, effects: self.ledger.effects }
    }

    /// Broken invariants so far.
    #[must_use]
    pub fn breaches(&self) -> Breaches {
        self.ledger.breaches()
    }

    /// What the time from `from` to `to` cost. Wait some seconds after `to` before you ask, so
    /// that all answers are in.
    #[must_use]
    pub fn loss(&self, from: Nanos, to: Nanos) -> Loss {
        self.levels.loss(from, to, self.breaches())
    }

    /// Seconds since the start in which too few users were content, in a window.
    #[must_use]
    pub fn bad_seconds(&self, from: Nanos, to: Nanos) -> Vec<u32> {
        self.levels.bad(from, to)
    }

    /// Users who came, were content and were answered wrongly, weighted by route, in a window.
    #[must_use]
    pub fn user_counts(&self, from: Nanos, to: Nanos) -> (f64, f64, f64) {
        self.levels.counts(from, to)
    }

    /// Everything that was changed.
    #[must_use]
    pub fn changes(&self) -> &[ChangeEntry] {
        &self.changes
    }

    /// Writes no telemetry from here on, as a fork that only looks ahead.
    pub fn mute(&mut self) {
        self.recorder.mute();
    }

    /// Lets time pass up to and including `to`; an earlier instant changes nothing. Gives the
    /// telemetry that arrives by then.
    pub fn advance(&mut self, to: Nanos) -> Vec<Export> {
        while let Some((at, event)) = self.heap.pop(to) {
            self.now = at;
            self.handle(event);
        }
        self.now = self.now.max(to);
        self.recorder.arrived(self.now)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Arrival => self.arrival(),
            Event::WorkDone(call) => self.work_done(call),
            Event::Timeout { caller, callee } => self.timed_out(caller, callee),
            Event::Refused { caller, attempt } => self.refused(caller, attempt),
            Event::Retry(call) => self.call_out(call),
            Event::Deliver(call) => self.deliver(call),
            Event::Consumed { partition, epoch } => self.consumed(partition, epoch),
            Event::Second => self.second(),
            Event::Collect => {
                if self.setup.fluid {
                    self.fluid_tick();
                }
                self.collect();
                self.heap.push(self.now + self.tick(), Event::Collect);
            }
            Event::Up { replica, epoch } => self.up(replica, epoch),
            Event::Move { replica, node } => self.move_replica(replica, node),
            Event::Rollout(rollout) => self.roll(rollout),
            Event::Act(entry) => self.act(entry),
            Event::Conclude(entry) => self.conclude(entry),
            Event::FaultBegin(fault) => self.begin_fault(fault as usize),
            Event::FaultEnd(fault) => self.end_fault(fault as usize),
            Event::FaultTurn(fault) => self.turn_fault(fault as usize),
            Event::BenignBegin(benign) => self.begin_benign(benign as usize),
            Event::BenignEnd(benign) => self.end_benign(benign as usize),
        }
    }

    fn second(&mut self) {
        self.arrivals.step();
        self.live_a_second();
        for node in &mut self.nodes {
            node.disk_fill = (node.disk_fill + node.disk_growth).clamp(0.0, 1.0);
        }
        self.judge_queue();
        if (self.now / SECOND).is_multiple_of(CHECKPOINT) {
            for cluster in &mut self.clusters {
                cluster.checkpoint = self.now;
            }
        }
        self.heap.push(self.now + SECOND, Event::Second);
    }

    /// A user sends a request.
    fn arrival(&mut self) {
        let now = self.now;
        let question = self.arrivals.question(&self.topology);
        let gap = self.arrivals.gap(&self.topology, now);
        self.heap.push(now + gap, Event::Arrival);
        let people = self.arrivals.rate(&self.topology, now);
        let abusive = self.arrivals.abuse > 0.0
            && question.lot
                < self.arrivals.abuse * self.topology.requests_per_second * self.arrivals.level / people;
        let tenant = if abusive { self.arrivals.abuser } else { question.tenant };
        let weight = self.topology.routes[question.route as usize].weight;
        if !abusive {
            self.levels.came(now, weight);
        }
        let blocked = self.quarantined.contains(&tenant) || self.quarantined_keys.contains(&question.key);
        let shed = self.shed();
        let lot = self.door.uniform();
        let (low, high) =
            ((shed / LOW_PRIORITY).min(1.0), ((shed - LOW_PRIORITY) / (1.0 - LOW_PRIORITY)).max(0.0));
        if blocked || (question.low && lot < low) {
            if !abusive {
                self.levels.put_off(now, weight);
            }
            return;
        }
        if !question.low && lot < high {
            return;
        }
        let order = match self.topology.routes[question.route as usize].name.as_str() {
            "checkout" => self.ledger.open(),
            _ => 0,
        };
        let trace =
            question.traced.then(|| Trace { id: question.trace, span: self.recorder.span_id(), parent: 0 });
        let Ok(replica) = self.choose(0, 0, Operation::Read, false) else { return };
        let flags = Flags {
            hot: question.hot,
            costly: abusive,
            mistaken: question.mistaken,
            logged: question.logged,
            uncounted: abusive,
            tenant,
            key: question.key,
            ..Flags::default()
        };
        let call = self.calls.insert(Call {
            replica,
            caller: None,
            op: Operation::Read,
            route: question.route,
            arrived: now,
            begun: false,
            step: 0,
            attempt: 0,
            waiting: None,
            queued: false,
            called: now,
            serial: 0,
            flags,
            order,
            trace,
            client_span: 0,
        });
        if self.offer(call).is_err() {
            self.calls.remove(call);
        }
    }

    /// Something was answered well that others are told of.
    pub(crate) fn done_well(&mut self, service: usize, call: &Call) {
        if service as u32 == self.queue.producer && call.order != 0 {
            self.publish(call.order);
        }
    }

    /// Adds to the hash of the run.
    pub(crate) const fn mix(&mut self, bits: u64) {
        let mut x = self.digest ^ bits;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.digest = x ^ (x >> 31);
    }

    /// Place of a replica by name.
    pub(crate) fn replica_named(&self, name: &str) -> Option<u32> {
        self.replicas.iter().position(|replica| replica.name == name).map(|place| place as u32)
    }

    /// Place of a node by name.
    pub(crate) fn node_named(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }
}

/// Seconds between two checkpoints of a database.
const CHECKPOINT: u64 = 120;
