//! Rolling restarts, replicas and revisions.

use std::{sync::Barrier, thread};

use serde_json::json;
use theriac_contract::{Executor, Verdict};

use crate::{LASTING, cluster::Cluster, command, undo, with};

#[test]
fn a_rolling_restart_replaces_all_pods_once() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 3, "cart:1");
    let before = cluster.pods("cart");
    let restart = command("rolling_restart", "cart", 0);
    let done = (Verdict::Succeeded, "its pods are being replaced".to_owned());
    assert_eq!(cluster.executor().execute(&restart), done);
    cluster.settled("cart");
    cluster.until("the old pods are gone", || cluster.pods("cart").is_disjoint(&before));
    let since = cluster.pods("cart");
    assert_eq!(since.len(), 3);
    // Neither the same key nor what undoes it, which nothing can, touches them again.
    assert_eq!(cluster.executor().execute(&restart), done);
    let refused = "rolling_restart cart: it cannot be undone: what the processes held in memory is gone";
    assert_eq!(cluster.executor().execute(&undo(&restart)), (LASTING, refused.to_owned()));
    cluster.settled("cart");
    assert_eq!(cluster.pods("cart"), since);
    // The restart of a service is one as well.
    assert_eq!(cluster.executor().execute(&command("restart", "cart", 1)), done);
    cluster.until("they are replaced", || cluster.pods("cart").is_disjoint(&since));
}

#[test]
fn replicas_go_up_and_down_within_bounds_and_back() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 2, "cart:1");
    let executor = cluster.executor_with(&json!({ "replicas_min": 2, "replicas_max": 6 }));
    let out = with(command("scale_out", "cart", 0), "replicas", "3");
    assert_eq!(executor.execute(&out), (Verdict::Succeeded, "from 2 to 5 replicas".to_owned()));
    assert_eq!(executor.execute(&out).0, Verdict::Succeeded);
    assert_eq!(cluster.replicas("cart"), 5);
    cluster.settled("cart");
    for (verb, count, words) in [
        ("scale_out", "2", "7 replicas are not allowed; from 2 to 6 are"),
        ("scale_in", "4", "1 replicas are not allowed; from 2 to 6 are"),
        ("scale", "few", "the parameter `replicas` is `few`, which is no number"),
    ] {
        let (verdict, why) = executor.execute(&with(command(verb, "cart", 1), "replicas", count));
        assert_eq!((verdict, why), (LASTING, format!("{verb} cart: {words}")));
    }
    let (verdict, why) = executor.execute(&command("scale", "cart", 2));
    assert_eq!((verdict, why.as_str()), (LASTING, "scale cart: it needs the parameter `replicas`"));
    assert_eq!(executor.execute(&undo(&out)), (Verdict::Succeeded, "from 5 back to 2 replicas".to_owned()));
    assert_eq!(cluster.replicas("cart"), 2);
    // As the playbooks undo it: by another verb.
    let out = with(command("scale_out", "cart", 3), "replicas", "1");
    assert_eq!(executor.execute(&out).0, Verdict::Succeeded);
    let mut back = undo(&out);
    back.action.verb = "scale_in".to_owned();
    assert_eq!(executor.execute(&back), (Verdict::Succeeded, "from 3 to 2 replicas".to_owned()));
}

#[test]
fn what_somebody_else_scaled_since_is_left_to_them() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let scale = with(command("scale", "cart", 0), "replicas", "2");
    assert_eq!(cluster.executor().execute(&scale).0, Verdict::Succeeded);
    cluster.patch(&cluster.apps("deployments/cart"), &json!({ "spec": { "replicas": 4 } }));
    let refused = "scale cart: it has 4 replicas by now, not 2: somebody has scaled it since";
    assert_eq!(cluster.executor().execute(&undo(&scale)), (LASTING, refused.to_owned()));
    assert_eq!(cluster.replicas("cart"), 4);
}

#[test]
fn a_rollback_brings_back_the_revision_before_and_can_be_taken_back() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "shop/cart:v1");
    let executor = cluster.executor();
    let nothing = "rollback_deploy cart: no revision before 1 is kept";
    assert_eq!(executor.execute(&command("rollback_deploy", "cart", 0)), (LASTING, nothing.to_owned()));
    cluster.deploy_image("cart", "shop/cart:v2");
    cluster.deploy_image("cart", "shop/cart:v3");
    let back = command("rollback_deploy", "cart", 1);
    let done = (Verdict::Succeeded, "from revision 3 back to 2".to_owned());
    assert_eq!(executor.execute(&back), done);
    assert_eq!(cluster.image("cart"), "shop/cart:v2");
    cluster.settled("cart");
    assert_eq!(executor.execute(&back), done, "it does not go back further");
    assert_eq!(cluster.image("cart"), "shop/cart:v2");
    assert_eq!(executor.execute(&undo(&back)).0, Verdict::Succeeded);
    assert_eq!(cluster.image("cart"), "shop/cart:v3");
    cluster.settled("cart");
    // By the tag of an image, as a change that was heard of names it.
    let to = with(command("rollback_deploy", "cart", 2), "version", "v1");
    assert_eq!(executor.execute(&to), (Verdict::Succeeded, "from revision 5 back to 1".to_owned()));
    assert_eq!(cluster.image("cart"), "shop/cart:v1");
    cluster.settled("cart");
    let unknown = with(command("rollback_deploy", "cart", 3), "version", "v9");
    let words = "rollback_deploy cart: no revision that is kept is, or has an image of, version v9";
    assert_eq!(executor.execute(&unknown), (LASTING, words.to_owned()));
    // Somebody deploys: undoing the rollback would undo that.
    cluster.deploy_image("cart", "shop/cart:v4");
    let (verdict, why) = executor.execute(&undo(&to));
    assert_eq!((verdict, why.ends_with("somebody has deployed since")), (LASTING, true), "{why}");
    assert_eq!(cluster.image("cart"), "shop/cart:v4");
}

#[test]
fn many_at_once_are_all_done_and_each_once() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let (cluster, barrier) = (&cluster, &Barrier::new(8));
    // Four keys, each of them twice.
    let answers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                let executor = cluster.executor();
                scope.spawn(move || {
                    barrier.wait();
                    executor.execute(&with(command("scale_out", "cart", number % 4), "replicas", "1"))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|(verdict, _)| *verdict == Verdict::Succeeded), "{answers:?}");
    assert_eq!(cluster.replicas("cart"), 5);
}
