//! Whether a command may go to an executor now: a circuit for each class of targets, and how many at
//! once.
//!
//! ```text
//!            N of the last M failed             its time is over, one goes through to see
//!   closed ─────────────────────────► open ──────────────────────────────► half-open
//!      ▲                                ▲        it failed                    │
//!      │                                └─────────────────────────────────────┤
//!      └──────────────────────────────────────────────────────────────────────┘ it went well
//! ```
//!
//! The circuit breaker is Nygard's (Release It!, 2007) and so is the bulkhead. Time is the event time
//! at which commands are issued, and the jitter a draw that is seeded with executor, class and how
//! often a circuit was opened: the same commands and answers in the same order give the same
//! decisions.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use theriac_contract::{Id, Interval, Timestamp};

/// Settings of what stands before each executor that acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// So many failures among the last [`Self::of`] commands for one service open its circuit.
    pub failures: usize,
    /// See [`Self::failures`].
    pub of: usize,
    /// How long a circuit stays open, in event time.
    pub open_for: Interval,
    /// Up to this share of that time is added, by a seeded draw, so that circuits that opened
    /// together are not tried together.
    pub jitter: f64,
    /// Commands that one executor carries out at once at most.
    pub at_once_max: usize,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, of: 10, open_for: Interval::from_seconds(30), jitter: 0.2, at_once_max: 4 }
    }
}

impl BreakerSettings {
    /// What is wrong with them, and how to mend it.
    pub(super) fn problem(&self) -> Option<String> {
        if self.failures == 0 || self.failures > self.of {
            return Some(format!("failures is {}; it must be from 1 to `of`, {}", self.failures, self.of));
        }
        if self.at_once_max == 0 {
            return Some("at_once_max is 0, so nothing could be done; it must be at least 1".to_owned());
        }
        if self.open_for.0 <= 0 {
            return Some("open_for must be longer than nothing".to_owned());
        }
        let share = (0.0..=1.0).contains(&self.jitter);
        (!share).then(|| format!("jitter is {}; it must be from 0 to 1", self.jitter))
    }
}

/// How the circuit of a class stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Circuit {
    /// Commands go through.
    Closed,
    /// None goes through before this event time.
    Open {
        /// From then on one may.
        until: Timestamp,
    },
    /// One went through to see; no other does until it has ended.
    HalfOpen,
}

/// Why a command does not go through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much failed.
    #[error("the circuit to {class} is open until {until}: {failures} of the last commands failed")]
    Open {
        /// Class of the target.
        class: String,
        /// Event time.
        until: Timestamp,
        /// Failures that opened it.
        failures: usize,
    },
    /// Whether it works again is being tried.
    #[error("the circuit to {class} is half-open: another command tries whether it works again")]
    Probing {
        /// Class of the target.
        class: String,
    },
    /// Too many at once.
    #[error("{0} commands are under way, as many as may be at once")]
    Full(usize),
}

/// Leave to act, to be given back with [`Breaker::ended`].
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    class: String,
    /// Which opening of the circuit it came after: what began before says nothing of what is now.
    after: u64,
    probe: bool,
}

impl Permit {
    /// Whether it is the one by which a circuit is tried.
    #[must_use]
    pub const fn is_probe(&self) -> bool {
        self.probe
    }
}

#[derive(Debug)]
struct Class {
    circuit: Circuit,
    /// Whether the last commands went well, the newest last.
    last: VecDeque<bool>,
    /// Number of its last opening, 0 before the first.
    opening: u64,
    /// Failures that led to it.
    failures: usize,
}

/// The circuits to one executor, and the bulkhead before it.
#[derive(Debug)]
pub struct Breaker {
    executor: String,
    settings: BreakerSettings,
    classes: BTreeMap<String, Class>,
    under_way: usize,
    openings: u64,
    now: Timestamp,
}

