//! Processes come and go: starts, crashes, supervisors, rollouts from replica to replica, scaling.

use super::{
    change::Change,
    clock::{Event, Nanos, SECOND, nanos},
    service::{PROBES, Process, Replica},
    telemetry::Severity,
    topology::Kind,
    world::World,
};

/// How long a replica is out of rotation before its process is stopped on purpose.
const DRAIN: Nanos = 5 * SECOND;
/// A process that ran this long is not in a loop of crashes.
const GOOD_WHILE: Nanos = 120 * SECOND;
/// Wait before the first restart after a crash; it doubles up to thirtyfold.
const BACKOFF: f64 = 2.0;
const BACKOFF_DOUBLINGS: u32 = 5;
/// How long a process loads its caches, by the share of its normal speed that it lacks.
const WARM_UP: Nanos = 40 * SECOND;
/// How long a process lives that dies of its configuration.
const CRASHES_AFTER: Nanos = 9 * SECOND;
/// Pages of its data that a database reads in passing each second, to see whether they are what was written.
const SCRUBBED: f64 = 2.0;
/// How often a controller looks whether there are as many replicas as there should be.
const RECONCILE: u64 = 15;

/// What is done to each replica of a rollout.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Renewal {
    /// The process.
    Restart,
    /// The version.
    Version(u32),
}

/// A change that goes from replica to replica.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    pub(crate) pending: Vec<u32>,
    pub(crate) renewal: Renewal,
    /// The action that is over with it.
    pub(crate) entry: Option<u32>,
    /// How long each start takes, in the order of `pending`.
    pub(crate) durations: Vec<Nanos>,
    pub(crate) present: Option<u32>,
    pub(crate) stopped: bool,
}

impl World {
    /// Begins a rollout.
    pub(crate) fn start_rollout(&mut self, rollout: Rollout) {
        let id = self.rollout_count;
        self.rollout_count += 1;
        self.rollouts.insert(id, rollout);
        self.roll(id);
    }

    /// The next step of a rollout: drain, replace the process, take the next replica.
    pub(crate) fn roll(&mut self, id: u32) {
        let Some(mut rollout) = self.rollouts.remove(&id) else { return };
        match rollout.present {
            Some(place) if !rollout.stopped => {
                let duration = rollout.durations.pop().unwrap_or(8 * SECOND);
                self.renew_process(place, rollout.renewal, duration);
                rollout.stopped = true;
                self.heap.push(self.now + duration + SECOND, Event::Rollout(id));
            }
            _ => {
                rollout.stopped = false;
                rollout.present = rollout.pending.pop();
                let Some(place) = rollout.present else {
                    if let Some(entry) = rollout.entry {
                        self.heap.push(self.now, Event::Conclude(entry));
                    }
                    return;
                };
                let replica = &mut self.replicas[place as usize];
                if replica.process == Process::Ready {
                    replica.process = Process::Draining;
                }
                let wait = if replica.process == Process::Draining { DRAIN } else { 0 };
                self.heap.push(self.now + wait, Event::Rollout(id));
            }
        }
        self.rollouts.insert(id, rollout);
    }

    /// A process is replaced.
    pub(crate) fn renew_process(&mut self, place: u32, renewal: Renewal, duration: Nanos) {
        if self.replicas[place as usize].process == Process::Gone {
            return;
        }
        self.halt(place, Process::Dead);
        match renewal {
            Renewal::Restart => {}
            Renewal::Version(version) => self.replicas[place as usize].version = version,
        }
        let replica = &mut self.replicas[place as usize];
        replica.stays_down = false;
        self.start_within(place, duration);
    }

