//! What actions do to services, replicas and nodes.

use super::{
    super::{
        change::Change,
        clock::{Event, Nanos, SECOND, nanos},
        lifecycle::{Renewal, Rollout},
        service::{BUDGET_MAX, Process},
        topology::Kind,
        world::World,
    },
    Request, Verb,
};
use crate::random::Stream;

/// What a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Nothing,
    Service(usize),
    Replica(u32),
    Node(usize),
    Zone(usize),
    /// Caller, and the place of the call among its calls.
    Edge(usize, usize),
    Partition(usize),
    Tenant(u16),
    Key(u16),
}

impl World {
    /// Why there is no such target; none if there is.
    pub(super) fn unknown_target(&self, request: &Request) -> Option<String> {
        if matches!(request.verb, Verb::Wait | Verb::Escalate | Verb::Compensate | Verb::Redrive) {
            return None;
        }
        match self.subject(request.target.as_str()) {
            Some(Subject::Service(service)) if self.topology.services[service].kind == Kind::External => {
                (request.verb != Verb::OpenCircuit)
                    .then(|| format!("`{}` belongs to somebody else", request.target))
            }
            Some(_) => None,
            None => Some(format!("there is no `{}`", request.target)),
        }
    }

    pub(super) fn subject(&self, target: &str) -> Option<Subject> {
        if let Some(node) = target.strip_prefix("host:") {
            return self.node_named(node).map(Subject::Node);
        }
        if let Some(zone) = target.strip_prefix("zone:") {
            let zone: usize = zone.parse().ok()?;
            return (zone < self.topology.zones as usize).then_some(Subject::Zone(zone));
        }
        if let Some(tenant) = target.strip_prefix("tenant:") {
            return tenant.parse().ok().map(Subject::Tenant);
        }
        if let Some(key) = target.strip_prefix("key:") {
            return key.parse().ok().map(Subject::Key);
        }
        if let Some((caller, callee)) = target.split_once("->") {
            let (caller, callee) = (self.topology.place(caller)?, self.topology.place(callee)? as u32);
            let step = self.services[caller].edges.iter().position(|edge| edge.callee == callee)?;
            return Some(Subject::Edge(caller, step));
        }
        if let Some((service, instance)) = target.split_once('/') {
            if service == self.topology.queue.name {
                let partition: usize = instance.parse().ok()?;
                return (partition < self.queue.partitions.len()).then_some(Subject::Partition(partition));
            }
            return self.replica_named(instance).map(Subject::Replica);
        }
        if target.is_empty() || target == self.topology.queue.name {
            return Some(Subject::Nothing);
        }
        self.topology.place(target).map(Subject::Service)
    }