impl Breaker {
    /// All circuits are closed.
    #[must_use]
    pub fn new(executor: &str, settings: BreakerSettings) -> Self {
        let executor = executor.to_owned();
        Self { executor, settings, classes: BTreeMap::new(), under_way: 0, openings: 0, now: Timestamp::MIN }
    }

    /// How the circuit to a class stands.
    #[must_use]
    pub fn circuit(&self, class: &str) -> Circuit {
        self.classes.get(class).map_or(Circuit::Closed, |class| class.circuit)
    }

    /// How the circuits stand to all classes that anything is known of.
    pub fn circuits(&self) -> impl Iterator<Item = Circuit> {
        self.classes.values().map(|class| class.circuit)
    }

    /// Name of the executor that it stands before.
    #[must_use]
    pub fn executor(&self) -> &str {
        &self.executor
    }

    /// Commands under way.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.under_way
    }

    /// Asks for leave to act on a class at event time `at`; an earlier one than before counts as that.
    ///
    /// # Errors
    /// If its circuit is open or being tried, or too many are under way: nothing was done, and it may
    /// be tried again.
    pub fn admit(&mut self, class: &str, at: Timestamp) -> Result<Permit, Refusal> {
        self.now = self.now.max(at);
        let mut known = self.classes.get_mut(class);
        let probe = match known.as_ref().map_or(Circuit::Closed, |known| known.circuit) {
            Circuit::Closed => false,
            Circuit::Open { until } if self.now >= until => true,
            Circuit::Open { until } => {
                let failures = known.map_or(0, |known| known.failures);
                return Err(Refusal::Open { class: class.to_owned(), until, failures });
            }
            Circuit::HalfOpen => return Err(Refusal::Probing { class: class.to_owned() }),
        };
        if self.under_way >= self.settings.at_once_max {
            return Err(Refusal::Full(self.under_way));
        }
        self.under_way += 1;
        if let (Some(known), true) = (&mut known, probe) {
            known.circuit = Circuit::HalfOpen;
        }
        Ok(Permit { class: class.to_owned(), after: known.map_or(0, |known| known.opening), probe })
    }

    /// Gives leave back, and says whether the command went well.
    pub fn ended(&mut self, permit: Permit, well: bool) {
        let Permit { class, after, probe } = permit;
        self.under_way -= 1;
        if well && !probe && !self.classes.contains_key(&class) {
            return;
        }
        let fresh = || Class { circuit: Circuit::Closed, last: VecDeque::new(), opening: 0, failures: 0 };
        let known = self.classes.entry(class.clone()).or_insert_with(fresh);
        if probe && well {
            known.circuit = Circuit::Closed;
            known.last.clear();
            return;
        }
        if !probe && (known.circuit != Circuit::Closed || known.opening != after) {
            return;
        }
        known.last.push_back(well);
        let excess = known.last.len().saturating_sub(self.settings.of);
        known.last.drain(..excess);
        let failures = known.last.iter().filter(|well| !**well).count();
        if probe || failures >= self.settings.failures {
            self.openings += 1;
            known.opening = self.openings;
            known.failures = failures;
            let length = open_for(&self.settings, &self.executor, &class, self.openings);
            known.circuit = Circuit::Open { until: self.now.plus(length) };
        } else if failures == 0 && known.opening == 0 {
            // As if it had never been heard of: what is kept is bounded by what fails.
            self.classes.remove(&class);
        }
    }
}

/// How long a circuit stays open: up to `jitter` longer than `open_for`.
fn open_for(settings: &BreakerSettings, executor: &str, class: &str, opening: u64) -> Interval {
    let id = Id::derive("circuit", &[executor, class, &opening.to_string()]);
    let digits = id.as_str().trim_start_matches("circuit-").get(..13).unwrap_or("0");
    let draw = u64::from_str_radix(digits, 16).unwrap_or(0) as f64 / (1_u64 << 52) as f64;
    let nanos = settings.open_for.0.max(0);
    Interval(nanos.saturating_add((nanos as f64 * settings.jitter.clamp(0.0, 1.0) * draw) as i64))
}
