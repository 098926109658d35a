//! A policy in an episode, with everything written down that the scorer wants: what each action did
//! is measured by playing the same future with and without it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    seeded::{self, Bug},
    series::Entity,
};

use super::{
    action::Request,
    baseline::{Policy, ROUND},
    clock::{Nanos, SECOND},
    episode::{JUDGED, SETTLE, judge},
    fault::Truth,
    oracle::oracle,
    score::{Cause, Episode, Event, EventKind},
    service::Process,
    world::{Setup, World},
};

/// For how long an action's harm is looked at, with nobody else acting.
const LOOKED_AT: Nanos = 600 * SECOND;
/// How much more load plays a trigger again, and for how long.
const TRIGGER: f64 = 3.0;
const TRIGGER_LASTS: Nanos = 20 * SECOND;
/// How long the fleet has to get over it, and what is looked at then.
const GETS_OVER: Nanos = 120 * SECOND;
const LOOKED_AT_THEN: Nanos = 30 * SECOND;

impl World {
    /// Whether as many replicas answer as were there at the start, but for one in each service, and
    /// no protection is off and nobody is turned away.
    #[must_use]
    pub fn restored(&self) -> bool {
        let whole = (0..self.services.len()).all(|service| {
            let ready = self.services[service].replicas.iter().filter(|place| {
                let replica = &self.replicas[**place as usize];
                replica.process == Process::Ready && !replica.ejected
            });
            let wanted = self.topology.services[service].replicas;
            ready.count() as u32 >= wanted.saturating_sub(1).max(1)
        });
        whole && self.ledger.unprotected == 0 && self.shed() <= 0.0
    }

    /// Whether the fleet gets over a burst of load: a loop that still feeds itself does not.
    #[must_use]
    pub fn gets_over_a_burst(&self) -> bool {
        let mut fork = self.clone();
        fork.mute();
        fork.arrivals.surge *= TRIGGER;
        fork.advance(fork.now + TRIGGER_LASTS);
        fork.arrivals.surge /= TRIGGER;
        let calm = fork.now + GETS_OVER;
        fork.advance(calm + LOOKED_AT_THEN + 5 * SECOND);
        fork.bad_seconds(calm, calm + LOOKED_AT_THEN).len() <= 2
    }
}

/// Name of an action as the scorer compares it.
#[must_use]
pub fn action_name(request: &Request) -> String {
    let undo = if request.undo { "undo " } else { "" };
    format!("{undo}{} {}", request.verb.slug(), request.target)
}

/// Names under which a remedy is accepted: on the way between two, or on the far end of that way.
fn names(request: &Request) -> Vec<String> {
    let far = request.target.as_str().split_once("->").map(|(_, callee)| {
        let far = Request { target: Entity(callee.to_owned()), ..request.clone() };
        action_name(&far)
    });
    std::iter::once(action_name(request)).chain(far).collect()
}

/// Other names of the place where the fault is: the node that a replica's trouble comes from, the far end
/// of a way, the queue of a partition, and of the way between the only two zones the other zone.
fn other_names(truth: &Truth, world: &World, index: usize) -> Vec<String> {
    let place = truth.component.as_str();
    let node = world.injected_node(index).filter(|_| matches!(truth.cause.as_str(), "node" | "network"));
    let callee = place.split_once("->").map(|(_, callee)| callee.to_owned());
    let of_queue = matches!(truth.cause.as_str(), "record" | "consumer");
    let queue = of_queue.then(|| world.topology().queue.name.clone());
    let zone = place.strip_prefix("zone:").and_then(|zone| zone.parse::<u32>().ok());
    let other_end = zone.filter(|_| world.topology().zones == 2).map(|zone| format!("zone:{}", 1 - zone));
    node.into_iter().chain(callee).chain(queue).chain(other_end).collect()
}

/// A fault of the scenario in the words of the scorer; none if it has not begun.
fn cause_of(world: &World, index: usize) -> Option<Cause> {
    let truth = world.truth_of(index)?;
    Some(Cause {
        also: other_names(&truth, world, index),
        code: truth.code,
        component: truth.component,
        cause: truth.cause,
        path: truth.path,
        injected: truth.injected_at as f64 / 1e9,
        observable: truth.observable_at as f64 / 1e9,
        acceptable: world.remedies_of(index).iter().flatten().flat_map(names).collect(),
        healable: true,
    })
}

/// What an action costs users beyond waiting, and whether it broke what cannot be mended.
#[must_use]
pub fn harm(world: &World, request: &Request) -> (f64, bool) {
    let (mut with, mut without) = (world.clone(), world.clone());
    with.apply(request);
    if seeded::on(Bug::HarmBesideItself) {
        without.apply(request);
    }
    let (from, to) = (world.now(), world.now() + LOOKED_AT);
    for fork in [&mut with, &mut without] {
        fork.mute();
        fork.advance(to + 5 * SECOND);
    }
    let (a, b) = (with.breaches(), without.breaches());
    let broke = a.lost_writes > b.lost_writes || a.unprotected > b.unprotected;
    (with.loss(from, to).of_users() - without.loss(from, to).of_users(), broke)
}

