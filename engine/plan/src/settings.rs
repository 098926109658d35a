//! What can be set.

use serde::{Deserialize, Serialize};
use theriac_contract::{Entity, Felt, Interval};

/// Settings of planning: how sure one has to be, and what may be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Executors only say what they would do. True unless set: acting is opted into.
    pub dry_run: bool,
    /// With `dry_run: false`, entities that may be acted upon: names, or beginnings of names
    /// with a `*` at the end. None: all of them.
    pub act_on: Vec<String>,
    /// Verbs that are never used.
    pub forbidden_verbs: Vec<String>,
    /// Verbs that somebody can carry out; none named: all of them.
    pub only_verbs: Vec<String>,
    /// A hypothesis must be at least this probable to be acted upon.
    pub probability_min: f64,
    /// How long an incident is looked at before anything is decided.
    pub decide_after: Interval,
    /// How long what may pass by itself is given to do so.
    pub decide_after_transient: Interval,
    /// Hypotheses that are considered.
    pub hypotheses_considered: usize,
    /// Value of a recovery; costs and damages in playbooks are on the same scale.
    pub benefit: f64,
    /// Share of that value while nobody outside feels the trouble.
    pub benefit_inside: f64,
    /// Actions on one service within [`Self::rate_window`] at most. Waiting and telling
    /// somebody do not count.
    pub actions_per_target_max: u32,
    /// See [`Self::actions_per_target_max`].
    pub rate_window: Interval,
    /// Plans for one incident at most; then a person is told.
    pub plans_per_incident_max: u32,
    /// Times that a strategy is tried on the same cause of an incident at most.
    pub tries_max: u32,
    /// How long a plan may be begun after it was made.
    pub plan_valid_for: Interval,
    /// How much evidence from other services counts, next to that of the service itself.
    pub evidence_of_others: f64,
    /// Incidents that are kept at most; the oldest goes first.
    pub incidents_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dry_run: true,
            act_on: Vec::new(),
            forbidden_verbs: Vec::new(),
            only_verbs: Vec::new(),
            probability_min: 0.35,
            decide_after: Interval::from_seconds(15),
            decide_after_transient: Interval::from_seconds(40),
            hypotheses_considered: 3,
            benefit: 100.0,
            benefit_inside: 0.25,
            actions_per_target_max: 3,
            rate_window: Interval::from_seconds(1_800),
            plans_per_incident_max: 4,
            tries_max: 2,
            plan_valid_for: Interval::from_seconds(120),
            evidence_of_others: 0.3,
            incidents_max: 1_024,
        }
    }
}

impl Settings {
    /// What a recovery is worth, given who feels the trouble.
    #[must_use]
    pub fn benefit_of(&self, felt: Felt) -> f64 {
        match felt {
            Felt::Outside => self.benefit,
            Felt::Inside => self.benefit * self.benefit_inside,
        }
    }

    /// Whether a plan on `target` is a dry run.
    #[must_use]
    pub fn dry_run_on(&self, target: &Entity) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => target.as_str().starts_with(beginning),
            None => target.as_str() == pattern || target.service() == pattern,
        };
        self.dry_run || (!self.act_on.is_empty() && !self.act_on.iter().any(fits))
    }
}
