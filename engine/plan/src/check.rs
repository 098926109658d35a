//! Tests of playbooks and policies: what is decided about a hypothesis, held against what is
//! expected.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;
use theriac_contract::{
    Autonomy, Belief, Change, EdgeKind, Entity, Evidence, Fact, FaultClass, Hypothesis, Id, Incident,
    IncidentPhase, Plan, SCHEMA_VERSION, Snapshot, SymptomRef, SymptomState, Timestamp,
};

use crate::{
    Planner, Playbooks, Settings,
    candidates::{self, Past},
    overview::Overview,
    playbook::Strategy,
};

/// A file of tests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Playbooks that are tested, as paths from the folder of this file; if left out, those of the
    /// configuration, or those that are built in.
    #[serde(default)]
    pub playbooks: Vec<std::path::PathBuf>,
    /// Policy that is tested, as a path from the folder of this file; if left out, that of the
    /// configuration.
    #[serde(default)]
    pub policy: Option<std::path::PathBuf>,
    /// Tests.
    pub tests: Vec<Test>,
}

impl File {
    /// JSON Schema of such a file.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }
}

/// One test.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it shows.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// What is suspected and known.
    pub given: Given,
    /// What should be decided; what is left out may be anything.
    pub expect: Expect,
}

/// What is suspected and known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// When it is decided; 2026-01-05T12:00:00Z, a Monday, if left out.
    #[serde(default = "noon")]
    pub at: Timestamp,
    /// The most probable first.
    pub hypotheses: Vec<Suspected>,
    /// What was learnt of strategies.
    #[serde(default)]
    pub beliefs: Vec<Learnt>,
    /// What came of leaving incidents alone.
    #[serde(default)]
    pub left_alone: Vec<LeftAlone>,
    /// Instances, so that it is known how many a service has.
    #[serde(default)]
    pub instances: Vec<Entity>,
    /// Who calls whom.
    #[serde(default)]
    pub calls: Vec<Call>,
}

/// A hypothesis.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suspected {
    /// Fault kind.
    pub fault: String,
    /// The suspected cause; none for `unknown`.
    pub entity: Option<Entity>,
    /// How the fault behaves; permanent if left out.
    #[serde(default = "permanent")]
    pub class: FaultClass,
    /// Posterior probability, 0 to 1.
    pub probability: f64,
    /// What was changed.
    pub change: Option<Changed>,
    /// Instances that bear the mark of it, or the one of many who asks, or is asked for, too much.
    #[serde(default)]
    pub instances: Vec<Entity>,
    /// Channels of evidence that speak for it.
    #[serde(default)]
    pub evidence: Vec<String>,
}

/// A change.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// A service or an instance.
    pub entity: Entity,
    /// `deploy`, `configuration`, …
    pub kind: String,
    /// What it was before.
    pub from: String,
    /// What it is now.
    pub to: String,
}

/// Verdicts on a strategy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// Fault.
    pub fault: String,
    /// Strategy.
    pub strategy: String,
    /// Service.
    pub service: String,
    /// Verified recoveries.
    #[serde(default)]
    pub successes: f64,
    /// Verified failures.
    #[serde(default)]
    pub failures: f64,
}

/// Incidents that were left alone for as long as one waits.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeftAlone {
    /// Fault.
    pub fault: String,
    /// How it behaves; permanent if left out.
    #[serde(default = "permanent")]
    pub class: FaultClass,
    /// How many ended by themselves.
    #[serde(default)]
    pub ended: f64,
    /// How many did not.
    #[serde(default)]
    pub stood: f64,
}

/// Who calls whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Caller.
    pub from: Entity,
    /// Callee.
    pub to: Entity,
    /// Calls a second, if that is known.
    pub per_second: Option<f64>,
}

/// What should be decided.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The strategy that is chosen; `wait`, `ask_a_person` or `do_nothing` if none is.
    pub strategy: Option<String>,
    /// How far its plan may go.
    pub autonomy: Option<Autonomy>,
    /// Its steps, as `restart cart/cart-1`.
    pub steps: Option<Vec<String>>,
    /// Strategies that are refused.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