/// What an episode costs with nobody, and with who knows the truth: what a healer is held against.
/// It is the same for all healers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Yardstick {
    /// The truth.
    pub cause: Cause,
    /// Loss with nobody, in seconds of all users.
    pub nothing: f64,
    /// Loss with who knows the truth and may act as soon as telemetry could show it.
    pub oracle: f64,
    /// Whether who knows the truth waits.
    pub waits: bool,
}

impl Yardstick {
    /// Measures it from the world at the onset of its first fault; none if it has none.
    #[must_use]
    pub fn of(onset: &World) -> Option<Self> {
        let truth = onset.truth_of(0)?;
        let cause = cause_of(onset, 0)?;
        let nothing = judge(onset.clone()).total();
        let mut informed = onset.clone();
        informed.mute();
        informed.advance(truth.observable_at);
        informed.without_mishap();
        let best = oracle(&informed);
        Some(Self { cause, nothing, oracle: best.loss.total(), waits: best.steps.is_empty() })
    }
}

/// Does what a healer asks for, and gives it for the log with what it did, measured by forks.
pub fn act(world: &mut World, request: &Request) -> Event {
    let (harm, irreversible) = if request.verb.changes() { harm(world, request) } else { (0.0, false) };
    let mut event = unmeasured(world, request);
    if let EventKind::Action { harm: measured, irreversible: broke, .. } = &mut event.kind {
        *measured = Some(harm);
        *broke = irreversible;
    }
    world.apply(request);
    event
}

/// What a healer asks for, for the log, with nobody measuring what it did.
#[must_use]
pub fn unmeasured(world: &World, request: &Request) -> Event {
    Event {
        at: world.now() as f64 / 1e9,
        kind: EventKind::Action {
            name: action_name(request),
            target: request.target.to_string(),
            changes: request.verb.changes(),
            undo: request.undo,
            harm: None,
            irreversible: false,
            unnecessary: false,
        },
    }
}

/// An episode that was played to its end, for the scorer.
#[must_use]
pub fn played(world: World, yardstick: &Yardstick, mut log: Vec<Event>) -> Episode {
    for event in &mut log {
        if let EventKind::Action { unnecessary, changes: true, .. } = &mut event.kind {
            *unnecessary = yardstick.waits;
        }
    }
    let end = world.onset() + JUDGED;
    let mut settled = world;
    settled.mute();
    settled.advance(end + SETTLE);
    // What begins only if somebody lets it is a matter of each run.
    let others: Vec<Cause> =
        (1..settled.fault_count()).filter_map(|index| cause_of(&settled, index)).collect();
    let loops = others.iter().chain([&yardstick.cause]).any(|cause| cause.cause == "feedback");
    Episode {
        cause: Some(yardstick.cause.clone()),
        others,
        horizon: end as f64 / 1e9,
        bad_seconds: settled.bad_seconds(0, end),
        restored: settled.restored() && (!loops || settled.gets_over_a_burst()),
        loss: judge(settled).total(),
        loss_nothing: yardstick.nothing,
        loss_oracle: yardstick.oracle,
        log,
    }
}

/// Lets a policy look after a world up to `end`, and gives what it did.
pub fn play_noted(world: &mut World, policy: &mut dyn Policy, end: Nanos) -> Vec<Event> {
    let mut log = Vec::new();
    while world.now() < end {
        world.advance(world.now() + ROUND);
        let view = world.view();
        for request in policy.decide(world.now(), &view, world.changes()) {
            log.push(act(world, &request));
        }
    }
    log
}

/// Plays an episode with a policy and writes down what the scorer needs.
#[must_use]
pub fn play_scored(setup: &Arc<Setup>, yardstick: &Yardstick, policy: &mut dyn Policy) -> Episode {
    let mut world = World::new(setup);
    let end = world.onset() + JUDGED;
    let log = play_noted(&mut world, policy, end);
    played(world, yardstick, log)
}

/// Time without a fault that was played up to now, for the scorer.
#[must_use]
pub fn played_quietly(world: &World, log: Vec<Event>) -> Episode {
    let loss = world.loss(0, world.now()).total();
    Episode {
        cause: None,
        others: Vec::new(),
        horizon: world.now() as f64 / 1e9,
        bad_seconds: world.bad_seconds(0, world.now()),
        restored: world.restored(),
        loss,
        loss_nothing: loss,
        loss_oracle: loss,
        log,
    }
}

/// The world at the onset of its first fault, with nobody acting.
#[must_use]
pub fn onset(setup: &Arc<Setup>) -> World {
    let mut world = World::new(setup);
    world.mute();
    world.advance(world.onset());
    world
}