    /// A replica is on another node: its process there is up, what was local stays behind.
    pub(crate) fn move_replica(&mut self, place: u32, node: u32) {
        let now = self.now;
        let replica = &mut self.replicas[place as usize];
        if replica.process == Process::Gone {
            return;
        }
        let dead = !replica.takes();
        replica.node = node;
        replica.slow = 1.0;
        replica.wrong = 0.0;
        replica.fails = 0.0;
        replica.heap = 0.3;
        replica.descriptors = 0.1;
        replica.cold_until = now + WARM_UP;
        replica.stays_down = false;
        if dead || replica.deadlocked {
            self.halt(place, Process::Dead);
            self.start(place);
        }
    }

    /// A process starts; how long it takes is its own affair.
    pub(crate) fn start(&mut self, place: u32) {
        let duration = nanos(self.replicas[place as usize].life.lognormal(6.0, 0.3));
        self.start_within(place, duration);
    }

    /// A process starts.
    pub(crate) fn start_within(&mut self, place: u32, duration: Nanos) {
        let node = &self.nodes[self.replicas[place as usize].node as usize];
        if node.disk_fill >= 1.0 {
            // Nothing can be written, not even its own lock file.
            self.replicas[place as usize].stays_down = true;
            self.say(
                place,
                Severity::Error,
                "could not create lock file: No space left on device".to_owned(),
            );
            return;
        }
        let service = self.replicas[place as usize].service as usize;
        let recovers = self.topology.services[service].kind == Kind::Database;
        let slow = if recovers { node.disk_slowness.max(1.0) } else { 1.0 };
        let replica = &mut self.replicas[place as usize];
        replica.process = Process::Starting;
        let epoch = replica.epoch;
        let lasts = nanos(duration as f64 * 1e-9 * slow);
        self.heap.push(self.now + lasts, Event::Up { replica: place, epoch });
    }

    /// A process is up.
    pub(crate) fn up(&mut self, place: u32, epoch: u32) {
        let now = self.now;
        let replica = &mut self.replicas[place as usize];
        if replica.epoch != epoch || replica.process != Process::Starting {
            return;
        }
        replica.process = Process::Ready;
        replica.started = now;
        replica.cold_until = now + WARM_UP;
        replica.heap = 0.3;
        replica.descriptors = 0.1;
        replica.deadlocked = false;
        replica.meters.reset();
        replica.restarts += 1;
        let service = &self.services[replica.service as usize];
        let version = service.versions[replica.version as usize].name.clone();
        self.say(place, Severity::Info, format!("started, version {version}"));
        self.rebalance_if_needed();
    }

    /// Ends a process; what it had in hand is lost.
    pub(crate) fn halt(&mut self, place: u32, process: Process) {
        let replica = &mut self.replicas[place as usize];
        // Who was out of rotation stays out until the probes find a process again.
        replica.probes_failed = if replica.process == Process::Ready { 0 } else { PROBES };
        replica.process = process;
        replica.epoch += 1;
        self.lose_calls(place);
        if self.replicas[place as usize].service == self.queue.consumer {
            self.rebalance_if_needed();
        }
    }

    /// A process dies with some last words; its supervisor starts it again, later each time.
    pub(crate) fn crash(&mut self, place: u32, last_words: &str) {
        let now = self.now;
        if self.replicas[place as usize].process == Process::Dead {
            return;
        }
        self.say(place, Severity::Error, last_words.to_owned());
        let replica = &mut self.replicas[place as usize];
        replica.crashes = if now - replica.started > GOOD_WHILE { 0 } else { replica.crashes + 1 };
        let backoff = BACKOFF * f64::from(1 << replica.crashes.min(BACKOFF_DOUBLINGS));
        let stays = replica.stays_down;
        self.halt(place, Process::Dead);
        if !stays {
            let start = nanos(backoff + self.replicas[place as usize].life.lognormal(6.0, 0.3));
            self.start_within(place, start);
        }
    }

