//! Which object a command is for, and the time that it has.

use std::time::{Duration, Instant};

use theriac_contract::{Command, Executor, Verdict};
use tokio::runtime;

use super::{
    api::Api,
    settings::{KubernetesSettings, WorkloadKind, is_name},
    task::Task,
    verb::Verb,
};
use crate::executor::{failure::Failure, settings::ExecutorError};

/// Share of a command's time that is kept for asking what became of it, or for taking it back.
const FOR_THE_END: u32 = 4;

/// Acts on a cluster. Verbs: [`Verb`]. Targets: a service is its workload, an instance its pod, `host:NAME`
/// a node.
pub struct KubernetesExecutor {
    name: String,
    settings: KubernetesSettings,
}

/// What a target means in the cluster, as paths of the API.
enum Place {
    Workload { kind: WorkloadKind, path: String },
    Pod { workload: String, pods: String, name: String },
    Node { path: String },
}

impl KubernetesExecutor {
    /// Checks the settings; reads no file and asks no server.
    ///
    /// # Errors
    /// If a name is none, a path is not absolute, or bounds exclude everything.
    pub fn new(name: &str, settings: KubernetesSettings) -> Result<Self, ExecutorError> {
        settings.check(name)?;
        Ok(Self { name: name.to_owned(), settings })
    }

    fn place(&self, command: &Command) -> Result<Place, String> {
        let target = &command.action.target;
        if let Some(node) = target.as_str().strip_prefix("host:") {
            let path = format!("/api/v1/nodes/{node}");
            return if is_name(node) {
                Ok(Place::Node { path })
            } else {
                Err(format!("`{node}` is no name of a node"))
            };
        }
        let service = target.service();
        let known = self.settings.workloads.get(service);
        let kind = known.map(|workload| workload.kind).unwrap_or_default();
        let name = known.and_then(|workload| workload.name.as_deref()).unwrap_or(service);
        if !is_name(name) {
            return Err(format!("`{name}` is no name of a workload: name it in `workloads`"));
        }
        let namespace = &self.settings.namespace;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/{}/{name}", kind.plural());
        Ok(match target.as_str().split_once('/') {
            Some((_, pod)) => {
                let pods = format!("/api/v1/namespaces/{namespace}/pods");
                Place::Pod { workload: path, pods, name: pod.to_owned() }
            }
            None => Place::Workload { kind, path },
        })
    }

    async fn carry_out(&self, verb: Verb, place: &Place, command: &Command) -> Result<String, Failure> {
        let timeout = Duration::from_nanos(command.timeout.0.max(0).unsigned_abs());
        let now = Instant::now();
        let api = Api::open(&self.settings, now + (timeout - timeout / FOR_THE_END), now + timeout).await?;
        let task = Task { api: &api, settings: &self.settings, verb, command };
        let doing = async {
            match place {
                Place::Workload { kind, path } => task.on_workload(*kind, path).await,
                Place::Pod { workload, pods, name } => task.on_pod(workload, pods, name).await,
                Place::Node { path } => task.on_node(path).await,
            }
        };
        match tokio::time::timeout(timeout, doing).await {
            Ok(outcome) => outcome,
            Err(_) if api.is_unanswered() => Err(Failure {
                verdict: Verdict::TimedOut,
                why: "the API server did not answer in time".to_owned(),
            }),
            Err(_) => Err(Failure::passing("its time is over")),
        }
    }
}

impl Executor for KubernetesExecutor {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        let lasting = |why: String| (Verdict::Failed { retryable: false }, why);
        let found = Verb::named(&command.action.verb).and_then(|verb| Ok((verb, self.place(command)?)));
        let (verb, place) = match found {
            Ok(found) => found,
            Err(why) => return lasting(why),
        };
        let (name, target) = (verb.name(), &command.action.target);
        if command.dry_run {
            let path = match &place {
                Place::Workload { path, .. } | Place::Node { path } => path.clone(),
                Place::Pod { pods, name, .. } => format!("{pods}/{name}"),
            };
            return (Verdict::Succeeded, format!("would {name} {path}; {}", verb.undone_by()));
        }
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return (Verdict::Failed { retryable: true }, format!("{name} {target}: {error}")),
        };
        match runtime.block_on(self.carry_out(verb, &place, command)) {
            Ok(said) => (Verdict::Succeeded, said),
            Err(failure) => (failure.verdict, format!("{name} {target}: {}", failure.why)),
        }
    }

    fn remembers(&self, _: &Command) -> bool {
        true
    }
}
