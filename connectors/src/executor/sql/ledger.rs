//! What was done, in tables of the very database that it was done to.
//!
//! ```text
//!  fences    domain, target │ token              the newest token that the target was acted upon under
//!  effects   key │ undo_key, verb, state, …      one row for each key: begun, done, failed or unknown
//! ```
//!
//! The row of `fences` is locked for as long as something is done to its target. Whoever has the lock
//! knows that what came before has ended, one way or the other.

use postgres::{GenericClient, Row};
use theriac_contract::{Command, Id, Interval, Verdict};

use super::session::failure;
use crate::executor::failure::Failure;

/// The tables.
pub(super) struct Ledger {
    schema: String,
    keep: Interval,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It may be under way, or was left.
    Begun,
    Done,
    Failed {
        retryable: bool,
    },
    /// Nobody knows.
    Unknown,
}

/// A row of `effects`.
#[derive(Clone, Debug)]
pub(super) struct Effect {
    pub(super) verb: String,
    pub(super) state: State,
    pub(super) attempt: i64,
    pub(super) detail: String,
    /// What was there before.
    pub(super) before: Option<serde_json::Value>,
    /// The generation that it left behind.
    pub(super) generation: Option<String>,
}

/// What is noted beside the command itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Particulars {
    pub(super) before: Option<String>,
    pub(super) generation: Option<String>,
}

/// The key of what undoes the effect of a key, as sagas derive it.
pub(super) fn undo_key(key: &Id) -> Id {
    Id::derive("compensation", &[key.as_str()])
}

impl Ledger {
    pub(super) fn new(schema: &str, keep: Interval) -> Self {
        Self { schema: schema.to_owned(), keep }
    }

