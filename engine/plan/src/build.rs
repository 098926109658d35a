//! A strategy, with names filled in, as a plan.

use std::collections::BTreeMap;

use theriac_contract::{
    Action, Autonomy, Entity, Hypothesis, Id, Incident, Interval, Plan, PlanStage, SCHEMA_VERSION, Step,
    Timestamp,
};

use crate::{known_good::KnownGood, playbook::Strategy, settings::Settings, target};

/// What a plan is made from.
pub(crate) struct Order<'a> {
    pub(crate) incident: &'a Incident,
    pub(crate) strategy: &'a Strategy,
    pub(crate) hypothesis: &'a Hypothesis,
    pub(crate) known: KnownGood<'a>,
    pub(crate) escalation: u32,
    pub(crate) at: Timestamp,
    pub(crate) knowledge_version: u64,
    pub(crate) policy_version: &'a str,
}

/// The plan, without the candidates and not sealed yet; none if a name cannot be filled in.
pub(crate) fn plan(order: &Order<'_>, settings: &Settings) -> Option<Plan> {
    let Order { incident, strategy, hypothesis, known, escalation, at, .. } = order;
    let mut stages = Vec::new();
    let mut index = 0;
    for template in &strategy.stages {
        let mut steps = Vec::new();
        for step in &template.steps {
            let targets = target::all(&step.target, hypothesis);
            if targets.is_empty() {
                return None;
            }
            for entity in targets {
                let action = action(&step.verb, &entity, &step.parameters, hypothesis, *known)?;
                let compensation = match &step.compensation {
                    // What was done to each is taken back from each.
                    Some(undo) if undo.target == target::INSTANCES => {
                        Some(self::action(&undo.verb, &entity, &undo.parameters, hypothesis, *known)?)
                    }
                    Some(undo) => {
                        let entity = target::resolve(&undo.target, hypothesis)?;
                        Some(self::action(&undo.verb, &entity, &undo.parameters, hypothesis, *known)?)
                    }
                    None => None,
                };
                let position = format!("{escalation}/{index}");
                let parts = [incident.id.as_str(), &strategy.name, action.target.as_str(), &position];
                steps.push(Step {
                    index,
                    precondition: step.precondition.clone(),
                    expected_effect: step.expected_effect.clone(),
                    timeout: step.timeout,
                    settle: step.settle,
                    retry: step.retry.clone(),
                    idempotency_key: Id::derive("step", &parts),
                    compensation,
                    verify_within: step.verify_within,
                    action,
                });
                index += 1;
            }
        }
        stages.push(PlanStage { name: template.name.clone(), steps });
    }
    let cause = hypothesis.entity.clone().unwrap_or_else(|| Entity("unknown".to_owned()));
    let dry_run =
        stages.iter().flat_map(|stage| &stage.steps).any(|step| settings.dry_run_on(&step.action.target));
    Some(Plan {
        schema_version: SCHEMA_VERSION,
        id: Id(String::new()),
        at: *at,
        expires: at.plus(settings.plan_valid_for).plus(until_last(&stages)),
        domain: incident.domain.clone(),
        incident: incident.id.clone(),
        incident_revision: incident.revision,
        cause,
        fault: hypothesis.fault.clone(),
        class: hypothesis.class,
        playbook: hypothesis.fault.clone(),
        strategy: strategy.name.clone(),
        escalation: *escalation,
        candidates: Vec::new(),
        autonomy: Autonomy::Act,
        awaiting: None,
        propensity: 1.0,
        stages,
        dry_run,
        knowledge_version: order.knowledge_version,
        policy_version: order.policy_version.to_owned(),
    })
}

/// How long everything before the last step may take: each step its time, each stage but the last its
/// verdict, which may be put off twice.
fn until_last(stages: &[PlanStage]) -> Interval {
    let steps: i64 = stages.iter().flat_map(|stage| &stage.steps).map(|step| step.timeout.0.max(0)).sum();
    let last = stages.last().and_then(|stage| stage.steps.last()).map_or(0, |step| step.timeout.0.max(0));
    let most = |stage: &PlanStage, of: fn(&Step) -> Interval| {
        stage.steps.iter().map(|step| of(step).0.max(0)).max().unwrap_or(0)
    };
    let judged =
        |stage: &PlanStage| most(stage, |step| step.settle) + 3 * most(stage, |step| step.verify_within);
    let verdicts: i64 = stages.iter().rev().skip(1).map(judged).sum();
    Interval(steps - last + verdicts)
}

fn action(
    verb: &str,
    target: &Entity,
    parameters: &BTreeMap<String, String>,
    hypothesis: &Hypothesis,
    known: KnownGood<'_>,
) -> Option<Action> {
    let parameters = parameters
        .iter()
        .map(|(name, text)| Some((name.clone(), target::fill(text, hypothesis, known)?)))
        .collect::<Option<_>>()?;
    Some(Action { verb: verb.to_owned(), target: target.clone(), parameters })
}
