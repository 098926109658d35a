//! What no plan may do: too much at once, at the wrong time, beside another, on one witness.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod support;

use proptest::prelude::*;
use support::{
    acting, at, entity, hypothesis, incident, line_of_services, minutes, outcome, pass, planner, policy,
    refusals,
};
use theriac_contract::{Checkpointed, EdgeKind, OutcomeKind, Plan, Snapshot};
use theriac_plan::{
    Planned, Planner, Playbooks, Settings,
    settings::{Blast, Storm},
};

/// What is decided within a minute about crash loops of instances, all at once.
fn decided(planner: &mut Planner, causes: &[&str], known: &Snapshot) -> Planned {
    let incidents: Vec<_> =
        causes.iter().map(|cause| incident(&cause.replace('/', "-"), cause, "crash_loop", 0)).collect();
    planner.step(at(0), &incidents, &[], known);
    pass(planner, 5..60, known)
}

fn budget(budget: f64) -> Settings {
    Settings { blast: Blast { budget, ..Blast::default() }, ..acting() }
}

#[test]
fn a_plan_needs_room_in_the_budget_and_what_was_not_done_is_given_back() {
    // One of three instances of a service whose calls nobody counted: a third of all.
    let known = line_of_services();
    let mut planner = planner(budget(0.5));
    let made = decided(&mut planner, &["a/a-1", "d/d-1"], &known);
    assert_eq!(made.plans.len(), 1);
    let text = "it acts on 0.333 of the traffic; of a budget of 0.5 within 30m, 0.333 are taken";
    assert!(refusals(&made).contains(&("blast_budget", text)), "{:?}", refusals(&made));
    // The first was refused by who acts: nothing of it was done, so the second has room.
    planner.settle(&[outcome(&made.plans[0], None, OutcomeKind::Refused, 60)], &known.topology);
    let next = pass(&mut planner, 65..70, &known);
    assert_eq!(next.plans.len(), 1);
    // The second was done: its share comes back over the window.
    planner.settle(
        &[
            outcome(&next.plans[0], Some(0), OutcomeKind::Intended, 70),
            outcome(&next.plans[0], None, OutcomeKind::Completed, 80),
        ],
        &known.topology,
    );
    let third = [incident("third", "f/f-1", "crash_loop", 80)];
    planner.step(at(80), &third, &[], &known);
    assert!(pass(&mut planner, 85..600, &known).plans.is_empty());
    assert_eq!(
        pass(&mut planner, 600..900, &known).plans.len(),
        1,
        "0.334 of 0.5 in 1800 s: room after 600 s"
    );
}

#[test]
fn a_dry_run_spends_nothing() {
    let known = line_of_services();
    let mut planner = planner(Settings { dry_run: true, ..budget(0.5) });
    let made = decided(&mut planner, &["a/a-1"], &known);
    assert!(made.plans[0].dry_run);
    let ends = |kind, step| outcome(&made.plans[0], step, kind, 60);
    planner
        .settle(&[ends(OutcomeKind::Intended, Some(0)), ends(OutcomeKind::Completed, None)], &known.topology);
    planner.step(at(60), &[incident("2", "d/d-1", "crash_loop", 60)], &[], &known);
    assert_eq!(pass(&mut planner, 65..90, &known).plans.len(), 1);
}

#[test]
fn what_cannot_be_taken_back_is_counted() {
    let settings = Settings { blast: Blast { irreversible_per_hour: 1, ..Blast::default() }, ..acting() };
    let known = line_of_services();
    let mut planner = planner(settings);
    let full = |name: &str, cause: &str, seconds| incident(name, cause, "storage_exhaustion", seconds);
    planner.step(at(0), &[full("1", "a/a-1", 0), full("2", "d/d-1", 0)], &[], &known);
    let made = pass(&mut planner, 5..60, &known);
    assert_eq!(made.plans.len(), 1);
    assert_eq!(made.plans[0].strategy, "purge_logs");
    let text = "1 steps that cannot be taken back were done within an hour, 1 more would be; 1 are allowed";
    assert!(refusals(&made).contains(&("irreversible_budget", text)), "{:?}", refusals(&made));
    assert!(pass(&mut planner, 60..3_500, &known).plans.is_empty());
    assert_eq!(pass(&mut planner, 3_500..3_700, &known).plans.len(), 1);
}

