//! Faults and benign disturbances begin and end. None of this is said in the telemetry,
//! save the changes that people would announce.

use serde::{Deserialize, Serialize};

use super::{
    clock::{Event, Nanos, nanos},
    lifecycle::Rollout,
    scenario::{BenignKind, FaultKind},
    service::{HEAP_BASE, HEAP_LIMIT},
    telemetry::logs::ChangeEvent,
    world::World,
};
use crate::random::Stream;

/// Something that bears on a service or a host for a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Disturbance {
    /// By a fault, or by a benign disturbance.
    cause: Cause,
    service: Option<u32>,
    host: Option<u32>,
    slowness: f64,
    errors: f64,
    surge: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Cause {
    Fault(u32),
    Benign(u32),
}

impl Disturbance {
    const fn by(cause: Cause) -> Self {
        Self { cause, service: None, host: None, slowness: 1.0, errors: 0.0, surge: 1.0 }
    }
}

/// Seconds in which a leak of ordinary strength uses up the memory of a process.
const LEAK_SECONDS: f64 = 240.0;
/// Seconds that a call to a slow dependency takes.
const SLOW_SECONDS: f64 = 1.6;

impl World {
    pub(super) fn begin_fault(&mut self, index: u32) {
        let fault = self.scenario.faults[index as usize].clone();
        let service = self.service_index(fault.target.service());
        let replica = self.replica_index(&fault.target);
        let host = self.host_index(&fault.target).map(|host| host as u32);
        let mut disturbance = Disturbance::by(Cause::Fault(index));
        disturbance.service = service.map(|service| service as u32);
        match (fault.kind, service, replica) {
            (FaultKind::MemoryLeak, Some(service), _) => {
                let replicas = self.services[service].replicas.len().max(1) as f64;
                let rate = self.scenario.load.requests_per_second * self.reach(service) / replicas;
                let room = (HEAP_LIMIT - HEAP_BASE) as f64 * fault.strength;
                let leak = (room / (LEAK_SECONDS * rate.max(0.01))) as u64;
                self.deploy(service, 0.0, 1.0, leak, Some(index));
            }
            (FaultKind::BadDeploy, Some(service), _) => {
                let errors = (0.25 * fault.strength).min(1.0);
                self.deploy(service, errors, 1.0 + 1.5 * fault.strength, 0, Some(index));
            }
            (FaultKind::CrashLoop, _, Some(replica)) => {
                self.replicas[replica].corrupt = Some(index);
                let epoch = self.replicas[replica].epoch;
                self.queue.push(self.now, Event::Crash { replica: replica as u32, epoch });
            }
            (FaultKind::ByzantineReplica, _, Some(replica)) => self.replicas[replica].lies = Some(index),
            (FaultKind::SlowDependency, Some(service), _) => {
                let work = self.scenario.services[service].work_ms.max(0.001) / 1e3;
                disturbance.slowness = (SLOW_SECONDS * fault.strength / work).max(1.0);
                self.disturb(disturbance);
            }
            (FaultKind::ErrorBurst, Some(_), _) => {
                disturbance.errors = (0.35 * fault.strength).min(1.0);
                self.disturb(disturbance);
            }
            (FaultKind::CpuSaturation, _, _) if host.is_some() => {
                disturbance.service = None;
                disturbance.host = host;
                disturbance.slowness = 1.0 + 7.0 * fault.strength;
                self.disturb(disturbance);
            }
            (FaultKind::TrafficSurge, _, _) => {
                disturbance.service = None;
                disturbance.surge = 1.0 + 4.0 * fault.strength;
                self.touched.push(index);
                self.disturb(disturbance);
            }
            // The place does not exist: `Scenario::check` says so.
            _ => return,
        }
        self.truth[index as usize].injected_at = Some(self.timestamp(self.now));
        let lasting = matches!(
            fault.kind,
            FaultKind::MemoryLeak | FaultKind::BadDeploy | FaultKind::CrashLoop | FaultKind::ByzantineReplica
        );
        if !lasting {
            self.queue.push(self.now + fault.duration.0.max(0) as Nanos, Event::FaultEnd(index));
        }
    }

    pub(super) fn end_fault(&mut self, index: u32) {
        self.over[index as usize] = true;
        self.calm(Cause::Fault(index));
    }

