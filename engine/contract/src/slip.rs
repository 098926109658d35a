//! A stage of a plan that executors hand to each other: a routing slip (Hohpe and Woolf, Enterprise Integration
//! Patterns, 2003), and with its way back a choreographed saga.
//!
//! ```text
//!            begun, done               begun, done
//!  Ready 0 ───────────► Ready 1 ───────────────► … ──► Over: goal
//!    │ failed for good    │ failed for good, expired, or nobody knows whether it was done
//!    ▼                    ▼
//!  Over: before ◄─ … ◄─ Undo 0 ◄─ Undo 1          Over: dead letter, if something is left standing
//! ```
//!
//! Who holds it writes down that it begins, acts, and writes down what comes next. All of that is a function of
//! the slip and of the answer, so whoever takes the same slip twice hands on the same one, and executors act once
//! for a key: between any two writes a crash does no harm.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    SCHEMA_VERSION,
    executor::{Command, Verdict},
    id::Id,
    plan::{Plan, Step},
    series::Entity,
    time::Timestamp,
};

/// A stage on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slip {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// From the plan, the stage and the number of the handover: the same for copies.
    pub id: Id,
    /// The plan.
    pub plan: Id,
    /// Its incident.
    pub incident: Id,
    /// Correlation domain.
    pub domain: String,
    /// Position of the stage in the plan.
    pub stage: u32,
    /// Token under which all of it is done.
    pub fencing_token: u64,
    /// Whether executors may only say what they would do.
    pub dry_run: bool,
    /// Event time at which it was handed out.
    pub issued: Timestamp,
    /// After this no further step begins. What was done is undone all the same.
    pub expires: Timestamp,
    /// Where it goes, in this order.
    pub stops: Vec<Stop>,
    /// How often it was written down.
    pub handover: u32,
    /// Where it is.
    pub place: Place,
    /// Positions of the steps that were done and not undone, in the order of doing.
    pub done: Vec<usize>,
    /// What is left standing and should not be, one sentence each.
    pub standing: Vec<String>,
}

/// One step, and who does it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stop {
    /// The step.
    pub step: Step,
    /// Executor that does it.
    pub executor: String,
    /// Executor that undoes it, which may be another one.
    pub undone_by: String,
}

/// Where a slip is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum Place {
    /// A step is to be done.
    Step {
        /// Position.
        position: usize,
        /// From 1.
        attempt: u32,
        /// Not before.
        from: Timestamp,
        /// Its holder has written down that it begins: it is asked for the answer, and no longer whether it
        /// is too late.
        begun: bool,
    },
    /// A step is to be undone: the last one of those that were done.
    Undo {
        /// From 1.
        attempt: u32,
        /// Not before.
        from: Timestamp,
        /// Why the stage is undone.
        reason: String,
    },
    /// It has come to its end.
    Over {
        /// Which.
        ending: Ending,
    },
}

/// How a slip ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum Ending {
    /// All steps were done.
    Goal,
    /// All is as it was before.
    Before {
        /// Why.
        reason: String,
    },
    /// Neither: a person has to look.
    DeadLetter {
        /// Why it did not go on, and what is left standing.
        reason: String,
    },
}

impl Slip {
    /// The stage at a position of a plan, about to begin. `who` names the executor of a verb on a target.
    ///
    /// # Errors
    /// If there is no such stage, it has no step, or nobody does one of its actions; the text says which.
    pub fn of(
        plan: &Plan,
        stage: usize,
        fencing_token: u64,
        issued: Timestamp,
        who: impl Fn(&str, &Entity) -> Option<String>,
    ) -> Result<Self, String> {
        let steps = plan.stages.get(stage).map(|stage| stage.steps.as_slice()).unwrap_or_default();
        if steps.is_empty() {
            return Err(format!("{} has no steps in stage {stage}", plan.id.short()));
        }
        let named = |action: &crate::plan::Action| {
            who(&action.verb, &action.target)
                .ok_or_else(|| format!("nobody does {} on {}", action.verb, action.target))
        };
        let stops = steps.iter().map(|step| {
            let executor = named(&step.action)?;
            let undone_by = step.compensation.as_ref().map(named).transpose()?;
            Ok(Stop {
                step: step.clone(),
                undone_by: undone_by.unwrap_or_else(|| executor.clone()),
                executor,
            })
        });
        let stops = stops.collect::<Result<_, String>>()?;
        let slip = Self {
            schema_version: SCHEMA_VERSION,
            id: Id(String::new()),
            plan: plan.id.clone(),
            incident: plan.incident.clone(),
            domain: plan.domain.clone(),
            stage: u32::try_from(stage).unwrap_or(u32::MAX),
            fencing_token,
            dry_run: plan.dry_run,
            issued,
            expires: plan.expires,
            stops,
            handover: 0,
            place: Place::Step { position: 0, attempt: 1, from: issued, begun: false },
            done: Vec::new(),
            standing: Vec::new(),
        };
        Ok(slip.named())
    }

