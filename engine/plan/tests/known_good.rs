//! To which checkpoint a service is brought back, and that it is to none if there is none.

mod support;

use proptest::prelude::*;
use support::at;
use theriac_contract::{Change, Entity, Incident, Interval, Plan, Snapshot};
use theriac_plan::{Planner, Playbooks, Settings};

const PLAYBOOKS: &str = r#"
playbooks:
  - fault: error_burst
    strategies:
      - name: restore_checkpoint
        cost: 8
        prior: {successes: 6, failures: 2}
        stages:
          - name: bring back
            steps: [{verb: restore, target: cause.service, parameters: {checkpoint: "{checkpoint.id}"}}]
      - name: take_back
        cost: 9
        prior: {successes: 6, failures: 2}
        stages:
          - name: take back
            steps: [{verb: compensate, target: cause.service, parameters: {what: "{compensator.id}"}}]
      - name: restart_service
        cost: 12
        prior: {successes: 4, failures: 4}
        stages:
          - name: again
            steps: [{verb: restart, target: cause.service}]
"#;

fn registered(kind: &str, service: &str, name: &str, seconds: i64) -> Change {
    Change {
        at: at(seconds),
        entity: Entity(service.to_owned()),
        kind: kind.to_owned(),
        from: String::new(),
        to: name.to_owned(),
        description: String::new(),
    }
}

/// An incident of which it is known since `opened`, and that began at `onset`.
fn incident(onset: i64, opened: i64) -> Incident {
    let mut incident = support::incident("1", "shop/shop-1", "error_burst", opened);
    incident.symptoms[0].onset = at(onset);
    incident.hypotheses[0].probability = 0.95;
    incident
}

/// The plan for an incident that began at 1000 and is known since 1010.
fn plan(mut changes: Vec<Change>) -> Plan {
    changes.sort();
    let knowledge = Snapshot { changes, ..Snapshot::default() };
    let playbooks = Playbooks::parse("mine.yaml", PLAYBOOKS).expect("good playbooks");
    let mut settings = Settings { decide_after: Interval::from_seconds(0), ..Settings::default() };
    settings.choice.confirm = Interval::from_seconds(0);
    let mut planner = Planner::new(settings, playbooks);
    let mut planned = planner.step(at(1010), &[incident(1000, 1010)], &[], &knowledge).plans;
    assert_eq!(planned.len(), 1);
    planned.remove(0)
}

fn action(plan: &Plan) -> (&str, Vec<&str>) {
    let action = &plan.steps().next().expect("a step").action;
    (&action.verb, action.parameters.values().map(String::as_str).collect())
}

#[test]
fn the_newest_from_before_the_trouble_is_chosen() {
    let kept = |name, seconds| registered(Change::CHECKPOINT, "shop", name, seconds);
    let made = plan(vec![kept("old", 700), kept("good", 990), kept("spoilt", 1000), kept("worse", 1005)]);
    assert_eq!(action(&made), ("restore", vec!["good"]));
    let others = registered(Change::CHECKPOINT, "cart", "another's", 999);
    let of_instance = registered(Change::CHECKPOINT, "shop/shop-2", "of an instance", 995);
    assert_eq!(action(&plan(vec![kept("good", 990), others.clone()])), ("restore", vec!["good"]));
    assert_eq!(action(&plan(vec![kept("good", 990), of_instance])), ("restore", vec!["of an instance"]));
    assert_eq!(action(&plan(vec![others])).0, "restart");
}

#[test]
fn without_one_something_else_is_tried_and_it_is_said_why() {
    let made = plan(vec![
        registered(Change::CHECKPOINT, "shop", "spoilt", 1000),
        registered(Change::CHECKPOINT, "shop", "", 900),
        registered("deploy", "shop", "v2", 900),
    ]);
    assert_eq!(action(&made), ("restart", vec![]));
    let refused =
        made.candidates.iter().find(|one| one.strategy == "restore_checkpoint").expect("considered");
    let why =
        "the hypothesis lacks something that the steps name, or its service has registered nothing like it";
    assert_eq!(refused.refused.as_deref(), Some(why));
}

#[test]
fn the_last_thing_that_it_did_is_taken_back() {
    let did = |name, seconds| registered(Change::COMPENSATOR, "shop", name, seconds);
    let made = plan(vec![did("order-1", 900), did("order-2", 1005), did("order-3", 1011)]);
    assert_eq!(action(&made), ("compensate", vec!["order-2"]));
}

proptest! {
    /// Whatever was registered when: never one from after the onset, and none older than another one
    /// that could have been taken.
    #[test]
    fn never_from_after_the_onset_and_never_needlessly_old(times in prop::collection::btree_set(900..1100_i64, 0..12)) {
        let kept = times.iter().map(|second| registered(Change::CHECKPOINT, "shop", &second.to_string(), *second));
        let made = plan(kept.collect());
        let best = times.iter().rfind(|second| **second < 1000).map(i64::to_string);
        match &best {
            Some(best) => prop_assert_eq!(action(&made), ("restore", vec![best.as_str()])),
            None => prop_assert_eq!(action(&made).0, "restart"),
        }
    }
}
