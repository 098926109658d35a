//! Database clusters: a primary and two copies, replication that lags, locks, failover with and
//! without a fence, and writes that are lost.

use std::collections::VecDeque;

use super::{
    call::{Answer, CallKey},
    clock::{Nanos, SECOND, nanos},
    service::Process,
    telemetry::Severity,
    topology::Operation,
    world::World,
};

/// How far a sound copy is behind, in seconds.
const LAG: f64 = 0.1;
/// How long a promoted copy works with cold buffers.
const COLD_BUFFERS: Nanos = 30 * SECOND;
/// What happened longer ago than this is on all copies that do not lag.
const REMEMBERED: usize = 20_000;

/// A transaction that others wait for.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    /// Share of the writes that need what it holds.
    pub(crate) share: f64,
    /// It opens again when its connection is cut: a job that is tried again by its scheduler.
    pub(crate) returns: bool,
}

/// A cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) service: u32,
    pub(crate) primary: u32,
    /// One that takes itself for the primary too, for the callers of its zone.
    pub(crate) second: Option<u32>,
    pub(crate) lock: Option<Lock>,
    waiters: Vec<CallKey>,
    /// Acknowledged writes: when, which order, at which node.
    writes: VecDeque<(Nanos, u32, u32)>,
    /// Up to when the last checkpoint has everything.
    pub(crate) checkpoint: Nanos,
    /// Promotions, each of which fences all before it off unless it was told not to.
    pub(crate) generation: u32,
}

impl Cluster {
    pub(crate) const fn new(service: u32, primary: u32) -> Self {
        Self {
            service,
            primary,
            second: None,
            lock: None,
            waiters: Vec::new(),
            writes: VecDeque::new(),
            checkpoint: 0,
            generation: 0,
        }
    }
}

impl World {
    /// The cluster of a service.
    pub(crate) fn cluster(&self, service: usize) -> Option<usize> {
        self.clusters.iter().position(|cluster| cluster.service as usize == service)
    }

    /// Where the writes of a caller go.
    pub(crate) fn primary_for(&self, service: usize, from: usize) -> Option<u32> {
        let cluster = &self.clusters[self.cluster(service)?];
        let zone = |place: u32| self.zone(self.replicas[place as usize].node as usize);
        match cluster.second {
            Some(second) if zone(second) == zone(from as u32) => Some(second),
            _ => Some(cluster.primary),
        }
    }

    /// What a node of a database does for a request; none: it waits for a lock.
    pub(crate) fn database_work(&mut self, key: CallKey, place: usize, op: Operation) -> Option<Answer> {
        let service = self.replicas[place].service as usize;
        let Some(index) = self.cluster(service) else { return Some(Answer::Good) };
        let node = place as u32;
        if !matches!(op, Operation::Write | Operation::Charge) {
            let primary = self.clusters[index].primary == node;
            let replica = &mut self.replicas[place];
            // What was written since is missing; a tenth of the readers look for what is a minute old.
            let stale = if primary { 0.0 } else { ((replica.lag - 2.0) / 600.0).clamp(0.0, 0.3) };
            if replica.outcomes.uniform() < stale
                && let Some(call) = self.calls.get(key)
            {
                call.flags.wrong = true;
            }
            return Some(Answer::Good);
        }
        if self.nodes[self.replicas[place].node as usize].disk_fill >= 1.0 {
            return Some(Answer::NoSpace);
        }
        let cluster = &mut self.clusters[index];
        if cluster.primary != node && cluster.second != Some(node) {
            return Some(Answer::Failed);
        }
        let lot = self.replicas[place].outcomes.uniform();
        if cluster.lock.as_ref().is_some_and(|lock| lot < lock.share) {
            cluster.waiters.push(key);
            return None;
        }
        self.commit(index, key, node, op);
        Some(Answer::Good)
    }

