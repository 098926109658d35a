//! An executor behind a circuit breaker and a bulkhead.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    breaker: Mutex<Breaker>,
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
        let breaker = Mutex::new(Breaker::new(executor.name(), settings));
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
