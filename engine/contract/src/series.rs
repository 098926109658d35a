//! What is measured, and what it belongs to.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Dense index of a series inside one process: frames and detector state are
/// columns over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeriesId(pub u32);

impl SeriesId {
    /// Position in a column.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What emits telemetry, as text: `cart` (a service), `cart/cart-2` (an instance of
/// it), `host:node-1`. Derived from OpenTelemetry resource attributes by
/// [`Entity::from_resource`].
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Entity(pub String);

/// Resource attributes that name an instance of a service, the most specific first.
const INSTANCE_KEYS: [&str; 4] = ["service.instance.id", "k8s.pod.name", "container.name", "container.id"];

/// Resource attributes that name what a pod is a replica of: a service that does not say its name.
const WORKLOAD_KEYS: [&str; 4] =
    ["k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name"];

impl Entity {
    /// An instance of a service.
    #[must_use]
    pub fn instance(service: &str, instance: &str) -> Self {
        Self(format!("{service}/{instance}"))
    }

    /// A host.
    #[must_use]
    pub fn host(name: &str) -> Self {
        Self(format!("host:{name}"))
    }

    /// The entity that a set of resource attributes names: service and instance if both
    /// are there, else service, else instance, else host, else `unknown`.
    #[must_use]
    pub fn from_resource(attributes: &BTreeMap<String, Value>) -> Self {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
        let service = text("service.name").or_else(|| WORKLOAD_KEYS.iter().find_map(|key| text(key)));
        let instance = INSTANCE_KEYS.iter().find_map(|key| text(key));
        match (service, instance) {
            (Some(service), Some(instance)) => Self::instance(service, instance),
            (Some(name), None) | (None, Some(name)) => Self(name.to_owned()),
            (None, None) => Self::host_of(attributes).unwrap_or_else(|| Self("unknown".to_owned())),
        }
    }

    /// The host that a set of resource attributes names: the node, for in a pod the name of the host is
    /// that of the pod.
    #[must_use]
    pub fn host_of(attributes: &BTreeMap<String, Value>) -> Option<Self> {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
        let named = text("host.name").filter(|host| text("k8s.pod.name") != Some(host));
        text("k8s.node.name").or(named).or_else(|| text("host.id")).map(Self::host)
    }

    /// The availability zone that a set of resource attributes names.
    #[must_use]
    pub fn zone_of(attributes: &BTreeMap<String, Value>) -> Option<Self> {
        let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|s| !s.is_empty());
        text("cloud.availability_zone").map(|zone| Self(format!("zone:{zone}")))
    }

    /// The service: the part before the slash, or the whole.
    #[must_use]
    pub fn service(&self) -> &str {
        self.0.split_once('/').map_or(self.0.as_str(), |(service, _)| service)
    }

    /// Whether this is one instance of a service.
    #[must_use]
    pub fn is_instance(&self) -> bool {
        self.0.contains('/')
    }

    /// Whether another is it, or an instance of it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other == self || !self.is_instance() && other.service() == self.as_str()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which kind of telemetry a series was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// A metric point.
    Metric,
    /// Counts of log records by severity or template.
    Log,
    /// Counts, errors and durations of spans by operation or edge.
    Trace,
}

/// One stream of numbers: a metric with one set of attributes on one resource, or a
/// stream derived from logs or spans.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// Canonical text that identifies the series everywhere: domain, entity, signal and sorted
    /// attributes, `default|cart/cart-2|process.memory.usage|{"pool":"heap"}`.
    pub key: String,
    /// What it belongs to.
    pub entity: Entity,
    /// For an edge (caller to callee) the callee; the entity is the caller.
    pub peer: Option<Entity>,
    /// Name of the signal: a metric's name, `log.severity.error`, `span.duration.p95`, …
    pub signal: String,
    /// Where it came from.
    pub kind: SignalKind,
    /// Unit as given by the source (UCUM), empty if none.
    pub unit: String,
    /// Attributes of the point, canonical JSON with sorted keys, `{}` if none. For a log
    /// template `{"template": "..."}`; for spans `{"operation": "..."}`.
    pub attributes: String,
    /// Correlation domain: tenant or environment; symptoms of one domain meet in one process.
    pub domain: String,
}

impl Series {
    /// The canonical key of the parts.
    #[must_use]
    pub fn key_of(
        domain: &str,
        entity: &Entity,
        peer: Option<&Entity>,
        signal: &str,
        attributes: &str,
    ) -> String {
        let peer = peer.map(|peer| format!("->{peer}")).unwrap_or_default();
        format!("{domain}|{entity}{peer}|{signal}|{attributes}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_name_services_instances_hosts_and_zones() {
        for (attributes, entity, host) in [
            (
                json!({"service.name": "cart", "service.instance.id": "1", "host.name": "a"}),
                "cart/1",
                Some("host:a"),
            ),
            // In a pod the name of the host is that of the pod: the node is where it runs.
            (
                json!({"k8s.deployment.name": "cart", "k8s.pod.name": "cart-7d", "host.name": "cart-7d", "k8s.node.name": "n1"}),
                "cart/cart-7d",
                Some("host:n1"),
            ),
            (json!({"k8s.pod.name": "cart-7d", "host.name": "cart-7d"}), "cart-7d", None),
            (json!({"k8s.statefulset.name": "db", "k8s.pod.name": "db-0"}), "db/db-0", None),
            (
                json!({"service.name": "cart", "k8s.deployment.name": "cart-v2", "container.id": "9f"}),
                "cart/9f",
                None,
            ),
            (json!({"k8s.node.name": "n1"}), "host:n1", Some("host:n1")),
            (json!({"host.id": "i-17"}), "host:i-17", Some("host:i-17")),
            (json!({}), "unknown", None),
        ] {
            let attributes: BTreeMap<String, Value> = serde_json::from_value(attributes).expect("an object");
            assert_eq!(Entity::from_resource(&attributes).as_str(), entity, "{attributes:?}");
            let found = Entity::host_of(&attributes);
            assert_eq!(found.as_ref().map(Entity::as_str), host, "{attributes:?}");
        }
        let zone = BTreeMap::from([("cloud.availability_zone".to_owned(), json!("eu-1a"))]);
        assert_eq!(Entity::zone_of(&zone), Some(Entity("zone:eu-1a".to_owned())));
    }
}
