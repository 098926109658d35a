//! Sagas against an executor that fails, hangs, answers twice, late or never.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use support::{at, completion, incident, plan, step};
use theriac_contract::{
    Checkpointed, Command, Completion, Fact, Id, IncidentPhase, Outcome, OutcomeKind, Plan, SymptomState,
    Verdict, VerificationVerdict,
};
use theriac_execute::{Execute, Settings};

/// What the model executor does with a command.
#[derive(Clone, Copy, Debug)]
enum Mood {
    Succeeds,
    FailsForNow,
    FailsForGood,
    SaysTimedOut,
    SaysUnknown,
    NeverAnswers,
    AnswersTwice,
    AnswersLate,
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        6 => Just(Mood::Succeeds),
        2 => Just(Mood::FailsForNow),
        1 => Just(Mood::FailsForGood),
        1 => Just(Mood::SaysTimedOut),
        1 => Just(Mood::SaysUnknown),
        1 => Just(Mood::NeverAnswers),
        1 => Just(Mood::AnswersTwice),
        1 => Just(Mood::AnswersLate),
    ]
}

/// Stages of steps, each with whether it can be undone.
fn shape() -> impl Strategy<Value = Vec<Vec<bool>>> {
    prop::collection::vec(prop::collection::vec(any::<bool>(), 1..4), 1..4)
}

fn made(shape: &[Vec<bool>]) -> Plan {
    let mut index = 0;
    let stages = shape.iter().map(|stage| {
        let steps = stage.iter().map(|undo| {
            index += 1;
            step(index, "do", &format!("service-{index}"), undo.then_some("undo"))
        });
        steps.collect()
    });
    plan("any", stages.collect())
}

/// Answers to a command by second.
fn answers(command: &Command, mood: Mood, now: i64) -> Vec<(i64, Completion)> {
    let say = |after: i64, verdict| (now + after, completion(command, now + after, verdict));
    match mood {
        Mood::Succeeds => vec![say(4, Verdict::Succeeded)],
        Mood::FailsForNow => vec![say(4, Verdict::Failed { retryable: true })],
        Mood::FailsForGood => vec![say(4, Verdict::Failed { retryable: false })],
        Mood::SaysTimedOut => vec![say(20, Verdict::TimedOut)],
        Mood::SaysUnknown => vec![say(4, Verdict::Unknown)],
        Mood::NeverAnswers => vec![],
        Mood::AnswersTwice => {
            vec![say(4, Verdict::Succeeded), say(4, Verdict::Succeeded), say(60, Verdict::TimedOut)]
        }
        Mood::AnswersLate => vec![say(90, Verdict::Succeeded)],
    }
}

struct History {
    outcomes: Vec<Outcome>,
    commands: Vec<Command>,
    verdicts: Vec<(VerificationVerdict, bool)>,
}

