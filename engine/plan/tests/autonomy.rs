//! How far plans go by themselves: levels, approvals, pauses.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod support;

use support::{
    acting, at, entity, hypothesis, incident, line_of_services, minutes, over, pass, planner, policy,
    refusals, ruled,
};
use theriac_contract::{
    Autonomy, Awaiting, Checkpointed, EdgeKind, Fact, Hold, HoldKind, Id, Plan, Snapshot,
};
use theriac_plan::{Planned, Planner, Policy, Settings};

/// What is decided within a minute about a crash loop of one instance.
fn decided(settings: Settings) -> Planned {
    let mut planner = planner(settings);
    let known = Snapshot::default();
    planner.step(at(0), &[incident("1", "cart/cart-1", "crash_loop", 0)], &[], &known);
    pass(&mut planner, 5..60, &known)
}

#[test]
fn without_a_policy_a_plan_is_done() {
    let made = decided(acting());
    assert_eq!(made.plans.len(), 1);
    assert_eq!((made.plans[0].autonomy, made.plans[0].awaiting), (Autonomy::Act, None));
    assert_eq!(made.to_begin().count(), 1);
    assert!((made.plans[0].propensity - 1.0).abs() < f64::EPSILON);
}

#[test]
fn what_may_be_observed_only_gets_no_plan_and_the_rule_is_named() {
    let made = decided(policy("rules: [{name: hands off, match: {targets: [cart]}, autonomy: observe}]"));
    assert!(made.plans.is_empty());
    assert!(
        refusals(&made).contains(&("observe", "the policy's rule `hands off` lets it be observed only")),
        "{:?}",
        refusals(&made)
    );
    let made = decided(policy("default: observe"));
    assert!(refusals(&made).contains(&("observe", "the policy's default lets it be observed only")));
}

#[test]
fn who_is_turned_away_is_a_matter_of_the_service_that_he_asks() {
    let turned_away = |settings: Settings| {
        let mut planner = planner(settings);
        let mut abuse = incident("1", "frontend", "abusive_tenant", 0);
        abuse.hypotheses[0].instances = vec![entity("tenant:7")];
        planner.step(at(0), &[abuse], &[], &Snapshot::default());
        pass(&mut planner, 5..60, &Snapshot::default())
    };
    let made = turned_away(acting());
    let action = &made.plans[0].steps().next().unwrap().action;
    assert_eq!((action.verb.as_str(), action.target.as_str()), ("quarantine", "tenant:7"));
    let undo = made.plans[0].steps().next().unwrap().compensation.as_ref().unwrap();
    assert_eq!((undo.verb.as_str(), undo.target.as_str()), ("release", "tenant:7"));
    let made = turned_away(policy("rules: [{name: ours, match: {targets: [frontend]}, autonomy: approve}]"));
    assert_eq!(made.plans[0].autonomy, Autonomy::Approve);
}

#[test]
fn a_suggestion_is_published_once_and_not_begun() {
    let made = decided(policy("default: suggest"));
    assert_eq!(made.plans.len(), 1, "it is not repeated");
    assert_eq!(made.plans[0].autonomy, Autonomy::Suggest);
    assert_eq!(made.to_begin().count(), 0);
}

#[test]
fn the_strictest_of_all_rules_that_match_any_step_decides() {
    let rules = |rules: &str| decided(policy(&format!("rules: [{rules}]"))).plans[0].autonomy;
    let act = "{name: a, autonomy: act}";
    let strict = "{name: b, match: {verbs: [res*], classes: [permanent]}, autonomy: approve}";
    assert_eq!(rules(&format!("{act}, {strict}")), Autonomy::Approve);
    assert_eq!(rules(&format!("{strict}, {act}")), Autonomy::Approve);
    let other = "{name: c, match: {faults: [memory_leak]}, autonomy: observe}";
    assert_eq!(rules(&format!("{other}, {act}")), Autonomy::Act);
    // Everything that a rule names has to fit.
    let half = "{name: d, match: {targets: [cart], verbs: [drain]}, autonomy: approve}";
    assert_eq!(rules(half), Autonomy::Act);
}

