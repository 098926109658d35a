//! What the names in the data mean.

use std::collections::BTreeMap;

use theriac_contract::telemetry::canonical;

/// Letters that Kubernetes makes the random parts of names from: no vowels, so that no words
/// come out, and nothing that looks like another.
const RANDOM: &str = "bcdfghjklmnpqrstvwxz2456789";

/// The service that a pod belongs to: its name without what Kubernetes adds for a replica
/// set and a pod (`cart-579f59597d-wc2lz`), a daemon set (`agent-x2v7q`) or a stateful set
/// (`store-0`).
#[must_use]
pub fn service_of(pod: &str) -> &str {
    let Some((owner, suffix)) = pod.rsplit_once('-').filter(|(owner, _)| !owner.is_empty()) else {
        return pod;
    };
    let ordinal = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit());
    if suffix.len() != 5 || !suffix.chars().all(|c| RANDOM.contains(c)) {
        return if ordinal { owner } else { pod };
    }
    match owner.rsplit_once('-') {
        Some((service, set)) if !service.is_empty() && (6..=10).contains(&set.len()) && hash(set) => service,
        _ => owner,
    }
}

/// Whether a text may be the hash that names a replica set: in those letters, or in decimal
/// digits as older versions write it.
fn hash(text: &str) -> bool {
    text.chars().all(|c| RANDOM.contains(c)) || text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Canonical resource attributes of a pod, with its host where that is known.
pub(super) fn resource(pod: &str, host: Option<&str>) -> String {
    let mut attributes = BTreeMap::from([
        ("service.instance.id".to_owned(), pod.into()),
        ("service.name".to_owned(), service_of(pod).into()),
    ]);
    if let Some(host) = host.filter(|host| !host.is_empty()) {
        attributes.insert("host.name".to_owned(), host.into());
    }
    canonical(&attributes)
}

/// A metric that a column holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Name.
    pub name: String,
    /// Unit (UCUM), empty if none.
    pub unit: &'static str,
    /// What a value of the column is multiplied with.
    pub factor: f64,
}

/// The metric in a column of the pod metrics, `CpuUsage(m)`: OpenTelemetry's where it has one
/// of exactly this meaning, else the name of the column, with the unit in brackets as unit.
#[must_use]
pub fn metric(column: &str) -> Metric {
    let exact = |name: &str, unit, factor| Metric { name: name.to_owned(), unit, factor };
    match column {
        "CpuUsage(m)" => return exact("k8s.pod.cpu.usage", "{cpu}", 1e-3),
        "MemoryUsage(Mi)" => return exact("k8s.pod.memory.usage", "By", 1_048_576.0),
        _ => {}
    }
    let (name, bracket) = match column.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, bracket)) => (name, bracket),
        None => (column, ""),
    };
    let unit = match bracket {
        "%" => "%",
        "s" => "s",
        "Ops" => "{operation}/s",
        _ if name.ends_with("Bytes") => "By",
        _ => "",
    };
    exact(name, unit, 1.0)
}
