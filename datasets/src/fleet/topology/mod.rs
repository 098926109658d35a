//! What a fleet is made of, as data: services, calls, routes, queue. `boutique-12` is built in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// What kind of thing runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service that answers requests.
    App,
    /// A service that works off the queue.
    Consumer,
    /// A database cluster: the first replica is the primary at the start.
    Database,
    /// A cache, keys spread over its nodes by hash.
    Cache,
    /// Somebody else's service: no telemetry, cannot be acted on.
    External,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Reads; databases answer it from any copy.
    Read,
    /// Writes; databases answer it from the primary.
    Write,
    /// Writes the money of an order: the primary, once for each order.
    Charge,
    /// Looks a key up in a cache.
    Lookup,
    /// Reads what the cache did not have, and puts it there.
    Fill,
}

/// A call from one service to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSpec {
    /// Who is called.
    pub callee: String,
    /// For which routes, by name.
    pub routes: Vec<String>,
    /// What for.
    pub op: Operation,
    /// How long the caller waits; the callee works on regardless.
    pub timeout_ms: u64,
    /// Attempts in all.
    pub attempts: u32,
    /// Connections that a replica of the caller may have open.
    pub pool: u32,
    /// Whether the caller can do without the answer, with less for the user, when the circuit is open.
    #[serde(default)]
    pub fallback: bool,
    /// Whether the caller checks the answer against another source.
    #[serde(default)]
    pub checked: bool,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// Name.
    pub name: String,
    /// Kind.
    pub kind: Kind,
    /// Replicas at the start.
    pub replicas: u32,
    /// Requests that a replica works on at a time.
    pub slots: u32,
    /// Requests that wait at a replica at most; more are refused.
    pub queue: u32,
    /// Median of a request's own work in milliseconds.
    pub work_ms: f64,
    /// Version at the start.
    pub version: String,
    /// Method and route under which it is called; empty: those of the user.
    pub operation: String,
    /// Calls for a request, one after the other.
    pub calls: Vec<CallSpec>,
}

/// Something that users ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    /// Name.
    pub name: String,
    /// `http.request.method`.
    pub method: String,
    /// `http.route`.
    pub path: String,
    /// Share of the requests.
    pub share: f64,
    /// Weight of a user of this route in losses.
    pub weight: f64,
}

/// The queue between those who take orders and those who work them off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSpec {
    /// Topic.
    pub name: String,
    /// Who writes.
    pub producer: String,
    /// Who reads.
    pub consumer: String,
    /// Partitions.
    pub partitions: u32,
}

/// A fleet. The first service takes the requests of users; a service only calls later ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// Name.
    pub name: String,
    /// Zones.
    pub zones: u32,
    /// Nodes in each.
    pub nodes_per_zone: u32,
    /// Mean over the day.
    pub requests_per_second: f64,
    /// What users ask for.
    pub routes: Vec<RouteSpec>,
    /// The services.
    pub services: Vec<ServiceSpec>,
    /// The queue.
    pub queue: QueueSpec,
}

/// A topology that cannot be played as it is written.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// Not JSON of this form.
    #[error("the topology cannot be read: {0}; the fields are those of `Topology`")]
    Format(#[from] serde_json::Error),
    /// A list is empty.
    #[error("the topology `{topology}` has no {what}; give at least one")]
    Empty {
        /// Its name.
        topology: String,
        /// Which list.
        what: &'static str,
    },
    /// A call leads nowhere, or back.
    #[error("field `services[{caller}].calls`: `{callee}` does not come after `{caller}`; move it behind")]
    Call {
        /// Caller.
        caller: String,
        /// Callee.
        callee: String,
    },
    /// A name of a route or service that does not exist.
    #[error("field `{field}`: there is no `{name}`; write one that is defined")]
    Unknown {
        /// Where.
        field: String,
        /// As written.
        name: String,
    },
}

impl Topology {
    /// Twelve services with three replicas or two, two database clusters, cache, queue, two
    /// external services, two zones of four nodes.
    ///
    /// # Errors
    /// Never for the file that is built in; a test holds it.
    pub fn boutique() -> Result<Arc<Self>, TopologyError> {
        Self::parse(include_str!("boutique-12.json"))
    }

    /// Reads one from JSON and checks it.
    ///
    /// # Errors
    /// What is wrong with it, where, and how to mend it.
    pub fn parse(json: &str) -> Result<Arc<Self>, TopologyError> {
        let topology: Self = serde_json::from_str(json)?;
        topology.check()?;
        Ok(Arc::new(topology))
    }

    fn check(&self) -> Result<(), TopologyError> {
        let counts = [
            (self.services.len(), "services"),
            (self.routes.len(), "routes"),
            ((self.zones * self.nodes_per_zone) as usize, "nodes"),
            (self.queue.partitions as usize, "partitions"),
        ];
        if let Some((_, what)) = counts.iter().find(|(count, _)| *count == 0) {
            return Err(TopologyError::Empty { topology: self.name.clone(), what });
        }
        for (place, service) in self.services.iter().enumerate() {
            for call in &service.calls {
                if self.place(&call.callee).is_none_or(|callee| callee <= place) {
                    let (caller, callee) = (service.name.clone(), call.callee.clone());
                    return Err(TopologyError::Call { caller, callee });
                }
                let known = |name: &&String| !self.routes.iter().any(|route| route.name == **name);
                if let Some(name) = call.routes.iter().find(known) {
                    let field = format!("services[{}].calls[{}].routes", service.name, call.callee);
                    return Err(TopologyError::Unknown { field, name: name.clone() });
                }
            }
        }
        for (field, name) in [("producer", &self.queue.producer), ("consumer", &self.queue.consumer)] {
            if self.place(name).is_none() {
                let field = format!("queue.{field}");
                return Err(TopologyError::Unknown { field, name: name.clone() });
            }
        }
        Ok(())
    }

    /// Place of a service in the list.
    #[must_use]
    pub fn place(&self, name: &str) -> Option<usize> {
        self.services.iter().position(|service| service.name == name)
    }

    /// Routes as a set of bits.
    pub(crate) fn mask(&self, names: &[String]) -> u32 {
        let bit = |(index, route): (usize, &RouteSpec)| {
            if names.contains(&route.name) { 1_u32 << (index % 32) } else { 0 }
        };
        self.routes.iter().enumerate().map(bit).fold(0, |mask, bit| mask | bit)
    }
}
