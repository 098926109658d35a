//! What happens without being wrong: 18 disturbances that must lead to no action.

use serde::{Deserialize, Serialize};

use super::{
    change::Change,
    clock::{Event, Nanos, SECOND},
    lifecycle::{Renewal, Rollout},
    service::Version,
    topology::Kind,
    world::World,
};
use crate::random::Stream;

/// Which disturbance, N1 to N18 in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Harmless {
    /// More users, within capacity.
    Campaign,
    /// A sound version, replica by replica.
    RollingDeploy,
    /// A nightly job on the disk of a database.
    Batch,
    /// One pause of one collector.
    Pause,
    /// An exporter starts anew.
    MetricGap,
    /// Telemetry comes late or twice.
    LateTelemetry,
    /// A bot asks for what is not there.
    Bot,
    /// Users want other things.
    MixShift,
    /// The hour jumps.
    ClockChange,
    /// An autoscaler does its work.
    Autoscaler,
    /// A canary that its own controller takes back.
    Canary,
    /// A certificate is renewed in time.
    Certificate,
    /// Somebody logs too much.
    LogFlood,
    /// A few packets are lost.
    PacketBurst,
    /// A cluster chooses another primary by itself.
    Election,
    /// A replica is out for planned work.
    Maintenance,
    /// A service that was not there before.
    NewService,
    /// Counters begin anew.
    CounterReset,
}

const ALL: [Harmless; 18] = [
    Harmless::Campaign,
    Harmless::RollingDeploy,
    Harmless::Batch,
    Harmless::Pause,
    Harmless::MetricGap,
    Harmless::LateTelemetry,
    Harmless::Bot,
    Harmless::MixShift,
    Harmless::ClockChange,
    Harmless::Autoscaler,
    Harmless::Canary,
    Harmless::Certificate,
    Harmless::LogFlood,
    Harmless::PacketBurst,
    Harmless::Election,
    Harmless::Maintenance,
    Harmless::NewService,
    Harmless::CounterReset,
];

impl Harmless {
    /// All, N1 first.
    #[must_use]
    pub const fn all() -> [Self; 18] {
        ALL
    }

    /// Code in the catalogue.
    #[must_use]
    pub fn code(self) -> String {
        format!("N{}", self as u8 + 1)
    }

    /// How long it lasts in seconds.
    const fn lasts(self) -> u64 {
        match self {
            Self::Campaign | Self::Batch | Self::MixShift => 300,
            Self::LateTelemetry | Self::Bot | Self::Maintenance => 120,
            Self::Autoscaler => 180,
            Self::Canary | Self::LogFlood => 60,
            Self::PacketBurst => 5,
            Self::Pause => 2,
            _ => 1,
        }
    }
}

/// A disturbance of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Benign {
    /// Which.
    pub kind: Harmless,
    /// When, from the start.
    pub at: Nanos,
    /// Chooses where.
    pub choice: u64,
}

/// Disturbances of a day of a fleet: thirty, spread by chance.
#[must_use]
pub fn draw_benign(seed: u64, from: Nanos, to: Nanos, per_day: f64) -> Vec<Benign> {
    let mut draw = Stream::of(seed, "fleet", "benign");
    let mean = 86_400.0 / per_day.max(1e-6);
    let mut list = Vec::new();
    let mut at = from + super::clock::nanos(draw.exponential(mean));
    while at < to {
        list.push(Benign { kind: ALL[draw.below(ALL.len())], at, choice: draw.bits() });
        at += super::clock::nanos(draw.exponential(mean));
    }
    list
}

/// A disturbance in a world, with what must be put back.
#[derive(Clone, Debug)]
pub(crate) struct Disturbance {
    service: usize,
    replica: u32,
    node: usize,
}

impl Disturbance {
    pub(crate) const fn new(_: &Benign) -> Self {
        Self { service: 0, replica: 0, node: 0 }
    }
}