    /// A second in the life of each process.
    pub(crate) fn live_a_second(&mut self) {
        let now = self.now;
        for place in 0..self.replicas.len() as u32 {
            let replica = &mut self.replicas[place as usize];
            match replica.process {
                Process::Gone => continue,
                Process::Ready | Process::Draining => replica.probes_failed = 0,
                _ => replica.probes_failed = replica.probes_failed.saturating_add(1),
            }
            replica.lag = (replica.lag + replica.lag_growth).max(0.0);
            if replica.process != Process::Ready {
                continue;
            }
            replica.checksums_failed += replica.wrong * SCRUBBED;
            let service = replica.service as usize;
            if replica.heap >= 1.0 {
                self.crash(place, "fatal: out of memory: cannot allocate 4194304 bytes");
            } else if self.services[service].config().crash && now > replica.started + CRASHES_AFTER {
                self.crash(place, "fatal: configuration: unknown key `cache.segments` in revision");
            } else if replica.descriptors >= 1.0 && (now / SECOND).is_multiple_of(5) {
                self.say(place, Severity::Error, "accept: Too many open files (EMFILE)".to_owned());
            }
        }
        if (now / SECOND).is_multiple_of(RECONCILE) {
            self.reconcile_counts();
        }
    }

    /// Controllers bring the number of replicas to what they were told.
    fn reconcile_counts(&mut self) {
        for service in 0..self.services.len() {
            let Some(desired) = self.services[service].config().desired else { continue };
            let living = self.living(service);
            if living.len() as u32 > desired {
                for place in living.iter().rev().take(living.len() - desired as usize) {
                    self.halt(*place, Process::Gone);
                }
                self.announce(service, Change::Scaling, living.len() as u32, desired);
                self.services[service].replicas.retain(|place| !living[desired as usize..].contains(place));
            }
        }
    }

    /// Replicas of a service that were not scaled away.
    pub(crate) fn living(&self, service: usize) -> Vec<u32> {
        let living = |place: &&u32| self.replicas[**place as usize].process != Process::Gone;
        self.services[service].replicas.iter().filter(living).copied().collect()
    }

    /// More replicas. They start.
    pub(crate) fn scale_out(&mut self, service: usize, more: u32) {
        let before = self.living(service).len() as u32;
        for _ in 0..more {
            let place = self.add_replica(service);
            self.replicas[place as usize].process = Process::Dead;
            self.start(place);
        }
        self.services[service].wanted += more;
        self.announce(service, Change::Scaling, before, before + more);
    }

    /// Fewer replicas, the youngest first, one at least.
    pub(crate) fn scale_in(&mut self, service: usize, fewer: u32) {
        let living = self.living(service);
        let goes = (fewer as usize).min(living.len().saturating_sub(1));
        for place in living.iter().rev().take(goes) {
            self.halt(*place, Process::Gone);
        }
        let left = &living[..living.len() - goes];
        self.services[service].replicas = left.to_vec();
        self.services[service].wanted = left.len() as u32;
        self.announce(service, Change::Scaling, living.len() as u32, left.len() as u32);
        self.rebalance_if_needed();
    }

    /// A new replica on the next node in turn.
    pub(crate) fn add_replica(&mut self, service: usize) -> u32 {
        let index = self.replicas.len() as u32;
        let ordinal = self.services[service].created;
        self.services[service].created += 1;
        let node = self.place_for(service as u32, ordinal);
        let mut replica = Replica::new(&self.topology, self.seed, service as u32, ordinal, node);
        replica.version = self.services[service].version();
        self.replicas.push(replica);
        self.services[service].replicas.push(index);
        index
    }

    /// Zones in turn, then the nodes of the zone; nodes that are closed are passed over.
    pub(crate) fn place_for(&self, service: u32, ordinal: u32) -> u32 {
        let (zones, per_zone) = (self.topology.zones, self.topology.nodes_per_zone);
        let count = zones * per_zone;
        for turn in 0..count {
            let zone = (service + ordinal + turn) % zones;
            let node = zone * per_zone + (service / zones + ordinal / zones + turn / zones) % per_zone;
            if !self.nodes[node as usize].cordoned {
                return node;
            }
        }
        0
    }
}
