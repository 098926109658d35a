//! Doing something to the database, and noting it there.
//!
//! ```text
//!  raise the fence ─┬─ one transaction: lock target, key, generation, before, statements, note ─► commit
//!                   │       whatever is cut off is rolled back; a commit whose answer is lost is asked about
//!                   └─ `transaction: false`: note "begun" ─► statement ─► note how it ended
//!                           what is begun and has no end is unknown, and not done again
//! ```

use std::time::Instant;

use postgres::{Client, GenericClient, types::ToSql};
use theriac_contract::{Command, Verdict};

use super::{
    ledger::{Effect, Ledger, Particulars, State, undo_key},
    session::{Database, failure},
    settings::{ActionSettings, Inverse},
    statement::Statement,
};
use crate::executor::failure::Failure;

/// A command that is carried out.
pub(super) struct Task<'a> {
    pub(super) database: &'a Database,
    pub(super) ledger: &'a Ledger,
    pub(super) action: &'a ActionSettings,
    pub(super) command: &'a Command,
    /// After this nothing may take effect.
    pub(super) act_until: Instant,
    /// An answer is due; what is left behind `act_until` is for asking what became of a commit.
    pub(super) answer_by: Instant,
}

/// What a command comes to.
enum Work {
    /// These statements, with what was there before.
    Run { statements: Vec<Statement>, particulars: Particulars, known: Option<serde_json::Value> },
    /// Nothing: what it would undo was never done.
    Nothing,
}