/// Runs one plan to its end, at each step beside a twin that was saved and restored.
fn history(plan: &Plan, moods: &[Mood], recovers_at: Option<i64>, lost_at: Option<i64>) -> History {
    let mut execute = Execute::new(Settings::default());
    let mut pending: Vec<(i64, Completion)> = Vec::new();
    let mut open: BTreeSet<Id> = BTreeSet::new();
    let mut all = History { outcomes: vec![], commands: vec![], verdicts: vec![] };
    let mut revision = 0;
    for second in (0..3000).step_by(5) {
        let mut incidents = vec![];
        let mut revise = |phase, state: SymptomState| {
            incidents.push(incident(second, revision, phase, &[state, state]));
            revision += 1;
        };
        match second {
            0 => revise(IncidentPhase::Opened, SymptomState::Open),
            now if recovers_at == Some(now) => revise(IncidentPhase::Resolved, SymptomState::Closed),
            now if lost_at == Some(now) => revise(IncidentPhase::Lost, SymptomState::Lost),
            _ => {}
        }
        let (come, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(when, _)| *when <= second);
        pending = rest;
        let come: Vec<Completion> = come.into_iter().map(|(_, completion)| completion).collect();
        let plans = if second == 0 { std::slice::from_ref(plan) } else { &[] };

        let saved = execute.snapshot().expect("state can be saved");
        let mut twin = Execute::new(Settings::default());
        twin.restore(&saved).expect("state can be restored");
        let out = execute.step(at(second), plans, &incidents, &come);
        assert_eq!(out, twin.step(at(second), plans, &incidents, &come));
        assert_eq!(execute.snapshot().expect("saved"), twin.snapshot().expect("saved"));

        for command in &out.commands {
            let intended = out.outcomes.iter().any(|outcome| {
                outcome.step == Some(command.step)
                    && outcome.attempt == command.attempt
                    && matches!(outcome.kind, OutcomeKind::Intended | OutcomeKind::Compensating)
            });
            assert!(intended, "a command without an intent");
            let mood = moods[all.commands.len() % moods.len()];
            pending.extend(answers(command, mood, second));
            all.commands.push(command.clone());
        }
        for outcome in &out.outcomes {
            assert!(outcome.kind != OutcomeKind::Intended || second <= 600, "begun after expiry");
        }
        open = execute.outstanding().iter().map(Command::attempt_key).collect();
        assert!(open.len() <= 1, "one plan, one attempt at a time");
        all.verdicts.extend(out.facts.iter().map(|fact| match fact {
            Fact::Verified { verdict, learn, .. } => (*verdict, *learn),
            other => panic!("unexpected fact {other:?}"),
        }));
        all.outcomes.extend(out.outcomes);
    }
    assert!(open.is_empty() && execute.running() == 0, "the plan comes to an end");
    all
}

