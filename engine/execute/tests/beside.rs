//! A plan whose verdict falls due while another plan is under way: what that is about to cure is not held
//! against it.

mod support;

use support::{action, at, incident, plan, run, step};
use theriac_contract::{
    Direction, Entity, Id, Incident, IncidentPhase, Interval, OutcomeKind, Plan, Step, SymptomRef,
    SymptomState, Timestamp, Verification, VerificationVerdict,
};

const OPEN: SymptomState = SymptomState::Open;
const CLOSED: SymptomState = SymptomState::Closed;

fn entity(name: &str) -> Entity {
    Entity(name.to_owned())
}

/// A remedy of `cart/cart-2` that can be undone. Begun at 0 s it is done at 5 s and settled at 15 s, and its
/// verdict is due at 75 s.
fn remedy() -> Plan {
    plan("isolate", vec![vec![step(0, "isolate", "cart/cart-2", Some("restore"))]])
}

/// A plan of another incident, whose verdict is due long after that on the remedy.
fn other() -> Plan {
    let mut restart = step(0, "restart", "bank/bank-1", None);
    restart.verify_within = Interval::from_seconds(400);
    let incident = Id::derive("incident", &["two"]);
    Plan { incident, ..plan("restart", vec![vec![restart]]) }.sealed()
}

/// The incident of the other plan. It stands until `over`.
fn of_other(over: Option<i64>) -> Vec<(i64, Incident)> {
    let told = |second, revision, phase, state| {
        let id = Id::derive("incident", &["two"]);
        (second, Incident { id, ..incident(second, revision, phase, &[state]) })
    };
    let ends = over.map(|second| told(second, 1, IncidentPhase::Resolved, CLOSED));
    [told(0, 0, IncidentPhase::Opened, OPEN)].into_iter().chain(ends).collect()
}

/// The incident of the remedy: one symptom of what is acted on and two of a caller. Few of them end, so the verdict
/// is not put off because it gets better.
fn told(second: i64, revision: u32, own: SymptomState, callers: SymptomState) -> Incident {
    let phase = if revision == 0 { IncidentPhase::Opened } else { IncidentPhase::Updated };
    let mut told = incident(second, revision, phase, &[own, callers, callers]);
    told.symptoms[1..].iter_mut().for_each(|symptom| symptom.entity = entity("shop"));
    told
}

/// The verdict on the remedy, and what was done then: with other plans by second, with the incident of these, and
/// with symptoms of the own incident as `changed`.
fn verdict_beside(
    others: &[(i64, Plan)],
    of_others: Vec<(i64, Incident)>,
    changed: &dyn Fn(&mut [SymptomRef]),
) -> (Verification, OutcomeKind) {
    let mut own = [(0, told(0, 0, OPEN, OPEN)), (30, told(30, 1, CLOSED, OPEN))];
    own.iter_mut().for_each(|(_, incident)| changed(&mut incident.symptoms));
    let incidents: Vec<_> = own.into_iter().chain(of_others).collect();
    let plans: Vec<_> = [(0, remedy())].into_iter().chain(others.iter().cloned()).collect();
    let (all, _) = run(&plans, &incidents, 700);
    let remedy = remedy().id;
    let verdict = all.verifications.iter().find(|one| one.plan == remedy);
    let end = all.outcomes.iter().rfind(|one| one.plan == remedy);
    (verdict.expect("it is judged").clone(), end.expect("it ends").kind)
}

/// When the verdict falls beside another plan, which is begun at 20 s.
fn at_beside(other: Plan) -> Timestamp {
    verdict_beside(&[(20, other)], of_other(None), &|_| {}).0.at
}

/// The first tick after 75 s.
const DUE: i64 = 80;

#[test]
fn what_is_cured_itself_is_not_found_wanting_while_another_plan_is_under_way() {
    let (alone, end) = verdict_beside(&[], of_other(None), &|_| {});
    assert_eq!((alone.at, alone.verdict), (at(DUE), VerificationVerdict::NotRecovered));
    assert_eq!(end, OutcomeKind::Abandoned);
    // As long again, and once more: due 60 s after the effect settled, at 195 s at last.
    let (beside, end) = verdict_beside(&[(20, other())], of_other(None), &|_| {});
    assert_eq!((beside.at, beside.verdict), (at(200), VerificationVerdict::NotRecovered));
    assert_eq!(end, OutcomeKind::Abandoned);
    // Once the other is judged there is nothing left to wait for.
    assert_eq!(verdict_beside(&[(20, other())], of_other(Some(120)), &|_| {}).0.at, at(120));
}

