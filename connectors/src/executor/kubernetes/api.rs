//! The API server: objects as the JSON that they are, so that what this program does not know of them stays.

use std::{cell::Cell, path::Path, time::Instant};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
    core::Status,
};
use serde_json::{Value, json};

use super::settings::KubernetesSettings;
use crate::executor::failure::Failure;

/// An API server, for the time of one command.
pub(super) struct Api {
    client: Client,
    /// After this nothing is written any more.
    write_until: Cell<Instant>,
    /// What it becomes once something was begun that must be noted, or taken back.
    answer_by: Instant,
    /// Whether something was written whose answer has not come.
    unanswered: Cell<bool>,
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is no such object.
    Absent,
    /// Somebody else has changed it meanwhile, or it is another one of that name.
    Conflict,
    /// Not now: a disruption budget, or too much to do.
    Later(String),
    /// The answer did not come; it may or may not have been done.
    Silence(String),
    /// For good.
    For(String),
}

impl Refused {
    /// As the answer of an executor, where nothing was done.
    pub(super) fn failure(self, doing: &str) -> Failure {
        match self {
            Self::Absent => Failure::lasting(format!("{doing} is not there")),
            Self::Conflict => Failure::passing(format!("{doing} was changed meanwhile")),
            Self::Later(why) | Self::Silence(why) => Failure::passing(format!("{doing}: {why}")),
            Self::For(why) => Failure::lasting(format!("{doing}: {why}")),
        }
    }
}

impl Api {
    /// Reads how to get there; connects to nothing yet.
    pub(super) async fn open(
        settings: &KubernetesSettings,
        act_until: Instant,
        answer_by: Instant,
    ) -> Result<Self, Failure> {
        let mut config = config(settings).await.map_err(Failure::lasting)?;
        // Whether and for how long something is tried again is decided here, by what it is.
        config.default_retry = false;
        let client = Client::try_from(config).map_err(|error| Failure::lasting(error.to_string()))?;
        Ok(Self { client, write_until: Cell::new(act_until), answer_by, unanswered: Cell::new(false) })
    }

    /// Whether the time to act is over.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.write_until.get()
    }

    /// From here on only what was begun is noted or taken back, for which some time was kept.
    pub(super) fn end(&self) {
        self.write_until.set(self.answer_by);
    }

    /// Whether something was written whose answer has not come.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.get()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, Refused> {
        self.request("GET", path, None).await
    }

    /// Replaces an object. Its `resourceVersion` is that at which it was read: if it has changed since,
    /// nothing happens.
    pub(super) async fn put(&self, path: &str, object: &Value) -> Result<Value, Refused> {
        self.write("PUT", path, object).await
    }

    /// Deletes a pod, if it is still this very one.
    pub(super) async fn delete(&self, path: &str, uid: &str) -> Result<Value, Refused> {
        let options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "preconditions": { "uid": uid } });
        self.write("DELETE", path, &options).await
    }

    /// Asks for the eviction of a pod, if it is still this very one.
    pub(super) async fn evict(&self, namespace: &str, name: &str, uid: &str) -> Result<Value, Refused> {
        let eviction = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": { "namespace": namespace, "name": name },
            "deleteOptions": { "preconditions": { "uid": uid } },
        });
        self.write("POST", &format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"), &eviction).await
    }

    async fn write(&self, method: &str, path: &str, body: &Value) -> Result<Value, Refused> {
        if self.is_late() {
            return Err(Refused::Later("its time is over".to_owned()));
        }
        self.unanswered.set(true);
        let answer = self.request(method, path, Some(body)).await;
        self.unanswered.set(matches!(answer, Err(Refused::Silence(_))));
        answer
    }

    async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Refused> {
        let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", "application/json")
            .body(bytes)
            .map_err(|error| Refused::For(error.to_string()))?;
        self.client.request(request).await.map_err(|error| match error {
            kube::Error::Api(status) => refused(&status),
            kube::Error::Auth(error) => Refused::For(format!("who comes is not known: {error}")),
            error => Refused::Silence(error.to_string()),
        })
    }
}

fn refused(status: &Status) -> Refused {
    let why = format!("{} ({})", status.message, status.code);
    match status.code {
        404 => Refused::Absent,
        409 => Refused::Conflict,
        403 => Refused::For(format!("{why}; grant it to the executor's role")),
        429 | 500..=599 => Refused::Later(why),
        _ => Refused::For(why),
    }
}

async fn config(settings: &KubernetesSettings) -> Result<Config, String> {
    let Some(path) = &settings.kubeconfig else {
        return Config::incluster().map_err(|error| {
            format!("this does not run in a pod ({error}): say in `kubeconfig` where the cluster is")
        });
    };
    from_file(path, settings.context.as_ref()).await.map_err(|why| format!("{}: {why}", path.display()))
}

async fn from_file(path: &Path, context: Option<&String>) -> Result<Config, String> {
    let file = Kubeconfig::read_from(path).map_err(|error| error.to_string())?;
    let options = KubeConfigOptions { context: context.cloned(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(file, &options).await.map_err(|error| error.to_string())
}
