//! Commands: what they do, how long they take, how they fail; at most one effect for each
//! idempotency key, none for an old fencing token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    executor::{Command, Completion, Verdict},
    id::Id,
    plan::Action,
    series::Entity,
    time::Timestamp,
};

use super::{
    clock::{Event, MILLISECOND, Nanos, SECOND, nanos},
    lifecycle::Rollout,
    service::Process,
    telemetry::logs::{ChangeEvent, Severity},
    world::World,
};
use crate::random::Stream;

/// Name in completions.
const EXECUTOR: &str = "simulator";
/// How long an answer takes that needs no work.
const PROMPT: Nanos = 50 * MILLISECOND;
/// How often an open circuit tests what is behind it.
const CIRCUIT_PROBE: Nanos = 10 * SECOND;
/// Good tests in a row after which it closes.
const CIRCUIT_GOOD: u32 = 3;

/// Something that an action did to the fleet: the witness that it was done once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// When it began.
    pub at: Timestamp,
    /// Key of the command.
    pub idempotency_key: Id,
    /// Token of the command.
    pub fencing_token: u64,
    /// What was done.
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    command: Command,
    /// Attempts that wait for the answer.
    waiting: Vec<Id>,
    /// Fails visibly, without effect.
    fails: bool,
    /// Says that it worked, without effect.
    pretends: bool,
    /// The answer, and the attempt that it was first given to.
    answer: Option<(Verdict, String)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Due {
    completion: Completion,
    /// Only if the entry still owes an answer to this attempt: it took too long.
    unless_answered_by: Option<u32>,
}

/// What was commanded, answered and done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    /// Latest entry for each idempotency key.
    by_key: BTreeMap<Id, u32>,
    /// Newest fencing token for each target.
    tokens: BTreeMap<Entity, u64>,
    due: BTreeMap<u32, Due>,
    answers: u32,
    effects: Vec<Effect>,
}

/// Median and 99th percentile of the delay in seconds, probability of a visible failure and
/// of success without effect.
struct Profile {
    median: f64,
    high: f64,
    fails: f64,
    pretends: f64,
}

impl Profile {
    fn of(verb: &str) -> Option<Self> {
        let (median, high, fails, pretends) = match verb {
            "restart" => (8.0, 40.0, 0.03, 0.01),
            "rollback_deploy" => (8.0, 40.0, 0.05, 0.01),
            "open_circuit" | "close_circuit" => (1.0, 5.0, 0.01, 0.02),
            "isolate" | "restore" | "drain" | "undrain" => (3.0, 15.0, 0.02, 0.01),
            "scale_out" => (25.0, 120.0, 0.05, 0.02),
            "scale_in" => (10.0, 30.0, 0.02, 0.0),
            "wait" => (0.1, 0.2, 0.0, 0.0),
            _ => return None,
        };
        Some(Self { median, high, fails, pretends })
    }

    fn draw(&self, stream: &mut Stream) -> Nanos {
        // The 99th percentile of a standard normal is 2.326.
        nanos(stream.lognormal(self.median, libm::log(self.high / self.median) / 2.326))
    }
}

/// What an action is about.
enum Subject {
    Service(usize),
    Replicas(Vec<u32>),
    Nothing,
}

