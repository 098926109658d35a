//! What people say reaches the stages that act, and what was done reaches the budget.

use theriac_contract::{
    Autonomy, Entity, FaultClass, HoldKind, Hypothesis, Id, IncidentPhase, SCHEMA_VERSION, SymptomRef,
    SymptomState, Verdict,
};

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_767_614_400 + seconds)
}

/// An instance of a service that crashes again and again.
fn incident() -> Incident {
    let cause = Entity("cart/cart-1".to_owned());
    let symptom = SymptomRef {
        id: Id("symptom-1".to_owned()),
        entity: cause.clone(),
        peer: None,
        signal: "span.error_ratio".to_owned(),
        direction: theriac_contract::Direction::Up,
        state: SymptomState::Open,
        onset: at(0),
        end: None,
        p_value: 1e-12,
    };
    let hypothesis = Hypothesis {
        rank: 1,
        entity: Some(cause.clone()),
        fault: "crash_loop".to_owned(),
        class: FaultClass::Permanent,
        probability: 0.9,
        evidence_for: Vec::new(),
        evidence_against: Vec::new(),
        change: None,
        shown: Vec::new(),
        instances: Vec::new(),
    };
    Incident {
        schema_version: SCHEMA_VERSION,
        id: Id("incident-1".to_owned()),
        revision: 0,
        phase: IncidentPhase::Opened,
        at: at(0),
        domain: "default".to_owned(),
        opened: at(0),
        ended: None,
        entities: vec![cause],
        symptoms: vec![symptom],
        symptoms_shed: 0,
        hypotheses: vec![hypothesis],
        spread: Vec::new(),
        felt: theriac_contract::Felt::default(),
        critical_failure: None,
        summary: String::new(),
        knowledge_version: 0,
    }
}

fn engine(level: Autonomy) -> Engine {
    let mut settings = Settings::default();
    settings.plan.dry_run = false;
    settings.plan.policy.default = level;
    Engine::new(&settings, Playbooks::builtin())
}

/// Lets time go on to `second`, and says what comes of it.
fn pass(engine: &mut Engine, second: i64, incidents: &[Incident]) -> Outputs {
    engine.reach(at(second));
    engine.decide(incidents)
}

/// What the planner keeps, as text.
fn kept(engine: &Engine) -> String {
    format!("{:?}", engine.planner.snapshot().expect("a state")).replace('\\', "")
}

#[test]
fn a_plan_that_waits_is_begun_once_a_fact_approves_it_and_nothing_holds_it() {
    let mut engine = engine(Autonomy::Approve);
    pass(&mut engine, 0, &[incident()]);
    let made = pass(&mut engine, 20, &[]);
    assert_eq!((made.plans.len(), made.commands.len()), (1, 0));
    let said = |engine: &mut Engine, fact| engine.knowledge.append(at(20), vec![fact]);
    let (by, reason) = (String::new(), String::new());
    said(&mut engine, Fact::ActingHeld { kind: HoldKind::Pause, by: by.clone(), reason: reason.clone() });
    let plan = made.plans[0].id.clone();
    said(&mut engine, Fact::PlanApproved { plan: plan.clone(), by: by.clone(), reason: reason.clone() });
    assert_eq!(pass(&mut engine, 25, &[]).commands, []);
    said(&mut engine, Fact::ActingResumed { by, reason });
    let begun = pass(&mut engine, 30, &[]);
    assert_eq!(begun.commands.len(), 1);
    assert_eq!((begun.plans.len(), &begun.commands[0].plan), (0, &plan), "it is not made again");
}

#[test]
fn what_a_plan_reserved_is_free_once_it_has_ended() {
    let mut engine = engine(Autonomy::Act);
    pass(&mut engine, 0, &[incident()]);
    let made = pass(&mut engine, 20, &[]);
    let reserved = format!(r#""reserved":{{"{}""#, made.plans[0].id);
    assert!(kept(&engine).contains(&reserved), "{}", kept(&engine));
    engine.answer(vec![Completion {
        attempt_key: made.commands[0].attempt_key(),
        at: at(21),
        executor: "hand".to_owned(),
        verdict: Verdict::Failed { retryable: false },
        detail: "no".to_owned(),
    }]);
    let ended = pass(&mut engine, 21, &[]);
    assert!(ended.outcomes.iter().any(|outcome| outcome.step.is_none()), "{:?}", ended.outcomes);
    assert!(kept(&engine).contains(r#""reserved":{}"#), "{}", kept(&engine));
}
