//! The simulated fleet with known truth: its telemetry goes through the real decoder, commands become
//! actions on it, and what each of them did is measured by forks.

use std::{collections::BTreeSet, sync::Arc};

use theriac_connectors::decode::{Rows, otlp_json};
use theriac_contract::{Command, Completion, Entity, GivenTopology, Reject, Timestamp, Verdict};
use theriac_datasets::fleet::{
    CallSpec, Handle, Nanos, Outcome, Request, SECOND, Setup, Verb, World,
    score::{Event, EventKind},
    trial,
};
use theriac_engine::{Environment, EnvironmentError, Next, Repeatable, Round};

/// Simulated time of one round: answers are heard at the latest after so long.
const STEP: Nanos = SECOND;

/// A fleet in which an episode is played.
pub(crate) struct Fleet {
    /// The fleet.
    pub(crate) world: World,
    /// What was done to it, and what each action did.
    pub(crate) log: Vec<Event>,
    start: u64,
    horizon: Nanos,
    /// Whether actions are measured by forks, which costs twice ten minutes of simulated time each.
    measured: bool,
    pending: Vec<(Command, Handle, Nanos)>,
    told: Vec<Completion>,
}

impl Fleet {
    /// A fleet at its start.
    pub(crate) fn new(setup: &Arc<Setup>, horizon: Nanos, measured: bool) -> Self {
        Self {
            world: World::new(setup),
            log: Vec::new(),
            start: setup.start_unix,
            horizon,
            measured,
            pending: Vec::new(),
            told: Vec::new(),
        }
    }

    /// Now, in seconds from the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.world.now() as f64 / 1e9
    }

    /// What who runs it would write into a topology file: whom its services can do without.
    pub(crate) fn given(&self) -> GivenTopology {
        let calls = || self.world.topology().services.iter().flat_map(|service| &service.calls);
        let needed: BTreeSet<&str> =
            calls().filter(|call| !call.fallback).map(|call| call.callee.as_str()).collect();
        let optional = calls().map(|call| call.callee.as_str()).filter(|callee| !needed.contains(callee));
        GivenTopology {
            optional: optional.map(|callee| Entity(callee.to_owned())).collect(),
            ..GivenTopology::default()
        }
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp((self.start + self.world.now()).cast_signed())
    }

    fn answer(&mut self, command: &Command, verdict: Verdict, detail: String) {
        self.told.push(Completion {
            attempt_key: command.attempt_key(),
            at: self.timestamp(),
            executor: "fleet".to_owned(),
            verdict,
            detail,
        });
    }

    fn hear(&mut self) {
        for (command, handle, until) in std::mem::take(&mut self.pending) {
            let (verdict, detail) = match self.world.poll(handle) {
                Outcome::Pending if self.world.now() >= until => {
                    (Verdict::TimedOut, "no answer in time".to_owned())
                }
                Outcome::Pending => {
                    self.pending.push((command, handle, until));
                    continue;
                }
                Outcome::Succeeded => (Verdict::Succeeded, "done".to_owned()),
                Outcome::Partial => (Verdict::Succeeded, "part of it was done".to_owned()),
                Outcome::Failed(reason) => (Verdict::Failed { retryable: true }, reason),
                Outcome::Refused(reason) => (Verdict::Failed { retryable: false }, reason),
            };
            self.answer(&command, verdict, detail);
        }
    }

    fn do_what_it_says(&mut self, command: &Command) {
        if command.dry_run {
            return self.answer(command, Verdict::Succeeded, "would be done".to_owned());
        }
        let request = match request(command, &self.world) {
            Ok(request) => request,
            Err(reason) => return self.answer(command, Verdict::Failed { retryable: false }, reason),
        };
        if request.verb == Verb::Escalate {
            self.log.push(Event { at: self.seconds(), kind: EventKind::Escalated });
        }
        // Another attempt is not another action.
        let event = if self.measured && command.attempt == 1 {
            trial::act(&mut self.world, &request)
        } else {
            self.world.apply(&request);
            trial::unmeasured(&self.world, &request)
        };
        if command.attempt == 1 {
            self.log.push(event);
        }
        if request.verb == Verb::Escalate {
            // Being told is one thing, and what a person then does another.
            return self.answer(command, Verdict::Succeeded, "a person was told".to_owned());
        }
        let Some(handle) = self.world.handle_of(&request.key) else { return };
        let until = self.world.now() + u64::try_from(command.timeout.0).unwrap_or_default();
        self.pending.push((command.clone(), handle, until));
    }
}

