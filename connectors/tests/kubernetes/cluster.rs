//! A control plane for this test executable, and a namespace with nodes of its own for each test.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use theriac_connectors::executor::KubernetesExecutor;
use tokio::runtime::{Builder, Runtime};

struct Server {
    _process: Child,
    folder: PathBuf,
    port: u16,
}

/// A namespace with two nodes.
pub(crate) struct Cluster {
    pub(crate) namespace: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) port: u16,
    runtime: Runtime,
    client: Client,
}

/// The server ends with this process.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/kubernetes/server");
        let folder = tempfile::tempdir().unwrap().keep();
        let mut process = Process::new(script)
            .arg(&folder)
            .args([three_ports().to_string(), std::process::id().to_string()])
            .stdout(Stdio::null())
            .spawn()
            .expect("tests/kubernetes/server starts");
        let begin = Instant::now();
        // The first time it is built.
        while !folder.join("ready").exists() {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "tests/kubernetes/server has ended, see above: {ended:?}");
            assert!(
                begin.elapsed() < Duration::from_secs(2_400),
                "tests/kubernetes/server does not get ready"
            );
            thread::sleep(Duration::from_millis(100));
        }
        let config = fs::read_to_string(folder.join("kubeconfig")).unwrap();
        let port = config.split_once("127.0.0.1:").unwrap().1.split_once('"').unwrap().0.parse().unwrap();
        Server { _process: process, folder, port }
    })
}

fn three_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if first < 65_530 && (first..first + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}

impl Cluster {
    /// A fresh one.
    pub(crate) fn fresh() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("t{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let (kubeconfig, port) = (server().folder.join("kubeconfig"), server().port);
        let made = Self::known(&namespace, &kubeconfig, port);
        made.post("/api/v1/namespaces", &json!({ "metadata": { "name": namespace } }));
        for node in 1..=2 {
            let name = format!("{namespace}-node-{node}");
            made.post(
                "/api/v1/nodes",
                &json!({ "metadata": { "name": name, "labels": { "of": namespace } } }),
            );
        }
        made
    }

    /// One that is there.
    pub(crate) fn known(namespace: &str, kubeconfig: &Path, port: u16) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let file = Kubeconfig::read_from(kubeconfig).unwrap();
            let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        Self { namespace: namespace.to_owned(), kubeconfig: kubeconfig.to_owned(), port, runtime, client }
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Result<Value, kube::Error> {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = http::Request::builder().method(method).uri(path).header("Content-Type", kind);
        let bytes = if method == "GET" { Vec::new() } else { body.to_string().into_bytes() };
        self.runtime.block_on(self.client.request(request.body(bytes).unwrap()))
    }

    pub(crate) fn post(&self, path: &str, object: &Value) -> Value {
        self.request("POST", path, object).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.request("GET", path, &Value::Null).unwrap()
    }

    pub(crate) fn patch(&self, path: &str, patch: &Value) -> Value {
        self.request("PATCH", path, patch).unwrap()
    }

    pub(crate) fn apps(&self, rest: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{rest}", self.namespace)
    }

    pub(crate) fn node(&self, number: u32) -> String {
        format!("{}-node-{number}", self.namespace)
    }

    /// A workload whose pods run before this gives.
    pub(crate) fn deploy(&self, kind: &str, name: &str, replicas: u64, image: &str) {
        let template = json!({
            "metadata": { "labels": { "app": name } },
            "spec": { "nodeSelector": { "of": self.namespace }, "containers": [{ "name": "main", "image": image }] },
        });
        let selector = json!({ "matchLabels": { "app": name } });
        let mut spec = json!({ "replicas": replicas, "selector": selector, "template": template });
        if kind == "statefulsets" {
            spec["serviceName"] = json!(name);
        }
        self.post(&self.apps(kind), &json!({ "metadata": { "name": name }, "spec": spec }));
        if kind == "deployments" {
            self.settled(name);
        }
    }

    /// Gives it another image, as a deploy does.
    pub(crate) fn deploy_image(&self, name: &str, image: &str) {
        let containers = json!([{ "name": "main", "image": image }]);
        let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        self.patch(&self.apps(&format!("deployments/{name}")), &patch);
        self.settled(name);
    }

    /// Waits until a deployment is as it was last said to be.
    pub(crate) fn settled(&self, name: &str) {
        self.until(&format!("{name} is settled"), || {
            let object = self.get(&self.apps(&format!("deployments/{name}")));
            let (wanted, status) = (&object["spec"]["replicas"], &object["status"]);
            let all = ["replicas", "updatedReplicas", "availableReplicas"]
                .iter()
                .all(|count| status[*count] == *wanted);
            all && status["observedGeneration"] == object["metadata"]["generation"]
        });
    }

    pub(crate) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < Duration::from_secs(60), "it never came to be: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn replicas(&self, name: &str) -> u64 {
        self.get(&self.apps(&format!("deployments/{name}")))["spec"]["replicas"].as_u64().unwrap()
    }

    pub(crate) fn image(&self, name: &str) -> String {
        let object = self.get(&self.apps(&format!("deployments/{name}")));
        object["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
    }

    /// Pods of an app that are not being ended, by name.
    pub(crate) fn pods(&self, app: &str) -> BTreeSet<String> {
        let path = format!("/api/v1/namespaces/{}/pods?labelSelector=app%3D{app}", self.namespace);
        let found = self.get(&path);
        let stays = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        found["items"].as_array().unwrap().iter().filter(stays).map(name).collect()
    }

    /// Names of the pods on a node.
    pub(crate) fn on(&self, node: &str) -> BTreeSet<String> {
        let found = self.get(&format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}"));
        let name = |pod: &Value| pod["metadata"]["name"].as_str().unwrap().to_owned();
        found["items"].as_array().unwrap().iter().map(name).collect()
    }

    pub(crate) fn unschedulable(&self, node: &str) -> bool {
        self.get(&format!("/api/v1/nodes/{node}"))["spec"]["unschedulable"] == true
    }

    pub(crate) fn executor(&self) -> KubernetesExecutor {
        self.executor_with(&json!({}))
    }

    pub(crate) fn executor_with(&self, others: &Value) -> KubernetesExecutor {
        let mut settings = json!({ "namespace": self.namespace, "kubeconfig": self.kubeconfig });
        for (name, value) in others.as_object().unwrap() {
            settings[name] = value.clone();
        }
        KubernetesExecutor::new("cluster", serde_json::from_value(settings).expect("good settings"))
            .expect("good settings")
    }
}
