//! An executor among others that hand stages of plans to each other, without anybody in the middle.
//!
//! They share a store of topics. In `plans` lie the slips, each written anew when something became of it; the
//! newest of a stage counts. Whoever holds it acts and hands it on, both in one transaction with the position from
//! which it reads after a crash. Dead letters are told in `dead_letters` as well.

use std::collections::BTreeMap;

use theriac_contract::{
    Ending, Executor, Id, Record, SCHEMA_VERSION, Slip, Timestamp, Topic, TopicError, Topics,
};

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;
/// Where slips lie.
const SLIPS: Topic = Topic::Plans;

/// Slips cannot be read or handed on.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// The store failed.
    #[error("executor `{executor}`: {source}")]
    Topics {
        /// Which.
        executor: String,
        /// Why.
        source: TopicError,
    },
    /// A slip cannot be made into JSON.
    #[error("executor `{executor}`: slip {slip}: {reason}")]
    Slip {
        /// Which.
        executor: String,
        /// The slip.
        slip: Id,
        /// Why.
        reason: String,
    },
}

/// What a turn came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// Nothing is held here now.
    Idle,
    /// What is held here is to be tried again later, at this time at the earliest.
    Waits(Timestamp),
    /// This was handed on.
    HandedOn(Box<Slip>),
}

/// Stages under way by plan and position, with the newest of their slips and where it lies.
type Live = BTreeMap<(Id, u32), (u64, Slip)>;

/// One executor among them. In front of it stands a ledger, unless it remembers by itself.
pub struct Member<E> {
    executor: E,
    name: String,
    live: Live,
    /// What comes next is read from here on; none before the first turn.
    next: Option<u64>,
}

/// Hands a stage out for the first time.
///
/// # Errors
/// If the store fails.
pub fn hand_out(topics: &mut dyn Topics, slip: &Slip) -> Result<(), MemberError> {
    let who = slip.holder().unwrap_or_default().to_owned();
    let record = record(&who, slip)?;
    let stored = topics.append(SLIPS, 0, &[record]).and_then(|_| topics.commit());
    stored.map_err(|source| MemberError::Topics { executor: who, source })
}

/// Writes it as a record of the store.
fn record(executor: &str, slip: &Slip) -> Result<Record, MemberError> {
    let value = serde_json::to_vec(slip).map_err(|error| MemberError::Slip {
        executor: executor.to_owned(),
        slip: slip.id.clone(),
        reason: error.to_string(),
    })?;
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let headers = vec![
        header("ce_specversion", "1.0"),
        header("ce_id", slip.id.as_str()),
        header("ce_source", "theriac/executors"),
        header("ce_type", &format!("theriac.slip.v{SCHEMA_VERSION}")),
        header("content-type", "application/json"),
    ];
    Ok(Record { timestamp: slip.issued, key: slip.plan.as_str().as_bytes().to_vec(), headers, value })
}

impl<E: Executor> Member<E> {
    /// One that takes what is for an executor of this name.
    #[must_use]
    pub fn new(name: &str, executor: E) -> Self {
        Self { executor, name: name.to_owned(), live: Live::new(), next: None }
    }

    /// Takes the oldest of what is held here and due, says that it begins or does it, and hands it on.
    ///
    /// # Errors
    /// If the store fails. What was done is known to the ledger; a member that is made anew goes on.
    pub fn turn(&mut self, topics: &mut dyn Topics, now: Timestamp) -> Result<Turn, MemberError> {
        self.catch_up(topics)?;
        let held = self.live.values().filter(|(_, slip)| slip.holder() == Some(self.name.as_str()));
        let Some((_, slip)) =
            held.clone().filter(|(_, slip)| slip.from() <= now).min_by_key(|(offset, _)| *offset)
        else {
            return Ok(held.map(|(_, slip)| slip.from()).min().map_or(Turn::Idle, Turn::Waits));
        };
        let next = match (slip.begun(now), slip.command()) {
            (Some(next), _) => next,
            (None, Some(command)) => {
                let (verdict, detail) = self.executor.execute(&command);
                slip.after(&verdict, &detail, now)
            }
            (None, None) => return Ok(Turn::Idle),
        };
        self.hand_on(topics, &next)?;
        Ok(Turn::HandedOn(Box::new(next)))
    }

    /// Reads what was written since the last turn.
    fn catch_up(&mut self, topics: &mut dyn Topics) -> Result<(), MemberError> {
        let mut next = match self.next {
            Some(next) => next,
            None => topics.position(&self.name, SLIPS, 0).unwrap_or(0).max(topics.start(SLIPS, 0)),
        };
        while next < topics.end(SLIPS, 0) {
            let stored = topics.read(SLIPS, 0, next, READ_BYTES).map_err(|source| self.failed(source))?;
            let Some(last) = stored.last() else { break };
            next = last.offset + 1;
            for stored in stored {
                // What is no slip is of no use to any of them; who hands out writes nothing else.
                let Ok(slip) = serde_json::from_slice::<Slip>(&stored.record.value) else {
                    tracing::warn!(executor = self.name, offset = stored.offset, "no slip, passed over");
                    continue;
                };
                let key = (slip.plan.clone(), slip.stage);
                let older = self.live.get(&key).is_some_and(|(_, known)| known.handover >= slip.handover);
                if slip.ending().is_some() {
                    self.live.remove(&key);
                } else if !older {
                    self.live.insert(key, (stored.offset, slip));
                }
            }
        }
        self.next = Some(next);
        Ok(())
    }

    fn hand_on(&mut self, topics: &mut dyn Topics, slip: &Slip) -> Result<(), MemberError> {
        let record = record(&self.name, slip)?;
        let mut stored = topics.append(SLIPS, 0, std::slice::from_ref(&record));
        if let Some(Ending::DeadLetter { .. }) = slip.ending() {
            stored = stored.and_then(|_| topics.append(Topic::DeadLetters, 0, &[record]));
        }
        let key = (slip.plan.clone(), slip.stage);
        let others = self.live.iter().filter(|(other, _)| **other != key).map(|(_, (offset, _))| *offset);
        let from = others.min().unwrap_or_else(|| self.next.unwrap_or(0));
        let stored = stored
            .and_then(|_| topics.commit_position(&self.name, SLIPS, 0, from))
            .and_then(|()| topics.commit());
        stored.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: TopicError) -> MemberError {
        MemberError::Topics { executor: self.name.clone(), source }
    }
}
