//! A queue of orders: partitions with one owner each, records that cannot be worked off, a
//! dead-letter queue, and users who wait for their order.

use std::collections::VecDeque;

use super::{
    clock::{Event, Nanos, SECOND, nanos},
    telemetry::Severity,
    world::World,
};

/// How long nobody reads while the group shares the partitions out anew.
const REBALANCE: Nanos = 8 * SECOND;
/// How long a consumer waits before it tries a record again.
const RETRY: Nanos = 2 * SECOND;
/// How long a user waits for the confirmation of an order without complaint.
pub(crate) const CONFIRMED_WITHIN: Nanos = 30 * SECOND;

/// A record.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) order: u32,
    pub(crate) at: Nanos,
    pub(crate) poison: bool,
    pub(crate) overdue: bool,
}

/// A partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Partition {
    pub(crate) messages: VecDeque<Message>,
    pub(crate) owner: Option<u32>,
    pub(crate) offset: u64,
    not_before: Nanos,
}

/// The queue with its group.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) partitions: Vec<Partition>,
    pub(crate) producer: u32,
    pub(crate) consumer: u32,
    epoch: u32,
    members: Vec<u32>,
    pub(crate) dead_letters: Vec<Message>,
    /// The consumer is stopped.
    pub(crate) paused: bool,
    pub(crate) consumed: u64,
    pub(crate) failed: u64,
}

impl Queue {
    pub(crate) fn new(partitions: u32, producer: u32, consumer: u32) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            producer,
            consumer,
            epoch: 0,
            members: Vec::new(),
            dead_letters: Vec::new(),
            paused: false,
            consumed: 0,
            failed: 0,
        }
    }

    /// Records that wait.
    pub(crate) fn backlog(&self) -> usize {
        self.partitions.iter().map(|partition| partition.messages.len()).sum()
    }
}

impl World {
    /// An order goes to the queue.
    pub(crate) fn publish(&mut self, order: u32) {
        let index = order as usize % self.queue.partitions.len().max(1);
        let message = Message { order, at: self.now, poison: false, overdue: false };
        self.queue.partitions[index].messages.push_back(message);
        self.consume(index);
    }

    /// Members of the group changed: everybody stops, then goes on with other partitions.
    pub(crate) fn rebalance_if_needed(&mut self) {
        let service = self.queue.consumer as usize;
        let ready = |place: &u32| {
            let replica = &self.replicas[*place as usize];
            replica.takes() && !replica.ejected
        };
        let members: Vec<u32> = self.services[service].replicas.iter().copied().filter(ready).collect();
        if members == self.queue.members {
            return;
        }
        let first = self.queue.epoch == 0;
        self.queue.epoch += 1;
        let resume = if first { self.now } else { self.now + REBALANCE };
        for (index, partition) in self.queue.partitions.iter_mut().enumerate() {
            partition.owner = members.get(index % members.len().max(1)).copied();
            partition.not_before = resume;
        }
        for member in self.queue.members.iter().chain(&members) {
            self.replicas[*member as usize].active = 0;
        }
        self.queue.members = members;
        let epoch = self.queue.epoch;
        for partition in 0..self.queue.partitions.len() as u32 {
            self.heap.push(resume + 1, Event::Consumed { partition, epoch: epoch | WAKE });
        }
    }

    /// The owner of a partition takes its next record, if it has nothing else to do.
    fn consume(&mut self, index: usize) {
        let now = self.now;
        let partition = &self.queue.partitions[index];
        let Some(owner) = partition.owner.filter(|_| !self.queue.paused) else { return };
        if partition.messages.is_empty() || partition.not_before > now {
            return;
        }
        let service = self.queue.consumer as usize;
        let node = &self.nodes[self.replicas[owner as usize].node as usize];
        let slowness = self.services[service].config().slow * node.cpu_slowness;
        let replica = &mut self.replicas[owner as usize];
        if !replica.takes() || replica.active > 0 || replica.deadlocked {
            return;
        }
        let version = &self.services[service].versions[replica.version as usize];
        let factor = slowness * replica.slowness(now) * version.slow;
        let median = self.topology.services[service].work_ms * 1e-3;
        let work = nanos(replica.work.lognormal(median, 0.3) * factor);
        replica.active = 1;
        replica.busy += work;
        let epoch = self.queue.epoch;
        self.heap.push(now + work, Event::Consumed { partition: index as u32, epoch });
    }

    /// A record was worked off, or could not be.
    pub(crate) fn consumed(&mut self, partition: u32, epoch: u32) {
        let index = partition as usize;
        if epoch & !WAKE != self.queue.epoch {
            return;
        }
        if epoch & WAKE != 0 {
            return self.consume(index);
        }
        let Some(owner) = self.queue.partitions[index].owner else { return };
        self.replicas[owner as usize].active = 0;
        if !self.replicas[owner as usize].takes() {
            return;
        }
        let state = &mut self.queue.partitions[index];
        if state.messages.front().is_some_and(|message| message.poison) {
            state.not_before = self.now + RETRY;
            self.queue.failed += 1;
            let offset = self.queue.partitions[index].offset;
            self.heap.push(self.now + RETRY, Event::Consumed { partition, epoch: epoch | WAKE });
            let body =
                format!("cannot process record at orders-{partition}@{offset}: invalid field `amount`");
            self.say(owner, Severity::Error, body);
        } else if let Some(message) = state.messages.pop_front() {
            state.offset += 1;
            self.queue.consumed += 1;
            self.ledger.fulfil(message.order);
            let replica = &mut self.replicas[owner as usize];
            let version = &self.services[replica.service as usize].versions[replica.version as usize];
            if replica.outcomes.uniform() < version.duplicates {
                self.ledger.charge(message.order);
                self.levels.wronged(self.now);
            }
        }
        // Round the partitions of this owner, so that one does not starve the others.
        let count = self.queue.partitions.len();
        for turn in 1..=count {
            let other = (index + turn) % count;
            if self.queue.partitions[other].owner == Some(owner) {
                self.consume(other);
            }
        }
    }

    /// Users whose order has waited too long.
    pub(crate) fn judge_queue(&mut self) {
        let now = self.now;
        let mut late = 0;
        for partition in &mut self.queue.partitions {
            let waiting = partition.messages.iter_mut();
            for message in waiting.take_while(|message| message.at + CONFIRMED_WITHIN < now) {
                late += u32::from(!message.overdue);
                message.overdue = true;
            }
        }
        self.levels.late(now, late);
    }

    /// The first record of a partition goes to the dead letters.
    pub(crate) fn skip(&mut self, index: usize) {
        if let Some(message) = self.queue.partitions[index].messages.pop_front() {
            self.queue.partitions[index].offset += 1;
            self.queue.dead_letters.push(message);
        }
        self.queue.partitions[index].not_before = self.now;
        self.consume(index);
    }

    /// All that waits is thrown away.
    pub(crate) fn purge(&mut self, index: usize) {
        for message in std::mem::take(&mut self.queue.partitions[index].messages) {
            self.queue.partitions[index].offset += 1;
            self.ledger.lose(message.order);
        }
        self.queue.partitions[index].not_before = self.now;
    }

    /// Those that can be worked off come back from the dead letters.
    pub(crate) fn redrive(&mut self) {
        for message in std::mem::take(&mut self.queue.dead_letters) {
            self.publish(message.order);
        }
    }
}

/// Marks an event that only wakes a partition.
const WAKE: u32 = 1 << 31;