/// A strategy that is refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refused {
    /// Which.
    pub strategy: String,
    /// A part of the reason.
    #[serde(default)]
    pub because: String,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Name of the test.
    pub name: String,
    /// Line of the file in which its name stands.
    pub line: u64,
    /// What is otherwise than expected; empty if nothing is.
    pub differences: Vec<String>,
}

const fn permanent() -> FaultClass {
    FaultClass::Permanent
}

const fn noon() -> Timestamp {
    Timestamp::from_seconds(1_767_614_400)
}

/// Runs the tests of a file, each with a planner of its own that has seen nothing else.
#[must_use]
pub fn run(tests: &[Test], settings: &Settings, playbooks: &Playbooks) -> Vec<Outcome> {
    let outcome = |test: &Test| Outcome {
        name: test.name.value.clone(),
        line: test.name.referenced.line(),
        differences: differences(&test.expect, &decided(&test.given, settings, playbooks)),
    };
    tests.iter().map(outcome).collect()
}

/// What was decided.
struct Decided {
    plan: Option<Plan>,
    strategy: String,
    /// Strategy, word and sentence.
    refused: Vec<(String, String)>,
}

fn decided(given: &Given, settings: &Settings, playbooks: &Playbooks) -> Decided {
    let known = knowledge(given);
    let incident =
        incident(given, given.at.minus(settings.decide_after.max(settings.decide_after_transient)));
    let mut planner = Planner::new(settings.clone(), playbooks.clone());
    let mut planned = planner.step(incident.at, std::slice::from_ref(&incident), &[], &known);
    // Without a time to look it was decided at once, unless that was too early.
    let waits = |fact: &Fact| matches!(fact, Fact::Refused { reason, .. } if reason == "too_early");
    if planned.plans.is_empty() && planned.facts.iter().all(waits) {
        planned = planner.step(given.at, &[], &[], &known);
    }
    let mut refused = Vec::new();
    let mut strategy = None;
    for fact in &planned.facts {
        if let Fact::Refused { strategy: name, reason, detail, .. } = fact {
            refused.push((name.clone(), format!("{reason}: {detail}")));
            if matches!(reason.as_str(), "waits" | "nothing_worth_doing") {
                strategy = Some(name.clone());
            }
        }
    }
    let ask = Strategy::ask();
    let suspected = incident.hypotheses.iter().filter_map(|one| Some((one.entity.clone()?, incident.opened)));
    let past = Past {
        failed: &[],
        rejected: &std::collections::BTreeSet::new(),
        suspected: &suspected.collect(),
        waits: 0,
        asked: false,
    };
    for choice in
        candidates::candidates(&incident, given.at, playbooks, &ask, &past, &Overview::new(&known), settings)
    {
        refused.extend(choice.candidate.refused.map(|why| (choice.candidate.strategy, why)));
    }
    let plan = planned.plans.into_iter().next();
    let strategy = plan.as_ref().map(|plan| plan.strategy.clone()).or(strategy);
    Decided { plan, strategy: strategy.unwrap_or_else(|| "do_nothing".to_owned()), refused }
}

