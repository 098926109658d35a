//! Settings of executors, and how they are put together.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use theriac_contract::{Executor, Interval};

use super::{
    breaker::BreakerSettings,
    clock::Clock,
    command::{CommandExecutor, CommandSettings},
    guarded::Guarded,
    kubernetes::KubernetesSettings,
    ledger::{Ledger, LedgerError, LedgerLimits},
    log::Log,
    pool::PoolSettings,
    process::{ProcessExecutor, ProcessSettings},
    routes::{Route, Routes},
    sql::{SqlExecutor, SqlSettings},
    webhook::{Webhook, WebhookSettings},
};
use crate::kafka;

/// An executor cannot be made from its settings.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// A setting makes no sense.
    #[error("executor `{executor}`: {reason}")]
    Setting {
        /// Which.
        executor: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// Its secret cannot be read.
    #[error("executor `{executor}`: the secret cannot be read: {reason}")]
    Secret {
        /// Which.
        executor: String,
        /// What is wrong and how to mend it, without the secret.
        reason: String,
    },
    /// A route makes no sense.
    #[error("routes[{index}]: {reason}")]
    Route {
        /// Position, from 0.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// What stands before executors makes no sense.
    #[error("{place}: {reason}")]
    Breaker {
        /// Key of the configuration.
        place: String,
        /// What is wrong and how to mend it.
        reason: String,
    },
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Its topics cannot be used.
    #[cfg(feature = "kafka")]
    #[error("executor `{executor}`: {failure}")]
    Kafka {
        /// Which.
        executor: String,
        /// What failed.
        failure: kafka::KafkaFailure,
    },
}

/// Settings of executors that subscribe to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TopicSettings {
    /// Partitions of the topics `<prefix>commands` and `<prefix>executions` if they are made: so
    /// many processes of one executor can act at once. Those of topics that are there count.
    pub partitions: u32,
}

impl Default for TopicSettings {
    fn default() -> Self {
        Self { partitions: 8 }
    }
}

/// One executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExecutorSettings {
    /// [`Log`].
    Log,
    /// [`Webhook`].
    Webhook(WebhookSettings),
    /// [`CommandExecutor`].
    Command(CommandSettings),
    /// [`ProcessExecutor`].
    Process(ProcessSettings),
    /// [`SqlExecutor`].
    Sql(SqlSettings),
    /// `KubernetesExecutor`.
    Kubernetes(KubernetesSettings),
    /// Processes that subscribe to commands on Kafka, under the name of this executor.
    Topic(TopicSettings),
}

/// The section of the configuration that says who acts.
///
/// ```yaml
/// executors:
///   hooks: { kind: webhook, url: "https://ops.example/act", secret: { environment: HOOK_SECRET } }
///   local: { kind: command, programs: { restart: { program: /usr/bin/systemctl, arguments: [restart, "{target.service}"] } } }
///   shop: { kind: topic }
/// routes:
///   - { verb: restart, target: "cart*", executor: local }
///   - { target: "shop*", executor: shop }
///   - { executor: hooks }
/// ledger: /var/lib/theriac/ledger
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Executors by name.
    pub executors: BTreeMap<String, ExecutorSettings>,
    /// Who does what; the first match counts. Without a match nothing is done.
    pub routes: Vec<Route>,
    /// File that keeps what was begun and how it ended. Needed once a route leads to an
    /// executor that really acts.
    pub ledger: Option<PathBuf>,
    /// How much of that file is kept.
    pub ledger_limits: LedgerLimits,
    /// When nothing more goes to an executor whose commands fail, and how many at once do. Those
    /// that subscribe to a topic look after themselves.
    pub breaker: BreakerSettings,
    /// The same for single executors by name, instead.
    pub breakers: BTreeMap<String, BreakerSettings>,
    /// Worker threads.
    pub pool: PoolSettings,
}

/// Makes the executors, joins them by the routes, and puts the ledger before them. `kafka` is where
/// executors of the kind `topic` subscribe.
///
/// # Errors
/// As [`check`], and if the ledger cannot be opened or the broker does not answer.
pub fn build(
    settings: &Settings,
    kafka: Option<&kafka::Settings>,
    clock: &Clock,
) -> Result<Box<dyn Executor>, ExecutorError> {
    check(settings, kafka, clock)?;
    let routes = routes(settings, |name, executor| {
        Ok(match (executor, kafka) {
            (ExecutorSettings::Topic(topic), Some(kafka)) => subscribed(name, topic, kafka, clock)?,
            (ExecutorSettings::Log | ExecutorSettings::Topic(_), _) => alone(name, executor, clock)?,
            _ => {
                let breaker = settings.breakers.get(name).unwrap_or(&settings.breaker);
                Arc::new(Guarded::new(alone(name, executor, clock)?, breaker.clone()))
            }
        })
    })?;
    Ok(match &settings.ledger {
        Some(path) => Box::new(Ledger::open(path, settings.ledger_limits.clone(), routes)?),
        None => Box::new(routes),
    })
}

