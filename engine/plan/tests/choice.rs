//! What is chosen beside the strategies of the playbooks, and what is learnt from it.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod support;

use support::{acting, at, incident, over, pass, planner};
use theriac_contract::{Autonomy, Belief, Checkpointed, Fact, FaultClass, Plan, Snapshot, Watershed};
use theriac_plan::{
    Planned, Policy, Settings,
    settings::{Choice, KnowledgeCare, RollBack},
};

fn choose(choice: Choice, known: &Snapshot, cause: &str, fault: &str) -> Planned {
    let mut planner = planner(Settings { choice, ..acting() });
    planner.step(at(0), &[incident("1", cause, fault, 0)], &[], known);
    pass(&mut planner, 5..300, known)
}

/// Incidents of a kind that were left alone.
fn left_alone(fault: &str, successes: f64, failures: f64) -> Snapshot {
    let mut known = Snapshot::default();
    let key = Snapshot::left_alone_key(fault, FaultClass::Permanent);
    known.left_alone.insert(key, Belief { successes, failures });
    known
}

fn facts_of_leaving_alone(planned: &Planned) -> Vec<bool> {
    let facts = planned.facts.iter().filter_map(|fact| match fact {
        Fact::LeftAlone { ended, .. } => Some(*ended),
        _ => None,
    });
    facts.collect()
}

#[test]
fn the_table_has_waiting_and_asking_with_their_formulas() {
    let made = choose(Choice::default(), &left_alone("crash_loop", 4.0, 6.0), "cart/cart-1", "crash_loop");
    let formula = |plan: &Plan, name: &str| {
        let candidate =
            plan.candidates.iter().find(|candidate| candidate.strategy == name && candidate.hypothesis == 0);
        candidate.map(|candidate| candidate.utility.formula.clone()).unwrap()
    };
    let plan = &made.plans[0];
    // (1 + 4) / (20 + 10) of incidents end, and this is one with .9.
    assert_eq!(formula(plan, "wait"), "9.0 = 0.15 ends by itself within 20s * 100 - 6 wait");
    assert_eq!(formula(plan, "ask_a_person"), "-10.0 = 0.50 a person helps * 100 - 60 ask");
    assert!(formula(plan, "do_nothing").starts_with("0.0 = "));
}

#[test]
fn what_ends_by_itself_is_waited_for_but_not_for_ever() {
    let known = left_alone("crash_loop", 200.0, 0.0);
    let mut planner = planner(acting());
    planner.step(at(0), &[incident("1", "cart/cart-1", "crash_loop", 0)], &[], &known);
    assert!(pass(&mut planner, 5..130, &known).plans.is_empty(), "15 s to look, six times 20 s to wait");
    assert_eq!(pass(&mut planner, 130..145, &known).plans.len(), 1);
}

#[test]
fn a_person_is_asked_once_if_that_is_worth_more() {
    let cheap = Choice { ask_cost: 1.0, ..Choice::default() };
    let known = Snapshot::default();
    let made = choose(cheap, &known, "cart", "a fault without a playbook");
    assert_eq!(made.plans.len(), 1);
    assert_eq!(made.plans[0].strategy, "ask_a_person");
    let verbs: Vec<&str> = made.plans[0].steps().map(|step| step.action.verb.as_str()).collect();
    assert_eq!(verbs, ["notify"]);
    assert!(choose(Choice::default(), &known, "cart", "a fault without a playbook").plans.is_empty());
}

#[test]
fn what_comes_of_leaving_an_incident_alone_is_told_once() {
    let known = Snapshot::default();
    let settings = Settings { dry_run: true, ..acting() };
    let case = || incident("1", "cart/cart-1", "crash_loop", 0);
    // Looked at for 15 s, then left alone for 20 s.
    let mut standing = planner(settings.clone());
    standing.step(at(0), &[case()], &[], &known);
    assert_eq!(facts_of_leaving_alone(&pass(&mut standing, 5..35, &known)), [false; 0]);
    assert_eq!(facts_of_leaving_alone(&pass(&mut standing, 35..400, &known)), [false]);
    let mut ending = planner(settings.clone());
    ending.step(at(0), &[case()], &[], &known);
    pass(&mut ending, 5..25, &known);
    assert_eq!(facts_of_leaving_alone(&ending.step(at(25), &[over(case(), 25)], &[], &known)), [true]);
    // One that was acted upon, or ended before anybody could, says nothing.
    let mut acted = planner(acting());
    acted.step(at(0), &[case()], &[], &known);
    assert_eq!(facts_of_leaving_alone(&pass(&mut acted, 5..400, &known)), [false; 0]);
    let mut early = planner(settings);
    early.step(at(0), &[case()], &[], &known);
    assert_eq!(facts_of_leaving_alone(&early.step(at(10), &[over(case(), 10)], &[], &known)), [false; 0]);
}