#[test]
fn a_rule_holds_at_its_times() {
    // It is noon on a Monday.
    let at_times = |times: &str| {
        let rule = format!("rules: [{{name: n, match: {{times: [{times}]}}, autonomy: approve}}]");
        decided(policy(&rule)).plans[0].autonomy
    };
    assert_eq!(at_times(r#"{from: "11:00", to: "13:00"}"#), Autonomy::Approve);
    assert_eq!(at_times(r#"{days: [tue], from: "11:00", to: "13:00"}"#), Autonomy::Act);
    assert_eq!(at_times(r#"{days: [sun], from: "22:00", to: "13:00"}"#), Autonomy::Approve);
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_line_and_mend() {
    let error =
        |yaml: &str| serde_saphyr::from_str::<Policy>(yaml).unwrap_err().without_snippet().to_string();
    let text = error("rules:\n  - name: a\n    autonomy: approv\n");
    assert!(text.contains("approv") && text.contains("approve"), "{text}");
    let text = error("maintenance:\n  - {name: m, targets: [cart], from: 2026-01-01T00:00:00Z}\n");
    assert!(text.contains("maintenance `m`: give either `from` and `to`, or `weekly`"), "{text}");
    let text =
        error("maintenance:\n  - {name: m, targets: [], weekly: [{from: \"01:00\", to: \"02:00\"}]}\n");
    assert!(text.contains("`targets` is empty"), "{text}");
    let text = error("rules:\n  - {name: a, match: {targets: [\"*a\"]}, autonomy: act}\n");
    assert!(text.contains("`*a` is no pattern"), "{text}");
    let twice = policy("rules: [{name: a, autonomy: act}, {name: a, autonomy: act}]");
    assert_eq!(twice.problems(), ["policy: rule `a` is there already; rename one"]);
}

const APPROVE: &str = "default: approve";

/// A planner with one plan that waits.
fn waiting() -> (Planner, Plan) {
    let mut planner = planner(policy(APPROVE));
    let known = Snapshot::default();
    planner.step(at(0), &[incident("1", "cart/cart-1", "crash_loop", 0)], &[], &known);
    let made = pass(&mut planner, 5..60, &known);
    assert_eq!(made.plans.len(), 1);
    assert_eq!(made.to_begin().count(), 0);
    (planner, made.plans[0].clone())
}

/// Saved and restored in the middle, it must not make a difference.
fn restored(planner: &Planner) -> Planner {
    let saved = planner.snapshot().unwrap();
    let mut other = self::planner(policy(APPROVE));
    other.restore(&saved).unwrap();
    assert_eq!(other.snapshot().unwrap(), saved);
    other
}

#[test]
fn a_plan_waits_until_it_is_approved_by_its_id() {
    let (planner, plan) = waiting();
    assert_eq!((plan.autonomy, plan.awaiting), (Autonomy::Approve, Some(Awaiting::Approval)));
    assert_eq!(plan.expires, plan.at.plus(minutes(30)));
    assert_eq!(plan.clone().sealed().id, plan.id, "the id is the digest of the content");
    let mut planner = restored(&planner);
    let approved = planner.step(at(60), &[], &[], &ruled(&plan.id, true));
    assert_eq!(approved.approved, std::slice::from_ref(&plan));
    assert_eq!(approved.to_begin().collect::<Vec<_>>(), [&plan]);
    assert!(pass(&mut planner, 65..200, &ruled(&plan.id, true)).approved.is_empty(), "once");
}

#[test]
fn approving_something_else_is_refused() {
    let (mut planner, plan) = waiting();
    let other = planner.step(at(60), &[], &[], &ruled(&Id("plan-0f0b0d9e".to_owned()), true));
    assert!(other.approved.is_empty());
    let text = "ada approved plan-0f0b0d9e, but: no plan of that id waits for a person";
    assert_eq!(refusals(&other), [("approval_void", text)]);
    let again = planner.step(at(65), &[], &[], &ruled(&Id("plan-0f0b0d9e".to_owned()), true));
    assert!(refusals(&again).is_empty(), "it is told once");
    assert!(planner.step(at(70), &[], &[], &Snapshot::default()).plans.is_empty(), "{} waits on", plan.id);
}

#[test]
fn what_a_person_rejects_is_not_proposed_again() {
    let (mut planner, plan) = waiting();
    let rejected = planner.step(at(60), &[], &[], &ruled(&plan.id, false));
    let text = format!("{} was rejected by ada: I looked", plan.id.short());
    assert_eq!(refusals(&rejected)[0], ("rejected", text.as_str()));
    let later = pass(&mut planner, 65..120, &ruled(&plan.id, false));
    assert!(rejected.plans.iter().chain(&later.plans).all(|other| other.strategy != plan.strategy));
}

#[test]
fn an_approval_that_comes_too_late_is_refused() {
    let (mut planner, plan) = waiting();
    let late = planner.step(at(3_600), &[], &[], &ruled(&plan.id, true));
    let text =
        format!("{} was approved by ada too late: it was good until {}", plan.id.short(), plan.expires);
    assert!(refusals(&late).contains(&("approval_expired", text.as_str())), "{:?}", refusals(&late));
    assert!(late.approved.is_empty());
    assert!(late.plans.iter().all(|other| other.id != plan.id));
}

#[test]
fn a_plan_that_nobody_approves_expires_and_another_is_made() {
    let (mut planner, plan) = waiting();
    let later = pass(&mut planner, 60..2_000, &Snapshot::default());
    let text = format!("nobody approved {} until {}", plan.id.short(), plan.expires);
    assert!(refusals(&later).contains(&("approval_expired", text.as_str())));
    assert_eq!(later.plans.len(), 1);
    let old = planner.step(at(2_005), &[], &[], &ruled(&plan.id, true));
    let text = format!("ada approved {}, but: {text}", plan.id.short());
    assert_eq!(refusals(&old), [("approval_void", text.as_str())], "it is superseded");
}

#[test]
fn evidence_that_has_moved_on_withdraws_a_plan_whoever_approves_it() {
    let (mut planner, plan) = waiting();
    let mut moved = incident("1", "cart/cart-1", "crash_loop", 0);
    moved.hypotheses[0].rank = 2;
    moved.hypotheses.insert(0, hypothesis("db", "storage_exhaustion", 0.6));
    let news = planner.step(at(60), &[moved], &[], &ruled(&plan.id, true));
    let text = format!(
        "{} answers crash_loop cart/cart-1; the evidence has moved on to storage_exhaustion db",
        plan.id.short()
    );
    assert!(refusals(&news).contains(&("evidence_moved_on", text.as_str())), "{:?}", refusals(&news));
    assert!(news.approved.is_empty());
}

#[test]
fn the_end_of_the_incident_withdraws_a_plan() {
    let (mut planner, plan) = waiting();
    let news = planner.step(
        at(60),
        &[over(incident("1", "cart/cart-1", "crash_loop", 0), 60)],
        &[],
        &ruled(&plan.id, true),
    );
    let text = format!("{} is not done: the incident is over", plan.id.short());
    assert!(refusals(&news).contains(&("incident_over", text.as_str())), "{:?}", refusals(&news));
    assert!(news.approved.is_empty());
}

#[test]
fn nothing_is_planned_while_acting_is_paused_and_what_is_approved_waits() {
    let hold = |kind| Hold { kind, since: at(0), by: "ada".to_owned(), reason: "a release".to_owned() };
    for kind in [HoldKind::Pause, HoldKind::Kill] {
        let mut known = Snapshot::default();
        known.control.hold = Some(hold(kind));
        let mut planner = planner(acting());
        planner.step(at(0), &[incident("1", "cart/cart-1", "crash_loop", 0)], &[], &known);
        let made = pass(&mut planner, 5..60, &known);
        assert!(made.plans.is_empty());
        let text = format!("acting is {} since {} by ada: a release", kind.participle(), at(0));
        assert!(refusals(&made).contains(&("held", text.as_str())));
        assert_eq!(pass(&mut planner, 60..70, &Snapshot::default()).plans.len(), 1, "it goes on afterwards");
    }
    let (mut planner, plan) = waiting();
    let mut known = ruled(&plan.id, true);
    known.control.hold = Some(hold(HoldKind::Pause));
    assert!(pass(&mut planner, 60..120, &known).approved.is_empty());
    known.control.hold = None;
    assert_eq!(pass(&mut planner, 120..130, &known).approved, [plan]);
}

#[test]
fn every_step_of_a_wait_for_approval_is_a_fact() {
    let (_, plan) = waiting();
    assert!(matches!(
        decided(policy(APPROVE)).facts.iter().find(|fact| matches!(fact, Fact::Planned { .. })),
        Some(Fact::Planned { plan: made, .. }) if *made == plan.id
    ));
}

#[test]
fn a_plan_that_another_policy_let_wait_is_withdrawn() {
    let (waiting, plan) = waiting();
    let mut stricter = planner(policy("default: suggest"));
    stricter.restore(&waiting.snapshot().unwrap()).unwrap();
    let news = stricter.step(at(60), &[], &[], &ruled(&plan.id, true));
    let now = stricter.policy_version();
    let text = format!("{} was made under policy {}; now {now} holds", plan.id.short(), plan.policy_version);
    assert!(refusals(&news).contains(&("policy_changed", text.as_str())), "{:?}", refusals(&news));
    assert_eq!(news.to_begin().count(), 0);
}

#[test]
fn whoever_drains_a_host_needs_leave_for_all_that_runs_there() {
    let mut known = line_of_services();
    for guest in ["a/a-1", "b/b-1"] {
        known.topology.connect(&entity(guest), &entity("host:h"), EdgeKind::RunsOn);
    }
    let level = |yaml: &str| {
        let mut planner = planner(policy(yaml));
        planner.step(at(0), &[incident("1", "host:h", "host_fault", 0)], &[], &known);
        pass(&mut planner, 5..60, &known).plans.first().map(|plan| plan.autonomy)
    };
    assert_eq!(
        level("rules: [{name: b, match: {targets: [b]}, autonomy: approve}]"),
        Some(Autonomy::Approve)
    );
    assert_eq!(
        level("rules: [{name: b, match: {targets: [b/b-2]}, autonomy: approve}]"),
        Some(Autonomy::Act)
    );
    // Leave for one of them is none for the host.
    let some = "default: observe\nrules: [{name: n, match: {targets: [a, \"host:*\"]}, autonomy: act}]";
    assert_eq!(level(some), None);
    let all = "default: observe\nrules: [{name: n, match: {targets: [a, b, \"host:*\"]}, autonomy: act}]";
    assert_eq!(level(all), Some(Autonomy::Act));
}

#[test]
fn an_approval_is_taken_back_as_long_as_nothing_was_begun() {
    let (mut planner, plan) = waiting();
    let mut known = ruled(&plan.id, true);
    known.control.hold =
        Some(Hold { kind: HoldKind::Pause, since: at(0), by: String::new(), reason: String::new() });
    assert!(planner.step(at(60), &[], &[], &known).approved.is_empty());
    known.control.rule(&plan.id, false, at(65), "bob", "on second thoughts");
    let news = planner.step(at(65), &[], &[], &known);
    let text = format!("{} was rejected by bob: on second thoughts", plan.id.short());
    assert!(refusals(&news).contains(&("rejected", text.as_str())), "{:?}", refusals(&news));
    known.control.hold = None;
    assert!(pass(&mut planner, 70..100, &known).approved.is_empty());
}
