//! Which columns and keys name what emits the telemetry.

/// Resource attributes, and the names under which files without OpenTelemetry's names hold
/// them (compared without case, blanks and punctuation).
const ENTITY_NAMES: [(&str, &[&str]); 8] = [
    ("service.name", &["service", "servicename", "app", "application", "microservice", "svc"]),
    ("service.instance.id", &["instance", "instanceid", "serviceinstanceid", "replica"]),
    ("k8s.pod.name", &["pod", "podname", "k8spodname"]),
    ("container.name", &["container", "containername"]),
    ("host.name", &["host", "hostname", "node", "nodename", "machine", "server"]),
    ("service.version", &["serviceversion"]),
    ("k8s.namespace.name", &["namespace", "k8snamespacename"]),
    (
        "deployment.environment.name",
        &["env", "environment", "deploymentenvironment", "deploymentenvironmentname"],
    ),
];

/// Names of a column or key that holds the event time, the most telling first.
pub(crate) const TIME_NAMES: [&str; 13] = [
    "timestamp",
    "time",
    "ts",
    "datetime",
    "date",
    "timeunixnano",
    "unixtimestamp",
    "unixtime",
    "epoch",
    "eventtime",
    "starttime",
    "starttimeunixnano",
    "start",
];

/// A name without case, blanks and punctuation: `Service_Name` and `service.name` are one.
pub(crate) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The resource attribute that a column or key of this plain name holds.
pub(crate) fn resource_key(plain: &str) -> Option<&'static str> {
    ENTITY_NAMES.iter().find(|(_, names)| names.contains(&plain)).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_punctuation() {
        assert_eq!(resource_key(&plain("Service_Name")), Some("service.name"));
        assert_eq!(resource_key(&plain("PodName")), Some("k8s.pod.name"));
        assert_eq!(resource_key(&plain("latency")), None);
    }
}
