//! When something is done, how often, and what follows a verdict.

mod support;

use proptest::prelude::*;
use support::{acting, at, pass, verdict};
use theriac_contract::{
    Checkpointed, EdgeKind, FaultClass, Felt, Hypothesis, Id, Incident, Plan, Snapshot, SymptomRef,
    SymptomState, Timestamp, VerificationVerdict,
};
use theriac_plan::{Planner, Playbooks, Settings};

fn incident(name: &str, entity: &str, fault: &str, probability: f64, seconds: i64) -> Incident {
    let mut incident = support::incident(name, entity, fault, seconds);
    incident.hypotheses[0].probability = probability;
    incident
}

/// Steps through `seconds` and gives all plans that were made.
fn wait(planner: &mut Planner, seconds: std::ops::Range<i64>) -> Vec<Plan> {
    pass(planner, seconds, &Snapshot::default()).plans
}

fn planner() -> Planner {
    support::planner(acting())
}

#[test]
fn nothing_is_done_on_weak_evidence() {
    let mut planner = planner();
    let weak = incident("weak", "cart/cart-1", "crash_loop", 0.3, 0);
    assert!(planner.step(at(0), &[weak], &[], &Snapshot::default()).plans.is_empty());
    assert!(wait(&mut planner, 5..600).is_empty());
}

#[test]
fn what_did_not_help_is_followed_by_something_else() {
    let mut planner = planner();
    let knowledge = Snapshot::default();
    planner.step(at(0), &[incident("a", "cart/cart-1", "crash_loop", 0.9, 0)], &[], &knowledge);
    let first = wait(&mut planner, 5..60);
    assert_eq!(first.len(), 1);
    let failed = verdict(&first[0], 0, VerificationVerdict::NotRecovered, 60);
    planner.step(at(60), &[], &[failed], &knowledge);
    let second = wait(&mut planner, 65..120);
    assert_eq!(second.len(), 1);
    assert_ne!(second[0].strategy, first[0].strategy);
    assert_eq!(second[0].escalation, 1);
}

#[test]
fn the_only_remedy_is_tried_once_more_and_not_for_ever() {
    let mut planner = planner();
    let knowledge = Snapshot::default();
    planner.step(at(0), &[incident("a", "cart", "certificate_expired", 0.9, 0)], &[], &knowledge);
    let mut made = wait(&mut planner, 5..60);
    for try_number in 1..=2 {
        assert_eq!(made.len(), 1, "try {try_number}");
        assert_eq!(made[0].strategy, "renew_certificate");
        let end = 60 * try_number;
        let failed = verdict(&made[0], 0, VerificationVerdict::NotRecovered, end);
        planner.step(at(end), &[], &[failed], &knowledge);
        made = wait(&mut planner, end + 5..end + 60);
    }
    assert!(made.is_empty(), "{made:?}");
}

const TWO_STAGES: &str = "
playbooks:
  - fault: crash_loop
    strategies:
      - name: mild_then_harsh
        cost: 1
        prior: {successes: 9, failures: 1}
        stages:
          - {name: mild, steps: [{verb: restart, target: cause, expected_effect: it runs}]}
          - {name: harsh, steps: [{verb: isolate, target: cause, expected_effect: it is gone}]}
      - name: other
        cost: 5
        prior: {successes: 5, failures: 5}
        stages:
          - {name: other, steps: [{verb: drain, target: cause, expected_effect: it is empty}]}
";

#[test]
fn a_stage_that_did_not_help_leaves_the_plan_to_its_next_stage() {
    let playbooks = Playbooks::parse("test", TWO_STAGES).unwrap();
    let mut planner = Planner::new(Settings { dry_run: false, ..Settings::default() }, playbooks);
    let knowledge = Snapshot::default();
    planner.step(at(0), &[incident("a", "cart/cart-1", "crash_loop", 0.9, 0)], &[], &knowledge);
    let first = wait(&mut planner, 5..60);
    assert_eq!(first.len(), 1);
    planner.step(at(60), &[], &[verdict(&first[0], 0, VerificationVerdict::NotRecovered, 60)], &knowledge);
    assert!(wait(&mut planner, 65..90).is_empty());
    planner.step(at(90), &[], &[verdict(&first[0], 1, VerificationVerdict::NotRecovered, 90)], &knowledge);
    let next = wait(&mut planner, 95..150);
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].strategy, "other");
}