impl Task<'_> {
    /// Does it, or gives the answer that was given before.
    pub(super) fn carry_out(&self) -> Result<String, Failure> {
        let mut client = self.database.connect(self.act_until)?;
        self.ledger.ensure(&mut client)?;
        let known = self.ledger.of_key(&mut client, &self.command.idempotency_key)?;
        if let Some(answer) =
            known.as_ref().filter(|known| known.state != State::Begun).and_then(|k| k.answer(self.command))
        {
            return answer;
        }
        self.ledger.raise(&mut client, self.command)?;
        if self.action.transaction {
            self.in_one_transaction(&mut client)
        } else {
            self.in_two_parts(&mut client)
        }
    }

    /// Says what would be done, after the server has read the statements.
    pub(super) fn told(&self) -> Result<String, Failure> {
        let mut client = self.database.connect(self.act_until)?;
        let statements = match &self.action.inverse {
            Inverse::By(inverse) if self.command.compensation => inverse,
            _ => &self.action.run,
        };
        for statement in statements {
            client.prepare(statement.sql()).map_err(|error| failure(&error, &self.command.action.verb))?;
        }
        let many = statements.len();
        let words = if many == 1 { "1 statement".to_owned() } else { format!("{many} statements") };
        Ok(format!("would run {words} on {}; {}", self.database.words(), self.action.inverse.words()))
    }

    fn in_one_transaction(&self, client: &mut Client) -> Result<String, Failure> {
        let mut one = client.transaction().map_err(|error| failure(&error, "a transaction"))?;
        self.ledger.hold(&mut one, self.command)?;
        if let Some(answer) = self.answered(&mut one)? {
            return answer;
        }
        let (said, mut particulars) = match self.work(&mut one)? {
            Work::Nothing => (NOTHING.to_owned(), Particulars::default()),
            Work::Run { statements, particulars, known } => {
                (self.run(&mut one, &statements, known.as_ref())?, particulars)
            }
        };
        particulars.generation = self.generation(&mut one)?;
        self.ledger.note(&mut one, self.command, State::Done, &said, &particulars)?;
        self.ledger.forget(&mut one, self.command)?;
        self.in_time()?;
        match one.commit() {
            Ok(()) => Ok(said),
            Err(error) => self.reconciled(&failure(&error, "the commit")),
        }
    }

    /// Asks the ledger what became of a commit whose answer is lost. Once the target's lock is had, the
    /// transaction that held it has ended.
    fn reconciled(&self, lost: &Failure) -> Result<String, Failure> {
        let asked = || {
            let mut client = self.database.connect(self.answer_by)?;
            let mut asking = client.transaction().map_err(|error| failure(&error, "a transaction"))?;
            self.ledger.lock(&mut asking, self.command)?;
            self.ledger.of_key(&mut asking, &self.command.idempotency_key)
        };
        match asked() {
            Ok(Some(Effect { state: State::Done, detail, .. })) => Ok(detail),
            Ok(_) => Err(Failure::passing(format!("rolled back: {}", lost.why))),
            Err(silent) => Err(Failure::unknown(format!(
                "{}; and the ledger could not be asked: {}",
                lost.why, silent.why
            ))),
        }
    }

    fn in_two_parts(&self, client: &mut Client) -> Result<String, Failure> {
        let key = self.command.idempotency_key.as_str();
        let doing = &self.command.action.verb;
        // Held by the session that is at it: who gets it knows that no other is.
        let alone = client.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", &[&key]);
        alone.map_err(|error| Failure {
            verdict: Verdict::TimedOut,
            why: failure(&error, "an earlier attempt is still under way").why,
        })?;
        let mut begin = client.transaction().map_err(|error| failure(&error, "a transaction"))?;
        self.ledger.hold(&mut begin, self.command)?;
        if let Some(answer) = self.answered(&mut begin)? {
            return answer;
        }
        let Work::Run { statements, particulars, known } = self.work(&mut begin)? else {
            self.ledger.note(&mut begin, self.command, State::Done, NOTHING, &Particulars::default())?;
            begin.commit().map_err(|error| failure(&error, "the ledger"))?;
            return Ok(NOTHING.to_owned());
        };
        self.ledger.note(&mut begin, self.command, State::Begun, "", &particulars)?;
        self.ledger.forget(&mut begin, self.command)?;
        self.in_time()?;
        begin.commit().map_err(|error| failure(&error, "the ledger"))?;

        let mut rows = 0;
        for statement in &statements {
            match execute(client, statement, self.command, known.as_ref())? {
                Ok(touched) => rows += touched,
                Err(error) => {
                    let mut met = failure(&error, doing);
                    let refused =
                        error.as_db_error().is_some_and(|told| !told.code().code().starts_with("57"));
                    let state = match (&met.verdict, refused) {
                        (Verdict::Failed { retryable }, true) => State::Failed { retryable: *retryable },
                        _ => State::Unknown,
                    };
                    if state == State::Unknown {
                        met.verdict = Verdict::Unknown;
                    }
                    // If it cannot be noted it stays as begun, which is unknown as well.
                    let _ = self.ledger.note(client, self.command, state, &met.why, &Particulars::default());
                    return Err(met);
                }
            }
        }
        let said = words(rows, &statements);
        let generation = self.generation(client).ok().flatten();
        let after = Particulars { generation, ..Particulars::default() };
        match self.ledger.note(client, self.command, State::Done, &said, &after) {
            Ok(()) => Ok(said),
            Err(Failure { why, .. }) => Ok(format!("{said} (it could not be noted: {why})")),
        }
    }

    /// The answer of an earlier attempt, and the refusal of what was undone already.
    fn answered<C: GenericClient>(&self, client: &mut C) -> Result<Option<Result<String, Failure>>, Failure> {
        let key = &self.command.idempotency_key;
        if let Some(answer) = self.ledger.of_key(client, key)?.and_then(|known| known.answer(self.command)) {
            return Ok(Some(answer));
        }
        if self.ledger.of_key(client, &undo_key(key))?.is_some() {
            return Err(Failure::lasting("it was taken back before it was begun"));
        }
        Ok(None)
    }

    /// What is to be run, after what must hold before was checked.
    fn work<C: GenericClient>(&self, client: &mut C) -> Result<Work, Failure> {
        let action = self.action;
        if self.command.compensation {
            return self.undoing(client);
        }
        if action.generation.is_some() {
            let now = self
                .generation(client)?
                .ok_or_else(|| Failure::lasting("it has no generation: it is not there"))?;
            let wanted = self.command.action.parameters.get("generation").ok_or_else(|| {
                Failure::lasting(
                    "the command names no generation; give its action the parameter `generation`",
                )
            })?;
            if *wanted != now {
                return Err(Failure::lasting(format!("it is of generation {now} by now, not {wanted}")));
            }
        }
        let before = match &action.before {
            Some(before) => {
                let had = self.one(client, before, "to_jsonb(had)::text")?;
                Some(had.ok_or_else(|| Failure::lasting("`before` gave no row, so it could not be undone"))?)
            }
            None => None,
        };
        Ok(Work::Run {
            statements: action.run.clone(),
            particulars: Particulars { before, generation: None },
            known: None,
        })
    }

    fn undoing<C: GenericClient>(&self, client: &mut C) -> Result<Work, Failure> {
        let run = |statements: &[Statement], known| Work::Run {
            statements: statements.to_vec(),
            particulars: Particulars::default(),
            known,
        };
        let done = match self.ledger.undone_by(client, &self.command.idempotency_key)? {
            None => return Ok(Work::Nothing),
            Some(Effect { state: State::Failed { .. }, .. }) => return Ok(Work::Nothing),
            Some(Effect { state: State::Begun | State::Unknown, attempt, .. }) => {
                let why = format!("nobody knows whether attempt {attempt} was done, so nothing is undone");
                return Err(Failure::lasting(why));
            }
            Some(done) => done,
        };
        // Another verb may undo it, as plans say.
        if done.verb != self.command.action.verb {
            return Ok(run(&self.action.run, done.before));
        }
        match &self.action.inverse {
            Inverse::Irreversible(why) => Err(Failure::lasting(format!("it cannot be undone: {why}"))),
            Inverse::By(statements) => match (self.generation(client)?, &done.generation) {
                (Some(now), Some(left)) if now != *left => Err(Failure::lasting(format!(
                    "it is of generation {now} by now, not {left}: somebody has changed it since"
                ))),
                _ => Ok(run(statements, done.before)),
            },
        }
    }

    fn generation<C: GenericClient>(&self, client: &mut C) -> Result<Option<String>, Failure> {
        let query = self.action.generation.as_ref();
        let Some(query) = query else { return Ok(None) };
        self.one(client, query, "(SELECT value FROM jsonb_each_text(to_jsonb(had)))")
    }

    /// The row of a query as a text; none if there is none.
    fn one<C: GenericClient>(
        &self,
        client: &mut C,
        query: &Statement,
        as_text: &str,
    ) -> Result<Option<String>, Failure> {
        let values = query.values(self.command, None).map_err(Failure::lasting)?;
        let sql = format!("SELECT {as_text} FROM ({}) AS had", query.sql());
        let rows = client.query(&sql, &bound(&values)).map_err(|error| failure(&error, query.sql()))?;
        match rows.as_slice() {
            [] => Ok(None),
            [row] => Ok(row.get(0)),
            rows => Err(Failure::lasting(format!("`{}` gave {} rows, not one", query.sql(), rows.len()))),
        }
    }

    fn run<C: GenericClient>(
        &self,
        client: &mut C,
        statements: &[Statement],
        known: Option<&serde_json::Value>,
    ) -> Result<String, Failure> {
        let mut rows = 0;
        for statement in statements {
            self.in_time()?;
            let done = execute(client, statement, self.command, known)?;
            rows += done.map_err(|error| failure(&error, &self.command.action.verb))?;
        }
        let ActionSettings { rows_min, rows_max, .. } = self.action;
        if rows < *rows_min {
            return Err(Failure::lasting(format!(
                "rolled back: {rows} rows were touched, fewer than {rows_min}"
            )));
        }
        if let Some(most) = rows_max.filter(|most| rows > *most) {
            return Err(Failure::lasting(format!("rolled back: {rows} rows were touched, more than {most}")));
        }
        Ok(words(rows, statements))
    }

    fn in_time(&self) -> Result<(), Failure> {
        if Instant::now() < self.act_until { Ok(()) } else { Err(Failure::passing("its time is over")) }
    }
}

const NOTHING: &str = "nothing was done that had to be undone";

fn words(rows: u64, statements: &[Statement]) -> String {
    let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
    let many = statements.len();
    if many == 1 { rows } else { format!("{rows} by {many} statements") }
}

fn bound(values: &[Option<String>]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// Runs a statement and gives the rows that it touched or gave. The outer error: it could not be run at
/// all, since a value for it is missing.
fn execute<C: GenericClient>(
    client: &mut C,
    statement: &Statement,
    command: &Command,
    known: Option<&serde_json::Value>,
) -> Result<Result<u64, postgres::Error>, Failure> {
    let values = statement.values(command, known).map_err(Failure::lasting)?;
    Ok(client.execute(statement.sql(), &bound(&values)))
}
