//! One plan at a time: what is accepted, what is said, what is learnt.

mod support;

use support::{at, completion, incident, plan, step};
use theriac_contract::{
    Command, Direction, Entity, Fact, Felt, Incident, IncidentPhase, OutcomeKind, Plan, Step, SymptomRef,
    SymptomState, Verdict, VerificationVerdict,
};
use theriac_execute::{Execute, Executed, Settings};

const OPEN: SymptomState = SymptomState::Open;
const CLOSED: SymptomState = SymptomState::Closed;
const LOST: SymptomState = SymptomState::Lost;

/// One plan from the beginning; see [`support::run`].
fn run(plan: &Plan, incidents: &[(i64, Incident)], until: i64) -> (Vec<OutcomeKind>, Executed, Vec<Command>) {
    let (all, sent) = support::run(&[(0, plan.clone())], incidents, until);
    (all.outcomes.iter().map(|outcome| outcome.kind).collect(), all, sent)
}

fn learnt(out: &Executed) -> Vec<(VerificationVerdict, bool)> {
    let verified = out.facts.iter().filter_map(|fact| match fact {
        Fact::Verified { verdict, learn, .. } => Some((*verdict, *learn)),
        _ => None,
    });
    verified.collect()
}

fn restart() -> Plan {
    plan("restart", vec![vec![step(0, "restart", "cart/cart-2", None)]])
}

#[test]
fn recovery_is_said_early_and_learnt() {
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN])),
        (40, incident(40, 1, IncidentPhase::Resolved, &[CLOSED, CLOSED])),
    ];
    let (kinds, out, sent) = run(&restart(), &incidents, 200);
    assert_eq!(kinds, [OutcomeKind::Intended, OutcomeKind::Succeeded, OutcomeKind::Completed]);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
    assert_eq!(out.verifications[0].at, at(40));
    assert_eq!(out.verifications[0].acted, at(5));
    assert_eq!(out.verifications[0].symptoms_before, 2);
    assert_eq!((sent.len(), sent[0].fencing_token), (1, 1));
}

#[test]
fn standing_symptoms_at_the_deadline_are_no_recovery() {
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN, OPEN])),
        (30, incident(30, 1, IncidentPhase::Updated, &[CLOSED, OPEN, OPEN])),
    ];
    let (kinds, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
    // Done at 5 s, settled at 15 s, watched until 75 s: the first tick after that is at 80 s.
    assert_eq!(out.verifications[0].at, at(80));
    assert_eq!(out.verifications[0].symptoms_open, 2);
    assert_eq!(kinds.last(), Some(&OutcomeKind::Completed));
}

#[test]
fn what_is_half_over_at_the_deadline_is_given_as_long_again() {
    let opened = (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN]));
    let half = (30, incident(30, 1, IncidentPhase::Updated, &[CLOSED, OPEN]));
    let (_, out, _) = run(&restart(), &[opened.clone(), half.clone()], 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
    // From 15 s to 75 s, and once more as long.
    assert_eq!(out.verifications[0].at, at(140));
    let whole = (100, incident(100, 2, IncidentPhase::Resolved, &[CLOSED, CLOSED]));
    let (_, out, _) = run(&restart(), &[opened, half, whole], 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
}

#[test]
fn trouble_that_only_moved_is_no_recovery() {
    let mut moved = incident(30, 1, IncidentPhase::Updated, &[CLOSED, CLOSED, OPEN, OPEN]);
    for (number, symptom) in moved.symptoms.iter_mut().enumerate().skip(2) {
        symptom.signal = format!("another.{number}");
        symptom.onset = at(2);
    }
    let incidents = [(0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN])), (30, moved)];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
    let why = &out.verifications[0].explanation;
    assert!(why.contains("2 others of the incident stand"), "{why}");
}

/// What is said of two strong symptoms that ended while so many others, each so improbable, stand instead.
fn moved(others: usize, p_value: f64, changed: &dyn Fn(&mut SymptomRef)) -> VerificationVerdict {
    let strong = |mut one: Incident| {
        one.symptoms.iter_mut().for_each(|symptom| symptom.p_value = 1e-12);
        one
    };
    let states = [&[CLOSED, CLOSED][..], &vec![OPEN; others]].concat();
    let mut moved = strong(incident(30, 1, IncidentPhase::Updated, &states));
    for symptom in &mut moved.symptoms[2..] {
        symptom.signal = "another".to_owned();
        symptom.p_value = p_value;
        changed(symptom);
    }
    let opened = strong(incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN]));
    run(&restart(), &[(0, opened), (30, moved)], 200).1.verifications[0].verdict
}

