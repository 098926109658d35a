//! Incidents, verdicts and planners for tests.
#![allow(dead_code, clippy::unwrap_used, reason = "each suite uses some of it, and fails where it stands")]

use theriac_contract::{
    Control, EdgeKind, Entity, Evidence, Fact, FaultClass, Hypothesis, Id, Incident, IncidentPhase, Interval,
    Outcome, OutcomeKind, Plan, SCHEMA_VERSION, Snapshot, SymptomRef, SymptomState, Timestamp, Verification,
    VerificationVerdict,
};
use theriac_plan::{Planned, Planner, Playbooks, Policy, Settings};

pub(crate) fn at(seconds: i64) -> Timestamp {
    // 2026-01-05, a Monday, at noon.
    Timestamp::from_seconds(1_767_614_400 + seconds)
}

pub(crate) fn entity(name: &str) -> Entity {
    Entity(name.to_owned())
}

pub(crate) fn hypothesis(cause: &str, fault: &str, probability: f64) -> Hypothesis {
    let evidence = |channel: &str| Evidence {
        channel: channel.to_owned(),
        log_likelihood_ratio: 3.0,
        text: String::new(),
        symptoms: Vec::new(),
    };
    Hypothesis {
        rank: 1,
        entity: Some(entity(cause)),
        fault: fault.to_owned(),
        class: FaultClass::Permanent,
        probability,
        evidence_for: vec![evidence("latency"), evidence("change")],
        evidence_against: Vec::new(),
        shown: Vec::new(),
        instances: Vec::new(),
        change: None,
    }
}

pub(crate) fn incident(name: &str, cause: &str, fault: &str, seconds: i64) -> Incident {
    Incident {
        schema_version: SCHEMA_VERSION,
        id: Id(format!("incident-{name}")),
        revision: 0,
        phase: IncidentPhase::Opened,
        at: at(seconds),
        domain: "test".to_owned(),
        opened: at(seconds),
        ended: None,
        entities: vec![entity(cause)],
        symptoms: vec![SymptomRef {
            id: Id("symptom-1".to_owned()),
            entity: entity(cause),
            peer: None,
            signal: "span.error_ratio".to_owned(),
            direction: theriac_contract::Direction::Up,
            state: SymptomState::Open,
            onset: at(seconds),
            end: None,
            p_value: 1e-12,
        }],
        symptoms_shed: 0,
        spread: Vec::new(),
        felt: theriac_contract::Felt::default(),
        critical_failure: None,
        hypotheses: vec![hypothesis(cause, fault, 0.9)],
        summary: String::new(),
        knowledge_version: 0,
    }
}

pub(crate) fn over(mut incident: Incident, seconds: i64) -> Incident {
    incident.revision += 1;
    incident.phase = IncidentPhase::Resolved;
    incident.at = at(seconds);
    incident.ended = Some(at(seconds));
    incident
}

/// Six services of three instances each in a line of calls: a calls b, b calls c, …
pub(crate) fn line_of_services() -> Snapshot {
    let mut known = Snapshot::default();
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        for number in 1..=3 {
            known.topology.note(&Entity::instance(name, &format!("{name}-{number}")));
        }
    }
    for pair in names.windows(2) {
        known.topology.connect(&entity(pair[0]), &entity(pair[1]), EdgeKind::Calls);
    }
    known
}

pub(crate) fn acting() -> Settings {
    Settings { dry_run: false, ..Settings::default() }
}

pub(crate) fn planner(settings: Settings) -> Planner {
    Planner::new(settings, Playbooks::builtin())
}

pub(crate) fn policy(yaml: &str) -> Settings {
    let policy: Policy = serde_saphyr::from_str(yaml).unwrap();
    Settings { policy, ..acting() }
}

/// Steps through `seconds` and gives everything that was decided.
pub(crate) fn pass(planner: &mut Planner, seconds: std::ops::Range<i64>, known: &Snapshot) -> Planned {
    let mut all = Planned::default();
    for second in seconds.step_by(5) {
        let planned = planner.step(at(second), &[], &[], known);
        all.plans.extend(planned.plans);
        all.approved.extend(planned.approved);
        all.facts.extend(planned.facts);
    }
    all
}

/// Reasons and details of what was refused.
pub(crate) fn refusals(planned: &Planned) -> Vec<(&str, &str)> {
    let refused = planned.facts.iter().filter_map(|fact| match fact {
        Fact::Refused { reason, detail, .. } => Some((reason.as_str(), detail.as_str())),
        _ => None,
    });
    refused.collect()
}

pub(crate) fn ruled(plan: &Id, approved: bool) -> Snapshot {
    let mut control = Control::default();
    control.rule(plan, approved, at(0), "ada", "I looked");
    Snapshot { control, ..Snapshot::default() }
}

/// An outcome of a step, or of the whole plan.
pub(crate) fn outcome(plan: &Plan, step: Option<u32>, kind: OutcomeKind, seconds: i64) -> Outcome {
    let action =
        step.and_then(|index| plan.steps().find(|step| step.index == index)).map(|s| s.action.clone());
    Outcome {
        schema_version: SCHEMA_VERSION,
        id: Id("outcome".to_owned()),
        at: at(seconds),
        domain: plan.domain.clone(),
        plan: plan.id.clone(),
        incident: plan.incident.clone(),
        step,
        attempt: 1,
        kind,
        action,
        fencing_token: 1,
        executor: String::new(),
        dry_run: plan.dry_run,
        detail: String::new(),
    }
}

pub(crate) const fn minutes(minutes: i64) -> Interval {
    Interval::from_seconds(minutes * 60)
}

/// A verdict on a stage of a plan.
pub(crate) fn verdict(plan: &Plan, stage: u32, verdict: VerificationVerdict, seconds: i64) -> Verification {
    Verification {
        schema_version: SCHEMA_VERSION,
        id: Id(format!("verification-{}-{stage}", plan.id)),
        at: at(seconds),
        domain: plan.domain.clone(),
        plan: plan.id.clone(),
        incident: plan.incident.clone(),
        stage,
        cause: plan.cause.clone(),
        fault: plan.fault.clone(),
        strategy: plan.strategy.clone(),
        verdict,
        acted: at(seconds),
        symptoms_before: 1,
        symptoms_open: 1,
        symptoms_lost: 0,
        dry_run: false,
        explanation: String::new(),
    }
}
