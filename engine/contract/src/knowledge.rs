//! What is known: an append-only list of facts, and the reading of it that stages get.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    change::Change,
    control::{Control, HoldKind},
    id::Id,
    incident::FaultClass,
    learnt::Watershed,
    outcome::VerificationVerdict,
    series::{Entity, Series},
    time::Timestamp,
    topology::{EdgeKind, GivenTopology, Topology},
};

/// A log template as the instances of a service say it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LogTemplate {
    /// The service.
    pub service: Entity,
    /// Class of its severity: `info`, `error`, ...
    pub severity: String,
    /// What the program writes, with `<*>` where values stand, as it was known when it was first
    /// said: the name by which its series go.
    pub text: String,
}

/// Which log templates took the place of one: another that was found to be the same, or several that it
/// was found to be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct TemplateReplacement {
    /// The service that says them.
    pub service: Entity,
    /// Text of the one that is no more: the name by which its series went.
    pub text: String,
    /// Texts of those that its lines are of from now on. Of several the largest is the first: lines of
    /// which it is not known whose they are go there.
    pub by: Vec<String>,
}

/// One thing that became known. The list is closed: every fold handles every kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The engine began with this configuration and policy.
    ConfigurationLoaded {
        /// Digest of the configuration.
        configuration: String,
        /// Digest of the playbooks and guardrails.
        policy: String,
    },
    /// An entity was seen for the first time.
    EntitySeen {
        /// The entity.
        entity: Entity,
    },
    /// An edge of the topology was seen for the first time.
    EdgeSeen {
        /// From.
        from: Entity,
        /// To.
        to: Entity,
        /// Meaning.
        kind: EdgeKind,
    },
    /// An edge was not seen any more: it is no part of the graph from now on.
    EdgeEnded {
        /// From.
        from: Entity,
        /// To.
        to: Entity,
        /// Meaning.
        kind: EdgeKind,
    },
    /// An edge is used clearly more, or less, than was known.
    EdgeUsed {
        /// From.
        from: Entity,
        /// To.
        to: Entity,
        /// Meaning.
        kind: EdgeKind,
        /// Calls a second.
        per_second: f64,
    },
    /// A name was found to stand for something that calls itself otherwise.
    AliasSeen {
        /// The name that callers have for it.
        name: Entity,
        /// One: both are the same. Several: it stands in front of them, as a load balancer does.
        of: BTreeSet<Entity>,
        /// Sentence for people: what shows that.
        reason: String,
    },
    /// A file gives a topology, in the place of what one gave before.
    TopologyGiven {
        /// All of it.
        topology: GivenTopology,
    },
    /// Vantage points contradict what something says: its word does not count until it agrees again.
    Distrusted {
        /// Whose telemetry it is.
        entity: Entity,
        /// Signals that are meant; none: all that it says.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        signals: BTreeSet<String>,
        /// The incident in which that was found.
        incident: Id,
        /// Sentence for people: who contradicts what.
        reason: String,
    },
    /// What was distrusted has agreed with the others for long enough.
    TrustedAgain {
        /// Whose telemetry it is.
        entity: Entity,
        /// Sentence for people.
        reason: String,
    },
    /// Somebody changed something.
    Changed {
        /// What.
        change: Change,
    },
    /// A service said something that none of its instances had said before.
    TemplateSeen {
        /// What.
        template: LogTemplate,
    },
    /// A log template was found to be another one, or several: its series ended without being missed.
    TemplateReplaced {
        /// Which, and by what.
        replacement: TemplateReplacement,
    },
    /// An incident was opened.
    IncidentOpened {
        /// The incident.
        incident: Id,
    },
    /// An incident ended.
    IncidentEnded {
        /// The incident.
        incident: Id,
        /// Most probable cause at the end.
        cause: Option<Entity>,
        /// Most probable fault at the end.
        fault: String,
        /// Whether it was observed to be over.
        resolved: bool,
    },
    /// A plan was made.
    Planned {
        /// The plan.
        plan: Id,
        /// Its incident.
        incident: Id,
        /// Strategy.
        strategy: String,
        /// What it acts on.
        target: Entity,
    },
    /// A strategy was not allowed.
    Refused {
        /// The incident.
        incident: Id,
        /// Strategy.
        strategy: String,
        /// Target.
        target: Entity,
        /// `rate_limit`, `weak_evidence`, `lease_held`, `expired`, …
        reason: String,
        /// Sentence for people.
        detail: String,
    },
    /// A plan was verified.
    Verified {
        /// The plan.
        plan: Id,
        /// Its incident.
        incident: Id,
        /// Suspected fault.
        fault: String,
        /// Strategy.
        strategy: String,
        /// Service that it acted on.
        service: String,
        /// Verdict.
        verdict: VerificationVerdict,
        /// Whether it may be learnt from: not a dry run, and the verdict is not unknown.
        learn: bool,
    },
    /// A person judged a symptom.
    SymptomJudged {
        /// The symptom.
        symptom: Id,
        /// What it measures, at all instances of a service: [`Snapshot::judgement_key`].
        measure: String,
        /// Whether something was wrong indeed; else it was noise.
        right: bool,
        /// Why, or who says so.
        reason: String,
    },
    /// Somebody confirmed what caused an incident.
    CauseConfirmed {
        /// The incident.
        incident: Id,
        /// What it was; none if it was nothing that was suspected.
        cause: Option<Entity>,
        /// Kind of the fault there; empty if nobody says so.
        #[serde(default)]
        fault: String,
        /// [`crate::Hypothesis::shown`] of that suspect.
        #[serde(default)]
        shown: Vec<String>,
        /// Weights of the channels of evidence after this, as the diagnosis writes them.
        weights: String,
        /// Why, or who says so.
        reason: String,
    },
    /// Somebody approved a plan that awaits approval.
    PlanApproved {
        /// The plan: the digest of its content.
        plan: Id,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody rejected a plan that awaits approval.
    PlanRejected {
        /// The plan: the digest of its content.
        plan: Id,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody stopped all acting.
    ActingHeld {
        /// How much.
        kind: HoldKind,
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// Somebody let acting go on.
    ActingResumed {
        /// Who.
        by: String,
        /// Why.
        reason: String,
    },
    /// An incident was left alone for a while: whether it ended in that time.
    LeftAlone {
        /// The incident.
        incident: Id,
        /// Most probable fault.
        fault: String,
        /// How it behaves.
        class: FaultClass,
        /// Whether it was observed to be over within that time.
        ended: bool,
        /// How long it was looked at.
        within: crate::time::Interval,
    },
    /// Since a version of what is known, strategies work clearly less often than before it.
    KnowledgeWorsened {
        /// The version. Beside that of the fact itself it needs a name of its own.
        #[serde(rename = "since")]
        version: u64,
        /// What became known with it.
        what: String,
        /// Verified recoveries before it.
        recovered_before: u64,
        /// Verdicts before it.
        of_before: u64,
        /// Verified recoveries since.
        recovered_since: u64,
        /// Verdicts since.
        of_since: u64,
        /// Probability of so few, or fewer, if nothing had changed: exact binomial test.
        chance: f64,
    },
    /// The readings go back to what they were at a version; later facts up to this one no
    /// longer count, but stay in the log.
    RolledBack {
        /// Version to go back to.
        to: u64,
        /// Why.
        reason: String,
    },
    /// One fact no longer counts from here on, as if it had not become known; those before and after it do.
    /// That, too, can be reverted.
    Reverted {
        /// Version of the fact.
        #[serde(rename = "of")]
        version: u64,
        /// What became known with it.
        what: String,
        /// Why.
        reason: String,
    },
    /// All readings in one fact, so that what lies before it may be removed from the log. It changes
    /// none of them, and no rollback goes behind it.
    Compacted {
        /// [`RecordedFact::chain`] of the fact before it; empty if that had none.
        head: String,
        /// The readings at the version before.
        #[schemars(with = "serde_json::Value")]
        snapshot: Box<Snapshot>,
    },
}

/// A fact with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedFact {
    /// [`crate::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// 1 for the first fact; grows by one.
    pub version: u64,
    /// Event time at which it became known.
    pub at: Timestamp,
    /// The fact.
    #[serde(flatten)]
    pub fact: Fact,
    /// Digest of all that the log holds up to here: the knowledge crate says of what. Empty in a log
    /// that was begun before facts were chained. The last member, so that what it is a digest of is
    /// what stands before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub chain: String,
}

/// Beta distribution over the success of a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Belief {
    /// Verified recoveries, without prior.
    pub successes: f64,
    /// Verified failures, without prior.
    pub failures: f64,
}