#[test]
fn others_count_by_how_surprising_they_are() {
    use VerificationVerdict::{NotRecovered, Recovered};
    // Far more than half as many, but hardly a symptom each.
    assert_eq!(moved(5, 1e-2, &|_| {}), Recovered);
    assert_eq!(moved(2, 1e-12, &|_| {}), NotRecovered);
    // However surprising: one is not worth all that ended, yet more than half of it.
    assert_eq!(moved(1, 0.0, &|_| {}), NotRecovered);
    assert_eq!(moved(1, 1e-12, &|_| {}), Recovered);
    // Of what is no surprise at all each still counts a little.
    assert_eq!(moved(13, 1.0, &|_| {}), NotRecovered);
}

#[test]
fn no_single_symptom_outweighs_many() {
    let strong = |mut one: Incident| {
        one.symptoms.iter_mut().for_each(|symptom| symptom.p_value = 1e-12);
        one
    };
    let mut other = strong(incident(30, 1, IncidentPhase::Updated, &[CLOSED, CLOSED, CLOSED, OPEN]));
    other.symptoms[3].signal = "another".to_owned();
    other.symptoms[3].p_value = 1e-300;
    let incidents = [(0, strong(incident(0, 0, IncidentPhase::Opened, &[OPEN; 3]))), (30, other)];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
}

/// What is kept away from work has less of it.
#[test]
fn less_of_something_where_it_is_acted_is_nothing_that_moved() {
    use VerificationVerdict::{NotRecovered, Recovered};
    let less = |place: &'static str| {
        moved(2, 1e-12, &|symptom| {
            symptom.direction = Direction::Down;
            symptom.entity = Entity(place.to_owned());
        })
    };
    assert_eq!(less("cart/cart-2"), Recovered);
    // Less of something elsewhere may be what the trouble has become, and so may more of it here.
    assert_eq!([less("cart/cart-1"), less("shop")], [NotRecovered; 2]);
    assert_eq!(moved(2, 1e-12, &|symptom| symptom.direction = Direction::None), NotRecovered);
    // A caller says it of whom it calls.
    let of_callee = moved(2, 1e-12, &|symptom| {
        symptom.direction = Direction::Down;
        symptom.entity = Entity("shop".to_owned());
        symptom.peer = Some(Entity("cart/cart-2".to_owned()));
    });
    assert_eq!(of_callee, Recovered);
}

/// An incident with the symptom of before over, and the same signal unusual again since `onset`.
fn back(seconds: i64, revision: u32, onset: i64) -> Incident {
    let mut again = incident(seconds, revision, IncidentPhase::Updated, &[CLOSED, OPEN]);
    again.symptoms[0].end = Some(at(10));
    again.symptoms[1].onset = at(onset);
    again
}

#[test]
fn what_comes_back_was_not_cured() {
    let first = incident(0, 0, IncidentPhase::Opened, &[OPEN]);
    let incidents = [(0, first), (30, back(30, 1, 25))];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
    assert_eq!(out.verifications[0].at, at(30), "there is nothing to wait for");
    assert!(out.verifications[0].explanation.contains("came back"), "{:?}", out.verifications[0]);
}

