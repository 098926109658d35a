//! Clients of librdkafka, and what their failures mean.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _},
    error::{KafkaError, RDKafkaErrorCode},
};
use theriac_contract::{Interval, SourceError, TopicError};

use super::settings::Settings;

/// Something on Kafka failed: what was tried, why it failed, and the mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Kafka: {what}: {reason}")]
pub struct KafkaFailure {
    /// What was tried.
    pub what: String,
    /// Why it failed, and the mend.
    pub reason: String,
    /// A newer owner has taken over.
    pub fenced: bool,
    /// The transaction is lost, and the same records can be sent in a new one.
    pub(super) aborted: bool,
}

impl KafkaFailure {
    pub(super) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { what: what.into(), reason: reason.into(), fenced: false, aborted: false }
    }

    /// What a failure of librdkafka means; `said` is the last thing that its client complained of.
    pub(super) fn of(what: impl Into<String>, error: &KafkaError, said: &Complaints) -> Self {
        let code = match error {
            KafkaError::AdminOp(code) => Some(*code),
            other => other.rdkafka_error_code(),
        };
        // A connection that cannot be made looks like a broker that is away; its client says why.
        let cause = if code.is_none_or(is_silence) { said.cause().or(code) } else { code };
        let mend = cause.and_then(mend).map_or_else(String::new, |mend| format!("; {mend}"));
        let said = said.last().map_or_else(String::new, |said| format!(" ({said})"));
        let aborted = match error {
            KafkaError::Transaction(error) => error.txn_requires_abort() && !error.is_fatal(),
            _ => false,
        };
        let fenced = code.is_some_and(is_fenced);
        Self { what: what.into(), reason: format!("{error}{said}{mend}"), fenced, aborted }
    }
}

impl From<KafkaFailure> for TopicError {
    fn from(failure: KafkaFailure) -> Self {
        if failure.fenced {
            return Self::Fenced(format!("{failure}: another process has taken over"));
        }
        Self::Io { what: format!("Kafka: {}", failure.what), source: io::Error::other(failure.reason) }
    }
}

impl From<KafkaFailure> for SourceError {
    fn from(failure: KafkaFailure) -> Self {
        Self::Io { origin: format!("Kafka: {}", failure.what), source: io::Error::other(failure.reason) }
    }
}

/// A failure of what a consumer was asked for. Its client's complaints lie in its queue until they
/// are fetched.
pub(super) fn failure(
    what: impl Into<String>,
    error: &KafkaError,
    consumer: &BaseConsumer<Complaints>,
) -> KafkaFailure {
    // It fails anyhow: a record that is met here is read again, if anyone tries again.
    let begin = Instant::now();
    while consumer.poll(Duration::from_millis(20)).is_some() && begin.elapsed() < Duration::from_secs(1) {}
    KafkaFailure::of(what, error, consumer.context())
}

/// Whether it says no more than that nobody answered.
const fn is_silence(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::OperationTimedOut | Code::MessageTimedOut
    )
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::FencedInstanceId
            | Code::IllegalGeneration
            | Code::UnknownMemberId
            | Code::AssignmentLost
    )
}

/// Whether the broker will not give at all what a consumer asked for.
pub(super) fn is_refused(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                Code::TopicAuthorizationFailed
                    | Code::GroupAuthorizationFailed
                    | Code::SaslAuthenticationFailed
                    | Code::Authentication
            )
        )
}

/// What the operator does about it.
fn mend(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::BrokerTransportFailure | Code::AllBrokersDown | Code::Resolve | Code::OperationTimedOut => {
            "is the broker up, and is its address in `kafka.brokers` right?"
        }
        Code::UnknownTopicOrPartition | Code::UnknownTopic => {
            "create the topic, or set `kafka.create_topics: true` for the service's own"
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed => {
            "the user in `kafka.properties` lacks a permission: it reads its inputs, writes topics that begin with `kafka.prefix`, joins the group `kafka.group` and uses transactional ids that begin with it"
        }
        Code::Authentication | Code::SaslAuthenticationFailed => {
            "user name, password or mechanism in `kafka.properties` and `kafka.secrets` are wrong"
        }
        Code::SSL => {
            "the certificates in `kafka.properties` do not fit the broker: `ssl.ca.location` names who signed its own, `ssl.certificate.location` and `ssl.key.location` those of the user"
        }
        Code::InvalidReplicationFactor => {
            "there are fewer brokers than replicas: set `kafka.replication` to their number"
        }
        Code::MessageSizeTooLarge => {
            "raise `max.message.bytes` of the topic and `message.max.bytes` in `kafka.properties`"
        }
        Code::OffsetOutOfRange => {
            "the broker has removed records that were not read yet: give the topic a longer retention"
        }
        _ => return None,
    })
}

