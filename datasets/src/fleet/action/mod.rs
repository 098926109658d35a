//! The 27 control actions: what is asked for, how long it takes, how it fails, and the executor's
//! own book of what was done. An executor calls [`World::apply`] and [`World::poll`].
//!
//! | file | what |
//! |---|---|
//! | `mod` | requests, handles, outcomes; at most one effect for a key, none for an old token |
//! | `verb` | names, delays, probabilities, costs |
//! | `effect` | what actions do to services, replicas and nodes |
//! | `data` | what they do to databases, queues, caches and books |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::series::Entity;

use super::{
    clock::{Event, MILLISECOND, Nanos},
    world::World,
};
use crate::random::Stream;

mod data;
mod effect;
mod verb;

pub use verb::{Profile, Verb};

/// What an executor is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// At most one effect for a key.
    pub key: String,
    /// What.
    pub verb: Verb,
    /// The other way round: undrain, scale back, close the circuit.
    pub undo: bool,
    /// On what: `payment`, `payment/payment-1`, `host:node-3`, `zone:1`, `payment->bank`,
    /// `orders/3`, `tenant:7`, `key:17`.
    pub target: Entity,
    /// Arguments by name.
    pub parameters: BTreeMap<String, String>,
    /// A token below the newest that was seen for the target is refused.
    pub token: u64,
    /// Nothing begins after this.
    pub expires: Option<Nanos>,
}

impl Request {
    /// A request without arguments.
    #[must_use]
    pub fn new(key: &str, verb: Verb, target: &str) -> Self {
        Self {
            key: key.to_owned(),
            verb,
            undo: false,
            target: Entity(target.to_owned()),
            parameters: BTreeMap::new(),
            token: 0,
            expires: None,
        }
    }

    /// The same with one argument more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// An argument.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// An argument that is a number.
    pub(crate) fn number(&self, name: &str, default: f64) -> f64 {
        self.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// Reads `verb target name=value …`; `undo` before it turns it round.
    ///
    /// # Errors
    /// If it is not of that form.
    pub fn parse(key: &str, text: &str) -> Result<Self, RequestError> {
        let malformed = || RequestError(text.to_owned());
        let mut words = text.split_whitespace().peekable();
        let undo = words.next_if_eq(&"undo").is_some();
        let verb = words.next().and_then(Verb::from_slug).ok_or_else(malformed)?;
        let target = words.next().ok_or_else(malformed)?;
        let mut request = Self { undo, ..Self::new(key, verb, target) };
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(malformed)?;
            request = request.with(name, value);
        }
        Ok(request)
    }
}

/// A request that is not written as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no action; write `[undo] verb target [name=value …]` with one of the 27 verbs")]
pub struct RequestError(pub String);

/// What was asked for, to ask again how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle(pub(crate) u32);

/// What becomes of an action that ought to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It fails, and says so.
    Fails,
    /// It says that it worked, and did nothing.
    Pretends,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not over.
    Pending,
    /// Done, says the executor.
    Succeeded,
    /// Some of it was done.
    Partial,
    /// Nothing was done.
    Failed(String),
    /// It will not be done: old token, expired, no such target.
    Refused(String),
}

/// Something that an action did: the witness that it was done once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// When it began.
    pub at: Nanos,
    /// What was asked for.
    pub request: Request,
}

#[derive(Clone, Debug)]
struct Entry {
    request: Request,
    fails: bool,
    pretends: bool,
    partial: bool,
    outcome: Outcome,
}

/// The executor's book.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hands {
    entries: Vec<Entry>,
    by_key: BTreeMap<String, u32>,
    tokens: BTreeMap<Entity, u64>,
    effects: Vec<Effect>,
    /// What becomes of the next action that is to change something after a fault.
    mishap: Option<Mishap>,
}

impl Hands {
    pub(crate) fn new(mishap: Option<Mishap>) -> Self {
        Self { mishap, ..Self::default() }
    }
}

