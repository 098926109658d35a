//! What can be set.

use serde::{Deserialize, Serialize};
use theriac_contract::{Entity, Felt, Interval};

use crate::policy::Policy;

/// Settings of planning: how sure one has to be, and what may be done.
///
/// How they go together: [`Settings::forbidden_verbs`] are never used, whatever else is set.
/// [`Settings::policy`] says how far a plan may go: not be made, be published, wait for a person,
/// be done. [`Settings::dry_run`], and [`Settings::act_on`] for what is not named there, turn a plan
/// that goes ahead into a rehearsal: executors say what they would do.
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
    /// How far plans may go by themselves, and when nothing is done to whom.
    pub policy: Policy,
    /// How long a plan may be approved, and begun, after it was made.
    pub approval_valid_for: Interval,
    /// How much harm may be risked at a time.
    pub blast: Blast,
    /// When nothing but mild strategies is tried.
    pub storm: Storm,
    /// A strategy whose risk is above this, or that cannot be taken back, needs two independent
    /// kinds of evidence.
    pub quorum_above_risk: f64,
    /// Verbs whose effect is gone for good: with nothing that undoes them they are counted by
    /// [`Blast::irreversible_per_hour`].
    pub irreversible_verbs: Vec<String>,
    /// Whether a plan waits while the plan of another incident acts on a service that its own
    /// services call or are called by.
    pub neighbours_apart: bool,
    /// What waiting and asking are worth, and whether choices are varied.
    pub choice: Choice,
    /// What is done about knowledge since which plans recover clearly less often.
    #[serde(skip_serializing_if = "KnowledgeCare::is_default")]
    pub knowledge: KnowledgeCare,
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
    /// How long a plan may be begun after it was made; later steps, when those before took all their time.
    pub plan_valid_for: Interval,
    /// How much evidence from other services counts, next to that of the service itself.
    pub evidence_of_others: f64,
    /// How much evidence on the same strategy against other faults counts.
    pub evidence_of_other_faults: f64,
    /// Incidents that are kept at most; the oldest goes first.
    pub incidents_max: usize,
}

/// What is done about knowledge since which plans recover clearly less often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeCare {
    /// Whether what was learnt then is reverted by itself. Never beyond what [`Policy::default`] lets plans do.
    pub roll_back: RollBack,
}

/// How far a revert goes by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollBack {
    /// It is done, and told.
    #[default]
    Act,
    /// That things got worse is told, and since when.
    Suggest,
}

impl KnowledgeCare {
    /// Settings that nobody has touched do not count for the version of the policy.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How much harm may be risked at a time, in all incidents of a domain together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blast {
    /// What plans may act on within [`Self::window`], in shares of the traffic: 1 is all of it once.
    /// A service whose calls nobody counted is all of it.
    pub budget: f64,
    /// In so long all of the budget comes back, linearly.
    pub window: Interval,
    /// Steps within an hour at most that cannot be taken back.
    pub irreversible_per_hour: u32,
}

impl Default for Blast {
    fn default() -> Self {
        Self { budget: 4.0, window: Interval::from_seconds(1_800), irreversible_per_hour: 2 }
    }
}

/// When so much is wrong at once that remedies may be part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Storm {
    /// More than this share of the services are held to cause an open incident, 0 to 1 …
    pub services: f64,
    /// … and as many services as this at least.
    pub services_min: usize,
    /// Or more incidents than this were opened within [`Self::window`].
    pub incidents: usize,
    /// See [`Self::incidents`].
    pub window: Interval,
    /// Risk of a mild strategy at most; each of its steps can be undone, too.
    pub mild_risk: f64,
}

impl Default for Storm {
    fn default() -> Self {
        Self {
            services: 0.5,
            services_min: 3,
            incidents: 10,
            window: Interval::from_seconds(300),
            mild_risk: 0.05,
        }
    }
}

