//! Nodes: no further pods on one, and none at all.

use serde_json::{Value, json};

use super::{
    api::Refused,
    ledger::{Effect, State},
    pod::controller_of,
    task::{Change, Changed, PAUSE, Task, Undone},
    verb::Verb,
};
use crate::executor::failure::Failure;

/// How a drain begins.
enum Beginning {
    Over(Result<String, Failure>),
    Evict { unschedulable_before: bool },
}

/// A pod that is in the way of a drain.
struct Guest {
    namespace: String,
    name: String,
    uid: String,
    /// It is being ended already.
    ending: bool,
}

impl Task<'_> {
    pub(super) async fn on_node(&self, path: &str) -> Result<String, Failure> {
        match self.verb {
            Verb::Cordon => self.at_once(path, |node| Ok(mark(node, true)), mark_back).await,
            Verb::Uncordon | Verb::Undrain => {
                self.at_once(path, |node| Ok(mark(node, false)), mark_back).await
            }
            Verb::Drain if self.command.compensation => {
                self.at_once(path, |node| Ok(mark(node, false)), mark_back).await
            }
            Verb::Drain => self.drain(path).await,
            other => Err(Failure::lasting(format!("{} is not for nodes", other.name()))),
        }
    }

    /// Cordons the node and has its pods evicted. If that fails the node is as before: pods that went are
    /// started elsewhere, and others may come.
    async fn drain(&self, path: &str) -> Result<String, Failure> {
        self.raise(path).await?;
        let node = path.rsplit('/').next().unwrap_or_default().to_owned();
        let before = self.guests(&node).await?;
        if let Some(lonely) = before.iter().find(|(_, controlled)| !controlled) {
            let Guest { namespace, name, .. } = &lonely.0;
            let why = format!("pod {namespace}/{name} has no controller that would start it elsewhere");
            return Err(Failure::lasting(why));
        }
        let unschedulable_before =
            match self.edit(path, |node, ledger| self.begin_drain(node, ledger)).await? {
                Beginning::Over(answer) => return answer,
                Beginning::Evict { unschedulable_before } => unschedulable_before,
            };
        let many = before.len();
        let evicted = self.evict(&node).await;
        self.api.end();
        match evicted {
            Ok(()) => {
                let said = format!("cordoned, and {many} pods evicted");
                self.edit(path, |_, ledger| {
                    ledger.note(self.command, State::Done, &said, json!(unschedulable_before), json!(true));
                    Ok(Change::Write(said.clone()))
                })
                .await
            }
            Err(failure) => {
                self.edit(path, |node, ledger| {
                    mark(node, unschedulable_before);
                    ledger.drop(self.command);
                    Ok(Change::Write(()))
                })
                .await?;
                Err(failure)
            }
        }
    }

    fn begin_drain(
        &self,
        node: &mut Value,
        ledger: &mut super::ledger::Ledger,
    ) -> Result<Change<Beginning>, Failure> {
        if let Some(answer) = ledger.answer(self.command) {
            return Ok(Change::Leave(Beginning::Over(answer)));
        }
        ledger.raise(self.command)?;
        if let Some(begun) = ledger.known(self.command) {
            let unschedulable_before = begun.before == true;
            return Ok(Change::Leave(Beginning::Evict { unschedulable_before }));
        }
        if let Some(Undone::Nothing) = self.undone(ledger)? {
            return Ok(Change::Leave(Beginning::Over(Ok(
                "nothing was done that had to be undone".to_owned()
            ))));
        }
        self.of_generation(node)?;
        let before = mark(node, true).before;
        let unschedulable_before = before == true;
        ledger.note(self.command, State::Begun, "", before, json!(true));
        Ok(Change::Write(Beginning::Evict { unschedulable_before }))
    }

    /// Evicts pods until none is left, for as long as the command's time lasts.
    async fn evict(&self, node: &str) -> Result<(), Failure> {
        loop {
            let guests = self.guests(node).await?;
            if guests.is_empty() {
                return Ok(());
            }
            let mut waits = None;
            for (guest, _) in guests.iter().filter(|(guest, _)| !guest.ending) {
                let Guest { namespace, name, uid, .. } = guest;
                match self.api.evict(namespace, name, uid).await {
                    Ok(_) | Err(Refused::Absent | Refused::Conflict) => {}
                    Err(Refused::Later(why) | Refused::Silence(why)) => {
                        waits = Some(format!("pod {namespace}/{name}: {why}"));
                    }
                    Err(refused) => {
                        return Err(refused.failure(&format!("the eviction of {namespace}/{name}")));
                    }
                }
            }
            if self.api.is_late() {
                let names =
                    || guests.iter().map(|(guest, _)| guest.name.as_str()).collect::<Vec<_>>().join(", ");
                let why = waits.unwrap_or_else(|| format!("still there: {}", names()));
                return Err(Failure::passing(format!("not drained in time, uncordoned again; {why}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The pods of a node that a drain must wait for, and whether each has a controller. Those of daemon sets
    /// would come again, mirror pods are the node's own, and pods that have ended need no node.
    async fn guests(&self, node: &str) -> Result<Vec<(Guest, bool)>, Failure> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}");
        let found = self.api.get(&path).await.map_err(|refused| refused.failure("the list of pods"))?;
        let pods = found["items"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let in_the_way = |pod: &&Value| {
            let ended = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
            let of_daemon_set = controller_of(pod).is_some_and(|owner| owner["kind"] == "DaemonSet");
            let mirror = !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null();
            !ended && !of_daemon_set && !mirror
        };
        let guests = pods.iter().filter(in_the_way).map(|pod| {
            let metadata = &pod["metadata"];
            let guest = Guest {
                namespace: text(&metadata["namespace"]),
                name: text(&metadata["name"]),
                uid: text(&metadata["uid"]),
                ending: !metadata["deletionTimestamp"].is_null(),
            };
            (guest, controller_of(pod).is_some())
        });
        Ok(guests.collect())
    }
}

/// Says whether the node takes further pods.
fn mark(node: &mut Value, unschedulable: bool) -> Changed {
    let before = node["spec"]["unschedulable"] == true;
    if node["spec"].is_null() {
        node["spec"] = json!({});
    }
    if unschedulable {
        node["spec"]["unschedulable"] = json!(true);
    } else if let Some(spec) = node["spec"].as_object_mut() {
        spec.remove("unschedulable");
    }
    let said = if unschedulable { "it takes no further pods" } else { "it takes pods" };
    Changed { said: said.to_owned(), before: json!(before), after: json!(unschedulable) }
}

fn mark_back(node: &mut Value, effect: &Effect) -> Result<String, Failure> {
    let now = node["spec"]["unschedulable"] == true;
    if json!(now) != effect.after {
        return Err(Failure::lasting("somebody has changed since whether it takes pods"));
    }
    Ok(mark(node, effect.before == true).said)
}
