//! Requests as they go through the fleet: slots and queues, calls, time-outs that leave work
//! running downstream, retries within a budget, pools and circuits.

use super::{
    call::{Answer, Call, CallKey, Flags, Trace},
    clock::{Event, MILLISECOND, Nanos, SECOND, nanos},
    service::BUDGET_MAX,
    topology::{Kind, Operation},
    world::World,
};

/// How long an immediate failure takes to be noticed.
const NOTICED: Nanos = 2 * MILLISECOND;
/// What a retry takes from its budget; a call gives a tenth of that.
const RETRY_COST: f64 = 1.0;
const RETRY_GAIN: f64 = 0.1;
/// Spread of the logarithm of the work.
const WORK_SIGMA: f64 = 0.3;

impl World {
    /// A replica takes a call, lets it wait, or does not take it.
    pub(crate) fn offer(&mut self, key: CallKey) -> Result<(), Answer> {
        let Some(call) = self.calls.get(key) else { return Ok(()) };
        let place = call.replica as usize;
        let limit = self.topology.services[self.replicas[place].service as usize].queue;
        let replica = &mut self.replicas[place];
        if !replica.takes() {
            return Err(Answer::Refused);
        }
        if replica.active < replica.slots {
            self.take_up(key);
        } else if (replica.waiting.len() as u32) < limit {
            replica.waiting.push_back(key);
        } else {
            return Err(Answer::Full);
        }
        Ok(())
    }