#[test]
fn one_witness_is_not_enough_for_what_cannot_be_taken_back() {
    let known = line_of_services();
    let mut planner = planner(acting());
    let mut full = incident("1", "a/a-1", "storage_exhaustion", 0);
    full.hypotheses[0].evidence_for.truncate(1);
    planner.step(at(0), std::slice::from_ref(&full), &[], &known);
    let made = pass(&mut planner, 5..60, &known);
    assert!(made.plans.is_empty());
    let (_, detail) = *refusals(&made).iter().find(|(reason, _)| *reason == "quorum").unwrap();
    assert!(
        detail.starts_with(
            "`purge_logs` cannot be taken back, but only symptoms of the suspect speak for it; 1 more of these is \
             needed: logs, who calls whom"
        ),
        "{detail}"
    );
    full.revision = 1;
    full.hypotheses = vec![hypothesis("a/a-1", "storage_exhaustion", 0.9)];
    assert_eq!(planner.step(at(60), &[full], &[], &known).plans.len(), 1, "a second one came");
}

#[test]
fn maintenance_spares_whom_it_names_and_whoever_holds_them() {
    let known = line_of_services();
    let once = |targets: &str| {
        let text = format!(
            "maintenance: [{{name: release, targets: [{targets}], from: 2026-01-05T11:00:00Z, to: 2026-01-05T12:00:30Z}}]"
        );
        let mut planner = planner(policy(&text));
        let made = decided(&mut planner, &["a/a-1"], &known);
        let refused = refusals(&made)
            .iter()
            .any(|(reason, detail)| *reason == "maintenance" && detail.starts_with("`release` spares a"));
        (refused, made.plans.len())
    };
    assert_eq!(once("a"), (true, 1), "it is over at half a minute past noon");
    assert_eq!(once("a/a-1"), (true, 1));
    assert_eq!(once("b, a/a-2"), (false, 1));
    let weekly = r#"maintenance: [{name: nightly, targets: ["*"], weekly: [{days: [mon], from: "10:00", to: "14:00"}]}]"#;
    let mut planner = planner(policy(weekly));
    assert!(decided(&mut planner, &["a/a-1"], &known).plans.is_empty());
}

#[test]
fn a_host_is_spared_if_something_that_runs_there_is() {
    let mut known = line_of_services();
    known.topology.connect(&entity("a/a-1"), &entity("host:h"), EdgeKind::RunsOn);
    let spared = r#"maintenance: [{name: m, targets: [a/a-1], weekly: [{from: "00:00", to: "24:00"}]}]"#;
    let mut planner = planner(policy(spared));
    planner.step(at(0), &[incident("1", "host:h", "host_fault", 0)], &[], &known);
    let made = pass(&mut planner, 5..60, &known);
    assert!(made.plans.is_empty());
    assert!(refusals(&made).contains(&("maintenance", "`m` spares a/a-1 now")), "{:?}", refusals(&made));
}

#[test]
fn nobody_acts_next_to_whom_another_acts_on() {
    let known = line_of_services();
    let mut planner = planner(acting());
    let made = decided(&mut planner, &["a/a-1", "b/b-1", "d/d-1"], &known);
    let on: Vec<&str> = made.plans.iter().map(|plan| plan.cause.service()).collect();
    assert_eq!(on, ["a", "d"]);
    let text = format!("{} acts on a, which is next to b", made.plans[0].id.short());
    assert!(refusals(&made).contains(&("one_hand", text.as_str())), "{:?}", refusals(&made));
    planner.settle(&[outcome(&made.plans[0], None, OutcomeKind::Completed, 60)], &known.topology);
    assert_eq!(pass(&mut planner, 65..70, &known).plans.len(), 1, "the first has ended");
    let mut free = self::planner(Settings { neighbours_apart: false, ..acting() });
    assert_eq!(decided(&mut free, &["a/a-1", "b/b-1"], &known).plans.len(), 2);
}

fn planner_in_storms(storm: Storm) -> Planner {
    planner(Settings { storm, neighbours_apart: false, ..acting() })
}

#[test]
fn in_a_storm_only_what_is_mild_is_tried() {
    let known = line_of_services();
    let causes = ["a/a-1", "b/b-1", "c/c-1", "d/d-1"];
    let made = decided(&mut planner_in_storms(Storm::default()), &causes, &known);
    assert!(made.plans.iter().all(|plan| plan.strategy == "isolate_instance"), "it can be undone");
    assert_eq!(made.plans.len(), 4);
    let text = "4 of 6 services cause an open incident; above 50 % it is a storm; only what is mild and can be \
                undone is tried";
    assert!(refusals(&made).contains(&("storm", text)), "{:?}", refusals(&made));
    let calm = decided(&mut planner_in_storms(Storm::default()), &causes[..3], &known);
    assert!(calm.plans.iter().all(|plan| plan.strategy != "isolate_instance"), "half is not more than half");
    let strict = Storm { mild_risk: 0.01, ..Storm::default() };
    assert!(decided(&mut planner_in_storms(strict), &causes, &known).plans.is_empty());
}