#[test]
fn recovery_is_believed_after_a_quiet() {
    let first = incident(0, 0, IncidentPhase::Opened, &[OPEN]);
    // It flickers once more while the effect settles, and ends at 25 s; ten seconds must pass.
    let mut flicker = back(20, 1, 12);
    flicker.symptoms[1].state = CLOSED;
    flicker.symptoms[1].end = Some(at(25));
    let (_, out, _) = run(&restart(), &[(0, first), (20, flicker)], 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
    assert_eq!(out.verifications[0].at, at(40));
}

/// While users feel it and the same signal stands again, however long ago it began to, nothing is quiet.
#[test]
fn what_stands_again_is_no_quiet() {
    let outside = |mut incident: Incident| {
        incident.felt = Felt::Outside;
        incident
    };
    let strong = [CLOSED, CLOSED, CLOSED, CLOSED, OPEN];
    let mut again = incident(30, 1, IncidentPhase::Updated, &strong);
    // It began before the effect had settled, so it is none that came back.
    again.symptoms[4].onset = at(12);
    let first = incident(0, 0, IncidentPhase::Opened, &[OPEN; 4]);
    let (_, out, _) = run(&restart(), &[(0, outside(first)), (30, outside(again))], 70);
    assert_eq!(learnt(&out), [], "it is not due before 75 s");
}

#[test]
fn lost_telemetry_is_unknown_and_nothing_more_is_done() {
    let two = plan(
        "escalate",
        vec![vec![step(0, "restart", "cart/cart-2", None)], vec![step(1, "rollback_deploy", "cart", None)]],
    );
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN])),
        (30, incident(30, 1, IncidentPhase::Lost, &[LOST])),
    ];
    let (kinds, out, sent) = run(&two, &incidents, 300);
    assert_eq!(learnt(&out), [(VerificationVerdict::Unknown, false)]);
    assert_eq!(sent.len(), 1);
    assert_eq!(kinds.last(), Some(&OutcomeKind::Abandoned));
}

#[test]
fn an_incident_that_was_never_seen_cannot_be_judged() {
    let (_, out, _) = run(&restart(), &[], 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Unknown, false)]);
}

/// A remedy that can be undone.
fn drain() -> Plan {
    plan("isolate", vec![vec![step(0, "isolate", "cart/cart-2", Some("restore"))]])
}

#[test]
fn what_nearly_cured_it_is_not_undone() {
    for (left, kept) in [(1, true), (4, false)] {
        let mut states = [CLOSED; 9];
        states[..left].fill(OPEN);
        let incidents = [
            (0, incident(0, 0, IncidentPhase::Opened, &[OPEN; 9])),
            (30, incident(30, 1, IncidentPhase::Updated, &states)),
        ];
        let (kinds, out, sent) = run(&drain(), &incidents, 400);
        assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)], "{left}");
        assert_eq!(sent.len(), if kept { 1 } else { 2 }, "{left}");
        let end = if kept { OutcomeKind::Completed } else { OutcomeKind::Abandoned };
        assert_eq!(kinds.last(), Some(&end), "{left}");
    }
}

/// What came back is one of the eight: one symptom of nine that did is little.
#[test]
fn what_came_back_undoes_a_remedy_only_if_it_is_much() {
    // The many are faint, so that it is their number that tells; and a single one may be too surprising.
    for (back, p_value, kept) in [(1, 1e-6, true), (4, 0.1, false), (1, 1e-15, false)] {
        let states = [&[CLOSED; 9][..], &vec![OPEN; back]].concat();
        // Just before the verdict is due.
        let mut again = incident(80, 1, IncidentPhase::Updated, &states);
        for symptom in &mut again.symptoms[9..] {
            symptom.onset = at(75);
            symptom.p_value = p_value;
        }
        let incidents = [(0, incident(0, 0, IncidentPhase::Opened, &[OPEN; 9])), (80, again)];
        let (kinds, out, sent) = run(&drain(), &incidents, 400);
        assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)], "{back} {p_value}");
        let why = format!("{back} symptoms came back");
        assert!(out.verifications[0].explanation.contains(&why), "{:?}", out.verifications[0]);
        assert_eq!(sent.len(), if kept { 1 } else { 2 }, "{back} {p_value}");
        let end = if kept { OutcomeKind::Completed } else { OutcomeKind::Abandoned };
        assert_eq!(kinds.last(), Some(&end), "{back} {p_value}");
    }
}

#[test]
fn a_stage_that_did_not_help_is_undone_before_the_next() {
    let mild =
        vec![step(0, "isolate", "cart/cart-2", Some("restore")), step(1, "restart", "cart/cart-1", None)];
    let two = plan("escalate", vec![mild, vec![step(2, "rollback_deploy", "cart", Some("deploy"))]]);
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN])),
        (150, incident(150, 1, IncidentPhase::Resolved, &[CLOSED])),
    ];
    let (kinds, out, sent) = run(&two, &incidents, 400);
    let verbs: Vec<&str> = sent.iter().map(|command| command.action.verb.as_str()).collect();
    assert_eq!(verbs, ["isolate", "restart", "restore", "rollback_deploy"]);
    assert_eq!(
        sent.iter().map(|command| command.compensation).collect::<Vec<_>>(),
        [false, false, true, false]
    );
    let verdicts: Vec<_> = out.verifications.iter().map(|v| (v.stage, v.verdict)).collect();
    assert_eq!(verdicts, [(0, VerificationVerdict::NotRecovered), (1, VerificationVerdict::Recovered)]);
    assert_eq!(
        learnt(&out),
        [(VerificationVerdict::Recovered, true)],
        "a strategy is judged once, by its end"
    );
    assert_eq!(kinds.last(), Some(&OutcomeKind::Completed));
}

