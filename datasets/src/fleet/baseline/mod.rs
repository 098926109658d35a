//! Policies that know nothing of this engine, to compare it with: they see what a dashboard shows.
//!
//! | policy | what it does |
//! |---|---|
//! | B0 | nothing |
//! | B1 | restarts the service that looks worst |
//! | B2 | what a cluster does by itself: restarts the dead, adds replicas where all are busy |
//! | B3 | a runbook of fixed thresholds |
//! | B4 | restarts everything, one service after the other, for ever |
//! | B5 | something at random that is held to be safe |

use std::collections::BTreeMap;

use super::{
    action::{Request, Verb},
    change::{Change, ChangeEntry},
    clock::{Nanos, SECOND},
    view::{ReplicaView, View},
    world::World,
};
use crate::random::Stream;

/// Somebody who looks and acts.
pub trait Policy {
    /// Name in tables.
    fn name(&self) -> &'static str;

    /// Sees the last window and what was changed so far, and says what to do. Asked every ten seconds.
    fn decide(&mut self, now: Nanos, view: &View, changes: &[ChangeEntry]) -> Vec<Request>;
}

/// How often a policy is asked.
pub const ROUND: Nanos = 10 * SECOND;

/// Lets a policy look after a world until `to`.
pub fn play(world: &mut World, policy: &mut dyn Policy, to: Nanos) {
    while world.now() < to {
        world.advance(world.now() + ROUND);
        let view = world.view();
        for request in policy.decide(world.now(), &view, world.changes()) {
            world.apply(&request);
        }
    }
}

/// What is usual: the mean latency of each service in the first windows.
#[derive(Clone, Debug, Default)]
struct Usual {
    latency: BTreeMap<String, f64>,
    windows: u32,
}

/// Windows from which the usual is learnt.
const LEARNT_FROM: u32 = 5;

impl Usual {
    fn learn(&mut self, view: &View) -> bool {
        if self.windows >= LEARNT_FROM {
            return false;
        }
        for (service, (_, latency)) in by_service(view) {
            let mean = self.latency.entry(service).or_default();
            *mean += latency / f64::from(LEARNT_FROM);
        }
        self.windows += 1;
        true
    }

    /// How bad a service looks: 0 is as usual.
    fn badness(&self, service: &str, errors: f64, latency: f64) -> f64 {
        let usual = self.latency.get(service).copied().unwrap_or(latency).max(1e-3);
        10.0 * errors + (latency / usual - 1.0).max(0.0)
    }
}

/// Errors and latency of each service, by requests.
fn by_service(view: &View) -> BTreeMap<String, (f64, f64)> {
    let mut sums: BTreeMap<String, (f64, f64, f64)> = BTreeMap::new();
    for replica in &view.replicas {
        let sum = sums.entry(replica.service.clone()).or_default();
        let requests = f64::from(replica.requests);
        sum.0 += requests;
        sum.1 += requests * replica.errors;
        sum.2 += requests * replica.latency;
    }
    sums.into_iter()
        .map(|(name, (n, errors, latency))| (name, (errors / n.max(1.0), latency / n.max(1.0))))
        .collect()
}

/// Whether users have reason to complain, as far as the door shows.
fn users_suffer(view: &View, usual: &Usual) -> bool {
    let services = by_service(view);
    services
        .get("frontend")
        .is_some_and(|(errors, latency)| *errors > 0.01 || usual.badness("frontend", 0.0, *latency) > 0.5)
}

/// B0.
#[derive(Clone, Debug, Default)]
pub struct Nothing;

impl Policy for Nothing {
    fn name(&self) -> &'static str {
        "B0 nothing"
    }

    fn decide(&mut self, _: Nanos, _: &View, _: &[ChangeEntry]) -> Vec<Request> {
        Vec::new()
    }
}

/// B1.
#[derive(Clone, Debug, Default)]
pub struct NaiveRestart {
    usual: Usual,
    not_before: Nanos,
}

impl Policy for NaiveRestart {
    fn name(&self) -> &'static str {
        "B1 restart the worst"
    }

    fn decide(&mut self, now: Nanos, view: &View, _: &[ChangeEntry]) -> Vec<Request> {
        if self.usual.learn(view) || now < self.not_before || !users_suffer(view, &self.usual) {
            return Vec::new();
        }
        let services = by_service(view);
        let worst = services
            .iter()
            .map(|(name, (errors, latency))| (self.usual.badness(name, *errors, *latency), name))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        self.not_before = now + 60 * SECOND;
        let request = |name: &String| Request::new(&format!("b1/{now}"), Verb::RollingRestart, name);
        worst.map(|(_, name)| request(name)).into_iter().collect()
    }
}

/// B2.
#[derive(Clone, Debug, Default)]
pub struct ClusterLike {
    down_since: BTreeMap<String, Nanos>,
    busy_rounds: BTreeMap<String, u32>,
    scaled: BTreeMap<String, u32>,
}

