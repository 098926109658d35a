//! When something is done while another plan is under way: of the incident itself, or of one beside it.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod support;

use support::{acting, at, entity, hypothesis, incident, line_of_services, outcome, pass, refusals, verdict};
use theriac_contract::{
    Change, Felt, Hypothesis, Incident, OutcomeKind, Plan, Snapshot, VerificationVerdict,
};
use theriac_plan::{Planned, Planner, Playbooks, Settings};

/// Faults by what is done against them: it cannot be undone, it can, it can in part, it has two stages.
const REMEDIES: &str = "
playbooks:
  - fault: hang
    strategies: [{name: restart, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: restart, steps: [{verb: restart, target: cause, settle: 30s}]}]}]
  - fault: memory_leak
    strategies: [{name: restart, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: restart, steps: [{verb: restart, target: cause, settle: 30s}]}]}]
  - fault: cold_cache
    strategies: [{name: spare, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: spare, steps: [{verb: limit, target: cause, compensation: {verb: unlimit}}]}]}]
  - fault: data_corruption
    strategies: [{name: rebuild, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: rebuild, steps: [{verb: rebuild, target: cause, settle: 60s}, {verb: flush, target: cause, settle: 10s}]}]}]
  - fault: thundering_herd
    strategies: [{name: spare_and_flush, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: spare, steps: [{verb: limit, target: cause, compensation: {verb: unlimit}}, {verb: flush, target: cause}]}]}]
  - fault: crash_loop
    strategies: [{name: mild_then_harsh, cost: 1, prior: {successes: 9, failures: 1}, stages: [
      {name: mild, steps: [{verb: restart, target: cause, settle: 30s}]},
      {name: harsh, steps: [{verb: isolate, target: cause, settle: 30s}]}]}]
";

/// Weak evidence is enough: what stands against a plan here is another plan.
fn planner() -> Planner {
    let settings = Settings { probability_min: 0.3, ..acting() };
    Planner::new(settings, Playbooks::parse("test", REMEDIES).unwrap())
}

fn causes(planned: &Planned) -> Vec<&str> {
    planned.plans.iter().map(|plan| plan.cause.as_str()).collect()
}

/// What is done of a plan at a time: its first steps, so many.
fn done(planner: &mut Planner, plan: &Plan, steps: u32, seconds: i64, known: &Snapshot) {
    let said: Vec<_> = (0..steps)
        .flat_map(|step| [OutcomeKind::Intended, OutcomeKind::Succeeded].map(|kind| (step, kind)))
        .map(|(step, kind)| outcome(plan, Some(step), kind, seconds))
        .collect();
    planner.settle(&said, &known.topology);
}

fn sure_of(name: &str, cause: &str, fault: &str, probability: f64, seconds: i64) -> Incident {
    let mut one = incident(name, cause, fault, seconds);
    one.hypotheses[0].probability = probability;
    one
}

/// A plan against such a fault of `a/a-1`, the planner that made it, and an incident next to it, at `b/b-1`.
fn next_to(fault: &str, probability: f64, known: &Snapshot) -> (Planner, Plan) {
    let mut planner = planner();
    planner.step(at(0), &[incident("first", "a/a-1", fault, 0)], &[], known);
    let plan = pass(&mut planner, 5..20, known).plans.remove(0);
    planner.step(at(20), &[sure_of("next", "b/b-1", "hang", probability, 20)], &[], known);
    let made = pass(&mut planner, 25..60, known);
    assert!(made.plans.is_empty() && refusals(&made)[0].0 == "one_hand", "{made:?}");
    (planner, plan)
}

#[test]
fn a_sure_cause_waits_for_the_effect_of_a_plan_next_to_it_and_not_for_its_verdict() {
    let known = line_of_services();
    for (probability, waits) in [(0.8, false), (0.7, true)] {
        let (mut planner, first) = next_to("hang", probability, &known);
        done(&mut planner, &first, 1, 60, &known);
        // Half a minute is what the effect takes to show.
        assert!(pass(&mut planner, 60..90, &known).plans.is_empty(), "{probability}");
        let made = pass(&mut planner, 90..120, &known);
        assert_eq!(made.plans.len(), usize::from(!waits), "{probability}");
        planner.settle(&[outcome(&first, None, OutcomeKind::Completed, 120)], &known.topology);
        let made = pass(&mut planner, 120..130, &known);
        assert_eq!(made.plans.len(), usize::from(waits), "{probability}");
    }
}

/// It may be a try only, whose next stage comes when it failed.
#[test]
fn a_plan_of_which_more_may_come_holds_up_its_neighbours_until_it_ends() {
    let known = line_of_services();
    let (mut planner, first) = next_to("crash_loop", 0.9, &known);
    done(&mut planner, &first, 2, 60, &known);
    assert!(pass(&mut planner, 60..200, &known).plans.is_empty());
    planner.settle(&[outcome(&first, None, OutcomeKind::Completed, 200)], &known.topology);
    assert_eq!(pass(&mut planner, 200..210, &known).plans.len(), 1);
}