#[test]
fn a_dry_run_teaches_nothing() {
    let mut dry = restart();
    dry.dry_run = true;
    let dry = dry.sealed();
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN])),
        (40, incident(40, 1, IncidentPhase::Resolved, &[CLOSED])),
    ];
    let (_, out, sent) = run(&dry, &incidents, 200);
    assert!(sent[0].dry_run && out.outcomes.iter().all(|outcome| outcome.dry_run));
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, false)]);
}

#[test]
fn waiting_needs_no_executor() {
    let mut wait = step(0, "wait", "cart", None);
    wait.action.parameters.insert("for".to_owned(), "30s".to_owned());
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN])),
        (20, incident(20, 1, IncidentPhase::Resolved, &[CLOSED])),
    ];
    let (kinds, out, sent) = run(&plan("wait", vec![vec![wait]]), &incidents, 200);
    assert!(sent.is_empty());
    assert_eq!(kinds, [OutcomeKind::Intended, OutcomeKind::Succeeded, OutcomeKind::Completed]);
    assert_eq!((out.outcomes[1].at, out.verifications[0].at), (at(30), at(40)));
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
}

#[test]
fn a_step_is_passed_over_once_the_incident_is_over() {
    let mut last = step(2, "undrain", "cart/cart-2", None);
    last.precondition = "always".to_owned();
    let steps = vec![step(0, "drain", "cart/cart-2", None), step(1, "restart", "cart/cart-2", None), last];
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN])),
        (10, incident(10, 1, IncidentPhase::Resolved, &[CLOSED])),
    ];
    let (kinds, _, sent) = run(&plan("recycle", vec![steps]), &incidents, 200);
    let verbs: Vec<&str> = sent.iter().map(|command| command.action.verb.as_str()).collect();
    assert_eq!(verbs, ["drain", "undrain"]);
    assert_eq!(kinds[2], OutcomeKind::Refused);
}

#[test]
fn an_unknown_end_is_not_repeated_but_observed() {
    for (state, ending) in [(CLOSED, OutcomeKind::Completed), (OPEN, OutcomeKind::Abandoned)] {
        let steps = vec![
            step(0, "isolate", "cart/cart-2", Some("restore")),
            step(1, "restart", "cart/cart-2", Some("stop")),
            step(2, "undrain", "cart/cart-2", None),
        ];
        let mut execute = Execute::new(Settings::default());
        let opened = incident(0, 0, IncidentPhase::Opened, &[OPEN]);
        let out = execute.step(at(0), &[plan("x", vec![steps])], &[opened], &[]);
        let out = execute.step(at(10), &[], &[], &[completion(&out.commands[0], 5, Verdict::Succeeded)]);
        let out = execute.step(at(20), &[], &[], &[completion(&out.commands[0], 15, Verdict::Unknown)]);
        assert_eq!(out.outcomes[0].kind, OutcomeKind::Unknown);
        assert!(out.commands.is_empty() && execute.outstanding().is_empty());
        let later = incident(90, 1, IncidentPhase::Updated, &[state]);
        let out = execute.step(at(90), &[], &[later], &[]);
        assert!(matches!(out.facts[..], [Fact::Verified { learn: false, .. }]));
        let undo: Vec<&str> = out.commands.iter().map(|command| command.action.verb.as_str()).collect();
        if ending == OutcomeKind::Completed {
            assert!(undo.is_empty());
            assert_eq!(out.outcomes.last().map(|o| o.kind), Some(ending));
        } else {
            assert_eq!(undo, ["restore"], "only what was surely done is undone");
            let out =
                execute.step(at(100), &[], &[], &[completion(&out.commands[0], 95, Verdict::Succeeded)]);
            assert_eq!(out.outcomes.last().map(|o| o.kind), Some(ending));
        }
    }
}