#[test]
fn choices_are_varied_only_if_that_is_wanted_and_the_same_in_every_run() {
    let explore = Choice { explore: true, explore_margin: 30.0, ..Choice::default() };
    let known = Snapshot::default();
    let one = |choice: &Choice, name: &str| {
        let mut planner = planner(Settings { choice: choice.clone(), ..acting() });
        planner.step(at(0), &[incident(name, "cart/cart-1", "crash_loop", 0)], &[], &known);
        let saved = planner.snapshot().unwrap();
        planner.restore(&saved).unwrap();
        pass(&mut planner, 5..60, &known).plans.remove(0)
    };
    let mut seen = std::collections::BTreeMap::new();
    for number in 0..200 {
        let plan = one(&explore, &number.to_string());
        assert_eq!(one(&explore, &number.to_string()), plan);
        let (count, propensity) = seen.entry(plan.strategy.clone()).or_insert((0, 0.0));
        *count += 1;
        *propensity += plan.propensity;
    }
    assert!(seen.len() > 1, "{seen:?}");
    for (count, propensities) in seen.values() {
        let share = f64::from(*count) / 200.0;
        assert!((propensities / f64::from(*count) - share).abs() < 0.12, "{seen:?}");
    }
    let fixed = one(&Choice::default(), "1");
    assert!((fixed.propensity - 1.0).abs() < f64::EPSILON);
    let careful = Choice { explore_risk: 0.0, ..explore };
    assert_eq!(one(&careful, "1").strategy, fixed.strategy, "nothing is drawn that risks more");
}

#[test]
fn evidence_backs_off_from_the_service_to_the_fault_to_the_strategy() {
    let belief = |known: &Snapshot| {
        let made = choose(Choice::default(), known, "cart/cart-1", "crash_loop");
        let plan = &made.plans[0];
        let of =
            plan.candidates.iter().find(|candidate| candidate.strategy == "reprovision_instance").unwrap();
        of.utility.belief
    };
    let prior = belief(&Snapshot::default());
    let with = |keys: &[(&str, &str)]| {
        let mut known = Snapshot::default();
        for (fault, service) in keys {
            let service = (*service != "*").then_some(*service);
            let key = Snapshot::belief_key(fault, "reprovision_instance", service);
            known.beliefs.insert(key, Belief { successes: 10.0, failures: 0.0 });
        }
        belief(&known).0 - prior.0
    };
    assert!((with(&[("crash_loop", "cart"), ("crash_loop", "*")]) - 10.0).abs() < 1e-9);
    assert!((with(&[("crash_loop", "shop"), ("crash_loop", "*")]) - 3.0).abs() < 1e-9);
    assert!((with(&[("memory_leak", "cart"), ("memory_leak", "*")]) - 0.5).abs() < 1e-9);
}

/// What is told of a version since which hardly anything works.
fn told_of(settings: Settings, learnt: bool) -> Vec<Fact> {
    let belief = |successes, failures| Belief { successes, failures };
    let worse = Watershed {
        version: 40,
        what: "the judgement of symptom-1".into(),
        before: belief(36.0, 4.0),
        after: belief(1.0, 7.0),
        told: false,
        learnt,
    };
    let known = Snapshot { watersheds: vec![worse], ..Snapshot::default() };
    planner(settings).step(at(0), &[], &[], &known).facts
}

#[test]
fn knowledge_that_made_things_worse_is_told() {
    let told = told_of(acting(), false);
    let [
        Fact::KnowledgeWorsened {
            version: 40,
            what,
            recovered_before: 36,
            of_before: 40,
            recovered_since: 1,
            of_since: 8,
            chance,
        },
    ] = told.as_slice()
    else {
        panic!("a configuration is not reverted from within: {told:?}");
    };
    assert_eq!(what, "the judgement of symptom-1");
    assert!(*chance < 1e-4);
}

#[test]
fn what_was_learnt_and_made_things_worse_is_reverted_as_far_as_the_policy_goes() {
    let reverted = |settings: Settings| match told_of(settings, true).as_slice() {
        [Fact::KnowledgeWorsened { version: 40, .. }, Fact::Reverted { version: 40, what, reason }] => {
            assert_eq!(what, "the judgement of symptom-1");
            assert_eq!(reason, "1 of 8 plans recovered since, 36 of 40 before it");
            true
        }
        [Fact::KnowledgeWorsened { version: 40, .. }] => false,
        other => panic!("{other:?}"),
    };
    assert!(reverted(acting()), "by default");
    let suggesting = KnowledgeCare { roll_back: RollBack::Suggest };
    assert!(!reverted(Settings { knowledge: suggesting, ..acting() }));
    for level in [Autonomy::Observe, Autonomy::Suggest, Autonomy::Approve] {
        let policy = Policy { default: level, ..acting().policy };
        assert!(!reverted(Settings { policy, ..acting() }), "{level:?}");
    }
}
