//! The HTTP port: `/livez`, `/readyz`, `/metrics`, `POST /-/reload`, `/-/judge` and `/-/control`.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread,
};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Serialize;
use tokio::sync::oneshot::error::RecvError;

use super::{Operations, judging::Saying, requests::Answer};
use crate::output::Wrong;

/// Serves on a thread of its own for as long as the process lives. Gives the address, in which a
/// port 0 has become a real one.
pub(super) fn start(operations: &Arc<Operations>, listen: SocketAddr) -> Result<SocketAddr> {
    let taken = |error: std::io::Error| {
        Wrong(format!("`operations.listen`: {listen}: {error}; name another address, or leave it out"))
    };
    let listener = TcpListener::bind(listen).map_err(taken)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let router = router(Arc::clone(operations));
    let serve = move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).await
        })
    };
    let tell = move || {
        if let Err(error) = serve() {
            tracing::error!("operations: {error}");
        }
    };
    thread::Builder::new().name("operations".to_owned()).spawn(tell).context("a thread cannot be started")?;
    Ok(address)
}

fn router(operations: Arc<Operations>) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/-/reload", post(reload))
        .route("/-/judge", post(judge))
        .route("/-/control", post(control))
        .with_state(operations)
}

fn json(well: bool, body: &impl Serialize) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string(body).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response()
}

async fn live(State(operations): State<Arc<Operations>>) -> Response {
    let liveness = operations.liveness();
    json(liveness.live, &liveness)
}

async fn ready(State(operations): State<Arc<Operations>>) -> Response {
    let readiness = operations.health.readiness();
    json(readiness.ready, &readiness)
}

/// In the format of OpenMetrics for who asks for it, or else in that of Prometheus.
async fn metrics(State(operations): State<Arc<Operations>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match operations.exposition(accepted.contains("application/openmetrics-text")) {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn reload(State(operations): State<Arc<Operations>>) -> Response {
    if !operations.settings.allow_reload {
        let text = "not allowed: set `operations.allow_reload: true`, or send SIGHUP\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    answer(operations.reloads.asked.ask(()).await)
}

async fn judge(State(operations): State<Arc<Operations>>, body: String) -> Response {
    if !operations.settings.allow_judge {
        let text = "not allowed: set `operations.allow_judge: true`\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    match serde_json::from_str(&body) {
        Ok(opinion) => answer(operations.sayings.ask(Saying::Opinion(opinion)).await),
        Err(error) => {
            let example =
                r#"{"symptom": "symptom-1a2b", "judgement": "noise", "reason": "the nightly backup"}"#;
            (StatusCode::BAD_REQUEST, format!("{error}; write {example}\n")).into_response()
        }
    }
}

async fn control(State(operations): State<Arc<Operations>>, body: String) -> Response {
    if !operations.settings.allow_control {
        let text = "not allowed: set `operations.allow_control: true`\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    }
    match serde_json::from_str(&body) {
        Ok(order) => answer(operations.sayings.ask(Saying::Order(order)).await),
        Err(error) => {
            let example =
                r#"{"order": "approve", "plan": "plan-1a2b", "by": "ada", "reason": "looks right"}"#;
            (StatusCode::BAD_REQUEST, format!("{error}; write {example}\n")).into_response()
        }
    }
}

fn answer(answered: Result<Answer, RecvError>) -> Response {
    match answered {
        Ok(Ok(told)) => (StatusCode::OK, told + "\n").into_response(),
        Ok(Err(refused)) => (StatusCode::BAD_REQUEST, refused + "\n").into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the service is stopping\n").into_response(),
    }
}