    /// Who holds it; nobody once it is over.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        match &self.place {
            Place::Step { position, .. } => self.stops.get(*position).map(|stop| stop.executor.as_str()),
            Place::Undo { .. } => self.last().map(|stop| stop.undone_by.as_str()),
            Place::Over { .. } => None,
        }
    }

    /// How it ended; none while it is on its way.
    #[must_use]
    pub const fn ending(&self) -> Option<&Ending> {
        match &self.place {
            Place::Over { ending } => Some(ending),
            _ => None,
        }
    }

    /// Time before which its holder leaves it alone.
    #[must_use]
    pub const fn from(&self) -> Timestamp {
        match &self.place {
            Place::Step { from, .. } | Place::Undo { from, .. } => *from,
            Place::Over { .. } => Timestamp::MIN,
        }
    }

    /// What its holder is to write down before it acts: that it begins, or that it is too late. None if that
    /// stands there, or need not.
    #[must_use]
    pub fn begun(&self, now: Timestamp) -> Option<Self> {
        let Place::Step { position, attempt, from, begun: false } = self.place else { return None };
        let mut next = self.clone();
        if now > self.expires {
            let step = self.stops.get(position).map_or(0, |stop| stop.step.index);
            next.turn_back(format!("it expired before step {step} began"), now);
        } else {
            next.place = Place::Step { position, attempt, from, begun: true };
        }
        Some(next.handed_on())
    }

    /// What its holder is to do now; none once it is over.
    #[must_use]
    pub fn command(&self) -> Option<Command> {
        let (stop, attempt, compensation) = match &self.place {
            Place::Step { position, attempt, .. } => (self.stops.get(*position)?, *attempt, false),
            Place::Undo { attempt, .. } => (self.last()?, *attempt, true),
            Place::Over { .. } => return None,
        };
        let key = &stop.step.idempotency_key;
        Some(Command {
            plan: self.plan.clone(),
            incident: self.incident.clone(),
            step: stop.step.index,
            attempt,
            compensation,
            domain: self.domain.clone(),
            action: if compensation { stop.step.compensation.clone()? } else { stop.step.action.clone() },
            idempotency_key: if compensation {
                Id::derive("compensation", &[key.as_str()])
            } else {
                key.clone()
            },
            fencing_token: self.fencing_token,
            dry_run: self.dry_run,
            timeout: stop.step.timeout,
            issued: self.issued,
        })
    }

    /// What its holder hands on after an answer.
    #[must_use]
    pub fn after(&self, verdict: &Verdict, detail: &str, now: Timestamp) -> Self {
        let mut next = self.clone();
        match &self.place {
            Place::Step { position, attempt, .. } => next.stepped(*position, *attempt, verdict, detail, now),
            Place::Undo { attempt, reason, .. } => next.undone(*attempt, reason, verdict, detail, now),
            Place::Over { .. } => return next,
        }
        next.handed_on()
    }

    fn stepped(&mut self, position: usize, attempt: u32, verdict: &Verdict, detail: &str, now: Timestamp) {
        let Some(step) = self.stops.get(position).map(|stop| &stop.step) else { return };
        let index = step.index;
        match verdict {
            Verdict::Succeeded => {
                self.done.push(position);
                let next = Place::Step { position: position + 1, attempt: 1, from: now, begun: false };
                let over = Place::Over { ending: Ending::Goal };
                self.place = if position + 1 < self.stops.len() { next } else { over };
            }
            Verdict::Failed { retryable: true } if attempt < step.retry.attempts => {
                let from = now.plus(step.retry.wait(&step.idempotency_key, attempt));
                self.place = Place::Step { position, attempt: attempt + 1, from, begun: false };
            }
            Verdict::Failed { .. } => self.turn_back(format!("step {index} failed: {detail}"), now),
            Verdict::TimedOut | Verdict::Unknown => {
                self.standing.push(format!("step {index} may have been done: {detail}"));
                self.turn_back(format!("nobody knows whether step {index} was done"), now);
            }
        }
    }

    fn undone(&mut self, attempt: u32, reason: &str, verdict: &Verdict, detail: &str, now: Timestamp) {
        let Some(step) = self.last().map(|stop| &stop.step) else { return };
        let index = step.index;
        match verdict {
            Verdict::Failed { retryable: true } if attempt < step.retry.attempts => {
                let key = Id::derive("compensation", &[step.idempotency_key.as_str()]);
                let from = now.plus(step.retry.wait(&key, attempt));
                self.place = Place::Undo { attempt: attempt + 1, from, reason: reason.to_owned() };
                return;
            }
            Verdict::Succeeded => {}
            _ => self.standing.push(format!("step {index} could not be undone: {detail}")),
        }
        self.done.pop();
        self.turn_back(reason.to_owned(), now);
    }

    /// Goes to the last step that can be undone, or to the end if there is none. What cannot be undone stays.
    fn turn_back(&mut self, reason: String, now: Timestamp) {
        while let Some(stop) = self.last() {
            if stop.step.compensation.is_some() {
                self.place = Place::Undo { attempt: 1, from: now, reason };
                return;
            }
            let sentence = format!("step {} was done, and nothing undoes it", stop.step.index);
            self.standing.push(sentence);
            self.done.pop();
        }
        let ending = if self.standing.is_empty() {
            Ending::Before { reason }
        } else {
            Ending::DeadLetter { reason: format!("{reason}; {}", self.standing.join("; ")) }
        };
        self.place = Place::Over { ending };
    }

    fn last(&self) -> Option<&Stop> {
        self.done.last().and_then(|position| self.stops.get(*position))
    }

    fn handed_on(mut self) -> Self {
        self.handover += 1;
        self.named()
    }

    fn named(mut self) -> Self {
        let (stage, handover) = (self.stage.to_string(), self.handover.to_string());
        self.id = Id::derive("slip", &[self.plan.as_str(), stage.as_str(), handover.as_str()]);
        self
    }
}
