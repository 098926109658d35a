//! A policy in an episode, with everything written down that the scorer wants: what each action did
//! is measured by playing the same future with and without it.

use std::sync::Arc;

use super::{
    action::Request,
    baseline::{Policy, ROUND},
    clock::{Nanos, SECOND},
    episode::{FAULT_AT, JUDGED, judge, setup},
    fault::Record,
    oracle::oracle,
    score::{Cause, Episode, Event, EventKind},
    service::Process,
    topology::Topology,
    world::World,
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
        whole && self.ledger.unprotected == 0 && self.services[0].shed <= 0.0
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

/// What an action costs users beyond waiting, and whether it broke what cannot be mended.
#[must_use]
pub fn harm(world: &World, request: &Request) -> (f64, bool) {
    let (mut with, mut without) = (world.clone(), world.clone());
    with.apply(request);
    let (from, to) = (world.now(), world.now() + LOOKED_AT);
    for fork in [&mut with, &mut without] {
        fork.mute();
        fork.advance(to + 5 * SECOND);
    }
    let (a, b) = (with.breaches(), without.breaches());
    let broke = a.lost_writes > b.lost_writes || a.unprotected > b.unprotected;
    (with.loss(from, to).of_users() - without.loss(from, to).of_users(), broke)
}

/// Plays an episode with a policy and writes down what the scorer needs.
#[must_use]
pub fn play_scored(
    record: &'static Record,
    seed: u64,
    topology: &Arc<Topology>,
    policy: &mut dyn Policy,
) -> Episode {
    let (end, settled) = (FAULT_AT + JUDGED, FAULT_AT + JUDGED + 15 * SECOND);
    let mut world = World::new(&setup(record, seed, topology));
    let mut log = Vec::new();
    let mut nothing = None;
    while world.now() < end {
        world.advance(world.now() + ROUND);
        if nothing.is_none() && world.now() >= FAULT_AT {
            nothing = Some(world.clone());
        }
        let view = world.view();
        for request in policy.decide(world.now(), &view, world.changes()) {
            let (harm, irreversible) =
                if request.verb.changes() { harm(&world, &request) } else { (0.0, false) };
            log.push(Event {
                at: world.now() as f64 / 1e9,
                kind: EventKind::Action {
                    name: action_name(&request),
                    target: request.target.to_string(),
                    changes: request.verb.changes(),
                    undo: request.undo,
                    harm: Some(harm),
                    irreversible,
                    unnecessary: false,
                },
            });
            world.apply(&request);
        }
    }
    world.advance(settled);
    let loss = judge(world.clone());
    let onset = nothing.unwrap_or_else(|| world.clone());
    let alone = judge(onset.clone());
    let truth = onset.truth().into_iter().next();
    let mut informed = onset.clone();
    informed.mute();
    informed.advance(truth.as_ref().map_or(FAULT_AT, |truth| truth.observable_at));
    let best = oracle(&informed);
    let acceptable = onset.remedies_of(0).iter().flatten().map(action_name).collect();
    let loops = record.cause == "feedback";
    Episode {
        cause: truth.map(|truth| Cause {
            code: truth.code,
            component: truth.component,
            cause: truth.cause,
            path: truth.path,
            injected: truth.injected_at as f64 / 1e9,
            observable: truth.observable_at as f64 / 1e9,
            acceptable,
            healable: true,
        }),
        horizon: end as f64 / 1e9,
        bad_seconds: world.bad_seconds(0, end),
        restored: world.restored() && (!loops || world.gets_over_a_burst()),
        loss: loss.total(),
        loss_nothing: alone.total(),
        loss_oracle: best.loss.total(),
        log,
    }
}