    /// Does it. Says whether a rollout will conclude it.
    pub(super) fn take_effect(&mut self, request: &Request, entry: u32, partial: bool) -> bool {
        let Some(subject) = self.subject(request.target.as_str()) else { return false };
        match (request.verb, subject) {
            (Verb::Restart, Subject::Replica(place)) => {
                let duration = self.start_time(request, 0);
                self.renew_process(place, Renewal::Restart, duration);
                self.heap.push(self.now + duration + SECOND, Event::Conclude(entry));
                return true;
            }
            // All at once.
            (Verb::Restart, Subject::Service(service)) => {
                let mut last = 0;
                for (index, place) in self.living(service).into_iter().enumerate() {
                    let duration = self.start_time(request, index);
                    self.renew_process(place, Renewal::Restart, duration);
                    last = last.max(duration);
                }
                self.heap.push(self.now + last + SECOND, Event::Conclude(entry));
                return true;
            }
            (Verb::RollingRestart, Subject::Service(service)) => {
                return self.roll_out(request, service, Renewal::Restart, entry, partial);
            }
            (Verb::RestartDatabase, Subject::Service(service)) => {
                let lasts = self.restart_database(request, service);
                self.heap.push(self.now + lasts, Event::Conclude(entry));
                return true;
            }
            (Verb::Drain, Subject::Replica(place)) => {
                self.replicas[place as usize].ejected = !request.undo;
                self.rebalance_if_needed();
            }
            (Verb::Drain, Subject::Node(node)) => {
                for replica in self.replicas.iter_mut().filter(|replica| replica.node == node as u32) {
                    replica.ejected = !request.undo;
                }
                self.rebalance_if_needed();
            }
            (Verb::Evacuate, Subject::Node(node)) => return self.evacuate(request, &[node], entry),
            (Verb::Evacuate, Subject::Zone(zone)) => {
                let per_zone = self.topology.nodes_per_zone as usize;
                let nodes: Vec<usize> = (zone * per_zone..(zone + 1) * per_zone).collect();
                return self.evacuate(request, &nodes, entry);
            }
            (Verb::ScaleOut | Verb::ScaleIn, Subject::Service(service)) => {
                let count = request.number("count", 1.0).clamp(1.0, 10.0) as u32;
                let count = if partial { count.div_ceil(2) } else { count };
                if (request.verb == Verb::ScaleOut) != request.undo {
                    self.scale_out(service, count);
                } else {
                    self.scale_in(service, count);
                }
            }
            (Verb::RollbackDeploy, Subject::Service(service)) => {
                return self.change_version(request, service, entry, partial);
            }
            (Verb::RollbackConfig, Subject::Service(service)) => self.change_config(request, service),
            (Verb::OpenCircuit, Subject::Edge(caller, step)) => {
                self.services[caller].edges[step].open = !request.undo;
            }
            (Verb::OpenCircuit, Subject::Service(callee)) => {
                for edge in self.services.iter_mut().flat_map(|service| &mut service.edges) {
                    if edge.callee as usize == callee {
                        edge.open = !request.undo;
                    }
                }
            }
            (Verb::ShedLoad, _) => {
                let share = request.number("share", 0.4).clamp(0.0, 0.9);
                // A brake that is told how long it is to hold lets go by itself.
                let seconds = request.number("seconds", f64::INFINITY);
                let until = if seconds.is_finite() { self.now + nanos(seconds.max(0.0)) } else { Nanos::MAX };
                let door = &mut self.services[0];
                (door.shed, door.shed_until) = (if request.undo { 0.0 } else { share }, until);
            }
            (Verb::CapRetries, Subject::Edge(caller, step)) => {
                let edge = &mut self.services[caller].edges[step];
                let attempts = request.number("attempts", 1.0).clamp(1.0, 10.0) as u32;
                let unlimited = request.parameter("budget") == Some("none");
                edge.attempts = attempts;
                edge.budget = if unlimited { None } else { Some(BUDGET_MAX.min(1.0)) };
                // Time-outs within a bounded envelope.
                if let Some(timeout) =
                    request.parameter("timeout_ms").and_then(|text| text.parse::<u64>().ok())
                {
                    edge.timeout = timeout.clamp(50, 10_000) * 1_000_000;
                }
            }
            (Verb::RenewCertificate, Subject::Service(service)) => {
                if request.parameter("verify") == Some("off") {
                    self.services[service].unverified = true;
                    self.ledger.unprotected += 1;
                } else {
                    self.services[service].certificate_until = Nanos::MAX;
                    self.announce(service, Change::Certificate, "expired", "renewed");
                }
            }
            (Verb::FreeDisk, Subject::Node(node)) => self.free_disk(request, node),
            (Verb::SyncClock, Subject::Node(node)) => self.nodes[node].clock_offset = 0.0,
            (Verb::Quarantine, Subject::Tenant(tenant)) => {
                self.quarantined.retain(|other| *other != tenant);
                if !request.undo {
                    self.quarantined.push(tenant);
                }
            }
            (Verb::Quarantine, Subject::Key(key)) => {
                self.quarantined_keys.retain(|other| *other != key);
                if !request.undo {
                    self.quarantined_keys.push(key);
                }
            }
            (Verb::Escalate, _) => self.person_acts(),
            (_, subject) => self.take_effect_on_data(request, &subject),
        }
        false
    }

    fn start_time(&self, request: &Request, index: usize) -> Nanos {
        let mut draw = Stream::of(self.seed, &request.key, "start");
        let mut duration = request.verb.profile().draw(&mut draw);
        for _ in 0..index {
            duration = request.verb.profile().draw(&mut draw);
        }
        duration
    }

