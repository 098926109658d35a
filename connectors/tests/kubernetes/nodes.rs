//! Nodes are closed, opened and emptied.

use serde_json::json;
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::{LASTING, PASSING, cluster::Cluster, command, undo};

fn on(cluster: &Cluster, verb: &str, step: u32) -> Command {
    command(verb, &format!("host:{}", cluster.node(1)), step)
}

#[test]
fn a_node_is_closed_and_opened() {
    let cluster = Cluster::fresh();
    let (executor, node) = (cluster.executor(), cluster.node(1));
    let cordon = on(&cluster, "cordon", 0);
    assert_eq!(executor.execute(&cordon), (Verdict::Succeeded, "it takes no further pods".to_owned()));
    assert!(cluster.unschedulable(&node));
    assert_eq!(executor.execute(&undo(&cordon)).0, Verdict::Succeeded);
    assert!(!cluster.unschedulable(&node));
    // One that somebody has closed stays closed when our closing is undone.
    cluster.patch(&format!("/api/v1/nodes/{node}"), &json!({ "spec": { "unschedulable": true } }));
    let again = on(&cluster, "cordon", 1);
    assert_eq!(executor.execute(&again).0, Verdict::Succeeded);
    assert_eq!(executor.execute(&undo(&again)).0, Verdict::Succeeded);
    assert!(cluster.unschedulable(&node));
    assert_eq!(executor.execute(&on(&cluster, "uncordon", 2)).0, Verdict::Succeeded);
    assert!(!cluster.unschedulable(&node));
    let (verdict, why) = executor.execute(&on(&cluster, "rollback_deploy", 3));
    assert_eq!((verdict, why.ends_with("rollback_deploy is not for nodes")), (LASTING, true), "{why}");
}

#[test]
fn a_node_is_emptied_and_its_pods_start_elsewhere() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 4, "cart:1");
    let (executor, node) = (cluster.executor(), cluster.node(1));
    let there = cluster.on(&node);
    assert!(!there.is_empty(), "pods are spread");
    let drain = on(&cluster, "drain", 0);
    let done = (Verdict::Succeeded, format!("cordoned, and {} pods evicted", there.len()));
    assert_eq!(executor.execute(&drain), done);
    assert!(cluster.on(&node).is_empty() && cluster.unschedulable(&node));
    cluster.settled("cart");
    assert_eq!(cluster.on(&cluster.node(2)).len(), 4);
    assert_eq!(executor.execute(&drain), done);
    assert_eq!(executor.execute(&undo(&drain)).0, Verdict::Succeeded);
    assert!(!cluster.unschedulable(&node));
    // As the playbooks undo it: by another verb.
    let drain = on(&cluster, "drain", 1);
    assert_eq!(executor.execute(&drain).0, Verdict::Succeeded);
    let mut back = undo(&drain);
    back.action.verb = "undrain".to_owned();
    assert_eq!(executor.execute(&back).0, Verdict::Succeeded);
    assert!(!cluster.unschedulable(&node));
}

#[test]
fn a_budget_is_kept_to_and_the_node_is_opened_again() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 4, "cart:1");
    let (executor, node) = (cluster.executor(), cluster.node(1));
    let selector = json!({ "matchLabels": { "app": "cart" } });
    let budget =
        json!({ "metadata": { "name": "all" }, "spec": { "maxUnavailable": 0, "selector": selector } });
    let budgets = format!("/apis/policy/v1/namespaces/{}/poddisruptionbudgets", cluster.namespace);
    cluster.post(&budgets, &budget);
    let there = cluster.on(&node);
    let drain = Command { timeout: Interval::from_seconds(6), ..on(&cluster, "drain", 0) };
    let (verdict, why) = executor.execute(&drain);
    assert_eq!(verdict, PASSING, "{why}");
    assert!(why.contains("not drained in time, uncordoned again"), "{why}");
    assert!(!cluster.unschedulable(&node));
    assert_eq!(cluster.on(&node), there);
    // Once the budget allows it, another attempt of the same key does it.
    cluster.request("DELETE", &format!("{budgets}/all"), &json!({})).unwrap();
    let again = Command { attempt: 2, timeout: Interval::from_seconds(30), ..drain };
    assert_eq!(executor.execute(&again).0, Verdict::Succeeded);
    assert!(cluster.on(&node).is_empty());
}

#[test]
fn a_pod_that_nobody_would_start_again_keeps_its_node() {
    let cluster = Cluster::fresh();
    let spec = json!({ "nodeName": cluster.node(1), "containers": [{ "name": "c", "image": "c:1" }] });
    let pods = format!("/api/v1/namespaces/{}/pods", cluster.namespace);
    cluster.post(&pods, &json!({ "metadata": { "name": "lonely" }, "spec": spec }));
    let (verdict, why) = cluster.executor().execute(&on(&cluster, "drain", 0));
    let words = format!("pod {}/lonely has no controller that would start it elsewhere", cluster.namespace);
    assert_eq!((verdict, why.ends_with(&words)), (LASTING, true), "{why}");
    assert!(!cluster.unschedulable(&cluster.node(1)));
}
