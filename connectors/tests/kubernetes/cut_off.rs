//! Connections that break, and executors that are killed, in the middle.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Command as Process, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;
use theriac_contract::{Command, Executor, Verdict};

use crate::{PASSING, cluster::Cluster, command, with};

const STEPS: u32 = 20;

fn out(step: u32) -> Command {
    with(command("scale_out", "cart", step), "replicas", "1")
}

/// Passes bytes on, but cuts the nth connection after a while, most of them in the middle of what is asked
/// or answered; later ones live longer. Gives the port.
fn cutting(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (client, server) = (client.unwrap(), TcpStream::connect(("127.0.0.1", server)).unwrap());
            let left = Arc::new(AtomicUsize::new(2_000 + number * 977 % 9_000 + number * 50));
            for (from, to) in [(client.try_clone(), server.try_clone()), (Ok(server), Ok(client))] {
                let left = Arc::clone(&left);
                thread::spawn(move || pass(from.unwrap(), to.unwrap(), &left));
            }
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: &AtomicUsize) {
    let mut buffer = [0; 512];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let spent = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(read));
        if spent.is_err() || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[test]
fn over_connections_that_break_each_key_is_done_once() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    let file = std::fs::read_to_string(&cluster.kubeconfig).unwrap();
    std::fs::write(&path, file.replace(&cluster.port.to_string(), &cutting(cluster.port).to_string()))
        .unwrap();
    let executor = cluster.executor_with(&json!({ "kubeconfig": path }));
    let mut broken = 0;
    for step in 0..STEPS {
        for attempt in 1.. {
            let (verdict, why) = executor.execute(&Command { attempt, ..out(step) });
            if verdict == Verdict::Succeeded {
                break;
            }
            assert_eq!(verdict, PASSING, "{why}");
            broken += 1;
            assert!(attempt < 100, "{why}");
        }
    }
    assert!(broken > 0, "no connection broke where it shows");
    assert_eq!(cluster.replicas("cart"), u64::from(STEPS) + 1);
}

const CHILD: &str = "THERIAC_TEST_KUBERNETES_CHILD";

/// What the processes that are killed do: all commands, in order.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let told: Vec<&str> = told.split(' ').collect();
    let [namespace, kubeconfig, port] = told.as_slice() else { panic!("namespace, kubeconfig, port") };
    let cluster = Cluster::known(namespace, Path::new(kubeconfig), port.parse().unwrap());
    let executor = cluster.executor();
    for step in 0..STEPS {
        let (verdict, why) = executor.execute(&out(step));
        assert_eq!(verdict, Verdict::Succeeded, "{why}");
    }
}

#[test]
fn killed_in_the_middle_each_key_is_done_once() {
    let cluster = Cluster::fresh();
    cluster.deploy("deployments", "cart", 1, "cart:1");
    let mut kills = 0_u32;
    loop {
        let mut child = Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "cut_off::child"])
            .env(CHILD, format!("{} {} {}", cluster.namespace, cluster.kubeconfig.display(), cluster.port))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        thread::sleep(Duration::from_millis(80 + 37 * u64::from(kills)));
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{ended}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    assert!(kills >= 3, "it was killed {kills} times");
    assert_eq!(cluster.replicas("cart"), u64::from(STEPS) + 1);
}