#[test]
fn what_ran_out_of_time_is_not_done_again() {
    let mut execute = Execute::new(Settings::default());
    let out = execute.step(at(0), &[restart()], &[], &[]);
    let answer = completion(&out.commands[0], 5, Verdict::TimedOut);
    let out = execute.step(at(10), &[], &[], &[answer]);
    assert_eq!(out.outcomes[0].kind, OutcomeKind::TimedOut);
    for second in (10..1000).step_by(10) {
        assert_eq!(execute.step(at(second), &[], &[], &[]).commands, []);
    }
}

fn reason(out: &Executed) -> &str {
    match &out.facts[..] {
        [Fact::Refused { reason, .. }] if out.commands.is_empty() => reason,
        _ => panic!("not refused: {out:?}"),
    }
}

#[test]
fn refuses_what_must_not_begin() {
    let fresh = || Execute::new(Settings::default());
    assert_eq!(reason(&fresh().step(at(601), &[restart()], &[], &[])), "expired");
    let over = incident(0, 3, IncidentPhase::Resolved, &[CLOSED]);
    assert_eq!(reason(&fresh().step(at(0), &[restart()], &[over], &[])), "incident_over");
    assert_eq!(reason(&fresh().step(at(0), &[plan("none", vec![])], &[], &[])), "malformed");
    let twice = vec![vec![step(0, "restart", "a", None), step(0, "restart", "a", None)]];
    assert_eq!(reason(&fresh().step(at(0), &[plan("twice", twice)], &[], &[])), "malformed");
    let mut none = Execute::new(Settings { plans_max: 0, ..Settings::default() });
    assert_eq!(reason(&none.step(at(0), &[restart()], &[], &[])), "too_many");
}

#[test]
fn one_plan_acts_on_a_target_at_a_time() {
    let mut execute = Execute::new(Settings::default());
    let on = |name: &str, target: &str| plan(name, vec![vec![step(0, "restart", target, None)]]);
    execute.step(at(0), &[on("a", "cart/cart-2")], &[], &[]);
    for (name, target) in [("b", "cart/cart-2"), ("c", "cart")] {
        assert_eq!(reason(&execute.step(at(1), &[on(name, target)], &[], &[])), "lease_held");
    }
    let out = execute.step(at(2), &[on("d", "cart/cart-1"), on("e", "cartography")], &[], &[]);
    assert_eq!(out.commands.iter().map(|c| c.fencing_token).collect::<Vec<_>>(), [2, 3]);
    // After the first has timed out and ended, the target is free, under a newer token.
    let out = execute.step(at(200), &[on("f", "cart")], &[], &[]);
    assert_eq!(out.commands[0].action.target, Entity("cart".to_owned()));
    assert_eq!(out.commands[0].fencing_token, 4);
}

/// Gives what is said to a restart of the same instance, a moment after the answer to the first step of a plan.
fn after(first: Vec<Vec<Step>>, answer: Verdict) -> Executed {
    let mut execute = Execute::new(Settings::default());
    let opened = incident(0, 0, IncidentPhase::Opened, &[OPEN]);
    let out = execute.step(at(0), &[plan("first", first)], &[opened], &[]);
    execute.step(at(10), &[restart()], &[], &[completion(&out.commands[0], 5, answer)])
}

/// The next would find what was done undone under its hands, or gone on with.
#[test]
fn a_plan_holds_on_to_what_it_may_come_back_to() {
    let only = |undo| vec![step(0, "flush", "cart/cart-2", undo)];
    let out = after(vec![only(None)], Verdict::Succeeded);
    let tokens: Vec<_> = out.commands.iter().map(|c| (c.action.verb.as_str(), c.fencing_token)).collect();
    assert_eq!(tokens, [("restart", 2)], "only its verdict is awaited: {out:?}");
    let further = vec![step(1, "drain", "cart/cart-2", None)];
    for (first, answer) in [
        (vec![only(Some("fill"))], Verdict::Succeeded),
        (vec![only(None), further.clone()], Verdict::Succeeded),
        // Nobody knows whether it is being done yet.
        (vec![only(None)], Verdict::Unknown),
    ] {
        assert_eq!(reason(&after(first, answer)), "lease_held");
    }
    // There are further steps of the stage.
    let both = after(vec![[only(None), further].concat()], Verdict::Succeeded);
    assert!(both.outcomes.iter().any(|outcome| outcome.detail.starts_with("lease_held")), "{both:?}");
}

