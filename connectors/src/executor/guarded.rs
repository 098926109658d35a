//! An executor behind a circuit breaker and a bulkhead.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use theriac_contract::{Command, Executor, Verdict};

use super::breaker::{Breaker, BreakerSettings, Circuit, Permit};

/// Lets commands through as its [`Breaker`] says. The others are answered as failed, to be retried,
/// with the reason: nothing was done, so the backoff of the saga decides when to ask again. Everything
/// but success counts as a failure, a panic as well. Dry runs pass by.
///
/// The class of a target is its service: what fails for one says little of another. What the breaker
/// knows is kept in this process and not on disk; after a restart all circuits are closed.
pub struct Guarded {
    executor: Arc<dyn Executor>,
    breaker: Arc<Mutex<Breaker>>,
}

/// Circuits to one executor that are not closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Circuits {
    /// So many let nothing through.
    pub open: u64,
    /// So many are being tried.
    pub half_open: u64,
}

/// The breakers of this process, for as long as their executors are there.
static BREAKERS: Mutex<Vec<Weak<Mutex<Breaker>>>> = Mutex::new(Vec::new());

/// How the circuits of this process stand, by executor; those of several shards are added up. For people who
/// look on: no decision depends on it.
#[must_use]
pub fn circuits() -> BTreeMap<String, Circuits> {
    let mut found: BTreeMap<String, Circuits> = BTreeMap::new();
    let mut breakers = BREAKERS.lock().unwrap_or_else(PoisonError::into_inner);
    breakers.retain(|breaker| breaker.strong_count() > 0);
    for breaker in breakers.iter().filter_map(Weak::upgrade) {
        let breaker = breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let of = found.entry(breaker.executor().to_owned()).or_default();
        for circuit in breaker.circuits() {
            match circuit {
                Circuit::Closed => {}
                Circuit::Open { .. } => of.open += 1,
                Circuit::HalfOpen => of.half_open += 1,
            }
        }
    }
    found
}

/// Gives leave back even if the executor panics.
struct Leave<'a> {
    guarded: &'a Guarded,
    permit: Option<Permit>,
    well: bool,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.guarded.breaker().ended(permit, self.well);
        }
    }
}

impl Guarded {
    /// Puts a breaker before an executor.
    #[must_use]
    pub fn new(executor: Arc<dyn Executor>, settings: BreakerSettings) -> Self {
        let breaker = Arc::new(Mutex::new(Breaker::new(executor.name(), settings)));
        BREAKERS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&breaker));
        Self { executor, breaker }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Guarded {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        if command.dry_run {
            return self.executor.execute(command);
        }
        let class = command.action.target.service();
        let admitted = self.breaker().admit(class, command.issued);
        let permit = match admitted {
            Ok(permit) => permit,
            Err(refusal) => {
                return (Verdict::Failed { retryable: true }, format!("not done: {refusal}"));
            }
        };
        let mut leave = Leave { guarded: self, permit: Some(permit), well: false };
        let (verdict, detail) = self.executor.execute(command);
        leave.well = verdict == Verdict::Succeeded;
        drop(leave);
        if let (Circuit::Open { until }, false) =
            (self.breaker().circuit(class), verdict == Verdict::Succeeded)
        {
            tracing::warn!(executor = self.name(), class, %until, "circuit open: {detail}");
        }
        (verdict, detail)
    }

    fn remembers(&self, command: &Command) -> bool {
        self.executor.remembers(command)
    }
}