#[test]
fn what_is_cured_with_the_help_of_another_plan_is_kept() {
    let mut incidents = vec![
        (0, told(0, 0, OPEN, OPEN)),
        (30, told(30, 1, CLOSED, OPEN)),
        (110, told(110, 2, CLOSED, CLOSED)),
    ];
    incidents.extend(of_other(None));
    let (all, sent) = run(&[(0, remedy()), (20, other())], &incidents, 700);
    let verdict = &all.verifications[0];
    // Nor is that put off.
    assert_eq!((verdict.at, verdict.verdict), (at(110), VerificationVerdict::Recovered));
    assert!(sent.iter().all(|command| !command.compensation));
}

/// Some of what is acted on must be known to be over.
#[test]
fn what_may_not_be_cured_itself_is_judged_when_it_is_due() {
    let due = |changed: &dyn Fn(&mut [SymptomRef])| {
        let (verdict, _) = verdict_beside(&[(20, other())], of_other(None), changed);
        assert_eq!(verdict.verdict, VerificationVerdict::NotRecovered);
        verdict.at
    };
    assert_eq!(due(&|_| {}), at(200));
    assert_eq!(due(&|symptoms| symptoms[0].state = OPEN), at(DUE), "it stands");
    assert_eq!(due(&|symptoms| symptoms[0].state = SymptomState::Lost), at(DUE), "nothing is heard of it");
    assert_eq!(due(&|symptoms| symptoms[0].entity = entity("shop")), at(DUE), "it never showed anything");
    assert_eq!(due(&|symptoms| symptoms[0].entity = entity("cart/cart-1")), at(DUE), "nor do its peers");
    assert_eq!(due(&|symptoms| symptoms[0].direction = Direction::Down), at(DUE), "that may be the action");
    assert_eq!(due(&|symptoms| symptoms[1].peer = Some(entity("cart/cart-2"))), at(DUE), "it is said of it");
}

#[test]
fn a_plan_counts_beside_another_only_if_it_may_cure_something() {
    assert_eq!(at_beside(other()), at(200));
    let elsewhere = Plan { domain: "elsewhere".to_owned(), ..other() };
    assert_eq!(at_beside(elsewhere.sealed()), at(DUE));
    assert_eq!(at_beside(Plan { dry_run: true, ..other() }.sealed()), at(DUE));
    let mut notify = other();
    notify.stages[0].steps[0].action = action("notify", "bank/bank-1");
    assert_eq!(at_beside(notify.sealed()), at(DUE));
}

#[test]
fn only_what_was_done_later_counts_beside_a_plan() {
    // The other is done at 5 s, this one at 15 s: what that could cure, it has cured before.
    let incidents: Vec<_> = [(0, told(0, 0, OPEN, OPEN)), (30, told(30, 1, CLOSED, OPEN))]
        .into_iter()
        .chain(of_other(None))
        .collect();
    let (all, _) = run(&[(0, other()), (10, remedy())], &incidents, 700);
    assert_eq!((&all.verifications[0].plan, all.verifications[0].at), (&remedy().id, at(90)));
}

/// A step that takes five minutes.
fn long() -> Step {
    let mut long = step(1, "wait", "bank/bank-1", None);
    long.action.parameters.insert("for".to_owned(), "300s".to_owned());
    long
}

#[test]
fn what_is_being_done_counts_beside_a_plan_and_what_is_being_undone_does_not() {
    let mut done = other();
    done.stages[0].steps.insert(0, long());
    assert_eq!(at_beside(done.sealed()), at(200));
    // It is found wanting at 70 s, and long in being undone.
    let mut undone = other();
    let restart = &mut undone.stages[0].steps[0];
    restart.verify_within = Interval::from_seconds(30);
    restart.compensation = Some(long().action);
    assert_eq!(at_beside(undone.sealed()), at(DUE));
}
