//! What may not be done is not done.

use std::fs;

use serde_json::{Value, json};
use theriac_connectors::executor::{KubernetesExecutor, KubernetesSettings};
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::{LASTING, PASSING, cluster::Cluster, command, undo, with};

fn out(step: u32, token: u64) -> Command {
    Command { fencing_token: token, ..with(command("scale_out", "cart", step), "replicas", "1") }
}

#[test]
fn tokens_only_grow_even_if_nothing_came_of_the_newest() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let executor = cluster.executor();
    assert_eq!(executor.execute(&out(0, 7)).0, Verdict::Succeeded);
    let stale = executor.execute(&out(1, 6));
    assert_eq!(stale, (LASTING, "scale_out cart: fenced: token 6 is older than 7 for cart".to_owned()));
    let too_many = Command { fencing_token: 9, ..with(command("scale_out", "cart", 2), "replicas", "1000") };
    assert_eq!(executor.execute(&too_many).0, LASTING);
    assert_eq!(executor.execute(&out(3, 8)).0, LASTING, "9 was seen");
    assert_eq!(executor.execute(&out(0, 7)).0, Verdict::Succeeded, "what was done is still answered");
    // The same in another domain has tokens of its own.
    let elsewhere = Command { domain: "other".to_owned(), ..out(4, 1) };
    assert_eq!(executor.execute(&elsewhere).0, Verdict::Succeeded);
    assert_eq!(cluster.replicas("cart"), 3);
    // A deployment that is rolled back keeps its ledger: it is no part of a revision.
    cluster.deploy_image("cart", "cart:2");
    let back = Command { fencing_token: 9, ..command("rollback_deploy", "cart", 5) };
    assert_eq!(executor.execute(&back).0, Verdict::Succeeded);
    assert_eq!(executor.execute(&out(6, 8)).0, LASTING);
}

#[test]
fn what_was_never_done_needs_no_undoing_and_is_not_done_afterwards() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let executor = cluster.executor();
    let nothing = (Verdict::Succeeded, "nothing was done that had to be undone".to_owned());
    assert_eq!(executor.execute(&undo(&out(0, 7))), nothing);
    let late = (LASTING, "scale_out cart: it was taken back before it was begun".to_owned());
    assert_eq!(executor.execute(&out(0, 7)), late);
    assert_eq!(cluster.replicas("cart"), 1);
}

#[test]
fn only_the_generation_that_the_plan_was_made_for_is_acted_upon() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let executor = cluster.executor();
    let generation = || cluster.get(&cluster.apps("deployments/cart"))["metadata"]["generation"].to_string();
    assert_eq!(generation(), "1");
    assert_eq!(executor.execute(&with(out(0, 7), "generation", "1")).0, Verdict::Succeeded);
    let now = generation();
    let (verdict, why) = executor.execute(&with(out(1, 7), "generation", "1"));
    assert_eq!((verdict, why), (LASTING, format!("scale_out cart: its generation is {now} by now, not 1")));
    assert_eq!(executor.execute(&with(out(2, 7), "generation", &generation())).0, Verdict::Succeeded);
    let (verdict, why) = executor.execute(&with(out(3, 7), "resource_version", "1"));
    assert_eq!((verdict, why.contains("its resource_version is ")), (LASTING, true), "{why}");
    assert_eq!(cluster.replicas("cart"), 3);
}

