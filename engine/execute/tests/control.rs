//! What people said about acting holds for every attempt: nothing begins without approval, and
//! nothing after a stop.

mod support;

use proptest::prelude::*;
use support::{at, completion, incident, plan, step};
use theriac_contract::{
    Autonomy, Awaiting, Checkpointed, Control, Hold, HoldKind, IncidentPhase, OutcomeKind, Plan,
    SymptomState, Verdict,
};
use theriac_execute::{Execute, Executed, Settings};

const OPEN: SymptomState = SymptomState::Open;

fn held(kind: HoldKind) -> Control {
    let hold = Hold { kind, since: at(0), by: "ada".to_owned(), reason: "a release".to_owned() };
    Control { hold: Some(hold), ..Control::default() }
}

/// Two steps in a stage; the first can be undone.
fn two() -> Plan {
    let steps =
        vec![step(0, "isolate", "cart/cart-1", Some("restore")), step(1, "restart", "cart/cart-2", None)];
    plan("two", vec![steps])
}

fn begun(plan: &Plan) -> (Execute, Executed) {
    let mut execute = Execute::new(Settings::default());
    let news = [incident(0, 0, IncidentPhase::Opened, &[OPEN])];
    let out = execute.step(at(0), std::slice::from_ref(plan), &news, &[]);
    (execute, out)
}

fn kinds(out: &Executed) -> Vec<OutcomeKind> {
    out.outcomes.iter().map(|outcome| outcome.kind).collect()
}

#[test]
fn a_plan_that_awaits_approval_is_begun_with_it_alone() {
    let awaiting = Plan { autonomy: Autonomy::Approve, awaiting: Some(Awaiting::Approval), ..two() }.sealed();
    let (_, out) = begun(&awaiting);
    assert_eq!((kinds(&out), out.commands.len()), (vec![OutcomeKind::Refused], 0));
    assert_eq!(out.outcomes[0].detail, "not_approved: nobody has approved the plan of this id");
    for (id, approved, commands) in [(&awaiting.id, true, 1), (&awaiting.id, false, 0), (&two().id, true, 0)]
    {
        let mut control = Control::default();
        control.rule(id, approved, at(0), "ada", "");
        let mut execute = Execute::new(Settings::default());
        execute.heed(&control);
        let news = [incident(0, 0, IncidentPhase::Opened, &[OPEN])];
        let out = execute.step(at(0), std::slice::from_ref(&awaiting), &news, &[]);
        assert_eq!(out.commands.len(), commands, "{id} {approved}");
    }
}

#[test]
fn a_suggestion_is_never_begun() {
    let (_, out) = begun(&Plan { autonomy: Autonomy::Suggest, ..two() }.sealed());
    assert_eq!(out.outcomes[0].detail, "suggestion: the policy lets it be suggest only");
    assert!(out.commands.is_empty());
}

#[test]
fn nothing_new_begins_while_acting_is_paused() {
    let mut execute = Execute::new(Settings::default());
    execute.heed(&held(HoldKind::Pause));
    let news = [incident(0, 0, IncidentPhase::Opened, &[OPEN])];
    let out = execute.step(at(0), &[two()], &news, &[]);
    assert!(out.commands.is_empty());
    let since = at(0);
    assert_eq!(out.outcomes[0].detail, format!("held: acting is paused since {since} by ada: a release"));
}

#[test]
fn the_next_step_waits_while_acting_is_paused_and_goes_on_after_it() {
    let (mut execute, out) = begun(&two());
    let answer = completion(&out.commands[0], 5, Verdict::Succeeded);
    execute.heed(&held(HoldKind::Pause));
    let out = execute.step(at(10), &[], &[], &[answer]);
    assert_eq!(kinds(&out), [OutcomeKind::Succeeded, OutcomeKind::Refused]);
    assert!(out.commands.is_empty());
    let out = execute.step(at(20), &[], &[], &[]);
    assert_eq!(out, Executed::default(), "it is told once");
    execute.heed(&Control::default());
    let out = execute.step(at(30), &[], &[], &[]);
    assert_eq!(out.commands.len(), 1);
    assert_eq!(out.commands[0].action.verb, "restart");
}

#[test]
fn a_pause_lets_what_was_done_be_undone_and_the_kill_switch_does_not() {
    for (kind, undone) in [(HoldKind::Pause, true), (HoldKind::Kill, false)] {
        let (mut execute, out) = begun(&two());
        let out = execute.step(at(10), &[], &[], &[completion(&out.commands[0], 5, Verdict::Succeeded)]);
        execute.heed(&held(kind));
        let failed = completion(&out.commands[0], 15, Verdict::Failed { retryable: false });
        let out = execute.step(at(20), &[], &[], &[failed]);
        let verbs: Vec<&str> = out.commands.iter().map(|command| command.action.verb.as_str()).collect();
        assert_eq!(verbs == ["restore"], undone, "{kind:?}: {verbs:?}");
        execute.heed(&Control::default());
        let later = execute.step(at(30), &[], &[], &[]);
        assert_eq!(later.commands.len(), usize::from(!undone), "what was held back is undone later");
    }
}

#[test]
fn what_may_not_have_begun_is_not_sent_again_while_acting_is_stopped() {
    let (mut execute, out) = begun(&two());
    assert_eq!(execute.outstanding(), out.commands);
    execute.heed(&held(HoldKind::Pause));
    assert!(execute.outstanding().is_empty());
    execute.heed(&Control::default());
    assert_eq!(execute.outstanding(), out.commands);
}

#[derive(Clone, Copy, Debug)]
enum Move {
    Hold(HoldKind),
    Resume,
    Answer(bool),
    Pass,
    Restart,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever people say and executors answer, in whatever order and over restarts: no command
    /// goes out that the stop of the moment forbids, and in the end the plan ends.
    #[test]
    fn no_effect_begins_after_a_stop(
        moves in prop::collection::vec(
            prop_oneof![
                Just(Move::Hold(HoldKind::Pause)), Just(Move::Hold(HoldKind::Kill)), Just(Move::Resume),
                any::<bool>().prop_map(Move::Answer), Just(Move::Pass), Just(Move::Restart),
            ],
            1..40,
        ),
    ) {
        let (mut execute, out) = begun(&two());
        let mut control = Control::default();
        let mut waiting = out.commands;
        let mut second = 0;
        for step in moves {
            second += 5;
            let mut answers = Vec::new();
            match step {
                Move::Hold(kind) => control = held(kind),
                Move::Resume => control = Control::default(),
                Move::Answer(well) => {
                    let verdict = if well { Verdict::Succeeded } else { Verdict::Failed { retryable: true } };
                    answers = waiting.drain(..).map(|command| completion(&command, second, verdict.clone())).collect();
                }
                Move::Pass => second += 30,
                Move::Restart => {
                    let saved = execute.snapshot().unwrap();
                    execute = Execute::new(Settings::default());
                    execute.restore(&saved).unwrap();
                    prop_assert_eq!(execute.snapshot().unwrap(), saved);
                }
            }
            execute.heed(&control);
            let out = execute.step(at(second), &[], &[], &answers);
            if let Some(hold) = &control.hold {
                prop_assert!(out.commands.iter().all(|command| !hold.stops(command.compensation)));
            }
            waiting.extend(out.commands);
        }
        execute.heed(&Control::default());
        for _ in 0..200 {
            second += 10;
            let answers: Vec<_> = waiting.drain(..).map(|c| completion(&c, second, Verdict::Succeeded)).collect();
            waiting = execute.step(at(second), &[], &[], &answers).commands;
        }
        prop_assert_eq!(execute.running(), 0);
    }
}
