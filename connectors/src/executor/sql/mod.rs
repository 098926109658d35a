//! Statements against a PostgreSQL database, once for each key: what was done is noted in the very
//! database that it was done to.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | what is said of the database and of what may be done |
//! | [`statement`] | statements with places for what a command says |
//! | `session` | connections, and what their errors mean |
//! | `ledger` | the tables of what was done, and of the newest tokens |
//! | `effect` | doing it |
//!
//! An action is one transaction together with its row in the ledger, so the key is there if and only if the
//! effect is: whoever asks after a crash gets the answer from there. What PostgreSQL does outside of
//! transactions (`VACUUM`, ending a session) is noted before and after; cut off in between it is unknown
//! for ever. The engine's own ledger is not needed: the executor remembers.

mod effect;
mod ledger;
mod session;
pub mod settings;
pub mod statement;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use theriac_contract::{Command, Executor, Verdict};

pub use settings::{ActionSettings, Inverse, SqlSettings, Tls};
pub use statement::Statement;

use self::{effect::Task, ledger::Ledger, session::Database};
use super::settings::ExecutorError;

/// Share of a command's time that is kept for asking what became of a commit whose answer was lost.
const FOR_ASKING: u32 = 4;

/// Runs the statements of its actions. Each command has a connection of its own.
pub struct SqlExecutor {
    name: String,
    database: Database,
    ledger: Ledger,
    actions: BTreeMap<String, ActionSettings>,
}

impl SqlExecutor {
    /// Checks the settings, reads password and certificates; connects to nothing.
    ///
    /// # Errors
    /// If a setting makes no sense, or the password or a certificate cannot be read.
    pub fn new(name: &str, settings: SqlSettings) -> Result<Self, ExecutorError> {
        settings.check(name)?;
        let database = Database::open(name, &settings)?;
        let ledger = Ledger::new(&settings.schema, settings.keep);
        Ok(Self { name: name.to_owned(), database, ledger, actions: settings.actions })
    }
}

impl Executor for SqlExecutor {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        let verb = &command.action.verb;
        let Some(action) = self.actions.get(verb) else {
            let names = self.actions.keys().cloned().collect::<Vec<_>>().join(", ");
            let why = format!("`{verb}` is not listed for this database; listed are {names}");
            return (Verdict::Failed { retryable: false }, why);
        };
        let timeout = Duration::from_nanos(command.timeout.0.max(0).unsigned_abs());
        let now = Instant::now();
        let task = Task {
            database: &self.database,
            ledger: &self.ledger,
            action,
            command,
            act_until: now + (timeout - timeout / FOR_ASKING),
            answer_by: now + timeout,
        };
        let outcome = if command.dry_run { task.told() } else { task.carry_out() };
        match outcome {
            Ok(said) => (Verdict::Succeeded, said),
            Err(failure) => (failure.verdict, format!("{verb}: {}", failure.why)),
        }
    }

    fn remembers(&self, _: &Command) -> bool {
        true
    }
}