#[test]
fn a_plan_is_done_when_each_of_its_steps_is() {
    let known = line_of_services();
    let (mut planner, first) = next_to("thundering_herd", 0.9, &known);
    done(&mut planner, &first, 1, 60, &known);
    assert!(pass(&mut planner, 60..100, &known).plans.is_empty());
    done(&mut planner, &first, 2, 100, &known);
    assert!(pass(&mut planner, 100..115, &known).plans.is_empty());
    assert_eq!(pass(&mut planner, 115..125, &known).plans.len(), 1);
}

/// The step that is done last need not be the one whose effect takes longest.
#[test]
fn the_slowest_step_says_when_the_effect_must_have_shown() {
    let known = line_of_services();
    let (mut planner, first) = next_to("data_corruption", 0.9, &known);
    done(&mut planner, &first, 2, 60, &known);
    assert!(pass(&mut planner, 60..120, &known).plans.is_empty());
    assert_eq!(pass(&mut planner, 120..130, &known).plans.len(), 1);
}

#[test]
fn a_plan_that_was_not_taken_gives_way() {
    let known = line_of_services();
    let mut planner = planner();
    planner.step(at(0), &[incident("one", "b/b-1", "hang", 0)], &[], &known);
    let first = pass(&mut planner, 5..20, &known).plans.remove(0);
    planner.settle(&[outcome(&first, None, OutcomeKind::Refused, 20)], &known.topology);
    // It did not fail, so it is tried again, but not at once.
    assert!(planner.step(at(25), &[], &[], &known).plans.is_empty());
    let made = pass(&mut planner, 30..40, &known);
    assert_eq!(made.plans.iter().map(|plan| plan.strategy.as_str()).collect::<Vec<_>>(), ["restart"]);
}

/// What was under way before goes on, and nothing else is begun until its verdict.
#[test]
fn beside_a_plan_that_was_not_taken_the_one_before_goes_on() {
    let known = line_of_services();
    let (mut planner, first) = told_otherwise(vec![hypothesis("e/e-1", "hang", 0.7)], &known);
    let second = pass(&mut planner, 35..60, &known).plans.remove(0);
    planner.settle(&[outcome(&second, None, OutcomeKind::Refused, 60)], &known.topology);
    assert!(planner.step(at(65), &[], &[], &known).plans.is_empty());
    let failed = verdict(&first, 0, VerificationVerdict::NotRecovered, 70);
    planner.step(at(70), &[], &[failed], &known);
    assert_eq!(causes(&pass(&mut planner, 75..100, &known)), ["e/e-1"]);
}

/// A restart of `b/b-1`, which hangs, made at 20 s, and what the incident is said to be about from 30 s on.
fn told_otherwise(hypotheses: Vec<Hypothesis>, known: &Snapshot) -> (Planner, Plan) {
    let mut planner = planner();
    let mut one = incident("one", "b/b-1", "hang", 0);
    planner.step(at(0), std::slice::from_ref(&one), &[], known);
    let first = planner.step(at(20), &[], &[], known).plans.remove(0);
    one.revision = 1;
    one.hypotheses = hypotheses;
    planner.step(at(30), &[one], &[], known);
    (planner, first)
}

/// Causes and faults of the plans that are made at `b/b-1` beside the first, before its effect must have shown and
/// after that.
fn at_the_same_place(suspects: &[(&str, &str, f64)]) -> [Vec<String>; 2] {
    let known = line_of_services();
    let suspects = suspects.iter().map(|(place, fault, chance)| hypothesis(place, fault, *chance));
    let (mut planner, first) = told_otherwise(suspects.collect(), &known);
    let faults = |planned: Planned| {
        planned.plans.iter().map(|plan| format!("{} {}", plan.cause, plan.fault)).collect::<Vec<_>>()
    };
    let mut early = faults(pass(&mut planner, 35..60, &known));
    done(&mut planner, &first, 1, 60, &known);
    early.extend(faults(pass(&mut planner, 60..90, &known)));
    [early, faults(pass(&mut planner, 90..150, &known))]
}

