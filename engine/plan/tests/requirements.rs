//! What a strategy needs of the cause, and how long what may pass by itself is given.

mod support;

use support::{acting, at, entity, hypothesis, incident, line_of_services, planner};
use theriac_contract::{Change, EdgeKind, Entity, Fact, FaultClass, Felt, Incident, Snapshot, SymptomState};
use theriac_plan::Planner;

fn change(kind: &str, of: &str, seconds: i64) -> Change {
    let text = |text: &str| text.to_owned();
    Change {
        at: at(seconds),
        entity: entity(of),
        kind: text(kind),
        from: text("1"),
        to: text("2"),
        description: text(""),
    }
}

/// The strategy that is chosen within `seconds`, and its target; and when.
fn chosen(incident: &Incident, known: &Snapshot, seconds: i64) -> Option<(String, Entity, i64)> {
    let mut planner: Planner = planner(acting());
    for second in (0..=seconds).step_by(5) {
        let now = if second == 0 { std::slice::from_ref(incident) } else { &[] };
        let planned = planner.step(at(second), now, &[], known);
        if let Some(plan) = planned.plans.first() {
            let target = plan.steps().next().map(|step| step.action.target.clone());
            return Some((plan.strategy.clone(), target.unwrap_or_default(), second));
        }
    }
    None
}

fn with_change(fault: &str, kind: &str) -> Incident {
    let mut incident = incident("one", "b", fault, 0);
    incident.hypotheses[0].change = Some(change(kind, "b", -10));
    incident
}

#[test]
fn a_change_is_taken_back_as_what_it_was() {
    let known = line_of_services();
    for (kind, strategy) in [
        ("deploy", "rollback_deploy"),
        ("configuration", "rollback_configuration"),
        ("flag", "rollback_configuration"),
    ] {
        let found = chosen(&with_change("crash_loop", kind), &known, 60);
        assert_eq!(found.map(|found| found.0).as_deref(), Some(strategy), "{kind}");
    }
}

#[test]
fn a_deploy_that_changed_data_goes_forward() {
    let mut known = line_of_services();
    known.changes.push(change("schema", "b", 5));
    let found = chosen(&with_change("bad_deploy", "deploy"), &known, 60);
    assert_eq!(found.map(|found| found.0).as_deref(), Some("roll_forward"));
    // Another service's data have nothing to do with it.
    known.changes[0].entity = entity("d");
    let found = chosen(&with_change("bad_deploy", "deploy"), &known, 60);
    assert_eq!(found.map(|found| found.0).as_deref(), Some("rollback_deploy"));
}

#[test]
fn circuits_are_opened_to_what_callers_can_do_without() {
    let mut known = line_of_services();
    known.topology.connect(&entity("f"), &entity("bank"), EdgeKind::Calls);
    let slow = |cause: &str| chosen(&incident("one", cause, "slow_dependency", 0), &known, 60);
    assert_eq!(slow("bank").map(|found| found.0).as_deref(), Some("open_circuit"));
    assert_ne!(slow("b").map(|found| found.0).as_deref(), Some("open_circuit"));
    known.topology.optional.insert(entity("b"));
    let slow = chosen(&incident("one", "b", "slow_dependency", 0), &known, 60);
    assert_eq!(slow.map(|found| found.0).as_deref(), Some("open_circuit"));
}

#[test]
fn an_instance_is_taken_out_at_once_while_all_others_are_well() {
    let known = line_of_services();
    let mut failing = incident("one", "b/b-1", "error_burst", 0);
    assert_eq!(chosen(&failing, &known, 60).map(|found| found.0).as_deref(), Some("isolate_instance"));
    let mut symptom = failing.symptoms[0].clone();
    symptom.entity = entity("b/b-2");
    failing.symptoms.push(symptom);
    // There is another one first, then.
    let found = chosen(&failing, &known, 60).map(|found| (found.0, found.1));
    assert_eq!(found, Some(("replace_instance".to_owned(), entity("b"))));
}

#[test]
fn one_of_few_is_not_taken_out_before_there_is_another() {
    let mut known = line_of_services();
    known.topology.note(&entity("b/b-4"));
    let wrong = incident("one", "b/b-1", "byzantine_replica", 0);
    let found = |known: &Snapshot| chosen(&wrong, known, 60).map(|found| found.0);
    assert_eq!(found(&known).as_deref(), Some("isolate_instance"));
    known.topology.instances.get_mut("b").unwrap().remove(&entity("b/b-4"));
    assert_eq!(found(&known).as_deref(), Some("replace_instance"));
    // What keeps data is not replaced by what has none.
    known.topology.connect(&entity("a"), &entity("b"), EdgeKind::Queries);
    assert_ne!(found(&known).as_deref(), Some("replace_instance"));
}

#[test]
fn nobody_is_turned_away_whom_nothing_hurts() {
    let known = line_of_services();
    let mut rush = incident("one", "b", "traffic_surge", 0);
    for (felt, first) in [(Felt::Outside, "shed_load"), (Felt::Inside, "scale_out")] {
        rush.felt = felt;
        assert_eq!(chosen(&rush, &known, 120).map(|found| found.0).as_deref(), Some(first), "{felt:?}");
    }
}

