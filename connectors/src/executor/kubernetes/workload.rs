//! Deployments and their like: rolling restarts, replicas, earlier revisions.

use serde_json::{Value, json};

use super::{
    ledger::Effect,
    settings::WorkloadKind,
    task::{Changed, Task},
    verb::Verb,
};
use crate::executor::failure::Failure;

/// Annotation of the template by which a workload replaces its pods: the key for which it did.
const RESTARTED: &str = "theriac.io/restarted-for";
/// Annotation with the number of a revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Task<'_> {
    pub(super) async fn on_workload(&self, kind: WorkloadKind, path: &str) -> Result<String, Failure> {
        match self.verb {
            Verb::Restart | Verb::RollingRestart => {
                self.at_once(path, |object| Ok(self.roll(object)), never).await
            }
            Verb::Scale | Verb::ScaleOut | Verb::ScaleIn if kind == WorkloadKind::DaemonSet => {
                Err(Failure::lasting("a daemon set has a pod on each node, and no replicas"))
            }
            Verb::Scale | Verb::ScaleOut | Verb::ScaleIn => {
                self.at_once(path, |object| self.scale(object), scale_back).await
            }
            Verb::RollbackDeploy if kind != WorkloadKind::Deployment => {
                Err(Failure::lasting("only a deployment keeps its revisions as replica sets"))
            }
            Verb::RollbackDeploy => {
                let sets = self.replica_sets(path).await?;
                let back = |object: &mut Value, effect: &Effect| roll_forward(object, effect, &sets);
                self.at_once(path, |object| self.roll_back(object, &sets), back).await
            }
            Verb::Cordon | Verb::Uncordon | Verb::Drain | Verb::Undrain => Err(Failure::lasting(format!(
                "{} is for nodes: its target must be host:NAME",
                self.verb.name()
            ))),
        }
    }

    fn roll(&self, object: &mut Value) -> Changed {
        let metadata = &mut object["spec"]["template"]["metadata"];
        if metadata["annotations"].is_null() {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"][RESTARTED] = json!(self.command.idempotency_key);
        let said = "its pods are being replaced".to_owned();
        Changed { said, before: Value::Null, after: Value::Null }
    }

    fn scale(&self, object: &mut Value) -> Result<Changed, Failure> {
        let before = replicas(object);
        let given = self
            .command
            .action
            .parameters
            .get("replicas")
            .ok_or_else(|| Failure::lasting("it needs the parameter `replicas`"))?;
        let count: u32 = given.parse().map_err(|_| {
            Failure::lasting(format!("the parameter `replicas` is `{given}`, which is no number"))
        })?;
        let after = match self.verb {
            Verb::ScaleOut => before.saturating_add(count),
            Verb::ScaleIn => before.saturating_sub(count),
            _ => count,
        };
        let (least, most) = (self.settings.replicas_min, self.settings.replicas_max);
        if !(least..=most).contains(&after) {
            return Err(Failure::lasting(format!(
                "{after} replicas are not allowed; from {least} to {most} are"
            )));
        }
        object["spec"]["replicas"] = json!(after);
        let said = format!("from {before} to {after} replicas");
        Ok(Changed { said, before: json!(before), after: json!(after) })
    }

    /// The replica sets of its namespace; those of the deployment are told by their owner.
    async fn replica_sets(&self, path: &str) -> Result<Vec<Value>, Failure> {
        let sets = path.rsplit_once("/deployments/").map_or(path, |(namespace, _)| namespace);
        let sets = format!("{sets}/replicasets");
        let found = self.api.get(&sets).await.map_err(|refused| refused.failure(&sets))?;
        Ok(found["items"].as_array().cloned().unwrap_or_default())
    }

    fn roll_back(&self, object: &mut Value, sets: &[Value]) -> Result<Changed, Failure> {
        let now = revision(object).ok_or_else(|| Failure::lasting("it has no revision yet"))?;
        let own: Vec<&Value> = sets.iter().filter(|set| owns(object, set)).collect();
        let current = own
            .iter()
            .find(|set| revision(set) == Some(now))
            .ok_or_else(|| Failure::passing(format!("the replica set of revision {now} is not there yet")))?;
        let wanted = match self.command.action.parameters.get("version") {
            Some(version) => {
                let mut fitting: Vec<&&Value> = own.iter().filter(|set| is_version(set, version)).collect();
                fitting.sort_by_key(|set| revision(set));
                fitting.last().copied().copied().ok_or_else(|| {
                    Failure::lasting(format!(
                        "no revision that is kept is, or has an image of, version {version}"
                    ))
                })?
            }
            None => own
                .iter()
                .filter(|set| revision(set) < Some(now))
                .max_by_key(|set| revision(set))
                .copied()
                .ok_or_else(|| Failure::lasting(format!("no revision before {now} is kept")))?,
        };
        if wanted["metadata"]["uid"] == current["metadata"]["uid"] {
            return Err(Failure::lasting(format!("it is of that revision already, {now}")));
        }
        let (before, after) = (current["metadata"]["name"].clone(), wanted["metadata"]["name"].clone());
        let said = format!("from revision {now} back to {}", revision(wanted).unwrap_or_default());
        object["spec"]["template"] = template(wanted);
        Ok(Changed { said, before, after })
    }
}