#[test]
fn a_plan_is_accepted_once_and_answers_count_once() {
    let mut execute = Execute::new(Settings::default());
    let out = execute.step(at(0), &[restart(), restart()], &[], &[]);
    let answer = completion(&out.commands[0], 5, Verdict::Succeeded);
    execute.step(at(10), &[restart()], &[], &[answer.clone(), answer.clone()]);
    execute.step(at(200), &[restart()], &[], &[answer]);
    let counts = execute.counts();
    assert_eq!((counts.accepted, counts.repeated, counts.answers, counts.answers_ignored), (1, 3, 1, 2));
}

#[test]
fn nothing_begins_after_expiry_but_what_was_done_is_undone() {
    let steps =
        vec![step(0, "isolate", "cart/cart-2", Some("restore")), step(1, "restart", "cart/cart-2", None)];
    let mut execute = Execute::new(Settings::default());
    let mut late = plan("late", vec![steps]);
    late.expires = at(8);
    let out = execute.step(at(0), &[late.sealed()], &[], &[]);
    let out = execute.step(at(10), &[], &[], &[completion(&out.commands[0], 5, Verdict::Succeeded)]);
    assert_eq!(out.commands[0].action.verb, "restore");
    let out = execute.step(at(20), &[], &[], &[completion(&out.commands[0], 15, Verdict::Succeeded)]);
    let last = out.outcomes.last().expect("the plan ends");
    assert_eq!(last.kind, OutcomeKind::Abandoned);
    assert!(last.detail.contains("expired"), "{}", last.detail);
}

/// An incident whose trouble users no longer feel.
fn unfelt(mut incident: Incident) -> Incident {
    incident.felt = Felt::Inside;
    incident
}

#[test]
fn what_users_no_longer_feel_is_recovered_though_traces_remain() {
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN])),
        (30, unfelt(incident(30, 1, IncidentPhase::Updated, &[CLOSED, OPEN]))),
    ];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
    // Half a minute of quiet, not at once.
    assert_eq!(out.verifications[0].at, at(60));
    let text = "restart: nobody outside feels it any more; 1 of 2 symptoms still stand";
    assert_eq!(out.verifications[0].explanation, text);
}

#[test]
fn what_users_feel_again_before_the_quiet_is_over_is_not() {
    let incidents = [
        (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN])),
        (30, unfelt(incident(30, 1, IncidentPhase::Updated, &[CLOSED, OPEN]))),
        (50, incident(50, 2, IncidentPhase::Updated, &[CLOSED, OPEN])),
    ];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
}

/// The verdict is due at 80 s; what users feel no more since 70 s is not undone for ten seconds.
#[test]
fn a_verdict_that_falls_due_in_the_quiet_is_put_off() {
    let opened = (0, incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN]));
    let quiet = (70, unfelt(incident(70, 1, IncidentPhase::Updated, &[OPEN, OPEN])));
    let (_, out, _) = run(&restart(), &[opened.clone(), quiet.clone()], 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::Recovered, true)]);
    assert_eq!(out.verifications[0].at, at(100));
    // As long again at most: nobody waits for a quiet that comes and goes.
    let restless = (90..200).step_by(30).flat_map(|second| {
        let (felt, not) = (second, second + 20);
        let revision = second as u32;
        let states = &[OPEN, OPEN];
        [
            (felt, incident(felt, revision, IncidentPhase::Updated, states)),
            (not, unfelt(incident(not, revision + 1, IncidentPhase::Updated, states))),
        ]
    });
    let all: Vec<_> = [opened, quiet].into_iter().chain(restless).collect();
    let (_, out, _) = run(&restart(), &all, 300);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
}

#[test]
fn trouble_that_nobody_felt_is_judged_by_its_symptoms() {
    let incidents = [
        (0, unfelt(incident(0, 0, IncidentPhase::Opened, &[OPEN, OPEN]))),
        (30, unfelt(incident(30, 1, IncidentPhase::Updated, &[CLOSED, OPEN]))),
    ];
    let (_, out, _) = run(&restart(), &incidents, 200);
    assert_eq!(learnt(&out), [(VerificationVerdict::NotRecovered, true)]);
}
