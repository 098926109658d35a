//! What can be done to a service, and what undoes it.

/// What a process executor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Starts it, if it does not run, and waits until it is well.
    Start,
    /// SIGTERM, and after the grace SIGKILL to its process group.
    Stop,
    /// Stops it, if it runs, and starts it.
    Restart,
    /// Points the release link to another release and restarts.
    RollbackDeploy,
    /// Stops it, brings back a checkpoint, and starts it.
    Restore,
    /// Runs the program that takes back one thing that the service did.
    Compensate,
}

/// What undoes a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inverse {
    /// This one, on the same target, without parameters.
    By(Verb),
    /// Nothing, for this reason.
    Irreversible(&'static str),
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Stop, Self::Restart, Self::RollbackDeploy, Self::Restore, Self::Compensate];

    /// Its name in plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::RollbackDeploy => "rollback_deploy",
            Self::Restore => "restore",
            Self::Compensate => "compensate",
        }
    }

    /// The verb of this name.
    ///
    /// # Errors
    /// If it is not supported; the text says what is. Nobody can be kept from a process without
    /// the load balancer in front of it, so `isolate` is not.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verb| verb.name() == name);
        let all = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("`{name}` is not supported for processes; supported are {all}"))
    }

    /// What undoes it.
    #[must_use]
    pub const fn inverse(self) -> Inverse {
        match self {
            Self::Start => Inverse::By(Self::Stop),
            Self::Stop => Inverse::By(Self::Start),
            Self::RollbackDeploy => Inverse::By(Self::RollbackDeploy),
            Self::Restart => Inverse::Irreversible("what the process held in memory is gone"),
            Self::Restore => Inverse::Irreversible("what was written after the checkpoint is gone"),
            Self::Compensate => Inverse::Irreversible("what was taken back would have to be done again"),
        }
    }

    /// What undoes it, in words.
    pub(super) fn undone_by(self) -> String {
        match self.inverse() {
            Inverse::By(verb) => format!("undone by {}", verb.name()),
            Inverse::Irreversible(why) => format!("cannot be undone: {why}"),
        }
    }
}
