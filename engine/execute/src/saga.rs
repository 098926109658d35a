//! One plan under way, as data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use theriac_contract::{Action, Command, Entity, Id, Interval, Plan, PlanStage, Step, Timestamp};

/// The verb that needs no executor: the saga itself lets time pass.
pub(crate) const WAIT: &str = "wait";

/// Where a saga stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    /// An attempt is to be made once `from` is reached.
    Due {
        /// Position in the stage; while undoing it is always the last of `done`.
        step: usize,
        /// From 1.
        attempt: u32,
        /// Not before.
        from: Timestamp,
    },
    /// An attempt is out.
    Running {
        /// Position in the stage.
        step: usize,
        /// What was sent.
        command: Box<Command>,
        /// What the answer will name.
        key: Id,
        /// At this event time the answer is given up.
        deadline: Timestamp,
    },
    /// The `wait` action.
    Resting {
        /// Position in the stage.
        step: usize,
        /// Until then.
        until: Timestamp,
    },
    /// All steps of the stage were done (or one may have been); the telemetry decides.
    Verifying {
        /// When the last step was done.
        acted: Timestamp,
        /// The effect is judged from here on.
        from: Timestamp,
        /// The verdict is due.
        until: Timestamp,
    },
}

/// What comes after undoing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    /// The next stage.
    NextStage,
    /// The plan is abandoned with this reason.
    Abandoned(String),
}

/// One plan under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saga {
    pub(crate) plan: Plan,
    /// Fencing token of its leases.
    pub(crate) token: u64,
    /// Symptoms that stood when the plan was accepted.
    pub(crate) symptoms: BTreeSet<Id>,
    /// Position of the stage that is under way.
    pub(crate) stage: usize,
    pub(crate) phase: Phase,
    /// Steps of this stage that were done and not undone, in the order of doing.
    pub(crate) done: Vec<usize>,
    /// How many of the symptoms stood when the stage's first step began; none before that.
    pub(crate) standing: Option<u32>,
    /// When the last step of this stage was done.
    pub(crate) acted: Option<Timestamp>,
    /// A step of this stage that may or may not have been done.
    pub(crate) uncertain: Option<u32>,
    /// Set while the stage is being undone.
    pub(crate) undoing: Option<Ending>,
    /// Steps that could not be undone.
    pub(crate) stuck: Vec<u32>,
    /// Whether the plan has its last verdict.
    pub(crate) judged: bool,
    /// Whether somebody outside felt the trouble when the plan was accepted.
    #[serde(default)]
    pub(crate) felt: bool,
    /// Whether it was told that the next attempt is held back.
    #[serde(default)]
    pub(crate) held: bool,
    /// Services that the trouble reached from the cause, while that was taken for it.
    #[serde(default)]
    pub(crate) reached: BTreeSet<String>,
    /// Since when something else is taken for the cause; none while nothing is.
    #[serde(default)]
    pub(crate) doubted: Option<Timestamp>,
}

impl Saga {
    /// A saga at its beginning.
    pub(crate) fn new(plan: Plan, token: u64, symptoms: BTreeSet<Id>, at: Timestamp) -> Self {
        Self {
            plan,
            token,
            symptoms,
            stage: 0,
            phase: Phase::Due { step: 0, attempt: 1, from: at },
            done: Vec::new(),
            standing: None,
            acted: None,
            uncertain: None,
            undoing: None,
            stuck: Vec::new(),
            judged: false,
            felt: false,
            held: false,
            reached: BTreeSet::new(),
            doubted: None,
        }
    }

    /// The stage that is under way.
    pub(crate) fn stage(&self) -> Option<&PlanStage> {
        self.plan.stages.get(self.stage)
    }

    /// A step of the stage that is under way.
    pub(crate) fn step(&self, position: usize) -> Option<&Step> {
        self.stage().and_then(|stage| stage.steps.get(position))
    }

    /// How long the effect of the stage is given to settle: that of its slowest step.
    pub(crate) fn settle(&self) -> Interval {
        let steps = self.stage().map(|stage| stage.steps.as_slice()).unwrap_or_default();
        Interval(steps.iter().map(|step| step.settle.0).max().unwrap_or(0).max(0))
    }

    /// Whether a verdict that was due was put off so many times, each for as long as it had been waited for.
    pub(crate) fn was_given(&self, at: Timestamp, times: i64) -> bool {
        match self.phase {
            Phase::Verifying { from, until, .. } => {
                at >= until.plus(Interval(times.saturating_mul(until.since(from).0)))
            }
            _ => true,
        }
    }

    /// When something was last done, or is being done, whose effect is not judged yet; none if nothing is.
    pub(crate) fn acts(&self, at: Timestamp) -> Option<Timestamp> {
        let nothing = self.plan.dry_run || self.plan.steps().all(|step| step.action.is_harmless());
        let judged = self.undoing.is_some() || nothing;
        match self.phase {
            _ if judged => None,
            Phase::Verifying { acted, .. } => Some(acted),
            _ => Some(at),
        }
    }

    /// Whether another stage follows.
    pub(crate) fn has_next_stage(&self) -> bool {
        self.stage + 1 < self.plan.stages.len()
    }

    /// What is done for a step now: the action, or what undoes it.
    pub(crate) fn action(&self, step: &Step) -> Option<Action> {
        if self.undoing.is_some() { step.compensation.clone() } else { Some(step.action.clone()) }
    }

    /// Key under which an executor acts at most once.
    pub(crate) fn idempotency_key(&self, step: &Step) -> Id {
        if self.undoing.is_some() {
            Id::derive("compensation", &[step.idempotency_key.as_str()])
        } else {
            step.idempotency_key.clone()
        }
    }

    /// Whether something of what was done of the stage is to be undone if it does not help.
    pub(crate) fn is_reversible(&self) -> bool {
        self.done.iter().any(|at| self.step(*at).is_some_and(|step| step.compensation.is_some()))
    }

    /// Whether it holds a lease that one on `target` would conflict with. Where only the verdict is awaited
    /// and nothing can follow, there is nothing to hold it for.
    pub(crate) fn holds(&self, target: &Entity) -> bool {
        let is_done = matches!(self.phase, Phase::Verifying { .. })
            && !self.has_next_stage()
            && self.uncertain.is_none()
            && !self.is_reversible();
        !is_done && targets(&self.plan).any(|held| overlap(held, target))
    }
}

/// Everything a plan may act on, compensations included.
pub(crate) fn targets(plan: &Plan) -> impl Iterator<Item = &Entity> {
    plan.steps().flat_map(|step| {
        std::iter::once(&step.action.target).chain(step.compensation.iter().map(|action| &action.target))
    })
}

/// Whether acting on one also acts on the other: the same, or a service and its instance.
pub(crate) fn overlap(one: &Entity, other: &Entity) -> bool {
    one == other || (one.service() == other.service() && !(one.is_instance() && other.is_instance()))
}
