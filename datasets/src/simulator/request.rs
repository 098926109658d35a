//! Requests on their way through the fleet: queues, slots, calls, timeouts, retries.

use serde::{Deserialize, Serialize};

use super::{
    clock::{Event, MILLISECOND, Nanos, SECOND, nanos},
    service::Process,
    telemetry::spans::Trace,
    world::World,
};

/// Names a call that is being handled; void once the call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CallKey {
    place: u32,
    generation: u32,
}

/// How a call ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Answered.
    Good,
    /// Answered: the user's mistake.
    Mistaken,
    /// The service failed by itself.
    Failed,
    /// Something that it needs failed.
    Upstream,
    /// Nobody was there.
    Refused,
    /// The queue was full.
    Full,
    /// It died while it worked.
    Reset,
    /// No answer in time.
    Timeout,
}

impl Answer {
    pub(super) const fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::Mistaken)
    }

    /// `http.response.status_code`, 0 where there was no response.
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::Good => 200,
            Self::Mistaken => 404,
            Self::Failed => 500,
            Self::Upstream => 502,
            Self::Full => 503,
            Self::Refused | Self::Reset | Self::Timeout => 0,
        }
    }

    /// `error.type`, empty if there was no error.
    pub(super) const fn error(self) -> &'static str {
        match self {
            Self::Good | Self::Mistaken => "",
            Self::Failed => "500",
            Self::Upstream => "502",
            Self::Full => "503",
            Self::Refused => "connection_refused",
            Self::Reset => "connection_reset",
            Self::Timeout => "timeout",
        }
    }
}

/// A call that a replica handles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) replica: u32,
    pub(super) route: u8,
    mistaken: bool,
    /// A wrong answer was given here or further down.
    wrong: bool,
    /// The call, and with it the replica, that waits for the answer.
    caller: Option<CallKey>,
    /// Place in the list of calls that the service makes.
    step: u32,
    attempt: u32,
    waiting: Option<CallKey>,
    pub(super) arrived: Nanos,
    /// When the present call to another service began.
    called: Nanos,
    /// Whether its own work is going to fail.
    fails: bool,
    pub(super) trace: Option<Trace>,
    pub(super) logged: bool,
}

/// The calls that are being handled; places are used again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Calls {
    places: Vec<(u32, Option<Call>)>,
    free: Vec<u32>,
}

impl Calls {
    fn insert(&mut self, call: Call) -> CallKey {
        if let Some(place) = self.free.pop() {
            let entry = &mut self.places[place as usize];
            entry.1 = Some(call);
            return CallKey { place, generation: entry.0 };
        }
        self.places.push((0, Some(call)));
        CallKey { place: (self.places.len() - 1) as u32, generation: 0 }
    }

    pub(super) fn get(&mut self, key: CallKey) -> Option<&mut Call> {
        let (generation, call) = self.places.get_mut(key.place as usize)?;
        if *generation == key.generation { call.as_mut() } else { None }
    }

    fn remove(&mut self, key: CallKey) -> Option<Call> {
        let (generation, call) = self.places.get_mut(key.place as usize)?;
        if *generation != key.generation {
            return None;
        }
        let removed = call.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(key.place);
        Some(removed)
    }

    /// Calls at a replica, in the order of their places.
    fn at(&self, replica: u32) -> Vec<CallKey> {
        let of = |(place, (generation, call)): (usize, &(u32, Option<Call>))| {
            let key = CallKey { place: place as u32, generation: *generation };
            call.as_ref().filter(|call| call.replica == replica).map(|_| key)
        };
        self.places.iter().enumerate().filter_map(of).collect()
    }
}

/// Hundredths of a repeated attempt that each call earns.
const RETRY_EARNED: u64 = 10;
/// Hundredths that a repeated attempt costs.
const RETRY_COST: u64 = 100;
/// Hundredths that can be saved up.
const RETRY_SAVED_MAX: u64 = 2_000;
/// How long a refused connection takes to be known.
const REFUSAL: Nanos = MILLISECOND;
/// Longest answer that a user is content with.
const PATIENCE: Nanos = SECOND;

impl World {
    /// A user asks, and the next one is awaited.
    pub(super) fn arrival(&mut self) {
        let spec = &self.scenario;
        let next = self.now + self.arrivals.gap(&spec.load, self.now);
        let telemetry = &spec.telemetry;
        let (traces, logs) = (telemetry.trace_share, telemetry.log_share);
        let question = self.arrivals.question(&spec.routes, &spec.load, traces, logs);
        self.queue.push(next, Event::Arrival);
        self.levels.arrived(self.now);
        let trace = question.traced.then_some(Trace { id: question.trace, span: 0, parent: 0 });
        let call = Call {
            replica: 0,
            route: question.route,
            mistaken: question.mistaken,
            wrong: false,
            caller: None,
            step: 0,
            attempt: 0,
            waiting: None,
            arrived: self.now,
            called: 0,
            fails: false,
            trace,
            logged: question.logged,
        };
        // The user's client sees a refusal as a failed request; nothing else is to be done.
        let _ = self.offer(0, call);
    }

