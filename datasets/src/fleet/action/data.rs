//! What actions do to databases, queues, caches and books; and what a person does.

use super::{
    super::{
        clock::{Nanos, SECOND},
        lifecycle::Renewal,
        service::Process,
        world::World,
    },
    Request, Verb,
    effect::Subject,
};
use crate::random::Stream;

/// What a flushed cache still has.
const CACHE_LEFT: f64 = 0.02;

impl World {
    pub(super) fn take_effect_on_data(&mut self, request: &Request, subject: &Subject) {
        match (request.verb, subject) {
            (Verb::Failover, Subject::Service(service)) => self.fail_over(request, *service),
            (Verb::CancelSession, Subject::Service(service)) => {
                if let Some(index) = self.cluster(*service) {
                    self.unlock(index);
                    if self.services[*service].config().slow > 1.0 {
                        // A statement that is planned badly comes again with the next request.
                        self.levels.cost += 0.1;
                    }
                }
            }
            (Verb::SkipRecord, Subject::Partition(partition)) => {
                match (request.undo, request.parameter("to")) {
                    (true, _) => self.redrive(),
                    (false, Some("latest")) => self.purge(*partition),
                    _ => self.skip(*partition),
                }
            }
            (Verb::SkipRecord, Subject::Service(_)) => match request.parameter("to") {
                Some("latest") => {
                    for partition in 0..self.queue.partitions.len() {
                        self.purge(partition);
                    }
                }
                Some("pause") => self.queue.paused = !request.undo,
                _ => {}
            },
            (Verb::Redrive, _) => {
                let again = request.number("again", 0.0) as u32;
                self.redrive();
                self.repeat_orders(again);
            }
            (Verb::ProtectCache, _) => self.cache.protected = !request.undo,
            (Verb::FlushCache, _) => self.cache.warm = CACHE_LEFT,
            (Verb::Restore, Subject::Service(service)) => {
                if let Some(index) = self.cluster(*service) {
                    self.restore(index, request.parameter("replay") != Some("false"));
                }
            }
            (Verb::Rebuild, Subject::Replica(place)) => {
                let service = self.replicas[*place as usize].service as usize;
                match self.cluster(service) {
                    Some(index) if self.clusters[index].primary == *place => {}
                    _ => self.renew(*place),
                }
            }
            (Verb::Compensate, _) => {
                let mended = self.ledger.compensate();
                self.levels.cost += 0.02 * f64::from(mended);
            }
            _ => {}
        }
    }

    fn fail_over(&mut self, request: &Request, service: usize) {
        let Some(index) = self.cluster(service) else { return };
        let fenced = request.parameter("fence") != Some("off");
        let named = request.parameter("to").and_then(|name| self.replica_named(name));
        let to = named.or_else(|| self.best_copy(index));
        let Some(to) = to.filter(|to| self.replicas[*to as usize].takes()) else { return };
        self.promoted_at.insert(index, self.now);
        self.promote(index, to, fenced);
    }

    /// The primary's process ends and starts; connections are gone, buffers cold.
    pub(super) fn restart_database(&mut self, request: &Request, service: usize) -> Nanos {
        let Some(index) = self.cluster(service) else { return 0 };
        let primary = self.clusters[index].primary;
        let node = self.replicas[primary as usize].node as usize;
        let mut draw = Stream::of(self.seed, &request.key, "start");
        let duration = request.verb.profile().draw(&mut draw);
        let stuck = self.replicas[primary as usize].stays_down;
        if self.clusters[index].lock.as_ref().is_some_and(|lock| !lock.returns) {
            self.unlock(index);
        }
        if stuck {
            return duration;
        }
        let growth = self.nodes[node].disk_slowness;
        self.renew_process(primary, Renewal::Restart, duration);
        duration * growth as u64 + SECOND
    }

    /// Records that were worked off come a second time.
    fn repeat_orders(&mut self, count: u32) {
        let last = self.ledger.last();
        for order in last.saturating_sub(count)..last {
            self.ledger.charge(order + 1);
        }
    }

    /// A person who knows the fleet does for every fault what cures it.
    pub(super) fn person_acts(&mut self) {
        for index in 0..self.injected.len() {
            if self.injected[index].begun.is_none() {
                continue;
            }
            let Some(remedy) = self.remedies_of(index).into_iter().next() else { continue };
            for (step, mut request) in remedy.into_iter().enumerate() {
                request.key = format!("person/{index}/{step}");
                let rolls = self.take_effect(&request, u32::MAX, false);
                let _ = rolls;
            }
        }
        for place in 0..self.replicas.len() as u32 {
            if self.replicas[place as usize].process == Process::Dead {
                self.replicas[place as usize].stays_down = false;
                self.start(place);
            }
        }
    }
}