#[test]
fn what_stands_on_after_a_recovery_is_answered_otherwise() {
    let mut planner = planner();
    let knowledge = Snapshot::default();
    let mut case = incident("a", "cart/cart-1", "crash_loop", 0.9, 0);
    planner.step(at(0), &[case.clone()], &[], &knowledge);
    let first = wait(&mut planner, 5..60);
    planner.step(at(60), &[], &[verdict(&first[0], 0, VerificationVerdict::Recovered, 60)], &knowledge);
    assert!(wait(&mut planner, 65..300).is_empty(), "nothing new was told");
    case.revision = 1;
    case.at = at(300);
    let again = planner.step(at(300), &[case], &[], &knowledge).plans;
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].strategy, first[0].strategy);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_service_is_acted_upon_more_often_than_allowed(
        gaps in prop::collection::vec(5..400_i64, 1..40), cut in 0..40_usize,
    ) {
        let knowledge = Snapshot::default();
        let (mut whole, mut stopped) = (planner(), planner());
        let mut acted: Vec<Timestamp> = Vec::new();
        let mut now = 0;
        for (position, gap) in gaps.iter().enumerate() {
            now += gap;
            if position == cut {
                let saved = stopped.snapshot().unwrap();
                stopped = planner();
                stopped.restore(&saved).unwrap();
                prop_assert_eq!(stopped.snapshot().unwrap(), saved);
            }
            let name = position.to_string();
            let news = [incident(&name, "cart/cart-1", "crash_loop", 0.9, now)];
            let planned = whole.step(at(now), &news, &[], &knowledge);
            prop_assert_eq!(&stopped.step(at(now), &news, &[], &knowledge), &planned);
            for plan in planned.plans {
                acted.extend(plan.steps().map(|_| at(now)));
            }
        }
        let settings = Settings::default();
        for time in &acted {
            let since = |other: &&Timestamp| **other <= *time && time.since(**other) < settings.rate_window;
            prop_assert!(acted.iter().filter(since).count() <= settings.actions_per_target_max as usize);
        }
    }
}

#[test]
fn nothing_is_done_to_a_service_whose_sensor_lies() {
    let mut wrong = incident("1", "cart/cart-2", "lying_sensor", 0.8, 0);
    wrong.hypotheses[0].class = FaultClass::Byzantine;
    // What the readings would mean if they were true comes second.
    let second =
        Hypothesis { rank: 2, fault: "memory_leak".into(), probability: 0.15, ..wrong.hypotheses[0].clone() };
    wrong.hypotheses.push(second);
    let mut planner = Planner::new(Settings { dry_run: false, ..Settings::default() }, Playbooks::builtin());
    let mut verbs = Vec::new();
    for seconds in 0..600 {
        let told = if seconds == 0 { std::slice::from_ref(&wrong) } else { &[] };
        let planned = planner.step(at(seconds), told, &[], &Snapshot::default());
        verbs.extend(planned.plans.iter().flat_map(|plan| plan.steps().map(|step| step.action.verb.clone())));
    }
    assert!(!verbs.is_empty() && verbs.iter().all(|verb| verb == "notify"), "{verbs:?}");
}

/// Callers feel what is done to those whom they call; what else is wrong meanwhile need not wait.
#[test]
fn another_fault_does_not_wait_for_the_verdict_on_the_first() {
    for (other, acts) in [("e/e-1", true), ("a/a-1", false)] {
        let known = support::line_of_services();
        let one = incident("one", "b/b-1", "hang", 0.9, 0);
        let mut planner = planner();
        planner.step(at(0), std::slice::from_ref(&one), &[], &known);
        let first = planner.step(at(20), &[], &[], &known).plans.remove(0);
        let mut two = one.clone();
        two.revision = 1;
        two.hypotheses[0].probability = 0.2;
        two.hypotheses.insert(0, support::hypothesis(other, "hang", 0.7));
        planner.step(at(30), &[two.clone()], &[], &known);
        let second = pass(&mut planner, 35..80, &known).plans;
        let causes: Vec<_> = second.iter().map(|plan| plan.cause.as_str()).collect();
        assert_eq!(causes, if acts { vec![other] } else { vec![] });
        // What did not help is not tried again, whichever verdict comes first.
        planner.step(at(80), &[], &[verdict(&first, 0, VerificationVerdict::NotRecovered, 80)], &known);
        let mut three = one;
        three.revision = 2;
        planner.step(at(85), &[three], &[], &known);
        let later = pass(&mut planner, 90..400, &known).plans;
        assert!(later.iter().all(|plan| plan.strategy != first.strategy || plan.cause != first.cause));
    }
}