#[test]
fn a_zone_is_drained_where_the_way_is_long_and_not_where_there_is_none() {
    let mut known = line_of_services();
    for (host, zone) in [("host:one", "zone:a"), ("host:two", "zone:b")] {
        known.topology.connect(&entity(host), &entity(zone), EdgeKind::RunsOn);
    }
    let mut slow = incident("one", "zone:a", "network_fault", 0);
    slow.felt = Felt::Outside;
    slow.symptoms[0].signal = "zone.calls.held_up".to_owned();
    let drained = chosen(&slow, &known, 120).map(|found| (found.0, found.1.0));
    assert_eq!(drained, Some(("drain_zone".to_owned(), "zone:a".to_owned())));
    let mut split = slow.clone();
    split.symptoms[0].signal = "zone.calls.missed".to_owned();
    // Also where calls are not missed any more.
    for state in [SymptomState::Open, SymptomState::Closed] {
        split.symptoms[0].state = state;
        assert_ne!(chosen(&split, &known, 120).map(|found| found.0).as_deref(), Some("drain_zone"));
    }
}

#[test]
fn what_is_down_is_started_again_one_after_the_other() {
    let known = line_of_services();
    let mut down = incident("one", "b", "crash_loop", 0);
    assert_ne!(
        chosen(&down, &known, 60).map(|found| found.0).as_deref(),
        Some("restart_those_that_are_down")
    );
    down.hypotheses[0].instances = vec![entity("b/b-1"), entity("b/b-3")];
    let mut planner = planner(acting());
    planner.step(at(0), &[down], &[], &known);
    let plan = planner.step(at(20), &[], &[], &known).plans.remove(0);
    let steps = plan.steps().map(|step| (step.action.verb.as_str(), step.action.target.as_str()));
    assert_eq!(steps.collect::<Vec<_>>(), [("restart", "b/b-1"), ("restart", "b/b-3")]);
    // The second may begin when the first has taken all its time.
    assert_eq!(plan.expires.since(plan.at).as_seconds(), 120.0 + 120.0);
}

#[test]
fn that_somebody_was_told_does_not_keep_from_acting() {
    let known = line_of_services();
    let mut one = incident("one", "b/b-1", "hang", 0);
    one.hypotheses[0].entity = None;
    "unknown".clone_into(&mut one.hypotheses[0].fault);
    let mut planner = planner(acting());
    let step = |planner: &mut Planner, second: i64, incidents: &[Incident]| {
        let plans = planner.step(at(second), incidents, &[], &known).plans;
        plans.into_iter().map(|plan| plan.strategy).collect::<Vec<_>>()
    };
    step(&mut planner, 0, std::slice::from_ref(&one));
    assert_eq!(step(&mut planner, 40, &[]), ["tell_somebody"]);
    let mut known_now = incident("one", "b/b-1", "hang", 0);
    known_now.revision = 1;
    // A first word is not acted upon, one that stands is.
    assert!(step(&mut planner, 45, &[known_now]).is_empty());
    assert!(step(&mut planner, 55, &[]).is_empty());
    assert_eq!(step(&mut planner, 60, &[]), ["restart_instance"]);
}

#[test]
fn the_best_is_worth_a_moment() {
    let known = line_of_services();
    let mut either = incident("one", "b", "cache_stampede", 0);
    either.hypotheses[0].class = FaultClass::Transient;
    either.hypotheses[0].probability = 0.55;
    let mut second = hypothesis("b/b-1", "hang", 0.42);
    second.rank = 2;
    either.hypotheses.push(second);
    let found = chosen(&either, &known, 60).map(|found| (found.0, found.2));
    assert_eq!(found, Some(("protect_cache".to_owned(), 40)), "not a restart after 15 s");
}

#[test]
fn what_may_pass_by_itself_is_given_time() {
    let known = line_of_services();
    let mut slow = incident("one", "b/b-1", "slow_dependency", 0);
    assert_eq!(chosen(&slow, &known, 60).map(|found| found.2), Some(15));
    slow.hypotheses[0].class = FaultClass::Transient;
    assert_eq!(chosen(&slow, &known, 60).map(|found| found.2), Some(40));
}

#[test]
fn what_nobody_outside_feels_is_worth_a_cheap_remedy_only() {
    let known = line_of_services();
    let mut hang = incident("one", "b", "hang", 0);
    assert_eq!(chosen(&hang, &known, 60).map(|found| found.0).as_deref(), Some("restart_service"));
    hang.felt = Felt::Inside;
    assert_eq!(chosen(&hang, &known, 60), None);
}

#[test]
fn faults_at_one_place_that_one_action_cures_count_together() {
    let known = line_of_services();
    let mut either = incident("one", "b/b-1", "slow_dependency", 0);
    either.hypotheses[0].probability = 0.3;
    assert_ne!(
        chosen(&either, &known, 60).map(|found| found.0).as_deref(),
        Some("replace_instance"),
        "too weak"
    );
    let mut busy = hypothesis("b/b-1", "cpu_saturation", 0.3);
    busy.rank = 2;
    either.hypotheses.push(busy);
    assert_eq!(chosen(&either, &known, 60).map(|found| found.0).as_deref(), Some("replace_instance"));
}

#[test]
fn what_nobody_can_do_is_refused_by_name() {
    let known = line_of_services();
    let settings = theriac_plan::Settings { only_verbs: vec!["notify".to_owned()], ..acting() };
    let mut planner = planner(settings);
    let hang = incident("one", "b/b-1", "hang", 0);
    let mut facts = planner.step(at(0), std::slice::from_ref(&hang), &[], &known).facts;
    facts.extend(planner.step(at(20), &[], &[], &known).facts);
    let told = facts.iter().any(|fact| {
        matches!(fact, Fact::Refused { detail, .. } if detail.contains("nobody here can `restart`: it is not in only_verbs"))
    });
    assert!(told, "{facts:?}");
}