    fn commit(&mut self, index: usize, key: CallKey, node: u32, op: Operation) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        let (order, caller) = (call.order, call.caller);
        let cluster = &mut self.clusters[index];
        cluster.writes.push_back((now, order, node));
        if cluster.writes.len() > REMEMBERED {
            cluster.writes.pop_front();
        }
        if op != Operation::Charge {
            return;
        }
        self.ledger.charge(order);
        let Some(place) = caller.and_then(|key| self.calls.get(key)).map(|call| call.replica as usize) else {
            return;
        };
        let replica = &mut self.replicas[place];
        let version = &self.services[replica.service as usize].versions[replica.version as usize];
        if replica.outcomes.uniform() < version.duplicates {
            self.ledger.charge(order);
        }
    }

    /// A lock is gone: all that waited for it go on.
    pub(crate) fn unlock(&mut self, index: usize) {
        self.clusters[index].lock = None;
        for key in std::mem::take(&mut self.clusters[index].waiters) {
            let place = self.calls.get(key).map(|call| (call.replica, call.op));
            if let Some((place, op)) = place {
                self.commit(index, key, place, op);
                self.finish(key, Answer::Good);
            }
        }
    }

    /// The copy that is behind least among those that work.
    pub(crate) fn best_copy(&self, index: usize) -> Option<u32> {
        let cluster = &self.clusters[index];
        let copies = self.services[cluster.service as usize].replicas.iter().copied();
        copies
            .filter(|place| *place != cluster.primary && Some(*place) != cluster.second)
            .filter(|place| self.replicas[*place as usize].takes() && !self.replicas[*place as usize].ejected)
            .min_by(|a, b| {
                let lag = |place: &u32| self.replicas[*place as usize].lag;
                lag(a).total_cmp(&lag(b)).then(a.cmp(b))
            })
    }

    /// Makes a copy the primary. What it has not received is lost.
    pub(crate) fn promote(&mut self, index: usize, to: u32, fenced: bool) {
        let now = self.now;
        let old = self.clusters[index].primary;
        if old == to {
            return;
        }
        let behind = self.replicas[to as usize].lag.max(LAG);
        let dead = self.replicas[old as usize].process == Process::Dead;
        // A primary that still works can send the rest before it is relieved, if it is fenced.
        let missing = if dead || !fenced || behind > 1.0 { nanos(behind) } else { 0 };
        let cluster = &mut self.clusters[index];
        let last = cluster.writes.back().map_or(now, |write| write.0);
        let mut lost = Vec::new();
        while cluster.writes.back().is_some_and(|write| write.0 + missing > last) && missing > 0 {
            lost.extend(cluster.writes.pop_back().map(|write| write.1));
        }
        cluster.primary = to;
        cluster.generation += 1;
        cluster.second = if fenced { None } else { Some(old) };
        let relocks = cluster.lock.as_ref().is_some_and(|lock| lock.returns);
        for order in lost {
            self.ledger.lose(order);
        }
        if !relocks {
            self.unlock(index);
        }
        if fenced && dead {
            self.replicas[old as usize].ejected = true;
        }
        self.replicas[to as usize].cold_until = now + COLD_BUFFERS;
        self.say(to, Severity::Warn, "database system is ready to accept read-write connections".to_owned());
    }

    /// Two primaries meet again: what the one wrote that was not followed is gone.
    pub(crate) fn reconcile(&mut self, index: usize) {
        let Some(second) = self.clusters[index].second.take() else { return };
        let since = self.clusters[index].writes.iter().filter(|write| write.2 == second);
        let generation_began = self.promoted_at.get(&index).copied().unwrap_or_default();
        let lost: Vec<u32> = since.filter(|write| write.0 >= generation_began).map(|write| write.1).collect();
        for order in lost {
            self.ledger.lose(order);
        }
    }

    /// Goes back to an earlier state.
    pub(crate) fn restore(&mut self, index: usize, replay: bool) {
        let checkpoint = self.clusters[index].checkpoint;
        let lost: Vec<u32> = if replay {
            Vec::new()
        } else {
            let after = |write: &&(Nanos, u32, u32)| write.0 > checkpoint;
            self.clusters[index].writes.iter().filter(after).map(|write| write.1).collect()
        };
        for order in lost {
            self.ledger.lose(order);
        }
        self.unlock(index);
        for place in self.services[self.clusters[index].service as usize].replicas.clone() {
            self.renew(place);
        }
    }

    /// A copy is made anew from a sound one.
    pub(crate) fn renew(&mut self, place: u32) {
        let now = self.now;
        let replica = &mut self.replicas[place as usize];
        replica.lag = 0.0;
        replica.lag_growth = 0.0;
        replica.wrong = 0.0;
        replica.slow = 1.0;
        replica.fails = 0.0;
        replica.stays_down = false;
        replica.ejected = false;
        replica.cold_until = now + COLD_BUFFERS;
        if replica.process == Process::Dead {
            self.start(place);
        }
    }
}
