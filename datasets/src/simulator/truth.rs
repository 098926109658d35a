//! What really happened: never part of the telemetry.

use serde::{Deserialize, Serialize};
use theriac_contract::{incident::FaultClass, plan::Action, series::Entity, time::Timestamp};

use super::{
    clock::{Nanos, SECOND},
    scenario::{Fault, FaultKind},
    service::Process,
    world::World,
};

/// How a fault ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// An action took it away, or took users out of its reach.
    Action,
    /// It went away by itself.
    Itself,
}

/// A verb on a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remedy {
    /// The action.
    pub action: Action,
    /// What it does to the fault.
    pub effect: RemedyEffect,
}

/// What a remedy does to a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyEffect {
    /// It ends the fault or its reach to users.
    Cures,
    /// It helps for a while.
    Relieves,
    /// It is known to do nothing for it.
    Useless,
}

/// A fault as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Place in the scenario's list.
    pub fault: u32,
    /// What went wrong.
    pub kind: FaultKind,
    /// How it behaves.
    pub class: FaultClass,
    /// Where.
    pub entity: Entity,
    /// When it was put in; none before.
    pub injected_at: Option<Timestamp>,
    /// Time of the first collection of telemetry that could show it.
    pub observable_at: Option<Timestamp>,
    /// When it ended; none while it lasts. A fault that comes back because its remedy was
    /// undone has not ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub ending: Option<Ending>,
    /// Seconds, while it was there and until a minute after, in which fewer than 99 % of
    /// the users who came got a good answer within a second.
    pub bad_seconds: u32,
    /// The first of them.
    pub first_bad_at: Option<Timestamp>,
    /// The last of them.
    pub last_bad_at: Option<Timestamp>,
    /// Users who got a wrong answer that looked right, over the same time.
    pub wrong_answers: u64,
    /// Actions and what they do to it.
    pub remedies: Vec<Remedy>,
}

/// Seconds that still count for a fault after it ended: requests and processes recover.
const AFTERMATH: u64 = 60;

impl Truth {
    pub(super) fn new(index: u32, fault: &Fault) -> Self {
        Self {
            fault: index,
            kind: fault.kind,
            class: fault.kind.class(),
            entity: fault.target.clone(),
            injected_at: None,
            observable_at: None,
            ended_at: None,
            ending: None,
            bad_seconds: 0,
            first_bad_at: None,
            last_bad_at: None,
            wrong_answers: 0,
            remedies: remedies(fault),
        }
    }

    /// Whether an action cures it.
    #[must_use]
    pub fn cured_by(&self, action: &Action) -> bool {
        self.remedies.iter().any(|remedy| remedy.effect == RemedyEffect::Cures && remedy.action == *action)
    }
}

fn remedies(fault: &Fault) -> Vec<Remedy> {
    use RemedyEffect::{Cures, Relieves, Useless};
    let target = &fault.target;
    let service = Entity(target.service().to_owned());
    let remedy = |effect, verb: &str, target: &Entity, parameters: &[(&str, &str)]| Remedy {
        action: Action {
            verb: verb.to_owned(),
            target: target.clone(),
            parameters: parameters.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        },
        effect,
    };
    match fault.kind {
        FaultKind::MemoryLeak => {
            vec![remedy(Cures, "rollback_deploy", &service, &[]), remedy(Relieves, "restart", &service, &[])]
        }
        FaultKind::BadDeploy => {
            vec![remedy(Cures, "rollback_deploy", &service, &[]), remedy(Useless, "restart", &service, &[])]
        }
        FaultKind::CrashLoop => vec![
            remedy(Cures, "isolate", target, &[]),
            remedy(Cures, "restart", target, &[("fresh", "true")]),
            remedy(Useless, "restart", target, &[]),
        ],
        FaultKind::SlowDependency => vec![
            remedy(Cures, "open_circuit", &service, &[]),
            remedy(Useless, "restart", &caller_of(&service), &[]),
        ],
        FaultKind::ErrorBurst => {
            vec![remedy(Cures, "wait", &service, &[]), remedy(Useless, "restart", &service, &[])]
        }
        FaultKind::ByzantineReplica => vec![
            remedy(Cures, "isolate", target, &[]),
            remedy(Cures, "restart", target, &[("fresh", "true")]),
            remedy(Useless, "restart", target, &[]),
        ],
        FaultKind::CpuSaturation => vec![remedy(Cures, "drain", target, &[])],
        FaultKind::TrafficSurge => vec![remedy(Relieves, "scale_out", &service, &[])],
    }
}

fn caller_of(service: &Entity) -> Entity {
    Entity(
        match service.as_str() {
            "bank" => "payment",
            "database" => "catalog",
            _ => "shop",
        }
        .to_owned(),
    )
}

