//! The verbs with their delays, probabilities of failing in three ways, and costs.

use serde::{Deserialize, Serialize};

use super::super::clock::{Nanos, nanos};
use crate::random::Stream;

/// What can be done, in the order of the catalogue: A0 to A26.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// A0.
    Wait,
    /// A1: once more what failed; records come back from the dead letters.
    Redrive,
    /// A2: one replica.
    Restart,
    /// A3: all replicas of a service, one after the other.
    RollingRestart,
    /// A4: out of rotation.
    Drain,
    /// A5: a node or zone takes no replicas any more, those on it move.
    Evacuate,
    /// A6.
    ScaleOut,
    /// A7.
    ScaleIn,
    /// A8: another primary.
    Failover,
    /// A9: the primary's process.
    RestartDatabase,
    /// A10; undone, it goes forward to the newest version.
    RollbackDeploy,
    /// A11.
    RollbackConfig,
    /// A12: callers do without.
    OpenCircuit,
    /// A13: some users are turned away.
    ShedLoad,
    /// A14: fewer attempts, with a budget.
    CapRetries,
    /// A15.
    CancelSession,
    /// A16: one record to the dead letters.
    SkipRecord,
    /// A17: one asks for a key, all others get the old value.
    ProtectCache,
    /// A18.
    FlushCache,
    /// A19: back to a checkpoint.
    Restore,
    /// A20: a copy from a sound one.
    Rebuild,
    /// A21: makes good what went wrong.
    Compensate,
    /// A22.
    RenewCertificate,
    /// A23.
    FreeDisk,
    /// A24: a tenant or key is blocked.
    Quarantine,
    /// A25.
    SyncClock,
    /// A26: a person.
    Escalate,
}

/// How an action goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// Median of the delay in seconds.
    pub median: f64,
    /// Its 99th percentile.
    pub high: f64,
    /// Probability that it fails visibly.
    pub fails: f64,
    /// That it says that it worked and did nothing.
    pub pretends: f64,
    /// That it does half.
    pub partial: f64,
    /// What it costs whatever it does: capacity and risk, in seconds of all users.
    pub cost: f64,
    /// Whether it can be undone.
    pub reversible: bool,
}

impl Profile {
    pub(crate) fn draw(&self, stream: &mut Stream) -> Nanos {
        if self.median <= 0.0 {
            return 0;
        }
        // The 99th percentile of a standard normal is 2.326.
        nanos(stream.lognormal(self.median, libm::log(self.high / self.median) / 2.326))
    }
}

/// Verb, name, median, 99th percentile, fails, pretends, partial, cost, reversible.
type Row = (Verb, &'static str, f64, f64, f64, f64, f64, f64, bool);

const TABLE: [Row; 27] = [
    (Verb::Wait, "wait", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, true),
    (Verb::Redrive, "redrive", 0.1, 1.0, 0.05, 0.0, 0.0, 0.2, false),
    (Verb::Restart, "restart", 8.0, 40.0, 0.03, 0.01, 0.0, 1.0, false),
    (Verb::RollingRestart, "rolling_restart", 8.0, 40.0, 0.05, 0.01, 0.05, 3.0, false),
    (Verb::Drain, "drain", 3.0, 15.0, 0.02, 0.01, 0.0, 0.5, true),
    (Verb::Evacuate, "evacuate", 30.0, 180.0, 0.05, 0.01, 0.1, 3.0, true),
    (Verb::ScaleOut, "scale_out", 25.0, 120.0, 0.05, 0.02, 0.1, 2.0, true),
    (Verb::ScaleIn, "scale_in", 10.0, 30.0, 0.02, 0.0, 0.0, 0.5, true),
    (Verb::Failover, "failover", 1.0, 20.0, 0.05, 0.02, 0.02, 4.0, true),
    (Verb::RestartDatabase, "restart_database", 6.0, 60.0, 0.03, 0.0, 0.0, 4.0, false),
    (Verb::RollbackDeploy, "rollback_deploy", 8.0, 40.0, 0.05, 0.01, 0.1, 2.0, true),
    (Verb::RollbackConfig, "rollback_config", 3.0, 20.0, 0.02, 0.02, 0.1, 1.0, true),
    (Verb::OpenCircuit, "open_circuit", 1.0, 5.0, 0.01, 0.02, 0.0, 0.5, true),
    (Verb::ShedLoad, "shed_load", 1.0, 5.0, 0.01, 0.02, 0.0, 0.5, true),
    (Verb::CapRetries, "cap_retries", 2.0, 15.0, 0.02, 0.02, 0.05, 0.5, true),
    (Verb::CancelSession, "cancel_session", 0.5, 3.0, 0.05, 0.0, 0.0, 0.5, false),
    (Verb::SkipRecord, "skip_record", 1.0, 10.0, 0.02, 0.01, 0.0, 0.5, true),
    (Verb::ProtectCache, "protect_cache", 2.0, 30.0, 0.02, 0.02, 0.0, 0.5, true),
    (Verb::FlushCache, "flush_cache", 1.0, 3.0, 0.0, 0.0, 0.0, 1.0, false),
    (Verb::Restore, "restore", 60.0, 900.0, 0.05, 0.02, 0.05, 10.0, false),
    (Verb::Rebuild, "rebuild", 60.0, 1200.0, 0.05, 0.01, 0.0, 3.0, false),
    (Verb::Compensate, "compensate", 1.0, 10.0, 0.05, 0.01, 0.05, 1.0, true),
    (Verb::RenewCertificate, "renew_certificate", 5.0, 60.0, 0.05, 0.02, 0.1, 1.0, true),
    (Verb::FreeDisk, "free_disk", 3.0, 30.0, 0.05, 0.0, 0.0, 1.0, false),
    (Verb::Quarantine, "quarantine", 1.0, 5.0, 0.01, 0.02, 0.0, 0.5, true),
    (Verb::SyncClock, "sync_clock", 3.0, 30.0, 0.05, 0.01, 0.0, 0.5, false),
    // A person: ten minutes, an hour in a hundred.
    (Verb::Escalate, "escalate", 600.0, 3600.0, 0.0, 0.0, 0.0, 5.0, false),
];

impl Verb {
    /// All, A0 first.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Name as in commands.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        self.row().1
    }

    /// The verb of a name.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == slug).map(|row| row.0)
    }

    /// Code in the catalogue.
    #[must_use]
    pub fn code(self) -> String {
        format!("A{}", self as u8)
    }

    /// How it goes.
    #[must_use]
    pub const fn profile(self) -> Profile {
        let (_, _, median, high, fails, pretends, partial, cost, reversible) = *self.row();
        Profile { median, high, fails, pretends, partial, cost, reversible }
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Wait | Self::Escalate)
    }

    /// Whether what takes time is the start of processes.
    pub(crate) const fn rolls(self) -> bool {
        matches!(self, Self::Restart | Self::RollingRestart | Self::RestartDatabase | Self::RollbackDeploy)
    }
}