    /// A call gets a slot.
    fn take_up(&mut self, key: CallKey) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        call.begun = true;
        let (place, op, flags) = (call.replica as usize, call.op, call.flags);
        let service = self.replicas[place].service as usize;
        let spec = &self.topology.services[service];
        // What everybody asks for is a large value.
        let large = spec.kind == Kind::Cache && flags.hot && self.arrivals.hot > 0.0;
        let costly = flags.costly || large;
        let node = &self.nodes[self.replicas[place].node as usize];
        let disk = match (spec.kind, op) {
            (Kind::Database, Operation::Write | Operation::Charge) => node.disk_slowness,
            (Kind::Database, _) => node.disk_slowness.sqrt(),
            _ => 1.0,
        };
        let slowness = self.services[service].config().slow * node.cpu_slowness * disk;
        let pauses = self.services[service].config().pauses;
        let replica = &mut self.replicas[place];
        replica.active += 1;
        let version = &self.services[service].versions[replica.version as usize];
        let costly = if costly { COSTLY } else { 1.0 };
        let factor = slowness * replica.slowness(now) * version.slow * costly;
        let work = nanos(replica.work.lognormal(spec.work_ms * 1e-3, WORK_SIGMA) * factor);
        replica.busy += work;
        let pause = pause_left(place as u64, now, pauses);
        if replica.deadlocked {
            return;
        }
        self.heap.push(now + pause + work, Event::WorkDone(key));
    }

    /// A call has done its own work.
    pub(crate) fn work_done(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        let (place, op) = (call.replica as usize, call.op);
        let mistaken = call.flags.mistaken;
        let replica = &mut self.replicas[place];
        let service = replica.service as usize;
        if replica.deadlocked {
            return;
        }
        let version = &self.services[service].versions[replica.version as usize];
        let incompatible = self.schema > version.schema;
        let error = version.error.max(self.services[service].config().error).max(replica.fails);
        let error = if incompatible { 1.0 } else { error };
        let (fails, wrong) = (replica.outcomes.uniform() < error, replica.outcomes.uniform());
        let wrong = wrong < version.wrong.max(replica.wrong);
        let exhausted = replica.descriptors >= 1.0;
        if fails || exhausted {
            self.finish(key, Answer::Failed);
            return;
        }
        if self.topology.services[service].kind == Kind::Database {
            match self.database_work(key, place, op) {
                Some(Answer::Good) => {}
                Some(answer) => return self.finish(key, answer),
                None => return,
            }
        }
        let caller =
            if op == Operation::Lookup { self.calls.get(key).and_then(|call| call.caller) } else { None };
        if let Some(caller) = caller {
            self.look_up(caller);
        }
        let Some(call) = self.calls.get(key) else { return };
        call.flags.wrong |= wrong;
        if mistaken && call.caller.is_none() {
            self.finish(key, Answer::Mistaken);
        } else {
            self.next_step(key);
        }
    }

    /// The next call that a request needs, or its answer.
    pub(crate) fn next_step(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        let service = self.replicas[call.replica as usize].service as usize;
        let edges = &self.services[service].edges;
        let route = 1_u32 << (call.route % 32);
        let protected = self.cache.protected;
        while let Some(edge) = edges.get(call.step as usize) {
            let skipped = match edge.op {
                Operation::Fill => !call.flags.missed,
                // A near cache has what everybody wants.
                Operation::Lookup => call.flags.hot && protected,
                _ => false,
            };
            if edge.mask & route != 0 && !skipped {
                return self.call_out(key);
            }
            call.step += 1;
        }
        self.finish(key, Answer::Good);
    }

    /// Calls who is next, if there is a connection and the circuit is closed.
    pub(crate) fn call_out(&mut self, key: CallKey) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        let (place, step, attempt) = (call.replica as usize, call.step as usize, u32::from(call.attempt));
        let service = self.replicas[place].service as usize;
        let pool_limit = self.services[service].config().pool;
        let edge = &mut self.services[service].edges[step];
        if edge.open {
            if edge.fallback {
                edge.without += 1;
                call.flags.degraded = true;
                call.step += 1;
                return self.next_step(key);
            }
            return self.finish(key, Answer::Upstream);
        }
        if attempt == 0 {
            edge.calls += 1;
            edge.budget = edge.budget.map(|budget| (budget + RETRY_GAIN).min(BUDGET_MAX));
        }
        edge.tries += 1;
        let (limit, timeout) = (pool_limit.unwrap_or(edge.pool), edge.timeout);
        call.called = now;
        call.serial += 1;
        let serial = call.serial;
        let pool = &mut self.replicas[place].pools[step];
        if pool.used >= limit {
            call.queued = true;
            pool.waiting.push_back(key);
            self.heap.push(now + timeout, Event::Refused { caller: key, attempt: serial });
            return;
        }
        pool.used += 1;
        self.send(key);
    }

    /// A call goes out over a connection.
    fn send(&mut self, key: CallKey) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        call.queued = false;
        let (place, step, attempt) = (call.replica as usize, call.step as usize, call.serial);
        let (route, order, flags, trace) = (call.route, call.order, call.flags, call.trace);
        let service = self.replicas[place].service as usize;
        let edge = &self.services[service].edges[step];
        let (callee, op, timeout) = (edge.callee as usize, edge.op, edge.timeout);
        let target =
            self.obstacle(place, callee).map_or_else(|| self.choose(callee, place, op, flags.hot), Err);
        let target = match target {
            Ok(target) => target,
            Err(answer) => return self.refuse(key, attempt, answer, NOTICED),
        };
        let delay = match self.network(place, target as usize) {
            Some(delay) => delay,
            None => {
                // Nothing comes back; the time-out tells.
                self.heap.push(now + timeout, Event::Refused { caller: key, attempt });
                if let Some(call) = self.calls.get(key) {
                    call.waiting = None;
                    call.queued = false;
                }
                self.pending_answer(key, Answer::Timeout);
                return;
            }
        };
        let flags = Flags { wrong: false, degraded: false, missed: false, mistaken: false, ..flags };
        let client_span = if trace.is_some() { self.recorder.span_id() } else { 0 };
        let span = if trace.is_some() { self.recorder.span_id() } else { 0 };
        let trace = trace.map(|trace| Trace { id: trace.id, span, parent: client_span });
        let child = self.calls.insert(Call {
            replica: target,
            caller: Some(key),
            op,
            route,
            arrived: now,
            begun: false,
            step: 0,
            attempt: 0,
            waiting: None,
            queued: false,
            called: 0,
            serial: 0,
            flags,
            order,
            trace,
            client_span: 0,
        });
        if let Some(call) = self.calls.get(key) {
            call.client_span = client_span;
            call.waiting = Some(child);
        }
        if delay > 0 {
            self.heap.push(now + delay, Event::Deliver(child));
        } else if let Err(answer) = self.offer(child) {
            self.calls.remove(child);
            return self.refuse(key, attempt, answer, NOTICED);
        }
        self.heap.push(now + timeout, Event::Timeout { caller: key, callee: child });
    }

    fn pending_answer(&mut self, key: CallKey, answer: Answer) {
        if let Some(call) = self.calls.get(key) {
            call.waiting = None;
        }
        self.refusals.insert(key, answer);
    }

    fn refuse(&mut self, key: CallKey, attempt: u32, answer: Answer, after: Nanos) {
        self.pending_answer(key, answer);
        self.heap.push(self.now + after, Event::Refused { caller: key, attempt });
    }

    /// A call reaches its replica late: what it took on the way is nothing that the replica knows of.
    pub(crate) fn deliver(&mut self, key: CallKey) {
        let now = self.now;
        if let Some(call) = self.calls.get(key) {
            call.arrived = now;
        }
        if let Err(answer) = self.offer(key) {
            self.finish(key, answer);
        }
    }

    /// An attempt came to nothing, or waited for a connection for too long.
    pub(crate) fn refused(&mut self, key: CallKey, attempt: u32) {
        let Some(call) = self.calls.get(key) else { return };
        if call.serial != attempt || call.waiting.is_some() {
            return;
        }
        let (place, step) = (call.replica as usize, call.step as usize);
        if call.queued {
            call.queued = false;
            let waiting = &mut self.replicas[place].pools[step].waiting;
            waiting.retain(|waits| *waits != key);
            return self.attempt_over(key, None, Answer::Timeout, false);
        }
        let Some(answer) = self.refusals.remove(&key) else { return };
        self.release(place, step);
        self.attempt_over(key, None, answer, false);
    }

    /// A caller gives up on an attempt; the callee does not know.
    pub(crate) fn timed_out(&mut self, caller: CallKey, callee: CallKey) {
        let Some(call) = self.calls.get(caller).filter(|call| call.waiting == Some(callee)) else { return };
        call.waiting = None;
        let (place, step) = (call.replica as usize, call.step as usize);
        let to = self.calls.get(callee).map(|callee| callee.replica);
        self.release(place, step);
        self.attempt_over(caller, to, Answer::Timeout, false);
    }

    /// A connection is free.
    fn release(&mut self, place: usize, step: usize) {
        let Some(pool) = self.replicas[place].pools.get_mut(step) else { return };
        match pool.waiting.pop_front() {
            Some(next) => self.send(next),
            None => pool.used = pool.used.saturating_sub(1),
        }
    }

    /// An attempt is over: go on, try again, or give up.
    fn attempt_over(&mut self, key: CallKey, to: Option<u32>, answer: Answer, wrong: bool) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        let (place, step) = (call.replica as usize, call.step as usize);
        let service = self.replicas[place].service as usize;
        let (called, flags, client_span) = (call.called, call.flags, call.client_span);
        let trace = call.trace.map(|trace| Trace { id: trace.id, span: client_span, parent: trace.span });
        self.note_client((place as u32, step, to), trace, called, answer, wrong, flags);
        let edge = &mut self.services[service].edges[step];
        let Some(call) = self.calls.get(key) else { return };
        call.flags.wrong |= wrong;
        if answer.is_good() {
            call.step += 1;
            call.attempt = 0;
            return self.next_step(key);
        }
        if edge.op == Operation::Lookup {
            call.flags.missed = true;
            call.step += 1;
            call.attempt = 0;
            return self.next_step(key);
        }
        let allowed = edge.budget.is_none_or(|budget| budget >= RETRY_COST);
        if u32::from(call.attempt) + 1 < edge.attempts && allowed {
            edge.budget = edge.budget.map(|budget| budget - RETRY_COST);
            call.attempt += 1;
            let wait = nanos(0.02 + 0.03 * self.replicas[place].outcomes.uniform());
            self.heap.push(now + wait, Event::Retry(key));
        } else {
            self.finish(key, Answer::Upstream);
        }
    }

    /// A replica answers: its slot is free, its caller goes on.
    pub(crate) fn finish(&mut self, key: CallKey, answer: Answer) {
        let Some(call) = self.calls.remove(key) else { return };
        self.refusals.remove(&key);
        let place = call.replica as usize;
        let service = self.replicas[place].service as usize;
        self.note_server(&call, answer);
        let version = &self.services[service].versions[self.replicas[place].version as usize];
        let (leak, descriptors) = (version.leak, version.descriptors);
        let replica = &mut self.replicas[place];
        replica.heap += leak;
        replica.descriptors = (replica.descriptors + descriptors).min(1.0);
        if call.begun {
            replica.active = replica.active.saturating_sub(1);
            while let Some(next) = self.replicas[place].waiting.pop_front() {
                if self.calls.get(next).is_some() {
                    self.take_up(next);
                    break;
                }
            }
        }
        if call.op == Operation::Fill && self.topology.services[service].kind == Kind::Database {
            self.cache.fills = self.cache.fills.saturating_sub(1);
        }
        if answer.is_good() {
            self.done_well(service, &call);
        }
        self.tell_caller(key, &call, answer);
    }

    /// The caller of a call that is over hears of it, if it still waits.
    pub(crate) fn tell_caller(&mut self, key: CallKey, call: &Call, answer: Answer) {
        let Some(caller) = call.caller else { return self.tell_user(call, answer) };
        let Some(waiting) = self.calls.get(caller).filter(|waiting| waiting.waiting == Some(key)) else {
            return;
        };
        waiting.waiting = None;
        waiting.flags.degraded |= call.flags.degraded;
        let (place, step) = (waiting.replica as usize, waiting.step as usize);
        if call.op == Operation::Fill && answer.is_good() {
            self.cache.fill();
        }
        self.release(place, step);
        self.attempt_over(caller, Some(call.replica), answer, call.flags.wrong);
    }

    fn tell_user(&mut self, call: &Call, answer: Answer) {
        let quick = self.now - call.arrived <= SECOND;
        let content = answer.is_good() && quick && !call.flags.wrong;
        self.mix(
            call.arrived ^ (u64::from(call.route) << 56) ^ ((answer as u64) << 48) ^ self.now.rotate_left(17),
        );
        if answer.is_good() && call.order != 0 {
            self.ledger.acknowledge(call.order, call.flags.wrong);
        }
        if call.flags.uncounted {
            return;
        }
        let weight = self.topology.routes[call.route as usize].weight;
        self.levels.answered(
            call.arrived,
            weight,
            content,
            call.flags.degraded,
            call.flags.wrong && answer == Answer::Good,
        );
    }

    /// What a process had in hand is lost with it.
    pub(crate) fn lose_calls(&mut self, replica: u32) {
        for key in self.calls.at(replica) {
            if let Some(call) = self.calls.remove(key) {
                self.refusals.remove(&key);
                if call.op == Operation::Fill {
                    self.cache.fills = self.cache.fills.saturating_sub(1);
                }
                self.tell_caller(key, &call, Answer::Reset);
            }
        }
        let replica = &mut self.replicas[replica as usize];
        replica.active = 0;
        replica.waiting.clear();
        for pool in &mut replica.pools {
            pool.used = 0;
            pool.waiting.clear();
        }
    }
}

/// How much more a costly request takes.
const COSTLY: f64 = 6.0;
/// Length of the cycle in which the collector stops a process once.
const PAUSE_CYCLE: Nanos = 6 * SECOND;

/// How long a pause of the collector still lasts.
fn pause_left(place: u64, now: Nanos, share: f64) -> Nanos {
    let phase = (now + place * 1_700 * MILLISECOND) % PAUSE_CYCLE;
    nanos(share * PAUSE_CYCLE as f64 / 1e9).saturating_sub(phase)
}