fn never(_: &mut Value, _: &Effect) -> Result<String, Failure> {
    Err(Failure::lasting("it cannot be undone"))
}

fn replicas(object: &Value) -> u32 {
    object["spec"]["replicas"].as_u64().and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
}

fn scale_back(object: &mut Value, effect: &Effect) -> Result<String, Failure> {
    let now = replicas(object);
    if json!(now) != effect.after {
        let why = format!("it has {now} replicas by now, not {}: somebody has scaled it since", effect.after);
        return Err(Failure::lasting(why));
    }
    object["spec"]["replicas"] = effect.before.clone();
    Ok(format!("from {now} back to {} replicas", effect.before))
}

/// Takes a rollback back: the template of the replica set that was the current one before it.
fn roll_forward(object: &mut Value, effect: &Effect, sets: &[Value]) -> Result<String, Failure> {
    let named = |name: &Value| {
        let found = sets.iter().find(|set| owns(object, set) && set["metadata"]["name"] == *name);
        found.ok_or_else(|| Failure::lasting(format!("the replica set {name} is no longer kept")))
    };
    let since = named(&effect.after)?;
    if template(since) != object["spec"]["template"] {
        return Err(Failure::lasting("it is of another revision by now: somebody has deployed since"));
    }
    let wanted = template(named(&effect.before)?);
    object["spec"]["template"] = wanted;
    Ok(format!("back to what it was, {}", effect.before))
}

fn revision(object: &Value) -> Option<u64> {
    object["metadata"]["annotations"][REVISION].as_str()?.parse().ok()
}

fn owns(deployment: &Value, set: &Value) -> bool {
    let owners = set["metadata"]["ownerReferences"].as_array();
    owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == deployment["metadata"]["uid"]))
}

/// Whether a replica set is of this version: the number of its revision, its label, or the tag of an image.
fn is_version(set: &Value, version: &str) -> bool {
    let template = &set["spec"]["template"];
    let labels = &template["metadata"]["labels"];
    let labelled = ["app.kubernetes.io/version", "version"].iter().any(|label| labels[*label] == version);
    let containers = template["spec"]["containers"].as_array();
    let tagged = containers.is_some_and(|containers| {
        let tag = |container: &Value| {
            container["image"].as_str().and_then(|image| Some(image.rsplit_once(':')?.1 == version))
        };
        containers.iter().any(|container| tag(container) == Some(true))
    });
    labelled || tagged || revision(set).is_some_and(|revision| revision.to_string() == version)
}

/// The template of a replica set as its deployment had it.
fn template(set: &Value) -> Value {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove("pod-template-hash");
    }
    template
}