/// How often people found symptoms of a measure right, and how often noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// Something was wrong indeed.
    pub right: u32,
    /// Nothing was.
    pub noise: u32,
}

impl Judgement {
    /// Decades by which the chance that opens a symptom is smaller: two for each time that it was
    /// noise, one back for each time that it was right; none to twelve.
    #[must_use]
    pub fn decades(self) -> f64 {
        (2.0 * f64::from(self.noise) - f64::from(self.right)).clamp(0.0, 12.0)
    }
}

/// An incident whose cause was confirmed: what later ones are held against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Precedent {
    /// The incident.
    pub incident: Id,
    /// Its cause.
    pub cause: Entity,
    /// Kind of the fault there.
    pub fault: String,
    /// What it showed as seen from there, sorted.
    pub shown: Vec<String>,
}

impl Precedent {
    /// How many are kept: more than a team has incidents worth comparing in a year.
    pub const KEPT: usize = 256;
}

/// Telemetry that does not count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distrust {
    /// From when on.
    pub since: Timestamp,
    /// Signals that are meant; none: all that the entity says.
    #[serde(default)]
    pub signals: BTreeSet<String>,
    /// The incident in which that was found.
    pub incident: Id,
    /// Sentence for people: who contradicts what.
    pub reason: String,
}

impl Distrust {
    /// Whether a signal is meant.
    #[must_use]
    pub fn covers(&self, signal: &str) -> bool {
        self.signals.is_empty() || self.signals.contains(signal)
    }
}

