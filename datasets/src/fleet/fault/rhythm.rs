//! Faults that come and go, and faults that come out of others.

use super::super::{
    clock::{Event, Nanos, SECOND},
    service::{Config, Version},
    world::World,
};

/// How often it is looked whether what somebody bears is too much.
const LOOKS: Nanos = 10 * SECOND;
/// For how long after it could come at the earliest.
const LOOKED_FOR: Nanos = 120 * SECOND;
/// Too much is so many bad seconds in so long.
const TOO_MUCH: usize = 15;
const IN_SO_LONG: Nanos = 30 * SECOND;

/// The other side of what a fault made bad: it is put in its place when the fault goes, and taken out again
/// when it comes back.
#[derive(Clone, Debug)]
pub(crate) enum Other {
    /// A level of a node, a replica, or of what users ask.
    Level(f64),
    /// A build of a service.
    Version(usize, usize, Version),
    /// A setting of a service.
    Config(usize, usize, Config),
}

impl World {
    /// Whether a fault begins now that comes out of another one: if users feel that other one. If not, it is
    /// looked again for a while.
    pub(super) fn comes_of_it(&mut self, index: usize) -> bool {
        let fault = &self.injected[index].fault;
        if fault.follows.is_none() {
            return true;
        }
        let from = self.now.saturating_sub(IN_SO_LONG);
        if self.levels.bad(from, self.now).len() >= TOO_MUCH {
            return true;
        }
        if self.now < fault.at + LOOKED_FOR {
            self.heap.push(self.now + LOOKS, Event::FaultBegin(index as u32));
        }
        false
    }

    /// A fault that has begun and comes and goes: it goes after a while.
    pub(super) fn begin_rhythm(&mut self, index: usize) {
        let injected = &self.injected[index];
        let Some(half) = injected.fault.half else { return };
        let place = &injected.fault.place;
        let callee = place.split_once("->").map_or(place.as_str(), |(_, callee)| callee);
        let service = self.topology.place(callee);
        let code = injected.fault.record.code.as_str();
        self.injected[index].other = match (code, service) {
            ("F27" | "F28", Some(service)) => {
                let version = self.services[service].version() as usize;
                let well = Version::sound(&self.services[service].versions[version].name);
                Some(Other::Version(service, version, well))
            }
            ("F06" | "F08" | "F17" | "F18" | "F30" | "F36" | "F37", Some(service)) => {
                let config = self.services[service].configured.last().copied().unwrap_or_default() as usize;
                let well = Config::sound(&self.services[service].configs[config].name);
                Some(Other::Config(service, config, well))
            }
            ("F04" | "F05" | "F12", _) => Some(Other::Level(1.0)),
            ("F19" | "F23" | "F41" | "F43", _) => Some(Other::Level(0.0)),
            _ => None,
        };
        self.heap.push(self.now + half, Event::FaultTurn(index as u32));
    }

    /// A fault that comes and goes does either. What was cured meanwhile is not made bad again: nobody uses
    /// the build or the setting any more, or the replica is on another node.
    pub(crate) fn turn_fault(&mut self, index: usize) {
        let Some(half) = self.injected[index].fault.half else { return };
        let mut other = self.injected[index].other.take();
        match &mut other {
            Some(Other::Level(other)) => {
                if let Some(level) = self.level(index) {
                    std::mem::swap(level, other);
                }
            }
            Some(Other::Version(service, place, other)) => {
                std::mem::swap(&mut self.services[*service].versions[*place], other);
            }
            Some(Other::Config(service, place, other)) => {
                std::mem::swap(&mut self.services[*service].configs[*place], other);
            }
            None => {}
        }
        self.injected[index].other = other;
        self.mix(self.now ^ index as u64);
        self.heap.push(self.now + half, Event::FaultTurn(index as u32));
    }

    /// What a fault has raised; none if it is not there any more.
    fn level(&mut self, index: usize) -> Option<&mut f64> {
        let (fault, node) = (&self.injected[index].fault, self.injected[index].node);
        let code = fault.record.code.as_str();
        let instance = fault.place.split_once('/').and_then(|(_, name)| self.replica_named(name));
        let replica = instance.map(|place| place as usize);
        let replica = replica.filter(|place| node == Some(self.replicas[*place].node as usize));
        match code {
            "F04" => node.map(|node| &mut self.nodes[node].cpu_slowness),
            "F12" => node.map(|node| &mut self.nodes[node].disk_slowness),
            "F23" => node.map(|node| &mut self.nodes[node].loss),
            "F05" => replica.map(|place| &mut self.replicas[place].slow),
            "F41" => replica.map(|place| &mut self.replicas[place].fails),
            "F19" => Some(&mut self.arrivals.hot),
            "F43" => Some(&mut self.arrivals.abuse),
            _ => None,
        }
    }
}