#[test]
fn another_fault_at_the_same_place_gets_what_can_be_undone_once_the_first_remedy_must_have_shown() {
    let cold = |place: &str| format!("{place} cold_cache");
    let after = |suspects: &[(&str, &str, f64)]| {
        let [early, late] = at_the_same_place(suspects);
        assert_eq!(early, [""; 0]);
        late
    };
    assert_eq!(after(&[("b/b-1", "cold_cache", 0.7), ("b/b-1", "hang", 0.2)]), [cold("b/b-1")]);
    // None of it, or not all of it, could be undone.
    assert_eq!(after(&[("b/b-1", "memory_leak", 0.7)]), [""; 0]);
    assert_eq!(after(&[("b/b-1", "thundering_herd", 0.7)]), [""; 0]);
    // It is not believed in enough; what is said of the instance and of the service goes together.
    assert_eq!(after(&[("b/b-1", "cold_cache", 0.55)]), [""; 0]);
    assert_eq!(after(&[("b/b-1", "cold_cache", 0.35), ("b", "cold_cache", 0.35)]), [cold("b/b-1")]);
    // It is elsewhere, where it may be a trace.
    assert_eq!(after(&[("a/a-1", "cold_cache", 0.7)]), [""; 0]);
    // What is acted against may be it yet.
    assert_eq!(after(&[("b/b-1", "cold_cache", 0.65), ("b/b-1", "hang", 0.35)]), [""; 0]);
    let both = [("b/b-1", "cold_cache", 0.6), ("b/b-1", "hang", 0.2), ("b", "hang", 0.2)];
    assert_eq!(after(&both), [""; 0]);
}

/// What is made beside the restart of `b/b-1`, of which nothing is heard.
fn elsewhere(hypotheses: Vec<Hypothesis>) -> Vec<String> {
    let known = line_of_services();
    let (mut planner, _) = told_otherwise(hypotheses, &known);
    let made = pass(&mut planner, 35..80, &known);
    causes(&made).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_caller_is_acted_on_beside_whom_it_calls_only_for_a_change_of_its_own() {
    let change = Change {
        at: at(-60),
        entity: entity("a"),
        kind: "configuration".to_owned(),
        from: "1".to_owned(),
        to: "2".to_owned(),
        description: String::new(),
    };
    let traces = || hypothesis("a/a-1", "hang", 0.7);
    assert_eq!(elsewhere(vec![traces()]), [""; 0]);
    assert_eq!(elsewhere(vec![Hypothesis { change: Some(change.clone()), ..traces() }]), ["a/a-1"]);
    // The change is no reason while the first cause may be it.
    let both = vec![Hypothesis { change: Some(change), ..traces() }, hypothesis("b/b-1", "hang", 0.3)];
    assert_eq!(elsewhere(both), [""; 0]);
}

#[test]
fn suspicions_of_one_service_go_together() {
    let at = |suspects: &[(&str, &str, f64)]| {
        elsewhere(suspects.iter().map(|(place, fault, chance)| hypothesis(place, fault, *chance)).collect())
    };
    assert_eq!(at(&[("e/e-1", "hang", 0.35), ("e/e-1", "memory_leak", 0.35)]), ["e/e-1"]);
    assert_eq!(at(&[("e/e-1", "hang", 0.35), ("e/e-2", "hang", 0.35)]), ["e/e-1"]);
    assert_eq!(at(&[("e/e-1", "hang", 0.35), ("f/f-1", "hang", 0.35)]), [""; 0]);
    // So do those of what is acted on.
    assert_eq!(at(&[("e/e-1", "hang", 0.6), ("b/b-1", "hang", 0.2)]), ["e/e-1"]);
    assert_eq!(at(&[("e/e-1", "hang", 0.6), ("b/b-1", "hang", 0.2), ("b/b-2", "hang", 0.2)]), [""; 0]);
}

/// When the plan of an incident is made that nobody outside feels, beside one that is felt, begun with it, whose plan
/// is done at a time; or not within four minutes.
fn made_beside_a_graver(done_at: Option<i64>) -> Option<i64> {
    let known = line_of_services();
    let mut mild = sure_of("mild", "d/d-1", "hang", 0.75, 0);
    mild.felt = Felt::Inside;
    // They share a call, but what is acted on is not next to `d`.
    let mut grave = incident("grave", "b/b-1", "hang", 0);
    grave.entities.push(entity("c"));
    let mut planner = planner();
    planner.step(at(0), &[mild, grave], &[], &known);
    let first = pass(&mut planner, 5..20, &known).plans.remove(0);
    assert_eq!(first.cause, entity("b/b-1"));
    (20..240).step_by(5).find(|second| {
        if done_at == Some(*second) {
            done(&mut planner, &first, 1, *second, &known);
        }
        !planner.step(at(*second), &[], &[], &known).plans.is_empty()
    })
}

#[test]
fn what_nobody_feels_waits_for_the_effect_of_what_is_done_about_a_graver_incident() {
    // It may take until the graver is given up.
    assert_eq!(made_beside_a_graver(None), None);
    // Its effect must have shown at 70 s, but another remedy may be found for it within two minutes.
    assert_eq!(made_beside_a_graver(Some(40)), Some(125));
    assert_eq!(made_beside_a_graver(Some(130)), Some(160));
}