impl Policy for ClusterLike {
    fn name(&self) -> &'static str {
        "B2 like a cluster"
    }

    fn decide(&mut self, now: Nanos, view: &View, _: &[ChangeEntry]) -> Vec<Request> {
        let mut requests = Vec::new();
        for replica in &view.replicas {
            if replica.up {
                self.down_since.remove(&replica.entity);
                continue;
            }
            let since = *self.down_since.entry(replica.entity.clone()).or_insert(now);
            // 340 s until a node is given up; a process is started anew after half a minute.
            if now >= since + 30 * SECOND {
                self.down_since.insert(replica.entity.clone(), now + 60 * SECOND);
                requests.push(Request::new(
                    &format!("b2/{now}/{}", replica.entity),
                    Verb::Restart,
                    &replica.entity,
                ));
            }
        }
        let mut busy: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for replica in &view.replicas {
            let sum = busy.entry(&replica.service).or_default();
            sum.0 += 1.0;
            sum.1 += replica.busy;
        }
        for (service, (count, sum)) in busy {
            let rounds = self.busy_rounds.entry(service.to_owned()).or_default();
            *rounds = if sum / count > 0.8 { *rounds + 1 } else { 0 };
            let scaled = self.scaled.entry(service.to_owned()).or_default();
            if *rounds >= 3 && *scaled < 3 {
                *rounds = 0;
                *scaled += 1;
                requests.push(Request::new(&format!("b2/{now}/{service}"), Verb::ScaleOut, service));
            }
        }
        requests
    }
}

/// B3.
#[derive(Clone, Debug, Default)]
pub struct Runbook {
    usual: Usual,
    done: BTreeMap<String, Nanos>,
}

impl Runbook {
    fn once(&mut self, now: Nanos, verb: Verb, target: &str) -> Option<Request> {
        let key = format!("{}/{target}", verb.slug());
        let recent = self.done.get(&key).is_some_and(|at| now < *at + 300 * SECOND);
        (!recent).then(|| {
            self.done.insert(key, now);
            Request::new(&format!("b3/{now}/{target}"), verb, target)
        })
    }
}

impl Policy for Runbook {
    fn name(&self) -> &'static str {
        "B3 runbook"
    }

    fn decide(&mut self, now: Nanos, view: &View, changes: &[ChangeEntry]) -> Vec<Request> {
        if self.usual.learn(view) {
            return Vec::new();
        }
        let mut requests = Vec::new();
        if view.backlog > 100 {
            requests.extend(self.once(now, Verb::ScaleOut, "fulfilment"));
        }
        let down: Vec<&ReplicaView> = view.replicas.iter().filter(|replica| !replica.up).collect();
        for replica in down {
            requests.extend(self.once(now, Verb::Restart, &replica.entity));
        }
        if !users_suffer(view, &self.usual) {
            return requests;
        }
        let recent = changes.iter().rev().find(|change| now < change.at + 300 * SECOND);
        match recent {
            Some(change) if change.change == Change::Deploy => {
                requests.extend(self.once(now, Verb::RollbackDeploy, &change.service));
            }
            Some(change) if matches!(change.change, Change::Configuration | Change::Flag) => {
                requests.extend(self.once(now, Verb::RollbackConfig, &change.service));
            }
            _ => {
                let services = by_service(view);
                let outlier = view.replicas.iter().find(|replica| {
                    let mean = services.get(&replica.service).map_or(0.0, |service| service.1);
                    replica.requests > 0 && replica.latency > 2.0 * mean && replica.latency > 0.3
                });
                if let Some(replica) = outlier {
                    requests.extend(self.once(now, Verb::Drain, &replica.entity));
                }
            }
        }
        requests
    }
}

/// B4.
#[derive(Clone, Debug, Default)]
pub struct RestartLoop {
    usual: Usual,
    next: usize,
    not_before: Nanos,
}

impl Policy for RestartLoop {
    fn name(&self) -> &'static str {
        "B4 restart everything"
    }

    fn decide(&mut self, now: Nanos, view: &View, _: &[ChangeEntry]) -> Vec<Request> {
        // It too stops when users are content.
        if self.usual.learn(view) || now < self.not_before || !users_suffer(view, &self.usual) {
            return Vec::new();
        }
        let names: Vec<String> = by_service(view).into_keys().collect();
        let Some(name) = names.get(self.next % names.len().max(1)) else { return Vec::new() };
        self.next += 1;
        self.not_before = now + 20 * SECOND;
        vec![Request::new(&format!("b4/{now}"), Verb::Restart, name)]
    }
}

/// B5.
#[derive(Clone, Debug)]
pub struct RandomSafe {
    draw: Stream,
    usual: Usual,
    not_before: Nanos,
}

impl RandomSafe {
    /// With its own luck.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { draw: Stream::of(seed, "B5", "choices"), usual: Usual::default(), not_before: 0 }
    }
}

impl Policy for RandomSafe {
    fn name(&self) -> &'static str {
        "B5 random but safe"
    }

    fn decide(&mut self, now: Nanos, view: &View, _: &[ChangeEntry]) -> Vec<Request> {
        if self.usual.learn(view) || now < self.not_before || !users_suffer(view, &self.usual) {
            return Vec::new();
        }
        self.not_before = now + 60 * SECOND;
        let Some(replica) = view.replicas.get(self.draw.below(view.replicas.len())) else {
            return Vec::new();
        };
        let (verb, target) = match self.draw.below(5) {
            0 => (Verb::Restart, replica.entity.as_str()),
            1 => (Verb::Drain, replica.entity.as_str()),
            2 => (Verb::RollbackConfig, replica.service.as_str()),
            3 => (Verb::ScaleOut, replica.service.as_str()),
            _ => (Verb::Wait, replica.service.as_str()),
        };
        vec![Request::new(&format!("b5/{now}"), verb, target)]
    }
}