impl World {
    /// What actions did so far.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.ledger.effects
    }

    /// Gives a command at the present instant; the answer comes with a later
    /// [`World::advance`].
    pub fn apply(&mut self, command: &Command) {
        let attempt = command.attempt_key();
        if command.dry_run {
            let said = self.subject(&command.action).map(|_| format!("would {}", words(&command.action)));
            self.reply_soon(attempt, said);
            return;
        }
        let known = self.ledger.by_key.get(&command.idempotency_key).copied();
        if let Some(index) = known {
            let entry = &mut self.ledger.entries[index as usize];
            match &entry.answer {
                None => {
                    if !entry.waiting.contains(&attempt) {
                        entry.waiting.push(attempt.clone());
                        self.reply_late(index, attempt, command);
                    }
                    return;
                }
                // Nothing was done, so another attempt may do it.
                Some((Verdict::Failed { retryable: true }, _)) if entry.command.attempt_key() != attempt => {}
                Some((verdict, detail)) => {
                    let (verdict, detail) = (verdict.clone(), detail.clone());
                    self.reply(self.now + PROMPT, attempt, verdict, detail, None);
                    return;
                }
            }
        }
        let newest = self.ledger.tokens.get(&command.action.target).copied().unwrap_or_default();
        if command.fencing_token < newest {
            let said = format!("token {} is older than {newest}", command.fencing_token);
            self.reply_soon(attempt, Err(said));
            return;
        }
        match self.subject(&command.action) {
            Err(reason) => self.reply_soon(attempt, Err(reason)),
            Ok(_) => self.accept(command, attempt),
        }
    }

    fn accept(&mut self, command: &Command, attempt: Id) {
        let Some(profile) = Profile::of(&command.action.verb) else { return };
        self.ledger.tokens.insert(command.action.target.clone(), command.fencing_token);
        let mut draw = Stream::of(self.scenario.seed, attempt.as_str(), "action");
        let delay = match command.action.verb.as_str() {
            // These take their time replica by replica.
            "restart" | "rollback_deploy" => PROMPT,
            _ => profile.draw(&mut draw),
        };
        let faulty = self.scenario.actions_fail;
        let entry = Entry {
            command: command.clone(),
            waiting: vec![attempt.clone()],
            fails: draw.chance(profile.fails) && faulty,
            pretends: draw.chance(profile.pretends) && faulty,
            answer: None,
        };
        let index = self.ledger.entries.len() as u32;
        let delay = if entry.fails || entry.pretends { profile.draw(&mut draw) } else { delay };
        self.ledger.entries.push(entry);
        self.ledger.by_key.insert(command.idempotency_key.clone(), index);
        self.queue.push(self.now + delay, Event::Act(index));
        self.reply_late(index, attempt, command);
    }

    /// What an action would be about, or why it cannot be done.
    fn subject(&self, action: &Action) -> Result<Subject, String> {
        let target = &action.target;
        let verb = action.verb.as_str();
        if Profile::of(verb).is_none() {
            return Err(format!("the simulator knows no verb `{verb}`"));
        }
        let unknown = || format!("there is no `{target}`");
        let service = || self.service_index(target.as_str()).ok_or_else(unknown);
        let own = |index: usize| match self.scenario.services[index].external {
            true => Err(format!("`{target}` belongs to somebody else")),
            false => Ok(index),
        };
        match verb {
            "wait" => Ok(Subject::Nothing),
            "open_circuit" | "close_circuit" => {
                let callers = self.callers(service()?, action.parameters.get("caller").map(String::as_str));
                if callers.is_empty() {
                    Err(format!("nobody calls `{target}`"))
                } else {
                    service().map(Subject::Service)
                }
            }
            "rollback_deploy" => {
                let index = own(service()?)?;
                self.rollback_to(index, action).map(|_| Subject::Service(index))
            }
            "scale_out" | "scale_in" => own(service()?).map(Subject::Service),
            "restart" | "isolate" | "restore" | "drain" | "undrain" => {
                let replicas = if let Some(host) = self.host_index(target) {
                    let on = |index: &u32| self.replicas[*index as usize].host == host as u32;
                    (0..self.replicas.len() as u32).filter(on).collect()
                } else if target.is_instance() {
                    let index = self.replica_index(target).ok_or_else(unknown)?;
                    own(self.replicas[index].service as usize)?;
                    vec![index as u32]
                } else if verb == "restart" {
                    self.living(own(service()?)?)
                } else {
                    return Err(format!("`{verb}` needs an instance or a host, not `{target}`"));
                };
                let living = |place: &u32| {
                    let replica = &self.replicas[*place as usize];
                    replica.process != Process::Gone
                        && !self.scenario.services[replica.service as usize].external
                };
                let replicas: Vec<u32> = replicas.into_iter().filter(living).collect();
                if replicas.is_empty() { Err(unknown()) } else { Ok(Subject::Replicas(replicas)) }
            }
            _ => Err(unknown()),
        }
    }

    /// The edges towards a service, as caller and place in its calls.
    fn callers(&self, callee: usize, only: Option<&str>) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (caller, callees) in self.edges.iter().enumerate() {
            let wanted = only.is_none_or(|name| name == self.scenario.services[caller].name);
            let steps = callees.iter().enumerate().filter(|(_, to)| wanted && **to == callee as u32);
            found.extend(steps.map(|(step, _)| (caller, step)));
        }
        found
    }

    /// The version that a rollback leads to.
    fn rollback_to(&self, service: usize, action: &Action) -> Result<u32, String> {
        let state = &self.services[service];
        let Some(name) = action.parameters.get("version") else {
            let before = state.deployed.len().checked_sub(2).and_then(|place| state.deployed.get(place));
            return before.copied().ok_or_else(|| format!("`{}` has no earlier version", action.target));
        };
        let place = state.versions.iter().position(|version| version.name == *name);
        place.map(|place| place as u32).ok_or_else(|| format!("`{}` has no version `{name}`", action.target))
    }

    /// An action takes effect, fails, or pretends.
    pub(super) fn act(&mut self, index: u32) {
        let entry = self.ledger.entries[index as usize].clone();
        let action = &entry.command.action;
        if entry.fails {
            let failed = Verdict::Failed { retryable: true };
            self.settle(index, failed, format!("could not {}", words(action)));
            return;
        }
        let subject = match self.subject(action) {
            Ok(subject) => subject,
            Err(reason) => {
                self.settle(index, Verdict::Failed { retryable: false }, reason);
                return;
            }
        };
        if !entry.pretends && action.verb != "wait" {
            self.ledger.effects.push(Effect {
                at: self.timestamp(self.now),
                idempotency_key: entry.command.idempotency_key.clone(),
                fencing_token: entry.command.fencing_token,
                action: action.clone(),
            });
            let rolls = self.take_effect(index, &entry.command, subject);
            if rolls {
                return;
            }
        }
        self.conclude(index);
    }

    /// Does it. Says whether a rollout will conclude it.
    fn take_effect(&mut self, index: u32, command: &Command, subject: Subject) -> bool {
        let action = &command.action;
        match (action.verb.as_str(), subject) {
            ("restart", Subject::Replicas(replicas)) => {
                let fresh = action.parameters.get("fresh").is_some_and(|value| value == "true");
                self.roll_out(index, command, replicas, None, fresh);
                true
            }
            ("rollback_deploy", Subject::Service(service)) => {
                let Ok(version) = self.rollback_to(service, action) else { return false };
                let before = self.services[service].current();
                self.services[service].deployed.pop();
                if self.services[service].current() != version {
                    self.services[service].deployed.push(version);
                }
                self.announce_version(service, before, version, "rolled back to");
                self.roll_out(index, command, self.living(service), Some(version), false);
                true
            }
            (verb @ ("open_circuit" | "close_circuit"), Subject::Service(callee)) => {
                let only = action.parameters.get("caller").map(String::as_str);
                for (caller, step) in self.callers(callee, only) {
                    self.set_circuit(caller, step, verb == "open_circuit");
                }
                false
            }
            (verb @ ("isolate" | "drain" | "restore" | "undrain"), Subject::Replicas(replicas)) => {
                for place in replicas {
                    self.replicas[place as usize].isolated = matches!(verb, "isolate" | "drain");
                }
                false
            }
            ("scale_out", Subject::Service(service)) => {
                self.scale(service, count(action) as i64);
                false
            }
            ("scale_in", Subject::Service(service)) => {
                self.scale(service, -(count(action) as i64));
                false
            }
            _ => false,
        }
    }

    fn roll_out(
        &mut self,
        entry: u32,
        command: &Command,
        replicas: Vec<u32>,
        version: Option<u32>,
        fresh: bool,
    ) {
        let mut draw = Stream::of(self.scenario.seed, command.idempotency_key.as_str(), "rollout");
        let profile = Profile::of(&command.action.verb);
        let duration = |_: &u32| profile.as_ref().map_or(5 * SECOND, |profile| profile.draw(&mut draw));
        let durations = replicas.iter().map(duration).collect();
        self.start_rollout(Rollout {
            version,
            fresh,
            entry: Some(entry),
            ..Rollout::new(replicas, durations)
        });
    }

    fn set_circuit(&mut self, caller: usize, step: usize, open: bool) {
        let circuit = &mut self.services[caller].circuits[step];
        if circuit.open == open {
            return;
        }
        circuit.open = open;
        circuit.good = 0;
        if open {
            let probe = Event::CircuitProbe { caller: caller as u32, callee: step as u32 };
            self.queue.push(self.now + CIRCUIT_PROBE, probe);
        }
        let callee = self.scenario.services[caller].calls[step].callee.clone();
        let (severity, state) = if open { (Severity::Warn, "open") } else { (Severity::Info, "closed") };
        for replica in self.living(caller) {
            self.say(replica, severity, format!("circuit to {callee} is {state}"), None);
        }
    }

    /// An open circuit tests what is behind it, out of the way of users.
    pub(super) fn probe_circuit(&mut self, caller: u32, step: u32) {
        let circuit = &self.services[caller as usize].circuits[step as usize];
        if !circuit.open {
            return;
        }
        let callee = &self.services[self.edges[caller as usize][step as usize] as usize];
        let well = callee.slowness < 3.0 && callee.errors < 0.05;
        let circuit = &mut self.services[caller as usize].circuits[step as usize];
        circuit.good = if well { circuit.good + 1 } else { 0 };
        if circuit.good >= CIRCUIT_GOOD {
            self.set_circuit(caller as usize, step as usize, false);
        } else {
            self.queue.push(self.now + CIRCUIT_PROBE, Event::CircuitProbe { caller, callee: step });
        }
    }

    fn scale(&mut self, service: usize, by: i64) {
        let before = self.living(service).len();
        for _ in 0..by {
            let place = self.add_replica(service as u32);
            self.replicas[place as usize].started = self.now;
        }
        for place in self.living(service).into_iter().take((-by).max(0) as usize) {
            if self.living(service).len() > 1 {
                self.stop(place, Process::Gone);
            }
        }
        let after = self.living(service).len();
        let change =
            ChangeEvent { name: "scaling".to_owned(), from: before.to_string(), to: after.to_string() };
        self.announce(service as u32, change, format!("scaled from {before} to {after} replicas"));
    }

    /// An action is through.
    pub(super) fn conclude(&mut self, index: u32) {
        let detail = format!("did {}", words(&self.ledger.entries[index as usize].command.action));
        self.settle(index, Verdict::Succeeded, detail);
    }

    fn settle(&mut self, index: u32, verdict: Verdict, detail: String) {
        let entry = &mut self.ledger.entries[index as usize];
        entry.answer = Some((verdict.clone(), detail.clone()));
        for attempt_key in std::mem::take(&mut entry.waiting) {
            let (at, executor) = (self.timestamp(self.now), EXECUTOR.to_owned());
            let (verdict, detail) = (verdict.clone(), detail.clone());
            self.complete(Completion { attempt_key, at, executor, verdict, detail });
        }
    }

    fn reply(
        &mut self,
        at: Nanos,
        attempt_key: Id,
        verdict: Verdict,
        detail: String,
        unless_answered_by: Option<u32>,
    ) {
        let completion = Completion {
            attempt_key,
            at: self.timestamp(at),
            executor: EXECUTOR.to_owned(),
            verdict,
            detail,
        };
        let number = self.ledger.answers;
        self.ledger.answers += 1;
        self.ledger.due.insert(number, Due { completion, unless_answered_by });
        self.queue.push(at, Event::Answer(number));
    }

    fn reply_soon(&mut self, attempt: Id, said: Result<String, String>) {
        let (verdict, detail) = match said {
            Ok(detail) => (Verdict::Succeeded, detail),
            Err(detail) => (Verdict::Failed { retryable: false }, detail),
        };
        self.reply(self.now + PROMPT, attempt, verdict, detail, None);
    }

    /// An attempt does not wait for longer than its timeout; the action goes on.
    fn reply_late(&mut self, index: u32, attempt: Id, command: &Command) {
        let at = self.now + command.timeout.0.max(0) as Nanos;
        let detail = format!("no answer within {}", command.timeout);
        self.reply(at, attempt, Verdict::TimedOut, detail, Some(index));
    }

    /// An answer is due.
    pub(super) fn answer(&mut self, number: u32) {
        let Some(due) = self.ledger.due.remove(&number) else { return };
        if let Some(index) = due.unless_answered_by {
            let waiting = &mut self.ledger.entries[index as usize].waiting;
            let Some(place) = waiting.iter().position(|key| *key == due.completion.attempt_key) else {
                return;
            };
            waiting.remove(place);
        }
        self.complete(due.completion);
    }
}

/// How many replicas are meant.
fn count(action: &Action) -> u32 {
    action.parameters.get("replicas").and_then(|text| text.parse().ok()).unwrap_or(1).clamp(1, 10)
}

fn words(action: &Action) -> String {
    let parameters: String =
        action.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{} {}{parameters}", action.verb, action.target)
}
