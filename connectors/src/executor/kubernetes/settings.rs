//! What is said of a cluster.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::executor::settings::ExecutorError;

/// Settings of a Kubernetes executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesSettings {
    /// Namespace of the workloads.
    pub namespace: String,
    /// Absolute path of the file that says where the cluster is and who comes; without one what the pod is
    /// given in which this runs.
    #[serde(default)]
    pub kubeconfig: Option<PathBuf>,
    /// Which context of that file; none: its current one.
    #[serde(default)]
    pub context: Option<String>,
    /// Which kind of workload a service is, if it is no deployment of its own name.
    #[serde(default)]
    pub workloads: BTreeMap<String, Workload>,
    /// Fewest replicas that a workload may be scaled to.
    #[serde(default = "one")]
    pub replicas_min: u32,
    /// Most replicas that a workload may be scaled to.
    #[serde(default = "many")]
    pub replicas_max: u32,
}

/// Which workload a service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its kind.
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Its name, if it is not that of the service.
    #[serde(default)]
    pub name: Option<String>,
}

/// A kind of workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// `Deployment`.
    #[default]
    Deployment,
    /// `StatefulSet`.
    StatefulSet,
    /// `DaemonSet`.
    DaemonSet,
}

impl WorkloadKind {
    /// Its name in the path of the API.
    #[cfg(feature = "kubernetes")]
    pub(super) const fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }
}

const fn one() -> u32 {
    1
}

const fn many() -> u32 {
    100
}

impl KubernetesSettings {
    /// Whether they make sense; looks at no file and asks no server.
    pub(in crate::executor) fn check(&self, executor: &str) -> Result<(), ExecutorError> {
        let wrong = |reason: String| Err(ExecutorError::Setting { executor: executor.to_owned(), reason });
        let names = self.workloads.iter().filter_map(|(service, workload)| {
            Some((format!("workloads.{service}.name"), workload.name.as_ref()?))
        });
        for (place, name) in std::iter::once(("namespace".to_owned(), &self.namespace)).chain(names) {
            if !is_name(name) {
                return wrong(format!("{place} `{name}` must be of small letters, digits, `-` and `.`"));
            }
        }
        if let Some(path) = self.kubeconfig.as_ref().filter(|path| !path.is_absolute()) {
            return wrong(format!("kubeconfig `{}` must be an absolute path", path.display()));
        }
        if self.context.is_some() && self.kubeconfig.is_none() {
            return wrong("`context` is one of a file: name that in `kubeconfig`".to_owned());
        }
        if self.replicas_max < self.replicas_min {
            return wrong(format!("`replicas_max` must be at least `replicas_min`, {}", self.replicas_min));
        }
        Ok(())
    }
}

/// Whether the API takes it for the name of an object (RFC 1123, a subdomain): nothing else gets into a path.
pub(super) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (1..=253).contains(&text.len())
        && text.chars().all(plain)
        && text.starts_with(ends)
        && text.ends_with(ends)
}