/// The action that a command asks for. Verbs of the built-in playbooks that the fleet knows by another
/// name are put in its words.
fn request(command: &Command, world: &World) -> Result<Request, String> {
    let action = &command.action;
    let target = action.target.as_str();
    let (undo, verb) = match action.verb.as_str() {
        // A service is restarted replica by replica.
        "restart" if !target.contains('/') => (false, Verb::RollingRestart),
        "isolate" => (false, Verb::Drain),
        "restore" | "undrain" => (true, Verb::Drain),
        "drain" if target.starts_with("host:") || target.starts_with("zone:") => (false, Verb::Evacuate),
        "rollback_configuration" => (false, Verb::RollbackConfig),
        "purge_logs" => (false, Verb::FreeDisk),
        "close_circuit" => (true, Verb::OpenCircuit),
        "admit_load" => (true, Verb::ShedLoad),
        "restore_retries" => (true, Verb::CapRetries),
        "release" => (true, Verb::Quarantine),
        "unprotect_cache" => (true, Verb::ProtectCache),
        "roll_forward" => (true, Verb::RollbackDeploy),
        "notify" => (false, Verb::Escalate),
        name => {
            let known = Verb::from_slug(name);
            (false, known.ok_or_else(|| format!("nobody in the fleet knows how to `{name}`"))?)
        }
    };
    let target = place(verb, target, world);
    let mut request = Request::new(command.idempotency_key.as_str(), verb, &target);
    request.undo = undo;
    request.token = command.fencing_token;
    request.parameters.clone_from(&action.parameters);
    if let Some(count) = request.parameters.remove("replicas") {
        request.parameters.insert("count".to_owned(), count);
    }
    Ok(request)
}

/// What an action is done to: what belongs to a host is done on the host of an instance, a queue is
/// worked off by its consumers, and how often somebody is asked is set where the asking is done.
fn place(verb: Verb, target: &str, world: &World) -> String {
    match verb {
        Verb::FreeDisk | Verb::SyncClock => {
            let replica = world.view().replicas.into_iter().find(|replica| replica.entity == target);
            replica.map_or_else(|| target.to_owned(), |replica| format!("host:{}", replica.node))
        }
        // More hands for a queue are more of those who work it off.
        Verb::ScaleOut | Verb::ScaleIn if target == world.topology().queue.name => {
            world.topology().queue.consumer.clone()
        }
        Verb::CapRetries if !target.contains("->") => {
            let services = &world.topology().services;
            let calls = |call: &CallSpec| call.callee == target;
            let caller = services.iter().find(|service| service.calls.iter().any(calls));
            caller.map_or_else(|| target.to_owned(), |caller| format!("{}->{target}", caller.name))
        }
        _ => target.to_owned(),
    }
}

impl Environment for Fleet {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        let now = self.world.now();
        if now >= self.horizon {
            return Ok(Next::End);
        }
        let exports = self.world.advance((now + STEP).min(self.horizon));
        self.hear();
        let completions = std::mem::take(&mut self.told);
        let end = self.world.now() >= self.horizon;
        let mut round = Round { completions, reached: Some(self.timestamp()), end, ..Round::default() };
        let mut rows = Rows::default();
        for export in exports {
            round.bytes += export.line.len() as u64;
            if let Err(error) = otlp_json::decode(export.line.as_bytes(), &mut rows) {
                round.rejects.push(Reject {
                    origin: "fleet".to_owned(),
                    reason: error.to_string(),
                    bytes: export.line.into_bytes(),
                    ..Reject::default()
                });
            }
        }
        round.telemetry = rows.take();
        Ok(Next::Round(round))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        for command in commands {
            self.do_what_it_says(command);
        }
    }

    fn position(&self) -> String {
        serde_json::json!({ "simulated_to": self.world.now() }).to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let text = format!("an episode is played from its beginning, not from {position}");
        Err(EnvironmentError::Foreign(text))
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable::Rounds
    }
}