/// Users served and content, by the second in which they came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Levels {
    /// The last seconds: number, users, content users, wrong answers.
    seconds: [(u64, u32, u32, u32); 16],
    /// Seconds in which too few were content.
    pub(super) bad: Vec<u32>,
    pub(super) users: u64,
    pub(super) content: u64,
}

impl Levels {
    pub(super) fn new() -> Self {
        Self { seconds: [(0, 0, 0, 0); 16], bad: Vec::new(), users: 0, content: 0 }
    }

    pub(super) fn arrived(&mut self, now: Nanos) {
        let second = now / SECOND;
        let slot = &mut self.seconds[(second % 16) as usize];
        if slot.0 != second {
            *slot = (second, 0, 0, 0);
        }
        slot.1 += 1;
        self.users += 1;
    }

    /// A user who came at `arrived` got an answer. Answers that come much later count as bad.
    pub(super) fn answered(&mut self, arrived: Nanos, content: bool, wrong: bool) {
        let second = arrived / SECOND;
        let slot = &mut self.seconds[(second % 16) as usize];
        if slot.0 == second {
            slot.2 += u32::from(content);
            slot.3 += u32::from(wrong);
        }
        self.content += u64::from(content);
    }
}

impl World {
    /// A second is over: judge the one of which every answer in time is known, and see
    /// which faults still stand.
    pub(super) fn judge_second(&mut self) {
        let Some(second) = (self.now / SECOND).checked_sub(3) else { return };
        let (number, users, content, wrong) = self.levels.seconds[(second % 16) as usize];
        let bad = number == second && users > 0 && f64::from(content) < 0.99 * f64::from(users);
        if bad {
            self.levels.bad.push(second as u32);
        }
        let wrong = if number == second { wrong } else { 0 };
        let at = self.timestamp(second * SECOND);
        let now = self.timestamp(self.now);
        for index in 0..self.truth.len() {
            let stands = self.stands(index);
            let truth = &mut self.truth[index];
            let Some(injected) = truth.injected_at else { continue };
            if at.0 + SECOND as i64 >= injected.0
                && truth.ended_at.is_none_or(|end| at.0 < end.0 + (AFTERMATH * SECOND) as i64)
            {
                truth.bad_seconds += u32::from(bad);
                if truth.kind == FaultKind::ByzantineReplica {
                    truth.wrong_answers += u64::from(wrong);
                }
                if bad {
                    truth.first_bad_at.get_or_insert(at);
                    truth.last_bad_at = Some(at);
                }
            }
            let by_itself = self.over[index];
            if stands {
                truth.ended_at = None;
                truth.ending = None;
            } else if truth.ended_at.is_none() {
                truth.ended_at = Some(now);
                truth.ending = Some(if by_itself { Ending::Itself } else { Ending::Action });
            }
        }
    }

    /// Whether an injected fault can still reach users.
    fn stands(&self, index: usize) -> bool {
        let id = index as u32;
        let truth = &self.truth[index];
        if truth.injected_at.is_none() || self.over[index] {
            return false;
        }
        match truth.kind {
            FaultKind::MemoryLeak | FaultKind::BadDeploy => {
                let Some(service) = self.service_index(truth.entity.service()) else { return false };
                let carries =
                    |version: u32| self.services[service].versions[version as usize].fault == Some(id);
                let runs = |replica: &&u32| {
                    let replica = &self.replicas[**replica as usize];
                    replica.process != Process::Gone && carries(replica.version)
                };
                carries(self.services[service].current())
                    || self.services[service].replicas.iter().any(|replica| runs(&replica))
            }
            FaultKind::CrashLoop => self
                .replicas
                .iter()
                .any(|r| r.corrupt == Some(id) && !r.isolated && r.process != Process::Gone),
            FaultKind::ByzantineReplica => {
                self.replicas.iter().any(|r| r.lies == Some(id) && !r.isolated && r.process != Process::Gone)
            }
            FaultKind::SlowDependency => {
                let Some(callee) = self.service_index(truth.entity.service()) else { return false };
                self.edges.iter().zip(&self.services).any(|(callees, service)| {
                    callees.iter().zip(&service.circuits).any(|(to, c)| *to == callee as u32 && !c.open)
                })
            }
            FaultKind::CpuSaturation => self.replicas.iter().any(|r| {
                self.hosts[r.host as usize].fault == Some(id) && !r.isolated && r.process != Process::Gone
            }),
            FaultKind::ErrorBurst | FaultKind::TrafficSurge => true,
        }
    }

    /// Telemetry is collected: what was touched since can be seen in it.
    pub(super) fn note_observable(&mut self) {
        let at = self.timestamp(self.now);
        self.touched.sort_unstable();
        self.touched.dedup();
        for fault in self.touched.drain(..) {
            if let Some(truth) = self.truth.get_mut(fault as usize) {
                truth.observable_at.get_or_insert(at);
            }
        }
    }
}