    fn roll_out(
        &mut self,
        request: &Request,
        service: usize,
        renewal: Renewal,
        entry: u32,
        partial: bool,
    ) -> bool {
        let mut pending = self.living(service);
        pending.reverse();
        if partial {
            pending.truncate(pending.len().div_ceil(2));
        }
        let mut draw = Stream::of(self.seed, &request.key, "rollout");
        let durations = pending.iter().map(|_| request.verb.profile().draw(&mut draw)).collect();
        self.start_rollout(Rollout {
            pending,
            renewal,
            entry: Some(entry),
            durations,
            present: None,
            stopped: false,
        });
        true
    }

    fn evacuate(&mut self, request: &Request, nodes: &[usize], entry: u32) -> bool {
        for node in nodes {
            self.nodes[*node].cordoned = !request.undo;
        }
        if request.undo {
            return false;
        }
        let on = |place: &u32| {
            let replica = &self.replicas[*place as usize];
            let own = self.topology.services[replica.service as usize].kind != Kind::External;
            own && replica.process != Process::Gone && nodes.contains(&(replica.node as usize))
        };
        let mut last = SECOND;
        let moves: Vec<u32> = (0..self.replicas.len() as u32).filter(on).collect();
        for (turn, place) in moves.into_iter().enumerate() {
            let service = self.replicas[place as usize].service;
            if let Some(index) = self.cluster(service as usize)
                && self.clusters[index].primary == place
                && let Some(copy) = self.best_copy(index)
            {
                // A primary is not moved but relieved.
                self.promote(index, copy, true);
            }
            let node = self.place_for(service, place);
            // The new one is up before the old one goes, one every two seconds.
            let start =
                nanos(self.replicas[place as usize].life.lognormal(8.0, 0.3)) + turn as u64 * 2 * SECOND;
            self.heap.push(self.now + start, Event::Move { replica: place, node });
            last = last.max(start);
        }
        self.heap.push(self.now + last + SECOND, Event::Conclude(entry));
        true
    }

    fn change_version(&mut self, request: &Request, service: usize, entry: u32, partial: bool) -> bool {
        let state = &self.services[service];
        let present = state.version();
        let named = request.parameter("version");
        let version = match named {
            Some(name) => {
                state.versions.iter().position(|version| version.name == name).map(|place| place as u32)
            }
            None if request.undo => Some(state.versions.len() as u32 - 1),
            None => state.deployed.len().checked_sub(2).and_then(|place| state.deployed.get(place)).copied(),
        };
        let Some(version) = version.filter(|version| *version != present) else { return false };
        self.services[service].deployed.pop();
        if self.services[service].deployed.last() != Some(&version) {
            self.services[service].deployed.push(version);
        }
        let names = |place: u32| self.services[service].versions[place as usize].name.clone();
        let (from, to) = (names(present), names(version));
        self.announce(service, Change::Deploy, from, to);
        self.roll_out(request, service, Renewal::Version(version), entry, partial)
    }

    fn change_config(&mut self, request: &Request, service: usize) {
        let state = &mut self.services[service];
        let from = state.config().name.clone();
        if request.undo {
            state.configured.push(state.configs.len() as u32 - 1);
        } else if state.configured.len() > 1 {
            state.configured.pop();
        }
        let state = &self.services[service];
        let (to, wanted) = (state.config().name.clone(), state.wanted);
        if from == to {
            return;
        }
        self.announce(service, Change::Configuration, from, to);
        // A controller that was told again how many there should be makes the missing ones.
        let living = self.living(service).len() as u32;
        let desired = self.services[service].config().desired.unwrap_or(wanted);
        if living < desired {
            for _ in living..desired {
                let place = self.add_replica(service);
                self.replicas[place as usize].process = Process::Dead;
                self.start(place);
            }
        }
        // Processes that died of it start at once, without their back-off.
        for place in self.living(service) {
            let replica = &mut self.replicas[place as usize];
            let waits = replica.process == Process::Starting && replica.crashes > 0 && !replica.stays_down;
            replica.crashes = 0;
            if waits {
                replica.epoch += 1;
                self.start(place);
            }
        }
    }

    fn free_disk(&mut self, request: &Request, node: usize) {
        self.nodes[node].disk_fill = 0.55;
        self.nodes[node].disk_growth *= 0.1;
        if request.parameter("what") == Some("wal") {
            // The log of writes is no log of words: what was not in a checkpoint is gone.
            for index in 0..self.clusters.len() {
                let primary = self.clusters[index].primary;
                if self.replicas[primary as usize].node as usize == node {
                    self.restore(index, false);
                }
            }
        }
    }
}
