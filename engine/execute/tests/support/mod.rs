//! Plans, incidents and an executor for tests.
#![allow(dead_code, reason = "each suite uses some of it")]

use theriac_contract::{
    Action, Autonomy, Command, Completion, Entity, FaultClass, Id, Incident, IncidentPhase, Interval, Plan,
    PlanStage, Retry, SCHEMA_VERSION, Step, SymptomRef, SymptomState, Timestamp, Verdict,
};
use theriac_execute::{Execute, Executed, Settings};

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000 + seconds)
}

pub(crate) fn action(verb: &str, target: &str) -> Action {
    Action { verb: verb.to_owned(), target: Entity(target.to_owned()), parameters: [].into() }
}

pub(crate) fn step(index: u32, verb: &str, target: &str, undo: Option<&str>) -> Step {
    Step {
        index,
        action: action(verb, target),
        precondition: "incident_open".to_owned(),
        expected_effect: "it works again".to_owned(),
        timeout: Interval::from_seconds(20),
        settle: Interval::from_seconds(10),
        retry: Retry { jitter: 0.0, ..Retry::default() },
        idempotency_key: Id::derive("step", &[verb, target, &index.to_string()]),
        compensation: undo.map(|verb| action(verb, target)),
        verify_within: Interval::from_seconds(60),
    }
}

pub(crate) fn plan(name: &str, stages: Vec<Vec<Step>>) -> Plan {
    let stages = stages.into_iter().map(|steps| PlanStage { name: "stage".to_owned(), steps }).collect();
    Plan {
        schema_version: SCHEMA_VERSION,
        id: Id(String::new()),
        at: at(0),
        expires: at(600),
        domain: "default".to_owned(),
        incident: Id::derive("incident", &["one"]),
        incident_revision: 0,
        cause: Entity("cart/cart-2".to_owned()),
        fault: "memory_leak".to_owned(),
        class: FaultClass::Permanent,
        playbook: "leak".to_owned(),
        strategy: name.to_owned(),
        escalation: 0,
        candidates: Vec::new(),
        stages,
        dry_run: false,
        autonomy: Autonomy::Act,
        awaiting: None,
        propensity: 1.0,
        knowledge_version: 1,
        policy_version: "p".to_owned(),
    }
    .sealed()
}

pub(crate) fn incident(
    seconds: i64,
    revision: u32,
    phase: IncidentPhase,
    states: &[SymptomState],
) -> Incident {
    let symptoms = states.iter().enumerate().map(|(n, state)| SymptomRef {
        id: Id::derive("symptom", &[n.to_string()]),
        entity: Entity("cart/cart-2".to_owned()),
        peer: None,
        signal: "process.memory.usage".to_owned(),
        direction: theriac_contract::Direction::Up,
        state: *state,
        onset: at(-60),
        end: None,
        p_value: 1e-6,
    });
    Incident {
        schema_version: SCHEMA_VERSION,
        id: Id::derive("incident", &["one"]),
        revision,
        phase,
        at: at(seconds),
        domain: "default".to_owned(),
        opened: at(-60),
        ended: None,
        entities: Vec::new(),
        symptoms: symptoms.collect(),
        symptoms_shed: 0,
        spread: Vec::new(),
        felt: theriac_contract::Felt::default(),
        critical_failure: None,
        hypotheses: Vec::new(),
        summary: String::new(),
        knowledge_version: 1,
    }
}

pub(crate) fn completion(command: &Command, seconds: i64, verdict: Verdict) -> Completion {
    Completion {
        attempt_key: command.attempt_key(),
        at: at(seconds),
        executor: "model".to_owned(),
        verdict,
        detail: "said so".to_owned(),
    }
}

/// Steps every ten seconds with an executor that succeeds at once; plans and incidents by second.
pub(crate) fn run(
    plans: &[(i64, Plan)],
    incidents: &[(i64, Incident)],
    until: i64,
) -> (Executed, Vec<Command>) {
    let mut execute = Execute::new(Settings::default());
    let (mut all, mut sent, mut answers) = (Executed::default(), Vec::new(), Vec::new());
    for second in (0..=until).step_by(10) {
        let begun: Vec<Plan> =
            plans.iter().filter(|(when, _)| *when == second).map(|(_, plan)| plan.clone()).collect();
        let now: Vec<Incident> =
            incidents.iter().filter(|(when, _)| *when == second).map(|(_, i)| i.clone()).collect();
        let out = execute.step(at(second), &begun, &now, &answers);
        answers = out.commands.iter().map(|c| completion(c, second + 5, Verdict::Succeeded)).collect();
        all.outcomes.extend(out.outcomes);
        all.verifications.extend(out.verifications);
        all.facts.extend(out.facts);
        sent.extend(out.commands);
    }
    (all, sent)
}
