//! What can be done in a cluster, and what undoes it.

/// What a Kubernetes executor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Deletes a pod, whose controller starts another. Of a service: [`Verb::RollingRestart`].
    Restart,
    /// Has all pods of a workload replaced, as many at once as its strategy allows.
    RollingRestart,
    /// Sets the replicas of a workload to the parameter `replicas`.
    Scale,
    /// Adds as many replicas as the parameter `replicas` says.
    ScaleOut,
    /// Takes as many replicas away.
    ScaleIn,
    /// Brings back the template of an earlier revision of a deployment.
    RollbackDeploy,
    /// No further pods on a node.
    Cordon,
    /// Pods on a node again.
    Uncordon,
    /// Cordons a node and evicts its pods, as their disruption budgets allow.
    Drain,
    /// [`Verb::Uncordon`].
    Undrain,
}

/// What undoes a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inverse {
    /// The same verb, as a compensation: it brings back what was there before.
    BringBack,
    /// Nothing, for this reason.
    Irreversible(&'static str),
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Restart,
        Self::RollingRestart,
        Self::Scale,
        Self::ScaleOut,
        Self::ScaleIn,
        Self::RollbackDeploy,
        Self::Cordon,
        Self::Uncordon,
        Self::Drain,
        Self::Undrain,
    ];

    /// Its name in plans.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::RollingRestart => "rolling_restart",
            Self::Scale => "scale",
            Self::ScaleOut => "scale_out",
            Self::ScaleIn => "scale_in",
            Self::RollbackDeploy => "rollback_deploy",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
        }
    }

    /// The verb of this name.
    ///
    /// # Errors
    /// If it is not supported; the text says what is.
    pub fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|verb| verb.name() == name);
        let all = Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("`{name}` is not supported in Kubernetes; supported are {all}"))
    }

    /// What undoes it.
    #[must_use]
    pub const fn inverse(self) -> Inverse {
        match self {
            Self::Restart | Self::RollingRestart => {
                Inverse::Irreversible("what the processes held in memory is gone")
            }
            _ => Inverse::BringBack,
        }
    }

    /// What undoes it, in words.
    #[cfg(feature = "kubernetes")]
    pub(super) fn undone_by(self) -> String {
        match self.inverse() {
            Inverse::BringBack => "undone by bringing back what was there".to_owned(),
            Inverse::Irreversible(why) => format!("cannot be undone: {why}"),
        }
    }
}