impl World {
    pub(crate) fn begin_benign(&mut self, index: usize) {
        let Benign { kind, choice, .. } = self.setup.benign[index];
        let kinds: &[Kind] = match kind {
            Harmless::Batch | Harmless::Election => &[Kind::Database],
            _ => &[Kind::App],
        };
        let fits = |service: &usize| {
            let wide = kind != Harmless::Maintenance || self.services[*service].replicas.len() > 2;
            let second = kind != Harmless::Election || self.topology.services[*service].name == "catalog-db";
            kinds.contains(&self.topology.services[*service].kind) && wide && second
        };
        let services: Vec<usize> = (0..self.services.len()).filter(fits).collect();
        let service = services.get(choice as usize % services.len().max(1)).copied().unwrap_or_default();
        let living = self.living(service);
        let replica = living.get((choice >> 20) as usize % living.len().max(1)).copied().unwrap_or_default();
        let node = self.replicas[replica as usize].node as usize;
        self.disturbances[index] = Disturbance { service, replica, node };
        let (now, lasts) = (self.now, kind.lasts() * SECOND);
        match kind {
            Harmless::Campaign => self.arrivals.surge *= CAMPAIGN,
            Harmless::RollingDeploy => self.deploy_soundly(service, living),
            Harmless::Batch => self.nodes[node].disk_slowness = 1.5,
            Harmless::Pause => self.replicas[replica as usize].slow = 3.0,
            Harmless::MetricGap => self.recorder.silent.push((replica, now + 60 * SECOND)),
            Harmless::LateTelemetry => self.recorder.late = 30.0,
            Harmless::Bot => self.arrivals.mistakes += 0.15,
            Harmless::MixShift => self.arrivals.mix = 1.2,
            Harmless::ClockChange => self.arrivals.week_second += 3600,
            Harmless::Autoscaler => self.scale_out(service, 1),
            Harmless::Canary => {
                let mut version = Version::sound("canary");
                version.slow = 1.3;
                let version = self.services[service].release(version);
                self.replicas[replica as usize].version = version;
                self.announce(service, Change::Deploy, "stable", "canary on one replica");
            }
            Harmless::Certificate => self.announce(service, Change::Certificate, "valid", "renewed"),
            Harmless::LogFlood => self.recorder.flood = 20.0,
            Harmless::PacketBurst => self.nodes[node].loss = 0.02,
            Harmless::Election => {
                if let Some(cluster) = self.cluster(service)
                    && let Some(copy) = self.best_copy(cluster)
                {
                    self.promote(cluster, copy, true);
                }
            }
            Harmless::Maintenance => {
                self.announce(service, Change::Maintenance, "in rotation", "out for planned work");
                self.replicas[replica as usize].ejected = true;
            }
            Harmless::NewService => {
                let name = format!("service-{}", self.recorder.newcomers.len() + 1);
                self.recorder.newcomers.push(name);
            }
            Harmless::CounterReset => self.replicas[replica as usize].meters.reset(),
        }
        self.heap.push(now + lasts, Event::BenignEnd(index as u32));
    }

    fn deploy_soundly(&mut self, service: usize, mut pending: Vec<u32>) {
        let name =
            format!("{}+{}", self.topology.services[service].version, self.services[service].versions.len());
        let version = self.services[service].release(Version::sound(&name));
        self.deploy(service, version);
        pending.reverse();
        let durations = pending.iter().map(|_| 8 * SECOND).collect();
        let renewal = Renewal::Version(version);
        self.start_rollout(Rollout {
            pending,
            renewal,
            entry: None,
            durations,
            present: None,
            stopped: false,
        });
    }

    pub(crate) fn end_benign(&mut self, index: usize) {
        let kind = self.setup.benign[index].kind;
        let Disturbance { service, replica, node } = self.disturbances[index];
        match kind {
            Harmless::Campaign => self.arrivals.surge /= CAMPAIGN,
            Harmless::Batch => self.nodes[node].disk_slowness = 1.0,
            Harmless::Pause => self.replicas[replica as usize].slow = 1.0,
            Harmless::LateTelemetry => self.recorder.late = 0.0,
            Harmless::Bot => self.arrivals.mistakes -= 0.15,
            Harmless::MixShift => self.arrivals.mix = 1.0,
            Harmless::Autoscaler => self.scale_in(service, 1),
            Harmless::Canary => {
                self.replicas[replica as usize].version = self.services[service].version();
                self.announce(service, Change::Deploy, "canary on one replica", "stable");
            }
            Harmless::LogFlood => self.recorder.flood = 1.0,
            Harmless::PacketBurst => self.nodes[node].loss = 0.0,
            Harmless::Maintenance => {
                self.announce(service, Change::Maintenance, "out for planned work", "in rotation");
                self.replicas[replica as usize].ejected = false;
            }
            _ => {}
        }
    }
}

/// How many more users a campaign brings, within what the fleet was sized for.
const CAMPAIGN: f64 = 1.15;