/// Replays the outcomes on a stack: undoing takes the newest step that can be undone.
fn check_order(plan: &Plan, outcomes: &[Outcome]) -> Result<(), TestCaseError> {
    let reversible: BTreeSet<u32> =
        plan.steps().filter(|s| s.compensation.is_some()).map(|s| s.index).collect();
    let stage_of: BTreeMap<u32, usize> = plan
        .stages
        .iter()
        .enumerate()
        .flat_map(|(n, stage)| stage.steps.iter().map(move |step| (step.index, n)))
        .collect();
    let mut standing: Vec<u32> = Vec::new();
    let mut undoing = None;
    for outcome in outcomes {
        match (outcome.kind, outcome.step) {
            (OutcomeKind::Intended, Some(step)) => {
                prop_assert!(undoing.is_none());
                let before = standing.last().map_or(0, |last| stage_of[last]);
                if standing.iter().any(|s| reversible.contains(s)) {
                    prop_assert_eq!(stage_of[&step], before, "a stage begins before the last is undone");
                }
            }
            (OutcomeKind::Succeeded, Some(step)) => standing.push(step),
            (OutcomeKind::Compensating, Some(step)) => {
                while standing.last().is_some_and(|last| !reversible.contains(last)) {
                    standing.pop();
                }
                prop_assert_eq!(standing.last(), Some(&step), "not the reverse order");
                undoing = Some(step);
            }
            (OutcomeKind::Compensated | OutcomeKind::CompensationFailed, Some(step)) => {
                prop_assert_eq!(undoing.take(), Some(step));
                prop_assert_eq!(standing.pop(), Some(step));
            }
            _ => {}
        }
    }
    let failed = |o: &Outcome| matches!(o.kind, OutcomeKind::TimedOut | OutcomeKind::Compensating);
    if outcomes.iter().any(failed) {
        // Where telemetry was lost nothing more is done, and nothing undone either.
        let kept = |last: &Outcome| {
            last.kind == OutcomeKind::Completed
                || last.kind == OutcomeKind::Abandoned && last.detail.contains("no telemetry to judge by")
        };
        let left = standing.iter().any(|step| reversible.contains(step));
        prop_assert!(!left || outcomes.last().is_some_and(kept), "left standing: {standing:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_ends_done_undone_or_abandoned_with_a_reason(
        shape in shape(),
        moods in prop::collection::vec(mood(), 1..24),
        recovers_at in prop::option::of((1_i64..200).prop_map(|n| n * 5)),
        lost_at in prop::option::of((1_i64..400).prop_map(|n| n * 5)),
    ) {
        let plan = made(&shape);
        let all = history(&plan, &moods, recovers_at, lost_at.filter(|lost| recovers_at.is_none_or(|r| *lost < r)));

        let ends: Vec<&Outcome> = all.outcomes.iter().filter(|outcome| outcome.step.is_none()).collect();
        prop_assert_eq!(ends.len(), 1);
        prop_assert!(matches!(ends[0].kind, OutcomeKind::Completed | OutcomeKind::Abandoned));
        prop_assert!(!ends[0].detail.is_empty());
        prop_assert_eq!(all.outcomes.last().map(|o| &o.id), Some(&ends[0].id));
        prop_assert_eq!(all.verdicts.len(), 1, "one verdict to learn from");

        let ids: BTreeSet<&Id> = all.outcomes.iter().map(|outcome| &outcome.id).collect();
        prop_assert_eq!(ids.len(), all.outcomes.len(), "ids are unique");

        let mut keys: BTreeMap<(u32, bool), BTreeSet<&Id>> = BTreeMap::new();
        let mut attempts: BTreeMap<(u32, bool), u32> = BTreeMap::new();
        for command in &all.commands {
            keys.entry((command.step, command.compensation)).or_default().insert(&command.idempotency_key);
            let last = attempts.entry((command.step, command.compensation)).or_default();
            prop_assert_eq!(command.attempt, *last + 1, "attempts are counted without gaps");
            prop_assert!(command.attempt <= 3);
            *last = command.attempt;
        }
        prop_assert!(keys.values().all(|keys| keys.len() == 1), "one key for all attempts of a step");
        let distinct: BTreeSet<&&Id> = keys.values().flatten().collect();
        prop_assert_eq!(distinct.len(), keys.len(), "no key for two steps");

        let uncertain = all.outcomes.iter().any(|o| matches!(o.kind, OutcomeKind::TimedOut | OutcomeKind::Unknown));
        if uncertain {
            prop_assert!(!all.verdicts[0].1, "learnt from what nobody knows to have been done");
        }
        for outcome in all.outcomes.iter().filter(|o| matches!(o.kind, OutcomeKind::TimedOut | OutcomeKind::Unknown)) {
            let again = all.commands.iter().filter(|c| !c.compensation && Some(c.step) == outcome.step);
            prop_assert!(again.clone().all(|c| c.attempt <= outcome.attempt), "repeated what may have been done");
        }
        check_order(&plan, &all.outcomes)?;
    }

    #[test]
    fn leases_exclude_and_tokens_grow(
        targets in prop::collection::vec((0_usize..4, 0_i64..40), 1..20),
        moods in prop::collection::vec(mood(), 1..16),
    ) {
        let names = ["cart", "cart/cart-1", "cart/cart-2", "host:a"];
        let mut execute = Execute::new(Settings::default());
        let mut pending: Vec<(i64, Completion)> = Vec::new();
        let mut tokens: BTreeMap<String, u64> = BTreeMap::new();
        let mut sent = 0;
        for second in (0..800).step_by(5) {
            let due = targets.iter().enumerate().filter(|(_, (_, when))| when * 5 == second);
            let plans: Vec<Plan> = due
                .map(|(n, (target, _))| {
                    plan(&n.to_string(), vec![vec![step(n as u32, "do", names[*target], Some("undo"))]])
                })
                .collect();
            let (come, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|(when, _)| *when <= second);
            pending = rest;
            let come: Vec<Completion> = come.into_iter().map(|(_, completion)| completion).collect();
            let out = execute.step(at(second), &plans, &[], &come);
            for command in &out.commands {
                let newest = tokens.entry(command.action.target.0.clone()).or_default();
                prop_assert!(command.fencing_token >= *newest);
                *newest = command.fencing_token;
                pending.extend(answers(command, moods[sent % moods.len()], second));
                sent += 1;
            }
            let out = execute.outstanding();
            for (n, one) in out.iter().enumerate() {
                for other in &out[n + 1..] {
                    let (a, b) = (one.action.target.as_str(), other.action.target.as_str());
                    let part = |whole: &str, part: &str| part.starts_with(&format!("{whole}/"));
                    prop_assert!(a != b && !part(a, b) && !part(b, a), "{a} and {b} at once");
                }
            }
        }
        let counts = execute.counts();
        prop_assert_eq!(counts.accepted + counts.refused, targets.len() as u64);
        prop_assert_eq!(execute.running(), 0);
    }
}