    /// Makes the tables if they are not there. Where somebody else made them the role needs no right to.
    pub(super) fn ensure<C: GenericClient>(&self, client: &mut C) -> Result<(), Failure> {
        let Self { schema, .. } = self;
        let wrong = |error| failure(&error, &format!("the ledger in the schema {schema}"));
        let there = format!(
            "SELECT to_regclass('{schema}.effects') IS NOT NULL AND to_regclass('{schema}.fences') IS NOT NULL, \
             to_regnamespace('{schema}') IS NOT NULL"
        );
        let row = client.query_one(&there, &[]).map_err(wrong)?;
        if row.get::<_, bool>(0) {
            return Ok(());
        }
        let mut making = client.transaction().map_err(wrong)?;
        making.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[schema]).map_err(wrong)?;
        let folder =
            if row.get(1) { String::new() } else { format!("CREATE SCHEMA IF NOT EXISTS {schema};") };
        let tables = format!(
            "{folder}
             CREATE TABLE IF NOT EXISTS {schema}.fences (
                 domain text NOT NULL, target text NOT NULL, token bigint NOT NULL,
                 PRIMARY KEY (domain, target));
             CREATE TABLE IF NOT EXISTS {schema}.effects (
                 key text PRIMARY KEY, undo_key text NOT NULL UNIQUE, plan text NOT NULL, step bigint NOT NULL,
                 attempt bigint NOT NULL, domain text NOT NULL, target text NOT NULL, verb text NOT NULL,
                 token bigint NOT NULL, state text NOT NULL CHECK (state IN ('begun', 'done', 'failed', 'unknown')),
                 retryable boolean NOT NULL DEFAULT false, detail text NOT NULL DEFAULT '', before jsonb,
                 generation text, begun timestamptz NOT NULL DEFAULT clock_timestamp(), ended timestamptz);
             CREATE INDEX IF NOT EXISTS effects_of_target ON {schema}.effects (domain, target, token);"
        );
        making.batch_execute(&tables).map_err(wrong)?;
        making.commit().map_err(wrong)
    }

    /// Makes the command's token the newest of its target, durably, or refuses it.
    pub(super) fn raise<C: GenericClient>(&self, client: &mut C, command: &Command) -> Result<(), Failure> {
        let (target, token) = (command.action.target.as_str(), token(command)?);
        let raise = format!(
            "INSERT INTO {}.fences AS known (domain, target, token) VALUES ($1, $2, $3)
             ON CONFLICT (domain, target) DO UPDATE SET token = EXCLUDED.token WHERE known.token < EXCLUDED.token",
            self.schema
        );
        let raised = client.execute(&raise, &[&command.domain, &target, &token]);
        raised.map_err(|error| failure(&error, "the fencing token"))?;
        Ok(())
    }

    /// Locks the target until the end of the transaction, and gives its newest token.
    pub(super) fn lock<C: GenericClient>(&self, client: &mut C, command: &Command) -> Result<i64, Failure> {
        let target = command.action.target.as_str();
        let lock =
            format!("SELECT token FROM {}.fences WHERE domain = $1 AND target = $2 FOR UPDATE", self.schema);
        let row = client.query_one(&lock, &[&command.domain, &target]);
        Ok(row.map_err(|error| failure(&error, "the fencing token"))?.get(0))
    }

    /// Locks the target, and refuses a token that is not the newest.
    pub(super) fn hold<C: GenericClient>(&self, client: &mut C, command: &Command) -> Result<(), Failure> {
        let (newest, token) = (self.lock(client, command)?, token(command)?);
        if token < newest {
            return Err(Failure::lasting(format!(
                "fenced: token {token} is older than {newest} for {}",
                command.action.target
            )));
        }
        Ok(())
    }

    /// What is known of a key.
    pub(super) fn of_key<C: GenericClient>(
        &self,
        client: &mut C,
        key: &Id,
    ) -> Result<Option<Effect>, Failure> {
        self.find(client, "key", key)
    }

    /// What is known of the effect that a key undoes.
    pub(super) fn undone_by<C: GenericClient>(
        &self,
        client: &mut C,
        key: &Id,
    ) -> Result<Option<Effect>, Failure> {
        self.find(client, "undo_key", key)
    }

    fn find<C: GenericClient>(
        &self,
        client: &mut C,
        column: &str,
        key: &Id,
    ) -> Result<Option<Effect>, Failure> {
        let find = format!(
            "SELECT verb, state, retryable, attempt, detail, before::text, generation
             FROM {}.effects WHERE {column} = $1",
            self.schema
        );
        let row = client.query_opt(&find, &[&key.as_str()]).map_err(|error| failure(&error, "the ledger"))?;
        row.map(|row| effect(&row)).transpose()
    }

    /// Notes how far a command is; another attempt takes the place of the one before.
    pub(super) fn note<C: GenericClient>(
        &self,
        client: &mut C,
        command: &Command,
        state: State,
        detail: &str,
        particulars: &Particulars,
    ) -> Result<(), Failure> {
        let (state, retryable) = match state {
            State::Begun => ("begun", false),
            State::Done => ("done", false),
            State::Failed { retryable } => ("failed", retryable),
            State::Unknown => ("unknown", false),
        };
        let note = format!(
            "INSERT INTO {}.effects AS known (key, undo_key, plan, step, attempt, domain, target, verb, token, state,
                 retryable, detail, before, generation, ended)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::jsonb, $14,
                 CASE WHEN $10 = 'begun' THEN NULL ELSE clock_timestamp() END)
             ON CONFLICT (key) DO UPDATE SET attempt = EXCLUDED.attempt, token = EXCLUDED.token,
                 state = EXCLUDED.state, retryable = EXCLUDED.retryable, detail = EXCLUDED.detail,
                 before = COALESCE(EXCLUDED.before, known.before),
                 generation = COALESCE(EXCLUDED.generation, known.generation), ended = EXCLUDED.ended",
            self.schema
        );
        let undo = undo_key(&command.idempotency_key);
        client
            .execute(
                &note,
                &[
                    &command.idempotency_key.as_str(),
                    &undo.as_str(),
                    &command.plan.as_str(),
                    &i64::from(command.step),
                    &i64::from(command.attempt),
                    &command.domain,
                    &command.action.target.as_str(),
                    &command.action.verb,
                    &token(command)?,
                    &state,
                    &retryable,
                    &detail,
                    &particulars.before,
                    &particulars.generation,
                ],
            )
            .map_err(|error| failure(&error, "the ledger"))?;
        Ok(())
    }

    /// Forgets what was done to the target under older tokens long ago: the fence refuses those keys.
    pub(super) fn forget<C: GenericClient>(&self, client: &mut C, command: &Command) -> Result<(), Failure> {
        let forget = format!(
            "DELETE FROM {}.effects WHERE domain = $1 AND target = $2 AND token < $3
             AND ended < clock_timestamp() - make_interval(secs => $4)",
            self.schema
        );
        let target = command.action.target.as_str();
        let values: [&(dyn postgres::types::ToSql + Sync); 4] =
            [&command.domain, &target, &token(command)?, &self.keep.as_seconds()];
        client.execute(&forget, &values).map_err(|error| failure(&error, "the ledger"))?;
        Ok(())
    }
}

impl Effect {
    /// The answer that a command of this key gets without anything being done; none if it may act.
    pub(super) fn answer(&self, command: &Command) -> Option<Result<String, Failure>> {
        match self.state {
            State::Done => Some(Ok(self.detail.clone())),
            State::Failed { retryable: true } if i64::from(command.attempt) > self.attempt => None,
            State::Failed { retryable } => {
                Some(Err(Failure { verdict: Verdict::Failed { retryable }, why: self.detail.clone() }))
            }
            State::Unknown => Some(Err(Failure::unknown(self.detail.clone()))),
            State::Begun => {
                let why = format!("attempt {} was begun and its end is not known", self.attempt);
                Some(Err(Failure::unknown(why)))
            }
        }
    }
}

fn token(command: &Command) -> Result<i64, Failure> {
    i64::try_from(command.fencing_token).map_err(|_| {
        Failure::lasting(format!("token {} is beyond what a bigint holds", command.fencing_token))
    })
}

fn effect(row: &Row) -> Result<Effect, Failure> {
    let retryable = row.get(2);
    let state = match row.get::<_, &str>(1) {
        "begun" => State::Begun,
        "done" => State::Done,
        "failed" => State::Failed { retryable },
        _ => State::Unknown,
    };
    let before: Option<&str> = row.get(5);
    let before = before.map(serde_json::from_str).transpose();
    let before = before.map_err(|error| Failure::lasting(format!("the ledger's column before: {error}")))?;
    Ok(Effect {
        verb: row.get(0),
        state,
        attempt: row.get(3),
        detail: row.get(4),
        before,
        generation: row.get(6),
    })
}