fn differences(expect: &Expect, decided: &Decided) -> Vec<String> {
    let mut differences = Vec::new();
    let Decided { plan, strategy, refused } = decided;
    if let Some(wanted) = expect.strategy.as_ref().filter(|wanted| *wanted != strategy) {
        let why: Vec<&str> =
            refused.iter().filter(|(name, _)| name == wanted).map(|(_, why)| why.as_str()).collect();
        let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
        differences.push(format!("strategy: expected {wanted}{why}, is {strategy}"));
    }
    if let Some(wanted) = expect.autonomy {
        let is = plan.as_ref().map_or("that there is no plan", |plan| plan.autonomy.name());
        if is != wanted.name() {
            differences.push(format!("autonomy: expected {}, is {is}", wanted.name()));
        }
    }
    if let Some(wanted) = &expect.steps {
        let steps = plan.iter().flat_map(Plan::steps);
        let is: Vec<String> =
            steps.map(|step| format!("{} {}", step.action.verb, step.action.target)).collect();
        if is != *wanted {
            differences.push(format!("steps: expected [{}], is [{}]", wanted.join(", "), is.join(", ")));
        }
    }
    for Refused { strategy, because } in &expect.refused {
        let reasons: Vec<&str> =
            refused.iter().filter(|(name, _)| name == strategy).map(|(_, why)| why.as_str()).collect();
        if !reasons.iter().any(|why| why.contains(because)) {
            let is = if reasons.is_empty() {
                "it is not refused".to_owned()
            } else {
                format!("is: {}", reasons.join("; "))
            };
            differences.push(format!("refused: expected {strategy} because of `{because}`, {is}"));
        }
    }
    differences
}

fn knowledge(given: &Given) -> Snapshot {
    let mut known = Snapshot::default();
    for Learnt { fault, strategy, service, successes, failures } in &given.beliefs {
        for service in [Some(service.as_str()), None] {
            let key = Snapshot::belief_key(fault, strategy, service);
            let none = Belief { successes: 0.0, failures: 0.0 };
            let belief = known.beliefs.entry(key).or_insert(none);
            belief.successes += successes;
            belief.failures += failures;
        }
    }
    for LeftAlone { fault, class, ended, stood } in &given.left_alone {
        let belief = Belief { successes: *ended, failures: *stood };
        known.left_alone.insert(Snapshot::left_alone_key(fault, *class), belief);
    }
    for instance in &given.instances {
        known.topology.note(instance);
    }
    for Call { from, to, per_second } in &given.calls {
        known.topology.connect(from, to, EdgeKind::Calls);
        if let Some(rate) = per_second {
            known.topology.measure(from, to, EdgeKind::Calls, *rate);
        }
    }
    known
}

fn incident(given: &Given, at: Timestamp) -> Incident {
    let cause = given.hypotheses.first().and_then(|first| first.entity.clone()).unwrap_or_default();
    let evidence = |channel: &String| Evidence {
        channel: channel.clone(),
        log_likelihood_ratio: 1.0,
        text: String::new(),
        symptoms: Vec::new(),
    };
    let hypotheses = (1..).zip(&given.hypotheses).map(|(rank, one)| Hypothesis {
        rank,
        entity: one.entity.clone(),
        fault: one.fault.clone(),
        class: one.class,
        probability: one.probability,
        evidence_for: one.evidence.iter().map(evidence).collect(),
        evidence_against: Vec::new(),
        change: one.change.as_ref().map(|Changed { entity, kind, from, to }| Change {
            at,
            entity: entity.clone(),
            kind: kind.clone(),
            from: from.clone(),
            to: to.clone(),
            description: String::new(),
        }),
        shown: Vec::new(),
        instances: one.instances.clone(),
    });
    let symptom = SymptomRef {
        id: Id("symptom-1".to_owned()),
        entity: cause.clone(),
        peer: None,
        signal: "span.error_ratio".to_owned(),
        direction: theriac_contract::Direction::Up,
        state: SymptomState::Open,
        onset: at,
        end: None,
        p_value: 1e-12,
    };
    Incident {
        schema_version: SCHEMA_VERSION,
        id: Id("incident-1".to_owned()),
        revision: 0,
        phase: IncidentPhase::Opened,
        at,
        domain: "default".to_owned(),
        opened: at,
        ended: None,
        entities: vec![cause],
        symptoms: vec![symptom],
        symptoms_shed: 0,
        hypotheses: hypotheses.collect(),
        spread: Vec::new(),
        felt: theriac_contract::Felt::default(),
        critical_failure: None,
        summary: String::new(),
        knowledge_version: 0,
    }
}