    /// Offers a call to a service. Says who took it, or who refused it and whether for lack of room.
    fn offer(&mut self, service: u32, mut call: Call) -> Result<CallKey, (Option<u32>, bool)> {
        let Some(place) = self.services[service as usize].pick(&self.replicas) else {
            return Err((None, false));
        };
        let spec = &self.scenario.services[service as usize];
        let replica = &mut self.replicas[place as usize];
        if replica.process != Process::Ready {
            return Err((Some(place), false));
        }
        if replica.active >= spec.slots && replica.queue.len() >= spec.queue as usize {
            return Err((Some(place), true));
        }
        let room = replica.active < spec.slots;
        call.replica = place;
        if let Some(trace) = &mut call.trace {
            *trace = Trace { parent: trace.span, span: self.recorder.span_id(), id: trace.id };
        }
        let key = self.calls.insert(call);
        if room {
            self.begin_work(key);
        } else {
            self.replicas[place as usize].queue.push_back(key);
        }
        Ok(key)
    }

    /// Takes a slot and works.
    fn begin_work(&mut self, key: CallKey) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        let replica = &mut self.replicas[call.replica as usize];
        let service = &mut self.services[replica.service as usize];
        let spec = &self.scenario.services[replica.service as usize];
        let version = &service.versions[replica.version as usize];
        replica.active += 1;
        let host = &self.hosts[replica.host as usize];
        let mut factor = replica.drag(now) * version.slowness * service.slowness * host.slowness;
        let drawn = replica.work.lognormal(spec.work_ms / 1e3, spec.work_sigma);
        if let Some(fault) = replica.lies {
            // A lie needs no work; that is what makes the liar look good.
            factor *= 0.5;
            call.wrong |= replica.outcomes.chance(0.6);
            self.touched.push(fault);
        }
        let pause = replica.pause();
        let work = nanos(drawn * factor) + pause;
        let errors = 1.0 - (1.0 - version.errors) * (1.0 - service.errors);
        call.fails = replica.outcomes.chance(errors);
        // A slow service waits for something; it does not compute more.
        replica.busy += nanos(drawn * factor / host.slowness / service.slowness) + pause / 4;
        self.touched.extend(version.fault);
        self.touched.extend(service.fault);
        self.touched.extend(host.fault);
        self.queue.push(now + work, Event::WorkDone(key));
    }

    /// Own work is over: fail, or call the others.
    pub(super) fn work_done(&mut self, key: CallKey) {
        let Some(call) = self.calls.get(key) else { return };
        if call.fails {
            self.finish(key, Answer::Failed);
        } else if call.mistaken && call.caller.is_none() {
            self.finish(key, Answer::Mistaken);
        } else {
            self.next_step(key);
        }
    }

    /// Calls the next service that the route needs, or answers.
    fn next_step(&mut self, key: CallKey) {
        loop {
            let Some(call) = self.calls.get(key) else { return };
            let service = self.replicas[call.replica as usize].service as usize;
            let calls = &self.scenario.services[service].calls;
            let Some(spec) = calls.get(call.step as usize) else {
                self.finish(key, Answer::Good);
                return;
            };
            let circuit = &mut self.services[service].circuits[call.step as usize];
            if !spec.routes.contains(&call.route) {
                call.step += 1;
            } else if !circuit.open {
                self.call_out(key);
                return;
            } else if spec.fallback {
                circuit.answered_without += 1;
                call.step += 1;
            } else {
                self.finish(key, Answer::Upstream);
                return;
            }
        }
    }

    /// Makes the present call.
    pub(super) fn call_out(&mut self, key: CallKey) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        let service = self.replicas[call.replica as usize].service as usize;
        let step = call.step as usize;
        call.called = now;
        let trace = call.trace.as_ref().map(|trace| Trace {
            id: trace.id,
            // The client span of this attempt; its parent is the server span.
            span: self.recorder.span_id(),
            parent: trace.span,
        });
        let child = Call {
            replica: 0,
            route: call.route,
            mistaken: false,
            wrong: false,
            caller: Some(key),
            step: 0,
            attempt: 0,
            waiting: None,
            arrived: now,
            called: 0,
            fails: false,
            trace,
            logged: call.logged,
        };
        let timeout = self.scenario.services[service].calls[step].timeout.0.max(0) as Nanos;
        let callee = self.edges[service][step];
        let caller = &mut self.services[service];
        caller.retries = (caller.retries + RETRY_EARNED).min(RETRY_SAVED_MAX);
        match self.offer(callee, child) {
            Ok(child) => {
                if let Some(call) = self.calls.get(key) {
                    call.waiting = Some(child);
                }
                self.queue.push(now + timeout, Event::Timeout { caller: key, callee: child });
            }
            Err((refuser, full)) => {
                if let Some(replica) = refuser {
                    self.touched.extend(self.replicas[replica as usize].corrupt);
                }
                self.queue.push(now + REFUSAL, Event::Refused { caller: key, full });
            }
        }
    }

    /// Nobody took the call.
    pub(super) fn refused(&mut self, key: CallKey, full: bool) {
        if self.calls.get(key).is_some() {
            let answer = if full { Answer::Full } else { Answer::Refused };
            self.answered(key, None, 0, answer, false);
        }
    }

    /// The caller waited long enough; the callee works on.
    pub(super) fn timed_out(&mut self, caller: CallKey, callee: CallKey) {
        let Some(call) = self.calls.get(caller) else { return };
        if call.waiting != Some(callee) {
            return;
        }
        let Some(child) = self.calls.get(callee) else { return };
        let (replica, span) = (child.replica, child.trace.as_ref().map_or(0, |trace| trace.parent));
        self.answered(caller, Some(replica), span, Answer::Timeout, false);
    }

    /// The caller learns how its call went.
    fn answered(&mut self, key: CallKey, callee: Option<u32>, span: u64, answer: Answer, wrong: bool) {
        let now = self.now;
        let Some(call) = self.calls.get(key) else { return };
        call.waiting = None;
        let at = call.replica;
        let service = self.replicas[at as usize].service as usize;
        let step = call.step as usize;
        let spec = &self.scenario.services[service].calls[step];
        // A check by rounding has its own rare false alarms.
        let found = spec.checked
            && answer == Answer::Good
            && (wrong || self.replicas[at as usize].outcomes.chance(MISMATCH_BY_CHANCE));
        let (attempts, called, logged) = (spec.attempts, call.called, call.logged);
        let trace = call.trace.clone();
        let edge = (at, self.edges[service][step], callee);
        self.recorder.client(edge, trace.as_ref(), span, (called, now), answer, found);
        self.meter_client(edge, answer, now - called, found);
        if !answer.is_good() {
            self.log_call_failed(edge, answer, trace.as_ref(), now - called);
        } else if found && logged | trace.is_some() {
            self.log_mismatch(edge, trace.as_ref());
        }
        let budget = &mut self.services[service].retries;
        let Some(call) = self.calls.get(key) else { return };
        call.wrong |= wrong;
        if answer.is_good() {
            call.step += 1;
            call.attempt = 0;
            self.next_step(key);
        } else if call.attempt + 1 < attempts && *budget >= RETRY_COST {
            *budget -= RETRY_COST;
            call.attempt += 1;
            let wait = nanos(0.02 + 0.03 * self.replicas[at as usize].outcomes.uniform());
            self.queue.push(now + wait, Event::Retry(key));
        } else {
            self.finish(key, Answer::Upstream);
        }
    }

    /// A replica answers: its slot is free, its caller goes on.
    fn finish(&mut self, key: CallKey, answer: Answer) {
        let Some(call) = self.calls.remove(key) else { return };
        let place = call.replica as usize;
        let service = self.replicas[place].service;
        self.meter_server(&call, answer);
        self.recorder.server(&call, self.now, answer);
        self.log_answer(&call, answer);
        let leak = self.services[service as usize].versions[self.replicas[place].version as usize].leak;
        let replica = &mut self.replicas[place];
        replica.active = replica.active.saturating_sub(1);
        let exhausted = replica.allocate(leak);
        if let Some(next) = replica.queue.pop_front() {
            self.begin_work(next);
        }
        self.tell_caller(key, &call, answer);
        if exhausted {
            self.crash(place as u32, "java.lang.OutOfMemoryError: heap space");
        }
    }

    fn tell_caller(&mut self, key: CallKey, call: &Call, answer: Answer) {
        let Some(caller) = call.caller else {
            let content = answer.is_good() && self.now - call.arrived <= PATIENCE;
            self.levels.answered(call.arrived, content, call.wrong && answer == Answer::Good);
            return;
        };
        if self.calls.get(caller).is_some_and(|waiting| waiting.waiting == Some(key)) {
            let span = call.trace.as_ref().map_or(0, |trace| trace.parent);
            self.answered(caller, Some(call.replica), span, answer, call.wrong);
        }
    }

    /// What a process had in hand is lost with it.
    pub(super) fn lose_calls(&mut self, replica: u32) {
        for key in self.calls.at(replica) {
            if let Some(call) = self.calls.remove(key) {
                self.tell_caller(key, &call, Answer::Reset);
            }
        }
    }
}

/// How often a check of a right answer finds a difference: rounding, a price that has just changed.
const MISMATCH_BY_CHANCE: f64 = 0.0005;
