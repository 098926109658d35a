//! What is said of a database and of what may be done to it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

use super::statement::Statement;
use crate::{executor::settings::ExecutorError, secret::Secret};

/// Settings of an SQL executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqlSettings {
    /// Name or address of the host, or the absolute folder of a Unix socket.
    pub host: String,
    /// Port, 5432 by default.
    #[serde(default = "port")]
    pub port: u16,
    /// Database.
    pub database: String,
    /// Role. It needs what the statements need, and to read and write the tables of the ledger.
    pub user: String,
    /// Its password.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Whether the connection is encrypted, and the server's certificate checked.
    #[serde(default)]
    pub tls: Tls,
    /// PEM file with the certificates that are trusted, instead of those of the public web.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Schema of the ledger's tables, which are made if they are not there.
    #[serde(default = "schema")]
    pub schema: String,
    /// Longest time to connect.
    #[serde(default = "connect_within")]
    pub connect_within: Interval,
    /// What is done is kept in the ledger at least so long; then, as soon as the target is acted upon under
    /// a newer token, it goes: the fence stands in for it.
    #[serde(default = "keep")]
    pub keep: Interval,
    /// What each verb does. Verbs that are not here are refused.
    pub actions: BTreeMap<String, ActionSettings>,
}

/// How a connection is secured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tls {
    /// TLS, the certificate and the name in it are checked; a server without is refused.
    #[default]
    Require,
    /// None: for Unix sockets, and networks that are trusted.
    Off,
}

/// What one verb does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Given", into = "Given")]
pub struct ActionSettings {
    /// What is run, in this order.
    pub run: Vec<Statement>,
    /// What undoes it.
    pub inverse: Inverse,
    /// A query of one row with what is there before, noted with the effect, for what undoes it.
    pub before: Option<Statement>,
    /// A query of one value, the state of the target: it must be the command's parameter `generation`. Undoing
    /// asks for the one that the effect left behind, so that what others did since is not undone with it.
    pub generation: Option<Statement>,
    /// Whether all of it, and the note of it, is one transaction.
    pub transaction: bool,
    /// Rows that the statements must touch together, at least.
    pub rows_min: u64,
    /// Rows that they may touch together, at most.
    pub rows_max: Option<u64>,
}

/// What undoes an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inverse {
    /// These statements, in this order.
    By(Vec<Statement>),
    /// Nothing, for this reason.
    Irreversible(String),
}

impl Inverse {
    /// What undoes it, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::By(_) => "undone by its inverse".to_owned(),
            Self::Irreversible(why) => format!("cannot be undone: {why}"),
        }
    }
}

/// [`ActionSettings`] as they are written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    run: Vec<Statement>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    inverse: Vec<Statement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    irreversible: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    before: Option<Statement>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generation: Option<Statement>,
    #[serde(default = "yes")]
    transaction: bool,
    #[serde(default)]
    rows_min: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows_max: Option<u64>,
}

impl TryFrom<Given> for ActionSettings {
    type Error = String;

    fn try_from(given: Given) -> Result<Self, String> {
        let Given { run, inverse, irreversible, before, generation, transaction, rows_min, rows_max } = given;
        if run.is_empty() {
            return Err("`run` names no statement; name what is to be done".to_owned());
        }
        let inverse = match (inverse.is_empty(), irreversible) {
            (false, None) => Inverse::By(inverse),
            (true, Some(why)) if !why.trim().is_empty() => Inverse::Irreversible(why),
            _ => {
                return Err(
                    "say either `inverse`, the statements that undo it, or `irreversible`, why nothing does"
                        .to_owned(),
                );
            }
        };
        let undoing = if let Inverse::By(statements) = &inverse { statements.as_slice() } else { &[] };
        if transaction {
            if let Some(function) = run.iter().chain(undoing).find_map(Statement::acts_at_once) {
                return Err(format!(
                    "`{function}` acts at once, whatever becomes of the transaction: say `transaction: false`"
                ));
            }
        } else {
            if run.len() > 1 || undoing.len() > 1 {
                return Err(
                    "without a transaction only one statement may run, for it may be the last".to_owned()
                );
            }
            if rows_min > 0 || rows_max.is_some() {
                return Err("`rows_min` and `rows_max` need a transaction, which they roll back".to_owned());
            }
        }
        if rows_max.is_some_and(|most| most < rows_min) {
            return Err(format!("`rows_max` must be at least `rows_min`, {rows_min}"));
        }
        let asks = run.iter().chain(&before).chain(&generation);
        if asks.into_iter().any(Statement::needs_before) {
            return Err("{before.NAME} is known in `inverse` alone".to_owned());
        }
        if before.is_none() && undoing.iter().any(Statement::needs_before) {
            return Err("`inverse` needs what was there: name the query for it in `before`".to_owned());
        }
        Ok(Self { run, inverse, before, generation, transaction, rows_min, rows_max })
    }
}

impl From<ActionSettings> for Given {
    fn from(action: ActionSettings) -> Self {
        let ActionSettings { run, inverse, before, generation, transaction, rows_min, rows_max } = action;
        let (inverse, irreversible) = match inverse {
            Inverse::By(statements) => (statements, None),
            Inverse::Irreversible(why) => (Vec::new(), Some(why)),
        };
        Self { run, inverse, irreversible, before, generation, transaction, rows_min, rows_max }
    }
}

const fn port() -> u16 {
    5432
}

fn schema() -> String {
    "theriac".to_owned()
}

const fn connect_within() -> Interval {
    Interval::from_seconds(5)
}

const fn keep() -> Interval {
    Interval::from_seconds(30 * 24 * 3600)
}

const fn yes() -> bool {
    true
}

impl SqlSettings {
    /// Whether they make sense; asks no server.
    pub(super) fn check(&self, executor: &str) -> Result<(), ExecutorError> {
        let wrong = |reason: String| Err(ExecutorError::Setting { executor: executor.to_owned(), reason });
        for (place, text) in [("host", &self.host), ("database", &self.database), ("user", &self.user)] {
            if text.is_empty() {
                return wrong(format!("`{place}` is empty; name it"));
            }
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !self.schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            || !self.schema.chars().all(plain)
        {
            return wrong(format!("schema `{}` must be of small letters, digits and `_`", self.schema));
        }
        if self.actions.is_empty() {
            return wrong("`actions` names none; name what may be done".to_owned());
        }
        for (place, interval) in [("connect_within", self.connect_within), ("keep", self.keep)] {
            if interval.0 <= 0 {
                return wrong(format!("`{place}` must be longer than nothing"));
            }
        }
        Ok(())
    }
}
