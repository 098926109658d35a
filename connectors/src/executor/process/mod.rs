//! Services as processes of this machine: starts and stops them, takes their releases back.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what is said of the services |
//! | [`verb`] | what can be done, and what undoes it |
//! | `service` | doing it to one service |
//! | `identity` | which process it is, though numbers are used again |
//! | `record` | what is remembered across restarts of the engine |
//! | `lifecycle` | starting and ending a process |
//! | `release` | the link to the running release |
//! | `health` | asking whether it is well |
//!
//! A service outlives the engine: it runs in a process group of its own, and an executor that begins
//! anew takes it for its own by number and time of start, or by a mark in its environment if it was
//! killed between the start and the note of it. The ledger stands in front, so a command that is
//! repeated is answered and not done again.

mod health;
mod identity;
mod lifecycle;
mod record;
mod release;
mod service;
pub mod settings;
pub mod verb;

use std::{
    collections::BTreeMap,
    sync::{Mutex, TryLockError},
};

use theriac_contract::{Command, Executor, Verdict};

pub use settings::{Health, ProcessSettings, ServiceSettings};
pub use verb::{Inverse, Verb};

use self::service::Service;
use super::settings::ExecutorError;

/// Manages services as processes. Verbs: [`Verb`]. What is not managed, and what cannot be done to a
/// process, is refused for good.
pub struct ProcessExecutor {
    name: String,
    services: BTreeMap<String, Mutex<Service>>,
}

impl ProcessExecutor {
    /// Checks the settings; starts nothing and looks at no file.
    ///
    /// # Errors
    /// If a path is not absolute, an address is none, or no service is named.
    pub fn new(name: &str, settings: ProcessSettings) -> Result<Self, ExecutorError> {
        settings.check(name)?;
        let folder = settings.folder;
        let services = settings.services.into_iter().map(|(service, settings)| {
            let managed = Service::new(&service, &folder, settings);
            (service, Mutex::new(managed))
        });
        Ok(Self { name: name.to_owned(), services: services.collect() })
    }

    /// The service that a target means: that of its name, or that which the instance is of.
    fn managed(&self, command: &Command) -> Option<&Mutex<Service>> {
        let target = &command.action.target;
        self.services.get(target.as_str()).or_else(|| self.services.get(target.service()))
    }
}

impl Executor for ProcessExecutor {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        let verb = match Verb::named(&command.action.verb) {
            Ok(verb) => verb,
            Err(why) => return (Verdict::Failed { retryable: false }, why),
        };
        let Some(service) = self.managed(command) else {
            let names = self.services.keys().cloned().collect::<Vec<_>>().join(", ");
            let why = format!("{} is not managed here; managed are {names}", command.action.target);
            return (Verdict::Failed { retryable: false }, why);
        };
        match service.try_lock() {
            Ok(mut service) => service.carry_out(verb, command),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().carry_out(verb, command),
            Err(TryLockError::WouldBlock) => {
                let why = format!("something else is being done to {}", command.action.target);
                (Verdict::Failed { retryable: true }, why)
            }
        }
    }
}
