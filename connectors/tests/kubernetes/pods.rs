//! A pod is deleted, and its controller starts another.

use serde_json::json;
use theriac_contract::{Executor, Verdict};

use crate::{LASTING, cluster::Cluster, command, undo};

#[test]
fn a_pod_is_deleted_once_and_another_started() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 2, "cart:1");
    let before = cluster.pods("cart");
    let pod = before.first().unwrap().clone();
    let restart = command("restart", &format!("cart/{pod}"), 0);
    let done = (Verdict::Succeeded, format!("pod {pod} is deleted, its controller starts another"));
    assert_eq!(cluster.executor().execute(&restart), done);
    cluster.until("another is there", || {
        let now = cluster.pods("cart");
        now.len() == 2 && !now.contains(&pod)
    });
    let since = cluster.pods("cart");
    assert_eq!(since.intersection(&before).count(), 1, "the other one was left alone");
    assert_eq!(cluster.executor().execute(&restart), done, "what is gone is remembered at its workload");
    let refused =
        format!("restart cart/{pod}: it cannot be undone: what the processes held in memory is gone");
    assert_eq!(cluster.executor().execute(&undo(&restart)), (LASTING, refused));
    assert_eq!(cluster.pods("cart"), since);
}

#[test]
fn what_was_begun_is_brought_to_its_end_for_that_very_pod() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let pod = cluster.pods("cart").first().unwrap().clone();
    let restart = command("restart", &format!("cart/{pod}"), 0);
    // As a process leaves it that was killed between the note and the deletion: the pod is one that is gone.
    let ledger = json!({
        "tokens": { "shop": { format!("cart/{pod}"): 7 } },
        "effects": [{
            "key": restart.idempotency_key, "domain": "shop", "target": format!("cart/{pod}"), "token": 7,
            "verb": "restart", "state": "begun", "before": "00000000-0000-0000-0000-000000000000",
        }],
    });
    let annotation = json!({ "metadata": { "annotations": { "theriac.io/ledger": ledger.to_string() } } });
    cluster.patch(&cluster.apps("deployments/cart"), &annotation);
    assert_eq!(cluster.executor().execute(&restart).0, Verdict::Succeeded);
    assert!(cluster.pods("cart").contains(&pod), "another pod of the same name is not meant");
}

#[test]
fn only_pods_that_would_be_started_again() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    cluster.deploy("deployments", "payment", 1, "payment:1");
    let spec = json!({ "nodeSelector": { "of": cluster.namespace }, "containers": [{ "name": "c", "image": "c:1" }] });
    let lonely = json!({ "metadata": { "name": "lonely", "labels": { "app": "lonely" } }, "spec": spec });
    cluster.post(&format!("/api/v1/namespaces/{}/pods", cluster.namespace), &lonely);
    let of_another = cluster.pods("payment").first().unwrap().clone();
    for pod in ["lonely", &of_another] {
        let (verdict, why) = cluster.executor().execute(&command("restart", &format!("cart/{pod}"), 0));
        let words = format!(
            "restart cart/{pod}: it is no pod of the \"Deployment\" \"cart\", which would start another"
        );
        assert_eq!((verdict, why), (LASTING, words));
    }
    let (verdict, why) = cluster.executor().execute(&command("restart", "cart/cart-none", 1));
    assert_eq!((verdict, why.as_str()), (LASTING, "restart cart/cart-none: cart/cart-none is not there"));
    let (verdict, why) = cluster.executor().execute(&command("scale", &format!("cart/{of_another}"), 2));
    assert_eq!(verdict, LASTING);
    assert!(why.ends_with("scale is not for pods: its target must be the service"), "{why}");
    assert_eq!((cluster.pods("lonely").len(), cluster.pods("payment").len()), (1, 1));
}