impl World {
    /// Asks for an action at the present instant.
    pub fn apply(&mut self, request: &Request) -> Handle {
        if let Some(known) = self.hands.by_key.get(&request.key) {
            let failed = matches!(self.hands.entries[*known as usize].outcome, Outcome::Failed(_));
            if !failed {
                return Handle(*known);
            }
        }
        let index = self.hands.entries.len() as u32;
        let attempts = self.hands.entries.iter().filter(|entry| entry.request.key == request.key).count();
        let mut draw = Stream::of(self.seed, &format!("{}#{attempts}", request.key), "action");
        let profile = request.verb.profile();
        let newest = self.hands.tokens.get(&request.target).copied().unwrap_or_default();
        let refusal = if request.token < newest {
            Some(format!("token {} is older than {newest}", request.token))
        } else if request.expires.is_some_and(|expires| expires < self.now) {
            Some("it has expired".to_owned())
        } else {
            self.unknown_target(request)
        };
        let faulty = self.setup.actions_fail;
        let (fails, pretends) = (draw.chance(profile.fails), draw.chance(profile.pretends));
        let partial = draw.chance(profile.partial);
        let mishap = if refusal.is_none() { self.mishap_of(request) } else { None };
        self.hands.entries.push(Entry {
            request: request.clone(),
            fails: (fails && faulty) || mishap == Some(Mishap::Fails),
            pretends: (pretends && faulty) || mishap == Some(Mishap::Pretends),
            partial: partial && faulty,
            outcome: refusal.map_or(Outcome::Pending, Outcome::Refused),
        });
        self.hands.by_key.insert(request.key.clone(), index);
        if self.hands.entries[index as usize].outcome == Outcome::Pending {
            self.hands.tokens.insert(request.target.clone(), request.token);
            // What starts processes takes its time process by process.
            let delay = if request.verb.rolls() { 50 * MILLISECOND } else { profile.draw(&mut draw) };
            self.heap.push(self.now + delay, Event::Act(index));
        }
        Handle(index)
    }

    /// What becomes of a request by the scenario, once.
    fn mishap_of(&mut self, request: &Request) -> Option<Mishap> {
        let begun = self.injected.iter().any(|injected| injected.begun.is_some());
        if begun && request.verb.changes() { self.hands.mishap.take() } else { None }
    }

    /// Nothing that is done from here on goes wrong by the scenario.
    pub(crate) const fn without_mishap(&mut self) {
        self.hands.mishap = None;
    }

    /// How an action went so far.
    #[must_use]
    pub fn poll(&self, handle: Handle) -> Outcome {
        let unknown = || Outcome::Refused("there is no such action".to_owned());
        self.hands.entries.get(handle.0 as usize).map_or_else(unknown, |entry| entry.outcome.clone())
    }

    /// What was asked for under a key, if anything was.
    #[must_use]
    pub fn handle_of(&self, key: &str) -> Option<Handle> {
        self.hands.by_key.get(key).copied().map(Handle)
    }

    /// What actions did so far.
    #[must_use]
    pub fn effects(&self) -> &[Effect] {
        &self.hands.effects
    }

    /// An action takes effect, fails, or pretends.
    pub(crate) fn act(&mut self, index: u32) {
        let entry = &self.hands.entries[index as usize];
        let (request, partial) = (entry.request.clone(), entry.partial);
        if entry.fails {
            let failed = Outcome::Failed(format!("could not {} {}", request.verb.slug(), request.target));
            self.hands.entries[index as usize].outcome = failed;
            return;
        }
        if request.expires.is_some_and(|expires| expires < self.now) {
            self.hands.entries[index as usize].outcome = Outcome::Refused("it has expired".to_owned());
            return;
        }
        if entry.pretends || request.verb == Verb::Wait {
            return self.conclude(index);
        }
        self.hands.effects.push(Effect { at: self.now, request: request.clone() });
        self.ledger.effects += 1;
        self.levels.cost += request.verb.profile().cost;
        self.mix(u64::from(index) ^ self.now ^ ((request.verb as u64) << 40));
        let rolls = self.take_effect(&request, index, partial);
        if !rolls {
            self.conclude(index);
        }
    }

    /// An action is over.
    pub(crate) fn conclude(&mut self, index: u32) {
        // What a person does has no entry.
        let Some(entry) = self.hands.entries.get_mut(index as usize) else { return };
        if entry.outcome == Outcome::Pending {
            entry.outcome = if entry.partial { Outcome::Partial } else { Outcome::Succeeded };
        }
    }
}
