//! What is taken away from the engine to see what it is worth.

use std::fmt;

use theriac_contract::Interval;

use crate::config::Config;

/// A part of the engine that is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ablation {
    /// No bounds on what is done, to how much of the fleet, how often, and on what evidence.
    Guardrails,
    /// Outcomes elsewhere, and of other faults, move no belief. Episodes begin with no outcome at all.
    Learning,
    /// One plan an incident: what did not help is not followed by anything.
    Escalation,
    /// Restarts alone.
    RestartOnly,
}

impl Ablation {
    pub(super) const ALL: [Self; 4] = [Self::Guardrails, Self::Learning, Self::Escalation, Self::RestartOnly];

    /// For people.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Guardrails => "theriac without guardrails",
            Self::Learning => "theriac that learns from the very service and fault only",
            Self::Escalation => "theriac with one plan an incident",
            Self::RestartOnly => "theriac that can only restart",
        }
    }

    /// Takes the part away.
    pub(super) fn from(self, mut config: Config) -> Config {
        match self {
            Self::Guardrails => {
                config.plan.actions_per_target_max = u32::MAX;
                config.plan.plans_per_incident_max = 64;
                config.plan.tries_max = 64;
                config.plan.probability_min = 0.0;
                config.plan.decide_after = Interval(0);
                config.plan.decide_after_transient = Interval(0);
                config.plan.blast.budget = 1e6;
                config.plan.blast.irreversible_per_hour = u32::MAX;
                config.plan.storm.services = 1.0;
                config.plan.storm.incidents = usize::MAX;
                config.plan.quorum_above_risk = 1.0;
                config.plan.neighbours_apart = false;
            }
            Self::Learning => {
                config.plan.evidence_of_others = 0.0;
                config.plan.evidence_of_other_faults = 0.0;
            }
            Self::Escalation => config.plan.plans_per_incident_max = 1,
            Self::RestartOnly => {
                config.plan.only_verbs = ["restart", "notify", "wait"].map(str::to_owned).to_vec();
            }
        }
        config
    }
}

impl fmt::Display for Ablation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guardrails => "no-guardrails",
            Self::Learning => "no-learning",
            Self::Escalation => "no-escalation",
            Self::RestartOnly => "restart-only",
        })
    }
}