/// What a client said is wrong.
#[derive(Clone)]
struct Complaint {
    text: String,
    /// What it is, where it is more than that nobody answers.
    cause: Option<RDKafkaErrorCode>,
    at: Instant,
}

/// How long a complaint that names a cause counts for more than one that does not.
const FRESH: Duration = Duration::from_secs(30);

/// The last complaint of a client: librdkafka says why a connection fails in its log and in
/// events, and goes on trying.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Option<Complaint>>);

impl Complaints {
    fn note(&self, text: String, cause: Option<RDKafkaErrorCode>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = |last: &Complaint| last.cause.is_some() && last.at.elapsed() < FRESH;
        if cause.is_some() || !last.as_ref().is_some_and(named) {
            *last = Some(Complaint { text, cause, at: Instant::now() });
        }
    }

    fn complaint(&self) -> Option<Complaint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn last(&self) -> Option<String> {
        Some(self.complaint()?.text)
    }

    fn cause(&self) -> Option<RDKafkaErrorCode> {
        self.complaint()?.cause
    }
}

impl ClientContext for Complaints {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if (level as i32) <= RDKafkaLogLevel::Warning as i32 {
            self.note(format!("{facility}: {message}"), None);
        }
        match level as i32 {
            0..=3 => tracing::error!(target: "librdkafka", facility, "{message}"),
            4 => tracing::warn!(target: "librdkafka", facility, "{message}"),
            5..=6 => tracing::info!(target: "librdkafka", facility, "{message}"),
            _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // End of partition and the like are no complaints.
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            let cause = match error.rdkafka_error_code() {
                // A broker that does not take the user's certificate says so, and hangs up.
                Some(RDKafkaErrorCode::BrokerTransportFailure) if reason.contains("SSL routines") => {
                    Some(RDKafkaErrorCode::SSL)
                }
                code => code.filter(|code| !is_silence(*code)),
            };
            self.note(reason.to_owned(), cause);
        }
    }
}

impl rdkafka::consumer::ConsumerContext for Complaints {
    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(Duration::from_millis(100))
    }
}

/// The properties that every client has.
///
/// # Errors
/// If no broker is named, or a secret cannot be read.
pub(super) fn config(settings: &Settings) -> Result<ClientConfig, KafkaFailure> {
    if settings.brokers.is_empty() {
        return Err(KafkaFailure::new(
            "configuration",
            "`kafka.brokers` is empty: name at least one, as host:9092",
        ));
    }
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", settings.brokers.join(","));
    config.set("client.id", &settings.group);
    // The broker's answer to a lost connection is what operators wait for.
    config.set("reconnect.backoff.max.ms", "2000");
    for (name, value) in &settings.properties {
        if ["password", "secret", "key.pem"].iter().any(|word| name.contains(word)) {
            let reason = "it is a secret, and a configuration may be shown: name where it is kept under `kafka.secrets`";
            return Err(KafkaFailure::new(format!("`kafka.properties.{name}`"), reason));
        }
        config.set(name, value);
    }
    for (name, secret) in &settings.secrets {
        let value = secret
            .read()
            .map_err(|reason| KafkaFailure::new(format!("the secret `kafka.secrets.{name}`"), reason))?;
        let value = String::from_utf8(value).map_err(|_| {
            KafkaFailure::new(format!("the secret `kafka.secrets.{name}`"), "it is not UTF-8")
        })?;
        config.set(name, value);
    }
    config.set_log_level(RDKafkaLogLevel::Warning);
    Ok(config)
}

/// The properties of a consumer that reads partitions by hand, and of them what was committed.
/// That needs a group's name, and the group is never joined. It is the service's own: a user may be
/// allowed this one group.
///
/// # Errors
/// As [`config`].
pub(super) fn reading(settings: &Settings) -> Result<ClientConfig, KafkaFailure> {
    let mut config = config(settings)?;
    config.set("group.id", &settings.group);
    config.set("enable.auto.commit", "false");
    config.set("isolation.level", "read_committed");
    Ok(config)
}

/// Whether the settings make sense to a client: its properties and its secrets. Asks no broker.
///
/// # Errors
/// If they do not.
pub fn check(settings: &Settings) -> Result<(), KafkaFailure> {
    let config = config(settings)?;
    let checked = config.create_native_config().map(drop);
    checked.map_err(|error| KafkaFailure::of("`kafka.properties`", &error, &Complaints::default()))
}

/// A length of event time as one of the machine's.
pub(super) fn duration(interval: Interval) -> Duration {
    Duration::from_nanos(u64::try_from(interval.0).unwrap_or(0))
}