/// What stages read. It never changes; a new version is a new value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Version of the last fact in it; 0 when nothing is known.
    pub version: u64,
    /// The graph.
    pub topology: Topology,
    /// Evidence on strategies: key from [`Snapshot::belief_key`].
    pub beliefs: BTreeMap<String, Belief>,
    /// Changes in the order of time, the most recent kept (limit in the knowledge crate).
    pub changes: Vec<Change>,
    /// What services say in their logs.
    #[serde(default)]
    pub templates: BTreeSet<LogTemplate>,
    /// Which of them are others by now.
    #[serde(default)]
    pub replaced_templates: BTreeSet<TemplateReplacement>,
    /// What people said of symptoms: key from [`Snapshot::judgement_key`].
    #[serde(default)]
    pub judgements: BTreeMap<String, Judgement>,
    /// Weights of the channels of evidence, as the diagnosis writes them; empty until a cause was
    /// confirmed.
    #[serde(default)]
    pub channel_weights: String,
    /// Incidents whose cause was confirmed, the last [`Precedent::KEPT`], in the
    /// order of confirmation.
    #[serde(default)]
    pub precedents: Vec<Precedent>,
    /// Whose word does not count.
    #[serde(default)]
    pub distrusted: BTreeMap<Entity, Distrust>,
    /// What people said about acting.
    #[serde(default)]
    pub control: Control,
    /// Incidents that were left alone for a while and ended (successes) or did not: key from
    /// [`Snapshot::left_alone_key`].
    #[serde(default)]
    pub left_alone: BTreeMap<String, Belief>,
    /// Where decisions may have changed, in the order of versions.
    #[serde(default)]
    pub watersheds: Vec<Watershed>,
}

impl Snapshot {
    /// Key of a belief: for one service, or for all (`None`).
    #[must_use]
    pub fn belief_key(fault: &str, strategy: &str, service: Option<&str>) -> String {
        format!("{fault}|{strategy}|{}", service.unwrap_or("*"))
    }

    /// Key of a judgement: a measure at all instances of a service, as [`Series::key_of`] has it.
    #[must_use]
    pub fn judgement_key(
        domain: &str,
        entity: &Entity,
        peer: Option<&Entity>,
        signal: &str,
        attributes: &str,
    ) -> String {
        Series::key_of(domain, &Entity(entity.service().to_owned()), peer, signal, attributes)
    }

    /// What people said of symptoms of what a series measures.
    #[must_use]
    pub fn judgement(&self, series: &Series) -> Judgement {
        if self.judgements.is_empty() {
            return Judgement::default();
        }
        let Series { domain, entity, peer, signal, attributes, .. } = series;
        let key = Self::judgement_key(domain, entity, peer.as_ref(), signal, attributes);
        self.judgements.get(&key).copied().unwrap_or_default()
    }

    /// Key of [`Snapshot::left_alone`].
    #[must_use]
    pub fn left_alone_key(fault: &str, class: FaultClass) -> String {
        let class = match class {
            FaultClass::Transient => "transient",
            FaultClass::Permanent => "permanent",
            FaultClass::Byzantine => "byzantine",
            FaultClass::Unknown => "unknown",
        };
        format!("{fault}|{class}")
    }

    /// How often incidents of a kind ended when they were left alone; zero if none was.
    #[must_use]
    pub fn left_alone(&self, fault: &str, class: FaultClass) -> Belief {
        let none = Belief { successes: 0.0, failures: 0.0 };
        self.left_alone.get(&Self::left_alone_key(fault, class)).copied().unwrap_or(none)
    }

    /// Evidence on each strategy against whatever fault, on all services.
    #[must_use]
    pub fn beliefs_of_strategies(&self) -> BTreeMap<&str, Belief> {
        let mut sums: BTreeMap<&str, Belief> = BTreeMap::new();
        for (key, belief) in &self.beliefs {
            let mut parts = key.split('|').skip(1);
            if let (Some(strategy), Some("*")) = (parts.next(), parts.next()) {
                let sum = sums.entry(strategy).or_insert(Belief { successes: 0.0, failures: 0.0 });
                sum.successes += belief.successes;
                sum.failures += belief.failures;
            }
        }
        sums
    }

    /// Evidence on a strategy for one service, or for all; zero if there is none.
    #[must_use]
    pub fn belief(&self, fault: &str, strategy: &str, service: Option<&str>) -> Belief {
        let key = Self::belief_key(fault, strategy, service);
        self.beliefs.get(&key).copied().unwrap_or(Belief { successes: 0.0, failures: 0.0 })
    }
}
