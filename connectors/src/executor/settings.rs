//! Settings of executors, and how they are put together.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use theriac_contract::{Executor, Interval};

use super::{
    clock::Clock,
    command::{CommandExecutor, CommandSettings},
    ledger::{Ledger, LedgerError, LedgerLimits},
    log::Log,
    pool::PoolSettings,
    routes::{Route, Routes},
    webhook::{Webhook, WebhookSettings},
};

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
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
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
}

/// The section of the configuration that says who acts.
///
/// ```yaml
/// executors:
///   hooks: { kind: webhook, url: "https://ops.example/act", secret: { environment: HOOK_SECRET } }
///   local: { kind: command, programs: { restart: { program: /usr/bin/systemctl, arguments: [restart, "{target.service}"] } } }
/// routes:
///   - { verb: restart, target: "cart*", executor: local }
///   - { executor: hooks }
/// ledger: /var/lib/theriac/ledger
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Worker threads.
    pub pool: PoolSettings,
}

/// Makes the executors, joins them by the routes, and puts the ledger before them.
///
/// # Errors
/// As [`check`], and if the ledger cannot be opened.
pub fn build(settings: &Settings, clock: &Clock) -> Result<Box<dyn Executor>, ExecutorError> {
    let routes = routes(settings, clock)?;
    Ok(match &settings.ledger {
        Some(path) => Box::new(Ledger::open(path, settings.ledger_limits.clone(), routes)?),
        None => Box::new(routes),
    })
}

/// Whether [`build`] can go well; opens no ledger, which another process may hold.
///
/// # Errors
/// If settings make no sense, a secret cannot be read, or an executor that really acts has no
/// ledger.
pub fn check(settings: &Settings, clock: &Clock) -> Result<(), ExecutorError> {
    routes(settings, clock).map(drop)
}

fn routes(settings: &Settings, clock: &Clock) -> Result<Routes, ExecutorError> {
    let mut executors: BTreeMap<String, Arc<dyn Executor>> = BTreeMap::new();
    for (name, executor) in &settings.executors {
        let made: Arc<dyn Executor> = match executor {
            ExecutorSettings::Log => Arc::new(Log),
            ExecutorSettings::Webhook(s) => Arc::new(Webhook::new(name, s.clone(), Arc::clone(clock))?),
            ExecutorSettings::Command(s) => Arc::new(CommandExecutor::new(name, s.clone())?),
        };
        executors.insert(name.clone(), made);
    }
    let routes = Routes::new(&settings.routes, &executors)?;
    let acting = settings.executors.iter().find(|(_, executor)| **executor != ExecutorSettings::Log);
    match acting {
        Some((name, _)) if settings.ledger.is_none() => Err(ExecutorError::Setting {
            executor: name.clone(),
            reason: "it really acts, so `ledger` must name a file that keeps what was done".to_owned(),
        }),
        _ => Ok(routes),
    }
}

/// A length of time for people.
pub(super) fn seconds(interval: Interval) -> String {
    format!("{} s", interval.as_seconds())
}