    pub(super) fn begin_benign(&mut self, index: u32) {
        let benign = self.scenario.benign[index as usize].clone();
        let Some(service) = self.service_index(benign.target.service()) else { return };
        let mut disturbance = Disturbance::by(Cause::Benign(index));
        match benign.kind {
            BenignKind::Deploy => {
                self.deploy(service, 0.0, 1.0, 0, None);
                return;
            }
            BenignKind::Configuration => {
                let revision = self.services[service].revision;
                self.services[service].revision += 1;
                let change = ChangeEvent {
                    name: "configuration".to_owned(),
                    from: format!("r{revision}"),
                    to: format!("r{}", revision + 1),
                };
                self.announce(service as u32, change, format!("configuration r{} applied", revision + 1));
                return;
            }
            BenignKind::TrafficBump => disturbance.surge = 1.4,
            BenignKind::Blip => {
                disturbance.service = Some(service as u32);
                disturbance.slowness = 3.0;
                disturbance.errors = 0.1;
            }
        }
        self.disturb(disturbance);
        self.queue.push(self.now + benign.duration.0.max(0) as Nanos, Event::BenignEnd(index));
    }

    pub(super) fn end_benign(&mut self, index: u32) {
        self.calm(Cause::Benign(index));
    }

    fn disturb(&mut self, disturbance: Disturbance) {
        self.disturbances.push(disturbance);
        self.spread();
    }

    fn calm(&mut self, cause: Cause) {
        self.disturbances.retain(|disturbance| disturbance.cause != cause);
        self.spread();
    }

    /// Puts what bears on services, hosts and users to where it is felt.
    fn spread(&mut self) {
        self.arrivals.surge = 1.0;
        for service in &mut self.services {
            (service.slowness, service.errors, service.fault) = (1.0, 0.0, None);
        }
        for host in &mut self.hosts {
            (host.slowness, host.fault) = (1.0, None);
        }
        for disturbance in &self.disturbances {
            let fault = match disturbance.cause {
                Cause::Fault(index) => Some(index),
                Cause::Benign(_) => None,
            };
            self.arrivals.surge *= disturbance.surge;
            if let Some(service) = disturbance.service.and_then(|index| self.services.get_mut(index as usize))
            {
                service.slowness *= disturbance.slowness;
                service.errors = 1.0 - (1.0 - service.errors) * (1.0 - disturbance.errors);
                service.fault = fault.or(service.fault);
            }
            if let Some(host) = disturbance.host.and_then(|index| self.hosts.get_mut(index as usize)) {
                host.slowness *= disturbance.slowness;
                host.fault = fault.or(host.fault);
            }
        }
    }

    /// A new version goes out, replica after replica.
    fn deploy(&mut self, service: usize, errors: f64, slowness: f64, leak: u64, fault: Option<u32>) {
        let before = self.services[service].current();
        let version = self.services[service].deploy(errors, slowness, leak, fault);
        self.announce_version(service, before, version, "deployed");
        let pending = self.living(service);
        let purpose = format!("deploy {version}");
        let mut draw = Stream::of(self.scenario.seed, &self.scenario.services[service].name, &purpose);
        let durations = pending.iter().map(|_| nanos(draw.lognormal(8.0, 0.2))).collect();
        self.start_rollout(Rollout { version: Some(version), ..Rollout::new(pending, durations) });
    }

    /// Tells that another version is meant to run.
    pub(super) fn announce_version(&mut self, service: usize, from: u32, to: u32, how: &str) {
        let versions = &self.services[service].versions;
        let (from, to) = (versions[from as usize].name.clone(), versions[to as usize].name.clone());
        let name = &self.scenario.services[service].name;
        let body = format!("{name} {to} {how}, was {from}");
        self.announce(service as u32, ChangeEvent { name: "deploy".to_owned(), from, to }, body);
    }

    /// How many requests a service gets for each request of a user.
    fn reach(&self, service: usize) -> f64 {
        let total: f64 = self.scenario.routes.iter().map(|route| route.share).sum();
        let mut reached = 0.0;
        for (index, route) in self.scenario.routes.iter().enumerate() {
            let mut calls = vec![0.0; self.services.len()];
            calls[0] = route.share / total.max(f64::MIN_POSITIVE);
            // A service only calls later ones, so one pass in order is enough.
            for caller in 0..self.services.len() {
                for (call, callee) in self.scenario.services[caller].calls.iter().zip(&self.edges[caller]) {
                    if call.routes.contains(&(index as u8)) {
                        calls[*callee as usize] += calls[caller];
                    }
                }
            }
            reached += calls[service];
        }
        reached
    }
}
