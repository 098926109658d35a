//! What anybody may see who looks at dashboards: rates, errors, latencies, who is up. No truth.

use super::{service::Process, topology::Kind, world::World};

/// A replica over the last window of telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplicaView {
    /// `service/instance`.
    pub entity: String,
    /// Its service.
    pub service: String,
    /// Whether its process answers.
    pub up: bool,
    /// Requests in the window.
    pub requests: u32,
    /// Share of them that failed.
    pub errors: f64,
    /// Mean duration in seconds.
    pub latency: f64,
    /// Starts of its process so far.
    pub restarts: u64,
    /// Share of its slots in use.
    pub busy: f64,
    /// Whether it takes part in a database cluster, and as its primary.
    pub primary: bool,
    /// Node.
    pub node: String,
}

/// The fleet over the last window of telemetry.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// All replicas that belong to the fleet.
    pub replicas: Vec<ReplicaView>,
    /// Records that wait in the queue.
    pub backlog: usize,
}

impl World {
    /// What is to be seen now.
    #[must_use]
    pub fn view(&self) -> View {
        let seen = self.replicas.iter().enumerate().filter_map(|(place, replica)| {
            let spec = &self.topology.services[replica.service as usize];
            if spec.kind == Kind::External || replica.process == Process::Gone {
                return None;
            }
            let window = replica.meters.last;
            let requests = f64::from(window.requests.max(1));
            Some(ReplicaView {
                entity: format!("{}/{}", spec.name, replica.name),
                service: spec.name.clone(),
                up: matches!(replica.process, Process::Ready | Process::Draining),
                requests: window.requests,
                errors: f64::from(window.errors) / requests,
                latency: window.total as f64 / 1e9 / requests,
                restarts: replica.restarts,
                busy: f64::from(replica.active) / f64::from(replica.slots.max(1)),
                primary: self.clusters.iter().any(|cluster| cluster.primary == place as u32),
                node: self.nodes[replica.node as usize].name.clone(),
            })
        });
        View { replicas: seen.collect(), backlog: self.queue.backlog() }
    }
}
