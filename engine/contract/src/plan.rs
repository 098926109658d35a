//! A remedy as an object: a saga of steps, content-addressed, with the reasons for
//! choosing it written out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    control::{Autonomy, Awaiting},
    id::Id,
    incident::FaultClass,
    series::Entity,
    time::{Interval, Timestamp},
};

/// Something that an executor can do to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Verb that an executor declares: `restart`, `rollback_deploy`, `isolate`, …
    pub verb: String,
    /// What it acts on.
    pub target: Entity,
    /// Arguments, by name.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

impl Action {
    /// Verbs that change nothing.
    const HARMLESS: [&str; 2] = ["wait", "notify"];

    /// Whether it changes nothing: somebody is told, or time passes.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        Self::HARMLESS.contains(&self.verb.as_str())
    }
}

impl Step {
    /// Whether nothing of it need stay: it changes nothing, or can be taken back.
    #[must_use]
    pub fn can_be_undone(&self) -> bool {
        self.action.is_harmless() || self.compensation.is_some()
    }
}

/// How often and how fast a failed attempt is repeated: attempt `n` (from 1) waits
/// `backoff * factor^(n-1)`, at most `backoff_max`, of which up to `jitter` (0..1) is
/// taken off by a draw that is seeded with the step's idempotency key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// Wait before the second attempt.
    pub backoff: Interval,
    /// Growth of the wait.
    pub factor: f64,
    /// Longest wait.
    pub backoff_max: Interval,
    /// Share of the wait that may be taken off.
    pub jitter: f64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Interval::from_seconds(1),
            factor: 2.0,
            backoff_max: Interval::from_seconds(30),
            jitter: 0.5,
        }
    }
}

/// One action with all that makes it safe to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Position in the plan, from 0.
    pub index: u32,
    /// What is done.
    pub action: Action,
    /// What must hold before: `incident_open` (the incident still stands) or `always`.
    pub precondition: String,
    /// What is expected to be observed afterwards, for people and for verification.
    pub expected_effect: String,
    /// How long an attempt may take.
    pub timeout: Interval,
    /// How long after success the effect is judged.
    pub settle: Interval,
    /// How failures are repeated.
    pub retry: Retry,
    /// The same for every attempt: an executor acts at most once for it.
    pub idempotency_key: Id,
    /// What undoes it; none if it cannot be undone.
    pub compensation: Option<Action>,
    /// How long the telemetry is watched after `settle` before a verdict must be given.
    pub verify_within: Interval,
}

/// Steps of which each is verified before the next stage begins: mild first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanStage {
    /// Name for people.
    pub name: String,
    /// In order.
    pub steps: Vec<Step>,
}

/// Expected utility written out: `p * benefit - cost - risk * damage`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Utility {
    /// Probability that the hypothesis is right.
    pub cause_probability: f64,
    /// Mean of the Beta belief that the strategy works when it is.
    pub success_probability: f64,
    /// Successes and failures behind that belief, prior included.
    pub belief: (f64, f64),
    /// Value of a recovery.
    pub benefit: f64,
    /// Cost of the strategy whether or not it works.
    pub cost: f64,
    /// Probability of making it worse.
    pub risk: f64,
    /// Loss if it is made worse.
    pub damage: f64,
    /// `cause_probability * success_probability * benefit - cost - risk * damage`.
    pub expected: f64,
    /// The same with the numbers filled in.
    pub formula: String,
}

/// A strategy that was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its name in the playbook; `wait`, `ask_a_person` and `do_nothing` are always among them,
    /// with the hypothesis 0.
    pub strategy: String,
    /// Hypothesis that it answers (rank).
    pub hypothesis: u32,
    /// What it is worth.
    pub utility: Utility,
    /// Why it was not allowed; none for one that was.
    pub refused: Option<String>,
}

/// The chosen remedy. The id is a hash of all other fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Hash of the content.
    pub id: Id,
    /// Event time at which it was made.
    pub at: Timestamp,
    /// After this no step may begin.
    pub expires: Timestamp,
    /// Correlation domain.
    pub domain: String,
    /// The incident that it answers.
    pub incident: Id,
    /// Revision of the incident that it was made from.
    pub incident_revision: u32,
    /// Suspected cause.
    pub cause: Entity,
    /// Suspected fault.
    pub fault: String,
    /// How the fault behaves.
    pub class: FaultClass,
    /// Playbook that the strategy came from.
    pub playbook: String,
    /// Chosen strategy.
    pub strategy: String,
    /// 0 for the first plan of an incident; higher after plans that did not help.
    pub escalation: u32,
    /// Every strategy that was considered, the best first.
    pub candidates: Vec<Candidate>,
    /// The saga.
    pub stages: Vec<PlanStage>,
    /// Whether executors may only say what they would do.
    pub dry_run: bool,
    /// How far it may go by itself, by the policy.
    #[serde(default)]
    pub autonomy: Autonomy,
    /// What has to happen before anything of it is done; none if nothing has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaiting: Option<Awaiting>,
    /// Probability with which this strategy was chosen among those that were allowed: 1 unless
    /// choices are varied to learn from them.
    #[serde(default = "certain")]
    pub propensity: f64,
    /// Knowledge version at which this was decided.
    pub knowledge_version: u64,
    /// Digest of the policy (playbooks and guardrails) at which this was decided.
    pub policy_version: String,
}

const fn certain() -> f64 {
    1.0
}

impl Plan {
    /// Fills in the id from everything else. Call it last.
    #[must_use]
    pub fn sealed(mut self) -> Self {
        self.id = Id(String::new());
        let content = serde_json::to_vec(&self).unwrap_or_default();
        self.id = Id::derive("plan", &[content]);
        self
    }

    /// Whether it may be begun: it is no mere suggestion, and whatever it awaits has come.
    #[must_use]
    pub fn may_begin(&self, approved: bool) -> bool {
        match self.autonomy {
            Autonomy::Observe | Autonomy::Suggest => false,
            Autonomy::Approve => approved,
            Autonomy::Act => self.awaiting.is_none() || approved,
        }
    }

    /// All steps in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.stages.iter().flat_map(|stage| &stage.steps)
    }
}
