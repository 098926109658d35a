//! A pod, which its controller starts again.

use serde_json::{Value, json};

use super::{
    api::Refused,
    ledger::State,
    settings::is_name,
    task::{Change, Task, Undone},
    verb::Verb,
};
use crate::executor::failure::Failure;

/// How far a restart has come.
enum Progress {
    Over(Result<String, Failure>),
    /// This pod is to be deleted.
    Delete(String),
}

impl Task<'_> {
    /// Deletes the pod. What is done is noted at its workload, for the pod will be gone: first which one it
    /// is, by its UID, which is never used again; so it can be deleted once more without harm.
    pub(super) async fn on_pod(&self, workload: &str, pods: &str, pod: &str) -> Result<String, Failure> {
        if self.verb != Verb::Restart {
            let verb = self.verb.name();
            return Err(Failure::lasting(format!("{verb} is not for pods: its target must be the service")));
        }
        if !is_name(pod) {
            return Err(Failure::lasting(format!("`{pod}` is no name of a pod")));
        }
        self.raise(workload).await?;
        let path = format!("{pods}/{pod}");
        let found = match self.api.get(&path).await {
            Ok(found) => Some(found),
            Err(Refused::Absent) => None,
            Err(refused) => return Err(refused.failure(&path)),
        };
        let controller = self.controller(pods, found.as_ref()).await?;
        let progress =
            self.edit(workload, |object, ledger| self.begin(object, ledger, found.as_ref(), &controller));
        let uid = match progress.await? {
            Progress::Over(answer) => return answer,
            Progress::Delete(uid) => uid,
        };
        match self.api.delete(&path, &uid).await {
            // A conflict: there is another of its name by now.
            Ok(_) | Err(Refused::Absent | Refused::Conflict) => {}
            Err(refused) => return Err(refused.failure(&path)),
        }
        self.api.end();
        let said = format!("pod {pod} is deleted, its controller starts another");
        self.edit(workload, |_, ledger| {
            ledger.note(self.command, State::Done, &said, json!(uid), Value::Null);
            Ok(Change::Write(said.clone()))
        })
        .await
    }

    fn begin(
        &self,
        object: &Value,
        ledger: &mut super::ledger::Ledger,
        pod: Option<&Value>,
        controller: &[Value],
    ) -> Result<Change<Progress>, Failure> {
        if let Some(answer) = ledger.answer(self.command) {
            return Ok(Change::Leave(Progress::Over(answer)));
        }
        ledger.raise(self.command)?;
        if let Some(begun) = ledger.known(self.command) {
            let uid = begun.before.as_str().unwrap_or_default().to_owned();
            return Ok(Change::Leave(Progress::Delete(uid)));
        }
        match self.undone(ledger)? {
            Some(Undone::Nothing) => {
                let said = "nothing was done that had to be undone".to_owned();
                ledger.note(self.command, State::Done, &said, Value::Null, Value::Null);
                return Ok(Change::Write(Progress::Over(Ok(said))));
            }
            Some(Undone::Effect(_)) | None => {}
        }
        let pod =
            pod.ok_or_else(|| Failure::lasting(format!("{} is not there", self.command.action.target)))?;
        self.of_generation(pod)?;
        if !controller.contains(&object["metadata"]["uid"]) {
            let (name, kind) = (&object["metadata"]["name"], &object["kind"]);
            return Err(Failure::lasting(format!(
                "it is no pod of the {kind} {name}, which would start another"
            )));
        }
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        ledger.note(self.command, State::Begun, "", json!(uid), Value::Null);
        Ok(Change::Write(Progress::Delete(uid)))
    }

    /// UIDs of what the pod is controlled by, and of what controls that.
    async fn controller(&self, pods: &str, pod: Option<&Value>) -> Result<Vec<Value>, Failure> {
        let Some(owner) = pod.and_then(controller_of) else { return Ok(Vec::new()) };
        let mut found = vec![owner["uid"].clone()];
        let set = owner["name"].as_str().filter(|name| owner["kind"] == "ReplicaSet" && is_name(name));
        if let Some(name) = set {
            let sets = pods.replace("/api/v1/", "/apis/apps/v1/").replace("/pods", "/replicasets");
            match self.api.get(&format!("{sets}/{name}")).await {
                Ok(set) => found.extend(controller_of(&set).map(|owner| owner["uid"].clone())),
                Err(Refused::Absent) => {}
                Err(refused) => return Err(refused.failure(name)),
            }
        }
        Ok(found)
    }
}

/// The reference to what controls an object.
pub(super) fn controller_of(object: &Value) -> Option<&Value> {
    object["metadata"]["ownerReferences"].as_array()?.iter().find(|owner| owner["controller"] == true)
}
