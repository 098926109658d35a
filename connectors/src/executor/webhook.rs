//! A signed HTTP request for each attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use theriac_contract::{Command, Executor, Interval, Verdict};
use ureq::Agent;

use super::{
    clock::Clock,
    cut,
    log::words,
    settings::{ExecutorError, seconds},
    signature,
};
use crate::secret::Secret;

/// Settings of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where to POST, `https://…` or `http://…`.
    pub url: String,
    /// Key of the signature.
    pub secret: Secret,
    /// Longest time for a request, whatever the step allows.
    #[serde(default = "WebhookSettings::timeout_max")]
    pub timeout_max: Interval,
    /// Bytes of an answer that are read.
    #[serde(default = "WebhookSettings::answer_bytes_max")]
    pub answer_bytes_max: u64,
    /// Whether dry runs are sent (with `"dry_run": true`) to a receiver that heeds the field.
    #[serde(default)]
    pub send_dry_runs: bool,
}

impl WebhookSettings {
    const fn timeout_max() -> Interval {
        Interval::from_seconds(300)
    }

    const fn answer_bytes_max() -> u64 {
        64 * 1024
    }
}

/// POSTs each [`Command`] as JSON. Headers: `Theriac-Signature` (see [`signature`]),
/// `Idempotency-Key` (same for all attempts of a step) and `Theriac-Fencing-Token`.
///
/// A 2xx answer is success, unless its body is a JSON object with `verdict` (`succeeded`,
/// `failed` with `retryable`, `timed_out`, `unknown`) and, if liked, `detail`. 409 and 412
/// mean fenced; 429 and 5xx may be retried; everything else is final. Without a
/// connection nothing was done; a connection that broke later leaves that unknown.
pub struct Webhook {
    name: String,
    settings: WebhookSettings,
    secret: Vec<u8>,
    clock: Clock,
    agent: Agent,
}

/// What a receiver may answer.
#[derive(Deserialize)]
struct Answer {
    #[serde(flatten)]
    verdict: Verdict,
    #[serde(default)]
    detail: String,
}

impl Webhook {
    /// Reads the secret; sends nothing.
    ///
    /// # Errors
    /// If the secret cannot be read or the address is none.
    pub fn new(name: &str, settings: WebhookSettings, clock: Clock) -> Result<Self, ExecutorError> {
        if !(settings.url.starts_with("https://") || settings.url.starts_with("http://")) {
            let reason = format!("url `{}` must begin with https:// or http://", settings.url);
            return Err(ExecutorError::Setting { executor: name.to_owned(), reason });
        }
        let unreadable = |reason| ExecutorError::Secret { executor: name.to_owned(), reason };
        let secret = settings.secret.read().map_err(unreadable)?;
        let agent: Agent =
            Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Ok(Self { name: name.to_owned(), settings, secret, clock, agent })
    }

    fn post(&self, command: &Command, body: &[u8]) -> Result<(u16, Vec<u8>), ureq::Error> {
        let timeout = command.timeout.min(self.settings.timeout_max);
        let timeout = Duration::from_nanos(timeout.0.max(1).unsigned_abs());
        let mut response = self
            .agent
            .post(&self.settings.url)
            .config()
            .timeout_global(Some(timeout))
            .build()
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", command.idempotency_key.as_str())
            .header("Theriac-Fencing-Token", command.fencing_token.to_string())
            .header("Theriac-Signature", signature::header(&self.secret, (self.clock)(), body))
            .send(body)?;
        let status = response.status().as_u16();
        let limit = self.settings.answer_bytes_max;
        let answer = response.body_mut().with_config().limit(limit).read_to_vec()?;
        Ok((status, answer))
    }
}

fn judge(status: u16, answer: &[u8]) -> (Verdict, String) {
    let text = cut(String::from_utf8_lossy(answer).trim(), 1000);
    let said = if text.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {text}") };
    match status {
        200..=299 => match serde_json::from_slice::<serde_json::Value>(answer) {
            Ok(value) if value.get("verdict").is_some() => match serde_json::from_value::<Answer>(value) {
                Ok(answer) if answer.detail.is_empty() => (answer.verdict, said),
                Ok(answer) => (answer.verdict, cut(&answer.detail, 1000)),
                Err(error) => (Verdict::Unknown, format!("{said}: the verdict cannot be read: {error}")),
            },
            _ => (Verdict::Succeeded, said),
        },
        409 | 412 => (Verdict::Failed { retryable: false }, format!("fenced by the receiver: {said}")),
        429 | 500..=599 => (Verdict::Failed { retryable: true }, said),
        _ => (Verdict::Failed { retryable: false }, said),
    }
}

fn broken(error: &ureq::Error) -> Verdict {
    use std::io::ErrorKind;
    match error {
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Tls(_) => Verdict::Failed { retryable: true },
        ureq::Error::Timeout(_) => Verdict::TimedOut,
        ureq::Error::Io(io)
            if matches!(io.kind(), ErrorKind::ConnectionRefused | ErrorKind::AddrNotAvailable) =>
        {
            Verdict::Failed { retryable: true }
        }
        ureq::Error::Io(io) if io.kind() == ErrorKind::TimedOut => Verdict::TimedOut,
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Verdict::Failed { retryable: false },
        _ => Verdict::Unknown,
    }
}

impl Executor for Webhook {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        if command.dry_run && !self.settings.send_dry_runs {
            let detail = format!("would {} by POST to {}", words(command), self.settings.url);
            return (Verdict::Succeeded, detail);
        }
        let body = match serde_json::to_vec(command) {
            Ok(body) => body,
            Err(error) => return (Verdict::Failed { retryable: false }, error.to_string()),
        };
        match self.post(command, &body) {
            Ok((status, answer)) => judge(status, &answer),
            Err(error @ ureq::Error::Timeout(_)) => {
                let limit = seconds(command.timeout.min(self.settings.timeout_max));
                (broken(&error), format!("no answer within {limit}: {error}"))
            }
            Err(error) => (broken(&error), error.to_string()),
        }
    }
}