/// What waiting and asking are worth, and whether choices are varied to learn from them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Choice {
    /// `wait` decides again after so long. Worth: what incidents of the kind end by themselves in
    /// that time, times [`Settings::benefit`], less [`Self::wait_cost`].
    pub wait: Interval,
    /// Loss by waiting once, on the scale of [`Settings::benefit`].
    pub wait_cost: f64,
    /// Times that waiting is chosen for one incident at most.
    pub waits_max: u32,
    /// A place is acted upon once it has been suspected for so long: the first word on a cause may be
    /// another one a tick later.
    pub confirm: Interval,
    /// Incidents that ended by themselves, and that did not, assumed before any were seen.
    pub ends_by_itself: (f64, f64),
    /// Loss by asking a person, on the scale of [`Settings::benefit`]: their time, and the time
    /// until they come.
    pub ask_cost: f64,
    /// Whether one of several good strategies is drawn (Thompson sampling), so that something is
    /// learnt of each. The draw is a function of the incident.
    pub explore: bool,
    /// Only strategies that are worth so much less than the best are drawn.
    pub explore_margin: f64,
    /// Only strategies of this risk at most are drawn.
    pub explore_risk: f64,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            wait: Interval::from_seconds(20),
            wait_cost: 6.0,
            waits_max: 6,
            confirm: Interval::from_seconds(15),
            ends_by_itself: (1.0, 19.0),
            ask_cost: 60.0,
            explore: false,
            explore_margin: 10.0,
            explore_risk: 0.05,
        }
    }
}

/// Verbs that throw something away.
const IRREVERSIBLE: [&str; 6] =
    ["purge_logs", "purge_queue", "skip_message", "restore_backup", "failover", "promote"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            dry_run: true,
            act_on: Vec::new(),
            forbidden_verbs: Vec::new(),
            only_verbs: Vec::new(),
            policy: Policy::default(),
            approval_valid_for: Interval::from_seconds(1_800),
            blast: Blast::default(),
            storm: Storm::default(),
            quorum_above_risk: 0.1,
            irreversible_verbs: IRREVERSIBLE.map(str::to_owned).to_vec(),
            neighbours_apart: true,
            choice: Choice::default(),
            knowledge: KnowledgeCare::default(),
            probability_min: 0.4,
            decide_after: Interval::from_seconds(15),
            decide_after_transient: Interval::from_seconds(40),
            hypotheses_considered: 5,
            benefit: 100.0,
            benefit_inside: 0.25,
            actions_per_target_max: 3,
            rate_window: Interval::from_seconds(1_800),
            plans_per_incident_max: 4,
            tries_max: 2,
            plan_valid_for: Interval::from_seconds(120),
            evidence_of_others: 0.3,
            evidence_of_other_faults: 0.05,
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

    /// What makes no sense, one text each, with the field and the mend.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let Self { blast, storm, choice, .. } = self;
        let shares = [
            ("quorum_above_risk", self.quorum_above_risk),
            ("benefit_inside", self.benefit_inside),
            ("storm.services", storm.services),
            ("storm.mild_risk", storm.mild_risk),
            ("choice.explore_risk", choice.explore_risk),
        ];
        for (name, value) in shares.into_iter().filter(|(_, value)| !(0.0..=1.0).contains(value)) {
            problems.push(format!("`plan.{name}` is {value}; write a share, 0 to 1"));
        }
        let sizes = [
            ("blast.budget", blast.budget),
            ("choice.wait_cost", choice.wait_cost),
            ("choice.ask_cost", choice.ask_cost),
            ("choice.explore_margin", choice.explore_margin),
            ("evidence_of_other_faults", self.evidence_of_other_faults),
        ];
        for (name, value) in sizes.into_iter().filter(|(_, value)| !value.is_finite() || *value < 0.0) {
            problems.push(format!("`plan.{name}` is {value}; write 0 or more"));
        }
        let lengths = [
            ("approval_valid_for", self.approval_valid_for),
            ("blast.window", blast.window),
            ("storm.window", storm.window),
            ("choice.wait", choice.wait),
        ];
        for (name, value) in lengths.into_iter().filter(|(_, value)| value.0 <= 0) {
            problems.push(format!("`plan.{name}` is {value}; write a time longer than nothing, as 60s"));
        }
        let (ended, stood) = choice.ends_by_itself;
        if !(ended > 0.0 && stood > 0.0 && ended.is_finite() && stood.is_finite()) {
            problems.push(
                "`plan.choice.ends_by_itself` needs two numbers above 0: nothing is certain".to_owned(),
            );
        }
        problems.extend(self.policy.problems());
        problems
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