/// Whether [`build`] can go well; opens no ledger, which another process may hold, and asks no
/// broker.
///
/// # Errors
/// If settings make no sense, a secret cannot be read, or an executor that really acts has no
/// ledger.
pub fn check(
    settings: &Settings,
    kafka: Option<&kafka::Settings>,
    clock: &Clock,
) -> Result<(), ExecutorError> {
    routes(settings, |name, executor| alone(name, executor, clock))?;
    breakers(settings)?;
    let wrong = |name: &String, reason: &str| {
        Err(ExecutorError::Setting { executor: name.clone(), reason: reason.to_owned() })
    };
    for (name, executor) in &settings.executors {
        match executor {
            ExecutorSettings::Log => {}
            ExecutorSettings::Topic(_) if !cfg!(feature = "kafka") => {
                return wrong(
                    name,
                    "this program was built without Kafka: build it with the feature `kafka`",
                );
            }
            ExecutorSettings::Topic(_) if kafka.is_none() => {
                return wrong(name, "the kind `topic` needs the section `kafka`, with brokers");
            }
            ExecutorSettings::Kubernetes(_) if !cfg!(feature = "kubernetes") => {
                return wrong(
                    name,
                    "this program was built without Kubernetes: build it with the feature `kubernetes`",
                );
            }
            // They remember by themselves what was done.
            ExecutorSettings::Topic(_) | ExecutorSettings::Sql(_) | ExecutorSettings::Kubernetes(_) => {}
            ExecutorSettings::Webhook(_) | ExecutorSettings::Command(_) | ExecutorSettings::Process(_) => {
                if settings.ledger.is_none() {
                    return wrong(
                        name,
                        "it really acts, so `ledger` must name a file that keeps what was done",
                    );
                }
            }
        }
    }
    Ok(())
}

/// Whether what stands before executors makes sense.
fn breakers(settings: &Settings) -> Result<(), ExecutorError> {
    let common = ("breaker".to_owned(), &settings.breaker);
    let single = settings.breakers.iter().map(|(name, breaker)| (format!("breakers.{name}"), breaker));
    for (place, breaker) in std::iter::once(common).chain(single) {
        if let Some(reason) = breaker.problem() {
            return Err(ExecutorError::Breaker { place, reason });
        }
    }
    let defined = |name: &&String| settings.executors.contains_key(*name);
    let Some(name) = settings.breakers.keys().find(|name| !defined(name)) else { return Ok(()) };
    let names = settings.executors.keys().cloned().collect::<Vec<_>>().join(", ");
    let reason = format!("executor `{name}` is not defined; there are: {names}");
    Err(ExecutorError::Breaker { place: format!("breakers.{name}"), reason })
}

/// An executor that needs nothing but its settings. What subscribes to a topic is stood in for.
fn alone(name: &str, settings: &ExecutorSettings, clock: &Clock) -> Result<Arc<dyn Executor>, ExecutorError> {
    Ok(match settings {
        ExecutorSettings::Log | ExecutorSettings::Topic(_) => Arc::new(Log),
        ExecutorSettings::Webhook(s) => Arc::new(Webhook::new(name, s.clone(), Arc::clone(clock))?),
        ExecutorSettings::Command(s) => Arc::new(CommandExecutor::new(name, s.clone())?),
        ExecutorSettings::Process(s) => Arc::new(ProcessExecutor::new(name, s.clone())?),
        ExecutorSettings::Sql(s) => Arc::new(SqlExecutor::new(name, s.clone())?),
        ExecutorSettings::Kubernetes(s) => cluster(name, s)?,
    })
}

#[cfg(feature = "kubernetes")]
fn cluster(name: &str, settings: &KubernetesSettings) -> Result<Arc<dyn Executor>, ExecutorError> {
    Ok(Arc::new(super::kubernetes::KubernetesExecutor::new(name, settings.clone())?))
}

#[cfg(not(feature = "kubernetes"))]
fn cluster(name: &str, settings: &KubernetesSettings) -> Result<Arc<dyn Executor>, ExecutorError> {
    // `check` refuses it.
    settings.check(name)?;
    Ok(Arc::new(Log))
}

#[cfg(feature = "kafka")]
fn subscribed(
    name: &str,
    settings: &TopicSettings,
    kafka: &kafka::Settings,
    clock: &Clock,
) -> Result<Arc<dyn Executor>, ExecutorError> {
    let opened = kafka::TopicExecutor::open(name, settings.partitions, kafka, Arc::clone(clock));
    let opened = opened.map_err(|failure| ExecutorError::Kafka { executor: name.to_owned(), failure })?;
    Ok(Arc::new(opened))
}

#[cfg(not(feature = "kafka"))]
fn subscribed(
    name: &str,
    settings: &TopicSettings,
    _: &kafka::Settings,
    clock: &Clock,
) -> Result<Arc<dyn Executor>, ExecutorError> {
    // `check` has refused it.
    alone(name, &ExecutorSettings::Topic(settings.clone()), clock)
}

fn routes(
    settings: &Settings,
    make: impl Fn(&str, &ExecutorSettings) -> Result<Arc<dyn Executor>, ExecutorError>,
) -> Result<Routes, ExecutorError> {
    let mut executors: BTreeMap<String, Arc<dyn Executor>> = BTreeMap::new();
    for (name, executor) in &settings.executors {
        executors.insert(name.clone(), make(name, executor)?);
    }
    Routes::new(&settings.routes, &executors)
}

/// A length of time for people.
pub(super) fn seconds(interval: Interval) -> String {
    format!("{} s", interval.as_seconds())
}
