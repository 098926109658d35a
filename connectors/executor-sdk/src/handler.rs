//! What the author of an executor writes.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use theriac_contract::{Command, Verdict};

/// Whether a command was done by a process that did not live to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reconciled {
    /// It was, with words.
    Done(String),
    /// It surely was not, and nothing of it is under way.
    NotDone,
    /// Nobody can tell, with the reason. It is not done again.
    CannotTell(String),
}

/// Does what commands say. Several threads call it at once, for different partitions; commands for
/// one target come one after the other.
pub trait Handler: Send + Sync + 'static {
    /// Does it once, and says how that went. Give the command's `idempotency_key` and
    /// `fencing_token` to the system that is acted upon if that can refuse what it knows; and ask
    /// the lease right before what cannot be undone. A panic leaves it unknown what was done.
    fn act(&self, command: &Command, lease: &Lease) -> (Verdict, String);

    /// Whether the command was done. Called for one that another process claimed and never
    /// answered, after the lease of that process is over.
    fn reconcile(&self, command: &Command) -> Reconciled;

    /// Takes a line for people: what was passed over, who was fenced, what is tried again.
    fn notice(&self, text: &str) {
        eprintln!("{text}");
    }
}

/// The right to act, for a time. Counted on the clock of this machine that nobody sets, so a jump
/// of the wall clock does not lengthen it.
#[derive(Debug)]
pub struct Lease {
    until: Mutex<Instant>,
    lost: AtomicBool,
}

impl Lease {
    pub(crate) fn new(until: Instant) -> Self {
        Self { until: Mutex::new(until), lost: AtomicBool::new(false) }
    }

    /// Whether this process may still act: no other has taken over, and none can have waited for
    /// the end of the lease.
    #[must_use]
    pub fn held(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.lost.load(Ordering::SeqCst) && Instant::now() < until
    }

    pub(crate) fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }
}
