//! Who takes a call: load balancing, names, certificates, clocks, and the network between.

use super::{
    call::Answer,
    clock::{MILLISECOND, Nanos, nanos},
    service::{Balancing, NAME_KEPT},
    topology::{Kind, Operation},
    world::World,
};

/// Clocks that differ by more make tokens invalid, in seconds.
const SKEW_MAX: f64 = 5.0;
/// How long TCP waits before it sends again.
const RETRANSMIT: f64 = 0.2;

impl World {
    /// Why a replica cannot even begin to talk to a service.
    pub(crate) fn obstacle(&mut self, place: usize, callee: usize) -> Option<Answer> {
        let now = self.now;
        let kind = self.topology.services[callee].kind;
        let service = &self.services[callee];
        let replica = &self.replicas[place];
        if service.config().unresolvable {
            // Who asked before keeps the answer for a while; who started since has none.
            let kept = NAME_KEPT / 2 + (place as Nanos * 7_919 * MILLISECOND) % (NAME_KEPT / 2);
            if replica.started > service.unresolvable_since || now > service.unresolvable_since + kept {
                return Some(Answer::Unresolved);
            }
        }
        if now >= service.certificate_until && !service.unverified {
            return Some(Answer::Certificate);
        }
        let node = &self.nodes[replica.node as usize];
        if kind == Kind::App && node.clock_offset.abs() > SKEW_MAX {
            return Some(Answer::Unauthorized);
        }
        if kind == Kind::External {
            return self.ask_external(callee);
        }
        None
    }

    /// The replica of a service that gets a call.
    pub(crate) fn choose(
        &mut self,
        callee: usize,
        from: usize,
        op: Operation,
        hot: bool,
    ) -> Result<u32, Answer> {
        match self.topology.services[callee].kind {
            Kind::Database if matches!(op, Operation::Write | Operation::Charge) => {
                return self.primary_for(callee, from).ok_or(Answer::Refused);
            }
            Kind::Cache => {
                let nodes = self.services[callee].replicas.clone();
                let key = if hot { 0 } else { self.services[callee].outcomes.below(nodes.len()) };
                let live: Vec<u32> =
                    nodes.into_iter().filter(|node| self.replicas[*node as usize].in_rotation()).collect();
                return live.get(key % live.len().max(1)).copied().ok_or(Answer::Refused);
            }
            _ => {}
        }
        let replicas = &self.replicas;
        let service = &mut self.services[callee];
        let count = service.replicas.len();
        service.cursor = service.cursor.wrapping_add(1);
        let start = service.cursor as usize;
        let turn = |offset: usize| service.replicas[(start + offset) % count.max(1)];
        let candidates = (0..count).map(turn).filter(|place| replicas[*place as usize].in_rotation());
        let chosen = match service.balancing {
            Balancing::RoundRobin => { candidates }.next(),
            Balancing::LeastRequests => candidates.min_by_key(|place| {
                let replica = &replicas[*place as usize];
                replica.active + replica.waiting.len() as u32
            }),
        };
        chosen.ok_or(Answer::Refused)
    }

    /// How long a message takes beyond the ordinary; none if it is lost.
    pub(crate) fn network(&mut self, from: usize, to: usize) -> Option<Nanos> {
        let (a, b) = (self.replicas[from].node as usize, self.replicas[to].node as usize);
        if a == b {
            return Some(0);
        }
        if self.topology.services[self.replicas[to].service as usize].kind == Kind::External {
            return Some(0);
        }
        let across = self.zone(a) != self.zone(b);
        if across && self.now < self.partitioned_until {
            return None;
        }
        let mut delay = self.nodes[a].delay.max(self.nodes[b].delay);
        if across {
            delay += self.zone_delay;
        }
        let loss = self.nodes[a].loss.max(self.nodes[b].loss);
        if loss > 0.0 {
            // Request and response are some packets each.
            let outcomes = &mut self.replicas[from].outcomes;
            let mut again = RETRANSMIT;
            let mut tries = 0;
            while tries < 5 && outcomes.chance(loss) {
                delay += nanos(again);
                again *= 2.0;
                tries += 1;
            }
        }
        Some(delay)
    }

    /// Share of requests that is turned away at the door now.
    pub(crate) fn shed(&self) -> f64 {
        let door = &self.services[0];
        if self.now < door.shed_until { door.shed } else { 0.0 }
    }

    /// The zone of a node.
    pub(crate) fn zone(&self, node: usize) -> usize {
        node / self.topology.nodes_per_zone.max(1) as usize
    }

    /// An external service is asked: it may have had enough.
    fn ask_external(&mut self, callee: usize) -> Option<Answer> {
        let second = self.now / 1_000_000_000;
        let external = self.externals.get_mut(&(callee as u32))?;
        external.ask(second).then_some(Answer::Limited)
    }
}

/// A service of somebody else.
#[derive(Clone, Debug, Default)]
pub(crate) struct External {
    /// Requests a second that it takes; none: any number.
    pub(crate) quota: Option<f64>,
    second: u64,
    asked: f64,
    /// Average of the last seconds, which the quota is held against.
    average: f64,
}

impl External {
    /// Somebody asked for too much a moment ago.
    pub(crate) const fn exceed(&mut self) {
        self.average = 100.0;
    }

    /// Counts a request; says whether it is turned away.
    fn ask(&mut self, second: u64) -> bool {
        while self.second < second {
            // Averages over some ten seconds: rejected requests count, as they do in life.
            self.average = 0.9 * self.average + 0.1 * self.asked;
            self.asked = 0.0;
            self.second = if second - self.second > 60 { second } else { self.second + 1 };
        }
        self.asked += 1.0;
        self.quota.is_some_and(|quota| self.average > quota)
    }
}