#[test]
fn many_incidents_in_a_short_time_are_a_storm() {
    let known = line_of_services();
    let storm = Storm { incidents: 1, window: minutes(5), ..Storm::default() };
    let mut planner = planner_in_storms(storm);
    let made = decided(&mut planner, &["a/a-1", "d/d-1"], &known);
    assert!(made.plans.iter().all(|plan| plan.strategy == "isolate_instance"));
    let text = "2 incidents were opened within 5m; above 1 it is a storm; only what is mild and can be undone is tried";
    assert!(refusals(&made).contains(&("storm", text)), "{:?}", refusals(&made));
    planner.step(at(400), &[incident("later", "f/f-1", "crash_loop", 400)], &[], &known);
    let later = pass(&mut planner, 405..430, &known);
    assert!(later.plans.iter().any(|plan| plan.strategy != "isolate_instance"), "it has passed");
}

/// Share of a plan of one of these services: a third of a service, whole services of unknown traffic.
fn thirds(plan: &Plan) -> usize {
    plan.steps().map(|step| if step.action.target.is_instance() { 1 } else { 3 }).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Incidents, outcomes, time and restarts in whatever order: plans that are under way or were
    /// begun within the window never take more than the budget, beyond what has come back.
    #[test]
    fn the_budget_holds_over_all_incidents(
        moves in prop::collection::vec((0..6_usize, 0..3_usize, 0..5_u8, 1..300_i64), 1..40),
    ) {
        const BUDGET: f64 = 1.0;
        let known = line_of_services();
        let settings = Settings {
            neighbours_apart: false, actions_per_target_max: 100, ..budget(BUDGET)
        };
        let new = || Planner::new(settings.clone(), Playbooks::builtin());
        let mut planner = new();
        let mut second = 0;
        let mut open: Vec<Plan> = Vec::new();
        let mut done: Vec<(i64, usize)> = Vec::new();
        for (number, (service, instance, what, pause)) in moves.into_iter().enumerate() {
            second += pause;
            // None is left until it is given up for lost.
            let old = |plan: &Plan| at(second).since(plan.at) >= minutes(10);
            for plan in open.extract_if(.., |plan| old(plan)).collect::<Vec<_>>() {
                let begun = plan.steps().map(|step| outcome(&plan, Some(step.index), OutcomeKind::Intended, second));
                let mut said: Vec<_> = begun.collect();
                said.push(outcome(&plan, None, OutcomeKind::Completed, second));
                planner.settle(&said, &known.topology);
                done.push((second, thirds(&plan)));
            }
            let name = ["a", "b", "c", "d", "e", "f"][service];
            match what {
                0 | 1 => {
                    let cause = format!("{name}/{name}-{}", instance + 1);
                    let news = [incident(&number.to_string(), &cause, "crash_loop", second)];
                    open.extend(planner.step(at(second), &news, &[], &known).plans);
                }
                2 if !open.is_empty() => {
                    let plan = open.remove(service % open.len());
                    let begun = instance > 0;
                    let mut said = Vec::new();
                    if begun {
                        said.extend(plan.steps().map(|step| outcome(&plan, Some(step.index), OutcomeKind::Intended, second)));
                        done.push((second, thirds(&plan)));
                    }
                    said.push(outcome(&plan, None, OutcomeKind::Completed, second));
                    planner.settle(&said, &known.topology);
                }
                3 => {
                    let saved = planner.snapshot().unwrap();
                    planner = new();
                    planner.restore(&saved).unwrap();
                    prop_assert_eq!(planner.snapshot().unwrap(), saved);
                }
                _ => open.extend(planner.step(at(second), &[], &[], &known).plans),
            }
            let reserved: usize = open.iter().map(thirds).sum();
            for (from, _) in done.iter().chain([&(second, 0)]) {
                let spent: usize = done.iter().filter(|(time, _)| time >= from).map(|(_, share)| share).sum();
                let taken = (spent + reserved) as f64 / 3.0;
                let allowed = BUDGET * (1.0 + (second - from) as f64 / 1_800.0);
                prop_assert!(taken <= allowed + 1e-5, "{taken} of {allowed}");
            }
        }
    }
}