#[test]
fn what_runs_on_a_suspected_host_is_healed_with_the_host() {
    let mut known = support::line_of_services();
    let host = support::entity("host:one");
    for guest in ["b/b-1", "e/e-1"] {
        known.topology.connect(&support::entity(guest), &host, EdgeKind::RunsOn);
    }
    let mut of_host = incident("host", "host:one", "network_fault", 0.9, 0);
    of_host.hypotheses[0].change = None;
    let guest = incident("guest", "e/e-1", "hang", 0.9, 0);
    let mut planner = planner();
    planner.step(at(0), &[of_host, guest], &[], &known);
    let planned = pass(&mut planner, 5..60, &known);
    let causes: Vec<_> = planned.plans.iter().map(|plan| plan.cause.as_str()).collect();
    assert_eq!(causes, ["host:one"]);
    let text = "host:one, on which it runs, is suspected in";
    let told = support::refusals(&planned);
    assert!(told.iter().any(|(reason, detail)| *reason == "host_suspected" && detail.starts_with(text)));
}

/// Causes of the plans that are made of two incidents within a minute: one at `d`, of whose cause it is so sure, and
/// one that is felt outside, at `places`, which begins `later` seconds after it.
fn beside(felt: Felt, sure: f64, places: &[&str], later: i64) -> (Vec<String>, bool) {
    let known = support::line_of_services();
    let mut mild = incident("mild", "d/d-1", "hang", sure, 0);
    mild.felt = felt;
    let mut grave = incident("grave", "b/b-1", "hang", 0.95, later);
    grave.entities = places.iter().map(|place| support::entity(place)).collect();
    let mut planner = planner();
    let mut planned = planner.step(at(0), &[mild], &[], &known);
    let more = pass(&mut planner, 5..later, &known);
    planned.plans.extend(more.plans);
    planned.plans.extend(planner.step(at(later), &[grave], &[], &known).plans);
    let more = pass(&mut planner, later + 5..later + 60, &known);
    let told = support::refusals(&more).iter().any(|(reason, _)| *reason == "graver_first");
    planned.plans.extend(more.plans);
    (planned.plans.iter().map(|plan| plan.cause.to_string()).collect(), told)
}

#[test]
fn what_nobody_outside_feels_waits_for_what_is_felt_beside_it() {
    assert_eq!(beside(Felt::Inside, 0.75, &["b/b-1", "c"], 5), (vec!["b/b-1".to_owned()], true));
    let both = |(mut causes, told): (Vec<String>, bool)| {
        causes.sort();
        assert_eq!((causes, told), (vec!["b/b-1".to_owned(), "d/d-1".to_owned()], false));
    };
    both(beside(Felt::Outside, 0.75, &["b/b-1", "c"], 5));
    // No call joins them.
    both(beside(Felt::Inside, 0.75, &["b/b-1", "a"], 5));
    // It has stood for long before.
    both(beside(Felt::Inside, 0.75, &["b/b-1", "c"], 200));
    // It is sure to have a cause of its own.
    both(beside(Felt::Inside, 0.85, &["b/b-1", "c"], 5));
}

#[test]
fn what_waits_for_a_graver_incident_does_not_wait_for_ever() {
    let known = support::line_of_services();
    let mut mild = incident("mild", "d/d-1", "hang", 0.75, 0);
    mild.felt = Felt::Inside;
    // Nobody knows what would help.
    let mut grave = incident("grave", "b/b-1", "unknown", 0.95, 0);
    grave.entities = vec![support::entity("b/b-1"), support::entity("c")];
    let mut planner = planner();
    planner.step(at(0), &[mild, grave], &[], &known);
    let of_mild =
        |planned: theriac_plan::Planned| planned.plans.iter().any(|plan| plan.cause.as_str() == "d/d-1");
    assert!(!of_mild(pass(&mut planner, 5..120, &known)));
    assert!(of_mild(pass(&mut planner, 120..180, &known)));
}

#[test]
fn what_is_about_to_be_over_is_left_alone() {
    for (standing, acts) in [(1, false), (4, true)] {
        let mut one = incident("one", "b/b-1", "hang", 0.9, 0);
        let symptom = one.symptoms.remove(0);
        one.symptoms =
            (0..9).map(|n| SymptomRef { id: Id(format!("symptom-{n}")), ..symptom.clone() }).collect();
        let mut planner = planner();
        let known = support::line_of_services();
        planner.step(at(0), &[one.clone()], &[], &known);
        one.revision = 1;
        one.symptoms[standing..].iter_mut().for_each(|symptom| symptom.state = SymptomState::Closed);
        planner.step(at(10), &[one], &[], &known);
        assert_eq!(pass(&mut planner, 15..60, &known).plans.len(), usize::from(acts), "{standing}");
        // What then stands on is acted upon.
        assert_eq!(pass(&mut planner, 60..90, &known).plans.len(), usize::from(!acts), "{standing}");
    }
}