#[test]
fn who_may_not_is_told_what_to_grant_and_who_is_not_there_may_come() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let file = fs::read_to_string(&cluster.kubeconfig).unwrap();
    fs::write(&path, file.replace("theriac-test", "theriac-test-guest")).unwrap();
    let (verdict, why) = cluster.executor_with(&json!({ "kubeconfig": path })).execute(&out(0, 7));
    assert_eq!(verdict, LASTING);
    assert!(why.contains("User \"guest\" cannot get resource \"deployments\""), "{why}");
    assert!(why.ends_with("(403); grant it to the executor's role"), "{why}");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fs::write(&path, file.replace(&cluster.port.to_string(), &nobody.to_string())).unwrap();
    let short = Command { timeout: Interval::from_seconds(3), ..out(0, 7) };
    let (verdict, why) = cluster.executor_with(&json!({ "kubeconfig": path })).execute(&short);
    assert_eq!(verdict, PASSING, "{why}");
    fs::remove_file(&path).unwrap();
    let (verdict, why) = cluster.executor_with(&json!({ "kubeconfig": path })).execute(&out(0, 7));
    assert_eq!((verdict, why.contains(&path.display().to_string())), (LASTING, true), "{why}");
    assert_eq!(cluster.replicas("cart"), 1);
}

#[test]
fn what_is_meant_must_be_there_and_of_a_kind_that_can() {
    let cluster = Cluster::fresh();
    cluster.deploy("daemonsets", "agent", 1, "agent:1");
    cluster.deploy("statefulsets", "store", 1, "store:1");
    let executor = cluster.executor_with(&json!({
        "workloads": { "agent": { "kind": "daemon_set" }, "database": { "kind": "stateful_set", "name": "store" } },
    }));
    for (verb, target, words) in [
        ("restart", "nobody", "deployments/nobody is not there"),
        ("scale", "agent", "a daemon set has a pod on each node, and no replicas"),
        ("rollback_deploy", "database", "only a deployment keeps its revisions as replica sets"),
        ("drain", "database", "drain is for nodes: its target must be host:NAME"),
        (
            "isolate",
            "database",
            "`isolate` is not supported in Kubernetes; supported are restart, rolling_restart",
        ),
        ("restart", "../nodes", "`..` is no name of a workload: name it in `workloads`"),
        ("cordon", "host:a/b", "`a/b` is no name of a node"),
        ("restart", "database/a?b", "`a?b` is no name of a pod"),
    ] {
        let (verdict, why) = executor.execute(&with(command(verb, target, 0), "replicas", "2"));
        assert_eq!(verdict, LASTING, "{verb} {target}: {why}");
        assert!(why.contains(words), "{verb} {target}: {why}");
    }
    // Rolling restarts are for all of them.
    assert_eq!(executor.execute(&command("restart", "agent", 1)).0, Verdict::Succeeded);
    assert_eq!(executor.execute(&command("restart", "database", 1)).0, Verdict::Succeeded);
    let dry = Command { dry_run: true, ..command("restart", "database", 2) };
    let path = cluster.apps("statefulsets/store");
    let told = format!("would restart {path}; cannot be undone: what the processes held in memory is gone");
    assert_eq!(executor.execute(&dry), (Verdict::Succeeded, told));
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_mend() {
    let error = |field: &str, value: Value| {
        let mut settings = json!({ "namespace": "shop" });
        settings[field] = value;
        match serde_json::from_value::<KubernetesSettings>(settings) {
            Err(error) => error.to_string(),
            Ok(settings) => KubernetesExecutor::new("cluster", settings).err().expect("an error").to_string(),
        }
    };
    for (field, value, text) in [
        (
            "namespace",
            json!("Shop"),
            "executor `cluster`: namespace `Shop` must be of small letters, digits, `-` and `.`",
        ),
        ("kubeconfig", json!("config"), "executor `cluster`: kubeconfig `config` must be an absolute path"),
        (
            "context",
            json!("prod"),
            "executor `cluster`: `context` is one of a file: name that in `kubeconfig`",
        ),
        ("replicas_max", json!(0), "executor `cluster`: `replicas_max` must be at least `replicas_min`, 1"),
        (
            "workloads",
            json!({ "a": { "name": "b/c" } }),
            "executor `cluster`: workloads.a.name `b/c` must be",
        ),
        ("workloads", json!({ "a": { "kind": "job" } }), "unknown variant `job`"),
    ] {
        let error = error(field, value);
        assert!(error.starts_with(text), "{error}");
    }
}
